/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/virtio_pci/access_cap.h"
#include "transport/virtio_pci/test_function.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define BAR    4
#define OFFSET 8
#define LENGTH 12
#define DATA   16

static uint32_t at(const struct function *f, uint32_t field)
{
	return f->vp.access_cap + field;
}

static void window(struct function *f, uint32_t bar, uint32_t off,
		   uint32_t length)
{
	set_cfg(f, at(f, BAR), 1, bar);
	set_cfg(f, at(f, OFFSET), 4, off);
	set_cfg(f, at(f, LENGTH), 4, length);
}

static uint32_t read_at(struct function *f, uint32_t bar, uint32_t off,
			uint32_t length)
{
	window(f, bar, off, length);
	return cfg(f, at(f, DATA), length);
}

static void write_at(struct function *f, uint32_t bar, uint32_t off,
		     uint32_t length, uint32_t value)
{
	window(f, bar, off, length);
	set_cfg(f, at(f, DATA), length, value);
}

static uint64_t accesses(const struct function *f)
{
	const struct pci_func_stats *s = &f->vp.func.stats;

	return s->bar_reads + s->bar_writes;
}

/* rule 30 */
static void access_cap_is_20_bytes_of_type_5_with_writable_fields(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	assert_int_equal(cfg(&f, at(&f, 0), 1), PCI_CAP_VENDOR);
	assert_int_equal(cfg(&f, at(&f, 2), 1), 20);
	assert_int_equal(cfg(&f, at(&f, 3), 1), 5);
	set_cfg(&f, at(&f, BAR), 4, 0xffffffff);
	assert_int_equal(cfg(&f, at(&f, BAR), 4), 0xff);
	set_cfg(&f, at(&f, OFFSET), 4, 0x89abcdef);
	assert_int_equal(cfg(&f, at(&f, OFFSET), 4), 0x89abcdef);
	set_cfg(&f, at(&f, LENGTH), 4, 0x01234567);
	assert_int_equal(cfg(&f, at(&f, LENGTH), 4), 0x01234567);
	set_cfg(&f, at(&f, DATA), 4, 0x76543210);
	assert_int_equal(cfg(&f, at(&f, DATA), 4), 0x76543210);
	function_end(&f);
}

/* rules 30, 34 */
static void access_cap_reads_and_writes_common_configuration(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	assert_int_equal(read_at(&f, VIRTIO_PCI_BAR, NUM_QUEUES, 2),
			 TEST_QUEUES);
	write_at(&f, VIRTIO_PCI_BAR, DEVICE_FEATURE_SELECT, 4, 1);
	assert_int_equal(bar4(&f, DEVICE_FEATURE_SELECT, 4), 1);
	assert_int_equal(read_at(&f, VIRTIO_PCI_BAR, DEVICE_FEATURE, 4),
			 1 | BIT(8));
	write_at(&f, VIRTIO_PCI_BAR, STATUS, 1, 3);
	assert_int_equal(read_at(&f, VIRTIO_PCI_BAR, STATUS, 1), 3);
	function_end(&f);
}

/* rule 31 */
static void access_cap_reaches_notification_isr_and_configuration(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	write_at(&f, VIRTIO_PCI_BAR, VIRTIO_PCI_NOTIFY + 4, 2, 1);
	assert_int_equal(f.vp.virtio.queue[1].stats.kicks, 1);
	virtio_config_changed(&f.vp.virtio);
	assert_int_equal(read_at(&f, VIRTIO_PCI_BAR, VIRTIO_PCI_ISR, 1), 2);
	assert_int_equal(isr(&f), 0);
	assert_int_equal(read_at(&f, VIRTIO_PCI_BAR, VIRTIO_PCI_CONFIG + 4, 4),
			 0x17161514);
	function_end(&f);
}

/* rule 31 */
static void access_cap_reaches_the_msix_table(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	write_at(&f, VIRTIO_PCI_MSIX_BAR, 16, 4, 0xfee01000);
	assert_int_equal(read_at(&f, VIRTIO_PCI_MSIX_BAR, 16, 4), 0xfee01000);
	assert_int_equal(f.vp.func.msix.table[1].address, 0xfee01000);
	function_end(&f);
}

