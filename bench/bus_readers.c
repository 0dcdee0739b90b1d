/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One reader beside one writer, who takes a range out and puts it back in all
 * the time: the bus for several readers, and one for a single owner behind a
 * mutex and behind a lock that readers share.
 *
 * How: the reader is this thread; the writer has another CPU, without which
 * nothing is measured.  What the writer takes out the reader does not ask for.
 */
#include "transport/bus/bus_rcu.h"

#include "bench/bus_rivals.h"
#include "bench/bus_time.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHURNED	   32u
#define MAX_RANGES 65536u
#define LOOKUPS	   16384u
#define PARTS	   32u
#define MOST_NS	   50000000u
#define PART	   256u /* lookups between two looks at the clock */
#define HELD	   64u	/* lookups between two quiescent states */

struct guarded {
	const char *name;
	uint64_t (*read)(struct guarded *g, const uint64_t *addr, size_t n);
	void (*remove)(struct guarded *g, struct bus_range *r);
	int (*insert)(struct guarded *g, struct bus_range *r);
	struct bus_rcu rcu;
	struct bus bus;
	pthread_mutex_t mutex;
	pthread_rwlock_t rwlock;
	struct bus_range *const *churned;
	uint32_t nr_churned;
	int cpu, err;
	bool stop;	  /* atomic */
	uint64_t changes; /* the writer's, until it is joined */
	double ns[BUS_MAX_ROUNDS], ratio[BUS_MAX_ROUNDS];
	double rate[BUS_MAX_ROUNDS];
};

static uint64_t read_rcu(struct guarded *g, const uint64_t *addr, size_t n)
{
	uint64_t last = 0;
	struct bus_hit hit;

	bus_rcu_online(&g->rcu, 0);
	for (size_t i = 0; i < n; i++) {
		bus_rcu_lookup(&g->rcu, addr[i], 1, &hit);
		last += hit.offset;
		if (i % HELD == 0)
			bus_rcu_quiescent(&g->rcu, 0);
	}
	bus_rcu_offline(&g->rcu, 0);
	return last;
}

static void remove_rcu(struct guarded *g, struct bus_range *r)
{
	if (bus_rcu_remove(&g->rcu, r))
		g->err = -ENOMEM;
}

static int insert_rcu(struct guarded *g, struct bus_range *r)
{
	return bus_rcu_insert(&g->rcu, r, NULL);
}

static uint64_t read_mutex(struct guarded *g, const uint64_t *addr, size_t n)
{
	uint64_t last = 0;
	struct bus_hit hit;

	for (size_t i = 0; i < n; i++) {
		pthread_mutex_lock(&g->mutex);
		bus_lookup(&g->bus, addr[i], 1, &hit);
		pthread_mutex_unlock(&g->mutex);
		last += hit.offset;
	}
	return last;
}

static void remove_mutex(struct guarded *g, struct bus_range *r)
{
	pthread_mutex_lock(&g->mutex);
	bus_remove(&g->bus, r);
	pthread_mutex_unlock(&g->mutex);
}

static int insert_mutex(struct guarded *g, struct bus_range *r)
{
	int err;

	pthread_mutex_lock(&g->mutex);
	err = bus_insert(&g->bus, r, NULL);
	pthread_mutex_unlock(&g->mutex);
	return err;
}

static uint64_t read_rwlock(struct guarded *g, const uint64_t *addr, size_t n)
{
	uint64_t last = 0;
	struct bus_hit hit;

	for (size_t i = 0; i < n; i++) {
		pthread_rwlock_rdlock(&g->rwlock);
		bus_lookup(&g->bus, addr[i], 1, &hit);
		pthread_rwlock_unlock(&g->rwlock);
		last += hit.offset;
	}
	return last;
}

static void remove_rwlock(struct guarded *g, struct bus_range *r)
{
	pthread_rwlock_wrlock(&g->rwlock);
	bus_remove(&g->bus, r);
	pthread_rwlock_unlock(&g->rwlock);
}

static int insert_rwlock(struct guarded *g, struct bus_range *r)
{
	int err;

	pthread_rwlock_wrlock(&g->rwlock);
	err = bus_insert(&g->bus, r, NULL);
	pthread_rwlock_unlock(&g->rwlock);
	return err;
}

static void *write_on(void *arg)
{
	struct guarded *g = arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned int)g->cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (uint32_t i = 0; !g->err; i++) {
		struct bus_range *r = g->churned[i % g->nr_churned];

		/* Relaxed: nothing else is read for it. */
		if (__atomic_load_n(&g->stop, __ATOMIC_RELAXED))
			break;
		g->remove(g, r);
		if (!g->err)
			g->err = g->insert(g, r);
		/* Relaxed: it is only counted. */
		__atomic_fetch_add(&g->changes, 2, __ATOMIC_RELAXED);
	}
	return NULL;
}

static int guarded_init(struct guarded *g, const struct bus_rig *rig)
{
	const struct bus_set *set = &rig->set;
	int err = bus_rcu_init(&g->rcu, set->limit, 1);

	if (err)
		return err;
	bus_init(&g->bus, set->limit);
	pthread_mutex_init(&g->mutex, NULL);
	pthread_rwlock_init(&g->rwlock, NULL);
	g->churned = set->some;
	g->nr_churned = set->n / 2 < CHURNED ? set->n / 2 : CHURNED;
	g->cpu = rig->other_cpu;
	err = bus_build(&g->bus, set->some, set->n, NULL);
	return err ? err : bus_rcu_build(&g->rcu, set->some, set->n, NULL);
}

static void guarded_fini(struct guarded *g)
{
	bus_rcu_fini(&g->rcu);
	bus_fini(&g->bus);
	pthread_mutex_destroy(&g->mutex);
	pthread_rwlock_destroy(&g->rwlock);
}

