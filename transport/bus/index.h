/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * index.h - the index of a bus: addresses to entries, in order
 *
 * A tree whose nodes are so wide that one is nearly always all there is.  A
 * node cuts what lies between its ranges into *lines* of equal width, about
 * one for every two ranges.  A line is a cache line.  It holds the entries of
 * up to four ranges that touch its width or, where there are more, a node that
 * cuts on, by *steps*: four lines with as many ranges each.  That is so in one
 * line of twenty where ranges are spread evenly.  Where their density varies,
 * there are several roots, *pieces* of the space; where it varies too much for
 * that, the root has steps.
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

/* Of a word: the range's address, the exponent of its size, which ops it has;
 * bit 0 says that this is no entry but a node, bit 63 that the range must be
 * looked at, its size being no power of two or its ops of no number. */
#define BUS_WORD_NODE	    1ull
#define BUS_WORD_RANGE	    0x0000fffffffffff8ull
#define BUS_WORD_SIZE_SHIFT 48
#define BUS_WORD_OPS_SHIFT  54
#define BUS_INDEX_OPS	    4
#define BUS_WORD_LOOK	    (1ull << 63)
#define BUS_WORD_NONE	    BUS_WORD_LOOK

struct bus_range;

struct bus_entry {
	uint64_t base;
	uint64_t word; /* BUS_WORD_NONE: there is none */
};

/* Of a node's tag: it has no even cut, but up to four lines, and what comes
 * before each but the first.  How many is above that. */
#define BUS_NODE_STEPS	     2ull
#define BUS_NODE_LINES_SHIFT 2
#define BUS_STEPS_LINES	     4

