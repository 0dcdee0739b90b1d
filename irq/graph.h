/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * graph.h - the stages of a cascade as somebody outside sees them
 *
 * A walk from any stages along their edges, copied into plain records: no
 * pointer of a copy leads back, so it may be printed by another thread later.
 *
 * Threads   the walk by the thread that owns the stages; the copy anybody
 * Memory    grown by the walk, freed by irq_graph_fini()
 * Limits    a stage is visited once, so loops end; IRQ_GRAPH_MAX nodes and
 *           four times as many edges
 */
#ifndef IRQ_GRAPH_H
#define IRQ_GRAPH_H

#include "irq/stage.h"

#define IRQ_GRAPH_MAX	    65536
#define IRQ_GRAPH_EDGES_MAX (4 * IRQ_GRAPH_MAX)

struct irq_graph_node {
	const struct irq_stage *stage; /* who it was; not to be followed */
	const char *kind;	       /* borrowed: static */
	struct irq_view view;
};

struct irq_graph_edge {
	uint32_t from, to; /* indices of nodes */
	uint32_t pin;	   /* of @to, or IRQ_NO_PIN */
};

struct irq_graph {
	struct irq_graph_node *node; /* owned */
	struct irq_graph_edge *edge; /* owned */
	uint32_t nr_nodes, nr_edges;
	uint32_t room_nodes, room_edges;
};

void irq_graph_init(struct irq_graph *g);
void irq_graph_fini(struct irq_graph *g);

/* Add @from and all that it leads to and that is not there yet.  -ENOMEM,
 * -ENOSPC (too many); what was added so far stays and is consistent, but not
 * all that it leads to may be there. */
int irq_graph_add(struct irq_graph *g, struct irq_stage *from);

#endif
