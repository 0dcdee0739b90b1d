/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a node cuts evenly, from where its first range begins to where its last
 * ends, into as many lines as memory allows, if that leaves few ranges in lines
 * that have too many.  Otherwise (one range may be much larger than the others
 * together, or they come in crowds) it cuts by steps, into four lines with as
 * many ranges each, whatever their widths.  So no line of a node has all of its
 * ranges, and the tree ends.
 */
#include "transport/bus/index_build.h"

#include "transport/bus/bus.h"

/* More than one entry of so many in lines that have too many is uneven: where
 * ranges are spread at random it is one of ten. */
#define UNEVEN 5

/* How few entries are little work. */
#define LITTLE 640

/* How many may be all of a node with steps. */
#define FEW (BUS_LINE_ENTRIES * BUS_STEPS_LINES)

static void set_cut(struct bus_node *node, uint64_t lo, uint64_t hi,
		    uint32_t nr_lines)
{
	const unsigned __int128 lines = (unsigned __int128)nr_lines << 64;
	/* All of the space is one address less. */
	const uint64_t span = hi - lo < UINT64_MAX ? hi - lo + 1 : UINT64_MAX;

	node->lo = lo;
	node->nr_lines = nr_lines;
	node->scale = nr_lines == 1 ? 0 : (uint64_t)((lines + span - 1) / span);
}

/* How many entries would be in a line that has too many?  One that reaches there
 * from a line before counts for it, too. */
static uint32_t crowded(const struct bus_node *node, const struct bus_entry *e,
			uint32_t n)
{
	uint64_t at = UINT64_MAX;
	uint32_t sum = 0, here = 0;

	for (uint32_t i = 0; i < n; i++) {
		const uint64_t line = bus_node_at(node, e[i].base);

		if (line != at)
			here = i &&
			       bus_node_at(node, bus_entry_last(e[i - 1])) ==
				       line;
		at = line;
		if (++here > BUS_LINE_ENTRIES)
			sum += here == BUS_LINE_ENTRIES + 1 ? here : 1;
	}
	return sum;
}

static uint64_t steps_lines(uint32_t n)
{
	return n > FEW ? BUS_STEPS_LINES : (n + 3) / 4;
}

static void set_steps(struct bus_node *node, const struct bus_entry *e,
		      uint32_t n)
{
	const uint64_t lines = steps_lines(n);

	node->tag =
		BUS_WORD_NODE | BUS_NODE_STEPS | lines << BUS_NODE_LINES_SHIFT;
	node->step[0] = e[n / lines].base - 1;
	node->step[1] = lines > 2 ? e[n * 2 / lines].base - 1 : UINT64_MAX;
	node->last_step = lines > 3 ? e[n * 3 / lines].base - 1 : UINT64_MAX;
}

/* Into about @lines.  By how few more or less it is luck who meets in one: of
 * some widths, where that is little work, the one that crowds least. */
static uint32_t cut_evenly(struct bus_node *node, const struct bus_entry *e,
			   uint32_t n, uint32_t lines)
{
	const uint64_t last = bus_entry_last(e[n - 1]);
	const uint32_t least = n < LITTLE ? lines - lines / 9 : lines;
	struct bus_node other = *node;
	uint32_t best = UINT32_MAX, sum;

	for (; lines >= least && best; lines -= lines / 96 + 1) {
		set_cut(&other, e[0].base, last, lines);
		sum = crowded(&other, e, n);
		if (sum < best) {
			best = sum;
			*node = other;
		}
	}
	return best;
}

bool bus_node_cut(struct bus_node *node, const struct bus_entry *e, uint32_t n,
		  uint32_t lines)
{
	node->tag = BUS_WORD_NODE;
	set_cut(node, 0, UINT64_MAX, 1);
	if (n <= BUS_LINE_ENTRIES)
		return true;
	if (n <= FEW) {
		set_steps(node, e, n);
		return true;
	}
	if (cut_evenly(node, e, n, lines) <= n / UNEVEN)
		return true;
	set_steps(node, e, n);
	return false;
}

static int fill(struct bus_index *ix, union bus_line *l,
		const struct bus_entry *e, uint32_t n)
{
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

/* It has its lines. */
static int fill_lines(struct bus_index *ix, struct bus_node *node,
		      const struct bus_entry *e, uint32_t n)
{
	const uint64_t lines = bus_node_lines(node);
	uint32_t from = 0, to = 0;
	int err;

	node->nr = n;
	node->built = n;
	node->come = 0;
	for (uint64_t i = 0; i < lines; i++) {
		while (to < n && bus_node_at(node, e[to].base) <= i)
			to++;
		err = fill(ix, &node->line[i], e + from, to - from);
		if (err) {
			/* Those before are whole, those behind never were. */
			for (uint64_t k = i; k < lines; k++)
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

int bus_node_fill(struct bus_index *ix, struct bus_node *node,
		  const struct bus_entry *e, uint32_t n)
{
	node->line = bus_lines_get(&ix->lines, (uint32_t)bus_node_lines(node));
	return node->line ? fill_lines(ix, node, e, n) : -ENOMEM;
}

void bus_node_split(struct bus_index *ix, struct bus_node *node,
		    const struct bus_entry e[BUS_SPLIT_ENTRIES])
{
	int err;

	set_steps(node, e, BUS_SPLIT_ENTRIES);
	assert(bus_node_lines(node) == BUS_SPARE_LINES);
	node->line = bus_lines_spare(&ix->lines);
	err = fill_lines(ix, node, e, BUS_SPLIT_ENTRIES);
	assert(!err);
	(void)err;
}

int bus_node_build(struct bus_index *ix, struct bus_node *node,
		   const struct bus_entry *e, uint32_t n)
{
	(void)bus_node_cut(node, e, n, BUS_NODE_LINES(n));
	return bus_node_fill(ix, node, e, n);
}

void bus_node_free(struct bus_index *ix, struct bus_node *n)
{
	const uint64_t lines = bus_node_lines(n);

	for (uint64_t i = 0; i < lines; i++)
		if (bus_line_is_node(&n->line[i]))
			bus_node_free(ix, &n->line[i].node);
	bus_lines_put(&ix->lines, n->line, (uint32_t)lines);
}

uint32_t bus_node_gather(const struct bus_node *n, struct bus_entry *e,
			 uint32_t nr)
{
	const uint64_t lines = bus_node_lines(n);

	for (uint64_t i = 0; i < lines; i++) {
		const union bus_line *l = &n->line[i];
		struct bus_entry here[BUS_LINE_ENTRIES];
		unsigned int k = 0, some;

		if (bus_line_is_node(l)) {
			nr = bus_node_gather(&l->node, e, nr);
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
