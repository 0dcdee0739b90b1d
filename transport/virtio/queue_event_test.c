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

	live(&t, NULL, TEST_EVENT_IDX);
	t.vq.s.last_avail = t.vq.s.used = t.vq.s.published = from;
	t.vq.s.signalled = from;
	t.ring.avail->idx = from;
	vq_derive(&t.vq, &t.rig.map, true);
	*rig_used_event(&t.ring) = event;
	t.ring.avail->flags = 1; /* to be ignored */
	while (t.vq.s.used != to) {
		offer(&t, 0);
		assert_true(serve(&t, 0));
	}
	raised = tell(&t);
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

/* The same in a packed ring of @size whose device went @from slots before it
 * uses @n more; @event and its wrap counter are what the driver waits for. */
static bool packed_interrupts(uint16_t size, unsigned int from, unsigned int n,
			      uint16_t event, bool wrap)
{
	void *state = (void *)&test_packed;
	struct test t;
	bool raised;

	live_with(&t, &state, TEST_EVENT_IDX, size);
	t.ring.driver_event->flags = RIG_EVENT_DISABLE;
	for (unsigned int i = 0; i < from; i++) {
		offer(&t, 0);
		assert_true(serve(&t, 0));
		assert_false(tell(&t));
	}
	t.ring.driver_event->where = (uint16_t)(event | (wrap ? RIG_WRAP : 0));
	t.ring.driver_event->flags = RIG_EVENT_DESC;
	for (unsigned int i = 0; i < n; i++) {
		offer(&t, 0);
		assert_true(serve(&t, 0));
	}
	raised = tell(&t);
	end(&t);
	return raised;
}

/* rules 87, 110 */
static void vq_interrupts_only_when_the_slot_waited_for_is_used(void **state)
{
	(void)state;
	assert_true(packed_interrupts(7, 0, 1, 0, true));
	assert_false(packed_interrupts(7, 0, 1, 1, true));
	assert_false(packed_interrupts(7, 0, 1, 0, false));
	assert_true(packed_interrupts(7, 2, 3, 2, true));
	assert_true(packed_interrupts(7, 2, 3, 4, true));
	assert_false(packed_interrupts(7, 2, 3, 5, true));
	assert_false(packed_interrupts(7, 2, 3, 1, true));
	/* Over the end of the ring, from 5 to 1. */
	assert_true(packed_interrupts(7, 5, 3, 6, true));
	assert_true(packed_interrupts(7, 5, 3, 0, false));
	assert_false(packed_interrupts(7, 5, 3, 1, false));
	assert_false(packed_interrupts(7, 5, 3, 4, true));
	assert_false(packed_interrupts(7, 5, 3, 0, true));
	/* To just its end. */
	assert_true(packed_interrupts(7, 5, 2, 6, true));
	assert_false(packed_interrupts(7, 5, 2, 0, false));
	/* In the second round. */
	assert_true(packed_interrupts(7, 9, 2, 2, false));
	assert_false(packed_interrupts(7, 9, 2, 2, true));
	assert_true(packed_interrupts(7, 13, 2, 0, true));
	/* All of the ring at once. */
	assert_true(packed_interrupts(7, 3, 7, 3, true));
	assert_true(packed_interrupts(7, 3, 7, 2, false));
	assert_true(packed_interrupts(1, 0, 1, 0, true));
	assert_true(packed_interrupts(1, 1, 1, 0, false));
	/* No such slot: it is never used, and nothing bad comes of it. */
	assert_false(packed_interrupts(7, 0, 1, 0x7fff, true));
}

static void driver_wants(struct test *t, bool interrupts_wanted)
{
	if (t->ring.packed)
		t->ring.driver_event->flags = interrupts_wanted
						      ? RIG_EVENT_ENABLE
						      : RIG_EVENT_DISABLE;
	else
		t->ring.avail->flags = !interrupts_wanted;
}

/* rules 87, 102, 110 */
static void vq_honours_no_interrupt_without_event_idx(void **state)
{
	struct test t;

	live(&t, state, 0);
	driver_wants(&t, false);
	offer(&t, 0);
	assert_true(serve(&t, 0));
	assert_false(tell(&t));
	assert_true(finds(&t, 0, 0));
	driver_wants(&t, true);
	offer(&t, 0);
	assert_true(serve(&t, 0));
	assert_true(tell(&t));
	assert_int_equal(t.vq.stats.suppressed, 1);
	end(&t);
}

/* rule 104 */
static void vq_ignores_unknown_avail_flags(void **state)
{
	struct test t;

	live(&t, state, 0);
	t.ring.avail->flags = 0xfffe;
	offer(&t, 0);
	assert_true(serve(&t, 0));
	assert_true(tell(&t));
	end(&t);
}

/* Interrupts, or none: the flags say something that no driver should. */
static bool interrupts_with(void **state, uint64_t features, uint16_t flags)
{
	struct test t;
	bool raised;

	live(&t, state, features);
	t.ring.driver_event->where = RIG_WRAP | 9;
	t.ring.driver_event->flags = flags;
	offer(&t, 0);
	assert_true(serve(&t, 0));
	raised = tell(&t);
	assert_true(finds(&t, 0, 0));
	assert_false(t.vq.s.broken);
	end(&t);
	return raised;
}

