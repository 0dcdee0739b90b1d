/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * channel.h - one attachment's shared memory, as each of its two ends sees it
 *
 * A segment has a head page written by the service, a page written by the
 * client, one cache line per lane, and the rings: per lane one request and one
 * completion ring, and one interrupt ring for all.
 *
 *	client lane thread --mailbox--> service loop --mailbox--> lane thread
 *	client lane thread --request--> service loop (posted writes)
 *	service loop --irq--> client irq thread
 *
 * An access that waits for its answer takes the lane's mailbox (struct
 * seg_lane): question and answer on one cache line.  Without MAILBOX it takes
 * the request ring, and its answer the completion ring.
 *
 * Edges   R1 A1 R2 A2 of each ring (ring/ring.h), M1 N1 M2 N2 of a mailbox
 *         (ring/msg.h), W1 W2 of a sleeper (ring/wait.h); all of them with
 *         their tests are in docs/memory-order.md
 * Room    a mailbox has room for its one answer; the service takes a request
 *         off a ring only if its completion fits.  So it never waits for the
 *         client; a full interrupt ring is reported to the caller, who keeps
 *         the interrupt as state; a full request ring is told to the client's
 *         caller, with nothing sent
 * Order   one lane's requests are taken in the order they were put; a question
 *         after all that its lane posted before
 * Sleep   ring/wait.h; each waiter has its own words.  Who makes progress wakes
 *         a sleeper that declared itself, once; nobody waits for one to wake
 *         up.  Who has taken interrupts kicks a sleeping loop, which may have
 *         kept some; who let completions pile up is served again from its next
 *         request on.  With POLLS the loop never sleeps, and no client looks
 * Death   is not seen here, but as an EOF on the attach socket.  Until then a
 *         dead client's lanes are silent and its interrupt ring fills up, and a
 *         dead service's answers do not come.  What was half put is not seen,
 *         and the segment ends with its attachment
 * Lies    an index that cannot be, or a request that no client of ours could
 *         have sent, breaks the half that finds it for good: it takes nothing
 *         more and sends nothing, and channel_broken() says why.  What to do
 *         about it, such as to end the attachment, is its owner's business
 *
 * Threads   service half: the poll loop that owns the machine; create and
 *           destroy by the control thread while no loop polls it.  Client
 *           half: a lane by its thread, the irq ring by the irq thread
 * Trust     each half treats all the other half can write as hostile
 */
#ifndef RING_CHANNEL_H
#define RING_CHANNEL_H

#include <stdatomic.h>

#include "ring/msg.h"
#include "ring/ring.h"
#include "ring/wait.h"

#define CHANNEL_REQUESTS    256 /* per lane; one less fits */
#define CHANNEL_COMPLETIONS 64
#define CHANNEL_IRQS	    1024

struct channel_lane {
	struct ring request;
	struct ring completion;
	struct seg_lane *shared; /* borrowed from channel.lanes_shared */
	uint32_t pending;	 /* service: taken, not yet answered */
	uint32_t asked;		 /* client: its mailbox's question; 0: none */
	/* A client's lanes are different threads': no two on one cache line,
	 * wherever this begins. */
	uint8_t apart[64];
};

/* Why nothing is taken any more; the first reason stays. */
enum channel_fault {
	CHANNEL_WHOLE,
	CHANNEL_FORGED_INDEX, /* a ring's index that cannot be */
	CHANNEL_BAD_REQUEST,  /* one that no client of ours could have sent */
	CHANNEL_NR_FAULTS
};

/* Counters of the service's half; plain words of the owning loop. */
struct channel_stats {
	uint64_t requests;
	uint64_t completions;
	uint64_t irqs;
	uint64_t irq_full;     /* interrupt ring had no room, kept as state */
	uint64_t wakes;	       /* syscalls to wake the client */
	uint64_t bad_requests; /* those that broke it: 0 or 1 */
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
	bool mailbox;	       /* MSG_FEATURE_MAILBOX was agreed on */
	bool polled;	       /* client: MSG_FEATURE_POLLS was agreed on */
	bool irq_unwoken;      /* sent, but the irq thread was not looked at */
	_Atomic uint8_t fault; /* enum channel_fault; any thread of the half */
	unsigned int next_asked; /* service: the mailbox that is next */
	unsigned int looks;	 /* service: how many, see CHANNEL_LOOK_EVERY */
	unsigned int next_look;	 /* service: the lane whose ring is next */
	struct channel_stats stats;
	/* Service: the question last taken of each lane; looked at each turn,
	 * so close together. */
	uint32_t taken[PCIRING_MAX_LANES];
};

/* ---- Both halves ------------------------------------------------------- */

/* Fill @geo for @lanes lanes; -EINVAL. */
int channel_geometry(struct msg_geometry *geo, unsigned int lanes);

/* Unmap and close everything. */
void channel_fini(struct channel *ch);

/* Before anything is sent, by both halves or by none: accesses that wait for
 * an answer take mailboxes. */
static inline void channel_use_mailbox(struct channel *ch)
{
	ch->mailbox = true;
}

