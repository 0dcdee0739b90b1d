/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * func.h - one PCI function: header, BARs, interrupts, resets
 *
 * Config writes go through pci_func_config_write(), which merges the bytes and
 * then lets each part see what changed: BARs decode or move, MSI-X opens or
 * closes, and what is above PCI hears of bus mastering and of its own
 * capability bytes through pci_func_ops.
 *
 * Threads   the poll loop that owns the machine
 * Memory    the struct is the caller's, embedded in what is above
 */
#ifndef TRANSPORT_PCI_FUNC_H
#define TRANSPORT_PCI_FUNC_H

#include "irq/line.h"
#include "transport/pci/bar.h"
#include "transport/pci/config.h"
#include "transport/pci/msi_cap.h"
#include "transport/pci/msix.h"

struct pci_func;
struct pci_root;

/* News for whoever built the function; each may be NULL. */
struct pci_func_ops {
	/* Bytes [off, off + size) were written by the guest and merged. */
	void (*config_written)(struct pci_func *f, uint32_t off,
			       unsigned int size);
	/* About to be read: bring computed bytes up to date. */
	void (*config_read)(struct pci_func *f, uint32_t off,
			    unsigned int size);
	/* COMMAND.MASTER changed. */
	void (*bus_master)(struct pci_func *f, bool on);
	/* MSI-X was enabled or disabled. */
	void (*msix_enabled)(struct pci_func *f, bool on);
	/* Function-level reset: everything above PCI to its defaults. */
	void (*reset)(struct pci_func *f);
};

struct pci_ids {
	uint16_t vendor, device;
	uint16_t subsystem_vendor, subsystem_device;
	uint8_t revision;
	uint32_t class_code; /* 24 bits */
};

struct pci_func_stats {
	uint64_t config_reads, config_writes;
	uint64_t bar_reads, bar_writes;
	uint64_t bad;	      /* met nothing, or an impossible size or offset */
	uint64_t rolled_back; /* BARs that could not go where the guest said */
};

struct pci_func {
	const struct pci_func_ops *ops;
	struct pci_root *root; /* borrowed; NULL while not plugged */
	uint16_t bdf;
	struct pci_config config;
	struct pci_bar bar[PCI_NR_BARS];
	/* Last written to each BAR register, read-only bits and all: by them
	 * a probe for the size is told from an address. */
	uint32_t bar_written[PCI_NR_BARS];
	uint8_t nr_windows;
	uint8_t waiting; /* bit n: BAR n waits for its place (bar.c) */
	struct pci_bar_window window[PCI_FUNC_WINDOWS];
	struct msix msix;
	struct pci_msi msi;
	struct irq_source intx; /* connected to a line by who plugs it */
	bool interrupt;		/* its cause, STATUS.3; see below */
	struct pci_func_stats stats;
};

void pci_func_init(struct pci_func *f, const struct pci_func_ops *ops,
		   const struct pci_ids *ids);
/* Frees what the parts own.  The function must be unplugged. */
void pci_func_fini(struct pci_func *f);

/* While building, before plug: see bar.h for windows inside a BAR. */
void pci_func_add_bar(struct pci_func *f, unsigned int n, uint64_t size,
		      unsigned int flags);
/* MSI-X with @nr vectors, table and PBA on pages of their own in BAR @bar,
 * which is added here.  -errno. */
int pci_func_add_msix(struct pci_func *f, unsigned int bar, uint16_t nr);

/* Plain MSI with @nr messages (a power of two up to 32), each with a mask bit,
 * 64-bit addresses.  -errno. */
int pci_func_add_msi(struct pci_func *f, uint16_t nr);
/* An interrupt pin: 0 is INTA.  The register shows @pin + 1 from now on. */
void pci_func_add_intx(struct pci_func *f, unsigned int pin);

/*
 * Whether the function has cause to interrupt, other than by MSI-X (rule 70):
 * STATUS.3 shows it; the line is high while it is so, INTX_DISABLE is clear
 * and neither MSI nor MSI-X is enabled.  With MSI enabled (and MSI-X not) a
 * rise of it is message 0, and so is enabling MSI while it is so; its fall
 * takes back a message 0 that was not sent yet.  The result is that of the pin
 * or the message.
 */
enum irq_result pci_func_set_interrupt(struct pci_func *f, bool on);

/* Guest's accesses; never fail: all-ones, dropped, counted.  BARs by number
 * are reached whether they decode or not. */
uint32_t pci_func_config_read(struct pci_func *f, uint32_t off,
			      unsigned int size);
void pci_func_config_write(struct pci_func *f, uint32_t off, unsigned int size,
			   uint32_t value);
uint64_t pci_func_bar_read(struct pci_func *f, unsigned int bar, uint64_t off,
			   unsigned int size);
void pci_func_bar_write(struct pci_func *f, unsigned int bar, uint64_t off,
			unsigned int size, uint64_t value);

/* FLR: BARs, COMMAND, MSI-X, MSI, the pin and all above to power-on state
 * (rule 23). */
void pci_func_reset(struct pci_func *f);

bool pci_func_master(const struct pci_func *f);

#endif
