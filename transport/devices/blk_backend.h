/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blk_backend.h - where the blocks of a disk are
 *
 * A backend moves bytes between its blocks and pieces of memory.  It has not
 * heard of virtio: ranges are checked before they come here, and how long a
 * transfer may be is decided above it.
 *
 * A transfer is over when submit returns, or later: then submit returns
 * -EINPROGRESS, and the backend calls io->done once.  -EAGAIN, from either,
 * is "not now": the same transfer is to be submitted again in a later run.
 *
 * Durable   a flush is over when every write of this disk, on any queue, that
 *           was over when the flush was submitted is on stable storage; a
 *           durable write is over when it is there itself
 * Threads   open, resize and close on the control thread.  Queues of one disk
 *           may be run by different loops: submit and drain are about queue
 *           io->queue alone, and io->done comes on the thread that submitted
 * Memory    a transfer and its pieces stay where they are until it is over
 */
#ifndef TRANSPORT_DEVICES_BLK_BACKEND_H
#define TRANSPORT_DEVICES_BLK_BACKEND_H

#include <sys/uio.h>

#include "ring/base.h"

enum blk_op {
	BLK_READ,
	BLK_WRITE,
	BLK_FLUSH,
	BLK_DISCARD, /* what the range reads as afterwards is undefined */
	BLK_ZERO     /* the range reads as zeroes afterwards */
};

struct blk_io {
	enum blk_op op;
	uint16_t queue;
	bool durable;	   /* of what changes the disk */
	bool unmap;	   /* BLK_ZERO: the space may be given back */
	unsigned int nr;   /* pieces; only reads and writes have some */
	struct iovec *iov; /* guest memory: it may change meanwhile */
	uint64_t offset;   /* in the disk */
	uint64_t bytes;	   /* of all pieces; the range is inside the disk */
	/* 0 or -errno.  Not to be called from inside submit. */
	void (*done)(struct blk_io *io, int err);
	uint64_t own[6]; /* the backend's, until the transfer is over */
};

enum blk_direct {
	BLK_DIRECT_AUTO, /* past the page cache if that can be */
	BLK_DIRECT_ON,
	BLK_DIRECT_OFF
};

struct blk_wish {
	uint64_t size;	  /* bytes: whole sectors; 0: what there is */
	const char *path; /* or NULL */
	enum blk_direct direct;
	uint16_t queues;
	bool readonly;
	bool create;	/* the file, or what it lacks of @size */
	bool hugepages; /* where the kernel has some */
};

struct blk_backend {
	const struct blk_backend_ops *ops;
	uint64_t size;	   /* bytes: whole sectors, at least one */
	uint32_t block;	   /* bytes of a logical block, a power of two */
	uint32_t physical; /* bytes that are written at once, such a power */
};

struct blk_backend_ops {
	const char *name; /* the value of option "backend" */
	/* The most bytes that one BLK_DISCARD or BLK_ZERO may have. */
	uint64_t zero_most;
	/* -errno, and a sentence in @error if there is something to say. */
	int (*open)(const struct blk_wish *wish, struct blk_backend **out,
		    char *error, size_t room);
	/* Such a read or write of blocks that there are comes soon: a hint.
	 * NULL: of no use. */
	void (*prefetch)(struct blk_backend *b, bool write, uint64_t offset,
			 uint64_t bytes);
	/* 0 or -errno if it is over, -EINPROGRESS if not. */
	int (*submit)(struct blk_backend *b, struct blk_io *io);
	/* On return nothing of that queue is under way.  NULL: never is. */
	void (*drain)(struct blk_backend *b, unsigned int queue);
	/* Have @size bytes from now on, or what there is if 0; b->size says how
	 * many.  Transfers that were under way see old blocks or new ones.
	 * -EINVAL: it cannot know, or not that many. */
	int (*resize)(struct blk_backend *b, uint64_t size);
	/* Drained before. */
	void (*close)(struct blk_backend *b);
};

extern const struct blk_backend_ops blk_file_ops;
extern const struct blk_backend_ops blk_null_ops;
extern const struct blk_backend_ops blk_ram_ops;

#endif
