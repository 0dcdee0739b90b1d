/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two kinds of interrupt that irq/ has never heard of, added from outside:
 *
 *   remapper   translates a message by {requester id, index} as an interrupt
 *              remapper does, and counts as faults what it has no entry for;
 *              wire n of it is entry n
 *   doorbell   a word in memory with one bit each, which somebody polls
 *
 * All that a new kind takes is here: a struct with an irq_stage in it, its
 * calls, and an ops table.  The last test shows that nothing else was needed.
 */
#include "irq/graph.h"
#include "irq/gsi.h"
#include "irq/line.h"
#include "irq/msi.h"
#include "irq/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the four above first */
#include <cmocka.h>

/*
 * ---- The remapper -------------------------------------------------------
 */

enum entry_state {
	ENTRY_ABSENT,
	ENTRY_EXPECTED, /* its owner is about to write it: events wait */
	ENTRY_PRESENT
};

struct remap_entry {
	enum entry_state state;
	uint16_t requester_id; /* who may use it */
	uint64_t address;
	uint32_t data;
};

#define ENTRIES 8

struct remapper {
	struct irq_stage stage;
	struct remap_entry entry[ENTRIES];
	uint32_t high;	 /* wires */
	uint64_t faults; /* no entry, or somebody else's */
	struct irq_stage *next;
};

static enum irq_result remapper_pass(struct remapper *r, uint32_t index)
{
	const struct remap_entry *e = &r->entry[index];
	const struct msi_message m = {
		.address = e->address,
		.data = e->data,
		.requester_id = e->requester_id,
	};
	enum irq_result result = IRQ_REFUSED;

	if (e->state == ENTRY_PRESENT)
		result = irq_stage_send(r->next, &m);
	if (result != IRQ_REFUSED)
		r->stage.count.fired++;
	return result;
}

static enum irq_result remapper_fault(struct remapper *r)
{
	r->faults++;
	r->stage.count.dropped++;
	return IRQ_DROPPED;
}

/* The data of a message that is to be translated is its index. */
static enum irq_result remapper_send(struct irq_stage *s,
				     const struct msi_message *m)
{
	struct remapper *r = container_of(s, struct remapper, stage);

	if (m->data >= ENTRIES || r->entry[m->data].state == ENTRY_ABSENT ||
	    r->entry[m->data].requester_id != m->requester_id)
		return remapper_fault(r);
	return remapper_pass(r, m->data);
}

static enum irq_result remapper_set(struct irq_stage *s, uint32_t pin,
				    bool high)
{
	struct remapper *r = container_of(s, struct remapper, stage);
	enum irq_result result = IRQ_SILENT;

	if (pin >= ENTRIES || r->entry[pin].state == ENTRY_ABSENT)
		return remapper_fault(r);
	if (high)
		result = remapper_pass(r, pin);
	if (result == IRQ_REFUSED)
		return result;
	r->high &= ~BIT(pin);
	r->high |= high ? BIT(pin) : 0;
	return result;
}

static bool remapper_edge(const struct irq_stage *s, unsigned int i,
			  struct irq_edge *e)
{
	const struct remapper *r = container_of(s, struct remapper, stage);

	*e = (struct irq_edge){ .to = r->next, .pin = IRQ_NO_PIN };
	return !i;
}

static void remapper_view(const struct irq_stage *s, struct irq_view *v)
{
	const struct remapper *r = container_of(s, struct remapper, stage);

	snprintf(v->name, sizeof(v->name), "%llu faults",
		 (unsigned long long)r->faults);
	v->count = s->count;
	v->level = r->high != 0;
}

static const struct irq_stage_ops remapper_ops = {
	.kind = "remapper",
	.send = remapper_send,
	.set = remapper_set,
	.edge = remapper_edge,
	.view = remapper_view,
};

/*
 * ---- The doorbell --------------------------------------------------------
 */

struct doorbell {
	struct irq_stage stage;
	uint32_t *word; /* whoever polls clears the bits */
};

static enum irq_result doorbell_ring(struct doorbell *d, uint32_t bit)
{
	uint32_t before;

	if (bit >= 32)
		return IRQ_DROPPED;
	before = __atomic_fetch_or(d->word, BIT(bit), __ATOMIC_RELEASE);
	if (before & BIT(bit)) {
		d->stage.count.coalesced++;
		return IRQ_COALESCED;
	}
	d->stage.count.fired++;
	return IRQ_DELIVERED;
}

