/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/virtio_pci/common.h"
#include "transport/virtio_pci/test_function.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

static void select_queue(struct function *f, unsigned int q)
{
	set_bar4(f, QUEUE_SELECT, 2, q);
}

/* ---- Widths -------------------------------------------------------------- */

/* rule 36 */
static void common_64_bit_fields_are_two_independent_halves(void **state)
{
	static const unsigned int fields[] = { QUEUE_DESC, QUEUE_DRIVER,
					       QUEUE_DEVICE };
	struct function f;
	unsigned int i, at;

	(void)state;
	function_begin(&f);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		at = fields[i];
		set_bar4(&f, at + 4, 4, 0x11223344);
		assert_true(bar4(&f, at, 8) == 0x1122334400000000ull);
		set_bar4(&f, at, 4, 0x55667788);
		assert_int_equal(bar4(&f, at, 4), 0x55667788);
		assert_int_equal(bar4(&f, at + 4, 4), 0x11223344);
		set_bar4(&f, at, 4, 0);
		assert_true(bar4(&f, at, 8) == 0x1122334400000000ull);
	}
	function_end(&f);
}

/* rule 36 */
static void common_64_bit_fields_take_one_8_byte_access(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	set_bar4(&f, QUEUE_DESC, 8, 0x0102030405060708);
	set_bar4(&f, QUEUE_DRIVER, 8, 0x1112131415161718);
	set_bar4(&f, QUEUE_DEVICE, 8, 0x2122232425262728);
	assert_true(bar4(&f, QUEUE_DESC, 8) == 0x0102030405060708);
	assert_true(bar4(&f, QUEUE_DRIVER, 8) == 0x1112131415161718);
	assert_true(bar4(&f, QUEUE_DEVICE, 8) == 0x2122232425262728);
	assert_int_equal(f.vp.virtio.stats.bad_writes, 0);
	function_end(&f);
}

static void read_all(struct function *f, uint8_t *bytes)
{
	unsigned int i;

	for (i = 0; i < VIRTIO_PCI_COMMON_LEN; i++)
		bytes[i] = (uint8_t)bar4(f, i, 1);
}

/* rule 37 */
static void common_reads_of_any_width_show_the_same_bytes(void **state)
{
	uint8_t bytes[VIRTIO_PCI_COMMON_LEN];
	struct function f;
	unsigned int off, size;

	(void)state;
	function_begin(&f);
	set_bar4(&f, DEVICE_FEATURE_SELECT, 4, 2);
	set_bar4(&f, STATUS, 1, 3);
	select_queue(&f, 1);
	set_bar4(&f, QUEUE_DESC, 8, 0x0102030405060708);
	read_all(&f, bytes);
	for (size = 1; size <= 8; size *= 2)
		for (off = 0; off + size <= sizeof(bytes); off++)
			assert_true(bar4(&f, off, size) ==
				    load_le(&bytes[off], size));
	function_end(&f);
}

/* rule 37 */
static void common_narrow_and_crooked_writes_change_nothing(void **state)
{
	static const struct {
		unsigned int off, size;
	} writes[] = {
		{ DEVICE_FEATURE_SELECT, 1 },
		{ DEVICE_FEATURE_SELECT, 2 },
		{ DEVICE_FEATURE_SELECT + 1, 1 },
		{ DEVICE_FEATURE_SELECT + 2, 2 },
		{ DEVICE_FEATURE_SELECT + 1, 4 },
		{ DRIVER_FEATURE, 1 },
		{ QUEUE_SELECT, 1 },
		{ QUEUE_SELECT + 1, 1 },
		{ QUEUE_SIZE, 1 },
		{ QUEUE_ENABLE, 1 },
		{ QUEUE_DESC, 1 },
		{ QUEUE_DESC + 2, 2 },
		{ QUEUE_DESC + 2, 4 },
		{ QUEUE_DESC + 1, 8 },
		{ STATUS + 1, 1 },
	};
	uint8_t before[VIRTIO_PCI_COMMON_LEN], after[VIRTIO_PCI_COMMON_LEN];
	struct function f;
	unsigned int i;

	(void)state;
	function_begin(&f);
	read_all(&f, before);
	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		set_bar4(&f, writes[i].off, writes[i].size, 0x0101010101010101);
		read_all(&f, after);
		assert_memory_equal(before, after, sizeof(before));
	}
	assert_int_equal(f.vp.virtio.stats.bad_writes, ARRAY_SIZE(writes));
	function_end(&f);
}

