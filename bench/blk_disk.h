/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blk_disk.h - requests to one disk, as a guest's driver makes them
 *
 * Header, data and status are written anew each time, at random sectors.
 * Status and length of each are checked, and of every 64th what was read:
 * looking at data takes cache lines that a driver which only moves pages would
 * not touch.
 *
 * A disk that does not answer is kicked once more before that is said: so a
 * kick that was lost is told from a disk that is slow.
 *
 * Errors   -EBADMSG after a line on stderr; -EINTR after a signal
 */
#ifndef BENCH_BLK_DISK_H
#define BENCH_BLK_DISK_H

#include "bench/blk.h"
#include "bench/queue_rig.h"
#include "bench/slices.h"

#define BLK_DISK_BYTES	(8u << 20)
#define BLK_DISK_TEXT	"8M"
#define BLK_DISK_PIECES 3

/* As Linux and SPDK have it: what the device reads and what it writes of a
 * request's frame share a line. */
struct blk_slot {
	_Alignas(64) struct {
		uint32_t type, reserved;
		uint64_t sector;
	} head;
	uint8_t status;
};

struct blk_disk {
	const char *backend;
	bool packed, indirect, huge;
	bool created, there;
	struct queue_function function;
	struct vring queue;
	struct blk_slot *slot; /* BLK_DEPTH_MAX */
	uint8_t *data;	       /* BLK_SIZE_MAX of each */
	uint64_t slot_gpa, data_gpa;
};

struct blk_flow {
	uint64_t seed; /* not 0 */
	uint64_t looks;
	double ns_per_tick;
	struct slices slices;
};

/* Every sector gets its pattern. */
int blk_disk_fill(struct blk_flow *f, struct blk_disk *d);

/* @c->depth requests under way for @ms, but for a slice at least, or until
 * there were @most: how many. */
int64_t blk_disk_flow(struct blk_flow *f, struct blk_disk *d,
		      const struct blk_case *c, unsigned int ms, uint64_t most);

/* So many one by one, with a look at the clock at each stage: medians, ns. */
int blk_disk_stages(struct blk_flow *f, struct blk_disk *d,
		    const struct blk_case *c, double stage[NR_BLK_STAGES]);

#endif
