/* SPDX-License-Identifier: BSD-3-Clause */
/* Status, features, configuration; virtio_reset_test.c has resets,
 * virtio_run_test.c has queues at work. */
#include "transport/virtio/virtio.h"
#include "transport/virtio/test_core.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define ACK	    VIRTIO_ACKNOWLEDGE
#define DRIVER	    VIRTIO_DRIVER
#define DRIVER_OK   VIRTIO_DRIVER_OK
#define FEATURES_OK VIRTIO_FEATURES_OK
#define NEEDS_RESET VIRTIO_NEEDS_RESET
#define FAILED	    VIRTIO_FAILED

/* ---- Features ------------------------------------------------------------ */

/* rules 38, 67, 115 */
static void features_are_offered_in_four_words(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	assert_int_equal(virtio_device_features(&c.v, 0),
			 BIT(TEST_FEATURE) | BIT(28) | BIT(29));
	assert_int_equal(virtio_device_features(&c.v, 1), 1 | BIT(8));
	assert_int_equal(virtio_device_features(&c.v, 2),
			 BIT(TEST_HIGH_FEATURE - 64));
	assert_int_equal(virtio_device_features(&c.v, 3), 0);
	assert_int_equal(virtio_device_features(&c.v, 4), 0);
	assert_int_equal(virtio_device_features(&c.v, UINT32_MAX), 0);
	core_end(&c);
}

/* rules 113, 114 */
static void features_of_the_core_are_only_those_with_tests(void **state)
{
	struct core c;
	unsigned int bit;

	(void)state;
	core_begin(&c);
	for (bit = 24; bit < 50; bit++)
		assert_int_equal(virtio_has(&c.v.s.offer, bit),
				 bit == VIRTIO_F_INDIRECT_DESC ||
					 bit == VIRTIO_F_EVENT_IDX ||
					 bit == VIRTIO_F_VERSION_1 ||
					 bit == VIRTIO_F_RING_RESET);
	core_end(&c);
}

/* rule 114 */
static void features_of_the_core_are_not_a_device_s_to_offer(void **state)
{
	struct test_device dev;
	struct virtio v;

	(void)state;
	test_device_init(&dev);
	virtio_set(&dev.device.offer, VIRTIO_F_RING_PACKED);
	assert_int_equal(virtio_init(&v, &dev.device, NULL, NULL, NULL),
			 -EINVAL);
}

/* rules 39, 115 */
static void features_of_the_driver_are_kept_by_word(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	virtio_write_features(&c.v, 0, 0x11111111);
	virtio_write_features(&c.v, 1, 0x22222222);
	virtio_write_features(&c.v, 2, 0x33333333);
	virtio_write_features(&c.v, 3, 0x44444444);
	virtio_write_features(&c.v, 4, 0x55555555);
	assert_int_equal(virtio_driver_features(&c.v, 0), 0x11111111);
	assert_int_equal(virtio_driver_features(&c.v, 1), 0x22222222);
	assert_int_equal(virtio_driver_features(&c.v, 2), 0x33333333);
	assert_int_equal(virtio_driver_features(&c.v, 3), 0x44444444);
	assert_int_equal(virtio_driver_features(&c.v, 4), 0);
	assert_int_equal(c.v.stats.bad_writes, 1);
	core_end(&c);
}

/* rules 39, 57 */
static void features_are_frozen_by_features_ok(void **state)
{
	struct core c;
	unsigned int word;

	(void)state;
	core_begin(&c);
	core_choose(&c, BIT_ULL(TEST_FEATURE));
	virtio_write_status(&c.v, ACK | DRIVER | FEATURES_OK);
	for (word = 0; word < 4; word++)
		virtio_write_features(&c.v, word, 0x80000000u | word);
	assert_int_equal(virtio_driver_features(&c.v, 0), BIT(TEST_FEATURE));
	assert_int_equal(virtio_driver_features(&c.v, 1), 1);
	assert_int_equal(virtio_driver_features(&c.v, 2), 0);
	assert_int_equal(virtio_driver_features(&c.v, 3), 0);
	core_end(&c);
}

