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
 * The context and the empty file belong to the thread that signals.  They are
 * made by notify_prepare(), or else by its first signal, and stay for as long
 * as the process.
 */
#include "irq/notify.h"

#include <linux/aio_abi.h>
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

static bool notifier_signal(struct notifier *n, int fd)
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

int notify_prepare(void)
{
	return notifier_prepare(&notifier);
}

bool notify_eventfd(int fd)
{
	return !notifier_prepare(&notifier) && notifier_signal(&notifier, fd);
}