static uint64_t changes_of(const struct guarded *g)
{
	/* Relaxed: it is only counted. */
	return __atomic_load_n(&g->changes, __ATOMIC_RELAXED);
}

static int turn(const struct bus_rig *rig, struct guarded *g,
		const uint64_t *addr, const uint64_t *sum, unsigned int round)
{
	uint64_t t, begin, took, first, came = 0;
	double ns[PARTS], all = 0;
	unsigned int nr = 0, at = 0;
	pthread_t writer;
	bool right = true;

	g->stop = false;
	g->changes = 0;
	g->err = -pthread_create(&writer, NULL, write_on, g);
	if (g->err)
		return g->err;
	begin = bench_now();
	do {
		/* So that there is something to be beside of. */
		first = changes_of(g);
		t = bench_ticks();
		right &= g->read(g, addr + at * PART, PART) == sum[at];
		t = bench_ticks() - t;
		took = bench_now() - begin;
		at = (at + 1) % (LOOKUPS / PART);
		if (first && nr < PARTS) {
			ns[nr] = (double)t * rig->ns_per_tick / PART;
			came += changes_of(g) - first;
			all += ns[nr++] * PART;
		}
	} while (nr < PARTS && took < MOST_NS);
	/* Relaxed: nothing else is told by it. */
	__atomic_store_n(&g->stop, true, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
	g->ns[round] = nr ? bus_median(ns, nr) : NAN;
	g->rate[round] = nr ? (double)came / all * 1e9 : NAN;
	if (!g->err && !right)
		g->err = -EILSEQ;
	return g->err;
}

static double floor_of(const struct bus_rig *rig, const struct bus_queries *q)
{
	const struct bus_subject *f = &rig->subject[0];
	size_t n = q->slice < LOOKUPS ? q->slice : LOOKUPS;
	uint64_t zero = 0, t;

	__asm__ volatile("" : "+r"(zero));
	f->what->latency(f->s, q->floor, n, rig->set.access, zero);
	t = bench_ticks();
	f->what->latency(f->s, q->floor, n, rig->set.access, zero);
	t = bench_ticks() - t;
	return (double)t * rig->ns_per_tick / (double)n;
}

/* The reader's addresses, and the sums of the offsets of each part. */
static void choose(const struct bus_set *set, uint32_t churned, uint64_t *addr,
		   uint64_t *sum)
{
	uint64_t state = 11, offset;

	for (uint32_t i = 0; i < LOOKUPS; i++) {
		const struct bus_range *r =
			set->some[churned +
				  bus_random_below(&state, set->n - churned)];

		offset = bus_random(&state) % r->size;
		addr[i] = r->base + offset;
		sum[i / PART] += offset;
	}
}

static void report(struct bus_rig *rig, struct guarded *g)
{
	const struct bus_figure f = {
		.structure = g->name,
		.layout = bus_layout_name[rig->set.layout],
		.pattern = "churn",
		.mode = bus_mode_name[BUS_MODE_READERS],
		.n = rig->set.n,
		.ns = bus_median(g->ns, rig->rounds),
		.ratio = bus_median(g->ratio, rig->rounds),
		.changes = bus_median(g->rate, rig->rounds),
	};

	if (!isnan(f.ns))
		bus_report_add(rig->report, &f);
}

static int measure(struct bus_rig *rig, struct guarded *g, unsigned int nr)
{
	struct bus_queries q;
	uint64_t *addr = malloc(LOOKUPS * sizeof(*addr));
	uint64_t sum[LOOKUPS / PART] = { 0 };
	int err = addr ? bus_queries_init(&q, &rig->set, BUS_UNIFORM, LOOKUPS)
		       : -ENOMEM;
	double floor;

	if (err) {
		free(addr);
		return err;
	}
	choose(&rig->set, g->nr_churned, addr, sum);
	for (unsigned int round = 0; round < rig->rounds && !err; round++) {
		floor = floor_of(rig, &q);
		for (unsigned int i = 0; i < nr && !err; i++) {
			err = turn(rig, &g[i], addr, sum, round);
			g[i].ratio[round] = g[i].ns[round] / floor;
			if (err)
				fprintf(stderr,
					"pciring-bench: bus: %s beside a"
					" writer: %s\n",
					g[i].name,
					err == -EILSEQ ? "a wrong answer"
						       : strerror(-err));
		}
	}
	for (unsigned int i = 0; i < nr && !err; i++)
		report(rig, &g[i]);
	bus_queries_fini(&q);
	free(addr);
	return err;
}

int bus_rig_readers(struct bus_rig *rig)
{
	static const struct guarded kinds[] = {
		{ .name = "rcu",
		  .read = read_rcu,
		  .remove = remove_rcu,
		  .insert = insert_rcu },
		{ .name = "mutex",
		  .read = read_mutex,
		  .remove = remove_mutex,
		  .insert = insert_mutex },
		{ .name = "rwlock",
		  .read = read_rwlock,
		  .remove = remove_rwlock,
		  .insert = insert_rwlock },
	};
	enum {
		NR = sizeof(kinds) / sizeof(kinds[0])
	};
	struct guarded *g;
	unsigned int nr = 0;
	int err = 0;

	if (rig->other_cpu < 0 || rig->set.n > MAX_RANGES || rig->set.n < 2)
		return 0;
	g = aligned_alloc(64, NR * sizeof(*g));
	if (!g)
		return -ENOMEM;
	memcpy(g, kinds, sizeof(kinds));
	for (; nr < NR && !err; nr++)
		err = guarded_init(&g[nr], rig);
	if (!err)
		err = measure(rig, g, nr);
	while (nr--)
		guarded_fini(&g[nr]);
	free(g);
	return err;
}