/* rules 57, 67 */
static void features_ok_is_refused_without_version_1(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	virtio_write_features(&c.v, 0, BIT(TEST_FEATURE));
	virtio_write_status(&c.v, ACK | DRIVER);
	virtio_write_status(&c.v, ACK | DRIVER | FEATURES_OK);
	assert_int_equal(virtio_status(&c.v), ACK | DRIVER);
	core_end(&c);
}

static uint8_t status_with(unsigned int bit)
{
	struct core c;
	uint8_t status;

	core_begin(&c);
	core_choose(&c, 0);
	virtio_write_features(&c.v, bit / 32,
			      virtio_driver_features(&c.v, bit / 32) |
				      BIT(bit % 32));
	virtio_write_status(&c.v, CORE_UP);
	status = virtio_status(&c.v);
	assert_int_equal(c.dev.starts, !!(status & DRIVER_OK));
	core_end(&c);
	return status;
}

/* rules 57, 58, 113 */
static void features_ok_is_refused_with_a_bit_not_offered(void **state)
{
	static const unsigned int bits[] = {
		0,  31,	 VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_RING_PACKED, 63,
		64, 127,
	};
	unsigned int i;

	(void)state;
	assert_int_equal(status_with(TEST_FEATURE), CORE_UP);
	assert_int_equal(status_with(TEST_HIGH_FEATURE), CORE_UP);
	for (i = 0; i < ARRAY_SIZE(bits); i++)
		assert_int_equal(status_with(bits[i]), ACK | DRIVER);
}

/* rule 57 */
static void features_can_be_chosen_again_after_a_refusal(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	virtio_write_features(&c.v, 0, BIT(0));
	virtio_write_status(&c.v, CORE_UP);
	core_choose(&c, 0);
	virtio_write_status(&c.v, CORE_UP);
	assert_int_equal(virtio_status(&c.v), CORE_UP);
	core_end(&c);
}

/* ---- Status -------------------------------------------------------------- */

/* rule 59 */
static void status_bits_written_together_are_a_sequence(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	core_choose(&c, 0);
	virtio_write_status(&c.v, ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	assert_int_equal(virtio_status(&c.v), CORE_UP);
	assert_int_equal(c.dev.starts, 1);
	core_end(&c);
}

/* The status after one write of @value, or after one for each of its bits in
 * the order in which a driver sets them. */
static uint8_t write_bits(uint8_t value, uint64_t features, bool at_once,
			  unsigned int *starts)
{
	static const uint8_t order[] = { ACK, DRIVER, FEATURES_OK, DRIVER_OK };
	struct core c;
	unsigned int i;
	uint8_t status;

	core_begin(&c);
	core_choose(&c, features);
	if (at_once)
		virtio_write_status(&c.v, value);
	for (i = 0; !at_once && i < ARRAY_SIZE(order); i++)
		if (value & order[i])
			virtio_write_status(&c.v,
					    virtio_status(&c.v) | order[i]);
	status = virtio_status(&c.v);
	*starts = c.dev.starts;
	core_end(&c);
	return status;
}

/* rule 59 */
static void status_bits_in_any_combination_are_a_sequence(void **state)
{
	const uint64_t features[] = { 0, BIT_ULL(TEST_FEATURE), BIT_ULL(0) };
	unsigned int value, i, starts, want;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(features); i++)
		for (value = 1; value < 16; value++) {
			assert_int_equal(
				write_bits(value, features[i], true, &starts),
				write_bits(value, features[i], false, &want));
			assert_int_equal(starts, want);
		}
}

/* rule 60 */
static void status_bits_are_cleared_by_0_only(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	virtio_write_status(&c.v, ACK);
	assert_int_equal(virtio_status(&c.v), CORE_UP);
	assert_int_equal(c.dev.stops, 0);
	core_end(&c);
}

/* rule 60 */
static void status_bits_of_the_device_are_not_the_driver_s(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	virtio_write_status(&c.v, ACK | NEEDS_RESET | 32 | 16);
	assert_int_equal(virtio_status(&c.v), ACK);
	virtio_needs_reset(&c.v);
	virtio_write_status(&c.v, ACK | DRIVER);
	assert_int_equal(virtio_status(&c.v), ACK | DRIVER | NEEDS_RESET);
	core_end(&c);
}

/* rule 61 */
static void status_driver_ok_twice_starts_once(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	virtio_write_status(&c.v, CORE_UP);
	virtio_write_status(&c.v, DRIVER_OK);
	assert_int_equal(c.dev.starts, 1);
	assert_int_equal(c.works, 0);
	core_end(&c);
}

