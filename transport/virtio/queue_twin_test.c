/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One driver and one device, twice: over a split ring and over a packed one.
 * Random scripts offer the same chains and answer them alike; both drivers see
 * the same chains back, in the same order, with the same lengths and data, and
 * are interrupted at the same moments.
 */
#include "transport/virtio/queue.h"
#include "transport/virtio/test_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define SCRIPTS	 60
#define STEPS	 1500
#define BUFFERS	 6	/* of one chain, at most */
#define ROOM	 0x100u /* for one of them */
#define AREA	 0x800u /* for a chain's, and its table */
#define OUT	 32	/* chains that are offered at a time */
#define MAX_SIZE 64

struct ask {
	unsigned int nr, nr_write;
	uint32_t len[BUFFERS];
	bool indirect;
	unsigned int slots; /* descriptors that it takes */
};

/* One of the two. */
struct side {
	struct test t;
	struct vq_chain chain[OUT]; /* as the device holds them, by number */
	struct vq_span span[OUT][BUFFERS + 1];
	unsigned int nr_spans[OUT];
	uint16_t desc[MAX_SIZE]; /* split: 1 + the chain it belongs to */
};

struct twins {
	struct side split, packed;
	uint64_t random;
	uint16_t size;
	bool in_order, event_idx, table;
	struct ask ask[OUT];
	/* Numbers of chains, in the order in which they were offered; what the
	 * device has not taken; what it holds. */
	unsigned int fifo[OUT], nr_fifo, waiting, held[OUT], nr_held;
	bool out[OUT];
	unsigned int nr_free; /* descriptors */
	unsigned int chains, interrupts;
};

static uint32_t draw(struct twins *w, uint32_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (uint32_t)(w->random >> 20) % below;
}

static uint64_t gpa_of(unsigned int id, unsigned int i)
{
	return RIG_DATA + id * AREA + i * ROOM;
}

static uint64_t table_of(unsigned int id)
{
	return gpa_of(id, BUFFERS);
}

/* ---- The driver -------------------------------------------------------------- */

static unsigned int flags_of(const struct ask *a, unsigned int i)
{
	return (i + 1 < a->nr ? RIG_NEXT : 0) |
	       (i >= a->nr - a->nr_write ? RIG_WRITE : 0);
}

static unsigned int take_desc(struct side *s, unsigned int id)
{
	unsigned int i = 0;

	while (s->desc[i])
		i++;
	s->desc[i] = (uint16_t)(1 + id);
	return i;
}

static void write_table(struct side *s, const struct ask *a, unsigned int id)
{
	struct rig_ring table = { .packed = s->t.ring.packed,
				  .desc = rig_at(&s->t.rig, table_of(id)) };

	for (unsigned int i = 0; i < a->nr; i++)
		rig_desc(&table, i, gpa_of(id, i), a->len[i], flags_of(a, i),
			 i + 1);
}

static void offer_to(struct side *s, const struct ask *a, unsigned int id)
{
	struct rig_ring *ring = &s->t.ring;
	unsigned int place[BUFFERS] = { 0 };

	ring->id = (uint16_t)id;
	for (unsigned int i = 0; i < a->slots; i++)
		place[i] = ring->packed
				   ? rig_advance(ring, ring->slot, i) & 0x7fffu
				   : take_desc(s, id);
	if (a->indirect) {
		write_table(s, a, id);
		rig_desc(ring, place[0], table_of(id), 16 * a->nr, RIG_INDIRECT,
			 0);
	}
	for (unsigned int i = 0; !a->indirect && i < a->nr; i++)
		rig_desc(ring, place[i], gpa_of(id, i), a->len[i],
			 flags_of(a, i), i + 1 < a->nr ? place[i + 1] : 0);
	rig_offer(ring, place[0]);
}

static void fill(struct side *s, const struct ask *a, unsigned int id,
		 uint8_t with)
{
	for (unsigned int i = 0; i < a->nr; i++)
		memset(rig_at(&s->t.rig, gpa_of(id, i)), with + (int)i, ROOM);
}

static void step_offer(struct twins *w)
{
	unsigned int id = draw(w, OUT);
	struct ask *a = &w->ask[id];

	if (w->out[id])
		return;
	a->nr = 1 + draw(w, BUFFERS);
	a->nr_write = draw(w, a->nr + 1);
	for (unsigned int i = 0; i < a->nr; i++)
		a->len[i] = draw(w, 8) ? draw(w, ROOM) : 0;
	a->indirect = w->table && draw(w, 2);
	a->slots = a->indirect ? 1 : a->nr;
	if (a->slots > w->nr_free)
		return;
	fill(&w->split, a, id, (uint8_t)w->chains);
	fill(&w->packed, a, id, (uint8_t)w->chains);
	offer_to(&w->split, a, id);
	offer_to(&w->packed, a, id);
	w->nr_free -= a->slots;
	w->out[id] = true;
	w->fifo[w->nr_fifo++] = id;
	w->waiting++;
	w->chains++;
}