/* rule 37 */
static void
common_wide_writes_reach_only_the_register_they_start_at(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	set_bar4(&f, STATUS, 4, 0x00020001);
	assert_int_equal(bar4(&f, STATUS, 1), 1);
	assert_int_equal(bar4(&f, QUEUE_SELECT, 2), 0);
	set_bar4(&f, DRIVER_FEATURE_SELECT, 8, 0x0000000700000001);
	assert_int_equal(bar4(&f, DRIVER_FEATURE_SELECT, 4), 1);
	assert_int_equal(bar4(&f, DRIVER_FEATURE, 4), 0);
	set_bar4(&f, CONFIG_VECTOR, 4, 0x00050001);
	assert_int_equal(bar4(&f, CONFIG_VECTOR, 2), 1);
	set_bar4(&f, QUEUE_DESC + 4, 8, 0x0000000800000009);
	assert_true(bar4(&f, QUEUE_DESC, 8) == 0x0000000900000000);
	assert_int_equal(bar4(&f, QUEUE_DRIVER, 8), 0);
	function_end(&f);
}

/* rules 20, 21 */
static void common_ends_after_64_bytes(void **state)
{
	struct function f;
	uint64_t bad;

	(void)state;
	function_begin(&f);
	bad = f.vp.func.stats.bad;
	assert_int_equal(bar4(&f, 64, 4), 0xffffffff);
	assert_true(bar4(&f, 60, 8) == UINT64_MAX);
	set_bar4(&f, 64, 4, 1);
	assert_int_equal(f.vp.func.stats.bad, bad + 3);
	function_end(&f);
}

/* ---- Features ------------------------------------------------------------ */

/* rules 38, 67, 115 */
static void common_device_features_have_four_words(void **state)
{
	static const uint32_t want[] = {
		BIT(TEST_FEATURE) | BIT(28) | BIT(29),
		1 | BIT(8),
		BIT(TEST_HIGH_FEATURE - 64),
		0,
		0,
		0,
	};
	struct function f;
	unsigned int i;

	(void)state;
	function_begin(&f);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		set_bar4(&f, DEVICE_FEATURE_SELECT, 4, i);
		assert_int_equal(bar4(&f, DEVICE_FEATURE_SELECT, 4), i);
		assert_int_equal(bar4(&f, DEVICE_FEATURE, 4), want[i]);
	}
	set_bar4(&f, DEVICE_FEATURE_SELECT, 4, UINT32_MAX);
	assert_int_equal(bar4(&f, DEVICE_FEATURE, 4), 0);
	function_end(&f);
}

/* rule 39 */
static void common_driver_features_are_kept_by_select(void **state)
{
	struct function f;
	unsigned int i;

	(void)state;
	function_begin(&f);
	for (i = 0; i < 6; i++) {
		set_bar4(&f, DRIVER_FEATURE_SELECT, 4, i);
		set_bar4(&f, DRIVER_FEATURE, 4, 0x100 + i);
	}
	for (i = 0; i < 6; i++) {
		set_bar4(&f, DRIVER_FEATURE_SELECT, 4, i);
		assert_int_equal(bar4(&f, DRIVER_FEATURE, 4),
				 i < 4 ? 0x100 + i : 0);
	}
	function_end(&f);
}

