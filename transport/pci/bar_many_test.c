/* SPDX-License-Identifier: BSD-3-Clause */
/* Many BARs: what a change of one costs, and whom it concerns. */
#include "transport/pci/test_rig.h"

#define BASE  0xe0000000u
#define BUSES 16
#define MANY  (BUSES * PCI_ROOT_FUNCS)

static bool mapped(struct rig *r, unsigned int i, unsigned int n)
{
	return rig_func(r, i)->bar[n].mapped;
}

/* ---- Whom it concerns ------------------------------------------------------- */

/* rule 18: the sixteen that BAR 0 drives out are not all that a pass notes. */
static void loser_reappears_however_many_places_were_left(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 0x10000, 0);
	rig_add_bar(r, 0, 1, 0x1000, 0);
	for (unsigned int k = 0; k < 16; k++)
		rig_add_bar(r, 1 + k / 6, k % 6, 0x1000, 0);
	rig_add_bar(r, 4, 0, 0x10000, 0);
	rig_add_bar(r, 5, 0, 0x1000, 0);
	for (unsigned int i = 0; i < 6; i++)
		rig_plug(r, i, bdf_make(0, i, 0));
	for (unsigned int k = 0; k < 16; k++)
		rig_set_bar(r, 1 + k / 6, k % 6, BASE + 0x1000 * k);
	rig_set_bar(r, 4, 0, BASE + 0x10000);
	rig_set_bar(r, 5, 0, BASE + 0x18000);
	rig_set_bar(r, 0, 0, BASE);
	rig_set_bar(r, 0, 1, BASE + 0x10000);
	for (unsigned int i = 1; i < 6; i++)
		rig_command(r, i, PCI_COMMAND_MEM);
	assert_false(mapped(r, 5, 0));

	rig_command(r, 0, PCI_COMMAND_MEM);
	for (unsigned int k = 0; k < 16; k++)
		assert_false(mapped(r, 1 + k / 6, k % 6));
	assert_false(mapped(r, 4, 0));
	assert_true(mapped(r, 5, 0));

	rig_command(r, 0, 0);
	for (unsigned int k = 0; k < 16; k++)
		assert_true(mapped(r, 1 + k / 6, k % 6));
	assert_true(mapped(r, 4, 0));
	assert_false(mapped(r, 5, 0));
}

static void loser_without_room_is_tried_again_when_any_bar_changes(void **state)
{
	struct rig *r = *state;

	for (unsigned int i = 0; i < 4; i++) {
		rig_add_bar(r, i, 0, 0x1000, 0);
		rig_plug(r, i, bdf_make(0, i, 0));
		rig_command(r, i, PCI_COMMAND_MEM);
	}
	rig_set_bar(r, 0, 0, BASE);
	rig_set_bar(r, 1, 0, BASE);
	rig_set_bar(r, 2, 0, BASE + 0x1000);
	r->mmio.max = 2;
	pci_root_unplug(&r->root, rig_func(r, 0));
	assert_false(mapped(r, 1, 0));
	r->mmio.max = BUS_MAX_RANGES;
	rig_set_bar(r, 3, 0, BASE + 0x8000);
	assert_true(mapped(r, 1, 0));
	assert_int_equal(rig_who(&r->mmio, BASE), RIG_WHO(1, 0));
}

/* ---- What it costs ---------------------------------------------------------- */

struct many {
	struct bus mmio, pio;
	struct pci_root root;
	struct pci_bus bus[BUSES];
	struct pci_func f[MANY];
};

static const struct pci_func_ops no_ops = { .reset = NULL };

