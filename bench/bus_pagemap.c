/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A multi-level map of pages, as QEMU dispatches memory accesses: 512 ways a
 * level, levels with a single child skipped, pages that several ranges share
 * refined by an entry for each byte.
 *
 * How: it is built anew at each change, as QEMU does at the end of each
 * transaction.  Unlike QEMU's it has room for more than 4096 ranges, and does
 * not remember the last one that was found.
 */
#include "bench/bus_memory.h"
#include "bench/bus_rivals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BITS 12
#define PAGE	  (1u << PAGE_BITS)
#define WAYS_BITS 9
#define WAYS	  (1u << WAYS_BITS)
#define LEVELS	  6
#define NIL	  ((1u << 26) - 1)
#define MAX_NODES ((size_t)1 << 22)

struct entry {
	uint32_t skip : 6; /* levels down; 0: @ptr is a section */
	uint32_t ptr : 26;
};

struct node {
	struct entry way[WAYS];
};

struct pagemap {
	struct entry root;
	struct node *node;	  /* reserved, used up to nr_nodes */
	struct bus_item *item;	  /* sections; the first is that of nothing */
	uint32_t **refined;	  /* by section: of a page that is shared */
	struct bus_range **range; /* those that are in it */
	uint32_t nr, room, nr_nodes, sections, max_sections;
};

static void destroy(void *s)
{
	struct pagemap *m = s;

	for (uint32_t i = 0; m->refined && i < m->sections; i++)
		free(m->refined[i]);
	if (m->node)
		munmap(m->node, MAX_NODES * sizeof(*m->node));
	bus_memory_put(m->item);
	bus_memory_put(m->refined);
	bus_memory_put(m->range);
	free(m);
}

