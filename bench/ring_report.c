/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/ring_report.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void ring_report_init(struct ring_report *r, const struct bench_options *o,
		      const struct placement *places, unsigned int n)
{
	*r = (struct ring_report){
		.options = o,
		.places = places,
		.nr_places = n,
	};
	bench_cpu_name(r->cpu, sizeof(r->cpu));
}

static void print_places(const struct ring_report *r)
{
	bool has[NR_PLACEMENTS] = { false };

	for (unsigned int i = 0; i < r->nr_places; i++)
		has[r->places[i].kind] = true;
	printf("cache placements:");
	for (int i = 0; i < NR_PLACEMENTS; i++)
		printf(" %s%s%s", placement_name[i],
		       has[i] ? "" : " (not on this machine)",
		       i < NR_PLACEMENTS - 1 ? "," : "\n");
}

void ring_report_begin(struct ring_report *r, const struct placement *at)
{
	r->at = at;
	if (r->options->json)
		return;
	printf("client on CPU %d, service on CPU %d: %s; %s; pages of %ld"
	       " bytes\n",
	       at->cpu[0], at->cpu[1], placement_name[at->kind], r->cpu,
	       sysconf(_SC_PAGESIZE));
	print_places(r);
	printf("\n%-8s %-14s %-5s %9s %5s %8s %8s %8s %7s %6s %6s\n", "path",
	       "what", "wait", "gap us", "vCPUs", "p50 ns", "p99", "p99.9",
	       "ratio", "bound", "M/s");
}

static void print_json(const struct ring_report *r, const struct ring_figure *f)
{
	const struct ring_case *c = f->what;

	printf("{\"bench\":\"ring\",\"path\":\"%s\",\"what\":\"%s\","
	       "\"wait\":\"%s\",\"gap_us\":%.3f,\"gap_min_us\":%.3f,"
	       "\"gap_max_us\":%.3f,\"vcpus\":%u,\"pace_ns\":%u,",
	       c->path, c->what, c->wait, (c->gap_min + c->gap_max) / 2e3,
	       c->gap_min / 1e3, c->gap_max / 1e3, c->vcpus, c->pace_ns);
	printf("\"p50_ns\":%.1f,\"p99_ns\":%.1f,\"p999_ns\":%.1f,"
	       "\"ratio\":%.3f,\"probe_ns\":%.1f,\"mmsg_s\":%.2f,"
	       "\"samples\":%u,",
	       f->p50, f->p99, f->p999, f->ratio, f->probe, f->mmsg_s,
	       f->samples);
	if (c->bound > 0)
		printf("\"bound\":%.2f,", c->bound);
	printf("\"placement\":\"%s\",\"placements\":[",
	       placement_name[r->at->kind]);
	for (unsigned int i = 0; i < r->nr_places; i++)
		printf("%s\"%s\"", i ? "," : "",
		       placement_name[r->places[i].kind]);
	printf("],\"cpus\":[%d,%d],\"page_bytes\":%ld,\"cpu\":\"%s\"}\n",
	       r->at->cpu[0], r->at->cpu[1], sysconf(_SC_PAGESIZE), r->cpu);
}

static void print_row(const struct ring_figure *f)
{
	const struct ring_case *c = f->what;
	char gap[16] = "", bound[8] = "", rate[16] = "";

	if (!c->way->pass && c->gap_min < c->gap_max)
		snprintf(gap, sizeof(gap), "%.1f-%.1f", c->gap_min / 1e3,
			 c->gap_max / 1e3);
	else if (!c->way->pass)
		snprintf(gap, sizeof(gap), "%.0f", c->gap_min / 1e3);
	else
		snprintf(gap, sizeof(gap), "pace %.1f", c->pace_ns / 1e3);
	if (c->bound > 0)
		snprintf(bound, sizeof(bound), "%.2f", c->bound);
	if (c->way->pass)
		snprintf(rate, sizeof(rate), "%.1f", f->mmsg_s);
	printf("%-8s %-14s %-5s %9s %5u %8.1f %8.1f %8.1f %7.2f %6s %6s\n",
	       c->path, c->what, c->wait, gap, c->vcpus, f->p50, f->p99,
	       f->p999, f->ratio, bound, rate);
}

static void remember_rate(struct ring_report *r, const struct ring_figure *f)
{
	for (unsigned int i = 0; i < RING_REPORT_RATES; i++) {
		if (r->rate[i].path && strcmp(r->rate[i].path, f->what->path))
			continue;
		r->rate[i].path = f->what->path;
		r->rate[i].minimum = f->what->minimum;
		r->rate[i].best = RTE_MAX(r->rate[i].best, f->mmsg_s);
		return;
	}
}

void ring_report_add(struct ring_report *r, const struct ring_figure *f)
{
	const struct ring_case *c = f->what;

	if (r->options->json)
		print_json(r, f);
	else
		print_row(f);
	/* Two threads of one core that spin take turns: no bound of ours. */
	if (c->bound > 0 && f->ratio > c->bound &&
	    r->at->kind != PLACEMENT_CORE)
		r->missed++;
	if (c->minimum > 0)
		remember_rate(r, f);
}

unsigned int ring_report_end(struct ring_report *r)
{
	bool people = !r->options->json;

	if (people)
		printf("\n");
	for (unsigned int i = 0; i < RING_REPORT_RATES; i++) {
		if (!r->rate[i].path)
			continue;
		r->missed += r->rate[i].best < r->rate[i].minimum;
		if (people)
			printf("%s: at best %.1f M/s (at least %.0f wanted)\n",
			       r->rate[i].path, r->rate[i].best,
			       r->rate[i].minimum);
	}
	if (people)
		printf("a ratio is to the ping-pong of the same rounds; pace is"
		       " how long the consumer\nlooks away each time;"
		       " %u bound%s not kept%s\n",
		       r->missed, r->missed == 1 ? " was" : "s were",
		       r->options->quick ? " (not judged: --quick)" : "");
	return r->missed;
}
