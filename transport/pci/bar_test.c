/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/pci/test_rig.h"

#define MEM    PCI_COMMAND_MEM
#define IO     PCI_COMMAND_IO
#define MEM64  PCI_BAR_64
#define MEM64P (PCI_BAR_64 | PCI_BAR_PREFETCH)

/* ---- Registers ----------------------------------------------------------- */

/* rule 10 */
static void type_bits_tell_kind_and_are_read_only(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 256, PCI_BAR_IO);
	rig_add_bar(r, 0, 1, 0x1000, 0);
	rig_add_bar(r, 0, 2, 0x4000, MEM64);
	rig_add_bar(r, 0, 4, 0x4000, MEM64P);
	rig_plug(r, 0, 8);
	for (unsigned int pass = 0; pass < 2; pass++) {
		assert_int_equal(rig_get_bar(r, 0, 0) & 3, 1);
		assert_int_equal(rig_get_bar(r, 0, 1) & 15, 0);
		assert_int_equal(rig_get_bar(r, 0, 2) & 15, 4);
		assert_int_equal(rig_get_bar(r, 0, 4) & 15, 12);
		for (unsigned int n = 0; n < PCI_NR_BARS; n++)
			rig_set_bar(r, 0, n, pass ? 0 : 0xffffffff);
	}
}

/* rule 11 */
static void all_ones_read_back_as_the_size(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 32, PCI_BAR_IO);
	rig_add_bar(r, 0, 1, 0x8000, 0);
	rig_add_bar(r, 0, 2, 1ull << 31, PCI_BAR_PREFETCH);
	rig_plug(r, 0, 8);
	for (unsigned int n = 0; n < 3; n++)
		rig_set_bar(r, 0, n, 0xffffffff);
	assert_int_equal(rig_get_bar(r, 0, 0), 0xffffffe1);
	assert_int_equal(rig_get_bar(r, 0, 1), 0xffff8000);
	assert_int_equal(rig_get_bar(r, 0, 2), 0x80000008);
}

/* rule 11 */
static void bars_that_are_not_there_read_zero_and_so_does_the_rom(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 1, 0x1000, 0);
	rig_plug(r, 0, 8);
	for (unsigned int n = 0; n < PCI_NR_BARS; n++)
		rig_set_bar(r, 0, n, 0xffffffff);
	rig_set(r, 0, PCI_ROM_BAR, 4, 0xffffffff);
	assert_int_equal(rig_get_bar(r, 0, 0), 0);
	for (unsigned int n = 2; n < PCI_NR_BARS; n++)
		assert_int_equal(rig_get_bar(r, 0, n), 0);
	assert_int_equal(rig_get(r, 0, PCI_ROM_BAR, 4), 0);
}

/* rule 12 */
static void probe_without_the_type_bits_works_as_well(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 0x4000, MEM64);
	rig_plug(r, 0, 8);
	rig_set_bar(r, 0, 0, 0xfffffff0);
	assert_int_equal(rig_get_bar(r, 0, 0), 0xffffc004);
}

/* rule 12 */
static void bar_can_be_written_in_bytes_and_words(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 0x1000, 0);
	rig_plug(r, 0, 8);
	for (unsigned int i = 0; i < 4; i++)
		rig_set(r, 0, PCI_BAR0 + i, 1, 0xff);
	assert_int_equal(rig_get_bar(r, 0, 0), 0xfffff000);
	rig_set(r, 0, PCI_BAR0, 2, 0x5000);
	rig_set(r, 0, PCI_BAR0 + 2, 2, 0xfe80);
	assert_int_equal(rig_get_bar(r, 0, 0), 0xfe805000);
	rig_command(r, 0, MEM);
	assert_int_equal(rig_who(&r->mmio, 0xfe805000), RIG_WHO(0, 0));
	rig_set(r, 0, PCI_BAR0 + 3, 1, 0xfd);
	assert_int_equal(rig_who(&r->mmio, 0xfe805000), 0);
	assert_int_equal(rig_who(&r->mmio, 0xfd805000), RIG_WHO(0, 0));
}

