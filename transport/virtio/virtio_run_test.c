/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues at work: kicks, runs, pauses, broken queues. */
#include "transport/virtio/virtio.h"
#include "transport/virtio/test_core.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define NEEDS_RESET VIRTIO_NEEDS_RESET

/* ---- Before DRIVER_OK ---------------------------------------------------- */

/* rule 62 */
static void run_consumes_nothing_before_driver_ok(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	core_choose(&c, 0);
	core_enable(&c, 0);
	core_offer(&c, 0);
	virtio_kick(&c.v, 0);
	core_settle(&c);
	assert_int_equal(c.works, 0);
	assert_int_equal(c.dev.runs[0], 0);
	assert_int_equal(c.ring[0].used->idx, 0);
	assert_int_equal(c.queue_raised[0], 0);
	core_end(&c);
}

/* rule 62 */
static void run_looks_at_driver_ok_at_what_was_kicked_before(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	core_choose(&c, 0);
	core_enable(&c, 0);
	core_offer(&c, 0);
	virtio_kick(&c.v, 0);
	virtio_write_status(&c.v, CORE_UP);
	assert_int_equal(c.works, 1);
	core_settle(&c);
	assert_int_equal(c.dev.served[0], 1);
	assert_int_equal(c.queue_raised[0], 1);
	core_end(&c);
}

/* rule 47 */
static void run_serves_a_queue_enabled_after_driver_ok(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	core_choose(&c, BIT_ULL(VIRTIO_F_INDIRECT_DESC) |
				BIT_ULL(VIRTIO_F_EVENT_IDX));
	virtio_write_status(&c.v, CORE_UP);
	core_offer(&c, 2);
	core_enable(&c, 2);
	core_settle(&c);
	assert_int_equal(c.dev.served[2], 1);
	assert_int_equal(c.queue_raised[2], 1);
	assert_true(c.v.queue[2].indirect);
	assert_true(c.v.queue[2].event_idx);
	core_end(&c);
}

/* rule 100 */
static void
run_uses_the_features_chosen_after_the_queue_was_enabled(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	core_enable(&c, 0);
	core_choose(&c, BIT_ULL(VIRTIO_F_INDIRECT_DESC) |
				BIT_ULL(VIRTIO_F_EVENT_IDX));
	virtio_write_status(&c.v, CORE_UP);
	assert_true(c.v.queue[0].indirect);
	assert_true(c.v.queue[0].event_idx);
	core_end(&c);
}

/* ---- Kicks --------------------------------------------------------------- */

/* rule 94 */
static void kick_of_what_cannot_run_is_ignored_and_counted(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	core_choose(&c, 0);
	core_enable(&c, 0);
	virtio_write_status(&c.v, CORE_UP);
	core_settle(&c);
	c.works = 0;
	virtio_kick(&c.v, 1);
	virtio_kick(&c.v, TEST_QUEUES);
	virtio_kick(&c.v, UINT32_MAX);
	vq_break(virtio_queue(&c.v, 0));
	virtio_kick(&c.v, 0);
	assert_int_equal(c.v.stats.bad_kicks, 4);
	assert_int_equal(c.works, 0);
	core_end(&c);
}

/* rule 95 */
static void kick_storm_is_one_piece_of_work(void **state)
{
	struct core c;
	unsigned int i;

	(void)state;
	core_up(&c);
	core_offer(&c, 0);
	for (i = 0; i < 1000; i++)
		virtio_kick(&c.v, 0);
	assert_int_equal(c.works, 1);
	assert_false(rig_turn(&c.v, 64));
	assert_int_equal(c.dev.runs[0], 1);
	assert_int_equal(c.v.queue[0].stats.kicks, 1000);
	core_end(&c);
}

/* rule 95 */
static void kick_runs_its_own_queue_only(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	virtio_kick(&c.v, 1);
	core_settle(&c);
	assert_int_equal(c.dev.runs[0], 0);
	assert_int_equal(c.dev.runs[1], 1);
	assert_int_equal(c.dev.runs[2], 0);
	core_end(&c);
}

/* ---- Bounded work -------------------------------------------------------- */