/*
 * Client, before anything was sent: the service never sleeps, so nobody looks
 * whether to wake it.  The fence of that look (W2) is most of what a posted
 * write costs.
 */
static inline void channel_never_wake(struct channel *ch)
{
	ch->polled = true;
}

/* Whether, and why, this half found the other one lying.  Any thread. */
static inline enum channel_fault channel_broken(const struct channel *ch)
{
	/* Relaxed: it stands for itself, and guards no other memory. */
	return (enum channel_fault)atomic_load_explicit(&ch->fault,
							memory_order_relaxed);
}

/* From now on broken for @why, unless it is already.  Any thread. */
void channel_break(struct channel *ch, enum channel_fault why);

/* Whether an index of @ring, one of @ch, was forged, which breaks @ch. */
static inline bool channel_forged(struct channel *ch, const struct ring *ring)
{
	if (likely(!ring_forged(ring)))
		return false;
	channel_break(ch, CHANNEL_FORGED_INDEX);
	return true;
}

/* ---- The service's half ------------------------------------------------ */

/* A new segment and the eventfd that wakes its loop.  -errno. */
int channel_create(struct channel *ch, unsigned int lanes, uint32_t epoch);

/*
 * Bit i: channel_take() may find something in lane i.  One mailbox with a
 * question, the next one the next time.  Of the request rings the next few,
 * which bounds what a turn costs and how long a doorbell waits; with mailboxes
 * not in each look, because a turn between two questions is waited for, and
 * whoever posts many has his line for longer.
 */
#define CHANNEL_LOOK_RINGS  16
#define CHANNEL_LOOK_POSTED 4 /* with mailboxes, one look of */
#define CHANNEL_LOOK_EVERY  4
uint64_t channel_look(struct channel *ch);

/*
 * Take up to @max requests of @lane that can be completed now, oldest first.
 * The copies in @req are private; their fields are not checked beyond op, size
 * and space (an EOI is a write of 4 bytes that is answered, nothing else).  One
 * that fails this breaks the channel, and so do one that waits for an answer
 * and did not come by the mailbox there is, and a question before the last one
 * is answered; then nothing is returned.
 */
unsigned int channel_take(struct channel *ch, unsigned int lane,
			  struct msg_access *req, unsigned int max);

/* Answer @req (not a posted one) and wake its lane's thread if it sleeps.  In
 * any order, at any time; a channel that broke meanwhile sends nothing. */
void channel_complete(struct channel *ch, unsigned int lane,
		      const struct msg_access *req, uint64_t value, int status);

/*
 * Send one interrupt; false if the ring is full or the channel broken (nothing
 * sent).  A sleeping irq thread is not woken by it but by channel_irq_wake(),
 * which the loop calls once for all that it sent in a turn.  Inline: every
 * interrupt passes.
 */
static inline bool channel_irq(struct channel *ch, const struct msg_irq *irq)
{
	if (unlikely(channel_broken(ch)))
		return false;
	if (unlikely(!ring_put_one(&ch->irq, irq, sizeof(*irq)))) {
		ch->stats.irq_full += !channel_forged(ch, &ch->irq);
		return false;
	}
	ch->stats.irqs++;
	ch->irq_unwoken = true;
	return true;
}

void channel_irq_wake(struct channel *ch);

/*
 * What a loop asks after it declared sleep: whether channel_take() would take
 * something of some lane, or break the channel, which the next look is then
 * about; and whether an interrupt that found no room before would find some.
 */
bool channel_has_work(struct channel *ch);
bool channel_irq_room(const struct channel *ch);

/*
 * The loop is about to sleep: from now on a client that puts a request also
 * writes kick_fd, once, unless it was told that there is no such loop
 * (channel_never_wake()).  The loop is awake again: kick_fd is emptied here,
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

/*
 * Put one request; false if the ring is full or the channel broken.  Wakes a
 * sleeping loop, if there can be one.  With mailboxes a question always has
 * room; its answer has to be taken before anything else is put on its lane, and
 * its seq is another one than the last and not 0.
 */
bool channel_put(struct channel *ch, unsigned int lane,
		 const struct msg_access *req);

/*
 * Whether @n more fit @lane's request ring.  Looks at the service's index only
 * when what was last seen of it does not say so.  Inline: every post passes.
 */
static inline bool channel_can_put(struct channel *ch, unsigned int lane,
				   unsigned int n)
{
	struct ring *ring = &ch->lane[lane].request;

	if (likely(ring_free(ring, n) >= n))
		return true;
	(void)channel_forged(ch, ring);
	return false;
}

/*
 * Take one completion if there is one; each is taken once.  A mailbox has one
 * only for the question that was put last; what a completion ring holds may be
 * older, so compare its seq.
 */
bool channel_get(struct channel *ch, unsigned int lane,
		 struct msg_completion *c);

/* Take up to @max interrupts.  Kicks a sleeping loop if there were any, and if
 * there can be one. */
unsigned int channel_get_irqs(struct channel *ch, struct msg_irq *irqs,
			      unsigned int max);

/* Whether a write of these coordinates may be posted now. */
bool channel_may_post(const struct channel *ch, uint8_t space,
		      uint16_t function, uint64_t address, uint8_t size);

#endif
