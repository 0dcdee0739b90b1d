/* SPDX-License-Identifier: BSD-3-Clause */
/* What is in a chain; queue_indirect_test.c has the tables. */
#include "transport/virtio/queue.h"
#include "transport/virtio/test_chain.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define SIZE	 TEST_QUEUE_SIZE
#define NEXT	 RIG_NEXT
#define WRITE	 RIG_WRITE
#define INDIRECT RIG_INDIRECT

/* rule 98 */
static void chain_may_be_as_long_as_the_queue(void **state)
{
	struct test t;
	unsigned int i;

	live(&t, state, TEST_INDIRECT);
	for (i = 0; i < SIZE; i++)
		desc(&t, i, RIG_DATA + i, 1, i < SIZE - 1 ? NEXT : 0, i + 1);
	expect(&t, SIZE);
}

/* rule 98 */
static void chain_that_loops_breaks_the_queue(void **state)
{
	struct test t;
	uint64_t bytes;

	live(&t, state, TEST_INDIRECT);
	desc(&t, 0, RIG_DATA, 1, NEXT, 1);
	desc(&t, 1, RIG_DATA, 1, NEXT, 0);
	assert_int_equal(walk(&t, 0, &bytes), -1);
	assert_int_equal(bytes, SIZE);
	end(&t);
}

/* rules 98, 119 */
static void chain_that_loops_without_data_breaks_the_queue(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
	desc(&t, 0, RIG_DATA, 0, NEXT, 0);
	expect_broken(&t);
}

/* rule 98 */
static void chain_that_leaves_the_table_breaks_the_queue(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
	desc(&t, 0, RIG_DATA, 1, NEXT, SIZE);
	expect_broken(&t);
}

/* rule 98 */
static void chain_next_without_the_flag_means_nothing(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
	desc(&t, 0, RIG_DATA, 1, 0, 0xffff);
	expect(&t, 1);
}

/* rule 98 */
static void chain_hands_out_spans_in_order_with_their_direction(void **state)
{
	struct vq_chain c;
	struct vq_span s;
	struct test t;

	live(&t, state, TEST_INDIRECT);
	/* A packed ring has no choice where they are. */
	desc(&t, packed(state) ? 0 : 4, RIG_DATA, 10, NEXT, 2);
	desc(&t, packed(state) ? 1 : 2, RIG_DATA + 100, 20, WRITE, 0);
	rig_offer(&t.ring, packed(state) ? 0 : 4);
	assert_true(vq_pop(&t.vq, &c));
	assert_int_equal(vq_chain_next(&c, &s), 1);
	assert_ptr_equal(s.host, rig_at(&t.rig, RIG_DATA));
	assert_int_equal(s.len, 10);
	assert_false(s.write);
	assert_int_equal(vq_chain_next(&c, &s), 1);
	assert_ptr_equal(s.host, rig_at(&t.rig, RIG_DATA + 100));
	assert_int_equal(s.len, 20);
	assert_true(s.write);
	assert_int_equal(vq_chain_next(&c, &s), 0);
	assert_int_equal(t.vq.stats.bytes_read, 10);
	end(&t);
}

/* rule 99 */
static void chain_readable_behind_writable_breaks_the_queue(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
	desc(&t, 0, RIG_DATA, 1, NEXT | WRITE, 1);
	desc(&t, 1, RIG_DATA, 1, 0, 0);
	expect_broken(&t);
}

/* rule 116 */
static void chain_splits_what_crosses_a_seam(void **state)
{
	struct vq_chain c;
	struct vq_span s;
	struct test t;

	live(&t, state, TEST_INDIRECT);
	split_memory(&t);
	desc(&t, 0, SEAM - 10, 30, WRITE, 0);
	rig_offer(&t.ring, 0);
	assert_true(vq_pop(&t.vq, &c));
	assert_int_equal(vq_chain_next(&c, &s), 1);
	assert_ptr_equal(s.host, rig_at(&t.rig, SEAM - 10));
	assert_int_equal(s.len, 10);
	assert_int_equal(vq_chain_next(&c, &s), 1);
	assert_ptr_equal(s.host, rig_at(&t.rig, BEHIND_SEAM));
	assert_int_equal(s.len, 20);
	assert_true(s.write);
	assert_int_equal(vq_chain_next(&c, &s), 0);
	end(&t);
}

/* rule 105 */
static void chain_does_not_see_a_descriptor_rewritten_midway(void **state)
{
	struct vq_chain c;
	struct vq_span s;
	struct test t;

	live(&t, state, TEST_INDIRECT);
	split_memory(&t);
	desc(&t, 0, SEAM - 10, 30, WRITE, 0);
	rig_offer(&t.ring, 0);
	assert_true(vq_pop(&t.vq, &c));
	if (!packed(state))
		t.ring.avail->ring[0] = 9;
	assert_int_equal(vq_chain_next(&c, &s), 1);
	desc(&t, 0, 0, 0xffffffff, NEXT | INDIRECT, 3);
	assert_int_equal(vq_chain_next(&c, &s), 1);
	assert_ptr_equal(s.host, rig_at(&t.rig, BEHIND_SEAM));
	assert_int_equal(s.len, 20);
	assert_int_equal(vq_chain_next(&c, &s), 0);
	vq_push(&t.vq, &c, 30);
	vq_publish(&t.vq);
	assert_true(finds(&t, 0, 30));
	end(&t);
}

