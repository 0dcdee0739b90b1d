/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#define FIRST 32
#define COUNT 32

struct rig {
	struct irq_pool pool;
	struct irq_pool_slot slot[COUNT];
	uint32_t got;
	char error[128];
};

static int empty(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	irq_pool_init(&r->pool, "vector", FIRST, COUNT, r->slot);
	*state = r;
	return 0;
}

static int done(void **state)
{
	free(*state);
	return 0;
}

/* The first number, or -errno. */
static int64_t ask(struct rig *r, struct irq_request q)
{
	int err;

	if (!q.owner)
		q.owner = "00:01.0";
	r->got = 0xdead;
	memset(r->error, 0, sizeof(r->error));
	err = irq_pool_request(&r->pool, &q, &r->got, r->error,
			       sizeof(r->error));
	if (!err) {
		assert_string_equal(r->error, "");
		return r->got;
	}
	assert_int_equal(r->got, 0xdead);
	return err;
}

#define ASK(r, ...) ask(r, (struct irq_request){ __VA_ARGS__ })

static void lowest_fitting_numbers_are_taken(void **state)
{
	struct rig *r = *state;

	assert_int_equal(irq_pool_free(&r->pool), 32);
	assert_int_equal(ASK(r, .count = 1), 32);
	assert_int_equal(ASK(r, .count = 0), 33);
	assert_int_equal(ASK(r, .count = 3), 34);
	assert_int_equal(ASK(r, .align = 8), 40);
	assert_int_equal(ASK(r, .count = 3), 37);
	assert_int_equal(ASK(r, .count = 1), 41);
	assert_int_equal(irq_pool_free(&r->pool), 22);
}

static void fixed_number_is_had_once(void **state)
{
	struct rig *r = *state;

	assert_int_equal(ASK(r, .min = 40, .max = 40), 40);
	assert_int_equal(ASK(r, .owner = "00:02.0", .min = 40, .max = 40),
			 -EBUSY);
	assert_string_equal(r->error, "vector 40 is taken by 00:01.0");
	assert_int_equal(ASK(r, .min = 38, .max = 41, .count = 4), -EBUSY);
	assert_string_equal(r->error, "vector 40 is taken by 00:01.0");
	assert_int_equal(irq_pool_free(&r->pool), 31);
}

static void range_is_kept_to(void **state)
{
	struct rig *r = *state;

	assert_int_equal(ASK(r, .min = 40, .max = 41), 40);
	assert_int_equal(ASK(r, .min = 40, .max = 41), 41);
	assert_int_equal(ASK(r, .min = 40, .max = 41), -ENOSPC);
	assert_string_equal(r->error, "no vector is free between 40 and 41: "
				      "40 is taken by 00:01.0");
	assert_int_equal(ASK(r, .min = 40), 42);
	assert_int_equal(ASK(r, .max = 33), 32);
	assert_int_equal(ASK(r, .min = 1, .max = 1000), 33);
	assert_int_equal(ASK(r, .min = 63), 63);
	assert_int_equal(ASK(r, .min = 63), -ENOSPC);
}

static void numbers_are_consecutive_and_aligned(void **state)
{
	struct rig *r = *state;

	for (uint32_t n = 35; n < 64; n += 8)
		assert_int_equal(ASK(r, .min = n, .max = n), n);
	assert_int_equal(ASK(r, .count = 4, .align = 4), 36);
	assert_int_equal(ASK(r, .count = 8), -ENOSPC);
	assert_int_equal(ASK(r, .count = 7), 44);
	assert_int_equal(ASK(r, .count = 2, .align = 4), 32);
	assert_int_equal(ASK(r, .count = 4, .align = 4), 52);
	assert_int_equal(ASK(r, .count = 4, .align = 4), 60);
	assert_int_equal(ASK(r, .count = 4, .align = 4), -ENOSPC);
	assert_string_equal(
		r->error,
		"no 4 consecutive vectors aligned to 4 are free between 32 "
		"and 63: 32 is taken by 00:01.0");
}

