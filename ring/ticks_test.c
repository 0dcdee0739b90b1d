/* SPDX-License-Identifier: BSD-3-Clause */
/* Ticks against the monotonic clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <time.h>

#include "ring/ticks.h"

static int64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* One reading of both clocks, whose distance a thread that is called away in
 * between would not know. */
static bool agree_over_a_nap(void)
{
	const struct timespec nap = { .tv_nsec = 5000000 };
	const int64_t start = monotonic_ns();
	const uint64_t from = ticks_now();
	uint64_t passed, expected;

	nanosleep(&nap, NULL);
	passed = ticks_now() - from;
	expected = ticks_of_us((uint64_t)(monotonic_ns() - start) / 1000);
	return passed > expected / 100 * 95 && passed < expected / 100 * 105;
}

static void ticks_of_a_time_are_those_that_pass_in_it(void **state)
{
	unsigned int tries = 0;

	(void)state;
	while (!agree_over_a_nap())
		assert_true(++tries < 100);
}

static void rate_is_the_same_whenever_it_is_asked(void **state)
{
	const uint64_t rate = ticks_per_us();

	(void)state;
	assert_true(rate > 0);
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(ticks_per_us(), rate);
	assert_int_equal(ticks_of_us(1), rate);
}

static void time_beyond_all_ticks_is_the_last_one(void **state)
{
	(void)state;
	assert_true(ticks_of_us(UINT64_MAX) == UINT64_MAX);
	assert_int_equal(ticks_of_us(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_of_a_time_are_those_that_pass_in_it),
		cmocka_unit_test(rate_is_the_same_whenever_it_is_asked),
		cmocka_unit_test(time_beyond_all_ticks_is_the_last_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
