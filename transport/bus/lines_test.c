/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/bus/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

/* Lines of a slab that can be given out. */
#define SLAB 31u

static struct bus_lines ls;

static int end(void **state)
{
	(void)state;
	bus_lines_fini(&ls);
	return 0;
}

static void fill(union bus_line *l, uint32_t n)
{
	assert_non_null(l);
	memset((void *)l, 0x5a, (size_t)n * BUS_LINE_BYTES);
}

static void what_is_left_of_a_slab_is_given_out(void **state)
{
	size_t bytes;

	(void)state;
	fill(bus_lines_get(&ls, BUS_LINES_FEW), BUS_LINES_FEW);
	fill(bus_lines_get(&ls, BUS_LINES_FEW), BUS_LINES_FEW);
	bytes = ls.bytes;
	for (uint32_t n = 2 * (SLAB - BUS_LINES_FEW); n--;)
		fill(bus_lines_get(&ls, 1), 1);
	assert_int_equal(ls.bytes, bytes);
}

static void what_comes_back_is_given_out_in_parts(void **state)
{
	union bus_line *l = bus_lines_get(&ls, BUS_LINES_FEW);
	size_t bytes = ls.bytes;

	(void)state;
	fill(l, BUS_LINES_FEW);
	fill(bus_lines_get(&ls, SLAB - BUS_LINES_FEW), SLAB - BUS_LINES_FEW);
	bus_lines_put(&ls, l, BUS_LINES_FEW);
	for (uint32_t n = BUS_LINES_FEW / 2; n--;)
		fill(bus_lines_get(&ls, 2), 2);
	assert_int_equal(ls.bytes, bytes);
}

static void many_lines_go_back_to_the_heap(void **state)
{
	const uint32_t n = (2 << 20) / BUS_LINE_BYTES;

	(void)state;
	for (uint32_t some = n - 1; some <= n + 1; some++) {
		union bus_line *l = bus_lines_get(&ls, some);

		fill(l, some);
		assert_int_equal((uintptr_t)l % BUS_LINE_BYTES, 0);
		assert_int_equal(ls.bytes, (size_t)some * BUS_LINE_BYTES);
		bus_lines_put(&ls, l, some);
		assert_int_equal(ls.bytes, 0);
	}
}

static void spares_are_filled_up_again(void **state)
{
	union bus_line *l[2 * BUS_SPARES];

	(void)state;
	for (uint32_t n = 0; n < ARRAY_SIZE(l); n++) {
		if (n % BUS_SPARES == 0)
			assert_int_equal(bus_lines_reserve(&ls), 0);
		l[n] = bus_lines_spare(&ls);
		fill(l[n], BUS_SPARE_LINES);
		for (uint32_t k = 0; k < n; k++)
			assert_ptr_not_equal(l[k], l[n]);
	}
}

#define T(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_left_of_a_slab_is_given_out),
		T(what_comes_back_is_given_out_in_parts),
		T(many_lines_go_back_to_the_heap),
		T(spares_are_filled_up_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
