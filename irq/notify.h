/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notify.h - signal an eventfd of somebody who is not trusted, without sleeping
 *
 * Adds one to the counter; a counter that is full stays so, and counts as
 * told.  No setting of the descriptor can make the caller sleep, and what is
 * no eventfd is not written to.
 *
 * Threads   any; each has its own context
 * Host      each thread that signals holds one aio context (64 of
 *           fs.aio-max-nr) and one descriptor, for as long as the process lives
 */
#ifndef IRQ_NOTIFY_H
#define IRQ_NOTIFY_H

#include "ring/base.h"

/*
 * Make what the calling thread needs to signal, so that its first signal makes
 * no syscall but the delivery.  A poll thread calls it once, before it serves
 * anybody; without it the first signal does.  -EAGAIN, -EMFILE or -ENOSYS: the
 * system gives no aio context, or no descriptor.
 */
int notify_prepare(void);

/* Signal @fd; false: it is no eventfd (or notify_prepare() fails). */
bool notify_eventfd(int fd);

#endif
