/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hash of granules: a range that is a power of two and aligned to its size is
 * found under its own base by whoever cuts the address to that size.
 *
 * How: open addressing, a line an entry.  A lookup tries each size there is,
 * that of the most ranges first.  A range of another kind is entered as the
 * aligned blocks that it is made of.  It knows no order: what is inside of a
 * range that comes it finds only by looking at all entries.
 */
#include "bench/bus_memory.h"
#include "bench/bus_rivals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BITS 64

struct slot {
	uint64_t base, size; /* of the block; 0: free */
	struct bus_item item;
} __attribute__((aligned(64)));

struct granule {
	struct slot *slot;
	unsigned int shift;   /* 64 - the logarithm of how many slots */
	unsigned int nr_bits; /* sizes there are, the most frequent first */
	uint8_t bits[BITS];
	uint32_t count[BITS];
	uint32_t most; /* blocks that there is room for */
	uint32_t nr;
};

static inline size_t hash(const struct granule *g, uint64_t base,
			  unsigned int bits)
{
	return ((base >> bits | (uint64_t)bits << 58) * 0x9e3779b97f4a7c15) >>
	       g->shift;
}

static inline size_t next(const struct granule *g, size_t at)
{
	return (at + 1) & (((size_t)1 << (BITS - g->shift)) - 1);
}

static void destroy(void *s)
{
	struct granule *g = s;

	bus_memory_put(g->slot);
	free(g);
}

static void *create(const struct bus_set *set)
{
	struct granule *g = calloc(1, sizeof(*g));
	uint64_t blocks = 16;

	if (!g)
		return NULL;
	/* One of no kind is at most so many, and they are few. */
	for (uint32_t i = 0; i < set->n; i++)
		blocks += set->range[i].size & (set->range[i].size - 1) ||
					  set->range[i].base &
						  (set->range[i].size - 1)
				  ? 2 * BITS
				  : 1;
	g->shift = (unsigned int)__builtin_clzll(blocks) - 1;
	g->most = (uint32_t)1 << (BITS - g->shift - 1);
	g->slot = bus_memory_get(sizeof(*g->slot) << (BITS - g->shift));
	if (!g->slot) {
		destroy(g);
		return NULL;
	}
	return g;
}

static inline const struct slot *find(const struct granule *g, uint64_t base,
				      unsigned int bits)
{
	size_t at = hash(g, base, bits);

	for (; g->slot[at].size; at = next(g, at))
		if (g->slot[at].base == base &&
		    g->slot[at].size == (uint64_t)1 << bits)
			return &g->slot[at];
	return NULL;
}

static inline bool lookup(const void *s, uint64_t addr, unsigned int size,
			  struct bus_answer *a)
{
	const struct granule *g = s;

	for (unsigned int i = 0; i < g->nr_bits; i++) {
		const unsigned int bits = g->bits[i];
		const struct slot *slot = find(g, addr >> bits << bits, bits);

		if (slot)
			return bus_item_answer(&slot->item, addr, size, a);
	}
	*a = (struct bus_answer){ NULL };
	return false;
}

BUS_LOOPS(lookup)

/* The largest block that @r has at @base. */
static unsigned int block_at(const struct bus_range *r, uint64_t base)
{
	const uint64_t left = r->size - (base - r->base);
	unsigned int bits = 63 - (unsigned int)__builtin_clzll(left);
	unsigned int aligned = base ? (unsigned int)__builtin_ctzll(base) : 63;

	return bits < aligned ? bits : aligned;
}

static void order_sizes(struct granule *g)
{
	g->nr_bits = 0;
	for (unsigned int bits = 0; bits < BITS; bits++) {
		unsigned int i = g->nr_bits;

		if (!g->count[bits])
			continue;
		for (; i && g->count[g->bits[i - 1]] < g->count[bits]; i--)
			g->bits[i] = g->bits[i - 1];
		g->bits[i] = (uint8_t)bits;
		g->nr_bits++;
	}
}

static void put(struct granule *g, struct bus_range *r, uint64_t base,
		unsigned int bits)
{
	size_t at = hash(g, base, bits);

	while (g->slot[at].size)
		at = next(g, at);
	g->slot[at] =
		(struct slot){ base, (uint64_t)1 << bits, bus_item_of(r) };
	g->count[bits]++;
	g->nr++;
}

/* Those behind it that would not be found any more move up. */
static void take(struct granule *g, uint64_t base, unsigned int bits)
{
	size_t hole = (size_t)(find(g, base, bits) - g->slot), at = hole;
	const size_t mask = ((size_t)1 << (BITS - g->shift)) - 1;

	for (;;) {
		const struct slot *slot;
		size_t home;

		at = next(g, at);
		slot = &g->slot[at];
		if (!slot->size)
			break;
		home = hash(g, slot->base,
			    (unsigned int)__builtin_ctzll(slot->size));
		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		g->slot[hole] = *slot;
		hole = at;
	}
	g->slot[hole].size = 0;
	g->count[bits]--;
	g->nr--;
}

static uint32_t each_block(struct granule *g, struct bus_range *r,
			   void (*what)(struct granule *g, struct bus_range *r,
					uint64_t base, unsigned int bits))
{
	uint64_t done = 0;
	uint32_t n = 0;

	for (; done < r->size; n++) {
		const unsigned int bits = block_at(r, r->base + done);

		if (what)
			what(g, r, r->base + done, bits);
		done += (uint64_t)1 << bits;
	}
	return n;
}

static void take_block(struct granule *g, struct bus_range *r, uint64_t base,
		       unsigned int bits)
{
	(void)r;
	take(g, base, bits);
}

static bool overlaps(const struct granule *g, const struct bus_range *r)
{
	for (size_t i = 0; i < (size_t)1 << (BITS - g->shift); i++)
		if (g->slot[i].size && bus_item_overlaps(&g->slot[i].item, r))
			return true;
	return false;
}

static int insert(void *s, struct bus_range *r)
{
	struct granule *g = s;

	if (overlaps(g, r))
		return -EEXIST;
	if (g->nr + each_block(g, r, NULL) > g->most)
		return -ENOMEM;
	each_block(g, r, put);
	order_sizes(g);
	return 0;
}

static void remove_range(void *s, struct bus_range *r)
{
	each_block(s, r, take_block);
	order_sizes(s);
}

static int build(void *s, struct bus_range *const *r, uint32_t n)
{
	struct granule *g = s;

	for (uint32_t i = 0; i < n; i++) {
		if (g->nr + each_block(g, r[i], NULL) > g->most)
			return -ENOMEM;
		each_block(g, r[i], put);
	}
	order_sizes(g);
	return 0;
}

static size_t memory(const void *s)
{
	const struct granule *g = s;

	return sizeof(*g->slot) << (BITS - g->shift);
}

const struct bus_structure bus_granule = {
	.name = "granule",
	.max = UINT32_MAX,
	.max_changed = 512,
	.create = create,
	.destroy = destroy,
	.build = build,
	.insert = insert,
	.remove = remove_range,
	.memory = memory,
	BUS_LOOPS_NAMED(loop),
};
