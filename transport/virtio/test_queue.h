/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_queue.h - for unit tests: one queue and its rings
 */
#ifndef TRANSPORT_VIRTIO_TEST_QUEUE_H
#define TRANSPORT_VIRTIO_TEST_QUEUE_H

#include "transport/virtio/test_rig.h"
#include "transport/virtio/virtio.h"

#define TEST_QUEUE_SIZE 16
#define TEST_INDIRECT	BIT_ULL(VIRTIO_F_INDIRECT_DESC)
#define TEST_EVENT_IDX	BIT_ULL(VIRTIO_F_EVENT_IDX)

struct test {
	struct rig rig;
	struct rig_ring ring;
	struct vq vq;
};

/* Told where its rings are, not enabled. */
static inline void begin(struct test *t)
{
	rig_init(&t->rig);
	rig_ring(&t->rig, &t->ring, 0, TEST_QUEUE_SIZE);
	vq_init(&t->vq, 256, false);
	rig_tell(&t->ring, &t->vq);
}

static inline void end(struct test *t)
{
	rig_fini(&t->rig);
}

static inline void go(struct test *t)
{
	vq_enable(&t->vq);
	vq_derive(&t->vq, &t->rig.map, true);
}

/* A live queue. */
static inline void live(struct test *t, uint64_t features)
{
	const struct virtio_features f = { { features, 0 } };

	begin(t);
	vq_set_features(&t->vq, &f);
	go(t);
	assert(vq_live(&t->vq));
}

static inline void offer(struct test *t, unsigned int i)
{
	rig_desc(&t->ring, i, RIG_DATA, 16, RIG_WRITE, 0);
	rig_offer(&t->ring, i);
}

/* Publish, and decide: true if the driver is told. */
static inline bool queue_tell(struct vq *vq)
{
	return vq_publish(vq) && vq_wants_interrupt(vq);
}

/* Take one chain and use it, with @written bytes. */
static inline bool serve(struct test *t, uint32_t written)
{
	struct vq_chain c;
	struct vq_span s;

	if (!vq_pop(&t->vq, &c))
		return false;
	while (vq_chain_next(&c, &s) > 0)
		;
	vq_push(&t->vq, &c, written);
	return true;
}

#endif
