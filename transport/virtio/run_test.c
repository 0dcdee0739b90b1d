/* SPDX-License-Identifier: BSD-3-Clause */
/* When queues are looked at, and when drivers hear of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "transport/virtio/test_economy.h"

static const struct virtio_options hot = {
	.offer = VIRTIO_OFFER_DEFAULT,
	.poll.hot = HOT,
};

static const struct virtio_options always = {
	.offer = VIRTIO_OFFER_DEFAULT,
	.poll.always = true,
};

static const struct virtio_options late = {
	.offer = VIRTIO_OFFER_DEFAULT,
	.coalesce = { .ticks = 500, .chains = 3 },
};

/* ---- Hot and cold --------------------------------------------------------- */

static void queue_with_work_stays_hot_and_needs_no_kick(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &hot);
	offer(&e, 0);
	virtio_kick(&e.v, 0);
	assert_int_equal(virtio_run(&e.v, 64, 100), VIRTIO_DID | VIRTIO_MORE);
	assert_false(wants_kicks(&e, 0));
	/* Nothing there is no work, but there is a next look. */
	assert_int_equal(virtio_run(&e.v, 64, 200), VIRTIO_MORE);
	offer(&e, 0);
	assert_int_equal(virtio_run(&e.v, 64, 300), VIRTIO_DID | VIRTIO_MORE);
	assert_int_equal(e.dev.served[0], 2);
	assert_int_equal(e.v.queue[0].stats.kicks, 1);
	/* At DRIVER_OK, and the one in between. */
	assert_int_equal(e.v.queue[0].stats.looks, 2);
	end(&e);
}

static void queue_cools_after_its_time_and_costs_nothing_then(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &hot);
	offer(&e, 0);
	virtio_kick(&e.v, 0);
	virtio_run(&e.v, 64, 100);
	assert_int_equal(virtio_run(&e.v, 64, 100 + HOT - 1), VIRTIO_MORE);
	assert_int_equal(virtio_run(&e.v, 64, 100 + HOT), 0);
	assert_true(wants_kicks(&e, 0));
	e.dev.runs[0] = 0;
	settle(&e, 5000);
	assert_int_equal(e.dev.runs[0], 0);
	/* Until it is kicked. */
	offer(&e, 0);
	virtio_kick(&e.v, 0);
	assert_int_equal(e.works, 2);
	virtio_run(&e.v, 64, 6000);
	assert_int_equal(e.dev.served[0], 2);
	end(&e);
}

static void kick_is_enough_while_another_queue_is_hot(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &hot);
	offer(&e, 0);
	virtio_kick(&e.v, 0);
	virtio_run(&e.v, 64, 100);
	e.dev.runs[2] = 0;
	virtio_run(&e.v, 64, 200);
	assert_int_equal(e.dev.runs[2], 0);
	offer(&e, 2);
	virtio_kick(&e.v, 2);
	virtio_run(&e.v, 64, 300);
	assert_int_equal(e.dev.served[2], 1);
	end(&e);
}

static void driver_that_never_kicks_is_served_if_polled_always(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &always);
	for (uint64_t now = 1; now < 1ull << 60; now *= 16) {
		assert_int_equal(virtio_run(&e.v, 64, now), VIRTIO_MORE);
		assert_false(wants_kicks(&e, 1));
		offer(&e, 1);
		assert_int_equal(virtio_run(&e.v, 64, now),
				 VIRTIO_DID | VIRTIO_MORE);
	}
	assert_int_equal(e.v.queue[1].stats.kicks, 0);
	assert_int_equal(e.ring[1].used->idx, e.dev.served[1]);
	/* Not even a loop that sleeps forgets it. */
	assert_true(virtio_sleep(&e.v) < 1000000);
	offer(&e, 1);
	assert_int_equal(virtio_run(&e.v, 64, 0), VIRTIO_DID | VIRTIO_MORE);
	end(&e);
}

