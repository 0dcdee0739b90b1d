/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker.h - a poll loop as those see it who have it run something of theirs
 *
 * A *job* belongs to one thread, its owner, and is run by one worker at a time.
 * Between two workers, and while its owner changes what it is about, it is
 * *held*: nobody runs it.  It begins so.  Work that is posted meanwhile is
 * remembered, and given to the worker when the job is released.
 *
 * A job is in its worker's inbox at most once, so the inbox has no size and can
 * never be full; and it is in no inbox when it is held, so that it can be freed.
 *
 * Recall    the owner waits until the worker has let go of its jobs, which it
 *           does between two of them.  An owner is a worker itself: while it
 *           waits it lets go of what others want back, so that two of them that
 *           wait for each other both go on
 *
 * Field     written by      read by   edge
 * inbox     any             worker    J1 -> K1  "what the job is about, and why
 *                                               it was posted, is complete"
 * word      any             any       J2 -> K2  HELD: "the worker has let go"
 * at        owner, held     poster    who sees no RECALL, until the worker has
 *                                     taken what he posts
 * mailbox   any             owner     J3 -> K3  "the letter is complete"
 * asleep    (wake())        any       as loop.h's L2, B2
 *
 * Threads   "worker": the thread of the loop; "owner": of the job; or any
 * Memory    everything is its creator's; nothing is allocated here
 */
#ifndef TRANSPORT_MACHINE_WORKER_H
#define TRANSPORT_MACHINE_WORKER_H

#include <stdatomic.h>

#include "ring/base.h"

struct job;
struct worker;

#define JOB_DID	 1u /* something */
#define JOB_MORE 2u /* run it again next turn */

struct job_ops {
	/* Worker.  Run it once; @now is ticks_now().  JOB_DID and JOB_MORE. */
	unsigned int (*run)(struct job *j, uint64_t now);
	/* Worker, and only if it ran the job since it was released: nothing of
	 * it is under way on return. */
	void (*hold)(struct job *j);
	/* Worker, of jobs that had more: it is about to sleep.  For how many
	 * nanoseconds it may; 0: it must not, UINT64_MAX: for ever. */
	uint64_t (*sleep)(struct job *j);
};

struct job {
	const struct job_ops *ops;
	struct worker *at; /* NULL: never released yet */
	_Atomic uint32_t word;
	uint64_t turn;		  /* worker's: that ran it last */
	bool ran;		  /* worker's: since it was released */
	struct job *next_posted;  /* in the inbox */
	struct job *next, **from; /* worker's: of those with more; or NULL */
};

/* Jobs of one turn; the others are first in the next. */
#define WORKER_TURN_JOBS 8

struct worker_stats {
	uint64_t runs;
	uint64_t chains;  /* and looks in vain, as jobs say */
	uint64_t taken;	  /* jobs out of the inbox */
	uint64_t recalls; /* of those, to let go of */
};

struct worker {
	_Atomic(struct job *) inbox;
	struct job *active, **active_tail;
	uint64_t turn;
	/* Any thread.  It may be asleep: see to it that it is not for long. */
	void (*wake)(struct worker *w);
	struct worker_stats stats;
};

void worker_init(struct worker *w, void (*wake)(struct worker *w));

/* Worker.  Each job with work, once, WORKER_TURN_JOBS at most.  JOB_DID if
 * anything was done or was not reached, JOB_MORE if anything is left to do. */
unsigned int worker_turn(struct worker *w);

/* Worker.  As job_ops.sleep, of all of them. */
uint64_t worker_sleep(struct worker *w);

/* Worker, after it has declared that it sleeps: is there something? */
static inline bool worker_has_work(struct worker *w)
{
	/* Sequentially consistent: behind the declaration (L2). */
	return atomic_load(&w->inbox) != NULL;
}

/* ---- Jobs ------------------------------------------------------------------ */

/* Owner.  Held, and nobody's. */
void job_init(struct job *j, const struct job_ops *ops);

/* Owner.  Held: from now on @at runs it, when there is work. */
void job_release(struct job *j, struct worker *at);

/* Owner.  Ask for it back; to be followed by job_await(). */
void job_recall(struct job *j);
/* Owner, whose own worker is @self.  On return the job is held. */
void job_await(struct job *j, struct worker *self);

static inline bool job_is_held(struct job *j);

/* Any thread.  It has work. */
void job_post(struct job *j);

/* ---- Letters: to a machine's own loop --------------------------------------- */

/* A letter is in its box at most once; reading it takes it out. */
struct letter {
	struct letter *next;
	_Atomic bool posted;
	void (*read)(struct letter *l); /* owner */
};

struct letterbox {
	_Atomic(struct letter *) first;
	_Atomic(struct worker *) owner; /* to be woken; NULL: nobody */
};

/* Any thread.  What is written before this call is seen by read(), once. */
void letter_post(struct letterbox *box, struct letter *l);

/* Owner.  Read all there are; true if there was one. */
bool letterbox_read(struct letterbox *box);

static inline bool letterbox_has(struct letterbox *box)
{
	/* Sequentially consistent: behind the declaration of sleep (L2). */
	return atomic_load(&box->first) != NULL;
}

/* ---- In here ------------------------------------------------------------------ */

#define JOB_POSTED 1u /* in the inbox, or about to be */
#define JOB_WORK   2u /* there is some */
#define JOB_RECALL 4u /* its owner wants it back, or has it */
#define JOB_HELD   8u /* its owner has it */

static inline bool job_is_held(struct job *j)
{
	/* K2: pairs with J2, so that nothing of the worker's is to come. */
	return atomic_load_explicit(&j->word, memory_order_acquire) & JOB_HELD;
}

#endif
