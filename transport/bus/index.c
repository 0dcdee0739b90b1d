/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a range is put into every line that it touches, from the root down, and
 * taken out of them likewise.  A line that gets a fifth entry becomes a node for
 * these five.  That can happen only in the line where a range begins and the one
 * where it ends, since those between touch nothing else: so two spares let an
 * insertion be certain before it starts.  Nodes that have outgrown what they
 * were built for are built anew on the way back up; if there is no memory for
 * that, they are just slower.
 */
#include "transport/bus/index.h"

#include <stdlib.h>

#include "transport/bus/bus.h"
#include "transport/bus/index_build.h"

/* Before the first range comes; never written. */
static union bus_line nothing = {
	.word = { BUS_WORD_NONE, BUS_WORD_NONE, BUS_WORD_NONE, BUS_WORD_NONE },
};

void bus_index_init(struct bus_index *ix)
{
	*ix = (struct bus_index){
		.root[0] = { .tag = BUS_WORD_NODE,
			     .line = &nothing,
			     .nr_lines = 1 },
		.nr_roots = 1,
	};
}

void bus_index_fini(struct bus_index *ix)
{
	if (ix->root[0].line != &nothing)
		bus_roots_free(ix);
	bus_lines_fini(&ix->lines);
	bus_index_init(ix);
}

/* ---- A line of entries ---------------------------------------------------- */

void bus_line_set(union bus_line *l, const struct bus_entry *e, unsigned int n)
{
	for (unsigned int i = 0; i < BUS_LINE_ENTRIES; i++) {
		const unsigned int from = i < n ? i : n - 1;

		l->base[i] = n ? e[from].base : UINT64_MAX;
		l->word[i] = n ? e[from].word : BUS_WORD_NONE;
	}
}

unsigned int bus_line_get(const union bus_line *l, struct bus_entry *e)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < BUS_LINE_ENTRIES; i++) {
		if (l->word[i] == BUS_WORD_NONE ||
		    (n && l->word[i] == e[n - 1].word))
			break;
		e[n++] = (struct bus_entry){ l->base[i], l->word[i] };
	}
	return n;
}

/* What line_add() makes of a full line cannot fail: see the reserve. */
static void line_add(struct bus_index *ix, union bus_line *l,
		     struct bus_entry e)
{
	struct bus_entry all[BUS_SPLIT_ENTRIES];
	unsigned int n = bus_line_get(l, all), i = n;
	struct bus_node node;

