/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One service with up to thousands of functions of up to 64 machines: what it
 * serves, how long one of them waits among the others, what each of them costs,
 * and who gets how much.
 *
 * How: a load generator, which is this process, drives a pciringd of this build
 * over its rings, as a VMM does that forwards exits.  Figures are medians of
 * rounds; quantiles are of all samples of all rounds.  Bounds are judged in the
 * full form only.
 */
#include "bench/scale.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/child.h"

/* Functions and machines; the last has no functions. */
struct pair {
	unsigned int functions, machines;
};

struct sizes {
	struct scale_plan plan;
	struct pair rates[24], costs[8], waits[8], shares[8];
};

static const struct sizes full = {
	.plan = { .rate_ms = 60,
		  .rate_rounds = 3,
		  .cost_rounds = 3,
		  .wait_rounds = 15,
		  .reads = 2000,
		  .trips = 1000,
		  .share_ms = 100,
		  .share_rounds = 5 },
	.rates = { { 1, 1 },
		   { 8, 1 },
		   { 8, 4 },
		   { 64, 1 },
		   { 64, 4 },
		   { 64, 16 },
		   { 64, 64 },
		   { 256, 1 },
		   { 256, 16 },
		   { 256, 64 },
		   { 1024, 1 },
		   { 1024, 16 },
		   { 1024, 64 },
		   { 4096, 1 },
		   { 4096, 4 },
		   { 4096, 16 },
		   { 4096, 64 } },
	.costs = { { 1, 1 },
		   { 64, 1 },
		   { 1024, 1 },
		   { 4096, 1 },
		   { 4096, 16 },
		   { 4096, 64 } },
	.waits = { { 64, 1 }, { 1024, 1 }, { 4096, 1 }, { 4096, 64 } },
	.shares = { { 16, 4 }, { 64, 16 }, { 64, 64 }, { 1024, 16 } },
};

static const struct sizes quick = {
	.plan = { .rate_ms = 10,
		  .rate_rounds = 1,
		  .cost_rounds = 1,
		  .wait_rounds = 3,
		  .reads = 1000,
		  .trips = 300,
		  .share_ms = 20,
		  .share_rounds = 3 },
	.rates = { { 1, 1 }, { 64, 4 } },
	.costs = { { 4096, 16 } },
	.waits = { { 64, 1 } },
	.shares = { { 64, 16 } },
};

double scale_median(double *values, unsigned int n)
{
	for (unsigned int i = 1; i < n; i++)
		for (unsigned int k = i; k && values[k] < values[k - 1]; k--) {
			double v = values[k];

			values[k] = values[k - 1];
			values[k - 1] = v;
		}
	return values[n / 2];
}

/* ---- Backends ---------------------------------------------------------- */

static const struct backend {
	const char *name, *device, *options;
} backends[] = {
	{ "null", "blk", "{\"backend\":\"null\",\"size\":\"64K\"}" },
	{ "ram", "blk", "{\"backend\":\"ram\",\"size\":\"64K\"}" },
};

static struct scale_size size_of(const struct pair *p, const struct backend *b)
{
	return (struct scale_size){
		.functions = p->functions,
		.machines = p->machines,
		.device = b->device,
		.options = b->options,
	};
}

/* ---- All of it --------------------------------------------------------- */

static int all_rates(struct scale_run *run, const struct sizes *s)
{
	int err = 0;

	for (unsigned int loops = 1; loops <= SCALE_LOOPS_MAX; loops++)
		for (size_t b = 0; b < sizeof(backends) / sizeof(*backends);
		     b++)
			for (const struct pair *p = s->rates;
			     p->functions && !err; p++) {
				struct scale_size z = size_of(p, &backends[b]);

				/* A machine belongs to one loop. */
				if (p->machines < loops)
					continue;
				err = scale_measure_rates(
					run, &z, backends[b].name, loops);
			}
	return err;
}

