/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/intx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#define DEVICES 32
#define DEEPEST 256

/* A chain of buses below the root; bus[0] is the root itself. */
static void chain(struct intx_bus *bus, const uint8_t *device, unsigned int nr)
{
	bus[0] = (struct intx_bus){ 0 };
	for (unsigned int i = 1; i < nr; i++) {
		bus[i].parent = &bus[i - 1];
		bus[i].device = device[i];
	}
}

/* rule 73 */
static void root_turns_a_pin_by_its_slot(void **state)
{
	/* One row is a slot, one column a pin; the same again every four. */
	static const unsigned int line[4][4] = {
		{ 0, 1, 2, 3 },
		{ 1, 2, 3, 0 },
		{ 2, 3, 0, 1 },
		{ 3, 0, 1, 2 },
	};
	const struct intx_bus root = { 0 };

	(void)state;
	for (unsigned int d = 0; d < DEVICES; d++)
		for (unsigned int p = 0; p < INTX_PINS; p++)
			assert_int_equal(intx_root_line(&root, d, p),
					 line[d % 4][p]);
}

/* rule 73 */
static void one_bridge_turns_it_by_its_own_slot_too(void **state)
{
	const struct intx_bus root = { 0 };
	const struct intx_bus bus = { .parent = &root, .device = 5 };

	(void)state;
	assert_int_equal(intx_root_line(&bus, 0, 0), 1);
	assert_int_equal(intx_root_line(&bus, 1, 0), 2);
	assert_int_equal(intx_root_line(&bus, 2, 3), 2);
	assert_int_equal(intx_root_line(&bus, 31, 3), 3);
}

/* rule 73 */
static void two_bridges_turn_it_by_both_slots(void **state)
{
	const struct intx_bus root = { 0 };
	const struct intx_bus upper = { .parent = &root, .device = 3 };
	const struct intx_bus lower = { .parent = &upper, .device = 30 };

	(void)state;
	assert_int_equal(intx_root_line(&lower, 0, 0), 1);
	assert_int_equal(intx_root_line(&lower, 1, 1), 3);
	assert_int_equal(intx_root_line(&lower, 3, 2), 2);
}

/* rule 73 */
static void line_is_the_sum_of_all_slots_at_any_depth(void **state)
{
	static struct intx_bus bus[DEEPEST];
	uint8_t slot[DEEPEST];
	unsigned int sum = 0;

	(void)state;
	srand(73);
	for (unsigned int i = 0; i < DEEPEST; i++)
		slot[i] = (uint8_t)(rand() % DEVICES);
	chain(bus, slot, DEEPEST);
	for (unsigned int depth = 0; depth < DEEPEST; depth++) {
		sum += depth ? slot[depth] : 0;
		for (unsigned int d = 0; d < DEVICES; d++)
			for (unsigned int p = 0; p < INTX_PINS; p++)
				assert_int_equal(
					intx_root_line(&bus[depth], d, p),
					(sum + d + p) & 3);
	}
}

/* rule 73 */
static void seven_levels_keep_the_four_pins_apart(void **state)
{
	static const uint8_t slot[8] = { 0, 31, 2, 17, 4, 29, 6, 1 };
	struct intx_bus bus[8];

	(void)state;
	chain(bus, slot, 8);
	for (unsigned int d = 0; d < DEVICES; d++) {
		unsigned int seen = 0;

		for (unsigned int p = 0; p < INTX_PINS; p++)
			seen |= BIT(intx_root_line(&bus[7], d, p));
		assert_int_equal(seen, 0xf);
	}
	/* 31 + 2 + 17 + 4 + 29 + 6 + 1 is 2 modulo 4. */
	assert_int_equal(intx_root_line(&bus[7], 0, 0), 2);
	assert_int_equal(intx_root_line(&bus[7], 31, 1), 2);
}

static void chain_that_bites_its_tail_ends(void **state)
{
	struct intx_bus a, b = { .parent = &a, .device = 1 };

	(void)state;
	a = (struct intx_bus){ .parent = &b, .device = 2 };
	assert_true(intx_root_line(&a, 0, 0) < INTX_PINS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_turns_a_pin_by_its_slot),
		cmocka_unit_test(one_bridge_turns_it_by_its_own_slot_too),
		cmocka_unit_test(two_bridges_turn_it_by_both_slots),
		cmocka_unit_test(line_is_the_sum_of_all_slots_at_any_depth),
		cmocka_unit_test(seven_levels_keep_the_four_pins_apart),
		cmocka_unit_test(chain_that_bites_its_tail_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