	for (; i && all[i - 1].base > e.base; i--)
		all[i] = all[i - 1];
	all[i] = e;
	if (++n <= BUS_LINE_ENTRIES) {
		bus_line_set(l, all, n);
		return;
	}
	bus_node_split(ix, &node, all);
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

/* @n built anew, as root @root if that is not negative. */
static void rebuild(struct bus_index *ix, struct bus_node *n, int root)
{
	struct bus_node anew;
	struct bus_entry few[64], *e = few;
	int err;

	if (n->nr > ARRAY_SIZE(few))
		e = malloc(n->nr * sizeof(*e));
	if (!e)
		return;
	bus_node_gather(n, e, 0);
	err = root < 0
		      ? bus_node_build(ix, &anew, e, n->nr)
		      : bus_root_build(ix, (unsigned int)root, &anew, e, n->nr);
	if (!err) {
		bus_node_free(ix, n);
		*n = anew;
	}
	if (e != few)
		free(e);
}

static bool outgrows(uint64_t nr, uint64_t come, uint64_t built)
{
	return nr > built + built / 2 + BUS_LINE_ENTRIES ||
	       come > 2 * built + 64;
}

static bool outgrown(const struct bus_node *n)
{
	return outgrows(n->nr, n->come, n->built);
}

static bool deserted(const struct bus_node *n)
{
	return n->nr < n->built / 4;
}

/* Built for as many as there are, so that a failure is not repeated at once. */
static void mend(struct bus_index *ix, struct bus_node *n, int root)
{
	n->built = n->nr;
	n->come = 0;
	rebuild(ix, n, root);
}

static void put(struct bus_index *ix, struct bus_node *n, struct bus_entry e,
		uint64_t last)
{
	const uint64_t to = bus_node_at(n, last);

	n->nr++;
	n->come++;
	for (uint64_t i = bus_node_at(n, e.base); i <= to; i++) {
		union bus_line *l = &n->line[i];

		if (!bus_line_is_node(l)) {
			line_add(ix, l, e);
			continue;
		}
		put(ix, &l->node, e, last);
		if (outgrown(&l->node))
			mend(ix, &l->node, -1);
	}
}

/* A node that a line of entries can replace; one less, lest the next that
 * comes makes it a node again. */
static void collapse(struct bus_index *ix, union bus_line *l)
{
	struct bus_entry few[BUS_LINE_ENTRIES];
	const unsigned int nr = l->node.nr;

	bus_node_gather(&l->node, few, 0);
	bus_node_free(ix, &l->node);
	bus_line_set(l, few, nr);
}

static void take(struct bus_index *ix, struct bus_node *n, struct bus_entry e,
		 uint64_t last)
{
	const uint64_t to = bus_node_at(n, last);

	n->nr--;
	for (uint64_t i = bus_node_at(n, e.base); i <= to; i++) {
		union bus_line *l = &n->line[i];

		if (!bus_line_is_node(l)) {
			line_del(l, e);
			continue;
		}
		take(ix, &l->node, e, last);
		if (l->node.nr < BUS_LINE_ENTRIES)
			collapse(ix, l);
		else if (deserted(&l->node))
			mend(ix, &l->node, -1);
	}
}

/* ---- Roots ------------------------------------------------------------------ */

static unsigned int root_at(const struct bus_index *ix, uint64_t addr)
{
	unsigned int i = ix->nr_roots - 1;

	while (i && addr < ix->piece[i].begins)
		i--;
	return i;
}

static void mend_root(struct bus_index *ix, unsigned int i)
{
	mend(ix, &ix->root[i], (int)i);
	bus_pieces_set(ix);
}

static void mend_all(struct bus_index *ix)
{
	struct bus_entry *e = malloc((ix->nr + 1) * sizeof(*e));

	ix->built = ix->nr;
	ix->come = 0;
	if (!e)
		return;
	bus_index_gather(ix, e);
	(void)bus_index_build(ix, e, ix->nr);
	free(e);
}

/* ---- Calls ------------------------------------------------------------------ */

int bus_index_reserve(struct bus_index *ix)
{
	const struct bus_entry none = { 0 };

	if (ix->root[0].line == &nothing)
		return bus_index_build(ix, &none, 0);
	return bus_lines_reserve(&ix->lines);
}

/* Is no line to be split, so that no memory is needed? */
static bool has_room(const struct bus_index *ix, uint64_t addr)
{
	struct bus_entry e[BUS_LINE_ENTRIES];

	return ix->root[0].line != &nothing &&
	       bus_line_get(bus_index_line(ix, addr), e) < BUS_LINE_ENTRIES;
}

int bus_index_insert(struct bus_index *ix, struct bus_entry e, uint64_t last)
{
	int err = bus_index_reserve(ix);
	unsigned int from, to;

	if (err && !(has_room(ix, e.base) && has_room(ix, last)))
		return err;
	from = root_at(ix, e.base);
	to = root_at(ix, last);
	for (unsigned int i = from; i <= to; i++)
		put(ix, &ix->root[i], e, last);
	ix->nr++;
	ix->come++;
	if (outgrows(ix->nr, ix->come, ix->built)) {
		mend_all(ix);
		return 0;
	}
	for (unsigned int i = from; i <= to; i++)
		if (outgrown(&ix->root[i]))
			mend_root(ix, i);
	return 0;
}

void bus_index_remove(struct bus_index *ix, struct bus_entry e, uint64_t last)
{
	const unsigned int from = root_at(ix, e.base), to = root_at(ix, last);

	for (unsigned int i = from; i <= to; i++)
		take(ix, &ix->root[i], e, last);
	ix->nr--;
	if (ix->nr < ix->built / 4) {
		mend_all(ix);
		return;
	}
	for (unsigned int i = from; i <= to; i++)
		if (deserted(&ix->root[i]))
			mend_root(ix, i);
}

/* In slabs of its own, so that those of the old one go, and with spares, for
 * this may happen between a reserve and its use. */
int bus_index_build(struct bus_index *ix, const struct bus_entry *e, uint32_t n)
{
	struct bus_index anew = { 0 };
	int err = bus_roots_build(&anew, e, n);

	if (!err)
		err = bus_lines_reserve(&anew.lines);
	if (err) {
		bus_roots_free(&anew);
		bus_lines_fini(&anew.lines);
		return err;
	}
	bus_index_fini(ix);
	*ix = anew;
	return 0;
}

void bus_index_gather(const struct bus_index *ix, struct bus_entry *e)
{
	uint32_t nr = 0;

	for (unsigned int i = 0; i < ix->nr_roots; i++)
		nr = bus_node_gather(&ix->root[i], e, nr);
	assert(nr == ix->nr);
	(void)nr;
}

/* The same, below @n.  Entries are in order, so what begins behind @last ends
 * the search. */
static bool seek(const struct bus_node *n, uint64_t addr, uint64_t last,
		 const struct bus_range *except, struct bus_entry *out)
{
	const uint64_t to = bus_node_at(n, last);

	for (uint64_t i = bus_node_at(n, addr); i <= to; i++) {
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
	const unsigned int to = root_at(ix, last);

	for (unsigned int i = root_at(ix, addr); i <= to; i++)
		if (seek(&ix->root[i], addr, last, except, out))
			return true;
	return false;
}
