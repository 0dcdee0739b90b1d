/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an index looks like after it grew and shrank: answers can be right
 * while each takes long, or much memory.
 */
#include "transport/bus/bus.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define RANGES 4096u

static struct bus bus;
static struct bus_range range[RANGES];
static const struct bus_ops ops;

/* Lines that a lookup reads, of all lookups of what is there, in percent. */
static uint64_t lines_read(void)
{
	uint64_t lines = 0;

	for (const struct bus_range *r = bus_first(&bus, 0); r;
	     r = bus_next(&bus, r)) {
		const union bus_line *l = bus_index_top(&bus.index, r->base);

		for (lines++; bus_line_is_node(l); lines++)
			l = &l->node.line[bus_node_at(&l->node, r->base)];
	}
	return lines * 100 / bus.nr;
}

static void insert(uint32_t i)
{
	range[i] = (struct bus_range){ 0x1000ull * i, 0x1000, &ops };
	assert_int_equal(bus_insert(&bus, &range[i], NULL), 0);
}

static int begin(void **state)
{
	(void)state;
	bus_init(&bus, UINT64_MAX);
	return 0;
}

static int end(void **state)
{
	(void)state;
	bus_fini(&bus);
	return 0;
}

static void ranges_that_came_in_order_are_two_lines_away(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < RANGES; i++)
		insert(i);
	print_message("# %lu lines read of 100 lookups\n", lines_read());
	assert_true(lines_read() < 200);
}

static void so_are_ranges_that_came_in_no_order(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < RANGES; i++)
		insert(i * 2741 % RANGES);
	print_message("# %lu lines read of 100 lookups\n", lines_read());
	assert_true(lines_read() < 200);
}

static uint64_t root_lines(void)
{
	uint64_t lines = 0;

	for (unsigned int i = 0; i < bus.index.nr_roots; i++)
		lines += bus_node_lines(&bus.index.root[i]);
	return lines;
}

static void roots_grow_with_their_ranges(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < RANGES; i++) {
		insert(i * 2741 % RANGES);
		assert_true(bus.nr <= 3 * root_lines() + 16);
	}
}

/* Nothing comes or goes, and yet nothing is where the index was built for. */
static void ranges_that_all_moved_are_few_lines_away(void **state)
{
	struct bus_range *all[RANGES];

	(void)state;
	for (uint32_t i = 0; i < RANGES; i++) {
		range[i] = (struct bus_range){ 0x1000ull * i, 0x1000, &ops };
		all[i] = &range[i];
	}
	assert_int_equal(bus_build(&bus, all, RANGES, NULL), 0);
	for (uint64_t pass = 1; pass < 4; pass++)
		for (uint32_t i = 0; i < RANGES; i++)
			assert_int_equal(bus_move(&bus, &range[i],
						  (pass << 40) + 0x1000ull * i,
						  NULL),
					 0);
	print_message("# %lu lines read of 100 lookups\n", lines_read());
	assert_true(lines_read() < 300);
}

static void index_gives_back_what_is_deserted(void **state)
{
	size_t most;

	(void)state;
	for (uint32_t i = 0; i < RANGES; i++)
		insert(i);
	most = bus_memory(&bus);
	for (uint32_t i = 16; i < RANGES; i++)
		bus_remove(&bus, &range[i]);
	print_message("# %zu bytes, of %zu\n", bus_memory(&bus), most);
	assert_true(bus_memory(&bus) < most / 8);
}

/* A crowd in one line of a bus, which then leaves. */
static void line_that_was_crowded_is_a_line_again(void **state)
{
	struct bus_range crowd[32];

	(void)state;
	for (uint32_t i = 0; i < 64; i++) {
		range[i] = (struct bus_range){ 0x100000ull * i, 0x1000, &ops };
		assert_int_equal(bus_insert(&bus, &range[i], NULL), 0);
	}
	for (uint32_t i = 0; i < 32; i++) {
		crowd[i] =
			(struct bus_range){ 0x2002000ull + 16 * i, 16, &ops };
		assert_int_equal(bus_insert(&bus, &crowd[i], NULL), 0);
	}
	assert_true(lines_read() > 110);
	for (uint32_t i = 0; i < 32; i++)
		bus_remove(&bus, &crowd[i]);
	print_message("# %lu lines read of 100 lookups\n", lines_read());
	assert_true(lines_read() < 103);
}

