/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/pci/test_rig.h"

#include <sys/eventfd.h>
#include <unistd.h>

#define BAR    1
#define NR     70 /* two words of pending bits */
#define CTRL   12 /* offset of a vector's control word */
#define ENABLE 0x8000u
#define ALL    0x4000u /* function mask */

static struct pci_func *fn(struct rig *r)
{
	return rig_func(r, 0);
}

static struct msi_bank *bank(struct rig *r)
{
	return &fn(r)->msix.bank;
}

static const struct sink_record *sent(struct rig *r)
{
	return &r->func[0].sink;
}

static void control(struct rig *r, uint32_t value)
{
	rig_set(r, 0, fn(r)->msix.cap + 2u, 2, value);
}

static void entry(struct rig *r, unsigned int v, uint32_t field, uint32_t value)
{
	pci_func_bar_write(fn(r), BAR, 16 * v + field, 4, value);
}

static uint64_t table(struct rig *r, uint64_t off, unsigned int size)
{
	return pci_func_bar_read(fn(r), BAR, off, size);
}

static uint64_t pba(struct rig *r, uint64_t off, unsigned int size)
{
	return pci_func_bar_read(fn(r), BAR, fn(r)->msix.pba_offset + off,
				 size);
}

/* As a driver leaves it: enabled, bus master, vector v unmasked. */
static void make_ready(struct rig *r)
{
	rig_command(r, 0, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	control(r, ENABLE);
	for (unsigned int v = 0; v < NR; v++) {
		entry(r, v, 0, 0xfee00000 + 0x1000 * v);
		entry(r, v, 8, 0x4000 + v);
		entry(r, v, CTRL, 0);
	}
}

static int powered_on(void **state)
{
	struct rig *r;

	if (rig_setup(state))
		return -1;
	r = *state;
	if (pci_func_add_msix(fn(r), BAR, NR) ||
	    pci_root_plug(&r->root, fn(r), bdf_make(0, 2, 0)))
		return -1;
	msi_bank_set_next(bank(r), &r->func[0].sink.stage, false);
	return 0;
}

static int ready(void **state)
{
	if (powered_on(state))
		return -1;
	make_ready(*state);
	return 0;
}

/* rule 75 */
static void capability_tells_size_table_and_pba(void **state)
{
	struct rig *r = *state;
	const uint32_t cap = fn(r)->msix.cap;

	assert_int_equal(rig_get(r, 0, PCI_CAP_POINTER, 1), cap);
	assert_int_equal(rig_get(r, 0, cap, 1), 0x11);
	assert_int_equal(rig_get(r, 0, cap + 2, 2), NR - 1);
	assert_int_equal(rig_get(r, 0, cap + 4, 4), 0 | BAR);
	assert_int_equal(rig_get(r, 0, cap + 8, 4), 0x1000 | BAR);
}

/* rules 35, 75 */
static void only_enable_and_function_mask_are_writable(void **state)
{
	struct rig *r = *state;
	const uint32_t cap = fn(r)->msix.cap;

	for (unsigned int i = 0; i < 12; i += 4)
		rig_set(r, 0, cap + i, 4, 0xffffffff);
	assert_int_equal(rig_get(r, 0, cap, 4), 0xc0000011 | (NR - 1) << 16);
	assert_int_equal(rig_get(r, 0, cap + 4, 4), BAR);
	assert_int_equal(rig_get(r, 0, cap + 8, 4), 0x1000 | BAR);
	for (unsigned int i = 0; i < 12; i += 4)
		rig_set(r, 0, cap + i, 4, 0);
	assert_int_equal(rig_get(r, 0, cap, 4), 0x00000011 | (NR - 1) << 16);
}

/* rule 75 */
static void table_and_pba_have_pages_of_their_own_at_any_size(void **state)
{
	static const struct {
		uint16_t nr;
		uint32_t pba;
		uint64_t size;
	} want[] = {
		{ 1, 0x1000, 0x2000 },	   { 256, 0x1000, 0x2000 },
		{ 257, 0x2000, 0x4000 },   { 1024, 0x4000, 0x8000 },
		{ 2048, 0x8000, 0x10000 },
	};
	struct rig *r = *state;

	for (unsigned int i = 0; i < ARRAY_SIZE(want); i++) {
		struct pci_func *f = rig_func(r, i + 1);

		assert_int_equal(pci_func_add_msix(f, 4, want[i].nr), 0);
		assert_int_equal(f->msix.pba_offset, want[i].pba);
		assert_int_equal(f->bar[4].size, want[i].size);
		assert_int_equal(pci_config_get(&f->config, PCI_BAR0 + 16, 4),
				 0);
		assert_int_equal(pci_config_get(&f->config, f->msix.cap + 2, 2),
				 want[i].nr - 1);
		pci_func_bar_write(f, 4, 16 * want[i].nr - 4, 4, 0);
		assert_int_equal(
			pci_func_bar_read(f, 4, 16 * want[i].nr - 4, 4), 0);
		assert_int_equal(f->stats.bad, 0);
	}
}

/* rule 76 */
static void power_on_state_is_masked_zero_and_disabled(void **state)
{
	struct rig *r = *state;

	for (unsigned int v = 0; v < NR; v++) {
		assert_int_equal(table(r, 16 * v, 8), 0);
		assert_int_equal(table(r, 16 * v + 8, 8), 1ull << 32);
	}
	assert_int_equal(pba(r, 0, 8), 0);
	assert_int_equal(pba(r, 8, 8), 0);
	assert_int_equal(rig_get(r, 0, fn(r)->msix.cap + 2u, 2), NR - 1);
	assert_false(fn(r)->msix.enabled);
}

/* rules 23, 76 */
static void function_level_reset_restores_the_power_on_state(void **state)
{
	struct rig *r = *state;

	entry(r, 3, CTRL, 1);
	msi_send(bank(r), 3);
	assert_true(fn(r)->msix.enabled);
	pci_func_reset(fn(r));
	power_on_state_is_masked_zero_and_disabled(state);
	make_ready(r);
	assert_int_equal(sent(r)->nr, 0);
}

/* rule 77 */
static void table_takes_aligned_4_and_8_byte_accesses_only(void **state)
{
	struct rig *r = *state;
	uint64_t bad = 0;

	for (unsigned int size = 1; size <= 8; size *= 2) {
		for (uint64_t off = 32; off < 48; off++) {
			bool ok = size >= 4 && off % size == 0;
			uint64_t before = table(r, off & ~7ull, 8);

			if (ok)
				continue;
			pci_func_bar_write(fn(r), BAR, off, size, 0);
			assert_int_equal(table(r, off, size), all_ones(size));
			assert_int_equal(table(r, off & ~7ull, 8), before);
			bad += 2;
		}
	}
	assert_int_equal(fn(r)->stats.bad, bad);
	pci_func_bar_write(fn(r), BAR, 32, 8, 0x11223344aabbccd0);
	pci_func_bar_write(fn(r), BAR, 40, 8, 0x0000000155667788);
	assert_int_equal(table(r, 32, 4), 0xaabbccd0);
	assert_int_equal(table(r, 36, 4), 0x11223344);
	assert_int_equal(table(r, 40, 4), 0x55667788);
	assert_int_equal(table(r, 44, 4), 1);
	assert_int_equal(fn(r)->stats.bad, bad);
}

/* rule 77 */
static void reserved_control_bits_read_zero(void **state)
{
	struct rig *r = *state;

	entry(r, 5, CTRL, 0xffffffff);
	assert_int_equal(table(r, 16 * 5 + CTRL, 4), 1);
	entry(r, 5, CTRL, 0xfffffffe);
	assert_int_equal(table(r, 16 * 5 + CTRL, 4), 0);
}

/* rule 77 */
static void index_behind_the_last_vector_is_harmless(void **state)
{
	struct rig *r = *state;
	uint64_t v;

	for (uint64_t off = 16 * NR; off < 0x1000; off += 4) {
		entry(r, 0, (uint32_t)off, 0);
		assert_int_equal(table(r, off, 4), UINT32_MAX);
	}
	assert_int_equal(table(r, 16 * NR, 8), UINT64_MAX);
	assert_int_equal(msi_send(bank(r), NR), IRQ_DROPPED);
	assert_int_equal(sent(r)->nr, 0);
	/* Not even where the handler is called past its window. */
	v = msix_table_ops.read(&fn(r)->msix, 16 * NR, 4);
	assert_int_equal(v, UINT32_MAX);
	msix_table_ops.write(&fn(r)->msix, UINT64_MAX - 3, 4, 0);
	assert_int_equal(msix_pba_ops.read(&fn(r)->msix, 16, 8), UINT64_MAX);
}

/* rule 78 */
static void pba_shows_what_is_latched_and_takes_no_write(void **state)
{
	struct rig *r = *state;

	entry(r, 1, CTRL, 1);
	entry(r, 69, CTRL, 1);
	msi_send(bank(r), 1);
	msi_send(bank(r), 69);
	assert_int_equal(pba(r, 0, 8), 2);
	assert_int_equal(pba(r, 8, 8), 1 << 5);
	assert_int_equal(pba(r, 8, 4), 1 << 5);
	assert_int_equal(pba(r, 12, 4), 0);
	pci_func_bar_write(fn(r), BAR, fn(r)->msix.pba_offset, 8, 0);
	pci_func_bar_write(fn(r), BAR, fn(r)->msix.pba_offset, 8, ~0ull);
	assert_int_equal(pba(r, 0, 8), 2);
	assert_int_equal(fn(r)->stats.bad, 2);
	entry(r, 1, CTRL, 0);
	assert_int_equal(pba(r, 0, 8), 0);
	assert_int_equal(pba(r, 8, 8), 1 << 5);
}

static uint64_t signals(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* rules 78, 80 */
static void pba_shows_what_a_remote_client_holds_back(void **state)
{
	const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct sink_eventfd remote;
	struct rig *r = *state;

	assert_true(fd >= 0);
	assert_int_equal(sink_eventfd_init(&remote, NR, NULL), 0);
	msi_bank_set_next(bank(r), &remote.stage, true);
	/* Not bound: kept, and the mask in our table is not looked at. */
	entry(r, 2, CTRL, 1);
	msi_send(bank(r), 2);
	msi_send(bank(r), 69);
	assert_int_equal(pba(r, 0, 8), 4);
	assert_int_equal(pba(r, 8, 8), 1 << 5);
	sink_eventfd_bind(&remote, 2, fd);
	msi_bank_flush(bank(r));
	assert_int_equal(signals(fd), 1);
	assert_int_equal(pba(r, 0, 8), 0);
	assert_int_equal(pba(r, 8, 8), 1 << 5);
	/* Bound, and masked by the client. */
	sink_eventfd_mask(&remote, 2, true);
	msi_send(bank(r), 2);
	msi_send(bank(r), 2);
	assert_int_equal(pba(r, 0, 8), 4);
	assert_int_equal(signals(fd), 0);
	sink_eventfd_mask(&remote, 2, false);
	msi_bank_flush(bank(r));
	assert_int_equal(signals(fd), 1);
	assert_int_equal(pba(r, 0, 8), 0);
	/* The enable bits are always those of config space. */
	control(r, ENABLE | ALL);
	msi_send(bank(r), 2);
	assert_int_equal(pba(r, 0, 8), 4);
	control(r, ENABLE);
	assert_int_equal(signals(fd), 1);
	assert_int_equal(sent(r)->nr, 0);
	msi_bank_set_next(bank(r), NULL, false);
	sink_eventfd_fini(&remote);
}

/* rules 79, 85 */
static void unmask_sends_once_with_what_the_table_says_then(void **state)
{
	struct rig *r = *state;

	entry(r, 4, CTRL, 1);
	msi_send(bank(r), 4);
	msi_send(bank(r), 4);
	entry(r, 4, 0, 0xfeefc000);
	entry(r, 4, 4, 0x12);
	entry(r, 4, 8, 0x99);
	assert_int_equal(sent(r)->nr, 0);
	entry(r, 4, CTRL, 0);
	assert_int_equal(sent(r)->nr, 1);
	assert_int_equal(sent(r)->message[0].address, 0x12feefc000);
	assert_int_equal(sent(r)->message[0].data, 0x99);
	assert_int_equal(sent(r)->message[0].vector, 4);
	assert_int_equal(pba(r, 0, 8), 0);
}

/* rule 85 */
static void next_event_goes_where_the_entry_was_last_written_to(void **state)
{
	struct rig *r = *state;

	for (unsigned int i = 0; i < 4; i++) {
		/* As a driver moves a vector, and as it should not. */
		if (i % 2)
			entry(r, 4, CTRL, 1);
		entry(r, 4, 0, 0xfee10000 + 0x1000 * i);
		entry(r, 4, 8, 0x60 + i);
		if (i % 2)
			entry(r, 4, CTRL, 0);
		assert_int_equal(sent(r)->nr, i);
		assert_int_equal(msi_send(bank(r), 4), IRQ_QUEUED);
		assert_int_equal(sent(r)->nr, i + 1);
		assert_int_equal(sent(r)->message[i].address,
				 0xfee10000 + 0x1000 * i);
		assert_int_equal(sent(r)->message[i].data, 0x60 + i);
	}
}

/* rule 79 */
static void data_and_unmask_in_one_write_belong_together(void **state)
{
	struct rig *r = *state;

	entry(r, 4, CTRL, 1);
	msi_send(bank(r), 4);
	pci_func_bar_write(fn(r), BAR, 16 * 4 + 8, 8, 0x1234);
	assert_int_equal(sent(r)->nr, 1);
	assert_int_equal(sent(r)->message[0].data, 0x1234);
}

/* rules 79, 81 */
static void function_mask_holds_back_and_its_fall_replays(void **state)
{
	struct rig *r = *state;

	control(r, ENABLE | ALL);
	entry(r, 9, CTRL, 1);
	msi_send(bank(r), 8);
	msi_send(bank(r), 9);
	msi_send(bank(r), 66);
	assert_int_equal(sent(r)->nr, 0);
	control(r, ENABLE);
	assert_int_equal(sent(r)->nr, 2);
	assert_int_equal(sent(r)->message[0].vector, 8);
	assert_int_equal(sent(r)->message[1].vector, 66);
	assert_int_equal(pba(r, 0, 8), 1 << 9);
	assert_int_equal(r->func[0].enables, 1);
}

/* rules 22, 79 */
static void without_bus_master_messages_wait(void **state)
{
	struct rig *r = *state;

	rig_command(r, 0, PCI_COMMAND_MEM);
	assert_int_equal(msi_send(bank(r), 7), IRQ_LATCHED);
	assert_int_equal(pba(r, 0, 8), 1 << 7);
	rig_command(r, 0, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	assert_int_equal(sent(r)->nr, 1);
	assert_int_equal(pba(r, 0, 8), 0);
}

/* rule 80 */
static void no_event_is_lost_between_mask_and_unmask(void **state)
{
	struct rig *r = *state;

	for (unsigned int i = 1; i <= 20; i++) {
		entry(r, 6, CTRL, 1);
		msi_send(bank(r), 6);
		entry(r, 6, CTRL, 0);
		assert_int_equal(sent(r)->nr, i);
	}
}

/* rule 81 */
static void table_survives_disable_and_enable(void **state)
{
	struct rig *r = *state;

	control(r, 0);
	assert_false(fn(r)->msix.enabled);
	assert_int_equal(msi_send(bank(r), 65), IRQ_LATCHED);
	control(r, ENABLE);
	assert_int_equal(sent(r)->nr, 1);
	assert_int_equal(sent(r)->message[0].address, 0xfee00000 + 0x1000 * 65);
	assert_int_equal(sent(r)->message[0].data, 0x4000 + 65);
	assert_int_equal(table(r, 16 * 65 + CTRL, 4), 0);
}

/* rule 84 */
static void table_can_be_written_while_disabled(void **state)
{
	struct rig *r = *state;

	entry(r, 0, 0, 0xfee01000);
	entry(r, 0, 8, 0x31);
	entry(r, 0, CTRL, 0);
	assert_int_equal(table(r, 0, 8), 0xfee01000);
	assert_int_equal(table(r, 8, 8), 0x31);
	assert_int_equal(sent(r)->nr, 0);
	rig_command(r, 0, PCI_COMMAND_MASTER);
	control(r, ENABLE);
	assert_int_equal(msi_send(bank(r), 0), IRQ_QUEUED);
}

static void enable_is_told_once_for_each_change(void **state)
{
	struct rig *r = *state;
	struct rig_func *f = &r->func[0];

	control(r, ALL);
	assert_int_equal(f->enables, 0);
	control(r, ENABLE | ALL);
	assert_int_equal(f->enables, 1);
	assert_true(f->enabled);
	control(r, ENABLE);
	rig_set(r, 0, fn(r)->msix.cap + 3u, 1, 0x80);
	assert_int_equal(f->enables, 1);
	rig_set(r, 0, fn(r)->msix.cap + 3u, 1, 0);
	assert_int_equal(f->enables, 2);
	assert_false(f->enabled);
}

static void address_is_that_of_a_dword(void **state)
{
	struct rig *r = *state;

	entry(r, 0, 0, 0xfee00003);
	assert_int_equal(table(r, 0, 4), 0xfee00000);
}

#define T(name, how) cmocka_unit_test_setup_teardown(name, how, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(capability_tells_size_table_and_pba, powered_on),
		T(only_enable_and_function_mask_are_writable, powered_on),
		T(table_and_pba_have_pages_of_their_own_at_any_size,
		  powered_on),
		T(power_on_state_is_masked_zero_and_disabled, powered_on),
		T(function_level_reset_restores_the_power_on_state, ready),
		T(table_takes_aligned_4_and_8_byte_accesses_only, ready),
		T(reserved_control_bits_read_zero, ready),
		T(index_behind_the_last_vector_is_harmless, ready),
		T(pba_shows_what_is_latched_and_takes_no_write, ready),
		T(pba_shows_what_a_remote_client_holds_back, ready),
		T(unmask_sends_once_with_what_the_table_says_then, ready),
		T(next_event_goes_where_the_entry_was_last_written_to, ready),
		T(data_and_unmask_in_one_write_belong_together, ready),
		T(function_mask_holds_back_and_its_fall_replays, ready),
		T(without_bus_master_messages_wait, ready),
		T(no_event_is_lost_between_mask_and_unmask, ready),
		T(table_survives_disable_and_enable, ready),
		T(table_can_be_written_while_disabled, powered_on),
		T(enable_is_told_once_for_each_change, powered_on),
		T(address_is_that_of_a_dword, ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
