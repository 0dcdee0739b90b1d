/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/mem/gpa.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#define RW (GPA_READ | GPA_WRITE)

static struct gpa_map map;
static uint8_t memory[0x10000];

static int empty(void **state)
{
	(void)state;
	gpa_map_init(&map);
	return 0;
}

static int done(void **state)
{
	(void)state;
	gpa_map_fini(&map);
	return 0;
}

static int put(uint64_t gpa, uint64_t size, void *host, uint32_t flags)
{
	const struct gpa_region r = {
		.gpa = gpa,
		.size = size,
		.host = host,
		.flags = flags,
	};

	return gpa_map_insert(&map, &r);
}

/* rule 116 */
static void address_in_a_region_becomes_its_host_byte(void **state)
{
	void *host = NULL;

	(void)state;
	assert_int_equal(put(0x8000, 0x1000, memory + 0x1000, RW), 0);
	assert_int_equal(put(0x1000, 0x1000, memory, RW), 0);
	assert_ptr_equal(gpa_ptr(&map, 0x1000, 1, false), memory);
	assert_ptr_equal(gpa_ptr(&map, 0x1fff, 1, true), memory + 0xfff);
	assert_ptr_equal(gpa_ptr(&map, 0x8010, 0xff0, true), memory + 0x1010);
	assert_int_equal(gpa_span(&map, 0x8ff0, 0x100, false, &host), 0x10);
	assert_ptr_equal(host, memory + 0x1ff0);
}

/* rule 116 */
static void hole_or_nothing_is_out_of_reach(void **state)
{
	void *host = NULL;

	(void)state;
	put(0x1000, 0x1000, memory, RW);
	put(0x2000, 0x1000, NULL, 0);
	assert_int_equal(gpa_span(&map, 0xfff, 1, false, &host), 0);
	assert_int_equal(gpa_span(&map, 0x2000, 1, false, &host), 0);
	assert_int_equal(gpa_span(&map, 0x3000, 1, false, &host), 0);
	assert_int_equal(gpa_span(&map, UINT64_MAX, 1, false, &host), 0);
	assert_null(host);
	assert_null(gpa_ptr(&map, 0x1ff8, 16, false));
	assert_int_equal(gpa_span(&map, 0x1ff8, 16, false, &host), 8);
}

/* rule 116 */
static void length_that_overflows_gets_no_more_than_the_region(void **state)
{
	void *host;

	(void)state;
	put(0x1000, 0x1000, memory, RW);
	assert_int_equal(gpa_span(&map, 0x1800, UINT64_MAX, false, &host),
			 0x800);
	assert_null(gpa_ptr(&map, 0x1800, UINT64_MAX - 0x1000, false));
	assert_null(gpa_ptr(&map, 0x1001, UINT64_MAX, true));
}

/* rule 116 */
static void top_of_the_address_space_can_be_used(void **state)
{
	const uint64_t base = UINT64_MAX - 0xfff;
	void *host;

	(void)state;
	assert_int_equal(put(base, 0x1000, memory, RW), 0);
	assert_int_equal(put(base - 0x1000, 0x1000, memory + 0x2000, RW), 0);
	assert_ptr_equal(gpa_ptr(&map, UINT64_MAX, 1, false), memory + 0xfff);
	assert_int_equal(gpa_span(&map, UINT64_MAX, 2, false, &host), 1);
	assert_int_equal(gpa_span(&map, base, UINT64_MAX, false, &host),
			 0x1000);
}

/* rule 116 */
static void neighbours_in_guest_and_host_are_one_piece(void **state)
{
	(void)state;
	put(0x1000, 0x1000, memory, RW);
	put(0x3000, 0x1000, memory + 0x2000, RW);
	assert_null(gpa_ptr(&map, 0x1000, 0x3000, false));
	put(0x2000, 0x1000, memory + 0x1000, RW);
	assert_ptr_equal(gpa_ptr(&map, 0x1000, 0x3000, true), memory);
	assert_ptr_equal(gpa_ptr(&map, 0x1ffe, 0x1004, true), memory + 0xffe);
	assert_null(gpa_ptr(&map, 0x1000, 0x3001, true));
}

