/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_core.h - for unit tests: the core between a test device and a transport
 * that counts
 */
#ifndef TRANSPORT_VIRTIO_TEST_CORE_H
#define TRANSPORT_VIRTIO_TEST_CORE_H

#include "transport/virtio/test_device.h"
#include "transport/virtio/test_rig.h"

#define CORE_RING_SIZE 8

#define CORE_UP                                                                \
	(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK |             \
	 VIRTIO_DRIVER_OK)

struct core {
	struct rig rig;
	struct rig_ring ring[TEST_QUEUES];
	struct test_device dev;
	struct virtio v;
	unsigned int queue_raised[TEST_QUEUES];
	unsigned int config_raised, works, resets;
};

static inline void core_queue_raise(void *transport, unsigned int q)
{
	((struct core *)transport)->queue_raised[q]++;
}

static inline void core_config_raise(void *transport)
{
	((struct core *)transport)->config_raised++;
}

static inline void core_work(void *transport)
{
	((struct core *)transport)->works++;
}

static inline void core_reset(void *transport)
{
	((struct core *)transport)->resets++;
}

static inline void core_begin(struct core *c)
{
	static const struct virtio_transport_ops ops = {
		.queue_raise = core_queue_raise,
		.config_raise = core_config_raise,
		.work = core_work,
		.reset = core_reset,
	};
	unsigned int q;
	int err;

	*c = (struct core){ .works = 0 };
	rig_init(&c->rig);
	for (q = 0; q < TEST_QUEUES; q++)
		rig_ring(&c->rig, &c->ring[q], q, CORE_RING_SIZE);
	test_device_init(&c->dev);
	err = virtio_init(&c->v, &c->dev.device, rig_options(), &ops, c);
	assert(!err);
	(void)err;
	virtio_set_memory(&c->v, &c->rig.map);
	virtio_set_master(&c->v, true);
}

static inline void core_end(struct core *c)
{
	virtio_fini(&c->v);
	rig_fini(&c->rig);
}

/* The driver chooses these of the first 64, and VERSION_1. */
static inline void core_choose(struct core *c, uint64_t features)
{
	features |= BIT_ULL(VIRTIO_F_VERSION_1);
	virtio_write_features(&c->v, 0, (uint32_t)features);
	virtio_write_features(&c->v, 1, (uint32_t)(features >> 32));
}

static inline void core_enable(struct core *c, unsigned int q)
{
	rig_tell(&c->ring[q], virtio_queue(&c->v, q));
	virtio_queue_enable(&c->v, q);
}

/* All queues, DRIVER_OK, and the first look at them done. */
static inline void core_up(struct core *c)
{
	unsigned int q;

	core_begin(c);
	core_choose(c, 0);
	for (q = 0; q < TEST_QUEUES; q++)
		core_enable(c, q);
	virtio_write_status(&c->v, CORE_UP);
	rig_turn(&c->v, 64);
	for (q = 0; q < TEST_QUEUES; q++)
		c->dev.runs[q] = 0;
	c->works = 0;
}

static inline void core_offer(struct core *c, unsigned int q)
{
	rig_desc(&c->ring[q], 0, RIG_DATA, 16, RIG_WRITE, 0);
	rig_offer(&c->ring[q], 0);
}

/* Whatever is to be done, within reason. */
static inline void core_settle(struct core *c)
{
	unsigned int i;

	for (i = 0; i < 100 && rig_turn(&c->v, 64); i++)
		;
}

#endif
