/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio.h - the virtio core: status machine, features, generation, queues
 *
 * Registers in, news out.  A transport turns its register accesses into the
 * calls below; the core tells it what to raise through virtio_transport_ops.
 *
 * Status   bits written together count as written one after the other; a
 *          write of 0 resets, in every state, and has happened when the call
 *          returns (rules 54 to 64)
 * Broken   a queue that breaks sets NEEDS_RESET once, with one configuration
 *          interrupt if DRIVER_OK; everything else goes on (rules 65, 118)
 * Memory   the map belongs to the machine; while there is none, queues pause
 *
 * Threads   the poll loop that owns the machine
 */
#ifndef TRANSPORT_VIRTIO_VIRTIO_H
#define TRANSPORT_VIRTIO_VIRTIO_H

#include "irq/stage.h"
#include "transport/virtio/device.h"
#include "transport/virtio/queue.h"
#include "transport/virtio/transport.h"

/* Device status; virtio 1.2, 2.1. */
#define VIRTIO_ACKNOWLEDGE 1u
#define VIRTIO_DRIVER	   2u
#define VIRTIO_DRIVER_OK   4u
#define VIRTIO_FEATURES_OK 8u
#define VIRTIO_NEEDS_RESET 64u
#define VIRTIO_FAILED	   128u

/* Feature bits of the core; virtio 1.2, chapter 6. */
#define VIRTIO_F_INDIRECT_DESC	 28
#define VIRTIO_F_EVENT_IDX	 29
#define VIRTIO_F_VERSION_1	 32
#define VIRTIO_F_ACCESS_PLATFORM 33
#define VIRTIO_F_RING_PACKED	 34

#define VIRTIO_MAX_QUEUES 1024

/* Guest-visible state: pointer-free, saved and restored as it is. */
struct virtio_state {
	struct virtio_features offer;  /* what the driver may choose from */
	struct virtio_features driver; /* what it wrote so far */
	uint8_t status;
	uint8_t generation;
	uint8_t config_changed; /* since the generation was last bumped */
	uint8_t reserved[5];
};

struct virtio_stats {
	uint64_t resets;
	uint64_t needs_reset;
	uint64_t config_changes;
	uint64_t config_interrupts; /* raised */
	uint64_t bad_kicks;	    /* of a missing, disabled or broken queue */
	uint64_t bad_writes;	    /* dropped register writes */
	uint64_t bad_requests;	    /* the device's: answered with an error */
};

struct virtio {
	struct virtio_state s;
	struct irq_stage stage;	 /* for the graph: what the queues raised */
	struct irq_stage *below; /* borrowed: the transport's, or NULL */
	struct virtio_device *device;		/* borrowed */
	const struct virtio_transport_ops *ops; /* borrowed */
	void *transport;
	struct gpa_map *mem; /* borrowed; NULL: none lent */
	bool master;	     /* may touch guest memory */
	bool started;	     /* device->start was called */
	bool work;	     /* ops->work was called */
	uint16_t nr_queues;
	struct vq *queue; /* owned: nr_queues */
	uint64_t *active; /* owned: one bit per queue with work */
	struct virtio_stats stats;
};

/* Join @device and @transport; allocates the queues.  -EINVAL: the device
 * has too many queues, a bad size, or offers bits that are the core's. */
int virtio_init(struct virtio *v, struct virtio_device *device,
		const struct virtio_transport_ops *ops, void *transport);
/* Stops the device and frees the queues, not the device. */
void virtio_fini(struct virtio *v);

/* ---- Registers, as transports need them --------------------------------- */

/* 32 feature bits of word @sel; 0 beyond the last. */
uint32_t virtio_device_features(const struct virtio *v, uint32_t sel);
uint32_t virtio_driver_features(const struct virtio *v, uint32_t sel);
/* Dropped after FEATURES_OK and beyond the last word (rule 39). */
void virtio_write_features(struct virtio *v, uint32_t sel, uint32_t value);

uint8_t virtio_status(const struct virtio *v);
void virtio_write_status(struct virtio *v, uint8_t value);

/* Bumped by the first configuration read after a change (rule 50). */
uint8_t virtio_generation(const struct virtio *v);

/* Device configuration; size 1, 2, 4 or 8; beyond its end 0 or dropped. */
uint64_t virtio_config_read(struct virtio *v, uint32_t off, unsigned int size);
void virtio_config_write(struct virtio *v, uint32_t off, unsigned int size,
			 uint64_t value);

/* NULL if there is no queue @q. */
struct vq *virtio_queue(struct virtio *v, unsigned int q);
/* Driver wrote 1 to queue_enable: at any time, once until reset. */
void virtio_queue_enable(struct virtio *v, unsigned int q);

/* The driver kicked queue @q: O(1), one pending bit (rules 94, 95). */
void virtio_kick(struct virtio *v, unsigned int q);

/* ---- What surrounds the device ------------------------------------------ */

/* Full reset, whatever the state. */
void virtio_reset(struct virtio *v);

/* Bus mastering: while off nothing is fetched or written (rule 22). */
void virtio_set_master(struct virtio *v, bool on);

/* The map is about to change: on return no host pointer is held.  Then
 * virtio_set_memory() with the same or another map, which derives all queues
 * again and looks at those that were paused. */
void virtio_quiesce(struct virtio *v);
void virtio_set_memory(struct virtio *v, struct gpa_map *mem);

/* Serve queues with work, @budget chains each; true if there is more. */
bool virtio_run(struct virtio *v, unsigned int budget);

/* ---- For devices --------------------------------------------------------- */

/* Publish what was pushed on @q and raise if the driver wants it. */
void virtio_queue_publish(struct virtio *v, unsigned int q);

/* The device has something for @q although no kick came (a completion, new
 * data, a budget that ran out): run it. */
void virtio_queue_activate(struct virtio *v, unsigned int q);

/* The device changed its configuration. */
void virtio_config_changed(struct virtio *v);

/* The device cannot go on: NEEDS_RESET (rule 65). */
void virtio_needs_reset(struct virtio *v);

#endif
