/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/pci/test_rig.h"

#define MSIX_BAR   1
#define NR	   8
#define ENABLED(n) ((n) << 4) /* log2 of the messages enabled */
#define ADDRESS	   0xfee00018u
#define DATA	   0x41ff

static struct pci_func *fn(struct rig *r)
{
	return rig_func(r, 0);
}

static struct sink_record *sent(struct rig *r)
{
	return &r->func[0].sink;
}

static void reg(struct rig *r, uint32_t off, unsigned int size, uint32_t value)
{
	rig_set(r, 0, fn(r)->msi.cap + off, size, value);
}

static uint32_t get(struct rig *r, uint32_t off, unsigned int size)
{
	return rig_get(r, 0, fn(r)->msi.cap + off, size);
}

static void control(struct rig *r, uint32_t value)
{
	reg(r, PCI_MSI_CONTROL, 2, value);
}

static enum irq_result event(struct rig *r, unsigned int v)
{
	return pci_msi_send(&fn(r)->msi, v);
}

static int powered_on(void **state)
{
	struct rig *r;

	if (rig_setup(state))
		return -1;
	r = *state;
	if (pci_func_add_msi(fn(r), NR) ||
	    pci_func_add_msix(fn(r), MSIX_BAR, 2))
		return -1;
	pci_func_add_intx(fn(r), 0);
	rig_lines(r);
	msi_bank_set_next(&fn(r)->msi.bank, &sent(r)->stage, false);
	msi_bank_set_next(&fn(r)->msix.bank, &sent(r)->stage, false);
	return pci_root_plug(&r->root, fn(r), bdf_make(0, 4, 0));
}

/* As a driver leaves it: all eight enabled, none masked. */
static int ready(void **state)
{
	struct rig *r;

	if (powered_on(state))
		return -1;
	r = *state;
	rig_command(r, 0, PCI_COMMAND_MASTER);
	reg(r, PCI_MSI_ADDRESS, 4, ADDRESS);
	reg(r, PCI_MSI_DATA, 2, DATA);
	control(r, PCI_MSI_ENABLE | ENABLED(3));
	return 0;
}

/* rules 35, 86 */
static void capability_tells_how_many_messages_there_are(void **state)
{
	struct rig *r = *state;
	unsigned int i = 1;

	for (uint16_t nr = 1; nr <= PCI_MSI_MAX; nr *= 2, i++) {
		struct pci_func *f = rig_func(r, i);
		const uint32_t masks = (uint32_t)(BIT_ULL(nr) - 1);
		uint32_t cap;

		assert_int_equal(pci_func_add_msi(f, nr), 0);
		cap = rig_get(r, i, PCI_CAP_POINTER, 1);
		assert_int_equal(rig_get(r, i, cap, 4),
				 0x01800005 | (i - 1) << 17);
		for (unsigned int off = 0; off < PCI_MSI_LENGTH; off += 4)
			rig_set(r, i, cap + off, 4, 0xffffffff);
		assert_int_equal(rig_get(r, i, cap + PCI_MSI_ADDRESS, 4),
				 0xfffffffc);
		assert_int_equal(rig_get(r, i, cap + PCI_MSI_ADDRESS + 4, 4),
				 0xffffffff);
		assert_int_equal(rig_get(r, i, cap + PCI_MSI_DATA, 4), 0xffff);
		assert_int_equal(rig_get(r, i, cap + PCI_MSI_MASK, 4), masks);
		assert_int_equal(rig_get(r, i, cap + PCI_MSI_PENDING, 4), 0);
	}
}

static void no_room_for_the_capability_is_an_error(void **state)
{
	struct rig *r = *state;
	const uint8_t body[180] = { 0 };
	struct pci_func *f = rig_func(r, 1);

	assert_true(pci_cap_add(&f->config, PCI_CAP_VENDOR, body, NULL, 180) >
		    0);
	assert_int_equal(pci_func_add_msi(f, 1), -ENOSPC);
	assert_int_equal(f->msi.nr, 0);
	pci_func_reset(f);
}

/* rule 86 */
static void more_messages_than_there_are_are_all_there_are(void **state)
{
	struct rig *r = *state;

	for (uint32_t log2 = 0; log2 < 8; log2++) {
		control(r, PCI_MSI_ENABLE | ENABLED(log2));
		assert_int_equal(get(r, PCI_MSI_CONTROL, 2),
				 0x0187 | ENABLED(log2 < 3 ? log2 : 3));
	}
}

