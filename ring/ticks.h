/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ticks.h - time as the processor counts it, for whoever looks each turn
 *
 * A look costs some ten cycles and no call.  The counter runs at one rate on
 * all cores of any host we build for; across machines ticks mean nothing.
 *
 * Threads   any
 */
#ifndef RING_TICKS_H
#define RING_TICKS_H

#include "ring/base.h"

static inline uint64_t ticks_now(void)
{
	return __builtin_ia32_rdtsc();
}

/* How many make a microsecond; > 0.  The first call takes a millisecond. */
uint64_t ticks_per_us(void);

/* Saturates: any number of microseconds is a time. */
uint64_t ticks_of_us(uint64_t us);

#endif
