/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attach_server.h - the attach socket: connections, hello, one packet at a time
 *
 * A connection says hello, is an attachment or a watcher from then on, and
 * lives until either side hangs up.  Each request is answered before the next
 * of its connection is read.  End of file, a packet that makes no sense, or
 * answers that nobody reads end it, and with it all that it held.
 *
 * Limits    ATTACH_MAX_CONNS connections, or as many as there are descriptors,
 *           of which a silent one makes room for the next that comes;
 *           ATTACH_STRANGERS of those who may not attach, and are told so in
 *           answer to their hello; ATTACH_BATCH packets of one before
 *           the others have their turn; ATTACH_HELLO_MS to say hello
 * Threads   the control thread, which never waits for a client
 * Trust     only root, our own user and whom the operator named get in; what
 *           they send is hostile all the same
 */
#ifndef APPS_PCIRINGD_ATTACH_SERVER_H
#define APPS_PCIRINGD_ATTACH_SERVER_H

#include "apps/pciringd/control.h"
#include "apps/pciringd/service.h"

#define ATTACH_MAX_CONNS 1024
#define ATTACH_STRANGERS 16
#define ATTACH_BATCH	 16
#define ATTACH_HELLO_MS	 10000

struct attach_conn;

struct attach_server {
	struct control *control;      /* borrowed */
	struct service *service;      /* borrowed */
	struct control_source listen; /* owns its descriptor */
	struct control_source broken; /* owns its eventfd: a link broke */
	struct control_tick tick;
	struct attach_conn *conns;
	unsigned int nr_conns, nr_strangers;
};

/* What the service is to call, with the server as its context. */
extern const struct service_ops attach_server_service_ops;

/* Serve the listening socket @fd, taken over on success. */
int attach_server_init(struct attach_server *s, struct control *control,
		       struct service *service, int fd);
void attach_server_fini(struct attach_server *s);

#endif
