/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers and a writer as threads on one bus.  A missing edge shows as a data
 * race to a thread sanitizer, and as a range that was freed, or is at no place
 * or at two, to everybody.
 */
#include "transport/bus/bus_rcu.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define READERS	     2
#define PLACES	     64
#define STRIDE	     0x1000ull
#define SIZE	     0x80
#define ODD_SIZE     0x83
#define RACE_MS	     300
#define FEW	     20 /* changes, at least: fewer are no race */
#define MOST_SECONDS 30
#define MAGIC	     0x6b8b4567u

/* The two places of the range that always is at one of them. */
#define HERE  (STRIDE * PLACES)
#define THERE (STRIDE * (PLACES + 1))

/* Comes from the heap and goes back there, poisoned. */
struct thing {
	struct bus_range range;
	uint32_t magic;
};

struct race {
	struct bus_rcu b;
	bool ports;
	bool stop;	 /* atomic */
	uint32_t ready;	 /* atomic: readers that have looked */
	uint64_t random; /* the writer's */
	uint64_t changes;
	struct thing *at[PLACES];
	struct thing wanderer;
};

struct reader {
	struct race *race;
	uint32_t number;
	uint64_t random;
	uint64_t pictures, hits, wrong;
};

static uint32_t rnd(uint64_t *x, uint32_t n)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (uint32_t)(*x >> 32) % n;
}

static uint64_t read_magic(void *ctx, uint64_t offset, unsigned int size)
{
	const struct thing *t = container_of(ctx, struct thing, range);

	(void)offset;
	(void)size;
	return t->magic;
}

static void write_nothing(void *ctx, uint64_t offset, unsigned int size,
			  uint64_t value)
{
	(void)ctx;
	(void)offset;
	(void)size;
	(void)value;
}

static const struct bus_ops ops = { read_magic, write_nothing };

static uint64_t address(const struct race *r, uint64_t addr)
{
	return r->ports ? addr >> 4 : addr;
}

static bool stopped(struct race *r)
{
	return __atomic_load_n(&r->stop, __ATOMIC_RELAXED);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- Readers --------------------------------------------------------------- */

/* Where something may be at any moment, or not. */
static void look_anywhere(struct reader *rd)
{
	struct race *r = rd->race;
	const uint64_t base = address(r, STRIDE * rnd(&rd->random, PLACES));
	const uint64_t offset = rnd(&rd->random, SIZE - 8);
	struct bus_hit hit;

	if (!bus_rcu_lookup(&r->b, base + offset, 8, &hit))
		return;
	rd->hits++;
	rd->wrong += hit.offset != offset;
	rd->wrong += hit.range->size != SIZE && hit.range->size != ODD_SIZE;
	rd->wrong += hit.ops->read(hit.range, hit.offset, 4) != MAGIC;
}

/* In one picture the wanderer is at one place. */
static void look_twice(struct reader *rd)
{
	struct race *r = rd->race;
	const struct bus *bus = bus_rcu_active(&r->b);
	const bool here = bus_find(bus, address(r, HERE), 1);
	const bool there = bus_find(bus, address(r, THERE), 1);

	rd->pictures++;
	rd->wrong += here == there;
}

static void look_around(struct reader *rd)
{
	for (unsigned int i = 0; i < 4; i++) {
		look_anywhere(rd);
		look_twice(rd);
	}
}

/* Always online, as a thread that polls. */
static void *polls(void *arg)
{
	struct reader *rd = arg;
	struct race *r = rd->race;

	bus_rcu_online(&r->b, rd->number);
	do {
		look_around(rd);
		bus_rcu_quiescent(&r->b, rd->number);
		if (rd->pictures == 4)
			__atomic_fetch_add(&r->ready, 1, __ATOMIC_RELAXED);
		if (rnd(&rd->random, 64) == 0)
			sched_yield();
	} while (!stopped(r));
	bus_rcu_offline(&r->b, rd->number);
	return NULL;
}

/* Online for an access, as a vCPU that exits and enters. */
static void *comes_and_goes(void *arg)
{
	struct reader *rd = arg;
	struct race *r = rd->race;

	do {
		bus_rcu_online(&r->b, rd->number);
		look_around(rd);
		bus_rcu_offline(&r->b, rd->number);
		if (rd->pictures == 4)
			__atomic_fetch_add(&r->ready, 1, __ATOMIC_RELAXED);
		if (rnd(&rd->random, 64) == 0)
			sched_yield();
	} while (!stopped(r));
	return NULL;
}

/* ---- The writer -------------------------------------------------------------- */

static int put(struct race *r, uint32_t i)
{
	struct thing *t = malloc(sizeof(*t));

	*t = (struct thing){
		.range = { .base = address(r, STRIDE * i),
			   .size = rnd(&r->random, 2) ? SIZE : ODD_SIZE,
			   .ops = &ops },
		.magic = MAGIC,
	};
	r->at[i] = t;
	return bus_rcu_insert(&r->b, &t->range, NULL);
}

static int take(struct race *r, uint32_t i)
{
	struct thing *t = r->at[i];
	int err = bus_rcu_remove(&r->b, &t->range);

	memset(t, 0xdd, sizeof(*t));
	free(t);
	r->at[i] = NULL;
	return err;
}

static int shift(struct race *r, uint32_t from, uint32_t to)
{
	struct thing *t = r->at[from];

	r->at[from] = NULL;
	r->at[to] = t;
	return bus_rcu_move(&r->b, &t->range, address(r, STRIDE * to), NULL);
}

static int wander(struct race *r)
{
	const uint64_t here = address(r, HERE), there = address(r, THERE);
	struct bus_range *w = &r->wanderer.range;

	return bus_rcu_move(&r->b, w, w->base == here ? there : here, NULL);
}

/* Two changes that nobody sees one of: it goes to where it was before. */
static int wander_in_one(struct race *r)
{
	struct bus_range *w = &r->wanderer.range;
	struct bus_change c[] = {
		{ BUS_MOVE, w, address(r, STRIDE * (PLACES + 2)) },
		{ BUS_MOVE, w, w->base },
	};

	return bus_rcu_apply(&r->b, c, 2, NULL, NULL);
}

static int change(struct race *r)
{
	const uint32_t i = rnd(&r->random, PLACES);
	const uint32_t k = rnd(&r->random, PLACES);

	if (rnd(&r->random, 4) == 0)
		return wander(r);
	if (rnd(&r->random, 16) == 0)
		return wander_in_one(r);
	if (!r->at[i])
		return put(r, i);
	if (!r->at[k])
		return shift(r, i, k);
	return take(r, i);
}

/* False if a change failed, or if too few were possible. */
static bool write_for_a_while(struct race *r)
{
	const int64_t begin = now_ms();
	int err = 0;

	while (__atomic_load_n(&r->ready, __ATOMIC_RELAXED) < READERS)
		sched_yield();
	while (!err && (r->changes < FEW || now_ms() - begin < RACE_MS)) {
		err = change(r);
		r->changes++;
		if (now_ms() - begin > MOST_SECONDS * 1000)
			break;
	}
	return !err && r->changes >= FEW;
}

static void start(struct race *r, bool ports)
{
	*r = (struct race){ .ports = ports, .random = 88172645463325252u };
	assert_int_equal(
		bus_rcu_init(&r->b, ports ? 0xffff : UINT64_MAX, READERS), 0);
	r->wanderer.range = (struct bus_range){ address(r, HERE), 0x10, &ops };
	assert_int_equal(bus_rcu_insert(&r->b, &r->wanderer.range, NULL), 0);
}

static void finish(struct race *r)
{
	for (unsigned int i = 0; i < PLACES; i++)
		free(r->at[i]);
	bus_rcu_fini(&r->b);
}

static void race(void *(*body)(void *), bool ports)
{
	static struct race r;
	struct reader reader[READERS];
	pthread_t thread[READERS];
	bool wrote;

	start(&r, ports);
	for (uint32_t i = 0; i < READERS; i++) {
		reader[i] = (struct reader){ &r, i, 2463534242u + i, 0, 0, 0 };
		assert_int_equal(
			pthread_create(&thread[i], NULL, body, &reader[i]), 0);
	}
	wrote = write_for_a_while(&r);
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < READERS; i++)
		pthread_join(thread[i], NULL);
	finish(&r);
	print_message("# %lu changes, %lu and %lu pictures\n", r.changes,
		      reader[0].pictures, reader[1].pictures);
	assert_true(wrote);
	for (unsigned int i = 0; i < READERS; i++) {
		assert_int_equal(reader[i].wrong, 0);
		assert_true(reader[i].hits > 0);
	}
}