static void queue_that_a_device_polls_is_run_each_turn(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &hot);
	virtio_queue_poll(&e.v, 1, true);
	for (unsigned int i = 1; i < 10; i++) {
		assert_int_equal(virtio_run(&e.v, 64, 1u << 20), VIRTIO_MORE);
		assert_int_equal(e.dev.runs[1], i);
	}
	virtio_queue_poll(&e.v, 1, false);
	assert_int_equal(virtio_run(&e.v, 64, 1u << 20), 0);
	end(&e);
}

static void hot_queue_asks_for_kicks_before_the_loop_sleeps(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &hot);
	offer(&e, 0);
	virtio_kick(&e.v, 0);
	virtio_run(&e.v, 64, 100);
	assert_true(virtio_sleep(&e.v) == VIRTIO_ASLEEP);
	assert_true(wants_kicks(&e, 0));
	/* What comes just then is seen. */
	offer(&e, 0);
	virtio_kick(&e.v, 0);
	virtio_run(&e.v, 64, 200);
	offer(&e, 0);
	assert_int_equal(virtio_sleep(&e.v), VIRTIO_AWAKE);
	virtio_run(&e.v, 64, 300);
	assert_int_equal(e.dev.served[0], 3);
	end(&e);
}

static uint64_t doze(struct virtio_device *d, unsigned int q)
{
	(void)d;
	return q == 1 ? 12345 : VIRTIO_ASLEEP;
}

static void polled_queue_wants_no_kicks_and_says_how_long_to_sleep(void **state)
{
	struct virtio_device_ops dozes;
	struct economy e;

	(void)state;
	begin(&e, &hot);
	dozes = *e.dev.device.ops;
	dozes.queue_sleep = doze;
	e.dev.device.ops = &dozes;
	virtio_queue_poll(&e.v, 1, true);
	virtio_queue_poll(&e.v, 2, true);
	virtio_run(&e.v, 64, 100);
	assert_true(virtio_sleep(&e.v) == 12345);
	assert_false(wants_kicks(&e, 1));
	assert_false(wants_kicks(&e, 2));
	/* Whatever woke the loop, they are looked at. */
	e.dev.runs[1] = e.dev.runs[2] = 0;
	virtio_run(&e.v, 64, 200);
	assert_int_equal(e.dev.runs[1], 1);
	assert_int_equal(e.dev.runs[2], 1);
	end(&e);
}

/* ---- Late interrupts ------------------------------------------------------ */

static void interrupt_waits_for_its_time(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &late);
	offer(&e, 0);
	virtio_kick(&e.v, 0);
	assert_true(virtio_run(&e.v, 64, 1000) & VIRTIO_MORE);
	/* The chain itself is there at once. */
	assert_int_equal(e.ring[0].used->idx, 1);
	assert_int_equal(e.raised[0], 0);
	virtio_run(&e.v, 64, 1499);
	assert_int_equal(e.raised[0], 0);
	assert_int_equal(virtio_run(&e.v, 64, 1500), 0);
	assert_int_equal(e.raised[0], 1);
	assert_int_equal(e.v.queue[0].stats.coalesced, 2);
	end(&e);
}

static void interrupt_waits_for_its_number_of_chains(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &late);
	for (unsigned int i = 1; i <= 7; i++) {
		offer(&e, 0);
		virtio_kick(&e.v, 0);
		virtio_run(&e.v, 64, 1000);
		assert_int_equal(e.raised[0], i / 3);
	}
	end(&e);
}

static void interrupt_that_waits_is_not_lost_when_the_loop_sleeps(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &late);
	offer(&e, 0);
	virtio_kick(&e.v, 0);
	virtio_run(&e.v, 64, 1000);
	assert_int_equal(e.raised[0], 0);
	assert_true(virtio_sleep(&e.v) == VIRTIO_ASLEEP);
	assert_int_equal(e.raised[0], 1);
	virtio_run(&e.v, 64, 9000);
	assert_int_equal(e.raised[0], 1);
	end(&e);
}

