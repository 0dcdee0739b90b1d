/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How requests lie in descriptors: any way the framing rules allow, and all
 * those that they do not.
 */
#include "transport/devices/test_disk.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define BIG_PIECE 0x10000u

/* One descriptor, which refers to @n entries. */
static uint8_t go_table(struct disk *t, unsigned int n)
{
	disk_desc(t, 0, DISK_TABLE, 16 * n, RIG_INDIRECT);
	return disk_go(t);
}

/* virtio 1.2, 2.7.4: no assumption about how descriptors divide a request */
static void header_may_come_in_pieces(void **state)
{
	static const uint32_t cuts[][4] = {
		{ 8, 8 },	{ 1, 15 }, { 15, 1 },	{ 4, 4, 8 },
		{ 4, 4, 4, 4 }, { 0, 16 }, { 7, 0, 9 },
	};
	struct disk t;
	unsigned int i, k, n;
	uint64_t at;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	disk_pattern(&t, 1);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 3, 512), BLK_S_OK);
	for (i = 0; i < ARRAY_SIZE(cuts); i++) {
		disk_wipe(&t, 0);
		disk_header(&t, BLK_T_IN, 3);
		at = DISK_HEADER;
		for (n = k = 0; k < 4; at += cuts[i][k++])
			disk_desc(&t, n++, at, cuts[i][k], RIG_NEXT);
		disk_desc(&t, n++, DISK_DATA, 512, RIG_WRITE | RIG_NEXT);
		disk_desc(&t, n, DISK_STATUS, 1, RIG_WRITE);
		assert_int_equal(disk_go(&t), BLK_S_OK);
		assert_int_equal(disk_len(&t), 513);
		assert_true(disk_has_pattern(&t, 1, 0, 512));
	}
	disk_end(&t);
}

static void header_and_data_may_share_a_descriptor(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	disk_pattern(&t, 2);
	disk_header(&t, BLK_T_OUT, 7);
	memcpy(rig_at(&t.rig, DISK_DATA - 16), rig_at(&t.rig, DISK_HEADER), 16);
	disk_desc(&t, 0, DISK_DATA - 16, 16 + 700, RIG_NEXT);
	disk_desc(&t, 1, DISK_DATA + 700, 324, RIG_NEXT);
	disk_desc(&t, 2, DISK_STATUS, 1, RIG_WRITE);
	assert_int_equal(disk_go(&t), BLK_S_OK);
	assert_int_equal(disk_len(&t), 1);
	disk_wipe(&t, 0);
	assert_int_equal(disk_do(&t, BLK_T_IN, 7, 1024), BLK_S_OK);
	assert_true(disk_has_pattern(&t, 2, 0, 1024));
	disk_end(&t);
}

static void data_and_status_may_share_a_descriptor(void **state)
{
	struct disk t;
	uint8_t *status;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	disk_pattern(&t, 3);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 0, 1024), BLK_S_OK);
	disk_wipe(&t, 0xaa);
	status = rig_at(&t.rig, DISK_DATA + 1024);
	disk_header(&t, BLK_T_IN, 0);
	disk_desc(&t, 0, DISK_HEADER, 16, RIG_NEXT);
	disk_desc(&t, 1, DISK_DATA, 100, RIG_WRITE | RIG_NEXT);
	disk_desc(&t, 2, DISK_DATA + 100, 925, RIG_WRITE);
	disk_go(&t);
	assert_int_equal(*status, BLK_S_OK);
	assert_int_equal(disk_len(&t), 1025);
	assert_true(disk_has_pattern(&t, 3, 0, 1024));
	assert_true(disk_all(&t, 0xaa, 1025, 512));
	disk_end(&t);
}

static void data_may_come_byte_by_byte(void **state)
{
	struct disk t;
	unsigned int i;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	disk_pattern(&t, 4);
	disk_header(&t, BLK_T_OUT, 0);
	disk_entry(&t, 0, DISK_HEADER, 16, RIG_NEXT);
	for (i = 0; i < 512; i++)
		disk_entry(&t, 1 + i, DISK_DATA + i, 1, RIG_NEXT);
	disk_entry(&t, 513, DISK_STATUS, 1, RIG_WRITE);
	assert_int_equal(go_table(&t, 514), BLK_S_OK);
	disk_wipe(&t, 0);
	disk_header(&t, BLK_T_IN, 0);
	for (i = 0; i < 512; i++)
		disk_entry(&t, 1 + i, DISK_DATA + i, 1, RIG_NEXT | RIG_WRITE);
	assert_int_equal(go_table(&t, 514), BLK_S_OK);
	assert_int_equal(disk_len(&t), 513);
	assert_true(disk_has_pattern(&t, 4, 0, 512));
	disk_end(&t);
}

