/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is measured: the bus that this project ships.
 */
#include "bench/bus_rivals.h"

#include <stdlib.h>

static void *create(const struct bus_set *set)
{
	struct bus *bus = aligned_alloc(64, (sizeof(*bus) + 63) & ~63ul);

	if (bus)
		bus_init(bus, set->limit);
	return bus;
}

static void destroy(void *s)
{
	bus_fini(s);
	free(s);
}

static inline bool lookup(const void *s, uint64_t addr, unsigned int size,
			  struct bus_answer *a)
{
	struct bus_hit hit;
	bool found = bus_lookup(s, addr, size, &hit);

	*a = (struct bus_answer){ hit.range, hit.ops, hit.offset };
	return found;
}

static inline void lookup_many(const void *s, const uint64_t *addr,
			       unsigned int size, struct bus_answer *a)
{
	_Static_assert(sizeof(struct bus_hit) == sizeof(*a) &&
			       offsetof(struct bus_hit, offset) ==
				       offsetof(struct bus_answer, offset) &&
			       offsetof(struct bus_hit, ops) ==
				       offsetof(struct bus_answer, ops),
		       "answers are hits");
	bus_lookup_batch(s, addr, size, (struct bus_hit *)(void *)a, BUS_BATCH);
}

BUS_LOOPS_OF(loop, __attribute__((flatten)), lookup, lookup_many)

static int build(void *s, struct bus_range *const *r, uint32_t n)
{
	return bus_build(s, r, n, NULL);
}

static int insert(void *s, struct bus_range *r)
{
	return bus_insert(s, r, NULL);
}

static void remove_range(void *s, struct bus_range *r)
{
	bus_remove(s, r);
}

static int move(void *s, struct bus_range *r, uint64_t base)
{
	return bus_move(s, r, base, NULL);
}

static size_t memory(const void *s)
{
	return bus_memory(s);
}

const struct bus_structure bus_pciring = {
	.name = "pciring",
	.max = BUS_MAX_RANGES,
	.max_changed = BUS_MAX_RANGES,
	.create = create,
	.destroy = destroy,
	.build = build,
	.insert = insert,
	.remove = remove_range,
	.move = move,
	.memory = memory,
	BUS_LOOPS_NAMED(loop),
};
