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

	live(&t, state, TEST_INDIRECT);
	desc(&t, 0, RIG_DATA, 1, NEXT | WRITE, 1);
	refer(&t, 1, 1, 0);
	entry(&t, 0, RIG_DATA, 1, 0, 0);
	expect_broken(&t);
}

/* rule 100 */
static void chain_indirect_without_the_feature_breaks_the_queue(void **state)
{
	struct test t;

	live(&t, state, 0);
	refer(&t, 0, 1, 0);
	entry(&t, 0, RIG_DATA, 1, 0, 0);
	expect_broken(&t);
}

/* rule 100 */
static void chain_walks_an_indirect_table(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
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

	live(&t, state, TEST_INDIRECT);
	refer(&t, 0, 2, WRITE);
	entry(&t, 0, RIG_DATA, 1, NEXT, 1);
	entry(&t, 1, RIG_DATA, 1, WRITE, 0);
	expect(&t, 2);
}

/* rule 100 */
static void chain_may_begin_directly_and_end_in_a_table(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
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

	live(&t, state, TEST_INDIRECT);
	refer(&t, 0, 1, NEXT);
	entry(&t, 0, RIG_DATA, 1, 0, 0);
	expect_broken(&t);
}

/* rule 100 */
static void chain_must_not_nest_tables(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
	refer(&t, 0, 2, 0);
	entry(&t, 0, TABLE + 16, 16, INDIRECT, 0);
	entry(&t, 1, RIG_DATA, 1, 0, 0);
	expect_broken(&t);
}

/* rules 99, 109 */
static void chain_readable_behind_writable_breaks_within_a_table(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
	refer(&t, 0, 2, 0);
	entry(&t, 0, RIG_DATA, 1, NEXT | WRITE, 1);
	entry(&t, 1, RIG_DATA, 1, 0, 0);
	expect_broken(&t);
}

/* rule 109 */
static void chain_in_a_packed_table_knows_no_flag_but_write(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
	refer(&t, 0, 4, 0);
	t.ring.id = 0xffff;
	entry(&t, 0, RIG_DATA, 1, NEXT, 3);
	entry(&t, 1, RIG_DATA, 1, INDIRECT, 0);
	entry(&t, 2, RIG_DATA, 1, WRITE | RIG_AVAIL, 0);
	entry(&t, 3, RIG_DATA, 1, WRITE | RIG_USED, 0);
	expect(&t, 4);
}

/* rule 109 */
static void chain_in_a_packed_ring_is_direct_or_a_table(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
	desc(&t, 0, RIG_DATA, 1, NEXT, 0);
	refer(&t, 1, 1, 0);
	entry(&t, 0, RIG_DATA, 1, WRITE, 0);
	expect_broken(&t);
	live(&t, state, TEST_INDIRECT);
	refer(&t, 0, 1, NEXT);
	desc(&t, 1, RIG_DATA, 1, 0, 0);
	entry(&t, 0, RIG_DATA, 1, 0, 0);
	expect_broken(&t);
}

/* rules 100, 108 */
static void chain_with_a_table_is_one_slot(void **state)
{
	struct vq_chain c;
	struct test t;

	live(&t, state, TEST_INDIRECT);
	refer(&t, 0, 3, 0);
	entry(&t, 0, RIG_DATA, 1, NEXT, 1);
	entry(&t, 1, RIG_DATA, 1, NEXT, 2);
	entry(&t, 2, RIG_DATA, 5, WRITE, 0);
	rig_offer(&t.ring, 0);
	assert_true(vq_pop(&t.vq, &c));
	assert_true(walk_all(&c));
	vq_push(&t.vq, &c, 5);
	t.ring.id = 7;
	desc(&t, 1, RIG_DATA, 1, WRITE, 0);
	rig_offer(&t.ring, 1);
	assert_true(serve(&t, 1));
	vq_publish(&t.vq);
	assert_true(finds(&t, 0, 5));
	assert_true(finds(&t, packed(state) ? 7 : 1, 1));
	end(&t);
}

/* rule 100 */
static void chain_must_stay_inside_its_table(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
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

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		live(&t, state, TEST_INDIRECT);
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

	live(&t, state, TEST_INDIRECT);
	fill_table(&t, VQ_CHAIN_MAX);
	expect(&t, VQ_CHAIN_MAX);
}

/* rules 98, 100 */
static void chain_table_of_more_than_1024_entries_breaks(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
	fill_table(&t, VQ_CHAIN_MAX + 1);
	expect_broken(&t);
	/* Even if the chain in it is short. */
	live(&t, state, TEST_INDIRECT);
	fill_table(&t, VQ_CHAIN_MAX + 1);
	entry(&t, 0, RIG_DATA, 1, 0, 0);
	expect_broken(&t);
}

/* rules 98, 119 */
static void chain_that_loops_in_a_table_breaks_the_queue(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
	refer(&t, 0, 2, 0);
	entry(&t, 0, RIG_DATA, 0, NEXT, 1);
	entry(&t, 1, RIG_DATA, 0, NEXT, 0);
	expect_broken(&t);
}

/* rules 100, 116 */
static void chain_table_in_a_hole_breaks_the_queue(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
	desc(&t, 0, RIG_GPA + RIG_SIZE, 16, INDIRECT, 0);
	expect_broken(&t);
}

/* rules 100, 116 */
static void chain_table_that_wraps_breaks_the_queue(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
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

	live(&t, state, TEST_INDIRECT);
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
	static const struct rig_desc d = { .addr = RIG_DATA, .len = 7 };
	struct test t;
	uint64_t bytes;

	live(&t, state, TEST_INDIRECT);
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
		both(chain_readable_behind_writable_breaks_across_the_table),
		both(chain_indirect_without_the_feature_breaks_the_queue),
		both(chain_walks_an_indirect_table),
		both(chain_ignores_write_on_what_refers_to_a_table),
		split_only(chain_may_begin_directly_and_end_in_a_table),
		both(chain_must_not_go_on_behind_a_table),
		split_only(chain_must_not_nest_tables),
		split_only(chain_must_stay_inside_its_table),
		both(chain_readable_behind_writable_breaks_within_a_table),
		packed_only(chain_in_a_packed_table_knows_no_flag_but_write),
		packed_only(chain_in_a_packed_ring_is_direct_or_a_table),
		both(chain_with_a_table_is_one_slot),
		both(chain_table_must_have_whole_entries),
		both(chain_table_may_be_longer_than_a_small_queue),
		both(chain_table_of_more_than_1024_entries_breaks),
		split_only(chain_that_loops_in_a_table_breaks_the_queue),
		both(chain_table_in_a_hole_breaks_the_queue),
		both(chain_table_that_wraps_breaks_the_queue),
		both(chain_table_may_end_where_memory_ends),
		both(chain_table_entry_may_be_in_two_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
