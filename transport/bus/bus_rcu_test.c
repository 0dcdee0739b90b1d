/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changes of a bus of two copies, each asked for twice so that both are seen;
 * and each with any of its allocations failing.
 */
#include "transport/bus/bus_rcu.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define TOP UINT64_MAX

/* Allocations until all fail; negative: none does. */
static long allowed = -1;

static bool may_allocate(void)
{
	if (allowed > 0)
		allowed--;
	return allowed != 0;
}

/* These two stand before everybody's, so that they can fail. */
void *aligned_alloc(size_t alignment, size_t size)
{
	static void *(*real)(size_t, size_t);

	if (!may_allocate())
		return NULL;
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "aligned_alloc");
	return real(alignment, size);
}

/* The thread sanitizer allocates before it can bear one of ours. */
#ifndef __SANITIZE_THREAD__
void *malloc(size_t size)
{
	static void *(*real)(size_t);

	if (!may_allocate())
		return NULL;
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "malloc");
	return real(size);
}
#endif

/* ---- What there is -------------------------------------------------------- */

#define RANGES 100
#define STRIDE 0x1000ull

struct rig {
	struct bus_rcu b;
	struct bus_range r[RANGES];
};

static uint64_t read_nothing(void *ctx, uint64_t offset, unsigned int size)
{
	(void)ctx;
	(void)offset;
	(void)size;
	return 0;
}

static void write_nothing(void *ctx, uint64_t offset, unsigned int size,
			  uint64_t value)
{
	(void)ctx;
	(void)offset;
	(void)size;
	(void)value;
}

static const struct bus_ops ops = { read_nothing, write_nothing };

static struct rig rig;

static int begin(uint64_t limit)
{
	const uint64_t stride = limit == TOP ? STRIDE : 0x100;

	for (uint64_t i = 0; i < RANGES; i++)
		rig.r[i] = (struct bus_range){ i * stride, 0x80, &ops };
	return bus_rcu_init(&rig.b, limit, 2);
}

static int mmio(void **state)
{
	(void)state;
	return begin(TOP);
}

static int pio(void **state)
{
	(void)state;
	return begin(0xffff);
}

static int done(void **state)
{
	(void)state;
	allowed = -1;
	bus_rcu_fini(&rig.b);
	return 0;
}

static struct bus_range *at(uint64_t addr)
{
	struct bus_hit hit;

	bus_rcu_lookup(&rig.b, addr, 1, &hit);
	return hit.range;
}

static void assert_both_alike(void)
{
	const struct bus *x = &rig.b.copy[0].bus, *y = &rig.b.copy[1].bus;
	struct bus_range *r = bus_first(x, 0);

	assert_false(rig.b.stale);
	assert_ptr_equal(bus_first(y, 0), r);
	assert_int_equal(x->nr, y->nr);
	for (; r; r = bus_next(x, r)) {
		assert_ptr_equal(bus_next(y, r), bus_next(x, r));
		assert_ptr_equal(bus_find(x, r->base, 1), r);
		assert_ptr_equal(bus_find(y, r->base, 1), r);
		assert_ptr_equal(bus_find(y, r->base + r->size - 1, 1), r);
	}
}

static void insert(unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++)
		assert_int_equal(bus_rcu_insert(&rig.b, &rig.r[i], NULL), 0);
}

/* ---- One change ------------------------------------------------------------ */

static void change_is_seen_when_its_call_returns(void **state)
{
	struct bus_range *r = &rig.r[3];

	(void)state;
	assert_int_equal(bus_rcu_insert(&rig.b, r, NULL), 0);
	assert_ptr_equal(at(r->base), r);
	assert_both_alike();
	assert_int_equal(bus_rcu_move(&rig.b, r, 0x8000, NULL), 0);
	assert_int_equal(r->base, 0x8000);
	assert_ptr_equal(at(0x8000), r);
	assert_null(at(3 * STRIDE));
	assert_both_alike();
	assert_int_equal(bus_rcu_remove(&rig.b, r), 0);
	assert_null(at(0x8000));
	assert_both_alike();
}

static void refused_change_is_never_seen(void **state)
{
	struct bus_range twice = { 0x1040, 0x80, &ops };
	struct bus_range *conflict = NULL;
	const struct bus *active;

	(void)state;
	insert(0, 3);
	active = bus_rcu_active(&rig.b);
	assert_int_equal(bus_rcu_insert(&rig.b, &twice, &conflict), -EEXIST);
	assert_ptr_equal(conflict, &rig.r[1]);
	assert_int_equal(bus_rcu_move(&rig.b, &rig.r[0], 0x207f, &conflict),
			 -EEXIST);
	assert_ptr_equal(conflict, &rig.r[2]);
	assert_int_equal(rig.r[0].base, 0);
	assert_int_equal(bus_rcu_move(&rig.b, &rig.r[0], TOP, NULL), -EINVAL);
	assert_ptr_equal(bus_rcu_active(&rig.b), active);
	assert_both_alike();
}

