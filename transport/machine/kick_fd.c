/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: one read at a time, begun again when it has completed.  That is what
 * bounds a flood: however often somebody signals, a turn has one completion of
 * each eventfd.  When there is no entry for the next read it is begun in a
 * later turn.
 */
#include "transport/machine/kick_fd.h"

#include <stdlib.h>
#include <unistd.h>

#include "transport/devices/uring.h"
#include "transport/machine/function.h"

struct kick_fd {
	struct uring_op op;
	struct function *function; /* borrowed; NULL: not bound */
	struct kick_fd *next;	   /* of the function's */
	struct kick_fd *next_late; /* of the machine's without a read */
	uint64_t signals;	   /* the kernel's while under way */
	int fd;			   /* owned */
	uint16_t queue;
	bool under_way; /* a read is */
	bool late;	/* one should be */
};

static void done(struct uring_op *op, int32_t res);

/* Bound by this thread, and so in its io_uring. */
static _Thread_local unsigned int of_this_loop;

int kick_fd_create(int fd, uint16_t queue, struct kick_fd **out)
{
	struct kick_fd *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->op.done = done;
	k->fd = fd;
	k->queue = queue;
	*out = k;
	return 0;
}

int kick_fd_destroy(struct kick_fd *k)
{
	int fd = k ? k->fd : -1;

	assert(!k || (!k->function && !k->under_way));
	free(k);
	return fd;
}

/* ---- Reads ----------------------------------------------------------------- */

static void put_off(struct kick_fd *k)
{
	struct machine *m = k->function->machine;

	if (k->late)
		return;
	k->late = true;
	k->next_late = m->late_kicks;
	m->late_kicks = k;
}

static void begin(struct kick_fd *k)
{
	struct io_uring_sqe *sqe = uring_sqe(&k->op);

	if (!sqe) {
		put_off(k);
		return;
	}
	io_uring_prep_read(sqe, k->fd, &k->signals, sizeof(k->signals), 0);
	k->under_way = true;
}

static void done(struct uring_op *op, int32_t res)
{
	struct kick_fd *k = container_of(op, struct kick_fd, op);

	k->under_way = false;
	if (res == (int32_t)sizeof(k->signals)) {
		k->function->eventfd_kicks++;
		virtio_kick(&k->function->vp.virtio, k->queue);
	}
	/* Not at once: that would be once more in this very turn.  Other errors
	 * than these are for good, the most common that it was cancelled. */
	if (res >= 0 || res == -EAGAIN || res == -EINTR)
		put_off(k);
}

void machine_begin_kicks(struct machine *m)
{
	struct kick_fd *k = m->late_kicks, *next;

	m->late_kicks = NULL;
	for (; k; k = next) {
		next = k->next_late;
		k->late = false;
		begin(k);
	}
}

/* ---- Binding --------------------------------------------------------------- */

static void forget_late(struct kick_fd *k)
{
	struct kick_fd **p = &k->function->machine->late_kicks;

	if (!k->late)
		return;
	while (*p != k)
		p = &(*p)->next_late;
	*p = k->next_late;
	k->late = false;
}

/* On return the kernel knows of it no more. */
static void unbind(struct kick_fd **from)
{
	struct kick_fd *k = *from;

	if (k->under_way)
		uring_cancel(&k->op);
	while (k->under_way)
		uring_wait();
	forget_late(k);
	*from = k->next;
	k->function->machine->nr_kick_fds--;
	of_this_loop--;
	k->function = NULL;
}

void function_forget_kicks(struct function *f)
{
	struct kick_fd *k;

	while ((k = f->kicks)) {
		unbind(&f->kicks);
		/* Quick: it is an eventfd. */
		close(kick_fd_destroy(k));
	}
}

int link_kick_bind(struct link *l, uint16_t bdf, unsigned int queue,
		   struct kick_fd *k, struct kick_fd **old)
{
	struct function *f = link_find(l, bdf);
	struct kick_fd **p;
	int err;

	if (!f)
		return -ENOENT;
	if (queue >= f->vp.virtio.nr_queues)
		return -ERANGE;
	err = k ? uring_open() : 0;
	if (err)
		return err;
	if (k && of_this_loop >= KICK_FD_MOST)
		return -ENOSPC;
	for (p = &f->kicks; *p && (*p)->queue != queue; p = &(*p)->next)
		;
	*old = *p;
	if (*p)
		unbind(p);
	if (!k)
		return 0;
	k->function = f;
	k->next = f->kicks;
	f->kicks = k;
	l->machine->nr_kick_fds++;
	of_this_loop++;
	begin(k);
	return 0;
}
