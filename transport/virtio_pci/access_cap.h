/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * access_cap.h - the PCI configuration access capability
 *
 * A window of 1, 2 or 4 bytes into any BAR, for whoever has configuration
 * space only (firmware); virtio 1.2, 4.1.4.9.  The driver writes bar, offset
 * and length, then reads or writes the data bytes, and each touch of them,
 * however narrow, is one access to the BAR.  A window that makes no sense
 * makes no access and leaves the data bytes alone (rule 31).
 *
 * Threads   the poll loop that owns the machine
 */
#ifndef TRANSPORT_VIRTIO_PCI_ACCESS_CAP_H
#define TRANSPORT_VIRTIO_PCI_ACCESS_CAP_H

#include "transport/virtio_pci/virtio_pci.h"

/* While building: append the capability.  -ENOSPC. */
int access_cap_add(struct virtio_pci *vp);

/* Configuration bytes [off, off + size) were written, are about to be read. */
void access_cap_written(struct virtio_pci *vp, uint32_t off, unsigned int size);
void access_cap_read(struct virtio_pci *vp, uint32_t off, unsigned int size);

#endif
