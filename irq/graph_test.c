/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/graph.h"
#include "irq/gsi.h"
#include "irq/sink.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static bool no_memory;

/* Stands before everybody's realloc(), so that it can fail. */
void *realloc(void *p, size_t size)
{
	static void *(*real)(void *, size_t);

	if (no_memory)
		return NULL;
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "realloc");
	return real(p, size);
}

/* A stage with as many ways out as it is told. */
struct hub {
	struct irq_stage stage;
	struct irq_stage **to;
	unsigned int nr;
};

static bool hub_edge(const struct irq_stage *s, unsigned int i,
		     struct irq_edge *e)
{
	const struct hub *h = container_of(s, struct hub, stage);

	if (i >= h->nr)
		return false;
	*e = (struct irq_edge){ .to = h->to[i], .pin = i };
	return true;
}

static const struct irq_stage_ops hub_ops = {
	.kind = "hub",
	.edge = hub_edge,
};

static const struct irq_stage_ops end_ops = { .kind = "end" };

/* A hub without end. */
static bool endless_edge(const struct irq_stage *s, unsigned int i,
			 struct irq_edge *e)
{
	const struct hub *h = container_of(s, struct hub, stage);

	*e = (struct irq_edge){ .to = h->to[0], .pin = i };
	return true;
}

static const struct irq_stage_ops endless_ops = {
	.kind = "endless",
	.edge = endless_edge,
};

/* What the view of a stage that has one is filled from. */
static void garbled_view(const struct irq_stage *s, struct irq_view *v)
{
	assert_int_equal(v->level, -1);
	assert_int_equal(v->pending, 0);
	memset(v->name, 'x', sizeof(v->name));
	v->count = s->count;
	v->level = 1;
	v->pending = 7;
}

static const struct irq_stage_ops garbled_ops = {
	.kind = "garbled",
	.view = garbled_view,
};

static void check(const struct irq_graph *g)
{
	for (uint32_t i = 0; i < g->nr_edges; i++) {
		assert_true(g->edge[i].from < g->nr_nodes);
		assert_true(g->edge[i].to < g->nr_nodes);
	}
	for (uint32_t i = 0; i < g->nr_nodes; i++) {
		assert_non_null(g->node[i].kind);
		assert_int_equal(g->node[i].stage->mark, i);
	}
	assert_true(g->nr_nodes <= g->room_nodes);
	assert_true(g->nr_edges <= g->room_edges);
}

static bool has_edge(const struct irq_graph *g, const struct irq_stage *from,
		     const struct irq_stage *to, uint32_t pin)
{
	for (uint32_t i = 0; i < g->nr_edges; i++)
		if (g->node[g->edge[i].from].stage == from &&
		    g->node[g->edge[i].to].stage == to && g->edge[i].pin == pin)
			return true;
	return false;
}

static void cascade_is_copied_with_its_levels_and_counters(void **state)
{
	static struct sink_record ring, messages;
	struct irq_line pin;
	struct gsi_table t;
	struct gsi gsi[2];
	struct irq_source s = { 0 };
	struct gsi_route r = { .kind = GSI_TO_PINS, .nr_pins = 1 };
	struct irq_graph g;

	(void)state;
	sink_record_init(&ring);
	sink_record_init(&messages);
	irq_line_init(&pin, "IRQ 0", &ring.stage, 24);
	gsi_table_init(&t, gsi, 2, &messages.stage);
	gsi_table_set_chip(&t, 0, &pin, 1);
	assert_int_equal(gsi_route(&t, 1, &r), 0);
	irq_source_connect(&s, gsi_line(&t, 1));
	ring.refuse = true;
	irq_source_set(&s, true);

	irq_graph_init(&g);
	assert_int_equal(irq_graph_add(&g, &gsi_line(&t, 1)->stage), 0);
	check(&g);
	assert_int_equal(g.nr_nodes, 4);
	assert_int_equal(g.nr_edges, 3);
	assert_true(has_edge(&g, &gsi[1].line.stage, &gsi[1].stage, 1));
	assert_true(has_edge(&g, &gsi[1].stage, &pin.stage, IRQ_NO_PIN));
	assert_true(has_edge(&g, &pin.stage, &ring.stage, 24));
	assert_string_equal(g.node[2].kind, "line");
	assert_string_equal(g.node[2].view.name, "IRQ 0");
	assert_int_equal(g.node[2].view.level, 1);
	assert_int_equal(g.node[2].view.pending, 1);
	assert_int_equal(g.node[2].view.count.latched, 1);
	assert_string_equal(g.node[3].kind, "record");
	assert_int_equal(g.node[3].view.level, -1);

	/* A copy: what happens now is not seen. */
	ring.refuse = false;
	irq_line_flush(&pin);
	assert_int_equal(g.node[2].view.pending, 1);
	irq_graph_fini(&g);
	gsi_table_fini(&t);
}

