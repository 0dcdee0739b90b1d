/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Discard and write zeroes: what becomes of the blocks, and which ranges are
 * refused before the first of them is touched.
 */
#include "transport/devices/test_disk.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define MOST_SECTORS (1u << 21)

static const struct blk_range first_page = { .sectors = 8 };

static uint8_t go_ranges(struct disk *t, uint32_t type,
			 const struct blk_range *range, unsigned int nr)
{
	memcpy(rig_at(&t->rig, DISK_DATA), range, nr * sizeof(*range));
	disk_header(t, type, 0);
	disk_desc(t, 0, DISK_HEADER, 16, RIG_NEXT);
	disk_desc(t, 1, DISK_DATA, nr * BLK_RANGE_BYTES, RIG_NEXT);
	disk_desc(t, 2, DISK_STATUS, 1, RIG_WRITE);
	return disk_go(t);
}

static uint8_t go_range(struct disk *t, uint32_t type, uint64_t sector,
			uint32_t sectors, uint32_t flags)
{
	const struct blk_range range = { sector, sectors, flags };

	return go_ranges(t, type, &range, 1);
}

static void fill(struct disk *t, uint64_t sector)
{
	disk_pattern(t, 5);
	assert_int_equal(disk_do(t, BLK_T_OUT, sector, DISK_BYTES), BLK_S_OK);
}

static bool has_old_bytes(struct disk *t, unsigned int sector)
{
	const unsigned int from = sector * BLK_SECTOR;
	uint8_t *p = rig_at(&t->rig, DISK_DATA);

	memmove(p, p + from, BLK_SECTOR);
	return disk_has_pattern(t, 5, from, BLK_SECTOR);
}

/* Are these sectors of the 128 at @sector zero, and the others not? */
static void only_zero(struct disk *t, uint64_t sector, unsigned int from,
		      unsigned int to)
{
	unsigned int i;

	disk_wipe(t, 0xaa);
	assert_int_equal(disk_do(t, BLK_T_IN, sector, DISK_BYTES), BLK_S_OK);
	for (i = 0; i < DISK_BYTES / BLK_SECTOR; i++) {
		if (i >= from && i < to)
			assert_true(disk_all(t, 0, i * BLK_SECTOR, BLK_SECTOR));
		else
			assert_true(has_old_bytes(t, i));
	}
}

static void zeroed_range_reads_as_zeroes_and_nothing_else_does(void **state)
{
	static const struct {
		uint32_t from, to, flags;
	} cases[] = {
		{ 0, 1, 0 },   { 3, 9, 0 },   { 0, 128, 0 }, { 127, 128, 0 },
		{ 5, 121, 1 }, { 0, 128, 1 }, { 8, 16, 1 },  { 9, 10, 1 },
	};
	struct disk t;
	unsigned int i;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		fill(&t, 256);
		assert_int_equal(
			go_range(&t, BLK_T_WRITE_ZEROES, 256 + cases[i].from,
				 cases[i].to - cases[i].from, cases[i].flags),
			BLK_S_OK);
		assert_int_equal(disk_len(&t), 1);
		only_zero(&t, 256, cases[i].from, cases[i].to);
	}
	assert_int_equal(t.v.queue[0].stats.bad_requests, 0);
	disk_end(&t);
}

static void request_may_have_several_ranges(void **state)
{
	const struct blk_range three[] = {
		{ .sector = 4, .sectors = 2 },
		{ .sector = 0, .sectors = 0 }, /* nothing of it */
		{ .sector = 0, .sectors = 4, .flags = BLK_RANGE_UNMAP },
	};
	struct blk_range range[BLK_MAX_RANGES + 1];
	struct disk t;
	uint32_t i;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	fill(&t, 0);
	assert_int_equal(go_ranges(&t, BLK_T_WRITE_ZEROES, three, 3), BLK_S_OK);
	only_zero(&t, 0, 0, 6);
	for (i = 0; i < ARRAY_SIZE(range); i++)
		range[i] = (struct blk_range){ .sector = i, .sectors = 1 };
	fill(&t, 0);
	assert_int_equal(go_ranges(&t, BLK_T_WRITE_ZEROES, range, 16),
			 BLK_S_OK);
	only_zero(&t, 0, 0, 16);
	/* One more than the configuration says. */
	fill(&t, 0);
	assert_int_equal(go_ranges(&t, BLK_T_WRITE_ZEROES, range, 17),
			 BLK_S_IOERR);
	only_zero(&t, 0, 0, 0);
	disk_end(&t);
}

static void discarded_memory_goes_back_and_reads_as_zeroes(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=4M");
	fill(&t, 1024);
	assert_int_equal(go_range(&t, BLK_T_DISCARD, 1024, 128, 0), BLK_S_OK);
	only_zero(&t, 1024, 0, 128);
	disk_end(&t);
}

