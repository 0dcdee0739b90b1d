/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_pci.h - a virtio device as a PCI function (virtio 1.2, 4.1)
 *
 * BAR4 (64 bit, 16 KiB): common configuration at 0x0000, ISR at 0x1000, device
 * configuration at 0x2000, notification at 0x3000 (multiplier 4, one address a
 * queue), the one page that may be mapped as memory (notify.h).  BAR1: MSI-X
 * table and PBA.  The offsets are those that SPDK's target uses and its
 * initiator hard-codes.  Inside BAR4 but outside every structure, reads give
 * all-ones and writes are dropped and counted; inside the device
 * configuration's page but behind its end, reads give 0.
 *
 * Interrupts   MSI-X: queue q raises its vector, config changes theirs;
 *              NO_VECTOR is silence.  The ISR config bit is set either way,
 *              the queue bit only while MSI-X is off (rules 68, 69); then the
 *              pin, INTA, follows ISR (rule 70)
 * Threads      the poll loop that owns the machine
 * Memory       one struct a function, allocated by its creator
 */
#ifndef TRANSPORT_VIRTIO_PCI_VIRTIO_PCI_H
#define TRANSPORT_VIRTIO_PCI_VIRTIO_PCI_H

#include "transport/pci/func.h"
#include "transport/virtio/virtio.h"

#define VIRTIO_PCI_VENDOR 0x1af4
#define VIRTIO_PCI_DEVICE 0x1040 /* + virtio device ID */

#define VIRTIO_PCI_BAR	       4
#define VIRTIO_PCI_BAR_SIZE    0x4000
#define VIRTIO_PCI_COMMON      0x0000
#define VIRTIO_PCI_ISR	       0x1000
#define VIRTIO_PCI_CONFIG      0x2000
#define VIRTIO_PCI_NOTIFY      0x3000
#define VIRTIO_PCI_NOTIFY_MULT 4
#define VIRTIO_PCI_MSIX_BAR    1

/* Guest-visible words of the transport: pointer-free. */
struct virtio_pci_state {
	uint32_t device_feature_select;
	uint32_t driver_feature_select;
	uint16_t queue_select;
	uint16_t config_vector;
	uint8_t isr;
	uint8_t reserved[3];
};

struct virtio_pci;

/* What a function asks of whoever runs it: as virtio_transport_ops of the same
 * names (virtio/transport.h).  Each may be NULL. */
struct virtio_pci_ops {
	void (*work)(struct virtio_pci *vp);
	void (*recall)(struct virtio_pci *vp);
	void (*release)(struct virtio_pci *vp);
	void (*queue_work)(struct virtio_pci *vp, unsigned int q);
	void (*event)(struct virtio_pci *vp);
};

struct virtio_pci {
	struct virtio_pci_state s;
	struct irq_stage stage; /* for the graph */
	struct pci_func func;
	struct virtio virtio;
	uint16_t *queue_vector; /* owned: one a queue */
	uint16_t access_cap;	/* offset of the configuration access cap */
	const struct virtio_pci_ops *ops; /* borrowed */
	_Atomic uint32_t
		*notify_page; /* borrowed; NULL: BAR4's is not mapped */
	struct {
		uint64_t common, isr, config, notify; /* accesses */
		uint64_t page_kicks; /* found on the notify page */
		uint64_t interrupts; /* messages asked for: queue and config */
		uint64_t rises;	     /* of ISR while MSI-X is off */
		uint64_t merged;     /* ISR was not 0 already */
		uint64_t no_vector;  /* silence by rule 82 */
	} stats;
};

/* Build the function around @device (borrowed); not plugged, no memory, not
 * bus master.  @o as for virtio_init().  -EINVAL: not a device we can show;
 * -ENOMEM, -ENOSPC. */
int virtio_pci_init(struct virtio_pci *vp, struct virtio_device *device,
		    const struct virtio_options *o,
		    const struct virtio_pci_ops *ops);
void virtio_pci_fini(struct virtio_pci *vp);

#endif
