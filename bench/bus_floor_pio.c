/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The floor of the 16-bit space: a table with an entry for each port.
 *
 * How: an entry has the range and the ops, which are addresses of 48 bits, and
 * above them the offset and how many bytes are left from there on.
 */
#include "bench/bus_memory.h"
#include "bench/bus_rivals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PORTS	65536u
#define POINTER ((1ull << 48) - 1)

struct entry {
	uint64_t range, ops; /* above: offset, bytes left */
};

static void *create(const struct bus_set *set)
{
	(void)set;
	return bus_memory_get(PORTS * sizeof(struct entry));
}

static inline bool lookup(const void *s, uint64_t addr, unsigned int size,
			  struct bus_answer *a)
{
	const struct entry e = ((const struct entry *)s)[addr & (PORTS - 1)];

	if (e.ops >> 48 < size) {
		*a = (struct bus_answer){ NULL };
		return false;
	}
	*a = (struct bus_answer){
		(const struct bus_range *)(uintptr_t)(e.range & POINTER),
		(const struct bus_ops *)(uintptr_t)(e.ops & POINTER),
		e.range >> 48
	};
	return true;
}

BUS_LOOPS(lookup)

static int insert(void *s, struct bus_range *r)
{
	struct entry *e = s;

	for (uint64_t i = 0; i < r->size; i++)
		e[r->base + i] = (struct entry){
			(uint64_t)(uintptr_t)r | i << 48,
			(uint64_t)(uintptr_t)r->ops | (r->size - i) << 48,
		};
	return 0;
}

static void remove_range(void *s, struct bus_range *r)
{
	struct entry *e = s;

	memset(&e[r->base], 0, r->size * sizeof(*e));
}

static int build(void *s, struct bus_range *const *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		insert(s, r[i]);
	return 0;
}

static size_t memory(const void *s)
{
	(void)s;
	return PORTS * sizeof(struct entry);
}

const struct bus_structure bus_floor_pio = {
	.name = "floor",
	.max = UINT32_MAX,
	.max_changed = UINT32_MAX,
	.is_floor = true,
	.create = create,
	.destroy = bus_memory_put,
	.build = build,
	.insert = insert,
	.remove = remove_range,
	.memory = memory,
	BUS_LOOPS_NAMED(loop),
};
