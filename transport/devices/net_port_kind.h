/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_port_kind.h - what the kinds of ports share, and how they are opened
 *
 * Pools     a pool of which others may still have frames cannot be freed, so
 *           it belongs to a group (a switch, or all drivers that hand mbufs on
 *           as they are) and is used again by the group's next port
 * Threads   control
 */
#ifndef TRANSPORT_DEVICES_NET_PORT_KIND_H
#define TRANSPORT_DEVICES_NET_PORT_KIND_H

#include "transport/devices/net_port.h"

/* What net_port_open() was asked for; @args follows the colon, or is "". */
struct net_port_ask {
	const char *args;
	uint16_t pairs;
	char *error;
	size_t room;
};

/* The sentence; returns @err. */
int net_port_refuse(const struct net_port_ask *ask, int err, const char *fmt,
		    ...) __attribute__((format(printf, 3, 4)));

/*
 * Mbufs for ask->pairs pairs of queues.  @socket: NUMA node or SOCKET_ID_ANY.
 * @group NULL: of nobody else.  -ENOMEM with a sentence.
 */
int net_pool_get(const struct net_port_ask *ask, int socket, const void *group,
		 struct rte_mempool **out);
/* Of no group: freed, unless somebody has frames of it, against the contract:
 * then it is left alone for good. */
void net_pool_put(struct rte_mempool *pool);
/* Nobody has a frame of any of the group's pools, which were all put. */
void net_pool_end_group(const void *group);

int net_port_null_open(const struct net_port_ask *ask, struct net_port **out);
int net_port_switch_open(const struct net_port_ask *ask, struct net_port **out);
int net_port_ethdev_open(const struct net_port_ask *ask, struct net_port **out);

#endif
