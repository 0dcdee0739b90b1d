/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a split ring's elements are compared with the avail ring's entries, a
 * packed ring's slots with what they held before, from where use was shown
 * last; both as they were when the device took them.
 */
#include "tests/fuzz/used.h"

#include <string.h>

#include "tests/fuzz/must.h"

void used_begin(struct used_oracle *u, bool in_order, bool any_order)
{
	*u = (struct used_oracle){ .in_order = in_order,
				   .any_order = any_order && !in_order,
				   .next.wrap = true,
				   .taken_to.wrap = true };
}

/* ---- Split -------------------------------------------------------------------- */

static uint32_t id_at(const struct guest_queue *q, uint16_t i)
{
	uint32_t id;

	memcpy(&id, &q->used[2 + 4 * (i & (q->size - 1))], sizeof(id));
	return id;
}

static uint16_t taken_at(const struct used_oracle *u,
			 const struct guest_queue *q, uint16_t i)
{
	return u->taken[i & (q->size - 1)];
}

static void take_split(struct used_oracle *u, const struct guest_queue *q,
		       uint16_t last_avail)
{
	must((uint16_t)(last_avail - u->taken_idx) <= q->size);
	for (; u->taken_idx != last_avail; u->taken_idx++) {
		const unsigned int at = u->taken_idx & (q->size - 1u);

		u->taken[at] = q->avail[2 + at];
	}
}

/* A driver may offer one head twice, so that an element can mean one of two
 * batches: @n is to be reached by some way. */
static bool batches_reach(const struct used_oracle *u,
			  const struct guest_queue *q, uint16_t from,
			  uint16_t n)
{
	static bool reached[GUEST_QUEUE_SIZE + 1];

	memset(reached, 0, sizeof(reached));
	reached[0] = true;
	for (uint16_t i = 0; i < n; i++) {
		const uint32_t id = id_at(q, (uint16_t)(from + i));

		for (uint16_t k = i; reached[i] && k < n; k++)
			if (taken_at(u, q, (uint16_t)(from + k)) == id)
				reached[k + 1] = true;
	}
	return reached[n];
}

/* Each of @n elements has a chain of its own among those taken. */
static void check_any(const struct used_oracle *u, const struct guest_queue *q,
		      uint16_t from, uint16_t n)
{
	static unsigned int out[GUEST_QUEUE_SIZE];

	memset(out, 0, sizeof(out));
	for (uint16_t i = from; i != u->taken_idx; i++)
		if (taken_at(u, q, i) < q->size)
			out[taken_at(u, q, i)]++;
	for (uint16_t i = 0; i < n; i++) {
		const uint32_t id = id_at(q, (uint16_t)(from + i));

		must(id < q->size && out[id]);
		out[id]--;
	}
}

static void check_split(const struct used_oracle *u,
			const struct guest_queue *q, uint16_t from)
{
	const uint16_t n = (uint16_t)(q->used[1] - from);
	const uint16_t taken = (uint16_t)(u->taken_idx - from);

	must(n <= taken && taken <= q->size);
	if (u->in_order) {
		must(batches_reach(u, q, from, n));
		return;
	}
	if (u->any_order) {
		check_any(u, q, from, n);
		return;
	}
	for (uint16_t i = 0; i < n; i++) {
		const uint32_t id = id_at(q, (uint16_t)(from + i));

		must(id < q->size &&
		     id == taken_at(u, q, (uint16_t)(from + i)));
	}
}

/* ---- Packed ------------------------------------------------------------------- */

static bool is(const struct guest_desc *d, bool avail, bool used)
{
	return !(d->packed_flags & GUEST_DESC_AVAIL) == !avail &&
	       !(d->packed_flags & GUEST_DESC_USED) == !used;
}

static void skip(struct used_place *p, const struct guest_queue *q)
{
	if (++p->slot == q->size) {
		p->slot = 0;
		p->wrap = !p->wrap;
	}
}

static bool differ(const struct used_place *a, const struct used_place *b)
{
	return a->slot != b->slot || a->wrap != b->wrap;
}

static void take_packed(struct used_oracle *u, const struct guest_queue *q,
			const struct guest_desc *desc, uint16_t last_avail)
{
	const struct used_place to = { last_avail & 0x7fff, last_avail >> 15 };

	for (unsigned int n = 0; differ(&u->taken_to, &to); n++) {
		/* A run may use some and then take their slots again, of a
		 * chain that goes on into them: then it cannot be told what
		 * there was. */
		must(n < 2u * q->size);
		u->lost = u->lost || n >= q->size;
		u->taken_desc[u->taken_to.slot] = desc[u->taken_to.slot];
		skip(&u->taken_to, q);
	}
}

/* The ring, with what is taken and not yet used as it was then. */
static const struct guest_desc *with_taken(const struct used_oracle *u,
					   const struct guest_queue *q,
					   const struct guest_desc *before)
{
	static struct guest_desc desc[GUEST_QUEUE_SIZE];
	struct used_place at = u->next;

	memcpy(desc, before, q->size * sizeof(*desc));
	for (; differ(&at, &u->taken_to); skip(&at, q))
		desc[at.slot] = u->taken_desc[at.slot];
	return desc;
}

