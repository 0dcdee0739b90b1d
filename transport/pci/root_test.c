/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/pci/test_rig.h"

static uint64_t in(struct rig *r, uint64_t port, unsigned int size)
{
	uint64_t v;

	assert_true(bus_read(&r->pio, port, size, &v));
	return v;
}

static void out(struct rig *r, uint64_t port, unsigned int size, uint32_t v)
{
	assert_true(bus_write(&r->pio, port, size, v));
}

static uint64_t ecam(struct rig *r, uint16_t bdf, uint32_t off,
		     unsigned int size)
{
	uint64_t v;

	assert_true(bus_read(&r->mmio, RIG_ECAM + ((uint64_t)bdf << 12) + off,
			     size, &v));
	return v;
}

/* rule 3 */
static void absent_function_reads_all_ones_at_every_width(void **state)
{
	struct rig *r = *state;

	rig_plug(r, 0, bdf_make(0, 1, 0));
	for (unsigned int size = 1; size <= 4; size *= 2) {
		uint32_t ones = (uint32_t)all_ones(size);

		assert_int_equal(pci_root_config_read(
					 &r->root, bdf_make(0, 2, 0), 0, size),
				 ones);
		assert_int_equal(pci_root_config_read(
					 &r->root, bdf_make(1, 1, 0), 0, size),
				 ones);
		assert_int_equal(ecam(r, bdf_make(0, 1, 1), 0x40, size), ones);
		out(r, 0xcf8, 4, 0x80001000);
		assert_int_equal(in(r, 0xcfc, size), ones);
	}
	assert_int_equal(r->root.absent, 12);
}

/* rule 3 */
static void writes_to_an_absent_function_vanish(void **state)
{
	struct rig *r = *state;

	rig_plug(r, 0, bdf_make(0, 1, 0));
	pci_root_config_write(&r->root, bdf_make(0, 2, 0), PCI_COMMAND, 2, 7);
	pci_root_config_write(&r->root, bdf_make(1, 1, 0), PCI_COMMAND, 2, 7);
	pci_root_config_write(&r->root, 0xffff, PCI_COMMAND, 2, 7);
	assert_int_equal(rig_get(r, 0, PCI_COMMAND, 2), 0);
	rig_plug(r, 1, bdf_make(0, 2, 0));
	assert_int_equal(rig_get(r, 1, PCI_COMMAND, 2), 0);
	assert_int_equal(r->root.absent, 3);
}

/* rule 3 */
static void bit_7_of_function_0_follows_its_neighbours(void **state)
{
	struct rig *r = *state;

	rig_plug(r, 0, bdf_make(0, 3, 0));
	rig_plug(r, 1, bdf_make(0, 4, 1));
	assert_int_equal(rig_get(r, 0, PCI_HEADER_TYPE, 1), 0);
	rig_plug(r, 2, bdf_make(0, 3, 7));
	assert_int_equal(rig_get(r, 0, PCI_HEADER_TYPE, 1), 0x80);
	assert_int_equal(rig_get(r, 2, PCI_HEADER_TYPE, 1), 0);
	pci_root_unplug(&r->root, rig_func(r, 2));
	assert_int_equal(rig_get(r, 0, PCI_HEADER_TYPE, 1), 0);
	rig_plug(r, 3, bdf_make(0, 4, 0));
	assert_int_equal(rig_get(r, 3, PCI_HEADER_TYPE, 1), 0x80);
	pci_root_unplug(&r->root, rig_func(r, 3));
	rig_plug(r, 3, bdf_make(0, 5, 1));
	assert_int_equal(rig_get(r, 3, PCI_HEADER_TYPE, 1), 0);
}

