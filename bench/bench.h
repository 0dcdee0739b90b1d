/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench.h - what the measurements share: options and ordered samples
 *
 * A measurement is compared with a rival in the same run, in rounds that
 * alternate, and says the median of the rounds: what disturbs the machine
 * disturbs both.
 *
 * Exit codes   0 measured (and within its bound, if it has one), 1 not, 2 usage
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <x86intrin.h>

struct bench_options {
	bool json;   /* one JSON object a line, nothing else on stdout */
	bool quick;  /* fewer rounds: does it work, not how fast is it */
	char **args; /* a measurement's own options and values; ends with NULL */
};

/* One for each subcommand. */
int bench_proxy(const struct bench_options *o);
int bench_irq(const struct bench_options *o);
int bench_ring(const struct bench_options *o);
int bench_bus(const struct bench_options *o);
int bench_scale(const struct bench_options *o);
int bench_blk(const struct bench_options *o);
int bench_net(const struct bench_options *o);

/* Nanoseconds that never go back. */
uint64_t bench_now(void);

/* Cycles, after all that came before and before all that follows. */
static inline uint64_t bench_ticks(void)
{
	uint64_t t;

	_mm_lfence();
	t = __rdtsc();
	_mm_lfence();
	return t;
}
double bench_ns_per_tick(void);

/* Sort @n samples in place; then bench_part() of them is a quantile. */
void bench_sort(uint64_t *samples, size_t n);
static inline uint64_t bench_part(const uint64_t *sorted, size_t n,
				  unsigned int percent)
{
	return sorted[(n - 1) * percent / 100];
}

/* As the kernel calls it; no quotes in it, for JSON. */
void bench_cpu_name(char *name, size_t room);

/* Where the programs of this build are, with a '/' at the end. */
int bench_bin_dir(char *path, size_t room);

#endif
