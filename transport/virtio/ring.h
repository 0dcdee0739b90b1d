/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring.h - what a queue needs of either kind of ring
 *
 * Split and packed rings differ in where a chain begins, how it is shown as
 * used, and how each side says what it wants to hear of.  Descriptors, their
 * walk and their rules are common (queue.c).  Internal to transport/virtio.
 *
 * Threads   the poll loop that runs the queue
 * Trust     everything in guest memory is hostile
 */
#ifndef TRANSPORT_VIRTIO_RING_H
#define TRANSPORT_VIRTIO_RING_H

#include "transport/virtio/queue.h"

/* Both kinds; virtio 1.2, 2.7.5 and 2.8.13. */
#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u

/* One of a split ring, or of its indirect table. */
struct split_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

/* One of a packed ring. */
struct packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};
static_assert(sizeof(struct packed_desc) == 16, "is the ring's entry");

/* One of the three areas: virtio 1.2, 2.7 and 2.8. */
struct vq_area {
	uint64_t bytes;
	unsigned int align;
	bool read, write; /* by the device */
};

/* Descriptor, driver and device area of a ring of the queue's size. */
void split_areas(const struct vq *vq, struct vq_area area[3]);
void packed_areas(const struct vq *vq, struct vq_area area[3]);

/* The state before the first chain. */
void packed_begin(struct vq *vq);

/* Fill in head, id and slots.  False: there is none, or the queue broke. */
bool split_pop(struct vq *vq, struct vq_chain *c);
bool packed_pop(struct vq *vq, struct vq_chain *c);

/* Write a used element at @at of the ring (as s.used). */
void split_put(struct vq *vq, uint16_t at, uint16_t id, uint32_t len);
void packed_put(struct vq *vq, uint16_t at, uint16_t id, uint32_t len);
/* @at and @slots further. */
uint16_t packed_advance(const struct vq *vq, uint16_t at, uint16_t slots);

void split_publish(struct vq *vq);
void packed_publish(struct vq *vq);
bool split_wants_interrupt(struct vq *vq);
bool packed_wants_interrupt(struct vq *vq);
bool split_arm(struct vq *vq);
bool packed_arm(struct vq *vq);
void split_disarm(struct vq *vq);
void packed_disarm(struct vq *vq);

#endif
