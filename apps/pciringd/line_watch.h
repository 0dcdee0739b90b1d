/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * line_watch.h - the resample eventfds of an attachment's lines
 *
 * A line that is bound to a pair of eventfds is signalled by the service on
 * one of them; on the other the client says that the guest ended the
 * interrupt.  Each signal there unmasks the line once, as MSG_LINE_CONTROL
 * would.  Signals that come while one waits to be served are one.
 *
 * Circles   a line that signals what resamples itself, or one that signals what
 *           resamples this, would keep us busy for as long as they are high,
 *           and cost their client nothing.  So no line of the service signals
 *           an eventfd that resamples one, as far as the system tells which
 *           descriptors are the same eventfd (Linux 5.2)
 * Limits    one a line, so no more than functions and GSIs
 * Threads   the control thread; the line is touched on the machine's loop
 * Memory    a watch owns its eventfd
 * Trust     the client has the eventfd too.  It can signal without end, which
 *           costs it its turns among control's sources; or empty it, and then
 *           it took back its own signal
 */
#ifndef APPS_PCIRINGD_LINE_WATCH_H
#define APPS_PCIRINGD_LINE_WATCH_H

#include "apps/pciringd/control.h"
#include "apps/pciringd/service.h"

struct line_watch;

struct line_watches {
	struct control *control;	 /* borrowed */
	struct service_machine *machine; /* borrowed */
	struct link *link;		 /* borrowed */
	struct line_watch *first;
	uint64_t signals; /* that were served */
};

/* Watch @fd for a line to be, which will signal @trigger: it serves no line
 * before line_watch_commit().  -EINVAL lines would resample each other; other
 * -errno.  @fd is taken over by commit only. */
int line_watch_open(struct line_watches *w, unsigned int kind, uint32_t number,
		    int trigger, int fd, struct line_watch **out);
/* Not committed: it is gone, its descriptor is the caller's again. */
void line_watch_cancel(struct line_watch *l);
/* @l (may be NULL: none) is from now on the one of its line.  The one before
 * it is closed. */
void line_watch_commit(struct line_watches *w, unsigned int kind,
		       uint32_t number, struct line_watch *l);

void line_watch_close_all(struct line_watches *w);

#endif
