/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a slab is an array of lines that are given out one after the other, its
 * first being what links it.  Slabs are kept until the end: an index that
 * shrank and grows again finds them.
 */
#include "transport/bus/lines.h"

#include <stdlib.h>
#include <sys/mman.h>

#define SLAB_LINES 32
#define SLAB_MOST  ((uint32_t)(HUGE_PAGE / BUS_LINE_BYTES))
#define HUGE_PAGE  ((size_t)2 << 20)

struct bus_slab {
	struct bus_slab *next;
};

struct free_lines {
	struct free_lines *next;
};

/* Lines are opaque here. */
static union bus_line *line_behind(void *l, uint32_t n)
{
	return (union bus_line *)((char *)l + (size_t)n * BUS_LINE_BYTES);
}

static union bus_line *get_many(struct bus_lines *ls, uint32_t n)
{
	const size_t bytes = (size_t)n * BUS_LINE_BYTES;
	void *l = NULL;

	if (bytes < HUGE_PAGE)
		l = aligned_alloc(BUS_LINE_BYTES, bytes);
	/* As far as whole ones go; where there are none it stays as it is. */
	else if (!posix_memalign(&l, HUGE_PAGE, bytes))
		(void)madvise(l, bytes & ~(HUGE_PAGE - 1), MADV_HUGEPAGE);
	if (!l)
		return NULL;
	ls->bytes += bytes;
	return l;
}

/* The larger all is the larger are they, until they are a huge page: without
 * one a lookup in a large index waits for the page table as well. */
static uint32_t slab_lines(const struct bus_lines *ls)
{
	const size_t lines = ls->bytes / BUS_LINE_BYTES / 8;

	if (lines < SLAB_LINES)
		return SLAB_LINES;
	return lines < SLAB_MOST ? (uint32_t)lines : SLAB_MOST;
}

static int add_slab(struct bus_lines *ls)
{
	const uint32_t n = slab_lines(ls);
	struct bus_slab *s = (struct bus_slab *)get_many(ls, n);

	if (!s)
		return -ENOMEM;
	/* What is left of the one before is of use for fewer. */
	if (ls->left)
		bus_lines_put(ls, ls->next, ls->left);
	s->next = ls->slabs;
	ls->slabs = s;
	ls->next = line_behind(s, 1);
	ls->left = n - 1;
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

/* From the lists, of what there is the least that is enough. */
static void *get_free(struct bus_lines *ls, uint32_t n)
{
	uint32_t have = n;
	struct free_lines *l;

	while (have <= BUS_LINES_FEW && !ls->free[have])
		have++;
	if (have > BUS_LINES_FEW)
		return NULL;
	l = ls->free[have];
	ls->free[have] = l->next;
	if (have > n)
		bus_lines_put(ls, line_behind(l, n), have - n);
	return l;
}

union bus_line *bus_lines_get(struct bus_lines *ls, uint32_t n)
{
	union bus_line *l;

	if (n > BUS_LINES_FEW)
		return get_many(ls, n);
	l = get_free(ls, n);
	if (l)
		return l;
	if (ls->left < n && add_slab(ls))
		return NULL;
	l = ls->next;
	ls->next = line_behind(l, n);
	ls->left -= n;
	return l;
}

void bus_lines_put(struct bus_lines *ls, union bus_line *l, uint32_t n)
{
	struct free_lines *f = (struct free_lines *)l;

	if (n > BUS_LINES_FEW) {
		ls->bytes -= (size_t)n * BUS_LINE_BYTES;
		free(l);
		return;
	}
	f->next = ls->free[n];
	ls->free[n] = f;
}

int bus_lines_reserve(struct bus_lines *ls)
{
	for (unsigned int i = 0; i < BUS_SPARES; i++) {
		if (!ls->spare[i])
			ls->spare[i] = bus_lines_get(ls, BUS_SPARE_LINES);
		if (!ls->spare[i])
			return -ENOMEM;
	}
	return 0;
}

union bus_line *bus_lines_spare(struct bus_lines *ls)
{
	union bus_line *l;
	unsigned int i = 0;

	while (i < BUS_SPARES - 1 && !ls->spare[i])
		i++;
	l = ls->spare[i];
	ls->spare[i] = NULL;
	assert(l);
	return l;
}