/* rule 63 */
static void status_driver_ok_without_features_ok_starts_nothing(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	core_enable(&c, 0);
	virtio_write_status(&c.v, ACK | DRIVER | DRIVER_OK);
	assert_int_equal(virtio_status(&c.v), ACK | DRIVER);
	assert_int_equal(c.dev.starts, 0);
	core_settle(&c);
	assert_int_equal(c.dev.runs[0], 0);
	core_end(&c);
}

/* rule 63 */
static void status_driver_ok_without_queues_runs_nothing(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	core_choose(&c, 0);
	virtio_write_status(&c.v, CORE_UP);
	assert_int_equal(virtio_status(&c.v), CORE_UP);
	assert_int_equal(c.works, 0);
	core_end(&c);
}

/* rule 64 */
static void status_failed_stops_until_reset(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	virtio_write_status(&c.v, CORE_UP | FAILED);
	assert_int_equal(virtio_status(&c.v), CORE_UP | FAILED);
	assert_int_equal(c.dev.stops, 1);
	core_offer(&c, 0);
	virtio_kick(&c.v, 0);
	core_settle(&c);
	assert_int_equal(c.dev.runs[0], 0);
	virtio_write_status(&c.v, CORE_UP);
	assert_int_equal(c.dev.starts, 1);
	virtio_write_status(&c.v, 0);
	assert_int_equal(virtio_status(&c.v), 0);
	core_end(&c);
}

/* rule 64 */
static void status_failed_together_with_driver_ok_starts_nothing(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	core_choose(&c, 0);
	virtio_write_status(&c.v, CORE_UP | FAILED);
	assert_int_equal(c.dev.starts, 0);
	core_end(&c);
}

/* ---- Configuration ------------------------------------------------------- */

/* rule 50 */
static void generation_moves_with_the_first_read_after_a_change(void **state)
{
	struct core c;
	uint8_t old;

	(void)state;
	core_up(&c);
	old = virtio_generation(&c.v);
	virtio_config_changed(&c.v);
	virtio_config_changed(&c.v);
	assert_int_equal(virtio_generation(&c.v), old);
	(void)virtio_config_read(&c.v, 0, 4);
	assert_int_equal(virtio_generation(&c.v), (uint8_t)(old + 1));
	(void)virtio_config_read(&c.v, 4, 4);
	assert_int_equal(virtio_generation(&c.v), (uint8_t)(old + 1));
	core_end(&c);
}

/* rule 51 */
static void generation_does_not_move_for_status_changes(void **state)
{
	struct core c;

	(void)state;
	core_up(&c);
	virtio_needs_reset(&c.v);
	(void)virtio_config_read(&c.v, 0, 4);
	assert_int_equal(virtio_generation(&c.v), 0);
	core_end(&c);
}

/* rule 51 */
static void config_changes_are_told_after_driver_ok_only(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	virtio_config_changed(&c.v);
	core_choose(&c, 0);
	virtio_write_status(&c.v, CORE_UP);
	assert_int_equal(c.config_raised, 0);
	virtio_config_changed(&c.v);
	assert_int_equal(c.config_raised, 1);
	core_end(&c);
}

/* rule 52 */
static void config_is_readable_at_any_width_before_features_ok(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	assert_int_equal(virtio_config_read(&c.v, 3, 1), 0x13);
	assert_int_equal(virtio_config_read(&c.v, 1, 2), 0x1211);
	assert_int_equal(virtio_config_read(&c.v, 5, 4), 0x18171615);
	assert_true(virtio_config_read(&c.v, 4, 8) == 0x1b1a191817161514ull);
	core_end(&c);
}

/* rule 52 */
static void config_reads_0_beyond_its_end(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	assert_int_equal(virtio_config_read(&c.v, 10, 4), 0x1b1a);
	assert_int_equal(virtio_config_read(&c.v, 12, 4), 0);
	assert_int_equal(virtio_config_read(&c.v, UINT32_MAX - 1, 4), 0);
	core_end(&c);
}

