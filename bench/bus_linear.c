/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An array that is looked through from its first range to its last: what most
 * begin with.
 */
#include "bench/bus_memory.h"
#include "bench/bus_rivals.h"

#include <errno.h>
#include <stdlib.h>

struct linear {
	struct bus_item *item;
	uint32_t nr, room;
};

static void destroy(void *s)
{
	struct linear *a = s;

	bus_memory_put(a->item);
	free(a);
}

static void *create(const struct bus_set *set)
{
	struct linear *a = calloc(1, sizeof(*a));

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

static inline bool lookup(const void *s, uint64_t addr, unsigned int size,
			  struct bus_answer *answer)
{
	const struct linear *a = s;

	for (uint32_t i = 0; i < a->nr; i++)
		if (bus_item_answer(&a->item[i], addr, size, answer))
			return true;
	*answer = (struct bus_answer){ NULL };
	return false;
}

BUS_LOOPS(lookup)

static int insert(void *s, struct bus_range *r)
{
	struct linear *a = s;

	for (uint32_t i = 0; i < a->nr; i++)
		if (bus_item_overlaps(&a->item[i], r))
			return -EEXIST;
	a->item[a->nr++] = bus_item_of(r);
	return 0;
}

static void remove_range(void *s, struct bus_range *r)
{
	struct linear *a = s;
	uint32_t i = 0;

	while (a->item[i].range != r)
		i++;
	a->item[i] = a->item[--a->nr];
}

static int build(void *s, struct bus_range *const *r, uint32_t n)
{
	struct linear *a = s;

	for (a->nr = 0; a->nr < n; a->nr++)
		a->item[a->nr] = bus_item_of(r[a->nr]);
	return 0;
}

static size_t memory(const void *s)
{
	const struct linear *a = s;

	return a->room * sizeof(*a->item);
}

const struct bus_structure bus_linear = {
	.name = "linear",
	.max = 4096,
	.max_changed = 4096,
	.create = create,
	.destroy = destroy,
	.build = build,
	.insert = insert,
	.remove = remove_range,
	.memory = memory,
	BUS_LOOPS_NAMED(loop),
};
