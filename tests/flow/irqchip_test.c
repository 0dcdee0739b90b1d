/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interrupt controller of a machine-wide link: it comes and goes with the
 * link, GSIs move between the ring and eventfds, and the guest's ends of
 * interrupts arrive.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flow/rig.h"

#define BAR_BASE 0xc0000000ull
#define GSI	 17 /* of 00:01.0 */

struct world {
	struct rig rig;
	struct guest guest;
};

static struct world *start(const struct link_options *opt)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_int_equal(rig_init_link(&w->rig, opt), 0);
	rig_guest(&w->rig, &w->guest);
	return w;
}

static struct world *start_with(uint16_t irqchip)
{
	const struct link_options opt = { .irqchip = irqchip };

	return start(&opt);
}

static void stop(struct world *w)
{
	rig_fini(&w->rig);
	free(w);
}

static void bring_up(struct world *w)
{
	struct guest *g = &w->guest;

	g->mem.used = 0;
	assert_int_equal(guest_find_caps(g), 0);
	assert_int_equal(guest_place_bars(g, BAR_BASE), 0);
	guest_command(g, true, true);
	assert_int_equal(guest_start(g, GUEST_ALL_FEATURES, 16), 0);
}

/* One interrupt of the function: its line is high. */
static void raise(struct world *w)
{
	struct guest_buf buf = { .len = 16, .write = true };
	struct guest_used used;

	while (guest_poll(&w->guest, 0, &used))
		;
	buf.gpa = guest_alloc(&w->guest, 16, 16);
	assert_true(guest_add(&w->guest, 0, &buf, 1, false) >= 0);
	guest_kick(&w->guest, 0);
	assert_true(rig_run(&w->rig, 8));
}

