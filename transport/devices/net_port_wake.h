/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_port_wake.h - a descriptor that wakes a loop which went to sleep
 *
 * While it is armed the thread's io_uring polls the descriptor; when that is
 * readable the ring's own descriptor is, and the loop wakes (uring.h).
 *
 * Threads   armed and disarmed by the thread that runs the queue
 */
#ifndef TRANSPORT_DEVICES_NET_PORT_WAKE_H
#define TRANSPORT_DEVICES_NET_PORT_WAKE_H

#include "transport/devices/uring.h"

struct net_wake {
	struct uring_op op;
	int fd;	    /* borrowed; -1: there is none */
	bool armed; /* op is under way, on the thread that armed it */
	/* It is a counter, an eventfd: to be emptied when it was readable. */
	bool counts;
};

void net_wake_init(struct net_wake *w, int fd, bool counts);
/* False: this thread has no io_uring, or no descriptor is there; so nothing
 * will wake it. */
bool net_wake_arm(struct net_wake *w);
/* On return the op is over. */
void net_wake_disarm(struct net_wake *w);

#endif