/* rule 86 */
static void message_has_its_number_in_the_low_bits_of_its_data(void **state)
{
	struct rig *r = *state;

	reg(r, PCI_MSI_ADDRESS + 4, 4, 0x12);
	for (unsigned int log2 = 0; log2 <= 3; log2++) {
		const unsigned int mask = (1u << log2) - 1;

		control(r, PCI_MSI_ENABLE | ENABLED(log2));
		for (unsigned int v = 0; v < 40; v++) {
			sent(r)->nr = 0;
			assert_int_equal(event(r, v), IRQ_QUEUED);
			assert_int_equal(sent(r)->nr, 1);
			assert_true(sent(r)->message[0].address ==
				    (0x12ull << 32 | ADDRESS));
			assert_int_equal(sent(r)->message[0].data,
					 (DATA & ~mask) | (v & mask));
			assert_int_equal(sent(r)->message[0].vector, v & mask);
			assert_int_equal(sent(r)->message[0].requester_id,
					 bdf_make(0, 4, 0));
		}
	}
}

/* rule 86 */
static void mask_latches_and_the_pending_bits_show_it(void **state)
{
	struct rig *r = *state;

	reg(r, PCI_MSI_MASK, 1, 1 << 3 | 1 << 5);
	assert_int_equal(event(r, 3), IRQ_LATCHED);
	assert_int_equal(event(r, 3), IRQ_MERGED);
	assert_int_equal(event(r, 5), IRQ_LATCHED);
	assert_int_equal(event(r, 4), IRQ_QUEUED);
	assert_int_equal(get(r, PCI_MSI_PENDING, 4), 1 << 3 | 1 << 5);
	assert_int_equal(get(r, PCI_MSI_PENDING, 1), 1 << 3 | 1 << 5);
	reg(r, PCI_MSI_PENDING, 4, 0);
	assert_int_equal(get(r, PCI_MSI_PENDING, 4), 1 << 3 | 1 << 5);
	reg(r, PCI_MSI_ADDRESS, 4, 0xfee01000);
	assert_int_equal(sent(r)->nr, 1);
	reg(r, PCI_MSI_MASK, 4, 1 << 5);
	assert_int_equal(sent(r)->nr, 2);
	assert_int_equal(sent(r)->message[1].address, 0xfee01000);
	assert_int_equal(sent(r)->message[1].data, (DATA & ~7) | 3);
	assert_int_equal(get(r, PCI_MSI_PENDING, 4), 1 << 5);
}

/* rules 22, 86 */
static void without_bus_master_messages_wait(void **state)
{
	struct rig *r = *state;

	rig_command(r, 0, 0);
	assert_int_equal(event(r, 1), IRQ_LATCHED);
	assert_int_equal(get(r, PCI_MSI_PENDING, 4), 2);
	rig_command(r, 0, PCI_COMMAND_MASTER);
	assert_int_equal(sent(r)->nr, 1);
	assert_int_equal(get(r, PCI_MSI_PENDING, 4), 0);
}

/* rule 86 */
static void disabling_keeps_what_is_pending_for_the_next_enable(void **state)
{
	struct rig *r = *state;

	control(r, ENABLED(3));
	assert_int_equal(event(r, 6), IRQ_LATCHED);
	assert_int_equal(sent(r)->nr, 0);
	control(r, PCI_MSI_ENABLE | ENABLED(3));
	assert_int_equal(sent(r)->nr, 1);
	assert_int_equal(sent(r)->message[0].data, (DATA & ~7) | 6);
}

/* One write that unmasks and disables: in the guest's eyes disabled. */
static void what_disables_lets_nothing_out(void **state)
{
	struct rig *r = *state;

	r->func[0].sink.refuse = true;
	event(r, 2);
	r->func[0].sink.refuse = false;
	control(r, ENABLED(3));
	rig_command(r, 0, 0);
	control(r, PCI_MSI_ENABLE | ENABLED(3));
	assert_int_equal(sent(r)->nr, 0);
	rig_command(r, 0, PCI_COMMAND_MASTER);
	assert_int_equal(sent(r)->nr, 1);
}