/* rule 13 */
static void halves_of_a_64_bit_bar_are_independent(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 4, 0x4000, MEM64P);
	rig_plug(r, 0, 8);
	rig_set_bar(r, 0, 5, 0x12);
	assert_int_equal(rig_get_bar(r, 0, 4), 0xc);
	rig_set_bar(r, 0, 4, 0xe0004000);
	assert_int_equal(rig_get_bar(r, 0, 5), 0x12);
	rig_set_bar(r, 0, 5, 0xffffffff);
	assert_int_equal(rig_get_bar(r, 0, 5), 0xffffffff);
	assert_int_equal(rig_get_bar(r, 0, 4), 0xe000400c);
	rig_set_bar(r, 0, 5, 0x13);
	rig_set_bar(r, 0, 5, 0x13);
	rig_command(r, 0, MEM);
	assert_int_equal(rig_who(&r->mmio, 0x13e0004000), RIG_WHO(0, 4));
	rig_set_bar(r, 0, 4, 0xe0004000);
	assert_int_equal(rig_who(&r->mmio, 0x13e0004000), RIG_WHO(0, 4));
}

/* rule 13 */
static void bar_of_4_gib_and_more_has_only_type_bits_below(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 1ull << 34, MEM64P);
	rig_plug(r, 0, 8);
	rig_set_bar(r, 0, 0, 0xffffffff);
	rig_set_bar(r, 0, 1, 0xffffffff);
	assert_int_equal(rig_get_bar(r, 0, 0), 0xc);
	assert_int_equal(rig_get_bar(r, 0, 1), 0xfffffffc);
	rig_set_bar(r, 0, 0, 0);
	rig_set_bar(r, 0, 1, 0x40);
	rig_command(r, 0, MEM);
	assert_int_equal(rig_who(&r->mmio, 0x43fffffffc) >> 8, 1);
	assert_int_equal(rig_who(&r->mmio, 0x4400000000), 0);
}

/* ---- Decoding ------------------------------------------------------------ */

/* rule 14 */
static void memory_decodes_only_with_its_command_bit(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 0x1000, 0);
	rig_plug(r, 0, 8);
	rig_set_bar(r, 0, 0, 0xfe000000);
	rig_command(r, 0, IO | PCI_COMMAND_MASTER);
	assert_null(bus_find(&r->mmio, 0xfe000000, 4));
	rig_command(r, 0, MEM);
	assert_int_equal(rig_who(&r->mmio, 0xfe000000), RIG_WHO(0, 0));
	rig_command(r, 0, 0);
	assert_null(bus_find(&r->mmio, 0xfe000000, 4));
}

/* rule 14 */
static void ports_decode_only_with_their_command_bit(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 64, PCI_BAR_IO);
	rig_plug(r, 0, 8);
	rig_set_bar(r, 0, 0, 0xc000);
	rig_command(r, 0, MEM);
	assert_null(bus_find(&r->pio, 0xc000, 4));
	rig_command(r, 0, IO);
	assert_int_equal(rig_who(&r->pio, 0xc03c), RIG_WHO(0, 0));
	assert_null(bus_find(&r->mmio, 0xc000, 4));
	rig_set_bar(r, 0, 0, 0xd040);
	assert_null(bus_find(&r->pio, 0xc000, 4));
	assert_int_equal(rig_who(&r->pio, 0xd040), RIG_WHO(0, 0));
	rig_command(r, 0, 0);
	assert_null(bus_find(&r->pio, 0xd040, 4));
}

/* rule 14 */
static void probe_is_never_routed_whatever_its_width(void **state)
{
	static const uint32_t pattern[] = { 0xffffffff, 0xfffffff0,
					    0xffffc000 };
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 0x4000, 0);
	rig_plug(r, 0, 8);
	rig_command(r, 0, MEM);
	for (unsigned int i = 0; i < ARRAY_SIZE(pattern); i++) {
		rig_set_bar(r, 0, 0, 0xfe000000);
		assert_int_equal(rig_who(&r->mmio, 0xfe000000), RIG_WHO(0, 0));
		rig_set_bar(r, 0, 0, pattern[i]);
		assert_int_equal(r->mmio.nr, 1);
	}
	rig_set_bar(r, 0, 0, 0xfe000000);
	for (unsigned int i = 0; i < 4; i++)
		rig_set(r, 0, PCI_BAR0 + i, 1, 0xff);
	assert_int_equal(r->mmio.nr, 1);
}