static void stages_that_meet_are_seen_once(void **state)
{
	struct irq_stage end = { .ops = &end_ops };
	struct irq_stage *to_end[] = { &end, &end };
	struct hub a = { { .ops = &hub_ops }, to_end, 2 };
	struct hub b = { { .ops = &hub_ops }, to_end, 1 };
	struct irq_graph g;

	(void)state;
	irq_graph_init(&g);
	assert_int_equal(irq_graph_add(&g, &a.stage), 0);
	assert_int_equal(irq_graph_add(&g, &b.stage), 0);
	assert_int_equal(irq_graph_add(&g, &b.stage), 0);
	assert_int_equal(irq_graph_add(&g, &end), 0);
	check(&g);
	assert_int_equal(g.nr_nodes, 3);
	assert_int_equal(g.nr_edges, 3);
	assert_true(has_edge(&g, &a.stage, &end, 0));
	assert_true(has_edge(&g, &a.stage, &end, 1));
	assert_true(has_edge(&g, &b.stage, &end, 0));
	irq_graph_fini(&g);
	assert_null(g.node);
	assert_int_equal(g.nr_nodes, 0);
}

static void loop_ends(void **state)
{
	struct hub a, b;
	struct irq_stage *to_a[] = { &a.stage };
	struct irq_stage *to_b[] = { &b.stage };
	struct irq_graph g;

	(void)state;
	a = (struct hub){ { .ops = &hub_ops }, to_b, 1 };
	b = (struct hub){ { .ops = &hub_ops }, to_a, 1 };
	irq_graph_init(&g);
	assert_int_equal(irq_graph_add(&g, &a.stage), 0);
	check(&g);
	assert_int_equal(g.nr_nodes, 2);
	assert_int_equal(g.nr_edges, 2);
	assert_true(has_edge(&g, &b.stage, &a.stage, 0));
	irq_graph_fini(&g);
}

static void marks_of_other_walks_do_no_harm(void **state)
{
	struct irq_stage end = { .ops = &end_ops, .mark = 0 };
	struct irq_stage *to[] = { &end };
	struct hub a = { { .ops = &hub_ops, .mark = UINT32_MAX }, to, 1 };
	struct irq_graph first, second;

	(void)state;
	irq_graph_init(&first);
	irq_graph_init(&second);
	assert_int_equal(irq_graph_add(&first, &a.stage), 0);
	assert_int_equal(irq_graph_add(&second, &end), 0);
	assert_int_equal(irq_graph_add(&second, &a.stage), 0);
	check(&second);
	assert_int_equal(second.nr_nodes, 2);
	assert_int_equal(second.nr_edges, 1);
	assert_true(has_edge(&second, &a.stage, &end, 0));
	irq_graph_fini(&first);
	irq_graph_fini(&second);
}

static void stage_without_a_view_shows_its_counters(void **state)
{
	struct irq_stage end = { .ops = &end_ops, .count.fired = 5 };
	struct irq_stage odd = { .ops = &garbled_ops, .count.masked = 6 };
	struct irq_graph g;

	(void)state;
	irq_graph_init(&g);
	assert_int_equal(irq_graph_add(&g, &end), 0);
	assert_int_equal(irq_graph_add(&g, &odd), 0);
	assert_int_equal(g.node[0].view.count.fired, 5);
	assert_int_equal(g.node[0].view.level, -1);
	assert_string_equal(g.node[0].view.name, "");
	assert_int_equal(g.node[1].view.count.masked, 6);
	assert_int_equal(g.node[1].view.level, 1);
	assert_int_equal(g.node[1].view.pending, 7);
	assert_int_equal(strlen(g.node[1].view.name), IRQ_NAME_MAX - 1);
	irq_graph_fini(&g);
}

#define LONG 60000

