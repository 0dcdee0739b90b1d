/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events on GSIs that lead to pins: up and down again, also where the pins'
 * far end has no room for one of the two.
 */
#include "irq/test_gsi.h"

static void pulse_is_a_message_or_pins_up_and_down(void **state)
{
	struct rig *r = *state;

	route(r, 1, to_msi(0x31));
	route(r, 2, to_pins(2, 1, 8, 0));
	assert_int_equal(gsi_pulse(&r->table, 1), IRQ_QUEUED);
	assert_int_equal(r->msi.nr, 1);
	assert_int_equal(gsi_pulse(&r->table, 2), IRQ_QUEUED);
	assert_int_equal(r->pins.nr_levels, 4);
	heard(r, 0, 1, true);
	heard(r, 1, 8, true);
	heard(r, 2, 1, false);
	heard(r, 3, 8, false);
	irq_line_set_next(&r->chip[0][5], NULL, 0);
	route(r, 2, to_pins(1, 5, 0, 0));
	assert_int_equal(gsi_pulse(&r->table, 2), IRQ_DROPPED);
	assert_int_equal(r->table.nr_pending, 0);
}

static void pulse_of_a_high_input_is_merged_and_leaves_it_high(void **state)
{
	struct rig *r = *state;

	route(r, 2, to_pins(1, 1, 0, 0));
	irq_source_set(&r->in[2], true);
	assert_int_equal(gsi_pulse(&r->table, 2), IRQ_MERGED);
	assert_int_equal(r->pins.nr_levels, 1);
	assert_true(r->chip[0][1].high);
	assert_int_equal(r->gsi[2].stage.count.coalesced, 1);
}

static void refused_pulse_keeps_the_pins_up_until_it_is_heard(void **state)
{
	struct rig *r = *state;

	route(r, 2, to_pins(1, 1, 0, 0));
	r->pins.refuse = true;
	assert_int_equal(gsi_pulse(&r->table, 2), IRQ_LATCHED);
	assert_int_equal(gsi_pulse(&r->table, 2), IRQ_MERGED);
	/* A level in between neither ends it nor is it lost. */
	assert_int_equal(irq_source_set(&r->in[2], true), IRQ_MERGED);
	assert_int_equal(irq_source_set(&r->in[2], false), IRQ_MERGED);
	r->pins.refuse = false;
	gsi_flush(&r->table);
	assert_int_equal(r->pins.nr_levels, 2);
	heard(r, 0, 1, true);
	heard(r, 1, 1, false);
	assert_int_equal(r->table.nr_pending, 0);
	assert_int_equal(r->gsi[2].stage.count.fired, 1);
	assert_int_equal(r->gsi[2].stage.count.latched, 1);
	assert_int_equal(r->gsi[2].stage.count.coalesced, 3);
}

static void pulse_while_another_holds_the_pin_is_no_edge(void **state)
{
	struct rig *r = *state;

	route(r, 1, to_pins(1, 1, 0, 0));
	route(r, 2, to_pins(1, 1, 0, 0));
	irq_source_set(&r->in[1], true);
	assert_int_equal(gsi_pulse(&r->table, 2), IRQ_MERGED);
	assert_int_equal(r->pins.nr_levels, 1);
	assert_int_equal(r->table.nr_pending, 0);
}

static void pulse_of_a_high_input_that_nobody_heard_outlives_it(void **state)
{
	struct rig *r = *state;

	route(r, 2, to_pins(1, 1, 0, 0));
	r->pins.refuse = true;
	assert_int_equal(irq_source_set(&r->in[2], true), IRQ_LATCHED);
	assert_int_equal(gsi_pulse(&r->table, 2), IRQ_LATCHED);
	irq_source_set(&r->in[2], false);
	r->pins.refuse = false;
	gsi_flush(&r->table);
	assert_int_equal(r->pins.nr_levels, 2);
	heard(r, 0, 1, true);
	heard(r, 1, 1, false);
}

/* The pulse waits for a fall to be told; a level does not wait for it. */
static void input_that_rises_behind_an_untold_fall_is_high_at_once(void **state)
{
	struct rig *r = *state;

	route(r, 2, to_pins(1, 1, 0, 0));
	irq_source_set(&r->in[2], true);
	r->pins.refuse = true;
	assert_int_equal(irq_source_set(&r->in[2], false), IRQ_LATCHED);
	assert_int_equal(gsi_pulse(&r->table, 2), IRQ_LATCHED);
	assert_int_equal(irq_source_set(&r->in[2], true), IRQ_MERGED);
	assert_true(r->chip[0][1].high);
	r->pins.refuse = false;
	irq_line_flush(&r->chip[0][1]);
	gsi_flush(&r->table);
	assert_int_equal(r->pins.nr_levels, 1);
	assert_int_equal(r->table.nr_pending, 0);
}

static void high_input_with_a_pulse_becomes_one_message(void **state)
{
	struct rig *r = *state;

	route(r, 2, to_pins(1, 1, 0, 0));
	r->pins.refuse = true;
	gsi_pulse(&r->table, 2);
	irq_source_set(&r->in[2], true);
	r->msi.refuse = true;
	route(r, 2, to_msi(0x31));
	assert_int_equal(r->gsi[2].stage.count.latched, 1);
	r->msi.refuse = false;
	gsi_flush(&r->table);
	assert_int_equal(r->msi.nr, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(pulse_is_a_message_or_pins_up_and_down),
		WITH_RIG(pulse_of_a_high_input_is_merged_and_leaves_it_high),
		WITH_RIG(refused_pulse_keeps_the_pins_up_until_it_is_heard),
		WITH_RIG(pulse_while_another_holds_the_pin_is_no_edge),
		WITH_RIG(pulse_of_a_high_input_that_nobody_heard_outlives_it),
		WITH_RIG(
			input_that_rises_behind_an_untold_fall_is_high_at_once),
		WITH_RIG(high_input_with_a_pulse_becomes_one_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
