/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * split.c - the split ring (virtio 1.2, 2.7)
 *
 * Field        written by  read by  edge
 * avail.idx    driver      device   Q1  entry and descriptors are complete
 * used.idx     device      driver   Q2  used element and data are complete
 * avail_event  device      driver   Q3  either the driver sees that we sleep
 *  or flags                             and kicks, or we see its avail.idx
 * used_event   driver      device   Q4  either we see what the driver waits
 *  or flags                             for, or it sees our used.idx
 *
 * Q3 and Q4 are store-then-load on both sides, which only a full barrier on
 * both sides orders.  The descriptor table needs no edge of its own: it is
 * covered by Q1.
 *
 * The guest can write all of this memory at any time; what has been loaded
 * into a local is what is checked and used.
 */
#include "transport/virtio/ring.h"

#define AVAIL_NO_INTERRUPT 1u
#define USED_NO_NOTIFY	   1u

/* How many chains ahead descriptors are asked for. */
#define AHEAD 8u

static_assert(sizeof(struct split_desc) == 16, "is the table entry");

struct used_elem {
	uint32_t id;
	uint32_t len;
};

struct used_ring {
	uint16_t flags;
	uint16_t idx;
	struct used_elem ring[];
};

struct avail_ring {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[];
};

/* Always with room for the events. */
void split_areas(const struct vq *vq, struct vq_area area[3])
{
	area[0] = (struct vq_area){ .bytes = 16ull * vq->s.size,
				    .align = 16,
				    .read = true };
	area[1] = (struct vq_area){ .bytes = 6 + 2ull * vq->s.size,
				    .align = 2,
				    .read = true };
	area[2] = (struct vq_area){ .bytes = 6 + 8ull * vq->s.size,
				    .align = 4,
				    .write = true };
}

/*
 * Load avail.idx; false if the queue broke.  The driver may have at most the
 * queue's size outstanding, and it cannot know of a buffer that we have not
 * published: one check bounds both how far idx may be ahead of us and how
 * many chains a device can hold.
 */
static bool load_avail_idx(struct vq *vq)
{
	const struct avail_ring *avail = vq->driver_host;
	/* Q1: pairs with the driver's barrier before it moves avail.idx. */
	uint16_t idx = __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE);
	uint16_t out = (uint16_t)(idx - vq->s.published);
	uint16_t taken = (uint16_t)(vq->s.last_avail - vq->s.published);

	/* Also broken if idx went back behind what was taken. */
	if (out > vq->s.size || out < taken) {
		vq_break(vq);
		return false;
	}
	vq->avail_seen = idx;
	return true;
}

/* Entry @n behind the next one.  Relaxed: Q1 came before. */
static uint16_t load_entry(const struct vq *vq, unsigned int n)
{
	const struct avail_ring *avail = vq->driver_host;

	return __atomic_load_n(
		&avail->ring[(vq->s.last_avail + n) & (vq->s.size - 1)],
		__ATOMIC_RELAXED);
}

/* A descriptor that the driver has just written is not here yet: ask for those
 * of the chains behind this one while it is served. */
static void prefetch_chain(const struct vq *vq, unsigned int n)
{
	const struct split_desc *table = vq->desc_host;
	const uint16_t head = load_entry(vq, n);

	if (head < vq->s.size)
		__builtin_prefetch(&table[head]);
}

static void prefetch_first(const struct vq *vq)
{
	const uint16_t there = (uint16_t)(vq->avail_seen - vq->s.last_avail);

	for (unsigned int n = 1; n < there && n < AHEAD; n++)
		prefetch_chain(vq, n);
}

/* Our own line by the time that the chain is used. */
static void fetch_used(const struct vq *vq)
{
	struct used_ring *used = vq->device_host;

	prefetch_to_write(&used->ring[vq->s.used & (vq->s.size - 1)]);
}

bool split_pop(struct vq *vq, struct vq_chain *c)
{
	uint16_t head;

	if (vq->avail_seen == vq->s.last_avail) {
		if (!load_avail_idx(vq) || vq->avail_seen == vq->s.last_avail)
			return false;
		prefetch_first(vq);
	}
	head = load_entry(vq, 0);
	if (head >= vq->s.size) {
		vq_break(vq);
		return false;
	}
	if ((uint16_t)(vq->avail_seen - vq->s.last_avail) > AHEAD)
		prefetch_chain(vq, AHEAD);
	vq->s.last_avail++;
	fetch_used(vq);
	c->head = head;
	c->id = head;
	c->slots = 1;
	return true;
}

void split_put(struct vq *vq, uint16_t at, uint16_t id, uint32_t len)
{
	struct used_ring *used = vq->device_host;
	struct used_elem *e = &used->ring[at & (vq->s.size - 1)];

	/* Relaxed: the driver looks only after Q2. */
	__atomic_store_n(&e->id, id, __ATOMIC_RELAXED);
	__atomic_store_n(&e->len, len, __ATOMIC_RELAXED);
}

void split_publish(struct vq *vq)
{
	struct used_ring *used = vq->device_host;

	/* Q2: pairs with the driver's barrier after it loads used.idx. */
	__atomic_store_n(&used->idx, vq->s.used, __ATOMIC_RELEASE);
}

/* virtio 1.2, 2.7.7.2 and 2.7.10: did we move past what it waits for? */
bool split_wants_interrupt(struct vq *vq)
{
	const struct avail_ring *avail = vq->driver_host;
	const uint16_t now = vq->s.published;
	uint16_t event;

	/* Q4: pairs with the driver's barrier between writing used_event (or
	 * flags) and its last look at used.idx. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!vq->event_idx)
		return !(__atomic_load_n(&avail->flags, __ATOMIC_RELAXED) &
			 AVAIL_NO_INTERRUPT);
	event = __atomic_load_n(&avail->ring[vq->s.size], __ATOMIC_RELAXED);
	return (uint16_t)(now - event - 1) < (uint16_t)(now - vq->s.signalled);
}

bool split_arm(struct vq *vq)
{
	struct used_ring *used = vq->device_host;
	uint16_t seen = vq->avail_seen;
	uint16_t *event;

	/* The event is what we have seen, not what we took: a device that
	 * leaves chains in the ring wants to hear of new ones only. */
	event = (uint16_t *)&used->ring[vq->s.size];
	if (vq->event_idx)
		__atomic_store_n(event, seen, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&used->flags, 0, __ATOMIC_RELAXED);
	/* Q3: pairs with the driver's barrier between moving avail.idx and
	 * reading avail_event (or flags). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load_avail_idx(vq) && vq->avail_seen != seen;
}

void split_disarm(struct vq *vq)
{
	struct used_ring *used = vq->device_host;

	/* With EVENT_IDX the event just stays behind. */
	if (!vq->event_idx)
		__atomic_store_n(&used->flags, USED_NO_NOTIFY,
				 __ATOMIC_RELAXED);
}