/* How many chains the next answer tells of, and the id of the last of them. */
static unsigned int batch(const struct twins *w, const struct side *s,
			  unsigned int *id)
{
	const struct rig_ring *ring = &s->t.ring;
	unsigned int n;

	if (ring->packed)
		*id = ring->slots[ring->used_slot & 0x7fff].id;
	else
		*id = s->desc[ring->used->ring[ring->taken & (ring->size - 1u)]
				      .id] -
		      1u;
	for (n = 0; w->in_order && n < w->nr_fifo; n++)
		if (w->fifo[n] == *id)
			break;
	return w->in_order ? n + 1 : 1;
}

/* The next answer in terms of chains: who, how many, how long. */
static bool next_answer(const struct twins *w, struct side *s, unsigned int *n,
			unsigned int *id, uint32_t *len)
{
	struct rig_ring *ring = &s->t.ring;
	const struct rig_ring before = *ring;
	struct rig_answer a;
	unsigned int slots = 0;

	if (!rig_take(ring, 0, &a))
		return false;
	*ring = before;
	*n = batch(w, s, id);
	assert_true(*id < OUT && w->out[*id]);
	for (unsigned int i = 0; i < *n; i++)
		slots += w->ask[w->in_order ? w->fifo[i] : *id].slots;
	if (ring->packed)
		ring->used_slot = rig_advance(ring, ring->used_slot, slots);
	ring->taken = (uint16_t)(ring->taken + *n);
	*len = a.len;
	return true;
}

static void same_data(struct twins *w, unsigned int id)
{
	assert_memory_equal(rig_at(&w->split.t.rig, gpa_of(id, 0)),
			    rig_at(&w->packed.t.rig, gpa_of(id, 0)),
			    (size_t)BUFFERS * ROOM);
}

static void give_back(struct twins *w, unsigned int id)
{
	unsigned int i = 0;

	same_data(w, id);
	while (w->fifo[i] != id)
		i++;
	for (w->nr_fifo--; i < w->nr_fifo; i++)
		w->fifo[i] = w->fifo[i + 1];
	for (i = 0; i < w->size; i++)
		if (w->split.desc[i] == 1 + id)
			w->split.desc[i] = 0;
	w->out[id] = false;
	w->nr_free += w->ask[id].slots;
}

static void step_collect(struct twins *w)
{
	unsigned int n[2] = { 0 }, id[2] = { 0 };
	uint32_t len[2] = { 0 };

	while (next_answer(w, &w->split, &n[0], &id[0], &len[0])) {
		assert_true(next_answer(w, &w->packed, &n[1], &id[1], &len[1]));
		assert_int_equal(n[0], n[1]);
		assert_int_equal(id[0], id[1]);
		assert_int_equal(len[0], len[1]);
		for (; n[0] > 1; n[0]--)
			give_back(w, w->fifo[0]);
		give_back(w, id[0]);
	}
	assert_false(next_answer(w, &w->packed, &n[1], &id[1], &len[1]));
}

/* Interrupts are wanted for the next answer, or for none. */
static void step_wish(struct twins *w)
{
	struct rig_ring *s = &w->split.t.ring, *p = &w->packed.t.ring;
	const bool wanted = draw(w, 2);

	step_collect(w);
	s->avail->flags = !wanted;
	if (w->event_idx)
		*rig_used_event(s) = (uint16_t)(s->taken - !wanted);
	p->driver_event->where = p->used_slot;
	p->driver_event->flags = !wanted	? RIG_EVENT_DISABLE
				 : w->event_idx ? RIG_EVENT_DESC
						: RIG_EVENT_ENABLE;
}

/* ---- The device ---------------------------------------------------------------- */

/* Walked at once: a used element of another chain may come to lie over a packed
 * ring's descriptors. */
static void pop(struct side *s, unsigned int id)
{
	struct vq_chain *c = &s->chain[id];
	unsigned int n = 0;
	int more;

	assert_true(vq_pop(&s->t.vq, c));
	assert_int_equal(s->t.ring.packed ? c->id : s->desc[c->id] - 1u, id);
	do {
		assert_true(n <= BUFFERS);
		more = vq_chain_next(c, &s->span[id][n]);
		n += more > 0;
	} while (more > 0);
	assert_int_equal(more, 0);
	s->nr_spans[id] = n;
}

