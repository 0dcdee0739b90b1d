/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring.c - one reservation, two mappings in it
 *
 *	base            base + 4096
 *	| private page  | shared pages ...
 *	          | 128 | indices 256 | elements ...
 *	          ^ r
 *
 * rte_ring_elem.h's inline code does the rest.  It reads size, mask and
 * capacity through r, that is from the private page, which is read-only once
 * it is filled.  Nobody initialises the shared pages: a new memfd is all
 * zeros, and that is an empty ring.
 */
#include "ring/ring.h"

#include <stdio.h>
#include <sys/mman.h>

#include "ring/msg.h"

/* The other model leaves A1 and A2 to barriers that no sanitizer knows. */
#ifndef RTE_USE_C11_MEM_MODEL
#error "build with -DRTE_USE_C11_MEM_MODEL"
#endif

/* What lies where decides what the peer can reach. */
#define RING_PRIVATE 128u
#define RING_INDICES (sizeof(struct rte_ring) - RING_PRIVATE)

static_assert(sizeof(struct rte_ring) == 384, "layout of DPDK's rte_ring");
static_assert(offsetof(struct rte_ring, prod) == RING_PRIVATE, "layout");
static_assert(offsetof(struct rte_ring, cons) == 256, "layout");
static_assert(offsetof(struct rte_ring, name) == 0, "layout");
static_assert(offsetof(struct rte_ring, size) < RING_PRIVATE, "layout");
static_assert(offsetof(struct rte_ring, mask) < RING_PRIVATE, "layout");
static_assert(offsetof(struct rte_ring, capacity) < RING_PRIVATE, "layout");
static_assert(offsetof(struct rte_ring, flags) < RING_PRIVATE, "layout");

/* Bounds every sum below to 32 bits and an element index to rte_ring's. */
#define RING_MAX_COUNT (1u << 20)
#define RING_MAX_ESIZE 256u

size_t ring_shared_size(uint32_t esize, uint32_t count)
{
	uint64_t bytes = RING_INDICES + (uint64_t)esize * count;

	return (bytes + SEG_PAGE - 1) / SEG_PAGE * SEG_PAGE;
}

static void ring_designate(struct rte_ring *r, uint32_t count)
{
	snprintf(r->name, sizeof(r->name), "pciring");
	r->flags = RING_F_SP_ENQ | RING_F_SC_DEQ;
	r->memzone = NULL;
	r->size = count;
	r->mask = count - 1;
	r->capacity = count - 1;
}

int ring_map(struct ring *ring, int fd, uint64_t offset, uint32_t esize,
	     uint32_t count)
{
	size_t shared, length;
	uint8_t *base;
	int err;

	if (!esize || esize % 4 || esize > RING_MAX_ESIZE || count < 2 ||
	    count > RING_MAX_COUNT || !is_power_of_2(count) ||
	    offset % SEG_PAGE || offset > INT64_MAX)
		return -EINVAL;

	shared = ring_shared_size(esize, count);
	length = SEG_PAGE + shared;
	base = mmap(NULL, length, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	if (mmap(base, SEG_PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED ||
	    mmap(base + SEG_PAGE, shared, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, fd, (off_t)offset) == MAP_FAILED)
		goto unmap;

	ring->r = (struct rte_ring *)(void *)(base + SEG_PAGE - RING_PRIVATE);
	ring_designate(ring->r, count);
	if (mprotect(base, SEG_PAGE, PROT_READ))
		goto unmap;
	ring->put = (struct ring_side){ 0 };
	ring->get = (struct ring_side){ 0 };
	ring->base = base;
	ring->length = length;
	ring->esize = esize;
	return 0;

unmap:
	err = -errno;
	munmap(base, length);
	ring->r = NULL;
	return err;
}

void ring_unmap(struct ring *ring)
{
	if (!ring->base)
		return;
	munmap(ring->base, ring->length);
	memset(ring, 0, sizeof(*ring));
}

unsigned int ring_room(const struct ring *ring)
{
	const struct rte_ring *r = ring->r;
	/* Relaxed: a permission only; ring_put() looks again with A2. */
	uint32_t tail = __atomic_load_n(&r->cons.tail, __ATOMIC_RELAXED);
	uint32_t used = ring->put.mine - tail;

	return used > r->capacity || ring->put.forged ? 0 : r->capacity - used;
}
