/* SPDX-License-Identifier: BSD-3-Clause */
/* Who wakes whom: interrupts and kicks. */
#include "transport/virtio/queue.h"
#include "transport/virtio/test_queue.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

/* The interrupt decision with used.idx going from @from to @to. */
static bool interrupts(uint16_t from, uint16_t to, uint16_t event)
{
	struct test t;
	bool raised;

	live(&t, TEST_EVENT_IDX);
	t.vq.s.last_avail = t.vq.s.used = from;
	t.vq.s.published = t.vq.s.signalled = from;
	t.ring.avail->idx = from;
	vq_derive(&t.vq, &t.rig.map, true);
	*rig_used_event(&t.ring) = event;
	t.ring.avail->flags = 1; /* to be ignored */
	while (t.vq.s.used != to) {
		offer(&t, 0);
		assert_true(serve(&t, 0));
	}
	raised = queue_tell(&t.vq);
	assert_int_equal(t.vq.stats.interrupts, raised);
	assert_int_equal(t.vq.stats.suppressed, !raised);
	end(&t);
	return raised;
}

/* rules 87, 102 */
static void vq_interrupts_only_when_used_event_is_crossed(void **state)
{
	(void)state;
	assert_true(interrupts(0, 1, 0));
	assert_false(interrupts(0, 1, 1));
	assert_false(interrupts(0, 1, 65535));
	assert_true(interrupts(3, 8, 3));
	assert_true(interrupts(3, 8, 7));
	assert_false(interrupts(3, 8, 8));
	assert_false(interrupts(3, 8, 2));
	assert_true(interrupts(65534, 2, 65535));
	assert_true(interrupts(65534, 2, 0));
	assert_true(interrupts(65535, 0, 65535));
	assert_false(interrupts(65534, 2, 2));
	assert_false(interrupts(65534, 2, 65533));
	assert_false(interrupts(0, 1, 0x8000));
}

/* rules 87, 102 */
static void vq_honours_no_interrupt_without_event_idx(void **state)
{
	struct test t;

	(void)state;
	live(&t, 0);
	t.ring.avail->flags = 1;
	offer(&t, 0);
	assert_true(serve(&t, 0));
	assert_false(queue_tell(&t.vq));
	assert_int_equal(t.ring.used->idx, 1);
	t.ring.avail->flags = 0;
	offer(&t, 0);
	assert_true(serve(&t, 0));
	assert_true(queue_tell(&t.vq));
	assert_int_equal(t.vq.stats.suppressed, 1);
	end(&t);
}

/* rule 104 */
static void vq_ignores_unknown_avail_flags(void **state)
{
	struct test t;

	(void)state;
	live(&t, 0);
	t.ring.avail->flags = 0xfffe;
	offer(&t, 0);
	assert_true(serve(&t, 0));
	assert_true(queue_tell(&t.vq));
	end(&t);
}

static void vq_publishes_nothing_twice(void **state)
{
	struct test t;

	(void)state;
	live(&t, 0);
	assert_false(queue_tell(&t.vq));
	offer(&t, 0);
	assert_true(serve(&t, 0));
	assert_true(queue_tell(&t.vq));
	assert_false(queue_tell(&t.vq));
	assert_int_equal(t.vq.stats.interrupts, 1);
	end(&t);
}

/* rule 102 */
static void vq_arms_by_avail_event_and_looks_again(void **state)
{
	struct test t;

	(void)state;
	live(&t, TEST_EVENT_IDX);
	offer(&t, 0);
	assert_true(serve(&t, 0));
	vq_disarm(&t.vq);
	assert_int_equal(t.ring.used->flags, 0);
	assert_false(serve(&t, 0));
	assert_false(vq_arm(&t.vq));
	assert_int_equal(*rig_avail_event(&t.ring), 1);
	/* What comes between the last look and arming is not lost. */
	queue_tell(&t.vq);
	assert_false(serve(&t, 0));
	offer(&t, 0);
	assert_true(vq_arm(&t.vq));
	end(&t);
}

/* rule 102 */
static void vq_arms_by_flags_without_event_idx(void **state)
{
	struct test t;

	(void)state;
	live(&t, 0);
	vq_disarm(&t.vq);
	assert_int_equal(t.ring.used->flags, 1);
	assert_false(serve(&t, 0));
	assert_false(vq_arm(&t.vq));
	assert_int_equal(t.ring.used->flags, 0);
	vq_disarm(&t.vq);
	assert_int_equal(t.ring.used->flags, 1);
	offer(&t, 0);
	assert_true(vq_arm(&t.vq));
	end(&t);
}

static void vq_arms_for_new_chains_when_old_ones_are_left(void **state)
{
	struct test t;

	(void)state;
	live(&t, TEST_EVENT_IDX);
	offer(&t, 0);
	offer(&t, 1);
	assert_true(serve(&t, 0));
	assert_false(vq_arm(&t.vq));
	assert_int_equal(*rig_avail_event(&t.ring), 2);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vq_interrupts_only_when_used_event_is_crossed),
		cmocka_unit_test(vq_honours_no_interrupt_without_event_idx),
		cmocka_unit_test(vq_ignores_unknown_avail_flags),
		cmocka_unit_test(vq_publishes_nothing_twice),
		cmocka_unit_test(vq_arms_by_avail_event_and_looks_again),
		cmocka_unit_test(vq_arms_by_flags_without_event_idx),
		cmocka_unit_test(vq_arms_for_new_chains_when_old_ones_are_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
