/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: one ring of descriptors that both sides write, virtio 1.2, 2.8.  A list
 * becomes available with its first slot, which is written last:
 *
 *	the other slots, then the first's flags   release
 *	a slot's used flags, then the rest of it  acquire
 *	the flags, then the device's event        full barrier (to kick or not)
 *	our event, then a slot's flags            full barrier (to sleep or not)
 */
#include "tests/guest/driver_ring.h"

static void advance(uint16_t *slot, bool *wrap, unsigned int n, uint16_t size)
{
	unsigned int at = *slot + n;

	if (at >= size) {
		at -= size;
		*wrap = !*wrap;
	}
	*slot = (uint16_t)at;
}

uint16_t guest_packed_next(const struct guest_queue *gq)
{
	return (uint16_t)(gq->avail_slot | (unsigned int)gq->avail_wrap << 15);
}

/* AVAIL as the wrap counter is, USED the other way. */
static uint16_t available(bool wrap, unsigned int flags)
{
	flags &= ~(GUEST_DESC_AVAIL | GUEST_DESC_USED);
	return (uint16_t)(flags | (wrap ? GUEST_DESC_AVAIL : GUEST_DESC_USED));
}

void guest_offer_slots(struct guest *g, unsigned int q, uint16_t n)
{
	struct guest_queue *gq = &g->queue[q];
	struct guest_desc *first = &gq->desc[gq->avail_slot];
	const uint16_t flags = available(gq->avail_wrap, first->packed_flags);

	advance(&gq->avail_slot, &gq->avail_wrap, 1, gq->size);
	for (uint16_t i = 1; i < n; i++) {
		struct guest_desc *d = &gq->desc[gq->avail_slot];

		d->packed_flags = available(gq->avail_wrap, d->packed_flags);
		advance(&gq->avail_slot, &gq->avail_wrap, 1, gq->size);
	}
	__atomic_store_n(&first->packed_flags, flags, __ATOMIC_RELEASE);
	gq->added = (uint16_t)(gq->added + n);
	gq->avail_idx++;
}

void guest_packed_add(struct guest_queue *gq, uint16_t id,
		      const struct guest_buf *buf, unsigned int n,
		      uint64_t table)
{
	struct guest_desc *first = &gq->desc[gq->avail_slot];
	uint16_t first_flags = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct guest_desc *d = &gq->desc[gq->avail_slot];
		unsigned int flags = buf[i].write ? GUEST_DESC_WRITE : 0;

		if (table)
			flags = GUEST_DESC_INDIRECT;
		else if (i + 1 < n)
			flags |= GUEST_DESC_NEXT;
		d->addr = table ? table : buf[i].gpa;
		d->len = buf[i].len;
		d->id = id;
		flags = available(gq->avail_wrap, flags);
		if (i)
			d->packed_flags = (uint16_t)flags;
		else
			first_flags = (uint16_t)flags;
		advance(&gq->avail_slot, &gq->avail_wrap, 1, gq->size);
	}
	__atomic_store_n(&first->packed_flags, first_flags, __ATOMIC_RELEASE);
	gq->added = (uint16_t)(gq->added + n);
	gq->avail_idx++;
}

bool guest_packed_wants_kick(struct guest *g, struct guest_queue *gq)
{
	const uint16_t added = gq->added;
	uint16_t event;
	uint32_t word;

	gq->added = 0;
	word = __atomic_load_n((uint32_t *)gq->used, __ATOMIC_RELAXED);
	if (word >> 16 != GUEST_EVENT_DESC ||
	    !(g->features & GUEST_F_EVENT_IDX))
		return word >> 16 == GUEST_EVENT_ENABLE;
	/* A place of the round before is behind this round's first. */
	event = word & 0x7fff;
	if (!(word & 0x8000) != !gq->avail_wrap)
		event = (uint16_t)(event - gq->size);
	return (uint16_t)(gq->avail_slot - event - 1) < added;
}

void guest_packed_wish(struct guest *g, struct guest_queue *gq)
{
	uint32_t word = GUEST_EVENT_ENABLE << 16;

	if (gq->quiet)
		word = GUEST_EVENT_DISABLE << 16;
	else if (g->features & GUEST_F_EVENT_IDX)
		word = GUEST_EVENT_DESC << 16 | gq->used_slot |
		       (uint32_t)gq->used_wrap << 15;
	__atomic_store_n((uint32_t *)gq->avail, word, __ATOMIC_RELAXED);
}

bool guest_packed_used(struct guest_queue *gq, struct guest_used *used)
{
	const struct guest_desc *d = &gq->desc[gq->used_slot];
	const uint16_t flags =
		__atomic_load_n(&d->packed_flags, __ATOMIC_ACQUIRE);
	const bool avail = flags & GUEST_DESC_AVAIL;

	if (avail != !!(flags & GUEST_DESC_USED) || avail != gq->used_wrap)
		return false;
	used->id = __atomic_load_n(&d->id, __ATOMIC_RELAXED);
	used->len = __atomic_load_n(&d->len, __ATOMIC_RELAXED);
	/* virtio 1.2, 2.8.4: the length means something only then. */
	if (!(flags & GUEST_DESC_WRITE))
		used->len = 0;
	return true;
}

void guest_packed_skip(struct guest_queue *gq, uint16_t n)
{
	advance(&gq->used_slot, &gq->used_wrap, n, gq->size);
}
