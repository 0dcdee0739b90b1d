/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an access costs from libpciring through the channel and a machine's turn
 * and back, and a message one way, beside their rivals and in units of the bare
 * cache-line ping-pong.
 *
 * How: a case is measured in blocks, one a round, all cases after one another
 * in each round.  Before and after a block the ping-pong is measured with the
 * same pauses; a block's ratio is its median through that of its two probes,
 * and the case's ratio the median of the rounds'.  Quantiles are of all samples
 * of all rounds.  A sample is taken by the cycle counter; what reading that
 * takes is measured each round likewise, and its median subtracted from both.
 *
 * A message one way has no latency of its own here: a block lets many pass, and
 * its sample is the time for one of them; few enough that most blocks are over
 * before another program gets the core.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/ring_case.h"
#include "bench/ring_report.h"
#include "bench/ring_rig.h"

#define ROUNDS	     60u
#define QUICK_ROUNDS 3u
#define BLOCK	     1000u
#define QUICK_BLOCK  200u
#define WARM_UP	     20u
#define MESSAGES     20000u
#define MAX_PROBE_NS 8000u /* a probe's pauses are no longer */

struct series {
	struct ring_case what;
	uint64_t *took;	 /* ticks, or 1/1000 of them for messages */
	unsigned int nr; /* of them */
	double ratio[ROUNDS], probe[ROUNDS];
};

struct run {
	const struct bench_options *options;
	struct ring_rig rig;
	struct series *series;
	unsigned int nr_series, rounds, block;
	double ns_per_tick;
	uint64_t clock; /* ticks that looking takes */
	uint64_t seed;
	uint64_t probe[2 * BLOCK];
};

/* ---- One block ------------------------------------------------------------- */

static uint64_t any(struct run *run)
{
	run->seed ^= run->seed << 13;
	run->seed ^= run->seed >> 7;
	run->seed ^= run->seed << 17;
	return run->seed;
}

static void pause_between(struct run *run, unsigned int min, unsigned int max)
{
	if (max)
		ring_rig_pause(
			&run->rig,
			min + (unsigned int)(any(run) % (max - min + 1)));
}

static uint64_t net(const struct run *run, uint64_t ticks)
{
	return ticks > run->clock ? ticks - run->clock : 0;
}

/* @n samples of @way, each after a pause and on any lane. */
static void ask(struct run *run, const struct ring_way *way, unsigned int lanes,
		unsigned int min, unsigned int max, uint64_t *took,
		unsigned int n)
{
	for (unsigned int i = 0; i < WARM_UP + n; i++) {
		unsigned int lane = (unsigned int)(any(run) % lanes);
		uint64_t begin;

		pause_between(run, min, max);
		begin = bench_ticks();
		way->ask(&run->rig, lane);
		begin = bench_ticks() - begin;
		if (i >= WARM_UP)
			took[i - WARM_UP] = net(run, begin);
	}
}

/* On a line that the case uses, or on any. */
static int probe(struct run *run, const struct ring_case *c, unsigned int round,
		 uint64_t *took)
{
	bool same = c->way == &ring_access || c->way == &ring_pingpong;
	unsigned int vm = same ? c->vm : RIG_LANES - 1;
	const struct ring_task task = {
		.way = &ring_pingpong,
		.vm = vm,
		.lane = round % ring_rig_lanes[vm % RIG_LANES],
	};
	unsigned int max = RTE_MIN(c->gap_max, MAX_PROBE_NS);
	unsigned int min = RTE_MIN(c->gap_min, max);
	int err = ring_rig_begin(&run->rig, &task);

	if (!err)
		ask(run, task.way, 1, min, max, took, run->block / 2);
	return err;
}

static void pass(struct run *run, const struct ring_case *c, uint64_t *took)
{
	const unsigned int n = MESSAGES;
	uint64_t begin;

	c->way->pass(&run->rig, n / 10);
	begin = bench_ticks();
	c->way->pass(&run->rig, n);
	*took = (bench_ticks() - begin) * 1000 / n;
}

static int measure(struct run *run, struct series *s, unsigned int round)
{
	const struct ring_case *c = &s->what;
	const struct ring_task task = {
		.way = c->way,
		.vm = c->vm,
		.lane = round % c->vcpus,
		.pace_ns = c->pace_ns,
	};
	unsigned int n = c->way->pass ? 1 : run->block / c->rarer;
	int err = ring_rig_begin(&run->rig, &task);

	if (err)
		return err;
	run->rig.vm->client->spin_ns = c->spin_ns;
	run->rig.vm->client->ch.polled = !c->way->rouse;
	if (c->way->pass)
		pass(run, c, s->took + s->nr);
	else
		ask(run, c->way, c->vcpus, c->gap_min, c->gap_max,
		    s->took + s->nr, n);
	s->nr += n;
	return 0;
}

