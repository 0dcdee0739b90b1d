/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * root.h - the root of one machine's PCI tree: who answers to which BDF
 *
 * Config accesses arrive three ways and meet the same view: by function (a
 * client that names the BDF), by ECAM address, by ports CF8/CFC.  An absent
 * function reads all-ones at every width and swallows writes (rule 3).
 * Other buses hang below bus 0 by pci_root_add_bus(); a bridge there is so far
 * a place in the tree, by which pins are swizzled, without a function of its
 * own.
 *
 * INTx      the root has up to four lines.  Which of them a function's pin
 *           ends at is found when it is plugged
 *
 * Threads   the poll loop that owns the machine
 */
#ifndef TRANSPORT_PCI_ROOT_H
#define TRANSPORT_PCI_ROOT_H

#include "irq/intx.h"
#include "transport/pci/func.h"

#define PCI_ROOT_FUNCS 256 /* 32 devices of 8 functions */

/* A bus: its functions, and where it hangs. */
struct pci_bus {
	struct intx_bus intx;
	uint8_t number;
	/* One bit each: functions with BARs that wait (bar.c). */
	uint64_t waiting[PCI_ROOT_FUNCS / 64];
	struct pci_func *func[PCI_ROOT_FUNCS]; /* by device and function */
};

struct pci_root {
	struct bus *mmio; /* borrowed */
	struct bus *pio;  /* borrowed */
	struct pci_bus bus0;
	struct pci_bus *bus[256];   /* borrowed; [0] is bus0 */
	uint64_t waiting[256 / 64]; /* one bit each: buses with such */
	bool retry;	    /* somebody waits for what nobody tells (bar.c) */
	uint64_t bar_looks; /* at BARs that wait, of all passes */
	struct irq_line *line[INTX_PINS]; /* borrowed; NULL: there is none */
	/* The guest's last physical address; the bus's limit unless changed,
	 * before anything is plugged. */
	uint64_t physical_limit;
	uint64_t absent; /* config accesses to functions that are not there */
	uint32_t config_address; /* the latch behind port CF8 */
	struct bus_range ecam;
	struct bus_range cf8; /* 8 ports */
};

/* Ports CF8 to CFF and, if @ecam_base is not 0, ECAM of bus 0 (1 MiB) are put
 * on the buses; other buses are reached by the ports and by BDF.  -errno. */
int pci_root_init(struct pci_root *root, struct bus *mmio, struct bus *pio,
		  uint64_t ecam_base);
void pci_root_fini(struct pci_root *root);

/*
 * @bus (the caller's, zeroed) is bus @number, behind a bridge that is device
 * @device on bus @parent.  -EINVAL there is no such parent, or @number is 0;
 * -EBUSY it is there already.
 */
int pci_root_add_bus(struct pci_root *root, struct pci_bus *bus, uint8_t number,
		     uint8_t parent, uint8_t device);
/* Nothing may be plugged there or hang below it. */
void pci_root_remove_bus(struct pci_root *root, struct pci_bus *bus);

/* The lines of the root from now on, or NULLs; plugged functions that were on
 * the old ones move. */
void pci_root_set_lines(struct pci_root *root,
			struct irq_line *const line[INTX_PINS]);

/* The root's line for @f's pin (borrowed); NULL: it has none. */
struct irq_line *pci_root_line(const struct pci_root *root,
			       const struct pci_func *f);

/* The function answers from now on; set its BDF; its pin is connected with its
 * root line, and disconnected from whatever it is at when it is unplugged.
 * -EBUSY taken, -EINVAL no such bus.  Keeps header bit 7 of function 0 right
 * (rule 3). */
int pci_root_plug(struct pci_root *root, struct pci_func *f, uint16_t bdf);
void pci_root_unplug(struct pci_root *root, struct pci_func *f);

struct pci_func *pci_root_find(const struct pci_root *root, uint16_t bdf);

uint32_t pci_root_config_read(struct pci_root *root, uint16_t bdf, uint32_t off,
			      unsigned int size);
void pci_root_config_write(struct pci_root *root, uint16_t bdf, uint32_t off,
			   unsigned int size, uint32_t value);

#endif
