/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/pci/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

static struct pci_config c;

static int fresh(void **state)
{
	(void)state;
	pci_config_init(&c);
	return 0;
}

/* rule 3 */
static void header_is_of_type_0(void **state)
{
	(void)state;
	assert_int_equal(pci_config_read(&c, PCI_HEADER_TYPE, 1), 0);
	pci_config_write(&c, PCI_HEADER_TYPE, 1, 0xff);
	assert_int_equal(pci_config_read(&c, PCI_HEADER_TYPE, 1), 0);
}

/* rule 4 */
static void command_keeps_only_the_bits_it_has(void **state)
{
	(void)state;
	pci_config_write(&c, PCI_COMMAND, 2, 0xffff);
	assert_int_equal(pci_config_read(&c, PCI_COMMAND, 2), 0x0547);
	pci_config_write(&c, PCI_COMMAND, 2, 0);
	assert_int_equal(pci_config_read(&c, PCI_COMMAND, 2), 0);
}

/* rule 4 */
static void
status_has_cap_list_read_only_once_there_is_a_capability(void **state)
{
	const uint8_t body[2] = { 0 };

	(void)state;
	assert_int_equal(pci_config_read(&c, PCI_STATUS, 2), 0);
	assert_int_equal(pci_cap_add(&c, 9, body, NULL, 4), 0x40);
	assert_int_equal(pci_config_read(&c, PCI_STATUS, 2), 0x10);
	pci_config_write(&c, PCI_STATUS, 2, 0xffff);
	assert_int_equal(pci_config_read(&c, PCI_STATUS, 2), 0x10);
}

/* rule 4 */
static void status_errors_fall_only_where_a_one_is_written(void **state)
{
	(void)state;
	pci_config_set(&c, PCI_STATUS, 2, 0xf900);
	pci_config_write(&c, PCI_STATUS, 2, 0);
	assert_int_equal(pci_config_read(&c, PCI_STATUS, 2), 0xf900);
	pci_config_write(&c, PCI_STATUS, 2, 0x4000);
	assert_int_equal(pci_config_read(&c, PCI_STATUS, 2), 0xb900);
	pci_config_write(&c, PCI_STATUS + 1, 1, 0x80);
	assert_int_equal(pci_config_read(&c, PCI_STATUS, 2), 0x3900);
	/* The other half of the dword is not disturbed, nor disturbs. */
	pci_config_write(&c, PCI_COMMAND, 4, 0x01000006);
	assert_int_equal(pci_config_read(&c, PCI_COMMAND, 4), 0x38000006);
}

/* rule 4 */
static void interrupt_status_is_read_only(void **state)
{
	(void)state;
	pci_config_set(&c, PCI_STATUS, 2, PCI_STATUS_INTERRUPT);
	pci_config_write(&c, PCI_STATUS, 2, 0xffff);
	assert_int_equal(pci_config_read(&c, PCI_STATUS, 2),
			 PCI_STATUS_INTERRUPT);
}

/* rule 5 */
static void narrow_writes_merge_bytewise(void **state)
{
	(void)state;
	pci_config_allow(&c, 0x80, 4, 0xffffff0f);
	pci_config_set(&c, 0x80, 4, 0x000000a0);
	pci_config_write(&c, 0x80, 4, 0x11223344);
	assert_int_equal(pci_config_read(&c, 0x80, 4), 0x112233a4);
	pci_config_write(&c, 0x81, 1, 0x55);
	pci_config_write(&c, 0x82, 2, 0x6677);
	assert_int_equal(pci_config_read(&c, 0x80, 4), 0x667755a4);
	assert_int_equal(pci_config_read(&c, 0x82, 2), 0x6677);
	assert_int_equal(pci_config_read(&c, 0x83, 1), 0x66);
}

