/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * common.h - the common configuration structure (virtio 1.2, 4.1.4.3)
 *
 * 64 bytes of registers at the start of BAR4.
 *
 * Reads    any bytes inside, at any width: each byte is its register's, and
 *          no read has an effect
 * Writes   act on the register that starts at their offset, if they are at
 *          least as wide as it is; bytes beyond that register are dropped.  A
 *          64-bit queue address is two 32-bit registers, and 8 bytes at its
 *          start are both.  Everything else is dropped and counted
 *
 * Threads  the poll loop that owns the machine
 */
#ifndef TRANSPORT_VIRTIO_PCI_COMMON_H
#define TRANSPORT_VIRTIO_PCI_COMMON_H

#include "transport/virtio_pci/virtio_pci.h"

#define VIRTIO_PCI_COMMON_LEN 64

extern const struct bus_ops virtio_pci_common_ops; /* ctx: struct virtio_pci */

#endif