static int all_shares(struct scale_run *run, const struct sizes *s)
{
	int err = 0;

	for (unsigned int loops = 1; loops <= SCALE_LOOPS_MAX; loops++)
		for (const struct pair *p = s->shares; p->functions && !err;
		     p++) {
			struct scale_size z = size_of(p, backends);

			err = scale_measure_shares(run, &z, backends->name,
						   loops);
		}
	return err;
}

static int all(struct scale_run *run, const struct sizes *s)
{
	const struct pair *p;
	struct scale_size z;
	int err = 0;

	for (p = s->costs; p->functions && !err; p++) {
		z = size_of(p, backends);
		err = scale_measure_costs(run, &z, backends->name);
	}
	for (p = s->waits; p->functions && !err; p++) {
		z = size_of(p, backends);
		err = scale_measure_waits(run, &z, backends->name);
	}
	if (!err)
		err = all_rates(run, s);
	return err ? err : all_shares(run, s);
}

static unsigned int count(const struct pair *p, unsigned int loops)
{
	unsigned int n = 0;

	for (; p->functions; p++)
		n += p->machines >= loops;
	return n;
}

static unsigned int steps(const struct sizes *s)
{
	unsigned int n = count(s->costs, 1) + count(s->waits, 1);

	for (unsigned int loops = 1; loops <= SCALE_LOOPS_MAX; loops++)
		n += 2 * count(s->rates, loops) + count(s->shares, 1);
	return n;
}

/* ---- Options ----------------------------------------------------------- */

static bool number(const char *text, unsigned int most, unsigned int *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || text[0] == '-' || !n || n > most)
		return false;
	*out = (unsigned int)n;
	return true;
}

static bool parse(char **args, struct pair *own)
{
	for (; *args; args += 2) {
		const char *name = args[0];

		if (args[1] && !strcmp(name, "--functions") &&
		    number(args[1], SCALE_MANY, &own->functions))
			continue;
		if (args[1] && !strcmp(name, "--machines") &&
		    number(args[1], SCALE_MACHINES_MAX, &own->machines))
			continue;
		return false;
	}
	return true;
}

/* One pair for everything, if there is one. */
static void choose(struct sizes *s, struct pair own)
{
	if (!own.functions && !own.machines)
		return;
	if (!own.machines)
		own.machines = 1;
	if (own.functions < own.machines)
		own.functions = own.machines;
	memset(s->rates, 0, sizeof(s->rates));
	memset(s->costs, 0, sizeof(s->costs));
	memset(s->waits, 0, sizeof(s->waits));
	memset(s->shares, 0, sizeof(s->shares));
	s->rates[0] = s->costs[0] = s->waits[0] = own;
	/* A flooder needs others. */
	if (own.machines > 2)
		s->shares[0] = own;
}

/* ---- The measurement --------------------------------------------------- */

struct whole {
	struct scale_run run;
	struct sizes sizes;
};

static int run_all(void *arg)
{
	struct whole *w = arg;

	return all(&w->run, &w->sizes);
}

int bench_scale(const struct bench_options *o)
{
	struct whole w = { .sizes = o->quick ? quick : full };
	struct pair own = { 0, 0 };
	int err;

	if (!parse(o->args, &own)) {
		fprintf(stderr,
			"scale: has the options --functions 1 to %d and "
			"--machines 1 to %d\n",
			SCALE_MANY, SCALE_MACHINES_MAX);
		return 2;
	}
	choose(&w.sizes, own);
	w.run.plan = &w.sizes.plan;
	scale_cpus_find(&w.run.cpus);
	if (w.run.cpus.nr < 2) {
		fprintf(stderr, "scale: needs two CPUs\n");
		return 2;
	}
	scale_report_init(&w.run.report, o, steps(&w.sizes));
	err = child_guard(run_all, &w);
	if (err) {
		fprintf(stderr, "scale: %s\n", strerror(-err));
		return 2;
	}
	return scale_report_end(&w.run.report) && !o->quick;
}
