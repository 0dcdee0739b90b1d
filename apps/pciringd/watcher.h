/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * watcher.h - the proxy that serves a machine's declared sockets
 *
 * A machine has at most one.  It is told of every socket that is declared and
 * says in return how each of them is doing, for the operator to see.
 *
 * Threads   the control thread
 * Memory    the socket is the connection's, which outlives the watcher
 */
#ifndef APPS_PCIRINGD_WATCHER_H
#define APPS_PCIRINGD_WATCHER_H

#include "apps/pciringd/service.h"

struct watcher {
	struct service_machine *machine; /* borrowed */
	int sock;			 /* borrowed */
	int pid;
	char name[PCIRING_NAME_MAX];
};

/* -EBUSY the machine has one. */
int watcher_create(struct service_machine *m, const struct msg_hello *hello,
		   int sock, int pid, struct watcher **out);
/* What it has reported is forgotten. */
void watcher_destroy(struct watcher *w);

/* MSG_SOCKET_ADD or MSG_SOCKET_DEL of @f's socket.  -EAGAIN it does not read,
 * other -errno it has gone. */
int watcher_tell(struct watcher *w, enum msg_type type,
		 const struct service_function *f);
/* All that is declared now. */
int watcher_tell_all(struct watcher *w);

/* It reports; false if the report makes no sense. */
bool watcher_report(struct watcher *w, const struct msg_socket *report);

#endif