static void u1_v1_u2_v2_a_reader_sees_one_whole_bus(void **state)
{
	(void)state;
	race(polls, false);
}

static void u1_v1_u2_v2_so_does_a_reader_of_ports(void **state)
{
	(void)state;
	race(polls, true);
}

static void u1_v1_u2_v2_so_does_one_that_comes_and_goes(void **state)
{
	(void)state;
	race(comes_and_goes, false);
}

/* ---- Who waits ------------------------------------------------------------------ */

static void *removes(void *arg)
{
	struct race *r = arg;

	bus_rcu_remove(&r->b, &r->wanderer.range);
	__atomic_store_n(&r->stop, true, __ATOMIC_RELEASE);
	return NULL;
}

static void removal_waits_for_who_may_hold_the_range(void **state)
{
	static struct race r;
	struct bus_hit hit;
	pthread_t writer;

	(void)state;
	start(&r, false);
	bus_rcu_online(&r.b, 1);
	assert_true(bus_rcu_lookup(&r.b, HERE, 1, &hit));
	assert_int_equal(pthread_create(&writer, NULL, removes, &r), 0);
	/* The next who look do not find it, but it is ours still. */
	while (bus_rcu_lookup(&r.b, HERE, 1, &hit))
		sched_yield();
	for (unsigned int i = 0; i < 1000; i++) {
		assert_false(__atomic_load_n(&r.stop, __ATOMIC_ACQUIRE));
		sched_yield();
	}
	bus_rcu_quiescent(&r.b, 1);
	pthread_join(writer, NULL);
	assert_true(r.stop);
	bus_rcu_offline(&r.b, 1);
	finish(&r);
}

/* A reader that is in the guest, or never came, holds up nobody. */
static void change_waits_for_nobody_who_is_offline(void **state)
{
	static struct race r;

	(void)state;
	start(&r, false);
	bus_rcu_online(&r.b, 0);
	bus_rcu_offline(&r.b, 0);
	assert_int_equal(bus_rcu_remove(&r.b, &r.wanderer.range), 0);
	finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(u1_v1_u2_v2_a_reader_sees_one_whole_bus),
		cmocka_unit_test(u1_v1_u2_v2_so_does_a_reader_of_ports),
		cmocka_unit_test(u1_v1_u2_v2_so_does_one_that_comes_and_goes),
		cmocka_unit_test(removal_waits_for_who_may_hold_the_range),
		cmocka_unit_test(change_waits_for_nobody_who_is_offline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
