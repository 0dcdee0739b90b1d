/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_story.h - for tests: a bus and a naive array live through the same
 *
 * Whoever tells the story draws the numbers: a random generator (the property
 * test), or the bytes of a fuzzer.  The first disagreement is kept in wrong,
 * as a line of this file, and the story is over.
 *
 * A layout is where ranges come to lie.  Each is bad for some kind of index.
 */
#ifndef TRANSPORT_BUS_TEST_STORY_H
#define TRANSPORT_BUS_TEST_STORY_H

#include <stdlib.h>

#include "transport/bus/test_naive.h"

#define STORY_TOP   UINT64_MAX
#define STORY_PORTS 0xffffull
/* More than an entry of the index has numbers for. */
#define STORY_OPS   20
#define STORY_BATCH 40 /* more than the bus takes at a time */

enum story_layout {
	STORY_PACKED,	/* odd sizes, they touch */
	STORY_ALIGNED,	/* powers of two, some of them thousands of times
			 * others, aligned to their size */
	STORY_EQUAL,	/* of one size, side by side, as firmware packs BARs */
	STORY_SPARSE,	/* anywhere at all */
	STORY_SKEWED,	/* twice as dense at half the distance from 0 */
	STORY_HUGE,	/* a few that fill half of what there is; tiny ones */
	STORY_LAST,	/* at the end of the space, up to its last byte */
	STORY_CLUSTERS, /* eight crowds far apart */
	STORY_LAYOUTS
};

struct story {
	/* So many random bytes. */
	uint64_t (*draw)(struct story *s, unsigned int bytes);
	void *ctx;
	enum story_layout layout;
	uint64_t origin;
	uint32_t nr; /* ranges that may be there */
	bool grows;
	bool starved;	    /* -ENOMEM is an answer too */
	unsigned int wrong; /* 0: they agree */
	uint64_t steps;
	uint64_t hits, refused, starving, most; /* what the story met */
	struct bus bus;
	struct naive naive;
	struct bus_range range[NAIVE_MAX];
	bool there[NAIVE_MAX];
};

#define STORY_AGREE(s, ok)                                                     \
	do {                                                                   \
		if (!(ok) && !(s)->wrong)                                      \
			(s)->wrong = __LINE__;                                 \
	} while (0)

/* ---- What answers -------------------------------------------------------- */

/* The last access that arrived. */
struct story_access {
	struct bus_range *range;
	uint64_t offset, value, size; /* no padding: compared as bytes */
};

static struct story_access story_seen;

static inline uint64_t story_read(void *ctx, uint64_t offset, unsigned int size)
{
	story_seen = (struct story_access){ ctx, offset, 0, size };
	return 0x5a;
}

static inline void story_write(void *ctx, uint64_t offset, unsigned int size,
			       uint64_t value)
{
	story_seen = (struct story_access){ ctx, offset, value, size };
}

static struct bus_ops story_ops[STORY_OPS];

/* ---- Numbers ------------------------------------------------------------- */

/* Below @n. */
static inline uint32_t story_pick(struct story *s, uint32_t n)
{
	return (uint32_t)(s->draw(s, n <= 256 ? 1 : n <= 65536 ? 2 : 4) % n);
}

static inline uint64_t story_below(struct story *s, uint64_t n)
{
	return n ? s->draw(s, 8) % n : 0;
}

static inline unsigned int story_bits(const struct story *s)
{
	return s->naive.limit == STORY_PORTS ? 16 : 64;
}

/* Of the numbers that go wrong, or of any length. */
static inline uint64_t story_strange(struct story *s)
{
	switch (story_pick(s, 8)) {
	case 0:
	case 1:
		return 0;
	case 2:
		return s->naive.limit;
	case 3:
		return s->naive.limit + 1;
	case 4:
		return BIT_ULL(story_pick(s, 64));
	default:
		return s->draw(s, 8) >> story_pick(s, 64);
	}
}

