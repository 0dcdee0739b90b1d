/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file as a disk, by way of the kernel's io_uring.  A host without it, or
 * whose /var/tmp has no direct I/O, skips what needs that.
 */
#include "transport/devices/test_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define MIB (1u << 20)

static const char *const ways[] = { "direct=auto", "direct=off", "direct=on" };

static void begin(struct disk *t, struct file *f, uint64_t bytes,
		  const char *words)
{
	file_make(f, bytes);
	if (file_open_disk(t, f, words))
		return;
	file_end(f);
	skip();
}

static void end(struct disk *t, struct file *f)
{
	disk_end(t);
	file_end(f);
}

static void pattern_survives(const char *way)
{
	struct disk t;
	struct file f;

	begin(&t, &f, MIB, way);
	disk_pattern(&t, 3);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 8, 8192), BLK_S_OK);
	assert_int_equal(disk_len(&t), 1);
	assert_int_equal(disk_do(&t, BLK_T_FLUSH, 0, 0), BLK_S_OK);
	assert_int_equal(file_byte(&f, 4096 + 77), (uint8_t)(3 + 77 * 7));
	assert_int_equal(file_byte(&f, 4095), 0x11);
	assert_int_equal(file_byte(&f, 4096 + 8192), 0x11);
	disk_wipe(&t, 0xaa);
	assert_int_equal(disk_do(&t, BLK_T_IN, 8, 8192), BLK_S_OK);
	assert_int_equal(disk_len(&t), 8193);
	assert_true(disk_has_pattern(&t, 3, 0, 8192));
	assert_true(disk_all(&t, 0xaa, 8192, 4096));
	end(&t, &f);
}

static void file_has_what_the_driver_wrote(void **state)
{
	(void)state;
	pattern_survives("direct=off");
}

static void direct_file_has_what_the_driver_wrote(void **state)
{
	(void)state;
	pattern_survives("direct=on");
}

/* Addresses, lengths of pieces: whatever does not fit goes the other way, and
 * both see the same bytes. */
static void misaligned_requests_are_served(void **state)
{
	static const uint32_t off[] = { 0, 1, 3, 256, 511, 512 };
	struct disk t;
	struct file f;
	unsigned int i;

	(void)state;
	begin(&t, &f, MIB, "direct=auto");
	disk_pattern(&t, 9);
	for (i = 0; i < ARRAY_SIZE(off); i++) {
		disk_header(&t, BLK_T_OUT, 16 * i);
		disk_desc(&t, 0, DISK_HEADER, 16, RIG_NEXT);
		disk_desc(&t, 1, DISK_DATA + off[i], 700, RIG_NEXT);
		disk_desc(&t, 2, DISK_DATA + off[i] + 700, 3396, RIG_NEXT);
		disk_desc(&t, 3, DISK_STATUS, 1, RIG_WRITE);
		assert_int_equal(disk_go(&t), BLK_S_OK);
	}
	for (i = 0; i < ARRAY_SIZE(off); i++) {
		/* Aligned, and so direct if anything is. */
		disk_wipe(&t, 0);
		assert_int_equal(disk_do(&t, BLK_T_IN, 16 * i, 4096), BLK_S_OK);
		assert_true(disk_has_pattern(&t, 9, off[i], 4096));
		/* Misaligned. */
		disk_wipe(&t, 0);
		disk_header(&t, BLK_T_IN, 16 * i);
		disk_desc(&t, 0, DISK_HEADER, 16, RIG_NEXT);
		disk_desc(&t, 1, DISK_DATA, 4095, RIG_NEXT | RIG_WRITE);
		disk_desc(&t, 2, DISK_DATA + 4095, 2, RIG_WRITE);
		*(uint8_t *)rig_at(&t.rig, DISK_DATA + 4096) = 0xee;
		disk_offer(&t);
		disk_settle(&t);
		assert_int_equal(disk_len(&t), 4097);
		assert_int_equal(*(uint8_t *)rig_at(&t.rig, DISK_DATA + 4096),
				 BLK_S_OK);
		assert_true(disk_has_pattern(&t, 9, off[i], 4096));
	}
	end(&t, &f);
}

