/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a service with one function and one with all of them are there at a
 * time, their loops on the same CPU; the one that is not measured is stopped.
 * Each round measures the first and the second idle, so that what disturbs the
 * machine disturbs both; a ratio is the median of the rounds', each of medians.
 * Rounds of the busy one come last: a lane that was answered late first looks
 * late for some more answers, which is no idle function's doing.
 *
 * Busy: before each sample some of the others, in turn, are given requests; the
 * sample is taken while they are served.  What the generator itself does for
 * that is not in the sample.
 */
#include "bench/scale.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define IDLE_BOUND 1.1

enum load {
	ALONE,
	IDLE,
	BUSY,
	NR_LOADS
};

static const char *const load_names[] = { "alone", "idle", "busy" };

enum path {
	REGISTER,
	TRIP,
	NR_PATHS
};

static const struct {
	const char *p50, *p99, *p999, *ratio;
} path_names[] = {
	[REGISTER] = { "register_p50", "register_p99", "register_p999",
		       "register_ratio" },
	[TRIP] = { "roundtrip_p50", "roundtrip_p99", "roundtrip_p999",
		   "roundtrip_ratio" },
};

struct waits {
	struct scale_load one, many;
	uint64_t *ns[NR_PATHS][NR_LOADS]; /* owned: of all rounds */
	double ratio[NR_PATHS][NR_LOADS][SCALE_ROUNDS_MAX];
};

static unsigned int samples(const struct scale_run *run, enum path path)
{
	return path == TRIP ? run->plan->trips : run->plan->reads;
}

/* @load of both paths in round @i. */
static int measure_load(struct scale_run *run, struct waits *w, enum load load,
			unsigned int i)
{
	struct scale_load *l = load == ALONE ? &w->one : &w->many;
	int err = 0;

	scale_service_hold(&w->one.service, load != ALONE);
	scale_service_hold(&w->many.service, load == ALONE);
	for (unsigned int p = 0; p < NR_PATHS && !err; p++) {
		const unsigned int n = samples(run, (enum path)p);
		uint64_t *ns = w->ns[p][load] + (size_t)i * n;

		err = scale_latency(l, p == TRIP, load == BUSY, ns, n);
		bench_sort(ns, n);
		w->ratio[p][load][i] = (double)bench_part(ns, n, 50);
	}
	return err;
}

static int measure(struct scale_run *run, struct waits *w)
{
	const unsigned int rounds = run->plan->wait_rounds;
	int err = 0;

	for (unsigned int i = 0; i < rounds && !err; i++) {
		err = measure_load(run, w, ALONE, i);
		if (!err)
			err = measure_load(run, w, IDLE, i);
	}
	for (unsigned int i = 0; i < rounds && !err; i++)
		err = measure_load(run, w, BUSY, i);
	for (unsigned int i = 0; i < rounds && !err; i++)
		for (unsigned int p = 0; p < NR_PATHS; p++) {
			w->ratio[p][IDLE][i] /= w->ratio[p][ALONE][i];
			w->ratio[p][BUSY][i] /= w->ratio[p][ALONE][i];
		}
	return err;
}

static void report_ratio(struct scale_run *run, struct waits *w, enum path path,
			 enum load load)
{
	const struct scale_size *z = run->report.size;
	const unsigned int rounds = run->plan->wait_rounds;
	const bool judged =
		load == IDLE && z->functions >= SCALE_MANY && z->machines == 1;
	const struct scale_figure f = {
		.metric = path_names[path].ratio,
		.unit = "ratio",
		.what = load_names[load],
		.value = scale_median(w->ratio[path][load], rounds),
		.bound = judged ? IDLE_BOUND : 0,
		.rounds = rounds,
		.kicks = path == TRIP,
	};

	scale_report_add(&run->report, &f);
}

static void report(struct scale_run *run, struct waits *w, enum path path,
		   enum load load)
{
	const unsigned int rounds = run->plan->wait_rounds;
	const size_t n = (size_t)rounds * samples(run, path);
	const size_t last = (n - 1) * 999 / 1000;
	uint64_t *ns = w->ns[path][load];
	struct scale_figure f = {
		.unit = "ns",
		.what = load_names[load],
		.rounds = rounds,
		.kicks = path == TRIP,
	};

	bench_sort(ns, n);
	f.metric = path_names[path].p50;
	f.value = (double)bench_part(ns, n, 50);
	scale_report_add(&run->report, &f);
	f.metric = path_names[path].p99;
	f.value = (double)bench_part(ns, n, 99);
	scale_report_add(&run->report, &f);
	f.metric = path_names[path].p999;
	f.value = (double)ns[last];
	scale_report_add(&run->report, &f);
	if (load != ALONE)
		report_ratio(run, w, path, load);
}

static int allocate(const struct scale_run *run, struct waits *w)
{
	for (unsigned int p = 0; p < NR_PATHS; p++)
		for (unsigned int load = 0; load < NR_LOADS; load++) {
			w->ns[p][load] = calloc(run->plan->wait_rounds,
						samples(run, (enum path)p) *
							sizeof(uint64_t));
			if (!w->ns[p][load])
				return -ENOMEM;
		}
	return 0;
}

static void waits_free(struct waits *w)
{
	scale_load_close(&w->one);
	scale_load_close(&w->many);
	for (unsigned int p = 0; p < NR_PATHS; p++)
		for (unsigned int load = 0; load < NR_LOADS; load++)
			free(w->ns[p][load]);
	free(w);
}

static int open_both(struct scale_run *run, struct waits *w,
		     const struct scale_size *alone,
		     const struct scale_size *size)
{
	int err = allocate(run, w);

	if (!err)
		err = scale_load_ready(&w->one, &run->cpus, alone, 1);
	if (err)
		return err;
	scale_service_hold(&w->one.service, true);
	return scale_load_ready(&w->many, &run->cpus, size, 1);
}

int scale_measure_waits(struct scale_run *run, const struct scale_size *size,
			const char *backend)
{
	struct scale_size alone = *size;
	struct waits *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	alone.functions = alone.machines = 1;
	scale_report_step(&run->report, "latency", size, backend);
	err = open_both(run, w, &alone, size);
	if (!err)
		err = measure(run, w);
	for (unsigned int load = 0; load < NR_LOADS && !err; load++) {
		const bool is_one = load == ALONE;

		run->report.size = is_one ? &alone : size;
		scale_report_of(&run->report, is_one ? &w->one : &w->many);
		for (unsigned int p = 0; p < NR_PATHS; p++)
			report(run, w, (enum path)p, (enum load)load);
	}
	waits_free(w);
	return err;
}
