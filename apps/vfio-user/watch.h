/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * watch.h - the connection on which the service declares sockets
 *
 * The service says which sockets a machine should have; we open and close
 * them, and say of every socket, also of those from our command line, whether
 * it is closed, listens or has a client.  The connection's end means that the
 * service, or the machine, has gone.
 *
 * Threads   the main thread
 * Trust     the service is believed, but checked like a peer
 */
#ifndef VFIO_USER_WATCH_H
#define VFIO_USER_WATCH_H

#include <stdbool.h>

struct vu_proxy;

struct vu_watch {
	int sock;
	bool blocked; /* reports wait for room in the socket */
};

/* Connect and say hello.  -ENOENT no such socket, -ECONNREFUSED nobody
 * listens, -ENODEV the service has no such machine, -EBUSY it has a proxy,
 * -ECANCELED @cancel became readable first, other -errno. */
int vu_watch_open(struct vu_watch *w, const char *service, const char *machine,
		  int cancel);
void vu_watch_close(struct vu_watch *w);

/* Do what the service asked for until now; -EPIPE it has gone. */
int vu_watch_read(struct vu_watch *w, struct vu_proxy *p);

/* Report each socket whose state changed; -EPIPE the service has gone. */
int vu_watch_report(struct vu_watch *w, struct vu_proxy *p);

#endif
