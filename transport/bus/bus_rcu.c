/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a change that fails on the first copy, which nobody reads, is undone
 * there and was never seen.  One that succeeds is published and has happened.
 * On the second copy it can then only fail for want of memory; that copy is
 * *stale* from there on, which concerns no reader, and is built from the other
 * before the next change.  So no failure has to be undone in public.
 *
 * A move changes base in the range itself, of which there is one for the two
 * copies.  A change keeps the base that its range had; before the changes are
 * repeated they are taken back in the ranges, last first, so that each finds
 * its range as it did the first time.
 */
#include "transport/bus/bus_rcu.h"

#include <sched.h>
#include <stdlib.h>

/* Looks at readers that are on other cores before the core is given away. */
#define PATIENCE 1000

static struct bus *other_copy(struct bus_rcu *b)
{
	return b->active == &b->copy[0].bus ? &b->copy[1].bus : &b->copy[0].bus;
}

/* ---- One copy ------------------------------------------------------------ */

static uint32_t list(const struct bus *bus, struct bus_range **r)
{
	struct bus_range *each = bus_first(bus, 0);
	uint32_t n = 0;

	for (; each; each = bus_next(bus, each))
		r[n++] = each;
	return n;
}

static void clear(struct bus *bus)
{
	const uint64_t limit = bus->limit;
	const uint32_t max = bus->max;

	bus_fini(bus);
	bus_init(bus, limit);
	bus->max = max;
}

/* Whatever the other copy was: it becomes as the active one is. */
static int catch_up(struct bus_rcu *b)
{
	const uint32_t nr = b->active->nr;
	struct bus_range **r;
	int err;

	if (!b->stale)
		return 0;
	clear(other_copy(b));
	if (nr) {
		r = malloc(nr * sizeof(struct bus_range *));
		if (!r)
			return -ENOMEM;
		err = bus_build(other_copy(b), r, list(b->active, r), NULL);
		free(r);
		if (err)
			return err;
	}
	b->stale = false;
	return 0;
}

static int move(struct bus *bus, struct bus_change *c,
		struct bus_range **conflict)
{
	const uint64_t old = c->range->base;
	int err = bus_move(bus, c->range, c->base, conflict);

	if (!err)
		c->base = old;
	return err;
}

static int change(struct bus *bus, struct bus_change *c,
		  struct bus_range **conflict)
{
	switch (c->op) {
	case BUS_INSERT:
		return bus_insert(bus, c->range, conflict);
	case BUS_REMOVE:
		bus_remove(bus, c->range);
		return 0;
	default:
		return move(bus, c, conflict);
	}
}

static int take_back(struct bus *bus, struct bus_change *c)
{
	switch (c->op) {
	case BUS_INSERT:
		bus_remove(bus, c->range);
		return 0;
	case BUS_REMOVE:
		return bus_insert(bus, c->range, NULL);
	default:
		return move(bus, c, NULL);
	}
}

/* In the range alone: as before the move, or as after it again. */
static void swap_base(struct bus_change *c)
{
	const uint64_t base = c->range->base;

	if (c->op != BUS_MOVE)
		return;
	c->range->base = c->base;
	c->base = base;
}

static void rewind_bases(struct bus_change *c, uint32_t n)
{
	while (n--)
		swap_base(&c[n]);
}

/* True if all @n are undone; else the ranges are as they were all the same. */
static bool undo(struct bus *bus, struct bus_change *c, uint32_t n)
{
	while (n) {
		if (take_back(bus, &c[n - 1])) {
			rewind_bases(c, n);
			return false;
		}
		n--;
	}
	return true;
}

/* ---- Both ---------------------------------------------------------------- */

static void wait_for_readers(struct bus_rcu *b)
{
	uint64_t token = rte_rcu_qsbr_start(b->qsbr);
	unsigned int looks = 0;

	/* U3: pairs with V3.  What is active is stored before we look at who
	 * is online; the token's release alone does not say so. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* V2: its loads acquire, pairs with U2. */
	while (!rte_rcu_qsbr_check(b->qsbr, token, false)) {
		if (++looks % PATIENCE)
			rte_pause();
		else
			sched_yield();
	}
}

