/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupt lines of a real service on the ring and through its I/O APIC, and
 * all stages as the operator sees them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/flow/service_guest.h"
#include "tests/flow/service_rig.h"

#define DEMO "{\"machine\":\"demo\"}"

/* ---- Lines on the ring -------------------------------------------------------------------- */

static void expect_irq(struct vm *vm, struct pciring_irq *irq)
{
	for (int i = 0; i < 50; i++) {
		if (pciring_irq_poll(vm->link, irq, 1) == 1)
			return;
		pciring_irq_wait(vm->link, 100);
	}
	fail_msg("no interrupt came");
}

static void line_nobody_bound_is_told_by_the_ring(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_LINES, false);
	struct pciring_irq irq;

	(void)state;
	for (int i = 0; i < 3; i++) {
		service_guest_draw(&vm->g, 64);
		expect_irq(vm, &irq);
		assert_int_equal(irq.type, PCIRING_IRQ_TYPE_LINE);
		assert_int_equal(irq.number, GSI);
		assert_int_equal(irq.data, 1);
		assert_int_equal(read_isr(vm), 1);
		expect_irq(vm, &irq);
		assert_int_equal(irq.number, GSI);
		assert_int_equal(irq.data, 0);
	}
	assert_int_equal(pciring_irq_poll(vm->link, &irq, 1), 0);
	vm_end(vm);
}

static uint32_t ioapic(struct vm *vm, uint32_t index, bool write,
		       uint32_t value)
{
	struct pciring_access select = {
		.space = PCIRING_SPACE_MMIO,
		.address = 0xfec00000,
		.size = 4,
		.write = 1,
		.value = index,
	};
	struct pciring_access window = {
		.space = PCIRING_SPACE_MMIO,
		.address = 0xfec00010,
		.size = 4,
		.write = write,
		.value = value,
	};

	assert_int_equal(pciring_access(vm->link, 0, &select), 0);
	assert_int_equal(pciring_access(vm->link, 0, &window), 0);
	return (uint32_t)window.value;
}

static void end_of_vector(struct vm *vm, uint32_t vector)
{
	struct pciring_access eoi = {
		.space = PCIRING_SPACE_EOI,
		.address = PCIRING_EOI_VECTOR,
		.size = 4,
		.write = 1,
		.value = vector,
	};

	assert_int_equal(pciring_access(vm->link, 0, &eoi), 0);
}

static void line_becomes_a_message_of_our_ioapic(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_SPLIT, false);
	struct pciring_irq irq;
	unsigned int routes = 0;

	(void)state;
	assert_int_equal(ioapic(vm, 1, false, 0) >> 16 & 0xff, 23);
	ioapic(vm, 0x11 + 2 * GSI, true, 0);
	ioapic(vm, 0x10 + 2 * GSI, true, 0x8000 | 0x31); /* level, unmasked */
	service_guest_draw(&vm->g, 64);
	for (expect_irq(vm, &irq); irq.type == PCIRING_IRQ_TYPE_ROUTE;
	     expect_irq(vm, &irq))
		routes += irq.number == GSI && (irq.data & 0xff) == 0x31;
	assert_true(routes > 0);
	assert_int_equal(irq.type, PCIRING_IRQ_TYPE_MSI);
	assert_int_equal(irq.data & 0xff, 0x31);
	assert_int_equal(irq.address >> 20, 0xfee);
	/* Ended before ISR was read: it is told again. */
	end_of_vector(vm, 0x31);
	expect_irq(vm, &irq);
	assert_int_equal(irq.type, PCIRING_IRQ_TYPE_MSI);
	assert_int_equal(read_isr(vm), 1);
	end_of_vector(vm, 0x31);
	assert_int_equal(pciring_irq_poll(vm->link, &irq, 1), 0);
	vm_end(vm);
}

#define CHANGES 3000 /* more than the ring holds, several times */

