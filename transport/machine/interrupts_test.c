/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GSIs of a machine without functions: their sources are the test's, the far
 * end is a ring that has as much room as the test leaves it.
 */
#include "transport/machine/interrupts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#include "transport/machine/machine.h"

#define NR 4

struct rig {
	struct machine *machine;
	struct interrupts *in;
	struct channel service, client;
	struct link link;
	struct irq_source source[NR]; /* of GSI 4 up */
};

#define GSI(n) (4 + (n))

static void attach(struct rig *r, uint16_t irqchip)
{
	const struct link_options opt = { .irqchip = irqchip };

	assert_int_equal(link_attach(r->machine, &r->link, &r->service, &opt),
			 0);
}

static void detach(struct rig *r)
{
	struct gpa_region region;

	link_detach(&r->link);
	assert_false(link_take_region(&r->link, &region));
	r->link = (struct link){ 0 };
}

static int lines(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	int fds[MSG_NR_FDS];

	assert_non_null(r);
	assert_int_equal(machine_create("rig", &r->machine), 0);
	assert_int_equal(channel_create(&r->service, 1, 1), 0);
	fds[MSG_FD_SEGMENT] = dup(r->service.fd);
	fds[MSG_FD_KICK] = dup(r->service.kick_fd);
	assert_int_equal(channel_open(&r->client, &r->service.geo, fds), 0);
	attach(r, PCIRING_IRQCHIP_LINES);
	r->in = &r->machine->interrupts;
	for (unsigned int i = 0; i < NR; i++)
		irq_source_connect(&r->source[i],
				   gsi_line(&r->in->table, GSI(i)));
	*state = r;
	return 0;
}

static int done(void **state)
{
	struct rig *r = *state;

	for (unsigned int i = 0; i < NR; i++)
		irq_source_connect(&r->source[i], NULL);
	detach(r);
	machine_destroy(r->machine);
	channel_fini(&r->client);
	channel_fini(&r->service);
	free(r);
	return 0;
}

#define FILLER 0xffff

static void fill(struct rig *r)
{
	const struct msg_irq filler = { .what = FILLER };

	while (channel_irq(&r->service, &filler))
		;
}

static void turn(struct rig *r)
{
	while (machine_turn(r->machine))
		;
}

/* Take what the ring has; how many of them are no fillers. */
static unsigned int take(struct rig *r, struct msg_irq *last)
{
	struct msg_irq irq;
	unsigned int n = 0;

	while (channel_get_irqs(&r->client, &irq, 1)) {
		if (irq.what == FILLER)
			continue;
		*last = irq;
		n++;
	}
	return n;
}

static void expect_level(struct rig *r, unsigned int i, bool high)
{
	struct msg_irq irq;

	assert_int_equal(take(r, &irq), 1);
	assert_int_equal(irq.what, MSG_IRQ_WHAT(PCIRING_IRQ_TYPE_LINE, GSI(i)));
	assert_int_equal(irq.data, high);
}

static void bind(struct rig *r, unsigned int i)
{
	int old;

	assert_int_equal(
		interrupts_bind(r->in, GSI(i), eventfd(0, EFD_CLOEXEC), &old),
		0);
	assert_int_equal(old, -1);
}

static void route_to_msi(struct rig *r, unsigned int i)
{
	const struct gsi_route msi = {
		.kind = GSI_TO_MSI,
		.msi = { .address = 0xfee00000, .data = 0x41 },
	};

	assert_int_equal(gsi_route(&r->in->table, GSI(i), &msi), 0);
}

/* ---- What the ring has no room for ---------------------------------------- */

static void
what_the_ring_is_owed_waits_for_as_much_room_as_it_takes(void **state)
{
	struct rig *r = *state;
	struct msg_irq irq = { 0 };

	for (unsigned int i = 0; i < 2; i++) {
		irq_source_set(&r->source[i], true);
		expect_level(r, i, true);
	}
	fill(r);
	bind(r, 0);
	bind(r, 1);
	/* Room for one of the two. */
	assert_int_equal(channel_get_irqs(&r->client, &irq, 1), 1);
	turn(r);
	expect_level(r, 0, false);
	turn(r);
	expect_level(r, 1, false);
	turn(r);
	assert_int_equal(take(r, &irq), 0);
}

