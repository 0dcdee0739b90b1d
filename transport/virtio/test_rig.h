/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_rig.h - for unit tests: some guest memory with rings in it
 *
 * The driver's side in its plainest form: nothing is checked, everything can
 * be written, so that a test says exactly what the guest did.  A ring is split,
 * or packed from rig_pack() on; what both kinds can do has one name.
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

#define RIG_NEXT     1u
#define RIG_WRITE    2u
#define RIG_INDIRECT 4u
#define RIG_AVAIL    (1u << 7) /* packed, as the next two */
#define RIG_USED     (1u << 15)
#define RIG_WRAP     0x8000u /* in the place of an event */

/* Flags of a packed ring's event suppression structures. */
#define RIG_EVENT_ENABLE  0u
#define RIG_EVENT_DISABLE 1u
#define RIG_EVENT_DESC	  2u

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

struct rig_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

/* The same, of a packed ring. */
struct rig_packed {
	uint64_t addr;
	uint32_t len;
	uint16_t id, flags;
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

struct rig_event {
	uint16_t where, flags;
};

/* What the device says of a chain. */
struct rig_answer {
	uint32_t id, len;
};

struct rig_ring {
	uint16_t size;
	bool packed;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	union {
		struct rig_desc *desc;
		struct rig_packed *slots;
	};
	union {
		struct rig_avail *avail;
		struct rig_event *driver_event;
	};
	union {
		struct rig_used *used;
		struct rig_event *device_event;
	};
	uint16_t offered, taken; /* chains */
	/* Packed: the slot that comes next, the one whose use comes next, each
	 * with its wrap counter in bit 15; and the buffer id of what is put. */
	uint16_t slot, used_slot;
	uint16_t id;
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

/* @size bytes that are there but not mapped. */
static inline void rig_init_sized(struct rig *r, size_t size)
{
	r->mem = aligned_alloc(4096, size);
	assert(r->mem);
	memset(r->mem, 0, size);
	gpa_map_init(&r->map);
}

static inline void rig_init_bare(struct rig *r)
{
	rig_init_sized(r, RIG_SIZE);
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
	*ring = (struct rig_ring){ .size = size };
	ring->desc_gpa = gpa;
	ring->avail_gpa = gpa + 0x2000;
	ring->used_gpa = gpa + 0x3000;
	ring->desc = rig_at(r, ring->desc_gpa);
	ring->avail = rig_at(r, ring->avail_gpa);
	ring->used = rig_at(r, ring->used_gpa);
	memset(ring->desc, 0, 0x4000);
}

/* From now on it is a packed one. */
static inline void rig_pack(struct rig_ring *ring)
{
	ring->packed = true;
	ring->slot = RIG_WRAP;
	ring->used_slot = RIG_WRAP;
}

static inline uint16_t rig_advance(const struct rig_ring *ring, uint16_t slot,
				   unsigned int n)
{
	unsigned int place = (slot & 0x7fffu) + n;
	uint16_t wrap = slot & RIG_WRAP;

	for (; place >= ring->size; place -= ring->size)
		wrap ^= RIG_WRAP;
	return (uint16_t)(place | wrap);
}

static inline void rig_desc(struct rig_ring *ring, unsigned int i,
			    uint64_t addr, uint32_t len, unsigned int flags,
			    unsigned int next)
{
	if (ring->packed) /* not available yet */
		ring->slots[i] = (struct rig_packed){
			.addr = addr,
			.len = len,
			.id = ring->id,
			.flags = (uint16_t)flags,
		};
	else
		ring->desc[i] = (struct rig_desc){
			.addr = addr,
			.len = len,
			.flags = (uint16_t)flags,
			.next = (uint16_t)next,
		};
}

static inline void rig_offer_split(struct rig_ring *ring, unsigned int head)
{
	ring->avail->ring[ring->avail->idx & (ring->size - 1)] = (uint16_t)head;
	__atomic_store_n(&ring->avail->idx, (uint16_t)(ring->avail->idx + 1),
			 __ATOMIC_RELEASE);
}

static inline uint16_t rig_available(uint16_t slot, unsigned int flags)
{
	flags &= ~(RIG_AVAIL | RIG_USED);
	return (uint16_t)(flags | (slot & RIG_WRAP ? RIG_AVAIL : RIG_USED));
}

/* Packed: the next @n slots are available, the first one last. */
static inline void rig_offer_slots(struct rig_ring *ring, unsigned int n)
{
	struct rig_packed *d;
	uint16_t slot;

	for (unsigned int i = n; i--;) {
		slot = rig_advance(ring, ring->slot, i);
		d = &ring->slots[slot & 0x7fff];
		__atomic_store_n(&d->flags, rig_available(slot, d->flags),
				 i ? __ATOMIC_RELAXED : __ATOMIC_RELEASE);
	}
	ring->slot = rig_advance(ring, ring->slot, n);
}

/* Offer the chain that begins with descriptor @head: in a packed ring this is
 * the next slot, and as many follow as have NEXT. */
static inline void rig_offer(struct rig_ring *ring, unsigned int head)
{
	unsigned int n = 1;
	uint16_t slot = ring->slot;

	ring->offered++;
	if (!ring->packed) {
		rig_offer_split(ring, head);
		return;
	}
	assert(head == (slot & 0x7fffu));
	while ((ring->slots[slot & 0x7fff].flags & RIG_NEXT) &&
	       n < ring->size) {
		slot = rig_advance(ring, slot, 1);
		n++;
	}
	rig_offer_slots(ring, n);
}

/* Where the next chain may be put. */
static inline unsigned int rig_place(const struct rig_ring *ring)
{
	return ring->packed ? ring->slot & 0x7fffu
			    : ring->offered & (ring->size - 1u);
}

/* Packed: is the slot whose use comes next used? */
static inline bool rig_slot_is_used(const struct rig_ring *ring)
{
	const uint16_t flags = __atomic_load_n(
		&ring->slots[ring->used_slot & 0x7fff].flags, __ATOMIC_ACQUIRE);
	const bool wrap = ring->used_slot & RIG_WRAP;

	return !!(flags & RIG_AVAIL) == wrap && !!(flags & RIG_USED) == wrap;
}

/* The next answer, of a chain of @slots; false: there is none yet. */
static inline bool rig_take(struct rig_ring *ring, unsigned int slots,
			    struct rig_answer *a)
{
	const struct rig_packed *d = &ring->slots[ring->used_slot & 0x7fff];
	const unsigned int at = ring->taken & (ring->size - 1u);

	if (ring->packed) {
		if (!rig_slot_is_used(ring))
			return false;
		*a = (struct rig_answer){ d->id, d->len };
		ring->used_slot = rig_advance(ring, ring->used_slot, slots);
	} else {
		if (__atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) ==
		    ring->taken)
			return false;
		*a = (struct rig_answer){ ring->used->ring[at].id,
					  ring->used->ring[at].len };
	}
	ring->taken++;
	return true;
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
