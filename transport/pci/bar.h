/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bar.h - base address registers, and the only place where PCI meets the bus
 *
 * A BAR holds windows: pieces with a handler each.  An access must lie wholly
 * inside one window; otherwise it reads all-ones, writes nothing, and counts.
 *
 * Decoding  a memory BAR is on the bus while COMMAND.MEM is set and its
 *           address is one: not 0, not a probe for the size (ones in address
 *           bits that are read-only, or in all that are not; in the low half,
 *           or the high half, or both), not wrapping, inside the guest's
 *           physical width (rules 14 and 15).  An IO BAR likewise
 * Overlap   two BARs may claim one address (rule 18): the lowest bus, device,
 *           function, then BAR wins; a loser is off the bus until the
 *           winner leaves, then reappears.  What is no BAR always wins
 * Number    pci_bar_read() and _write() reach a BAR wherever it decodes and
 *           also if it does not: for clients that decode themselves, and for
 *           the PCI configuration access capability
 * Threads   the poll loop that owns the machine
 */
#ifndef TRANSPORT_PCI_BAR_H
#define TRANSPORT_PCI_BAR_H

#include "transport/bus/bus.h"

#define PCI_NR_BARS	 6
#define PCI_FUNC_WINDOWS 8 /* of all BARs of a function */

/* pci_func_add_bar() flags */
#define PCI_BAR_IO	 1u
#define PCI_BAR_64	 2u
#define PCI_BAR_PREFETCH 4u

struct pci_bar_window {
	uint64_t offset;
	uint64_t size;
	const struct bus_ops *ops; /* offsets count from the window's start */
	void *ctx;		   /* borrowed */
	const struct pci_bar *bar; /* whose it is */
};

struct pci_func;

struct pci_bar {
	uint64_t size;		/* 0: not there; a power of two */
	uint8_t flags;		/* PCI_BAR_* */
	bool wanted;		/* decodes an address: on the bus or shadowed */
	bool mapped;		/* on the bus */
	uint64_t place;		/* where it wants to be, if it does */
	struct bus_range range; /* where it is, if mapped */
	struct pci_func *func;	/* borrowed */
};

/* Add a window to a BAR that was added; they may not overlap.  A function has
 * room for PCI_FUNC_WINDOWS. */
void pci_bar_add_window(struct pci_bar *bar, uint64_t offset, uint64_t size,
			const struct bus_ops *ops, void *ctx);

/* The window that holds all @size bytes at @off, or NULL. */
const struct pci_bar_window *pci_bar_find(const struct pci_bar *bar,
					  uint64_t off, unsigned int size);

/* One access; a size other than 1, 2, 4 or 8 meets nothing. */
uint64_t pci_bar_read(struct pci_bar *bar, uint64_t off, unsigned int size);
void pci_bar_write(struct pci_bar *bar, uint64_t off, unsigned int size,
		   uint64_t value);

/* The BAR behind a range of a bus; NULL: it is none's. */
struct pci_bar *pci_bar_of(struct bus_range *r);

/* For func.c: set up a BAR and its registers. */
void pci_bar_init(struct pci_bar *bar, struct pci_func *f, uint64_t size,
		  unsigned int flags);

/* BAR registers or COMMAND of @f changed: bring the bus in line.  -ENOMEM,
 * -ENOSPC: the caller puts the old bytes back and calls again, which restores
 * what was there (rule 17). */
int pci_bars_update(struct pci_func *f);

/* Take all BARs of @f off the bus: unplug.  @f is not among its root's
 * functions any more. */
void pci_bars_remove(struct pci_func *f);

#endif
