/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a sorted array.  Clients have some tens of ranges and mostly add them
 * in rising order; the 65535 that the protocol allows cost a client that
 * wants them a memmove each, in its own thread.
 *
 * The service keeps its own, deciding, table.  This one knows which file a
 * range came from, so that the same words said twice are told from an overlap.
 */
#include "apps/vfio-user/dma.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "apps/vfio-user/conn.h"

void vu_dma_fini(struct vu_dma *dma)
{
	free(dma->ranges);
	*dma = (struct vu_dma){ 0 };
}

/* Index of the first range that ends after @address. */
static size_t find(const struct vu_dma *dma, uint64_t address)
{
	size_t low = 0, high = dma->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct vu_range *r = &dma->ranges[mid];

		/* Ranges do not wrap, and none is empty. */
		if (r->address + (r->size - 1) < address)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int make_room(struct vu_dma *dma)
{
	size_t room = dma->room ? dma->room * 2 : 16;
	struct vu_range *ranges;

	if (dma->count == VU_MAX_MAPS)
		return -ENOSPC;
	if (dma->count < dma->room)
		return 0;
	ranges = realloc(dma->ranges, room * sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	dma->ranges = ranges;
	dma->room = room;
	return 0;
}

static void insert(struct vu_dma *dma, size_t at, const struct vu_range *r)
{
	memmove(&dma->ranges[at + 1], &dma->ranges[at],
		(dma->count - at) * sizeof(*r));
	dma->ranges[at] = *r;
	dma->count++;
}

static void erase(struct vu_dma *dma, size_t at)
{
	dma->count--;
	memmove(&dma->ranges[at], &dma->ranges[at + 1],
		(dma->count - at) * sizeof(*dma->ranges));
}

static bool same(const struct vu_range *a, const struct vu_range *b)
{
	return a->address == b->address && a->size == b->size &&
	       a->offset == b->offset && a->inode == b->inode &&
	       a->device == b->device && a->flags == b->flags;
}

/* What the client asks for, in @r; -errno if no table could hold it. */
static int parse_map(struct vu_conn *c, struct vu_range *r)
{
	struct vu_dma_map map;
	struct stat st;

	memcpy(&map, c->in, sizeof(map));
	if (c->m.nr_fds > 1 || !map.size ||
	    map.address + (map.size - 1) < map.address || !map.flags ||
	    (map.flags & ~(VU_DMA_READ | VU_DMA_WRITE)))
		return -EINVAL;
	*r = (struct vu_range){
		.address = map.address,
		.size = map.size,
		.offset = map.offset,
		.flags = map.flags,
	};
	if (c->m.nr_fds) {
		if (fstat(c->m.fds[0], &st))
			return -errno;
		r->inode = st.st_ino;
		r->device = st.st_dev;
	}
	return 0;
}

int vu_dma_map(struct vu_conn *c)
{
	struct vu_dma *dma = &c->dma;
	struct vu_range r;
	size_t at;
	int err = parse_map(c, &r);

	if (err)
		return err;
	at = find(dma, r.address);
	if (at < dma->count &&
	    dma->ranges[at].address <= r.address + (r.size - 1))
		return same(&dma->ranges[at], &r) ? 0 : -EEXIST;
	err = make_room(dma);
	if (err)
		return err;
	err = pciring_dma_map(
		c->p, r.address, r.size, c->m.nr_fds ? c->m.fds[0] : -1,
		r.offset,
		(r.flags & VU_DMA_READ ? PCIRING_DMA_READ : 0) |
			(r.flags & VU_DMA_WRITE ? PCIRING_DMA_WRITE : 0));
	if (err)
		return err;
	insert(dma, at, &r);
	return 0;
}

static int unmap_all(struct vu_conn *c)
{
	int err = pciring_dma_unmap_all(c->p);

	if (!err)
		c->dma.count = 0;
	return err;
}

static int unmap_one(struct vu_conn *c, const struct vu_dma_unmap *un)
{
	struct vu_dma *dma = &c->dma;
	size_t at = find(dma, un->address);
	int err;

	if (at == dma->count || dma->ranges[at].address != un->address ||
	    dma->ranges[at].size != un->size)
		return -ENOENT;
	err = pciring_dma_unmap(c->p, un->address, un->size);
	if (!err)
		erase(dma, at);
	return err;
}

int vu_dma_unmap(struct vu_conn *c)
{
	struct vu_dma_unmap un;
	int err;

	memcpy(&un, c->in, sizeof(un));
	if (un.argsz < sizeof(un) || (un.flags & ~VU_UNMAP_ALL))
		return -EINVAL;
	if (!un.flags)
		err = unmap_one(c, &un);
	else
		err = un.address || un.size ? -EINVAL : unmap_all(c);
	if (err)
		return err;
	memcpy(c->out.payload, &un, sizeof(un));
	c->m.answer = sizeof(un);
	return 0;
}