/* rule 116 */
static void neighbours_apart_in_host_memory_are_two_pieces(void **state)
{
	void *host;

	(void)state;
	put(0x1000, 0x1000, memory, RW);
	put(0x2000, 0x1000, memory + 0x3000, RW);
	assert_int_equal(gpa_span(&map, 0x1f00, 0x200, false, &host), 0x100);
	assert_int_equal(gpa_span(&map, 0x2000, 0x100, false, &host), 0x100);
	assert_ptr_equal(host, memory + 0x3000);
}

static void read_only_memory_takes_no_write(void **state)
{
	void *host;

	(void)state;
	put(0x1000, 0x1000, memory, RW);
	put(0x2000, 0x1000, memory + 0x1000, GPA_READ);
	put(0x3000, 0x1000, memory + 0x2000, GPA_WRITE);
	assert_null(gpa_ptr(&map, 0x2000, 1, true));
	assert_non_null(gpa_ptr(&map, 0x2000, 1, false));
	assert_null(gpa_ptr(&map, 0x3000, 1, false));
	assert_int_equal(gpa_span(&map, 0x1000, 0x3000, true, &host), 0x1000);
	assert_int_equal(gpa_span(&map, 0x1000, 0x3000, false, &host), 0x2000);
}

static void impossible_regions_are_refused(void **state)
{
	(void)state;
	assert_int_equal(put(0x1000, 0, memory, RW), -EINVAL);
	assert_int_equal(put(UINT64_MAX, 2, memory, RW), -EINVAL);
	assert_int_equal(put(0x1000, UINT64_MAX, memory, RW), -EINVAL);
	assert_int_equal(put(0x1000, 0x1000, memory, RW), 0);
	assert_int_equal(put(0x1fff, 1, memory, RW), -EEXIST);
	assert_int_equal(put(0, 0x1001, memory, RW), -EEXIST);
	assert_int_equal(put(0, UINT64_MAX, NULL, 0), -EEXIST);
	assert_int_equal(map.nr, 1);
}

static void only_exactly_what_was_inserted_can_be_removed(void **state)
{
	struct gpa_region r = { .size = 7 };

	(void)state;
	put(0x1000, 0x1000, memory, RW);
	assert_int_equal(gpa_map_remove(&map, 0x1000, 0x800, &r), -ENOENT);
	assert_int_equal(gpa_map_remove(&map, 0x1800, 0x800, &r), -ENOENT);
	assert_int_equal(gpa_map_remove(&map, 0x3000, 0x800, &r), -ENOENT);
	assert_int_equal(r.size, 7);
	assert_int_equal(gpa_map_remove(&map, 0x1000, 0x1000, &r), 0);
	assert_ptr_equal(r.host, memory);
	assert_null(gpa_ptr(&map, 0x1000, 1, false));
	assert_int_equal(gpa_map_remove(&map, 0x1000, 0x1000, &r), -ENOENT);
}

static void epoch_moves_with_every_change_and_only_then(void **state)
{
	struct gpa_region r;
	uint64_t epoch = map.epoch;

	(void)state;
	assert_int_not_equal(epoch, 0);
	put(0x1000, 0x1000, memory, RW);
	assert_int_not_equal(map.epoch, epoch);
	epoch = map.epoch;
	put(0x1000, 0x1000, memory, RW);
	gpa_ptr(&map, 0x1000, 1, true);
	gpa_map_remove(&map, 0x2000, 0x1000, &r);
	assert_int_equal(map.epoch, epoch);
	gpa_map_remove(&map, 0x1000, 0x1000, &r);
	assert_int_not_equal(map.epoch, epoch);
}

