/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/bus_time.h"

#include "bench/bus_oracle.h"
#include "bench/bus_rivals.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a slice, whose size is a multiple of so many batches. */
#define PARTS 16

/* The longest that caches are warmed for, before each slice. */
#define WARM_NS 3e7

const char *const bus_mode_name[NR_BUS_MODES] = {
	[BUS_MODE_LATENCY] = "latency", [BUS_MODE_THROUGHPUT] = "throughput",
	[BUS_MODE_BATCH] = "batch",	[BUS_MODE_BUILD] = "build",
	[BUS_MODE_INSERT] = "insert",	[BUS_MODE_REMOVE] = "remove",
	[BUS_MODE_MOVE] = "move",	[BUS_MODE_MEMORY] = "memory",
	[BUS_MODE_READERS] = "readers",
};

static int lied(const struct bus_rig *rig, const struct bus_subject *s,
		uint64_t addr)
{
	fprintf(stderr,
		"pciring-bench: bus: %s answers wrong at %#" PRIx64
		" (%s, %u ranges)\n",
		s->what->name, addr, bus_layout_name[rig->set.layout],
		rig->set.n);
	return -EILSEQ;
}

static int failed(const char *who, const char *what, int err)
{
	fprintf(stderr, "pciring-bench: bus: %s: %s: %s\n", who, what,
		strerror(-err));
	return err;
}

static int init_floor8(struct bus_rig *rig)
{
	enum bus_layout layout =
		rig->set.layout == BUS_DENSE ? BUS_DENSE : BUS_RANDOM;
	int err;

	if (rig->set.layout == BUS_PIO)
		return 0;
	err = bus_set_init(&rig->set8, layout, 8, NULL, 0);
	if (err)
		return err;
	err = bus_queries_init(&rig->queries8, &rig->set8, BUS_UNIFORM,
			       bus_rig_slice(rig, 8));
	if (err)
		return err;
	rig->floor8 = bus_floor_structure.create(&rig->set8);
	if (!rig->floor8)
		return -ENOMEM;
	return bus_floor_structure.build(rig->floor8, rig->set8.some, 8);
}

int bus_rig_init(struct bus_rig *rig)
{
	uint64_t addr = 0;
	int err = init_floor8(rig);

	if (err)
		return failed("floor", "of 8", err);
	for (unsigned int i = 0; i < rig->nr; i++) {
		struct bus_subject *s = &rig->subject[i];

		s->s = s->what->create(&rig->set);
		err = s->s ? s->what->build(s->s, rig->set.some, rig->set.n)
			   : -ENOMEM;
		if (err)
			return failed(s->what->name, "build", err);
		if (!bus_oracle_ranges(s->what, s->s, &rig->set, &addr))
			return lied(rig, s, addr);
	}
	return 0;
}

void bus_rig_fini(struct bus_rig *rig)
{
	for (unsigned int i = 0; i < rig->nr; i++) {
		if (rig->subject[i].s)
			rig->subject[i].what->destroy(rig->subject[i].s);
		rig->subject[i].s = NULL;
	}
	if (rig->floor8)
		bus_floor_structure.destroy(rig->floor8);
	rig->floor8 = NULL;
	bus_queries_fini(&rig->queries8);
	bus_set_fini(&rig->set8);
}

