/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfio_raw.h - a vfio-user client without manners: it sends what it is told
 *
 * Waits at most some seconds for anything, so that a server which does not
 * answer fails a test instead of hanging it.
 *
 * Threads   one per client
 */
#ifndef TESTS_VFIO_RAW_H
#define TESTS_VFIO_RAW_H

#include <sys/types.h>

#include "apps/vfio-user/wire.h"

struct vfio_raw {
	int sock; /* owned */
	uint16_t id;
	struct vu_header reply; /* the last one */
	uint8_t data[VU_MAX_PAYLOAD];
	size_t length; /* of its payload in @data */
};

/* Set the time limit of a connected socket and take it over. */
void vfio_raw_init(struct vfio_raw *v, int sock);
/* Connect to @path, trying for some seconds; 0 or -errno. */
int vfio_raw_connect(struct vfio_raw *v, const char *path);
void vfio_raw_close(struct vfio_raw *v);

/* @n bytes in one piece with @nr_fds descriptors; 0 or -errno. */
int vfio_raw_send(struct vfio_raw *v, const void *bytes, size_t n,
		  const int *fds, unsigned int nr_fds);
/* One message: header made from @command and @flags. */
int vfio_raw_command(struct vfio_raw *v, uint16_t command, uint32_t flags,
		     const void *payload, size_t n, const int *fds,
		     unsigned int nr_fds);
/* 1 a reply came, 0 end of file, -errno (-EAGAIN: too late). */
int vfio_raw_reply(struct vfio_raw *v);
/* Command and reply: 0 or the negative of the error in the reply; -EPIPE the
 * link was closed. */
int vfio_raw_call(struct vfio_raw *v, uint16_t command, const void *payload,
		  size_t n, const int *fds, unsigned int nr_fds);

/* The usual ones, answered as vfio_raw_call() is. */
int vfio_raw_version(struct vfio_raw *v, uint16_t minor, const char *json);
int vfio_raw_map(struct vfio_raw *v, uint64_t address, uint64_t size, int fd,
		 uint64_t offset);
int vfio_raw_unmap(struct vfio_raw *v, uint64_t address, uint64_t size);
int vfio_raw_set_irqs(struct vfio_raw *v, uint32_t index, uint32_t flags,
		      uint32_t start, uint32_t count, const int *fds,
		      unsigned int nr_fds);
int vfio_raw_read(struct vfio_raw *v, uint32_t region, uint64_t offset,
		  uint32_t count, void *data);
int vfio_raw_write(struct vfio_raw *v, uint32_t region, uint64_t offset,
		   uint32_t count, uint64_t value);

/* How many descriptors process @pid has (0: this one), and how many of its
 * memory mappings have @what in their line. */
unsigned int vfio_count_fds(pid_t pid);
unsigned int vfio_count_maps(pid_t pid, const char *what);

#endif
