/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/test_gsi.h"

static void entry_leads_nowhere_at_first(void **state)
{
	struct rig *r = *state;

	assert_int_equal(irq_source_set(&r->in[3], true), IRQ_DROPPED);
	assert_int_equal(irq_source_set(&r->in[3], false), IRQ_DROPPED);
	assert_int_equal(gsi_pulse(&r->table, 3), IRQ_DROPPED);
	assert_int_equal(r->gsi[3].stage.count.dropped, 3);
	assert_int_equal(r->pins.nr_levels + r->msi.nr, 0);
}

static void level_reaches_all_three_pins(void **state)
{
	struct rig *r = *state;

	route(r, 0, to_pins(3, 2, 7, 8));
	assert_int_equal(irq_source_set(&r->in[0], true), IRQ_QUEUED);
	assert_int_equal(r->pins.nr_levels, 3);
	heard(r, 0, 2, true);
	heard(r, 1, 7, true);
	heard(r, 2, 8, true);
	assert_int_equal(irq_source_set(&r->in[0], false), IRQ_QUEUED);
	assert_int_equal(r->pins.nr_levels, 6);
	heard(r, 5, 8, false);
	assert_int_equal(r->gsi[0].stage.count.fired, 2);
}

static void best_answer_of_the_pins_is_the_answer(void **state)
{
	struct rig *r = *state;

	irq_line_set_next(&r->chip[0][1], NULL, 0);
	route(r, 0, to_pins(2, 1, 2, 0));
	route(r, 3, to_pins(2, 4, 1, 0));
	assert_int_equal(irq_source_set(&r->in[0], true), IRQ_QUEUED);
	assert_int_equal(irq_source_set(&r->in[3], true), IRQ_QUEUED);
	route(r, 4, to_pins(1, 1, 0, 0));
	assert_int_equal(irq_source_set(&r->in[4], true), IRQ_MERGED);
}

static void two_gsis_on_one_pin_are_wired_or(void **state)
{
	struct rig *r = *state;

	route(r, 1, to_pins(1, 4, 0, 0));
	route(r, 2, to_pins(2, 5, 4, 0));
	irq_source_set(&r->in[1], true);
	irq_source_set(&r->in[2], true);
	irq_source_set(&r->in[1], false);
	assert_true(r->chip[0][4].high);
	assert_int_equal(r->pins.nr_levels, 2);
	irq_source_set(&r->in[2], false);
	assert_false(r->chip[0][4].high);
	assert_int_equal(r->pins.nr_levels, 4);
}

static void rise_is_one_message_and_a_fall_is_none(void **state)
{
	struct rig *r = *state;

	route(r, 5, to_msi(0x41));
	assert_int_equal(irq_source_set(&r->in[5], true), IRQ_QUEUED);
	assert_int_equal(irq_source_set(&r->in[5], false), IRQ_SILENT);
	assert_int_equal(r->msi.nr, 1);
	assert_int_equal(r->msi.message[0].address, 0xfee01000);
	assert_int_equal(r->msi.message[0].data, 0x41);
	assert_int_equal(r->msi.message[0].requester_id, 0x0a08);
	assert_int_equal(r->msi.message[0].vector, 3);
	assert_int_equal(r->gsi[5].stage.count.fired, 1);
}

static void refused_message_stays_pending_also_when_the_input_falls(void **st)
{
	struct rig *r = *st;

	route(r, 5, to_msi(0x41));
	r->msi.refuse = true;
	assert_int_equal(irq_source_set(&r->in[5], true), IRQ_LATCHED);
	assert_int_equal(irq_source_set(&r->in[5], false), IRQ_SILENT);
	assert_int_equal(irq_source_set(&r->in[5], true), IRQ_MERGED);
	gsi_flush(&r->table);
	assert_int_equal(r->table.nr_pending, 1);
	irq_source_set(&r->in[5], false);
	r->msi.refuse = false;
	gsi_flush(&r->table);
	gsi_flush(&r->table);
	assert_int_equal(r->msi.nr, 1);
	assert_int_equal(r->table.nr_pending, 0);
	assert_int_equal(r->gsi[5].stage.count.fired, 1);
	assert_int_equal(r->gsi[5].stage.count.latched, 1);
	assert_int_equal(r->gsi[5].stage.count.coalesced, 1);
}

static void event_takes_a_pending_one_along(void **state)
{
	struct rig *r = *state;

	route(r, 5, to_msi(0x41));
	r->msi.refuse = true;
	assert_int_equal(gsi_pulse(&r->table, 5), IRQ_LATCHED);
	r->msi.refuse = false;
	assert_int_equal(gsi_pulse(&r->table, 5), IRQ_QUEUED);
	assert_int_equal(r->msi.nr, 1);
	assert_int_equal(r->table.nr_pending, 0);
}

