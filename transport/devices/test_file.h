/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_file.h - for unit tests: a file to be a disk
 */
#ifndef TRANSPORT_DEVICES_TEST_FILE_H
#define TRANSPORT_DEVICES_TEST_FILE_H

#include <fcntl.h>
#include <unistd.h>

#include "transport/devices/test_disk.h"

struct file {
	char path[64];
	int fd;
};

/* Of @bytes, each of which is 0x11. */
static inline void file_make(struct file *f, uint64_t bytes)
{
	const uint8_t old[512] = { [0 ... 511] = 0x11 };
	uint64_t n;

	snprintf(f->path, sizeof(f->path), "/var/tmp/pciring-disk-XXXXXX");
	f->fd = mkostemp(f->path, O_CLOEXEC);
	assert(f->fd >= 0);
	for (; bytes; bytes -= n) {
		n = bytes < 512 ? bytes : 512;
		if (write(f->fd, old, n) != (ssize_t)n)
			abort();
	}
}

static inline void file_end(struct file *f)
{
	close(f->fd);
	unlink(f->path);
}

/* A disk on it, with these options beside; false: @error. */
static inline bool file_disk(const struct file *f, const char *words,
			     struct virtio_device **dev, char *error,
			     size_t room)
{
	char all[256];

	snprintf(all, sizeof(all), "backend=file path=%s %s", f->path, words);
	*dev = NULL;
	return !disk_create(all, dev, error, room);
}

/* With all features; false: the host cannot. */
static inline bool file_open_disk(struct disk *t, const struct file *f,
				  const char *words)
{
	struct virtio_device *dev;
	char error[200] = "";

	if (!file_disk(f, words, &dev, error, sizeof(error)))
		return false;
	disk_begin(t, dev, dev->offer.w[0]);
	return true;
}

static inline uint8_t file_byte(const struct file *f, uint64_t at)
{
	uint8_t byte = 0;

	if (pread(f->fd, &byte, 1, (off_t)at) != 1)
		abort();
	return byte;
}

/* Are all @len bytes at @at @byte? */
static inline bool file_all(const struct file *f, uint64_t at, uint64_t len,
			    uint8_t byte)
{
	for (; len; at++, len--)
		if (file_byte(f, at) != byte)
			return false;
	return true;
}

#endif