static void message_of_a_gsi_waits_for_room(void **state)
{
	struct rig *r = *state;
	struct msg_irq irq = { 0 };

	route_to_msi(r, 2);
	fill(r);
	assert_int_equal(irq_source_set(&r->source[2], true), IRQ_LATCHED);
	assert_int_equal(take(r, &irq), 0);
	turn(r);
	assert_int_equal(take(r, &irq), 1);
	assert_int_equal(irq.data, 0x41);
}

/* A GSI without an eventfd is masked as one with it. */
static void masked_gsi_keeps_its_level_from_the_ring(void **state)
{
	struct rig *r = *state;
	struct msg_irq irq = { 0 };

	irq_source_set(&r->source[0], true);
	expect_level(r, 0, true);
	assert_int_equal(interrupts_control(r->in, GSI(0), PCIRING_IRQ_MASK),
			 0);
	expect_level(r, 0, false);
	irq_source_set(&r->source[0], false);
	irq_source_set(&r->source[0], true);
	assert_int_equal(take(r, &irq), 0);
	assert_int_equal(interrupts_control(r->in, GSI(0), PCIRING_IRQ_UNMASK),
			 0);
	expect_level(r, 0, true);
}

static void masked_gsi_stays_masked_without_its_eventfd(void **state)
{
	struct rig *r = *state;
	struct msg_irq irq = { 0 };
	int old;

	bind(r, 0);
	interrupts_control(r->in, GSI(0), PCIRING_IRQ_MASK);
	irq_source_set(&r->source[0], true);
	assert_int_equal(interrupts_bind(r->in, GSI(0), -1, &old), 0);
	assert_int_equal(close(old), 0);
	assert_int_equal(take(r, &irq), 0);
	interrupts_control(r->in, GSI(0), PCIRING_IRQ_UNMASK);
	expect_level(r, 0, true);
}

static void gsi_masked_while_the_ring_is_full_is_told_low_later(void **state)
{
	struct rig *r = *state;

	irq_source_set(&r->source[0], true);
	expect_level(r, 0, true);
	fill(r);
	interrupts_control(r->in, GSI(0), PCIRING_IRQ_MASK);
	assert_int_equal(r->in->owed, BIT(GSI(0)));
	assert_int_equal(
		channel_get_irqs(&r->client, &(struct msg_irq){ 0 }, 1), 1);
	turn(r);
	expect_level(r, 0, false);
}

/* What the client makes of what it hears. */
struct heard {
	bool level; /* by the ring */
	bool busy;  /* signalled, and not ended by us */
	bool masked;
	int fd; /* -1: none is bound */
};

static void listen(struct rig *r, struct heard *h, unsigned int max)
{
	struct msg_irq irq;

	while (max-- && channel_get_irqs(&r->client, &irq, 1))
		if (irq.what != FILLER)
			h[MSG_IRQ_NUMBER(irq.what) - GSI(0)].level = irq.data;
}

/* One signal between two ends of an interrupt, no more. */
static void look(struct heard *h)
{
	uint64_t count = 0;

	if (h->fd < 0 || read(h->fd, &count, sizeof(count)) != sizeof(count))
		return;
	assert_int_equal(count, 1);
	assert_false(h->busy);
	h->busy = true;
}

static void bind_or_not(struct rig *r, unsigned int i, struct heard *h)
{
	int old, fd = h->fd < 0 ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;

	assert_int_equal(interrupts_bind(r->in, GSI(i), fd, &old), 0);
	assert_int_equal(old, h->fd);
	if (old >= 0)
		close(old);
	h->fd = fd;
	h->busy = false;
}

