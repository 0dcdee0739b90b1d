/* SPDX-License-Identifier: BSD-3-Clause */
/* How: a table of rates, all of which are measured in each round. */
#include "bench/scale.h"

static const struct {
	const char *metric;
	scale_rate_fn *measure;
	bool kicks;
} rates[] = {
	{ "registers", scale_registers, false },
	{ "kicks", scale_kicks, true },
	{ "chains", scale_chains, true },
	{ "interrupts", scale_interrupts, true },
};

#define NR_RATES (sizeof(rates) / sizeof(rates[0]))

static int measure(const struct scale_plan *plan, struct scale_load *l,
		   double value[NR_RATES][SCALE_ROUNDS_MAX])
{
	int err = 0;

	for (unsigned int i = 0; i < plan->rate_rounds; i++)
		for (unsigned int k = 0; k < NR_RATES && !err; k++)
			err = rates[k].measure(l, plan->rate_ms, &value[k][i]);
	return err;
}

int scale_measure_rates(struct scale_run *run, const struct scale_size *size,
			const char *backend, unsigned int loops)
{
	const unsigned int rounds = run->plan->rate_rounds;
	double value[NR_RATES][SCALE_ROUNDS_MAX];
	struct scale_load l;
	int err;

	scale_report_step(&run->report, "rates", size, backend);
	err = scale_load_ready(&l, &run->cpus, size, loops);
	if (!err)
		err = measure(run->plan, &l, value);
	if (!err)
		scale_report_of(&run->report, &l);
	for (unsigned int k = 0; k < NR_RATES && !err; k++) {
		const struct scale_figure f = {
			.metric = rates[k].metric,
			.unit = "1/s",
			.value = scale_median(value[k], rounds),
			.rounds = rounds,
			.kicks = rates[k].kicks,
		};

		scale_report_add(&run->report, &f);
	}
	scale_load_close(&l);
	return err;
}
