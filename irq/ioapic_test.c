/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/test_ioapic.h"

#define DELIVERY_STATUS 0x1000ull
#define POLARITY	0x2000ull

/* ---- Registers ------------------------------------------------------------ */

static void power_on_masks_all_and_sends_nothing(void **state)
{
	struct rig *r = *state;

	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		assert_int_equal(entry(r, pin), IOAPIC_MASKED);
		set(r, pin, true);
	}
	assert_int_equal(get(r, 0), 0);
	assert_int_equal(r->nr, 0);
	assert_int_equal(r->nr_routes, 0);
	assert_int_equal(pending(r), 0);
}

static void version_says_24_pins_and_an_eoi_register(void **state)
{
	struct rig *r = *state;

	assert_int_equal(get(r, 1), 0x170020);
	put(r, 1, 0);
	assert_int_equal(get(r, 1), 0x170020);
}

static void id_has_four_bits_and_is_the_arbitration_id_too(void **state)
{
	struct rig *r = *state;

	put(r, 0, 0xffffffff);
	assert_int_equal(get(r, 0), 0x0f000000);
	assert_int_equal(get(r, 2), 0x0f000000);
	put(r, 2, 0);
	assert_int_equal(get(r, 0), 0x0f000000);
}

static void select_has_eight_bits(void **state)
{
	struct rig *r = *state;

	ioapic_write(&r->io, IOAPIC_SELECT, 4, 0xffffff12);
	assert_int_equal(ioapic_read(&r->io, IOAPIC_SELECT, 4), 0x12);
}

static void guest_cannot_write_status_remote_irr_and_reserved_bits(void **state)
{
	struct rig *r = *state;

	put(r, 0x11, 0xffffffff);
	put(r, 0x10, 0xffffffff);
	assert_int_equal(get(r, 0x11), 0xffff0000);
	assert_int_equal(get(r, 0x10), 0x1afff);
	program(r, 0, IOAPIC_LEVEL | 0x41);
	set(r, 0, true);
	assert_int_equal(entry(r, 0), IOAPIC_LEVEL | IOAPIC_REMOTE_IRR | 0x41);
	put(r, 0x10, IOAPIC_LEVEL | 0x41);
	assert_int_equal(entry(r, 0), IOAPIC_LEVEL | IOAPIC_REMOTE_IRR | 0x41);
}

static void registers_that_are_not_there_read_zero(void **state)
{
	static const uint8_t none[] = { 0x03, 0x0f, 0x40, 0x41, 0xff };
	struct rig *r = *state;
	struct ioapic before;

	for (unsigned int i = 0; i < ARRAY_SIZE(none); i++) {
		assert_int_equal(get(r, none[i]), 0);
		before = r->io;
		put(r, none[i], 0xffffffff);
		assert_memory_equal(&before.s.entry, &r->io.s.entry,
				    sizeof(before.s.entry));
		assert_int_equal(r->io.s.id, 0);
	}
	for (uint64_t at = 0; at < IOAPIC_SIZE; at += 4)
		if (at != IOAPIC_SELECT && at != IOAPIC_WINDOW)
			assert_int_equal(ioapic_read(&r->io, at, 4), 0);
}

static void only_aligned_dwords_work(void **state)
{
	struct rig *r = *state;
	struct ioapic before;

	program(r, 0, 0x41);
	ioapic_write(&r->io, IOAPIC_SELECT, 4, 0x10);
	before = r->io;
	for (uint64_t at = 0; at < 0x48; at++)
		for (unsigned int size = 1; size <= 8; size++) {
			if (size == 4 && at % 4 == 0)
				continue;
			ioapic_write(&r->io, at, size, 0x10055);
			assert_memory_equal(&before, &r->io, sizeof(before));
			assert_true(ioapic_read(&r->io, at, size) ==
				    all_ones(size));
		}
}

/* ---- Messages ------------------------------------------------------------- */

