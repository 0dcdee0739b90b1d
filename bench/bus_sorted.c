/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sorted array with a binary search, as KVM's in-kernel buses have.
 *
 * How: a change makes room by moving what is behind.  KVM's search calls a
 * function for each comparison, which is of both ends, and then goes back over
 * entries that match as well, for its ranges may overlap; it copies the whole
 * array at each change, for its readers, and ends at 1000 ranges.  All that is
 * left out here, in its favour.
 */
#include "bench/bus_memory.h"
#include "bench/bus_rivals.h"

#include <stdlib.h>

struct sorted {
	struct bus_item *item;
	uint32_t nr, room;
};

static void destroy(void *s)
{
	struct sorted *a = s;

	bus_memory_put(a->item);
	free(a);
}

static void *create(const struct bus_set *set)
{
	struct sorted *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->room = set->n;
	a->item = bus_memory_get(a->room * sizeof(*a->item));
	if (!a->item) {
		free(a);
		return NULL;
	}
	return a;
}

/* How many begin at or before @addr. */
static inline uint32_t rank(const struct sorted *a, uint64_t addr)
{
	uint32_t lo = 0, hi = a->nr;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (a->item[mid].base <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static inline bool lookup(const void *s, uint64_t addr, unsigned int size,
			  struct bus_answer *answer)
{
	const struct sorted *a = s;
	uint32_t at = rank(a, addr);

	if (!at) {
		*answer = (struct bus_answer){ NULL };
		return false;
	}
	return bus_item_answer(&a->item[at - 1], addr, size, answer);
}

BUS_LOOPS(lookup)

static int insert(void *s, struct bus_range *r)
{
	struct sorted *a = s;
	int err = bus_items_insert(a->item, a->nr, r);

	a->nr += err ? 0 : 1;
	return err;
}

static void remove_range(void *s, struct bus_range *r)
{
	struct sorted *a = s;

	bus_items_remove(a->item, a->nr--, r);
}

static int build(void *s, struct bus_range *const *r, uint32_t n)
{
	struct sorted *a = s;

	a->nr = n;
	bus_items_sorted(a->item, r, n);
	return 0;
}

static size_t memory(const void *s)
{
	const struct sorted *a = s;

	return a->room * sizeof(*a->item);
}

const struct bus_structure bus_sorted = {
	.name = "sorted",
	.max = UINT32_MAX,
	.max_changed = 65536,
	.create = create,
	.destroy = destroy,
	.build = build,
	.insert = insert,
	.remove = remove_range,
	.memory = memory,
	BUS_LOOPS_NAMED(loop),
};
