/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/probe/caps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct fixture {
	uint8_t cfg[256];
	struct cap caps[CAPS_MAX];
	unsigned int count;
};

static void begin(struct fixture *f, uint8_t first)
{
	memset(f, 0, sizeof(*f));
	store_le(f->cfg, 2, 0x1af4);
	store_le(f->cfg + 6, 2, 0x10);
	f->cfg[0x34] = first;
}

static void put(struct fixture *f, uint8_t at, uint8_t id, uint8_t next)
{
	f->cfg[at] = id;
	f->cfg[at + 1] = next;
}

static void put_virtio(struct fixture *f, uint8_t at, uint8_t next, uint8_t len,
		       uint8_t type)
{
	put(f, at, CAP_ID_VENDOR, next);
	f->cfg[at + 2] = len;
	f->cfg[at + 3] = type;
	f->cfg[at + 4] = 4;
	store_le(f->cfg + at + 8, 4, 0x3000);
	store_le(f->cfg + at + 12, 4, 0x1000);
}

static enum caps_end decode_all(struct fixture *f)
{
	return caps_decode(f->cfg, sizeof(f->cfg), f->caps, &f->count);
}

static void a_function_without_the_status_bit_has_no_capabilities(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0x40);
	put(&f, 0x40, CAP_ID_PM, 0);
	store_le(f.cfg + 6, 2, 0);
	assert_int_equal(decode_all(&f), CAPS_COMPLETE);
	assert_int_equal(f.count, 0);
}

static void msix_is_decoded_with_its_two_locations(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0x98);
	put(&f, 0x98, CAP_ID_MSIX, 0);
	store_le(f.cfg + 0x9a, 2, 0xc001);
	store_le(f.cfg + 0x9c, 4, 0x00002001);
	store_le(f.cfg + 0xa0, 4, 0x00003805);
	assert_int_equal(decode_all(&f), CAPS_COMPLETE);
	assert_int_equal(f.count, 1);
	assert_int_equal(f.caps[0].kind, CAP_MSIX);
	assert_int_equal(f.caps[0].msix.vectors, 2);
	assert_true(f.caps[0].msix.enabled);
	assert_true(f.caps[0].msix.masked);
	assert_int_equal(f.caps[0].msix.table_bar, 1);
	assert_int_equal(f.caps[0].msix.table_offset, 0x2000);
	assert_int_equal(f.caps[0].msix.pba_bar, 5);
	assert_int_equal(f.caps[0].msix.pba_offset, 0x3800);
}

static void notify_brings_its_multiplier_only_if_it_is_there(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0x40);
	put_virtio(&f, 0x40, 0x60, 20, VIRTIO_CAP_NOTIFY);
	store_le(f.cfg + 0x50, 4, 4);
	put_virtio(&f, 0x60, 0, 16, VIRTIO_CAP_NOTIFY);
	store_le(f.cfg + 0x70, 4, 8);
	assert_int_equal(decode_all(&f), CAPS_COMPLETE);
	assert_int_equal(f.count, 2);
	assert_int_equal(f.caps[0].kind, CAP_VIRTIO);
	assert_int_equal(f.caps[0].virtio.bar, 4);
	assert_int_equal(f.caps[0].virtio.offset, 0x3000);
	assert_int_equal(f.caps[0].virtio.length, 0x1000);
	assert_int_equal(f.caps[0].virtio.notify_multiplier, 4);
	assert_int_equal(f.caps[1].virtio.notify_multiplier, 0);
}

static void shared_memory_has_64_bit_offset_and_length(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0x40);
	put_virtio(&f, 0x40, 0, 24, VIRTIO_CAP_SHARED_MEMORY);
	store_le(f.cfg + 0x50, 4, 2);
	store_le(f.cfg + 0x54, 4, 1);
	decode_all(&f);
	assert_true(f.caps[0].virtio.offset == 0x200003000);
	assert_true(f.caps[0].virtio.length == 0x100001000);
}

static void a_vendor_capability_of_another_vendor_is_not_virtio(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0x40);
	put_virtio(&f, 0x40, 0, 16, VIRTIO_CAP_COMMON);
	store_le(f.cfg, 2, 0x8086);
	decode_all(&f);
	assert_int_equal(f.count, 1);
	assert_int_equal(f.caps[0].kind, CAP_PLAIN);
}

static void a_list_that_loops_ends_as_broken(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0x40);
	put(&f, 0x40, CAP_ID_PM, 0x50);
	put(&f, 0x50, CAP_ID_MSI, 0x40);
	assert_int_equal(decode_all(&f), CAPS_BROKEN);
	assert_int_equal(f.count, 2);
}

static void a_pointer_into_the_header_ends_as_broken(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0x40);
	put(&f, 0x40, CAP_ID_PM, 0x10);
	assert_int_equal(decode_all(&f), CAPS_BROKEN);
	assert_int_equal(f.count, 1);
}

static void reserved_bits_of_a_pointer_are_ignored(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0x43);
	put(&f, 0x40, CAP_ID_PM, 0x51);
	put(&f, 0x50, CAP_ID_MSI, 0);
	assert_int_equal(decode_all(&f), CAPS_COMPLETE);
	assert_int_equal(f.count, 2);
	assert_int_equal(f.caps[1].position, 0x50);
}

/* What an ordinary user reads: 64 bytes. */
static void a_short_snapshot_is_unreadable_not_empty(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0x40);
	put(&f, 0x40, CAP_ID_PM, 0);
	assert_int_equal(caps_decode(f.cfg, 64, f.caps, &f.count),
			 CAPS_UNREADABLE);
	assert_int_equal(f.count, 0);
}

/* Exact heap copies, so that a sanitizer sees one byte too far. */
static void nothing_is_read_behind_any_snapshot(void **state)
{
	uint8_t pattern = 0;

	(void)state;
	for (size_t size = 0; size <= 256; size++) {
		uint8_t *cfg = malloc(size ? size : 1);
		struct cap caps[CAPS_MAX];
		unsigned int count;

		assert_non_null(cfg);
		for (size_t i = 0; i < size; i++)
			cfg[i] = pattern += 0x35;
		if (size >= 64) {
			store_le(cfg, 2, 0x1af4);
			cfg[6] = 0x10;
			cfg[0x34] = size > 68 ? size - 4 : 0x40;
			cfg[size - 4] = size % 2 ? CAP_ID_MSIX : CAP_ID_VENDOR;
		}
		caps_decode(cfg, size, caps, &count);
		assert_true(count <= CAPS_MAX);
		free(cfg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_function_without_the_status_bit_has_no_capabilities),
		cmocka_unit_test(msix_is_decoded_with_its_two_locations),
		cmocka_unit_test(
			notify_brings_its_multiplier_only_if_it_is_there),
		cmocka_unit_test(shared_memory_has_64_bit_offset_and_length),
		cmocka_unit_test(
			a_vendor_capability_of_another_vendor_is_not_virtio),
		cmocka_unit_test(a_list_that_loops_ends_as_broken),
		cmocka_unit_test(a_pointer_into_the_header_ends_as_broken),
		cmocka_unit_test(reserved_bits_of_a_pointer_are_ignored),
		cmocka_unit_test(a_short_snapshot_is_unreadable_not_empty),
		cmocka_unit_test(nothing_is_read_behind_any_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
