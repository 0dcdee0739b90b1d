/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * transport.h - what the virtio core tells its transport
 *
 * The core has not heard of PCI.  A transport (virtio_pci, later others) gives
 * this table at construction.
 *
 * Threads   called by the poll loop that owns the machine
 */
#ifndef TRANSPORT_VIRTIO_TRANSPORT_H
#define TRANSPORT_VIRTIO_TRANSPORT_H

#include "ring/base.h"

struct virtio_transport_ops {
	/* Queue @q has used buffers the driver wants to hear of. */
	void (*queue_raise)(void *transport, unsigned int q);
	/* Configuration changed, or the device needs a reset. */
	void (*config_raise)(void *transport);
	/* Some queue has work: call virtio_run() soon.  At most once until
	 * virtio_run() says that there is no more. */
	void (*work)(void *transport);
	/* The device was reset by the driver: the transport forgets its
	 * per-queue words, ISR and vectors (rule 55). */
	void (*reset)(void *transport);
};

#endif