/* rule 86 */
static void fewer_messages_take_over_what_is_pending(void **state)
{
	struct rig *r = *state;

	reg(r, PCI_MSI_MASK, 4, 0xff);
	event(r, 6);
	event(r, 2);
	event(r, 5);
	control(r, PCI_MSI_ENABLE | ENABLED(1));
	assert_int_equal(get(r, PCI_MSI_PENDING, 4), 3);
	reg(r, PCI_MSI_MASK, 4, 0xfc);
	assert_int_equal(sent(r)->nr, 2);
	assert_int_equal(sent(r)->message[0].data, DATA & ~1);
	assert_int_equal(sent(r)->message[1].data, DATA | 1);
	assert_int_equal(get(r, PCI_MSI_PENDING, 4), 0);
}

static void msix(struct rig *r, bool on)
{
	rig_set(r, 0, fn(r)->msix.cap + MSIX_CONTROL, 2,
		on ? MSIX_CONTROL_ENABLE : 0);
}

/* rule 86 */
static void msix_wins_if_a_guest_enables_both(void **state)
{
	struct rig *r = *state;

	for (unsigned int c = 0; c < 4; c += 3)
		pci_func_bar_write(fn(r), MSIX_BAR, 4 * c, 4,
				   c ? 0 : 0xfee77000);
	/* MSI is on; MSI-X comes, goes, and comes before MSI. */
	msix(r, true);
	assert_true(fn(r)->msix.bank.open);
	assert_false(fn(r)->msi.bank.open);
	assert_false(fn(r)->msi.enabled);
	assert_int_equal(event(r, 0), IRQ_LATCHED);
	assert_int_equal(msi_send(&fn(r)->msix.bank, 0), IRQ_QUEUED);
	assert_int_equal(sent(r)->nr, 1);
	assert_int_equal(sent(r)->message[0].address, 0xfee77000);
	assert_int_equal(get(r, PCI_MSI_CONTROL, 2) & 1, 1);
	msix(r, false);
	assert_int_equal(sent(r)->nr, 2);
	assert_int_equal(sent(r)->message[1].address, ADDRESS);
	control(r, ENABLED(3));
	msix(r, true);
	control(r, PCI_MSI_ENABLE | ENABLED(3));
	assert_false(fn(r)->msi.bank.open);
	assert_int_equal(event(r, 0), IRQ_LATCHED);
	pci_func_set_interrupt(fn(r), true);
	assert_int_equal(sent(r)->nr, 2);
	assert_int_equal(rig_high(r), 0);
}

/* rules 70, 86 */
static void each_rise_of_the_cause_is_message_0_and_no_pin(void **state)
{
	struct rig *r = *state;

	for (unsigned int i = 1; i <= 3; i++) {
		assert_int_equal(pci_func_set_interrupt(fn(r), true),
				 IRQ_QUEUED);
		pci_func_set_interrupt(fn(r), true);
		assert_int_equal(sent(r)->nr, i);
		assert_int_equal(sent(r)->message[i - 1].data, DATA & ~7);
		pci_func_set_interrupt(fn(r), false);
	}
	assert_int_equal(r->pins.nr_levels, 0);
}