/* All of up to 65536 twice: what stays in a cache then does. */
size_t bus_rig_slice(const struct bus_rig *rig, uint32_t n)
{
	if (rig->quick)
		return 4096;
	if (n <= 4096)
		return 16384;
	return n <= 65536 ? 2 * (((size_t)n + 4095) & ~4095ul) : 131072;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bus_median(const double *of, unsigned int n)
{
	double sorted[BUS_MAX_ROUNDS];

	memcpy(sorted, of, n * sizeof(*of));
	qsort(sorted, n, sizeof(*sorted), compare);
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

void bus_rig_took(struct bus_rig *rig, unsigned int at, unsigned int round,
		  double ns)
{
	rig->subject[at].ns[round] = ns;
	rig->subject[at].ratio[round] = ns / rig->subject[0].ns[round];
}

void bus_rig_report(struct bus_rig *rig, const char *pattern,
		    enum bus_mode mode)
{
	for (unsigned int i = 0; i < rig->nr; i++) {
		const struct bus_subject *s = &rig->subject[i];
		struct bus_figure f = {
			.structure = s->what->name,
			.layout = bus_layout_name[rig->set.layout],
			.pattern = pattern,
			.mode = bus_mode_name[mode],
			.n = rig->set.n,
		};

		if (isnan(s->ns[0]))
			continue;
		f.ns = bus_median(s->ns, rig->rounds);
		f.ratio = bus_median(s->ratio, rig->rounds);
		if (rig->floor8 && !strcmp(s->what->name, "pciring") &&
		    !strcmp(pattern, "hot-8") && mode == BUS_MODE_LATENCY)
			f.hot = bus_median(rig->ratio8, rig->rounds);
		bus_report_add(rig->report, &f);
	}
}

static bus_loop *loop_of(const struct bus_structure *what, enum bus_mode mode)
{
	if (mode == BUS_MODE_LATENCY)
		return what->latency;
	return mode == BUS_MODE_THROUGHPUT ? what->throughput : what->batch;
}

/* The compiler cannot know. */
static uint64_t zero(void)
{
	uint64_t z = 0;

	__asm__ volatile("" : "+r"(z));
	return z;
}

/* In parts, of which the median counts: that of an undisturbed one, unless most
 * are disturbed. */
static double time_slice(const struct bus_rig *rig, bus_loop *loop,
			 const void *s, const struct bus_set *set,
			 const uint64_t *addr, size_t slice, uint64_t *sum)
{
	size_t part = slice / PARTS;
	double ns[PARTS];
	uint64_t t;

	*sum = 0;
	for (int i = 0; i < PARTS; i++) {
		t = bench_ticks();
		*sum += loop(s, addr, part, set->access, zero());
		t = bench_ticks() - t;
		ns[i] = (double)t * rig->ns_per_tick / (double)part;
		addr += part;
	}
	return bus_median(ns, PARTS);
}

/* What others used meanwhile comes back into the caches: independent lookups do
 * that in the least time.  Not by the slice that is timed, which a predictor of
 * branches would remember; and a last part by the loop that is timed, for its
 * own sake. */
static void warm(const struct bus_rig *rig, const struct bus_subject *s,
		 bus_loop *loop, const uint64_t *addr, size_t slice, size_t now)
{
	const uint64_t end =
		bench_ticks() + (uint64_t)(WARM_NS / rig->ns_per_tick);
	const size_t part = slice / PARTS;

	for (size_t i = 1; i < BUS_SLICES; i++) {
		const uint64_t *a = addr + (now + i) % BUS_SLICES * slice;

		for (int k = 0; k < PARTS && bench_ticks() < end; k++)
			s->what->throughput(s->s, a + k * part, part,
					    rig->set.access, zero());
	}
	loop(s->s, addr + (now + 1) % BUS_SLICES * slice, part, rig->set.access,
	     zero());
}

static bool turn(struct bus_rig *rig, const struct bus_queries *q,
		 enum bus_mode mode, unsigned int at, unsigned int round)
{
	struct bus_subject *s = &rig->subject[at];
	const uint64_t *addr = s->what->is_floor ? q->floor : q->addr;
	size_t now = round % BUS_SLICES;
	uint64_t sum;
	double ns;

	warm(rig, s, loop_of(s->what, mode), addr, q->slice, now);
	ns = time_slice(rig, loop_of(s->what, mode), s->s, &rig->set,
			addr + now * q->slice, q->slice, &sum);
	bus_rig_took(rig, at, round, ns);
	return sum == (s->what->is_floor ? q->floor_sum[now] : q->sum[now]);
}

static void turn_floor8(struct bus_rig *rig, unsigned int round)
{
	const struct bus_queries *q = &rig->queries8;
	uint64_t sum;
	double ns, own = 0;

	time_slice(rig, bus_floor_structure.latency, rig->floor8, &rig->set8,
		   q->floor, q->slice / 2, &sum);
	ns = time_slice(rig, bus_floor_structure.latency, rig->floor8,
			&rig->set8, q->floor + round % BUS_SLICES * q->slice,
			q->slice, &sum);
	for (unsigned int i = 0; i < rig->nr; i++)
		if (!strcmp(rig->subject[i].what->name, "pciring"))
			own = rig->subject[i].ns[round];
	rig->ratio8[round] = own / ns;
}

static int rounds(struct bus_rig *rig, const struct bus_queries *q,
		  enum bus_pattern pattern, enum bus_mode mode)
{
	for (unsigned int round = 0; round < rig->rounds; round++) {
		for (unsigned int i = 0; i < rig->nr; i++)
			if (!turn(rig, q, mode, i, round))
				return lied(rig, &rig->subject[i], q->addr[0]);
		if (pattern == BUS_HOT8 && rig->floor8)
			turn_floor8(rig, round);
	}
	bus_rig_report(rig, bus_pattern_name[pattern], mode);
	return 0;
}

int bus_rig_lookups(struct bus_rig *rig, enum bus_pattern pattern,
		    const bool modes[NR_BUS_MODES])
{
	unsigned int all = rig->rounds;
	struct bus_queries q;
	uint64_t addr = 0;
	int err;

	/* No target is about these, and a round of so many takes a second. */
	if (rig->set.n > 65536 && all > 3 &&
	    (pattern == BUS_ZIPF || pattern == BUS_SAME ||
	     pattern == BUS_SEQUENTIAL))
		rig->rounds = 3;
	err = bus_queries_init(&q, &rig->set, pattern,
			       bus_rig_slice(rig, rig->set.n));
	if (err)
		rig->rounds = all;
	if (err == -ENOENT)
		return 0;
	if (err)
		return failed("queries", bus_pattern_name[pattern], err);
	for (unsigned int i = 0; i < rig->nr && !err; i++) {
		const struct bus_subject *s = &rig->subject[i];

		if (!bus_oracle_queries(s->what, s->s, &rig->set, &q, &addr))
			err = lied(rig, s, addr);
	}
	for (int mode = BUS_MODE_LATENCY; mode <= BUS_MODE_BATCH && !err;
	     mode++)
		if (modes[mode])
			err = rounds(rig, &q, pattern, (enum bus_mode)mode);
	bus_queries_fini(&q);
	rig->rounds = all;
	return err;
}