static enum irq_result doorbell_send(struct irq_stage *s,
				     const struct msi_message *m)
{
	return doorbell_ring(container_of(s, struct doorbell, stage), m->data);
}

static enum irq_result doorbell_set(struct irq_stage *s, uint32_t pin,
				    bool high)
{
	struct doorbell *d = container_of(s, struct doorbell, stage);

	return high ? doorbell_ring(d, pin) : IRQ_SILENT;
}

/* No edge, no view: a sink, whose counters say all. */
static const struct irq_stage_ops doorbell_ops = {
	.kind = "doorbell",
	.send = doorbell_send,
	.set = doorbell_set,
};

/*
 * ---- Between a bank of vectors and a sink --------------------------------
 */

#define VECTORS 4
#define DEVICE	0x0018 /* 00:03.0 */

struct rig {
	struct msi_bank bank;
	struct msi_vector vector[VECTORS];
	uint64_t pending[MSI_PENDING_WORDS(VECTORS)];
	struct remapper remapper;
	struct sink_record sink;
	struct doorbell doorbell;
	uint32_t word;
};

/* Vector v of the device asks for entry v; entries 0 and 1 are its own. */
static int bank_remapper_sink(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	sink_record_init(&r->sink);
	r->doorbell.stage.ops = &doorbell_ops;
	r->doorbell.word = &r->word;
	r->remapper.stage.ops = &remapper_ops;
	r->remapper.next = &r->sink.stage;
	for (uint32_t i = 0; i < 2; i++)
		r->remapper.entry[i] = (struct remap_entry){
			.state = ENTRY_PRESENT,
			.requester_id = DEVICE,
			.address = 0xfee00000 + 0x1000 * i,
			.data = 0x10 + i,
		};
	msi_bank_init(&r->bank, r->vector, r->pending, VECTORS, DEVICE);
	msi_bank_set_next(&r->bank, &r->remapper.stage, false);
	for (uint32_t v = 0; v < VECTORS; v++)
		msi_set_vector(&r->bank, v, 0xfee00010, v, 0);
	msi_bank_set_open(&r->bank, true);
	*state = r;
	return 0;
}

static int done(void **state)
{
	free(*state);
	return 0;
}

static void message_of_a_bank_is_translated_on_its_way(void **state)
{
	struct rig *r = *state;

	assert_int_equal(msi_send(&r->bank, 1), IRQ_QUEUED);
	assert_int_equal(r->sink.nr, 1);
	assert_int_equal(r->sink.message[0].address, 0xfee01000);
	assert_int_equal(r->sink.message[0].data, 0x11);
	assert_int_equal(r->sink.message[0].requester_id, DEVICE);
}

static void message_without_an_entry_is_a_fault_and_is_not_kept(void **state)
{
	struct rig *r = *state;

	assert_int_equal(msi_send(&r->bank, 2), IRQ_DROPPED);
	assert_false(msi_is_pending(&r->bank, 2));
	msi_set_vector(&r->bank, 0, 0xfee00010, UINT32_MAX, 0);
	assert_int_equal(msi_send(&r->bank, 0), IRQ_DROPPED);
	assert_int_equal(r->remapper.faults, 2);
	assert_int_equal(r->sink.nr, 0);
}

static void entry_of_another_requester_is_a_fault(void **state)
{
	struct rig *r = *state;

	r->remapper.entry[1].requester_id = DEVICE + 1;
	assert_int_equal(msi_send(&r->bank, 1), IRQ_DROPPED);
	assert_int_equal(r->remapper.faults, 1);
	assert_int_equal(r->sink.nr, 0);
}

static void event_waits_in_the_bank_for_an_entry_that_is_expected(void **state)
{
	struct rig *r = *state;
	struct remap_entry *e = &r->remapper.entry[3];

	*e = (struct remap_entry){ ENTRY_EXPECTED, DEVICE, 0, 0 };
	assert_int_equal(msi_send(&r->bank, 3), IRQ_LATCHED);
	assert_int_equal(msi_send(&r->bank, 3), IRQ_MERGED);
	assert_true(msi_is_pending(&r->bank, 3));
	assert_int_equal(r->bank.stage.count.latched, 1);
	*e = (struct remap_entry){ ENTRY_PRESENT, DEVICE, 0xfee07000, 0x77 };
	msi_bank_flush(&r->bank);
	assert_false(msi_is_pending(&r->bank, 3));
	assert_int_equal(r->sink.nr, 1);
	assert_int_equal(r->sink.message[0].address, 0xfee07000);
	assert_int_equal(r->sink.message[0].data, 0x77);
	assert_int_equal(r->remapper.faults, 0);
}