static void random_step(struct rig *r, struct heard *heard)
{
	unsigned int i = (unsigned int)rand() % NR;
	struct heard *h = &heard[i];

	look(h);
	switch (rand() % 10) {
	case 0:
	case 1:
	case 2:
		irq_source_set(&r->source[i], !r->source[i].high);
		break;
	case 3:
		bind_or_not(r, i, h);
		break;
	case 4:
		h->masked = true;
		interrupts_control(r->in, GSI(i), PCIRING_IRQ_MASK);
		break;
	case 5:
		h->masked = h->busy = false;
		interrupts_control(r->in, GSI(i), PCIRING_IRQ_UNMASK);
		break;
	case 6:
		h->busy = false;
		interrupts_eoi(r->in, PCIRING_EOI_GSI, GSI(i));
		break;
	case 7:
		fill(r);
		break;
	case 8:
		listen(r, heard, 1 + (unsigned int)rand() % 3);
		break;
	default:
		machine_turn(r->machine);
	}
}

static void expect_all_heard(struct rig *r, struct heard *h)
{
	do {
		listen(r, h, UINT32_MAX);
		turn(r);
	} while (r->link.ring.backlog);
	listen(r, h, UINT32_MAX);
	assert_int_equal(r->in->owed, 0);
	for (unsigned int i = 0; i < NR; i++) {
		const bool high = r->source[i].high && !h[i].masked;

		look(&h[i]);
		assert_int_equal(h[i].level, high && h[i].fd < 0);
		if (high && h[i].fd >= 0)
			assert_true(h[i].busy);
	}
}

static void
all_is_heard_wherever_gsis_go_and_whatever_room_there_is(void **state)
{
	struct heard heard[NR];
	struct rig *r = *state;

	srand(16);
	for (unsigned int i = 0; i < NR; i++)
		heard[i] = (struct heard){ .fd = -1 };
	for (unsigned int step = 0; step < 20000; step++) {
		random_step(r, heard);
		if (rand() % 16 == 0)
			expect_all_heard(r, heard);
	}
	expect_all_heard(r, heard);
}

/* ---- What outlives a link, and what does not -------------------------------- */

static void what_a_link_is_owed_ends_with_it(void **state)
{
	struct rig *r = *state;
	struct msg_irq irq = { 0 };

	irq_source_set(&r->source[0], true);
	expect_level(r, 0, true);
	fill(r);
	bind(r, 0);
	irq_source_set(&r->source[0], false);
	detach(r);
	take(r, &irq);
	attach(r, PCIRING_IRQCHIP_SPLIT);
	/* This one finds no room, so all there is to tell is told. */
	route_to_msi(r, 2);
	fill(r);
	irq_source_set(&r->source[2], true);
	take(r, &irq);
	turn(r);
	assert_int_equal(take(r, &irq), 1);
	assert_int_equal(irq.what, 0);
}

static void gsis_wait_for_the_next_link(void **state)
{
	struct rig *r = *state;
	struct msg_irq irq = { 0 };

	route_to_msi(r, 2);
	detach(r);
	assert_int_equal(irq_source_set(&r->source[0], true), IRQ_DROPPED);
	assert_false(r->in->pin[GSI(0)].told);
	assert_int_equal(irq_source_set(&r->source[2], true), IRQ_LATCHED);
	assert_int_equal(r->in->table.nr_pending, 1);
	assert_int_equal(take(r, &irq), 0);
	attach(r, PCIRING_IRQCHIP_LINES);
	assert_int_equal(take(r, &irq), 2);
	assert_int_equal(irq.data, 0x41);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, lines, done)
	const struct CMUnitTest tests[] = {
		T(what_the_ring_is_owed_waits_for_as_much_room_as_it_takes),
		T(message_of_a_gsi_waits_for_room),
		T(masked_gsi_keeps_its_level_from_the_ring),
		T(masked_gsi_stays_masked_without_its_eventfd),
		T(gsi_masked_while_the_ring_is_full_is_told_low_later),
		T(all_is_heard_wherever_gsis_go_and_whatever_room_there_is),
		T(what_a_link_is_owed_ends_with_it),
		T(gsis_wait_for_the_next_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