/* rule 14 */
static void probe_of_either_half_is_never_routed(void **state)
{
	struct rig *r = *state;
	const uint64_t ecam_only = r->mmio.nr;

	rig_add_bar(r, 0, 0, 0x4000, MEM64);
	rig_plug(r, 0, 8);
	rig_command(r, 0, MEM);
	rig_set_bar(r, 0, 0, 0xe0000000);
	rig_set_bar(r, 0, 1, 0x20);
	assert_int_equal(r->mmio.nr, ecam_only + 1);
	rig_set_bar(r, 0, 0, 0xffffffff);
	assert_int_equal(r->mmio.nr, ecam_only);
	rig_set_bar(r, 0, 1, 0xffffffff);
	assert_int_equal(r->mmio.nr, ecam_only);
	rig_set_bar(r, 0, 0, 0xe0000000);
	assert_int_equal(r->mmio.nr, ecam_only);
	rig_set_bar(r, 0, 1, 0x20);
	assert_int_equal(rig_who(&r->mmio, 0x20e0000000), RIG_WHO(0, 0));
	/* With an upper half of 0 it would lie over the firmware. */
	rig_set_bar(r, 0, 1, 0);
	rig_set_bar(r, 0, 0, 0xffffc000);
	assert_int_equal(r->mmio.nr, ecam_only);
}

static void bar_may_lie_at_the_end_of_4_gib_above_the_first(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 0x4000, MEM64);
	rig_add_bar(r, 0, 2, 1ull << 31, MEM64);
	rig_plug(r, 0, 8);
	rig_command(r, 0, MEM);
	rig_set_bar(r, 0, 1, 0x20);
	rig_set_bar(r, 0, 0, 0xffffc000);
	assert_int_equal(rig_who(&r->mmio, 0x20ffffc000), RIG_WHO(0, 0));
	rig_set_bar(r, 0, 3, 0x21);
	rig_set_bar(r, 0, 2, 0x80000000);
	assert_int_equal(rig_who(&r->mmio, 0x2180000000), RIG_WHO(0, 2));
}

/* rule 15 */
static void impossible_address_is_unmapped_and_no_error(void **state)
{
	struct rig *r = *state;
	const uint64_t ecam_only = r->mmio.nr;

	r->root.physical_limit = (1ull << 40) - 1;
	rig_add_bar(r, 0, 0, 0x4000, MEM64);
	rig_add_bar(r, 0, 2, 16, PCI_BAR_IO);
	rig_plug(r, 0, 8);
	rig_command(r, 0, MEM | IO);
	assert_int_equal(r->mmio.nr, ecam_only);
	assert_int_equal(r->pio.nr, 1);
	rig_set_bar(r, 0, 0, 0xfffe0000);
	rig_set_bar(r, 0, 1, 0x100);
	assert_int_equal(r->mmio.nr, ecam_only);
	rig_set_bar(r, 0, 1, 0xfffffffe);
	assert_int_equal(r->mmio.nr, ecam_only);
	assert_int_equal(rig_get_bar(r, 0, 1), 0xfffffffe);
	rig_set_bar(r, 0, 1, 0xff);
	assert_int_equal(rig_who(&r->mmio, 0xfffffe0000), RIG_WHO(0, 0));
	rig_set_bar(r, 0, 0, 0xffffc000); /* the last place there is */
	assert_int_equal(rig_who(&r->mmio, 0xfffffffffc), RIG_WHO(0, 0));
	rig_set_bar(r, 0, 2, 0x10000);
	assert_int_equal(r->pio.nr, 1);
	rig_set_bar(r, 0, 2, 0xfff0);
	assert_int_equal(r->pio.nr, 1);
	rig_set_bar(r, 0, 2, 0xffe0);
	assert_int_equal(rig_who(&r->pio, 0xffe0), RIG_WHO(0, 2));
	assert_int_equal(rig_func(r, 0)->stats.rolled_back, 0);
}

/* rule 16 */
static void move_takes_effect_with_the_write_and_leaves_nothing(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 0x1000, 0);
	rig_add_bar(r, 1, 0, 0x1000, 0);
	rig_plug(r, 0, 8);
	rig_plug(r, 1, 16);
	rig_set_bar(r, 0, 0, 0xe0000000);
	rig_set_bar(r, 1, 0, 0xe0008000);
	rig_command(r, 0, MEM);
	rig_command(r, 1, MEM);
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t at = 0xd0000000 + (i * 37 % 101) * 0x2000;

		rig_set_bar(r, 0, 0, at);
		assert_int_equal(rig_who(&r->mmio, at), RIG_WHO(0, 0));
		assert_int_equal(rig_who(&r->mmio, 0xe0008000), RIG_WHO(1, 0));
		assert_int_equal(r->mmio.nr, 3);
	}
}

