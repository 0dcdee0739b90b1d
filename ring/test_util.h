/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_util.h - what several of this folder's tests need
 */
#ifndef RING_TEST_UTIL_H
#define RING_TEST_UTIL_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include "ring/base.h"

#include <cmocka.h>

#if defined(__SANITIZE_THREAD__)
#define TEST_ROUNDS(n) ((n) / 20)
#elif defined(__SANITIZE_ADDRESS__)
#define TEST_ROUNDS(n) ((n) / 5)
#else
#define TEST_ROUNDS(n) (n)
#endif

/*
 * Two threads that wait for each other go at the scheduler's pace once others
 * want the cores: a thousand times slower.  What races runs for so many rounds,
 * or for so long and these; if they do not come in a minute it stands still.
 */
#define TEST_RACE_MS	  5000
#define TEST_RACE_ROUNDS  100
#define TEST_STANDSTILL_S 60

/* Open descriptors of this process. */
static inline unsigned int test_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static inline int64_t test_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* @limit: test_now_ms() from when on it may end. */
static inline bool test_race_is_over(unsigned int rounds, int64_t limit)
{
	if (rounds <= TEST_RACE_ROUNDS)
		limit += TEST_STANDSTILL_S * 1000;
	return test_now_ms() >= limit;
}

/* xorshift64: the same numbers in every run. */
static inline uint64_t test_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
