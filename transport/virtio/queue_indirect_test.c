/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains that go on in an indirect table. */
#include "transport/virtio/queue.h"
#include "transport/virtio/test_chain.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define NEXT	 RIG_NEXT
#define WRITE	 RIG_WRITE
#define INDIRECT RIG_INDIRECT

/* rule 99 */
static void chain_readable_behind_writable_breaks_across_the_table(void **state)
{
	struct test t;

	(void)state;
	live(&t, TEST_INDIRECT);
	desc(&t, 0, RIG_DATA, 1, NEXT | WRITE, 1);
	refer(&t, 1, 1, 0);
	entry(&t, 0, RIG_DATA, 1, 0, 0);
	expect_broken(&t);
}

/* rule 100 */
static void chain_indirect_without_the_feature_breaks_the_queue(void **state)
{
	struct test t;

	(void)state;
	live(&t, 0);
	refer(&t, 0, 1, 0);
	entry(&t, 0, RIG_DATA, 1, 0, 0);
	expect_broken(&t);
}

/* rule 100 */
static void chain_walks_an_indirect_table(void **state)
{
	struct test t;

	(void)state;
	live(&t, TEST_INDIRECT);
	refer(&t, 0, 3, 0);
	entry(&t, 0, RIG_DATA, 1, NEXT, 2);
	entry(&t, 2, RIG_DATA, 1, NEXT | WRITE, 1);
	entry(&t, 1, RIG_DATA, 1, WRITE, 0);
	expect(&t, 3);
}

/* rule 100 */
static void chain_ignores_write_on_what_refers_to_a_table(void **state)
{
	struct test t;

	(void)state;
	live(&t, TEST_INDIRECT);
	refer(&t, 0, 2, WRITE);
	entry(&t, 0, RIG_DATA, 1, NEXT, 1);
	entry(&t, 1, RIG_DATA, 1, WRITE, 0);
	expect(&t, 2);
}

/* rule 100 */
static void chain_may_begin_directly_and_end_in_a_table(void **state)
{
	struct test t;

	(void)state;
	live(&t, TEST_INDIRECT);
	desc(&t, 0, RIG_DATA, 1, NEXT, 5);
	refer(&t, 5, 2, 0);
	entry(&t, 0, RIG_DATA, 1, NEXT, 1);
	entry(&t, 1, RIG_DATA, 1, WRITE, 0);
	expect(&t, 3);
}

/* rule 100 */
static void chain_must_not_go_on_behind_a_table(void **state)
{
	struct test t;

	(void)state;
	live(&t, TEST_INDIRECT);
	refer(&t, 0, 1, NEXT);
	entry(&t, 0, RIG_DATA, 1, 0, 0);
	expect_broken(&t);
}

/* rule 100 */
static void chain_must_not_nest_tables(void **state)
{
	struct test t;

	(void)state;
	live(&t, TEST_INDIRECT);
	refer(&t, 0, 2, 0);
	entry(&t, 0, TABLE + 16, 16, INDIRECT, 0);
	entry(&t, 1, RIG_DATA, 1, 0, 0);
	expect_broken(&t);
}

/* rule 100 */
static void chain_must_stay_inside_its_table(void **state)
{
	struct test t;

	(void)state;
	live(&t, TEST_INDIRECT);
	refer(&t, 0, 2, 0);
	entry(&t, 0, RIG_DATA, 1, NEXT, 2);
	entry(&t, 2, RIG_DATA, 1, 0, 0);
	expect_broken(&t);
}

/* rule 100 */
static void chain_table_must_have_whole_entries(void **state)
{
	static const uint32_t lengths[] = { 0, 8, 15, 17, 24 };
	struct test t;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		live(&t, TEST_INDIRECT);
		desc(&t, 0, TABLE, lengths[i], INDIRECT, 0);
		entry(&t, 0, RIG_DATA, 1, 0, 0);
		expect_broken(&t);
	}
}

static void fill_table(struct test *t, unsigned int n)
{
	unsigned int i;

	refer(t, 0, n, 0);
	for (i = 0; i < n; i++)
		entry(t, i, RIG_DATA, 1, i < n - 1 ? NEXT : 0, i + 1);
}

/* rules 98, 100 */
static void chain_table_may_be_longer_than_a_small_queue(void **state)
{
	struct test t;

	(void)state;
	live(&t, TEST_INDIRECT);
	fill_table(&t, VQ_CHAIN_MAX);
	expect(&t, VQ_CHAIN_MAX);
}