static void step_pop(struct twins *w)
{
	unsigned int id;
	struct vq_chain c;

	if (!w->waiting) {
		assert_false(vq_pop(&w->split.t.vq, &c));
		assert_false(vq_pop(&w->packed.t.vq, &c));
		return;
	}
	id = w->fifo[w->nr_fifo - w->waiting--];
	pop(&w->split, id);
	pop(&w->packed, id);
	w->held[w->nr_held++] = id;
}

/* Write what was read, mixed, into what may be written, at most @most bytes;
 * the number of bytes written. */
static uint32_t work(struct side *s, unsigned int id, uint32_t most)
{
	uint32_t sum = 0, n = 0;

	for (unsigned int k = 0; k < s->nr_spans[id]; k++) {
		const struct vq_span *span = &s->span[id][k];
		uint8_t *bytes = span->host;

		for (uint32_t i = 0; i < span->len; i++)
			if (!span->write)
				sum = sum * 31 + bytes[i];
			else if (n < most)
				bytes[i] = (uint8_t)(sum + n++);
	}
	return n;
}

static void step_push(struct twins *w)
{
	const uint32_t most = draw(w, 4) ? UINT32_MAX : draw(w, 100);
	unsigned int at, id;
	uint32_t n;

	if (!w->nr_held)
		return;
	at = draw(w, w->nr_held);
	id = w->held[at];
	w->held[at] = w->held[--w->nr_held];
	n = work(&w->split, id, most);
	assert_int_equal(work(&w->packed, id, most), n);
	vq_push(&w->split.t.vq, &w->split.chain[id], n);
	vq_push(&w->packed.t.vq, &w->packed.chain[id], n);
}

static void step_publish(struct twins *w)
{
	const bool shown = vq_publish(&w->split.t.vq);
	bool raised;

	assert_int_equal(vq_publish(&w->packed.t.vq), shown);
	raised = vq_wants_interrupt(&w->split.t.vq);
	assert_int_equal(vq_wants_interrupt(&w->packed.t.vq), raised);
	w->interrupts += raised;
	/* A wish holds for one answer: after it the driver looks. */
	if (raised)
		step_wish(w);
}

/* Memory goes and comes back. */
static void step_pause(struct twins *w)
{
	struct side *const side[] = { &w->split, &w->packed };

	for (unsigned int i = 0; i < ARRAY_SIZE(side); i++) {
		vq_derive(&side[i]->t.vq, NULL, true);
		vq_derive(&side[i]->t.vq, &side[i]->t.rig.map, true);
	}
}

/* ---- Scripts -------------------------------------------------------------------- */

static void step(struct twins *w)
{
	static void (*const steps[])(struct twins *) = {
		step_offer, step_offer,	  step_offer, step_pop,
		step_pop,   step_push,	  step_push,  step_publish,
		step_wish,  step_collect, step_pause,
	};

	steps[draw(w, ARRAY_SIZE(steps))](w);
	assert_false(w->split.t.vq.s.broken || w->packed.t.vq.s.broken);
}

/* What is under way comes back, and then nothing is. */
static void drain(struct twins *w)
{
	while (w->waiting)
		step_pop(w);
	while (w->nr_held)
		step_push(w);
	step_publish(w);
	step_collect(w);
	assert_int_equal(w->nr_fifo, 0);
	assert_int_equal(w->nr_free, w->size);
}

static unsigned int script(uint64_t seed)
{
	void *state = (void *)&test_packed;
	struct twins *w = calloc(1, sizeof(*w));
	uint64_t features = 0;
	unsigned int n;

	assert_non_null(w);
	w->random = 0x9e3779b97f4a7c15ull * (seed + 1);
	w->table = draw(w, 2);
	w->event_idx = draw(w, 2);
	w->in_order = draw(w, 2);
	w->size = (uint16_t)(1u << draw(w, 7));
	w->nr_free = w->size;
	features |= w->table ? TEST_INDIRECT : 0;
	features |= w->event_idx ? TEST_EVENT_IDX : 0;
	features |= w->in_order ? TEST_IN_ORDER : 0;
	live_with(&w->split.t, NULL, features, w->size);
	live_with(&w->packed.t, &state, features, w->size);
	for (unsigned int i = 0; i < STEPS; i++)
		step(w);
	drain(w);
	n = w->chains;
	assert_true(n > 0 && w->interrupts > 0);
	end(&w->split.t);
	end(&w->packed.t);
	free(w);
	return n;
}

/* rules 97, 99, 101, 102, 103, 107, 108, 109, 110, 112, 117 */
static void split_and_packed_drivers_see_the_same(void **state)
{
	unsigned int n = 0;

	(void)state;
	for (uint64_t seed = 0; seed < SCRIPTS; seed++)
		n += script(seed);
	assert_true(n > SCRIPTS * 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_and_packed_drivers_see_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
