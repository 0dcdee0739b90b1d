/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a function's pin ends, by the lines that its client is told of, and
 * what keeps a shared line high.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/flow/rig_dev.h"

#define BRIDGE 3  /* device on bus 0 */
#define GSI    17 /* where (2 + 3), (6 + 3) and 5 modulo 4 end */

static const uint16_t place[] = { 0x0110, 0x0130, 0x0028 };

struct world {
	struct rig rig;
	struct rig_dev dev[ARRAY_SIZE(place)];
};

static void start(struct world *w, unsigned int i, struct function *f)
{
	assert_int_equal(rig_dev_start(&w->dev[i], &w->rig, f, i), 0);
}

static int set_up_tree(void **state)
{
	const struct link_options opt = { .irqchip = PCIRING_IRQCHIP_LINES };
	struct world *w = calloc(1, sizeof(*w));
	struct function *f;

	if (!w || rig_init_link(&w->rig, &opt) ||
	    machine_add_bus(w->rig.machine, 1, 0, BRIDGE))
		return -1;
	for (unsigned int i = 0; i < ARRAY_SIZE(place); i++) {
		if (rig_plug(&w->rig, place[i], &f))
			return -1;
		if (rig_dev_start(&w->dev[i], &w->rig, f, i))
			return -1;
	}
	*state = w;
	return 0;
}

static int tear_down_tree(void **state)
{
	struct world *w = *state;

	rig_fini(&w->rig);
	free(w);
	return 0;
}

static void expect_level(struct world *w, unsigned int gsi, bool high)
{
	struct msg_irq irq;

	assert_int_equal(channel_get_irqs(&w->rig.client, &irq, 1), 1);
	assert_int_equal(irq.what, MSG_IRQ_WHAT(PCIRING_IRQ_TYPE_LINE, gsi));
	assert_int_equal(irq.data, high);
}

static void expect_nothing(struct world *w)
{
	struct msg_irq irq;

	assert_true(rig_run(&w->rig, 8));
	assert_int_equal(channel_get_irqs(&w->rig.client, &irq, 1), 0);
}

static void raise(struct world *w, unsigned int i)
{
	rig_dev_ask(&w->dev[i]);
	assert_true(rig_run(&w->rig, 8));
}

/* rule 73 */
static void a_pin_is_turned_at_each_bridge_on_its_way(void **state)
{
	/* Bus 2 is behind device 7 of bus 1. */
	static const struct {
		uint16_t bdf;
		unsigned int gsi;
	} want[] = {
		{ 0x0110, 16 + (0 + 2 + 3) % 4 },
		{ 0x0130, 16 + (0 + 6 + 3) % 4 },
		{ 0x0028, 16 + (0 + 5) % 4 },
		{ 0x0118, 16 + (0 + 3 + 3) % 4 },
		{ 0x0200, 16 + (0 + 0 + 7 + 3) % 4 },
		{ 0x0030, 16 + (0 + 6) % 4 },
	};
	struct world *w = *state;
	struct rig_dev *d = &w->dev[2];
	struct function *f;

	assert_int_equal(machine_add_bus(w->rig.machine, 2, 1, 7), 0);
	/* Each in its turn takes the addresses of the one before. */
	guest_command(&d->guest, false, false);
	for (unsigned int i = 0; i < ARRAY_SIZE(want); i++) {
		f = machine_find(w->rig.machine, want[i].bdf);
		if (!f)
			assert_int_equal(rig_plug(&w->rig, want[i].bdf, &f), 0);
		start(w, 2, f);
		raise(w, 2);
		expect_level(w, want[i].gsi, true);
		assert_true(rig_dev_handle(d));
		expect_level(w, want[i].gsi, false);
		guest_command(&d->guest, false, false);
	}
}

/* rule 72 */
static void a_reset_drops_its_own_part_of_a_line_only(void **state)
{
	struct world *w = *state;

	raise(w, 0);
	raise(w, 2);
	expect_level(w, GSI, true);
	assert_int_equal(link_reset(&w->rig.link, place[2]), 0);
	expect_nothing(w);
	assert_true(rig_dev_handle(&w->dev[0]));
	expect_level(w, GSI, false);
	start(w, 2, w->dev[2].port.function);
	raise(w, 2);
	expect_level(w, GSI, true);
	assert_int_equal(link_reset(&w->rig.link, place[2]), 0);
	expect_level(w, GSI, false);
	expect_nothing(w);
}

/* rule 72 */
static void an_unplug_drops_its_own_part_of_a_line_only(void **state)
{
	struct world *w = *state;
	struct function *f;

	raise(w, 1);
	raise(w, 2);
	expect_level(w, GSI, true);
	assert_int_equal(machine_unplug(w->rig.machine, place[2]), 0);
	expect_nothing(w);
	assert_true(rig_dev_handle(&w->dev[1]));
	expect_level(w, GSI, false);
	assert_int_equal(rig_plug(&w->rig, place[2], &f), 0);
	start(w, 2, f);
	raise(w, 2);
	expect_level(w, GSI, true);
	assert_int_equal(machine_unplug(w->rig.machine, place[2]), 0);
	expect_level(w, GSI, false);
}

static void msix_and_the_disable_bit_silence_the_pin(void **state)
{
	struct world *w = *state;
	struct guest *g = &w->dev[0].guest;

	raise(w, 0);
	expect_level(w, GSI, true);
	guest_intx_disable(g, true);
	expect_level(w, GSI, false);
	assert_true(guest_intx_status(g));
	guest_intx_disable(g, false);
	expect_level(w, GSI, true);
	guest_msix_control(g, true, false);
	expect_level(w, GSI, false);
	guest_msix_control(g, false, false);
	expect_level(w, GSI, true);
	assert_true(rig_dev_handle(&w->dev[0]));
	assert_false(guest_intx_status(g));
	expect_level(w, GSI, false);
}

#define TREE(test)                                                             \
	cmocka_unit_test_setup_teardown(test, set_up_tree, tear_down_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE(a_pin_is_turned_at_each_bridge_on_its_way),
		TREE(a_reset_drops_its_own_part_of_a_line_only),
		TREE(an_unplug_drops_its_own_part_of_a_line_only),
		TREE(msix_and_the_disable_bit_silence_the_pin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
