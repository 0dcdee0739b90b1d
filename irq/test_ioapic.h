/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_ioapic.h - an I/O APIC and a far end, for its tests
 */
#ifndef IRQ_TEST_IOAPIC_H
#define IRQ_TEST_IOAPIC_H

#include "irq/ioapic.h"
#include "irq/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#define DEST(d) ((uint64_t)(d) << 56)
#define KEPT	4096

/* The far end: checks that each message has its route before it. */
struct rig {
	struct ioapic io;
	struct sink_callback sink;
	bool refuse, refuse_routes;
	uint8_t eoi_within; /* ended before the message's send() returns */
	unsigned int nr, nr_routes;
	struct msi_message message[KEPT];
	struct msi_message route[IOAPIC_PINS]; /* what the kernel would have */
};

static inline bool same(const struct msi_message *a,
			const struct msi_message *b)
{
	return a->address == b->address && a->data == b->data &&
	       a->requester_id == b->requester_id && a->vector == b->vector;
}

static inline enum irq_result take(void *ctx, const struct msi_message *m)
{
	struct rig *r = ctx;
	const uint8_t eoi = r->eoi_within;

	if (r->refuse)
		return IRQ_REFUSED;
	assert_true(m->vector < IOAPIC_PINS);
	if (r->io.ops)
		assert_true(same(m, &r->route[m->vector]));
	r->message[r->nr++ % KEPT] = *m;
	r->eoi_within = 0;
	if (eoi)
		ioapic_eoi(&r->io, eoi);
	return IRQ_QUEUED;
}

static inline bool take_route(struct ioapic *io, uint32_t pin,
			      const struct msi_message *m)
{
	struct rig *r = container_of(io, struct rig, io);

	if (r->refuse_routes)
		return false;
	r->route[pin] = *m;
	r->nr_routes++;
	return true;
}

static const struct ioapic_ops ops = { .route = take_route };

static inline int power_on(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	sink_callback_init(&r->sink, take, NULL, r);
	ioapic_init(&r->io, &r->sink.stage, &ops, 0xf8);
	*state = r;
	return 0;
}

static inline int done(void **state)
{
	free(*state);
	return 0;
}

static inline uint32_t get(struct rig *r, unsigned int reg)
{
	ioapic_write(&r->io, IOAPIC_SELECT, 4, reg);
	return (uint32_t)ioapic_read(&r->io, IOAPIC_WINDOW, 4);
}

static inline void put(struct rig *r, unsigned int reg, uint32_t value)
{
	ioapic_write(&r->io, IOAPIC_SELECT, 4, reg);
	ioapic_write(&r->io, IOAPIC_WINDOW, 4, value);
}

static inline uint64_t entry(struct rig *r, unsigned int pin)
{
	return get(r, 0x10 + 2 * pin) | (uint64_t)get(r, 0x11 + 2 * pin) << 32;
}

static inline void program(struct rig *r, unsigned int pin, uint64_t e)
{
	put(r, 0x11 + 2 * pin, (uint32_t)(e >> 32));
	put(r, 0x10 + 2 * pin, (uint32_t)e);
}

static inline enum irq_result set(struct rig *r, unsigned int pin, bool high)
{
	return irq_stage_set(&r->io.stage, pin, high);
}

static inline uint32_t pending(struct rig *r)
{
	struct irq_view v = { .level = -1 };

	r->io.stage.ops->view(&r->io.stage, &v);
	return v.pending;
}

#define IOAPIC_TEST(f) cmocka_unit_test_setup_teardown(f, power_on, done)

#endif
