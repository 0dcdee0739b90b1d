/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the descriptors come from a client that shares their file description,
 * so whatever write(2) could be told not to do, the client can undo.  It can
 * fill the counter, clear O_NONBLOCK between our looking and our writing, or
 * send a pipe or a FUSE file that passes for an eventfd; a poll thread that
 * blocks in one such write stops every machine on its core.  Eventfds refuse
 * RWF_NOWAIT, and their inodes cannot be opened anew.
 *
 * Therefore nobody writes here.  The kernel signals an eventfd itself when an
 * asynchronous read completes (IOCB_FLAG_RESFD): that signal adds one, stays
 * at the maximum when the counter is full, looks at no file flag and never
 * sleeps, and it is refused with EINVAL for whatever is not an eventfd.  The
 * read is of an empty private file and is complete before io_submit(2)
 * returns.  A full counter still reads as "there was an interrupt", so it
 * counts as delivered.  Costs 330 ns where write(2) costs 140.
 *
 * The context and the empty file belong to the thread that sends.  They are
 * made by sink_eventfd_prepare(), or else by its first sink_eventfd_init() or
 * its first message, and stay for as long as the process.
 */
#include "irq/sink.h"

#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Completions are of no interest, but the kernel keeps a slot for each until
 * it is fetched; one call fetches them all. */
#define UNFETCHED_MAX 64

struct notifier {
	bool ready;
	aio_context_t context;
	int empty; /* a file with nothing in it */
	unsigned int unfetched;
};

static _Thread_local struct notifier notifier;

static int notifier_prepare(struct notifier *n)
{
	int err;

	if (n->ready)
		return 0;
	n->empty = memfd_create("pciring-empty", MFD_CLOEXEC);
	if (n->empty < 0)
		return -errno;
	n->context = 0;
	if (syscall(SYS_io_setup, UNFETCHED_MAX, &n->context)) {
		err = -errno;
		close(n->empty);
		return err;
	}
	n->unfetched = 0;
	n->ready = true;
	return 0;
}

static void notifier_fetch(struct notifier *n)
{
	struct io_event done[UNFETCHED_MAX];
	struct timespec now = { 0 };
	long nr = syscall(SYS_io_getevents, n->context, 0, UNFETCHED_MAX, done,
			  &now);

	if (nr > 0)
		n->unfetched -= (unsigned int)nr;
}

/* Add one to the eventfd @fd, or leave it at its maximum; never blocks. */
static bool notify(struct notifier *n, int fd)
{
	uint8_t nothing;
	struct iocb read_nothing = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = (uint32_t)n->empty,
		.aio_buf = (uintptr_t)&nothing,
		.aio_nbytes = sizeof(nothing),
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)fd,
	};
	struct iocb *list[] = { &read_nothing };

	if (n->unfetched >= UNFETCHED_MAX)
		notifier_fetch(n);
	if (syscall(SYS_io_submit, n->context, 1, list) == 1) {
		n->unfetched++;
		return true;
	}
	/* The kernel hands its slots out by processor: some may be stranded
	 * on one that this thread has left. */
	if (errno != EAGAIN)
		return false;
	notifier_fetch(n);
	if (syscall(SYS_io_submit, n->context, 1, list) != 1)
		return false;
	n->unfetched++;
	return true;
}

static enum irq_result sink_eventfd_send(struct irq_stage *stage,
					 const struct msi_message *m)
{
	struct sink_eventfd *s =
		container_of(stage, struct sink_eventfd, stage);

	if (m->vector < s->nr && s->masked[m->vector])
		return IRQ_REFUSED;
	if (m->vector >= s->nr || s->fd[m->vector] < 0)
		return s->otherwise ? irq_stage_send(s->otherwise, m)
				    : IRQ_REFUSED;
	/* What a bad descriptor refused stays pending: a good one that is
	 * bound later fires. */
	if (notifier_prepare(&notifier) ||
	    !notify(&notifier, s->fd[m->vector])) {
		s->failures++;
		return IRQ_REFUSED;
	}
	s->writes++;
	return IRQ_QUEUED;
}

static bool sink_eventfd_edge(const struct irq_stage *stage, unsigned int i,
			      struct irq_edge *e)
{
	const struct sink_eventfd *s =
		container_of(stage, struct sink_eventfd, stage);

	if (i || !s->otherwise)
		return false;
	*e = (struct irq_edge){ .to = s->otherwise, .pin = IRQ_NO_PIN };
	return true;
}

static void sink_eventfd_view(const struct irq_stage *stage, struct irq_view *v)
{
	const struct sink_eventfd *s =
		container_of(stage, struct sink_eventfd, stage);
	unsigned int bound = 0;

	for (unsigned int i = 0; i < s->nr; i++)
		bound += s->fd[i] >= 0;
	snprintf(v->name, sizeof(v->name), "%u of %u bound", bound, s->nr);
	v->count.fired = s->writes;
	v->count.latched = s->failures;
}

static const struct irq_stage_ops sink_eventfd_ops = {
	.kind = "eventfd",
	.send = sink_eventfd_send,
	.edge = sink_eventfd_edge,
	.view = sink_eventfd_view,
};

int sink_eventfd_prepare(void)
{
	return notifier_prepare(&notifier);
}

int sink_eventfd_init(struct sink_eventfd *s, uint16_t nr,
		      struct irq_stage *otherwise)
{
	int *fd;
	bool *masked;
	int err = sink_eventfd_prepare();

	if (err)
		return err;
	/* One more, so that no vector at all is no special case. */
	fd = malloc((nr + 1u) * sizeof(*fd));
	masked = calloc(nr + 1u, sizeof(*masked));
	if (!fd || !masked) {
		free(fd);
		free(masked);
		return -ENOMEM;
	}
	for (unsigned int v = 0; v < nr; v++)
		fd[v] = -1;
	*s = (struct sink_eventfd){
		.stage.ops = &sink_eventfd_ops,
		.otherwise = otherwise,
		.fd = fd,
		.masked = masked,
		.nr = nr,
	};
	return 0;
}

void sink_eventfd_fini(struct sink_eventfd *s)
{
	for (unsigned int v = 0; v < s->nr; v++)
		if (s->fd[v] >= 0)
			close(s->fd[v]);
	free(s->fd);
	free(s->masked);
	s->fd = NULL;
	s->masked = NULL;
	s->nr = 0;
}

int sink_eventfd_bind(struct sink_eventfd *s, unsigned int v, int fd)
{
	int old;

	if (v >= s->nr)
		return fd;
	old = s->fd[v];
	s->fd[v] = fd;
	return old;
}

void sink_eventfd_mask(struct sink_eventfd *s, unsigned int v, bool masked)
{
	if (v < s->nr)
		s->masked[v] = masked;
}
