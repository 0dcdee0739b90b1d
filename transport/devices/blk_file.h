/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blk_file.h - a disk that is a file or a block device, by way of io_uring
 *
 * Two descriptors of one file: `direct' goes past the page cache and takes only
 * what is aligned, `plain' takes anything.  The kernel keeps both coherent, but
 * for one case: a plain write reads the rest of its page while a direct write
 * to the same page is under way, and later puts old bytes over new ones.  So
 * writes of the two kinds keep each other out (the gate).
 *
 * Short    beyond the end of a regular file a disk reads as zeroes, and a write
 *          makes the file longer; on a block device both are errors
 * Lost     when the kernel says once that it could not write data back, it may
 *          say next time that all is well: so no flush succeeds after that
 * Threads  open, resize, close: control.  The rest: see blk_backend.h
 */
#ifndef TRANSPORT_DEVICES_BLK_FILE_H
#define TRANSPORT_DEVICES_BLK_FILE_H

#include <stdalign.h>

#include "transport/devices/blk_backend.h"
#include "transport/devices/uring.h"

struct blk_file_queue {
	/* Its own cache line: the neighbour may be another core's. */
	alignas(64) unsigned int under_way;
};

struct blk_file {
	struct blk_backend backend;
	int plain;   /* locked by flock() */
	int direct;  /* -1: none */
	bool device; /* a block device */
	bool readonly;
	uint32_t mem_align; /* of pieces, for direct */
	uint32_t align;	    /* of offsets and lengths, for direct */
	/* Atomic, any queue: */
	bool refused; /* the kernel took no direct one after all */
	bool lost;
	uint64_t gate; /* direct writes under way; plain ones << 32 */
	uint64_t
		plain_until; /* ticks: a plain write waits, no direct may come */
	struct blk_file_queue queue[];
};

/* blk_file_io.c */
int blk_file_submit(struct blk_backend *b, struct blk_io *io);
void blk_file_drain(struct blk_backend *b, unsigned int queue);

#endif
