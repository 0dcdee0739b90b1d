/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: completions are found by looking at the completion queue, which the
 * kernel fills whenever this thread is interrupted or enters it: by default it
 * interrupts.  When the submission queue is full before the turn ends it is
 * handed over early.  A cancellation has no op of its own: its completion says
 * nothing that the op's does not.
 */
#include "transport/devices/uring.h"

#include <stdlib.h>

#define ENTRIES	    256
#define COMPLETIONS 4096
/* Of completions in one turn: the rest waits for the next. */
#define A_TURN	    256

struct thread_ring {
	struct io_uring ring;
	bool open;
	int refused; /* why it is not: never tried again */
	unsigned int under_way;
	uint64_t enters;
};

static _Thread_local struct thread_ring mine;

static int open_ring(struct thread_ring *t)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
		.cq_entries = COMPLETIONS,
	};

	if (!t->refused)
		t->refused = io_uring_queue_init_params(ENTRIES, &t->ring, &p);
	t->open = !t->refused;
	return t->refused;
}

int uring_open(void)
{
	return mine.open ? 0 : open_ring(&mine);
}

static void submit(struct thread_ring *t)
{
	/* -EBUSY, -EAGAIN: entries stay, and go with the next turn. */
	t->enters++;
	(void)io_uring_submit(&t->ring);
}

static struct io_uring_sqe *get_sqe(struct thread_ring *t)
{
	struct io_uring_sqe *sqe;

	if (!t->open && open_ring(t))
		return NULL;
	/* The kernel keeps what does not fit, but at the cost of calls. */
	if (t->under_way >= COMPLETIONS)
		return NULL;
	sqe = io_uring_get_sqe(&t->ring);
	if (sqe)
		return sqe;
	submit(t);
	return io_uring_get_sqe(&t->ring);
}

/* io_uring_prep_*() leave the data alone in liburing 2.3 and later. */
struct io_uring_sqe *uring_sqe(struct uring_op *op)
{
	struct io_uring_sqe *sqe = get_sqe(&mine);

	if (!sqe)
		return NULL;
	io_uring_sqe_set_data(sqe, op);
	mine.under_way++;
	return sqe;
}

void uring_cancel(struct uring_op *op)
{
	struct io_uring_sqe *sqe;

	/* Full twice over: what there is completes meanwhile. */
	while (!(sqe = get_sqe(&mine)) && mine.open)
		uring_wait();
	if (!sqe)
		return;
	io_uring_prep_cancel(sqe, op, 0);
	io_uring_sqe_set_data(sqe, NULL);
}

static unsigned int reap(struct thread_ring *t)
{
	struct io_uring_cqe *cqe;
	struct uring_op *op;
	unsigned int n = 0;
	int32_t res;
	bool more;

	while (n < A_TURN && !io_uring_peek_cqe(&t->ring, &cqe)) {
		op = io_uring_cqe_get_data(cqe);
		res = cqe->res;
		more = cqe->flags & IORING_CQE_F_MORE;
		io_uring_cqe_seen(&t->ring, cqe);
		n++;
		if (!op)
			continue;
		t->under_way -= !more;
		op->done(op, res);
	}
	return n;
}

bool uring_turn(void)
{
	struct thread_ring *t = &mine;
	bool did = false;

	if (!t->open)
		return false;
	if (io_uring_cq_ready(&t->ring))
		did = reap(t);
	if (io_uring_sq_ready(&t->ring)) {
		submit(t);
		did = true;
	}
	return did;
}

void uring_wait(void)
{
	struct thread_ring *t = &mine;

	if (!t->open || !t->under_way)
		return;
	if (!io_uring_cq_ready(&t->ring)) {
		t->enters++;
		(void)io_uring_submit_and_wait(&t->ring, 1);
	}
	reap(t);
}

int uring_fd(void)
{
	return mine.open ? mine.ring.ring_fd : -1;
}

unsigned int uring_under_way(void)
{
	return mine.under_way;
}

uint64_t uring_enters(void)
{
	return mine.enters;
}

void uring_close(void)
{
	while (mine.open && mine.under_way)
		uring_wait();
	if (mine.open)
		io_uring_queue_exit(&mine.ring);
	mine = (struct thread_ring){ .open = false };
}