static void refusal_of_a_sink_reaches_the_bank_through_it(void **state)
{
	struct rig *r = *state;

	r->sink.refuse = true;
	assert_int_equal(msi_send(&r->bank, 0), IRQ_LATCHED);
	r->sink.refuse = false;
	msi_bank_flush(&r->bank);
	assert_int_equal(r->sink.nr, 1);
	assert_int_equal(r->remapper.stage.count.fired, 1);
}

static void wire_shared_by_two_sources_leads_through_it_too(void **state)
{
	struct rig *r = *state;
	struct irq_source a = { 0 }, b = { 0 };
	struct irq_line line;

	irq_line_init(&line, "", &r->remapper.stage, 1);
	irq_source_connect(&a, &line);
	irq_source_connect(&b, &line);
	assert_int_equal(irq_source_set(&a, true), IRQ_QUEUED);
	assert_int_equal(irq_source_set(&b, true), IRQ_MERGED);
	assert_int_equal(irq_source_set(&a, false), IRQ_MERGED);
	assert_int_equal(irq_source_set(&b, false), IRQ_SILENT);
	assert_int_equal(r->sink.nr, 1);
	assert_int_equal(r->sink.message[0].data, 0x11);

	r->remapper.entry[1].state = ENTRY_EXPECTED;
	assert_int_equal(irq_source_set(&a, true), IRQ_LATCHED);
	r->remapper.entry[1].state = ENTRY_PRESENT;
	assert_int_equal(irq_line_flush(&line), IRQ_QUEUED);
	assert_int_equal(r->sink.nr, 2);
	assert_int_equal(r->remapper.high, BIT(1));
}

static void gsi_may_lead_through_it_as_message_and_as_wire(void **state)
{
	struct rig *r = *state;
	struct gsi gsi[2];
	struct gsi_table t;
	struct irq_line pin;
	struct gsi_route route[2] = {
		{ .kind = GSI_TO_MSI,
		  .msi = { .data = 0, .requester_id = DEVICE } },
		{ .kind = GSI_TO_PINS, .nr_pins = 1 },
	};

	gsi_table_init(&t, gsi, 2, &r->remapper.stage);
	irq_line_init(&pin, "", &r->remapper.stage, 1);
	gsi_table_set_chip(&t, 0, &pin, 1);
	assert_int_equal(gsi_swap(&t, route, 2), 0);
	r->remapper.entry[0].state = ENTRY_EXPECTED;
	assert_int_equal(gsi_pulse(&t, 0), IRQ_LATCHED);
	assert_int_equal(gsi_pulse(&t, 1), IRQ_QUEUED);
	r->remapper.entry[0].state = ENTRY_PRESENT;
	gsi_flush(&t);
	assert_int_equal(r->sink.nr, 2);
	assert_int_equal(r->sink.message[0].data, 0x11);
	assert_int_equal(r->sink.message[1].data, 0x10);
	gsi_table_fini(&t);
}

static void answer_of_a_new_sink_reaches_who_raised_it(void **state)
{
	struct rig *r = *state;

	r->remapper.next = &r->doorbell.stage;
	assert_int_equal(msi_send(&r->bank, 0), IRQ_DELIVERED);
	assert_int_equal(msi_send(&r->bank, 0), IRQ_COALESCED);
	assert_int_equal(msi_send(&r->bank, 1), IRQ_DELIVERED);
	assert_int_equal(r->word, BIT(0x10) | BIT(0x11));
	r->word = 0;
	assert_int_equal(msi_send(&r->bank, 0), IRQ_DELIVERED);
	assert_int_equal(r->word, BIT(0x10));
}

static void sink_may_become_a_doorbell_while_events_are_kept(void **state)
{
	struct rig *r = *state;

	r->sink.refuse = true;
	msi_send(&r->bank, 0);
	msi_send(&r->bank, 1);
	r->vector[0].data = 5;
	r->vector[1].data = 6;
	msi_bank_set_next(&r->bank, &r->doorbell.stage, false);
	assert_int_equal(r->word, BIT(5) | BIT(6));
	assert_int_equal(r->sink.nr, 0);
}

