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
	struct vq_state state;
	struct vq_stats stats;
};

struct snapshot_bar {
	uint64_t size, base;
	uint8_t flags; /* PCI_BAR_* */
	bool mapped;
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
	struct irq_counts interrupts;
	uint64_t notifies;
	uint64_t posted;
	uint16_t nr_queues;
	struct snapshot_queue *queue; /* owned */
};

struct snapshot_link {
	const struct attachment *of; /* borrowed */
	uint32_t regions;
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
