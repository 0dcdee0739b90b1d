/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_ctrl.h - what a driver sets by commands, and what becomes of it
 *
 * The control queue's commands (virtio 1.2, 5.1.6.5), as bytes that were
 * copied out of guest memory: addresses, filters, VLANs, queue pairs, offloads
 * and coalescing.  A command is carried out whole or not at all.
 *
 * Threads   home.  What receive and transmit queues read of it while the
 *           device runs is atomic (offloads, pairs) or published (filter)
 * Trust     commands are the guest's: any bytes are safe
 */
#ifndef TRANSPORT_DEVICES_NET_CTRL_H
#define TRANSPORT_DEVICES_NET_CTRL_H

#include "transport/devices/net_filter.h"

/* Feature bits; virtio 1.2, 5.1.3. */
#define NET_F_CSUM		  0
#define NET_F_GUEST_CSUM	  1
#define NET_F_CTRL_GUEST_OFFLOADS 2
#define NET_F_MTU		  3
#define NET_F_MAC		  5
#define NET_F_GUEST_TSO4	  7
#define NET_F_GUEST_TSO6	  8
#define NET_F_GUEST_ECN		  9
#define NET_F_HOST_TSO4		  11
#define NET_F_HOST_TSO6		  12
#define NET_F_HOST_ECN		  13
#define NET_F_MRG_RXBUF		  15
#define NET_F_STATUS		  16
#define NET_F_CTRL_VQ		  17
#define NET_F_CTRL_RX		  18
#define NET_F_CTRL_VLAN		  19
#define NET_F_CTRL_RX_EXTRA	  20
#define NET_F_MQ		  22
#define NET_F_CTRL_MAC_ADDR	  23
#define NET_F_NOTF_COAL		  53
#define NET_F_SPEED_DUPLEX	  63

#define NET_GUEST_OFFLOADS                                                     \
	(BIT_ULL(NET_F_GUEST_CSUM) | BIT_ULL(NET_F_GUEST_TSO4) |               \
	 BIT_ULL(NET_F_GUEST_TSO6) | BIT_ULL(NET_F_GUEST_ECN))

#define NET_CTRL_OK  0
#define NET_CTRL_ERR 1

/* A longer command is refused: some 2700 addresses. */
#define NET_CTRL_BYTES 16384u

/* An interrupt is not held back for longer, whatever the driver says. */
#define NET_MAX_USECS 10000u

/* Of all queues of one direction. */
struct net_coalesce {
	uint32_t packets, usecs;
};

/* Classes of commands, for whoever has more to do when one went well. */
#define NET_CTRL_RX	  0
#define NET_CTRL_MAC	  1
#define NET_CTRL_VLAN	  2
#define NET_CTRL_MQ	  4
#define NET_CTRL_OFFLOADS 5
#define NET_CTRL_COALESCE 6

struct net_ctrl {
	struct net_port *port; /* borrowed */
	uint64_t features;     /* negotiated */
	uint16_t max_pairs;
	uint16_t pairs;	   /* in use; atomic */
	uint64_t offloads; /* NET_GUEST_OFFLOADS in effect; atomic */
	struct net_coalesce coalesce[2]; /* receive, transmit */
	struct rte_ether_addr mac;	 /* the guest's now */
	bool mac_in_port;		 /* the port looks for it */
	struct net_filter filter;
};

/* The driver has agreed to @features: everything as it is to begin with, with
 * the guest's own address @mac. */
void net_ctrl_start(struct net_ctrl *c, uint64_t features,
		    const struct rte_ether_addr *mac);

/* Carry out the @len bytes of @cmd: NET_CTRL_OK or NET_CTRL_ERR. */
uint8_t net_ctrl_command(struct net_ctrl *c, const uint8_t *cmd, uint32_t len);

#endif