static void entry_describes_its_message(void **state)
{
	static const struct {
		uint64_t entry, address;
		uint32_t data;
	} is[] = {
		{ 0x10, 0xfee00000, 0x10 },
		{ DEST(0xab) | 0xff, 0xfeeab000, 0xff },
		{ DEST(3) | 0x800 | 0x41, 0xfee03004, 0x41 },
		/* lowest priority: redirection hint */
		{ DEST(0xff) | 0x900 | 0x41, 0xfeeff00c, 0x141 },
		{ IOAPIC_LEVEL | 0x41, 0xfee00000, 0xc041 },
		{ IOAPIC_LEVEL | 0x141, 0xfee00008, 0xc141 },
		/* neither polarity nor what is read-only nor the mask tell */
		{ POLARITY | DELIVERY_STATUS | IOAPIC_REMOTE_IRR |
			  IOAPIC_MASKED | 0x41,
		  0xfee00000, 0x41 },
		/* modes without an EOI are edges */
		{ 0x200, 0xfee00000, 0x200 },
		{ IOAPIC_LEVEL | 0x400, 0xfee00000, 0x400 },
		{ IOAPIC_LEVEL | 0x500, 0xfee00000, 0x500 },
		{ IOAPIC_LEVEL | 0x730, 0xfee00000, 0x730 },
		/* more of a destination: bits 55 to 49 are its bits 14 to 8 */
		{ DEST(1) | 0x7full << 49 | 0x41, 0xfee01fe0, 0x41 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(is); i++) {
		struct msi_message m = ioapic_message(is[i].entry);

		assert_int_equal(m.address, is[i].address);
		assert_int_equal(m.data, is[i].data);
	}
}

static void nonsense_is_no_message(void **state)
{
	static const uint64_t none[] = { 0,	0xf,   0x10f,
					 0x341, 0x641, DEST(1) | IOAPIC_LEVEL };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(none); i++) {
		struct msi_message m = ioapic_message(none[i]);

		assert_int_equal(m.address, 0);
		assert_int_equal(m.data, 0);
	}
}

static void message_names_its_requester_and_pin(void **state)
{
	struct rig *r = *state;

	program(r, 23, DEST(2) | 0x41);
	assert_int_equal(set(r, 23, true), IRQ_QUEUED);
	assert_int_equal(r->nr, 1);
	assert_int_equal(r->message[0].address, 0xfee02000);
	assert_int_equal(r->message[0].data, 0x41);
	assert_int_equal(r->message[0].requester_id, 0xf8);
	assert_int_equal(r->message[0].vector, 23);
}

static void level_waits_for_an_entry_that_makes_sense(void **state)
{
	struct rig *r = *state;

	program(r, 5, IOAPIC_LEVEL | 0xf);
	assert_int_equal(set(r, 5, true), IRQ_DROPPED);
	assert_int_equal(entry(r, 5), IOAPIC_LEVEL | 0xf);
	assert_int_equal(r->nr, 0);
	put(r, 0x10 + 10, IOAPIC_LEVEL | 0x41);
	assert_int_equal(r->nr, 1);
	assert_int_equal(r->io.stage.count.dropped, 1);
	assert_int_equal(r->io.stage.count.fired, 1);
}

static void pin_without_eoi_sends_once_a_rise(void **state)
{
	struct rig *r = *state;

	program(r, 1, IOAPIC_LEVEL | 0x400);
	for (unsigned int i = 0; i < 3; i++) {
		set(r, 1, true);
		set(r, 1, false);
	}
	assert_int_equal(r->nr, 3);
	assert_int_equal(entry(r, 1), IOAPIC_LEVEL | 0x400);
}

/* ---- Routes --------------------------------------------------------------- */

static void route_is_told_when_it_changes_masked_or_not(void **state)
{
	struct rig *r = *state;

	put(r, 0x10 + 32, IOAPIC_LEVEL | IOAPIC_MASKED | 0x41);
	assert_int_equal(r->nr_routes, 1);
	assert_int_equal(r->route[16].address, 0xfee00000);
	assert_int_equal(r->route[16].data, 0xc041);
	assert_int_equal(r->route[16].requester_id, 0xf8);
	put(r, 0x10 + 32, IOAPIC_LEVEL | 0x41);
	put(r, 0x10 + 32, IOAPIC_LEVEL | POLARITY | IOAPIC_MASKED | 0x41);
	assert_int_equal(r->nr_routes, 1);
	put(r, 0x11 + 32, 0x05000000);
	assert_int_equal(r->nr_routes, 2);
	assert_int_equal(r->route[16].address, 0xfee05000);
	put(r, 0x10 + 32, IOAPIC_MASKED);
	assert_int_equal(r->nr_routes, 3);
	assert_int_equal(r->route[16].address, 0);
}

