/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring/window.h"

#include <pthread.h>
#include <stdatomic.h>

#include <rte_pause.h>

#include "ring/test_util.h"

#define BAR4 (PCIRING_SPACE_BAR0 + 4)
#define F1   (1 << 3)
#define F2   (2 << 3)

static const struct seg_window doorbell = {
	.start = 0x3000,
	.length = 0x40,
	.function = F1,
	.space = BAR4,
	.sizes = 2 | 4,
};

static void a_write_is_posted_only_where_a_window_says(void **state)
{
	static const struct {
		uint64_t address;
		uint16_t function;
		uint8_t space, size;
		bool found;
	} cases[] = {
		{ 0x3000, F1, BAR4, 2, true },
		{ 0x3000, F1, BAR4, 4, true },
		{ 0x303e, F1, BAR4, 2, true },
		{ 0x303c, F1, BAR4, 4, true },
		{ 0x3000, F1, BAR4, 1, false },
		{ 0x3000, F1, BAR4, 8, false },
		{ 0x3000, F1, BAR4, 6, false },
		{ 0x3000, F1, BAR4, 0, false },
		{ 0x3001, F1, BAR4, 2, false },
		{ 0x3002, F1, BAR4, 4, false },
		{ 0x303e, F1, BAR4, 4, false },
		{ 0x3040, F1, BAR4, 2, false },
		{ 0x2ffe, F1, BAR4, 2, false },
		{ UINT64_MAX, F1, BAR4, 2, false },
		{ 0, F1, BAR4, 2, false },
		{ 0x3000, F2, BAR4, 2, false },
		{ 0x3000, F1, BAR4 - 1, 2, false },
		{ 0x3000, F1, PCIRING_SPACE_MMIO, 2, false },
	};
	static struct seg_head head;
	unsigned int i;

	(void)state;
	assert_false(window_find(&head, BAR4, F1, 0x3000, 2));
	window_publish(&head, &doorbell, 1);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(window_find(&head, cases[i].space,
					     cases[i].function,
					     cases[i].address, cases[i].size),
				 cases[i].found);
	window_publish(&head, NULL, 0);
	assert_false(window_find(&head, BAR4, F1, 0x3000, 2));
}

static void a_window_by_address_has_no_function(void **state)
{
	static struct seg_head head;
	struct seg_window w = doorbell;

	(void)state;
	w.space = PCIRING_SPACE_MMIO;
	w.start = UINT64_MAX - 0x3f;
	window_publish(&head, &w, 1);
	assert_true(window_find(&head, PCIRING_SPACE_MMIO, F2, w.start, 2));
	assert_true(
		window_find(&head, PCIRING_SPACE_MMIO, F2, UINT64_MAX - 1, 2));
	assert_false(window_find(&head, PCIRING_SPACE_MMIO, F2, 0, 2));
}

static void a_row_by_function_has_each_of_its_steps_and_no_other(void **state)
{
	static struct seg_head head;
	struct seg_window w = doorbell;

	(void)state;
	w.function = 16;
	w.more = 3;
	w.step = 8;
	window_publish(&head, &w, 1);
	for (uint16_t f = 0; f < 100; f++)
		assert_int_equal(window_find(&head, BAR4, f, w.start, 2),
				 f == 16 || f == 24 || f == 32 || f == 40);
	assert_false(window_find(&head, BAR4, 24, w.start + w.length, 2));
	assert_false(window_find(&head, BAR4, 24, w.start + 1, 2));
	/* From who does not know rows, and from who lies. */
	w.step = 0;
	window_publish(&head, &w, 1);
	assert_true(window_find(&head, BAR4, 16, w.start, 2));
	assert_false(window_find(&head, BAR4, 24, w.start, 2));
}

