/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the text is a walk from the stages that no other leads to, each shown
 * once; what is on no way from those (a ring of stages) is walked last.
 */
#include "apps/ctl/cascade.h"

#include <stdlib.h>
#include <string.h>

#include "apps/ctl/table.h"
#include "ring/base.h"

/* Of the walk; real cascades have a tenth of it. */
#define MAX_DEPTH 100
#define LABEL_MAX 160

struct stage {
	const json_t *node;
	unsigned int in;     /* edges that lead here */
	unsigned int number; /* for those that refer to it; 0: nobody */
	bool shown;
	unsigned int looked; /* the last look at it, by is_idle() */
};

struct cascade {
	const json_t *edges;
	struct stage *stage; /* owned */
	size_t nr;
	unsigned int numbers; /* given out */
	unsigned int looks;   /* so many, by is_idle() */
	struct ctl_table table;
};

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static bool is_high(const json_t *node)
{
	return number(node, "level") > 0;
}

/* False if an edge leads from or to nowhere. */
static bool edge_ends(const struct cascade *c, const json_t *e, size_t *from,
		      size_t *to)
{
	*from = (size_t)number(e, "from");
	*to = (size_t)number(e, "to");
	return *from < c->nr && *to < c->nr;
}

static bool cascade_init(struct cascade *c, const json_t *graph)
{
	const json_t *nodes = json_object_get(graph, "nodes");
	size_t i, from, to;
	json_t *e;

	*c = (struct cascade){
		.edges = json_object_get(graph, "edges"),
		.nr = json_array_size(nodes),
	};
	c->stage = calloc(c->nr + 1, sizeof(*c->stage));
	if (!c->stage)
		return false;
	for (i = 0; i < c->nr; i++)
		c->stage[i].node = json_array_get(nodes, i);
	json_array_foreach(c->edges, i, e)
	{
		if (edge_ends(c, e, &from, &to))
			c->stage[to].in++;
	}
	return true;
}

/* "eventfd GSI 17 (bound, busy)" */
static const char *put_label(char label[LABEL_MAX], const json_t *node,
			     bool with_state)
{
	const char *name = text(node, "name"), *state = text(node, "state");

	with_state = with_state && state[0];
	snprintf(label, LABEL_MAX, "%s%s%s%s%s%s", text(node, "kind"),
		 name[0] ? " " : "", name, with_state ? " (" : "",
		 with_state ? state : "", with_state ? ")" : "");
	return label;
}

/* ---- Text ------------------------------------------------------------------ */

static const char *const counters[] = { "fired", "latched", "masked",
					"coalesced", "dropped" };

/* A zero is no news. */
static void add_count(struct ctl_table *t, json_int_t n)
{
	if (n)
		ctl_table_add(t, "%" JSON_INTEGER_FORMAT, n);
	else
		ctl_table_add(t, ".");
}

static void add_cells(struct ctl_table *t, const json_t *node)
{
	const json_t *level = json_object_get(node, "level");

	ctl_table_add(t, "%s",
		      !json_is_integer(level) ? "."
		      : is_high(node)	      ? "high"
					      : "low");
	add_count(t, number(node, "pending"));
	for (unsigned int i = 0; i < ARRAY_SIZE(counters); i++)
		add_count(t, number(node, counters[i]));
}

/* "    pin 16: ioapic [1]", with what shows how it was reached. */
static void add_name(struct cascade *c, struct stage *s, const json_t *pin,
		     unsigned int depth)
{
	char label[LABEL_MAX];
	char at[40] = "", reference[40] = "";

	if (json_is_integer(pin))
		snprintf(at, sizeof(at), "pin %" JSON_INTEGER_FORMAT ": ",
			 json_integer_value(pin));
	/* One that is led to, and where a walk begins, is met again. */
	if (s->in > (depth > 0) && !s->number)
		s->number = ++c->numbers;
	if (s->number)
		snprintf(reference, sizeof(reference), " [%u]%s", s->number,
			 s->shown ? " above" : "");
	ctl_table_add(&c->table, "%*s%s%s%s", (int)(2 * depth), "", at,
		      put_label(label, s->node, !s->shown), reference);
}

static void show(struct cascade *c, size_t i, const json_t *pin,
		 unsigned int depth)
{
	struct stage *s = &c->stage[i];
	size_t k, from, to;
	json_t *e;

	add_name(c, s, pin, depth);
	if (s->shown) {
		for (unsigned int n = 1; n < c->table.columns; n++)
			ctl_table_add(&c->table, "%s", "");
		return;
	}
	s->shown = true;
	add_cells(&c->table, s->node);
	json_array_foreach(c->edges, k, e)
	{
		if (depth < MAX_DEPTH && edge_ends(c, e, &from, &to) &&
		    from == i)
			show(c, to, json_object_get(e, "pin"), depth + 1);
	}
}

