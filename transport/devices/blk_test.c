/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a disk answers to well-formed requests, and to those that ask for what
 * it does not have.
 */
#include "transport/devices/test_disk.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

static const char *const both[] = { "backend=null size=1M",
				    "backend=ram size=1M" };

static uint64_t config(struct disk *t, uint32_t off, unsigned int size)
{
	return virtio_config_read(&t->v, off, size);
}

static void disk_reads_back_what_was_written(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	disk_pattern(&t, 3);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 8, 8192), BLK_S_OK);
	assert_int_equal(disk_len(&t), 1);
	disk_wipe(&t, 0xaa);
	assert_int_equal(disk_do(&t, BLK_T_IN, 8, 8192), BLK_S_OK);
	assert_int_equal(disk_len(&t), 8193);
	assert_true(disk_has_pattern(&t, 3, 0, 8192));
	/* Not a byte more. */
	assert_true(disk_all(&t, 0xaa, 8192, 4096));
	/* And from the middle of it. */
	assert_int_equal(disk_do(&t, BLK_T_IN, 9, 512), BLK_S_OK);
	assert_true(disk_has_pattern(&t, 3, 512, 512));
	assert_int_equal(t.raised[0], 3);
	disk_end(&t);
}

static void write_changes_only_its_own_sectors(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	disk_pattern(&t, 1);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 10, 1024), BLK_S_OK);
	disk_wipe(&t, 0xaa);
	assert_int_equal(disk_do(&t, BLK_T_IN, 0, 16384), BLK_S_OK);
	assert_true(disk_all(&t, 0, 0, 5120));
	assert_true(disk_all(&t, 0, 6144, 16384 - 6144));
	disk_end(&t);
}

static void last_sector_of_a_disk_is_usable(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=1536");
	disk_pattern(&t, 9);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 2, 512), BLK_S_OK);
	disk_wipe(&t, 0);
	assert_int_equal(disk_do(&t, BLK_T_IN, 0, 1536), BLK_S_OK);
	assert_true(disk_all(&t, 0, 0, 1024));
	memmove(rig_at(&t.rig, DISK_DATA), rig_at(&t.rig, DISK_DATA + 1024),
		512);
	assert_true(disk_has_pattern(&t, 9, 0, 512));
	disk_end(&t);
}

static void null_disk_reads_as_zeroes_whatever_was_written(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=null size=16T");
	disk_pattern(&t, 5);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 1ull << 34, 4096), BLK_S_OK);
	assert_int_equal(disk_len(&t), 1);
	assert_int_equal(disk_do(&t, BLK_T_IN, 1ull << 34, 4096), BLK_S_OK);
	assert_int_equal(disk_len(&t), 4097);
	assert_true(disk_all(&t, 0, 0, 4096));
	assert_true(!disk_all(&t, 0, 4096, 4096));
	disk_end(&t);
}

static void flush_succeeds_on_every_backend(void **state)
{
	struct disk t;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(both); i++) {
		disk_open(&t, both[i]);
		assert_int_equal(disk_do(&t, BLK_T_FLUSH, 0, 0), BLK_S_OK);
		assert_int_equal(disk_len(&t), 1);
		/* virtio 1.2, 5.2.6.1: the sector is to be 0, and is not ours
		 * to check. */
		assert_int_equal(disk_do(&t, BLK_T_FLUSH, UINT64_MAX, 0),
				 BLK_S_OK);
		disk_end(&t);
	}
}

/* Firmware does it, and cannot go on without (Cloud Hypervisor #7698). */
static void read_only_disk_takes_a_flush(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=1M readonly=true");
	assert_int_equal(disk_do(&t, BLK_T_FLUSH, 0, 0), BLK_S_OK);
	disk_end(&t);
}

static void read_only_disk_fails_writes_and_changes_nothing(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=1M readonly=true");
	disk_pattern(&t, 1);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 0, 512), BLK_S_IOERR);
	assert_int_equal(disk_len(&t), 1);
	assert_int_equal(disk_do(&t, BLK_T_IN, 0, 512), BLK_S_OK);
	assert_true(disk_all(&t, 0, 0, 512));
	assert_int_equal(t.v.queue[0].stats.bad_requests, 1);
	disk_end(&t);
}

