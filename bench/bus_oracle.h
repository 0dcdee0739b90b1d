/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus_oracle.h - are a structure's answers those of an array that is looked
 * through from its first range to its last?
 *
 * At every range's first and last byte, right before and behind it, across its
 * ends; and whatever is about to be asked in earnest.  Sets so large that
 * looking through them takes too long are looked through for a part; a binary
 * search, itself compared there, answers for the rest.
 */
#ifndef BENCH_BUS_ORACLE_H
#define BENCH_BUS_ORACLE_H

#include "bench/bus_structure.h"

/* False: *@addr is where @s, which is a @what, lies. */
bool bus_oracle_ranges(const struct bus_structure *what, const void *s,
		       const struct bus_set *set, uint64_t *addr);
bool bus_oracle_queries(const struct bus_structure *what, const void *s,
			const struct bus_set *set, const struct bus_queries *q,
			uint64_t *addr);

#endif
