/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus_structure.h - what a structure that finds ranges looks like from outside
 *
 * Each is a file of its own, with its lookup inlined into the loops that are
 * timed (BUS_LOOPS): nobody pays for a call that another does not.  Each answers
 * the same: the range, its ops and the offset, or that an access lies in none.
 *
 * Entries of the rivals carry base, size, range and ops, so that none has to
 * read the range besides.
 */
#ifndef BENCH_BUS_STRUCTURE_H
#define BENCH_BUS_STRUCTURE_H

#include "bench/bus_set.h"

#define BUS_BATCH 16

/* All zero: nothing there. */
struct bus_answer {
	const struct bus_range *range;
	const struct bus_ops *ops;
	uint64_t offset;
};

struct bus_item {
	uint64_t base, size;
	struct bus_range *range;
	const struct bus_ops *ops;
};

/* @zero is 0, which the compiler does not know: it ties a lookup to the answer
 * of the one before.  All give the sum of bus_answer_sum(). */
typedef uint64_t bus_loop(const void *s, const uint64_t *addr, size_t n,
			  unsigned int size, uint64_t zero);

struct bus_structure {
	const char *name;
	uint32_t max;	      /* not measured with more ranges */
	uint32_t max_changed; /* as max, where one comes, moves or goes */
	bool is_floor;
	void *(*create)(const struct bus_set *set); /* empty */
	void (*destroy)(void *s);
	/* In any order, disjoint. */
	int (*build)(void *s, struct bus_range *const *r, uint32_t n);
	int (*insert)(void *s, struct bus_range *r);
	void (*remove)(void *s, struct bus_range *r);
	/* NULL: removed and inserted. */
	int (*move)(void *s, struct bus_range *r, uint64_t base);
	size_t (*memory)(const void *s); /* beside the ranges */
	void (*answer)(const void *s, uint64_t addr, unsigned int size,
		       struct bus_answer *a);
	bus_loop *latency, *throughput, *batch;
};

/* All of them, the floor first; ends with NULL. */
extern const struct bus_structure *bus_structures[];
/* Takes what this CPU can do. */
void bus_structures_init(void);

static inline uint64_t bus_answer_sum(const struct bus_answer *a)
{
	return (uint64_t)(uintptr_t)a->range ^ (uint64_t)(uintptr_t)a->ops ^
	       a->offset;
}

static inline bool bus_item_answer(const struct bus_item *e, uint64_t addr,
				   unsigned int size, struct bus_answer *a)
{
	uint64_t offset = addr - e->base;

	if (offset >= e->size || e->size - offset < size) {
		*a = (struct bus_answer){ NULL };
		return false;
	}
	*a = (struct bus_answer){ e->range, e->ops, offset };
	return true;
}

static inline bool bus_item_overlaps(const struct bus_item *e,
				     const struct bus_range *r)
{
	return r->base < e->base ? e->base - r->base < r->size
				 : r->base - e->base < e->size;
}

static inline struct bus_item bus_item_of(struct bus_range *r)
{
	return (struct bus_item){ r->base, r->size, r, r->ops };
}

/* @inlined: lookup(s, addr, size, answer); @many: the same for BUS_BATCH; @p:
 * what the names of the loops begin with. */
#define BUS_LOOPS_OF(p, attributes, inlined, many)                             \
	static void attributes p##_answer(const void *s, uint64_t addr,        \
					  unsigned int size,                   \
					  struct bus_answer *a)                \
	{                                                                      \
		inlined(s, addr, size, a);                                     \
	}                                                                      \
	static uint64_t attributes p##_latency(                                \
		const void *s, const uint64_t *addr, size_t n,                 \
		unsigned int size, uint64_t zero)                              \
	{                                                                      \
		uint64_t sum = 0, last = 0;                                    \
		struct bus_answer a;                                           \
                                                                               \
		for (size_t i = 0; i < n; i++) {                               \
			inlined(s, addr[i] ^ (last & zero), size, &a);         \
			last = bus_answer_sum(&a);                             \
			sum += last;                                           \
		}                                                              \
		return sum;                                                    \
	}                                                                      \
	static uint64_t attributes p##_throughput(                             \
		const void *s, const uint64_t *addr, size_t n,                 \
		unsigned int size, uint64_t zero)                              \
	{                                                                      \
		uint64_t sum = zero;                                           \
		struct bus_answer a;                                           \
                                                                               \
		for (size_t i = 0; i < n; i++) {                               \
			inlined(s, addr[i], size, &a);                         \
			sum += bus_answer_sum(&a);                             \
		}                                                              \
		return sum;                                                    \
	}                                                                      \
	/* A batch waits for the answers of the one before. */                 \
	static uint64_t attributes p##_batch(const void *s,                    \
					     const uint64_t *addr, size_t n,   \
					     unsigned int size, uint64_t zero) \
	{                                                                      \
		uint64_t sum = 0, last = 0;                                    \
		struct bus_answer a[BUS_BATCH];                                \
                                                                               \
		for (size_t i = 0; i + BUS_BATCH <= n; i += BUS_BATCH) {       \
			many(s, addr + i + (last & zero), size, a);            \
			last = 0;                                              \
			for (int j = 0; j < BUS_BATCH; j++)                    \
				last += bus_answer_sum(&a[j]);                 \
			sum += last;                                           \
		}                                                              \
		return sum;                                                    \
	}

#define BUS_LOOPS(inlined)                                                     \
	static inline void one_by_one(const void *s, const uint64_t *addr,     \
				      unsigned int size, struct bus_answer *a) \
	{                                                                      \
		for (int i = 0; i < BUS_BATCH; i++)                            \
			inlined(s, addr[i], size, &a[i]);                      \
	}                                                                      \
	BUS_LOOPS_OF(loop, __attribute__((flatten)), inlined, one_by_one)

#define BUS_LOOPS_NAMED(p)                                                     \
	.answer = p##_answer, .latency = p##_latency,                          \
	.throughput = p##_throughput, .batch = p##_batch

#endif
