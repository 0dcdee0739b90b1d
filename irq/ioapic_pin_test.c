/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/test_ioapic.h"

/* ---- Levels --------------------------------------------------------------- */

/* rule 74 */
static void line_still_high_after_its_eoi_is_delivered_again(void **state)
{
	struct rig *r = *state;

	program(r, 16, IOAPIC_LEVEL | 0x41);
	assert_int_equal(set(r, 16, true), IRQ_QUEUED);
	ioapic_eoi(&r->io, 0x40);
	assert_int_equal(r->nr, 1);
	assert_int_equal(r->io.eois, 0);
	for (unsigned int i = 2; i < 5; i++) {
		ioapic_eoi(&r->io, 0x41);
		assert_int_equal(r->nr, i);
		assert_true(entry(r, 16) & IOAPIC_REMOTE_IRR);
	}
	set(r, 16, false);
	assert_true(entry(r, 16) & IOAPIC_REMOTE_IRR);
	ioapic_eoi(&r->io, 0x41);
	assert_int_equal(entry(r, 16), IOAPIC_LEVEL | 0x41);
	ioapic_eoi(&r->io, 0x41);
	assert_int_equal(r->nr, 4);
	assert_int_equal(r->io.eois, 4);
}

/* rule 74 */
static void no_second_message_before_the_eoi(void **state)
{
	struct rig *r = *state;

	program(r, 16, IOAPIC_LEVEL | 0x41);
	assert_int_equal(set(r, 16, true), IRQ_QUEUED);
	for (unsigned int i = 0; i < 1000; i++) {
		assert_int_equal(set(r, 16, true), IRQ_SILENT);
		assert_int_equal(set(r, 16, false), IRQ_SILENT);
		assert_int_equal(set(r, 16, true), IRQ_LATCHED);
		put(r, 0x10 + 32, IOAPIC_LEVEL | IOAPIC_MASKED | 0x41);
		put(r, 0x10 + 32, IOAPIC_LEVEL | 0x41);
		ioapic_flush(&r->io);
	}
	assert_int_equal(r->nr, 1);
	assert_int_equal(r->io.stage.count.fired, 1);
	assert_int_equal(r->io.stage.count.latched, 1000);
	ioapic_eoi(&r->io, 0x41);
	assert_int_equal(r->nr, 2);
}

/* rule 74 */
static void rise_between_isr_read_and_eoi_is_not_lost(void **state)
{
	struct rig *r = *state;

	program(r, 16, IOAPIC_LEVEL | 0x41);
	set(r, 16, true);
	set(r, 16, false); /* the driver reads ISR */
	set(r, 16, true);  /* the device has more */
	assert_int_equal(r->nr, 1);
	ioapic_eoi(&r->io, 0x41);
	assert_int_equal(r->nr, 2);
}

static void eoi_register_ends_a_message_as_a_broadcast_does(void **state)
{
	struct rig *r = *state;

	program(r, 16, IOAPIC_LEVEL | 0x41);
	set(r, 16, true);
	ioapic_write(&r->io, IOAPIC_EOI, 4, 0x41);
	assert_int_equal(r->nr, 2);
}

static void eoi_ends_every_pin_of_its_vector_and_no_other(void **state)
{
	struct rig *r = *state;

	program(r, 3, IOAPIC_LEVEL | 0x41);
	program(r, 4, IOAPIC_LEVEL | 0x41);
	program(r, 5, IOAPIC_LEVEL | 0x42);
	for (unsigned int pin = 3; pin < 6; pin++) {
		set(r, pin, true);
		set(r, pin, false);
	}
	ioapic_eoi(&r->io, 0x41);
	assert_int_equal(entry(r, 3), IOAPIC_LEVEL | 0x41);
	assert_int_equal(entry(r, 4), IOAPIC_LEVEL | 0x41);
	assert_true(entry(r, 5) & IOAPIC_REMOTE_IRR);
	assert_int_equal(r->io.eois, 1);
}

