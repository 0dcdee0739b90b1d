/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk of another size: who hears of it when, and what becomes of the blocks.
 */
#include "transport/devices/test_file.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define MIB (1u << 20)

static uint64_t sectors(struct disk *t)
{
	return virtio_config_read(&t->v, 0, 8);
}

/* As the operator asks for it, and then as home hears of it. */
static void resize(struct disk *t, uint64_t bytes)
{
	char error[200] = "";

	assert_int_equal(blk_resize(t->dev, bytes, error, sizeof(error)), 0);
	virtio_run_event(&t->v);
}

static void not_resized(struct disk *t, uint64_t bytes, int err,
			const char *says)
{
	const uint64_t before = sectors(t);
	char error[200] = "";

	assert_int_equal(blk_resize(t->dev, bytes, error, sizeof(error)), err);
	assert_non_null(strstr(error, says));
	virtio_run_event(&t->v);
	assert_int_equal(sectors(t), before);
	assert_int_equal(t->v.stats.config_changes, 0);
}

/* rule 50 */
static void driver_hears_of_a_new_size_and_reads_it(void **state)
{
	struct disk t;
	uint8_t generation;
	char error[200];

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	assert_int_equal(disk_do(&t, BLK_T_IN, 2048, 512), BLK_S_IOERR);
	generation = virtio_generation(&t.v);
	assert_int_equal(blk_resize(t.dev, 2 * MIB, error, sizeof(error)), 0);
	/* Nobody has told home yet. */
	assert_int_equal(sectors(&t), 2048);
	assert_int_equal(t.v.stats.config_interrupts, 0);
	virtio_run_event(&t.v);
	assert_int_equal(t.v.stats.config_interrupts, 1);
	assert_int_equal(sectors(&t), 4096);
	assert_int_not_equal(virtio_generation(&t.v), generation);
	disk_pattern(&t, 5);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 4095, 512), BLK_S_OK);
	assert_int_equal(disk_do(&t, BLK_T_IN, 4096, 512), BLK_S_IOERR);
	/* The same again is no news. */
	resize(&t, 2 * MIB);
	assert_int_equal(t.v.stats.config_interrupts, 1);
	disk_end(&t);
}

static void
grown_memory_keeps_its_blocks_and_the_new_ones_are_zero(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	disk_pattern(&t, 5);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 2040, 4096), BLK_S_OK);
	resize(&t, 3 * MIB);
	assert_int_equal(disk_do(&t, BLK_T_IN, 2040, 8192), BLK_S_OK);
	assert_true(disk_has_pattern(&t, 5, 0, 4096));
	assert_true(disk_all(&t, 0, 4096, 4096));
	disk_end(&t);
}

static void memory_that_was_cut_off_comes_back_as_zeroes(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	disk_pattern(&t, 5);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 0, 16384), BLK_S_OK);
	resize(&t, 512);
	assert_int_equal(disk_do(&t, BLK_T_IN, 1, 512), BLK_S_IOERR);
	resize(&t, MIB);
	assert_int_equal(disk_do(&t, BLK_T_IN, 0, 16384), BLK_S_OK);
	assert_true(disk_has_pattern(&t, 5, 0, 512));
	assert_true(disk_all(&t, 0, 512, 16384 - 512));
	disk_end(&t);
}

static void file_grows_and_is_never_cut(void **state)
{
	struct disk t;
	struct file f;

	(void)state;
	file_make(&f, MIB);
	if (!file_open_disk(&t, &f, "")) {
		file_end(&f);
		skip();
	}
	resize(&t, 2 * MIB);
	assert_int_equal(sectors(&t), 4096);
	assert_int_equal(lseek(f.fd, 0, SEEK_END), 2 * MIB);
	resize(&t, MIB / 2);
	assert_int_equal(sectors(&t), 1024);
	assert_int_equal(lseek(f.fd, 0, SEEK_END), 2 * MIB);
	/* Somebody else made it longer: look again. */
	assert_int_equal(ftruncate(f.fd, 5 * MIB), 0);
	resize(&t, 0);
	assert_int_equal(sectors(&t), 5 * 2048);
	assert_int_equal(disk_do(&t, BLK_T_IN, 5 * 2048 - 8, 4096), BLK_S_OK);
	disk_end(&t);
	file_end(&f);
}

static void sizes_that_cannot_be_are_refused(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=1M");
	not_resized(&t, 513, -EINVAL, "whole sectors");
	not_resized(&t, 0, -EINVAL, "ram disk cannot have that size");
	not_resized(&t, 1ull << 62, -ENOMEM, "ram disk cannot have that size");
	disk_end(&t);
}

static void only_a_disk_can_be_resized(void **state)
{
	struct virtio_device *dev = NULL;
	char error[200] = "";

	(void)state;
	assert_int_equal(device_type_find("rng")->create(NULL, 0, &dev, error,
							 sizeof(error)),
			 0);
	assert_int_equal(blk_resize(dev, 512, error, sizeof(error)),
			 -EOPNOTSUPP);
	assert_non_null(strstr(error, "only a disk"));
	dev->ops->destroy(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(driver_hears_of_a_new_size_and_reads_it),
		cmocka_unit_test(
			grown_memory_keeps_its_blocks_and_the_new_ones_are_zero),
		cmocka_unit_test(memory_that_was_cut_off_comes_back_as_zeroes),
		cmocka_unit_test(file_grows_and_is_never_cut),
		cmocka_unit_test(sizes_that_cannot_be_are_refused),
		cmocka_unit_test(only_a_disk_can_be_resized),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
