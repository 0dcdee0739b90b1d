/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: places first, then ranges of them; queries are drawn as indices of
 * ranges, so what each has to find is known without any search.
 */
#include "bench/bus_set.h"

#include "bench/bus_floor.h"
#include "bench/bus_memory.h"

#include <errno.h>
#include <stdlib.h>

#define NOTHING UINT32_MAX

const char *const bus_layout_name[NR_BUS_LAYOUTS] = {
	[BUS_RANDOM] = "random",
	[BUS_DENSE] = "dense",
	[BUS_HOST] = "host",
	[BUS_PIO] = "pio",
};

const char *const bus_pattern_name[NR_BUS_PATTERNS] = {
	[BUS_UNIFORM] = "uniform",
	[BUS_ZIPF] = "zipf",
	[BUS_HOT8] = "hot-8",
	[BUS_SAME] = "same",
	[BUS_SEQUENTIAL] = "sequential",
	[BUS_MISS] = "miss",
};

/* Never called: what an answer has to name. */
static const struct bus_ops ops[4];

/* Copies beside each other; of a part, every few. */
static uint32_t repeat(const struct bus_place *p, uint32_t nr, uint32_t n,
		       struct bus_place *out)
{
	unsigned int bits;
	uint64_t last;

	if (!p || !nr)
		return 0;
	last = p[nr - 1].base + (p[nr - 1].size - 1);
	bits = 64 - (unsigned int)__builtin_clzll(last | 1);
	if ((n - 1) / nr &&
	    (bits > 63 || (uint64_t)((n - 1) / nr) >> (64 - bits)))
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at =
			n < nr ? (uint32_t)((uint64_t)i * nr / n) : i % nr;

		out[i] = p[at];
		out[i].base += i >= nr ? (uint64_t)(i / nr) << bits : 0;
	}
	return n;
}

static void shuffle(struct bus_range **some, uint32_t n)
{
	uint64_t state = 7;

	for (uint32_t i = n; i > 1; i--) {
		uint32_t j = bus_random_below(&state, i);
		struct bus_range *r = some[i - 1];

		some[i - 1] = some[j];
		some[j] = r;
	}
}

static void fill(struct bus_set *set, const struct bus_place *p)
{
	set->access = 4;
	for (uint32_t i = 0; i < set->n; i++) {
		set->range[i] = (struct bus_range){
			.base = p[i].base,
			.size = p[i].size,
			.ops = &ops[i % 4],
		};
		set->some[i] = &set->range[i];
		if (p[i].size < set->access)
			set->access = 1;
	}
	shuffle(set->some, set->n);
}

int bus_set_init(struct bus_set *set, enum bus_layout layout, uint32_t n,
		 const struct bus_place *places, uint32_t nr_places)
{
	struct bus_place *p = calloc(n, sizeof(*p));
	int err = -ENOMEM;

	*set = (struct bus_set){ .layout = layout, .n = n };
	set->limit = layout == BUS_PIO ? 0xffff : UINT64_MAX;
	set->range = bus_memory_get(n * sizeof(*set->range));
	set->some = bus_memory_get(n * sizeof(struct bus_range *));
	set->key = bus_memory_get(n * sizeof(*set->key));
	if (!p || !set->range || !set->some || !set->key)
		goto fail;
	err = -EINVAL;
	if ((layout == BUS_HOST ? repeat(places, nr_places, n, p)
				: bus_layout_make(layout, n, p)) < n)
		goto fail;
	fill(set, p);
	err = layout == BUS_PIO ? 0 : bus_floor_choose(set);
	if (err)
		goto fail;
	free(p);
	return 0;

fail:
	free(p);
	bus_set_fini(set);
	return err;
}

void bus_set_fini(struct bus_set *set)
{
	bus_memory_put(set->range);
	bus_memory_put(set->some);
	bus_memory_put(set->key);
	*set = (struct bus_set){ .n = 0 };
}

/* As many in each octave of ranks, and in one all alike: 1/rank in steps. */
static uint32_t zipf(uint64_t *state, uint32_t n)
{
	uint32_t octaves = 32 - (uint32_t)__builtin_clz(n), octave, rank;

	do {
		octave = bus_random_below(state, octaves);
		rank = (1u << octave) - 1 +
		       bus_random_below(state, 1u << octave);
	} while (rank >= n);
	return rank;
}