static void eoi_of_the_vector_sent_counts_after_it_was_changed(void **state)
{
	struct rig *r = *state;

	program(r, 16, IOAPIC_LEVEL | 0x41);
	set(r, 16, true);
	program(r, 16, IOAPIC_LEVEL | 0x42);
	assert_int_equal(r->nr, 1);
	ioapic_eoi(&r->io, 0x41);
	assert_int_equal(r->nr, 2);
	assert_int_equal(r->message[1].data, 0xc042);
	/* and of the one that is there now */
	program(r, 16, IOAPIC_LEVEL | 0x43);
	ioapic_eoi(&r->io, 0x43);
	assert_int_equal(r->nr, 3);
	ioapic_eoi(&r->io, 0x42);
	assert_int_equal(r->nr, 3);
}

static void eoi_while_masked_counts_and_the_unmask_looks_again(void **state)
{
	struct rig *r = *state;

	program(r, 16, IOAPIC_LEVEL | 0x41);
	set(r, 16, true);
	put(r, 0x10 + 32, IOAPIC_LEVEL | IOAPIC_MASKED | 0x41);
	ioapic_eoi(&r->io, 0x41);
	assert_int_equal(entry(r, 16), IOAPIC_LEVEL | IOAPIC_MASKED | 0x41);
	assert_int_equal(r->nr, 1);
	assert_int_equal(pending(r), 1);
	put(r, 0x10 + 32, IOAPIC_LEVEL | 0x41);
	assert_int_equal(r->nr, 2);
}

static void eoi_within_the_message_is_an_eoi(void **state)
{
	struct rig *r = *state;

	program(r, 16, IOAPIC_LEVEL | 0x41);
	r->eoi_within = 0x41;
	set(r, 16, true);
	assert_int_equal(r->nr, 2);
	assert_true(entry(r, 16) & IOAPIC_REMOTE_IRR);
	assert_int_equal(r->io.stage.count.fired, 2);
}

/* All pins of a vector end before any of them sends again, so an EOI from
 * within ends the messages that were sent since, and no pin sends twice. */
static void eoi_within_ends_what_was_sent_since(void **state)
{
	struct rig *r = *state;

	program(r, 3, IOAPIC_LEVEL | 0x41);
	program(r, 4, IOAPIC_LEVEL | 0x41);
	set(r, 3, true);
	set(r, 4, true);
	assert_int_equal(r->nr, 2);
	r->eoi_within = 0x41;
	ioapic_eoi(&r->io, 0x41);
	/* Pin 3; from within pin 3 again; pin 4, which had not sent yet. */
	assert_int_equal(r->nr, 5);
	assert_true(entry(r, 3) & entry(r, 4) & IOAPIC_REMOTE_IRR);
}

static void level_while_masked_is_kept_and_its_end_too(void **state)
{
	struct rig *r = *state;

	program(r, 16, IOAPIC_LEVEL | IOAPIC_MASKED | 0x41);
	assert_int_equal(set(r, 16, true), IRQ_LATCHED);
	assert_int_equal(r->io.stage.count.masked, 1);
	assert_int_equal(pending(r), 1);
	set(r, 16, false);
	assert_int_equal(pending(r), 0);
	put(r, 0x10 + 32, IOAPIC_LEVEL | 0x41);
	assert_int_equal(r->nr, 0);
	put(r, 0x10 + 32, IOAPIC_LEVEL | IOAPIC_MASKED | 0x41);
	set(r, 16, true);
	put(r, 0x10 + 32, IOAPIC_LEVEL | 0x41);
	assert_int_equal(r->nr, 1);
}

/* As Linux ends an interrupt of an I/O APIC without EOI register. */
static void edge_mode_and_back_ends_what_was_under_way(void **state)
{
	struct rig *r = *state;

	program(r, 16, IOAPIC_LEVEL | 0x41);
	set(r, 16, true);
	put(r, 0x10 + 32, IOAPIC_MASKED | 0x41);
	assert_int_equal(entry(r, 16), IOAPIC_MASKED | 0x41);
	put(r, 0x10 + 32, IOAPIC_LEVEL | IOAPIC_MASKED | 0x41);
	assert_int_equal(r->nr, 1);
	put(r, 0x10 + 32, IOAPIC_LEVEL | 0x41);
	assert_int_equal(r->nr, 2);
}