static void chain_of_60000_stages_needs_no_stack(void **state)
{
	struct irq_line *line = calloc(LONG, sizeof(*line));
	const struct irq_stage_ops *ops;
	struct irq_graph g;

	(void)state;
	assert_non_null(line);
	/* Lines take no wires of each other: linked by hand for the walk. */
	irq_line_init(&line[0], "", NULL, 0);
	ops = line[0].stage.ops;
	for (unsigned int i = 0; i < LONG; i++) {
		line[i].stage.ops = ops;
		line[i].next = i + 1 < LONG ? &line[i + 1].stage : NULL;
	}
	irq_graph_init(&g);
	assert_int_equal(irq_graph_add(&g, &line[0].stage), 0);
	check(&g);
	assert_int_equal(g.nr_nodes, LONG);
	assert_int_equal(g.nr_edges, LONG - 1);
	assert_ptr_equal(g.node[LONG - 1].stage, &line[LONG - 1].stage);
	irq_graph_fini(&g);
	free(line);
}

static void too_many_stages_are_an_error_and_leave_a_graph(void **state)
{
	struct irq_stage *end = calloc(IRQ_GRAPH_MAX, sizeof(*end));
	struct irq_stage **to = calloc(IRQ_GRAPH_MAX, sizeof(void *));
	struct hub a = { { .ops = &hub_ops }, to, IRQ_GRAPH_MAX };
	struct irq_graph g;

	(void)state;
	assert_non_null(end);
	assert_non_null(to);
	for (unsigned int i = 0; i < IRQ_GRAPH_MAX; i++) {
		end[i].ops = &end_ops;
		to[i] = &end[i];
	}
	irq_graph_init(&g);
	assert_int_equal(irq_graph_add(&g, &a.stage), -ENOSPC);
	check(&g);
	assert_int_equal(g.nr_nodes, IRQ_GRAPH_MAX);
	assert_int_equal(g.nr_edges, IRQ_GRAPH_MAX - 1);
	irq_graph_fini(&g);
	irq_graph_init(&g);
	a.stage.ops = &endless_ops;
	assert_int_equal(irq_graph_add(&g, &a.stage), -ENOSPC);
	check(&g);
	assert_int_equal(g.nr_nodes, 2);
	assert_int_equal(g.nr_edges, IRQ_GRAPH_EDGES_MAX);
	irq_graph_fini(&g);
	free(end);
	free(to);
}

static void walk_without_memory_leaves_a_graph(void **state)
{
	struct irq_stage end[40];
	struct irq_stage *to[40];
	struct hub a = { { .ops = &hub_ops }, to, ARRAY_SIZE(to) };
	struct irq_graph g;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(end); i++) {
		end[i] = (struct irq_stage){ .ops = &end_ops };
		to[i] = &end[i];
	}
	irq_graph_init(&g);
	no_memory = true;
	assert_int_equal(irq_graph_add(&g, &a.stage), -ENOMEM);
	no_memory = false;
	check(&g);
	assert_int_equal(g.nr_nodes, 0);
	assert_int_equal(irq_graph_add(&g, &end[0]), 0);
	no_memory = true;
	assert_int_equal(irq_graph_add(&g, &a.stage), -ENOMEM);
	no_memory = false;
	check(&g);
	assert_int_equal(g.nr_nodes, 2);
	assert_int_equal(g.nr_edges, 0);
	irq_graph_fini(&g);
	irq_graph_init(&g);
	for (unsigned int i = 0; i < 15; i++)
		assert_int_equal(irq_graph_add(&g, &end[i]), 0);
	no_memory = true;
	for (unsigned int i = 15; i < ARRAY_SIZE(end); i++)
		assert_int_equal(irq_graph_add(&g, &end[i]),
				 i < 16 ? 0 : -ENOMEM);
	no_memory = false;
	check(&g);
	assert_int_equal(g.nr_nodes, 16);
	assert_int_equal(irq_graph_add(&g, &a.stage), 0);
	check(&g);
	assert_int_equal(g.nr_nodes, 1 + ARRAY_SIZE(end));
	assert_int_equal(g.nr_edges, ARRAY_SIZE(end));
	irq_graph_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			cascade_is_copied_with_its_levels_and_counters),
		cmocka_unit_test(stages_that_meet_are_seen_once),
		cmocka_unit_test(loop_ends),
		cmocka_unit_test(marks_of_other_walks_do_no_harm),
		cmocka_unit_test(stage_without_a_view_shows_its_counters),
		cmocka_unit_test(chain_of_60000_stages_needs_no_stack),
		cmocka_unit_test(walk_without_memory_leaves_a_graph),
		cmocka_unit_test(
			too_many_stages_are_an_error_and_leave_a_graph),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
