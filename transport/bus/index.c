/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a range is put into every line that it touches, from the root down, and
 * taken out of them likewise.  A line that gets a fifth entry becomes a node for
 * these five; it takes SPLIT_LINES lines, and that can happen only in the line
 * where a range begins and the one where it ends, since those between touch
 * nothing else.  So a reserve for two of them lets an insertion be certain
 * before it starts.  Nodes that have outgrown what they were built for are
 * built anew on the way back up; if there is no memory for that, they are just
 * slower.
 */
#include "transport/bus/index.h"

#include <stdlib.h>

#include "transport/bus/bus.h"
#include "transport/bus/index_build.h"

#define SPLIT_ENTRIES (BUS_LINE_ENTRIES + 1)
#define SPLIT_LINES   BUS_NODE_LINES(SPLIT_ENTRIES)

/* Before the first range comes; never written. */
static union bus_line nothing;

void bus_index_init(struct bus_index *ix)
{
	*ix = (struct bus_index){
		.root = { .line = &nothing, .nr_lines = 1 },
	};
}

void bus_index_fini(struct bus_index *ix)
{
	if (ix->root.line != &nothing)
		bus_node_free(ix, &ix->root);
	bus_lines_fini(&ix->lines);
	bus_index_init(ix);
}

/* ---- A line of entries ---------------------------------------------------- */

void bus_line_set(union bus_line *l, const struct bus_entry *e, unsigned int n)
{
	for (unsigned int i = 0; i < BUS_LINE_ENTRIES; i++) {
		const unsigned int from = i < n ? i : n - 1;

		l->base[i] = n ? e[from].base : UINT64_MAX;
		l->word[i] = n ? e[from].word : 0;
	}
}

unsigned int bus_line_get(const union bus_line *l, struct bus_entry *e)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < BUS_LINE_ENTRIES; i++) {
		if (!l->word[i] || (n && l->word[i] == e[n - 1].word))
			break;
		e[n++] = (struct bus_entry){ l->base[i], l->word[i] };
	}
	return n;
}

/* What line_add() makes of a full line cannot fail: see the reserve. */
static void line_add(struct bus_index *ix, union bus_line *l,
		     struct bus_entry e)
{
	struct bus_entry all[SPLIT_ENTRIES];
	unsigned int n = bus_line_get(l, all), i = n;
	struct bus_node node;
	int err;

	for (; i && all[i - 1].base > e.base; i--)
		all[i] = all[i - 1];
	all[i] = e;
	if (++n <= BUS_LINE_ENTRIES) {
		bus_line_set(l, all, n);
		return;
	}
	err = bus_node_build(ix, &node, all, n);
	assert(!err);
	(void)err;
	l->node = node;
}

static void line_del(union bus_line *l, struct bus_entry e)
{
	struct bus_entry all[BUS_LINE_ENTRIES];
	unsigned int n = bus_line_get(l, all), i = 0;

	while (i < n && all[i].word != e.word)
		i++;
	assert(i < n);
	for (n--; i < n; i++)
		all[i] = all[i + 1];
	bus_line_set(l, all, n);
}

/* ---- Nodes ----------------------------------------------------------------- */

static void rebuild(struct bus_index *ix, struct bus_node *n)
{
	struct bus_node anew;
	struct bus_entry few[64], *e = few;

	if (n->nr > ARRAY_SIZE(few))
		e = malloc(n->nr * sizeof(*e));
	if (!e)
		return;
	bus_node_gather(n, e);
	if (!bus_node_build(ix, &anew, e, n->nr)) {
		bus_node_free(ix, n);
		*n = anew;
	}
	if (e != few)
		free(e);
}

static bool outgrown(const struct bus_node *n)
{
	return n->nr > n->built + n->built / 2 + BUS_LINE_ENTRIES ||
	       n->come > 2 * (uint64_t)n->built + 64;
}

static bool deserted(const struct bus_node *n)
{
	return n->nr < n->built / 4;
}

/* Built for as many as there are, so that a failure is not repeated at once. */
static void mend(struct bus_index *ix, struct bus_node *n)
{
	n->built = n->nr;
	n->come = 0;
	rebuild(ix, n);
}