/* Nothing is dropped that was the last of its pin, nor waited for. */
static void client_that_takes_nothing_hears_the_latest_in_the_end(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_SPLIT, false);
	uint32_t last[24] = { 0 }, entry;
	struct pciring_irq irq;
	json_t *stats, *link;
	json_int_t taken = 0;

	(void)state;
	for (uint32_t i = 0; i < CHANGES; i++) {
		entry = 0x8000 | (0x10 + i % 0xe0);
		ioapic(vm, 0x10 + 2 * (i % 24), true, entry);
	}
	assert_int_equal(procs_rpc(&p, "stats.get", DEMO, &stats), 0);
	link = json_array_get(json_object_get(stats, "links"), 0);
	assert_true(counter(link, "irqs") < CHANGES);
	assert_true(counter(link, "irq_full") > 0);
	assert_int_not_equal(counter(link, "irq_full"), counter(link, "irqs"));
	while (pciring_irq_wait(vm->link, 200) == 1)
		for (; pciring_irq_poll(vm->link, &irq, 1) == 1; taken++)
			if (irq.type == PCIRING_IRQ_TYPE_ROUTE)
				last[irq.number] = irq.data;
	/* As many again as there were pins that waited, at most. */
	assert_true(taken >= counter(link, "irqs"));
	assert_true(taken <= counter(link, "irqs") + 24);
	for (uint32_t i = CHANGES - 24; i < CHANGES; i++)
		assert_int_equal(last[i % 24] & 0xff, 0x10 + i % 0xe0);
	json_decref(stats);
	vm_end(vm);
}

/* ---- What the operator sees ------------------------------------------------------------------ */

static json_t *graph(void)
{
	json_t *g = NULL;

	assert_int_equal(procs_rpc(&p, "irq.graph", DEMO, &g), 0);
	assert_string_equal(json_string_value(json_object_get(g, "machine")),
			    "demo");
	return g;
}

/* The node of @kind whose name begins with @name, or -1. */
static int find_node(const json_t *g, const char *kind, const char *name)
{
	json_t *node;
	size_t i;

	json_array_foreach(json_object_get(g, "nodes"), i, node)
	{
		assert_int_equal(counter(node, "id"), i);
		if (strcmp(json_string_value(json_object_get(node, "kind")),
			   kind) ||
		    strncmp(json_string_value(json_object_get(node, "name")),
			    name, strlen(name)))
			continue;
		return (int)i;
	}
	return -1;
}

static const json_t *node_of(const json_t *g, const char *kind,
			     const char *name)
{
	int i = find_node(g, kind, name);

	if (i < 0)
		fail_msg("no stage %s %s", kind, name);
	return json_array_get(json_object_get(g, "nodes"), (size_t)i);
}

/* Is there a way?  At most @steps edges long. */
static bool leads_to(const json_t *g, int from, int to, int steps)
{
	json_t *e;
	size_t i;

	if (from == to)
		return true;
	json_array_foreach(json_object_get(g, "edges"), i, e)
	{
		if (steps && counter(e, "from") == from &&
		    leads_to(g, (int)counter(e, "to"), to, steps - 1))
			return true;
	}
	return false;
}

static void graph_shows_where_an_interrupt_stays(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_LINES, true);
	struct pciring_irq irq;
	const json_t *node;
	char out[8192];
	json_t *g;
	int bank;

	(void)state;
	for (int i = 0; i < 3; i++) {
		service_guest_draw(&vm->g, 64);
		expect_irq(vm, &irq);
	}
	guest_msix_entry(&vm->g, 1, 0xfee00000, 0x41, true);
	service_guest_draw(&vm->g, 64);
	g = graph();
	bank = find_node(g, "msi", "00:01.0 MSI-X");
	node = node_of(g, "msi", "00:01.0 MSI-X");
	assert_true(counter(node, "fired") >= 3);
	assert_true(counter(node, "masked") >= 1);
	assert_int_equal(counter(node, "pending"), 1);
	assert_true(json_is_null(json_object_get(node, "level")));
	node = node_of(g, "virtio-pci", "00:01.0");
	assert_true(counter(node, "fired") >= 4);
	node = node_of(g, "ring", "");
	assert_true(counter(node, "fired") >= 3);
	assert_int_equal(counter(node, "pending"), 0);
	/* From the device to the sink, but not back. */
	assert_true(
		leads_to(g, find_node(g, "virtio-pci", "00:01.0"), bank, 8));
	assert_true(leads_to(g, bank, find_node(g, "ring", ""), 8));
	assert_false(leads_to(g, find_node(g, "ring", ""), bank, 8));
	json_decref(g);

	assert_int_equal(service_ctl(out, sizeof(out), "irq demo"), 0);
	assert_non_null(strstr(out, "1 kept at msi 00:01.0 MSI-X\n"));
	guest_msix_entry(&vm->g, 1, 0xfee00000, 0x41, false);
	g = graph();
	node = node_of(g, "msi", "00:01.0 MSI-X");
	assert_int_equal(counter(node, "pending"), 0);
	json_decref(g);
	vm_end(vm);
}