static const struct irq_graph_node *node(const struct irq_graph *g,
					 const char *kind)
{
	for (uint32_t i = 0; i < g->nr_nodes; i++)
		if (!strcmp(g->node[i].kind, kind))
			return &g->node[i];
	fail_msg("no %s in the graph", kind);
	return NULL;
}

static void graph_shows_both_with_their_counters(void **state)
{
	struct rig *r = *state;
	struct irq_line line;
	struct irq_source s = { 0 };
	struct irq_graph g;

	r->remapper.next = &r->doorbell.stage;
	irq_line_init(&line, "wire", &r->remapper.stage, 1);
	irq_source_connect(&s, &line);
	irq_source_set(&s, true);
	msi_send(&r->bank, 1);
	msi_send(&r->bank, 2);
	irq_graph_init(&g);
	assert_int_equal(irq_graph_add(&g, &r->bank.stage), 0);
	assert_int_equal(irq_graph_add(&g, &line.stage), 0);
	assert_int_equal(g.nr_nodes, 4);
	assert_int_equal(g.nr_edges, 3);
	assert_int_equal(node(&g, "remapper")->view.count.fired, 2);
	assert_int_equal(node(&g, "remapper")->view.count.dropped, 1);
	assert_int_equal(node(&g, "remapper")->view.level, 1);
	assert_string_equal(node(&g, "remapper")->view.name, "1 faults");
	assert_int_equal(node(&g, "doorbell")->view.count.fired, 1);
	assert_int_equal(node(&g, "doorbell")->view.count.coalesced, 1);
	assert_int_equal(node(&g, "doorbell")->view.level, -1);
	irq_graph_fini(&g);
}

/*
 * ---- What all of this had to know ----------------------------------------
 */

/* Where the tree is, by the name that the compiler was given for this file. */
static FILE *open_source(const char *name)
{
	static const char me[] = "tests/flow/new_interrupt_type_test.c";
	size_t root = strlen(__FILE__) - strlen(me);
	char path[4096];

	assert_string_equal(__FILE__ + root, me);
	snprintf(path, sizeof(path), "%.*s%s", (int)root, __FILE__, name);
	return fopen(path, "r");
}

/* Headers of the tree must be of irq, or the few words of everybody; of the
 * system's, none is a hypervisor's. */
static unsigned int check_includes(const char *name, unsigned int depth)
{
	FILE *f = open_source(name);
	unsigned int nr = 0;
	char line[256], header[128];

	assert_true(depth < 8);
	if (!f)
		fail_msg("%s is not where it was compiled", name);
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " # include < %127[^>]", header) == 1) {
			if (strchr(header, '/'))
				fail_msg("%s: <%s>", name, header);
			continue;
		}
		if (sscanf(line, " # include \" %127[^\"]", header) != 1)
			continue;
		if (strncmp(header, "irq/", 4) != 0 &&
		    strcmp(header, "ring/base.h") != 0)
			fail_msg("%s: \"%s\"", name, header);
		if (strstr(header, "kvm"))
			fail_msg("%s: \"%s\"", name, header);
		nr += 1 + check_includes(header, depth + 1);
	}
	if (f)
		fclose(f);
	return nr;
}

static void this_file_knows_no_hypervisor_no_pci_and_no_virtio(void **state)
{
	(void)state;
	/* Five here, and what those lead to. */
	assert_true(check_includes("tests/flow/new_interrupt_type_test.c", 0) >
		    5);
}

int main(void)
{
#define WITH_RIG(t) cmocka_unit_test_setup_teardown(t, bank_remapper_sink, done)
	const struct CMUnitTest tests[] = {
		WITH_RIG(message_of_a_bank_is_translated_on_its_way),
		WITH_RIG(message_without_an_entry_is_a_fault_and_is_not_kept),
		WITH_RIG(entry_of_another_requester_is_a_fault),
		WITH_RIG(event_waits_in_the_bank_for_an_entry_that_is_expected),
		WITH_RIG(refusal_of_a_sink_reaches_the_bank_through_it),
		WITH_RIG(wire_shared_by_two_sources_leads_through_it_too),
		WITH_RIG(gsi_may_lead_through_it_as_message_and_as_wire),
		WITH_RIG(answer_of_a_new_sink_reaches_who_raised_it),
		WITH_RIG(sink_may_become_a_doorbell_while_events_are_kept),
		WITH_RIG(graph_shows_both_with_their_counters),
		cmocka_unit_test(
			this_file_knows_no_hypervisor_no_pci_and_no_virtio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
