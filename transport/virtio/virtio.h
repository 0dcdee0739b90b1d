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
 * Hot      a queue that had work is looked at each turn for a while, with the
 *          driver's kicks switched off; then it asks for kicks again, and costs
 *          nothing until one comes.  `always' never asks (struct virtio_poll)
 * Late     an interrupt may wait for more to tell of, by a time and a number
 *          that are set for each queue; it is never lost
 *
 * Threads  the poll loop that owns the machine: "home".  A queue may be given
 *          to another loop (below), which then calls virtio_queue_run() for it
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
#define VIRTIO_F_INDIRECT_DESC	   28
#define VIRTIO_F_EVENT_IDX	   29
#define VIRTIO_F_VERSION_1	   32
#define VIRTIO_F_ACCESS_PLATFORM   33
#define VIRTIO_F_RING_PACKED	   34
#define VIRTIO_F_IN_ORDER	   35
#define VIRTIO_F_NOTIFICATION_DATA 38
#define VIRTIO_F_NOTIF_CONFIG_DATA 39
#define VIRTIO_F_RING_RESET	   40

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
	uint64_t events;	    /* virtio_run_event() */
};

/* When queues are looked at without being kicked. */
struct virtio_poll {
	bool always;  /* from DRIVER_OK on, for drivers that never kick */
	uint64_t hot; /* ticks after the last work; 0: never without a kick */
};

/* How long an interrupt of a queue may wait for more to tell of. */
struct virtio_coalesce {
	uint64_t ticks;	 /* 0: not at all */
	uint32_t chains; /* that many are told of at once; 0: any number */
};

/* One queue's, for whoever runs it. */
struct virtio_runner {
	uint64_t cool_at;  /* ticks: hot until then */
	uint64_t raise_by; /* ticks: the interrupt waits no longer */
	bool late;	   /* an interrupt decision is due */
	bool polled;	   /* virtio_queue_poll() */
	bool away;	   /* another loop's; changes only while recalled */
	struct virtio_coalesce coalesce;
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
	uint16_t next_queue;	      /* where virtio_run_some() begins */
	struct vq *queue;	      /* owned: nr_queues */
	struct virtio_runner *runner; /* owned: nr_queues */
	uint64_t *active;      /* owned: one bit per queue with work, home's */
	unsigned int changing; /* recalled that often and not yet released */
	struct virtio_poll poll;
	struct virtio_coalesce coalesce; /* of queues after reset */
	struct virtio_stats stats;
};

/* What may be offered beside the device's own bits. */
struct virtio_options {
	struct virtio_features offer; /* of the core's, VERSION_1 is implied */
	uint16_t queue_max; /* largest size, a power of 2; 0: the device's */
	struct virtio_poll poll;
	struct virtio_coalesce coalesce; /* of each queue, to begin with */
};

#define VIRTIO_OFFER_DEFAULT                                                   \
	{                                                                      \
		{                                                              \
			BIT_ULL(VIRTIO_F_INDIRECT_DESC) |                      \
				BIT_ULL(VIRTIO_F_EVENT_IDX) |                  \
				BIT_ULL(VIRTIO_F_RING_RESET),                  \
				0                                              \
		}                                                              \
	}
#define VIRTIO_HOT_US 100

/* Join @device and @transport; allocates the queues.  @o NULL:
 * VIRTIO_OFFER_DEFAULT, hot for VIRTIO_HOT_US, nothing coalesced.
 * -EINVAL: the device has too many queues, a bad size, or offers bits that are
 * the core's; or options beyond what there is.  -ENOMEM. */
int virtio_init(struct virtio *v, struct virtio_device *device,
		const struct virtio_options *o,
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
/* Driver wrote 1 to queue_reset: the queue is as after a reset of the device
 * when this returns (rule 48).  Dropped if not negotiated. */
void virtio_queue_reset(struct virtio *v, unsigned int q);

/* What the driver writes to a doorbell if NOTIF_CONFIG_DATA was negotiated;
 * the index otherwise (rule 49). */
uint16_t virtio_notif_data(const struct virtio *v, unsigned int q);

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

/* What a run came to. */
#define VIRTIO_DID   1u /* something: chains were taken or used */
#define VIRTIO_MORE  2u /* run it again: there is more, or it is polled */
#define VIRTIO_RAISE 4u /* the driver wants an interrupt */
#define VIRTIO_BROKE 8u /* the queue is broken */

/* Serve queues with work, @budget chains each.  @now is ticks_now(), or of a
 * moment ago.  Returns VIRTIO_DID and VIRTIO_MORE. */
unsigned int virtio_run(struct virtio *v, unsigned int budget, uint64_t now);
/* The same, and at most *@room of all queues together, in turn: who had none
 * of it is first next time.  A queue costs the chains it takes, or one if there
 * are none; *@room is what is left. */
unsigned int virtio_run_some(struct virtio *v, unsigned int budget,
			     unsigned int *room, uint64_t now);

/* Serve virtio_event(). */
void virtio_run_event(struct virtio *v);

/* The loop wants to sleep: interrupts that wait are raised, hot queues ask for
 * kicks again.  How many nanoseconds it may, or VIRTIO_AWAKE, VIRTIO_ASLEEP. */
uint64_t virtio_sleep(struct virtio *v);

/* ---- Queues that other loops run ------------------------------------------ */

/*
 * Home.  Queue @q is run by another loop from now on, or by home again.  To be
 * called between ops->recall and ops->release.  The other loop calls
 * virtio_queue_run() when ops->queue_work or its own last run said so; what it
 * returns of VIRTIO_RAISE and VIRTIO_BROKE it sends home, to
 * virtio_queue_news().
 */
void virtio_queue_set_away(struct virtio *v, unsigned int q, bool away);
/* Whoever runs @q.  Returns all four. */
unsigned int virtio_queue_run(struct virtio *v, unsigned int q,
			      unsigned int budget, uint64_t now);
/* Whoever runs @q: as virtio_sleep(), and VIRTIO_RAISE and the like in
 * *@news. */
uint64_t virtio_queue_sleep(struct virtio *v, unsigned int q,
			    unsigned int *news);
/* Home. */
void virtio_queue_news(struct virtio *v, unsigned int q, unsigned int news);

/* ---- For devices: whoever runs the queue ----------------------------------- */

/* The device has something for @q although no kick came (a completion, new
 * data, a budget that ran out): run it. */
void virtio_queue_activate(struct virtio *v, unsigned int q);

/* Queue @q is run each turn while it can run, kicked or not: its work comes
 * from outside and tells nobody.  Stays so over resets. */
void virtio_queue_poll(struct virtio *v, unsigned int q, bool on);

/* Let interrupts of @q wait; from the next one on. */
void virtio_queue_coalesce(struct virtio *v, unsigned int q,
			   const struct virtio_coalesce *c);

/* A request of @q was answered with an error. */
void virtio_bad_request(struct virtio *v, unsigned int q);

/* ---- For devices: home -------------------------------------------------------- */

/* Any thread: have the device's event called at home, soon.  Any number of
 * calls before that are one. */
void virtio_event(struct virtio *v);

/* The device changed its configuration. */
void virtio_config_changed(struct virtio *v);

/* The device cannot go on: NEEDS_RESET (rule 65). */
void virtio_needs_reset(struct virtio *v);

#endif