static void no_message_before_its_route_is_taken(void **state)
{
	struct rig *r = *state;

	r->refuse_routes = true;
	program(r, 16, IOAPIC_LEVEL | 0x41);
	program(r, 1, 0x42);
	assert_int_equal(set(r, 16, true), IRQ_LATCHED);
	assert_int_equal(set(r, 1, true), IRQ_LATCHED);
	ioapic_flush(&r->io);
	assert_int_equal(r->nr, 0);
	assert_int_equal(entry(r, 16), IOAPIC_LEVEL | 0x41);
	r->refuse_routes = false;
	ioapic_flush(&r->io);
	assert_int_equal(r->nr, 2);
	assert_int_equal(r->nr_routes, 2);
}

static void stale_route_of_a_quiet_pin_is_flushed_too(void **state)
{
	struct rig *r = *state;

	r->refuse_routes = true;
	program(r, 7, IOAPIC_MASKED | 0x41);
	r->refuse_routes = false;
	ioapic_flush(&r->io);
	assert_int_equal(r->nr_routes, 1);
	assert_int_equal(r->route[7].data, 0x41);
	ioapic_flush(&r->io);
	assert_int_equal(r->nr_routes, 1);
}

/* ---- Reset, graph --------------------------------------------------------- */

static void reset_forgets_all_but_the_levels_of_the_lines(void **state)
{
	struct rig *r = *state;

	put(r, 0, 0x0f000000);
	program(r, 16, IOAPIC_LEVEL | 0x41);
	set(r, 16, true);
	program(r, 1, 0x42);
	r->refuse = true;
	set(r, 1, true);
	ioapic_reset(&r->io);
	r->refuse = false;
	ioapic_flush(&r->io);
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++)
		assert_int_equal(entry(r, pin), IOAPIC_MASKED);
	assert_int_equal(get(r, 0), 0);
	assert_int_equal(r->nr, 1);
	assert_int_equal(pending(r), 0);
	assert_int_equal(r->route[16].address, 0);
	assert_int_equal(r->route[1].address, 0);
	/* High it was, high it is: the guest hears of it once it wants to. */
	assert_int_equal(set(r, 16, true), IRQ_SILENT);
	program(r, 16, IOAPIC_LEVEL | 0x43);
	assert_int_equal(r->nr, 2);
	program(r, 1, 0x42);
	assert_int_equal(r->nr, 2);
}

static void graph_sees_24_pins_and_what_follows(void **state)
{
	struct rig *r = *state;
	struct irq_view v = { .level = -1 };
	struct irq_edge e;

	r->io.stage.ops->view(&r->io.stage, &v);
	assert_string_equal(v.state, "24 pins");
	assert_int_equal(v.level, -1);
	assert_true(r->io.stage.ops->edge(&r->io.stage, 0, &e));
	assert_ptr_equal(e.to, &r->sink.stage);
	assert_false(r->io.stage.ops->edge(&r->io.stage, 1, &e));
	r->io.next = NULL;
	assert_false(r->io.stage.ops->edge(&r->io.stage, 0, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IOAPIC_TEST(power_on_masks_all_and_sends_nothing),
		IOAPIC_TEST(version_says_24_pins_and_an_eoi_register),
		IOAPIC_TEST(id_has_four_bits_and_is_the_arbitration_id_too),
		IOAPIC_TEST(select_has_eight_bits),
		IOAPIC_TEST(
			guest_cannot_write_status_remote_irr_and_reserved_bits),
		IOAPIC_TEST(registers_that_are_not_there_read_zero),
		IOAPIC_TEST(only_aligned_dwords_work),
		IOAPIC_TEST(entry_describes_its_message),
		IOAPIC_TEST(nonsense_is_no_message),
		IOAPIC_TEST(message_names_its_requester_and_pin),
		IOAPIC_TEST(level_waits_for_an_entry_that_makes_sense),
		IOAPIC_TEST(pin_without_eoi_sends_once_a_rise),
		IOAPIC_TEST(route_is_told_when_it_changes_masked_or_not),
		IOAPIC_TEST(no_message_before_its_route_is_taken),
		IOAPIC_TEST(stale_route_of_a_quiet_pin_is_flushed_too),
		IOAPIC_TEST(reset_forgets_all_but_the_levels_of_the_lines),
		IOAPIC_TEST(graph_sees_24_pins_and_what_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