/* rule 119 */
static void run_serves_at_most_its_budget(void **state)
{
	struct core c;
	unsigned int i;

	(void)state;
	core_up(&c);
	for (i = 0; i < 5; i++)
		core_offer(&c, 0);
	virtio_kick(&c.v, 0);
	assert_true(rig_turn(&c.v, 2));
	assert_int_equal(c.dev.served[0], 2);
	assert_true(rig_turn(&c.v, 2));
	assert_int_equal(c.dev.served[0], 4);
	assert_false(rig_turn(&c.v, 2));
	assert_int_equal(c.dev.served[0], 5);
	core_end(&c);
}

/* rule 119 */
static void run_gives_every_queue_its_turn(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	c.dev.busy = true;
	virtio_kick(&c.v, 0);
	core_offer(&c, 1);
	virtio_kick(&c.v, 1);
	assert_true(rig_turn(&c.v, 1));
	assert_int_equal(c.dev.runs[0], 1);
	assert_int_equal(c.dev.served[1], 1);
	core_end(&c);
}

/* rule 119 */
static void run_calls_for_work_once_until_it_is_done(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	c.dev.busy = true;
	virtio_kick(&c.v, 0);
	assert_true(rig_turn(&c.v, 1));
	virtio_kick(&c.v, 1);
	assert_int_equal(c.works, 1);
	c.dev.busy = false;
	assert_false(rig_turn(&c.v, 1));
	virtio_kick(&c.v, 0);
	assert_int_equal(c.works, 2);
	core_end(&c);
}

static void offer_late(void *ctx)
{
	struct core *c = ctx;

	/* While it is looked at, a queue wants no kicks. */
	assert_int_equal(c->ring[0].used->flags, 1);
	core_offer(c, 0);
}

/* rule 102 */
static void run_finds_what_came_between_last_look_and_sleep(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	c.dev.at_end = offer_late;
	c.dev.ctx = &c;
	virtio_kick(&c.v, 0);
	assert_true(rig_turn(&c.v, 64));
	assert_false(rig_turn(&c.v, 64));
	assert_int_equal(c.dev.served[0], 1);
	assert_int_equal(c.ring[0].used->flags, 0);
	core_end(&c);
}

static void run_comes_to_rest_although_chains_are_left(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	c.dev.leave = true;
	core_offer(&c, 0);
	virtio_kick(&c.v, 0);
	core_settle(&c);
	assert_false(rig_turn(&c.v, 64));
	assert_in_range(c.dev.runs[0], 1, 2);
	core_end(&c);
}

/* ---- Bus mastering ------------------------------------------------------- */

/* rule 22 */
static void master_off_stops_fetching_and_writing(void **state)
{
	uint8_t *before = malloc(RIG_SIZE);
	struct core c;

	(void)state;
	assert_non_null(before);
	core_up(&c);
	core_offer(&c, 0);
	virtio_kick(&c.v, 0);
	virtio_set_master(&c.v, false);
	memcpy(before, c.rig.mem, RIG_SIZE);
	core_settle(&c);
	assert_memory_equal(before, c.rig.mem, RIG_SIZE);
	assert_int_equal(c.dev.runs[0], 0);
	assert_int_equal(c.dev.quiesces[0], 1);
	free(before);
	core_end(&c);
}

/* rule 22 */
static void master_on_again_looks_at_every_queue(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	virtio_set_master(&c.v, false);
	core_offer(&c, 0);
	core_offer(&c, 2);
	virtio_kick(&c.v, 0);
	core_settle(&c);
	assert_int_equal(c.works, 0);
	virtio_set_master(&c.v, true);
	assert_int_equal(c.works, 1);
	core_settle(&c);
	assert_int_equal(c.dev.served[0], 1);
	assert_int_equal(c.dev.served[2], 1);
	core_end(&c);
}

/* rule 22 */
static void master_may_come_after_driver_ok(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	virtio_set_master(&c.v, false);
	core_choose(&c, 0);
	core_enable(&c, 0);
	core_offer(&c, 0);
	virtio_write_status(&c.v, CORE_UP);
	core_settle(&c);
	assert_int_equal(c.dev.served[0], 0);
	virtio_set_master(&c.v, true);
	core_settle(&c);
	assert_int_equal(c.dev.served[0], 1);
	core_end(&c);
}

/* ---- Memory -------------------------------------------------------------- */

