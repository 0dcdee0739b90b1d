/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * index.h - the index of a bus: addresses to entries, in order
 *
 * A tree whose nodes are so wide that one is nearly always all there is.  A
 * node cuts what lies between its ranges into *lines* of equal width, about
 * one for every two ranges.  A line is a cache line.  It holds the entries of
 * up to four ranges that touch its width or, where there are more, a node that
 * cuts on: where ranges are denser than elsewhere, and in one line of twenty
 * where they are spread evenly.
 *
 * Entry     {base, word}: the word is the range's address, the logarithm of its
 *           size (or that it has none) and which ops it has, so that a
 *           lookup needs nothing else
 * Order     lines are ordered, and so are the entries in them.  A range that
 *           touches several lines is in each; unused entries repeat the last
 * Beyond    an address outside of what a node cuts is in its first or last line
 * Growth    a node is built anew when half as many have come as it was built
 *           for, or most have gone: all that is linear in its ranges
 *
 * Threads   as the bus that it is part of
 * Memory    owned; none is needed to take a range out.  An entry's range must
 *           stay as long as the entry
 */
#ifndef TRANSPORT_BUS_INDEX_H
#define TRANSPORT_BUS_INDEX_H

#include "transport/bus/lines.h"

/* Of a word: the range's address, the exponent of its size, its ops; bit 0 says
 * that this is no entry but a node. */
#define BUS_WORD_NODE	    1ull
#define BUS_WORD_RANGE	    0x0000fffffffffff8ull
#define BUS_WORD_SIZE_SHIFT 48
#define BUS_WORD_SIZE_MASK  63u
#define BUS_WORD_SIZE_ODD   63u /* see the range */
#define BUS_WORD_OPS_SHIFT  54
#define BUS_WORD_OPS_ODD    15u /* see the range */
#define BUS_INDEX_OPS	    15

struct bus_range;

struct bus_entry {
	uint64_t base;
	uint64_t word; /* 0: none */
};

struct bus_node {
	uint64_t lo;	/* what comes before is in the first line */
	uint64_t scale; /* lines of an address, times 2^64 */
	union bus_line *line;
	uint32_t nr_lines;
	uint32_t come; /* since it was built */
	uint64_t tag;  /* BUS_WORD_NODE */
	uint32_t nr;   /* ranges that touch it */
	uint32_t built;
};

union bus_line {
	struct {
		uint64_t base[BUS_LINE_ENTRIES];
		uint64_t word[BUS_LINE_ENTRIES];
	};
	struct bus_node node; /* if BUS_WORD_NODE is in the first word */
};
static_assert(sizeof(union bus_line) == BUS_LINE_BYTES, "a cache line");
static_assert(offsetof(union bus_line, node.tag) ==
		      offsetof(union bus_line, word),
	      "the tag is in the first word");

struct bus_index {
	struct bus_node root;
	struct bus_lines lines;
};

void bus_index_init(struct bus_index *ix);
void bus_index_fini(struct bus_index *ix);

/* @e reaches up to @last and overlaps nothing.  -ENOMEM: nothing changed.  With
 * bus_index_reserve() before, the next one does not fail. */
int bus_index_insert(struct bus_index *ix, struct bus_entry e, uint64_t last);
int bus_index_reserve(struct bus_index *ix);
/* It was inserted like this. */
void bus_index_remove(struct bus_index *ix, struct bus_entry e, uint64_t last);

/* All there is shall be the @n entries, which are in order.  -ENOMEM: nothing
 * changed. */
int bus_index_build(struct bus_index *ix, const struct bus_entry *e,
		    uint32_t n);
/* Store all there is, in order: ix->root.nr entries. */
void bus_index_gather(const struct bus_index *ix, struct bus_entry *e);

/* The first entry but that of @except that touches [@addr, @last]. */
bool bus_index_seek(const struct bus_index *ix, uint64_t addr, uint64_t last,
		    const struct bus_range *except, struct bus_entry *out);

static inline bool bus_line_is_node(const union bus_line *l)
{
	return l->word[0] & BUS_WORD_NODE;
}

/* Which line @addr is in.  Addresses before lo wrap, and are so far beyond
 * the last line: scale is rounded up. */
static inline uint32_t bus_node_at(const struct bus_node *n, uint64_t addr)
{
	uint64_t i =
		(uint64_t)((unsigned __int128)(addr - n->lo) * n->scale >> 64);

	if (unlikely(i >= n->nr_lines))
		i = addr < n->lo ? 0 : n->nr_lines - 1;
	return (uint32_t)i;
}

/* The line of entries that @addr is in. */
static inline const union bus_line *bus_index_line(const struct bus_index *ix,
						   uint64_t addr)
{
	const struct bus_node *n = &ix->root;
	const union bus_line *l;

	for (;;) {
		l = &n->line[bus_node_at(n, addr)];
		if (likely(!bus_line_is_node(l)))
			return l;
		n = &l->node;
	}
}

/* The last entry of @l that begins at or before @addr, else its first.  Without
 * a branch: which one it is cannot be foretold. */
static inline struct bus_entry bus_line_entry(const union bus_line *l,
					      uint64_t addr)
{
	const bool b1 = addr >= l->base[1], b3 = addr >= l->base[3];
	const struct bus_entry low = { b1 ? l->base[1] : l->base[0],
				       b1 ? l->word[1] : l->word[0] },
			       high = { b3 ? l->base[3] : l->base[2],
					b3 ? l->word[3] : l->word[2] };
	const bool b2 = addr >= l->base[2];

	return (struct bus_entry){ b2 ? high.base : low.base,
				   b2 ? high.word : low.word };
}

static inline struct bus_range *bus_entry_range(struct bus_entry e)
{
	return (struct bus_range *)(uintptr_t)(e.word & BUS_WORD_RANGE);
}

#endif
