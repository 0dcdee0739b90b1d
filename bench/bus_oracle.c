/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/bus_oracle.h"

#define NAIVE_STEPS (1u << 20) /* about a millisecond */
#define MAX_RANGES  2048u      /* that are looked at all around */
#define MAX_QUERIES 16384u

static bool holds(const struct bus_range *r, uint64_t addr, unsigned int size)
{
	return addr >= r->base && addr - r->base < r->size &&
	       r->size - (addr - r->base) >= size;
}

static const struct bus_range *naive(const struct bus_set *set, uint64_t addr,
				     unsigned int size)
{
	for (uint32_t i = 0; i < set->n; i++)
		if (holds(&set->range[i], addr, size))
			return &set->range[i];
	return NULL;
}

static const struct bus_range *search(const struct bus_set *set, uint64_t addr,
				      unsigned int size)
{
	uint32_t lo = 0, hi = set->n;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (set->range[mid].base <= addr)
			lo = mid;
		else
			hi = mid;
	}
	return holds(&set->range[lo], addr, size) ? &set->range[lo] : NULL;
}

struct oracle {
	const struct bus_structure *what;
	const void *s;
	const struct bus_set *set;
	uint32_t naive; /* looks that are left */
};

static bool agree(struct oracle *o, uint64_t addr, unsigned int size)
{
	const struct bus_range *r = search(o->set, addr, size);
	struct bus_answer a;

	if (o->naive >= o->set->n) {
		o->naive -= o->set->n;
		if (naive(o->set, addr, size) != r)
			return false;
	}
	o->what->answer(o->s, addr, size, &a);
	if (!r)
		return !a.range && !a.ops && !a.offset;
	return a.range == r && a.ops == r->ops && a.offset == addr - r->base;
}

static bool agree_around(struct oracle *o, const struct bus_range *r,
			 uint64_t *addr)
{
	uint64_t last = r->base + (r->size - 1);
	const uint64_t at[] = { r->base,     last,
				r->base - 1, last + 1,
				last - 1,    r->base - 4,
				last - 3,    r->base + r->size / 2 };
	static const unsigned int sizes[] = { 1, 2, 4, 8 };

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		for (int j = 0; j < 4; j++) {
			/* No access wraps or goes beyond the last port. */
			if (at[i] > o->set->limit - (sizes[j] - 1))
				continue;
			*addr = at[i];
			if (!agree(o, at[i], sizes[j]))
				return false;
		}
	return true;
}

bool bus_oracle_ranges(const struct bus_structure *what, const void *s,
		       const struct bus_set *set, uint64_t *addr)
{
	struct oracle o = { what, s, set, NAIVE_STEPS };
	uint32_t n = set->n < MAX_RANGES ? set->n : MAX_RANGES;

	/* The floor finds a range only where it was told to. */
	if (what->is_floor && set->layout != BUS_PIO) {
		for (uint32_t i = 0; i < n; i++) {
			const struct bus_range *r = set->some[i];

			*addr = set->key[r - set->range];
			if (!agree(&o, *addr, set->access))
				return false;
		}
		return true;
	}
	for (uint32_t i = 0; i < n; i++)
		if (!agree_around(&o, set->some[i], addr))
			return false;
	return agree_around(&o, &set->range[0], addr) &&
	       agree_around(&o, &set->range[set->n - 1], addr);
}

bool bus_oracle_queries(const struct bus_structure *what, const void *s,
			const struct bus_set *set, const struct bus_queries *q,
			uint64_t *addr)
{
	struct oracle o = { what, s, set, NAIVE_STEPS };
	const uint64_t *ask = what->is_floor ? q->floor : q->addr;
	size_t n = q->slice * BUS_SLICES;

	for (size_t i = 0; i < n && i < MAX_QUERIES; i++) {
		*addr = ask[i];
		if (!agree(&o, ask[i], set->access))
			return false;
	}
	return true;
}