/* rule 118 */
static void
request_without_room_for_a_status_is_used_with_length_0(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	disk_pattern(&t, 5);
	disk_header(&t, BLK_T_OUT, 0);
	disk_desc(&t, 0, DISK_HEADER, 16, RIG_NEXT);
	disk_desc(&t, 1, DISK_DATA, 512, 0);
	disk_go(&t);
	assert_int_equal(disk_used(&t), 1);
	assert_int_equal(disk_len(&t), 0);
	disk_desc(&t, 1, DISK_STATUS, 0, RIG_WRITE);
	disk_go(&t);
	assert_int_equal(disk_used(&t), 2);
	assert_int_equal(disk_len(&t), 0);
	assert_int_equal(disk_status(&t), DISK_UNTOUCHED);
	assert_int_equal(t.v.queue[0].stats.bad_requests, 2);
	assert_int_equal(virtio_status(&t.v), 0xf);
	/* It was not written, and the queue goes on. */
	assert_int_equal(disk_do(&t, BLK_T_IN, 0, 512), BLK_S_OK);
	assert_true(disk_all(&t, 0, 0, 512));
	disk_end(&t);
}

/* rule 118 */
static void short_header_is_an_error_of_the_request(void **state)
{
	struct disk t;
	uint32_t n;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	for (n = 0; n < 16; n++) {
		disk_header(&t, BLK_T_OUT, 0);
		disk_desc(&t, 0, DISK_HEADER, n, RIG_NEXT);
		disk_desc(&t, 1, DISK_STATUS, 1, RIG_WRITE);
		assert_int_equal(disk_go(&t), BLK_S_IOERR);
		assert_int_equal(disk_len(&t), 1);
	}
	/* No readable part at all. */
	disk_desc(&t, 0, DISK_STATUS, 1, RIG_WRITE);
	assert_int_equal(disk_go(&t), BLK_S_IOERR);
	assert_int_equal(t.v.queue[0].stats.bad_requests, 17);
	assert_int_equal(disk_do(&t, BLK_T_FLUSH, 0, 0), BLK_S_OK);
	disk_end(&t);
}

static void data_in_the_wrong_direction_is_left_alone(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	disk_pattern(&t, 6);
	/* A write that could only be read into: nothing to write. */
	disk_header(&t, BLK_T_OUT, 0);
	disk_desc(&t, 0, DISK_HEADER, 16, RIG_NEXT);
	disk_desc(&t, 1, DISK_DATA, 512, RIG_WRITE | RIG_NEXT);
	disk_desc(&t, 2, DISK_STATUS, 1, RIG_WRITE);
	assert_int_equal(disk_go(&t), BLK_S_OK);
	assert_int_equal(disk_len(&t), 0);
	assert_true(disk_has_pattern(&t, 6, 0, 512));
	/* A read with bytes behind its header. */
	disk_header(&t, BLK_T_IN, 0);
	disk_desc(&t, 0, DISK_HEADER, 256, RIG_NEXT);
	assert_int_equal(disk_go(&t), BLK_S_OK);
	assert_int_equal(disk_len(&t), 513);
	assert_true(disk_all(&t, 0, 0, 512));
	disk_end(&t);
}

/* rules 98, 118 */
static void chain_into_a_hole_breaks_the_queue_and_writes_nothing(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	disk_pattern(&t, 7);
	disk_describe(&t, BLK_T_OUT, 0, 512);
	disk_desc(&t, 1, DISK_DATA, 512, RIG_NEXT);
	disk_desc(&t, 2, 0x1000, 1, RIG_WRITE);
	disk_go(&t);
	assert_int_equal(disk_used(&t), 0);
	assert_true(virtio_status(&t.v) & VIRTIO_NEEDS_RESET);
	assert_int_equal(t.v.queue[0].stats.broken, 1);
	disk_end(&t);
}

