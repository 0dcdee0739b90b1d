/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the ranges are copied whole and judged whole before the first of them is
 * carried out.  Here r->data and r->done count bytes of the disk, r->at is the
 * range under way, and its part that is done has been taken off it.
 */
#include <stdlib.h>

#include "transport/devices/blk.h"
#include "transport/devices/blk_request.h"

/* virtio 1.2, 5.2.6.2: flags that are unknown, or not for a discard, are
 * unsupported; that is said before anything else is. */
static uint8_t judge_flags(const struct blk_request *r)
{
	const uint32_t known = r->type == BLK_T_DISCARD ? 0 : BLK_RANGE_UNMAP;
	unsigned int i;

	for (i = 0; i < r->nr_ranges; i++)
		if (r->range[i].flags & ~known)
			return BLK_S_UNSUPP;
	return BLK_S_OK;
}

static uint8_t judge(struct blk_request *r, uint64_t sectors)
{
	uint8_t status = judge_flags(r);
	const struct blk_range *g;
	unsigned int i;

	for (i = 0; i < r->nr_ranges && status == BLK_S_OK; i++) {
		g = &r->range[i];
		if (g->sectors > BLK_MAX_RANGE_SECTORS ||
		    !range_inside(g->sector, g->sectors, sectors))
			status = BLK_S_IOERR;
		r->data += (uint64_t)g->sectors * BLK_SECTOR;
	}
	return status;
}

uint8_t blk_ranges_take(struct blk_request *r, uint64_t sectors)
{
	const uint64_t bytes = r->data;

	r->data = 0;
	if (!bytes || bytes % BLK_RANGE_BYTES ||
	    bytes > (uint64_t)BLK_MAX_RANGES * BLK_RANGE_BYTES)
		return BLK_S_IOERR;
	if (!r->range)
		r->range = malloc(BLK_MAX_RANGES * sizeof(*r->range));
	if (!r->range)
		return BLK_S_IOERR;
	blk_request_fetch(r, r->range, bytes);
	r->nr_ranges = (unsigned int)(bytes / BLK_RANGE_BYTES);
	r->at = 0;
	return judge(r, sectors);
}

void blk_ranges_cut(struct blk_request *r, uint64_t most)
{
	const struct blk_range *g;
	uint64_t bytes;

	while (!r->range[r->at].sectors)
		r->at++;
	g = &r->range[r->at];
	bytes = (uint64_t)g->sectors * BLK_SECTOR;
	r->io.offset = g->sector * BLK_SECTOR;
	r->io.bytes = bytes < most ? bytes : most;
	r->io.unmap = g->flags & BLK_RANGE_UNMAP;
	r->io.iov = NULL;
	r->io.nr = 0;
}

bool blk_ranges_advance(struct blk_request *r)
{
	struct blk_range *g = &r->range[r->at];
	const uint32_t sectors = (uint32_t)(r->io.bytes / BLK_SECTOR);

	g->sector += sectors;
	g->sectors -= sectors;
	r->done += r->io.bytes;
	return r->done == r->data;
}
