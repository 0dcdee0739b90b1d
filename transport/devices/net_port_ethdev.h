/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_port_ethdev.h - an ethdev as a port: what opening it found out
 *
 * Threads   see net_port.h
 */
#ifndef TRANSPORT_DEVICES_NET_PORT_ETHDEV_H
#define TRANSPORT_DEVICES_NET_PORT_ETHDEV_H

#include <stdatomic.h>

#include <rte_ethdev.h>

#include "transport/devices/net_port_kind.h"
#include "transport/devices/net_port_link.h"
#include "transport/devices/net_port_wake.h"

/* What drivers do not say of themselves. */
#define KEEPS_MAC   BIT(0) /* its address is the host's end, not the guest's */
#define NO_TSO	    BIT(1) /* what it does of it is wrong */
#define DROPS	    BIT(2) /* what it does not take now it never will */
#define HANDS_ON    BIT(3) /* mbufs leave it as they are, by another port */
#define FD_IS_LEVEL BIT(4) /* its descriptor is the device, not an interrupt */
#define LINK_SILENT BIT(5) /* says nothing when its interface goes down */

struct eth_driver {
	const char *name;
	unsigned int quirks;
	uint16_t rx_descriptors;
};

struct eth_queue {
	/* Of the driver's queue: who has the claim reads and writes them. */
	_Alignas(64) atomic_flag claimed;
	bool interrupts; /* are on */
	int fd;		 /* borrowed of the driver; -1: it has none */
	/* Of the queue as the guest counts: its loop's. */
	int epoll_fd; /* owned; holds the descriptors of q, q + n, ... */
	struct net_wake wake;
};

struct eth_port {
	struct net_port port;
	const struct eth_driver *driver;
	char name[96]; /* "ethdev net_tap0" */
	uint16_t id;
	bool made; /* by us: it goes with us */
	bool started;
	bool real;    /* not a virtual device */
	bool fds;     /* its queues have descriptors */
	bool watched; /* for changes of the link: the driver tells */
	struct net_link_watch *watch; /* or this does; owned, or NULL */
	_Atomic bool was_up;
	_Atomic uint16_t pairs;	 /* used now */
	struct eth_queue *queue; /* owned */
};

extern const struct net_port_ops net_port_ethdev_ops;

/* The link may have changed: the same with the port as its argument. */
void net_port_ethdev_look(void *port);
/* Registered for changes of the link, with the port as its argument. */
int net_port_ethdev_event(uint16_t id, enum rte_eth_event_type type, void *arg,
			  void *ret);

/* Control: true if nobody else has the ethdev, and now @e's owner has;
 * ops->close gives it back, of a port at whatever stage of being opened. */
bool net_port_ethdev_take(struct eth_port *e);

#endif
