/* SPDX-License-Identifier: BSD-3-Clause */
/* How: the loop copies the graph, which is put into words afterwards. */
#include "apps/pciringd/cascade.h"

#include "irq/graph.h"

struct walk {
	struct machine *machine;
	struct irq_graph graph;
	int err;
};

static void walk(void *arg)
{
	struct walk *w = arg;

	w->err = machine_graph(w->machine, &w->graph);
}

static json_t *node_json(uint32_t id, const struct irq_graph_node *n)
{
	const struct irq_view *v = &n->view;
	const struct irq_counts *c = &v->count;
	json_t *level = v->level < 0 ? json_null() : json_integer(v->level);

	return json_pack(
		"{sI ss ss ss so sI sI sI sI sI sI}", "id", (json_int_t)id,
		"kind", n->kind, "name", v->name, "state", v->state, "level",
		level, "pending", (json_int_t)v->pending, "fired",
		(json_int_t)c->fired, "latched", (json_int_t)c->latched,
		"masked", (json_int_t)c->masked, "coalesced",
		(json_int_t)c->coalesced, "dropped", (json_int_t)c->dropped);
}

static json_t *edge_json(const struct irq_graph_edge *e)
{
	json_t *o = json_pack("{sI sI}", "from", (json_int_t)e->from, "to",
			      (json_int_t)e->to);

	if (e->pin != IRQ_NO_PIN)
		json_object_set_new(o, "pin", json_integer(e->pin));
	return o;
}

static json_t *graph_json(const char *machine, const struct irq_graph *g)
{
	json_t *nodes = json_array(), *edges = json_array();

	for (uint32_t i = 0; i < g->nr_nodes; i++)
		json_array_append_new(nodes, node_json(i, &g->node[i]));
	for (uint32_t i = 0; i < g->nr_edges; i++)
		json_array_append_new(edges, edge_json(&g->edge[i]));
	return json_pack("{ss so so}", "machine", machine, "nodes", nodes,
			 "edges", edges);
}

json_t *cascade_json(struct service_machine *m, struct service_error *e)
{
	struct walk w = { .machine = m->machine };
	json_t *out = NULL;

	irq_graph_init(&w.graph);
	service_run(m, walk, &w);
	if (w.err)
		service_error_set(e, w.err, NULL,
				  "cannot list the interrupt stages: %s",
				  strerror(-w.err));
	else
		out = graph_json(m->machine->name, &w.graph);
	irq_graph_fini(&w.graph);
	return out;
}
