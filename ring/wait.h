/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait.h - sleeping on shared memory without a lost wake-up
 *
 * Waiter: declare (W1), look again, sleep, undeclare.  Waker: make progress,
 * look whether somebody declared himself (W2), wake him once.  W1 and W2 are
 * sequentially consistent fences, so at least one of the two sees the other.
 *
 * Trust   the peer may forge mode and seq: a needless or a missing wake-up of
 *         itself follows.  Every sleep has a limit, so nobody waits for ever
 *         on a peer's word.  A peer may make an eventfd it shares block
 *         (fcntl, a full counter): the service writes to none of them.  The
 *         client does, so a service that lies can hold a thread of it there
 */
#ifndef RING_WAIT_H
#define RING_WAIT_H

#include "ring/msg.h"

/* Waiter: declare that the next sleep is by @mode.  Look again after this. */
void wait_declare(struct seg_wait *w, enum seg_wait_mode mode, uint32_t *seq);

/* Waiter: sleep on the futex until woken since wait_declare() gave @seq, or
 * @timeout_ns went by.  0, -ETIMEDOUT or -EINTR. */
int wait_sleep(struct seg_wait *w, uint32_t seq, int64_t timeout_ns);

/* Waiter: awake again, whoever woke it. */
void wait_done(struct seg_wait *w);

/*
 * Waker: after progress was made visible.  One load when nobody sleeps; else
 * one syscall: a futex wake, or a write to @eventfd (-1: none).  Returns
 * whether somebody was woken.
 */
bool wait_wake(struct seg_wait *w, int eventfd);

/* Anybody of the waiter's process: end its sleep on the futex, or the one that
 * it is about to begin.  Async-signal-safe. */
void wait_rouse(struct seg_wait *w);

/* Waiter by eventfd: take the count away.  Never blocks, whatever the peer
 * did to the descriptor's flags. */
void wait_drain(int eventfd);

#endif
