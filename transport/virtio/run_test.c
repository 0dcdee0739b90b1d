/* SPDX-License-Identifier: BSD-3-Clause */
/* When queues are looked at, when drivers hear of it, and who runs them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "transport/virtio/test_device.h"
#include "transport/virtio/test_rig.h"

#define UP   0xf
#define RING 16
#define HOT  1000u

/* A device and its rings; what its transport was told. */
struct economy {
	struct rig rig;
	struct rig_ring ring[TEST_QUEUES];
	struct test_device dev;
	struct virtio v;
	unsigned int raised[TEST_QUEUES], config_raised, events;
	unsigned int works, recalls, releases;
	unsigned int away_works[TEST_QUEUES];
	bool recalled;
};

static void queue_raise(void *transport, unsigned int q)
{
	((struct economy *)transport)->raised[q]++;
}

static void config_raise(void *transport)
{
	((struct economy *)transport)->config_raised++;
}

static void work(void *transport)
{
	((struct economy *)transport)->works++;
}

static void reset(void *transport)
{
	(void)transport;
}

static void recall(void *transport)
{
	struct economy *e = transport;

	assert_false(e->recalled);
	e->recalled = true;
	e->recalls++;
}

static void release(void *transport)
{
	struct economy *e = transport;

	assert_true(e->recalled);
	e->recalled = false;
	e->releases++;
}

static void queue_work(void *transport, unsigned int q)
{
	((struct economy *)transport)->away_works[q]++;
}

static void event(void *transport)
{
	((struct economy *)transport)->events++;
}

static const struct virtio_transport_ops ops = {
	.queue_raise = queue_raise,
	.config_raise = config_raise,
	.work = work,
	.reset = reset,
	.recall = recall,
	.release = release,
	.queue_work = queue_work,
	.event = event,
};

static void settle(struct economy *e, uint64_t now)
{
	for (unsigned int i = 0; i < 10; i++)
		virtio_run(&e->v, 64, now);
}

/* Up and cool, with everything before forgotten. */
static void begin(struct economy *e, const struct virtio_options *o)
{
	memset(e, 0, sizeof(*e));
	rig_init(&e->rig);
	test_device_init(&e->dev);
	assert_int_equal(virtio_init(&e->v, &e->dev.device, o, &ops, e), 0);
	virtio_set_memory(&e->v, &e->rig.map);
	virtio_set_master(&e->v, true);
	virtio_write_features(&e->v, 1, 1);
	for (unsigned int q = 0; q < TEST_QUEUES; q++) {
		rig_ring(&e->rig, &e->ring[q], q, RING);
		rig_tell(&e->ring[q], virtio_queue(&e->v, q));
		virtio_queue_enable(&e->v, q);
	}
	virtio_write_status(&e->v, UP);
	settle(e, 0);
	memset(e->dev.runs, 0, sizeof(e->dev.runs));
	e->works = e->recalls = e->releases = 0;
}

static void end(struct economy *e)
{
	virtio_fini(&e->v);
	rig_fini(&e->rig);
}

static void offer(struct economy *e, unsigned int q)
{
	rig_desc(&e->ring[q], 0, RIG_DATA, 16, RIG_WRITE, 0);
	rig_offer(&e->ring[q], 0);
}

static bool wants_kicks(const struct economy *e, unsigned int q)
{
	return !(e->ring[q].used->flags & 1);
}

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

/* ---- Away ----------------------------------------------------------------- */

static void give(struct economy *e, unsigned int q)
{
	e->v.changing++;
	virtio_queue_set_away(&e->v, q, true);
	e->v.changing--;
	e->away_works[q] = 0;
}

static void queue_that_is_away_is_not_run_at_home(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &hot);
	give(&e, 1);
	offer(&e, 1);
	virtio_kick(&e.v, 1);
	assert_int_equal(e.away_works[1], 1);
	settle(&e, 100);
	assert_int_equal(e.dev.served[1], 0);
	/* But by whoever has it, whose news are told at home. */
	assert_int_equal(virtio_queue_run(&e.v, 1, 64, 100),
			 VIRTIO_DID | VIRTIO_MORE | VIRTIO_RAISE);
	assert_int_equal(e.dev.served[1], 1);
	assert_int_equal(e.raised[1], 0);
	virtio_queue_news(&e.v, 1, VIRTIO_RAISE);
	assert_int_equal(e.raised[1], 1);
	end(&e);
}

static void broken_queue_that_is_away_needs_a_reset_at_home(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &hot);
	give(&e, 1);
	rig_offer(&e.ring[1], 0xffff);
	assert_int_equal(virtio_queue_run(&e.v, 1, 64, 100), VIRTIO_BROKE);
	assert_int_equal(e.config_raised, 0);
	virtio_queue_news(&e.v, 1, VIRTIO_BROKE);
	assert_int_equal(e.config_raised, 1);
	assert_true(virtio_status(&e.v) & VIRTIO_NEEDS_RESET);
	end(&e);
}

