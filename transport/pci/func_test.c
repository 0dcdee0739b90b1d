/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/pci/test_rig.h"

static void header_shows_the_ids_it_was_built_with(void **state)
{
	struct rig *r = *state;

	rig_plug(r, 0, 8);
	assert_int_equal(rig_get(r, 0, PCI_VENDOR, 2), 0x1af4);
	assert_int_equal(rig_get(r, 0, PCI_DEVICE, 2), 0x1044);
	assert_int_equal(rig_get(r, 0, PCI_REVISION, 1), 1);
	assert_int_equal(rig_get(r, 0, PCI_REVISION, 4), 0x00ff0001);
	assert_int_equal(rig_get(r, 0, PCI_SUBSYSTEM_VENDOR, 4), 0x11001af4);
}

/* rule 6 */
static void function_without_intx_has_pin_0(void **state)
{
	struct rig *r = *state;

	rig_plug(r, 0, 8);
	assert_int_equal(rig_get(r, 0, PCI_INTERRUPT_PIN, 1), 0);
}

/* rule 5 */
static void illegal_config_access_is_counted_and_does_nothing(void **state)
{
	static const struct {
		uint32_t off;
		unsigned int size;
	} bad[] = {
		{ 1, 2 },	   { 2, 4 },	    { 5, 4 },	   { 4, 8 },
		{ 4, 3 },	   { 4, 0 },	    { 0x1000, 1 }, { 0xfff, 2 },
		{ 0xfffffffc, 4 }, { 0x1004, 256 },
	};
	struct rig *r = *state;
	struct rig_func *f = &r->func[0];

	rig_plug(r, 0, 8);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(rig_get(r, 0, bad[i].off, bad[i].size),
				 (uint32_t)all_ones(bad[i].size));
		rig_set(r, 0, bad[i].off, bad[i].size, 0xffffffff);
	}
	assert_int_equal(f->f.stats.bad, 2 * ARRAY_SIZE(bad));
	assert_int_equal(f->reads, 0);
	assert_int_equal(f->written, 0);
	assert_int_equal(rig_get(r, 0, PCI_COMMAND, 2), 0);
}

/* rule 7 */
static void extended_space_is_legal_and_empty(void **state)
{
	struct rig *r = *state;
	struct rig_func *f = &r->func[0];

	rig_plug(r, 0, 8);
	rig_set(r, 0, 0x100, 4, 0xffffffff);
	assert_int_equal(rig_get(r, 0, 0x100, 4), 0);
	assert_int_equal(rig_get(r, 0, 0xfff, 1), 0);
	assert_int_equal(f->f.stats.bad, 0);
	assert_int_equal(f->written, 0);
}

static void whoever_is_above_sees_reads_before_and_writes_after(void **state)
{
	const uint8_t body[6] = { 0 }, mask[6] = { [2] = 0xff, [3] = 0xff };
	struct rig *r = *state;
	struct rig_func *f = &r->func[0];
	int cap = pci_cap_add(&f->f.config, PCI_CAP_VENDOR, body, mask, 8);

	rig_plug(r, 0, 8);
	rig_set(r, 0, (uint32_t)cap + 4, 2, 0xabcd);
	assert_int_equal(f->written, 1);
	assert_int_equal(f->last_off, cap + 4);
	assert_int_equal(f->last_size, 2);
	assert_int_equal(rig_get(r, 0, (uint32_t)cap + 4, 4), 0xabcd);
	assert_int_equal(f->reads, 1);
	assert_int_equal(f->last_size, 4);
}

static void refresh(struct pci_func *f, uint32_t off, unsigned int size)
{
	(void)off;
	(void)size;
	pci_config_set(&f->config, 0x44, 4, 0xc0ffee);
}

/* What a capability computes is what the very read returns. */
static void bytes_refreshed_in_config_read_are_returned(void **state)
{
	static const struct pci_func_ops ops = { .config_read = refresh };
	struct rig *r = *state;
	struct pci_func *f = rig_func(r, 0);

	f->ops = &ops;
	rig_plug(r, 0, 8);
	assert_int_equal(rig_get(r, 0, 0x44, 4), 0xc0ffee);
	/* And with no hook at all nothing is missed. */
	rig_command(r, 0, PCI_COMMAND_MASTER);
	pci_func_reset(f);
}

static void bus_master_is_told_once_for_each_change(void **state)
{
	struct rig *r = *state;
	struct rig_func *f = &r->func[0];

	rig_plug(r, 0, 8);
	rig_command(r, 0, PCI_COMMAND_MASTER);
	assert_int_equal(f->masters, 1);
	assert_true(f->master);
	assert_true(pci_func_master(&f->f));
	rig_command(r, 0, PCI_COMMAND_MASTER | PCI_COMMAND_MEM);
	rig_set(r, 0, PCI_COMMAND + 1, 1, 4);
	assert_int_equal(f->masters, 1);
	rig_set(r, 0, PCI_COMMAND, 1, 0);
	assert_int_equal(f->masters, 2);
	assert_false(f->master);
	assert_false(pci_func_master(&f->f));
}