/* rule 5 */
static void unaligned_or_odd_sized_accesses_have_no_effect(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 64; i++)
		pci_config_allow(&c, 0x80 + i, 1, 0xff);
	for (uint32_t off = 0x80; off < 0x90; off++) {
		for (unsigned int size = 0; size <= 9; size++) {
			bool legal = (size == 1 || size == 2 || size == 4) &&
				     off % size == 0;

			assert_int_equal(pci_config_legal(off, size), legal);
			if (legal)
				continue;
			pci_config_write(&c, off, size, 0x5a5a5a5a);
			assert_int_equal(pci_config_read(&c, off, size),
					 (uint32_t)all_ones(size));
		}
	}
	for (unsigned int i = 0; i < PCI_CONFIG_STORED - 0x80; i++)
		assert_int_equal(pci_config_read(&c, 0x80 + i, 1), 0);
}

/* rules 5, 7 */
static void space_ends_at_4096(void **state)
{
	(void)state;
	assert_true(pci_config_legal(0xffc, 4));
	assert_false(pci_config_legal(0x1000, 1));
	assert_false(pci_config_legal(UINT32_MAX, 1));
	assert_false(pci_config_legal(0xfffffffc, 4));
	assert_int_equal(pci_config_read(&c, 0x1000, 4), 0xffffffff);
	pci_config_write(&c, 0xfffffffc, 4, 1);
}

/* rule 7 */
static void extended_space_reads_zero_and_keeps_nothing(void **state)
{
	(void)state;
	for (uint32_t off = 0x100; off < 0x1000; off += 4) {
		pci_config_write(&c, off, 4, 0xffffffff);
		assert_int_equal(pci_config_read(&c, off, 4), 0);
	}
}

/* rule 6 */
static void interrupt_line_is_scratch_and_pin_is_read_only(void **state)
{
	(void)state;
	pci_config_write(&c, PCI_INTERRUPT_LINE, 4, 0xffffffa5);
	assert_int_equal(pci_config_read(&c, PCI_INTERRUPT_LINE, 4), 0xa5);
	pci_config_set(&c, PCI_INTERRUPT_PIN, 1, 1);
	pci_config_write(&c, PCI_INTERRUPT_PIN, 1, 4);
	assert_int_equal(pci_config_read(&c, PCI_INTERRUPT_PIN, 1), 1);
}

/* rule 24 */
static void capabilities_form_a_list_that_ends(void **state)
{
	static const unsigned int length[] = { 12, 16, 20, 17, 2, 24 };
	uint8_t body[32] = { 0 };
	unsigned int at = PCI_CAP_POINTER, n = 0, end = 0x40;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(length); i++)
		assert_true(pci_cap_add(&c, (uint8_t)(i + 1), body, NULL,
					length[i]) > 0);
	while ((at = pci_config_read(&c, at, 1))) {
		assert_int_equal(at % 4, 0);
		assert_true(at >= end);
		assert_true(n < ARRAY_SIZE(length));
		assert_int_equal(pci_config_read(&c, at, 1), n + 1);
		end = at + length[n++];
		assert_true(end <= 0x100);
		at++;
	}
	assert_int_equal(n, ARRAY_SIZE(length));
}

/* rule 24 */
static void capability_that_does_not_fit_is_refused_whole(void **state)
{
	uint8_t body[0xc0] = { 0 };

	(void)state;
	assert_int_equal(pci_cap_add(&c, 1, body, NULL, 0xbc), 0x40);
	assert_int_equal(pci_cap_add(&c, 2, body, NULL, 5), -ENOSPC);
	assert_int_equal(pci_config_read(&c, 0x41, 1), 0);
	assert_int_equal(pci_cap_add(&c, 3, body, NULL, 4), 0xfc);
	assert_int_equal(pci_config_read(&c, 0x41, 1), 0xfc);
	assert_int_equal(pci_cap_add(&c, 4, body, NULL, 2), -ENOSPC);
	assert_int_equal(pci_config_read(&c, 0xfd, 1), 0);
}