/* rules 98, 100 */
static void chain_table_of_more_than_1024_entries_breaks(void **state)
{
	struct test t;

	(void)state;
	live(&t, TEST_INDIRECT);
	fill_table(&t, VQ_CHAIN_MAX + 1);
	expect_broken(&t);
	/* Even if the chain in it is short. */
	live(&t, TEST_INDIRECT);
	fill_table(&t, VQ_CHAIN_MAX + 1);
	entry(&t, 0, RIG_DATA, 1, 0, 0);
	expect_broken(&t);
}

/* rules 98, 119 */
static void chain_that_loops_in_a_table_breaks_the_queue(void **state)
{
	struct test t;

	(void)state;
	live(&t, TEST_INDIRECT);
	refer(&t, 0, 2, 0);
	entry(&t, 0, RIG_DATA, 0, NEXT, 1);
	entry(&t, 1, RIG_DATA, 0, NEXT, 0);
	expect_broken(&t);
}

/* rules 100, 116 */
static void chain_table_in_a_hole_breaks_the_queue(void **state)
{
	struct test t;

	(void)state;
	live(&t, TEST_INDIRECT);
	desc(&t, 0, RIG_GPA + RIG_SIZE, 16, INDIRECT, 0);
	expect_broken(&t);
}

/* rules 100, 116 */
static void chain_table_that_wraps_breaks_the_queue(void **state)
{
	struct test t;

	(void)state;
	live(&t, TEST_INDIRECT);
	/* There is memory at both ends, and a chain in it. */
	rig_map(&t.rig, UINT64_MAX - 0xfff, 0x1000, rig_at(&t.rig, TABLE),
		GPA_READ);
	rig_map(&t.rig, 0, 0x1000, rig_at(&t.rig, TABLE), GPA_READ);
	vq_derive(&t.vq, &t.rig.map, true);
	entry(&t, 0, RIG_DATA, 1, 0, 0);
	entry(&t, 255, RIG_DATA, 1, NEXT, 1);
	desc(&t, 0, UINT64_MAX - 15, 32, INDIRECT, 0);
	expect_broken(&t);
}

/* rules 100, 116 */
static void chain_table_may_end_where_memory_ends(void **state)
{
	struct test t;

	(void)state;
	live(&t, TEST_INDIRECT);
	rig_map(&t.rig, UINT64_MAX - 0xfff, 0x1000, rig_at(&t.rig, TABLE),
		GPA_READ);
	vq_derive(&t.vq, &t.rig.map, true);
	entry(&t, 255, RIG_DATA, 1, 0, 0);
	desc(&t, 0, UINT64_MAX - 15, 16, INDIRECT, 0);
	expect(&t, 1);
}

/* rule 116 */
static void chain_table_entry_may_be_in_two_pieces(void **state)
{
	static const struct rig_desc d = { RIG_DATA, 7, 0, 0 };
	struct test t;
	uint64_t bytes;

	(void)state;
	live(&t, TEST_INDIRECT);
	split_memory(&t);
	desc(&t, 0, SEAM - 6, 16, INDIRECT, 0);
	memcpy(rig_at(&t.rig, SEAM - 6), &d, 6);
	memcpy(rig_at(&t.rig, BEHIND_SEAM), (const uint8_t *)&d + 6, 10);
	assert_int_equal(walk(&t, 0, &bytes), 1);
	assert_int_equal(bytes, 7);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			chain_readable_behind_writable_breaks_across_the_table),
		cmocka_unit_test(
			chain_indirect_without_the_feature_breaks_the_queue),
		cmocka_unit_test(chain_walks_an_indirect_table),
		cmocka_unit_test(chain_ignores_write_on_what_refers_to_a_table),
		cmocka_unit_test(chain_may_begin_directly_and_end_in_a_table),
		cmocka_unit_test(chain_must_not_go_on_behind_a_table),
		cmocka_unit_test(chain_must_not_nest_tables),
		cmocka_unit_test(chain_must_stay_inside_its_table),
		cmocka_unit_test(chain_table_must_have_whole_entries),
		cmocka_unit_test(chain_table_may_be_longer_than_a_small_queue),
		cmocka_unit_test(chain_table_of_more_than_1024_entries_breaks),
		cmocka_unit_test(chain_that_loops_in_a_table_breaks_the_queue),
		cmocka_unit_test(chain_table_in_a_hole_breaks_the_queue),
		cmocka_unit_test(chain_table_that_wraps_breaks_the_queue),
		cmocka_unit_test(chain_table_may_end_where_memory_ends),
		cmocka_unit_test(chain_table_entry_may_be_in_two_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