/* rule 9 */
static void function_answers_whole_from_plug_to_unplug(void **state)
{
	struct rig *r = *state;
	uint16_t bdf = bdf_make(0, 31, 7);

	assert_int_equal(pci_root_config_read(&r->root, bdf, 0, 4), UINT32_MAX);
	rig_plug(r, 0, bdf);
	assert_ptr_equal(pci_root_find(&r->root, bdf), rig_func(r, 0));
	assert_int_equal(pci_root_config_read(&r->root, bdf, 0, 4), 0x10441af4);
	assert_int_equal(rig_func(r, 0)->bdf, bdf);
	pci_root_unplug(&r->root, rig_func(r, 0));
	assert_int_equal(pci_root_config_read(&r->root, bdf, 0, 4), UINT32_MAX);
}

/* rule 9 */
static void ids_of_a_device_never_change(void **state)
{
	static const uint8_t fixed[] = { PCI_VENDOR, PCI_REVISION,
					 PCI_SUBSYSTEM_VENDOR };
	struct rig *r = *state;

	rig_plug(r, 0, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(fixed); i++) {
		uint32_t before = rig_get(r, 0, fixed[i], 4);

		rig_set(r, 0, fixed[i], 4, ~before);
		assert_int_equal(rig_get(r, 0, fixed[i], 4), before);
	}
	pci_func_reset(rig_func(r, 0));
	assert_int_equal(rig_get(r, 0, PCI_VENDOR, 4), 0x10441af4);
	assert_int_equal(rig_get(r, 0, PCI_REVISION, 4), 0x00ff0001);
	assert_int_equal(rig_get(r, 0, PCI_SUBSYSTEM_VENDOR, 4), 0x11001af4);
}

static void slot_holds_one_function_of_bus_0(void **state)
{
	struct rig *r = *state;

	rig_plug(r, 0, 8);
	assert_int_equal(pci_root_plug(&r->root, rig_func(r, 1), 8), -EBUSY);
	assert_int_equal(pci_root_plug(&r->root, rig_func(r, 1), 0x100),
			 -EINVAL);
	assert_null(rig_func(r, 1)->root);
}

static void message_of_a_function_carries_its_address(void **state)
{
	struct rig *r = *state;
	struct pci_func *f = rig_func(r, 0);

	assert_int_equal(pci_func_add_msix(f, 1, 1), 0);
	rig_plug(r, 0, bdf_make(0, 3, 2));
	msi_bank_set_next(&f->msix.bank, &r->func[0].sink.stage, false);
	rig_command(r, 0, PCI_COMMAND_MASTER);
	rig_set(r, 0, f->msix.cap, 4, 0x80000000);
	pci_func_bar_write(f, 1, 12, 4, 0);
	msi_send(&f->msix.bank, 0);
	assert_int_equal(r->func[0].sink.message[0].requester_id, 0x1a);
}

static void ecam_and_ports_give_the_same_view(void **state)
{
	struct rig *r = *state;
	const uint16_t bdf = bdf_make(0, 5, 3);

	rig_plug(r, 0, bdf);
	rig_add_bar(r, 1, 0, 0x1000, 0);
	rig_plug(r, 1, bdf_make(0, 6, 0));
	for (uint32_t off = 0; off < 256; off += 4) {
		out(r, 0xcf8, 4, 0x80000000u | (uint32_t)bdf << 8 | off);
		for (unsigned int size = 1; size <= 4; size *= 2)
			for (unsigned int k = 0; k < 4; k += size) {
				uint32_t v = rig_get(r, 0, off + k, size);

				assert_int_equal(in(r, 0xcfc + k, size), v);
				assert_int_equal(ecam(r, bdf, off + k, size),
						 v);
			}
	}
	out(r, 0xcf8, 4, 0x80003010);
	out(r, 0xcfe, 2, 0xfe12);
	assert_true(bus_write(&r->mmio, RIG_ECAM + (6u << 15) + 0x11, 1, 0x70));
	assert_int_equal(rig_get_bar(r, 1, 0), 0xfe127000);
}

