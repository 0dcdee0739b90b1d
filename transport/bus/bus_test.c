/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/bus/bus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#define TOP UINT64_MAX

static struct bus bus;

/* A range answers with its own name, and remembers what was written. */
struct thing {
	struct bus_range range;
	uint64_t offset, value;
	unsigned int size, writes;
};

static uint64_t thing_read(void *ctx, uint64_t offset, unsigned int size)
{
	struct thing *t = container_of(ctx, struct thing, range);

	t->offset = offset;
	t->size = size;
	return 0x1234;
}

static void thing_write(void *ctx, uint64_t offset, unsigned int size,
			uint64_t value)
{
	struct thing *t = container_of(ctx, struct thing, range);

	t->offset = offset;
	t->size = size;
	t->value = value;
	t->writes++;
}

static const struct bus_ops thing_ops = {
	.read = thing_read,
	.write = thing_write,
};

static struct thing thing_at(uint64_t base, uint64_t size)
{
	return (struct thing){
		.range = { .base = base, .size = size, .ops = &thing_ops },
	};
}

static int put(struct thing *t)
{
	return bus_insert(&bus, &t->range, NULL);
}

static int mmio(void **state)
{
	(void)state;
	bus_init(&bus, TOP);
	return 0;
}

static int pio(void **state)
{
	(void)state;
	bus_init(&bus, 0xffff);
	return 0;
}

static int done(void **state)
{
	(void)state;
	bus_fini(&bus);
	return 0;
}

static void access_reaches_its_range_with_the_offset_in_it(void **state)
{
	struct thing a = thing_at(0x1000, 0x100), b = thing_at(0x1100, 0x10);
	uint64_t v = 0;

	(void)state;
	assert_int_equal(put(&b), 0);
	assert_int_equal(put(&a), 0);
	assert_true(bus_read(&bus, 0x10fc, 4, &v));
	assert_int_equal(v, 0x1234);
	assert_int_equal(a.offset, 0xfc);
	assert_int_equal(a.size, 4);
	assert_true(bus_write(&bus, 0x1100, 2, 0xbeef));
	assert_int_equal(b.offset, 0);
	assert_int_equal(b.size, 2);
	assert_int_equal(b.value, 0xbeef);
}

static void miss_reads_all_ones_of_its_size(void **state)
{
	static const uint64_t ones[] = {
		0,	    0xff,	  0xffff,	  0xffffff,
		0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff,
		UINT64_MAX
	};

	(void)state;
	for (unsigned int size = 1; size <= 8; size++) {
		uint64_t v = 0;

		assert_false(bus_read(&bus, 0x1000, size, &v));
		assert_int_equal(v, ones[size]);
	}
	assert_false(bus_write(&bus, 0x1000, 4, 1));
}

static void straddling_access_meets_nothing(void **state)
{
	struct thing a = thing_at(0x1000, 0x10), b = thing_at(0x1010, 0x10);
	uint64_t v;

	(void)state;
	put(&a);
	put(&b);
	assert_null(bus_find(&bus, 0xfff, 2));
	assert_null(bus_find(&bus, 0x100f, 2));
	assert_null(bus_find(&bus, 0x1019, 8));
	assert_ptr_equal(bus_find(&bus, 0x1018, 8), &b.range);
	assert_false(bus_read(&bus, 0x100e, 4, &v));
	assert_int_equal(v, 0xffffffff);
	assert_false(bus_write(&bus, 0x100e, 4, 0));
	assert_int_equal(a.writes + b.writes, 0);
}

static void impossible_sizes_meet_nothing(void **state)
{
	struct thing a = thing_at(0, 0x1000);

	(void)state;
	put(&a);
	assert_null(bus_find(&bus, 0, 0));
	assert_null(bus_find(&bus, 0, 9));
	assert_null(bus_find(&bus, 0, UINT32_MAX));
	assert_ptr_equal(bus_find(&bus, 0, 3), &a.range);
}

static void last_byte_of_the_space_can_be_used(void **state)
{
	struct thing a = thing_at(TOP, 1), b = thing_at(TOP - 0x10, 0x10);

	(void)state;
	assert_int_equal(put(&a), 0);
	assert_int_equal(put(&b), 0);
	assert_ptr_equal(bus_find(&bus, TOP, 1), &a.range);
	assert_null(bus_find(&bus, TOP, 2));
	assert_null(bus_find(&bus, TOP, 8));
	assert_null(bus_find(&bus, TOP - 1, 2));
	assert_ptr_equal(bus_find(&bus, TOP - 1, 1), &b.range);
	assert_ptr_equal(bus_first(&bus, TOP), &a.range);
	assert_int_equal(bus_move(&bus, &a.range, 0, NULL), 0);
	assert_null(bus_find(&bus, TOP, 1));
	assert_ptr_equal(bus_find(&bus, 0, 1), &a.range);
	assert_int_equal(bus_move(&bus, &a.range, TOP, NULL), 0);
	assert_ptr_equal(bus_find(&bus, TOP, 1), &a.range);
}

