/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A million random operations on a bus, compared with a naive array after each:
 * both instances, each layout of test_story.h, few ranges and thousands.
 *
 * PROPERTY_SEED=N begins with the round that a failure names; PROPERTY_ROUNDS=N
 * runs so many.
 */
#include "transport/bus/test_story.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define OPERATIONS 1000000
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SLOWER 10
#else
#define SLOWER 1
#endif
/* Each instance and each layout with each number of ranges, twice. */
#define ROUNDS (2 * 2 * STORY_LAYOUTS * 4)
#define STEPS  (OPERATIONS / SLOWER / ROUNDS + 1)

static struct story story;

static uint64_t draw(struct story *s, unsigned int bytes)
{
	uint64_t *x = s->ctx;

	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x >> (64 - 8 * bytes);
}

static uint32_t ranges(unsigned long seed)
{
	static const uint32_t most[] = { 5, 40, 300, 2000 };

	return most[seed / 2 / STORY_LAYOUTS % ARRAY_SIZE(most)];
}

static void one_round(unsigned long seed)
{
	uint64_t random = (seed + 1) * 0x9e3779b97f4a7c15;

	story.draw = draw;
	story.ctx = &random;
	story_begin(&story, seed & 1 ? STORY_PORTS : STORY_TOP,
		    seed / 2 % STORY_LAYOUTS, ranges(seed));
	for (unsigned long i = 0; i < STEPS && !story.wrong; i++)
		story_step(&story);
	story_finish(&story);
	if (!story.wrong)
		return;
	print_message("# PROPERTY_SEED=%lu: test_story.h:%u does not hold\n",
		      seed, story.wrong);
	fail();
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

static void bus_agrees_with_a_naive_array(void **state)
{
	unsigned long first = from_environment("PROPERTY_SEED", 1);
	unsigned long n = from_environment("PROPERTY_ROUNDS", ROUNDS);

	(void)state;
	for (unsigned long seed = first; seed < first + n; seed++)
		one_round(seed);
	print_message("# %lu operations, %lu hits, %lu refused, at most %lu "
		      "ranges\n",
		      story.steps, story.hits, story.refused, story.most);
	if (n < ROUNDS)
		return;
	assert_true(story.steps >= OPERATIONS / SLOWER);
	assert_true(story.hits > story.steps / 4);
	assert_true(story.refused > story.steps / 20);
	assert_true(story.most > 500 / SLOWER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bus_agrees_with_a_naive_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
