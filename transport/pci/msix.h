/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * msix.h - the MSI-X capability, table and PBA over a bank of vectors
 *
 * The bank (irq/msi.h) is open while Enable is set, Function Mask is clear
 * and the function is bus master.  PCI Local Bus 3.0, 6.8.2; rules 75 to 85.
 *
 * Threads   the poll loop that owns the machine
 */
#ifndef TRANSPORT_PCI_MSIX_H
#define TRANSPORT_PCI_MSIX_H

#include "irq/msi.h"
#include "transport/bus/bus.h"

#define MSIX_NO_VECTOR 0xffff

struct msix {
	struct msi_bank bank;
	struct msi_vector *table; /* owned; what the bank borrows */
	uint64_t *pba;		  /* owned */
	uint16_t nr;		  /* 0: the function has no MSI-X */
	uint16_t cap;		  /* offset of the capability */
	uint8_t bar;
	uint32_t table_offset, pba_offset;
	bool enabled;
};

#define MSIX_CONTROL	     2 /* offset in the capability */
#define MSIX_CONTROL_MASKALL 0x4000
#define MSIX_CONTROL_ENABLE  0x8000

/* Power-on state with @nr vectors for BAR @bar.  -ENOMEM. */
int msix_init(struct msix *x, uint16_t nr, uint8_t bar);
void msix_fini(struct msix *x);

/* The size of a BAR that holds table and PBA. */
uint64_t msix_bar_size(const struct msix *x);

/* Take over what capability and COMMAND say now; true if @enabled changed. */
bool msix_update(struct msix *x, uint16_t control, bool master);

/* Power-on state again: disabled, all masked, nothing pending. */
void msix_reset(struct msix *x);

/* ctx: the struct msix inside a pci_func, which counts what is dropped: all
 * but aligned accesses of 4 and 8 bytes (rule 77), and writes to the PBA. */
extern const struct bus_ops msix_table_ops;
extern const struct bus_ops msix_pba_ops;

#endif