/* rule 40 */
static void common_read_only_fields_ignore_writes(void **state)
{
	static const struct {
		unsigned int off, size;
	} fields[] = {
		{ DEVICE_FEATURE, 4 },
		{ NUM_QUEUES, 2 },
		{ GENERATION, 1 },
		{ QUEUE_NOTIFY_OFF, 2 },
		{ ADMIN_QUEUE_INDEX, 2 },
		{ ADMIN_QUEUE_NUM, 2 },
		{ QUEUE_NOTIF_CONFIG_DATA, 2 },
	};
	struct function f;
	unsigned int i;
	uint64_t old;

	(void)state;
	function_begin(&f);
	select_queue(&f, 1);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		old = bar4(&f, fields[i].off, fields[i].size);
		set_bar4(&f, fields[i].off, fields[i].size, old + 1);
		assert_int_equal(bar4(&f, fields[i].off, fields[i].size), old);
	}
	assert_int_equal(f.vp.virtio.stats.bad_writes, ARRAY_SIZE(fields));
	function_end(&f);
}

/* ---- Queues -------------------------------------------------------------- */

/* rule 42 */
static void common_queue_select_keeps_any_value(void **state)
{
	struct function f;
	unsigned int q;

	(void)state;
	function_begin(&f);
	assert_int_equal(bar4(&f, NUM_QUEUES, 2), TEST_QUEUES);
	for (q = 0; q < 0x10000; q++) {
		select_queue(&f, q);
		assert_int_equal(bar4(&f, QUEUE_SELECT, 2), q);
		assert_int_equal(bar4(&f, QUEUE_SIZE, 2),
				 q < TEST_QUEUES ? 256 : 0);
	}
	function_end(&f);
}

/* rule 42 */
static void common_a_queue_that_is_not_there_is_all_zero(void **state)
{
	static const unsigned int writable[] = { QUEUE_SIZE, QUEUE_VECTOR,
						 QUEUE_ENABLE };
	static const unsigned int nowhere[] = { TEST_QUEUES, 0x100, 0x400,
						0xffff };
	struct function f;
	unsigned int i, k;

	(void)state;
	function_begin(&f);
	for (k = 0; k < ARRAY_SIZE(nowhere); k++) {
		select_queue(&f, nowhere[k]);
		for (i = 0; i < ARRAY_SIZE(writable); i++)
			set_bar4(&f, writable[i], 2, 1);
		for (i = QUEUE_DESC; i < QUEUE_NOTIF_CONFIG_DATA; i += 8)
			set_bar4(&f, i, 8, RIG_GPA);
		for (i = QUEUE_SIZE; i < VIRTIO_PCI_COMMON_LEN; i++)
			assert_int_equal(bar4(&f, i, 1), 0);
	}
	/* Nor did it happen to one that is there. */
	for (k = 0; k < TEST_QUEUES; k++) {
		select_queue(&f, k);
		assert_int_equal(bar4(&f, QUEUE_SIZE, 2), 256);
		assert_int_equal(bar4(&f, QUEUE_VECTOR, 2), NO_VECTOR);
		assert_int_equal(bar4(&f, QUEUE_ENABLE, 2), 0);
		for (i = QUEUE_DESC; i < QUEUE_NOTIF_CONFIG_DATA; i += 8)
			assert_int_equal(bar4(&f, i, 8), 0);
	}
	function_end(&f);
}

/* rule 43 */
static void
common_queue_size_takes_powers_of_two_up_to_the_maximum(void **state)
{
	static const uint16_t refused[] = { 0, 3, 257, 512, 0x8000, 0xffff };
	struct function f;
	unsigned int i;

	(void)state;
	function_begin(&f);
	assert_int_equal(bar4(&f, QUEUE_SIZE, 2), 256);
	set_bar4(&f, QUEUE_SIZE, 2, 16);
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		set_bar4(&f, QUEUE_SIZE, 2, refused[i]);
		assert_int_equal(bar4(&f, QUEUE_SIZE, 2), 16);
	}
	assert_int_equal(f.vp.virtio.stats.bad_writes, ARRAY_SIZE(refused));
	function_end(&f);
}

