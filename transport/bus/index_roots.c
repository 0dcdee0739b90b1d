/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: if one node has nearly all ranges in lines of its own, it is the root.
 * It is not where firmware has placed them by size, so that they are dense in
 * one part of a window and sparse in another; then there are several, each for
 * a piece of even density.  A piece is cut in two where that makes the ranges
 * most likely, if each piece spreads its own evenly: n log(n / span) is what a
 * piece adds to that.  If crowds are left in the pieces, since there are more of
 * them than pieces may be, and the ranges are not many, the root is one node
 * with steps.
 *
 * Pieces have lines that are powers of two wide: firmware aligns ranges to
 * their size, so such a line holds whole ranges, and an address finds it by a
 * shift.  Together they have all addresses from the first range to the last, a
 * gap being a piece with a line or two.
 */
#include "transport/bus/index_build.h"

#include "transport/bus/bus.h"

/* Pieces are cut while more than one entry of so many is in one. */
#define FAIR 64

/* Up to so many the same number of steps for each is better than pieces with
 * crowds in them: a lookup that finds now one level and now three has each time
 * foretold the wrong one. */
#define STEADY 4096

/* What a level more for one entry costs, in lines. */
#define DEEP 2

/* One line for so many of all entries is what any piece may have. */
#define SMALL 12

/* Which cuts in two are tried before the best is sought for. */
#define TRIES 256

/* ---- Pieces ------------------------------------------------------------------- */

/* Near enough to log2(x), x >= 1. */
static double log_2(double x)
{
	uint64_t bits;
	double f;

	memcpy(&bits, &x, sizeof(bits));
	f = (double)(bits & (BIT_ULL(52) - 1)) / (double)BIT_ULL(52);
	return (double)(bits >> 52) - 1023 + f * (1.3465 - 0.3465 * f);
}

/* Lines of 2^@shift for all from @begins to @last. */
static void set_shift(struct bus_node *node, uint64_t begins, uint64_t last,
		      unsigned int shift)
{
	node->tag = BUS_WORD_NODE;
	node->lo = begins >> shift << shift;
	node->nr_lines = (last >> shift) - (begins >> shift) + 1;
	node->scale = BIT_ULL(64 - shift);
}

/* Levels below a line with @n entries, if these are cut by steps. */
static uint32_t levels(uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t most = BUS_LINE_ENTRIES; most < n; most *= 4)
		sum++;
	return sum;
}

/* The sum for all entries of the levels below. */
static uint64_t depth(const struct bus_node *node, const struct bus_entry *e,
		      uint32_t n)
{
	uint32_t here = 0;
	uint64_t sum = 0, at = UINT64_MAX;

	for (uint32_t i = 0; i < n; i++) {
		const uint64_t line = bus_node_at(node, e[i].base);

		if (line != at) {
			sum += (uint64_t)here * levels(here);
			here = i &&
			       bus_node_at(node, bus_entry_last(e[i - 1])) ==
				       line;
		}
		at = line;
		here++;
	}
	return sum + (uint64_t)here * levels(here);
}

/* The cheapest of all that have no more lines than @n entries of @all should. */
static void cut_root(struct bus_node *node, uint64_t begins, uint64_t last,
		     const struct bus_entry *e, uint32_t n, uint32_t all)
{
	uint64_t most = (uint64_t)n * 3 / 4 + 2, best, cost;
	struct bus_node wider;
	unsigned int shift = 1;

	/* Rather that than another piece. */
	if (most < all / SMALL)
		most = all / SMALL;
	while ((last >> shift) - (begins >> shift) >= most)
		shift++;
	set_shift(node, begins, last, shift);
	best = DEEP * depth(node, e, n) + node->nr_lines;
	while (shift < 63 && node->nr_lines > 1) {
		set_shift(&wider, begins, last, ++shift);
		cost = DEEP * depth(&wider, e, n) + wider.nr_lines;
		if (cost <= best) {
			best = cost;
			*node = wider;
		}
		/* It will hardly become better again. */
		if (wider.nr_lines == 1 || cost > 2 * best)
			break;
	}
}

struct part {
	uint32_t from, n;
	uint64_t last;	/* before the next begins, or of all */
	uint64_t depth; /* as one piece */
	uint32_t at;	/* cut in two best there */
	double gain;	/* by it */
};

/* @n that begin from @lo on and before @end. */
static double likely_as_one(uint64_t lo, uint64_t end, uint32_t n)
{
	return (double)n * (log_2((double)n) - log_2((double)(end - lo)));
}

static void try_at(struct part *p, const struct bus_entry *e, uint32_t at)
{
	const double gain = likely_as_one(e[0].base, e[at].base, at) +
			    likely_as_one(e[at].base - 1, p->last, p->n - at);

	if (!p->at || gain > p->gain) {
		p->gain = gain;
		p->at = at;
	}
}

