/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * INTx as a guest lives with it: two functions behind a bridge share one root
 * line, and this program is the guest's driver of both, its I/O APIC where the
 * machine has none, and its local APIC.  What a CPU does between two steps of
 * its handler - functions complete, requests come, the ring is read - is drawn
 * by lot.
 *
 * A driver asks for the next buffer only when its handler has seen the last
 * one, so one interrupt that is lost stops everything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flow/rig_dev.h"

#define ROUNDS 10000 /* of each function */
#define BRIDGE 3     /* device on bus 0 */
#define GSI    17    /* where (2 + 3) and (6 + 3) modulo 4 end */
#define VECTOR 0x51
#define FILLER 0xffff

/* The I/O APIC as the guest knows it: 82093AA. */
#define APIC	   0xfec00000ull
#define APIC_LEVEL 0xa000u /* and active low, as PCI is */

static const uint16_t place[] = { 0x0110, 0x0130 };

/* A wire and the CPU that serves it: idle, or about to look at device @at,
 * or, behind the last of them, about to say that it is done. */
struct wire {
	unsigned int first, nr; /* devices */
	int fd;
	bool level;	/* as the ring told it */
	bool requested; /* the CPU will run the handler */
	bool serving;
	unsigned int at;
	unsigned int found; /* devices that had cause */
};

struct world {
	struct rig rig;
	struct rig_dev dev[ARRAY_SIZE(place)];
	struct wire wire[2];
	unsigned int nr_wires;
	uint64_t random;
	bool crowded; /* somebody else keeps the ring full */
	struct msg_irq route[24];
	unsigned int rounds;
	unsigned int told;   /* messages, levels or signals */
	unsigned int served; /* runs of a handler */
	unsigned int late;   /* wires that were high again before the end */
	unsigned int both;   /* runs that found cause in both */
};

/* How interrupts come and are ended. */
struct way {
	struct link_options link;
	void (*set_up)(struct world *w);
	void (*take)(struct world *w);
	void (*end)(struct world *w, struct wire *wire);
};

static uint32_t rnd(struct world *w, uint32_t n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (uint32_t)(w->random >> 32) % n;
}

/* ---- Devices ----------------------------------------------------------------- */

static bool is_high(struct world *w, const struct wire *wire)
{
	for (unsigned int i = 0; i < wire->nr; i++)
		if (w->dev[wire->first + i].port.function->vp.func.intx.high)
			return true;
	return false;
}

/* ---- The CPU ----------------------------------------------------------------- */

/* Nothing comes before the last one was ended: no storm. */
static void request(struct wire *wire)
{
	assert_false(wire->requested || wire->serving);
	wire->requested = true;
}

static void serve(struct world *w, struct wire *wire, const struct way *way)
{
	struct rig_dev *d = &w->dev[wire->first];

	if (!wire->serving) {
		if (!wire->requested)
			return;
		wire->requested = false;
		wire->serving = true;
		wire->at = 0;
		wire->found = 0;
		w->served++;
	} else if (wire->at < wire->nr) {
		wire->found += rig_dev_handle(&d[wire->at++]);
	} else {
		w->both += wire->found == 2;
		w->late += is_high(w, wire);
		wire->serving = false;
		way->end(w, wire);
	}
}

/* Others' interrupts take what room there is, until ours had to wait. */
static void crowd(struct world *w)
{
	const struct msg_irq filler = { .what = FILLER };

	if (!w->crowded)
		return;
	machine_turn(w->rig.machine);
	while (!w->rig.link.ring.backlog &&
	       channel_irq(&w->rig.service, &filler))
		;
}

static bool take_one(struct world *w, struct msg_irq *irq)
{
	bool got = channel_get_irqs(&w->rig.client, irq, 1);

	crowd(w);
	return got && irq->what != FILLER;
}

static bool all_done(const struct world *w)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(place); i++)
		if (w->dev[i].done < w->rounds)
			return false;
	return true;
}

static void one_step(struct world *w, const struct way *way)
{
	struct rig_dev *d = &w->dev[rnd(w, ARRAY_SIZE(place))];

	switch (rnd(w, 6)) {
	case 0:
		if (!d->asked && d->done < w->rounds)
			rig_dev_ask(d);
		break;
	case 1:
		machine_turn(w->rig.machine);
		break;
	case 2:
		for (unsigned int i = w->crowded ? 1 + rnd(w, 600) : 1; i; i--)
			way->take(w);
		break;
	default:
		serve(w, &w->wire[rnd(w, w->nr_wires)], way);
	}
}

