/* SPDX-License-Identifier: BSD-3-Clause */
/* Buses behind bridges, and the four lines at the root. */
#include "transport/pci/test_rig.h"

/* Bus 1 behind device 2, bus 2 behind device 3 of it, bus 3 behind device 5 of
 * bus 0. */
static int with_buses(void **state)
{
	struct rig *r;

	if (rig_setup(state))
		return -1;
	r = *state;
	rig_bus(r, 0, 0, 2);
	rig_bus(r, 1, 1, 3);
	rig_bus(r, 2, 0, 5);
	rig_lines(r);
	return 0;
}

static void set(struct rig *r, unsigned int i, bool on)
{
	pci_func_set_interrupt(rig_func(r, i), on);
}

/* rule 3 */
static void function_on_another_bus_is_reached_by_bdf_and_by_ports(void **state)
{
	const uint16_t bdf = bdf_make(2, 31, 7);
	struct rig *r = *state;
	uint64_t v;

	rig_plug(r, 0, bdf);
	assert_ptr_equal(pci_root_find(&r->root, bdf), rig_func(r, 0));
	assert_null(pci_root_find(&r->root, bdf_make(1, 31, 7)));
	assert_null(pci_root_find(&r->root, bdf_make(4, 31, 7)));
	assert_int_equal(pci_root_config_read(&r->root, bdf, 0, 4), 0x10441af4);
	assert_true(
		bus_write(&r->pio, 0xcf8, 4, 0x80000000u | (uint32_t)bdf << 8));
	assert_true(bus_read(&r->pio, 0xcfc, 4, &v));
	assert_int_equal(v, 0x10441af4);
	/* ECAM ends with bus 0. */
	assert_false(
		bus_read(&r->mmio, RIG_ECAM + ((uint64_t)bdf << 12), 4, &v));
	assert_int_equal(r->root.absent, 0);
}

static void bus_that_cannot_be_there_is_refused(void **state)
{
	struct rig *r = *state;
	struct pci_bus bus = { .number = 0 };

	assert_int_equal(pci_root_add_bus(&r->root, &bus, 0, 0, 1), -EINVAL);
	assert_int_equal(pci_root_add_bus(&r->root, &bus, 9, 8, 1), -EINVAL);
	assert_int_equal(pci_root_add_bus(&r->root, &bus, 9, 9, 1), -EINVAL);
	assert_int_equal(pci_root_add_bus(&r->root, &bus, 9, 0, 32), -EINVAL);
	assert_int_equal(pci_root_add_bus(&r->root, &bus, 3, 0, 1), -EBUSY);
	assert_int_equal(
		pci_root_plug(&r->root, rig_func(r, 0), bdf_make(9, 0, 0)),
		-EINVAL);
	assert_null(rig_func(r, 0)->root);
	assert_int_equal(pci_root_add_bus(&r->root, &bus, 255, 2, 31), 0);
	rig_plug(r, 0, bdf_make(255, 0, 0));
	assert_int_equal(
		pci_root_plug(&r->root, rig_func(r, 1), bdf_make(255, 0, 0)),
		-EBUSY);
	pci_root_unplug(&r->root, rig_func(r, 0));
	pci_root_remove_bus(&r->root, &bus);
	assert_int_equal(
		pci_root_plug(&r->root, rig_func(r, 0), bdf_make(255, 0, 0)),
		-EINVAL);
}

/* rule 3 */
static void bit_7_is_right_on_every_bus(void **state)
{
	struct rig *r = *state;

	rig_plug(r, 0, bdf_make(0, 7, 0));
	rig_plug(r, 1, bdf_make(1, 7, 0));
	rig_plug(r, 2, bdf_make(1, 7, 3));
	assert_int_equal(rig_get(r, 0, PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(rig_get(r, 1, PCI_HEADER_TYPE, 1), PCI_HEADER_MULTI);
	pci_root_unplug(&r->root, rig_func(r, 2));
	assert_int_equal(rig_get(r, 1, PCI_HEADER_TYPE, 1), 0);
}

/* rule 18 */
static void lower_bus_wins_an_address_whatever_the_device(void **state)
{
	struct rig *r = *state;

	for (unsigned int i = 0; i < 3; i++) {
		const uint16_t bdf[] = {
			bdf_make(2, 0, 0),
			bdf_make(1, 0, 0),
			bdf_make(0, 31, 7),
		};

		rig_add_bar(r, i, 0, 0x1000, 0);
		rig_plug(r, i, bdf[i]);
		rig_set_bar(r, i, 0, 0xe0000000);
		rig_command(r, i, PCI_COMMAND_MEM);
		assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(i, 0));
	}
	rig_command(r, 2, 0);
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(1, 0));
	pci_root_unplug(&r->root, rig_func(r, 1));
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(0, 0));
	pci_root_unplug(&r->root, rig_func(r, 0));
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), 0);
}

/* How far the bridges of with_buses() turn a pin on bus 0 to 3. */
static const unsigned int turn[] = { 0, 2, 2 + 3, 5 };

/* rule 73 */
static void pin_is_turned_by_every_slot_on_its_way_to_the_root(void **state)
{
	struct rig *r = *state;

	for (unsigned int pin = 0; pin < INTX_PINS; pin++)
		pci_func_add_intx(rig_func(r, pin), pin);
	for (unsigned int bus = 0; bus <= RIG_BUSES; bus++)
		for (unsigned int dev = 0; dev < 32; dev++)
			for (unsigned int pin = 0; pin < INTX_PINS; pin++) {
				struct pci_func *f = rig_func(r, pin);
				unsigned int want = (pin + dev + turn[bus]) % 4;

				rig_plug(r, pin, bdf_make(bus, dev, pin));
				assert_ptr_equal(pci_root_line(&r->root, f),
						 &r->line[want]);
				set(r, pin, true);
				assert_int_equal(rig_high(r), 1u << want);
				set(r, pin, false);
				pci_root_unplug(&r->root, f);
			}
}

