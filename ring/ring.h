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
 * Where an element lies is rte_ring_elem.h's business.  The indices are moved
 * here, because each side keeps its own index in private memory and looks at
 * the other's only when what it last saw of it is used up: that is what makes a
 * burst of one cheap, and a peer that forges indices is found out.  Either end
 * may be rte_ring's sp or sc calls in another process.
 *
 * Field      written by   read by    edge
 * prod.tail  producer     consumer   R1 -> A1   "the elements are complete"
 * cons.tail  consumer     producer   R2 -> A2   "the slots are free again"
 *
 * Roles     put, free and room are the producer's; get, empty are the
 *           consumer's.  A role belongs to one struct ring and one thread, and
 *           starts at the first element ever: what is mapped is a new ring
 * Threads   one producer and one consumer, in any processes
 * Trust     the peer may scribble over all shared bytes at any time: wrong or
 *           lost elements follow, never an access outside the ring or a loop.
 *           An index that cannot be is remembered (ring_forged()), and from
 *           then on nothing is put or got
 */
#ifndef RING_RING_H
#define RING_RING_H

#include <rte_ring_elem.h>

#include "ring/base.h"

/* What one role knows, in private memory. */
struct ring_side {
	uint32_t mine; /* own index: the next slot to fill, or to take */
	uint32_t peer; /* the other's index, as last seen */
	bool forged;
};

struct ring {
	struct rte_ring *r; /* its first 128 bytes private, the rest shared */
	struct ring_side put;
	struct ring_side get;
	void *base;    /* owned mapping: private page, then shared */
	size_t length; /* of the mapping */
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
 * Producer only: how many slots are known to be free.  A2: looks at the
 * consumer's index only if fewer than @want are, so a full ring costs a miss
 * and any other costs nothing.  0 for good once that index was forged.
 */
static inline uint32_t ring_free(struct ring *ring, uint32_t want)
{
	const struct rte_ring *r = ring->r;
	struct ring_side *s = &ring->put;
	uint32_t used = s->mine - s->peer, tail;

	if (unlikely(r->capacity - used < want)) {
		/* A2: pairs with R2, so the slots are free again. */
		tail = __atomic_load_n(&r->cons.tail, __ATOMIC_ACQUIRE);
		/* It moves from what it was towards ours, never past it. */
		if (unlikely(tail - s->peer > used))
			s->forged = true;
		else
			s->peer = tail;
		used = s->mine - s->peer;
	}
	return unlikely(s->forged) ? 0 : r->capacity - used;
}

/* R1 */
static inline void ring_filled(struct ring *ring, uint32_t n)
{
	ring->put.mine += n;
	/* R1: pairs with A1, so the elements are complete. */
	__atomic_store_n(&ring->r->prod.tail, ring->put.mine, __ATOMIC_RELEASE);
}

/* Producer only: as many of @n as fit; returns how many.  A2, then R1. */
static inline unsigned int ring_put(struct ring *ring, const void *elems,
				    unsigned int n)
{
	n = RTE_MIN(n, ring->r->capacity);
	n = RTE_MIN(n, ring_free(ring, n));
	if (!n)
		return 0;
	__rte_ring_enqueue_elems(ring->r, ring->put.mine, elems, ring->esize,
				 n);
	ring_filled(ring, n);
	return n;
}

/* Producer only: one element, of a size that the compiler knows too, which
 * makes the copy one move; false if it does not fit.  A2, then R1. */
static inline bool ring_put_one(struct ring *ring, const void *elem,
				uint32_t esize)
{
	assert(esize == ring->esize);
	if (unlikely(!ring_free(ring, 1)))
		return false;
	__rte_ring_enqueue_elems(ring->r, ring->put.mine, elem, esize, 1);
	ring_filled(ring, 1);
	return true;
}

/* A1: how many elements are known to be there; looks at the producer's index
 * only if fewer than @want are. */
static inline uint32_t ring_there(struct ring *ring, uint32_t want)
{
	const struct rte_ring *r = ring->r;
	struct ring_side *s = &ring->get;
	uint32_t there = s->peer - s->mine, tail;

	if (there < want) {
		/* A1: pairs with R1, so the elements are complete. */
		tail = __atomic_load_n(&r->prod.tail, __ATOMIC_ACQUIRE);
		/* It moves on from what it was, by what was free at most. */
		if (unlikely(tail - s->peer > r->capacity - there))
			s->forged = true;
		else
			s->peer = tail;
		there = s->peer - s->mine;
	}
	return unlikely(s->forged) ? 0 : there;
}

/* The first @n of what ring_there() says is there, then R2. */
static inline unsigned int ring_take(struct ring *ring, void *elems,
				     unsigned int n)
{
	struct ring_side *s = &ring->get;

	if (!n)
		return 0;
	__rte_ring_dequeue_elems(ring->r, s->mine, elems, ring->esize, n);
	s->mine += n;
	/* R2: pairs with A2, so the producer may fill the slots again. */
	__atomic_store_n(&ring->r->cons.tail, s->mine, __ATOMIC_RELEASE);
	return n;
}

/*
 * Consumer only: up to @n; fewer only if no more had been put when it looked.
 * A1, then R2.
 */
static inline unsigned int ring_get(struct ring *ring, void *elems,
				    unsigned int n)
{
	return ring_take(ring, elems, RTE_MIN(n, ring_there(ring, n)));
}

/*
 * Consumer only: up to @n, and at least one if there is one: takes what is
 * known to be there and looks for more only when that is used up.  A producer
 * that is looked at less often has its lines for longer.
 * A1, then R2.
 */
static inline unsigned int ring_get_some(struct ring *ring, void *elems,
					 unsigned int n)
{
	return ring_take(ring, elems, RTE_MIN(n, ring_there(ring, n > 0)));
}

/*
 * Consumer only: whether nothing is there.  Relaxed: a hint only, ring_get()
 * looks again with A1.  True for good once the producer's index was forged.
 */
static inline bool ring_empty(const struct ring *ring)
{
	const struct ring_side *s = &ring->get;

	return s->forged || (s->peer == s->mine &&
			     __atomic_load_n(&ring->r->prod.tail,
					     __ATOMIC_RELAXED) == s->mine);
}

/*
 * Producer only: how many fit now, never more than the capacity.  Looks at the
 * consumer's index each time: for rare questions, ring_free() for others.
 */
unsigned int ring_room(const struct ring *ring);

/* Either role: whether the other's index was once one that cannot be. */
static inline bool ring_forged(const struct ring *ring)
{
	return ring->put.forged || ring->get.forged;
}

#endif