static void all_that_changes_a_queue_is_done_while_it_is_recalled(void **state)
{
	struct economy e;
	unsigned int n = 0;

	(void)state;
	begin(&e, &hot);
	give(&e, 1);
	virtio_set_master(&e.v, false);
	assert_int_equal(e.recalls, ++n);
	virtio_set_master(&e.v, true);
	assert_int_equal(e.recalls, ++n);
	virtio_quiesce(&e.v);
	assert_int_equal(e.recalls, ++n);
	virtio_set_memory(&e.v, &e.rig.map);
	assert_int_equal(e.recalls, ++n);
	virtio_write_status(&e.v, UP | VIRTIO_FAILED);
	assert_int_equal(e.recalls, ++n);
	virtio_write_status(&e.v, 0);
	assert_int_equal(e.recalls, ++n);
	assert_int_equal(e.releases, n);
	/* Home quiesces only its own. */
	assert_int_equal(e.dev.quiesces[1], 0);
	assert_true(e.dev.quiesces[0] > 0);
	assert_int_equal(e.dev.queue_stops[1], 1);
	end(&e);
}

static void queue_that_comes_home_is_looked_at(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &hot);
	give(&e, 1);
	offer(&e, 1);
	e.v.changing++;
	virtio_queue_set_away(&e.v, 1, false);
	e.v.changing--;
	virtio_run(&e.v, 64, 100);
	assert_int_equal(e.dev.served[1], 1);
	end(&e);
}

/* ---- Ring reset ----------------------------------------------------------- */

static void start_with_ring_reset(struct economy *e)
{
	begin(e, &hot);
	virtio_write_status(&e->v, 0);
	virtio_write_features(&e->v, 1, 1 | BIT(VIRTIO_F_RING_RESET - 32));
	for (unsigned int q = 0; q < TEST_QUEUES; q++) {
		rig_ring(&e->rig, &e->ring[q], q, RING);
		rig_tell(&e->ring[q], virtio_queue(&e->v, q));
		virtio_queue_enable(&e->v, q);
	}
	virtio_write_status(&e->v, UP);
	settle(e, 0);
}

/* rule 48 */
static void ring_reset_takes_one_queue_to_its_defaults(void **state)
{
	static const struct vq_state fresh = { .size = 256 };
	struct economy e;

	(void)state;
	start_with_ring_reset(&e);
	offer(&e, 1);
	offer(&e, 2);
	virtio_kick(&e.v, 1);
	virtio_kick(&e.v, 2);
	virtio_queue_reset(&e.v, 1);
	assert_memory_equal(&e.v.queue[1].s, &fresh, sizeof(fresh));
	assert_int_equal(e.dev.queue_stops[1], 2);
	virtio_run(&e.v, 64, 100);
	assert_int_equal(e.dev.served[1], 0);
	assert_int_equal(e.dev.served[2], 1);
	assert_int_equal(e.ring[1].used->idx, 0);
	/* And it works again, at another size. */
	rig_ring(&e.rig, &e.ring[1], 1, 8);
	rig_tell(&e.ring[1], virtio_queue(&e.v, 1));
	virtio_queue_enable(&e.v, 1);
	offer(&e, 1);
	virtio_kick(&e.v, 1);
	virtio_run(&e.v, 64, 200);
	assert_int_equal(e.dev.served[1], 1);
	end(&e);
}

/* rule 48 */
static void ring_reset_without_the_feature_is_dropped(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &hot);
	virtio_queue_reset(&e.v, 1);
	assert_int_equal(e.v.stats.bad_writes, 1);
	assert_true(vq_live(&e.v.queue[1]));
	start_with_ring_reset(&e);
	virtio_queue_reset(&e.v, TEST_QUEUES);
	assert_int_equal(e.v.stats.bad_writes, 1);
	end(&e);
}

/* ---- Events --------------------------------------------------------------- */

static void event_is_asked_for_by_anybody_and_served_at_home(void **state)
{
	struct economy e;

	(void)state;
	begin(&e, &hot);
	virtio_event(&e.v);
	assert_int_equal(e.events, 1);
	virtio_run_event(&e.v);
	assert_int_equal(e.v.stats.events, 1);
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
		cmocka_unit_test(queue_that_is_away_is_not_run_at_home),
		cmocka_unit_test(
			broken_queue_that_is_away_needs_a_reset_at_home),
		cmocka_unit_test(
			all_that_changes_a_queue_is_done_while_it_is_recalled),
		cmocka_unit_test(queue_that_comes_home_is_looked_at),
		cmocka_unit_test(ring_reset_takes_one_queue_to_its_defaults),
		cmocka_unit_test(ring_reset_without_the_feature_is_dropped),
		cmocka_unit_test(
			event_is_asked_for_by_anybody_and_served_at_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
