/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_filter.h - which frames a driver wants to see
 *
 * Modes, addresses and VLANs, as virtio 1.2, 5.1.6.5.1 to 5.1.6.5.3, names
 * them.  They are set at home, a command of the driver's at a time, and looked
 * at by receive queues, each of which has a copy of its own that it brings up
 * to date at its next run.
 *
 * Field	written by	read by		edge
 * published	home		receive queues	F1 -> G1  "the words are whole"
 *						F2 -> G2  "a change has begun"
 *
 * Threads   set by home; net_filter_update() and net_filter_wants() by the
 *           receive queue whose copy it is
 */
#ifndef TRANSPORT_DEVICES_NET_FILTER_H
#define TRANSPORT_DEVICES_NET_FILTER_H

#include "transport/devices/net_port.h"

/* Of virtio_net_ctrl_rx, class 0: a bit each, by the command's number. */
#define NET_RX_PROMISC	BIT(0)
#define NET_RX_ALLMULTI BIT(1)
#define NET_RX_ALLUNI	BIT(2)
#define NET_RX_NOMULTI	BIT(3)
#define NET_RX_NOUNI	BIT(4)
#define NET_RX_NOBCAST	BIT(5)

/* Not of the driver: the table was too long for us, so that all that it may
 * hold is let through. */
#define NET_RX_MANY_UNI	  BIT(6)
#define NET_RX_MANY_MULTI BIT(7)
/* The driver filters by VLAN. */
#define NET_RX_VLAN	  BIT(8)

/* Addresses as numbers: six bytes as they are on the wire, then two of 0. */
struct net_rules {
	uint64_t modes; /* NET_RX_* */
	uint64_t mac;
	uint64_t nr_uni, nr_multi;
	uint64_t vlan[NET_MAX_VLANS / 64];
	uint64_t uni[NET_MAX_UNICAST];
	uint64_t multi[NET_MAX_MULTI];
};
#define NET_RULES_WORDS (sizeof(struct net_rules) / sizeof(uint64_t))

struct net_filter {
	struct net_rules rules; /* home's own */
	uint32_t seq;		/* odd: being written */
	uint64_t word[NET_RULES_WORDS];
};

/* A receive queue's. */
struct net_filter_copy {
	uint32_t seq;
	struct net_rules rules;
};

uint64_t net_mac_number(const uint8_t *mac);

/* As after a reset: all is let through, whatever @mac. */
void net_filter_reset(struct net_filter *f, const uint8_t *mac, bool by_vlan);
void net_filter_mode(struct net_filter *f, uint32_t mode, bool on);
void net_filter_mac(struct net_filter *f, const uint8_t *mac);
/* The whole of both tables anew: @nr addresses of six bytes each. */
void net_filter_tables(struct net_filter *f, const uint8_t *uni,
		       uint32_t nr_uni, const uint8_t *multi,
		       uint32_t nr_multi);
/* @vid < NET_MAX_VLANS. */
void net_filter_vlan(struct net_filter *f, uint16_t vid, bool on);

/* Must be called for a copy before its first use; all zero before. */
void net_filter_update(struct net_filter *f, struct net_filter_copy *copy);

/* @frame: the first 14 bytes, and 4 more if it is that long. */
bool net_filter_wants(const struct net_filter_copy *copy, const uint8_t *frame,
		      uint32_t len);

#endif