/* A range of the layout; now and then one that nobody would ask for. */
static inline void story_place(struct story *s, struct bus_range *r)
{
	const uint64_t limit = s->naive.limit;
	const unsigned int bits = story_bits(s);
	uint64_t at = story_pick(s, 8 * s->nr);
	unsigned int shift;

	r->size = 1 + story_pick(s, 12);
	r->base = s->origin + at;
	switch (s->layout) {
	case STORY_ALIGNED:
		r->size = 1ull << (2 + story_pick(s, bits == 16 ? 4 : 13));
		r->base = (s->origin + (at << (bits == 16 ? 2 : 8))) & -r->size;
		break;
	case STORY_EQUAL:
		r->size = bits == 16 ? 16 : 0x1000;
		r->base = (s->origin & -r->size) + at / 4 * r->size;
		break;
	case STORY_SPARSE:
		r->size = 1ull << story_pick(s, bits * 5 / 8);
		r->base = s->draw(s, 8) & -r->size;
		break;
	case STORY_SKEWED:
		shift = story_pick(s, bits - 1);
		r->base = story_below(s, limit >> shift);
		r->size += story_below(s, limit >> shift >> 7);
		break;
	case STORY_HUGE:
		if (story_pick(s, 64))
			break;
		shift = 1 + story_pick(s, bits - 1);
		r->base = story_below(s, limit);
		r->size = (limit >> shift) + story_pick(s, 3);
		break;
	case STORY_LAST:
		if (r->size > at + 1 && story_pick(s, 8))
			r->size = at + 1;
		r->base = limit - at;
		break;
	case STORY_CLUSTERS:
		r->base = 0x9e3779b97f4a7c15 * (1 + (at & 7)) + at / 8 * 6;
		break;
	default:
		break;
	}
	r->base &= limit;
	if (story_pick(s, 200) == 0) {
		r->base = story_strange(s);
		r->size = story_strange(s);
	}
}

static inline void story_new(struct story *s, uint32_t i)
{
	const uint32_t many = story_pick(s, 64) ? 4 : STORY_OPS;

	story_place(s, &s->range[i]);
	s->range[i].ops = &story_ops[story_pick(s, many)];
}

/* ---- Questions ----------------------------------------------------------- */

static inline bool story_hit_is(const struct bus_hit *hit, bool got,
				struct bus_range *want, uint64_t addr)
{
	if (!want)
		return !got && !hit->range && !hit->ops && !hit->offset;
	return got && hit->range == want && hit->ops == want->ops &&
	       hit->offset == addr - want->base;
}

static inline void story_look(struct story *s, uint64_t addr, unsigned int size)
{
	struct bus_range *want = naive_find(&s->naive, addr, size);
	struct bus_hit hit = { .offset = 1 };
	bool got = bus_lookup(&s->bus, addr, size, &hit);

	STORY_AGREE(s, story_hit_is(&hit, got, want, addr));
	STORY_AGREE(s, bus_find(&s->bus, addr, size) == want);
	s->hits += want != NULL;
}

/* At an end of @r, or one of the ends that there are of everything. */
static inline uint64_t story_end(struct story *s, const struct bus_range *r)
{
	const uint64_t near = (uint64_t)story_pick(s, 19) - 9;

	switch (story_pick(s, 16)) {
	case 0:
		return near;
	case 1:
		return s->naive.limit + near;
	case 2:
		return s->draw(s, 8) >> story_pick(s, 64);
	case 3:
		return r->base + story_below(s, r->size);
	default:
		return (story_pick(s, 2) ? r->base : r->base + r->size) + near;
	}
}

static inline struct bus_range *story_any(struct story *s)
{
	if (!s->naive.nr)
		return &s->range[0];
	return s->naive.range[story_pick(s, s->naive.nr)];
}

static inline void story_ask(struct story *s, const struct bus_range *r)
{
	uint64_t addr = story_end(s, r);

	story_look(s, addr, 1 + story_pick(s, 8));
}

/* Each way an access can lie at the two ends of @r. */
static inline void story_ask_ends(struct story *s, const struct bus_range *r)
{
	for (unsigned int size = 1; size <= 8; size++) {
		for (uint64_t near = 0; near <= size; near++) {
			story_look(s, r->base - near, size);
			story_look(s, r->base + r->size - near, size);
		}
		story_look(s, 0, size);
		story_look(s, s->naive.limit - (size - 1), size);
		story_look(s, s->naive.limit, size);
		story_look(s, STORY_TOP, size);
	}
}

static inline void story_ask_batch(struct story *s)
{
	const unsigned int n = story_pick(s, STORY_BATCH + 1);
	const unsigned int size = 1 + story_pick(s, 8);
	uint64_t addr[STORY_BATCH];
	struct bus_hit hit[STORY_BATCH];
	unsigned int want = 0;

	memset(hit, 0xff, sizeof(hit));
	for (unsigned int i = 0; i < n; i++) {
		addr[i] = story_end(s, story_any(s));
		want += naive_find(&s->naive, addr[i], size) != NULL;
	}
	STORY_AGREE(s, bus_lookup_batch(&s->bus, addr, size, hit, n) == want);
	for (unsigned int i = 0; i < n; i++)
		STORY_AGREE(s,
			    story_hit_is(&hit[i], hit[i].range,
					 naive_find(&s->naive, addr[i], size),
					 addr[i]));
}

