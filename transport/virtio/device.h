/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device.h - what a device is to the virtio core, and what it may ask of it
 *
 * A device model embeds struct virtio_device and fills in an ops table.  It
 * has not heard of PCI, rings between processes, or interrupts: it takes
 * chains from queues (queue.h), and says through virtio.h that it used some or
 * that its configuration changed.
 *
 * Threads   every call is made by the poll loop that owns the machine, but
 *           for create and destroy (control thread, while no loop runs it)
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

struct virtio;
struct virtio_device;

struct virtio_device_ops {
	const char *name; /* "rng" */
	uint16_t type;	  /* virtio device ID; virtio 1.2, chapter 5 */

	/* DRIVER_OK with an accepted feature set: queues run from now on. */
	void (*start)(struct virtio_device *d);
	/* Reset, failure or end: on return the device holds no chain, and
	 * nothing of it, however late, touches guest memory. */
	void (*stop)(struct virtio_device *d);
	/* Guest memory is about to change: on return the device holds no host
	 * pointer into it.  Work goes on with the next queue_run. */
	void (*quiesce)(struct virtio_device *d);
	/* Use up to @budget chains of queue @q; true if there is more that
	 * could be done now.  Called only while the queue can run. */
	bool (*queue_run)(struct virtio_device *d, unsigned int q,
			  unsigned int budget);
	/* [off, off + size) lies inside config_size; size 1, 2, 4 or 8.
	 * NULL: the type has no configuration. */
	uint64_t (*config_read)(struct virtio_device *d, uint32_t off,
				unsigned int size);
	void (*config_write)(struct virtio_device *d, uint32_t off,
			     unsigned int size, uint64_t value);
	/* Free it.  Stopped before. */
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