static void refused_level_has_no_remote_irr_and_is_flushed(void **state)
{
	struct rig *r = *state;

	program(r, 16, IOAPIC_LEVEL | 0x41);
	r->refuse = true;
	assert_int_equal(set(r, 16, true), IRQ_LATCHED);
	ioapic_flush(&r->io);
	assert_int_equal(entry(r, 16), IOAPIC_LEVEL | 0x41);
	assert_int_equal(pending(r), 1);
	r->refuse = false;
	ioapic_flush(&r->io);
	ioapic_flush(&r->io);
	assert_int_equal(r->nr, 1);
	assert_int_equal(pending(r), 0);
	assert_int_equal(r->io.stage.count.latched, 1);
	assert_int_equal(r->io.stage.count.fired, 1);
}

static void refused_level_that_fell_or_was_masked_is_not_sent(void **state)
{
	struct rig *r = *state;

	program(r, 16, IOAPIC_LEVEL | 0x41);
	program(r, 17, IOAPIC_LEVEL | 0x42);
	r->refuse = true;
	set(r, 16, true);
	set(r, 17, true);
	set(r, 16, false);
	put(r, 0x10 + 34, IOAPIC_LEVEL | IOAPIC_MASKED | 0x42);
	r->refuse = false;
	ioapic_flush(&r->io);
	assert_int_equal(r->nr, 0);
	put(r, 0x10 + 34, IOAPIC_LEVEL | 0x42);
	assert_int_equal(r->nr, 1);
}

static void refused_after_an_eoi_is_flushed(void **state)
{
	struct rig *r = *state;

	program(r, 16, IOAPIC_LEVEL | 0x41);
	set(r, 16, true);
	r->refuse = true;
	ioapic_eoi(&r->io, 0x41);
	assert_int_equal(r->nr, 1);
	r->refuse = false;
	ioapic_flush(&r->io);
	assert_int_equal(r->nr, 2);
}

static void who_has_no_next_stage_keeps_its_levels(void **state)
{
	struct rig *r = *state;

	ioapic_init(&r->io, NULL, NULL, 0);
	program(r, 16, IOAPIC_LEVEL | 0x41);
	assert_int_equal(set(r, 16, true), IRQ_LATCHED);
	r->io.next = &r->sink.stage;
	ioapic_flush(&r->io);
	assert_int_equal(r->nr, 1);
}

/* ---- Edges ---------------------------------------------------------------- */

static void edge_pin_sends_once_a_rise_and_needs_no_eoi(void **state)
{
	struct rig *r = *state;

	program(r, 1, 0x41);
	for (unsigned int i = 1; i < 4; i++) {
		assert_int_equal(set(r, 1, true), IRQ_QUEUED);
		assert_int_equal(set(r, 1, true), IRQ_SILENT);
		assert_int_equal(set(r, 1, false), IRQ_SILENT);
		assert_int_equal(r->nr, i);
		assert_int_equal(entry(r, 1), 0x41);
	}
	ioapic_eoi(&r->io, 0x41);
	assert_int_equal(r->nr, 3);
}

static void edge_while_masked_is_dropped_and_counted(void **state)
{
	struct rig *r = *state;

	program(r, 1, IOAPIC_MASKED | 0x41);
	assert_int_equal(set(r, 1, true), IRQ_DROPPED);
	put(r, 0x12, 0x41);
	ioapic_flush(&r->io);
	assert_int_equal(r->nr, 0);
	assert_int_equal(r->io.stage.count.dropped, 1);
	assert_int_equal(r->io.stage.count.masked, 0);
}