/* rule 30 */
static void access_cap_works_with_decoding_off(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	set_cfg(&f, PCI_COMMAND, 2, 0);
	assert_int_equal(read_at(&f, VIRTIO_PCI_BAR, NUM_QUEUES, 2),
			 TEST_QUEUES);
	function_end(&f);
}

/* rule 30 */
static void access_cap_takes_as_many_bytes_as_the_length_says(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	window(&f, VIRTIO_PCI_BAR, QUEUE_SELECT, 2);
	set_cfg(&f, at(&f, DATA), 4, 0x77770002);
	assert_int_equal(bar4(&f, QUEUE_SELECT, 4), 0x01000002);
	/* A read replaces those bytes only. */
	assert_int_equal(cfg(&f, at(&f, DATA), 4), 0x77770002);
	function_end(&f);
}

/* rule 31 */
static void access_cap_without_a_sensible_window_does_nothing(void **state)
{
	static const struct {
		uint32_t bar, off, length;
	} windows[] = {
		{ VIRTIO_PCI_BAR, 0, 0 },
		{ VIRTIO_PCI_BAR, 0, 3 },
		{ VIRTIO_PCI_BAR, 0, 5 },
		{ VIRTIO_PCI_BAR, 0, 8 },
		{ VIRTIO_PCI_BAR, 0, 0xffffffff },
		{ VIRTIO_PCI_BAR, 2, 4 },
		{ VIRTIO_PCI_BAR, 1, 2 },
		{ VIRTIO_PCI_BAR, VIRTIO_PCI_BAR_SIZE, 4 },
		{ VIRTIO_PCI_BAR, 0xfffffffc, 4 },
		{ 0, 0, 4 },
		{ 5, 0, 4 },
		{ 6, 0, 4 },
		{ 255, 0, 4 },
	};
	struct function f;
	unsigned int i;

	(void)state;
	function_begin(&f);
	for (i = 0; i < ARRAY_SIZE(windows); i++) {
		window(&f, windows[i].bar, windows[i].off, windows[i].length);
		set_cfg(&f, at(&f, DATA), 4, 0xdeadbeef);
		assert_int_equal(cfg(&f, at(&f, DATA), 4), 0xdeadbeef);
	}
	assert_int_equal(accesses(&f), 0);
	function_end(&f);
}

/* rule 31 */
static void access_cap_into_a_gap_reads_ones_and_counts(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	assert_int_equal(read_at(&f, VIRTIO_PCI_BAR, 0x0800, 4), 0xffffffff);
	assert_int_equal(f.vp.func.stats.bad, 1);
	function_end(&f);
}

/* rule 30 */
static void access_cap_acts_only_when_its_data_is_touched(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	window(&f, VIRTIO_PCI_BAR, STATUS, 1);
	(void)cfg(&f, at(&f, LENGTH), 4);
	(void)cfg(&f, at(&f, DATA) + 4, 4);
	set_cfg(&f, PCI_INTERRUPT_LINE, 1, 5);
	assert_int_equal(accesses(&f), 0);
	(void)cfg(&f, at(&f, DATA) + 3, 1);
	assert_int_equal(accesses(&f), 1);
	function_end(&f);
}

/* rule 23 */
static void access_cap_has_no_window_after_a_function_reset(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	window(&f, VIRTIO_PCI_BAR, STATUS, 1);
	pci_func_reset(&f.vp.func);
	assert_int_equal(cfg(&f, at(&f, BAR), 1), 0);
	assert_int_equal(cfg(&f, at(&f, LENGTH), 4), 0);
	assert_int_equal(cfg(&f, at(&f, DATA), 4), 0);
	function_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			access_cap_is_20_bytes_of_type_5_with_writable_fields),
		cmocka_unit_test(
			access_cap_reads_and_writes_common_configuration),
		cmocka_unit_test(
			access_cap_reaches_notification_isr_and_configuration),
		cmocka_unit_test(access_cap_reaches_the_msix_table),
		cmocka_unit_test(access_cap_works_with_decoding_off),
		cmocka_unit_test(
			access_cap_takes_as_many_bytes_as_the_length_says),
		cmocka_unit_test(
			access_cap_without_a_sensible_window_does_nothing),
		cmocka_unit_test(access_cap_into_a_gap_reads_ones_and_counts),
		cmocka_unit_test(access_cap_acts_only_when_its_data_is_touched),
		cmocka_unit_test(
			access_cap_has_no_window_after_a_function_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