static void interrupt_that_waits_is_not_lost_in_a_pause(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &late);
	offer(&e, 0);
	virtio_kick(&e.v, 0);
	virtio_run(&e.v, 64, 1000);
	virtio_quiesce(&e.v);
	virtio_run(&e.v, 64, 9000);
	assert_int_equal(e.raised[0], 0);
	virtio_set_memory(&e.v, &e.rig.map);
	virtio_run(&e.v, 64, 9000);
	assert_int_equal(e.raised[0], 1);
	end(&e);
}

static void reset_forgets_an_interrupt_that_waits(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &late);
	offer(&e, 0);
	virtio_kick(&e.v, 0);
	virtio_run(&e.v, 64, 1000);
	virtio_write_status(&e.v, 0);
	settle(&e, 9000);
	assert_true(virtio_sleep(&e.v) == VIRTIO_ASLEEP);
	assert_int_equal(e.raised[0], 0);
	end(&e);
}

static void wait_can_be_set_for_one_queue(void **state)
{
	static const struct virtio_coalesce none = { .ticks = 0 };
	struct economy e;

	(void)state;
	begin(&e, &late);
	virtio_queue_coalesce(&e.v, 1, &none);
	offer(&e, 0);
	offer(&e, 1);
	virtio_kick(&e.v, 0);
	virtio_kick(&e.v, 1);
	virtio_run(&e.v, 64, 1000);
	assert_int_equal(e.raised[0], 0);
	assert_int_equal(e.raised[1], 1);
	end(&e);
}

/* ---- What all may do together ---------------------------------------------- */

static void run_goes_on_with_the_queue_that_had_no_room(void **state)
{
	struct economy e;
	unsigned int room, turns = 0;

	(void)state;
	begin(&e, NULL);
	for (unsigned int i = 0; i < 6; i++)
		for (unsigned int q = 0; q < 2; q++)
			offer(&e, q);
	virtio_kick(&e.v, 0);
	virtio_kick(&e.v, 1);
	do {
		room = 4;
		assert_true(turns++ < 10);
		virtio_run_some(&e.v, 2, &room, 100);
		assert_int_equal(e.dev.served[0] + e.dev.served[1], 4 * turns);
		assert_int_equal(room, 0);
	} while (e.dev.served[0] + e.dev.served[1] < 12);
	/* Room for the first alone: then the second comes first. */
	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int q = 0; q < 2; q++)
			offer(&e, q);
	virtio_kick(&e.v, 0);
	virtio_kick(&e.v, 1);
	e.dev.served[0] = e.dev.served[1] = 0;
	e.v.next_queue = 0;
	room = 2;
	assert_true(virtio_run_some(&e.v, 2, &room, 100) & VIRTIO_MORE);
	assert_int_equal(e.dev.served[0], 2);
	assert_int_equal(e.dev.served[1], 0);
	room = 2;
	virtio_run_some(&e.v, 2, &room, 100);
	assert_int_equal(e.dev.served[1], 2);
	assert_int_equal(e.dev.served[0], 2);
	end(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_with_work_stays_hot_and_needs_no_kick),
		cmocka_unit_test(
			queue_cools_after_its_time_and_costs_nothing_then),
		cmocka_unit_test(kick_is_enough_while_another_queue_is_hot),
		cmocka_unit_test(
			driver_that_never_kicks_is_served_if_polled_always),
		cmocka_unit_test(queue_that_a_device_polls_is_run_each_turn),
		cmocka_unit_test(
			hot_queue_asks_for_kicks_before_the_loop_sleeps),
		cmocka_unit_test(
			polled_queue_wants_no_kicks_and_says_how_long_to_sleep),
		cmocka_unit_test(interrupt_waits_for_its_time),
		cmocka_unit_test(interrupt_waits_for_its_number_of_chains),
		cmocka_unit_test(
			interrupt_that_waits_is_not_lost_when_the_loop_sleeps),
		cmocka_unit_test(interrupt_that_waits_is_not_lost_in_a_pause),
		cmocka_unit_test(reset_forgets_an_interrupt_that_waits),
		cmocka_unit_test(wait_can_be_set_for_one_queue),
		cmocka_unit_test(run_goes_on_with_the_queue_that_had_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