static int event_fd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static uint64_t signals(int fd)
{
	uint64_t count = 0;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void expect_level(struct world *w, bool high)
{
	struct msg_irq irq;

	assert_int_equal(channel_get_irqs(&w->rig.client, &irq, 1), 1);
	assert_int_equal(irq.what, MSG_IRQ_WHAT(PCIRING_IRQ_TYPE_LINE, GSI));
	assert_int_equal(irq.data, high);
}

static void expect_nothing(struct world *w)
{
	struct msg_irq irq;

	assert_int_equal(channel_get_irqs(&w->rig.client, &irq, 1), 0);
}

static void fill_ring(struct world *w)
{
	const struct msg_irq filler = { .what = 0xffff };

	while (channel_irq(&w->rig.service, &filler))
		;
}

static void drain(struct world *w)
{
	struct msg_irq irq;

	while (channel_get_irqs(&w->rig.client, &irq, 1))
		;
}

/* All that is on the ring, and after it what waited; the last level told, or
 * -1 if there was none. */
static int last_level(struct world *w)
{
	struct msg_irq irq;
	int level = -1;
	bool more = true;

	while (more) {
		more = w->rig.link.ring.backlog;
		while (channel_get_irqs(&w->rig.client, &irq, 1)) {
			more = true;
			if (irq.what != 0xffff)
				level = (int)irq.data;
		}
		rig_run(&w->rig, 8);
	}
	return level;
}

static uint64_t apic(struct world *w, uint8_t op, uint32_t reg, uint64_t value)
{
	rig_access(&w->rig, MSG_WRITE, PCIRING_SPACE_MMIO, IOAPIC_BASE, 4, reg);
	return rig_access(&w->rig, op, PCIRING_SPACE_MMIO,
			  IOAPIC_BASE + IOAPIC_WINDOW, 4, value);
}

static void eoi(struct world *w, uint64_t what, uint64_t number)
{
	rig_access(&w->rig, MSG_WRITE, PCIRING_SPACE_EOI, what, 4, number);
}

static int bind_gsi(struct world *w, int fd, int *old)
{
	return link_line_bind(&w->rig.link, PCIRING_LINE_GSI, GSI, fd, old);
}

/* ---- Attach and detach ------------------------------------------------------ */

static void detach(struct world *w)
{
	struct gpa_region r;

	link_detach(&w->rig.link);
	while (link_take_region(&w->rig.link, &r))
		gpa_files_put(&w->rig.files, r.file);
}

static int attach(struct world *w, uint16_t scope, bool remote,
		  uint16_t irqchip)
{
	const struct link_options opt = {
		.scope = scope,
		.bdf = RIG_BDF,
		.remote = remote,
		.irqchip = irqchip,
	};

	return link_attach(w->rig.machine, &w->rig.link, &w->rig.service, &opt);
}

static void expect_power_on(struct world *w)
{
	const struct interrupts *in = &w->rig.machine->interrupts;

	assert_null(in->link);
	assert_int_equal(in->owed, 0);
	assert_null(bus_find(&w->rig.machine->mmio, IOAPIC_BASE, 4));
	for (unsigned int n = 0; n < IOAPIC_PINS; n++) {
		assert_null(in->pin[n].next);
		assert_false(in->pin[n].high || in->eventfd[n].high);
		assert_int_equal(in->eventfd[n].fd, -1);
		assert_false(in->eventfd[n].busy || in->eventfd[n].masked);
		assert_int_equal(in->ioapic.s.entry[n], IOAPIC_MASKED);
	}
	assert_int_equal(in->ioapic.s.high, 0);
	assert_ptr_equal(w->rig.function->vp.func.intx.line,
			 pci_root_line(&w->rig.machine->root,
				       &w->rig.function->vp.func));
}

static void a_controller_lasts_as_long_as_its_link(void **state)
{
	int fd = -1, old;

	(void)state;
	for (uint16_t chip = 0; chip <= PCIRING_IRQCHIP_SPLIT; chip++) {
		struct world *w = start_with(chip);

		bring_up(w);
		apic(w, MSG_WRITE, 0x10 + 2 * GSI, 0xa051);
		if (chip == PCIRING_IRQCHIP_LINES) {
			fd = event_fd();
			assert_int_equal(bind_gsi(w, fd, &old), 0);
			assert_int_equal(link_line_control(
						 &w->rig.link, PCIRING_LINE_GSI,
						 GSI, PCIRING_IRQ_MASK),
					 0);
		}
		fill_ring(w);
		raise(w);
		detach(w);
		expect_power_on(w);
		if (chip == PCIRING_IRQCHIP_LINES)
			assert_int_equal(close(fd), -1); /* it was the GSI's */
		/* The next one starts from there. */
		w->rig.link = (struct link){ 0 };
		drain(w);
		assert_int_equal(attach(w, PCIRING_SCOPE_MACHINE, false,
					PCIRING_IRQCHIP_LINES),
				 0);
		assert_int_equal(rig_lend(&w->rig), 0);
		bring_up(w);
		raise(w);
		expect_level(w, true);
		detach(w);
		assert_int_equal(attach(w, PCIRING_SCOPE_MACHINE, false,
					PCIRING_IRQCHIP_SPLIT),
				 0);
		assert_int_equal(apic(w, MSG_READ, 0x10 + 2 * GSI, 0), 0x10000);
		stop(w);
	}
}

static void a_controller_needs_the_whole_machine(void **state)
{
	struct world *w = start_with(PCIRING_IRQCHIP_NONE);

	(void)state;
	detach(w);
	assert_int_equal(
		attach(w, PCIRING_SCOPE_FUNCTION, false, PCIRING_IRQCHIP_LINES),
		-EINVAL);
	assert_int_equal(
		attach(w, PCIRING_SCOPE_MACHINE, true, PCIRING_IRQCHIP_SPLIT),
		-EINVAL);
	assert_int_equal(attach(w, PCIRING_SCOPE_MACHINE, false,
				PCIRING_IRQCHIP_SPLIT + 1),
			 -EINVAL);
	assert_null(w->rig.machine->links);
	expect_power_on(w);
	/* Its pin comes back to the root's line. */
	assert_int_equal(attach(w, PCIRING_SCOPE_FUNCTION, true, 0), 0);
	detach(w);
	expect_power_on(w);
	assert_int_equal(attach(w, PCIRING_SCOPE_FUNCTION, true, 0), 0);
	stop(w);
}

static void a_controller_whose_addresses_are_taken_is_refused(void **state)
{
	static const struct bus_ops ops = { .read = NULL };
	struct bus_range r = { .base = IOAPIC_BASE + 0x20,
			       .size = 4,
			       .ops = &ops };
	struct world *w = start_with(PCIRING_IRQCHIP_NONE);
	struct bus *mmio = &w->rig.machine->mmio;

	(void)state;
	detach(w);
	assert_int_equal(bus_insert(mmio, &r, NULL), 0);
	assert_int_equal(
		attach(w, PCIRING_SCOPE_MACHINE, false, PCIRING_IRQCHIP_SPLIT),
		-EBUSY);
	assert_null(w->rig.machine->links);
	bus_remove(mmio, &r);
	expect_power_on(w);
	assert_int_equal(
		attach(w, PCIRING_SCOPE_MACHINE, false, PCIRING_IRQCHIP_SPLIT),
		0);
	stop(w);
}

/* ---- Ends of interrupts -------------------------------------------------------- */

static void the_end_of_nothing_is_counted_only(void **state)
{
	static const struct {
		uint16_t irqchip;
		uint64_t what, number;
	} nonsense[] = {
		{ PCIRING_IRQCHIP_NONE, PCIRING_EOI_VECTOR, 0x51 },
		{ PCIRING_IRQCHIP_NONE, PCIRING_EOI_GSI, GSI },
		{ PCIRING_IRQCHIP_LINES, PCIRING_EOI_VECTOR, 0x51 },
		{ PCIRING_IRQCHIP_LINES, PCIRING_EOI_GSI, IOAPIC_PINS },
		{ PCIRING_IRQCHIP_LINES, PCIRING_EOI_GSI, UINT32_MAX },
		{ PCIRING_IRQCHIP_LINES, PCIRING_EOI_GSI, 1ull << 32 | GSI },
		{ PCIRING_IRQCHIP_SPLIT, PCIRING_EOI_VECTOR, 0x151 },
		{ PCIRING_IRQCHIP_SPLIT, PCIRING_EOI_GSI, GSI },
		{ PCIRING_IRQCHIP_SPLIT, 2, 0x51 },
		{ PCIRING_IRQCHIP_SPLIT, UINT64_MAX, 0x51 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(nonsense); i++) {
		struct world *w = start_with(nonsense[i].irqchip);

		eoi(w, nonsense[i].what, nonsense[i].number);
		assert_int_equal(w->rig.link.stats.nowhere, 1);
		assert_int_equal(w->rig.link.stats.writes[PCIRING_SPACE_EOI],
				 1);
		expect_nothing(w);
		stop(w);
	}
}

static void an_end_is_a_write_of_four_bytes(void **state)
{
	struct world *w = start_with(PCIRING_IRQCHIP_SPLIT);
	struct rig *r = &w->rig;

	(void)state;
	assert_int_equal(rig_access(r, MSG_READ, PCIRING_SPACE_EOI,
				    PCIRING_EOI_VECTOR, 4, 0),
			 UINT32_MAX);
	rig_access(r, MSG_WRITE, PCIRING_SPACE_EOI, PCIRING_EOI_VECTOR, 1, 1);
	assert_int_equal(r->link.stats.nowhere, 2);
	/* One that ends nothing is still one. */
	eoi(w, PCIRING_EOI_VECTOR, 0x51);
	assert_int_equal(r->link.stats.nowhere, 2);
	stop(w);
}

static void a_link_of_one_function_ends_nothing(void **state)
{
	const struct link_options opt = { .scope = PCIRING_SCOPE_FUNCTION };
	struct world *w = start(&opt);

	(void)state;
	eoi(w, PCIRING_EOI_GSI, GSI);
	assert_int_equal(w->rig.link.stats.refused, 1);
	stop(w);
}

/* ---- Lines and eventfds ---------------------------------------------------------- */

static void lines_that_are_not_there_cannot_be_bound(void **state)
{
	static const struct {
		struct link_options link;
		unsigned int kind;
		uint32_t number;
		int err;
	} bad[] = {
		{ { .irqchip = 0 }, PCIRING_LINE_GSI, GSI, -ENOENT },
		{ { .irqchip = 2 }, PCIRING_LINE_GSI, GSI, -ENOENT },
		{ { .irqchip = 1 }, PCIRING_LINE_GSI, 24, -ENOENT },
		{ { .irqchip = 1 }, PCIRING_LINE_GSI, 1u << 16 | GSI, -ENOENT },
		{ { .irqchip = 1 }, PCIRING_LINE_INTX, RIG_BDF, -ENOENT },
		{ { .irqchip = 1 }, 2, GSI, -EINVAL },
		{ { .remote = true }, PCIRING_LINE_GSI, GSI, -ENOENT },
		{ { .remote = true }, PCIRING_LINE_INTX, 0x10, -ENOENT },
		{ { .remote = true },
		  PCIRING_LINE_INTX,
		  1u << 16 | RIG_BDF,
		  -ENOENT },
		{ { .scope = 1 }, PCIRING_LINE_GSI, GSI, -ENOENT },
	};
	int old;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct world *w = start(&bad[i].link);

		assert_int_equal(link_line_bind(&w->rig.link, bad[i].kind,
						bad[i].number, -1, &old),
				 bad[i].err);
		assert_int_equal(link_line_control(&w->rig.link, bad[i].kind,
						   bad[i].number,
						   PCIRING_IRQ_MASK),
				 bad[i].err);
		stop(w);
	}
}

static void a_function_without_a_pin_has_no_line(void **state)
{
	const struct link_options own = { .scope = PCIRING_SCOPE_FUNCTION };
	struct world *w = start(&own);
	int old;

	(void)state;
	pci_config_set(&w->rig.function->vp.func.config, PCI_INTERRUPT_PIN, 1,
		       0);
	assert_int_equal(link_line_bind(&w->rig.link, PCIRING_LINE_INTX,
					RIG_BDF, -1, &old),
			 -ENOENT);
	stop(w);
}

static void lines_have_three_actions(void **state)
{
	const struct link_options own = { .scope = PCIRING_SCOPE_FUNCTION };
	struct world *w = start_with(PCIRING_IRQCHIP_LINES);

	(void)state;
	assert_int_equal(link_line_control(&w->rig.link, PCIRING_LINE_GSI, GSI,
					   PCIRING_IRQ_TRIGGER + 1),
			 -EINVAL);
	stop(w);
	w = start(&own);
	assert_int_equal(link_line_control(&w->rig.link, PCIRING_LINE_INTX,
					   RIG_BDF, PCIRING_IRQ_TRIGGER + 1),
			 -EINVAL);
	assert_int_equal(link_line_control(&w->rig.link, PCIRING_LINE_INTX,
					   RIG_BDF, PCIRING_IRQ_TRIGGER),
			 0);
	stop(w);
}

static void a_bound_gsi_leaves_the_ring_and_comes_back(void **state)
{
	struct world *w = start_with(PCIRING_IRQCHIP_LINES);
	int fd = event_fd(), other = event_fd(), old = -2;

	(void)state;
	bring_up(w);
	raise(w);
	expect_level(w, true);
	assert_int_equal(bind_gsi(w, fd, &old), 0);
	assert_int_equal(old, -1);
	assert_int_equal(signals(fd), 1);
	expect_level(w, false);
	/* Another one is told anew; then the ring. */
	assert_int_equal(bind_gsi(w, other, &old), 0);
	assert_int_equal(old, fd);
	assert_int_equal(signals(other), 1);
	expect_nothing(w);
	assert_int_equal(bind_gsi(w, -1, &old), 0);
	assert_int_equal(old, other);
	expect_level(w, true);
	guest_isr(&w->guest);
	expect_level(w, false);
	close(fd);
	close(other);
	stop(w);
}

static void a_masked_line_tells_once_when_unmasked(void **state)
{
	struct world *w = start_with(PCIRING_IRQCHIP_LINES);
	int fd = event_fd(), old;

	(void)state;
	bring_up(w);
	assert_int_equal(bind_gsi(w, fd, &old), 0);
	link_line_control(&w->rig.link, PCIRING_LINE_GSI, GSI,
			  PCIRING_IRQ_MASK);
	raise(w);
	assert_int_equal(signals(fd), 0);
	link_line_control(&w->rig.link, PCIRING_LINE_GSI, GSI,
			  PCIRING_IRQ_UNMASK);
	assert_int_equal(signals(fd), 1);
	link_line_control(&w->rig.link, PCIRING_LINE_GSI, GSI,
			  PCIRING_IRQ_UNMASK);
	assert_int_equal(signals(fd), 1);
	eoi(w, PCIRING_EOI_GSI, GSI);
	assert_int_equal(signals(fd), 1);
	guest_isr(&w->guest);
	eoi(w, PCIRING_EOI_GSI, GSI);
	assert_int_equal(signals(fd), 0);
	stop(w);
}

static void a_full_ring_hears_later_that_a_gsi_has_left(void **state)
{
	struct world *w = start_with(PCIRING_IRQCHIP_LINES);
	int fd = event_fd(), old;

	(void)state;
	bring_up(w);
	raise(w);
	expect_level(w, true);
	fill_ring(w);
	assert_int_equal(bind_gsi(w, fd, &old), 0);
	assert_int_equal(last_level(w), 0);
	expect_nothing(w);
	stop(w);
}

/* @room: the client takes all there is meanwhile. */
static void leave_and_come_back(bool high, bool room)
{
	struct world *w = start_with(PCIRING_IRQCHIP_LINES);
	int fd = event_fd(), old;

	bring_up(w);
	raise(w);
	expect_level(w, true);
	fill_ring(w);
	assert_int_equal(bind_gsi(w, fd, &old), 0);
	if (!high)
		guest_isr(&w->guest);
	if (room)
		drain(w);
	assert_int_equal(bind_gsi(w, -1, &old), 0);
	close(old);
	assert_int_equal(last_level(w), high);
	if (high)
		guest_isr(&w->guest);
	assert_int_equal(last_level(w), high ? 0 : -1);
	stop(w);
}

static void a_gsi_that_left_a_full_ring_and_came_back_is_as_it_is(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		leave_and_come_back(i & 1, i & 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_controller_lasts_as_long_as_its_link),
		cmocka_unit_test(a_controller_needs_the_whole_machine),
		cmocka_unit_test(
			a_controller_whose_addresses_are_taken_is_refused),
		cmocka_unit_test(the_end_of_nothing_is_counted_only),
		cmocka_unit_test(an_end_is_a_write_of_four_bytes),
		cmocka_unit_test(a_link_of_one_function_ends_nothing),
		cmocka_unit_test(lines_that_are_not_there_cannot_be_bound),
		cmocka_unit_test(a_function_without_a_pin_has_no_line),
		cmocka_unit_test(lines_have_three_actions),
		cmocka_unit_test(a_bound_gsi_leaves_the_ring_and_comes_back),
		cmocka_unit_test(a_masked_line_tells_once_when_unmasked),
		cmocka_unit_test(a_full_ring_hears_later_that_a_gsi_has_left),
		cmocka_unit_test(
			a_gsi_that_left_a_full_ring_and_came_back_is_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