/* The column of that name, of the one attachment, says 1. */
static bool has_resamples(char *out, size_t room)
{
	const char *heading, *line, *at;

	assert_int_equal(service_ctl(out, room, "stats demo"), 0);
	heading = strstr(out, "ATTACHED");
	assert_non_null(heading);
	line = strchr(heading, '\n') + 1;
	at = strstr(heading, "RESAMPLES");
	assert_non_null(at);
	assert_true(at < line);
	return !strncmp(line + (at - heading), "1 ", 2);
}

static void graph_shows_a_high_line_down_to_its_sink(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_LINES, false);
	char out[8192];
	json_t *g, *m;
	int sink;

	(void)state;
	assert_int_equal(pciring_line_bind(vm->link, PCIRING_LINE_GSI, GSI,
					   vm->event, vm->resample),
			 0);
	service_guest_draw(&vm->g, 64);
	assert_int_equal(signals(vm->event, 2000), 1);
	g = graph();
	sink = find_node(g, "eventfd", "GSI 17");
	assert_true(sink >= 0);
	assert_true(
		leads_to(g, find_node(g, "virtio-pci", "00:01.0"), sink, 8));
	assert_int_equal(counter(node_of(g, "eventfd", "GSI 17"), "level"), 1);
	assert_int_equal(counter(node_of(g, "eventfd", "GSI 17"), "fired"), 1);
	assert_int_equal(counter(node_of(g, "eventfd", "GSI 17"), "latched"),
			 0);
	json_decref(g);
	assert_int_equal(procs_rpc(&p, "machine.show", MACHINE, &m), 0);
	assert_string_equal(
		json_string_value(json_object_get(
			json_array_get(json_object_get(m, "attachments"), 0),
			"irqchip")),
		"lines");
	assert_int_equal(
		counter(json_object_get(
				json_array_get(json_object_get(m, "functions"),
					       0),
				"msi"),
			"messages"),
		0);
	json_decref(m);
	assert_int_equal(service_ctl(out, sizeof(out), "show demo"), 0);
	assert_non_null(strstr(out, "irqchip lines"));
	assert_non_null(strstr(out, "intx     pin A asserted, GSI 17 high, "
				    "bound to an eventfd"));
	/* Who shares the line has another level than it. */
	assert_int_equal(service_ctl(out, sizeof(out), "plug demo 00:05.0 rng"),
			 0);
	assert_int_equal(service_ctl(out, sizeof(out), "show demo 00:05.0"), 0);
	assert_non_null(strstr(out, "pin A silent, GSI 17 high, bound"));
	assert_int_equal(service_ctl(out, sizeof(out), "unplug demo 00:05.0"),
			 0);
	assert_int_equal(read_isr(vm), 1);
	assert_int_equal(service_ctl(out, sizeof(out), "show demo 00:01.0"), 0);
	assert_non_null(strstr(out, "pin A silent, GSI 17 low, bound"));
	/* Low is a level, too. */
	g = graph();
	assert_true(json_is_integer(
		json_object_get(node_of(g, "eventfd", "GSI 17"), "level")));
	assert_int_equal(counter(node_of(g, "eventfd", "GSI 17"), "level"), 0);
	json_decref(g);
	/* Who ends interrupts without end is found here. */
	eventfd_write(vm->resample, 1);
	for (int i = 0; i < 2000 && !has_resamples(out, sizeof(out)); i++)
		usleep(500);
	assert_true(has_resamples(out, sizeof(out)));
	vm_end(vm);
}

