/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_irq_model.h - what a virtio-pci function has to do with an interrupt,
 * in the fewest words
 *
 * Registers as plain fields.  Somebody changes them, or raises something, and
 * then asks model_settle() what a sink hears of it.
 */
#ifndef TRANSPORT_VIRTIO_PCI_TEST_IRQ_MODEL_H
#define TRANSPORT_VIRTIO_PCI_TEST_IRQ_MODEL_H

#include "transport/virtio_pci/test_function.h"

#define CAUSES	(TEST_QUEUES + 1) /* the last one is the configuration */
#define CONFIG	TEST_QUEUES
#define VECTORS CAUSES
#define MSI	VECTORS /* heard[MSI]: the plain one */

struct entry {
	uint32_t address, data;
	bool mask;
};

struct model {
	bool msix, all_masked, master, intx_disable, msi, full, other;
	uint8_t isr;
	uint16_t vector[CAUSES];
	struct entry entry[VECTORS + 1]; /* and MSI's */
	bool latched[VECTORS + 1];
	bool cause_told; /* by plain MSI */
	bool told;	 /* the level that the sink has */
};

static inline void model_reset_virtio(struct model *m)
{
	m->isr = 0;
	for (unsigned int c = 0; c < CAUSES; c++)
		m->vector[c] = NO_VECTOR;
	for (unsigned int v = 0; v <= VECTORS; v++)
		m->latched[v] = false;
}

static inline void model_reset(struct model *m)
{
	const struct model old = *m;

	*m = (struct model){
		.full = old.full,
		.other = old.other,
		.told = old.told,
	};
	model_reset_virtio(m);
	for (unsigned int v = 0; v < VECTORS; v++)
		m->entry[v].mask = true;
}

static inline void model_raise(struct model *m, unsigned int c)
{
	if (!m->msix || c == CONFIG)
		m->isr |= c == CONFIG ? 2 : 1;
	if (m->msix && m->vector[c] != NO_VECTOR)
		m->latched[m->vector[c]] = true;
}

static inline bool model_pin(const struct model *m)
{
	return m->isr && !m->msix && !m->msi && !m->intx_disable;
}

static inline bool model_open(const struct model *m, unsigned int v)
{
	bool on = v == MSI ? m->msi && !m->msix : m->msix && !m->all_masked;

	return on && m->master && !m->entry[v].mask && !m->full;
}

/* What the sink hears after a change: bits of vectors, and of MSI. */
static inline unsigned int model_settle(struct model *m)
{
	const bool cause = m->isr && !m->msix && m->msi;
	const bool high = model_pin(m) || m->other;
	unsigned int heard = 0;

	m->latched[MSI] |= cause && !m->cause_told;
	m->latched[MSI] &= m->isr && !m->msix;
	m->cause_told = cause;
	if (!m->full)
		m->told = high;
	for (unsigned int v = 0; v <= VECTORS; v++) {
		if (!m->latched[v] || !model_open(m, v))
			continue;
		m->latched[v] = false;
		heard |= BIT(v);
	}
	return heard;
}

#endif