static void many_requests_are_one_system_call(void **state)
{
	struct disk t;
	struct file f;
	uint64_t enters;
	unsigned int i;

	(void)state;
	begin(&t, &f, MIB, "direct=off");
	disk_describe(&t, BLK_T_IN, 0, 512);
	for (i = 0; i < 32; i++)
		rig_offer(&t.ring[0], 0);
	virtio_kick(&t.v, 0);
	enters = uring_enters();
	while (rig_turn(&t.v, 64))
		;
	assert_int_equal(uring_under_way(), 32);
	assert_int_equal(uring_enters(), enters);
	uring_turn();
	assert_int_equal(uring_enters(), enters + 1);
	disk_settle(&t);
	assert_int_equal(disk_used(&t), 32);
	end(&t, &f);
}

static void big_request_moves_whole(void **state)
{
	struct disk t;
	struct file f;
	unsigned int i, way;

	(void)state;
	for (way = 0; way < 2; way++) {
		begin(&t, &f, 4 * MIB, ways[way]);
		disk_pattern(&t, 8);
		disk_header(&t, BLK_T_OUT, 0);
		disk_desc(&t, 0, DISK_HEADER, 16, RIG_NEXT);
		for (i = 1; i <= 60; i++)
			disk_desc(&t, i, DISK_DATA, DISK_BYTES, RIG_NEXT);
		disk_desc(&t, i, DISK_STATUS, 1, RIG_WRITE);
		assert_int_equal(disk_go(&t), BLK_S_OK);
		for (i = 0; i < 60; i += 59) {
			disk_wipe(&t, 0);
			assert_int_equal(
				disk_do(&t, BLK_T_IN, 128 * i, DISK_BYTES),
				BLK_S_OK);
			assert_true(disk_has_pattern(&t, 8, 0, DISK_BYTES));
		}
		assert_true(file_all(&f, 60 * DISK_BYTES, 4096, 0x11));
		end(&t, &f);
	}
}

/* 1000 bytes are two sectors, and later none at all. */
static void what_a_short_file_lacks_reads_as_zeroes(void **state)
{
	struct disk t;
	struct file f;
	unsigned int way;

	(void)state;
	for (way = 0; way < 2; way++) {
		begin(&t, &f, 1000, ways[way]);
		assert_int_equal(virtio_config_read(&t.v, 0, 8), 2);
		disk_wipe(&t, 0xaa);
		assert_int_equal(disk_do(&t, BLK_T_IN, 0, 1024), BLK_S_OK);
		assert_true(disk_all(&t, 0x11, 0, 1000));
		assert_true(disk_all(&t, 0, 1000, 24));
		assert_true(disk_all(&t, 0xaa, 1024, 512));
		assert_int_equal(ftruncate(f.fd, 0), 0);
		disk_wipe(&t, 0xaa);
		assert_int_equal(disk_do(&t, BLK_T_IN, 0, 1024), BLK_S_OK);
		assert_true(disk_all(&t, 0, 0, 1024));
		disk_wipe(&t, 0x42);
		assert_int_equal(disk_do(&t, BLK_T_OUT, 1, 512), BLK_S_OK);
		assert_true(file_all(&f, 0, 512, 0));
		assert_true(file_all(&f, 512, 512, 0x42));
		end(&t, &f);
	}
}

static void discards_and_zeroes_reach_the_file(void **state)
{
	static const struct {
		uint32_t type, flags;
	} cases[] = {
		{ BLK_T_DISCARD, 0 },
		{ BLK_T_WRITE_ZEROES, 0 },
		{ BLK_T_WRITE_ZEROES, BLK_RANGE_UNMAP },
	};
	struct disk t;
	struct file f;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct blk_range range = { 9, 23, cases[i].flags };

		begin(&t, &f, MIB, "direct=auto");
		memcpy(rig_at(&t.rig, DISK_DATA), &range, sizeof(range));
		disk_describe(&t, cases[i].type, 0, 16);
		disk_desc(&t, 1, DISK_DATA, 16, RIG_NEXT);
		assert_int_equal(disk_go(&t), BLK_S_OK);
		assert_true(file_all(&f, 0, 9 * 512, 0x11));
		if (cases[i].type == BLK_T_WRITE_ZEROES)
			assert_true(file_all(&f, 9 * 512, 23 * 512, 0));
		assert_true(file_all(&f, 32 * 512, 9 * 512, 0x11));
		/* Neither makes a file shorter or longer. */
		assert_int_equal(lseek(f.fd, 0, SEEK_END), MIB);
		end(&t, &f);
	}
}