static void shared_number_is_had_by_those_who_share(void **state)
{
	struct rig *r = *state;

	assert_int_equal(ASK(r, .min = 40, .max = 40, .shared = true), 40);
	assert_int_equal(ASK(r, .owner = "00:02.0", .min = 40, .max = 40,
			     .shared = true),
			 40);
	assert_int_equal(ASK(r, .min = 40, .max = 40), -EBUSY);
	assert_string_equal(r->error, "vector 40 is shared by 00:01.0");
	assert_int_equal(ASK(r, .min = 40), 41);
	assert_int_equal(ASK(r, .min = 41, .max = 41, .shared = true), -EBUSY);
	assert_string_equal(r->error, "vector 41 is taken by 00:01.0");
	assert_int_equal(irq_pool_free(&r->pool), 30);
}

static void shared_number_is_free_when_its_last_user_goes(void **state)
{
	struct rig *r = *state;

	ASK(r, .min = 40, .max = 40, .shared = true);
	ASK(r, .min = 40, .max = 40, .shared = true);
	irq_pool_release(&r->pool, 40, 1);
	assert_int_equal(ASK(r, .min = 40, .max = 40), -EBUSY);
	irq_pool_release(&r->pool, 40, 1);
	assert_int_equal(ASK(r, .owner = "00:03.0", .min = 40, .max = 40), 40);
	assert_int_equal(ASK(r, .min = 40, .max = 40, .shared = true), -EBUSY);
	assert_string_equal(r->error, "vector 40 is taken by 00:03.0");
}

static void released_numbers_are_used_again(void **state)
{
	struct rig *r = *state;

	assert_int_equal(ASK(r, .count = 32), 32);
	assert_int_equal(irq_pool_free(&r->pool), 0);
	assert_int_equal(ASK(r, .count = 1), -ENOSPC);
	irq_pool_release(&r->pool, 40, 4);
	assert_int_equal(irq_pool_free(&r->pool), 4);
	assert_int_equal(ASK(r, .count = 4), 40);
	irq_pool_release(&r->pool, 32, 32);
	assert_int_equal(ASK(r, .count = 32), 32);
}

static void refused_request_takes_nothing(void **state)
{
	struct rig *r = *state;

	ASK(r, .min = 63, .max = 63);
	assert_int_equal(ASK(r, .count = 32), -ENOSPC);
	assert_int_equal(irq_pool_free(&r->pool), 31);
	assert_int_equal(ASK(r, .count = 31), 32);
}

static void nonsense_is_told_as_such(void **state)
{
	static const struct irq_request q[] = {
		{ .count = 33 },
		{ .count = UINT32_MAX },
		{ .min = 63, .max = 62 },
		{ .min = 1, .max = 31 },
		{ .min = 31, .max = 31 },
		{ .min = 64 },
		{ .min = 64, .max = 64 },
		{ .min = 31, .max = 32, .count = 2 },
		{ .min = 63, .count = 2 },
		{ .min = UINT32_MAX, .max = UINT32_MAX },
		{ .min = UINT32_MAX, .count = UINT32_MAX },
		{ .align = 3 },
		{ .align = UINT32_MAX },
		{ .align = 64 },
		{ .align = 1u << 31, .count = UINT32_MAX },
		{ .min = 33, .max = 33, .align = 2 },
		{ .min = 33, .max = 35, .align = 4 },
	};
	struct rig *r = *state;

	for (unsigned int i = 0; i < ARRAY_SIZE(q); i++) {
		assert_int_equal(ask(r, q[i]), -EINVAL);
		assert_string_not_equal(r->error, "");
	}
	assert_int_equal(irq_pool_free(&r->pool), 32);
	ASK(r, .min = 33, .max = 35, .count = 2, .align = 4);
	assert_string_equal(r->error,
			    "no 2 consecutive vectors aligned to 4 can be "
			    "between 33 and 35: the pool is 32 to 63");
	ASK(r, .align = 3);
	assert_string_equal(r->error, "3 is no alignment: no power of two");
}

static void last_numbers_there_are_make_a_pool_too(void **state)
{
	struct rig *r = *state;

	irq_pool_init(&r->pool, "GSI", UINT32_MAX - 1, 2, r->slot);
	assert_int_equal(ASK(r, .count = 3), -EINVAL);
	assert_int_equal(ASK(r, .align = 2), UINT32_MAX - 1);
	assert_int_equal(ASK(r, .align = 2), -ENOSPC);
	assert_int_equal(ASK(r, .min = UINT32_MAX, .max = UINT32_MAX),
			 UINT32_MAX);
	assert_int_equal(ASK(r, .min = UINT32_MAX, .max = UINT32_MAX), -EBUSY);
	assert_int_equal(ASK(r, .count = 1), -ENOSPC);
	irq_pool_release(&r->pool, UINT32_MAX - 1, 2);
	assert_int_equal(irq_pool_free(&r->pool), 2);
}

