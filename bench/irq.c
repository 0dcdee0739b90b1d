/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an interrupt costs the thread that raises it: each stage alone, and the
 * whole cascade, into each sink.
 *
 * How: a raise is timed, then each of its rivals - a bare rte_ring enqueue to
 * the same polling consumer, a plain call through a pointer, a write(2) to an
 * eventfd - then the next raise, so that all of a row are of the same moment.
 * Into the ring that is one raise at a time, after a pause in which the
 * consumer has taken all and polls again, as between real interrupts; into
 * everything else a burst.  What reading the clock takes is measured likewise
 * and subtracted.  The figures of a row are medians; p99_ns is what 99 of 100
 * samples are no slower than.
 *
 * Depth counts the stages in front of the sink: 1 the MSI-X bank, 2 virtio-pci
 * before it, 3 the virtio core before that (the whole cascade of a function);
 * from 4 on, stages between bank and sink that count and pass on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_pause.h>
#include <rte_ring_elem.h>

#include "bench/bench.h"
#include "bench/child.h"
#include "bench/irq_rig.h"

#define BURST	       32u
#define SAMPLES	       4000u
#define QUICK_SAMPLES  100u
#define WARM_UP	       20u
#define PAUSE_NS       1000u
#define BLOCKS	       20u
#define BLOCK_PAUSE_US 2000
#define OFFSET	       (1ull << 40) /* keeps differences positive */

/* ns */
#define CASCADE_BOUND 10.0
#define MASKED_BOUND  5.0

enum rival {
	CLOCK, /* nothing at all */
	ITSELF,
	ENQUEUE,
	CALL,
	EVENTFD,
	NR_RIVALS
};

struct row {
	const char *stage;
	const char *what;
	enum irq_sink_kind sink;
	unsigned int depth; /* 0: no cascade */
	double p50[NR_RIVALS], p99;
	double over; /* the enqueue of the same moment */
};

static struct irq_rig rig;
static double scale; /* ns a tick */
static uint64_t took[NR_RIVALS][SAMPLES];
static uint64_t over[SAMPLES];

/* ---- The rivals ---------------------------------------------------------- */

static void enqueue(struct irq_rig *r)
{
	struct msg_irq irq = { .address = 0xfee00000, .data = 0x41 };

	rte_ring_sp_enqueue_elem(r->sinks.bare, &irq, sizeof(irq));
}

static void nothing(struct irq_rig *r)
{
	(void)r;
}

static void write_eventfd(struct irq_rig *r)
{
	const uint64_t one = 1;

	if (write(r->sinks.eventfd, &one, sizeof(one)) < 0)
		abort();
}

static irq_rig_op *const rivals[NR_RIVALS] = {
	[ENQUEUE] = enqueue,
	[CALL] = nothing,
	[EVENTFD] = write_eventfd,
};

/* ---- Measuring ----------------------------------------------------------- */

static void pause_a_little(void)
{
	uint64_t begin = bench_now();

	while (bench_now() - begin < PAUSE_NS)
		rte_pause();
	irq_sinks_drain(&rig.sinks);
	while (bench_now() - begin < 2 * PAUSE_NS)
		rte_pause();
}

static uint64_t sample(irq_rig_op *op, unsigned int n)
{
	uint64_t begin = bench_ticks();

	for (unsigned int i = 0; i < n; i++) {
		op(&rig);
		/* Each raise is a call of its own, not a part of a loop. */
		__asm__ volatile("" : : : "memory");
	}
	return bench_ticks() - begin;
}

static void measure(irq_rig_op *op, unsigned int burst, unsigned int samples,
		    struct row *row)
{
	double clock, unit = scale / burst;
	irq_rig_op *what;

	for (unsigned int i = 0; i < WARM_UP + samples; i++) {
		if (burst == 1 && i % (samples / BLOCKS) == 0)
			usleep(BLOCK_PAUSE_US);
		for (int k = 0; k < NR_RIVALS; k++) {
			what = k == ITSELF ? op : rivals[k];
			if (k == ITSELF || k == ENQUEUE)
				pause_a_little();
			took[k][i < WARM_UP ? 0 : i - WARM_UP] =
				sample(what, k == CLOCK ? 0 : burst);
			/* As a loop does at the end of a turn. */
			channel_irq_wake(&rig.sinks.service);
		}
	}
	/* The ring has two paces, and stays with one for a while: the median
	 * of differences is steadier than the difference of medians. */
	for (unsigned int i = 0; i < samples; i++)
		over[i] = OFFSET + took[ITSELF][i] - took[ENQUEUE][i];
	bench_sort(over, samples);
	row->over = ((double)bench_part(over, samples, 50) - OFFSET) * unit;
	for (int k = 0; k < NR_RIVALS; k++)
		bench_sort(took[k], samples);
	clock = (double)bench_part(took[CLOCK], samples, 50);
	for (int k = 0; k < NR_RIVALS; k++)
		row->p50[k] =
			((double)bench_part(took[k], samples, 50) - clock) *
			unit;
	row->p99 =
		((double)bench_part(took[ITSELF], samples, 99) - clock) * unit;
}