/* rule 72 */
static void line_is_shared_across_buses_and_falls_last(void **state)
{
	const uint16_t bdf[] = {
		bdf_make(0, 7, 0),
		bdf_make(1, 1, 0),
		bdf_make(2, 2, 0),
	};
	struct rig *r = *state;

	for (unsigned int i = 0; i < 3; i++) {
		pci_func_add_intx(rig_func(r, i), 0);
		rig_plug(r, i, bdf[i]);
		set(r, i, true);
		set(r, i, true);
	}
	assert_int_equal(rig_high(r), 1 << 3);
	assert_int_equal(r->pins.nr_levels, 1);
	set(r, 1, false);
	rig_command(r, 0, PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(r->pins.nr_levels, 1);
	set(r, 2, false);
	assert_int_equal(rig_high(r), 0);
	assert_int_equal(r->pins.nr_levels, 2);
	rig_command(r, 0, 0);
	assert_int_equal(r->pins.nr_levels, 3);
}

/* rule 72 */
static void unplugged_function_takes_its_level_along(void **state)
{
	struct rig *r = *state;

	for (unsigned int i = 0; i < 2; i++) {
		pci_func_add_intx(rig_func(r, i), 0);
		rig_plug(r, i, bdf_make(3 * i, 4 - i, 0));
		set(r, i, true);
	}
	assert_int_equal(rig_high(r), 1);
	pci_root_unplug(&r->root, rig_func(r, 0));
	assert_null(rig_func(r, 0)->intx.line);
	assert_int_equal(rig_high(r), 1);
	pci_root_unplug(&r->root, rig_func(r, 1));
	assert_int_equal(rig_high(r), 0);
	assert_int_equal(r->pins.nr_levels, 2);
	rig_plug(r, 1, bdf_make(0, 1, 0));
	assert_int_equal(rig_high(r), 1 << 1);
}

static void function_without_a_pin_has_no_line(void **state)
{
	struct rig *r = *state;

	rig_plug(r, 0, bdf_make(1, 1, 0));
	assert_null(pci_root_line(&r->root, rig_func(r, 0)));
	set(r, 0, true);
	assert_int_equal(rig_high(r), 0);
	assert_int_equal(rig_get(r, 0, PCI_STATUS, 2), PCI_STATUS_INTERRUPT);
}

static void functions_follow_the_root_to_other_lines(void **state)
{
	struct rig *r = *state;
	struct irq_line *const none[INTX_PINS] = { NULL };
	struct irq_line *other[INTX_PINS] = { NULL };
	struct irq_line own, lines[INTX_PINS];
	struct sink_record seen;

	sink_record_init(&seen);
	irq_line_init(&own, "own", NULL, 0);
	for (unsigned int i = 0; i < INTX_PINS; i++) {
		irq_line_init(&lines[i], "other", &seen.stage, i);
		other[i] = &lines[i];
	}
	for (unsigned int i = 0; i < 3; i++) {
		pci_func_add_intx(rig_func(r, i), 0);
		rig_plug(r, i, bdf_make(i, i, 0));
		set(r, i, true);
	}
	/* Whom somebody put elsewhere stays there. */
	irq_source_connect(&rig_func(r, 2)->intx, &own);
	pci_root_set_lines(&r->root, other);
	assert_int_equal(rig_high(r), 0);
	assert_true(lines[0].high && lines[3].high);
	assert_int_equal(seen.nr_levels, 2);
	assert_ptr_equal(rig_func(r, 2)->intx.line, &own);
	assert_true(own.high);
	/* To nowhere and back: the level was kept. */
	pci_root_set_lines(&r->root, none);
	assert_false(lines[0].high || lines[3].high);
	assert_null(rig_func(r, 0)->intx.line);
	rig_lines(r);
	assert_int_equal(rig_high(r), 1 << 0 | 1 << 3);
	assert_true(own.high);
	pci_root_unplug(&r->root, rig_func(r, 2));
	assert_false(own.high);
}

static void requester_ids_have_the_bus_in_them(void **state)
{
	struct rig *r = *state;
	struct pci_func *f = rig_func(r, 0);

	assert_int_equal(pci_func_add_msix(f, 1, 2), 0);
	assert_int_equal(pci_func_add_msi(f, 2), 0);
	rig_plug(r, 0, bdf_make(3, 17, 5));
	assert_int_equal(f->msix.bank.requester_id, bdf_make(3, 17, 5));
	assert_int_equal(f->msi.bank.requester_id, bdf_make(3, 17, 5));
}

#define T(name) cmocka_unit_test_setup_teardown(name, with_buses, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(function_on_another_bus_is_reached_by_bdf_and_by_ports),
		T(bus_that_cannot_be_there_is_refused),
		T(bit_7_is_right_on_every_bus),
		T(lower_bus_wins_an_address_whatever_the_device),
		T(pin_is_turned_by_every_slot_on_its_way_to_the_root),
		T(line_is_shared_across_buses_and_falls_last),
		T(unplugged_function_takes_its_level_along),
		T(function_without_a_pin_has_no_line),
		T(functions_follow_the_root_to_other_lines),
		T(requester_ids_have_the_bus_in_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