static void put(struct bus_index *ix, struct bus_node *n, struct bus_entry e,
		uint64_t last)
{
	const uint32_t to = bus_node_at(n, last);

	n->nr++;
	n->come++;
	for (uint32_t i = bus_node_at(n, e.base); i <= to; i++) {
		union bus_line *l = &n->line[i];

		if (!bus_line_is_node(l)) {
			line_add(ix, l, e);
			continue;
		}
		put(ix, &l->node, e, last);
		if (outgrown(&l->node))
			mend(ix, &l->node);
	}
}

/* A node that a line of entries can replace; one less, lest the next that
 * comes makes it a node again. */
static void collapse(struct bus_index *ix, union bus_line *l)
{
	struct bus_entry few[BUS_LINE_ENTRIES];
	const unsigned int nr = l->node.nr;

	bus_node_gather(&l->node, few);
	bus_node_free(ix, &l->node);
	bus_line_set(l, few, nr);
}

static void take(struct bus_index *ix, struct bus_node *n, struct bus_entry e,
		 uint64_t last)
{
	const uint32_t to = bus_node_at(n, last);

	n->nr--;
	for (uint32_t i = bus_node_at(n, e.base); i <= to; i++) {
		union bus_line *l = &n->line[i];

		if (!bus_line_is_node(l)) {
			line_del(l, e);
			continue;
		}
		take(ix, &l->node, e, last);
		if (l->node.nr < BUS_LINE_ENTRIES)
			collapse(ix, l);
		else if (deserted(&l->node))
			mend(ix, &l->node);
	}
}

/* ---- Calls ------------------------------------------------------------------ */

int bus_index_reserve(struct bus_index *ix)
{
	int err = bus_lines_reserve(&ix->lines, 2 * SPLIT_LINES + 1);
	const struct bus_entry none = { 0 };

	if (!err && ix->root.line == &nothing)
		err = bus_index_build(ix, &none, 0);
	return err;
}

int bus_index_insert(struct bus_index *ix, struct bus_entry e, uint64_t last)
{
	int err = bus_index_reserve(ix);

	if (err)
		return err;
	put(ix, &ix->root, e, last);
	if (outgrown(&ix->root))
		mend(ix, &ix->root);
	return 0;
}

void bus_index_remove(struct bus_index *ix, struct bus_entry e, uint64_t last)
{
	take(ix, &ix->root, e, last);
	if (deserted(&ix->root))
		mend(ix, &ix->root);
}

int bus_index_build(struct bus_index *ix, const struct bus_entry *e, uint32_t n)
{
	struct bus_node anew;
	int err = bus_node_build(ix, &anew, e, n);

	if (err)
		return err;
	if (ix->root.line != &nothing)
		bus_node_free(ix, &ix->root);
	ix->root = anew;
	return 0;
}

void bus_index_gather(const struct bus_index *ix, struct bus_entry *e)
{
	bus_node_gather(&ix->root, e);
}

/* The same, below @n.  Entries are in order, so what begins behind @last ends
 * the search. */
static bool seek(const struct bus_node *n, uint64_t addr, uint64_t last,
		 const struct bus_range *except, struct bus_entry *out)
{
	const uint32_t to = bus_node_at(n, last);

	for (uint32_t i = bus_node_at(n, addr); i <= to; i++) {
		const union bus_line *l = &n->line[i];
		struct bus_entry e[BUS_LINE_ENTRIES];
		unsigned int nr;

		if (bus_line_is_node(l)) {
			if (seek(&l->node, addr, last, except, out))
				return true;
			continue;
		}
		nr = bus_line_get(l, e);
		for (unsigned int k = 0; k < nr; k++) {
			if (e[k].base > last)
				return false;
			if (bus_entry_last(e[k]) < addr ||
			    bus_entry_range(e[k]) == except)
				continue;
			*out = e[k];
			return true;
		}
	}
	return false;
}

bool bus_index_seek(const struct bus_index *ix, uint64_t addr, uint64_t last,
		    const struct bus_range *except, struct bus_entry *out)
{
	return seek(&ix->root, addr, last, except, out);
}