static void table_ends_at_its_limit(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < GPA_MAX_REGIONS; i++)
		assert_int_equal(put((i + 1) * 0x1000, 0x800, NULL, 0), 0);
	assert_int_equal(put(0, 0x800, NULL, 0), -ENOSPC);
}

/* ---- Against a table with one entry per page ----------------------------- */

#define PAGES 64

struct page {
	uint8_t *host;
	uint32_t flags;
	unsigned int start, length; /* of its region; length 0: none */
};

static struct page pages[PAGES];

static uint64_t naive_span(uint64_t at, uint64_t len, bool write, void **host)
{
	uint64_t n = 0;

	for (; n < len; n++) {
		const struct page *p = &pages[(at + n) / 16 % PAGES];
		uint8_t *byte;

		if ((at + n) / 16 >= PAGES || !p->host ||
		    !(p->flags & (write ? GPA_WRITE : GPA_READ)))
			break;
		byte = p->host + (at + n) % 16;
		if (n == 0)
			*host = byte;
		else if (byte != (uint8_t *)*host + n)
			break;
	}
	return n;
}

static void random_change(void)
{
	unsigned int start = (unsigned int)rand() % PAGES;
	unsigned int length = 1 + (unsigned int)rand() % 8, i;
	/* Few places, so that neighbours are often neighbours here too. */
	uint8_t *host = rand() % 5
				? memory + 16 * start + 0x1000 * !(rand() % 4)
				: NULL;
	uint32_t flags = rand() % 4 ? RW : 1 + (uint32_t)rand() % 2;
	struct gpa_region r;
	bool clear = true;

	if (pages[start].length && rand() % 3 == 0) {
		unsigned int s = pages[start].start, l = pages[start].length;

		assert_int_equal(gpa_map_remove(&map, 16 * s, 16 * l, &r), 0);
		memset(&pages[s], 0, l * sizeof(pages[0]));
		return;
	}
	if (start + length > PAGES)
		return;
	for (i = start; i < start + length; i++)
		clear = clear && !pages[i].length;
	assert_int_equal(put(16 * start, 16 * length, host, flags),
			 clear ? 0 : -EEXIST);
	for (i = start; clear && i < start + length; i++)
		pages[i] = (struct page){
			.host = host ? host + 16 * (i - start) : NULL,
			.flags = flags,
			.start = start,
			.length = length,
		};
}

static uint64_t region_end(uint64_t at)
{
	const struct page *p = &pages[at / 16];

	return 16 * (p->start + p->length);
}

/* rule 116 */
static void agrees_with_a_naive_table(void **state)
{
	unsigned int merged = 0;

	(void)state;
	srand(3);
	memset(pages, 0, sizeof(pages));
	for (unsigned int i = 0; i < 50000; i++) {
		uint64_t at = (unsigned int)rand() % (16 * PAGES + 8);
		uint64_t len = 1 + (unsigned int)rand() % 300;
		bool write = rand() & 1;
		void *host = NULL, *want = NULL;

		random_change();
		assert_int_equal(gpa_span(&map, at, len, write, &host),
				 naive_span(at, len, write, &want));
		assert_ptr_equal(host, want);
		merged += host && at + naive_span(at, len, write, &want) >
					  region_end(at);
	}
	assert_true(merged > 100);
}

#define T(name) cmocka_unit_test_setup_teardown(name, empty, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(address_in_a_region_becomes_its_host_byte),
		T(hole_or_nothing_is_out_of_reach),
		T(length_that_overflows_gets_no_more_than_the_region),
		T(top_of_the_address_space_can_be_used),
		T(neighbours_in_guest_and_host_are_one_piece),
		T(neighbours_apart_in_host_memory_are_two_pieces),
		T(read_only_memory_takes_no_write),
		T(impossible_regions_are_refused),
		T(only_exactly_what_was_inserted_can_be_removed),
		T(epoch_moves_with_every_change_and_only_then),
		T(table_ends_at_its_limit),
		T(agrees_with_a_naive_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