struct bus_node {
	union {
		/* Even: what comes before lo is in the first line; scale is
		 * lines of an address, times 2^64. */
		struct {
			uint64_t lo, scale;
		};
		uint64_t step[2];
	};
	union bus_line *line;
	union {
		uint64_t nr_lines;
		uint64_t last_step;
	};
	uint64_t tag;	      /* BUS_WORD_NODE and more */
	uint32_t nr;	      /* entries that touch it */
	uint32_t come, built; /* as in struct bus_index */
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

/* As many pieces of even density as there may be. */
#define BUS_PIECES 8

/* For lookups, of a root whose lines are powers of two wide. */
struct bus_piece {
	uint64_t begins;
	uint64_t line; /* address of the one that address 0 would be in */
	uint64_t shift;
};

struct bus_index {
	struct bus_node root[BUS_PIECES]; /* one, or one for each piece */
	/* If they are pieces; unused ones repeat the last. */
	struct bus_piece piece[BUS_PIECES];
	uint64_t lo, hi; /* the first and the last address of all pieces */
	uint32_t nr_roots;
	bool pieces;	/* the roots are such */
	uint32_t nr;	/* entries */
	uint32_t come;	/* since it was built */
	uint32_t built; /* for so many */
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

static inline uint64_t bus_node_lines(const struct bus_node *n)
{
	return n->tag & BUS_NODE_STEPS ? n->tag >> BUS_NODE_LINES_SHIFT
				       : n->nr_lines;
}

/* Which line of an even cut @addr is in.  Addresses before lo wrap, and are so
 * far beyond the last line: the scale is rounded up. */
static inline uint64_t bus_cut_at(const struct bus_node *n, uint64_t addr)
{
	const uint64_t i =
		(uint64_t)((unsigned __int128)(addr - n->lo) * n->scale >> 64);

	if (likely(i < n->nr_lines))
		return i;
	return addr < n->lo ? 0 : n->nr_lines - 1;
}

/* Which line @addr is in. */
static inline uint64_t bus_node_at(const struct bus_node *n, uint64_t addr)
{
	if (n->tag & BUS_NODE_STEPS)
		return (uint64_t)(addr > n->step[0]) +
		       (uint64_t)(addr > n->step[1]) +
		       (uint64_t)(addr > n->last_step);
	return bus_cut_at(n, addr);
}

/* *@line and *@shift become those of @p if @addr is not before it.  Without a
 * branch, which could not be foretold. */
static inline void bus_piece_pick(uint64_t *line, uint64_t *shift,
				  uint64_t p_line, uint64_t p_shift,
				  uint64_t begins, uint64_t addr)
{
	__asm__("cmpq %[begins], %[addr]\n\t"
		"cmovaeq %[p_line], %[line]\n\t"
		"cmovaeq %[p_shift], %[shift]"
		: [line] "+r"(*line), [shift] "+r"(*shift)
		: [p_line] "rm"(p_line), [p_shift] "rm"(p_shift),
		  [begins] "rm"(begins), [addr] "r"(addr)
		: "cc");
}

/* The place in @p of two, of four: in pairs, for the sake of fewer steps one
 * after the other. */
static inline void bus_piece_of_two(const struct bus_piece *p, uint64_t addr,
				    uint64_t *line, uint64_t *shift)
{
	*line = p[0].line;
	*shift = p[0].shift;
	bus_piece_pick(line, shift, p[1].line, p[1].shift, p[1].begins, addr);
}

static inline void bus_piece_of_four(const struct bus_piece *p, uint64_t addr,
				     uint64_t *line, uint64_t *shift)
{
	uint64_t high_line, high_shift;

	bus_piece_of_two(p, addr, line, shift);
	bus_piece_of_two(p + 2, addr, &high_line, &high_shift);
	bus_piece_pick(line, shift, high_line, high_shift, p[2].begins, addr);
}

static inline const union bus_line *bus_piece_line(const struct bus_index *ix,
						   uint64_t addr)
{
	const struct bus_node *last = &ix->root[ix->nr_roots - 1];
	const struct bus_piece *p = ix->piece;
	uint64_t line, shift, high_line, high_shift;

	if (unlikely(addr < ix->lo))
		return ix->root[0].line;
	if (unlikely(addr > ix->hi))
		return &last->line[bus_node_lines(last) - 1];
	/* How many there are is the same from one lookup to the next. */
	if (ix->nr_roots <= 2) {
		bus_piece_of_two(p, addr, &line, &shift);
	} else {
		bus_piece_of_four(p, addr, &line, &shift);
	}
	if (ix->nr_roots > 4) {
		bus_piece_of_four(p + 4, addr, &high_line, &high_shift);
		bus_piece_pick(&line, &shift, high_line, high_shift,
			       p[4].begins, addr);
	}
	return (const union bus_line *)(uintptr_t)(line +
						   (addr >> shift) *
							   BUS_LINE_BYTES);
}

/* The first line that @addr is in, of entries or a node. */
static inline const union bus_line *bus_index_top(const struct bus_index *ix,
						  uint64_t addr)
{
	if (ix->pieces)
		return bus_piece_line(ix, addr);
	return &ix->root[0].line[bus_node_at(&ix->root[0], addr)];
}

/* The line of entries that @addr is in. */
static inline const union bus_line *bus_index_line(const struct bus_index *ix,
						   uint64_t addr)
{
	const union bus_line *l = bus_index_top(ix, addr);

	while (unlikely(bus_line_is_node(l)))
		l = &l->node.line[bus_node_at(&l->node, addr)];
	return l;
}

/* *@e becomes entry @i of @l if @addr is not before where @at begins; without a
 * branch, which could not be foretold. */
static inline void bus_line_pick(struct bus_entry *e, struct bus_entry other,
				 uint64_t begins, uint64_t addr)
{
	__asm__("cmpq %[begins], %[addr]\n\t"
		"cmovaeq %[base], %[e_base]\n\t"
		"cmovaeq %[word], %[e_word]"
		: [e_base] "+r"(e->base), [e_word] "+r"(e->word)
		: [base] "rm"(other.base), [word] "rm"(other.word),
		  [begins] "rm"(begins), [addr] "r"(addr)
		: "cc");
}

static inline struct bus_entry bus_line_at(const union bus_line *l,
					   unsigned int i)
{
	return (struct bus_entry){ l->base[i], l->word[i] };
}

/* The last entry of @l that begins at or before @addr, else its first. */
static inline struct bus_entry bus_line_entry(const union bus_line *l,
					      uint64_t addr)
{
	struct bus_entry low = bus_line_at(l, 0), high = bus_line_at(l, 2);

	bus_line_pick(&low, bus_line_at(l, 1), l->base[1], addr);
	bus_line_pick(&high, bus_line_at(l, 3), l->base[3], addr);
	bus_line_pick(&low, high, l->base[2], addr);
	return low;
}

static inline struct bus_range *bus_entry_range(struct bus_entry e)
{
	return (struct bus_range *)(uintptr_t)(e.word & BUS_WORD_RANGE);
}

#endif
