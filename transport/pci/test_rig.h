/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_rig.h - what this folder's tests need: two buses, a root, functions
 *
 * A test BAR is one window from end to end that answers every read with the
 * function's number, the BAR's number and the offset.
 */
#ifndef TRANSPORT_PCI_TEST_RIG_H
#define TRANSPORT_PCI_TEST_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include "irq/sink.h"
#include "transport/pci/root.h"

#include <cmocka.h>

#define RIG_ECAM  0xb0000000ull
#define RIG_FUNCS 8
#define RIG_BUSES 3 /* beside bus 0 */

struct rig_func {
	struct pci_func f;
	struct rig *rig;
	struct sink_record sink;
	unsigned int id;
	unsigned int masters, enables, resets, reads, written;
	bool master, enabled;
	uint32_t last_off;
	unsigned int last_size;
	unsigned int bar_writes; /* that reached a window, and the last one */
	uint64_t bar_off;
};

struct rig {
	struct bus mmio, pio;
	struct pci_root root;
	struct pci_bus bus[RIG_BUSES];
	struct irq_line line[INTX_PINS];
	struct sink_record pins; /* what the lines lead to, by number */
	struct rig_func func[RIG_FUNCS];
};

static inline struct rig_func *rig_of(struct pci_func *f)
{
	return container_of(f, struct rig_func, f);
}

static inline void rig_written(struct pci_func *f, uint32_t off,
			       unsigned int size)
{
	rig_of(f)->written++;
	rig_of(f)->last_off = off;
	rig_of(f)->last_size = size;
}

static inline void rig_read(struct pci_func *f, uint32_t off, unsigned int size)
{
	rig_of(f)->reads++;
	rig_of(f)->last_off = off;
	rig_of(f)->last_size = size;
}

static inline void rig_master(struct pci_func *f, bool on)
{
	rig_of(f)->masters++;
	rig_of(f)->master = on;
}

static inline void rig_enabled(struct pci_func *f, bool on)
{
	rig_of(f)->enables++;
	rig_of(f)->enabled = on;
}

static inline void rig_reset(struct pci_func *f)
{
	rig_of(f)->resets++;
}

static const struct pci_func_ops rig_func_ops = {
	.config_written = rig_written,
	.config_read = rig_read,
	.bus_master = rig_master,
	.msix_enabled = rig_enabled,
	.reset = rig_reset,
};

static const struct pci_ids rig_ids = {
	.vendor = 0x1af4,
	.device = 0x1044,
	.subsystem_vendor = 0x1af4,
	.subsystem_device = 0x1100,
	.revision = 1,
	.class_code = 0x00ff00,
};

static inline uint64_t rig_bar_read(void *ctx, uint64_t offset,
				    unsigned int size)
{
	const struct pci_bar *bar = ctx;
	uint64_t n = (uint64_t)(bar - bar->func->bar);

	return ((uint64_t)rig_of(bar->func)->id << 24 | n << 16 |
		(offset & 0xffff)) &
	       all_ones(size);
}

static inline void rig_bar_write(void *ctx, uint64_t offset, unsigned int size,
				 uint64_t value)
{
	const struct pci_bar *bar = ctx;

	(void)size;
	(void)value;
	rig_of(bar->func)->bar_off = offset;
	rig_of(bar->func)->bar_writes++;
}

static const struct bus_ops rig_bar_ops = {
	.read = rig_bar_read,
	.write = rig_bar_write,
};

static inline struct pci_func *rig_func(struct rig *r, unsigned int i)
{
	return &r->func[i].f;
}

static inline void rig_add_bar(struct rig *r, unsigned int i, unsigned int n,
			       uint64_t size, unsigned int flags)
{
	struct pci_func *f = rig_func(r, i);

	pci_func_add_bar(f, n, size, flags);
	pci_bar_add_window(&f->bar[n], 0, size, &rig_bar_ops, &f->bar[n]);
}

