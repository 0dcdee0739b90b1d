/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_gsi.h - a table of routes, two chips and two far ends, for its tests
 */
#ifndef IRQ_TEST_GSI_H
#define IRQ_TEST_GSI_H

#include "irq/gsi.h"
#include "irq/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#define NR   16
#define PINS 8

struct rig {
	struct sink_record pins, msi;
	struct irq_line chip[2][PINS]; /* numbered 0 to 15 at the sink */
	struct gsi_table table;
	struct gsi gsi[NR];
	struct irq_source in[NR];
};

static inline int two_chips(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	sink_record_init(&r->pins);
	sink_record_init(&r->msi);
	gsi_table_init(&r->table, r->gsi, NR, &r->msi.stage);
	for (unsigned int c = 0; c < 2; c++) {
		for (unsigned int p = 0; p < PINS; p++)
			irq_line_init(&r->chip[c][p], "", &r->pins.stage,
				      c * PINS + p);
		gsi_table_set_chip(&r->table, c, r->chip[c], PINS);
	}
	for (uint32_t i = 0; i < NR; i++)
		irq_source_connect(&r->in[i], gsi_line(&r->table, i));
	*state = r;
	return 0;
}

static inline int done(void **state)
{
	struct rig *r = *state;

	gsi_table_fini(&r->table);
	for (unsigned int c = 0; c < 2; c++)
		for (unsigned int p = 0; p < PINS; p++)
			assert_null(r->chip[c][p].sources);
	assert_int_equal(r->table.nr_pending, 0);
	free(r);
	return 0;
}

/* Pins are numbered as the sink has them. */
static inline struct gsi_route to_pins(unsigned int nr, unsigned int a,
				       unsigned int b, unsigned int c)
{
	const unsigned int pin[GSI_PINS] = { a, b, c };
	struct gsi_route r = { .kind = GSI_TO_PINS, .nr_pins = nr };

	for (unsigned int i = 0; i < nr && i < GSI_PINS; i++) {
		r.pin[i].chip = (uint8_t)(pin[i] / PINS);
		r.pin[i].pin = pin[i] % PINS;
	}
	return r;
}

static inline struct gsi_route to_msi(uint32_t data)
{
	return (struct gsi_route){
		.kind = GSI_TO_MSI,
		.msi = { .address = 0xfee01000,
			 .data = data,
			 .requester_id = 0x0a08,
			 .vector = 3 },
	};
}

static const struct gsi_route to_nowhere = { .kind = GSI_NOWHERE };

static inline void route(struct rig *r, uint32_t gsi, struct gsi_route to)
{
	assert_int_equal(gsi_route(&r->table, gsi, &to), 0);
}

/* The @i-th level that the far end of the pins heard. */
static inline void heard(const struct rig *r, unsigned int i, uint32_t pin,
			 bool high)
{
	assert_true(i < r->pins.nr_levels);
	assert_int_equal(r->pins.level[i].pin, pin);
	assert_int_equal(r->pins.level[i].high, high);
}

#define WITH_RIG(t) cmocka_unit_test_setup_teardown(t, two_chips, done)

#endif
