/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the registers are the truth.  Each config write derives all vectors of
 * the bank from them anew: the address is everybody's, the data has the
 * vector's number in its low bits, the mask bit is the vector's.  So a pending
 * event leaves with what the registers say at that moment.
 */
#include "transport/pci/msi_cap.h"
#include "transport/pci/func.h"

#include <stdlib.h>

/* Message control; PCI 3.0, 6.8.1.3. */
#define CAPABLE_SHIFT 1
#define ENABLED_SHIFT 4
#define ENABLED_MASK  0x0070u
#define ADDRESS_64    0x0080u
#define VECTOR_MASKS  0x0100u

#define BODY(off) ((off)-2) /* as pci_cap_add() counts */

static uint32_t bits_below(uint16_t nr)
{
	return (uint32_t)(BIT_ULL(nr) - 1);
}

static uint32_t log2_of(uint16_t nr)
{
	return (uint32_t)__builtin_ctz(nr);
}

void pci_msi_layout(uint16_t nr, uint8_t *body, uint8_t *writable)
{
	store_le(&body[BODY(PCI_MSI_CONTROL)], 2,
		 log2_of(nr) << CAPABLE_SHIFT | ADDRESS_64 | VECTOR_MASKS);
	store_le(&writable[BODY(PCI_MSI_CONTROL)], 2,
		 PCI_MSI_ENABLE | ENABLED_MASK);
	store_le(&writable[BODY(PCI_MSI_ADDRESS)], 8, ~3ull);
	store_le(&writable[BODY(PCI_MSI_DATA)], 2, 0xffff);
	store_le(&writable[BODY(PCI_MSI_MASK)], 4, bits_below(nr));
}

int pci_msi_init(struct pci_msi *m, uint16_t nr, uint16_t cap)
{
	m->vector = calloc(nr, sizeof(*m->vector));
	if (!m->vector)
		return -ENOMEM;
	m->nr = nr;
	m->cap = cap;
	msi_bank_init(&m->bank, m->vector, m->pending, nr, 0);
	m->bank.label = "MSI";
	pci_msi_reset(m);
	return 0;
}

void pci_msi_fini(struct pci_msi *m)
{
	free(m->vector);
	m->vector = NULL;
	m->nr = 0;
}

void pci_msi_reset(struct pci_msi *m)
{
	m->used = 1;
	m->enabled = false;
	msi_bank_reset(&m->bank);
}

enum irq_result pci_msi_send(struct pci_msi *m, unsigned int v)
{
	/* What was folded into message 0 has left with it. */
	if (!msi_is_pending(&m->bank, 0))
		m->folded = false;
	if (v && v % m->used == 0)
		m->folded = true;
	return msi_send(&m->bank, v % m->used);
}

/* PCI 3.0, 6.8.3.4: a function whose masked event was served in another way
 * clears the pending bit, so that nothing spurious follows. */
void pci_msi_satisfied(struct pci_msi *m)
{
	if (!m->folded)
		m->pending[0] &= ~1ull;
}

/* A guest that enables more messages than there are gets all there are, and
 * reads that back. */
static uint16_t messages_enabled(struct pci_func *f, uint32_t control)
{
	uint32_t log2 = (control & ENABLED_MASK) >> ENABLED_SHIFT;

	if (log2 > log2_of(f->msi.nr)) {
		log2 = log2_of(f->msi.nr);
		control = (control & ~ENABLED_MASK) | log2 << ENABLED_SHIFT;
		pci_config_set(&f->config, f->msi.cap + PCI_MSI_CONTROL, 2,
			       control);
	}
	return (uint16_t)(1u << log2);
}

/* What is pending on a message that is not enabled any more is folded, as an
 * event on it would be: nobody could unmask it there. */
static void fold_pending(struct pci_msi *m)
{
	for (unsigned int v = m->used; v < m->nr; v++) {
		if (!msi_is_pending(&m->bank, v))
			continue;
		m->pending[0] &= ~BIT_ULL(v);
		m->pending[0] |= BIT_ULL(v % m->used);
		if (v % m->used == 0)
			m->folded = true;
	}
}

void pci_msi_update(struct pci_func *f, bool msix, bool master)
{
	const struct pci_config *c = &f->config;
	struct pci_msi *m = &f->msi;
	const uint32_t control = pci_config_get(c, m->cap + PCI_MSI_CONTROL, 2);
	const uint64_t address =
		load_le(&c->bytes[m->cap + PCI_MSI_ADDRESS], 8);
	const uint32_t data = pci_config_get(c, m->cap + PCI_MSI_DATA, 2);
	const uint32_t masks = pci_config_get(c, m->cap + PCI_MSI_MASK, 4);
	const bool enabled = (control & PCI_MSI_ENABLE) && !msix;

	/* What closes the bank lets nothing out by another of its bits. */
	if (!enabled || !master)
		msi_bank_set_open(&m->bank, false);
	/* A cause that came over the pin so far, or that INTX_DISABLE kept
	 * from it, would otherwise never be heard of. */
	if (enabled && !m->enabled && f->interrupt)
		pci_msi_send(m, 0);
	m->enabled = enabled;
	m->used = messages_enabled(f, control);
	fold_pending(m);
	for (unsigned int v = 0; v < m->nr; v++)
		msi_set_vector(&m->bank, v, address,
			       (data & ~(m->used - 1u)) | (v & (m->used - 1u)),
			       masks >> v & 1);
	msi_bank_set_open(&m->bank, enabled && master);
}

void pci_msi_show_pending(struct pci_func *f)
{
	pci_config_set(&f->config, f->msi.cap + PCI_MSI_PENDING, 4,
		       (uint32_t)f->msi.pending[0]);
}
