/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine's interrupt stages as they are seen from outside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flow/rig_dev.h"

#define GSI 17 /* of 00:01.0 */

static struct rig *start(const struct link_options *opt)
{
	struct rig *rig = malloc(sizeof(*rig));

	assert_non_null(rig);
	assert_int_equal(rig_init_link(rig, opt), 0);
	return rig;
}

static struct rig *start_with(uint16_t irqchip)
{
	const struct link_options opt = { .irqchip = irqchip };

	return start(&opt);
}

static void stop(struct rig *rig)
{
	rig_fini(rig);
	free(rig);
}

static struct irq_graph graph;

/* The node that @from leads to and that is a @kind; -1: none. */
static int leads_to(int from, const char *kind)
{
	for (uint32_t i = 0; i < graph.nr_edges; i++)
		if ((int)graph.edge[i].from == from &&
		    !strcmp(graph.node[graph.edge[i].to].kind, kind))
			return (int)graph.edge[i].to;
	return -1;
}

static int node_of(const struct irq_stage *s)
{
	for (uint32_t i = 0; i < graph.nr_nodes; i++)
		if (graph.node[i].stage == s)
			return (int)i;
	return -1;
}

/* From the function's pin to pin 17 of the controller. */
static int pin_17(struct rig *rig)
{
	int line = leads_to(node_of(&rig->function->vp.stage), "line");
	int gsi = leads_to(line, "gsi");

	assert_true(line >= 0 && gsi >= 0);
	assert_ptr_equal(graph.node[leads_to(gsi, "line")].stage,
			 &rig->machine->interrupts.pin[GSI].stage);
	return leads_to(gsi, "line");
}

static void walk(struct rig *rig)
{
	irq_graph_init(&graph);
	assert_int_equal(machine_graph(rig->machine, &graph), 0);
}

static void the_graph_leads_from_each_function_to_the_ring(void **state)
{
	struct rig *rig = start_with(PCIRING_IRQCHIP_SPLIT);
	struct rig_dev dev;
	int ring, bank;

	(void)state;
	assert_int_equal(rig_dev_start(&dev, rig, rig->function, 0), 0);
	rig_dev_ask(&dev);
	assert_true(rig_run(rig, 8));
	walk(rig);
	ring = node_of(&rig->link.ring.stage);
	assert_true(ring >= 0);
	bank = leads_to(node_of(&rig->function->vp.stage), "msi");
	assert_int_equal(leads_to(bank, "ring"), ring);
	assert_int_equal(leads_to(leads_to(pin_17(rig), "ioapic"), "ring"),
			 ring);
	assert_int_equal(graph.node[pin_17(rig)].view.level, 1);
	irq_graph_fini(&graph);
	stop(rig);
}

static void the_graph_has_what_no_function_leads_to(void **state)
{
	/* Four inputs, GSIs and pins; the ring, and our I/O APIC. */
	static const unsigned int nodes[] = { 13, 13, 14 };
	static const unsigned int edges[] = { 8, 12, 13 };

	(void)state;
	for (uint16_t chip = 0; chip <= PCIRING_IRQCHIP_SPLIT; chip++) {
		struct rig *rig = start_with(chip);
		struct gsi_table *t = &rig->machine->interrupts.table;

		assert_int_equal(machine_unplug(rig->machine, RIG_BDF), 0);
		walk(rig);
		for (unsigned int n = 16; n < 16 + INTX_PINS; n++)
			assert_true(node_of(&gsi_line(t, n)->stage) >= 0);
		assert_true(node_of(&rig->link.ring.stage) >= 0);
		assert_int_equal(graph.nr_nodes, nodes[chip]);
		assert_int_equal(graph.nr_edges, edges[chip]);
		irq_graph_fini(&graph);
		stop(rig);
	}
}

static void the_graph_shows_eventfds_that_are_bound(void **state)
{
	struct rig *rig = start_with(PCIRING_IRQCHIP_LINES);
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), old, bank, eventfds;

	(void)state;
	assert_int_equal(
		link_line_bind(&rig->link, PCIRING_LINE_GSI, GSI, fd, &old), 0);
	assert_int_equal(link_bind(&rig->link, RIG_BDF, 0, dup(fd), &old), 0);
	walk(rig);
	assert_ptr_equal(graph.node[leads_to(pin_17(rig), "eventfd")].stage,
			 &rig->machine->interrupts.eventfd[GSI].stage);
	bank = leads_to(node_of(&rig->function->vp.stage), "msi");
	eventfds = leads_to(bank, "eventfd");
	assert_true(leads_to(eventfds, "ring") >= 0);
	irq_graph_fini(&graph);
	stop(rig);
}

static void the_graph_shows_a_line_that_is_a_functions_own(void **state)
{
	const struct link_options opt = { .remote = true };
	struct rig *rig = start(&opt);
	int line;

	(void)state;
	walk(rig);
	line = leads_to(node_of(&rig->function->vp.stage), "line");
	assert_string_equal(graph.node[line].view.name, "00:01.0 INTx");
	assert_true(leads_to(line, "eventfd") >= 0);
	irq_graph_fini(&graph);
	stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_graph_leads_from_each_function_to_the_ring),
		cmocka_unit_test(the_graph_has_what_no_function_leads_to),
		cmocka_unit_test(the_graph_shows_eventfds_that_are_bound),
		cmocka_unit_test(
			the_graph_shows_a_line_that_is_a_functions_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
