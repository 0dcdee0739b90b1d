/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * queue.h - one virtqueue, the device's side, split or packed
 *
 * Take a chain, walk its spans, push it as used:
 *
 *	while (n < budget && vq_pop(vq, &chain)) {
 *		while (vq_chain_next(&chain, &span) > 0)
 *			...
 *		vq_push(vq, &chain, written);
 *	}
 *
 * The core publishes after each run: many chains cost one release and one
 * decision about the interrupt.  A chain may be pushed much later, but while
 * its queue is live; what was pushed and not yet published when the queue
 * paused is published after it goes on.  Chains are pushed in any order; if
 * IN_ORDER was negotiated the driver sees them in its own.
 *
 * Once     every word in guest memory is loaded once into a local, checked,
 *          then used (rule 105); split descriptor tables are never written
 * Broken   a ring that makes no sense (rules 97 to 100, 107 to 109) breaks this
 *          queue until reset: it does nothing more and the device needs a reset
 * Paused   ring memory that is unmapped under a live queue pauses it: no
 *          access, no NEEDS_RESET; it goes on when the memory is back.  A
 *          descriptor into a hole while the rings are there breaks it, and so
 *          does a ring area that is there but in several pieces of host memory
 * Edges    with the driver: Q1 available, Q2 used, Q3 arming, Q4 the interrupt
 *          decision; split.c and packed.c have the tables
 *
 * Threads  the poll loop that runs the queue
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
	/* Split: indices that count on.  Packed: a place in the ring, and the
	 * wrap counter in bit 15. */
	uint16_t last_avail; /* the next to take */
	uint16_t used;	     /* the next to push */
	uint16_t published;  /* used, as the driver sees it */
	uint16_t signalled;  /* published, at the last interrupt decision */
	uint16_t taken;	     /* descriptors (packed), chains (split) held */
	uint8_t enabled;
	uint8_t broken;
	uint8_t reserved[2];
};

struct vq_stats {
	uint64_t kicks;
	uint64_t chains;
	uint64_t bytes_read, bytes_written; /* as the device saw them */
	uint64_t interrupts; /* raised; suppressed ones are not counted */
	uint64_t suppressed;
	uint64_t coalesced;    /* decisions that waited for a later one */
	uint64_t looks;	       /* runs that found nothing to do */
	uint64_t bad_requests; /* answered with an error */
	uint64_t broken;
};

struct vq_span {
	uint64_t gpa; /* where @host is for the guest */
	void *host;
	uint32_t len; /* > 0 */
	bool write;   /* the device may write it, and only that */
};

struct vq;

/*
 * A taken chain; valid until it is pushed or the queue stops.  A copy made
 * before the first vq_chain_next() walks it again, but only until a chain that
 * was taken later is pushed: in a packed ring that one's used descriptor lies
 * where this one's descriptors were (virtio 1.2, 2.8.6).  Who lets chains
 * overtake each other keeps spans' gpa and asks vq_span_again().
 */
struct vq_chain {
	struct vq *vq;
	uint16_t head;	/* split: its first descriptor; packed: its place */
	uint16_t id;	/* what the driver knows it by */
	uint16_t slots; /* of the ring that it takes */
	uint16_t seq;	/* counts the chains taken */
	/* iterator */
	uint16_t next;	 /* descriptor to load next */
	uint16_t loaded; /* elements so far, cuts loops */
	uint16_t limit;	 /* of them */
	bool more, indirect, seen_write;
	bool write;
	uint32_t entries; /* of the indirect table */
	uint32_t rest;	  /* of an element that spans regions */
	uint64_t addr;
	uint64_t table;	      /* the indirect table */
	const uint8_t *entry; /* the same, if it is in one piece */
	uint32_t derived;     /* when that was found */
	uint64_t bytes;	      /* of all elements so far */
	uint64_t writable;    /* of the spans handed out to be written */
};

/* A chain pushed before those that were taken before it (IN_ORDER). */
struct vq_late {
	uint32_t len;
	uint16_t id, slots;
	bool pushed, plain; /* plain: nothing in it was writable */
};

