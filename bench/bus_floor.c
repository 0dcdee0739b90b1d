/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: multiplicative hashing, of the address as it is asked.  A key is tried
 * at one place of its range after the other until its line is free.  If a range
 * is so small that none is, all start again with another multiplier, and a
 * larger table if need be.
 */
#include "bench/bus_floor.h"

#include "bench/bus_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 8

struct line {
	struct bus_item item;
} __attribute__((aligned(64)));

struct bus_floor {
	struct line *line;
	uint64_t multiplier;
	unsigned int shift;
	const struct bus_range *first;
	uint64_t *key; /* where each range is now */
};

static inline uint64_t hash(uint64_t addr, uint64_t multiplier,
			    unsigned int shift)
{
	return (addr * multiplier) >> shift;
}

static bool choose(struct bus_set *set, bool *taken)
{
	uint64_t at = 0, step = set->access;

	for (uint32_t i = 0; i < set->n; i++) {
		const struct bus_range *r = &set->range[i];
		uint64_t o = 0;

		for (; o < 16384 && o + step <= r->size; o += step) {
			at = hash(r->base + o, set->floor_multiplier,
				  64 - set->floor_bits);
			if (!taken[at])
				break;
		}
		if (taken[at])
			return false;
		taken[at] = true;
		set->key[i] = r->base + o;
	}
	return true;
}

int bus_floor_choose(struct bus_set *set)
{
	unsigned int bits = 33 - (unsigned int)__builtin_clz((set->n - 1) | 1);
	uint64_t state = 1;
	bool *taken;

	for (; bits < 32; bits++) {
		taken = malloc((size_t)1 << bits);
		if (!taken)
			return -ENOMEM;
		set->floor_bits = bits;
		for (int i = 0; i < TRIES; i++) {
			set->floor_multiplier = bus_random(&state) | 1;
			memset(taken, 0, (size_t)1 << bits);
			if (choose(set, taken)) {
				free(taken);
				return 0;
			}
		}
		free(taken);
	}
	return -EINVAL;
}

static void destroy(void *s)
{
	struct bus_floor *f = s;

	bus_memory_put(f->line);
	bus_memory_put(f->key);
	free(f);
}

static void *create(const struct bus_set *set)
{
	struct bus_floor *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->shift = 64 - set->floor_bits;
	f->multiplier = set->floor_multiplier;
	f->first = set->range;
	f->line = bus_memory_get(sizeof(*f->line) << set->floor_bits);
	f->key = bus_memory_get(set->n * sizeof(*f->key));
	if (!f->line || !f->key) {
		destroy(f);
		return NULL;
	}
	memcpy(f->key, set->key, set->n * sizeof(*f->key));
	return f;
}

static inline bool lookup(const void *s, uint64_t addr, unsigned int size,
			  struct bus_answer *a)
{
	const struct bus_floor *f = s;
	uint64_t at = hash(addr, f->multiplier, f->shift);

	return bus_item_answer(&f->line[at].item, addr, size, a);
}

BUS_LOOPS(lookup)

static struct line *line_of(const struct bus_floor *f,
			    const struct bus_range *r)
{
	return &f->line[hash(f->key[r - f->first], f->multiplier, f->shift)];
}

static int insert(void *s, struct bus_range *r)
{
	line_of(s, r)->item = bus_item_of(r);
	return 0;
}

static void remove_range(void *s, struct bus_range *r)
{
	line_of(s, r)->item = (struct bus_item){ 0 };
}

/* Where it goes nobody chose: it may take another's line. */
static int move(void *s, struct bus_range *r, uint64_t base)
{
	struct bus_floor *f = s;

	remove_range(f, r);
	r->base = base;
	f->key[r - f->first] = base;
	return insert(f, r);
}

static int build(void *s, struct bus_range *const *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		insert(s, r[i]);
	return 0;
}

static size_t memory(const void *s)
{
	const struct bus_floor *f = s;

	return sizeof(*f->line) << (64 - f->shift);
}

const struct bus_structure bus_floor_structure = {
	.name = "floor",
	.max = UINT32_MAX,
	.max_changed = UINT32_MAX,
	.is_floor = true,
	.create = create,
	.destroy = destroy,
	.build = build,
	.insert = insert,
	.remove = remove_range,
	.move = move,
	.memory = memory,
	BUS_LOOPS_NAMED(loop),
};