/* Drivers are told of 254. */
static void more_pieces_than_a_request_may_have_are_refused(void **state)
{
	struct disk t;
	unsigned int i;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	/* Two host pieces each, of which none is longer than a sector. */
	rig_unmap(&t.rig, RIG_GPA, RIG_SIZE);
	rig_map(&t.rig, RIG_GPA, DISK_DATA + 256 - RIG_GPA, t.rig.mem,
		GPA_READ | GPA_WRITE);
	rig_map(&t.rig, DISK_DATA + 256, 256, rig_at(&t.rig, DISK_DATA + 8192),
		GPA_READ | GPA_WRITE);
	virtio_set_memory(&t.v, &t.rig.map);
	disk_header(&t, BLK_T_IN, 0);
	disk_entry(&t, 0, DISK_HEADER, 16, RIG_NEXT);
	for (i = 1; i < 512; i++)
		disk_entry(&t, i, DISK_DATA, 512, RIG_WRITE | RIG_NEXT);
	disk_entry(&t, 512, DISK_STATUS, 1, RIG_WRITE);
	/* 1 + 511 * 2 + 1 */
	assert_int_equal(go_table(&t, 513), BLK_S_OK);
	assert_int_equal(disk_len(&t), 511 * 512 + 1);
	disk_entry(&t, 512, DISK_DATA, 512, RIG_WRITE | RIG_NEXT);
	disk_entry(&t, 513, DISK_STATUS, 1, RIG_WRITE);
	go_table(&t, 514);
	assert_int_equal(disk_used(&t), 2);
	assert_int_equal(disk_len(&t), 0);
	assert_int_equal(t.v.queue[0].stats.bad_requests, 1);
	assert_int_equal(virtio_status(&t.v), 0xf);
	disk_end(&t);
}

/* A table of @n pieces of 64 KiB each. */
static void describe_big(struct disk *t, uint32_t type, unsigned int n)
{
	const unsigned int write = type == BLK_T_OUT ? 0 : RIG_WRITE;
	unsigned int i;

	disk_header(t, type, 0);
	disk_entry(t, 0, DISK_HEADER, 16, RIG_NEXT);
	for (i = 1; i <= n; i++)
		disk_entry(t, i, DISK_DATA, BIG_PIECE, write | RIG_NEXT);
	disk_entry(t, n + 1, DISK_STATUS, 1, RIG_WRITE);
	disk_desc(t, 0, DISK_TABLE, 16 * (n + 2), RIG_INDIRECT);
}

/* rule 119 */
static void run_moves_a_bounded_number_of_bytes(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=16M");
	disk_pattern(&t, 8);
	describe_big(&t, BLK_T_OUT, 160); /* 10 MiB */
	disk_offer(&t);
	rig_turn(&t.v, 64);
	assert_int_equal(disk_used(&t), 0);
	assert_int_equal(disk_status(&t), DISK_UNTOUCHED);
	disk_settle(&t);
	assert_in_range(t.runs, 9, 11);
	assert_int_equal(disk_status(&t), BLK_S_OK);
	/* Its end, from where the last run put it. */
	disk_wipe(&t, 0);
	assert_int_equal(disk_do(&t, BLK_T_IN, 19 << 10, 0x10000), BLK_S_OK);
	assert_true(disk_has_pattern(&t, 8, 0, 0x10000));
	assert_int_equal(disk_do(&t, BLK_T_IN, 20 << 10, 0x10000), BLK_S_OK);
	assert_true(disk_all(&t, 0, 0, 0x10000));
	describe_big(&t, BLK_T_IN, 160);
	assert_int_equal(disk_go(&t), BLK_S_OK);
	assert_in_range(t.runs, 10, 12);
	assert_int_equal(disk_len(&t), (10 << 20) + 1);
	disk_end(&t);
}

/* rule 119 */
static void run_walks_a_bounded_number_of_pieces(void **state)
{
	struct disk t;
	unsigned int i;

	(void)state;
	disk_open(&t, "backend=null size=1M");
	disk_header(&t, BLK_T_IN, 0);
	disk_entry(&t, 0, DISK_HEADER, 16, RIG_NEXT);
	for (i = 1; i < 1000; i++)
		disk_entry(&t, i, DISK_DATA, 1, RIG_WRITE | RIG_NEXT);
	disk_entry(&t, 1000, DISK_STATUS, 1, RIG_WRITE);
	disk_desc(&t, 0, DISK_TABLE, 16 * 1001, RIG_INDIRECT);
	for (i = 0; i < 64; i++)
		rig_offer(&t.ring[0], 0);
	virtio_kick(&t.v, 0);
	assert_true(rig_turn(&t.v, 64));
	assert_in_range(disk_used(&t), 1, 3);
	disk_settle(&t);
	assert_int_equal(disk_used(&t), 64);
	disk_end(&t);
}

