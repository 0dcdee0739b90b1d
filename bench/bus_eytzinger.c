/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sorted array in the order of a binary search tree's levels, without a
 * branch that depends on the address, and with what is four levels further down
 * on its way.
 *
 * How: it is static: a change sorts the new set and lays all out anew.
 */
#include "bench/bus_memory.h"
#include "bench/bus_rivals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct eytzinger {
	uint64_t *key; /* the first of n is key[1] */
	struct bus_item *item, *sorted;
	uint32_t nr, room;
};

static void destroy(void *s)
{
	struct eytzinger *e = s;

	bus_memory_put(e->key);
	bus_memory_put(e->item);
	bus_memory_put(e->sorted);
	free(e);
}

static void *create(const struct bus_set *set)
{
	struct eytzinger *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->room = set->n;
	e->key = bus_memory_get((e->room + 1) * sizeof(*e->key));
	e->item = bus_memory_get((e->room + 1) * sizeof(*e->item));
	e->sorted = bus_memory_get(e->room * sizeof(*e->sorted));
	if (!e->key || !e->item || !e->sorted) {
		destroy(e);
		return NULL;
	}
	return e;
}

static inline bool lookup(const void *s, uint64_t addr, unsigned int size,
			  struct bus_answer *a)
{
	const struct eytzinger *e = s;
	uint64_t k = 1;

	while (k <= e->nr) {
		__builtin_prefetch(e->key + 16 * k);
		k = 2 * k + (e->key[k] <= addr);
	}
	/* Up again to where it last went right: it is the last that begins at
	 * or before the address. */
	k >>= __builtin_ctzll(k) + 1;
	if (!k) {
		*a = (struct bus_answer){ NULL };
		return false;
	}
	return bus_item_answer(&e->item[k], addr, size, a);
}

BUS_LOOPS(lookup)

static uint32_t lay_out(struct eytzinger *e, uint32_t k, uint32_t next)
{
	if (k > e->nr)
		return next;
	next = lay_out(e, 2 * k, next);
	e->key[k] = e->sorted[next].base;
	e->item[k] = e->sorted[next++];
	return lay_out(e, 2 * k + 1, next);
}

static int build(void *s, struct bus_range *const *r, uint32_t n)
{
	struct eytzinger *e = s;

	e->nr = n;
	bus_items_sorted(e->sorted, r, n);
	lay_out(e, 1, 0);
	return 0;
}

static int insert(void *s, struct bus_range *r)
{
	struct eytzinger *e = s;
	int err = bus_items_insert(e->sorted, e->nr, r);

	if (err)
		return err;
	e->nr++;
	lay_out(e, 1, 0);
	return 0;
}

static void remove_range(void *s, struct bus_range *r)
{
	struct eytzinger *e = s;

	bus_items_remove(e->sorted, e->nr--, r);
	lay_out(e, 1, 0);
}

static size_t memory(const void *s)
{
	const struct eytzinger *e = s;

	return e->room * (sizeof(*e->key) + 2 * sizeof(*e->item));
}

const struct bus_structure bus_eytzinger = {
	.name = "eytzinger",
	.max = UINT32_MAX,
	.max_changed = 4096,
	.create = create,
	.destroy = destroy,
	.build = build,
	.insert = insert,
	.remove = remove_range,
	.memory = memory,
	BUS_LOOPS_NAMED(loop),
};