/* Nothing has ever happened at a stage, nor anywhere that it leads to.  Each is
 * looked at once, however many ways lead there. */
static bool is_idle(const struct cascade *c, size_t i)
{
	const json_t *node = c->stage[i].node;
	size_t k, from, to;
	json_t *e;

	if (c->stage[i].looked == c->looks)
		return true;
	c->stage[i].looked = c->looks;
	if (is_high(node) || number(node, "pending"))
		return false;
	for (unsigned int n = 0; n < ARRAY_SIZE(counters); n++)
		if (number(node, counters[n]))
			return false;
	json_array_foreach(c->edges, k, e)
	{
		if (edge_ends(c, e, &from, &to) && from == i && !is_idle(c, to))
			return false;
	}
	return true;
}

/* A line or a sink that no device leads to is shown only if it has something
 * to say; a device always is. */
static bool left_out(struct cascade *c, size_t i)
{
	c->looks++;
	return strncmp(text(c->stage[i].node, "kind"), "virtio", 6) != 0 &&
	       is_idle(c, i);
}

static void show_kept(const struct cascade *c, FILE *out)
{
	const json_t *node;
	char label[LABEL_MAX];
	bool none = true;

	for (size_t i = 0; i < c->nr; i++) {
		node = c->stage[i].node;
		if (number(node, "pending") <= 0)
			continue;
		fprintf(out, "%s%" JSON_INTEGER_FORMAT " kept at %s",
			none ? "\n" : ", ", number(node, "pending"),
			put_label(label, node, false));
		none = false;
	}
	fputs(none ? "" : "\n", out);
}

void ctl_cascade_text(const json_t *graph, FILE *out)
{
	static const char *const heading[] = { "STAGE",	    "LEVEL",
					       "PENDING",   "FIRED",
					       "LATCHED",   "MASKED",
					       "COALESCED", "DROPPED" };
	unsigned int idle = 0;
	struct cascade c;

	if (!cascade_init(&c, graph))
		return;
	ctl_table_init(&c.table, ARRAY_SIZE(heading), heading);
	for (size_t i = 0; i < c.nr; i++) {
		if (c.stage[i].in)
			continue;
		if (left_out(&c, i))
			idle++;
		else
			show(&c, i, NULL, 0);
	}
	for (size_t i = 0; i < c.nr; i++)
		if (!c.stage[i].shown && !left_out(&c, i))
			show(&c, i, NULL, 0);
	ctl_table_print(&c.table, "", out);
	if (idle)
		fprintf(out,
			"\n%u idle lines and sinks that no device leads to "
			"are left out (--json has them)\n",
			idle);
	show_kept(&c, out);
	free(c.stage);
}

/* ---- Graphviz --------------------------------------------------------------- */

/* Inside a quoted string of the language. */
static void put_escaped(const char *s, FILE *out)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putc('\\', out);
		putc((unsigned char)*s < ' ' || *s == 0x7f ? ' ' : *s, out);
	}
}

static const char *colour(const json_t *node)
{
	if (number(node, "pending") > 0)
		return ", style=filled, fillcolor=\"#f4b6b6\"";
	if (is_high(node))
		return ", style=filled, fillcolor=\"#f9e2a0\"";
	return "";
}

static void put_node(size_t i, const json_t *node, FILE *out)
{
	char label[LABEL_MAX];
	json_int_t n;

	fprintf(out, "\tn%zu [label=\"", i);
	put_escaped(put_label(label, node, true), out);
	if (is_high(node))
		fputs("\\nhigh", out);
	n = number(node, "pending");
	if (n)
		fprintf(out, "\\npending %" JSON_INTEGER_FORMAT, n);
	for (unsigned int k = 0; k < ARRAY_SIZE(counters); k++) {
		n = number(node, counters[k]);
		if (n)
			fprintf(out, "\\n%s %" JSON_INTEGER_FORMAT, counters[k],
				n);
	}
	fprintf(out, "\"%s];\n", colour(node));
}

void ctl_cascade_dot(const json_t *graph, FILE *out)
{
	const json_t *pin;
	struct cascade c;
	size_t i, from, to;
	json_t *e;

	if (!cascade_init(&c, graph))
		return;
	fputs("digraph \"", out);
	put_escaped(text(graph, "machine"), out);
	fputs("\" {\n\trankdir=LR;\n\tnode [shape=box];\n", out);
	for (i = 0; i < c.nr; i++)
		put_node(i, c.stage[i].node, out);
	json_array_foreach(c.edges, i, e)
	{
		if (!edge_ends(&c, e, &from, &to))
			continue;
		fprintf(out, "\tn%zu -> n%zu", from, to);
		pin = json_object_get(e, "pin");
		if (json_is_integer(pin))
			fprintf(out, " [label=\"%" JSON_INTEGER_FORMAT "\"]",
				json_integer_value(pin));
		fputs(";\n", out);
	}
	fputs("}\n", out);
	free(c.stage);
}
