/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rpc_server.h - JSON-RPC over a Unix stream socket, one line a message
 *
 * Only root and the service's own user get in.  A client's next line is looked
 * at when its last answer has left, so one that does not read costs one answer
 * of memory and nobody's time; a line beyond RPC_MAX_LINE ends the connection
 * after an error.
 *
 * Threads   the control thread
 */
#ifndef APPS_PCIRINGD_RPC_SERVER_H
#define APPS_PCIRINGD_RPC_SERVER_H

#include "apps/pciringd/control.h"
#include "apps/pciringd/rpc.h"

#define RPC_MAX_LINE	(1u << 20)
#define RPC_MAX_CLIENTS 128

struct rpc_client;

struct rpc_server {
	struct control *control; /* borrowed */
	struct rpc rpc;
	struct control_source listen; /* owns its descriptor */
	struct control_tick tick;
	struct rpc_client *clients;
	unsigned int nr_clients;
	uint64_t refused; /* other users, or too many clients */
};

/* Serve @methods on the listening stream socket @fd, which is taken over on
 * success. */
int rpc_server_init(struct rpc_server *s, struct control *control, int fd,
		    const struct rpc_method *methods, void *ctx);
void rpc_server_fini(struct rpc_server *s);

/* A listening stream socket at @path, mode 0600, in place of a dead one.
 * fd or -errno. */
int rpc_listen(const char *path);

#endif
