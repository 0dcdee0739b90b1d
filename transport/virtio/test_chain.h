/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_chain.h - for unit tests: chains, and memory with a seam
 */
#ifndef TRANSPORT_VIRTIO_TEST_CHAIN_H
#define TRANSPORT_VIRTIO_TEST_CHAIN_H

#include "transport/virtio/test_queue.h"

/* Where an indirect table may be. */
#define TABLE (RIG_DATA + 0x10000)

static inline void desc(struct test *t, unsigned int i, uint64_t addr,
			uint32_t len, unsigned int flags, unsigned int next)
{
	rig_desc(&t->ring, i, addr, len, flags, next);
}

/* Descriptor @i refers to a table of @n entries. */
static inline void refer(struct test *t, unsigned int i, unsigned int n,
			 unsigned int flags)
{
	desc(t, i, TABLE, 16 * n, RIG_INDIRECT | flags, 0);
}

static inline void entry(struct test *t, unsigned int i, uint64_t addr,
			 uint32_t len, unsigned int flags, unsigned int next)
{
	struct rig_ring table = { .packed = t->ring.packed,
				  .desc = rig_at(&t->rig, TABLE) };

	rig_desc(&table, i, addr, len, flags, next);
}

/* Offer descriptor @head and walk it; the number of spans, or -1 if the queue
 * broke.  The device must have left the descriptor table alone. */
static inline int walk(struct test *t, unsigned int head, uint64_t *bytes)
{
	struct rig_desc before[TEST_QUEUE_SIZE];
	struct vq_chain c;
	struct vq_span s;
	int n = 0;
	int err;

	*bytes = 0;
	rig_offer(&t->ring, head);
	memcpy(before, t->ring.desc, sizeof(before));
	/* A packed chain without an end is not even taken. */
	if (!vq_pop(&t->vq, &c))
		return t->vq.s.broken ? -1 : -2;
	while ((err = vq_chain_next(&c, &s)) > 0) {
		*bytes += s.len;
		n++;
	}
	if (t->vq.s.broken != (err < 0) || t->vq.stats.broken != (err < 0))
		return -4;
	if (memcmp(before, t->ring.desc, sizeof(before)))
		return -3;
	if (!err)
		vq_push(&t->vq, &c, 0);
	if (!t->ring.packed && memcmp(before, t->ring.desc, sizeof(before)))
		return -3;
	return err < 0 ? -1 : n;
}

/* Descriptor 0 makes @spans spans (-1: breaks the queue); the test's end. */
#define expect(t, spans)                                                       \
	do {                                                                   \
		uint64_t expect_bytes;                                         \
                                                                               \
		assert_int_equal(walk(t, 0, &expect_bytes), spans);            \
		end(t);                                                        \
	} while (0)
#define expect_broken(t) expect(t, -1)

/* Guest memory from here on lies elsewhere in the host, so that what crosses
 * this address is in two pieces. */
#define SEAM	    (RIG_DATA + 0x4000)
#define BEHIND_SEAM (SEAM + 0x8000) /* where it lies, for rig_at() */

static inline void split_memory(struct test *t)
{
	rig_unmap(&t->rig, RIG_GPA, RIG_SIZE);
	rig_map(&t->rig, RIG_GPA, SEAM - RIG_GPA, t->rig.mem,
		GPA_READ | GPA_WRITE);
	rig_map(&t->rig, SEAM, 0x1000, rig_at(&t->rig, BEHIND_SEAM),
		GPA_READ | GPA_WRITE);
	vq_derive(&t->vq, &t->rig.map, true);
	assert(vq_live(&t->vq));
}

#endif