static inline void story_ask_order(struct story *s)
{
	const struct bus_range *r = &s->range[story_pick(s, s->nr)];
	const uint64_t addr = story_end(s, r);
	const uint64_t last = r->base + (r->size - 1);
	struct bus_range *want = NULL;

	STORY_AGREE(s,
		    bus_first(&s->bus, addr) == naive_first(&s->naive, addr));
	if (!naive_possible(&s->naive, r->base, r->size))
		return;
	if (last < STORY_TOP)
		want = naive_first(&s->naive, last + 1);
	STORY_AGREE(s, bus_next(&s->bus, r) == want);
}

static inline void story_access(struct story *s)
{
	const unsigned int size = 1 + story_pick(s, 8);
	const uint64_t addr = story_end(s, story_any(s));
	struct bus_range *want = naive_find(&s->naive, addr, size);
	struct story_access a = { want, want ? addr - want->base : 0, 0, size };
	uint64_t value = 1;

	story_seen = (struct story_access){ .size = size };
	STORY_AGREE(s, bus_read(&s->bus, addr, size, &value) == !!want);
	STORY_AGREE(s, value == (want ? 0x5a : all_ones(size)));
	STORY_AGREE(s, !memcmp(&story_seen, &a, sizeof(a)));
	a.value = want ? addr & all_ones(size) : 0;
	STORY_AGREE(s, bus_write(&s->bus, addr, size, addr & all_ones(size)) ==
			       !!want);
	STORY_AGREE(s, !memcmp(&story_seen, &a, sizeof(a)));
}

static inline int story_by_base(const void *a, const void *b)
{
	const struct bus_range *x = *(struct bus_range *const *)a;
	const struct bus_range *y = *(struct bus_range *const *)b;

	return x->base < y->base ? -1 : x->base > y->base;
}

/* All of it, in order, and each found by its first and its last byte. */
static inline void story_compare(struct story *s)
{
	static struct bus_range *sorted[NAIVE_MAX];
	struct naive *n = &s->naive;
	struct bus_range *r = bus_first(&s->bus, 0);

	STORY_AGREE(s, s->bus.nr == n->nr);
	memcpy(sorted, n->range, n->nr * sizeof(struct bus_range *));
	qsort(sorted, n->nr, sizeof(struct bus_range *), story_by_base);
	for (uint32_t i = 0; i < n->nr; i++) {
		STORY_AGREE(s, r == sorted[i]);
		if (s->wrong)
			return;
		STORY_AGREE(s, bus_find(&s->bus, r->base, 1) == r);
		STORY_AGREE(s,
			    bus_find(&s->bus, r->base + (r->size - 1), 1) == r);
		r = bus_next(&s->bus, r);
	}
	STORY_AGREE(s, !r);
}

/* ---- Changes ------------------------------------------------------------- */

/* What came of a change that should end with @want. */
static inline int story_answer(struct story *s, int err, int want)
{
	if (s->starved && err == -ENOMEM && !want) {
		s->starving++;
		return err;
	}
	STORY_AGREE(s, err == want);
	return want;
}

static inline void story_insert(struct story *s, uint32_t i)
{
	struct bus_range *r = &s->range[i], *conflict = NULL, *want;
	const uint64_t epoch = s->bus.epoch;
	int err;

	story_new(s, i);
	err = naive_verdict(&s->naive, r->base, r->size, NULL, &want);
	err = story_answer(s, bus_insert(&s->bus, r, &conflict), err);
	STORY_AGREE(s, conflict == want);
	STORY_AGREE(s, (s->bus.epoch == epoch) == !!err);
	s->there[i] = !err;
	s->refused += err != 0;
	if (!err)
		naive_add(&s->naive, r);
}

static inline void story_move(struct story *s, uint32_t i)
{
	struct bus_range *r = &s->range[i], *conflict = NULL, *want;
	struct bus_range to = { .size = r->size };
	const uint64_t old = r->base, epoch = s->bus.epoch;
	int err;

	if (story_pick(s, 4))
		story_place(s, &to);
	else
		to.base = old + story_pick(s, 32) - 16;
	err = naive_verdict(&s->naive, to.base, r->size, r, &want);
	err = story_answer(s, bus_move(&s->bus, r, to.base, &conflict), err);
	STORY_AGREE(s, conflict == want);
	STORY_AGREE(s, r->base == (err ? old : to.base));
	STORY_AGREE(s, !err || s->bus.epoch == epoch);
	STORY_AGREE(s, err || to.base == old || s->bus.epoch != epoch);
	s->refused += err != 0;
	if (!err)
		naive_set(&s->naive, naive_at(&s->naive, r), r);
}

static inline void story_remove(struct story *s, uint32_t i)
{
	const uint64_t epoch = s->bus.epoch;

	bus_remove(&s->bus, &s->range[i]);
	naive_remove(&s->naive, &s->range[i]);
	STORY_AGREE(s, s->bus.epoch != epoch);
	s->there[i] = false;
}

