/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snapshot.h - what a machine is at one moment, copied between two turns
 *
 * Threads   taken by the control thread, copied by the machine's loop
 * Memory    snapshot_take() allocates all of it before the loop is asked, so
 *           the loop only copies
 */
#ifndef APPS_PCIRINGD_SNAPSHOT_H
#define APPS_PCIRINGD_SNAPSHOT_H

#include "apps/pciringd/attachment.h"

struct snapshot_queue {
	const struct worker *at; /* NULL: home; else no indices in @state */
	struct vq_state state;
	struct vq_stats stats;
};

struct snapshot_bar {
	uint64_t size, base;
	uint8_t flags; /* PCI_BAR_* */
	bool mapped;
};

struct snapshot_intx {
	uint8_t pin;	  /* 0: none, 1 is INTA */
	int gsi;	  /* -1: its line is the link's, or nobody's */
	bool asserted;	  /* by this function */
	bool level;	  /* of the line */
	bool bound;	  /* to an eventfd */
	uint64_t rises;	  /* of its cause; plain MSI's messages, too */
	uint64_t merged;  /* causes that were one already */
	uint64_t signals; /* of the eventfd of its own line */
	uint64_t resamples;
};

struct snapshot_function {
	const struct service_function *of; /* borrowed */
	uint8_t config[PCI_CONFIG_STORED];
	struct snapshot_bar bar[PCI_NR_BARS];
	uint16_t msix_vectors;
	bool msix_enabled;
	bool attached;
	uint16_t vectors_bound;
	struct virtio_state virtio;
	struct virtio_stats virtio_stats;
	struct pci_func_stats accesses;
	struct irq_counts interrupts; /* by MSI-X */
	struct irq_counts msi;
	uint16_t msi_messages;
	bool msi_enabled;
	struct snapshot_intx intx;
	uint64_t no_vector; /* silence, as the driver asked for */
	uint64_t notifies;
	uint64_t page_kicks;
	uint64_t eventfd_kicks;
	uint64_t posted;
	uint16_t nr_queues;
	struct snapshot_queue *queue; /* owned */
};

struct snapshot_link {
	const struct attachment *of; /* borrowed */
	uint32_t regions;
	uint64_t resamples;
	struct channel_stats channel;
	struct link_stats link;
};

struct snapshot {
	struct snapshot_function *function; /* owned: in address order */
	unsigned int nr_functions;
	struct snapshot_link *link; /* owned */
	unsigned int nr_links;
};

/* -ENOMEM. */
int snapshot_take(struct service_machine *m, struct snapshot *out);
void snapshot_fini(struct snapshot *s);

#endif
