/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the rate is measured once against the monotonic clock.  A millisecond
 * is known to some ten nanoseconds at both ends, so the rate is right to a
 * thousandth; two threads that measure at the same time store the same but for
 * that.
 */
#include "ring/ticks.h"

#include <stdatomic.h>
#include <time.h>

#define MEASURE_NS 1000000

static int64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static uint64_t measure(void)
{
	const int64_t start = monotonic_ns();
	const uint64_t from = ticks_now();
	int64_t ns;
	uint64_t rate;

	do
		ns = monotonic_ns() - start;
	while (ns < MEASURE_NS);
	rate = (ticks_now() - from) * 1000 / (uint64_t)ns;
	return rate ? rate : 1;
}

uint64_t ticks_per_us(void)
{
	static _Atomic uint64_t known;
	/* Relaxed: the number is all there is. */
	uint64_t rate = atomic_load_explicit(&known, memory_order_relaxed);

	if (likely(rate))
		return rate;
	rate = measure();
	atomic_store_explicit(&known, rate, memory_order_relaxed);
	return rate;
}

uint64_t ticks_of_us(uint64_t us)
{
	uint64_t ticks;

	return __builtin_mul_overflow(us, ticks_per_us(), &ticks) ? UINT64_MAX
								  : ticks;
}
