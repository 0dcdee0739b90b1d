/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a line for ours and one for the rival, of the rounds in which the cores
 * did not move (if there are any); what ours is of the rival's is made within a
 * round.
 */
#include "bench/net.h"

#include <stdio.h>
#include <stdlib.h>

#define MOVED	    1.3 /* the ping-pong after a block to the one before */
#define LEAST_RATIO 1.0

struct column {
	double v[NET_ROUNDS_MAX];
	unsigned int n;
};

static void put(struct column *c, double value)
{
	if (value > 0)
		c->v[c->n++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double part(struct column *c, unsigned int percent)
{
	if (!c->n)
		return 0;
	qsort(c->v, c->n, sizeof(c->v[0]), compare);
	return c->v[(c->n * percent + 99) / 100 - 1];
}

static bool moved(const struct net_round *r)
{
	return r->after > MOVED * r->before || r->before > MOVED * r->after;
}

struct figure {
	const char *service;
	unsigned int rounds;
	double ns, ns_p99, cpu_ns, pingpong_ns, kicks;
	double ratio; /* frames a second, to the rival's; 0: not known */
};

static void make_figure(const struct net_series *s, bool rival,
			struct figure *f)
{
	struct column ns = { .n = 0 }, cpu = ns, pp = ns, ratio = ns,
		      kicks = ns;
	bool any_still = false;

	for (unsigned int i = 0; i < s->nr; i++)
		any_still |= !moved(&s->round[i]);
	for (unsigned int i = 0; i < s->nr; i++) {
		const struct net_round *r = &s->round[i];

		if (any_still && moved(r))
			continue;
		put(&ns, rival ? r->rival_ns : r->ns);
		put(&cpu, rival ? r->rival_cpu_ns : r->cpu_ns);
		put(&pp, (r->before + r->after) / 2);
		if (r->ns > 0)
			put(&ratio, r->rival_ns / r->ns);
		put(&kicks, rival ? 0 : r->kicks);
	}
	*f = (struct figure){
		.service = rival ? "vhost" : "pciring",
		.rounds = ns.n,
		.ns = part(&ns, 50),
		.ns_p99 = part(&ns, 99),
		.cpu_ns = part(&cpu, 50),
		.pingpong_ns = part(&pp, 50),
		.kicks = part(&kicks, 50),
		.ratio = rival ? 0 : part(&ratio, 50),
	};
}

static void print_json(const struct net_case *c, const struct figure *f,
		       const char *cpu)
{
	printf("{\"bench\":\"net\",\"service\":\"%s\",\"backend\":\"%s\","
	       "\"ring\":\"%s\",\"way\":\"%s\",\"size\":%u,\"depth\":256,"
	       "\"iops\":%.0f,\"ns\":%.2f,\"ns_p99\":%.2f,\"cpu_ns\":%.2f,"
	       "\"pingpong_ns\":%.1f,\"kicks\":%.5f,",
	       f->service, c->backend, c->packed ? "packed" : "split",
	       net_way_name[c->way], c->size, 1e9 / f->ns, f->ns, f->ns_p99,
	       f->cpu_ns, f->pingpong_ns, f->kicks);
	if (f->ratio > 0)
		printf("\"ratio\":%.3f,\"least_ratio\":%.1f,", f->ratio,
		       LEAST_RATIO);
	printf("\"rounds\":%u,\"cpu\":\"%s\"}\n", f->rounds, cpu);
}

static void print_row(const struct net_case *c, const struct figure *f)
{
	printf("%-8s %-8s %-6s %-4s %5u %3u %8.2f %8.1f %8.1f %7.1f %7.1f",
	       f->service, c->backend, c->packed ? "packed" : "split",
	       net_way_name[c->way], c->size, f->rounds, 1e3 / f->ns, f->ns,
	       f->ns_p99, f->cpu_ns, f->pingpong_ns);
	if (f->ratio > 0)
		printf(" %6.2f%s", f->ratio,
		       f->ratio < LEAST_RATIO ? " (slower)" : "");
	printf("\n");
}

void net_report_begin(const struct bench_options *o, const char *cpu)
{
	if (o->json)
		return;
	printf("virtio-net, one device core, one driver core; %s\n\n", cpu);
	printf("%-8s %-8s %-6s %-4s %5s %3s %8s %8s %8s %7s %7s %6s\n",
	       "device", "backend", "ring", "way", "size", "n", "M/s", "ns",
	       "p99", "cpu ns", "ping", "times");
}

unsigned int net_report(const struct bench_options *o,
			const struct net_series *s, const char *cpu)
{
	unsigned int missed = 0;
	struct figure f;

	for (int rival = 0; rival < 2; rival++) {
		make_figure(s, rival, &f);
		if (!f.rounds)
			continue;
		if (o->json)
			print_json(&s->what, &f, cpu);
		else
			print_row(&s->what, &f);
		missed += f.ratio > 0 && f.ratio < LEAST_RATIO;
	}
	return missed;
}

void net_report_end(const struct bench_options *o, unsigned int missed)
{
	if (o->json)
		return;
	printf("\nns: of one frame, median and 99 %% of the rounds; cpu ns: of "
	       "the device's process;\ntimes: frames a second, to those of "
	       "vhost and virtio-user in the same round.\n%u bound%s not "
	       "kept%s\n",
	       missed, missed == 1 ? " was" : "s were",
	       o->quick ? " (not judged: --quick)" : "");
}
