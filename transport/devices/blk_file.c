/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the plain descriptor is opened first and locked, so that what follows -
 * to make the file longer, to look at it - happens to a file that is ours.  The
 * kernel says what direct transfers have to be aligned to (statx); where it
 * does not, one is tried.
 */
#include "transport/devices/blk_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR	  512u
#define MAX_ALIGN 4096u

/* An open file, on its way to be a disk. */
struct opening {
	const struct blk_wish *wish;
	struct blk_file *f;
	uint32_t physical;
	char *error;
	size_t room;
};

static int say(const struct opening *o, int err, const char *what)
{
	snprintf(o->error, o->room, "device blk: %s %s", o->wish->path, what);
	return err;
}

static int say_errno(const struct opening *o, int err, const char *what)
{
	snprintf(o->error, o->room, "device blk: %s %s: %s", o->wish->path,
		 what, strerror(-err));
	return err;
}

/* ---- The file ------------------------------------------------------------- */

static int open_plain(const struct opening *o)
{
	/* NONBLOCK: whoever names a pipe is told so, and waits for nobody. */
	const int flags = (o->wish->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC |
			  O_NONBLOCK | (o->wish->create ? O_CREAT : 0);
	struct stat st;

	o->f->plain = open(o->wish->path, flags, 0600);
	if (o->f->plain < 0)
		return say_errno(o, -errno, "cannot be opened");
	if (fstat(o->f->plain, &st))
		return say_errno(o, -errno, "cannot be looked at");
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return say(o, -EINVAL, "is neither a file nor a block device");
	o->f->device = S_ISBLK(st.st_mode);
	return 0;
}

static int lock(const struct opening *o)
{
	const int how = (o->wish->readonly ? LOCK_SH : LOCK_EX) | LOCK_NB;

	if (!flock(o->f->plain, how))
		return 0;
	if (errno != EWOULDBLOCK)
		return say_errno(o, -errno, "cannot be locked");
	return say(o, -EBUSY,
		   o->wish->readonly
			   ? "is in use by another disk, which writes to it"
			   : "is in use by another disk");
}

static int length_of(const struct blk_file *f, uint64_t *bytes)
{
	struct stat st;

	if (f->device)
		return ioctl(f->plain, BLKGETSIZE64, bytes) ? -errno : 0;
	if (fstat(f->plain, &st))
		return -errno;
	*bytes = (uint64_t)st.st_size;
	return 0;
}

/* The last sector of a file may be a part of one: it is a sector all the same,
 * and what is missing reads as zeroes. */
static uint64_t whole_sectors(const struct blk_file *f, uint64_t bytes)
{
	return (bytes + (f->device ? 0 : SECTOR - 1)) & ~(SECTOR - 1ull);
}

static int find_size(const struct opening *o)
{
	const uint64_t wanted = o->wish->size;
	uint64_t bytes;
	int err;

	err = length_of(o->f, &bytes);
	if (err)
		return say_errno(o, err, "does not say how large it is");
	if (!o->f->device && o->wish->create && bytes < wanted) {
		if (ftruncate(o->f->plain, (off_t)wanted))
			return say_errno(o, -errno, "cannot be made longer");
		bytes = wanted;
	}
	bytes = whole_sectors(o->f, bytes);
	if (wanted > bytes)
		return say(o, -EINVAL,
			   o->f->device
				   ? "is smaller than option size"
				   : "is shorter than option size, and option "
				     "create=true was not given");
	if (!bytes)
		return say(o, -EINVAL,
			   "is empty: give it a size, or options "
			   "size and create=true");
	o->f->backend.size = wanted ? wanted : bytes;
	return 0;
}

/* ---- Direct --------------------------------------------------------------- */

static bool told_alignment(struct blk_file *f)
{
	struct statx sx;

	if (statx(f->direct, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) ||
	    !(sx.stx_mask & STATX_DIOALIGN))
		return false;
	f->mem_align = sx.stx_dio_mem_align;
	f->align = sx.stx_dio_offset_align;
	return true;
}

static bool found_alignment(struct blk_file *f)
{
	uint8_t *room = aligned_alloc(MAX_ALIGN, 2 * MAX_ALIGN);
	uint32_t n;

	for (n = SECTOR; room && n <= MAX_ALIGN; n *= 8)
		if (pread(f->direct, room + n, n, 0) >= 0)
			break;
	f->mem_align = n;
	f->align = n;
	free(room);
	return room && n <= MAX_ALIGN;
}

static void close_direct(struct blk_file *f)
{
	if (f->direct >= 0)
		close(f->direct);
	f->direct = -1;
}

/* By way of the first descriptor: the name may be another file's by now. */
static void open_direct(struct blk_file *f)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->plain);
	f->direct = open(path, (f->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC |
				       O_DIRECT);
	if (f->direct < 0)
		return;
	if ((!told_alignment(f) && !found_alignment(f)) ||
	    !is_power_of_2(f->mem_align) || !is_power_of_2(f->align) ||
	    f->align > MAX_ALIGN)
		close_direct(f);
}

