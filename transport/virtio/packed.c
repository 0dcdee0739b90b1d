/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packed.c - the packed ring (virtio 1.2, 2.8)
 *
 * One ring of descriptors that the driver makes available and the device
 * overwrites as used; whose turn a descriptor is, two of its flags say, against
 * a wrap counter that each side keeps for each direction.  A place is a number
 * below the ring's size, and the wrap counter in bit 15: that is also how the
 * event suppression structures name it.
 *
 * Field          written by  read by  edge
 * flags of a     driver      device   Q1  the whole chain is complete
 *  chain's head
 * flags of the   device      driver   Q2  all that were pushed before it, and
 *  first used                             their data, are complete
 * device event   device      driver   Q3  as with a split ring
 * driver event   driver      device   Q4  as with a split ring
 *
 * How far a chain reaches is found once, when it is taken, by the NEXT flags
 * alone; the walk that follows copies each of that many descriptors once and
 * looks at NEXT no more.  What the guest changes in between changes data, not
 * the number of slots.
 */
#include "transport/virtio/ring.h"

#define DESC_AVAIL (1u << 7)
#define DESC_USED  (1u << 15)

#define EVENT_ENABLE  0u
#define EVENT_DISABLE 1u
#define EVENT_DESC    2u /* only with EVENT_IDX; 3 is reserved */

#define WRAP  0x8000u
#define PLACE 0x7fffu

struct event {
	uint16_t where;
	uint16_t flags;
};

void packed_areas(const struct vq *vq, struct vq_area area[3])
{
	area[0] = (struct vq_area){ .bytes = 16ull * vq->s.size,
				    .align = 16,
				    .read = true,
				    .write = true };
	area[1] = (struct vq_area){ .bytes = sizeof(struct event),
				    .align = 4,
				    .read = true };
	area[2] = (struct vq_area){ .bytes = sizeof(struct event),
				    .align = 4,
				    .write = true };
}

/* virtio 1.2, 2.8.1: the counters begin with 1. */
void packed_begin(struct vq *vq)
{
	vq->s.last_avail = WRAP;
	vq->s.used = WRAP;
	vq->s.published = WRAP;
	vq->s.signalled = WRAP;
	vq->s.taken = 0;
}

uint16_t packed_advance(const struct vq *vq, uint16_t at, uint16_t slots)
{
	unsigned int place = (at & PLACE) + slots;

	if (place < vq->s.size)
		return (uint16_t)(place | (at & WRAP));
	return (uint16_t)((place - vq->s.size) | ((at & WRAP) ^ WRAP));
}

static bool is_available(uint16_t flags, uint16_t at)
{
	const bool wrap = at & WRAP;

	return !!(flags & DESC_AVAIL) == wrap && !!(flags & DESC_USED) != wrap;
}

static uint16_t load_flags(const struct vq *vq, uint16_t at)
{
	const struct packed_desc *ring = vq->desc_host;

	/* Relaxed: Q1 came before, with the head. */
	return __atomic_load_n(&ring[at & PLACE].flags, __ATOMIC_RELAXED);
}

static bool head_is_available(const struct vq *vq, uint16_t at, uint16_t *flags)
{
	const struct packed_desc *ring = vq->desc_host;

	/* Q1: pairs with the driver's barrier before it stores these flags. */
	*flags = __atomic_load_n(&ring[at & PLACE].flags, __ATOMIC_ACQUIRE);
	return is_available(*flags, at);
}

/* Slots of the chain whose head has @flags, and where its last one is; 0: more
 * than the driver can have (rule 108). */
static unsigned int measure(const struct vq *vq, uint16_t flags, uint16_t *last)
{
	const unsigned int most = vq->s.size - vq->s.taken;
	uint16_t at = vq->s.last_avail;
	unsigned int n;

	for (n = 1; n <= most; n++) {
		if (!(flags & DESC_NEXT)) {
			*last = at;
			return n;
		}
		at = packed_advance(vq, at, 1);
		flags = load_flags(vq, at);
	}
	return 0;
}

