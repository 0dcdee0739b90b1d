/* SPDX-License-Identifier: BSD-3-Clause */
/* Resets, and what asks for one. */
#include "transport/virtio/virtio.h"
#include "transport/virtio/test_core.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define ACK	    VIRTIO_ACKNOWLEDGE
#define DRIVER	    VIRTIO_DRIVER
#define FEATURES_OK VIRTIO_FEATURES_OK
#define NEEDS_RESET VIRTIO_NEEDS_RESET
#define FAILED	    VIRTIO_FAILED

/* ---- Reset --------------------------------------------------------------- */

static void assert_fresh(struct core *c)
{
	unsigned int q;

	assert_int_equal(virtio_status(&c->v), 0);
	for (q = 0; q < 4; q++)
		assert_int_equal(virtio_driver_features(&c->v, q), 0);
	for (q = 0; q < TEST_QUEUES; q++) {
		assert_int_equal(c->v.queue[q].s.enabled, 0);
		assert_int_equal(c->v.queue[q].s.size, 256);
		assert_int_equal(c->v.queue[q].s.desc, 0);
		assert_int_equal(c->v.queue[q].s.last_avail, 0);
	}
	assert_false(c->dev.running);
}

/* rule 54 */
static void reset_works_in_every_state(void **state)
{
	static const uint8_t states[] = {
		ACK,	 ACK | DRIVER,	   ACK | DRIVER | FEATURES_OK,
		CORE_UP, CORE_UP | FAILED, FAILED,
	};
	struct core c;
	unsigned int i;

	(void)state;
	for (i = 0; i < 2 * ARRAY_SIZE(states); i++) {
		core_begin(&c);
		core_choose(&c, BIT_ULL(TEST_FEATURE));
		core_enable(&c, 0);
		virtio_write_status(&c.v, states[i / 2]);
		if (i % 2)
			virtio_needs_reset(&c.v);
		virtio_write_status(&c.v, 0);
		assert_fresh(&c);
		assert_int_equal(c.resets, 1);
		core_end(&c);
	}
}

/* rule 55 */
static void reset_brings_back_defaults_but_not_the_generation(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	virtio_config_changed(&c.v);
	(void)virtio_config_read(&c.v, 0, 1);
	core_offer(&c, 1);
	virtio_kick(&c.v, 1);
	core_settle(&c);
	virtio_write_status(&c.v, 0);
	assert_fresh(&c);
	assert_int_equal(virtio_generation(&c.v), 1);
	assert_int_equal(c.v.stats.resets, 1);
	core_end(&c);
}

/* rules 54, 56 */
static void reset_forgets_work_and_touches_memory_no_more(void **state)
{
	uint8_t *before = malloc(RIG_SIZE);
	struct core c;

	(void)state;
	assert_non_null(before);
	core_up(&c);
	core_offer(&c, 0);
	virtio_kick(&c.v, 0);
	virtio_write_status(&c.v, 0);
	memcpy(before, c.rig.mem, RIG_SIZE);
	assert_false(rig_turn(&c.v, 64));
	virtio_queue_run(&c.v, 0, 64, 0);
	assert_memory_equal(before, c.rig.mem, RIG_SIZE);
	assert_int_equal(c.dev.runs[0], 0);
	assert_int_equal(c.queue_raised[0], 0);
	free(before);
	core_end(&c);
}

static void queue_is_still_there(void *ctx)
{
	struct core *c = ctx;

	assert_true(vq_live(&c->v.queue[0]));
	assert_int_equal(virtio_status(&c->v), CORE_UP);
}

/* rules 54, 56 */
static void reset_lets_go_of_what_is_in_flight(void **state)
{
	uint8_t *before = malloc(RIG_SIZE);
	struct vq_chain chain;
	struct vq_span span;
	struct core c;

	(void)state;
	assert_non_null(before);
	core_up(&c);
	core_offer(&c, 0);
	assert_true(vq_pop(virtio_queue(&c.v, 0), &chain));
	c.dev.at_quiesce = queue_is_still_there;
	c.dev.ctx = &c;
	virtio_write_status(&c.v, 0);
	assert_int_equal(c.dev.stops, 1);
	memcpy(before, c.rig.mem, RIG_SIZE);
	/* A completion that comes too late. */
	assert_int_equal(vq_chain_next(&chain, &span), -1);
	vq_push(virtio_queue(&c.v, 0), &chain, 0);
	virtio_queue_run(&c.v, 0, 64, 0);
	assert_memory_equal(before, c.rig.mem, RIG_SIZE);
	assert_int_equal(c.queue_raised[0], 0);
	assert_int_equal(virtio_status(&c.v), 0);
	free(before);
	core_end(&c);
}

/* rules 46, 54 */
static void reset_and_start_again_works(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	virtio_write_status(&c.v, 0);
	rig_ring(&c.rig, &c.ring[0], 0, CORE_RING_SIZE);
	core_choose(&c, 0);
	core_enable(&c, 0);
	virtio_write_status(&c.v, CORE_UP);
	core_offer(&c, 0);
	virtio_kick(&c.v, 0);
	core_settle(&c);
	assert_int_equal(c.dev.served[0], 1);
	assert_int_equal(c.queue_raised[0], 1);
	assert_int_equal(c.dev.starts, 2);
	core_end(&c);
}

/* ---- NEEDS_RESET --------------------------------------------------------- */

/* rule 65 */
static void needs_reset_is_told_once_after_driver_ok(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	virtio_needs_reset(&c.v);
	virtio_needs_reset(&c.v);
	assert_int_equal(virtio_status(&c.v), CORE_UP | NEEDS_RESET);
	assert_int_equal(c.config_raised, 1);
	assert_int_equal(c.v.stats.needs_reset, 1);
	core_end(&c);
}

/* rules 51, 65 */
static void needs_reset_is_silent_before_and_at_driver_ok(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	virtio_needs_reset(&c.v);
	core_choose(&c, 0);
	virtio_write_status(&c.v, CORE_UP);
	assert_int_equal(c.config_raised, 0);
	core_end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_works_in_every_state),
		cmocka_unit_test(
			reset_brings_back_defaults_but_not_the_generation),
		cmocka_unit_test(reset_forgets_work_and_touches_memory_no_more),
		cmocka_unit_test(reset_lets_go_of_what_is_in_flight),
		cmocka_unit_test(reset_and_start_again_works),
		cmocka_unit_test(needs_reset_is_told_once_after_driver_ok),
		cmocka_unit_test(needs_reset_is_silent_before_and_at_driver_ok),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
