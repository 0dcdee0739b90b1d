/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A static tree of nodes with 16 keys: 17 ways at each, found by comparing all
 * of a node's keys at once (AVX2; one by one on a CPU that has none).
 *
 * How: layers, the lowest of which is the sorted array; the children of node i
 * are the nodes 17 i to 17 i + 16 of the layer below, and a key is the first of
 * the child behind it.  Keys have their sign bit flipped, because AVX2 compares
 * signed numbers.  A change lays all out anew.
 */
#include "bench/bus_memory.h"
#include "bench/bus_rivals.h"

#include <errno.h>
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#define KEYS	   16
#define MAX_LAYERS 8
#define FLIP	   (1ull << 63)

struct node {
	int64_t key[KEYS];
} __attribute__((aligned(64)));

struct stree {
	struct node *node;
	struct bus_item *item; /* in order */
	uint32_t nr, room, layers;
	uint32_t begin[MAX_LAYERS]; /* of each layer, the lowest first */
	size_t nodes;
};

static size_t shape(struct stree *t, uint32_t n)
{
	uint32_t nodes = n ? (n + KEYS - 1) / KEYS : 1;
	size_t all = 0;

	for (t->layers = 0; t->layers < MAX_LAYERS; t->layers++) {
		t->begin[t->layers] = (uint32_t)all;
		all += nodes;
		if (nodes == 1)
			break;
		nodes = (nodes + KEYS) / (KEYS + 1);
	}
	t->layers++;
	return all;
}

static void destroy(void *s)
{
	struct stree *t = s;

	bus_memory_put(t->node);
	bus_memory_put(t->item);
	free(t);
}

static void *create(const struct bus_set *set)
{
	struct stree *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->room = set->n;
	t->nodes = shape(t, set->n);
	t->node = bus_memory_get(t->nodes * sizeof(*t->node));
	t->item = bus_memory_get(t->room * sizeof(*t->item));
	if (!t->node || !t->item) {
		destroy(t);
		return NULL;
	}
	return t;
}

#define INLINE static inline __attribute__((always_inline))
#define AVX2   __attribute__((target("avx2,popcnt")))

/* How many keys of @n are at most @key. */
AVX2 INLINE uint32_t rank_avx2(const struct node *n, int64_t key)
{
	const __m256i k = _mm256_set1_epi64x(key);
	const __m256i *v = (const __m256i *)(const void *)n->key;
	__m256i a = _mm256_cmpgt_epi64(_mm256_load_si256(v), k);
	__m256i b = _mm256_cmpgt_epi64(_mm256_load_si256(v + 1), k);
	__m256i c = _mm256_cmpgt_epi64(_mm256_load_si256(v + 2), k);
	__m256i d = _mm256_cmpgt_epi64(_mm256_load_si256(v + 3), k);
	/* Two bytes of each lane are left: their order does not matter. */
	__m256i all = _mm256_packs_epi16(_mm256_packs_epi32(a, b),
					 _mm256_packs_epi32(c, d));

	return KEYS -
	       (uint32_t)_mm_popcnt_u32((uint32_t)_mm256_movemask_epi8(all)) /
		       2;
}

INLINE uint32_t rank_scalar(const struct node *n, int64_t key)
{
	uint32_t rank = 0;

	for (int i = 0; i < KEYS; i++)
		rank += n->key[i] <= key;
	return rank;
}

#define LOOKUP(rank)                                                           \
	const struct stree *t = s;                                             \
	const int64_t key = (int64_t)(addr ^ FLIP);                            \
	uint32_t at = 0;                                                       \
                                                                               \
	for (uint32_t i = t->layers - 1; i > 0; i--)                           \
		at = at * (KEYS + 1) + rank(&t->node[t->begin[i] + at], key);  \
	at = at * KEYS + rank(&t->node[at], key);                              \
	if (at > t->nr)                                                        \
		at = t->nr;                                                    \
	if (!at) {                                                             \
		*a = (struct bus_answer){ NULL };                              \
		return false;                                                  \
	}                                                                      \
	return bus_item_answer(&t->item[at - 1], addr, size, a)

AVX2 INLINE bool lookup_avx2(const void *s, uint64_t addr, unsigned int size,
			     struct bus_answer *a)
{
	LOOKUP(rank_avx2);
}

INLINE bool lookup_scalar(const void *s, uint64_t addr, unsigned int size,
			  struct bus_answer *a)
{
	LOOKUP(rank_scalar);
}

AVX2 INLINE void many_avx2(const void *s, const uint64_t *addr,
			   unsigned int size, struct bus_answer *a)
{
	for (int i = 0; i < BUS_BATCH; i++)
		lookup_avx2(s, addr[i], size, &a[i]);
}

INLINE void many_scalar(const void *s, const uint64_t *addr, unsigned int size,
			struct bus_answer *a)
{
	for (int i = 0; i < BUS_BATCH; i++)
		lookup_scalar(s, addr[i], size, &a[i]);
}

BUS_LOOPS_OF(avx2, AVX2, lookup_avx2, many_avx2)
BUS_LOOPS_OF(scalar, , lookup_scalar, many_scalar)

static void lay_out(struct stree *t)
{
	uint64_t span = KEYS;
	size_t nodes = shape(t, t->nr);

	for (size_t i = 0; i < nodes; i++)
		for (int j = 0; j < KEYS; j++)
			t->node[i].key[j] = INT64_MAX;
	for (uint32_t i = 0; i < t->nr; i++)
		t->node[i / KEYS].key[i % KEYS] =
			(int64_t)(t->item[i].base ^ FLIP);
	for (uint32_t l = 1; l < t->layers; l++) {
		/* @span: how many of the array are below one child. */
		for (uint64_t c = 0; c * span < t->nr; c++)
			if (c % (KEYS + 1))
				t->node[t->begin[l] + c / (KEYS + 1)]
					.key[c % (KEYS + 1) - 1] =
					(int64_t)(t->item[c * span].base ^
						  FLIP);
		span *= KEYS + 1;
	}
}

static int build(void *s, struct bus_range *const *r, uint32_t n)
{
	struct stree *t = s;

	t->nr = n;
	bus_items_sorted(t->item, r, n);
	lay_out(t);
	return 0;
}

static int insert(void *s, struct bus_range *r)
{
	struct stree *t = s;
	int err = bus_items_insert(t->item, t->nr, r);

	if (err)
		return err;
	t->nr++;
	lay_out(t);
	return 0;
}

static void remove_range(void *s, struct bus_range *r)
{
	struct stree *t = s;

	bus_items_remove(t->item, t->nr--, r);
	lay_out(t);
}

static size_t memory(const void *s)
{
	const struct stree *t = s;

	return t->nodes * sizeof(*t->node) + t->room * sizeof(*t->item);
}

#define COMMON                                                                 \
	.name = "stree", .max = UINT32_MAX, .max_changed = 4096,               \
	.create = create, .destroy = destroy, .build = build,                  \
	.insert = insert, .remove = remove_range, .memory = memory

/* Which of the two: bus_structures_init(). */
const struct bus_structure bus_stree = {
	COMMON,
	BUS_LOOPS_NAMED(avx2),
};

const struct bus_structure bus_stree_scalar = {
	COMMON,
	BUS_LOOPS_NAMED(scalar),
};
