/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/scale_report.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void scale_report_init(struct scale_report *r, const struct bench_options *o,
		       unsigned int steps)
{
	*r = (struct scale_report){
		.options = o,
		.tty = isatty(STDERR_FILENO),
		.begin = bench_now(),
		.steps = steps,
	};
	bench_cpu_name(r->cpu, sizeof(r->cpu));
	if (o->json)
		return;
	printf("one pciringd, one load generator; %s; %ld CPUs\n", r->cpu,
	       sysconf(_SC_NPROCESSORS_ONLN));
	printf("\n%9s %8s %5s %-7s %-18s %-6s %14s %s\n", "functions",
	       "machines", "loops", "backend", "metric", "load", "value",
	       "unit");
}

static void clear_line(const struct scale_report *r)
{
	if (r->tty)
		fprintf(stderr, "\r\033[K");
}

void scale_report_step(struct scale_report *r, const char *what,
		       const struct scale_size *size, const char *backend)
{
	r->size = size;
	r->backend = backend;
	clear_line(r);
	if (r->tty)
		fprintf(stderr,
			"scale: %u of %u, %.0f s: %s, %u functions, %u "
			"machines, %s",
			r->done + 1, r->steps,
			(double)(bench_now() - r->begin) / 1e9, what,
			size->functions, size->machines, backend);
	r->done++;
}

void scale_report_of(struct scale_report *r, const struct scale_load *l)
{
	r->loops = l->service.loops;
	r->shared = l->service.shared;
	r->lanes = l->lanes;
	r->posted = scale_postable(l);
}

static void print_json(const struct scale_report *r,
		       const struct scale_figure *f)
{
	printf("{\"bench\":\"scale\",\"functions\":%u,\"machines\":%u,"
	       "\"metric\":\"%s\",\"value\":%.6g,\"unit\":\"%s\","
	       "\"what\":\"%s\",\"backend\":\"%s\",\"loops\":%u,",
	       r->size->functions, r->size->machines, f->metric, f->value,
	       f->unit, f->what ? f->what : "", r->backend, r->loops);
	if (f->bound > 0)
		printf("\"bound\":%.6g,", f->bound);
	if (f->kicks)
		printf("\"posted\":%s,", r->posted ? "true" : "false");
	printf("\"lanes\":%u,\"shared_cpu\":%s,\"rounds\":%u,\"cpu\":\"%s\"}\n",
	       r->lanes, r->shared ? "true" : "false", f->rounds, r->cpu);
}

static void print_row(const struct scale_report *r,
		      const struct scale_figure *f)
{
	printf("%9u %8u %5u %-7s %-18s %-6s %14.*f %s", r->size->functions,
	       r->size->machines, r->loops, r->backend, f->metric,
	       f->what ? f->what : "", f->value < 100 ? 3 : 0, f->value,
	       f->unit);
	if (f->bound > 0)
		printf(" (bound %.6g%s)", f->bound,
		       f->value > f->bound ? ": MISSED" : "");
	if (f->kicks && !r->posted)
		printf(" (kicks wait)");
	printf("%s\n", r->shared ? " (shared CPU)" : "");
}

void scale_report_add(struct scale_report *r, const struct scale_figure *f)
{
	clear_line(r);
	if (r->options->json)
		print_json(r, f);
	else
		print_row(r, f);
	fflush(stdout);
	if (f->bound > 0 && f->value > f->bound)
		r->missed++;
}

unsigned int scale_report_end(struct scale_report *r)
{
	clear_line(r);
	if (!r->options->json)
		printf("\nshared CPU: the generator and a loop have one CPU;"
		       " kicks wait: not all doorbells\ncould be posted, the "
		       "others are accesses that wait; %u bound%s not kept%s\n",
		       r->missed, r->missed == 1 ? " was" : "s were",
		       r->options->quick ? " (not judged: --quick)" : "");
	return r->missed;
}
