/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * uring.h - this thread's io_uring: how devices reach files without waiting
 *
 * One ring a thread, opened by its first use.  Whoever has something for the
 * kernel fills in an entry; uring_turn(), once a turn of the thread's loop,
 * hands all of them over with one io_uring_enter, and none if there are none,
 * and calls back for what has completed, for which no call is needed.
 *
 * An operation is its owner's struct, which stays where it is until its done
 * was called.  It completes on the thread that began it.
 *
 * Sleep     uring_fd() is readable when something has completed
 * Threads   all calls are about the calling thread's ring
 * Errors    -ENOSYS, -EPERM: the kernel or its administrator refuses io_uring
 */
#ifndef TRANSPORT_DEVICES_URING_H
#define TRANSPORT_DEVICES_URING_H

#include <liburing.h>

#include "ring/base.h"

struct uring_op {
	/* @res as of the operation: >= 0, or -errno.  May begin others. */
	void (*done)(struct uring_op *op, int32_t res);
};

/* Open it now, to know early whether it can be.  0 if it is open. */
int uring_open(void);

/* End of the thread: waits for what is under way (its owners were told to
 * cancel what would never end), closes. */
void uring_close(void);

/*
 * An entry, to be filled in by one of io_uring_prep_*(); @op is set already.
 * NULL: there is none now (or no ring): try again after the next turn.
 */
struct io_uring_sqe *uring_sqe(struct uring_op *op);

/* Give the kernel what there is, call back for what has completed.  True if
 * anything was done. */
bool uring_turn(void);

/* The same, and wait until something has completed, if anything is under
 * way. */
void uring_wait(void);

/* Ask the kernel to end @op, whose done is called soon, with -ECANCELED if it
 * had not completed.  Then uring_wait() until it was. */
void uring_cancel(struct uring_op *op);

/* -1: not open. */
int uring_fd(void);

/* Operations begun and not completed; how often the kernel was entered. */
unsigned int uring_under_way(void);
uint64_t uring_enters(void);

#endif