/* Of a crowd that leaves, a few stay. */
static void node_gives_back_what_is_deserted(void **state)
{
	static struct bus_range crowd[RANGES / 8];
	size_t before, most;

	(void)state;
	for (uint32_t i = 0; i < RANGES; i++)
		insert(i);
	bus_remove(&bus, &range[RANGES / 2]);
	before = bus_memory(&bus);
	for (uint32_t i = 0; i < ARRAY_SIZE(crowd); i++) {
		crowd[i] = (struct bus_range){ 0x1000 * (RANGES / 2) + 8 * i, 8,
					       &ops };
		assert_int_equal(bus_insert(&bus, &crowd[i], NULL), 0);
	}
	most = bus_memory(&bus);
	for (uint32_t i = 8; i < ARRAY_SIZE(crowd); i++)
		bus_remove(&bus, &crowd[i]);
	print_message("# %zu bytes, %zu, %zu\n", before, most,
		      bus_memory(&bus));
	assert_true(bus_memory(&bus) < before + (most - before) * 2 / 5);
}

/* Close together and far apart: a root each, until few are left. */
static void roots_become_one_again(void **state)
{
	struct bus_range *all[RANGES];

	(void)state;
	for (uint64_t i = 0; i < RANGES; i++) {
		range[i] = (struct bus_range){ 0x1000 * i, 0x1000, &ops };
		if (i >= RANGES / 2)
			range[i].base = (1ull << 40) + (i << 24);
		all[i] = &range[i];
	}
	assert_int_equal(bus_build(&bus, all, RANGES, NULL), 0);
	assert_true(bus.index.nr_roots > 1);
	for (uint32_t i = RANGES; i-- > 128;)
		bus_remove(&bus, &range[i]);
	assert_int_equal(bus.index.nr_roots, 1);
	assert_int_equal(lines_read(), 100);
}

static void four_ranges_take_one_line(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < BUS_LINE_ENTRIES; i++)
		insert(i);
	assert_int_equal(bus_node_lines(&bus.index.root[0]), 1);
	assert_int_equal(lines_read(), 100);
}

/* Each twice as large as the one before: no even cut tells them apart. */
static void sixteen_ranges_of_any_size_are_one_line_away(void **state)
{
	struct bus_range *all[16];

	(void)state;
	for (uint32_t i = 0; i < 16; i++) {
		range[i] = (struct bus_range){ 1ull << i, 1ull << i, &ops };
		all[i] = &range[i];
	}
	assert_int_equal(bus_build(&bus, all, 16, NULL), 0);
	assert_int_equal(bus_node_lines(&bus.index.root[0]), 4);
	assert_int_equal(lines_read(), 100);
}

/* The width of a line is not the distance to it. */
static void range_far_away_costs_no_line_for_each(void **state)
{
	struct bus_range far = { UINT64_MAX, 1, &ops }, *all[RANGES];
	struct bus_range *alone = &far;
	size_t before;

	(void)state;
	for (uint32_t i = 0; i < RANGES; i++) {
		range[i] = (struct bus_range){ 0x1000ull * i, 0x1000, &ops };
		all[i] = &range[i];
	}
	assert_int_equal(bus_build(&bus, all, RANGES, NULL), 0);
	before = bus_memory(&bus);
	assert_int_equal(bus_build(&bus, &alone, 1, NULL), 0);
	print_message("# %zu bytes, then %zu\n", before, bus_memory(&bus));
	assert_true(bus_memory(&bus) < before + before / 2);
}

/* Crowds, and beside each some ranges that are twice as far away as the one
 * before: an even cut of all leaves a crowd as it was. */
static void crowds_of_single_bytes_are_few_lines_away(void **state)
{
	struct bus_range *all[RANGES];
	uint32_t n = 0;

	(void)state;
	for (uint64_t crowd = 0; crowd < 16; crowd++)
		for (uint32_t i = 0; i < RANGES / 16; i++) {
			const uint64_t at = i < 48 ? 1ull << (i + 12) : i - 48;

			range[n] = (struct bus_range){ (crowd << 60) + at, 1,
						       &ops };
			all[n] = &range[n];
			n++;
		}
	assert_int_equal(bus_build(&bus, all, n, NULL), 0);
	print_message("# %lu lines read of 100 lookups\n", lines_read());
	assert_true(lines_read() < 500);
	for (uint32_t i = 0; i < n; i++)
		assert_ptr_equal(bus_find(&bus, range[i].base, 1), &range[i]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ranges_that_came_in_order_are_two_lines_away),
		T(so_are_ranges_that_came_in_no_order),
		T(roots_grow_with_their_ranges),
		T(ranges_that_all_moved_are_few_lines_away),
		T(index_gives_back_what_is_deserted),
		T(line_that_was_crowded_is_a_line_again),
		T(node_gives_back_what_is_deserted),
		T(roots_become_one_again),
		T(four_ranges_take_one_line),
		T(sixteen_ranges_of_any_size_are_one_line_away),
		T(range_far_away_costs_no_line_for_each),
		T(crowds_of_single_bytes_are_few_lines_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