static int many_setup(void **state)
{
	struct many *m = calloc(1, sizeof(*m));

	if (!m)
		return -1;
	*state = m;
	bus_init(&m->mmio, UINT64_MAX);
	bus_init(&m->pio, 0xffff);
	if (pci_root_init(&m->root, &m->mmio, &m->pio, RIG_ECAM))
		return -1;
	for (unsigned int b = 1; b < BUSES; b++)
		if (pci_root_add_bus(&m->root, &m->bus[b], (uint8_t)b, 0,
				     (uint8_t)b))
			return -1;
	for (unsigned int i = 0; i < MANY; i++) {
		pci_func_init(&m->f[i], &no_ops, &rig_ids);
		pci_func_add_bar(&m->f[i], 0, 0x1000, 0);
		pci_func_add_bar(&m->f[i], 2, 0x4000, PCI_BAR_64);
		if (pci_root_plug(&m->root, &m->f[i], (uint16_t)i))
			return -1;
	}
	return 0;
}

static int many_teardown(void **state)
{
	struct many *m = *state;

	for (unsigned int i = 0; i < MANY; i++) {
		pci_root_unplug(&m->root, &m->f[i]);
		pci_func_fini(&m->f[i]);
	}
	for (unsigned int b = BUSES - 1; b; b--)
		pci_root_remove_bus(&m->root, &m->bus[b]);
	pci_root_fini(&m->root);
	if (m->mmio.nr)
		return -1;
	bus_fini(&m->mmio);
	bus_fini(&m->pio);
	free(m);
	return 0;
}

static void write_bar(struct pci_func *f, unsigned int n, uint32_t value)
{
	pci_func_config_write(f, PCI_BAR0 + 4 * n, 4, value);
}

/* As firmware does it: size, address, decode. */
static void program(struct pci_func *f, uint32_t low, uint64_t high)
{
	write_bar(f, 0, UINT32_MAX);
	write_bar(f, 0, low);
	write_bar(f, 2, UINT32_MAX);
	write_bar(f, 3, UINT32_MAX);
	write_bar(f, 2, (uint32_t)high);
	write_bar(f, 3, (uint32_t)(high >> 32));
	pci_func_config_write(f, PCI_COMMAND, 2,
			      PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
}

static void program_all(struct many *m)
{
	for (uint32_t i = 0; i < MANY; i++)
		program(&m->f[i], BASE + i * 0x1000,
			(1ull << 32) + i * 0x4000ull);
}

static void bars_of_4096_functions_cost_a_look_each(void **state)
{
	struct many *m = *state;

	program_all(m);
	assert_int_equal(m->mmio.nr, 2 * MANY + 1);
	assert_int_equal(m->root.bar_looks, 2 * MANY);
	for (uint32_t i = 0; i < MANY; i++)
		pci_func_reset(&m->f[i]);
	assert_int_equal(m->mmio.nr, 1);
	assert_int_equal(m->root.bar_looks, 2 * MANY);
}

static void
loser_costs_a_look_when_a_bar_changes_and_a_winner_none(void **state)
{
	struct many *m = *state;
	uint64_t before;

	program_all(m);
	/* A hundred of the last bus want where the first hundred are. */
	for (unsigned int i = MANY - 100; i < MANY; i++)
		write_bar(&m->f[i], 0, BASE + (i - (MANY - 100)) * 0x1000);
	before = m->root.bar_looks;
	write_bar(&m->f[200], 0, BASE + MANY * 0x1000);
	assert_in_range(m->root.bar_looks - before, 1, 101);
	assert_false(m->f[MANY - 100].bar[0].mapped);
	write_bar(&m->f[0], 0, BASE + (MANY + 1) * 0x1000);
	assert_true(m->f[MANY - 100].bar[0].mapped);
	assert_false(m->f[MANY - 99].bar[0].mapped);
}

#define MANY_TEST(name)                                                        \
	cmocka_unit_test_setup_teardown(name, many_setup, many_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(loser_reappears_however_many_places_were_left),
		RIG_TEST(
			loser_without_room_is_tried_again_when_any_bar_changes),
		MANY_TEST(bars_of_4096_functions_cost_a_look_each),
		MANY_TEST(
			loser_costs_a_look_when_a_bar_changes_and_a_winner_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