static void ports_end_at_ffff(void **state)
{
	struct thing a = thing_at(0xfff8, 8), b = thing_at(0xfff9, 8),
		     c = thing_at(0x10000, 1);

	(void)state;
	assert_int_equal(put(&b), -EINVAL);
	assert_int_equal(put(&c), -EINVAL);
	assert_int_equal(put(&a), 0);
	assert_ptr_equal(bus_find(&bus, 0xffff, 1), &a.range);
	assert_null(bus_find(&bus, 0xffff, 2));
	assert_null(bus_find(&bus, 0x10000, 1));
	assert_int_equal(bus_move(&bus, &a.range, 0xfffc, NULL), -EINVAL);
	assert_ptr_equal(bus_find(&bus, 0xfff8, 8), &a.range);
}

static void empty_or_wrapping_range_is_refused(void **state)
{
	struct thing a = thing_at(0x1000, 0), b = thing_at(TOP, 2),
		     c = thing_at(0x1000, TOP);

	(void)state;
	assert_int_equal(put(&a), -EINVAL);
	assert_int_equal(put(&b), -EINVAL);
	assert_int_equal(put(&c), -EINVAL);
	assert_int_equal(bus.nr, 0);
}

static void overlap_is_refused_and_names_the_lowest(void **state)
{
	struct thing a = thing_at(0x1000, 0x100), b = thing_at(0x1200, 0x100);
	struct thing c = thing_at(0x10ff, 0x200), d = thing_at(0x1100, 0x100);
	struct bus_range *conflict = NULL;

	(void)state;
	put(&a);
	put(&b);
	assert_int_equal(bus_insert(&bus, &c.range, &conflict), -EEXIST);
	assert_ptr_equal(conflict, &a.range);
	c.range.base = 0x1100;
	assert_int_equal(bus_insert(&bus, &c.range, &conflict), -EEXIST);
	assert_ptr_equal(conflict, &b.range);
	assert_int_equal(put(&d), 0);
	assert_int_equal(bus.nr, 3);
}

static void move_refused_leaves_the_range_where_it_was(void **state)
{
	struct thing a = thing_at(0x1000, 0x100), b = thing_at(0x2000, 0x100);
	struct bus_range *conflict = NULL;

	(void)state;
	put(&a);
	put(&b);
	assert_int_equal(bus_move(&bus, &a.range, 0x20ff, &conflict), -EEXIST);
	assert_ptr_equal(conflict, &b.range);
	assert_int_equal(a.range.base, 0x1000);
	assert_int_equal(bus_move(&bus, &a.range, TOP - 0xfe, NULL), -EINVAL);
	assert_ptr_equal(bus_find(&bus, 0x1000, 8), &a.range);
	assert_ptr_equal(bus_find(&bus, 0x2000, 8), &b.range);
}

static void range_may_move_onto_a_part_of_itself(void **state)
{
	struct thing a = thing_at(0x1000, 0x100), b = thing_at(0x1180, 0x80);

	(void)state;
	put(&a);
	put(&b);
	assert_int_equal(bus_move(&bus, &a.range, 0x1080, NULL), 0);
	assert_null(bus_find(&bus, 0x1000, 1));
	assert_ptr_equal(bus_find(&bus, 0x1178, 8), &a.range);
	assert_int_equal(bus_move(&bus, &a.range, 0xff0, NULL), 0);
	assert_ptr_equal(bus_find(&bus, 0xff0, 1), &a.range);
	assert_ptr_equal(bus_find(&bus, 0x1180, 1), &b.range);
}

static void first_iterates_in_order(void **state)
{
	struct thing a = thing_at(0x3000, 0x100), b = thing_at(0x1000, 0x100);

	(void)state;
	assert_null(bus_first(&bus, 0));
	put(&a);
	put(&b);
	assert_ptr_equal(bus_first(&bus, 0), &b.range);
	assert_ptr_equal(bus_first(&bus, 0x10ff), &b.range);
	assert_ptr_equal(bus_first(&bus, 0x1100), &a.range);
	assert_null(bus_first(&bus, 0x3100));
}