/* The copy that has changed becomes what readers see, and the one that they
 * saw becomes nobody's. */
static void publish(struct bus_rcu *b)
{
	/* U1: pairs with V1, so readers see all of the change. */
	__atomic_store_n(&b->active, other_copy(b), __ATOMIC_RELEASE);
	wait_for_readers(b);
}

int bus_rcu_init(struct bus_rcu *b, uint64_t limit, uint32_t max_readers)
{
	struct rte_rcu_qsbr *qsbr;

	if (!max_readers)
		return -EINVAL;
	qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE,
			     rte_rcu_qsbr_get_memsize(max_readers));
	if (!qsbr)
		return -ENOMEM;
	rte_rcu_qsbr_init(qsbr, max_readers);
	for (uint32_t i = 0; i < max_readers; i++)
		rte_rcu_qsbr_thread_register(qsbr, i);
	*b = (struct bus_rcu){ .qsbr = qsbr, .active = &b->copy[0].bus };
	bus_init(&b->copy[0].bus, limit);
	bus_init(&b->copy[1].bus, limit);
	return 0;
}

void bus_rcu_fini(struct bus_rcu *b)
{
	bus_fini(&b->copy[0].bus);
	bus_fini(&b->copy[1].bus);
	free(b->qsbr);
	b->qsbr = NULL;
	b->active = NULL;
}

int bus_rcu_insert(struct bus_rcu *b, struct bus_range *r,
		   struct bus_range **conflict)
{
	struct bus_change c = { .op = BUS_INSERT, .range = r };

	return bus_rcu_apply(b, &c, 1, NULL, conflict);
}

int bus_rcu_remove(struct bus_rcu *b, struct bus_range *r)
{
	struct bus_change c = { .op = BUS_REMOVE, .range = r };

	return bus_rcu_apply(b, &c, 1, NULL, NULL);
}

int bus_rcu_move(struct bus_rcu *b, struct bus_range *r, uint64_t base,
		 struct bus_range **conflict)
{
	struct bus_change c = { .op = BUS_MOVE, .range = r, .base = base };

	return bus_rcu_apply(b, &c, 1, NULL, conflict);
}

int bus_rcu_build(struct bus_rcu *b, struct bus_range *const *r, uint32_t n,
		  struct bus_range *conflict[2])
{
	int err = catch_up(b);

	if (!err)
		err = bus_build(other_copy(b), r, n, conflict);
	if (err)
		return err;
	publish(b);
	b->stale = bus_build(other_copy(b), r, n, NULL) != 0;
	return 0;
}

static int first_time(struct bus_rcu *b, struct bus_change *c, uint32_t n,
		      uint32_t *failed, struct bus_range **conflict)
{
	for (uint32_t i = 0; i < n; i++) {
		int err = change(other_copy(b), &c[i], conflict);

		if (!err)
			continue;
		b->stale = !undo(other_copy(b), c, i);
		if (failed)
			*failed = i;
		return err;
	}
	return 0;
}

static void second_time(struct bus_rcu *b, struct bus_change *c, uint32_t n)
{
	rewind_bases(c, n);
	for (uint32_t i = 0; i < n; i++) {
		if (!b->stale && change(other_copy(b), &c[i], NULL))
			b->stale = true;
		if (b->stale)
			swap_base(&c[i]);
	}
}

int bus_rcu_apply(struct bus_rcu *b, struct bus_change *c, uint32_t n,
		  uint32_t *failed, struct bus_range **conflict)
{
	int err = catch_up(b);

	if (err && failed)
		*failed = 0;
	if (!err)
		err = first_time(b, c, n, failed, conflict);
	if (err)
		return err;
	publish(b);
	second_time(b, c, n);
	return 0;
}
