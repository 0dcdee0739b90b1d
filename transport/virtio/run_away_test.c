/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues that another loop runs, queues that are reset, events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "transport/virtio/test_economy.h"

static const struct virtio_options hot = {
	.offer = VIRTIO_OFFER_DEFAULT,
	.poll.hot = HOT,
};

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
	end(&e);
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
