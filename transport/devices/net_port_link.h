/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_port_link.h - who tells that a network interface went up or down
 *
 * The kernel does, over netlink, where a driver keeps it to itself.
 *
 * Threads   open and close: control; changed is called on the EAL's interrupt
 *           thread
 */
#ifndef TRANSPORT_DEVICES_NET_PORT_LINK_H
#define TRANSPORT_DEVICES_NET_PORT_LINK_H

struct net_link_watch;

/* Some interface of this network namespace has changed: -errno. */
int net_link_watch_open(void (*changed)(void *ctx), void *ctx,
			struct net_link_watch **out);
/* On return changed is not called any more. */
void net_link_watch_close(struct net_link_watch *w);

#endif
