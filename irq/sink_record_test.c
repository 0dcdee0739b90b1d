/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/sink.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

static struct sink_record s;

static void keeps_the_first_messages_and_counts_all(void **state)
{
	struct msi_message m = { 0 };

	(void)state;
	sink_record_init(&s);
	for (unsigned int i = 0; i < 300; i++) {
		m.data = i;
		assert_int_equal(irq_stage_send(&s.stage, &m), IRQ_QUEUED);
	}
	assert_int_equal(s.nr, 300);
	assert_int_equal(s.message[0].data, 0);
	assert_int_equal(s.message[255].data, 255);
	assert_int_equal(s.nr_levels, 0);
	assert_int_equal(s.stage.count.fired, 300);
}

static void keeps_the_first_levels_and_counts_all(void **state)
{
	(void)state;
	sink_record_init(&s);
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(irq_stage_set(&s.stage, i, i % 3 == 0),
				 IRQ_QUEUED);
	assert_int_equal(s.nr_levels, 300);
	for (unsigned int i = 0; i < ARRAY_SIZE(s.level); i++) {
		assert_int_equal(s.level[i].pin, i);
		assert_int_equal(s.level[i].high, i % 3 == 0);
	}
	assert_int_equal(s.nr, 0);
	assert_int_equal(s.stage.count.fired, 300);
}

static void refuses_when_told_to(void **state)
{
	const struct msi_message m = { .data = 1 };

	(void)state;
	sink_record_init(&s);
	s.refuse = true;
	assert_int_equal(irq_stage_send(&s.stage, &m), IRQ_REFUSED);
	assert_int_equal(irq_stage_set(&s.stage, 1, true), IRQ_REFUSED);
	assert_int_equal(s.nr, 0);
	assert_int_equal(s.nr_levels, 0);
	assert_int_equal(s.stage.count.fired, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_first_messages_and_counts_all),
		cmocka_unit_test(keeps_the_first_levels_and_counts_all),
		cmocka_unit_test(refuses_when_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
