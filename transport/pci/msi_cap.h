/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * msi_cap.h - plain MSI: a capability over a bank of up to 32 vectors
 *
 * One address and one data word serve all messages; message n has n in the low
 * bits of its data, as many as the guest enabled (PCI 3.0, 6.8.1).  A vector
 * beyond those enabled is sent as vector modulo their number.  Each has a mask
 * bit, and a pending bit that shows what the bank keeps.  If a guest enables
 * both, MSI-X wins and this bank is closed (rule 86).
 *
 * Disabled, or without bus mastering, the bank is closed: events are kept and
 * leave when it opens, as MSI-X does it.  A reset forgets them.  Message 0 is
 * that of pci_func_set_interrupt(), and of what is folded into it.
 *
 * Threads   the poll loop that owns the machine
 */
#ifndef TRANSPORT_PCI_MSI_CAP_H
#define TRANSPORT_PCI_MSI_CAP_H

#include "irq/msi.h"

#define PCI_CAP_MSI	5
#define PCI_MSI_MAX	32
#define PCI_MSI_CONTROL 2 /* offsets in the capability */
#define PCI_MSI_ADDRESS 4
#define PCI_MSI_DATA	12
#define PCI_MSI_MASK	16
#define PCI_MSI_PENDING 20
#define PCI_MSI_LENGTH	24
#define PCI_MSI_ENABLE	0x0001

struct pci_func;

struct pci_msi {
	struct msi_bank bank;
	struct msi_vector *vector; /* owned: what the bank borrows */
	uint64_t pending[MSI_PENDING_WORDS(PCI_MSI_MAX)];
	uint16_t nr;   /* 0: the function has none */
	uint16_t cap;  /* offset of the capability */
	uint16_t used; /* messages that the guest enabled: a power of two */
	bool enabled;  /* and MSI-X is not */
	bool folded;   /* another message too, if message 0 is pending */
};

/* While building: the capability's bytes from 2 on, of a function with @nr
 * messages, and which bits of them a guest writes. */
void pci_msi_layout(uint16_t nr, uint8_t *body, uint8_t *writable);

/* Power-on state, for the capability at @cap.  -ENOMEM. */
int pci_msi_init(struct pci_msi *m, uint16_t nr, uint16_t cap);
void pci_msi_fini(struct pci_msi *m);
void pci_msi_reset(struct pci_msi *m);

/* An event on message @v, which is folded into those enabled. */
enum irq_result pci_msi_send(struct pci_msi *m, unsigned int v);

/* The cause behind message 0 is gone: if that is pending, not any more, unless
 * another message was folded into it. */
void pci_msi_satisfied(struct pci_msi *m);

/* Take over what the capability says now: open while it is enabled, MSI-X is
 * not, and the function is bus master. */
void pci_msi_update(struct pci_func *f, bool msix, bool master);

/* Bring the capability's pending bits up to date, for a read. */
void pci_msi_show_pending(struct pci_func *f);

#endif