static void one_story(const struct way *way, unsigned int rounds, bool crowded)
{
	struct world *w = calloc(1, sizeof(*w));
	struct function *f;
	unsigned int steps = 0;

	assert_non_null(w);
	w->random = 0x9e3779b97f4a7c15ull;
	w->rounds = rounds;
	w->crowded = crowded;
	assert_int_equal(rig_init_link(&w->rig, &way->link), 0);
	assert_int_equal(machine_add_bus(w->rig.machine, 1, 0, BRIDGE), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(place); i++) {
		assert_int_equal(rig_plug(&w->rig, place[i], &f), 0);
		assert_int_equal(rig_dev_start(&w->dev[i], &w->rig, f, i), 0);
	}
	way->set_up(w);
	while (!all_done(w) && steps++ < 200 * rounds)
		one_step(w, way);
	print_message("# %u messages, %u runs, %u late, %u both\n", w->told,
		      w->served, w->late, w->both);
	assert_true(all_done(w));
	assert_true(w->told <= 2 * ARRAY_SIZE(place) * rounds);
	assert_true(w->served <= 2 * ARRAY_SIZE(place) * rounds);
	assert_true(w->late > rounds / 20);
	assert_true(w->nr_wires > 1 || w->both > rounds / 20);
	for (unsigned int i = 0; i < w->nr_wires; i++)
		if (w->wire[i].fd >= 0)
			close(w->wire[i].fd);
	rig_fini(&w->rig);
	free(w);
}

/* ---- SPLIT: the machine's I/O APIC -------------------------------------------- */

static void apic_write(struct rig *rig, uint32_t reg, uint32_t value)
{
	rig_access(rig, MSG_WRITE, PCIRING_SPACE_MMIO, APIC, 4, reg);
	rig_access(rig, MSG_WRITE, PCIRING_SPACE_MMIO, APIC + 0x10, 4, value);
}

static void shared_wire(struct world *w)
{
	w->nr_wires = 1;
	w->wire[0] = (struct wire){ .nr = 2, .fd = -1 };
}

static void split_set_up(struct world *w)
{
	shared_wire(w);
	apic_write(&w->rig, 0x10 + 2 * GSI + 1, 0);
	apic_write(&w->rig, 0x10 + 2 * GSI, APIC_LEVEL | VECTOR);
}

/* A route is a line of the kernel's table, and a message has to be there. */
static void split_take(struct world *w)
{
	struct msg_irq irq;

	if (!take_one(w, &irq))
		return;
	if (MSG_IRQ_TYPE(irq.what) == PCIRING_IRQ_TYPE_ROUTE) {
		w->route[MSG_IRQ_NUMBER(irq.what)] = irq;
		return;
	}
	assert_int_equal(MSG_IRQ_TYPE(irq.what), PCIRING_IRQ_TYPE_MSI);
	assert_int_equal(irq.address, w->route[GSI].address);
	assert_int_equal(irq.data, w->route[GSI].data);
	assert_int_equal(irq.data & 0xff, VECTOR);
	w->told++;
	request(&w->wire[0]);
}

static void split_end(struct world *w, struct wire *wire)
{
	(void)wire;
	rig_access(&w->rig, MSG_WRITE, PCIRING_SPACE_EOI, PCIRING_EOI_VECTOR, 4,
		   VECTOR);
}

static const struct way split = {
	.link.irqchip = PCIRING_IRQCHIP_SPLIT,
	.set_up = split_set_up,
	.take = split_take,
	.end = split_end,
};

/* rules 72, 74 */
static void a_shared_line_through_our_io_apic_loses_nothing(void **state)
{
	(void)state;
	one_story(&split, ROUNDS, false);
}

static void routes_and_messages_wait_for_room_in_order(void **state)
{
	(void)state;
	one_story(&split, ROUNDS / 40, true);
}

/* ---- LINES: levels on the ring -------------------------------------------------- */

static void lines_take(struct world *w)
{
	struct wire *wire = &w->wire[0];
	struct msg_irq irq;

	if (!take_one(w, &irq))
		return;
	assert_int_equal(irq.what, MSG_IRQ_WHAT(PCIRING_IRQ_TYPE_LINE, GSI));
	/* Only changes are told. */
	assert_int_not_equal(irq.data, wire->level);
	wire->level = irq.data;
	w->told++;
	if (wire->level && !wire->requested && !wire->serving)
		request(wire);
}

