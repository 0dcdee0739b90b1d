/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A change of the bus that finds no memory, where it has just enough left to
 * begin.
 */
#include "transport/bus/bus.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the last three above first */
#include <cmocka.h>

#define RANGES 128u
#define FAR    0x100000000ull

static struct bus bus;
static struct bus_range range[RANGES];
static const struct bus_ops ops;
static bool starved;
static unsigned int refused;

/* Stands before everybody's. */
void *aligned_alloc(size_t alignment, size_t size)
{
	static void *(*real)(size_t, size_t);

	if (starved) {
		refused++;
		return NULL;
	}
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "aligned_alloc");
	return real(alignment, size);
}

static int end(void **state)
{
	(void)state;
	starved = false;
	bus_fini(&bus);
	return 0;
}

static void begin(unsigned int nr)
{
	struct bus_range *all[RANGES];

	bus_init(&bus, UINT64_MAX);
	for (uint32_t i = 0; i < nr; i++) {
		range[i] = (struct bus_range){ 0x1000ull * i, 0x1000, &ops };
		all[i] = &range[i];
	}
	assert_int_equal(bus_build(&bus, all, nr, NULL), 0);
}

/* All but @left of the lines that are there without asking for more. */
static void use_up(uint32_t left)
{
	while (bus.index.lines.left > left)
		(void)bus_lines_get(&bus.index.lines, 1);
}

/* Going, it makes the index be built anew, which takes what memory there is;
 * coming, it needs some. */
static void move_that_deserts_an_index_is_whole_or_not_at_all(void **state)
{
	unsigned int moved = 0;

	(void)state;
	for (uint32_t left = 0; left < 32; left++) {
		begin(RANGES);
		for (uint32_t i = RANGES - 1; i >= RANGES / 4; i--)
			bus_remove(&bus, &range[i]);
		use_up(left);
		starved = true;
		if (!bus_move(&bus, &range[5], FAR, NULL)) {
			assert_ptr_equal(bus_find(&bus, FAR, 4), &range[5]);
			assert_null(bus_find(&bus, 0x5000, 4));
			moved++;
		} else {
			assert_ptr_equal(bus_find(&bus, 0x5000, 4), &range[5]);
			assert_null(bus_find(&bus, FAR, 4));
		}
		starved = false;
		assert_int_equal(bus.nr, RANGES / 4);
		bus_fini(&bus);
	}
	assert_true(moved > 0);
	begin(1);
}

/* Having too many lines is better than to look for memory at each change. */
static void shrinking_that_fails_is_not_tried_at_once_again(void **state)
{
	(void)state;
	begin(RANGES);
	use_up(0);
	starved = true;
	refused = 0;
	for (uint32_t i = RANGES - 1; i > 0; i--)
		bus_remove(&bus, &range[i]);
	print_message("# asked %u times for memory\n", refused);
	assert_in_range(refused, 1, RANGES / 8);
	assert_ptr_equal(bus_find(&bus, 0, 4), &range[0]);
}

/* Into full lines, until they cannot be split any more. */
static void insertions_go_on_until_one_is_refused(void **state)
{
	static struct bus_range more[RANGES * 16];
	uint32_t n = 0;
	int err = 0;

	(void)state;
	bus_init(&bus, UINT64_MAX);
	for (uint32_t i = 0; i < RANGES; i++) {
		range[i] = (struct bus_range){ 0x10000ull * i, 0x1000, &ops };
		assert_int_equal(bus_insert(&bus, &range[i], NULL), 0);
	}
	starved = true;
	for (; !err && n < ARRAY_SIZE(more); n++) {
		more[n] = (struct bus_range){ 0x2000ull + 16ull * n, 16, &ops };
		err = bus_insert(&bus, &more[n], NULL);
	}
	assert_int_equal(err, -ENOMEM);
	/* All that came are there, and so are those that were. */
	assert_int_equal(bus.nr, RANGES + n - 1);
	for (uint32_t i = 0; i < n - 1; i++)
		assert_ptr_equal(bus_find(&bus, more[i].base, 4), &more[i]);
	for (uint32_t i = 0; i < RANGES; i++)
		assert_ptr_equal(bus_find(&bus, range[i].base, 4), &range[i]);
	/* What goes needs no memory, and makes room for what comes. */
	bus_remove(&bus, &more[0]);
	assert_int_equal(bus_insert(&bus, &more[0], NULL), 0);
}

/* Each begins in a line that has room. */
static void range_that_ends_in_a_full_line_is_refused(void **state)
{
	struct bus_range wide[RANGES / 4];
	uint32_t n = 0;

	(void)state;
	bus_init(&bus, UINT64_MAX);
	for (uint32_t i = 0; i < RANGES; i++) {
		range[i] = (struct bus_range){
			0x10000ull * (1 + i / 4) + 16 * (i % 4), 16, &ops
		};
		assert_int_equal(bus_insert(&bus, &range[i], NULL), 0);
	}
	use_up(0);
	starved = true;
	for (uint32_t i = 0; i < RANGES / 4; i++) {
		wide[i] = (struct bus_range){ 0x10000ull * i + 0x2000, 0xe000,
					      &ops };
		if (!bus_insert(&bus, &wide[i], NULL)) {
			assert_ptr_equal(bus_find(&bus, wide[i].base, 4),
					 &wide[i]);
			n++;
		} else {
			assert_null(bus_find(&bus, wide[i].base, 4));
			assert_null(bus_find(&bus, wide[i].base + 0xdff0, 4));
		}
		assert_ptr_equal(bus_find(&bus, range[4 * i].base, 4),
				 &range[4 * i]);
	}
	print_message("# %u of %u found room\n", n, RANGES / 4);
	assert_true(n < RANGES / 4);
	assert_int_equal(bus.nr, RANGES + n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			move_that_deserts_an_index_is_whole_or_not_at_all, end),
		cmocka_unit_test_teardown(
			shrinking_that_fails_is_not_tried_at_once_again, end),
		cmocka_unit_test_teardown(
			range_that_ends_in_a_full_line_is_refused, end),
		cmocka_unit_test_teardown(insertions_go_on_until_one_is_refused,
					  end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