static void sentence_is_for_who_wants_it(void **state)
{
	const struct irq_request q = { .count = 100 };
	struct rig *r = *state;
	char small[4] = "xyz";

	assert_int_equal(irq_pool_request(&r->pool, &q, &r->got, NULL, 0),
			 -EINVAL);
	assert_int_equal(irq_pool_request(&r->pool, &q, &r->got, small, 0),
			 -EINVAL);
	assert_string_equal(small, "xyz");
	assert_int_equal(irq_pool_request(&r->pool, &q, &r->got, small, 4),
			 -EINVAL);
	assert_string_equal(small, "no ");
}

/* ---- Random requests against a model -------------------------------------- */

struct grant {
	uint32_t first, count;
	bool shared;
};

static uint64_t seed;

static uint32_t below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 11) % n;
}

/* Who has what is in the grants alone. */
static bool fits(const struct grant *g, unsigned int nr, uint32_t first,
		 const struct irq_request *q)
{
	for (unsigned int i = 0; i < nr; i++)
		if (first < g[i].first + g[i].count &&
		    g[i].first < first + q->count &&
		    !(q->shared && g[i].shared))
			return false;
	return true;
}

/* -EINVAL if not even an empty pool would do. */
static int expect(const struct grant *g, unsigned int nr,
		  const struct irq_request *q)
{
	const bool fixed = q->max - q->min + 1 == q->count;
	int result = -EINVAL;

	for (uint32_t n = FIRST; n + q->count <= FIRST + COUNT; n++) {
		if (n % q->align || n < q->min || n + q->count - 1 > q->max)
			continue;
		if (fits(g, nr, n, q))
			return (int)n;
		result = fixed ? -EBUSY : -ENOSPC;
	}
	return result;
}

static uint32_t count_free(const struct grant *g, unsigned int nr)
{
	const struct irq_request q = { .count = 1 };
	uint32_t n = 0;

	for (uint32_t i = 0; i < COUNT; i++)
		n += fits(g, nr, FIRST + i, &q);
	return n;
}

static void random_requests_agree_with_a_model(void **state)
{
	struct rig *r = *state;
	struct grant grant[256];
	unsigned int nr = 0, granted = 0;

	seed = 0x9e3779b97f4a7c15ull;
	for (unsigned int step = 0; step < 20000; step++) {
		struct irq_request q = {
			.count = 1 + below(below(4) ? 4 : 34),
			.align = 1u << below(4),
			.min = 30 + below(34),
			.shared = !below(3),
		};
		int want;

		q.max = q.min + (below(3) ? below(34) : q.count - 1);
		if (nr && (nr == ARRAY_SIZE(grant) || below(2))) {
			const unsigned int i = below(nr);

			irq_pool_release(&r->pool, grant[i].first,
					 grant[i].count);
			grant[i] = grant[--nr];
		}
		want = expect(grant, nr, &q);
		assert_int_equal(ask(r, q), want);
		if (want >= 0) {
			grant[nr++] = (struct grant){ (uint32_t)want, q.count,
						      q.shared };
			granted++;
		}
		assert_int_equal(irq_pool_free(&r->pool),
				 count_free(grant, nr));
	}
	assert_true(granted > 2000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, empty, done)
	const struct CMUnitTest tests[] = {
		TEST(lowest_fitting_numbers_are_taken),
		TEST(fixed_number_is_had_once),
		TEST(range_is_kept_to),
		TEST(numbers_are_consecutive_and_aligned),
		TEST(shared_number_is_had_by_those_who_share),
		TEST(shared_number_is_free_when_its_last_user_goes),
		TEST(released_numbers_are_used_again),
		TEST(refused_request_takes_nothing),
		TEST(nonsense_is_told_as_such),
		TEST(last_numbers_there_are_make_a_pool_too),
		TEST(sentence_is_for_who_wants_it),
		TEST(random_requests_agree_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