/* Takes one message, during which another event arrives, and no more. */
struct busy {
	struct irq_stage stage;
	struct gsi_table *table;
	unsigned int nr;
};

static enum irq_result busy_send(struct irq_stage *s,
				 const struct msi_message *m)
{
	struct busy *b = container_of(s, struct busy, stage);

	(void)m;
	if (b->nr++)
		return IRQ_REFUSED;
	assert_int_equal(gsi_pulse(b->table, 5), IRQ_LATCHED);
	return IRQ_QUEUED;
}

static const struct irq_stage_ops busy_ops = {
	.kind = "busy",
	.send = busy_send,
};

static void event_from_within_the_call_is_not_lost(void **state)
{
	struct rig *r = *state;
	struct busy b = { .stage.ops = &busy_ops, .table = &r->table };

	route(r, 5, to_msi(0x41));
	gsi_table_set_msi(&r->table, &b.stage);
	assert_int_equal(gsi_pulse(&r->table, 5), IRQ_QUEUED);
	assert_int_equal(b.nr, 2);
	assert_int_equal(r->table.nr_pending, 1);
	gsi_table_set_msi(&r->table, &r->msi.stage);
	assert_int_equal(r->msi.nr, 1);
}

static void pending_messages_wait_for_somebody_to_take_them(void **state)
{
	struct rig *r = *state;

	gsi_table_set_msi(&r->table, NULL);
	route(r, 5, to_msi(0x41));
	route(r, 6, to_msi(0x42));
	assert_int_equal(gsi_pulse(&r->table, 5), IRQ_LATCHED);
	assert_int_equal(irq_source_set(&r->in[6], true), IRQ_LATCHED);
	assert_int_equal(r->table.nr_pending, 2);
	gsi_table_set_msi(&r->table, &r->msi.stage);
	assert_int_equal(r->msi.nr, 2);
	assert_int_equal(r->table.nr_pending, 0);
}

static void pending_message_leaves_with_the_route_of_that_moment(void **state)
{
	struct rig *r = *state;

	route(r, 5, to_msi(0x41));
	r->msi.refuse = true;
	gsi_pulse(&r->table, 5);
	route(r, 5, to_msi(0x99));
	r->msi.refuse = false;
	gsi_flush(&r->table);
	assert_int_equal(r->msi.nr, 1);
	assert_int_equal(r->msi.message[0].data, 0x99);
}

static void high_input_that_becomes_an_msi_sends_it_once(void **state)
{
	struct rig *r = *state;

	irq_source_set(&r->in[4], true);
	route(r, 4, to_pins(1, 1, 0, 0));
	assert_int_equal(r->msi.nr, 0);
	route(r, 4, to_msi(0x50));
	assert_int_equal(r->msi.nr, 1);
	heard(r, 1, 1, false);
	route(r, 4, to_msi(0x51));
	assert_int_equal(r->msi.nr, 1);
	route(r, 4, to_nowhere);
	route(r, 4, to_msi(0x52));
	assert_int_equal(r->msi.nr, 2);
	irq_source_set(&r->in[4], false);
	route(r, 4, to_nowhere);
	route(r, 4, to_msi(0x53));
	assert_int_equal(r->msi.nr, 2);
}

static void high_input_that_becomes_an_msi_may_be_refused(void **state)
{
	struct rig *r = *state;

	irq_source_set(&r->in[4], true);
	r->msi.refuse = true;
	route(r, 4, to_msi(0x50));
	assert_int_equal(r->table.nr_pending, 1);
	r->msi.refuse = false;
	gsi_flush(&r->table);
	assert_int_equal(r->msi.nr, 1);
	assert_int_equal(r->gsi[4].stage.count.latched, 1);
	assert_int_equal(r->gsi[4].stage.count.fired, 1);
}

static void pending_event_follows_its_gsi_to_pins(void **state)
{
	struct rig *r = *state;

	route(r, 5, to_msi(0x41));
	route(r, 6, to_msi(0x42));
	r->msi.refuse = true;
	gsi_pulse(&r->table, 5);
	irq_source_set(&r->in[6], true);
	r->msi.refuse = false;
	route(r, 5, to_pins(1, 9, 0, 0));
	assert_int_equal(r->pins.nr_levels, 2);
	heard(r, 0, 9, true);
	heard(r, 1, 9, false);
	route(r, 6, to_pins(1, 10, 0, 0));
	assert_int_equal(r->pins.nr_levels, 3);
	heard(r, 2, 10, true);
	assert_int_equal(r->table.nr_pending, 0);
	gsi_flush(&r->table);
	assert_int_equal(r->msi.nr, 0);
	assert_int_equal(r->pins.nr_levels, 3);
}

