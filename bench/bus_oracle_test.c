/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/bus_oracle.h"
#include "bench/bus_rivals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#define RANGES 100

static struct bus_structure liar;
static uint64_t lie_at;

/* As the sorted array, but for one address. */
static void lie(const void *s, uint64_t addr, unsigned int size,
		struct bus_answer *a)
{
	bus_sorted.answer(s, addr, size, a);
	if (addr != lie_at)
		return;
	if (a->range)
		*a = (struct bus_answer){ NULL };
	else
		a->offset = 1;
}

static void *built(const struct bus_structure *what, struct bus_set *set,
		   enum bus_layout layout)
{
	void *s;

	assert_int_equal(bus_set_init(set, layout, RANGES, NULL, 0), 0);
	s = what->create(set);
	assert_non_null(s);
	assert_int_equal(what->build(s, set->some, set->n), 0);
	return s;
}

static void oracle_agrees_with_every_structure(void **state)
{
	uint64_t addr = 0;

	(void)state;
	bus_structures_init();
	for (size_t i = 0; bus_structures[i]; i++) {
		const struct bus_structure *what = bus_structures[i];
		struct bus_queries q;
		struct bus_set set;
		void *s = built(what, &set, BUS_DENSE);

		assert_true(bus_oracle_ranges(what, s, &set, &addr));
		for (int p = 0; p < NR_BUS_PATTERNS; p++) {
			assert_int_equal(bus_queries_init(&q, &set,
							  (enum bus_pattern)p,
							  256),
					 0);
			assert_true(
				bus_oracle_queries(what, s, &set, &q, &addr));
			bus_queries_fini(&q);
		}
		what->destroy(s);
		bus_set_fini(&set);
	}
}

static void oracle_agrees_after_changes_in_any_order(void **state)
{
	uint64_t addr = 0, random = 3;

	(void)state;
	for (size_t i = 1; bus_structures[i]; i++) {
		const struct bus_structure *what = bus_structures[i];
		bool in[RANGES];
		struct bus_set set;
		void *s = built(what, &set, BUS_RANDOM);

		for (int j = 0; j < RANGES; j++)
			in[j] = true;
		for (int j = 0; j < 2000; j++) {
			uint32_t at = bus_random_below(&random, RANGES);

			if (in[at])
				what->remove(s, &set.range[at]);
			else
				assert_int_equal(
					what->insert(s, &set.range[at]), 0);
			in[at] = !in[at];
		}
		for (int j = 0; j < RANGES; j++)
			if (!in[j])
				assert_int_equal(what->insert(s, &set.range[j]),
						 0);
		if (!bus_oracle_ranges(what, s, &set, &addr))
			fail_msg("%s", what->name);
		what->destroy(s);
		bus_set_fini(&set);
	}
}

static void structures_refuse_what_overlaps(void **state)
{
	(void)state;
	for (size_t i = 1; bus_structures[i]; i++) {
		const struct bus_structure *what = bus_structures[i];
		struct bus_range r;
		struct bus_set set;
		void *s = built(what, &set, BUS_RANDOM);

		what->remove(s, &set.range[RANGES / 2]);
		r = set.range[RANGES / 2 + 1];
		r.base -= 1;
		if (what->insert(s, &r) == 0)
			fail_msg("%s", what->name);
		what->destroy(s);
		bus_set_fini(&set);
	}
}

static void oracle_sees_a_lie_at(uint64_t at, const struct bus_set *set,
				 const void *s)
{
	uint64_t addr = 0;

	lie_at = at;
	assert_false(bus_oracle_ranges(&liar, s, set, &addr));
	assert_int_equal(addr, at);
}

static void oracle_sees_a_lie_at_any_boundary(void **state)
{
	struct bus_set set;
	void *s = built(&bus_sorted, &set, BUS_RANDOM);

	(void)state;
	liar = bus_sorted;
	liar.answer = lie;
	for (int i = 0; i < RANGES; i++) {
		const struct bus_range *r = &set.range[i];

		oracle_sees_a_lie_at(r->base, &set, s);
		oracle_sees_a_lie_at(r->base - 1, &set, s);
		oracle_sees_a_lie_at(r->base + r->size - 1, &set, s);
		oracle_sees_a_lie_at(r->base + r->size, &set, s);
	}
	bus_sorted.destroy(s);
	bus_set_fini(&set);
}

static void oracle_sees_a_lie_in_a_query(void **state)
{
	struct bus_queries q;
	struct bus_set set;
	void *s = built(&bus_sorted, &set, BUS_RANDOM);
	uint64_t addr = 0;

	(void)state;
	liar = bus_sorted;
	liar.answer = lie;
	assert_int_equal(bus_queries_init(&q, &set, BUS_MISS, 64), 0);
	lie_at = q.addr[100];
	assert_false(bus_oracle_queries(&liar, s, &set, &q, &addr));
	assert_int_equal(addr, lie_at);
	bus_queries_fini(&q);
	bus_sorted.destroy(s);
	bus_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oracle_agrees_with_every_structure),
		cmocka_unit_test(oracle_agrees_after_changes_in_any_order),
		cmocka_unit_test(structures_refuse_what_overlaps),
		cmocka_unit_test(oracle_sees_a_lie_at_any_boundary),
		cmocka_unit_test(oracle_sees_a_lie_in_a_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