/* rule 17 */
static void failed_decode_rolls_the_register_back(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 0x4000, MEM64);
	rig_plug(r, 0, 8);
	rig_command(r, 0, MEM);
	r->mmio.max = r->mmio.nr;
	rig_set_bar(r, 0, 0, 0xe0000000);
	assert_int_equal(rig_get_bar(r, 0, 0), 4);
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), 0);
	assert_int_equal(rig_func(r, 0)->stats.rolled_back, 1);
	r->mmio.max++;
	rig_set_bar(r, 0, 0, 0xe0000000);
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(0, 0));
	/* To move it needs no room. */
	rig_set_bar(r, 0, 0, 0xe0004000);
	assert_int_equal(rig_who(&r->mmio, 0xe0004000), RIG_WHO(0, 0));
}

/* rule 17 */
static void failed_enable_rolls_command_and_all_bars_back(void **state)
{
	struct rig *r = *state;
	struct rig_func *f = &r->func[0];

	rig_add_bar(r, 0, 0, 0x1000, 0);
	rig_add_bar(r, 0, 1, 0x1000, 0);
	rig_plug(r, 0, 8);
	rig_set_bar(r, 0, 0, 0xe0000000);
	rig_set_bar(r, 0, 1, 0xe0001000);
	r->mmio.max = r->mmio.nr + 1;
	rig_command(r, 0, MEM | PCI_COMMAND_MASTER);
	assert_int_equal(rig_get(r, 0, PCI_COMMAND, 2), 0);
	assert_int_equal(f->masters, 0);
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), 0);
	assert_int_equal(rig_who(&r->mmio, 0xe0001000), 0);
	r->mmio.max++;
	rig_command(r, 0, MEM);
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(0, 0));
	assert_int_equal(rig_who(&r->mmio, 0xe0001000), RIG_WHO(0, 1));
}

/* rule 17 */
static void failed_move_gives_the_losers_place_back_too(void **state)
{
	struct rig *r = *state;

	/* One big winner over two small losers, and room for one only. */
	rig_add_bar(r, 0, 0, 0x4000, 0);
	rig_add_bar(r, 1, 0, 0x1000, 0);
	rig_add_bar(r, 2, 0, 0x1000, 0);
	for (unsigned int i = 0; i < 3; i++) {
		rig_plug(r, i, (uint16_t)(8 * i));
		rig_set_bar(r, i, 0, 0xe0000000 + 0x1000 * i);
		rig_command(r, i, MEM);
	}
	r->mmio.max = r->mmio.nr;
	rig_command(r, 0, 0);
	assert_int_equal(rig_get(r, 0, PCI_COMMAND, 2), MEM);
	assert_int_equal(rig_who(&r->mmio, 0xe0001000), RIG_WHO(0, 0));
	assert_int_equal(rig_who(&r->mmio, 0xe0002000), RIG_WHO(0, 0));
}

/* rule 18 */
static void lower_address_of_function_wins_an_overlap(void **state)
{
	struct rig *r = *state;

	for (unsigned int i = 0; i < 2; i++) {
		rig_add_bar(r, i, 0, 0x1000, 0);
		rig_add_bar(r, i, 1, 0x1000, 0);
	}
	rig_plug(r, 0, 16);
	rig_plug(r, 1, 8);
	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int n = 0; n < 2; n++)
			rig_set_bar(r, i, n, 0xe0000000);
		rig_command(r, i, MEM);
		/* Whoever came first: function 1 has the lower address. */
	}
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(1, 0));
	rig_set_bar(r, 1, 0, 0xe0001000);
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(1, 1));
	rig_set_bar(r, 1, 1, 0xe0002000);
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(0, 0));
}

