/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pci_driver.h - what firmware and a virtio-pci driver do before requests flow
 *
 * Configuration space is read by function, BARs are reached by guest physical
 * address, as a VMM forwards exits: so each access is looked up on the
 * machine's bus.
 *
 * Errors   the first one stays in the driver; what follows it does nothing, and
 *          reads are 0
 * Threads  one; lane 0 of the attachment
 */
#ifndef BENCH_PCI_DRIVER_H
#define BENCH_PCI_DRIVER_H

#include "ring/pciring.h"

#define PCI_LOW_BARS  0x80000000ull
#define PCI_HIGH_BARS (1ull << 36)

/* virtio 1.2, 4.1.4.3: offsets in the common configuration */
#define PCI_COMMON_STATUS     20
#define PCI_COMMON_QUEUE_DESC 32

struct pci_driver {
	struct pciring *link; /* borrowed */
	int err;
	const char *why;
};

/* Where things are in a function. */
struct pci_layout {
	struct pciring_function_info info;
	uint8_t msix, table_bar, common_bar, notify_bar;
	uint32_t table, common, notify, multiplier;
};

/* A queue to be started: a power of two of entries, guest physical addresses;
 * then its doorbell's. */
struct pci_queue {
	uint16_t index, size, vector;
	uint64_t desc, driver, device;
	uint64_t doorbell;
};

void pci_driver_fail(struct pci_driver *d, int err, const char *why);

void pci_set_config(struct pci_driver *d, uint16_t bdf, uint32_t at,
		    uint8_t size, uint32_t value);
uint32_t pci_get(struct pci_driver *d, uint64_t address, uint8_t size);
void pci_set(struct pci_driver *d, uint64_t address, uint8_t size,
	     uint32_t value);

void pci_find_layout(struct pci_driver *d, struct pci_layout *l, uint16_t bdf);
/* From @next on, below and above 4 GiB, which it moves; then decoding is on. */
void pci_place_bars(struct pci_driver *d, const struct pci_layout *l,
		    uint16_t bdf, uint64_t next[2], uint64_t bar[6]);
/* Vector 0 is a message to @address with @data. */
void pci_enable_msix(struct pci_driver *d, const struct pci_layout *l,
		     uint16_t bdf, const uint64_t bar[6], uint32_t address,
		     uint32_t data);

/* From reset to FEATURES_OK, with @features and no more; -ENOTSUP if one of
 * them is not offered.  @common is the guest physical address. */
void pci_begin_virtio(struct pci_driver *d, uint64_t common, uint64_t features);
/* @notify: the guest physical address of the notify structure. */
void pci_start_queue(struct pci_driver *d, uint64_t common, uint64_t notify,
		     const struct pci_layout *l, struct pci_queue *q);
void pci_driver_ok(struct pci_driver *d, uint64_t common);

#endif
