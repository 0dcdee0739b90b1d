/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * queue.h - one virtqueue, the device's side (split ring)
 *
 * Take a chain, walk its spans, push it as used, and after a batch publish:
 *
 *	while (n < budget && vq_pop(vq, &chain)) {
 *		while (vq_chain_next(&chain, &span) > 0)
 *			...
 *		vq_push(vq, &chain, written);
 *	}
 *	if (vq_publish(vq))
 *		virtio_queue_raise(v, q);	(the core's run does this)
 *
 * Push and publish are separate so that many chains cost one release of
 * used.idx and one decision about the interrupt.  A chain is pushed while its
 * queue is live; what was pushed and not yet published when the queue paused
 * is published after it goes on.
 *
 * Once     every word in guest memory is loaded once into a local, checked,
 *          then used (rule 105); descriptor tables are never written
 * Broken   a ring that makes no sense (rules 97 to 100) breaks this queue
 *          until reset: it does nothing more and the device needs a reset
 * Paused   ring memory that is unmapped under a live queue pauses it: no
 *          access, no NEEDS_RESET; it goes on when the memory is back.  A
 *          descriptor into a hole while the rings are there breaks it, and so
 *          does a ring area that is there but in several pieces of host memory
 * Edges    with the driver: Q1 avail.idx, Q2 used.idx, Q3 arming, Q4 the
 *          interrupt decision; queue.c has the table
 *
 * Threads  the poll loop that owns the machine
 * Trust    everything in guest memory is hostile
 */
#ifndef TRANSPORT_VIRTIO_QUEUE_H
#define TRANSPORT_VIRTIO_QUEUE_H

#include "transport/mem/gpa.h"
#include "transport/virtio/device.h"

#define VQ_MAX_SIZE 32768

/* Descriptors of one chain, direct and indirect together; see chain_limit(). */
#define VQ_CHAIN_MAX 1024

/* Guest-visible state: pointer-free, saved and restored as it is. */
struct vq_state {
	uint64_t desc, driver, device; /* as the driver wrote them */
	uint16_t size;
	uint16_t last_avail; /* the next avail entry to take */
	uint16_t used;	     /* used.idx as pushed */
	uint16_t published;  /* used.idx as the driver sees it */
	uint8_t enabled;
	uint8_t broken;
	uint8_t reserved[6];
};

struct vq_stats {
	uint64_t kicks;
	uint64_t chains;
	uint64_t bytes_read, bytes_written; /* as the device saw them */
	uint64_t interrupts; /* raised; suppressed ones are not counted */
	uint64_t suppressed;
	uint64_t broken;
};

struct vq_span {
	void *host;
	uint32_t len; /* > 0 */
	bool write;   /* the device may write it, and only that */
};

struct vq;

/* A taken chain; valid until it is pushed or the queue stops. */
struct vq_chain {
	struct vq *vq;
	uint16_t head;
	/* iterator */
	uint16_t next;	 /* descriptor to load next */
	uint16_t loaded; /* elements so far, cuts loops */
	bool more, indirect, seen_write;
	uint64_t table;	  /* of the indirect table */
	uint32_t entries; /* in it */
	uint64_t addr;	  /* rest of an element that spans regions */
	uint32_t rest;
	bool write;
	uint64_t bytes;	   /* of all elements so far */
	uint64_t writable; /* of the spans handed out to be written */
};

struct vq {
	struct vq_state s;
	uint16_t max;		  /* size after reset */
	bool event_idx, indirect; /* negotiated */
	bool running;		  /* DRIVER_OK, bus master: may touch memory */
	bool quiet;		  /* asked the driver not to kick */
	/* derived from s and the map; NULL while paused */
	const void *desc_host, *avail_host;
	void *used_host;
	uint16_t avail_seen; /* avail.idx when last loaded */
	struct gpa_map *mem; /* borrowed; NULL: no memory lent */
	struct vq_stats stats;
};

void vq_init(struct vq *vq, uint16_t max);
/* All of the state to its defaults (virtio 1.2, 4.1.4.3.1); stats stay. */
void vq_reset(struct vq *vq);

/* Driver's register writes; dropped while enabled (rule 45). */
void vq_set_size(struct vq *vq, uint16_t size);

/* Driver wrote 1 to queue_enable.  False: the addresses make no sense (0,
 * misaligned, beyond the address space, in pieces) and the queue is broken
 * (rule 44); unmapped ring memory is merely paused.  Twice is as once. */
bool vq_enable(struct vq *vq);

/* The features are settled: at DRIVER_OK, before the queue runs. */
void vq_set_features(struct vq *vq, const struct virtio_features *f);

/* Memory map, bus mastering or DRIVER_OK changed: derive the pointers. */
void vq_derive(struct vq *vq, struct gpa_map *mem, bool running);

/* May the queue be looked at? */
static inline bool vq_live(const struct vq *vq)
{
	return vq->used_host && vq->running && !vq->s.broken;
}

/* Take the next chain.  False: none there, paused or (now) broken.  Chains
 * taken and not yet pushed are never more than the queue's size. */
bool vq_pop(struct vq *vq, struct vq_chain *chain);

/* The chain's next span: 1 span, 0 end, -1 the queue broke here: let go of
 * the chain and of what was done with it. */
int vq_chain_next(struct vq_chain *chain, struct vq_span *span);

/* The chain is used, @written bytes from the start of its writable part, of
 * which spans have been handed out.  Ignored unless the queue is live: then
 * the driver has taken its buffers back, or will by a reset. */
void vq_push(struct vq *vq, const struct vq_chain *chain, uint32_t written);

/* Show all pushed chains to the driver; true if it wants an interrupt. */
bool vq_publish(struct vq *vq);

/* Ask for kicks again before going idle; true if something came meanwhile
 * and the queue must be looked at once more. */
bool vq_arm(struct vq *vq);

/* We poll now: kicks are not wanted (a hint). */
void vq_disarm(struct vq *vq);

/* The ring is beyond repair; counted once. */
void vq_break(struct vq *vq);

#endif
