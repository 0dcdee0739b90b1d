/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a split ring's elements are compared with the avail ring; a packed
 * ring's slots with what they held before, from where use was shown last.
 */
#include "tests/fuzz/used.h"

#include <string.h>

#include "tests/fuzz/must.h"

void used_begin(struct used_oracle *u, bool in_order, bool any_order)
{
	*u = (struct used_oracle){ .in_order = in_order,
				   .any_order = any_order && !in_order,
				   .wrap = true };
}

/* ---- Split -------------------------------------------------------------------- */

static uint32_t id_at(const struct guest_queue *q, uint16_t i)
{
	uint32_t id;

	memcpy(&id, &q->used[2 + 4 * (i & (q->size - 1))], sizeof(id));
	return id;
}

static uint16_t offered_at(const struct guest_queue *q, uint16_t i)
{
	return q->avail[2 + (i & (q->size - 1))];
}

/* A driver may offer one head twice, so that an element can mean one of two
 * batches: @n is to be reached by some way. */
static bool batches_reach(const struct guest_queue *q, uint16_t from,
			  uint16_t n)
{
	static bool reached[GUEST_QUEUE_SIZE + 1];

	memset(reached, 0, sizeof(reached));
	reached[0] = true;
	for (uint16_t i = 0; i < n; i++) {
		const uint32_t id = id_at(q, (uint16_t)(from + i));

		for (uint16_t k = i; reached[i] && k < n; k++)
			if (offered_at(q, (uint16_t)(from + k)) == id)
				reached[k + 1] = true;
	}
	return reached[n];
}

/* Each of @n elements has a chain of its own among the @offered ones. */
static void check_any(const struct guest_queue *q, uint16_t from, uint16_t n,
		      uint16_t offered)
{
	static unsigned int out[GUEST_QUEUE_SIZE];

	memset(out, 0, sizeof(out));
	for (uint16_t i = 0; i < offered; i++)
		if (offered_at(q, (uint16_t)(from + i)) < q->size)
			out[offered_at(q, (uint16_t)(from + i))]++;
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
	const uint16_t offered = (uint16_t)(q->avail[1] - from);

	must(n <= q->size && n <= offered);
	if (u->in_order) {
		must(batches_reach(q, from, n));
		return;
	}
	if (u->any_order) {
		check_any(q, from, n, offered < q->size ? offered : q->size);
		return;
	}
	for (uint16_t i = 0; i < n; i++) {
		const uint32_t id = id_at(q, (uint16_t)(from + i));

		must(id < q->size && id == offered_at(q, (uint16_t)(from + i)));
	}
}

/* ---- Packed ------------------------------------------------------------------- */

static bool is(const struct guest_desc *d, bool avail, bool used)
{
	return !(d->packed_flags & GUEST_DESC_AVAIL) == !avail &&
	       !(d->packed_flags & GUEST_DESC_USED) == !used;
}

static void skip(struct used_oracle *u, const struct guest_queue *q)
{
	if (++u->slot == q->size) {
		u->slot = 0;
		u->wrap = !u->wrap;
	}
}

/* Over the chain that was offered at the oracle's place; its id.  False: there
 * was none. */
static bool skip_chain(struct used_oracle *u, const struct guest_queue *q,
		       const struct guest_desc *before, uint16_t *id)
{
	const struct guest_desc *d = &before[u->slot];
	unsigned int n = 1;

	if (!is(d, u->wrap, !u->wrap))
		return false;
	for (; (d->packed_flags & GUEST_DESC_NEXT) && n < q->size; n++) {
		skip(u, q);
		d = &before[u->slot];
	}
	*id = d->id;
	skip(u, q);
	return !(d->packed_flags & GUEST_DESC_NEXT);
}

/* The element in slot @at tells of one chain, or with IN_ORDER of all up to the
 * one that it names. */
static void skip_used(struct used_oracle *u, const struct guest_queue *q,
		      const struct guest_desc *before, uint16_t at)
{
	const uint16_t named = q->desc[at].id;
	uint16_t id;

	for (unsigned int n = 0; n < q->size; n++) {
		must(skip_chain(u, q, before, &id));
		if (id == named)
			return;
		must(u->in_order);
	}
	must(false);
}

/* Of two chains with one id nobody can tell which is the last of a batch. */
static bool ids_differ(const struct guest_queue *q,
		       const struct guest_desc *before)
{
	static bool seen[UINT16_MAX + 1];

	memset(seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < q->size; i++) {
		const struct guest_desc *d = &before[i];

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
		       const struct guest_desc *before)
{
	struct used_oracle ahead = *u;
	uint16_t at, id;

	for (unsigned int n = 0; n < q->size; n++) {
		at = ahead.slot;
		if (!skip_chain(&ahead, q, before, &id))
			return;
		u->head[at] = true;
		while (u->any_order && at != ahead.slot) {
			u->head[at] = true;
			at = (uint16_t)((at + 1) % q->size);
		}
	}
}

/* How many slots the chain that @before offers as @id has; it has none from now
 * on. */
static uint16_t slots_of(struct used_oracle *u, const struct guest_queue *q,
			 const struct guest_desc *before, bool *gone,
			 uint16_t wanted)
{
	struct used_oracle ahead = *u;
	uint16_t at, id, n;

	for (n = 0; n < q->size; n++) {
		at = ahead.slot;
		must(skip_chain(&ahead, q, before, &id));
		if (id == wanted && !gone[at])
			break;
	}
	must(n < q->size);
	gone[at] = true;
	return (uint16_t)((ahead.slot + q->size - at - 1) % q->size + 1);
}

/* Chains come back in any order, so that elements come to lie anywhere. */
static void check_any_packed(struct used_oracle *u, const struct guest_queue *q,
			     const struct guest_desc *before)
{
	static bool gone[GUEST_QUEUE_SIZE];
	struct used_oracle first = *u;

	memset(gone, 0, sizeof(gone));
	for (unsigned int n = 0; n < q->size; n++) {
		const uint16_t at = u->slot;
		uint16_t slots;

		if (is(&before[at], u->wrap, u->wrap))
			u->lost = true;
		if (u->lost || !is(&q->desc[at], u->wrap, u->wrap))
			return;
		slots = slots_of(&first, q, before, gone, q->desc[at].id);
		while (slots--)
			skip(u, q);
	}
}

static void check_packed(struct used_oracle *u, const struct guest_queue *q,
			 const struct guest_desc *before)
{
	memset(u->head, 0, sizeof(u->head));
	if ((u->in_order || u->any_order) && !ids_differ(q, before))
		u->lost = true;
	note_heads(u, q, before);
	if (u->any_order) {
		check_any_packed(u, q, before);
		return;
	}
	for (unsigned int n = 0; n < q->size; n++) {
		const uint16_t at = u->slot;

		/* As the driver left it: no use of ours is to be seen. */
		if (is(&before[at], u->wrap, u->wrap))
			u->lost = true;
		if (u->lost || !is(&q->desc[at], u->wrap, u->wrap))
			return;
		skip_used(u, q, before, at);
	}
}

void used_check(struct used_oracle *u, const struct guest_queue *q,
		const struct guest_desc *before, uint16_t from)
{
	if (q->packed)
		check_packed(u, q, before);
	else if (!u->lost)
		check_split(u, q, from);
}