/* rule 44 */
static void common_queue_enable_takes_1_and_keeps_it(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	assert_int_equal(bar4(&f, QUEUE_ENABLE, 2), 0);
	set_bar4(&f, QUEUE_ENABLE, 2, 0);
	set_bar4(&f, QUEUE_ENABLE, 2, 2);
	set_bar4(&f, QUEUE_ENABLE, 2, 0x101);
	set_bar4(&f, QUEUE_ENABLE, 2, 0xffff);
	assert_int_equal(bar4(&f, QUEUE_ENABLE, 2), 0);
	queue_up(&f, 0, NO_VECTOR);
	assert_int_equal(bar4(&f, QUEUE_ENABLE, 2), 1);
	set_bar4(&f, QUEUE_ENABLE, 2, 0);
	assert_int_equal(bar4(&f, QUEUE_ENABLE, 2), 1);
	set_bar4(&f, QUEUE_ENABLE, 2, 1);
	assert_int_equal(bar4(&f, QUEUE_ENABLE, 2), 1);
	assert_int_equal(bar4(&f, STATUS, 1), 0);
	function_end(&f);
}

/* rule 44 */
static void common_queue_enable_without_addresses_needs_reset(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	set_bar4(&f, QUEUE_ENABLE, 2, 1);
	assert_int_equal(bar4(&f, STATUS, 1), VIRTIO_NEEDS_RESET);
	assert_int_equal(f.vp.virtio.queue[0].stats.broken, 1);
	function_end(&f);
}

/* rule 45 */
static void common_queue_fields_stay_while_enabled(void **state)
{
	uint8_t before[24], after[24];
	struct function f;
	unsigned int i;

	(void)state;
	function_up(&f, false);
	select_queue(&f, 1);
	for (i = 0; i < 24; i++)
		before[i] = (uint8_t)bar4(&f, QUEUE_DESC + i, 1);
	for (i = 0; i < 24; i += 4)
		set_bar4(&f, QUEUE_DESC + i, 4, 0x1000);
	set_bar4(&f, QUEUE_SIZE, 2, 2);
	for (i = 0; i < 24; i++)
		after[i] = (uint8_t)bar4(&f, QUEUE_DESC + i, 1);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(bar4(&f, QUEUE_SIZE, 2), FUNCTION_RING_SIZE);
	function_end(&f);
}

/* rule 46 */
static void common_queues_are_disabled_again_by_reset(void **state)
{
	struct function f;
	unsigned int q;

	(void)state;
	function_up(&f, true);
	set_bar4(&f, STATUS, 1, 0);
	for (q = 0; q < TEST_QUEUES; q++) {
		select_queue(&f, q);
		assert_int_equal(bar4(&f, QUEUE_ENABLE, 2), 0);
		assert_int_equal(bar4(&f, QUEUE_SIZE, 2), 256);
		assert_int_equal(bar4(&f, QUEUE_VECTOR, 2), NO_VECTOR);
		assert_int_equal(bar4(&f, QUEUE_DESC, 8), 0);
		assert_int_equal(bar4(&f, QUEUE_DRIVER, 8), 0);
		assert_int_equal(bar4(&f, QUEUE_DEVICE, 8), 0);
	}
	function_end(&f);
}

/* rule 114 */
static void common_fields_of_features_not_offered_are_0(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	select_queue(&f, 1);
	set_bar4(&f, QUEUE_RESET, 2, 1);
	assert_int_equal(bar4(&f, QUEUE_NOTIF_CONFIG_DATA, 8), 0);
	assert_int_equal(bar4(&f, QUEUE_ENABLE, 2), 1);
	function_end(&f);
}

/* ---- Vectors ------------------------------------------------------------- */