static void serial_is_padded_to_twenty_bytes(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=null size=1M serial=pci-7");
	disk_wipe(&t, 0xaa);
	assert_int_equal(disk_do(&t, BLK_T_GET_ID, 0, 20), BLK_S_OK);
	assert_int_equal(disk_len(&t), 21);
	assert_memory_equal(rig_at(&t.rig, DISK_DATA),
			    "pci-7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
	assert_true(disk_all(&t, 0xaa, 20, 100));
	disk_end(&t);
}

static void serial_fills_what_room_there_is(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=null size=1M serial=12345678901234567890");
	disk_wipe(&t, 0xaa);
	assert_int_equal(disk_do(&t, BLK_T_GET_ID, 0, 4), BLK_S_OK);
	assert_int_equal(disk_len(&t), 5);
	assert_true(disk_all(&t, 0xaa, 4, 100));
	assert_int_equal(disk_do(&t, BLK_T_GET_ID, 0, 64), BLK_S_OK);
	assert_memory_equal(rig_at(&t.rig, DISK_DATA), "12345678901234567890",
			    20);
	/* The status byte is behind a gap, so it does not count. */
	assert_int_equal(disk_len(&t), 20);
	assert_true(disk_all(&t, 0xaa, 20, 44));
	disk_end(&t);
}

static void unknown_types_are_unsupported(void **state)
{
	static const uint32_t types[] = { 2,  3,	   5,	      7,
					  9,  10,	   12,	      14,
					  26, 0x80000000u, UINT32_MAX };
	struct disk t;
	unsigned int i;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	disk_wipe(&t, 0xaa);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		assert_int_equal(disk_do(&t, types[i], 0, 512), BLK_S_UNSUPP);
		/* Of the data nothing was written. */
		assert_int_equal(disk_len(&t), 0);
		assert_int_equal(disk_do(&t, types[i], 0, 0), BLK_S_UNSUPP);
		assert_int_equal(disk_len(&t), 1);
	}
	assert_true(disk_all(&t, 0xaa, 0, 512));
	assert_int_equal(t.v.queue[0].stats.bad_requests,
			 2 * ARRAY_SIZE(types));
	assert_int_equal(virtio_status(&t.v), 0xf);
	disk_end(&t);
}

static void requests_beyond_the_end_fail_whole(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t len;
	} bad[] = {
		{ 63, 512 },
		{ 62, 1024 },
		{ 64, 512 },
		{ 0, 0x10000 },
		{ UINT64_MAX, 512 },
		{ UINT64_MAX - 1, 1024 },
		{ 1ull << 55, 512 },
		{ (1ull << 55) - 1, 512 },
		{ UINT64_MAX / 2, 512 },
	};
	struct disk t;
	unsigned int i;

	(void)state;
	disk_open(&t, "backend=ram size=32256");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		disk_pattern(&t, 2);
		assert_int_equal(
			disk_do(&t, BLK_T_OUT, bad[i].sector, bad[i].len),
			BLK_S_IOERR);
		assert_int_equal(disk_len(&t), 1);
		assert_int_equal(
			disk_do(&t, BLK_T_IN, bad[i].sector, bad[i].len),
			BLK_S_IOERR);
		assert_int_equal(disk_len(&t), 0);
		assert_true(disk_has_pattern(&t, 2, 0, DISK_BYTES));
	}
	assert_int_equal(t.v.queue[0].stats.bad_requests, 2 * i);
	/* Not even the part of them that was inside. */
	assert_int_equal(disk_do(&t, BLK_T_IN, 0, 32256), BLK_S_OK);
	assert_true(disk_all(&t, 0, 0, 32256));
	disk_end(&t);
}

static void data_is_whole_sectors(void **state)
{
	static const uint32_t lens[] = { 1, 511, 513, 4095, 8191 };
	struct disk t;
	unsigned int i;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	disk_pattern(&t, 4);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		assert_int_equal(disk_do(&t, BLK_T_OUT, 0, lens[i]),
				 BLK_S_IOERR);
		assert_int_equal(disk_do(&t, BLK_T_IN, 0, lens[i]),
				 BLK_S_IOERR);
		assert_int_equal(disk_len(&t), 0);
	}
	assert_true(disk_has_pattern(&t, 4, 0, DISK_BYTES));
	assert_int_equal(disk_do(&t, BLK_T_IN, 0, 512), BLK_S_OK);
	assert_true(disk_all(&t, 0, 0, 512));
	disk_end(&t);
}

