/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blk.h - a disk: virtio-blk (virtio 1.2, 5.2) in front of a backend
 *
 * Reads, writes, flushes, and the serial number; no discard, no zones.  What a
 * request asks for in vain - beyond the end, half a sector, a write of what is
 * read-only, an unknown type - is answered with the status for it, and nothing
 * of the disk has changed.  A chain without a byte for the status is used with
 * length 0.  Both count as bad_requests; the queue goes on.
 *
 * Bound    a run moves at most BLK_RUN_BYTES and a page, and each piece of a
 *          chain counts as BLK_SPAN_BYTES of them: a larger request goes on in
 *          the next run, before the chains behind it
 * Memory   a request has some of its own only while it is under way; one is
 *          kept for the next, until the device is reset
 */
#ifndef TRANSPORT_DEVICES_BLK_H
#define TRANSPORT_DEVICES_BLK_H

#include "transport/devices/blk_backend.h"
#include "transport/devices/devices.h"

#define BLK_RUN_BYTES  (1u << 20)
#define BLK_SPAN_BYTES 512u

#define BLK_MAX_QUEUES 64u
#define BLK_ID_BYTES   20u

/* Feature bits; virtio 1.2, 5.2.3. */
#define BLK_F_SEG_MAX  2
#define BLK_F_RO       5
#define BLK_F_BLK_SIZE 6
#define BLK_F_FLUSH    9
#define BLK_F_MQ       12

struct blk_params {
	uint64_t size; /* bytes: whole sectors, at least one */
	uint16_t queues;
	bool readonly;
	char serial[BLK_ID_BYTES]; /* padded with NULs */
};

extern const struct device_type blk_type;

/* A disk on @backend, which it owns from now on.  -ENOMEM. */
int blk_create(const struct blk_params *p, struct blk_backend *backend,
	       struct virtio_device **out);

#endif