/* The one behind has to wait for a run, not for ever. */
static void big_request_is_finished_before_the_next(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=16M");
	describe_big(&t, BLK_T_OUT, 40);
	rig_desc(&t.ring[0], 1, DISK_HEADER + 32, 16, RIG_NEXT, 2);
	rig_desc(&t.ring[0], 2, DISK_STATUS + 1, 1, RIG_WRITE, 0);
	store_le(rig_at(&t.rig, DISK_HEADER + 32), 4, BLK_T_FLUSH);
	rig_offer(&t.ring[0], 0);
	rig_offer(&t.ring[0], 1);
	virtio_kick(&t.v, 0);
	disk_settle(&t);
	assert_int_equal(disk_used(&t), 2);
	assert_int_equal(t.ring[0].used->ring[0].id, 0);
	assert_int_equal(t.ring[0].used->ring[1].id, 1);
	assert_int_equal(disk_status(&t), BLK_S_OK);
	disk_end(&t);
}

/* rule 56 */
static void reset_in_the_middle_of_a_request_ends_it(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=null size=16M");
	disk_pattern(&t, 8);
	describe_big(&t, BLK_T_IN, 100);
	disk_offer(&t);
	rig_turn(&t.v, 64);
	virtio_write_status(&t.v, 0);
	disk_pattern(&t, 8);
	disk_settle(&t);
	assert_int_equal(disk_status(&t), DISK_UNTOUCHED);
	assert_true(disk_has_pattern(&t, 8, 0, DISK_BYTES));
	assert_int_equal(disk_used(&t), 0);
	disk_end(&t);
}

/* The guest's memory lies elsewhere in the second half of the request. */
static void memory_that_moves_meanwhile_is_found_again(void **state)
{
	struct disk t;
	uint8_t *old, *new;

	(void)state;
	disk_open(&t, "backend=ram size=16M");
	disk_pattern(&t, 8);
	describe_big(&t, BLK_T_OUT, 100);
	disk_offer(&t);
	rig_turn(&t.v, 64);
	virtio_quiesce(&t.v);
	rig_unmap(&t.rig, RIG_GPA, RIG_SIZE);
	old = t.rig.mem;
	new = aligned_alloc(4096, RIG_SIZE);
	memcpy(new, old, RIG_SIZE);
	memset(old, 0xdd, RIG_SIZE);
	t.rig.mem = new;
	rig_map(&t.rig, RIG_GPA, RIG_SIZE, new, GPA_READ | GPA_WRITE);
	rig_ring(&t.rig, &t.ring[1], 1, DISK_RING);
	t.ring[0].desc = rig_at(&t.rig, t.ring[0].desc_gpa);
	t.ring[0].avail = rig_at(&t.rig, t.ring[0].avail_gpa);
	t.ring[0].used = rig_at(&t.rig, t.ring[0].used_gpa);
	/* Freed: the sanitizer knows of any access. */
	free(old);
	virtio_set_memory(&t.v, &t.rig.map);
	disk_settle(&t);
	assert_int_equal(disk_used(&t), 1);
	assert_int_equal(disk_status(&t), BLK_S_OK);
	disk_wipe(&t, 0);
	assert_int_equal(disk_do(&t, BLK_T_IN, 99 * 128, 0x10000), BLK_S_OK);
	assert_true(disk_has_pattern(&t, 8, 0, 0x10000));
	disk_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_may_come_in_pieces),
		cmocka_unit_test(header_and_data_may_share_a_descriptor),
		cmocka_unit_test(data_and_status_may_share_a_descriptor),
		cmocka_unit_test(data_may_come_byte_by_byte),
		cmocka_unit_test(
			request_without_room_for_a_status_is_used_with_length_0),
		cmocka_unit_test(short_header_is_an_error_of_the_request),
		cmocka_unit_test(data_in_the_wrong_direction_is_left_alone),
		cmocka_unit_test(
			chain_into_a_hole_breaks_the_queue_and_writes_nothing),
		cmocka_unit_test(
			more_pieces_than_a_request_may_have_are_refused),
		cmocka_unit_test(run_moves_a_bounded_number_of_bytes),
		cmocka_unit_test(run_walks_a_bounded_number_of_pieces),
		cmocka_unit_test(big_request_is_finished_before_the_next),
		cmocka_unit_test(reset_in_the_middle_of_a_request_ends_it),
		cmocka_unit_test(memory_that_moves_meanwhile_is_found_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
