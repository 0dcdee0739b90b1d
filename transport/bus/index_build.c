/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: what tells lines apart is where ranges begin, but for the first: so the
 * width is cut from where the second begins to where the last does, and at least
 * two lines of a node differ, which is why a tree ends.  A width that leaves
 * most lines without a range that begins there is too fine for all of them: it
 * is made four times coarser until it fits, and the dense parts get nodes of
 * their own.
 */
#include "transport/bus/index_build.h"

#include "transport/bus/bus.h"

/* One line of so many must be the beginning of a range. */
#define SPARSE 4

static uint64_t scale_of(uint64_t span, uint32_t nr_lines)
{
	const unsigned __int128 lines = (unsigned __int128)nr_lines << 64;

	return nr_lines == 1 ? 0 : (uint64_t)((lines + span - 1) / span);
}

static uint32_t lines_begun(const struct bus_node *node,
			    const struct bus_entry *e, uint32_t n)
{
	uint32_t begun = 0, at = UINT32_MAX;

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t here = bus_node_at(node, e[i].base);

		begun += here != at;
		at = here;
	}
	return begun;
}

/* Lines of what width for the @n entries?  More than one if there are more than
 * a line's. */
static void cut(struct bus_node *node, const struct bus_entry *e, uint32_t n)
{
	uint64_t span;

	node->nr_lines = 1;
	node->scale = 0;
	node->lo = 0;
	if (n <= BUS_LINE_ENTRIES)
		return;
	node->lo = e[1].base;
	span = e[n - 1].base - node->lo + 1;
	node->nr_lines = BUS_NODE_LINES(n);
	for (;;) {
		node->scale = scale_of(span, node->nr_lines);
		if (node->nr_lines == 2 ||
		    lines_begun(node, e, n) >= node->nr_lines / SPARSE)
			return;
		node->nr_lines = node->nr_lines > 8 ? node->nr_lines / 4 : 2;
	}
}

static int fill(struct bus_index *ix, struct bus_node *node, uint32_t i,
		const struct bus_entry *e, uint32_t n)
{
	union bus_line *l = &node->line[i];
	struct bus_node below;
	int err;

	if (n <= BUS_LINE_ENTRIES) {
		bus_line_set(l, e, n);
		return 0;
	}
	err = bus_node_build(ix, &below, e, n);
	if (!err)
		l->node = below;
	return err;
}

int bus_node_build(struct bus_index *ix, struct bus_node *node,
		   const struct bus_entry *e, uint32_t n)
{
	uint32_t from = 0, to = 0;
	int err = 0;

	*node = (struct bus_node){ .tag = BUS_WORD_NODE, .nr = n, .built = n };
	cut(node, e, n);
	node->line = bus_lines_get(&ix->lines, node->nr_lines);
	if (!node->line)
		return -ENOMEM;
	for (uint32_t i = 0; i < node->nr_lines; i++) {
		while (to < n && bus_node_at(node, e[to].base) <= i)
			to++;
		err = fill(ix, node, i, e + from, to - from);
		if (err) {
			/* Those before are whole, those behind never were. */
			for (uint32_t k = i; k < node->nr_lines; k++)
				bus_line_set(&node->line[k], NULL, 0);
			bus_node_free(ix, node);
			return err;
		}
		/* The last may reach into the next line. */
		from = to;
		if (to && bus_node_at(node, bus_entry_last(e[to - 1])) > i)
			from--;
	}
	return 0;
}

void bus_node_free(struct bus_index *ix, struct bus_node *n)
{
	for (uint32_t i = 0; i < n->nr_lines; i++)
		if (bus_line_is_node(&n->line[i]))
			bus_node_free(ix, &n->line[i].node);
	bus_lines_put(&ix->lines, n->line, n->nr_lines);
}

static uint32_t gather(const struct bus_node *n, struct bus_entry *e,
		       uint32_t nr)
{
	for (uint32_t i = 0; i < n->nr_lines; i++) {
		const union bus_line *l = &n->line[i];
		struct bus_entry here[BUS_LINE_ENTRIES];
		unsigned int k = 0, some;

		if (bus_line_is_node(l)) {
			nr = gather(&l->node, e, nr);
			continue;
		}
		some = bus_line_get(l, here);
		/* What reaches here from the line before is there already. */
		if (some && nr && e[nr - 1].word == here[0].word)
			k = 1;
		for (; k < some; k++)
			e[nr++] = here[k];
	}
	return nr;
}

void bus_node_gather(const struct bus_node *n, struct bus_entry *e)
{
	const uint32_t nr = gather(n, e, 0);

	assert(nr == n->nr);
	(void)nr;
}
