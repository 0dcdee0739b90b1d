/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moves where the bus has no memory left: a guest's write is whole, or it was
 * never made.
 */
#include "transport/pci/test_rig.h"

#include <dlfcn.h>

#define MEM	PCI_COMMAND_MEM
#define OLD	0xe0000000u
#define NEW	0xe0100000u
#define SIZE	0x10000u
#define PLAIN	0xd0000000ull /* of ranges that are no BARs */
#define RANGES	1024u
#define LOSERS	3u
#define SPACING 0x4000u

static bool starved;
static struct bus_range plain[RANGES];
static uint32_t nr_plain;

/* Stands before everybody's. */
void *aligned_alloc(size_t alignment, size_t size)
{
	static void *(*real)(size_t, size_t);

	if (starved)
		return NULL;
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "aligned_alloc");
	return real(alignment, size);
}

/* One byte each, into ever the same line: each few take it apart once more. */
static int insert_plain(struct rig *r, const struct bus_ops *ops)
{
	struct bus_range *p = &plain[nr_plain];
	int err;

	assert_true(nr_plain < RANGES);
	*p = (struct bus_range){ PLAIN + 0x10 * nr_plain, 1, ops };
	err = bus_insert(&r->mmio, p, NULL);
	nr_plain += !err;
	return err;
}

static void remove_plain(struct rig *r)
{
	while (nr_plain)
		bus_remove(&r->mmio, &plain[--nr_plain]);
}

/* Function 0 wins over all others that it meets, which are where it goes. */
static void plug_all(struct rig *r)
{
	for (unsigned int i = 0; i <= LOSERS; i++) {
		rig_add_bar(r, i, 0, i ? 0x1000 : SIZE, 0);
		rig_plug(r, i, (uint16_t)(8 * (i + 1)));
		rig_set_bar(r, i, 0, i ? NEW + SPACING * (i - 1) : OLD);
		rig_command(r, i, MEM);
	}
}

static void assert_as_before(struct rig *r)
{
	assert_int_equal(rig_get_bar(r, 0, 0), OLD);
	assert_int_equal(rig_who(&r->mmio, OLD), RIG_WHO(0, 0));
	assert_int_equal(rig_who(&r->mmio, OLD + SIZE - 4), RIG_WHO(0, 0));
	assert_int_equal(rig_who(&r->mmio, NEW + 0x1000), 0);
	for (unsigned int i = 1; i <= LOSERS; i++)
		assert_int_equal(rig_who(&r->mmio, NEW + SPACING * (i - 1)),
				 RIG_WHO(i, 0));
}

static void assert_moved(struct rig *r)
{
	assert_int_equal(rig_get_bar(r, 0, 0), NEW);
	assert_int_equal(rig_who(&r->mmio, OLD), 0);
	assert_int_equal(rig_who(&r->mmio, OLD + SIZE - 4), 0);
	for (uint32_t at = 0; at < SIZE; at += 0x1000)
		assert_int_equal(rig_who(&r->mmio, NEW + at), RIG_WHO(0, 0));
}

/* rule 17 */
static void move_without_memory_leaves_all_as_it_was(void **state)
{
	struct rig *r = *state;
	const struct pci_func *f = rig_func(r, 0);
	unsigned int moved = 0;
	uint64_t refused;
	uint32_t nr;

	plug_all(r);
	/* How much is left for the move is different each time. */
	for (uint32_t more = 0; more < 64; more++) {
		for (uint32_t i = 0; i < 64; i++)
			assert_int_equal(insert_plain(r, &rig_bar_ops), 0);
		starved = true;
		while (!insert_plain(r, &rig_bar_ops)) {
		}
		for (uint32_t i = 0; i < more; i++)
			bus_remove(&r->mmio, &plain[--nr_plain]);
		nr = r->mmio.nr;
		refused = f->stats.rolled_back;
		rig_set_bar(r, 0, 0, NEW);
		if (f->stats.rolled_back == refused) {
			assert_moved(r);
			moved++;
		} else {
			assert_as_before(r);
			assert_int_equal(r->mmio.nr, nr);
		}
		starved = false;
		/* With memory it goes there, and back. */
		rig_set_bar(r, 0, 0, NEW);
		assert_moved(r);
		rig_set_bar(r, 0, 0, OLD);
		assert_as_before(r);
		remove_plain(r);
	}
	print_message("# %lu moves were refused, %u were not\n",
		      f->stats.rolled_back, moved);
	assert_true(f->stats.rolled_back > 0);
	assert_true(moved > 0);
}

/* The same for a BAR that is to come: its write of COMMAND is refused. */
static void enable_without_memory_enables_nothing(void **state)
{
	struct rig *r = *state;
	const struct pci_func *f = rig_func(r, 0);

	plug_all(r);
	rig_command(r, 0, 0);
	rig_set_bar(r, 0, 0, (uint32_t)PLAIN + 0x10000);
	for (uint32_t i = 0; i < 64; i++) {
		assert_int_equal(insert_plain(r, &rig_bar_ops), 0);
		starved = true;
		while (!insert_plain(r, &rig_bar_ops)) {
		}
		rig_command(r, 0, MEM);
		assert_int_equal(rig_who(&r->mmio, PLAIN + 0x10000),
				 rig_get(r, 0, PCI_COMMAND, 2) ? RIG_WHO(0, 0)
							       : 0);
		starved = false;
		rig_command(r, 0, 0);
		assert_int_equal(rig_who(&r->mmio, PLAIN + 0x10000), 0);
		remove_plain(r);
	}
	print_message("# %lu were refused\n", f->stats.rolled_back);
	assert_true(f->stats.rolled_back > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(move_without_memory_leaves_all_as_it_was),
		RIG_TEST(enable_without_memory_enables_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
