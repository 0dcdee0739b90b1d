/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blk_backend.h - where the blocks of a disk are
 *
 * A backend moves bytes between its blocks and pieces of memory.  It has not
 * heard of virtio: ranges are checked before they come here, and how long a
 * transfer may be is decided above it.
 *
 * A transfer is over when submit returns, or later: then submit returns
 * -EINPROGRESS, and the backend calls io->done once.
 *
 * Threads   open and close on the control thread.  Queues of one disk may be
 *           run by different loops: submit and drain are about queue io->queue
 *           alone, and io->done comes on the thread that submitted
 * Memory    a transfer and its pieces stay where they are until it is over
 */
#ifndef TRANSPORT_DEVICES_BLK_BACKEND_H
#define TRANSPORT_DEVICES_BLK_BACKEND_H

#include <sys/uio.h>

#include "ring/base.h"

enum blk_op {
	BLK_READ,
	BLK_WRITE,
	BLK_FLUSH
};

struct blk_io {
	enum blk_op op;
	uint16_t queue;
	unsigned int nr;   /* pieces; a flush has none */
	struct iovec *iov; /* guest memory: it may change meanwhile */
	uint64_t offset;   /* in the disk */
	uint64_t bytes;	   /* of all pieces; the range is inside the disk */
	/* 0 or -errno.  Not to be called from inside submit. */
	void (*done)(struct blk_io *io, int err);
};

struct blk_backend {
	const struct blk_backend_ops *ops;
};

struct blk_backend_ops {
	const char *name; /* the value of option "backend" */
	int (*open)(uint64_t size, struct blk_backend **out);
	/* 0 or -errno if it is over, -EINPROGRESS if not. */
	int (*submit)(struct blk_backend *b, struct blk_io *io);
	/* On return nothing of that queue is under way.  NULL: never is. */
	void (*drain)(struct blk_backend *b, unsigned int queue);
	/* Drained before. */
	void (*close)(struct blk_backend *b);
};

extern const struct blk_backend_ops blk_null_ops;
extern const struct blk_backend_ops blk_ram_ops;

#endif