static void *create(const struct bus_set *set)
{
	struct pagemap *m = calloc(1, sizeof(*m));
	void *nodes;

	if (!m)
		return NULL;
	m->room = set->n;
	/* A range has at most two pages that it shares. */
	m->max_sections = 3 * set->n + 1;
	m->item = bus_memory_get(m->max_sections * sizeof(*m->item));
	m->refined = bus_memory_get(m->max_sections * sizeof(uint32_t *));
	m->range = bus_memory_get(m->room * sizeof(struct bus_range *));
	nodes = mmap(NULL, MAX_NODES * sizeof(*m->node), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	m->node = nodes == MAP_FAILED ? NULL : nodes;
	if (!m->item || !m->refined || !m->range || !m->node) {
		destroy(m);
		return NULL;
	}
	madvise(m->node, MAX_NODES * sizeof(*m->node), MADV_HUGEPAGE);
	m->sections = 1;
	m->root = (struct entry){ 1, NIL };
	return m;
}

static inline bool lookup(const void *s, uint64_t addr, unsigned int size,
			  struct bus_answer *a)
{
	const struct pagemap *m = s;
	struct entry e = m->root;
	uint32_t section;

	for (int level = LEVELS; e.skip;) {
		if (e.ptr == NIL) {
			*a = (struct bus_answer){ NULL };
			return false;
		}
		level -= e.skip;
		e = m->node[e.ptr].way[addr >> (PAGE_BITS + level * WAYS_BITS) &
				       (WAYS - 1)];
	}
	section = e.ptr;
	if (__builtin_expect(m->refined[section] != NULL, 0) &&
	    m->item[section].base == addr >> PAGE_BITS)
		section = m->refined[section][addr & (PAGE - 1)];
	if (!m->item[section].range) {
		*a = (struct bus_answer){ NULL };
		return false;
	}
	return bus_item_answer(&m->item[section], addr, size, a);
}

BUS_LOOPS(lookup)

static uint32_t new_node(struct pagemap *m, int level)
{
	struct node *n = &m->node[m->nr_nodes];

	if (m->nr_nodes == MAX_NODES)
		return NIL;
	for (uint32_t i = 0; i < WAYS; i++)
		n->way[i] = level ? (struct entry){ 1, NIL }
				  : (struct entry){ 0, 0 };
	return m->nr_nodes++;
}

/* Pages @first to @last are @section; @at leads to a node of @level, which
 * begins at page @begin. */
static int set_pages(struct pagemap *m, struct entry *at, int level,
		     uint64_t begin, uint64_t first, uint64_t last,
		     uint32_t section)
{
	uint64_t step = 1ull << (level * WAYS_BITS), lo;
	struct entry *e;
	int err = 0;

	if (at->ptr == NIL) {
		at->ptr = new_node(m, level);
		if (at->ptr == NIL)
			return -ENOMEM;
	}
	for (uint64_t i = first > begin ? (first - begin) / step : 0;
	     i < WAYS && !err; i++) {
		lo = begin + i * step;
		if (lo > last)
			break;
		e = &m->node[at->ptr].way[i];
		if (first <= lo && lo + (step - 1) <= last)
			*e = (struct entry){ 0, section };
		else
			err = set_pages(m, e, level - 1, lo, first, last,
					section);
	}
	return err;
}

static uint32_t section_at(const struct pagemap *m, uint64_t page)
{
	struct entry e = m->root;

	for (int level = LEVELS - 1; e.skip; level--) {
		if (e.ptr == NIL)
			return 0;
		e = m->node[e.ptr]
			    .way[page >> (level * WAYS_BITS) & (WAYS - 1)];
	}
	return e.ptr;
}

/* Of @page @section has the bytes @from to @to. */
static int set_part(struct pagemap *m, uint64_t page, uint32_t from,
		    uint32_t to, uint32_t section)
{
	uint32_t at = section_at(m, page);

	if (!m->refined[at]) {
		at = m->sections;
		m->refined[at] = calloc(PAGE, sizeof(uint32_t));
		if (!m->refined[at])
			return -ENOMEM;
		m->item[at] = (struct bus_item){ .base = page };
		m->sections++;
		if (set_pages(m, &m->root, LEVELS - 1, 0, page, page, at))
			return -ENOMEM;
	}
	for (uint32_t i = from; i <= to; i++)
		m->refined[at][i] = section;
	return 0;
}

static int add(struct pagemap *m, struct bus_range *r)
{
	uint64_t last = r->base + (r->size - 1);
	uint64_t first_page = r->base >> PAGE_BITS;
	uint64_t last_page = last >> PAGE_BITS;
	uint32_t head = r->base & (PAGE - 1), tail = last & (PAGE - 1);
	uint32_t section = m->sections++;
	int err = 0;

	m->item[section] = bus_item_of(r);
	if (first_page == last_page && (head || tail != PAGE - 1))
		return set_part(m, first_page, head, tail, section);
	if (head)
		err = set_part(m, first_page++, head, PAGE - 1, section);
	if (!err && tail != PAGE - 1)
		err = set_part(m, last_page--, 0, tail, section);
	if (!err && first_page <= last_page)
		err = set_pages(m, &m->root, LEVELS - 1, 0, first_page,
				last_page, section);
	return err;
}

static void compact(struct pagemap *m, struct entry *at)
{
	struct node *n = &m->node[at->ptr];
	struct entry *only = NULL;
	unsigned int children = 0;

	for (uint32_t i = 0; i < WAYS; i++) {
		struct entry *e = &n->way[i];

		if (e->skip ? e->ptr == NIL : !e->ptr)
			continue;
		if (e->skip)
			compact(m, e);
		children++;
		only = e;
	}
	/* A section is looked at before it is believed, so that one may stand
	 * for all that is around it. */
	if (children == 1)
		*at = (struct entry){ only->skip ? at->skip + only->skip : 0,
				      only->ptr };
}

static int build_all(struct pagemap *m)
{
	int err = 0;

	for (uint32_t i = 0; i < m->sections; i++) {
		free(m->refined[i]);
		m->refined[i] = NULL;
	}
	m->nr_nodes = 0;
	m->sections = 1;
	m->root = (struct entry){ 1, NIL };
	for (uint32_t i = 0; i < m->nr && !err; i++)
		err = add(m, m->range[i]);
	if (!err && m->nr)
		compact(m, &m->root);
	return err;
}

static int build(void *s, struct bus_range *const *r, uint32_t n)
{
	struct pagemap *m = s;

	memcpy(m->range, r, n * sizeof(struct bus_range *));
	m->nr = n;
	return build_all(m);
}

static int insert(void *s, struct bus_range *r)
{
	struct pagemap *m = s;

	for (uint32_t i = 0; i < m->nr; i++) {
		const struct bus_item item = bus_item_of(m->range[i]);

		if (bus_item_overlaps(&item, r))
			return -EEXIST;
	}
	m->range[m->nr++] = r;
	return build_all(m);
}

static void remove_range(void *s, struct bus_range *r)
{
	struct pagemap *m = s;
	uint32_t i = 0;

	while (m->range[i] != r)
		i++;
	m->range[i] = m->range[--m->nr];
	build_all(m);
}

static size_t memory(const void *s)
{
	const struct pagemap *m = s;
	size_t bytes =
		m->nr_nodes * sizeof(*m->node) + m->sections * sizeof(*m->item);

	for (uint32_t i = 0; i < m->sections; i++)
		bytes += m->refined[i] ? PAGE * sizeof(uint32_t) : 0;
	return bytes;
}

const struct bus_structure bus_pagemap = {
	.name = "pagemap",
	.max = 262144,	   /* GiBs beyond */
	.max_changed = 64, /* the whole map is built at each */
	.create = create,
	.destroy = destroy,
	.build = build,
	.insert = insert,
	.remove = remove_range,
	.memory = memory,
	BUS_LOOPS_NAMED(loop),
};