static void only_a_route_to_nowhere_drops_a_pending_event(void **state)
{
	struct rig *r = *state;

	route(r, 5, to_msi(0x41));
	r->msi.refuse = true;
	gsi_pulse(&r->table, 5);
	route(r, 5, to_nowhere);
	assert_int_equal(r->table.nr_pending, 0);
	assert_int_equal(r->gsi[5].stage.count.dropped, 1);
	r->msi.refuse = false;
	route(r, 5, to_msi(0x41));
	assert_int_equal(r->msi.nr, 0);
}

static void new_pins_rise_before_old_ones_fall(void **state)
{
	struct rig *r = *state;

	route(r, 7, to_pins(3, 0, 1, 2));
	irq_source_set(&r->in[7], true);
	r->pins.nr_levels = 0;
	route(r, 7, to_pins(3, 8, 9, 2));
	assert_int_equal(r->pins.nr_levels, 4);
	heard(r, 0, 8, true);
	heard(r, 1, 9, true);
	heard(r, 2, 0, false);
	heard(r, 3, 1, false);
	route(r, 7, to_pins(3, 2, 9, 8));
	route(r, 7, to_pins(3, 9, 8, 2));
	assert_int_equal(r->pins.nr_levels, 4);
	route(r, 7, to_nowhere);
	assert_int_equal(r->pins.nr_levels, 7);
}

static void low_input_changes_its_route_in_silence(void **state)
{
	struct rig *r = *state;

	route(r, 7, to_pins(3, 0, 1, 2));
	route(r, 7, to_pins(2, 2, 4, 0));
	route(r, 7, to_msi(1));
	route(r, 7, to_nowhere);
	assert_int_equal(r->pins.nr_levels + r->msi.nr, 0);
}

static void pin_that_one_gsi_leaves_to_another_never_moves(void **state)
{
	struct rig *r = *state;
	struct gsi_route table[NR] = { { 0 } };

	route(r, 1, to_pins(1, 3, 0, 0));
	route(r, 2, to_pins(1, 4, 0, 0));
	route(r, 9, to_msi(9));
	for (unsigned int i = 1; i < 3; i++)
		irq_source_set(&r->in[i], true);
	r->pins.nr_levels = 0;
	table[1] = to_pins(1, 4, 0, 0);
	table[2] = to_pins(2, 3, 12, 0);
	assert_int_equal(gsi_swap(&r->table, table, 3), 0);
	assert_int_equal(r->pins.nr_levels, 1);
	heard(r, 0, 12, true);
	assert_int_equal(r->gsi[9].route.kind, GSI_NOWHERE);
}

static void swap_lets_pins_rise_before_others_fall(void **state)
{
	struct rig *r = *state;
	struct gsi_route table[NR] = { { 0 } };

	route(r, 0, to_pins(1, 1, 0, 0));
	irq_source_set(&r->in[0], true);
	table[0] = to_pins(1, 12, 0, 0);
	assert_int_equal(gsi_swap(&r->table, table, 1), 0);
	assert_int_equal(r->pins.nr_levels, 3);
	heard(r, 1, 12, true);
	heard(r, 2, 1, false);
}

static void swap_sends_what_its_new_messages_have_cause_for(void **state)
{
	struct rig *r = *state;
	struct gsi_route table[NR] = { { 0 } };

	irq_source_set(&r->in[1], true);
	table[0] = to_msi(0x60);
	table[1] = to_msi(0x61);
	assert_int_equal(gsi_swap(&r->table, table, NR), 0);
	assert_int_equal(r->msi.nr, 1);
	assert_int_equal(r->msi.message[0].data, 0x61);
	assert_int_equal(gsi_swap(&r->table, table, NR), 0);
	assert_int_equal(r->msi.nr, 1);
}