static void refused_edges_are_kept_as_one(void **state)
{
	struct rig *r = *state;

	program(r, 1, 0x41);
	r->refuse = true;
	assert_int_equal(set(r, 1, true), IRQ_LATCHED);
	set(r, 1, false);
	assert_int_equal(set(r, 1, true), IRQ_MERGED);
	set(r, 1, false);
	assert_int_equal(pending(r), 1);
	r->refuse = false;
	ioapic_flush(&r->io);
	ioapic_flush(&r->io);
	assert_int_equal(r->nr, 1);
	assert_int_equal(pending(r), 0);
	assert_int_equal(r->io.stage.count.latched, 1);
	assert_int_equal(r->io.stage.count.coalesced, 1);
	assert_int_equal(r->io.stage.count.fired, 1);
}

static void edge_takes_a_kept_one_along(void **state)
{
	struct rig *r = *state;

	program(r, 1, 0x41);
	r->refuse = true;
	set(r, 1, true);
	set(r, 1, false);
	r->refuse = false;
	assert_int_equal(set(r, 1, true), IRQ_QUEUED);
	ioapic_flush(&r->io);
	assert_int_equal(r->nr, 1);
}

static void kept_edge_waits_for_the_unmask(void **state)
{
	struct rig *r = *state;

	program(r, 1, 0x41);
	r->refuse = true;
	set(r, 1, true);
	put(r, 0x12, IOAPIC_MASKED | 0x41);
	r->refuse = false;
	ioapic_flush(&r->io);
	assert_int_equal(r->nr, 0);
	put(r, 0x12, 0x41);
	assert_int_equal(r->nr, 1);
}

static void kept_edge_is_sent_by_a_pin_made_level_since(void **state)
{
	struct rig *r = *state;

	program(r, 1, 0x41);
	r->refuse = true;
	set(r, 1, true);
	set(r, 1, false);
	put(r, 0x12, IOAPIC_LEVEL | 0x41);
	r->refuse = false;
	ioapic_flush(&r->io);
	assert_int_equal(r->nr, 1);
	assert_true(entry(r, 1) & IOAPIC_REMOTE_IRR);
	ioapic_eoi(&r->io, 0x41);
	assert_int_equal(r->nr, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IOAPIC_TEST(line_still_high_after_its_eoi_is_delivered_again),
		IOAPIC_TEST(no_second_message_before_the_eoi),
		IOAPIC_TEST(rise_between_isr_read_and_eoi_is_not_lost),
		IOAPIC_TEST(eoi_register_ends_a_message_as_a_broadcast_does),
		IOAPIC_TEST(eoi_ends_every_pin_of_its_vector_and_no_other),
		IOAPIC_TEST(eoi_of_the_vector_sent_counts_after_it_was_changed),
		IOAPIC_TEST(eoi_while_masked_counts_and_the_unmask_looks_again),
		IOAPIC_TEST(eoi_within_the_message_is_an_eoi),
		IOAPIC_TEST(eoi_within_ends_what_was_sent_since),
		IOAPIC_TEST(level_while_masked_is_kept_and_its_end_too),
		IOAPIC_TEST(edge_mode_and_back_ends_what_was_under_way),
		IOAPIC_TEST(refused_level_has_no_remote_irr_and_is_flushed),
		IOAPIC_TEST(refused_level_that_fell_or_was_masked_is_not_sent),
		IOAPIC_TEST(refused_after_an_eoi_is_flushed),
		IOAPIC_TEST(who_has_no_next_stage_keeps_its_levels),
		IOAPIC_TEST(edge_pin_sends_once_a_rise_and_needs_no_eoi),
		IOAPIC_TEST(edge_while_masked_is_dropped_and_counted),
		IOAPIC_TEST(refused_edges_are_kept_as_one),
		IOAPIC_TEST(edge_takes_a_kept_one_along),
		IOAPIC_TEST(kept_edge_waits_for_the_unmask),
		IOAPIC_TEST(kept_edge_is_sent_by_a_pin_made_level_since),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
