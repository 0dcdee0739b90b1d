/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: rounds are sorted by where the cores were, and a figure is made of each
 * kind of which there are enough; ratios are made within a round.
 */
#include "bench/blk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENOUGH	       4 /* rounds */
#define RATIO_BOUND    5.0
/* What we want of SPDK's vfio-user virtio-blk with its own initiator, 512 byte
 * reads from RAM: medians, a million a second, on a comparable machine. */
#define TIMES_RIVAL    1.5
#define RIVAL_CLOSE_1  1.27e6
#define RIVAL_CLOSE_32 2.59e6
#define RIVAL_APART_1  0.55e6
#define RIVAL_APART_32 2.26e6

static const char *const place_name[] = {
	[BLK_CLOSE] = "close",
	[BLK_APART] = "apart",
	[BLK_MIXED] = "mixed",
};

struct figure {
	enum blk_place place;
	unsigned int rounds;
	double ns, ns_p99, cpu_ns, pingpong_ns, ratio, kicks;
	double stage[NR_BLK_STAGES];
	double bound, least_iops; /* 0: there is none */
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct column {
	double v[BLK_ROUNDS_MAX];
	unsigned int n;
};

static void put(struct column *c, double value)
{
	c->v[c->n++] = value;
}

static double part(struct column *c, unsigned int percent)
{
	qsort(c->v, c->n, sizeof(c->v[0]), compare);
	return c->v[(c->n * percent + 99) / 100 - 1];
}

static unsigned int rounds_at(const struct blk_series *s, enum blk_place place)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->nr; i++)
		n += s->round[i].place == place;
	return n;
}

static void bounds(const struct blk_case *c, struct figure *f)
{
	const bool close = f->place == BLK_CLOSE;

	f->bound = f->least_iops = 0;
	if (c->size != 512 || c->write || c->indirect || c->same ||
	    f->place == BLK_MIXED || !strcmp(c->backend, "file"))
		return;
	if (c->depth == 1)
		f->bound = RATIO_BOUND;
	if (strcmp(c->backend, "ram") != 0)
		return;
	if (c->depth == 1)
		f->least_iops =
			TIMES_RIVAL * (close ? RIVAL_CLOSE_1 : RIVAL_APART_1);
	else if (c->depth == BLK_DEPTH_MAX)
		f->least_iops =
			TIMES_RIVAL * (close ? RIVAL_CLOSE_32 : RIVAL_APART_32);
}

static void make_figure(const struct blk_series *s, enum blk_place place,
			struct figure *f)
{
	struct column ns = { .n = 0 }, cpu = ns, pp = ns, ratio = ns,
		      kicks = ns, stage[NR_BLK_STAGES] = { { .n = 0 } };

	for (unsigned int i = 0; i < s->nr; i++) {
		const struct blk_round *r = &s->round[i];

		if (r->place != place)
			continue;
		put(&ns, r->ns);
		put(&cpu, r->cpu_ns);
		put(&pp, r->pingpong_ns);
		put(&ratio, r->ns / r->pingpong_ns);
		put(&kicks, r->kicks);
		for (unsigned int k = 0; k < NR_BLK_STAGES; k++)
			put(&stage[k], r->stage[k]);
	}
	*f = (struct figure){ .place = place,
			      .rounds = ns.n,
			      .ns = part(&ns, 50),
			      .ns_p99 = part(&ns, 99),
			      .cpu_ns = part(&cpu, 50),
			      .pingpong_ns = part(&pp, 50),
			      .ratio = part(&ratio, 50),
			      .kicks = part(&kicks, 50) };
	for (unsigned int k = 0; k < NR_BLK_STAGES; k++)
		f->stage[k] = part(&stage[k], 50);
	bounds(&s->what, f);
}

/* ---- Printing ---------------------------------------------------------- */

static const char *among(const struct blk_case *c)
{
	if (c->same)
		return "one sector";
	return c->huge ? "disk, huge pages" : "disk";
}

