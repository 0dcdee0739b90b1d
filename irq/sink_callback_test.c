/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/line.h"
#include "irq/msi.h"
#include "irq/sink.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

struct caller {
	enum irq_result answer;
	struct msi_message message;
	uint32_t pin;
	bool high;
	unsigned int sends, sets;
};

static enum irq_result on_send(void *ctx, const struct msi_message *m)
{
	struct caller *c = ctx;

	c->sends++;
	c->message = *m;
	return c->answer;
}

static enum irq_result on_set(void *ctx, uint32_t pin, bool high)
{
	struct caller *c = ctx;

	c->sets++;
	c->pin = pin;
	c->high = high;
	return c->answer;
}

static const struct msi_message message = {
	.address = 0xfee03000,
	.data = 0x41,
	.requester_id = 0x0108,
	.vector = 7,
};

static void message_and_level_reach_the_function_as_they_are(void **state)
{
	struct caller c = { .answer = IRQ_DELIVERED };
	struct sink_callback s;

	(void)state;
	sink_callback_init(&s, on_send, on_set, &c);
	assert_int_equal(irq_stage_send(&s.stage, &message), IRQ_DELIVERED);
	assert_memory_equal(&c.message, &message, sizeof(message));
	assert_int_equal(irq_stage_set(&s.stage, 19, true), IRQ_DELIVERED);
	assert_int_equal(c.pin, 19);
	assert_true(c.high);
	irq_stage_set(&s.stage, 18, false);
	assert_int_equal(c.pin, 18);
	assert_false(c.high);
	assert_int_equal(c.sends, 1);
	assert_int_equal(c.sets, 2);
	assert_int_equal(s.stage.count.fired, 3);
}

static void what_has_no_function_is_dropped_and_counted(void **state)
{
	struct caller c = { .answer = IRQ_QUEUED };
	struct sink_callback s;

	(void)state;
	sink_callback_init(&s, NULL, on_set, &c);
	assert_int_equal(irq_stage_send(&s.stage, &message), IRQ_DROPPED);
	assert_int_equal(irq_stage_set(&s.stage, 1, true), IRQ_QUEUED);
	assert_int_equal(s.stage.count.dropped, 1);
	assert_int_equal(s.stage.count.fired, 1);
	sink_callback_init(&s, on_send, NULL, &c);
	assert_int_equal(irq_stage_set(&s.stage, 1, true), IRQ_DROPPED);
	assert_int_equal(irq_stage_send(&s.stage, &message), IRQ_QUEUED);
	assert_int_equal(s.stage.count.dropped, 1);
	assert_int_equal(s.stage.count.fired, 1);
}

static void each_answer_is_passed_up_and_counted_as_what_it_says(void **state)
{
	static const struct {
		enum irq_result answer;
		struct irq_counts count;
	} row[] = {
		{ IRQ_QUEUED, { .fired = 1 } },
		{ IRQ_DELIVERED, { .fired = 1 } },
		{ IRQ_COALESCED, { .coalesced = 1 } },
		{ IRQ_MERGED, { .coalesced = 1 } },
		{ IRQ_LATCHED, { .latched = 1 } },
		{ IRQ_DROPPED, { .dropped = 1 } },
		{ IRQ_SILENT, { 0 } },
		{ IRQ_REFUSED, { 0 } },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(row); i++) {
		struct caller c = { .answer = row[i].answer };
		struct sink_callback s;

		sink_callback_init(&s, on_send, on_set, &c);
		assert_int_equal(irq_stage_send(&s.stage, &message),
				 row[i].answer);
		assert_memory_equal(&s.stage.count, &row[i].count,
				    sizeof(s.stage.count));
	}
}

static void
what_the_function_refuses_is_kept_above_and_offered_again(void **state)
{
	struct caller c = { .answer = IRQ_REFUSED };
	struct irq_source source = { 0 };
	struct msi_vector vector;
	struct sink_callback s;
	struct irq_line line;
	struct msi_bank bank;
	uint64_t pending;

	(void)state;
	sink_callback_init(&s, on_send, on_set, &c);
	msi_bank_init(&bank, &vector, &pending, 1, 8);
	msi_set_vector(&bank, 0, 0xfee00000, 0x41, 0);
	msi_bank_set_next(&bank, &s.stage, false);
	msi_bank_set_open(&bank, true);
	irq_line_init(&line, "line", &s.stage, 3);
	irq_source_connect(&source, &line);
	assert_int_equal(msi_send(&bank, 0), IRQ_LATCHED);
	assert_int_equal(irq_source_set(&source, true), IRQ_LATCHED);
	c = (struct caller){ .answer = IRQ_QUEUED };
	msi_bank_flush(&bank);
	irq_line_flush(&line);
	assert_int_equal(c.sends, 1);
	assert_int_equal(c.sets, 1);
	assert_true(c.high);
	irq_source_connect(&source, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			message_and_level_reach_the_function_as_they_are),
		cmocka_unit_test(what_has_no_function_is_dropped_and_counted),
		cmocka_unit_test(
			each_answer_is_passed_up_and_counted_as_what_it_says),
		cmocka_unit_test(
			what_the_function_refuses_is_kept_above_and_offered_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