static void request_for_nothing_succeeds_within_the_disk(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	assert_int_equal(disk_do(&t, BLK_T_IN, 0, 0), BLK_S_OK);
	assert_int_equal(disk_len(&t), 1);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 2048, 0), BLK_S_OK);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 2049, 0), BLK_S_IOERR);
	disk_end(&t);
}

/* rules 29, 52 */
static void configuration_says_what_the_disk_is(void **state)
{
	struct disk t;
	unsigned int i;

	(void)state;
	disk_open(&t, "backend=ram size=3G queues=2");
	assert_int_equal(t.dev->config_size, 60);
	assert_int_equal(config(&t, 0, 8), 3ull << 21);
	assert_int_equal(config(&t, 0, 4), 3ull << 21);
	assert_int_equal(config(&t, 8, 4), BLK_RUN_BYTES);
	assert_int_equal(config(&t, 12, 4), 254);
	assert_int_equal(config(&t, 20, 4), 512);
	/* A physical block is 8 logical ones, none of them displaced; best
	 * moved 8 at a time; there is no better number. */
	assert_int_equal(config(&t, 24, 1), 3);
	assert_int_equal(config(&t, 25, 1), 0);
	assert_int_equal(config(&t, 26, 2), 8);
	assert_int_equal(config(&t, 28, 4), 0);
	assert_int_equal(config(&t, 32, 1), 1);
	assert_int_equal(config(&t, 34, 2), 2);
	assert_int_equal(config(&t, 36, 4), 1 << 21);
	assert_int_equal(config(&t, 40, 4), 16);
	assert_int_equal(config(&t, 44, 4), 8);
	assert_int_equal(config(&t, 48, 4), 1 << 21);
	assert_int_equal(config(&t, 52, 4), 16);
	assert_int_equal(config(&t, 56, 1), 1);
	/* What is not offered, and what is not there, is 0. */
	assert_int_equal(config(&t, 16, 4), 0);
	assert_int_equal(config(&t, 33, 1), 0);
	assert_int_equal(config(&t, 57, 2), 0);
	for (i = 60; i < 100; i++)
		assert_int_equal(config(&t, i, 8), 0);
	assert_int_equal(config(&t, UINT32_MAX, 8), 0);
	disk_end(&t);
}

static void nothing_but_writeback_is_writable(void **state)
{
	struct disk t;
	unsigned int i;

	(void)state;
	disk_open(&t, "backend=null size=3G queues=2");
	for (i = 0; i < 64; i++)
		if (i != 32)
			virtio_config_write(&t.v, i, 1, 0xff);
	virtio_config_write(&t.v, 32, 2, 0);
	virtio_config_write(&t.v, 0, 8, 1);
	assert_int_equal(t.v.stats.bad_writes, 65);
	assert_int_equal(config(&t, 0, 8), 3ull << 21);
	assert_int_equal(config(&t, 32, 2), 1);
	virtio_config_write(&t.v, 32, 1, 0);
	assert_int_equal(config(&t, 32, 2), 0);
	virtio_config_write(&t.v, 32, 1, 1);
	assert_int_equal(config(&t, 32, 2), 1);
	assert_int_equal(t.v.stats.bad_writes, 65);
	disk_end(&t);
}

/* rule 114 */
static void features_follow_the_options(void **state)
{
	const uint64_t always = BIT(BLK_F_SIZE_MAX) | BIT(BLK_F_SEG_MAX) |
				BIT(BLK_F_BLK_SIZE) | BIT(BLK_F_FLUSH) |
				BIT(BLK_F_TOPOLOGY) | BIT(BLK_F_CONFIG_WCE);
	const uint64_t changes = BIT(BLK_F_DISCARD) | BIT(BLK_F_WRITE_ZEROES);
	const struct {
		const char *words;
		uint64_t more;
	} table[] = {
		{ "backend=null size=1M", changes },
		{ "backend=ram size=1M readonly=true", BIT(BLK_F_RO) },
		{ "backend=ram size=1M readonly=false queues=1", changes },
		{ "backend=null size=1M queues=64", BIT(BLK_F_MQ) | changes },
		{ "backend=null size=1M queues=2 readonly=true",
		  BIT(BLK_F_MQ) | BIT(BLK_F_RO) },
	};
	struct disk t;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		disk_open(&t, table[i].words);
		assert_int_equal(t.dev->offer.w[0], always | table[i].more);
		assert_int_equal(t.dev->offer.w[1], 0);
		assert_int_equal(virtio_status(&t.v), 0xf);
		disk_end(&t);
	}
}

