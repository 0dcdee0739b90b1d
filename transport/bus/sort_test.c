/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/bus/sort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#define MOST 600u

static uint64_t state = 88172645463325252;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Each with its place before as its word. */
static void sort(struct bus_entry *e, uint32_t n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		e[i].word = i;
		sum += e[i].base;
	}
	assert_int_equal(bus_entries_sort(e, n), 0);
	for (uint32_t i = 0; i < n; i++)
		sum -= e[i].base;
	assert_int_equal(sum, 0);
	for (uint32_t i = 1; i < n; i++)
		assert_true(e[i - 1].base < e[i].base ||
			    (e[i - 1].base == e[i].base &&
			     e[i - 1].word < e[i].word));
}

static void neighbours_in_reverse_are_sorted(void **unused)
{
	struct bus_entry e[MOST];

	(void)unused;
	for (uint32_t n = 0; n < 20; n++) {
		for (uint32_t i = 0; i < n; i++)
			e[i].base = UINT64_MAX - i;
		sort(e, n);
	}
}

/* Only some of their bytes differ, another number of passes each. */
static void any_bytes_may_differ(void **unused)
{
	struct bus_entry e[MOST];

	(void)unused;
	for (unsigned int bytes = 0; bytes < 256; bytes++) {
		uint64_t mask = 0, same = draw();

		for (unsigned int b = 0; b < 8; b++)
			mask |= bytes >> b & 1 ? 0xffull << 8 * b : 0;
		for (uint32_t i = 0; i < MOST; i++)
			e[i].base = (draw() & mask) | (same & ~mask);
		sort(e, MOST);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_in_reverse_are_sorted),
		cmocka_unit_test(any_bytes_may_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