/* rule 110: spurious is legal, lost is not */
static void vq_takes_reserved_event_flags_for_enabled(void **state)
{
	assert_true(interrupts_with(state, 0, RIG_EVENT_DESC));
	assert_true(interrupts_with(state, 0, 3));
	assert_true(interrupts_with(state, TEST_EVENT_IDX, 3));
	assert_true(interrupts_with(state, TEST_EVENT_IDX, 0xfffc));
	assert_false(interrupts_with(state, TEST_EVENT_IDX, 0xfffd));
	assert_false(interrupts_with(state, 0, RIG_EVENT_DISABLE));
	assert_false(interrupts_with(state, TEST_EVENT_IDX, RIG_EVENT_DESC));
}

static void vq_publishes_nothing_twice(void **state)
{
	struct test t;

	live(&t, state, 0);
	assert_false(tell(&t));
	offer(&t, 0);
	assert_true(serve(&t, 0));
	assert_true(tell(&t));
	assert_false(tell(&t));
	assert_int_equal(t.vq.stats.interrupts, 1);
	end(&t);
}

/* rules 87, 102, 110 */
static void vq_decides_late_over_all_that_was_published(void **state)
{
	struct test t;

	live(&t, state, TEST_EVENT_IDX);
	if (packed(state)) {
		t.ring.driver_event->where = RIG_WRAP | 1;
		t.ring.driver_event->flags = RIG_EVENT_DESC;
	} else {
		*rig_used_event(&t.ring) = 1;
	}
	for (unsigned int i = 0; i < 5; i++) {
		offer(&t, i);
		assert_true(serve(&t, 0));
		assert_true(vq_publish(&t.vq));
	}
	assert_true(vq_wants_interrupt(&t.vq));
	assert_false(vq_wants_interrupt(&t.vq));
	end(&t);
}

/* Where the device asks to be kicked. */
static unsigned int kick_wanted_at(struct test *t)
{
	if (!t->ring.packed)
		return *rig_avail_event(&t->ring);
	assert_int_equal(t->ring.device_event->flags, RIG_EVENT_DESC);
	assert_true(t->ring.device_event->where & RIG_WRAP);
	return t->ring.device_event->where & 0x7fff;
}

/* rules 102, 110 */
static void vq_arms_by_avail_event_and_looks_again(void **state)
{
	struct test t;

	live(&t, state, TEST_EVENT_IDX);
	offer(&t, 0);
	assert_true(serve(&t, 0));
	vq_disarm(&t.vq);
	if (packed(state))
		assert_int_equal(t.ring.device_event->flags, RIG_EVENT_DISABLE);
	else
		assert_int_equal(t.ring.used->flags, 0);
	assert_false(serve(&t, 0));
	assert_false(vq_arm(&t.vq));
	assert_int_equal(kick_wanted_at(&t), 1);
	/* What comes between the last look and arming is not lost. */
	vq_publish(&t.vq);
	assert_false(serve(&t, 0));
	offer(&t, 0);
	assert_true(vq_arm(&t.vq));
	end(&t);
}

static bool wants_no_kicks(const struct test *t)
{
	return t->ring.packed ? t->ring.device_event->flags == RIG_EVENT_DISABLE
			      : t->ring.used->flags == 1;
}

static bool wants_kicks(const struct test *t)
{
	return t->ring.packed ? t->ring.device_event->flags == RIG_EVENT_ENABLE
			      : t->ring.used->flags == 0;
}

/* rules 102, 110 */
static void vq_arms_by_flags_without_event_idx(void **state)
{
	struct test t;

	live(&t, state, 0);
	assert_true(wants_kicks(&t));
	vq_disarm(&t.vq);
	assert_true(wants_no_kicks(&t));
	assert_false(serve(&t, 0));
	assert_false(vq_arm(&t.vq));
	assert_true(wants_kicks(&t));
	vq_disarm(&t.vq);
	assert_true(wants_no_kicks(&t));
	offer(&t, 0);
	assert_true(vq_arm(&t.vq));
	end(&t);
}

/* rule 102 */
static void vq_arms_for_new_chains_when_old_ones_are_left(void **state)
{
	struct test t;

	live(&t, state, TEST_EVENT_IDX);
	offer(&t, 0);
	offer(&t, 1);
	assert_true(serve(&t, 0));
	/* In a packed ring it has not seen yet how far they reach. */
	assert_int_equal(vq_arm(&t.vq), packed(state));
	assert_false(vq_arm(&t.vq));
	assert_int_equal(kick_wanted_at(&t), 2);
	offer(&t, 2);
	assert_true(vq_arm(&t.vq));
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		split_only(vq_interrupts_only_when_used_event_is_crossed),
		packed_only(
			vq_interrupts_only_when_the_slot_waited_for_is_used),
		both(vq_honours_no_interrupt_without_event_idx),
		split_only(vq_ignores_unknown_avail_flags),
		packed_only(vq_takes_reserved_event_flags_for_enabled),
		both(vq_publishes_nothing_twice),
		both(vq_decides_late_over_all_that_was_published),
		both(vq_arms_by_avail_event_and_looks_again),
		both(vq_arms_by_flags_without_event_idx),
		both(vq_arms_for_new_chains_when_old_ones_are_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