/* rule 53 */
static void config_writes_reach_the_device_inside_only(void **state)
{
	struct core c;

	(void)state;
	core_begin(&c);
	virtio_config_write(&c.v, 2, 4, 0xa4a3a2a1);
	assert_int_equal(c.dev.last_off, 2);
	assert_int_equal(c.dev.last_size, 4);
	assert_int_equal(virtio_config_read(&c.v, 2, 4), 0xa4a3a2a1);
	/* Not writable, says the device. */
	virtio_config_write(&c.v, 8, 4, 0);
	assert_int_equal(virtio_config_read(&c.v, 8, 4), 0x1b1a1918);
	c.dev.config_writes = 0;
	virtio_config_write(&c.v, 10, 4, 0);
	assert_int_equal(c.dev.config_writes, 2);
	assert_int_equal(c.dev.last_off, 11);
	virtio_config_write(&c.v, 12, 4, 0);
	assert_int_equal(c.dev.config_writes, 2);
	assert_int_equal(c.v.stats.bad_writes, 1);
	core_end(&c);
}

static struct irq_view view(const struct virtio *v)
{
	struct irq_view seen = { .level = -1 };

	v->stage.ops->view(&v->stage, &seen);
	return seen;
}

/* rule 87 */
static void stage_tells_what_was_raised_from_what_was_suppressed(void **state)
{
	struct irq_stage below;
	struct irq_edge e;
	struct core c;

	(void)state;
	core_begin(&c);
	virtio_config_changed(&c.v);
	assert_int_equal(view(&c.v).count.fired, 0);
	core_end(&c);
	core_up(&c);
	for (unsigned int q = 0; q < 2; q++) {
		c.ring[q].avail->flags = (uint16_t)q;
		core_offer(&c, q);
		virtio_kick(&c.v, q);
	}
	core_settle(&c);
	virtio_config_changed(&c.v);
	assert_int_equal(view(&c.v).count.fired, 2);
	assert_int_equal(view(&c.v).count.dropped, 1);
	assert_int_equal(view(&c.v).level, -1);
	assert_string_equal(view(&c.v).name, "test");
	assert_string_equal(c.v.stage.ops->kind, "virtio");
	assert_false(c.v.stage.ops->edge(&c.v.stage, 0, &e));
	c.v.below = &below;
	assert_true(c.v.stage.ops->edge(&c.v.stage, 0, &e));
	assert_ptr_equal(e.to, &below);
	assert_int_equal(e.pin, IRQ_NO_PIN);
	assert_false(c.v.stage.ops->edge(&c.v.stage, 1, &e));
	core_end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(features_are_offered_in_four_words),
		cmocka_unit_test(
			features_of_the_core_are_only_those_with_tests),
		cmocka_unit_test(
			features_of_the_core_are_not_a_device_s_to_offer),
		cmocka_unit_test(features_of_the_driver_are_kept_by_word),
		cmocka_unit_test(features_are_frozen_by_features_ok),
		cmocka_unit_test(features_ok_is_refused_without_version_1),
		cmocka_unit_test(features_ok_is_refused_with_a_bit_not_offered),
		cmocka_unit_test(features_can_be_chosen_again_after_a_refusal),
		cmocka_unit_test(status_bits_written_together_are_a_sequence),
		cmocka_unit_test(status_bits_in_any_combination_are_a_sequence),
		cmocka_unit_test(status_bits_are_cleared_by_0_only),
		cmocka_unit_test(
			status_bits_of_the_device_are_not_the_driver_s),
		cmocka_unit_test(status_driver_ok_twice_starts_once),
		cmocka_unit_test(
			status_driver_ok_without_features_ok_starts_nothing),
		cmocka_unit_test(status_driver_ok_without_queues_runs_nothing),
		cmocka_unit_test(status_failed_stops_until_reset),
		cmocka_unit_test(
			status_failed_together_with_driver_ok_starts_nothing),
		cmocka_unit_test(
			generation_moves_with_the_first_read_after_a_change),
		cmocka_unit_test(generation_does_not_move_for_status_changes),
		cmocka_unit_test(config_changes_are_told_after_driver_ok_only),
		cmocka_unit_test(
			config_is_readable_at_any_width_before_features_ok),
		cmocka_unit_test(config_reads_0_beyond_its_end),
		cmocka_unit_test(config_writes_reach_the_device_inside_only),
		cmocka_unit_test(
			stage_tells_what_was_raised_from_what_was_suppressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