static void check_vectors(struct function *f, unsigned int reg)
{
	unsigned int v;

	assert_int_equal(bar4(f, reg, 2), NO_VECTOR);
	for (v = 0; v <= TEST_QUEUES; v++) {
		set_bar4(f, reg, 2, v);
		assert_int_equal(bar4(f, reg, 2), v);
	}
	set_bar4(f, reg, 2, TEST_QUEUES + 1);
	assert_int_equal(bar4(f, reg, 2), NO_VECTOR);
	set_bar4(f, reg, 2, 1);
	set_bar4(f, reg, 2, 0xfffe);
	assert_int_equal(bar4(f, reg, 2), NO_VECTOR);
	set_bar4(f, reg, 2, 1);
	set_bar4(f, reg, 2, NO_VECTOR);
	assert_int_equal(bar4(f, reg, 2), NO_VECTOR);
}

/* rule 83 */
static void common_vectors_that_are_not_there_read_back_no_vector(void **state)
{
	struct function f;
	unsigned int q;

	(void)state;
	function_begin(&f);
	check_vectors(&f, CONFIG_VECTOR);
	for (q = 0; q < TEST_QUEUES; q++) {
		select_queue(&f, q);
		check_vectors(&f, QUEUE_VECTOR);
	}
	function_end(&f);
}

/* rule 84 */
static void common_vectors_can_be_written_with_and_without_msix(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	set_bar4(&f, CONFIG_VECTOR, 2, 1);
	set_bar4(&f, QUEUE_VECTOR, 2, 2);
	msix_enable(&f, true);
	assert_int_equal(bar4(&f, CONFIG_VECTOR, 2), 1);
	assert_int_equal(bar4(&f, QUEUE_VECTOR, 2), 2);
	set_bar4(&f, CONFIG_VECTOR, 2, 3);
	assert_int_equal(bar4(&f, CONFIG_VECTOR, 2), 3);
	function_end(&f);
}

/* rule 55 */
static void common_reset_brings_back_selects_and_vectors(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, true);
	set_bar4(&f, DEVICE_FEATURE_SELECT, 4, 3);
	select_queue(&f, 2);
	set_bar4(&f, STATUS, 1, 0);
	assert_int_equal(bar4(&f, STATUS, 1), 0);
	assert_int_equal(bar4(&f, DEVICE_FEATURE_SELECT, 4), 0);
	assert_int_equal(bar4(&f, DRIVER_FEATURE_SELECT, 4), 0);
	assert_int_equal(bar4(&f, DRIVER_FEATURE, 4), 0);
	assert_int_equal(bar4(&f, QUEUE_SELECT, 2), 0);
	assert_int_equal(bar4(&f, CONFIG_VECTOR, 2), NO_VECTOR);
	function_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			common_64_bit_fields_are_two_independent_halves),
		cmocka_unit_test(common_64_bit_fields_take_one_8_byte_access),
		cmocka_unit_test(common_reads_of_any_width_show_the_same_bytes),
		cmocka_unit_test(
			common_narrow_and_crooked_writes_change_nothing),
		cmocka_unit_test(
			common_wide_writes_reach_only_the_register_they_start_at),
		cmocka_unit_test(common_ends_after_64_bytes),
		cmocka_unit_test(common_device_features_have_four_words),
		cmocka_unit_test(common_driver_features_are_kept_by_select),
		cmocka_unit_test(common_read_only_fields_ignore_writes),
		cmocka_unit_test(common_queue_select_keeps_any_value),
		cmocka_unit_test(common_a_queue_that_is_not_there_is_all_zero),
		cmocka_unit_test(
			common_queue_size_takes_powers_of_two_up_to_the_maximum),
		cmocka_unit_test(common_queue_enable_takes_1_and_keeps_it),
		cmocka_unit_test(
			common_queue_enable_without_addresses_needs_reset),
		cmocka_unit_test(common_queue_fields_stay_while_enabled),
		cmocka_unit_test(common_queues_are_disabled_again_by_reset),
		cmocka_unit_test(common_fields_of_features_not_offered_are_0),
		cmocka_unit_test(
			common_vectors_that_are_not_there_read_back_no_vector),
		cmocka_unit_test(
			common_vectors_can_be_written_with_and_without_msix),
		cmocka_unit_test(common_reset_brings_back_selects_and_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
