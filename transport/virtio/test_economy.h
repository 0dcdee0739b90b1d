/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_economy.h - for unit tests: a device, its rings, and what its transport
 * was told of them
 */
#ifndef TRANSPORT_VIRTIO_TEST_ECONOMY_H
#define TRANSPORT_VIRTIO_TEST_ECONOMY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#include "transport/virtio/test_device.h"
#include "transport/virtio/test_rig.h"

#define UP   0xf /* all of the status, to DRIVER_OK */
#define RING 16
#define HOT  1000u

/* A device and its rings; what its transport was told. */
struct economy {
	struct rig rig;
	struct rig_ring ring[TEST_QUEUES];
	struct test_device dev;
	struct virtio v;
	unsigned int raised[TEST_QUEUES], config_raised, events;
	unsigned int works, recalls, releases;
	unsigned int away_works[TEST_QUEUES];
	bool recalled;
};

static inline void economy_queue_raise(void *transport, unsigned int q)
{
	((struct economy *)transport)->raised[q]++;
}

static inline void economy_config_raise(void *transport)
{
	((struct economy *)transport)->config_raised++;
}

static inline void economy_work(void *transport)
{
	((struct economy *)transport)->works++;
}

static inline void economy_reset(void *transport)
{
	(void)transport;
}

static inline void economy_recall(void *transport)
{
	struct economy *e = transport;

	assert_false(e->recalled);
	e->recalled = true;
	e->recalls++;
}

static inline void economy_release(void *transport)
{
	struct economy *e = transport;

	assert_true(e->recalled);
	e->recalled = false;
	e->releases++;
}

static inline void economy_queue_work(void *transport, unsigned int q)
{
	((struct economy *)transport)->away_works[q]++;
}

static inline void economy_event(void *transport)
{
	((struct economy *)transport)->events++;
}

static const struct virtio_transport_ops economy_ops = {
	.queue_raise = economy_queue_raise,
	.config_raise = economy_config_raise,
	.work = economy_work,
	.reset = economy_reset,
	.recall = economy_recall,
	.release = economy_release,
	.queue_work = economy_queue_work,
	.event = economy_event,
};

static inline void settle(struct economy *e, uint64_t now)
{
	for (unsigned int i = 0; i < 10; i++)
		virtio_run(&e->v, 64, now);
}

/* Up and cool, with everything before forgotten. */
static inline void begin(struct economy *e, const struct virtio_options *o)
{
	memset(e, 0, sizeof(*e));
	rig_init(&e->rig);
	test_device_init(&e->dev);
	assert_int_equal(virtio_init(&e->v, &e->dev.device, o, &economy_ops, e),
			 0);
	virtio_set_memory(&e->v, &e->rig.map);
	virtio_set_master(&e->v, true);
	virtio_write_features(&e->v, 1, 1);
	for (unsigned int q = 0; q < TEST_QUEUES; q++) {
		rig_ring(&e->rig, &e->ring[q], q, RING);
		rig_tell(&e->ring[q], virtio_queue(&e->v, q));
		virtio_queue_enable(&e->v, q);
	}
	virtio_write_status(&e->v, UP);
	settle(e, 0);
	memset(e->dev.runs, 0, sizeof(e->dev.runs));
	e->works = e->recalls = e->releases = 0;
}

static inline void end(struct economy *e)
{
	virtio_fini(&e->v);
	rig_fini(&e->rig);
}

static inline void offer(struct economy *e, unsigned int q)
{
	rig_desc(&e->ring[q], 0, RIG_DATA, 16, RIG_WRITE, 0);
	rig_offer(&e->ring[q], 0);
}

static inline bool wants_kicks(const struct economy *e, unsigned int q)
{
	return !(e->ring[q].used->flags & 1);
}

#endif
