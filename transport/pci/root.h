/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * root.h - the root of one machine's PCI tree: who answers to which BDF
 *
 * Config accesses arrive three ways and meet the same view: by function (a
 * client that names the BDF), by ECAM address, by ports CF8/CFC.  An absent
 * function reads all-ones at every width and swallows writes (rule 3).
 * Bus 0 only; bridges come later.
 *
 * Threads   the poll loop that owns the machine
 */
#ifndef TRANSPORT_PCI_ROOT_H
#define TRANSPORT_PCI_ROOT_H

#include "transport/pci/func.h"

#define PCI_ROOT_FUNCS 256 /* 32 devices of 8 functions */

struct pci_root {
	struct bus *mmio; /* borrowed */
	struct bus *pio;  /* borrowed */
	struct pci_func *func[PCI_ROOT_FUNCS];
	/* The guest's last physical address; the bus's limit unless changed,
	 * before anything is plugged. */
	uint64_t physical_limit;
	uint64_t absent; /* config accesses to functions that are not there */
	uint32_t config_address; /* the latch behind port CF8 */
	struct bus_range ecam;
	struct bus_range cf8; /* 8 ports */
};

/* Ports CF8 to CFF and, if @ecam_base is not 0, one bus of ECAM (1 MiB) are
 * put on the buses.  -errno. */
int pci_root_init(struct pci_root *root, struct bus *mmio, struct bus *pio,
		  uint64_t ecam_base);
void pci_root_fini(struct pci_root *root);

/* The function answers from now on; set its BDF.  -EBUSY taken, -EINVAL not
 * bus 0.  Keeps header bit 7 of function 0 right (rule 3). */
int pci_root_plug(struct pci_root *root, struct pci_func *f, uint16_t bdf);
void pci_root_unplug(struct pci_root *root, struct pci_func *f);

struct pci_func *pci_root_find(const struct pci_root *root, uint16_t bdf);

uint32_t pci_root_config_read(struct pci_root *root, uint16_t bdf, uint32_t off,
			      unsigned int size);
void pci_root_config_write(struct pci_root *root, uint16_t bdf, uint32_t off,
			   unsigned int size, uint32_t value);

#endif
