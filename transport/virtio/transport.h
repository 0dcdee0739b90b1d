/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * transport.h - what the virtio core tells its transport
 *
 * The core has not heard of PCI.  A transport (virtio_pci, later others) gives
 * this table at construction; what it cannot do itself it passes on to whoever
 * runs loops.
 *
 * Threads   called by the poll loop that owns the machine, but for queue_work
 *           and event
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
	/* One queue was: its words only (rule 48).  May be NULL. */
	void (*queue_reset)(void *transport, unsigned int q);

	/* ---- Queues that other loops run; NULL: there never are any ---- */

	/* Take all of them back: on return each was quiesced by whoever ran it
	 * and nobody touches it any more, until release. */
	void (*recall)(void *transport);
	void (*release)(void *transport);
	/* Any thread.  Queue @q, which another loop runs, has work.  Between
	 * recall and release it is kept for later. */
	void (*queue_work)(void *transport, unsigned int q);
	/* Any thread.  Call virtio_run_event() soon.  NULL: never asked for. */
	void (*event)(void *transport);
};

#endif