static void memory_gone_pauses_and_memory_back_goes_on(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	virtio_quiesce(&c.v);
	assert_int_equal(c.dev.quiesces[0], 1);
	rig_unmap(&c.rig, RIG_GPA, RIG_SIZE);
	virtio_set_memory(&c.v, &c.rig.map);
	core_offer(&c, 0);
	virtio_kick(&c.v, 0);
	core_settle(&c);
	assert_int_equal(c.dev.runs[0], 0);
	assert_int_equal(virtio_status(&c.v), CORE_UP);
	virtio_quiesce(&c.v);
	rig_map(&c.rig, RIG_GPA, RIG_SIZE, c.rig.mem, GPA_READ | GPA_WRITE);
	virtio_set_memory(&c.v, &c.rig.map);
	core_settle(&c);
	assert_int_equal(c.dev.served[0], 1);
	core_end(&c);
}

static void memory_quiesced_leaves_no_host_pointer(void **state)
{
	struct core c;
	unsigned int q;

	(void)state;
	core_up(&c);
	virtio_quiesce(&c.v);
	for (q = 0; q < TEST_QUEUES; q++) {
		assert_null(c.v.queue[q].desc_host);
		assert_null(c.v.queue[q].driver_host);
		assert_null(c.v.queue[q].device_host);
		assert_null(c.v.queue[q].mem);
	}
	core_end(&c);
}

/* rule 116 */
static void memory_that_moved_is_used_where_it_is_now(void **state)
{
	struct core c;
	uint8_t *copy = aligned_alloc(4096, RIG_SIZE);

	(void)state;
	assert_non_null(copy);
	core_up(&c);
	core_offer(&c, 0);
	virtio_quiesce(&c.v);
	memcpy(copy, c.rig.mem, RIG_SIZE);
	rig_unmap(&c.rig, RIG_GPA, RIG_SIZE);
	rig_map(&c.rig, RIG_GPA, RIG_SIZE, copy, GPA_READ | GPA_WRITE);
	virtio_set_memory(&c.v, &c.rig.map);
	core_settle(&c);
	assert_int_equal(c.ring[0].used->idx, 0);
	assert_int_equal(load_le(copy + 0x3000 + 2, 2), 1);
	core_end(&c);
	free(copy);
}

/* ---- Broken queues ------------------------------------------------------- */

/* rules 65, 118 */
static void broken_queue_needs_reset_once_and_others_go_on(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	rig_offer(&c.ring[0], CORE_RING_SIZE); /* no such descriptor */
	virtio_kick(&c.v, 0);
	core_settle(&c);
	assert_int_equal(virtio_status(&c.v), CORE_UP | NEEDS_RESET);
	assert_int_equal(c.config_raised, 1);
	rig_offer(&c.ring[1], CORE_RING_SIZE);
	virtio_kick(&c.v, 1);
	core_offer(&c, 2);
	virtio_kick(&c.v, 2);
	core_settle(&c);
	assert_int_equal(c.config_raised, 1);
	assert_int_equal(c.dev.served[2], 1);
	assert_int_equal(c.queue_raised[2], 1);
	core_end(&c);
}

/* rules 98, 118 */
static void broken_chain_needs_reset(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	rig_desc(&c.ring[0], 0, RIG_DATA, 1, RIG_NEXT, 0);
	rig_offer(&c.ring[0], 0);
	virtio_kick(&c.v, 0);
	core_settle(&c);
	assert_int_equal(virtio_status(&c.v), CORE_UP | NEEDS_RESET);
	assert_int_equal(c.ring[0].used->idx, 0);
	assert_int_equal(c.v.queue[0].stats.broken, 1);
	core_end(&c);
}

/* rules 44, 65 */
static void broken_at_enable_needs_reset_without_an_interrupt(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	core_choose(&c, 0);
	c.ring[0].desc_gpa += 4;
	core_enable(&c, 0);
	assert_int_equal(virtio_status(&c.v), NEEDS_RESET);
	virtio_write_status(&c.v, CORE_UP);
	core_settle(&c);
	assert_int_equal(c.config_raised, 0);
	assert_int_equal(c.dev.runs[0], 0);
	core_end(&c);
}

/* rules 54, 118 */
static void broken_queue_works_again_after_reset(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	rig_offer(&c.ring[0], CORE_RING_SIZE);
	virtio_kick(&c.v, 0);
	core_settle(&c);
	virtio_write_status(&c.v, 0);
	rig_ring(&c.rig, &c.ring[0], 0, CORE_RING_SIZE);
	core_choose(&c, 0);
	core_enable(&c, 0);
	virtio_write_status(&c.v, CORE_UP);
	core_offer(&c, 0);
	virtio_kick(&c.v, 0);
	core_settle(&c);
	assert_int_equal(virtio_status(&c.v), CORE_UP);
	assert_int_equal(c.dev.served[0], 1);
	core_end(&c);
}