/* virtio 1.2, 5.2.6.2: unknown flags, and unmap in a discard */
static void flags_that_are_not_known_are_unsupported(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	fill(&t, 0);
	assert_int_equal(go_range(&t, BLK_T_DISCARD, 0, 8, 1), BLK_S_UNSUPP);
	assert_int_equal(go_range(&t, BLK_T_DISCARD, 0, 8, 2), BLK_S_UNSUPP);
	assert_int_equal(go_range(&t, BLK_T_WRITE_ZEROES, 0, 8, 2),
			 BLK_S_UNSUPP);
	assert_int_equal(go_range(&t, BLK_T_WRITE_ZEROES, 0, 8, 0x80000001),
			 BLK_S_UNSUPP);
	only_zero(&t, 0, 0, 0);
	assert_int_equal(t.v.queue[0].stats.bad_requests, 4);
	disk_end(&t);
}

static void ranges_beyond_the_end_touch_nothing(void **state)
{
	static const struct blk_range bad[] = {
		{ 2048, 1, 0 },	      { 2047, 2, 0 },
		{ UINT64_MAX, 8, 0 }, { UINT64_MAX - 3, 8, 0 },
		{ 0, UINT32_MAX, 0 }, { 2049, 0, 0 },
	};
	struct disk t;
	unsigned int i;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	fill(&t, 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		/* Not even the good one before it. */
		const struct blk_range two[] = { first_page, bad[i] };

		assert_int_equal(go_ranges(&t, BLK_T_DISCARD, two, 2),
				 BLK_S_IOERR);
		assert_int_equal(go_ranges(&t, BLK_T_WRITE_ZEROES, two, 2),
				 BLK_S_IOERR);
	}
	only_zero(&t, 0, 0, 0);
	disk_end(&t);
}

static void range_may_be_as_long_as_the_configuration_says(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=4G");
	assert_int_equal(go_range(&t, BLK_T_DISCARD, 8, MOST_SECTORS, 0),
			 BLK_S_OK);
	/* In pieces that leave time for others. */
	assert_in_range(t.runs, 8, 999);
	assert_int_equal(go_range(&t, BLK_T_DISCARD, 8, MOST_SECTORS + 1, 0),
			 BLK_S_IOERR);
	disk_end(&t);
}

static void half_a_range_is_refused(void **state)
{
	static const uint32_t lens[] = { 0, 1, 8, 15, 17, 31 };
	struct disk t;
	unsigned int i;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	fill(&t, 0);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		go_ranges(&t, BLK_T_DISCARD, &first_page, 1);
		fill(&t, 0);
		disk_header(&t, BLK_T_DISCARD, 0);
		memcpy(rig_at(&t.rig, DISK_TABLE), &first_page, 16);
		disk_desc(&t, 0, DISK_HEADER, 16, RIG_NEXT);
		disk_desc(&t, 1, DISK_TABLE, lens[i], RIG_NEXT);
		disk_desc(&t, 2, DISK_STATUS, 1, RIG_WRITE);
		assert_int_equal(disk_go(&t), BLK_S_IOERR);
		only_zero(&t, 0, 0, 0);
	}
	disk_end(&t);
}

static void ranges_are_unsupported_unless_negotiated(void **state)
{
	struct virtio_device *dev = NULL;
	char error[100];
	struct disk t;

	(void)state;
	assert_int_equal(
		disk_create("backend=ram size=1M", &dev, error, sizeof(error)),
		0);
	disk_begin(&t, dev, 0);
	fill(&t, 0);
	assert_int_equal(go_ranges(&t, BLK_T_DISCARD, &first_page, 1),
			 BLK_S_UNSUPP);
	assert_int_equal(go_ranges(&t, BLK_T_WRITE_ZEROES, &first_page, 1),
			 BLK_S_UNSUPP);
	only_zero(&t, 0, 0, 0);
	disk_end(&t);
	disk_open(&t, "backend=ram size=1M readonly=true");
	assert_int_equal(go_ranges(&t, BLK_T_WRITE_ZEROES, &first_page, 1),
			 BLK_S_UNSUPP);
	disk_end(&t);
}

static void null_disk_takes_ranges_too(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=null size=4G");
	assert_int_equal(go_range(&t, BLK_T_DISCARD, 0, MOST_SECTORS, 0),
			 BLK_S_OK);
	assert_int_equal(go_range(&t, BLK_T_WRITE_ZEROES, 1, MOST_SECTORS, 1),
			 BLK_S_OK);
	disk_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			zeroed_range_reads_as_zeroes_and_nothing_else_does),
		cmocka_unit_test(request_may_have_several_ranges),
		cmocka_unit_test(
			discarded_memory_goes_back_and_reads_as_zeroes),
		cmocka_unit_test(flags_that_are_not_known_are_unsupported),
		cmocka_unit_test(ranges_beyond_the_end_touch_nothing),
		cmocka_unit_test(
			range_may_be_as_long_as_the_configuration_says),
		cmocka_unit_test(half_a_range_is_refused),
		cmocka_unit_test(ranges_are_unsupported_unless_negotiated),
		cmocka_unit_test(null_disk_takes_ranges_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