static void print_json(const struct blk_series *s, const struct figure *f,
		       const char *cpu)
{
	const struct blk_case *c = &s->what;

	printf("{\"bench\":\"blk\",\"backend\":\"%s\",\"ring\":\"%s\","
	       "\"size\":%u,\"depth\":%u,\"op\":\"%s\",\"chain\":\"%s\","
	       "\"among\":\"%s\",\"order\":\"%s\",\"iops\":%.0f,\"ns\":%.1f,"
	       "\"ns_p99\":%.1f,"
	       "\"cpu_ns\":%.1f,"
	       "\"pingpong_ns\":%.1f,\"ratio\":%.3f,\"kicks\":%.4f,",
	       c->backend, c->packed ? "packed" : "split", c->size, c->depth,
	       c->write ? "write" : "read", c->indirect ? "indirect" : "direct",
	       among(c), s->in_order ? "in" : "any", 1e9 / f->ns, f->ns,
	       f->ns_p99, f->cpu_ns, f->pingpong_ns, f->ratio, f->kicks);
	if (c->depth == 1)
		for (unsigned int k = 0; k < NR_BLK_STAGES; k++)
			printf("\"%s_ns\":%.1f,", blk_stage_name[k],
			       f->stage[k]);
	if (f->bound > 0)
		printf("\"bound\":%.2f,", f->bound);
	if (f->least_iops > 0)
		printf("\"least_iops\":%.0f,", f->least_iops);
	printf("\"placement\":\"%s\",\"rounds\":%u,\"cpu\":\"%s\"}\n",
	       place_name[f->place], f->rounds, cpu);
}

static void print_row(const struct blk_case *c, const struct figure *f)
{
	printf("%-7s %-6s %-8s %-5s %5u %5u %-5s %3u %8.0f %8.1f %8.1f %7.1f "
	       "%7.1f %6.2f",
	       c->backend, c->packed ? "packed" : "split",
	       c->indirect ? "indirect" : "direct",
	       c->write	 ? "write"
	       : c->same ? "same"
	       : c->huge ? "huge"
			 : "read",
	       c->size, c->depth, place_name[f->place], f->rounds, 1e6 / f->ns,
	       f->ns, f->ns_p99, f->cpu_ns, f->pingpong_ns, f->ratio);
	if (c->depth == 1)
		for (unsigned int k = 0; k < NR_BLK_STAGES; k++)
			printf(" %5.0f", f->stage[k]);
	if (f->bound > 0 && f->ratio > f->bound)
		printf(" (over %.0f ping-pongs)", f->bound);
	if (f->least_iops > 1e9 / f->ns)
		printf(" (wanted: %.0f k/s)", f->least_iops / 1e3);
	printf("\n");
}

void blk_report_begin(const struct bench_options *o, const char *cpu)
{
	if (o->json)
		return;
	printf("virtio-blk, one service core, one driver core; %s\n\n", cpu);
	printf("%-7s %-6s %-8s %-5s %5s %5s %-5s %3s %8s %8s %8s %7s %7s %6s",
	       "backend", "ring", "chain", "op", "size", "depth", "cores", "n",
	       "k IOPS", "ns", "p99", "cpu ns", "ping", "ratio");
	for (unsigned int k = 0; k < NR_BLK_STAGES; k++)
		printf(" %5s", blk_stage_name[k]);
	printf("\n");
}

unsigned int blk_report(const struct bench_options *o,
			const struct blk_series *s, const char *cpu)
{
	unsigned int missed = 0, shown = 0;
	struct figure f;

	for (int p = BLK_CLOSE; p <= BLK_MIXED; p++) {
		const unsigned int n = rounds_at(s, (enum blk_place)p);
		const bool enough =
			p != BLK_MIXED &&
			n >= (s->nr < 2 * ENOUGH ? (s->nr + 1) / 2 : ENOUGH);

		/* A figure there is, even if the cores never stood still. */
		if (!enough && (p != BLK_MIXED || shown || !n))
			continue;
		make_figure(s, (enum blk_place)p, &f);
		if (o->json)
			print_json(s, &f, cpu);
		else
			print_row(&s->what, &f);
		missed += f.bound > 0 && f.ratio > f.bound;
		missed += f.least_iops > 1e9 / f.ns;
		shown++;
	}
	return missed;
}

void blk_report_end(const struct bench_options *o, unsigned int missed)
{
	if (o->json)
		return;
	printf("\nns: of one request, median and 99 %% of the rounds; cpu ns: "
	       "of "
	       "the service, which\npolls; ratio: to the ping-pong of the same "
	       "round, by which cores are close or\napart (%.0f ns); then the "
	       "driver's ns by stages, at depth 1.  %u bound%s not kept%s\n",
	       BLK_CLOSE_NS, missed, missed == 1 ? " was" : "s were",
	       o->quick ? " (not judged: --quick)" : "");
}