static void driver_that_takes_no_feature_is_served(void **state)
{
	struct virtio_device *dev = NULL;
	char error[100];
	struct disk t;

	(void)state;
	assert_int_equal(disk_create("backend=ram size=1M readonly=true", &dev,
				     error, sizeof(error)),
			 0);
	disk_begin(&t, dev, 0);
	assert_int_equal(disk_do(&t, BLK_T_IN, 0, 512), BLK_S_OK);
	/* Without RO it has not heard of it, and without FLUSH neither. */
	assert_int_equal(disk_do(&t, BLK_T_OUT, 0, 512), BLK_S_IOERR);
	assert_int_equal(disk_do(&t, BLK_T_FLUSH, 0, 0), BLK_S_OK);
	disk_end(&t);
}

static void queues_of_a_disk_share_its_blocks(void **state)
{
	struct disk t;
	struct rig_ring *other;

	(void)state;
	disk_open(&t, "backend=ram size=1M queues=2");
	other = &t.ring[1];
	disk_pattern(&t, 6);
	disk_describe(&t, BLK_T_OUT, 5, 512);
	memcpy(other->desc, t.ring[0].desc, 3 * sizeof(*other->desc));
	rig_offer(other, 0);
	virtio_kick(&t.v, 1);
	disk_settle(&t);
	assert_int_equal(other->used->idx, 1);
	assert_int_equal(disk_used(&t), 0);
	assert_int_equal(t.raised[1], 1);
	assert_int_equal(t.raised[0], 0);
	disk_wipe(&t, 0);
	assert_int_equal(disk_do(&t, BLK_T_IN, 5, 512), BLK_S_OK);
	assert_true(disk_has_pattern(&t, 6, 0, 512));
	disk_end(&t);
}

static void disk_survives_a_reset_with_its_blocks(void **state)
{
	struct disk t;
	struct virtio_device *dev;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	disk_pattern(&t, 8);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 0, 4096), BLK_S_OK);
	dev = t.dev;
	virtio_write_status(&t.v, 0);
	virtio_fini(&t.v);
	rig_fini(&t.rig);
	disk_begin(&t, dev, 0);
	assert_int_equal(disk_do(&t, BLK_T_IN, 0, 4096), BLK_S_OK);
	assert_true(disk_has_pattern(&t, 8, 0, 4096));
	disk_end(&t);
}

static void blk_is_found_by_name(void **state)
{
	struct disk t;

	(void)state;
	assert_ptr_equal(device_type_find("blk"), &blk_type);
	disk_open(&t, "backend=null size=1M queues=64");
	assert_int_equal(t.dev->ops->type, 2);
	assert_int_equal(t.dev->nr_queues, 64);
	assert_int_equal(t.dev->queue_max, 256);
	disk_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disk_reads_back_what_was_written),
		cmocka_unit_test(write_changes_only_its_own_sectors),
		cmocka_unit_test(last_sector_of_a_disk_is_usable),
		cmocka_unit_test(
			null_disk_reads_as_zeroes_whatever_was_written),
		cmocka_unit_test(flush_succeeds_on_every_backend),
		cmocka_unit_test(read_only_disk_takes_a_flush),
		cmocka_unit_test(
			read_only_disk_fails_writes_and_changes_nothing),
		cmocka_unit_test(serial_is_padded_to_twenty_bytes),
		cmocka_unit_test(serial_fills_what_room_there_is),
		cmocka_unit_test(unknown_types_are_unsupported),
		cmocka_unit_test(requests_beyond_the_end_fail_whole),
		cmocka_unit_test(data_is_whole_sectors),
		cmocka_unit_test(request_for_nothing_succeeds_within_the_disk),
		cmocka_unit_test(configuration_says_what_the_disk_is),
		cmocka_unit_test(nothing_but_writeback_is_writable),
		cmocka_unit_test(features_follow_the_options),
		cmocka_unit_test(driver_that_takes_no_feature_is_served),
		cmocka_unit_test(queues_of_a_disk_share_its_blocks),
		cmocka_unit_test(disk_survives_a_reset_with_its_blocks),
		cmocka_unit_test(blk_is_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
