/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the nodes are the queue of the walk: those before the cursor have had
 * their edges taken, those behind it wait.  A stage knows its place by its
 * scratch word, which is believed only if the node there names the stage; so
 * looking one up costs the same in any graph, and nothing is cleared before or
 * after.
 */
#include "irq/graph.h"

#include <stdlib.h>

#define ROOM_AT_FIRST 16

void irq_graph_init(struct irq_graph *g)
{
	*g = (struct irq_graph){ 0 };
}

void irq_graph_fini(struct irq_graph *g)
{
	free(g->node);
	free(g->edge);
	irq_graph_init(g);
}

/* Make room in *@array for one more of @size bytes than @nr. */
static int grow(void **array, uint32_t *room, uint32_t nr, uint32_t max,
		size_t size)
{
	uint32_t more = *room ? 2 * *room : ROOM_AT_FIRST;
	void *bigger;

	if (nr >= max)
		return -ENOSPC;
	if (nr < *room)
		return 0;
	bigger = realloc(*array, more * size);
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	*room = more;
	return 0;
}

static bool is_there(const struct irq_graph *g, const struct irq_stage *s)
{
	return s->mark < g->nr_nodes && g->node[s->mark].stage == s;
}

static int add_node(struct irq_graph *g, struct irq_stage *s)
{
	void *array = g->node;
	int err = grow(&array, &g->room_nodes, g->nr_nodes, IRQ_GRAPH_MAX,
		       sizeof(*g->node));
	struct irq_graph_node *n;

	g->node = array;
	if (err)
		return err;
	n = &g->node[g->nr_nodes];
	*n = (struct irq_graph_node){
		.stage = s,
		.kind = s->ops->kind,
		.view.level = -1,
	};
	if (s->ops->view)
		s->ops->view(s, &n->view);
	else
		n->view.count = s->count;
	n->view.name[IRQ_NAME_MAX - 1] = 0;
	s->mark = g->nr_nodes++;
	return 0;
}

static int add_edge(struct irq_graph *g, uint32_t from, struct irq_edge e)
{
	void *array = g->edge;
	int err = is_there(g, e.to) ? 0 : add_node(g, e.to);

	if (err)
		return err;
	err = grow(&array, &g->room_edges, g->nr_edges, IRQ_GRAPH_EDGES_MAX,
		   sizeof(*g->edge));
	g->edge = array;
	if (err)
		return err;
	g->edge[g->nr_edges++] = (struct irq_graph_edge){
		.from = from,
		.to = e.to->mark,
		.pin = e.pin,
	};
	return 0;
}

static int add_edges(struct irq_graph *g, uint32_t from)
{
	const struct irq_stage *s = g->node[from].stage;
	struct irq_edge e;
	int err = 0;

	if (!s->ops->edge)
		return 0;
	for (unsigned int i = 0; !err && s->ops->edge(s, i, &e); i++)
		err = add_edge(g, from, e);
	return err;
}

int irq_graph_add(struct irq_graph *g, struct irq_stage *from)
{
	uint32_t cursor = g->nr_nodes;
	int err = is_there(g, from) ? 0 : add_node(g, from);

	while (!err && cursor < g->nr_nodes)
		err = add_edges(g, cursor++);
	return err;
}