static void impossible_routes_are_refused_and_change_nothing(void **state)
{
	struct rig *r = *state;
	struct gsi_route bad[] = {
		to_pins(0, 0, 0, 0),	      to_pins(1, 2 * PINS, 0, 0),
		to_pins(2, 1, 1, 0),	      to_pins(3, 1, 2, 1),
		to_pins(3, 1, 2, 2),	      to_pins(1, 0, 0, 0),
		to_pins(1, 0, 0, 0),	      to_pins(1, 0, 0, 0),
		{ .kind = (enum gsi_kind)7 },
	};
	struct gsi_route table[NR + 1] = { { 0 } };

	bad[5] = to_pins(GSI_PINS, 0, 1, 2);
	bad[5].nr_pins = GSI_PINS + 1;
	bad[6].pin[0].chip = GSI_CHIPS;
	bad[7].pin[0].pin = PINS;
	route(r, 3, to_pins(1, 6, 0, 0));
	irq_source_set(&r->in[3], true);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(gsi_route(&r->table, 3, &bad[i]), -EINVAL);
		table[0] = to_pins(1, 1, 0, 0);
		table[NR - 1] = bad[i];
		assert_int_equal(gsi_swap(&r->table, table, NR), -EINVAL);
		assert_int_equal(r->gsi[0].route.kind, GSI_NOWHERE);
		assert_int_equal(r->gsi[3].route.kind, GSI_TO_PINS);
	}
	assert_int_equal(gsi_route(&r->table, NR, &table[0]), -EINVAL);
	assert_int_equal(gsi_route(&r->table, UINT32_MAX, &table[0]), -EINVAL);
	table[NR - 1] = to_nowhere;
	assert_int_equal(gsi_swap(&r->table, table, NR + 1), -EINVAL);
	assert_int_equal(gsi_pulse(&r->table, NR), IRQ_DROPPED);
	assert_int_equal(r->pins.nr_levels, 1);
	assert_true(r->chip[0][6].high);
}

static void entry_shows_its_route_level_and_pending_event(void **state)
{
	struct rig *r = *state;
	const struct irq_stage *s = &r->gsi[11].stage;
	struct irq_view v = { .level = -1 };
	struct irq_edge e;

	assert_string_equal(s->ops->kind, "gsi");
	s->ops->view(s, &v);
	assert_string_equal(v.name, "GSI 11");
	assert_string_equal(v.state, "nowhere");
	assert_int_equal(v.level, 0);
	assert_false(s->ops->edge(s, 0, &e));
	route(r, 11, to_pins(2, 3, 9, 0));
	irq_source_set(&r->in[11], true);
	s->ops->view(s, &v);
	assert_string_equal(v.state, "to pins");
	assert_int_equal(v.level, 1);
	assert_int_equal(v.pending, 0);
	assert_true(s->ops->edge(s, 0, &e));
	assert_ptr_equal(e.to, &r->chip[0][3].stage);
	assert_true(s->ops->edge(s, 1, &e));
	assert_ptr_equal(e.to, &r->chip[1][1].stage);
	assert_false(s->ops->edge(s, 2, &e));
	r->msi.refuse = true;
	route(r, 11, to_msi(1));
	s->ops->view(s, &v);
	assert_string_equal(v.state, "to MSI");
	assert_int_equal(v.pending, 1);
	assert_true(s->ops->edge(s, 0, &e));
	assert_ptr_equal(e.to, &r->msi.stage);
	assert_false(s->ops->edge(s, 1, &e));
	gsi_table_set_msi(&r->table, NULL);
	assert_false(s->ops->edge(s, 0, &e));
	/* The input leads to the entry, and is named. */
	r->gsi[11].line.stage.ops->view(&r->gsi[11].line.stage, &v);
	assert_string_equal(v.name, "GSI 11");
	assert_true(
		r->gsi[11].line.stage.ops->edge(&r->gsi[11].line.stage, 0, &e));
	assert_ptr_equal(e.to, s);
	assert_int_equal(e.pin, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(entry_leads_nowhere_at_first),
		WITH_RIG(level_reaches_all_three_pins),
		WITH_RIG(best_answer_of_the_pins_is_the_answer),
		WITH_RIG(two_gsis_on_one_pin_are_wired_or),
		WITH_RIG(rise_is_one_message_and_a_fall_is_none),
		WITH_RIG(
			refused_message_stays_pending_also_when_the_input_falls),
		WITH_RIG(event_takes_a_pending_one_along),
		WITH_RIG(event_from_within_the_call_is_not_lost),
		WITH_RIG(pending_messages_wait_for_somebody_to_take_them),
		WITH_RIG(pending_message_leaves_with_the_route_of_that_moment),
		WITH_RIG(high_input_that_becomes_an_msi_sends_it_once),
		WITH_RIG(high_input_that_becomes_an_msi_may_be_refused),
		WITH_RIG(pending_event_follows_its_gsi_to_pins),
		WITH_RIG(only_a_route_to_nowhere_drops_a_pending_event),
		WITH_RIG(new_pins_rise_before_old_ones_fall),
		WITH_RIG(low_input_changes_its_route_in_silence),
		WITH_RIG(pin_that_one_gsi_leaves_to_another_never_moves),
		WITH_RIG(swap_lets_pins_rise_before_others_fall),
		WITH_RIG(swap_sends_what_its_new_messages_have_cause_for),
		WITH_RIG(impossible_routes_are_refused_and_change_nothing),
		WITH_RIG(entry_shows_its_route_level_and_pending_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