static void bus_without_readers_is_refused(void **state)
{
	struct bus_rcu b;

	(void)state;
	assert_int_equal(bus_rcu_init(&b, TOP, 0), -EINVAL);
}

/* ---- Several --------------------------------------------------------------- */

static void ranges_built_at_once_are_all_there(void **state)
{
	struct bus_range *r[RANGES], *conflict[2] = { NULL, NULL };
	const uint64_t old = rig.r[7].base;

	(void)state;
	for (unsigned int i = 0; i < RANGES; i++)
		r[i] = &rig.r[i];
	rig.r[7].base = rig.r[70].base + 1;
	assert_int_equal(bus_rcu_build(&rig.b, r, RANGES, conflict), -EEXIST);
	assert_true(conflict[0] == &rig.r[7] || conflict[1] == &rig.r[7]);
	assert_null(at(0));
	rig.r[7].base = old;
	assert_int_equal(bus_rcu_build(&rig.b, r, RANGES, NULL), 0);
	for (unsigned int i = 0; i < RANGES; i++)
		assert_ptr_equal(at(r[i]->base), r[i]);
	assert_both_alike();
}

/* By a third place, which one of the two leaves again. */
static void ranges_change_places_in_an_array(void **state)
{
	struct bus_change c[] = {
		{ BUS_MOVE, &rig.r[0], 0x9000 },
		{ BUS_MOVE, &rig.r[1], 0x0000 },
		{ BUS_MOVE, &rig.r[0], 0x1000 },
		{ BUS_REMOVE, &rig.r[2], 0 },
		{ BUS_INSERT, &rig.r[3], 0 },
		{ BUS_MOVE, &rig.r[3], 0x2000 },
	};

	(void)state;
	insert(0, 3);
	assert_int_equal(bus_rcu_apply(&rig.b, c, 6, NULL, NULL), 0);
	assert_int_equal(rig.r[0].base, 0x1000);
	assert_int_equal(rig.r[1].base, 0);
	assert_int_equal(rig.r[3].base, 0x2000);
	assert_ptr_equal(at(0x1000), &rig.r[0]);
	assert_ptr_equal(at(0), &rig.r[1]);
	assert_ptr_equal(at(0x2000), &rig.r[3]);
	assert_null(at(0x9000));
	assert_null(at(0x3000));
	assert_both_alike();
}

static void array_that_fails_leaves_all_as_it_was(void **state)
{
	struct bus_change c[] = {
		{ BUS_MOVE, &rig.r[0], 0x9000 },
		{ BUS_REMOVE, &rig.r[1], 0 },
		{ BUS_INSERT, &rig.r[3], 0 },
		{ BUS_MOVE, &rig.r[0], 0x1000 },
		{ BUS_MOVE, &rig.r[3], 0x2040 },
	};
	struct bus_range *conflict = NULL;
	uint32_t failed = 99;

	(void)state;
	insert(0, 3);
	assert_int_equal(bus_rcu_apply(&rig.b, c, 5, &failed, &conflict),
			 -EEXIST);
	assert_int_equal(failed, 4);
	assert_ptr_equal(conflict, &rig.r[2]);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(rig.r[i].base, i * STRIDE);
		assert_ptr_equal(at(i * STRIDE), &rig.r[i]);
	}
	assert_null(at(0x3000));
	assert_null(at(0x9000));
	assert_int_equal(c[0].base, 0x9000);
	assert_int_equal(c[3].base, 0x1000);
	assert_both_alike();
}

static void ports_have_two_copies_too(void **state)
{
	(void)state;
	insert(0, 4);
	assert_int_equal(bus_rcu_move(&rig.b, &rig.r[2], 0xff80, NULL), 0);
	assert_ptr_equal(at(0xffff), &rig.r[2]);
	assert_null(at(0x200));
	assert_int_equal(bus_rcu_remove(&rig.b, &rig.r[0]), 0);
	assert_null(at(0));
	assert_both_alike();
}

/* ---- Without memory -------------------------------------------------------- */

/* Half of the ranges are there; a third of them goes, a third moves behind the
 * rest, and the other half comes; or in the opposite order. */
static uint32_t write_changes(struct bus_change *c, bool backwards)
{
	uint32_t n = 0;

	for (unsigned int k = 0; k < RANGES; k++) {
		const unsigned int i = backwards ? RANGES - 1 - k : k;
		struct bus_range *r = &rig.r[i];

		if (i >= RANGES / 2)
			c[n++] = (struct bus_change){ BUS_INSERT, r, 0 };
		else if (i % 3 == 0)
			c[n++] = (struct bus_change){ BUS_REMOVE, r, 0 };
		else if (i % 3 == 1)
			c[n++] = (struct bus_change){ BUS_MOVE, r,
						      (i + RANGES) * STRIDE };
	}
	return n;
}