/* Over the chain that was offered at @p; its id.  False: there was none. */
static bool skip_chain(struct used_place *p, const struct guest_queue *q,
		       const struct guest_desc *offered, uint16_t *id)
{
	const struct guest_desc *d = &offered[p->slot];
	unsigned int n = 1;

	if (!is(d, p->wrap, !p->wrap))
		return false;
	for (; (d->packed_flags & GUEST_DESC_NEXT) && n < q->size; n++) {
		skip(p, q);
		d = &offered[p->slot];
	}
	*id = d->id;
	skip(p, q);
	return !(d->packed_flags & GUEST_DESC_NEXT);
}

/* The element in slot @at tells of one chain, or with IN_ORDER of all up to the
 * one that it names. */
static void skip_used(struct used_oracle *u, const struct guest_queue *q,
		      const struct guest_desc *offered, uint16_t at)
{
	const uint16_t named = q->desc[at].id;
	uint16_t id;

	for (unsigned int n = 0; n < q->size; n++) {
		must(skip_chain(&u->next, q, offered, &id));
		if (id == named)
			return;
		must(u->in_order);
	}
	must(false);
}

/* Of two chains with one id nobody can tell which is the last of a batch. */
static bool ids_differ(const struct guest_queue *q,
		       const struct guest_desc *offered)
{
	static bool seen[UINT16_MAX + 1];

	memset(seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < q->size; i++) {
		const struct guest_desc *d = &offered[i];

		if (!is(d, true, false) && !is(d, false, true))
			continue;
		if (seen[d->id])
			return false;
		seen[d->id] = true;
	}
	return true;
}

/* A queue that breaks leaves behind what it had prepared and not shown: it may
 * have written the heads of all that was offered. */
static void note_heads(struct used_oracle *u, const struct guest_queue *q,
		       const struct guest_desc *offered)
{
	struct used_place ahead = u->next;
	uint16_t at, id;

	for (unsigned int n = 0; n < q->size; n++) {
		at = ahead.slot;
		if (!skip_chain(&ahead, q, offered, &id))
			return;
		u->head[at] = true;
		while (u->any_order && at != ahead.slot) {
			u->head[at] = true;
			at = (uint16_t)((at + 1) % q->size);
		}
	}
}

/* How many slots the chain that is @offered as @wanted has; it has none from
 * now on. */
static uint16_t slots_of(struct used_place ahead, const struct guest_queue *q,
			 const struct guest_desc *offered, bool *gone,
			 uint16_t wanted)
{
	uint16_t at, id, n;

	for (n = 0; n < q->size; n++) {
		at = ahead.slot;
		must(skip_chain(&ahead, q, offered, &id));
		if (id == wanted && !gone[at])
			break;
	}
	must(n < q->size);
	gone[at] = true;
	return (uint16_t)((ahead.slot + q->size - at - 1) % q->size + 1);
}

/* As the driver left it no use of ours is to be seen, and now it is. */
static bool shows_use(struct used_oracle *u, const struct guest_queue *q,
		      const struct guest_desc *before)
{
	const struct used_place *p = &u->next;

	if (is(&before[p->slot], p->wrap, p->wrap))
		u->lost = true;
	return !u->lost && is(&q->desc[p->slot], p->wrap, p->wrap);
}

/* Chains come back in any order, so that elements come to lie anywhere. */
static void check_any_packed(struct used_oracle *u, const struct guest_queue *q,
			     const struct guest_desc *before,
			     const struct guest_desc *offered)
{
	static bool gone[GUEST_QUEUE_SIZE];
	const struct used_place first = u->next;
	uint16_t slots;

	memset(gone, 0, sizeof(gone));
	for (unsigned int n = 0; n < q->size && shows_use(u, q, before); n++) {
		slots = slots_of(first, q, offered, gone,
				 q->desc[u->next.slot].id);
		while (slots--)
			skip(&u->next, q);
	}
}

static void check_packed(struct used_oracle *u, const struct guest_queue *q,
			 const struct guest_desc *before)
{
	const struct guest_desc *offered = with_taken(u, q, before);

	memset(u->head, 0, sizeof(u->head));
	if ((u->in_order || u->any_order) && !ids_differ(q, offered))
		u->lost = true;
	note_heads(u, q, offered);
	if (u->any_order) {
		check_any_packed(u, q, before, offered);
		return;
	}
	for (unsigned int n = 0; n < q->size && shows_use(u, q, before); n++)
		skip_used(u, q, offered, u->next.slot);
}

void used_taken(struct used_oracle *u, const struct guest_queue *q,
		const struct guest_desc *desc, uint16_t last_avail)
{
	if (q->packed)
		take_packed(u, q, desc, last_avail);
	else
		take_split(u, q, last_avail);
}

void used_check(struct used_oracle *u, const struct guest_queue *q,
		const struct guest_desc *before, uint16_t from)
{
	if (q->packed)
		check_packed(u, q, before);
	else if (!u->lost)
		check_split(u, q, from);
}
