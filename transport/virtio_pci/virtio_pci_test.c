/* SPDX-License-Identifier: BSD-3-Clause */
/* Identity, capabilities, the BAR; interrupts are virtio_pci_irq_test.c. */
#include "transport/virtio_pci/virtio_pci.h"
#include "transport/virtio_pci/test_function.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

/* ---- Identity ------------------------------------------------------------ */

/* rule 1 */
static void function_ids_are_1af4_and_1040_plus_type(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	assert_int_equal(cfg(&f, PCI_VENDOR, 2), 0x1af4);
	assert_int_equal(cfg(&f, PCI_DEVICE, 2), 0x1040 + TEST_TYPE);
	function_end(&f);
}

/* rule 2 */
static void function_is_not_transitional(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	assert_true(cfg(&f, PCI_REVISION, 1) >= 1);
	assert_true(cfg(&f, PCI_SUBSYSTEM_DEVICE, 2) >= 0x40);
	assert_int_equal(cfg(&f, PCI_SUBSYSTEM_VENDOR, 2), 0x1af4);
	function_end(&f);
}

static const struct virtio_pci_ops no_ops = { .work = NULL };

static int init_as(unsigned int type, struct function *f)
{
	struct virtio_device_ops ops;
	int err;

	memset(f, 0, sizeof(*f));
	test_device_init(&f->dev);
	ops = *f->dev.device.ops;
	ops.type = (uint16_t)type;
	f->dev.device.ops = &ops;
	err = virtio_pci_init(&f->vp, &f->dev.device, NULL, &no_ops);
	if (!err)
		virtio_pci_fini(&f->vp);
	return err;
}

/* rule 8 */
static void function_class_says_what_the_device_is(void **state)
{
	static const struct {
		unsigned int type;
		uint32_t class_code;
	} want[] = {
		{ 1, 0x020000 }, { 2, 0x018000 }, { 3, 0x078000 },
		{ 4, 0x00ff00 }, { 9, 0x00ff00 }, { 0x3f, 0x00ff00 },
	};
	struct function f;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(init_as(want[i].type, &f), 0);
		assert_int_equal(
			pci_config_get(&f.vp.func.config, PCI_CLASS, 3),
			want[i].class_code);
	}
}

/* rule 1 */
static void function_of_a_type_without_an_id_is_refused(void **state)
{
	struct function f;

	(void)state;
	assert_int_equal(init_as(0, &f), -EINVAL);
	assert_int_equal(init_as(0x40, &f), -EINVAL);
}

static void function_has_interrupt_pin_inta(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	assert_int_equal(cfg(&f, PCI_INTERRUPT_PIN, 1), 1);
	set_cfg(&f, PCI_INTERRUPT_PIN, 1, 2);
	assert_int_equal(cfg(&f, PCI_INTERRUPT_PIN, 1), 1);
	function_end(&f);
}

/* ---- Capabilities -------------------------------------------------------- */

#define MAX_CAPS 16

