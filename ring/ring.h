/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring.h - an rte_ring in shared memory whose geometry no peer can reach
 *
 * struct rte_ring keeps size, mask and sync type beside its indices.  Here its
 * first 128 bytes (all of that) end a page that is private to this process;
 * the indices and the elements are on the shared pages right behind it.  Each
 * process fills its own private page from what it knows, never from the peer.
 *
 * Single producer, single consumer, inline elements of a multiple of 4 bytes.
 * Only rte_ring_sp_*_elem and rte_ring_sc_*_elem are used: they never look at
 * the sync type and never spin on the peer.
 *
 * Field      written by   read by    edge
 * prod.tail  producer     consumer   R1 -> A1   "the elements are complete"
 * cons.tail  consumer     producer   R2 -> A2   "the slots are free again"
 *
 * Threads   one producer and one consumer, in any processes
 * Trust     the peer may scribble over all shared bytes at any time: wrong or
 *           lost elements follow, never an access outside the ring or a loop
 */
#ifndef RING_RING_H
#define RING_RING_H

#include <rte_ring_elem.h>

#include "ring/base.h"

struct ring {
	struct rte_ring *r; /* its first 128 bytes private, the rest shared */
	void *base;	    /* owned mapping: private page, then shared */
	size_t length;	    /* of the mapping */
	uint32_t esize;
};

/* Bytes of shared memory a ring takes, whole pages. */
size_t ring_shared_size(uint32_t esize, uint32_t count);

/*
 * Map the ring that lies at @offset (page aligned) of @fd.  @count is a power
 * of two; one element less than @count fits.  -errno from mmap, -EINVAL.
 */
int ring_map(struct ring *ring, int fd, uint64_t offset, uint32_t esize,
	     uint32_t count);
void ring_unmap(struct ring *ring);

/*
 * More than fit into the whole ring would make rte_ring run past its end, if
 * the peer forged the indices to say that they fit.
 */
static inline unsigned int ring_clamp(const struct ring *ring, unsigned int n)
{
	return RTE_MIN(n, ring->r->capacity);
}

/* Producer only: as many of @n as fit; returns how many.  A2, then R1. */
static inline unsigned int ring_put(struct ring *ring, const void *elems,
				    unsigned int n)
{
	n = ring_clamp(ring, n);
	return rte_ring_sp_enqueue_burst_elem(ring->r, elems, ring->esize, n,
					      NULL);
}

/* Producer only: one element, of a size that the compiler knows too, which
 * makes the copy one move; false if it does not fit.  A2, then R1. */
static inline bool ring_put_one(struct ring *ring, const void *elem,
				uint32_t esize)
{
	assert(esize == ring->esize);
	return rte_ring_sp_enqueue_bulk_elem(ring->r, elem, esize, 1, NULL) ==
	       1;
}

/* Consumer only: up to @n; returns how many.  A1, then R2. */
static inline unsigned int ring_get(struct ring *ring, void *elems,
				    unsigned int n)
{
	n = ring_clamp(ring, n);
	return rte_ring_sc_dequeue_burst_elem(ring->r, elems, ring->esize, n,
					      NULL);
}

/* Producer only: how many fit, never more than the capacity. */
unsigned int ring_room(const struct ring *ring);

/* Consumer only: whether something is there; may be wrong if the peer lies. */
bool ring_empty(const struct ring *ring);

#endif
