/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device.h - what a device is to the virtio core, and what it may ask of it
 *
 * A device model embeds struct virtio_device and fills in an ops table.  It
 * has not heard of PCI, rings between processes, or interrupts: it takes
 * chains from queues (queue.h), and says through virtio.h that it used some or
 * that its configuration changed.
 *
 * Threads   create on the control thread, before any loop knows of it.  "Home"
 *           is the poll loop that owns the machine: start, stop, features,
 *           event and configuration are called there, while no queue runs
 *           elsewhere (but for config_read, config_write and event).  A queue
 *           is run by one loop at a time, home or another: queue_run,
 *           queue_quiesce, queue_sleep are called by that one.  So what queues
 *           share is constant while started, or atomic
 */
#ifndef TRANSPORT_VIRTIO_DEVICE_H
#define TRANSPORT_VIRTIO_DEVICE_H

#include "ring/base.h"

/* 128 feature bits: bit n is bit n % 64 of word n / 64. */
struct virtio_features {
	uint64_t w[2];
};

static inline bool virtio_has(const struct virtio_features *f, unsigned int bit)
{
	return bit < 128 && (f->w[bit / 64] >> (bit % 64) & 1);
}

static inline void virtio_set(struct virtio_features *f, unsigned int bit)
{
	f->w[bit / 64] |= BIT_ULL(bit % 64);
}

static inline void virtio_clear(struct virtio_features *f, unsigned int bit)
{
	f->w[bit / 64] &= ~BIT_ULL(bit % 64);
}

struct virtio;
struct virtio_device;

/* queue_sleep(): nobody will wake the loop, or it need not be woken. */
#define VIRTIO_AWAKE  0u	 /* there is something: do not sleep */
#define VIRTIO_ASLEEP UINT64_MAX /* the device wakes the loop by itself */

#define VIRTIO_DEVICE_COUNTERS 32u

struct virtio_device_ops {
	const char *name; /* "rng" */
	uint16_t type;	  /* virtio device ID; virtio 1.2, chapter 5 */

	/* May a driver have these of the offered bits together?  For what the
	 * type's features depend on (virtio 1.2, 2.2.1).  NULL: all may. */
	bool (*features)(struct virtio_device *d,
			 const struct virtio_features *driver);
	/* DRIVER_OK with an accepted feature set: queues run from now on. */
	void (*start)(struct virtio_device *d);
	/* Guest memory, or the loop that runs the queue, is about to change: on
	 * return nothing of the queue is under way and no host pointer into
	 * guest memory is held.  Chains may be kept; work goes on with the next
	 * queue_run, perhaps on another thread.  NULL: always so. */
	void (*queue_quiesce)(struct virtio_device *d, unsigned int q);
	/* Home, after queue_quiesce: the queue is reset, alone or with all: its
	 * chains are forgotten. */
	void (*queue_stop)(struct virtio_device *d, unsigned int q);
	/* Reset, failure or end, after queue_stop of each queue. */
	void (*stop)(struct virtio_device *d);
	/* Use up to @budget chains of queue @q; true if there is more that
	 * could be done now.  Called only while the queue can run. */
	bool (*queue_run)(struct virtio_device *d, unsigned int q,
			  unsigned int budget);
	/* The loop is about to sleep.  For queues that are polled
	 * (virtio_queue_poll()): how many nanoseconds it may, or VIRTIO_AWAKE
	 * or VIRTIO_ASLEEP.  No kick of such a queue wakes it.  NULL: see
	 * VIRTIO_ASLEEP. */
	uint64_t (*queue_sleep)(struct virtio_device *d, unsigned int q);
	/* Any thread.  Must home itself run queue @q, whatever the driver will
	 * negotiate?  NULL: none. */
	bool (*queue_stays)(const struct virtio_device *d, unsigned int q);
	/* Any thread.  What the device itself counts: at most @room @values
	 * (VIRTIO_DEVICE_COUNTERS is enough) with their *@names, for ever;
	 * returns how many.  NULL: nothing. */
	unsigned int (*counters)(struct virtio_device *d,
				 const char *const **names, uint64_t *values,
				 unsigned int room);
	/* What virtio_event() asked for. */
	void (*event)(struct virtio_device *d);
	/* [off, off + size) lies inside config_size; size 1, 2, 4 or 8.
	 * NULL: the type has no configuration. */
	uint64_t (*config_read)(struct virtio_device *d, uint32_t off,
				unsigned int size);
	void (*config_write)(struct virtio_device *d, uint32_t off,
			     unsigned int size, uint64_t value);
	/* Control.  Free it.  Stopped before. */
	void (*destroy)(struct virtio_device *d);
};

struct virtio_device {
	const struct virtio_device_ops *ops;
	struct virtio *virtio;	      /* borrowed; set by virtio_init() */
	struct virtio_features offer; /* the type's own bits (0 to 23, 50...) */
	uint16_t nr_queues;
	uint16_t queue_max; /* largest queue size, power of two */
	uint32_t config_size;
};

#endif
