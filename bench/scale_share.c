/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: rounds of equal load and rounds with a flood alternate.  Jain's index of
 * n parts is 1 if they are equal and 1/n if one has all.  The generator has one
 * thread and visits machines in turn, so equal machines offer the same; how
 * long each of them waits is the service's doing.
 */
#include "bench/scale.h"

enum share {
	EQUAL_INDEX,
	FLOOD_INDEX,
	FLOODER,
	EQUAL_RATE,
	FLOOD_RATE,
	NR_SHARES
};

static const struct {
	const char *metric, *unit, *what;
} shares[NR_SHARES] = {
	[EQUAL_INDEX] = { "fairness", "jain", "equal" },
	[FLOOD_INDEX] = { "fairness", "jain", "flood" },
	[FLOODER] = { "flooder_share", "share", "flood" },
	[EQUAL_RATE] = { "machine_chains", "1/s", "equal" },
	[FLOOD_RATE] = { "machine_chains", "1/s", "flood" },
};

static double jain(const uint64_t *x, unsigned int n)
{
	double sum = 0, squares = 0;

	for (unsigned int i = 0; i < n; i++) {
		sum += (double)x[i];
		squares += (double)x[i] * (double)x[i];
	}
	return squares > 0 ? sum * sum / (n * squares) : 0;
}

static double sum_of(const uint64_t *x, unsigned int n)
{
	double sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += (double)x[i];
	return sum;
}

static int measure(const struct scale_plan *plan, struct scale_load *l,
		   double value[NR_SHARES][SCALE_ROUNDS_MAX], unsigned int i)
{
	const unsigned int n = l->size.machines;
	uint64_t served[SCALE_MACHINES_MAX];
	double others;
	int err = scale_served(l, plan->share_ms, false, served);

	if (err)
		return err;
	value[EQUAL_INDEX][i] = jain(served, n);
	value[EQUAL_RATE][i] = sum_of(served, n) / n * 1e3 / plan->share_ms;
	err = scale_served(l, plan->share_ms, true, served);
	others = sum_of(served + 1, n - 1);
	value[FLOOD_INDEX][i] = jain(served + 1, n - 1);
	value[FLOODER][i] = (double)served[0] / ((double)served[0] + others);
	value[FLOOD_RATE][i] = others / (n - 1) * 1e3 / plan->share_ms;
	return err;
}

int scale_measure_shares(struct scale_run *run, const struct scale_size *size,
			 const char *backend, unsigned int loops)
{
	const unsigned int rounds = run->plan->share_rounds;
	double value[NR_SHARES][SCALE_ROUNDS_MAX];
	struct scale_load l;
	int err;

	scale_report_step(&run->report, "fairness", size, backend);
	err = scale_load_ready(&l, &run->cpus, size, loops);
	for (unsigned int i = 0; i < rounds && !err; i++)
		err = measure(run->plan, &l, value, i);
	if (!err)
		scale_report_of(&run->report, &l);
	for (unsigned int k = 0; k < NR_SHARES && !err; k++) {
		const struct scale_figure f = {
			.metric = shares[k].metric,
			.unit = shares[k].unit,
			.what = shares[k].what,
			.value = scale_median(value[k], rounds),
			.rounds = rounds,
			.kicks = true,
		};

		scale_report_add(&run->report, &f);
	}
	scale_load_close(&l);
	return err;
}
