/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * channel.h - one attachment's shared memory, as each of its two ends sees it
 *
 * A segment has a head page written by the service, a page written by the
 * client, one line of wait words per lane, and the rings: per lane one request
 * and one completion ring, and one interrupt ring for all.
 *
 *	client lane thread --request--> service loop --completion--> lane thread
 *	service loop --irq--> client irq thread
 *
 * Room    the service takes a request only if its completion fits, so it
 *         never waits for the client; a full interrupt ring is reported to
 *         the caller, who keeps the interrupt as state
 * Order   one lane's requests are taken in the order they were put
 * Sleep   ring/wait.h; each waiter has its own words.  Who has taken interrupts
 *         kicks a sleeping loop, which may have kept some; who let completions
 *         pile up is served again from its next request on
 * Death   a client that dies is an EOF on the attach socket, not seen here; a
 *         service that dies likewise
 *
 * Threads   service half: the poll loop that owns the machine; create and
 *           destroy by the control thread while no loop polls it.  Client
 *           half: a lane by its thread, the irq ring by the irq thread
 * Trust     each half treats all the other half can write as hostile
 */
#ifndef RING_CHANNEL_H
#define RING_CHANNEL_H

#include "ring/msg.h"
#include "ring/ring.h"
#include "ring/wait.h"

#define CHANNEL_REQUESTS    64 /* per lane; one less fits */
#define CHANNEL_COMPLETIONS 64
#define CHANNEL_IRQS	    1024

struct channel_lane {
	struct ring request;
	struct ring completion;
	struct seg_lane *shared; /* borrowed from channel.lanes_shared */
	uint32_t pending;	 /* service: taken, not yet answered */
};

/* Counters of the service's half; plain words of the owning loop. */
struct channel_stats {
	uint64_t requests;
	uint64_t completions;
	uint64_t irqs;
	uint64_t irq_full;     /* interrupt ring had no room, kept as state */
	uint64_t wakes;	       /* syscalls to wake the client */
	uint64_t bad_requests; /* impossible size, op or space */
	uint64_t lost_completions; /* the client forged its ring full */
};

struct channel {
	int fd;			 /* owned: the segment */
	int kick_fd;		 /* owned: client to service, eventfd */
	struct msg_geometry geo; /* private copy */
	struct seg_head *head;
	struct seg_client *client;
	struct seg_lane *lanes_shared;
	struct channel_lane lane[PCIRING_MAX_LANES];
	struct ring irq;
	bool irq_unwoken; /* sent, but the irq thread was not looked at */
	struct channel_stats stats;
};

/* ---- Both halves ------------------------------------------------------- */

/* Fill @geo for @lanes lanes; -EINVAL. */
int channel_geometry(struct msg_geometry *geo, unsigned int lanes);

/* Unmap and close everything. */
void channel_fini(struct channel *ch);

/* ---- The service's half ------------------------------------------------ */

/* A new segment and the eventfd that wakes its loop.  -errno. */
int channel_create(struct channel *ch, unsigned int lanes, uint32_t epoch);

/*
 * Take up to @max requests of @lane that can be completed now.  The copies in
 * @req are private; their fields are not checked beyond op, size and space (an
 * EOI is a write of 4 bytes that is answered, nothing else): a request that
 * fails this is answered (all-ones, EINVAL) and counted here, and not returned.
 */
unsigned int channel_take(struct channel *ch, unsigned int lane,
			  struct msg_access *req, unsigned int max);

/* Answer @req (not a posted one) and wake its lane's thread if it sleeps. */
void channel_complete(struct channel *ch, unsigned int lane,
		      const struct msg_access *req, uint64_t value, int status);

/*
 * Send one interrupt; false if the ring is full (nothing sent).  A sleeping
 * irq thread is not woken by it but by channel_irq_wake(), which the loop
 * calls once for all that it sent in a turn.  Inline: every interrupt passes.
 * By @ring, for who has a copy of ch->irq at hand: its indices are then known
 * a pointer earlier.
 */
static inline bool channel_irq_by(struct channel *ch, struct ring *ring,
				  const struct msg_irq *irq)
{
	if (unlikely(!ring_put_one(ring, irq, sizeof(*irq)))) {
		ch->stats.irq_full++;
		return false;
	}
	ch->stats.irqs++;
	ch->irq_unwoken = true;
	return true;
}

static inline bool channel_irq(struct channel *ch, const struct msg_irq *irq)
{
	return channel_irq_by(ch, &ch->irq, irq);
}

void channel_irq_wake(struct channel *ch);

/* Whether a request could be taken, or an interrupt sent that found no room
 * before: what a loop asks after declaring sleep. */
bool channel_has_work(struct channel *ch);
bool channel_irq_room(const struct channel *ch);

/*
 * The loop is about to sleep: from now on a client that puts a request also
 * writes kick_fd, once.  The loop is awake again: kick_fd is emptied here,
 * without ever blocking (a plain read() could, if the client meddles with the
 * descriptor's flags), so the loop only polls it.
 */
void channel_sleep(struct channel *ch);
void channel_awake(struct channel *ch);

/* Publish which writes may be posted (at most SEG_WINDOWS are taken). */
void channel_set_windows(struct channel *ch, const struct seg_window *w,
			 unsigned int n);

/* ---- The client's half ------------------------------------------------- */

/* Map what a hello reply described.  Takes over the descriptors only on
 * success.  -EPROTO if the geometry makes no sense. */
int channel_open(struct channel *ch, const struct msg_geometry *geo,
		 const int fds[MSG_NR_FDS]);

/* Put one request; false if the ring is full.  Wakes a sleeping loop. */
bool channel_put(struct channel *ch, unsigned int lane,
		 const struct msg_access *req);

/* Take one completion if there is one. */
bool channel_get(struct channel *ch, unsigned int lane,
		 struct msg_completion *c);

unsigned int channel_get_irqs(struct channel *ch, struct msg_irq *irqs,
			      unsigned int max);

/* 1 if a write of these coordinates may be posted now. */
bool channel_may_post(const struct channel *ch, uint8_t space,
		      uint16_t function, uint64_t address, uint8_t size);

#endif