/* The range of query @i, in the order of some[]. */
static uint32_t draw(const struct bus_set *set, enum bus_pattern pattern,
		     size_t i, uint64_t *state)
{
	uint32_t n = set->n;

	if (pattern == BUS_SAME)
		return 0;
	if (pattern == BUS_ZIPF)
		return zipf(state, n);
	if (pattern == BUS_HOT8)
		return bus_random_below(state, n < 8 ? n : 8);
	return pattern == BUS_SEQUENTIAL ? (uint32_t)(i % n)
					 : bus_random_below(state, n);
}

/* In the gap before range @i, or behind the last; false: there is none. */
static bool miss(const struct bus_set *set, uint32_t i, uint64_t *state,
		 uint64_t *addr)
{
	const struct bus_range *r = set->range;
	uint64_t lo = i ? r[i - 1].base + r[i - 1].size : 0;
	uint64_t hi = i < set->n ? r[i].base - 1 : set->limit, step;

	if ((i && !lo) || (i < set->n && !r[i].base) || hi < lo ||
	    hi - lo < set->access)
		return false;
	step = (hi - lo - set->access + 1) / set->access;
	switch (bus_random_below(state, 4)) {
	case 0:
		*addr = lo;
		return true;
	case 1:
		*addr = hi - set->access + 1;
		return true;
	default:
		*addr = lo;
		if (step)
			*addr += bus_random(state) % step * set->access;
		return true;
	}
}

static void hit(struct bus_queries *q, const struct bus_set *set, size_t i,
		const struct bus_range *r, uint64_t *state)
{
	uint64_t places = r->size / set->access;

	q->expect[i] = (uint32_t)(r - set->range);
	q->addr[i] = r->base + bus_random(state) % places * set->access;
	q->floor[i] =
		set->layout == BUS_PIO ? q->addr[i] : set->key[q->expect[i]];
}

static void sum_up(struct bus_queries *q, const struct bus_set *set, size_t i)
{
	uint64_t *sum = &q->sum[i / q->slice];
	uint64_t *floor = &q->floor_sum[i / q->slice];
	const struct bus_range *r;
	uint64_t common;

	if (q->expect[i] == NOTHING)
		return;
	r = &set->range[q->expect[i]];
	common = (uint64_t)(uintptr_t)r ^ (uint64_t)(uintptr_t)r->ops;
	*sum += common ^ (q->addr[i] - r->base);
	*floor += common ^ (q->floor[i] - r->base);
}

int bus_queries_init(struct bus_queries *q, const struct bus_set *set,
		     enum bus_pattern pattern, size_t slice)
{
	size_t n = slice * BUS_SLICES;
	uint64_t state = 5, tries = 0;

	*q = (struct bus_queries){ .slice = slice };
	q->addr = bus_memory_get(n * sizeof(*q->addr));
	q->floor = bus_memory_get(n * sizeof(*q->floor));
	q->expect = bus_memory_get(n * sizeof(*q->expect));
	if (!q->addr || !q->floor || !q->expect) {
		bus_queries_fini(q);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; sum_up(q, set, i), i++) {
		uint32_t at = draw(set, pattern, i, &state);

		if (pattern != BUS_MISS) {
			hit(q, set, i,
			    pattern == BUS_SEQUENTIAL ? &set->range[at]
						      : set->some[at],
			    &state);
			continue;
		}
		at = bus_random_below(&state, set->n + 1);
		while (!miss(set, at, &state, &q->addr[i])) {
			if (++tries > 1000 + 100 * (uint64_t)n) {
				bus_queries_fini(q);
				return -ENOENT;
			}
			at = bus_random_below(&state, set->n + 1);
		}
		q->expect[i] = NOTHING;
		q->floor[i] = q->addr[i];
	}
	return 0;
}

void bus_queries_fini(struct bus_queries *q)
{
	bus_memory_put(q->addr);
	bus_memory_put(q->floor);
	bus_memory_put(q->expect);
	*q = (struct bus_queries){ .slice = 0 };
}
