/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_queue.h - for unit tests: one queue and its rings, of either kind
 *
 * A test that is listed with both() runs twice; its state says with which kind
 * of ring, and goes on to begin() or live().
 */
#ifndef TRANSPORT_VIRTIO_TEST_QUEUE_H
#define TRANSPORT_VIRTIO_TEST_QUEUE_H

#include "transport/virtio/test_rig.h"
#include "transport/virtio/virtio.h"

#define TEST_QUEUE_SIZE 16
#define TEST_INDIRECT	BIT_ULL(VIRTIO_F_INDIRECT_DESC)
#define TEST_EVENT_IDX	BIT_ULL(VIRTIO_F_EVENT_IDX)
#define TEST_PACKED	BIT_ULL(VIRTIO_F_RING_PACKED)
#define TEST_IN_ORDER	BIT_ULL(VIRTIO_F_IN_ORDER)

/* What a test's state points to, for a packed ring. */
static const bool test_packed __attribute__((unused)) = true;

#define split_only(f)                                                          \
	{                                                                      \
#f, f, NULL, NULL, NULL                                        \
	}
#define packed_only(f)                                                         \
	{                                                                      \
#f " (packed)", f, NULL, NULL, (void *)&test_packed            \
	}
#define both(f) split_only(f), packed_only(f)

struct test {
	struct rig rig;
	struct rig_ring ring;
	struct vq vq;
};

/* Whether @state, of a test or NULL, says packed. */
static inline bool packed(void **state)
{
	return state && *state;
}

/* Told where its rings are, not enabled. */
static inline void begin_with(struct test *t, void **state, uint64_t features,
			      uint16_t size)
{
	struct virtio_features f = { { features, 0 } };
	int err;

	rig_init(&t->rig);
	rig_ring(&t->rig, &t->ring, 0, size);
	if (packed(state)) {
		rig_pack(&t->ring);
		virtio_set(&f, VIRTIO_F_RING_PACKED);
	}
	err = vq_init(&t->vq, 256, true);
	assert(!err);
	(void)err;
	vq_set_features(&t->vq, &f);
	rig_tell(&t->ring, &t->vq);
}

static inline void begin(struct test *t, void **state)
{
	begin_with(t, state, 0, TEST_QUEUE_SIZE);
}

static inline void end(struct test *t)
{
	vq_fini(&t->vq);
	rig_fini(&t->rig);
}

static inline void go(struct test *t)
{
	vq_enable(&t->vq);
	vq_derive(&t->vq, &t->rig.map, true);
}

/* A live queue. */
static inline void live_with(struct test *t, void **state, uint64_t features,
			     uint16_t size)
{
	begin_with(t, state, features, size);
	go(t);
	assert(vq_live(&t->vq));
}

static inline void live(struct test *t, void **state, uint64_t features)
{
	live_with(t, state, features, TEST_QUEUE_SIZE);
}

/* Offer a chain of one descriptor, to be known as @id: in a split ring this is
 * the descriptor's number. */
static inline void offer(struct test *t, unsigned int id)
{
	const unsigned int i = t->ring.packed ? rig_place(&t->ring) : id;

	t->ring.id = (uint16_t)id;
	rig_desc(&t->ring, i, RIG_DATA, 16, RIG_WRITE, 0);
	rig_offer(&t->ring, i);
}

/* Walk all of a chain. */
static inline bool walk_all(struct vq_chain *c)
{
	struct vq_span s;
	int n;

	do
		n = vq_chain_next(c, &s);
	while (n > 0);
	return !n;
}

/* Take one chain and use it, with @written bytes. */
static inline bool serve(struct test *t, uint32_t written)
{
	struct vq_chain c;

	if (!vq_pop(&t->vq, &c))
		return false;
	walk_all(&c);
	vq_push(&t->vq, &c, written);
	return true;
}

/* Publish; true if the driver is to be interrupted for it. */
static inline bool tell(struct test *t)
{
	return vq_publish(&t->vq) && vq_wants_interrupt(&t->vq);
}

/* The driver finds, as the next thing, chain @id used with @len bytes. */
static inline bool finds(struct test *t, uint32_t id, uint32_t len)
{
	struct rig_answer a;

	return rig_take(&t->ring, 1, &a) && a.id == id && a.len == len;
}

static inline bool finds_nothing(struct test *t)
{
	struct rig_answer a;

	return !rig_take(&t->ring, 1, &a);
}

#endif
