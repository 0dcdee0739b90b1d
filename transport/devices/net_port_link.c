/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: what netlink says is thrown away; that it says something is the news.
 */
#include "transport/devices/net_port_link.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Without it the EAL lends nobody its interrupt thread. */
#define ALLOW_EXPERIMENTAL_API
#include <rte_interrupts.h>

#include "ring/base.h"

struct net_link_watch {
	void (*changed)(void *ctx);
	void *ctx;
	_Atomic unsigned int calls;	/* that are over */
	int fd;				/* owned */
	struct rte_intr_handle *handle; /* owned */
};

static void readable(void *arg)
{
	struct net_link_watch *w = arg;
	char message[4096];
	bool any = false;
	ssize_t n;

	/* ENOBUFS: messages were lost, so something has changed. */
	while ((n = recv(w->fd, message, sizeof(message), 0)) > 0 ||
	       (n < 0 && errno == ENOBUFS))
		any = true;
	if (any)
		w->changed(w->ctx);
	/* R1: pairs with A1. */
	atomic_fetch_add_explicit(&w->calls, 1, memory_order_release);
}

static int open_socket(void)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK,
				  .nl_groups = RTMGRP_LINK };
	int err,
		fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			    NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (!bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int watch(struct net_link_watch *w)
{
	w->handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	if (!w->handle)
		return -ENOMEM;
	rte_intr_fd_set(w->handle, w->fd);
	rte_intr_type_set(w->handle, RTE_INTR_HANDLE_EXT);
	return rte_intr_callback_register(w->handle, readable, w);
}

int net_link_watch_open(void (*changed)(void *ctx), void *ctx,
			struct net_link_watch **out)
{
	struct net_link_watch *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->changed = changed;
	w->ctx = ctx;
	w->fd = open_socket();
	err = w->fd < 0 ? w->fd : watch(w);
	if (err) {
		rte_intr_instance_free(w->handle);
		if (w->fd >= 0)
			close(w->fd);
		free(w);
		return err;
	}
	*out = w;
	return 0;
}

void net_link_watch_close(struct net_link_watch *w)
{
	if (!w)
		return;
	while (rte_intr_callback_unregister(w->handle, readable, w) == -EAGAIN)
		sched_yield(); /* it is being called */
	/* A1: the EAL waited for the last call by means that a thread checker
	 * cannot see. */
	(void)atomic_load_explicit(&w->calls, memory_order_acquire);
	rte_intr_instance_free(w->handle);
	close(w->fd);
	free(w);
}