/* rule 23 */
static void reset_clears_registers_and_tells_whoever_is_above(void **state)
{
	struct rig *r = *state;
	struct rig_func *f = &r->func[0];

	rig_add_bar(r, 0, 0, 0x1000, 0);
	rig_add_bar(r, 0, 2, 0x1000, PCI_BAR_64);
	assert_int_equal(pci_func_add_msix(&f->f, 1, 2), 0);
	rig_plug(r, 0, 8);
	rig_set_bar(r, 0, 0, 0xe0000000);
	rig_set_bar(r, 0, 3, 0x12);
	rig_set(r, 0, PCI_INTERRUPT_LINE, 1, 11);
	rig_set(r, 0, f->f.msix.cap, 4, 0xc0000000);
	rig_command(r, 0, 0x547);
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(0, 0));
	pci_func_reset(&f->f);
	assert_int_equal(f->resets, 1);
	assert_int_equal(f->masters, 2);
	assert_false(f->master);
	assert_int_equal(f->enables, 2);
	assert_false(f->enabled);
	assert_int_equal(rig_get(r, 0, PCI_COMMAND, 2), 0);
	assert_int_equal(rig_get(r, 0, PCI_INTERRUPT_LINE, 1), 0);
	assert_int_equal(rig_get(r, 0, f->f.msix.cap + 2u, 2), 1);
	assert_int_equal(rig_get_bar(r, 0, 0), 0);
	assert_int_equal(rig_get_bar(r, 0, 2), 4);
	assert_int_equal(rig_get_bar(r, 0, 3), 0);
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), 0);
	/* It is still there, with its ids and capabilities. */
	assert_int_equal(rig_get(r, 0, PCI_VENDOR, 4), 0x10441af4);
	assert_int_equal(rig_get(r, 0, PCI_STATUS, 2), 0x10);
}

/* rule 17 */
static void pending_move_is_in_the_registers_and_goes_with_them(void **state)
{
	struct rig *r = *state;
	struct pci_func *f = rig_func(r, 0), *copy = rig_func(r, 1);

	for (unsigned int i = 0; i < 2; i++) {
		rig_add_bar(r, i, 0, 0x1000, 0);
		rig_add_bar(r, i, 2, 0x1000, PCI_BAR_64);
	}
	rig_plug(r, 0, 8);
	rig_set_bar(r, 0, 0, 0xd0000000);
	rig_command(r, 0, PCI_COMMAND_MEM);
	rig_command(r, 0, 0);
	rig_set_bar(r, 0, 0, 0xd0001000); /* decoding off: not yet there */
	rig_set_bar(r, 0, 2, 0xffffffff); /* a probe half done */
	rig_set_bar(r, 0, 3, 0x12);
	assert_int_equal(rig_who(&r->mmio, 0xd0001000), 0);
	pci_root_unplug(&r->root, f);
	/* Who takes over the bytes goes on where the other one was. */
	copy->config = f->config;
	memcpy(copy->bar_written, f->bar_written, sizeof(f->bar_written));
	rig_plug(r, 1, 8);
	assert_int_equal(rig_get_bar(r, 1, 0), 0xd0001000);
	rig_command(r, 1, PCI_COMMAND_MEM);
	assert_int_equal(rig_who(&r->mmio, 0xd0000000), 0);
	assert_int_equal(rig_who(&r->mmio, 0xd0001000), RIG_WHO(1, 0));
	assert_false(copy->bar[2].wanted);
	rig_set_bar(r, 1, 2, 0xd0002000);
	assert_int_equal(rig_who(&r->mmio, 0x12d0002000), RIG_WHO(1, 2));
}

/* rule 23 */
static void function_works_again_after_reset(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 0x1000, 0);
	rig_plug(r, 0, 8);
	for (unsigned int i = 0; i < 3; i++) {
		rig_set_bar(r, 0, 0, 0xffffffff);
		assert_int_equal(rig_get_bar(r, 0, 0), 0xfffff000);
		rig_set_bar(r, 0, 0, 0xe0000000);
		rig_command(r, 0, PCI_COMMAND_MEM);
		assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(0, 0));
		pci_func_reset(rig_func(r, 0));
	}
}

/* rule 23 */
static void probe_before_reset_is_forgotten(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 0x1000, PCI_BAR_64);
	rig_plug(r, 0, 8);
	rig_set_bar(r, 0, 0, 0xffffffff);
	rig_set_bar(r, 0, 1, 0xffffffff);
	pci_func_reset(rig_func(r, 0));
	/* The upper half is 0 by reset; nobody has to write it. */
	rig_set_bar(r, 0, 0, 0xe0000000);
	rig_command(r, 0, PCI_COMMAND_MEM);
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(0, 0));
}