/* rule 35 */
static void capability_is_writable_only_by_its_mask(void **state)
{
	const uint8_t body[6] = { 1, 2, 3, 4, 5, 6 };
	const uint8_t mask[6] = { 0, 0, 0, 0xf0, 0, 0xff };
	int at = pci_cap_add(&c, 0x22, body, mask, 8);

	(void)state;
	assert_int_equal(at, 0x40);
	pci_config_write(&c, 0x40, 4, 0xffffffff);
	pci_config_write(&c, 0x44, 4, 0xffffffff);
	assert_int_equal(pci_config_read(&c, 0x40, 4), 0x02010022);
	assert_int_equal(pci_config_read(&c, 0x44, 4), 0xff05f403);
}

static void reset_clears_what_a_guest_can_change_and_no_more(void **state)
{
	const uint8_t body[2] = { 7, 8 }, mask[2] = { 0, 0xff };

	(void)state;
	pci_cap_add(&c, 9, body, mask, 4);
	pci_config_set(&c, PCI_VENDOR, 2, 0x1af4);
	pci_config_write(&c, PCI_COMMAND, 2, 0xffff);
	pci_config_set(&c, PCI_STATUS, 2, 0xf910);
	pci_config_write(&c, PCI_INTERRUPT_LINE, 1, 11);
	pci_config_reset(&c);
	assert_int_equal(pci_config_read(&c, PCI_VENDOR, 2), 0x1af4);
	assert_int_equal(pci_config_read(&c, PCI_COMMAND, 4), 0x00100000);
	assert_int_equal(pci_config_read(&c, PCI_INTERRUPT_LINE, 1), 0);
	assert_int_equal(pci_config_read(&c, 0x40, 4), 0x00070009);
}

/* rule 5 */
static void random_writes_agree_with_bit_by_bit_rules(void **state)
{
	uint8_t model[PCI_CONFIG_STORED], w1c[PCI_CONFIG_STORED];

	(void)state;
	srand(5);
	c.w1c = w1c;
	for (unsigned int i = 0; i < PCI_CONFIG_STORED; i++) {
		c.writable[i] = (uint8_t)rand();
		w1c[i] = (uint8_t)(rand() & ~c.writable[i]);
		model[i] = c.bytes[i] = (uint8_t)rand();
	}
	for (unsigned int i = 0; i < 50000; i++) {
		unsigned int size = 1u << (rand() % 3);
		uint32_t off = (uint32_t)rand() % 256 & ~(size - 1);
		uint32_t value = (uint32_t)rand() ^ (uint32_t)rand() << 16;

		pci_config_write(&c, off, size, value);
		for (unsigned int bit = 0; bit < 8 * size; bit++) {
			unsigned int at = off + bit / 8;
			uint8_t m = (uint8_t)(1 << bit % 8);
			bool one = value >> bit & 1;

			if (c.writable[at] & m)
				model[at] = (uint8_t)((model[at] & ~m) |
						      (one ? m : 0));
			else if ((w1c[at] & m) && one)
				model[at] &= (uint8_t)~m;
		}
		assert_int_equal(pci_config_read(&c, off, size),
				 (uint32_t)load_le(&model[off], size));
	}
	assert_memory_equal(c.bytes, model, sizeof(model));
}

#define T(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(header_is_of_type_0),
		T(command_keeps_only_the_bits_it_has),
		T(status_has_cap_list_read_only_once_there_is_a_capability),
		T(status_errors_fall_only_where_a_one_is_written),
		T(interrupt_status_is_read_only),
		T(narrow_writes_merge_bytewise),
		T(unaligned_or_odd_sized_accesses_have_no_effect),
		T(space_ends_at_4096),
		T(extended_space_reads_zero_and_keeps_nothing),
		T(interrupt_line_is_scratch_and_pin_is_read_only),
		T(capabilities_form_a_list_that_ends),
		T(capability_that_does_not_fit_is_refused_whole),
		T(capability_is_writable_only_by_its_mask),
		T(reset_clears_what_a_guest_can_change_and_no_more),
		T(random_writes_agree_with_bit_by_bit_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