/* rule 18 */
static void loser_reappears_when_the_winner_leaves(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 0x1000, 0);
	rig_add_bar(r, 1, 0, 0x1000, 0);
	rig_plug(r, 0, 8);
	rig_plug(r, 1, 16);
	for (unsigned int i = 0; i < 2; i++) {
		rig_set_bar(r, i, 0, 0xe0000000);
		rig_command(r, i, MEM);
	}
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(0, 0));
	assert_true(rig_func(r, 1)->bar[0].wanted);
	assert_false(rig_func(r, 1)->bar[0].mapped);
	rig_set_bar(r, 0, 0, 0xe0004000); /* moves away */
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(1, 0));
	rig_set_bar(r, 0, 0, 0xe0000000); /* and back */
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(0, 0));
	rig_command(r, 0, 0); /* stops decoding */
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(1, 0));
	rig_command(r, 0, MEM);
	rig_set_bar(r, 0, 0, 0xffffffff); /* is probed */
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(1, 0));
	rig_set_bar(r, 0, 0, 0xe0000000);
	pci_func_reset(rig_func(r, 0));
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(1, 0));
	rig_set_bar(r, 0, 0, 0xe0000000);
	rig_command(r, 0, MEM);
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(0, 0));
	pci_root_unplug(&r->root, rig_func(r, 0));
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(1, 0));
}

/* rule 18 */
static void loser_of_a_loser_stays(void **state)
{
	struct rig *r = *state;

	/* 0 beats 1; 2 overlaps 1 but not 0. */
	rig_add_bar(r, 0, 0, 0x1000, 0);
	rig_add_bar(r, 1, 0, 0x4000, 0);
	rig_add_bar(r, 2, 0, 0x1000, 0);
	for (unsigned int i = 0; i < 3; i++) {
		rig_plug(r, i, (uint16_t)(8 * i));
		rig_command(r, i, MEM);
	}
	rig_set_bar(r, 1, 0, 0xe0000000);
	rig_set_bar(r, 2, 0, 0xe0003000);
	assert_int_equal(rig_who(&r->mmio, 0xe0003000), RIG_WHO(1, 0));
	rig_set_bar(r, 0, 0, 0xe0000000);
	assert_int_equal(rig_who(&r->mmio, 0xe0000000), RIG_WHO(0, 0));
	assert_int_equal(rig_who(&r->mmio, 0xe0001000), 0);
	assert_int_equal(rig_who(&r->mmio, 0xe0003000), RIG_WHO(2, 0));
}

/* rule 18 */
static void bar_on_top_of_ecam_loses(void **state)
{
	struct rig *r = *state;

	rig_add_bar(r, 0, 0, 0x1000, 0);
	rig_plug(r, 0, 8);
	rig_command(r, 0, MEM);
	rig_set_bar(r, 0, 0, (uint32_t)RIG_ECAM);
	assert_ptr_equal(bus_find(&r->mmio, RIG_ECAM, 4), &r->root.ecam);
	rig_set_bar(r, 0, 0, (uint32_t)RIG_ECAM + 0x100000);
	assert_int_equal(rig_who(&r->mmio, RIG_ECAM + 0x100000), RIG_WHO(0, 0));
}

/* ---- Windows ------------------------------------------------------------- */

static struct pci_func *with_two_windows(struct rig *r)
{
	struct pci_func *f = rig_func(r, 0);
	struct pci_bar *bar = &f->bar[2];

	pci_func_add_bar(f, 2, 0x4000, 0);
	pci_bar_add_window(bar, 0x1000, 0x10, &rig_bar_ops, bar);
	pci_bar_add_window(bar, 0x1010, 0x10, &rig_bar_ops, bar);
	rig_plug(r, 0, 8);
	rig_set_bar(r, 0, 2, 0xe0000000);
	rig_command(r, 0, MEM);
	return f;
}

/* rule 20 */
static void access_between_windows_reads_ones_and_is_counted(void **state)
{
	struct rig *r = *state;
	struct pci_func *f = with_two_windows(r);
	uint64_t v = 0;

	assert_true(bus_read(&r->mmio, 0xe0000000, 2, &v));
	assert_int_equal(v, 0xffff);
	assert_int_equal(pci_func_bar_read(f, 2, 0x1020, 8), UINT64_MAX);
	assert_int_equal(pci_func_bar_read(f, 2, UINT64_MAX, 4), UINT32_MAX);
	pci_func_bar_write(f, 2, 0xfff, 1, 0);
	assert_true(bus_write(&r->mmio, 0xe0003ff8, 8, 0));
	assert_int_equal(f->stats.bad, 5);
	assert_int_equal(f->stats.bar_reads, 3);
	assert_int_equal(f->stats.bar_writes, 2);
	assert_int_equal(r->func[0].bar_writes, 0);
}