/* The block's samples are not sorted in place: quantiles are of all. */
static double median(const uint64_t *took, unsigned int n)
{
	static uint64_t sorted[BLOCK];

	memcpy(sorted, took, n * sizeof(*took));
	bench_sort(sorted, n);
	return (double)bench_part(sorted, n, 50);
}

static int measure_block(struct run *run, struct series *s, unsigned int round)
{
	unsigned int half = run->block / 2, before = s->nr;
	double mid, unit = s->what.way->pass ? 1000 : 1;
	int err = probe(run, &s->what, round, run->probe);

	if (!err)
		err = measure(run, s, round);
	if (!err)
		err = probe(run, &s->what, round, run->probe + half);
	if (err)
		return err;
	mid = median(run->probe, 2 * half);
	s->probe[round] = mid;
	s->ratio[round] = median(s->took + before, s->nr - before) / unit / mid;
	return 0;
}

static void measure_clock(struct run *run)
{
	for (unsigned int i = 0; i < run->block; i++) {
		run->probe[i] = bench_ticks();
		run->probe[i] = bench_ticks() - run->probe[i];
	}
	run->clock = (uint64_t)median(run->probe, run->block);
}

static int measure_all(struct run *run)
{
	int err = 0;

	for (unsigned int round = 0; round < run->rounds && !err; round++) {
		measure_clock(run);
		for (unsigned int i = 0; i < run->nr_series && !err; i++)
			err = measure_block(run, &run->series[i], round);
	}
	return err;
}

/* ---- Figures ------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double middle(double *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

static void figure(const struct run *run, struct series *s,
		   struct ring_figure *f)
{
	bool one_way = s->what.way->pass != NULL;
	double ns = run->ns_per_tick / (one_way ? 1000 : 1);
	size_t last = (size_t)(s->nr - 1) * 999 / 1000;

	bench_sort(s->took, s->nr);
	*f = (struct ring_figure){
		.what = &s->what,
		.samples = s->nr,
		.p50 = ns * (double)bench_part(s->took, s->nr, 50),
		.p99 = ns * (double)bench_part(s->took, s->nr, 99),
		.p999 = ns * (double)s->took[last],
		.ratio = middle(s->ratio, run->rounds),
		.probe = run->ns_per_tick * middle(s->probe, run->rounds),
	};
	f->mmsg_s = one_way ? 1e3 / f->p50 : 0;
}

static int allocate(struct run *run)
{
	run->series = calloc(RING_CASES_MAX, sizeof(*run->series));
	if (!run->series)
		return -ENOMEM;
	for (; ring_case_get(run->nr_series, &run->series[run->nr_series].what);
	     run->nr_series++) {
		struct series *s = &run->series[run->nr_series];

		s->took = calloc((size_t)ROUNDS * BLOCK, sizeof(*s->took));
		if (!s->took)
			return -ENOMEM;
	}
	return 0;
}

static void run_free(struct run *run)
{
	for (unsigned int i = 0; run->series && i < run->nr_series; i++)
		free(run->series[i].took);
	free(run->series);
	free(run);
}

/* Measure at one placement and tell. */
static int run_at(struct ring_report *report, const struct bench_options *o,
		  const struct placement *at)
{
	struct run *run = calloc(1, sizeof(*run));
	struct ring_figure f;
	int err;

	if (!run)
		return -ENOMEM;
	run->options = o;
	run->rounds = o->quick ? QUICK_ROUNDS : ROUNDS;
	run->block = o->quick ? QUICK_BLOCK : BLOCK;
	run->seed = 88172645463325252ull;
	run->ns_per_tick = bench_ns_per_tick();
	err = allocate(run);
	if (!err)
		err = ring_rig_open(&run->rig, at);
	if (!err) {
		err = measure_all(run);
		ring_rig_close(&run->rig);
	}
	ring_report_begin(report, at);
	for (unsigned int i = 0; i < run->nr_series && !err; i++) {
		figure(run, &run->series[i], &f);
		ring_report_add(report, &f);
	}
	run_free(run);
	return err;
}

int bench_ring(const struct bench_options *o)
{
	struct placement at[NR_PLACEMENTS];
	unsigned int n = placement_find(at);
	struct ring_report report;
	int err = 0;

	if (!n) {
		fprintf(stderr, "ring: needs two CPUs\n");
		return 2;
	}
	ring_report_init(&report, o, at, n);
	for (unsigned int i = 0; i < n && !err; i++)
		err = run_at(&report, o, &at[i]);
	if (err) {
		fprintf(stderr, "ring: %s\n", strerror(-err));
		return 2;
	}
	return ring_report_end(&report) && !o->quick;
}
