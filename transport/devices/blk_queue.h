/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blk_queue.h - one queue of a disk: requests on their way
 *
 * Threads  whoever runs the queue; what it reads of struct blk is constant
 *          while started, or atomic
 */
#ifndef TRANSPORT_DEVICES_BLK_QUEUE_H
#define TRANSPORT_DEVICES_BLK_QUEUE_H

#include <stdalign.h>

#include "transport/devices/blk.h"
#include "transport/devices/blk_request.h"
#include "transport/virtio/virtio.h"

struct blk_queue {
	/* Its own cache line: the neighbour may be another core's. */
	alignas(64) struct blk *blk;
	struct blk_request *spare; /* owned: for the next chains */
	unsigned int nr_spare;
	bool warm; /* it had a chain since the last reset */
	uint16_t index;
	struct blk_request *waiting; /* owned: taken, and more to do */
	struct blk_request **tail;
};

struct blk {
	struct virtio_device device;
	struct blk_backend *backend; /* owned */
	struct blk_params p;
	uint64_t sectors;  /* atomic; home writes it */
	uint64_t resized;  /* atomic; what it is to be, by the control thread */
	uint8_t writeback; /* atomic; home writes it */
	struct blk_queue queue[];
};

static inline struct blk *to_blk(struct virtio_device *d)
{
	return container_of(d, struct blk, device);
}

void blk_queue_init(struct blk_queue *q, struct blk *blk, uint16_t index);

/* As the device's ops. */
bool blk_queue_run(struct virtio_device *d, unsigned int q,
		   unsigned int budget);
void blk_queue_quiesce(struct virtio_device *d, unsigned int q);
void blk_queue_stop(struct virtio_device *d, unsigned int q);

#endif