static inline void story_change(struct story *s)
{
	const uint32_t i = story_pick(s, s->nr);
	const bool often = story_pick(s, 4);

	if (story_pick(s, 2 * s->nr) == 0)
		s->grows = !s->grows;
	if (!s->there[i] && s->grows == often)
		story_insert(s, i);
	else if (s->there[i] && s->grows == often)
		story_move(s, i);
	else if (s->there[i])
		story_remove(s, i);
	story_ask(s, &s->range[i]);
	story_ask(s, &s->range[i]);
}

static inline bool story_overlap(const struct bus_range *a,
				 const struct bus_range *b)
{
	return a->base - b->base < b->size || b->base - a->base < a->size;
}

/* Whether @conflict tells why not. */
static inline bool story_reason(const struct story *s, int err,
				struct bus_range *const conflict[2])
{
	const struct bus_range *a = conflict[0], *b = conflict[1];

	if (err == -EINVAL)
		return a && !b && !naive_possible(&s->naive, a->base, a->size);
	return err == -EEXIST && a && b && a != b && story_overlap(a, b);
}

/* As many of those that are not there as fit in a batch, all or none. */
static inline void story_build(struct story *s)
{
	struct bus_range **batch = calloc(s->nr, sizeof(struct bus_range *));
	struct bus_range *conflict[2] = { NULL, NULL }, *other;
	const uint32_t most = story_pick(s, 4) ? 8 : s->nr;
	const uint64_t epoch = s->bus.epoch;
	const uint32_t before = s->naive.nr;
	const bool careless = story_pick(s, 8) == 0;
	bool good = true;
	uint32_t n = 0;
	int err;

	for (uint32_t i = 0; i < s->nr && n < most; i++) {
		struct bus_range *r = &s->range[i];

		if (s->there[i])
			continue;
		story_new(s, i);
		err = naive_verdict(&s->naive, r->base, r->size, NULL, &other);
		if (err && !careless)
			continue;
		good = good && !err;
		if (!err)
			naive_add(&s->naive, r);
		batch[n++] = r;
	}
	err = bus_build(&s->bus, batch, n, conflict);
	if (s->starved && err == -ENOMEM) {
		s->starving++;
	} else {
		STORY_AGREE(s, good == !err);
		STORY_AGREE(s, !err || story_reason(s, err, conflict));
	}
	STORY_AGREE(s, !n || (s->bus.epoch == epoch) == !!err);
	/* What came with a bad one is not there either. */
	if (err)
		s->naive.nr = before;
	for (uint32_t i = 0; i < n && !err; i++)
		s->there[batch[i] - s->range] = true;
	free(batch);
	story_compare(s);
}

/* Nearly nothing is left: an index has to shrink as well. */
static inline void story_sweep(struct story *s)
{
	for (uint32_t i = 0; i < s->nr; i++)
		if (s->there[i] && story_pick(s, 16))
			story_remove(s, i);
	story_compare(s);
}

/* ---- A story ------------------------------------------------------------- */

/* draw and ctx are set; everything else is not. */
static inline void story_begin(struct story *s, uint64_t limit,
			       enum story_layout layout, uint32_t nr)
{
	for (unsigned int i = 0; i < STORY_OPS; i++)
		story_ops[i] = (struct bus_ops){ story_read, story_write };
	assert(nr && nr <= NAIVE_MAX);
	s->layout = layout;
	s->nr = nr;
	s->grows = true;
	s->wrong = 0;
	memset(s->range, 0, nr * sizeof(s->range[0]));
	memset(s->there, 0, nr * sizeof(s->there[0]));
	naive_init(&s->naive, limit);
	bus_init(&s->bus, limit);
	s->origin = s->draw(s, 8) >> story_pick(s, 64);
	if (story_pick(s, 2))
		story_build(s);
}

static inline void story_step(struct story *s)
{
	const uint32_t rare = 4 * s->nr + 256;

	s->steps++;
	switch (story_pick(s, 16)) {
	case 0:
		story_ask_batch(s);
		break;
	case 1:
	case 2:
		story_ask_order(s);
		break;
	case 3:
		story_access(s);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
		story_ask(s, story_any(s));
		break;
	default:
		story_change(s);
	}
	if (story_pick(s, 64) == 0)
		story_ask_ends(s, story_any(s));
	switch (story_pick(s, rare)) {
	case 0:
		story_build(s);
		break;
	case 1:
		story_sweep(s);
		break;
	case 2:
		story_compare(s);
		break;
	default:
		break;
	}
	if (s->naive.nr > s->most)
		s->most = s->naive.nr;
}

static inline void story_finish(struct story *s)
{
	if (!s->wrong)
		story_compare(s);
	bus_fini(&s->bus);
}

#endif
