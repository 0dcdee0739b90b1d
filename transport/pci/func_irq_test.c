/* SPDX-License-Identifier: BSD-3-Clause */
/* A function's cause, its pin, and what stands between them. */
#include "transport/pci/test_rig.h"

#define MSIX_BAR 1

/* What decides; a state is a set of these. */
enum {
	CAUSE = 1,
	DISABLE = 2, /* COMMAND.INTX_DISABLE */
	MSI = 4,
	MSIX = 8,
	STATES = 16,
};

static struct pci_func *fn(struct rig *r)
{
	return rig_func(r, 0);
}

static int with_everything(void **state)
{
	struct rig *r;

	if (rig_setup(state))
		return -1;
	r = *state;
	if (pci_func_add_msix(fn(r), MSIX_BAR, 2) || pci_func_add_msi(fn(r), 2))
		return -1;
	pci_func_add_intx(fn(r), 0);
	rig_lines(r);
	/* Device 4: INTA is the root's line 0. */
	return pci_root_plug(&r->root, fn(r), bdf_make(0, 4, 0));
}

static void decide(struct rig *r, unsigned int what, bool on)
{
	const struct pci_func *f = fn(r);

	switch (what) {
	case CAUSE:
		pci_func_set_interrupt(fn(r), on);
		break;
	case DISABLE:
		rig_command(r, 0, on ? PCI_COMMAND_INTX_DISABLE : 0);
		break;
	case MSI:
		rig_set(r, 0, f->msi.cap + PCI_MSI_CONTROL, 2, on);
		break;
	default:
		rig_set(r, 0, f->msix.cap + MSIX_CONTROL, 2,
			on ? MSIX_CONTROL_ENABLE : 0);
	}
}

