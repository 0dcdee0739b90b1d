/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus_set.h - the ranges that are measured, and what is asked of them
 *
 * random  sizes as BARs have, naturally aligned, spread evenly over 46 bits
 * dense   as firmware packs BARs: behind each bridge the biggest first, in a
 *         window below 4 GiB until that is full, and in one far above
 * host    a list of ranges, of a real machine; repeated at equal distances if
 *         more are wanted than it has
 * pio     small ranges of the 16-bit space
 *
 * A range is asked for at random places.  The floor, which needs to know where
 * it will be asked, is asked for the same ranges in the same order at one place
 * of each, chosen so that no two meet in its table.
 */
#ifndef BENCH_BUS_SET_H
#define BENCH_BUS_SET_H

#include "transport/bus/bus.h"

enum bus_layout {
	BUS_RANDOM,
	BUS_DENSE,
	BUS_HOST,
	BUS_PIO,
	NR_BUS_LAYOUTS
};
extern const char *const bus_layout_name[NR_BUS_LAYOUTS];

enum bus_pattern {
	BUS_UNIFORM,
	BUS_ZIPF, /* the second half as often as the first, and so on */
	BUS_HOT8,
	BUS_SAME,
	BUS_SEQUENTIAL,
	BUS_MISS, /* half of them right beside a range */
	NR_BUS_PATTERNS
};
extern const char *const bus_pattern_name[NR_BUS_PATTERNS];

struct bus_place {
	uint64_t base, size;
};

struct bus_set {
	enum bus_layout layout;
	uint32_t n;
	unsigned int access;	 /* bytes of each access */
	uint64_t limit;		 /* the last address there is */
	struct bus_range *range; /* owned, sorted by base */
	struct bus_range **some; /* owned, the same in random order */
	uint64_t *key;		 /* owned: where the floor is asked for each */
	uint64_t floor_multiplier;
	unsigned int floor_bits;
};

#define BUS_SLICES 4

struct bus_queries {
	size_t slice;	  /* in each of BUS_SLICES */
	uint64_t *addr;	  /* owned */
	uint64_t *floor;  /* owned: the same of the floor */
	uint32_t *expect; /* owned: which range; UINT32_MAX: none */
	uint64_t sum[BUS_SLICES], floor_sum[BUS_SLICES];
};

/* @places: of BUS_HOST.  -EINVAL there is no room for as many. */
int bus_set_init(struct bus_set *set, enum bus_layout layout, uint32_t n,
		 const struct bus_place *places, uint32_t nr_places);
void bus_set_fini(struct bus_set *set);

/* -ENOENT: nothing misses. */
int bus_queries_init(struct bus_queries *q, const struct bus_set *set,
		     enum bus_pattern pattern, size_t slice);
void bus_queries_fini(struct bus_queries *q);

/* Ranges of a file, or of the one that was built in (NULL); owned by the caller
 * (free); < 0: -errno, *@line is where. */
int bus_places_read(const char *path, struct bus_place **places,
		    unsigned int *line);

/* xorshift64*: the same in each run. */
static inline uint64_t bus_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

static inline uint32_t bus_random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(((bus_random(state) >> 32) * n) >> 32);
}

/* bus_layout.c: at most @n places of one layout, disjoint and sorted. */
uint32_t bus_layout_make(enum bus_layout layout, uint32_t n,
			 struct bus_place *out);
void bus_places_sort(struct bus_place *p, uint32_t n);

#endif