/* An I/O APIC of the VMM's looks again at the end. */
static void lines_end(struct world *w, struct wire *wire)
{
	(void)w;
	if (wire->level)
		request(wire);
}

static const struct way lines = {
	.link.irqchip = PCIRING_IRQCHIP_LINES,
	.set_up = shared_wire,
	.take = lines_take,
	.end = lines_end,
};

/* rules 72, 74 */
static void a_shared_line_over_the_ring_loses_nothing(void **state)
{
	(void)state;
	one_story(&lines, ROUNDS, false);
}

static void the_last_level_is_told_when_there_is_room(void **state)
{
	(void)state;
	one_story(&lines, ROUNDS / 40, true);
}

/* ---- Eventfds --------------------------------------------------------------------- */

static void eventfds_take(struct world *w)
{
	struct msg_irq irq;
	uint64_t count;

	/* Who has an eventfd is not told by the ring as well. */
	assert_int_equal(channel_get_irqs(&w->rig.client, &irq, 1), 0);
	for (unsigned int i = 0; i < w->nr_wires; i++) {
		if (read(w->wire[i].fd, &count, sizeof(count)) < 0)
			continue;
		assert_int_equal(count, 1);
		w->told++;
		request(&w->wire[i]);
	}
}

static int bind_wire(struct world *w, unsigned int i, unsigned int kind,
		     uint32_t number)
{
	int old;

	w->wire[i].fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_int_equal(link_line_bind(&w->rig.link, kind, number,
					dup(w->wire[i].fd), &old),
			 0);
	return old;
}

static void gsi_set_up(struct world *w)
{
	shared_wire(w);
	assert_int_equal(bind_wire(w, 0, PCIRING_LINE_GSI, GSI), -1);
}

/* The service's control thread says UNMASK when the resample eventfd was
 * signalled; a VMM without one says EOI. */
static void gsi_end(struct world *w, struct wire *wire)
{
	(void)wire;
	if (rnd(w, 2))
		assert_int_equal(link_line_control(&w->rig.link,
						   PCIRING_LINE_GSI, GSI,
						   PCIRING_IRQ_UNMASK),
				 0);
	else
		rig_access(&w->rig, MSG_WRITE, PCIRING_SPACE_EOI,
			   PCIRING_EOI_GSI, 4, GSI);
}

static const struct way eventfd_of_gsi = {
	.link.irqchip = PCIRING_IRQCHIP_LINES,
	.set_up = gsi_set_up,
	.take = eventfds_take,
	.end = gsi_end,
};

/* rules 72, 74 */
static void a_shared_line_by_eventfd_and_resample_loses_nothing(void **state)
{
	(void)state;
	one_story(&eventfd_of_gsi, ROUNDS, false);
}

static void own_set_up(struct world *w)
{
	w->nr_wires = 2;
	for (unsigned int i = 0; i < 2; i++) {
		w->wire[i] = (struct wire){ .first = i, .nr = 1 };
		assert_int_equal(bind_wire(w, i, PCIRING_LINE_INTX, place[i]),
				 -1);
	}
}

static void own_end(struct world *w, struct wire *wire)
{
	assert_int_equal(link_line_control(&w->rig.link, PCIRING_LINE_INTX,
					   place[wire->first],
					   PCIRING_IRQ_UNMASK),
			 0);
}

static const struct way eventfd_of_function = {
	.link.remote = true,
	.set_up = own_set_up,
	.take = eventfds_take,
	.end = own_end,
};

/* rule 74 */
static void functions_with_lines_of_their_own_lose_nothing(void **state)
{
	(void)state;
	one_story(&eventfd_of_function, ROUNDS, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_shared_line_through_our_io_apic_loses_nothing),
		cmocka_unit_test(routes_and_messages_wait_for_room_in_order),
		cmocka_unit_test(a_shared_line_over_the_ring_loses_nothing),
		cmocka_unit_test(the_last_level_is_told_when_there_is_room),
		cmocka_unit_test(
			a_shared_line_by_eventfd_and_resample_loses_nothing),
		cmocka_unit_test(
			functions_with_lines_of_their_own_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
