/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * proxy.h - the sockets of one machine's functions, and who is on them
 *
 * One socket per function, one client at a time on each: the next waits in the
 * socket's backlog until the one before has left and everything that it lent
 * has been taken back.  Each client has an attachment of its own and a thread
 * of its own; no client waits for another.
 *
 * Threads   all calls from the main thread; the clients' threads are in here
 * Memory    a socket is allocated when it is added
 */
#ifndef VFIO_USER_PROXY_H
#define VFIO_USER_PROXY_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "apps/vfio-user/listener.h"
#include "ring/base.h"
#include "ring/msg.h"

#define VU_MAX_SOCKETS 256

struct vu_socket {
	struct vu_proxy *proxy; /* borrowed */
	struct vu_listener listener;
	char path[MSG_PATH_MAX];
	uint16_t function;
	bool gone;    /* removed; freed when its client has left */
	bool changed; /* its state was not yet reported */
	int error;    /* why it is closed */
	bool busy;    /* @client and @thread are there */
	int client;   /* owned */
	pthread_t thread;
	atomic_bool hang_up; /* main thread: leave */
	atomic_bool ended;   /* client's thread: may be joined */
};

struct vu_proxy {
	const char *service; /* path of its attach.sock; borrowed */
	const char *machine; /* borrowed */
	uint32_t spin_ns;
	int ended; /* eventfd: some thread has ended */
	struct vu_socket *sockets[VU_MAX_SOCKETS]; /* owned */
	unsigned int count;
};

int vu_proxy_init(struct vu_proxy *p, const char *service, const char *machine,
		  uint32_t spin_ns);

/* Listen for @function's clients.  A socket that cannot be opened is kept,
 * closed, with its error.  -EEXIST the function has one, -ENOSPC. */
int vu_proxy_add(struct vu_proxy *p, uint16_t function, const char *path);

/* Remove @function's socket and send its client away; -ENOENT. */
int vu_proxy_del(struct vu_proxy *p, uint16_t function);

/* What to poll for, in @fds (room for VU_MAX_SOCKETS + 1); returns how many. */
unsigned int vu_proxy_poll(const struct vu_proxy *p, struct pollfd *fds);

/* Join who has ended, accept who has come, free what was removed and
 * reported. */
void vu_proxy_turn(struct vu_proxy *p);

enum msg_socket_state vu_socket_state(const struct vu_socket *s);

/* Send all clients away and remove all sockets.  0, or -ETIMEDOUT if a thread
 * was still there after @timeout_ms: then only _exit() is left. */
int vu_proxy_fini(struct vu_proxy *p, unsigned int timeout_ms);

#endif
