/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loop.h - one poll loop: the thread that runs the machines given to it
 *
 * A turn gives each machine one machine_turn().  With nothing to do a loop
 * either polls on (idle off) or, after some idle microseconds, declares sleep
 * on every link, looks once more, and waits for a kick.
 *
 * The control thread changes a running machine only through loop_call(): the
 * loop executes the function between two turns, while the control thread
 * waits.  When nobody calls, that costs the loop one load a turn.
 *
 * Field    written by   read by   edge
 * call     control      loop      L1 -> B1   "the call is complete"
 * asleep   loop         any       L2, B2: both sequentially consistent, so a
 *                                 call, a job and a letter (machine/worker.h)
 *                                 are seen before sleep or wake it
 * returned loop         control   L3 -> B3   "the thread is through with it"
 *
 * Threads   loop_run() is the loop's thread; all else is control's
 * Memory    the loop is allocated here; machines and descriptors are borrowed
 */
#ifndef APPS_PCIRINGD_LOOP_H
#define APPS_PCIRINGD_LOOP_H

#include "transport/machine/machine.h"

#define LOOP_MAX_MACHINES 1024
#define LOOP_IDLE_OFF	  (-1)

struct loop;

struct loop_stats {
	uint64_t turns;
	uint64_t turns_with_work;
	uint64_t sleeps;
	uint64_t calls;
	uint64_t uring_enters; /* of the kernel, by io_uring */
	uint64_t most_chains;  /* and looks in vain, in one turn */
	struct worker_stats worker;
};

typedef void loop_fn(void *arg);

/* @idle_us: LOOP_IDLE_OFF or how long to poll before sleeping.  -errno. */
int loop_create(unsigned int index, int idle_us, struct loop **out);
void loop_destroy(struct loop *loop);

unsigned int loop_index(const struct loop *loop);
/* As which it runs queues of other loops' machines; wakes it. */
struct worker *loop_worker(struct loop *loop);
int loop_idle_us(const struct loop *loop);
unsigned int loop_machines(const struct loop *loop);

/* The body of the loop's thread, an lcore function; returns after
 * loop_stop().  loop_start() comes first: from then on calls go to it. */
void loop_start(struct loop *loop);
int loop_run(void *loop);
/* Ask it to return; then wait for the thread, then loop_stopped(). */
void loop_stop(struct loop *loop);
void loop_stopped(struct loop *loop);

/* Run @fn on the loop's thread, or here if it has none; done on return. */
void loop_call(struct loop *loop, loop_fn *fn, void *arg);

/* -ENOSPC too many machines. */
int loop_add(struct loop *loop, struct machine *m);
void loop_remove(struct loop *loop, struct machine *m);

/* Let readable @fd end the loop's sleep; whoever sleeps empties it
 * (machine_awake).  To be unwatched before it is closed.  -errno. */
int loop_watch(struct loop *loop, int fd);
void loop_unwatch(struct loop *loop, int fd);

void loop_get_stats(struct loop *loop, struct loop_stats *out);

#endif
