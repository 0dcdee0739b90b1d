/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * placement.h - how near to each other two CPUs are
 *
 * What one core wrote comes to another through the cache that they share; how
 * far out that is decides what a round trip costs.
 */
#ifndef BENCH_PLACEMENT_H
#define BENCH_PLACEMENT_H

enum placement_kind {
	PLACEMENT_CORE, /* two threads of one core */
	PLACEMENT_L3,	/* two cores, one last-level cache */
	PLACEMENT_FAR,	/* two last-level caches */
	NR_PLACEMENTS
};
extern const char *const placement_name[NR_PLACEMENTS];

struct placement {
	enum placement_kind kind;
	int cpu[2];
};

/* One pair of the CPUs that we may use for each kind there is.  How many. */
unsigned int placement_find(struct placement out[NR_PLACEMENTS]);

#endif