static void address_port_is_only_32_bits_wide(void **state)
{
	struct rig *r = *state;

	rig_plug(r, 0, 8);
	out(r, 0xcf8, 4, 0xffffffff);
	assert_int_equal(in(r, 0xcf8, 4), 0x80fffffc);
	out(r, 0xcf8, 4, 0x80000800);
	out(r, 0xcf8, 1, 4);
	out(r, 0xcf9, 1, 6);
	out(r, 0xcfa, 2, 0);
	assert_int_equal(in(r, 0xcf8, 4), 0x80000800);
	assert_int_equal(in(r, 0xcf8, 2), 0xffff);
	assert_int_equal(in(r, 0xcf9, 1), 0xff);
	assert_int_equal(in(r, 0xcfc, 4), 0x10441af4);
	assert_int_equal(in(r, 0xcfe, 2), 0x1044);
}

static void data_port_is_closed_without_the_enable_bit(void **state)
{
	struct rig *r = *state;

	rig_plug(r, 0, 8);
	out(r, 0xcf8, 4, 0x00000800);
	assert_int_equal(in(r, 0xcfc, 4), UINT32_MAX);
	out(r, 0xcf8, 4, 0x00000804);
	out(r, 0xcfc, 2, PCI_COMMAND_MASTER);
	assert_int_equal(rig_get(r, 0, PCI_COMMAND, 2), 0);
}

/* rule 5 */
static void access_of_eight_bytes_is_refused(void **state)
{
	struct rig *r = *state;

	rig_plug(r, 0, 8);
	assert_int_equal(ecam(r, 8, 0, 8), UINT64_MAX);
	assert_true(bus_write(&r->mmio, RIG_ECAM + 0x8000, 8, UINT64_MAX));
	assert_int_equal(rig_get(r, 0, PCI_COMMAND, 2), 0);
	assert_int_equal(rig_func(r, 0)->stats.bad, 2);
	out(r, 0xcf8, 4, 0x80000800);
	assert_int_equal(in(r, 0xcf8, 8), UINT64_MAX);
}

/* rule 5 */
static void unaligned_data_port_is_refused(void **state)
{
	struct rig *r = *state;
	uint64_t v;

	rig_plug(r, 0, 8);
	out(r, 0xcf8, 4, 0x80000800);
	assert_int_equal(in(r, 0xcfd, 2), 0xffff);
	assert_false(bus_read(&r->pio, 0xcfd, 4, &v));
	assert_int_equal(rig_func(r, 0)->stats.bad, 1);
}

static void root_without_ecam_uses_no_memory(void **state)
{
	struct bus mmio, pio;
	struct pci_root root;

	(void)state;
	bus_init(&mmio, UINT64_MAX);
	bus_init(&pio, 0xffff);
	assert_int_equal(pci_root_init(&root, &mmio, &pio, 0), 0);
	assert_int_equal(mmio.nr, 0);
	pci_root_fini(&root);
	assert_int_equal(pio.nr, 0);
	/* What cannot be put on the second bus leaves the first one again. */
	mmio.max = 0;
	assert_int_equal(pci_root_init(&root, &mmio, &pio, RIG_ECAM), -ENOSPC);
	assert_int_equal(pio.nr, 0);
	bus_fini(&mmio);
	bus_fini(&pio);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(absent_function_reads_all_ones_at_every_width),
		RIG_TEST(writes_to_an_absent_function_vanish),
		RIG_TEST(bit_7_of_function_0_follows_its_neighbours),
		RIG_TEST(function_answers_whole_from_plug_to_unplug),
		RIG_TEST(ids_of_a_device_never_change),
		RIG_TEST(slot_holds_one_function_of_bus_0),
		RIG_TEST(message_of_a_function_carries_its_address),
		RIG_TEST(ecam_and_ports_give_the_same_view),
		RIG_TEST(address_port_is_only_32_bits_wide),
		RIG_TEST(data_port_is_closed_without_the_enable_bit),
		RIG_TEST(access_of_eight_bytes_is_refused),
		RIG_TEST(unaligned_data_port_is_refused),
		RIG_TEST(root_without_ecam_uses_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