/* rule 86 */
static void cause_that_is_there_when_msi_comes_is_told(void **state)
{
	struct rig *r = *state;

	control(r, ENABLED(3));
	rig_command(r, 0, PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	pci_func_set_interrupt(fn(r), true);
	assert_int_equal(rig_high(r), 0);
	control(r, PCI_MSI_ENABLE | ENABLED(3));
	assert_int_equal(sent(r)->nr, 1);
	control(r, PCI_MSI_ENABLE | ENABLED(2));
	rig_command(r, 0, PCI_COMMAND_MASTER);
	assert_int_equal(sent(r)->nr, 1);
	assert_int_equal(rig_high(r), 0);
	control(r, 0);
	assert_int_equal(rig_high(r), 1);
}

/* rule 86; PCI 3.0, 6.8.3.4 */
static void cause_that_is_gone_takes_its_message_along(void **state)
{
	struct rig *r = *state;

	reg(r, PCI_MSI_MASK, 4, 0xff);
	pci_func_set_interrupt(fn(r), true);
	event(r, 3);
	assert_int_equal(get(r, PCI_MSI_PENDING, 4), 1 << 3 | 1);
	pci_func_set_interrupt(fn(r), false);
	assert_int_equal(get(r, PCI_MSI_PENDING, 4), 1 << 3);
	reg(r, PCI_MSI_MASK, 4, 0);
	assert_int_equal(sent(r)->nr, 1);
	assert_int_equal(sent(r)->message[0].vector, 3);
	/* One that was kept and is told when MSI comes back is told once. */
	control(r, ENABLED(3));
	event(r, 0);
	pci_func_set_interrupt(fn(r), true);
	control(r, PCI_MSI_ENABLE | ENABLED(3));
	assert_int_equal(sent(r)->nr, 2);
}

/* What is folded into message 0 has a cause of its own. */
static void cause_that_is_gone_leaves_what_was_folded(void **state)
{
	struct rig *r = *state;

	control(r, PCI_MSI_ENABLE | ENABLED(0));
	reg(r, PCI_MSI_MASK, 4, 0xff);
	pci_func_set_interrupt(fn(r), true);
	event(r, 3);
	pci_func_set_interrupt(fn(r), false);
	assert_int_equal(get(r, PCI_MSI_PENDING, 4), 1);
	/* It is remembered no longer than it waits. */
	reg(r, PCI_MSI_MASK, 4, 0);
	assert_int_equal(sent(r)->nr, 1);
	reg(r, PCI_MSI_MASK, 4, 0xff);
	pci_func_set_interrupt(fn(r), true);
	pci_func_set_interrupt(fn(r), false);
	assert_int_equal(get(r, PCI_MSI_PENDING, 4), 0);
	/* Nor is one that did not wait at all. */
	reg(r, PCI_MSI_MASK, 4, 0);
	event(r, 3);
	control(r, ENABLED(0));
	pci_func_set_interrupt(fn(r), true);
	reg(r, PCI_MSI_MASK, 4, 0xff);
	control(r, PCI_MSI_ENABLE | ENABLED(0));
	assert_int_equal(get(r, PCI_MSI_PENDING, 4), 1);
	pci_func_set_interrupt(fn(r), false);
	assert_int_equal(get(r, PCI_MSI_PENDING, 4), 0);
	/* The same if the guest takes messages away while they wait. */
	control(r, PCI_MSI_ENABLE | ENABLED(3));
	pci_func_set_interrupt(fn(r), true);
	event(r, 3);
	control(r, PCI_MSI_ENABLE | ENABLED(0));
	pci_func_set_interrupt(fn(r), false);
	assert_int_equal(get(r, PCI_MSI_PENDING, 4), 1);
	/* A reset ends it all. */
	pci_func_reset(fn(r));
	control(r, PCI_MSI_ENABLE);
	reg(r, PCI_MSI_MASK, 4, 0xff);
	pci_func_set_interrupt(fn(r), true);
	pci_func_set_interrupt(fn(r), false);
	assert_int_equal(get(r, PCI_MSI_PENDING, 4), 0);
}

/* rules 23, 86 */
static void reset_disables_and_forgets(void **state)
{
	struct rig *r = *state;

	reg(r, PCI_MSI_MASK, 4, 0xff);
	event(r, 7);
	pci_func_reset(fn(r));
	assert_int_equal(get(r, 0, 1), PCI_CAP_MSI);
	assert_int_equal(get(r, PCI_MSI_CONTROL, 2), 0x0186);
	for (uint32_t off = PCI_MSI_ADDRESS; off < PCI_MSI_LENGTH; off += 4)
		assert_int_equal(get(r, off, 4), 0);
	rig_command(r, 0, PCI_COMMAND_MASTER);
	control(r, PCI_MSI_ENABLE | ENABLED(3));
	assert_int_equal(sent(r)->nr, 0);
	assert_int_equal(event(r, 7), IRQ_QUEUED);
}

#define T(name, how) cmocka_unit_test_setup_teardown(name, how, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(capability_tells_how_many_messages_there_are, powered_on),
		T(no_room_for_the_capability_is_an_error, powered_on),
		T(more_messages_than_there_are_are_all_there_are, powered_on),
		T(message_has_its_number_in_the_low_bits_of_its_data, ready),
		T(mask_latches_and_the_pending_bits_show_it, ready),
		T(without_bus_master_messages_wait, ready),
		T(disabling_keeps_what_is_pending_for_the_next_enable, ready),
		T(what_disables_lets_nothing_out, ready),
		T(fewer_messages_take_over_what_is_pending, ready),
		T(msix_wins_if_a_guest_enables_both, ready),
		T(each_rise_of_the_cause_is_message_0_and_no_pin, ready),
		T(cause_that_is_there_when_msi_comes_is_told, ready),
		T(cause_that_is_gone_takes_its_message_along, ready),
		T(cause_that_is_gone_leaves_what_was_folded, ready),
		T(reset_disables_and_forgets, ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
