/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A million random operations on a bus, compared with a naive array after each:
 * both instances, each layout of test_story.h, few ranges and thousands.
 *
 * PROPERTY_SEED=N begins with the round that a failure names; PROPERTY_ROUNDS=N
 * runs so many.
 */
#include "transport/bus/test_story.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#define OPERATIONS 1000000
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SLOWER 10
#else
#define SLOWER 1
#endif
/* Each instance and each layout with each number of ranges, twice. */
#define ROUNDS	       (2 * 2 * STORY_LAYOUTS * 4)
/* The same, with allocations that fail. */
#define STARVED_ROUNDS (2 * STORY_LAYOUTS * 3)
#define STEPS	       (OPERATIONS / SLOWER / ROUNDS + 1)

static struct story story;

static void next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
}

static uint64_t draw(struct story *s, unsigned int bytes)
{
	uint64_t *x = s->ctx;

	next(x);
	return *x >> (64 - 8 * bytes);
}

static uint32_t ranges(unsigned long seed)
{
	static const uint32_t most[] = { 5, 40, 300, 2000 };

	return most[seed / 2 / STORY_LAYOUTS % ARRAY_SIZE(most)];
}

/* ---- Without memory -------------------------------------------------------- */

/* So many of 256 allocations fail. */
static uint32_t failing;
static uint64_t fate;

static bool may_allocate(void)
{
	if (!failing)
		return true;
	next(&fate);
	return fate >> 56 >= failing;
}

/* These two stand before everybody's. */
void *aligned_alloc(size_t alignment, size_t size)
{
	static void *(*real)(size_t, size_t);

	if (!may_allocate())
		return NULL;
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "aligned_alloc");
	return real(alignment, size);
}

/* The thread sanitizer allocates before it can bear one of ours. */
#ifndef __SANITIZE_THREAD__
void *malloc(size_t size)
{
	static void *(*real)(size_t);

	if (!may_allocate())
		return NULL;
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "malloc");
	return real(size);
}
#endif

/* ---- Rounds ------------------------------------------------------------------ */

/* @starve: so many of 256 allocations fail. */
static void one_round(unsigned long seed, uint32_t starve)
{
	uint64_t random = (seed + 1) * 0x9e3779b97f4a7c15;

	fate = random;
	failing = starve;
	story.draw = draw;
	story.ctx = &random;
	story.starved = starve;
	story_begin(&story, seed & 1 ? STORY_PORTS : STORY_TOP,
		    seed / 2 % STORY_LAYOUTS, ranges(seed));
	for (unsigned long i = 0; i < STEPS && !story.wrong; i++)
		story_step(&story);
	failing = 0;
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
		one_round(seed, 0);
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

static void change_without_memory_changes_nothing(void **state)
{
	unsigned long first = from_environment("PROPERTY_SEED", 1);
	unsigned long n = from_environment("PROPERTY_ROUNDS", STARVED_ROUNDS);

	(void)state;
	for (unsigned long seed = first; seed < first + n; seed++)
		one_round(seed, seed % 3 ? 128 : 250);
	if (n < STARVED_ROUNDS)
		return;
	assert_true(story.starving > n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bus_agrees_with_a_naive_array),
		cmocka_unit_test(change_without_memory_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
