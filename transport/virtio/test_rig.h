/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_rig.h - for unit tests: some guest memory with split rings in it
 *
 * The driver's side in its plainest form: nothing is checked, everything can
 * be written, so that a test says exactly what the guest did.
 */
#ifndef TRANSPORT_VIRTIO_TEST_RIG_H
#define TRANSPORT_VIRTIO_TEST_RIG_H

#include <stdlib.h>

#include "transport/mem/gpa.h"
#include "transport/virtio/queue.h"
#include "transport/virtio/virtio.h"

#define RIG_GPA	 0x100000ull
#define RIG_SIZE 0x40000u
#define RIG_DATA (RIG_GPA + 0x20000) /* behind the rings */

/* Queues are never hot: what a run does depends on kicks alone. */
static inline const struct virtio_options *rig_options(void)
{
	static const struct virtio_options cold = {
		.offer = VIRTIO_OFFER_DEFAULT,
	};

	return &cold;
}

/* One run of all queues with work; true if there is more. */
static inline bool rig_turn(struct virtio *v, unsigned int budget)
{
	return virtio_run(v, budget, 0) & VIRTIO_MORE;
}

#define RIG_NEXT     1u
#define RIG_WRITE    2u
#define RIG_INDIRECT 4u

struct rig_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct rig_used {
	uint16_t flags, idx;
	struct {
		uint32_t id, len;
	} ring[];
};

struct rig_avail {
	uint16_t flags, idx, ring[];
};

struct rig_ring {
	uint16_t size;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	struct rig_desc *desc;
	struct rig_avail *avail;
	struct rig_used *used;
};

struct rig {
	uint8_t *mem;
	struct gpa_map map;
};

static inline void rig_map(struct rig *r, uint64_t gpa, uint64_t size,
			   void *host, uint32_t flags)
{
	const struct gpa_region region = {
		.gpa = gpa,
		.size = size,
		.host = host,
		.flags = flags,
	};
	int err = gpa_map_insert(&r->map, &region);

	assert(!err);
	(void)err;
}

static inline void rig_unmap(struct rig *r, uint64_t gpa, uint64_t size)
{
	struct gpa_region region;
	int err = gpa_map_remove(&r->map, gpa, size, &region);

	assert(!err);
	(void)err;
}

/* Memory that is there but not mapped. */
static inline void rig_init_bare(struct rig *r)
{
	r->mem = aligned_alloc(4096, RIG_SIZE);
	assert(r->mem);
	memset(r->mem, 0, RIG_SIZE);
	gpa_map_init(&r->map);
}

static inline void rig_init(struct rig *r)
{
	rig_init_bare(r);
	rig_map(r, RIG_GPA, RIG_SIZE, r->mem, GPA_READ | GPA_WRITE);
}

static inline void rig_fini(struct rig *r)
{
	gpa_map_fini(&r->map);
	free(r->mem);
}

static inline void *rig_at(struct rig *r, uint64_t gpa)
{
	return r->mem + (gpa - RIG_GPA);
}

/* Ring number @n of at most 256 entries, all zero. */
static inline void rig_ring(struct rig *r, struct rig_ring *ring,
			    unsigned int n, uint16_t size)
{
	const uint64_t gpa = RIG_GPA + 0x4000ull * n;

	assert(size <= 256 && gpa + 0x4000 <= RIG_DATA);
	ring->size = size;
	ring->desc_gpa = gpa;
	ring->avail_gpa = gpa + 0x2000;
	ring->used_gpa = gpa + 0x3000;
	ring->desc = rig_at(r, ring->desc_gpa);
	ring->avail = rig_at(r, ring->avail_gpa);
	ring->used = rig_at(r, ring->used_gpa);
	memset(ring->desc, 0, 0x4000);
}

static inline void rig_desc(struct rig_ring *ring, unsigned int i,
			    uint64_t addr, uint32_t len, unsigned int flags,
			    unsigned int next)
{
	ring->desc[i] = (struct rig_desc){
		.addr = addr,
		.len = len,
		.flags = (uint16_t)flags,
		.next = (uint16_t)next,
	};
}

static inline void rig_offer(struct rig_ring *ring, unsigned int head)
{
	ring->avail->ring[ring->avail->idx & (ring->size - 1)] = (uint16_t)head;
	__atomic_store_n(&ring->avail->idx, (uint16_t)(ring->avail->idx + 1),
			 __ATOMIC_RELEASE);
}

static inline uint16_t *rig_used_event(struct rig_ring *ring)
{
	return &ring->avail->ring[ring->size];
}

static inline uint16_t *rig_avail_event(struct rig_ring *ring)
{
	return (uint16_t *)&ring->used->ring[ring->size];
}

/* What a driver writes into the queue's registers. */
static inline void rig_tell(const struct rig_ring *ring, struct vq *vq)
{
	vq_set_size(vq, ring->size);
	vq->s.desc = ring->desc_gpa;
	vq->s.driver = ring->avail_gpa;
	vq->s.device = ring->used_gpa;
}

#endif
