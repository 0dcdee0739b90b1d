/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: each round is one of a new service, so that its allocator has nothing to
 * give a second time.  Memory is the growth of what only that process has: what
 * is lent to it and the rings, which the generator maps too, are not in it.
 * Its resolution is a page, so a few of something are not told.
 */
#include "bench/scale.h"

#define FEW_FUNCTIONS 16
#define FEW_MACHINES  4
#define BOUND_BYTES   4096
#define BOUND_MS      1000

enum cost {
	CREATE_MS,
	CREATE_US,
	DESTROY_MS,
	DESTROY_US,
	SWEEP_MS,
	MACHINE_BYTES,
	FUNCTION_BYTES,
	READY_BYTES,
	NR_COSTS
};

static const struct {
	const char *metric, *unit, *what;
	double bound; /* with SCALE_MANY functions */
} costs[NR_COSTS] = {
	[CREATE_MS] = { "create", "ms", "all", BOUND_MS },
	[CREATE_US] = { "create_one", "us", "", 0 },
	[DESTROY_MS] = { "destroy", "ms", "all", 0 },
	[DESTROY_US] = { "destroy_one", "us", "", 0 },
	[SWEEP_MS] = { "destroy_machines", "ms", "all", 0 },
	[MACHINE_BYTES] = { "machine_memory", "bytes", "empty", 0 },
	[FUNCTION_BYTES] = { "function_memory", "bytes", "plugged", 0 },
	[READY_BYTES] = { "function_memory", "bytes", "idle", BOUND_BYTES },
};

static double ms_since(uint64_t begin)
{
	return (double)(bench_now() - begin) / 1e6;
}

/* What came since @before for each of @n. */
static double grown(const struct scale_load *l, uint64_t before, unsigned int n)
{
	uint64_t now = scale_private_bytes(&l->service);

	return now > before ? (double)(now - before) / n : 0;
}

static int create(struct scale_load *l, double cost[NR_COSTS])
{
	uint64_t before = scale_private_bytes(&l->service), begin;
	int err = scale_create_machines(&l->service, &l->size);

	cost[MACHINE_BYTES] = grown(l, before, l->size.machines);
	if (err)
		return err;
	before = scale_private_bytes(&l->service);
	begin = bench_now();
	err = scale_create_functions(&l->service, &l->size);
	cost[CREATE_MS] = ms_since(begin);
	cost[CREATE_US] = cost[CREATE_MS] * 1e3 / l->size.functions;
	cost[FUNCTION_BYTES] = grown(l, before, l->size.functions);
	return err;
}

/* A driver has set each one up, and asks nothing of it. */
static int start(struct scale_load *l, double cost[NR_COSTS])
{
	uint64_t before;
	int err = scale_load_attach(l);

	if (err)
		return err;
	before = scale_private_bytes(&l->service);
	err = scale_load_start(l);
	cost[READY_BYTES] =
		cost[FUNCTION_BYTES] + grown(l, before, l->size.functions);
	return err;
}

static int destroy(struct scale_load *l, double cost[NR_COSTS])
{
	uint64_t begin = bench_now();
	int err = scale_destroy_functions(&l->service, &l->size);

	cost[DESTROY_MS] = ms_since(begin);
	cost[DESTROY_US] = cost[DESTROY_MS] * 1e3 / l->size.functions;
	if (!err)
		err = scale_create_functions(&l->service, &l->size);
	begin = bench_now();
	if (!err)
		err = scale_destroy_machines(&l->service, &l->size);
	cost[SWEEP_MS] = ms_since(begin);
	return err;
}

static int measure(struct scale_run *run, const struct scale_size *size,
		   double cost[NR_COSTS])
{
	struct scale_load l;
	int err = scale_load_open(&l, &run->cpus, size, 1);

	if (!err)
		err = create(&l, cost);
	if (!err)
		err = start(&l, cost);
	if (!err)
		scale_report_of(&run->report, &l);
	scale_load_detach(&l);
	if (!err)
		err = destroy(&l, cost);
	scale_load_close(&l);
	return err;
}

static bool is_told(enum cost c, const struct scale_size *size)
{
	if (c == MACHINE_BYTES)
		return size->machines >= FEW_MACHINES;
	return c < MACHINE_BYTES || size->functions >= FEW_FUNCTIONS;
}

int scale_measure_costs(struct scale_run *run, const struct scale_size *size,
			const char *backend)
{
	const unsigned int rounds = run->plan->cost_rounds;
	double value[NR_COSTS][SCALE_ROUNDS_MAX], cost[NR_COSTS];
	int err = 0;

	scale_report_step(&run->report, "create", size, backend);
	for (unsigned int i = 0; i < rounds && !err; i++) {
		err = measure(run, size, cost);
		for (unsigned int c = 0; c < NR_COSTS && !err; c++)
			value[c][i] = cost[c];
	}
	for (unsigned int c = 0; c < NR_COSTS && !err; c++) {
		const struct scale_figure f = {
			.metric = costs[c].metric,
			.unit = costs[c].unit,
			.what = costs[c].what,
			.value = scale_median(value[c], rounds),
			.bound = size->functions >= SCALE_MANY ? costs[c].bound
							       : 0,
			.rounds = rounds,
		};

		if (is_told((enum cost)c, size))
			scale_report_add(&run->report, &f);
	}
	return err;
}
