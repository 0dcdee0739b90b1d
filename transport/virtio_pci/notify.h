/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notify.h - doorbells: the notification structure (virtio 1.2, 4.1.4.4)
 *
 * One address a queue, VIRTIO_PCI_NOTIFY_MULT bytes apart, on a page of BAR4
 * that has nothing else.  A write by way of the BAR kicks at once.  The page
 * may also be plain memory, which the VMM maps into its guest in the place of
 * the BAR's: then a store costs no exit, nobody is told of it, and whoever runs
 * the function looks at the page every turn.
 *
 * The words of such a page are all ones while there is no kick, which no
 * queue's index can be; anything else is a kick, of the queue whose word it is
 * and no other.  Any number of stores between two looks are one kick.
 *
 * Word     written by          read by   edge
 * [queue]  driver: the index   us        D1 -> E1  "what was made available
 *          us: all ones                  before the kick is complete"
 *
 * D1 is the driver's: the barrier and the store of virtio 1.2, 2.7.13.4.
 *
 * Threads  the poll loop that owns the machine; notify_page_init() before it
 *          knows of the page
 * Memory   the page is the caller's and outlives its use here
 * Trust    the guest, and whoever else has the page, may store anything at any
 *          time; a look costs at most one kick a queue
 */
#ifndef TRANSPORT_VIRTIO_PCI_NOTIFY_H
#define TRANSPORT_VIRTIO_PCI_NOTIFY_H

#include "transport/virtio_pci/virtio_pci.h"

#define NOTIFY_PAGE_SIZE  4096
#define NOTIFY_PAGE_QUIET UINT32_MAX

extern const struct bus_ops virtio_pci_notify_ops; /* ctx: struct virtio_pci */

/* Bring a page of NOTIFY_PAGE_SIZE bytes to where it says nothing. */
void notify_page_init(_Atomic uint32_t *page);

/* Take all kicks off the function's page (vp->notify_page, not NULL). */
void notify_page_look(struct virtio_pci *vp);

#endif