struct vq {
	struct vq_state s;
	uint16_t max;	   /* size after reset */
	uint16_t max_late; /* entries of late: max, or 0 */
	bool event_idx, indirect, packed, in_order; /* negotiated */
	bool running; /* DRIVER_OK, bus master: may touch memory */
	bool quiet;   /* asked the driver not to kick */
	/* derived from s and the map; NULL while paused */
	void *desc_host;
	const void *driver_host;
	void *device_host;
	/* Split: avail.idx when last loaded.  Packed: how many slots behind
	 * last_avail are known to be available. */
	uint16_t avail_seen;
	uint16_t seq;		/* of the next chain to be taken */
	uint16_t late_seq;	/* of the next to be shown, with IN_ORDER */
	uint16_t batch;		/* IN_ORDER: where the batch's element is */
	bool batch_open;	/* what follows may join it */
	uint16_t first_flags;	/* packed: to be stored by vq_publish() */
	uint32_t pushed;	/* slots since vq_publish() */
	uint32_t undecided;	/* slots since vq_wants_interrupt() */
	struct gpa_map *mem;	/* borrowed; NULL: no memory lent */
	struct gpa_region near; /* where the last address was found */
	uint32_t derived;	/* counts the maps: host pointers of another
				 * one are stale */
	struct vq_late *late;	/* owned */
	struct vq_stats stats;
};

/* @in_order: it may be negotiated, which takes memory.  -ENOMEM. */
int vq_init(struct vq *vq, uint16_t max, bool in_order);
void vq_fini(struct vq *vq);
/* All of the state to its defaults (virtio 1.2, 4.1.4.3.1); stats stay, and so
 * does what was negotiated. */
void vq_reset(struct vq *vq);

/* The features are settled, before the queue runs; all zero: forgotten. */
void vq_set_features(struct vq *vq, const struct virtio_features *f);

/* Driver's register writes; dropped while enabled (rule 45) or if no ring of
 * that kind has that size (rule 43). */
void vq_set_size(struct vq *vq, uint16_t size);

/* Driver wrote 1 to queue_enable.  False: the addresses make no sense (0,
 * misaligned, beyond the address space, in pieces) and the queue is broken
 * (rule 44); unmapped ring memory is merely paused.  Twice is as once. */
bool vq_enable(struct vq *vq);

/* Memory map, bus mastering or DRIVER_OK changed: derive the pointers. */
void vq_derive(struct vq *vq, struct gpa_map *mem, bool running);

/* May the queue be looked at? */
static inline bool vq_live(const struct vq *vq)
{
	/* Only then it is there: vq_derive(), vq_break(). */
	return vq->device_host;
}

/* Take the next chain.  False: none there, paused or (now) broken.  Chains
 * taken and not yet published are never more than the queue's size. */
bool vq_pop(struct vq *vq, struct vq_chain *chain);

/* The chain's next span: 1 span, 0 end, -1 the queue broke here: let go of
 * the chain and of what was done with it. */
int vq_chain_next(struct vq_chain *chain, struct vq_span *span);

/* Was the last span handed out?  vq_chain_next() would say 0. */
static inline bool vq_chain_ended(const struct vq_chain *chain)
{
	return !chain->more && !chain->rest;
}

/* To be walked from its first span again, as a copy made at first would be. */
static inline void vq_chain_rewind(struct vq_chain *chain)
{
	/* One by one: to clear all of it first takes longer than the rest. */
	chain->next = chain->vq->packed ? 0 : chain->head;
	chain->loaded = 0;
	chain->limit = chain->vq->s.size;
	chain->more = true;
	chain->indirect = false;
	chain->seen_write = false;
	chain->write = false;
	chain->rest = 0;
	chain->bytes = 0;
	chain->writable = 0;
}

/* Find the @len bytes of a span, or of a part of it, once more after the
 * memory map has changed: how many there are in one piece at *@host; 0: they
 * are there no more, and the queue is broken. */
uint64_t vq_span_again(struct vq *vq, uint64_t gpa, uint64_t len, bool write,
		       void **host);

/* The chain is used, @written bytes from the start of its writable part, of
 * which spans have been handed out.  Ignored unless the queue is live: then
 * the driver has taken its buffers back, or will by a reset. */
void vq_push(struct vq *vq, const struct vq_chain *chain, uint32_t written);

/* Show all pushed chains to the driver; true if there were any. */
bool vq_publish(struct vq *vq);

/* Does the driver want an interrupt for what was published since this was
 * asked last?  Ask at least once in 32768 slots: vq->undecided. */
bool vq_wants_interrupt(struct vq *vq);

/* Ask for kicks again before going idle; true if something came meanwhile
 * and the queue must be looked at once more. */
bool vq_arm(struct vq *vq);

/* We poll now: kicks are not wanted (a hint). */
void vq_disarm(struct vq *vq);

/* The ring is beyond repair; counted once. */
void vq_break(struct vq *vq);

#endif