bool packed_pop(struct vq *vq, struct vq_chain *c)
{
	const struct packed_desc *ring = vq->desc_host;
	unsigned int slots;
	uint16_t flags, last;

	if (!head_is_available(vq, vq->s.last_avail, &flags))
		return false;
	slots = measure(vq, flags, &last);
	if (!slots) {
		vq_break(vq);
		return false;
	}
	c->head = vq->s.last_avail & PLACE;
	c->slots = (uint16_t)slots;
	/* virtio 1.2, 2.8.6: the last one's counts. */
	c->id = __atomic_load_n(&ring[last & PLACE].id, __ATOMIC_RELAXED);
	vq->s.last_avail = packed_advance(vq, vq->s.last_avail, c->slots);
	vq->s.taken = (uint16_t)(vq->s.taken + slots);
	vq->avail_seen =
		(uint16_t)(vq->avail_seen > slots ? vq->avail_seen - slots : 0);
	__builtin_prefetch(&ring[vq->s.last_avail & PLACE]);
	prefetch_to_write(&ring[vq->s.used & PLACE]);
	return true;
}

/* The first since the last publication stays as it is until the next one: the
 * driver does not look behind it (2.8.6: one after the other). */
void packed_put(struct vq *vq, uint16_t at, uint16_t id, uint32_t len)
{
	struct packed_desc *d =
		&((struct packed_desc *)vq->desc_host)[at & PLACE];
	uint16_t flags = at & WRAP ? DESC_AVAIL | DESC_USED : 0;

	/* 2.8.4: whether any data was written. */
	if (len)
		flags |= DESC_WRITE;
	/* Relaxed: the driver looks only after Q2. */
	__atomic_store_n(&d->id, id, __ATOMIC_RELAXED);
	__atomic_store_n(&d->len, len, __ATOMIC_RELAXED);
	if (at == vq->s.published)
		vq->first_flags = flags;
	else
		__atomic_store_n(&d->flags, flags, __ATOMIC_RELAXED);
}

void packed_publish(struct vq *vq)
{
	struct packed_desc *d =
		&((struct packed_desc *)vq->desc_host)[vq->s.published & PLACE];

	/* Q2: pairs with the driver's barrier after it loads these flags. */
	__atomic_store_n(&d->flags, vq->first_flags, __ATOMIC_RELEASE);
	vq->s.taken = (uint16_t)(vq->s.taken - vq->pushed);
}

/*
 * virtio 1.2, 2.8.10: did we write the descriptor that it waits for?  Places
 * are compared as a split ring's indices are, relative to the wrap that our
 * last one is in.
 */
bool packed_wants_interrupt(struct vq *vq)
{
	const struct event *e = vq->driver_host;
	const uint16_t now = vq->s.published & PLACE;
	const uint16_t old = (uint16_t)(now - vq->undecided);
	uint16_t flags, where, event;

	/* Q4: pairs with the driver's barrier between writing its event and
	 * its last look at the ring. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* Acquire: the driver stores where before it stores flags. */
	flags = __atomic_load_n(&e->flags, __ATOMIC_ACQUIRE) & 3;
	if (flags != EVENT_DESC || !vq->event_idx)
		return flags != EVENT_DISABLE;
	where = __atomic_load_n(&e->where, __ATOMIC_RELAXED);
	event = where & PLACE;
	if ((where ^ vq->s.published) & WRAP)
		event = (uint16_t)(event - vq->s.size);
	return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

/* The first place that is not available: a device that leaves chains in the
 * ring wants to hear of new ones only. */
static uint16_t look_ahead(struct vq *vq)
{
	const unsigned int most = vq->s.size - vq->s.taken;
	uint16_t at = packed_advance(vq, vq->s.last_avail, vq->avail_seen);

	while (vq->avail_seen < most && is_available(load_flags(vq, at), at)) {
		at = packed_advance(vq, at, 1);
		vq->avail_seen++;
	}
	return at;
}

bool packed_arm(struct vq *vq)
{
	struct event *e = vq->device_host;
	const uint16_t seen = vq->avail_seen;
	const uint16_t at = look_ahead(vq);
	uint16_t flags;

	if (vq->event_idx) {
		__atomic_store_n(&e->where, at, __ATOMIC_RELAXED);
		/* Release: the driver loads flags before it loads where. */
		__atomic_store_n(&e->flags, EVENT_DESC, __ATOMIC_RELEASE);
	} else {
		__atomic_store_n(&e->flags, EVENT_ENABLE, __ATOMIC_RELAXED);
	}
	/* Q3: pairs with the driver's barrier between storing a head's flags
	 * and reading our event. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* What look_ahead() found now came while kicks were off. */
	if (vq->avail_seen != seen)
		return true;
	return vq->avail_seen + vq->s.taken < vq->s.size &&
	       head_is_available(vq, at, &flags);
}

void packed_disarm(struct vq *vq)
{
	struct event *e = vq->device_host;

	__atomic_store_n(&e->flags, EVENT_DISABLE, __ATOMIC_RELAXED);
}