static uint32_t interrupt_status(struct rig *r)
{
	return rig_get(r, 0, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT;
}

static void check(struct rig *r, unsigned int now)
{
	assert_int_equal(interrupt_status(r),
			 now & CAUSE ? PCI_STATUS_INTERRUPT : 0);
	assert_int_equal(rig_high(r), now == CAUSE);
}

/* Line and STATUS.3 after every single step on every way between two states;
 * rule 70. */
static void walk(struct rig *r, unsigned int from, unsigned int to)
{
	unsigned int now = from;

	for (unsigned int bit = 1; bit < STATES; bit *= 2) {
		if (!((from ^ to) & bit))
			continue;
		now ^= bit;
		decide(r, bit, now & bit);
		check(r, now);
	}
}

/* rule 70 */
static void pin_is_a_function_of_cause_and_what_is_enabled(void **state)
{
	struct rig *r = *state;
	unsigned int now = 0;

	for (unsigned int i = 0; i < STATES; i++)
		for (unsigned int j = 0; j < STATES; j++) {
			walk(r, now, i);
			walk(r, i, j);
			now = j;
		}
}

/* rule 70 */
static void intx_disable_acts_at_once_at_any_width(void **state)
{
	struct rig *r = *state;

	pci_func_set_interrupt(fn(r), true);
	rig_set(r, 0, PCI_COMMAND + 1, 1, PCI_COMMAND_INTX_DISABLE >> 8);
	assert_int_equal(rig_high(r), 0);
	rig_set(r, 0, PCI_COMMAND, 4, 0);
	assert_int_equal(rig_high(r), 1);
	rig_set(r, 0, PCI_COMMAND, 4, 0xffff0000 | PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(rig_high(r), 0);
	assert_int_not_equal(interrupt_status(r), 0);
	rig_command(r, 0, PCI_COMMAND_MASTER);
	assert_int_equal(rig_high(r), 1);
	assert_int_equal(r->pins.nr_levels, 5);
}

/* rules 4, 70 */
static void guest_cannot_write_the_interrupt_status(void **state)
{
	struct rig *r = *state;

	rig_set(r, 0, PCI_STATUS, 2, 0xffff);
	assert_int_equal(interrupt_status(r), 0);
	pci_func_set_interrupt(fn(r), true);
	rig_set(r, 0, PCI_STATUS, 2, 0xffff);
	assert_int_equal(interrupt_status(r), PCI_STATUS_INTERRUPT);
	rig_set(r, 0, PCI_STATUS, 2, 0);
	assert_int_equal(interrupt_status(r), PCI_STATUS_INTERRUPT);
	assert_int_equal(rig_high(r), 1);
}

/* rule 6 */
static void pin_register_tells_the_pin_and_is_read_only(void **state)
{
	struct rig *r = *state;

	for (unsigned int pin = 0; pin < INTX_PINS; pin++) {
		pci_func_add_intx(rig_func(r, pin + 1), pin);
		rig_set(r, pin + 1, PCI_INTERRUPT_LINE, 4, 0);
		assert_int_equal(rig_get(r, pin + 1, PCI_INTERRUPT_PIN, 1),
				 pin + 1);
	}
}

/* A pin that needs no bus mastering: it is no access to memory. */
static void pin_does_not_care_for_bus_mastering(void **state)
{
	struct rig *r = *state;

	pci_func_set_interrupt(fn(r), true);
	assert_int_equal(rig_high(r), 1);
	rig_command(r, 0, PCI_COMMAND_MASTER);
	rig_command(r, 0, 0);
	assert_int_equal(rig_high(r), 1);
	assert_int_equal(r->pins.nr_levels, 1);
}

/* rules 23, 70 */
static void reset_lowers_the_pin_and_raises_none_on_the_way(void **state)
{
	struct rig *r = *state;

	for (unsigned int from = 0; from < STATES; from++) {
		walk(r, 0, from);
		r->pins.nr_levels = 0;
		pci_func_reset(fn(r));
		check(r, 0);
		assert_int_equal(r->pins.nr_levels, from == CAUSE);
		decide(r, CAUSE, true);
		check(r, CAUSE);
		decide(r, CAUSE, false);
	}
}

/* As a function does whose link gave it a line of its own. */
static void function_that_goes_leaves_the_line_it_is_at(void **state)
{
	struct pci_func f;
	struct irq_line line;

	(void)state;
	pci_func_init(&f, &rig_func_ops, &rig_ids);
	pci_func_add_intx(&f, 0);
	irq_line_init(&line, "own", NULL, 0);
	irq_source_connect(&f.intx, &line);
	irq_source_set(&f.intx, true);
	assert_true(line.high);
	pci_func_fini(&f);
	assert_null(line.sources);
	assert_false(line.high);
}

static void set_interrupt_says_what_became_of_it(void **state)
{
	struct rig *r = *state;
	struct pci_func *other = rig_func(r, 1);

	assert_int_equal(pci_func_set_interrupt(other, true), IRQ_DROPPED);
	assert_int_equal(pci_func_set_interrupt(other, false), IRQ_DROPPED);
	pci_func_add_intx(other, 0);
	rig_plug(r, 1, bdf_make(0, 8, 0));
	assert_int_equal(pci_func_set_interrupt(fn(r), true), IRQ_QUEUED);
	assert_int_equal(pci_func_set_interrupt(fn(r), true), IRQ_SILENT);
	assert_int_equal(pci_func_set_interrupt(other, true), IRQ_MERGED);
	assert_int_equal(pci_func_set_interrupt(fn(r), false), IRQ_MERGED);
	r->pins.refuse = true;
	assert_int_equal(pci_func_set_interrupt(other, false), IRQ_LATCHED);
	decide(r, MSI, true);
	/* Nobody made the function bus master. */
	assert_int_equal(pci_func_set_interrupt(fn(r), true), IRQ_LATCHED);
	assert_true(msi_is_pending(&fn(r)->msi.bank, 0));
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, with_everything, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pin_is_a_function_of_cause_and_what_is_enabled),
		T(intx_disable_acts_at_once_at_any_width),
		T(guest_cannot_write_the_interrupt_status),
		T(pin_register_tells_the_pin_and_is_read_only),
		T(pin_does_not_care_for_bus_mastering),
		T(reset_lowers_the_pin_and_raises_none_on_the_way),
		T(function_that_goes_leaves_the_line_it_is_at),
		T(set_interrupt_says_what_became_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