/* The offsets of all capabilities; fails if the list is not one. */
static unsigned int walk_caps(struct function *f, uint8_t *at)
{
	unsigned int n = 0;
	uint32_t p;

	assert_true(cfg(f, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	for (p = cfg(f, PCI_CAP_POINTER, 1); p; p = cfg(f, p + 1, 1)) {
		assert_true(p >= 0x40 && p < 0x100);
		assert_int_equal(p % 4, 0);
		assert_true(n < MAX_CAPS);
		at[n++] = (uint8_t)p;
	}
	return n;
}

/* The one virtio capability of @type; 0: there is none. */
static uint32_t find_cap(struct function *f, unsigned int type)
{
	uint8_t at[MAX_CAPS];
	unsigned int n = walk_caps(f, at);
	uint32_t found = 0;

	while (n--) {
		if (cfg(f, at[n], 1) != PCI_CAP_VENDOR ||
		    cfg(f, at[n] + 3u, 1) != type)
			continue;
		assert_int_equal(found, 0);
		found = at[n];
	}
	return found;
}

/* rule 24 */
static void caps_are_an_aligned_list_that_ends(void **state)
{
	uint8_t at[MAX_CAPS];
	struct function f;
	unsigned int i, k, n, len;

	(void)state;
	function_begin(&f);
	n = walk_caps(&f, at);
	assert_int_equal(n, 6);
	for (i = 0; i < n; i++) {
		len = cfg(&f, at[i], 1) == PCI_CAP_MSIX
			      ? 12
			      : cfg(&f, at[i] + 2u, 1);
		assert_true(at[i] + len <= 0x100);
		for (k = 0; k < n; k++)
			assert_true(k == i || at[k] < at[i] ||
				    at[k] >= at[i] + len);
	}
	function_end(&f);
}

/* rule 86 */
static void caps_have_msix_once_and_no_msi(void **state)
{
	uint8_t at[MAX_CAPS];
	struct function f;
	unsigned int i, n, msix = 0;

	(void)state;
	function_begin(&f);
	n = walk_caps(&f, at);
	for (i = 0; i < n; i++) {
		assert_int_not_equal(cfg(&f, at[i], 1), 0x05);
		msix += cfg(&f, at[i], 1) == PCI_CAP_MSIX;
	}
	assert_int_equal(msix, 1);
	function_end(&f);
}

/* rules 25, 34 */
static void caps_name_each_structure_once_inside_its_bar(void **state)
{
	static const uint8_t length[] = { 0, 16, 20, 16, 16, 20 };
	struct function f;
	unsigned int type, bar;
	uint32_t at;

	(void)state;
	function_begin(&f);
	for (type = 1; type <= 5; type++) {
		at = find_cap(&f, type);
		assert_int_not_equal(at, 0);
		assert_int_equal(cfg(&f, at + 2, 1), length[type]);
		if (type == 5)
			continue;
		bar = cfg(&f, at + 4, 1);
		assert_int_equal(cfg(&f, at + 5, 1), 0);
		assert_int_equal(cfg(&f, at + 6, 2), 0);
		assert_true(bar < PCI_NR_BARS);
		assert_true(cfg(&f, at + 12, 4) > 0);
		assert_true(range_inside(cfg(&f, at + 8, 4),
					 cfg(&f, at + 12, 4),
					 f.vp.func.bar[bar].size));
	}
	function_end(&f);
}

/* rule 26 */
static void caps_common_is_aligned_and_long_enough(void **state)
{
	struct function f;
	uint32_t at;

	(void)state;
	function_begin(&f);
	at = find_cap(&f, 1);
	assert_int_equal(cfg(&f, at + 8, 4) % 4, 0);
	assert_true(cfg(&f, at + 12, 4) >= 64);
	function_end(&f);
}

/* rule 27 */
static void caps_notify_has_room_for_every_queue(void **state)
{
	struct function f;
	uint32_t at, mult, q;

	(void)state;
	function_begin(&f);
	at = find_cap(&f, 2);
	mult = cfg(&f, at + 16, 4);
	assert_true(is_power_of_2(mult) && mult >= 2);
	assert_int_equal(cfg(&f, at + 8, 4) % 2, 0);
	for (q = 0; q < TEST_QUEUES; q++) {
		set_bar4(&f, QUEUE_SELECT, 2, q);
		assert_true(cfg(&f, at + 12, 4) >=
			    bar4(&f, QUEUE_NOTIFY_OFF, 2) * mult + 2);
	}
	function_end(&f);
}

/* rule 28 */
static void caps_isr_is_there(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	assert_true(cfg(&f, find_cap(&f, 3) + 12, 4) >= 1);
	function_end(&f);
}

/* rule 29 */
static void caps_device_config_has_the_exact_length(void **state)
{
	struct function f;
	uint32_t at;

	(void)state;
	function_begin(&f);
	at = find_cap(&f, 4);
	assert_int_equal(cfg(&f, at + 8, 4) % 4, 0);
	assert_int_equal(cfg(&f, at + 12, 4), TEST_CONFIG_SIZE);
	function_end(&f);
}

/* rule 29 */
static void caps_device_config_is_absent_without_configuration(void **state)
{
	struct function f;

	(void)state;
	memset(&f, 0, sizeof(f));
	test_device_init(&f.dev);
	f.dev.device.config_size = 0;
	assert_int_equal(virtio_pci_init(&f.vp, &f.dev.device, NULL, &no_ops),
			 0);
	assert_int_equal(find_cap(&f, 4), 0);
	assert_int_equal(bar4(&f, VIRTIO_PCI_CONFIG, 4), 0xffffffff);
	virtio_pci_fini(&f.vp);
}

/* rule 35 */
static void caps_do_not_change_when_written(void **state)
{
	uint8_t before[256];
	struct function f;
	uint32_t off, skip;

	(void)state;
	function_begin(&f);
	skip = find_cap(&f, 5);
	for (off = 0x40; off < 0x100; off++)
		before[off] = (uint8_t)cfg(&f, off, 1);
	for (off = 0x40; off < 0x100; off += 4)
		if (off < skip || off >= skip + 20)
			set_cfg(&f, off, 4, ~cfg(&f, off, 4));
	for (off = 0x40; off < 0x100; off++)
		if (off != f.vp.func.msix.cap + 3u)
			assert_int_equal(cfg(&f, off, 1), before[off]);
	function_end(&f);
}

/* rule 35 */
static void caps_do_not_change_by_use_or_reset(void **state)
{
	uint8_t before[256];
	struct function f;
	uint32_t off;

	(void)state;
	function_begin(&f);
	for (off = 0x40; off < 0x100; off++)
		before[off] = (uint8_t)cfg(&f, off, 1);
	function_end(&f);
	function_up(&f, true);
	use_one(&f, 0);
	set_bar4(&f, STATUS, 1, 0);
	pci_func_reset(&f.vp.func);
	for (off = 0x40; off < 0x100; off++)
		assert_int_equal(cfg(&f, off, 1), before[off]);
	function_end(&f);
}

/* ---- The BAR ------------------------------------------------------------- */

/* rule 19 */
static void bar_with_the_isr_is_64_bit_and_not_prefetchable(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	assert_int_equal(cfg(&f, PCI_BAR0 + 4 * VIRTIO_PCI_BAR, 4) & 0xf, 4);
	function_end(&f);
}

/* rules 20, 120 */
static void bar_outside_of_structures_reads_ones_and_counts(void **state)
{
	static const uint32_t gaps[] = {
		0x0040, 0x0fff, 0x1004,	    0x1fff, 0x3000 + 4 * TEST_QUEUES,
		0x3fff, 0x4000, 0xffffffff,
	};
	struct function f;
	unsigned int i;

	(void)state;
	function_begin(&f);
	f.vp.func.stats.bad = 0;
	for (i = 0; i < ARRAY_SIZE(gaps); i++) {
		assert_int_equal(bar4(&f, gaps[i], 1), 0xff);
		set_bar4(&f, gaps[i], 1, 0);
	}
	assert_int_equal(f.vp.func.stats.bad, 2 * ARRAY_SIZE(gaps));
	function_end(&f);
}

/* rule 21 */
static void bar_access_across_the_end_of_a_structure_meets_nothing(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	f.vp.func.stats.bad = 0;
	assert_true(bar4(&f, 0x003c, 8) == UINT64_MAX);
	assert_int_equal(bar4(&f, 0x0ffe, 4), 0xffffffff);
	set_bar4(&f, 0x3000 + 4 * TEST_QUEUES - 2, 4, 0);
	assert_int_equal(f.vp.func.stats.bad, 3);
	assert_int_equal(f.vp.stats.notify, 0);
	function_end(&f);
}

/* rules 52, 53 */
static void bar_shows_the_device_configuration(void **state)
{
	struct function f;

	(void)state;
	function_begin(&f);
	assert_int_equal(bar4(&f, VIRTIO_PCI_CONFIG + 5, 4), 0x18171615);
	assert_int_equal(bar4(&f, VIRTIO_PCI_CONFIG + 10, 4), 0x1b1a);
	assert_int_equal(bar4(&f, VIRTIO_PCI_CONFIG + 0x800, 4), 0);
	set_bar4(&f, VIRTIO_PCI_CONFIG + 1, 2, 0xbbaa);
	assert_int_equal(bar4(&f, VIRTIO_PCI_CONFIG, 4), 0x13bbaa10);
	assert_int_equal(f.vp.stats.config, 5);
	function_end(&f);
}

/* rule 50 */
static void bar_generation_tells_of_a_change_between_two_reads(void **state)
{
	struct function f;
	uint64_t before;

	(void)state;
	function_begin(&f);
	before = bar4(&f, GENERATION, 1);
	(void)bar4(&f, VIRTIO_PCI_CONFIG, 4);
	assert_int_equal(bar4(&f, GENERATION, 1), before);
	virtio_config_changed(&f.vp.virtio);
	(void)bar4(&f, VIRTIO_PCI_CONFIG + 4, 4);
	assert_int_not_equal(bar4(&f, GENERATION, 1), before);
	function_end(&f);
}

/* ---- Notification -------------------------------------------------------- */

static uint64_t kicks(struct function *f, unsigned int q)
{
	return f->vp.virtio.queue[q].stats.kicks;
}

/* rule 92 */
static void notify_address_selects_the_queue(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	set_bar4(&f, VIRTIO_PCI_NOTIFY + 4, 2, 1);
	assert_int_equal(kicks(&f, 1), 1);
	assert_int_equal(f.vp.virtio.stats.bad_kicks, 0);
	assert_int_equal(f.works, 1);
	/* A value that says otherwise is counted, the address wins. */
	set_bar4(&f, VIRTIO_PCI_NOTIFY + 8, 2, 1);
	assert_int_equal(kicks(&f, 1), 1);
	assert_int_equal(kicks(&f, 2), 1);
	assert_int_equal(f.vp.virtio.stats.bad_kicks, 1);
	function_end(&f);
}

/* rules 92, 94 */
static void notify_of_half_an_address_is_ignored(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	set_bar4(&f, VIRTIO_PCI_NOTIFY + 2, 2, 0);
	set_bar4(&f, VIRTIO_PCI_NOTIFY, 1, 0);
	assert_int_equal(kicks(&f, 0), 0);
	assert_int_equal(f.vp.virtio.stats.bad_kicks, 2);
	assert_int_equal(bar4(&f, VIRTIO_PCI_NOTIFY, 4), 0);
	function_end(&f);
}

/* rule 94 */
static void notify_beyond_the_last_queue_is_ignored(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	set_bar4(&f, VIRTIO_PCI_NOTIFY + 4 * TEST_QUEUES, 2, TEST_QUEUES);
	assert_int_equal(f.works, 0);
	function_end(&f);
}

/* rule 94 */
static void notify_of_a_disabled_or_reset_queue_is_ignored(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, false);
	set_bar4(&f, STATUS, 1, 0);
	set_bar4(&f, VIRTIO_PCI_NOTIFY, 2, 0);
	assert_int_equal(f.works, 0);
	assert_int_equal(f.vp.virtio.stats.bad_kicks, 1);
	function_end(&f);
}

/* ---- Resets -------------------------------------------------------------- */

/* rules 55, 76 */
static void reset_of_virtio_leaves_pci_alone(void **state)
{
	uint8_t config[256];
	struct msi_vector table[TEST_QUEUES + 1];
	struct function f;
	uint32_t off;

	(void)state;
	function_up(&f, true);
	set_cfg(&f, PCI_BAR0 + 4 * VIRTIO_PCI_BAR, 4, 0xfe000000);
	set_cfg(&f, f.vp.func.msix.cap + 2u, 2, 0xc000);
	for (off = 0; off < sizeof(config); off++)
		config[off] = (uint8_t)cfg(&f, off, 1);
	memcpy(table, f.vp.func.msix.table, sizeof(table));
	set_bar4(&f, STATUS, 1, 0);
	for (off = 0; off < sizeof(config); off++)
		assert_int_equal(cfg(&f, off, 1), config[off]);
	assert_memory_equal(f.vp.func.msix.table, table, sizeof(table));
	assert_int_equal(table[1].address, 0xfee00010);
	assert_true(f.vp.func.msix.enabled);
	assert_true(pci_func_master(&f.vp.func));
	function_end(&f);
}

/* rule 23 */
static void reset_of_the_function_resets_virtio(void **state)
{
	struct function f;

	(void)state;
	function_up(&f, true);
	pci_func_reset(&f.vp.func);
	assert_int_equal(bar4(&f, STATUS, 1), 0);
	assert_int_equal(bar4(&f, CONFIG_VECTOR, 2), NO_VECTOR);
	assert_false(f.vp.virtio.master);
	assert_false(f.dev.running);
	function_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(function_ids_are_1af4_and_1040_plus_type),
		cmocka_unit_test(function_is_not_transitional),
		cmocka_unit_test(function_class_says_what_the_device_is),
		cmocka_unit_test(function_of_a_type_without_an_id_is_refused),
		cmocka_unit_test(function_has_interrupt_pin_inta),
		cmocka_unit_test(caps_are_an_aligned_list_that_ends),
		cmocka_unit_test(caps_have_msix_once_and_no_msi),
		cmocka_unit_test(caps_name_each_structure_once_inside_its_bar),
		cmocka_unit_test(caps_common_is_aligned_and_long_enough),
		cmocka_unit_test(caps_notify_has_room_for_every_queue),
		cmocka_unit_test(caps_isr_is_there),
		cmocka_unit_test(caps_device_config_has_the_exact_length),
		cmocka_unit_test(
			caps_device_config_is_absent_without_configuration),
		cmocka_unit_test(caps_do_not_change_when_written),
		cmocka_unit_test(caps_do_not_change_by_use_or_reset),
		cmocka_unit_test(
			bar_with_the_isr_is_64_bit_and_not_prefetchable),
		cmocka_unit_test(
			bar_outside_of_structures_reads_ones_and_counts),
		cmocka_unit_test(
			bar_access_across_the_end_of_a_structure_meets_nothing),
		cmocka_unit_test(bar_shows_the_device_configuration),
		cmocka_unit_test(
			bar_generation_tells_of_a_change_between_two_reads),
		cmocka_unit_test(notify_address_selects_the_queue),
		cmocka_unit_test(notify_of_half_an_address_is_ignored),
		cmocka_unit_test(notify_beyond_the_last_queue_is_ignored),
		cmocka_unit_test(
			notify_of_a_disabled_or_reset_queue_is_ignored),
		cmocka_unit_test(reset_of_virtio_leaves_pci_alone),
		cmocka_unit_test(reset_of_the_function_resets_virtio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
