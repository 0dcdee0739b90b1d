/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * seat.h - which loop runs a queue: home, or another
 *
 * A function's registers, its interrupts and whatever changes a queue belong to
 * the loop that owns its machine, home.  Running a queue may be another loop's
 * job; then home takes it back for each such change (virtio/transport.h's
 * recall and release), and what the driver is to hear of comes home as a
 * letter.  A queue stays where it was put over resets, and over the coming and
 * going of clients.
 *
 * Field    written by   read by   edge
 * news     worker       home      J3 -> K3 (worker.h)
 * the vq   who runs it            J1 -> K1, J2 -> K2
 *
 * Threads   home, but where said otherwise
 */
#ifndef TRANSPORT_MACHINE_SEAT_H
#define TRANSPORT_MACHINE_SEAT_H

#include "transport/machine/worker.h"

#define SEAT_ALL_QUEUES UINT32_MAX

struct function;

struct seat {
	struct job job;
	struct letter letter;
	_Atomic uint32_t news;	   /* VIRTIO_RAISE, VIRTIO_BROKE */
	struct function *function; /* borrowed */
	struct worker *wanted;	   /* home's; NULL: home itself */
	struct worker *at;	   /* home's; the same as virtio knows it */
	uint16_t q;
};

/* Any thread.  Seats for the queues of @f, all at home; NULL: no memory.  Given
 * to function_place(), or free(). */
struct seat *seats_create(struct function *f);

/* Any thread.  Must home run queue @q of @f? */
bool function_queue_stays(const struct function *f, unsigned int q);

/*
 * Queue @q, or SEAT_ALL_QUEUES but those that must stay, is run by @at from now
 * on; NULL is home.  What is under way is waited for.  *@fresh is taken, and
 * set to NULL, if the function has no seats yet.  -ERANGE, -EPERM it must stay.
 */
int function_place(struct function *f, struct seat **fresh, uint32_t q,
		   struct worker *at);

/* All queues are at home; what was sent is read. */
void function_come_home(struct function *f);

/* Who runs queue @q; NULL: home. */
struct worker *function_worker(const struct function *f, unsigned int q);

/* As virtio_transport_ops; the last one any thread. */
void function_recall(struct function *f);
void function_release(struct function *f);
void function_queue_work(struct function *f, unsigned int q);

#endif