static void function_with_a_line_of_its_own_says_so(void **state)
{
	struct vm *vm = vm_of_function();
	char out[8192];

	(void)state;
	assert_int_equal(service_ctl(out, sizeof(out), "show demo 00:01.0"), 0);
	assert_non_null(strstr(out, "intx     pin A silent, line of its own "
				    "low, not bound\n"));
	vm_end(vm);
}

/* Each counter under its own name: they differ here. */
static void graph_shows_what_nobody_listens_to(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_NONE, false);
	const json_t *before, *after;
	json_t *g = graph(), *h;

	(void)state;
	before = node_of(g, "line", "pin 17");
	for (int i = 0; i < 3; i++) {
		service_guest_draw(&vm->g, 64);
		service_guest_draw(&vm->g, 64);
		assert_int_equal(read_isr(vm), 1);
	}
	h = graph();
	after = node_of(h, "line", "pin 17");
	assert_int_equal(counter(after, "dropped") - counter(before, "dropped"),
			 6);
	assert_int_equal(counter(after, "fired"), counter(before, "fired"));
	assert_int_equal(counter(after, "latched"), counter(before, "latched"));
	assert_int_equal(counter(after, "coalesced"),
			 counter(before, "coalesced"));
	json_decref(g);
	json_decref(h);
	vm_end(vm);
}

static void operator_sees_the_stages_as_text_dot_and_json(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_SPLIT, false);
	char out[32768];
	json_t *g;

	(void)state;
	/* Masked at power-on: the interrupt stays in our I/O APIC's pin. */
	service_guest_draw(&vm->g, 64);
	assert_int_equal(service_ctl(out, sizeof(out), "irq demo"), 0);
	assert_memory_equal(out, "STAGE", 5);
	assert_non_null(strstr(out, "\nvirtio rng "));
	assert_non_null(strstr(out, "\n    msi 00:01.0 MSI-X "));
	assert_non_null(strstr(out, "pin 17: ioapic "));
	assert_int_equal(service_ctl(out, sizeof(out), "irq demo --dot"), 0);
	assert_memory_equal(out, "digraph \"demo\" {\n", 17);
	assert_non_null(strstr(out, "fillcolor"));
	assert_non_null(strstr(out, " [label=\"17\"];\n"));
	assert_int_equal(service_ctl(out, sizeof(out), "--json irq demo"), 0);
	g = json_loads(out, 0, NULL);
	assert_true(json_array_size(json_object_get(g, "nodes")) > 5);
	json_decref(g);
	vm_end(vm);
	assert_int_equal(service_ctl(out, sizeof(out), "irq none"), 1);
	assert_string_equal(
		out, "pciringctl: no machine \"none\" (params.machine)\n");
	assert_int_equal(service_ctl(out, sizeof(out), "irq"), 2);
	assert_int_equal(procs_rpc(&p, "irq.graph", "{}", NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_nobody_bound_is_told_by_the_ring),
		cmocka_unit_test(line_becomes_a_message_of_our_ioapic),
		cmocka_unit_test(
			client_that_takes_nothing_hears_the_latest_in_the_end),
		cmocka_unit_test(graph_shows_where_an_interrupt_stays),
		cmocka_unit_test(graph_shows_a_high_line_down_to_its_sink),
		cmocka_unit_test(function_with_a_line_of_its_own_says_so),
		cmocka_unit_test(graph_shows_what_nobody_listens_to),
		cmocka_unit_test(operator_sees_the_stages_as_text_dot_and_json),
	};

	return cmocka_run_group_tests(tests, service_start, service_stop);
}