/* ---- Interrupts ---------------------------------------------------------- */

/* rule 87 */
static void raise_follows_what_the_driver_asked_for(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	c.ring[0].avail->flags = 1;
	core_offer(&c, 0);
	virtio_kick(&c.v, 0);
	core_settle(&c);
	assert_int_equal(c.ring[0].used->idx, 1);
	assert_int_equal(c.queue_raised[0], 0);
	c.ring[0].avail->flags = 0;
	core_offer(&c, 0);
	virtio_kick(&c.v, 0);
	core_settle(&c);
	assert_int_equal(c.queue_raised[0], 1);
	core_end(&c);
}

static uint16_t idx_when_raised;

static void remember_idx(void *transport, unsigned int q)
{
	struct core *c = transport;

	idx_when_raised = c->ring[q].used->idx;
}

/* rule 71 */
static void raise_comes_after_used_idx_is_visible(void **state)
{
	struct virtio_transport_ops ops;
	struct core c;

	(void)state;
	core_up(&c);
	ops = *c.v.ops;
	ops.queue_raise = remember_idx;
	c.v.ops = &ops;
	core_offer(&c, 0);
	core_offer(&c, 0);
	virtio_kick(&c.v, 0);
	core_settle(&c);
	assert_int_equal(idx_when_raised, 2);
	core_end(&c);
}

/* ---- Construction -------------------------------------------------------- */

static void init_refuses_a_device_that_cannot_be(void **state)
{
	struct test_device dev;
	struct virtio v;

	(void)state;
	test_device_init(&dev);
	dev.device.queue_max = 48;
	assert_int_equal(virtio_init(&v, &dev.device, NULL, NULL, NULL),
			 -EINVAL);
	dev.device.queue_max = 256;
	dev.device.nr_queues = VIRTIO_MAX_QUEUES + 1;
	assert_int_equal(virtio_init(&v, &dev.device, NULL, NULL, NULL),
			 -EINVAL);
}

static void fini_stops_a_running_device(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	core_end(&c);
	assert_int_equal(c.dev.stops, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_consumes_nothing_before_driver_ok),
		cmocka_unit_test(
			run_looks_at_driver_ok_at_what_was_kicked_before),
		cmocka_unit_test(run_serves_a_queue_enabled_after_driver_ok),
		cmocka_unit_test(
			run_uses_the_features_chosen_after_the_queue_was_enabled),
		cmocka_unit_test(
			kick_of_what_cannot_run_is_ignored_and_counted),
		cmocka_unit_test(kick_storm_is_one_piece_of_work),
		cmocka_unit_test(kick_runs_its_own_queue_only),
		cmocka_unit_test(run_serves_at_most_its_budget),
		cmocka_unit_test(run_gives_every_queue_its_turn),
		cmocka_unit_test(run_calls_for_work_once_until_it_is_done),
		cmocka_unit_test(
			run_finds_what_came_between_last_look_and_sleep),
		cmocka_unit_test(run_comes_to_rest_although_chains_are_left),
		cmocka_unit_test(master_off_stops_fetching_and_writing),
		cmocka_unit_test(master_on_again_looks_at_every_queue),
		cmocka_unit_test(master_may_come_after_driver_ok),
		cmocka_unit_test(memory_gone_pauses_and_memory_back_goes_on),
		cmocka_unit_test(memory_quiesced_leaves_no_host_pointer),
		cmocka_unit_test(memory_that_moved_is_used_where_it_is_now),
		cmocka_unit_test(
			broken_queue_needs_reset_once_and_others_go_on),
		cmocka_unit_test(broken_chain_needs_reset),
		cmocka_unit_test(
			broken_at_enable_needs_reset_without_an_interrupt),
		cmocka_unit_test(broken_queue_works_again_after_reset),
		cmocka_unit_test(raise_follows_what_the_driver_asked_for),
		cmocka_unit_test(raise_comes_after_used_idx_is_visible),
		cmocka_unit_test(init_refuses_a_device_that_cannot_be),
		cmocka_unit_test(fini_stops_a_running_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