/* ---- Rows ---------------------------------------------------------------- */

static void print_json(const struct row *r)
{
	printf("{\"bench\":\"irq\",\"stage\":\"%s\",\"what\":\"%s\","
	       "\"sink\":\"%s\",",
	       r->stage, r->what, irq_sink_name[r->sink]);
	if (r->depth)
		printf("\"depth\":%u,", r->depth);
	printf("\"ns\":%.2f,\"p99_ns\":%.2f,\"enqueue_ns\":%.2f,"
	       "\"over_enqueue_ns\":%.2f,\"call_ns\":%.2f,"
	       "\"eventfd_ns\":%.2f,\"per_s\":%.0f}\n",
	       r->p50[ITSELF], r->p99, r->p50[ENQUEUE], r->over, r->p50[CALL],
	       r->p50[EVENTFD], 1e9 / r->p50[ITSELF]);
}

static void print_row(const struct bench_options *o, const struct row *r)
{
	char depth[12] = "";

	if (o->json) {
		print_json(r);
		return;
	}
	if (r->depth)
		snprintf(depth, sizeof(depth), "%u", r->depth);
	printf("%-10s %-5s %-24s %-8s %8.1f %8.1f %8.1f %6.1f %8.1f %7.1f\n",
	       r->stage, depth, r->what, irq_sink_name[r->sink], r->p50[ITSELF],
	       r->p99, r->p50[ENQUEUE], r->p50[CALL], r->p50[EVENTFD],
	       1e3 / r->p50[ITSELF]);
}

struct verdict {
	double cascade, masked;
};

static void remember(struct verdict *v, const struct row *r)
{
	if (r->depth == IRQ_RIG_WHOLE && r->sink == SINK_RING)
		v->cascade = r->over;
	if (!strcmp(r->what, IRQ_RIG_MASKED))
		v->masked = r->p50[ITSELF];
}

static void measure_case(const struct bench_options *o,
			 const struct irq_case *c, enum irq_sink_kind sink,
			 struct verdict *v)
{
	struct row row = {
		.stage = c->stage,
		.what = c->what,
		.sink = sink,
		.depth = c->depth,
	};

	if (!irq_rig_set_sink(&rig, c, sink))
		return;
	measure(c->op, sink == SINK_RING ? 1 : BURST,
		o->quick ? QUICK_SAMPLES : SAMPLES, &row);
	print_row(o, &row);
	remember(v, &row);
}

static void measure_all(const struct bench_options *o, struct verdict *v)
{
	const struct irq_case *c;

	for (c = irq_cases; c->stage; c++)
		for (int sink = 0; sink < NR_SINKS; sink++)
			if (c->sinks & BIT(sink))
				measure_case(o, c, (enum irq_sink_kind)sink, v);
}

static void print_verdict(const struct verdict *v)
{
	printf("\nthe whole cascade into the interrupt ring costs %.1f ns more"
	       " than a bare rte_ring\nenqueue to the same consumer"
	       " (bound: %.0f); a masked raise costs %.1f ns (bound: %.0f)\n",
	       v->cascade, CASCADE_BOUND, v->masked, MASKED_BOUND);
}

int bench_irq(const struct bench_options *o)
{
	struct verdict v = { 0 };
	int cpu[2], err = child_two_cpus(cpu);

	if (err) {
		fprintf(stderr, "irq: needs two CPUs\n");
		return 2;
	}
	err = child_pin(cpu[0]);
	if (!err)
		err = irq_rig_open(&rig, cpu[1]);
	if (err) {
		fprintf(stderr, "irq: %s\n", strerror(-err));
		return 2;
	}
	if (!o->json)
		printf("%-10s %-5s %-24s %-8s %8s %8s %8s %6s %8s %7s\n",
		       "stage", "depth", "what", "sink", "ns", "99 %",
		       "enqueue", "call", "eventfd", "M/s");
	scale = bench_ns_per_tick();
	measure_all(o, &v);
	irq_rig_close(&rig);
	if (!o->json)
		print_verdict(&v);
	return v.cascade > CASCADE_BOUND || v.masked > MASKED_BOUND;
}