/* rule 116 */
static void chain_into_a_hole_breaks_the_queue(void **state)
{
	static const uint64_t holes[] = {
		0,
		RIG_GPA - 1,
		RIG_GPA + RIG_SIZE - 1, /* only its end */
		RIG_GPA + RIG_SIZE,
		UINT64_MAX - 1,
		UINT64_MAX, /* wraps */
	};
	struct test t;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(holes); i++) {
		live(&t, state, TEST_INDIRECT);
		desc(&t, 0, holes[i], 2, 0, 0);
		expect_broken(&t);
	}
}

/* rule 116 */
static void chain_does_not_go_round_the_end_of_memory(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
	rig_map(&t.rig, UINT64_MAX - 0xfff, 0x1000, rig_at(&t.rig, RIG_DATA),
		GPA_READ);
	rig_map(&t.rig, 0, 0x1000, rig_at(&t.rig, RIG_DATA + 0x1000), GPA_READ);
	vq_derive(&t.vq, &t.rig.map, true);
	desc(&t, 0, UINT64_MAX - 7, 16, 0, 0);
	expect_broken(&t);
}

/* rule 116 */
static void chain_may_end_where_memory_ends(void **state)
{
	struct test t;
	uint64_t bytes;

	live(&t, state, TEST_INDIRECT);
	rig_map(&t.rig, UINT64_MAX - 0xfff, 0x1000, rig_at(&t.rig, RIG_DATA),
		GPA_READ | GPA_WRITE);
	vq_derive(&t.vq, &t.rig.map, true);
	desc(&t, 0, UINT64_MAX - 7, 8, NEXT, 1);
	desc(&t, 1, UINT64_MAX, 1, WRITE, 0);
	assert_int_equal(walk(&t, 0, &bytes), 2);
	assert_int_equal(bytes, 9);
	end(&t);
}

/* rules 99, 116 */
static void chain_must_not_write_read_only_memory(void **state)
{
	struct test t;
	uint64_t bytes;

	live(&t, state, TEST_INDIRECT);
	rig_map(&t.rig, RIG_GPA + RIG_SIZE, 0x1000, rig_at(&t.rig, RIG_DATA),
		GPA_READ);
	vq_derive(&t.vq, &t.rig.map, true);
	desc(&t, 0, RIG_GPA + RIG_SIZE, 8, 0, 0);
	desc(&t, 1, RIG_GPA + RIG_SIZE, 8, WRITE, 0);
	assert_int_equal(walk(&t, 0, &bytes), 1);
	assert_int_equal(walk(&t, 1, &bytes), -1);
	end(&t);
}

/* rule 117 */
static void chain_passes_over_empty_descriptors(void **state)
{
	struct test t;
	uint64_t bytes;

	live(&t, state, TEST_INDIRECT);
	desc(&t, 0, 0, 0, NEXT, 1);
	desc(&t, 1, RIG_DATA, 3, NEXT, 2);
	desc(&t, 2, UINT64_MAX, 0, NEXT | WRITE, 3);
	desc(&t, 3, RIG_DATA, 0, WRITE, 0);
	assert_int_equal(walk(&t, 0, &bytes), 1);
	assert_int_equal(bytes, 3);
	end(&t);
}

/* rule 104 */
static void chain_ignores_unknown_descriptor_flags(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
	desc(&t, 0, RIG_DATA, 3, 0xfff8 | WRITE, 0);
	expect(&t, 1);
}

/* Three descriptors; @last is the length of the third. */
static int walk_gigabytes(void **state, uint32_t last)
{
	struct test t;
	uint64_t bytes;
	int spans;

	live(&t, state, TEST_INDIRECT);
	/* Spans are handed out, never touched here. */
	rig_map(&t.rig, 1ull << 40, 1ull << 32, t.rig.mem,
		GPA_READ | GPA_WRITE);
	desc(&t, 0, 1ull << 40, 1u << 31, NEXT, 1);
	desc(&t, 1, 1ull << 40, (1u << 31) - 1, NEXT, 2);
	desc(&t, 2, 1ull << 40, last, 0, 0);
	spans = walk(&t, 0, &bytes);
	end(&t);
	return spans;
}

/* rule 98 */
static void chain_of_more_than_4_gib_breaks_the_queue(void **state)
{
	assert_int_equal(walk_gigabytes(state, 1), 3);
	assert_int_equal(walk_gigabytes(state, 2), -1);
}

/* rule 119 */
static void chain_does_nothing_after_it_broke(void **state)
{
	struct vq_chain c;
	struct vq_span s;
	struct test t;

	live(&t, state, TEST_INDIRECT);
	desc(&t, 0, 0, 1, NEXT, 0);
	rig_offer(&t.ring, 0);
	assert_true(vq_pop(&t.vq, &c));
	assert_int_equal(vq_chain_next(&c, &s), -1);
	assert_int_equal(vq_chain_next(&c, &s), -1);
	assert_int_equal(t.vq.stats.broken, 1);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		both(chain_may_be_as_long_as_the_queue),
		split_only(chain_that_loops_breaks_the_queue),
		split_only(chain_that_loops_without_data_breaks_the_queue),
		split_only(chain_that_leaves_the_table_breaks_the_queue),
		both(chain_next_without_the_flag_means_nothing),
		both(chain_hands_out_spans_in_order_with_their_direction),
		both(chain_readable_behind_writable_breaks_the_queue),
		both(chain_splits_what_crosses_a_seam),
		both(chain_does_not_see_a_descriptor_rewritten_midway),
		both(chain_into_a_hole_breaks_the_queue),
		both(chain_does_not_go_round_the_end_of_memory),
		both(chain_may_end_where_memory_ends),
		both(chain_must_not_write_read_only_memory),
		both(chain_passes_over_empty_descriptors),
		both(chain_ignores_unknown_descriptor_flags),
		both(chain_of_more_than_4_gib_breaks_the_queue),
		both(chain_does_nothing_after_it_broke),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