/* rule 20 */
static void bar_that_is_not_there_reads_ones_and_is_counted(void **state)
{
	struct rig *r = *state;
	struct pci_func *f = with_two_windows(r);

	for (unsigned int n = 0; n < 12; n++) {
		if (n == 2)
			continue;
		assert_int_equal(pci_func_bar_read(f, n, 0, 1), 0xff);
		pci_func_bar_write(f, n, 0, 1, 0);
	}
	assert_int_equal(f->stats.bad, 22);
}

/* rule 21 */
static void access_that_straddles_windows_or_the_end_is_dropped(void **state)
{
	struct rig *r = *state;
	struct pci_func *f = with_two_windows(r);
	uint64_t v;

	assert_int_equal(pci_func_bar_read(f, 2, 0x100e, 4), UINT32_MAX);
	assert_int_equal(pci_func_bar_read(f, 2, 0xffe, 4), UINT32_MAX);
	assert_int_equal(pci_func_bar_read(f, 2, 0x101c, 8), UINT64_MAX);
	pci_func_bar_write(f, 2, 0x100c, 8, 0);
	assert_int_equal(f->stats.bad, 4);
	assert_int_equal(r->func[0].bar_writes, 0);
	assert_false(bus_read(&r->mmio, 0xe0003ffe, 4, &v));
	assert_int_equal(v, UINT32_MAX);
}

static void impossible_sizes_are_dropped(void **state)
{
	struct rig *r = *state;
	struct pci_func *f = with_two_windows(r);
	static const unsigned int sizes[] = { 0, 3, 5, 6, 7, 9, 4096 };

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(pci_func_bar_read(f, 2, 0x1000, sizes[i]),
				 all_ones(sizes[i]));
		pci_func_bar_write(f, 2, 0x1000, sizes[i], 0);
	}
	assert_int_equal(f->stats.bad, 14);
	assert_int_equal(r->func[0].bar_writes, 0);
}

static void by_number_a_bar_is_reached_though_it_does_not_decode(void **state)
{
	struct rig *r = *state;
	struct pci_func *f = with_two_windows(r);

	rig_command(r, 0, 0);
	assert_int_equal(pci_func_bar_read(f, 2, 0x1004, 4), 0x01020004);
	pci_func_bar_write(f, 2, 0x1014, 2, 0);
	assert_int_equal(r->func[0].bar_off, 4);
	assert_int_equal(f->stats.bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(type_bits_tell_kind_and_are_read_only),
		RIG_TEST(all_ones_read_back_as_the_size),
		RIG_TEST(bars_that_are_not_there_read_zero_and_so_does_the_rom),
		RIG_TEST(probe_without_the_type_bits_works_as_well),
		RIG_TEST(bar_can_be_written_in_bytes_and_words),
		RIG_TEST(halves_of_a_64_bit_bar_are_independent),
		RIG_TEST(bar_of_4_gib_and_more_has_only_type_bits_below),
		RIG_TEST(memory_decodes_only_with_its_command_bit),
		RIG_TEST(ports_decode_only_with_their_command_bit),
		RIG_TEST(probe_is_never_routed_whatever_its_width),
		RIG_TEST(probe_of_either_half_is_never_routed),
		RIG_TEST(bar_may_lie_at_the_end_of_4_gib_above_the_first),
		RIG_TEST(impossible_address_is_unmapped_and_no_error),
		RIG_TEST(move_takes_effect_with_the_write_and_leaves_nothing),
		RIG_TEST(failed_decode_rolls_the_register_back),
		RIG_TEST(failed_enable_rolls_command_and_all_bars_back),
		RIG_TEST(failed_move_gives_the_losers_place_back_too),
		RIG_TEST(lower_address_of_function_wins_an_overlap),
		RIG_TEST(loser_reappears_when_the_winner_leaves),
		RIG_TEST(loser_of_a_loser_stays),
		RIG_TEST(bar_on_top_of_ecam_loses),
		RIG_TEST(access_between_windows_reads_ones_and_is_counted),
		RIG_TEST(bar_that_is_not_there_reads_ones_and_is_counted),
		RIG_TEST(access_that_straddles_windows_or_the_end_is_dropped),
		RIG_TEST(impossible_sizes_are_dropped),
		RIG_TEST(by_number_a_bar_is_reached_though_it_does_not_decode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