static void bus_that_is_full_refuses_more_but_still_moves(void **state)
{
	struct thing a = thing_at(0x1000, 0x100), b = thing_at(0x3000, 0x100);

	(void)state;
	bus.max = 1;
	assert_int_equal(put(&a), 0);
	assert_int_equal(put(&b), -ENOSPC);
	assert_int_equal(bus_move(&bus, &a.range, 0x2000, NULL), 0);
	bus_remove(&bus, &a.range);
	assert_int_equal(put(&b), 0);
}

/* ---- Against an array of ranges that is searched from end to end --------- */

#define THINGS 48
/* Small enough that ranges touch, and with an end at the top of the space. */
#define SPACE  512

static struct thing things[THINGS];
static bool present[THINGS];

static struct bus_range *naive_find(uint64_t addr, unsigned int size)
{
	for (unsigned int i = 0; i < THINGS; i++) {
		const struct bus_range *r = &things[i].range;
		bool all = present[i];

		for (unsigned int k = 0; k < size; k++)
			all = all && addr + k >= addr &&
			      addr + k - r->base < r->size;
		if (all)
			return &things[i].range;
	}
	return NULL;
}

/* The lowest range in the way of @size bytes at @base, but for @self. */
static struct bus_range *naive_conflict(uint64_t base, uint64_t size,
					const struct bus_range *self)
{
	struct bus_range *lowest = NULL;

	for (unsigned int i = 0; i < THINGS; i++) {
		struct bus_range *r = &things[i].range;

		if (!present[i] || r == self)
			continue;
		if (r->base - base < size || base - r->base < r->size)
			if (!lowest || r->base < lowest->base)
				lowest = r;
	}
	return lowest;
}

static void check_lookups(uint64_t origin)
{
	for (unsigned int i = 0; i < 8; i++) {
		uint64_t addr = origin + (unsigned int)rand() % SPACE;
		unsigned int size = 1 + (unsigned int)rand() % 8;

		assert_ptr_equal(bus_find(&bus, addr, size),
				 naive_find(addr, size));
	}
}

static void random_change(uint64_t origin)
{
	unsigned int i = (unsigned int)rand() % THINGS;
	struct bus_range *r = &things[i].range;
	uint64_t at = (unsigned int)rand() % SPACE;
	uint64_t size = 1 + (unsigned int)rand() % 16;
	struct bus_range *want, *conflict = NULL;
	int err;

	if (present[i] && rand() % 3 == 0) {
		bus_remove(&bus, r);
		present[i] = false;
		return;
	}
	if (present[i])
		size = r->size;
	want = naive_conflict(origin + at, size, present[i] ? r : NULL);
	if (present[i]) {
		err = bus_move(&bus, r, origin + at, &conflict);
	} else {
		*r = (struct bus_range){
			.base = origin + at,
			.size = size,
			.ops = &thing_ops,
		};
		err = bus_insert(&bus, r, &conflict);
	}
	if (at + size > SPACE) {
		assert_int_equal(err, -EINVAL);
		return;
	}
	assert_int_equal(err, want ? -EEXIST : 0);
	assert_ptr_equal(conflict, want);
	present[i] = present[i] || !err;
}

/* How many ranges there are, one behind the other. */
static uint32_t iterate(void)
{
	const struct bus_range *before = NULL;
	uint32_t n = 0;

	for (struct bus_range *r = bus_first(&bus, 0); r;
	     r = bus_next(&bus, r), n++) {
		assert_true(!before ||
			    before->base + (before->size - 1) < r->base);
		before = r;
	}
	return n;
}

static void agrees_with_a_naive_array(void **state)
{
	const uint64_t origin = TOP - SPACE + 1;
	unsigned int most = 0;

	(void)state;
	srand(11);
	memset(present, 0, sizeof(present));
	for (unsigned int i = 0; i < 100000; i++) {
		random_change(origin);
		check_lookups(origin);
		most = bus.nr > most ? bus.nr : most;
		assert_int_equal(iterate(), bus.nr);
	}
	assert_true(most > THINGS / 2);
}

#define T(name, how) cmocka_unit_test_setup_teardown(name, how, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(access_reaches_its_range_with_the_offset_in_it, mmio),
		T(miss_reads_all_ones_of_its_size, mmio),
		T(straddling_access_meets_nothing, mmio),
		T(impossible_sizes_meet_nothing, mmio),
		T(last_byte_of_the_space_can_be_used, mmio),
		T(ports_end_at_ffff, pio),
		T(empty_or_wrapping_range_is_refused, mmio),
		T(overlap_is_refused_and_names_the_lowest, mmio),
		T(move_refused_leaves_the_range_where_it_was, mmio),
		T(range_may_move_onto_a_part_of_itself, mmio),
		T(first_iterates_in_order, mmio),
		T(bus_that_is_full_refuses_more_but_still_moves, mmio),
		T(agrees_with_a_naive_array, mmio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