static void a_row_by_address_has_each_of_its_steps_and_no_other(void **state)
{
	static struct seg_head head;
	const struct seg_window w = { .start = 0x10003000,
				      .length = 8,
				      .space = PCIRING_SPACE_MMIO,
				      .sizes = 2,
				      .more = 2,
				      .step = 4 };
	struct seg_window lie = w;

	(void)state;
	window_publish(&head, &w, 1);
	for (uint64_t a = w.start - 0x4000; a < w.start + 0x14000; a++)
		assert_int_equal(
			window_find(&head, PCIRING_SPACE_MMIO, 0, a, 2),
			a >= w.start && a < w.start + 0xc000 && !(a & 1) &&
				((a - w.start) & 0x3fff) < 8);
	lie.step = 0;
	window_publish(&head, &lie, 1);
	assert_true(window_find(&head, PCIRING_SPACE_MMIO, 0, w.start, 2));
	assert_false(
		window_find(&head, PCIRING_SPACE_MMIO, 0, w.start + 0x4000, 2));
	lie.start = UINT64_MAX - 7;
	lie.step = UINT16_MAX;
	lie.more = UINT16_MAX;
	window_publish(&head, &lie, 1);
	assert_true(window_find(&head, PCIRING_SPACE_MMIO, 0, lie.start, 2));
	assert_false(window_find(&head, PCIRING_SPACE_MMIO, 0, 0, 2));
}

static void a_table_that_stays_locked_means_wait(void **state)
{
	static struct seg_head head;

	(void)state;
	window_publish(&head, &doorbell, 1);
	atomic_fetch_add(&head.window_seq, 1);
	assert_false(window_find(&head, BAR4, F1, 0x3000, 2));
	/* A peer left it odd: the next change puts that right. */
	window_publish(&head, &doorbell, 1);
	assert_true(window_find(&head, BAR4, F1, 0x3000, 2));
}

static void a_table_longer_than_its_page_means_wait(void **state)
{
	static struct seg_head head;

	(void)state;
	window_publish(&head, &doorbell, 1);
	head.nr_windows = SEG_WINDOWS + 1;
	assert_false(window_find(&head, BAR4, F1, 0x3000, 2));
	head.nr_windows = UINT32_MAX;
	assert_false(window_find(&head, BAR4, F1, 0x3000, 2));
}

/* ---- Two threads: tables that must not be mixed ------------------------- */

static struct seg_head shared;
static atomic_bool stop;

/* Few, so that writer and reader meet often; they span two cache lines. */
#define MIXED 4
/* How long a table stays; a sanitizer makes the reader that much slower. */
#define QUIET (4 * 1000 / TEST_ROUNDS(1000))

/* Table @k: the same window each time, of function k at k * 0x10000. */
static void fill(struct seg_window *w, unsigned int k)
{
	unsigned int i;

	for (i = 0; i < MIXED; i++)
		w[i] = (struct seg_window){
			.start = k * 0x10000,
			.length = 0x100,
			.function = (uint16_t)k,
			.space = BAR4,
			.sizes = 2,
		};
}

static void *change(void *arg)
{
	static struct seg_window w[2][MIXED];
	unsigned int k, i;

	(void)arg;
	fill(w[0], 1);
	fill(w[1], 2);
	for (k = 0; !atomic_load(&stop); k ^= 1) {
		window_publish(&shared, w[k], MIXED);
		/* Long enough for a reader to get through now and then. */
		for (i = 0; i < QUIET; i++)
			rte_pause();
	}
	return NULL;
}

/* A window of one table's place and the other's function never existed. */
static void r3_a3_r4_a4_a_reader_never_sees_two_tables_in_one(void **state)
{
	int64_t limit = test_now_ms() + 20000;
	unsigned int found = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, change, NULL), 0);
	/* A reader who gave up proves nothing. */
	while (found < TEST_ROUNDS(400000)) {
		assert_false(window_find(&shared, BAR4, 2, 0x10000, 2));
		assert_false(window_find(&shared, BAR4, 1, 0x20000, 2));
		found += window_find(&shared, BAR4, 1, 0x10000, 2);
		if (found % 64 == 0)
			assert_true(test_now_ms() < limit);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_is_posted_only_where_a_window_says),
		cmocka_unit_test(a_window_by_address_has_no_function),
		cmocka_unit_test(
			a_row_by_function_has_each_of_its_steps_and_no_other),
		cmocka_unit_test(
			a_row_by_address_has_each_of_its_steps_and_no_other),
		cmocka_unit_test(a_table_that_stays_locked_means_wait),
		cmocka_unit_test(a_table_longer_than_its_page_means_wait),
		cmocka_unit_test(
			r3_a3_r4_a4_a_reader_never_sees_two_tables_in_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
