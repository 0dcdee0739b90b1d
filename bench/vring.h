/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vring.h - the driver's half of one virtqueue, split or packed
 *
 * Requests are numbered slots, each of as many pieces as all others of the
 * queue, so a slot has its descriptors for good (split) or takes so many in a
 * row (packed).  Descriptors are written anew for each request, as drivers do;
 * an indirect table is one of the slot's own.  Interrupts are not wanted: who
 * waits looks.
 *
 * Field (split)   written by   read by   edge
 * avail.idx       driver       device    "the chains are complete"
 * used.idx        device       driver    "so are the used elements"
 * Field (packed)
 * flags of a descriptor: both, in turn; the same two edges
 *
 * Threads  one
 * Trust    a device that uses what it was not given is an error of the caller's
 *          measurement
 */
#ifndef BENCH_VRING_H
#define BENCH_VRING_H

#include <stdatomic.h>
#include <stdbool.h>

#include "bench/pci_driver.h"

#define VRING_SIZE   256 /* entries; a power of two */
#define VRING_PIECES 4	 /* of a request, at most */
#define VRING_SLOTS  VRING_SIZE

/* virtio 1.2, 6: feature bits */
#define VRING_F_INDIRECT (1ull << 28)
#define VRING_F_VERSION	 (1ull << 32)
#define VRING_F_PACKED	 (1ull << 34)
#define VRING_F_IN_ORDER (1ull << 35)

struct vring_piece {
	uint64_t gpa;
	uint32_t len;
	bool write; /* by the device */
};

struct vring_memory; /* rings and indirect tables, in guest memory */
size_t vring_memory_size(void);

struct vring {
	struct vring_memory *memory; /* borrowed */
	uint64_t gpa;		     /* of that */
	bool packed, indirect;
	unsigned int pieces; /* of each request */
	unsigned int step;   /* descriptors of each request */
	uint16_t avail, used;
	bool avail_wrap, used_wrap;
	bool offered[VRING_SLOTS];
	struct pciring *link; /* borrowed */
	uint64_t doorbell;    /* guest physical */
	uint16_t index;
	bool postable;
	uint64_t kicks;
};

/* The other fields are set; @memory is zeroed here. */
void vring_init(struct vring *v);
/* Where its parts are, for pci_start_queue(). */
void vring_place(const struct vring *v, struct pci_queue *q);

/* Offer @slot, which is not offered. */
void vring_add(struct vring *v, unsigned int slot,
	       const struct vring_piece *piece);
/* What was added is to be seen; kick if the device wants it.  -errno */
int vring_show(struct vring *v);
/* Whether it wants that or not. */
int vring_kick(struct vring *v);
/* Whether there is one to reap. */
bool vring_used(const struct vring *v);
/* One that the device has used: its slot; -EAGAIN: there is none;
 * -EBADMSG.  */
int vring_reap(struct vring *v, uint32_t *len);

#endif