static inline int rig_setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	if (!r)
		return -1;
	bus_init(&r->mmio, UINT64_MAX);
	bus_init(&r->pio, 0xffff);
	for (unsigned int i = 0; i < RIG_FUNCS; i++) {
		pci_func_init(rig_func(r, i), &rig_func_ops, &rig_ids);
		r->func[i].rig = r;
		r->func[i].id = i + 1;
		sink_record_init(&r->func[i].sink);
	}
	*state = r;
	return pci_root_init(&r->root, &r->mmio, &r->pio, RIG_ECAM);
}

static inline int rig_teardown(void **state)
{
	struct rig *r = *state;

	for (unsigned int i = 0; i < RIG_FUNCS; i++) {
		if (rig_func(r, i)->root)
			pci_root_unplug(&r->root, rig_func(r, i));
		pci_func_fini(rig_func(r, i));
	}
	for (unsigned int i = RIG_BUSES; i--;)
		if (r->bus[i].number)
			pci_root_remove_bus(&r->root, &r->bus[i]);
	pci_root_fini(&r->root);
	for (unsigned int i = 0; i < INTX_PINS; i++)
		if (r->line[i].sources)
			return -1;
	/* Whatever a test did, nothing may be left behind. */
	if (r->mmio.nr || r->pio.nr)
		return -1;
	bus_fini(&r->mmio);
	bus_fini(&r->pio);
	free(r);
	return 0;
}

static inline void rig_plug(struct rig *r, unsigned int i, uint16_t bdf)
{
	assert_int_equal(pci_root_plug(&r->root, rig_func(r, i), bdf), 0);
}

/* The root has its four lines from now on. */
static inline void rig_lines(struct rig *r)
{
	struct irq_line *line[INTX_PINS];

	sink_record_init(&r->pins);
	for (unsigned int i = 0; i < INTX_PINS; i++) {
		line[i] = &r->line[i];
		irq_line_init(line[i], "root", &r->pins.stage, i);
	}
	pci_root_set_lines(&r->root, line);
}

/* Bus @i + 1 behind device @device of bus @parent. */
static inline void rig_bus(struct rig *r, unsigned int i, uint8_t parent,
			   uint8_t device)
{
	assert_int_equal(pci_root_add_bus(&r->root, &r->bus[i],
					  (uint8_t)(i + 1), parent, device),
			 0);
}

/* Which root lines are high, one bit each. */
static inline unsigned int rig_high(const struct rig *r)
{
	unsigned int high = 0;

	for (unsigned int i = 0; i < INTX_PINS; i++)
		high |= (unsigned int)r->line[i].high << i;
	return high;
}

static inline uint32_t rig_get(struct rig *r, unsigned int i, uint32_t off,
			       unsigned int size)
{
	return pci_func_config_read(rig_func(r, i), off, size);
}

static inline void rig_set(struct rig *r, unsigned int i, uint32_t off,
			   unsigned int size, uint32_t value)
{
	pci_func_config_write(rig_func(r, i), off, size, value);
}

static inline void rig_command(struct rig *r, unsigned int i, uint32_t value)
{
	rig_set(r, i, PCI_COMMAND, 2, value);
}

static inline void rig_set_bar(struct rig *r, unsigned int i, unsigned int n,
			       uint32_t value)
{
	rig_set(r, i, PCI_BAR0 + 4 * n, 4, value);
}

static inline uint32_t rig_get_bar(struct rig *r, unsigned int i,
				   unsigned int n)
{
	return rig_get(r, i, PCI_BAR0 + 4 * n, 4);
}

/* Which function's (id << 8 | BAR) answers at @addr; 0 nobody. */
static inline unsigned int rig_who(const struct bus *bus, uint64_t addr)
{
	uint64_t v;

	if (!bus_read(bus, addr, 4, &v) || v == UINT32_MAX)
		return 0;
	return (unsigned int)(v >> 16);
}

#define RIG_WHO(i, bar) (((i) + 1u) << 8 | (bar))
#define RIG_TEST(name)                                                         \
	cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

#endif