static int choose_direct(const struct opening *o)
{
	struct blk_file *f = o->f;

	if (o->wish->direct == BLK_DIRECT_OFF)
		return 0;
	open_direct(f);
	if (f->direct < 0 && o->wish->direct == BLK_DIRECT_ON)
		return say(o, -EINVAL,
			   "is on a file system that has no direct I/O, which "
			   "option direct=on asks for");
	/* A sector is always whole blocks, or the end would be out of reach. */
	if (f->direct >= 0 && f->align > SECTOR &&
	    !(f->backend.size % f->align))
		f->backend.block = f->align;
	return 0;
}

static void find_physical(struct blk_file *f)
{
	unsigned int physical = 0;
	struct stat st;

	if (f->device && !ioctl(f->plain, BLKPBSZGET, &physical))
		f->backend.physical = physical;
	else if (!f->device && !fstat(f->plain, &st))
		f->backend.physical = (uint32_t)st.st_blksize;
	if (!is_power_of_2(f->backend.physical) ||
	    f->backend.physical < f->backend.block ||
	    f->backend.physical > 1u << 20)
		f->backend.physical = f->backend.block;
}

/* ---- The calls ------------------------------------------------------------ */

static void file_close(struct blk_backend *b)
{
	struct blk_file *f = container_of(b, struct blk_file, backend);

	close_direct(f);
	if (f->plain >= 0)
		close(f->plain);
	free(f);
}

static int begin(const struct opening *o)
{
	int err;

	err = open_plain(o);
	if (!err)
		err = lock(o);
	if (!err)
		err = find_size(o);
	if (!err)
		err = choose_direct(o);
	if (err)
		return err;
	find_physical(o->f);
	err = uring_open();
	return err ? say_errno(o, err, "needs io_uring, which the host refuses")
		   : 0;
}

static int file_open(const struct blk_wish *wish, struct blk_backend **out,
		     char *error, size_t room)
{
	struct opening o = { .wish = wish, .error = error, .room = room };
	const size_t bytes =
		sizeof(*o.f) + wish->queues * sizeof(o.f->queue[0]);
	int err;

	o.f = aligned_alloc(alignof(struct blk_file), bytes);
	if (!o.f)
		return -ENOMEM;
	memset(o.f, 0, bytes);
	o.f->backend.ops = &blk_file_ops;
	o.f->backend.block = SECTOR;
	o.f->readonly = wish->readonly;
	o.f->plain = -1;
	o.f->direct = -1;
	err = begin(&o);
	if (err) {
		file_close(&o.f->backend);
		return err;
	}
	*out = &o.f->backend;
	return 0;
}

static int file_resize(struct blk_backend *b, uint64_t size)
{
	struct blk_file *f = container_of(b, struct blk_file, backend);
	uint64_t bytes;
	int err;

	err = length_of(f, &bytes);
	if (err)
		return err;
	bytes = whole_sectors(f, bytes);
	if (size > bytes) {
		if (f->device)
			return -ENOSPC;
		if (ftruncate(f->plain, (off_t)size))
			return -errno;
	} else if (!size) {
		size = bytes;
	}
	if (!size)
		return -EINVAL;
	b->size = size;
	return 0;
}

const struct blk_backend_ops blk_file_ops = {
	.name = "file",
	.zero_most = UINT64_MAX,
	.open = file_open,
	.submit = blk_file_submit,
	.drain = blk_file_drain,
	.resize = file_resize,
	.close = file_close,
};
