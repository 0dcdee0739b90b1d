/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_naive.h - for tests: a bus that is too simple to be wrong
 *
 * An array in no order, searched from end to end for whatever is asked.
 */
#ifndef TRANSPORT_BUS_TEST_NAIVE_H
#define TRANSPORT_BUS_TEST_NAIVE_H

#include "transport/bus/bus.h"

#define NAIVE_MAX 4096

struct naive {
	uint64_t limit;
	uint32_t nr;
	struct bus_range *range[NAIVE_MAX];
	/* Copies: nobody's move changes them. */
	uint64_t first[NAIVE_MAX], last[NAIVE_MAX];
};

static inline void naive_init(struct naive *n, uint64_t limit)
{
	n->limit = limit;
	n->nr = 0;
}

static inline void naive_set(struct naive *n, uint32_t i, struct bus_range *r)
{
	n->range[i] = r;
	n->first[i] = r->base;
	n->last[i] = r->base + (r->size - 1);
}

static inline void naive_add(struct naive *n, struct bus_range *r)
{
	assert(n->nr < NAIVE_MAX);
	naive_set(n, n->nr++, r);
}

/* Where @r is; nr: it is not there. */
static inline uint32_t naive_at(const struct naive *n,
				const struct bus_range *r)
{
	uint32_t i = 0;

	while (i < n->nr && n->range[i] != r)
		i++;
	return i;
}

static inline void naive_remove(struct naive *n, const struct bus_range *r)
{
	uint32_t i = naive_at(n, r);

	assert(i < n->nr);
	n->nr--;
	n->range[i] = n->range[n->nr];
	n->first[i] = n->first[n->nr];
	n->last[i] = n->last[n->nr];
}

/* What all @size bytes at @addr lead to. */
static inline struct bus_range *naive_find(const struct naive *n, uint64_t addr,
					   unsigned int size)
{
	const uint64_t last = addr + (size - 1);

	if (last < addr)
		return NULL;
	for (uint32_t i = 0; i < n->nr; i++)
		if (n->first[i] <= addr && last <= n->last[i])
			return n->range[i];
	return NULL;
}

/* The lowest that ends at or behind @addr. */
static inline struct bus_range *naive_first(const struct naive *n,
					    uint64_t addr)
{
	uint32_t best = n->nr;

	for (uint32_t i = 0; i < n->nr; i++)
		if (n->last[i] >= addr)
			if (best == n->nr || n->first[i] < n->first[best])
				best = i;
	return best < n->nr ? n->range[best] : NULL;
}

/* The lowest that is in the way of @size bytes at @base, but for @self. */
static inline struct bus_range *naive_conflict(const struct naive *n,
					       uint64_t base, uint64_t size,
					       const struct bus_range *self)
{
	const uint64_t last = base + (size - 1);
	uint32_t best = n->nr;

	for (uint32_t i = 0; i < n->nr; i++)
		if (n->first[i] <= last && base <= n->last[i] &&
		    n->range[i] != self)
			if (best == n->nr || n->first[i] < n->first[best])
				best = i;
	return best < n->nr ? n->range[best] : NULL;
}

static inline bool naive_possible(const struct naive *n, uint64_t base,
				  uint64_t size)
{
	return size && base <= n->limit && size - 1 <= n->limit - base;
}

/* What an insert or a move of @self to there must say. */
static inline int naive_verdict(const struct naive *n, uint64_t base,
				uint64_t size, const struct bus_range *self,
				struct bus_range **conflict)
{
	*conflict = NULL;
	if (!naive_possible(n, base, size))
		return -EINVAL;
	*conflict = naive_conflict(n, base, size, self);
	return *conflict ? -EEXIST : 0;
}

#endif