/* rule 35 */
static void capabilities_do_not_move_with_reset_or_plug(void **state)
{
	struct rig *r = *state;
	struct pci_func *f = rig_func(r, 0);
	const uint8_t body[14] = { 16, 1 };
	uint8_t before[192];

	assert_int_equal(pci_func_add_msix(f, 1, 8), 0);
	assert_true(pci_cap_add(&f->config, PCI_CAP_VENDOR, body, NULL, 16) >
		    0);
	memcpy(before, &f->config.bytes[0x40], sizeof(before));
	rig_plug(r, 0, 8);
	for (uint32_t off = 0x40; off < 0x100; off += 4)
		rig_set(r, 0, off, 4, 0xffffffff);
	pci_func_reset(f);
	pci_root_unplug(&r->root, f);
	rig_plug(r, 0, 16);
	assert_memory_equal(&f->config.bytes[0x40], before, sizeof(before));
}

static void accesses_are_counted_by_kind(void **state)
{
	struct rig *r = *state;
	struct pci_func *f = rig_func(r, 0);

	rig_add_bar(r, 0, 0, 0x1000, 0);
	rig_plug(r, 0, 8);
	rig_get(r, 0, 0, 4);
	rig_set(r, 0, PCI_COMMAND, 2, 0);
	rig_set(r, 0, PCI_COMMAND, 2, 0);
	pci_func_bar_read(f, 0, 0, 4);
	pci_func_bar_write(f, 0, 0, 4, 0);
	assert_int_equal(f->stats.config_reads, 1);
	assert_int_equal(f->stats.config_writes, 2);
	assert_int_equal(f->stats.bar_reads, 1);
	assert_int_equal(f->stats.bar_writes, 1);
	assert_int_equal(f->stats.bad, 0);
}

/* rule 120 */
static void no_access_whatsoever_is_fatal(void **state)
{
	struct rig *r = *state;
	struct pci_func *f = rig_func(r, 0);

	rig_add_bar(r, 0, 0, 0x1000, 0);
	assert_int_equal(pci_func_add_msix(f, 1, 33), 0);
	assert_int_equal(pci_func_add_msi(f, 8), 0);
	pci_func_add_intx(f, 0);
	rig_lines(r);
	rig_plug(r, 0, 8);
	msi_bank_set_next(&f->msix.bank, &r->func[0].sink.stage, false);
	msi_bank_set_next(&f->msi.bank, &r->func[0].sink.stage, false);
	srand(120);
	for (unsigned int i = 0; i < 200000; i++) {
		uint32_t off = (uint32_t)rand() % 0x120;
		unsigned int size = rand() % 8 ? 1u << rand() % 4
					       : (unsigned int)rand() % 20;
		uint32_t value = (uint32_t)rand() << (rand() % 32);
		uint64_t far = (uint64_t)rand() << (rand() % 34);

		switch (rand() % 8) {
		case 0:
			rig_set(r, 0, off, size, value);
			break;
		case 1:
			assert_true(rig_get(r, 0, off, size) <= all_ones(size));
			break;
		case 2:
			pci_func_bar_write(f, off % 7, far, size, value);
			break;
		case 3:
			assert_true(pci_func_bar_read(f, off % 7, far, size) <=
				    all_ones(size));
			break;
		case 4:
			pci_func_bar_write(f, 1, off * 8, size, value);
			break;
		case 5:
			pci_func_set_interrupt(f, off & 1);
			break;
		case 6:
			pci_msi_send(&f->msi, off);
			break;
		default:
			msi_send(&f->msix.bank, off % 40);
		}
	}
	assert_true(f->stats.bad > 1000);
	assert_int_equal(rig_get(r, 0, PCI_VENDOR, 4), 0x10441af4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(header_shows_the_ids_it_was_built_with),
		RIG_TEST(function_without_intx_has_pin_0),
		RIG_TEST(illegal_config_access_is_counted_and_does_nothing),
		RIG_TEST(extended_space_is_legal_and_empty),
		RIG_TEST(whoever_is_above_sees_reads_before_and_writes_after),
		RIG_TEST(bytes_refreshed_in_config_read_are_returned),
		RIG_TEST(bus_master_is_told_once_for_each_change),
		RIG_TEST(reset_clears_registers_and_tells_whoever_is_above),
		RIG_TEST(pending_move_is_in_the_registers_and_goes_with_them),
		RIG_TEST(function_works_again_after_reset),
		RIG_TEST(probe_before_reset_is_forgotten),
		RIG_TEST(capabilities_do_not_move_with_reset_or_plug),
		RIG_TEST(accesses_are_counted_by_kind),
		RIG_TEST(no_access_whatsoever_is_fatal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