static void file_is_locked_while_it_is_a_disk(void **state)
{
	struct virtio_device *one, *two;
	char error[200] = "";
	struct disk t;
	struct file f;

	(void)state;
	begin(&t, &f, MIB, "");
	assert_false(file_disk(&f, "", &two, error, sizeof(error)));
	assert_non_null(strstr(error, f.path));
	assert_non_null(strstr(error, "is in use by another disk"));
	assert_false(
		file_disk(&f, "readonly=true", &two, error, sizeof(error)));
	assert_non_null(strstr(error, "which writes to it"));
	disk_end(&t);
	/* Readers share. */
	assert_true(file_disk(&f, "readonly=true", &one, error, sizeof(error)));
	assert_true(file_disk(&f, "readonly=true", &two, error, sizeof(error)));
	one->ops->destroy(one);
	assert_false(file_disk(&f, "", &one, error, sizeof(error)));
	two->ops->destroy(two);
	assert_true(file_disk(&f, "", &one, error, sizeof(error)));
	one->ops->destroy(one);
	file_end(&f);
}

static void busy_file_is_ebusy(void **state)
{
	char words[100], error[200] = "";
	struct virtio_device *dev;
	struct disk t;
	struct file f;

	(void)state;
	begin(&t, &f, MIB, "");
	snprintf(words, sizeof(words), "backend=file path=%s", f.path);
	assert_int_equal(disk_create(words, &dev, error, sizeof(error)),
			 -EBUSY);
	end(&t, &f);
}

static void read_only_disk_leaves_its_file_alone(void **state)
{
	struct disk t;
	struct file f;

	(void)state;
	begin(&t, &f, MIB, "readonly=true");
	disk_wipe(&t, 0x42);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 0, 512), BLK_S_IOERR);
	assert_int_equal(disk_do(&t, BLK_T_IN, 0, 512), BLK_S_OK);
	assert_true(disk_all(&t, 0x11, 0, 512));
	assert_int_equal(disk_do(&t, BLK_T_FLUSH, 0, 0), BLK_S_OK);
	assert_true(file_all(&f, 0, 512, 0x11));
	end(&t, &f);
}

static void refused(const struct file *f, const char *words, const char *says)
{
	struct virtio_device *dev;
	char error[200] = "";

	assert_false(file_disk(f, words, &dev, error, sizeof(error)));
	if (!strstr(error, says))
		fail_msg("\"%s\" says: %s", words, error);
	assert_non_null(strstr(error, f->path));
}

static void size_and_create_say_how_large_a_file_is(void **state)
{
	struct stat st;
	struct disk t;
	struct file f;

	(void)state;
	begin(&t, &f, 8192, "size=4K");
	assert_int_equal(virtio_config_read(&t.v, 0, 8), 8);
	disk_end(&t);
	assert_int_equal(lseek(f.fd, 0, SEEK_END), 8192);
	refused(&f, "size=1M", "is shorter than option size");
	assert_int_equal(lseek(f.fd, 0, SEEK_END), 8192);
	assert_true(file_open_disk(&t, &f, "size=1M create=true"));
	assert_int_equal(virtio_config_read(&t.v, 0, 8), 2048);
	assert_int_equal(lseek(f.fd, 0, SEEK_END), MIB);
	disk_end(&t);
	unlink(f.path);
	refused(&f, "", "cannot be opened: No such file");
	assert_true(file_open_disk(&t, &f, "size=64K create=true"));
	assert_int_equal(stat(f.path, &st), 0);
	assert_int_equal(st.st_size, 65536);
	disk_end(&t);
	assert_int_equal(truncate(f.path, 0), 0);
	refused(&f, "", "is empty");
	file_end(&f);
	snprintf(f.path, sizeof(f.path), "/dev/null");
	refused(&f, "", "is neither a file nor a block device");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_has_what_the_driver_wrote),
		cmocka_unit_test(direct_file_has_what_the_driver_wrote),
		cmocka_unit_test(misaligned_requests_are_served),
		cmocka_unit_test(many_requests_are_one_system_call),
		cmocka_unit_test(big_request_moves_whole),
		cmocka_unit_test(what_a_short_file_lacks_reads_as_zeroes),
		cmocka_unit_test(discards_and_zeroes_reach_the_file),
		cmocka_unit_test(file_is_locked_while_it_is_a_disk),
		cmocka_unit_test(busy_file_is_ebusy),
		cmocka_unit_test(read_only_disk_leaves_its_file_alone),
		cmocka_unit_test(size_and_create_say_how_large_a_file_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
