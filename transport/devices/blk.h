/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blk.h - a disk: virtio-blk (virtio 1.2, 5.2) in front of a backend
 *
 * Reads, writes, flushes, discards, zeroes, and the serial number; no secure
 * erase, no zones.  What a request asks for in vain - beyond the end, half a
 * sector, a change of what is read-only, an unknown type - is answered with the
 * status for it, and nothing of the disk has changed.  A chain without a byte
 * for the status is used with length 0.  Both count as bad_requests; the queue
 * goes on.
 *
 * Durable  a flush covers all writes that were used before it was offered.  A
 *          driver that did not negotiate FLUSH, or wrote 0 to `writeback', has
 *          each write on stable storage before it is used (virtio 1.2, 5.2.6.2)
 * Bound    a run moves at most BLK_RUN_BYTES and a page, and each piece of a
 *          chain counts as BLK_SPAN_BYTES of them: a larger request goes on in
 *          the next run, before the chains behind it.  Discards and zeroes
 *          count as a part of what they cover
 * Threads  queues share the backend, the size and `writeback', all atomic;
 *          requests belong to their queue
 * Memory   a queue keeps some requests for the next ones, until it is reset
 */
#ifndef TRANSPORT_DEVICES_BLK_H
#define TRANSPORT_DEVICES_BLK_H

#include "transport/devices/blk_backend.h"
#include "transport/devices/devices.h"

#define BLK_RUN_BYTES  (1u << 20)
#define BLK_SPAN_BYTES 512u

#define BLK_MAX_QUEUES 64u
#define BLK_ID_BYTES   20u

/* One discard or write-zeroes request: ranges, and sectors of each. */
#define BLK_MAX_RANGES	      16u
#define BLK_MAX_RANGE_SECTORS (1u << 21)

/* Feature bits; virtio 1.2, 5.2.3. */
#define BLK_F_SIZE_MAX	   1
#define BLK_F_SEG_MAX	   2
#define BLK_F_RO	   5
#define BLK_F_BLK_SIZE	   6
#define BLK_F_FLUSH	   9
#define BLK_F_TOPOLOGY	   10
#define BLK_F_CONFIG_WCE   11
#define BLK_F_MQ	   12
#define BLK_F_DISCARD	   13
#define BLK_F_WRITE_ZEROES 14

struct blk_params {
	uint16_t queues;
	bool readonly;
	char serial[BLK_ID_BYTES]; /* padded with NULs */
};

extern const struct device_type blk_type;

/* A disk on @backend, which it owns from now on.  -ENOMEM. */
int blk_create(const struct blk_params *p, struct blk_backend *backend,
	       struct virtio_device **out);

/*
 * Control.  Have @bytes (whole sectors; 0: look how large the file or device
 * behind it is now), and tell the driver, which sees it a moment later.  A file
 * that is shorter grows; none is ever cut, what is beyond the end is only out
 * of the driver's sight.  -EOPNOTSUPP: @d is no disk.  -EINVAL: no such size;
 * other -errno from the host; a sentence in @error.
 */
int blk_resize(struct virtio_device *d, uint64_t bytes, char *error,
	       size_t room);

#endif