/* Where to cut it in two? */
static void find_cut(struct part *p, const struct bus_entry *e)
{
	const uint32_t step = p->n / TRIES + 1;
	uint32_t around;

	p->at = 0;
	for (uint32_t at = step; at < p->n; at += step)
		try_at(p, e, at);
	around = p->at;
	for (uint32_t at = around > step ? around - step : 1;
	     at < p->n && at < around + step; at++)
		try_at(p, e, at);
}

static void look_at(struct part *p, const struct bus_entry *e, uint32_t all)
{
	struct bus_node node;

	cut_root(&node, e[p->from].base, p->last, e + p->from, p->n, all);
	p->depth = depth(&node, e + p->from, p->n);
}

/* In order; the levels below them, as depth(). */
static uint64_t cut_parts(struct part part[BUS_PIECES],
			  const struct bus_entry *e, uint32_t n, uint32_t *nr)
{
	struct part *worst;
	uint64_t sum = 0;

	*nr = 1;
	part[0] = (struct part){ .n = n, .last = bus_entry_last(e[n - 1]) };
	look_at(&part[0], e, n);
	for (;; ++*nr) {
		worst = part;
		for (unsigned int i = 1; i < *nr; i++)
			if (part[i].depth > worst->depth)
				worst = &part[i];
		if (worst->depth <= n / FAIR || *nr == BUS_PIECES)
			break;
		find_cut(worst, e + worst->from);
		memmove(worst + 1, worst,
			(size_t)(&part[*nr] - worst) * sizeof(*worst));
		worst[1].from += worst->at;
		worst[1].n -= worst->at;
		worst->n = worst->at;
		worst->last = e[worst[1].from].base - 1;
		look_at(worst, e, n);
		look_at(worst + 1, e, n);
	}
	for (unsigned int i = 0; i < *nr; i++)
		sum += part[i].depth;
	return sum;
}

/* ---- Roots -------------------------------------------------------------------- */

static uint64_t root_last(const struct bus_index *ix, unsigned int i)
{
	return i + 1 < ix->nr_roots ? ix->piece[i + 1].begins - 1 : ix->hi;
}

int bus_root_build(struct bus_index *ix, unsigned int i, struct bus_node *root,
		   const struct bus_entry *e, uint32_t n)
{
	if (!ix->pieces)
		return bus_node_build(ix, root, e, n);
	cut_root(root, ix->piece[i].begins, root_last(ix, i), e, n, ix->nr);
	return bus_node_fill(ix, root, e, n);
}

void bus_pieces_set(struct bus_index *ix)
{
	for (unsigned int i = 0; ix->pieces && i < BUS_PIECES; i++) {
		struct bus_piece *p = &ix->piece[i];
		const struct bus_node *root = &ix->root[i];

		if (i >= ix->nr_roots) {
			*p = ix->piece[i - 1];
			continue;
		}
		p->shift = 64 - (unsigned int)__builtin_ctzll(root->scale);
		p->line = (uintptr_t)root->line -
			  (p->begins >> p->shift) * BUS_LINE_BYTES;
	}
}

static int build_one(struct bus_index *ix, const struct bus_entry *e,
		     uint32_t n)
{
	int err = bus_node_fill(ix, &ix->root[0], e, n);

	ix->nr_roots = !err;
	return err;
}

int bus_roots_build(struct bus_index *ix, const struct bus_entry *e, uint32_t n)
{
	struct part part[BUS_PIECES];
	uint32_t nr;
	int err;

	ix->nr = n;
	ix->built = n;
	if (bus_node_cut(&ix->root[0], e, n, BUS_ROOT_LINES(n)))
		return build_one(ix, e, n);
	if (cut_parts(part, e, n, &nr) > n / FAIR && n <= STEADY)
		return build_one(ix, e, n);
	ix->nr_roots = nr;
	ix->lo = e[0].base;
	ix->hi = bus_entry_last(e[n - 1]);
	ix->pieces = true;
	for (unsigned int i = 0; i < ix->nr_roots; i++)
		ix->piece[i].begins = e[part[i].from].base;
	for (unsigned int i = 0; i < ix->nr_roots; i++) {
		err = bus_root_build(ix, i, &ix->root[i], e + part[i].from,
				     part[i].n);
		if (err) {
			ix->nr_roots = i;
			return err;
		}
	}
	bus_pieces_set(ix);
	return 0;
}

void bus_roots_free(struct bus_index *ix)
{
	for (unsigned int i = 0; i < ix->nr_roots; i++)
		bus_node_free(ix, &ix->root[i]);
}