static void assert_before(void)
{
	for (unsigned int i = 0; i < RANGES; i++) {
		assert_int_equal(rig.r[i].base, i * STRIDE);
		assert_ptr_equal(at(i * STRIDE),
				 i < RANGES / 2 ? &rig.r[i] : NULL);
		assert_null(at((i + RANGES) * STRIDE));
	}
}

static void assert_after(void)
{
	for (unsigned int i = 0; i < RANGES; i++) {
		const bool moved = i < RANGES / 2 && i % 3 == 1;
		const bool gone = i < RANGES / 2 && i % 3 == 0;
		const uint64_t base = (moved ? i + RANGES : i) * STRIDE;

		assert_int_equal(rig.r[i].base, base);
		assert_ptr_equal(at(base), gone ? NULL : &rig.r[i]);
		assert_true(!moved || !at(i * STRIDE));
	}
}

/* One more change, with memory: whatever did not follow does now. */
static void catch_up(void)
{
	struct bus_range more = { 0x10000000, 1, &ops };

	assert_int_equal(bus_rcu_insert(&rig.b, &more, NULL), 0);
	assert_both_alike();
	assert_int_equal(bus_rcu_remove(&rig.b, &more), 0);
	assert_both_alike();
}

/* With @n allocations: true if the change happened. */
static bool change_with(long n, bool backwards, bool *stale)
{
	struct bus_change c[RANGES];
	const uint32_t nr = write_changes(c, backwards);
	int err;

	allowed = n;
	err = bus_rcu_apply(&rig.b, c, nr, NULL, NULL);
	allowed = -1;
	*stale = rig.b.stale;
	assert_true(err == 0 || err == -ENOMEM);
	if (err)
		assert_before();
	else
		assert_after();
	catch_up();
	if (err)
		assert_before();
	else
		assert_after();
	return !err;
}

static void fail_each_allocation(bool backwards)
{
	unsigned int refused = 0, happened = 0;
	bool stale = true;

	for (long n = 0; stale || !happened; n++) {
		assert_int_equal(begin(TOP), 0);
		insert(0, RANGES / 2);
		if (!change_with(n, backwards, &stale))
			refused++;
		else if (stale)
			happened++;
		bus_rcu_fini(&rig.b);
		assert_true(n < 10000);
	}
	assert_true(refused > 0);
}

static void any_allocation_of_a_change_may_fail(void **state)
{
	(void)state;
	fail_each_allocation(false);
	fail_each_allocation(true);
	assert_int_equal(begin(TOP), 0);
}

static void any_allocation_of_a_build_may_fail(void **state)
{
	unsigned int refused = 0, happened = 0;
	struct bus_range *r[RANGES];
	bool stale = true;

	(void)state;
	for (unsigned int i = 0; i < RANGES; i++)
		r[i] = &rig.r[i];
	for (long n = 0; stale || !happened; n++) {
		int err;

		assert_int_equal(begin(TOP), 0);
		insert(0, RANGES / 2);
		allowed = n;
		err = bus_rcu_build(&rig.b, r + RANGES / 2, RANGES / 2, NULL);
		allowed = -1;
		stale = rig.b.stale;
		assert_true(err == 0 || err == -ENOMEM);
		for (unsigned int i = 0; i < RANGES; i++)
			assert_ptr_equal(at(r[i]->base),
					 err && i >= RANGES / 2 ? NULL : r[i]);
		catch_up();
		refused += err != 0;
		happened += !err && stale;
		bus_rcu_fini(&rig.b);
		assert_true(n < 10000);
	}
	assert_int_equal(begin(TOP), 0);
	assert_true(refused > 0);
}

static void bus_that_cannot_catch_up_refuses_changes(void **state)
{
	struct bus_range *r = &rig.r[0];

	(void)state;
	insert(0, 2);
	rig.b.stale = true;
	allowed = 0;
	assert_int_equal(bus_rcu_remove(&rig.b, r), -ENOMEM);
	assert_int_equal(bus_rcu_insert(&rig.b, &rig.r[5], NULL), -ENOMEM);
	assert_int_equal(bus_rcu_move(&rig.b, r, 0x5000, NULL), -ENOMEM);
	allowed = -1;
	assert_ptr_equal(at(0), r);
	assert_int_equal(bus_rcu_remove(&rig.b, r), 0);
	assert_null(at(0));
	assert_both_alike();
}

#define T(name, how) cmocka_unit_test_setup_teardown(name, how, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(change_is_seen_when_its_call_returns, mmio),
		T(refused_change_is_never_seen, mmio),
		cmocka_unit_test(bus_without_readers_is_refused),
		T(ranges_built_at_once_are_all_there, mmio),
		T(ranges_change_places_in_an_array, mmio),
		T(array_that_fails_leaves_all_as_it_was, mmio),
		T(ports_have_two_copies_too, pio),
		T(any_allocation_of_a_change_may_fail, NULL),
		T(any_allocation_of_a_build_may_fail, NULL),
		T(bus_that_cannot_catch_up_refuses_changes, mmio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
