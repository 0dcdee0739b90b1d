/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a slab is an array of lines that are given out one after the other, its
 * first being what links it.  Slabs are kept until the end: an index that
 * shrank and grows again finds them.
 */
#include "transport/bus/lines.h"

#include <stdlib.h>
#include <sys/mman.h>

#define SLAB_LINES 64
#define HUGE_PAGE  ((size_t)2 << 20)

struct bus_slab {
	struct bus_slab *next;
};

struct free_lines {
	struct free_lines *next;
};

static size_t array_bytes(uint32_t n)
{
	const size_t bytes = (size_t)n * BUS_LINE_BYTES;

	return bytes < HUGE_PAGE ? bytes
				 : (bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
}

static union bus_line *get_many(struct bus_lines *ls, uint32_t n)
{
	const size_t bytes = array_bytes(n);
	void *l = aligned_alloc(bytes < HUGE_PAGE ? BUS_LINE_BYTES : HUGE_PAGE,
				bytes);

	if (!l)
		return NULL;
	/* Where there are none it stays as it is. */
	if (bytes >= HUGE_PAGE)
		(void)madvise(l, bytes, MADV_HUGEPAGE);
	ls->bytes += bytes;
	return l;
}

static int add_slab(struct bus_lines *ls)
{
	struct bus_slab *s =
		aligned_alloc(BUS_LINE_BYTES, SLAB_LINES * BUS_LINE_BYTES);

	if (!s)
		return -ENOMEM;
	s->next = ls->slabs;
	ls->slabs = s;
	ls->next = (union bus_line *)((char *)s + BUS_LINE_BYTES);
	ls->left = SLAB_LINES - 1;
	ls->bytes += SLAB_LINES * BUS_LINE_BYTES;
	return 0;
}

void bus_lines_fini(struct bus_lines *ls)
{
	struct bus_slab *next;

	for (struct bus_slab *s = ls->slabs; s; s = next) {
		next = s->next;
		free(s);
	}
	*ls = (struct bus_lines){ 0 };
}

union bus_line *bus_lines_get(struct bus_lines *ls, uint32_t n)
{
	struct free_lines *l;

	if (n > BUS_LINES_FEW)
		return get_many(ls, n);
	l = ls->free[n];
	if (l) {
		ls->free[n] = l->next;
		return (union bus_line *)l;
	}
	if (bus_lines_reserve(ls, n))
		return NULL;
	l = (struct free_lines *)ls->next;
	ls->next = (union bus_line *)((char *)l + (size_t)n * BUS_LINE_BYTES);
	ls->left -= n;
	return (union bus_line *)l;
}

void bus_lines_put(struct bus_lines *ls, union bus_line *l, uint32_t n)
{
	struct free_lines *f = (struct free_lines *)l;

	if (n > BUS_LINES_FEW) {
		ls->bytes -= array_bytes(n);
		free(l);
		return;
	}
	f->next = ls->free[n];
	ls->free[n] = f;
}

int bus_lines_reserve(struct bus_lines *ls, uint32_t n)
{
	uint32_t rest = ls->left < BUS_LINES_FEW ? ls->left : BUS_LINES_FEW;

	if (ls->left >= n)
		return 0;
	/* What is left is of use for fewer. */
	if (rest) {
		bus_lines_put(ls, ls->next, rest);
		ls->left = 0;
	}
	return add_slab(ls);
}
