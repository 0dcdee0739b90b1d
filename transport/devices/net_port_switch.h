/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_port_switch.h - what loops share of a switch
 *
 * Field      written by            read by         edge
 * slot       control               any sender      S1 -> A1  the member is whole
 * inside     its sender            control         R2 -> A2  it has left
 * ring       senders               its receiver    (rte_ring's own)
 * asleep     receiver, senders     both            fences F3, F4
 * place      senders               senders         relaxed: a hint
 *
 * A sender looks at slots only while `inside' is odd.  Control takes a member
 * out of its slot first and then waits until everybody who was inside has left
 * (S1 and the increments are one order): so nobody has the member any more.
 */
#ifndef TRANSPORT_DEVICES_NET_PORT_SWITCH_H
#define TRANSPORT_DEVICES_NET_PORT_SWITCH_H

#include <stdatomic.h>

#include <rte_ring.h>

#include "transport/devices/net_port_kind.h"
#include "transport/devices/net_port_wake.h"

#define SWITCH_MEMBERS 64u
#define SWITCH_PLACES  1024u /* addresses that it remembers; a power of 2 */
#define SWITCH_FRAMES  512u  /* that may wait in a queue; a power of 2 */
/* What waits is the sender's memory: mbufs that may wait in a queue. */
#define SWITCH_MBUFS   512u
#define SWITCH_NAME    32u

struct switch_queue {
	/* To the member; shared with senders. */
	struct rte_ring *ring;		     /* owned */
	int event_fd;			     /* owned */
	_Alignas(64) _Atomic uint32_t mbufs; /* that wait in the ring */
	_Atomic bool asleep;
	_Atomic uint64_t dropped;
	/* From the member: who sends at this queue. */
	_Alignas(64) _Atomic uint32_t inside; /* odd: it is */
	/* The receiver's. */
	struct net_wake wake;
};

struct switch_member {
	struct net_port port;
	struct net_switch *sw; /* shared */
	unsigned int slot;
	char name[SWITCH_NAME + 8];
	_Atomic uint16_t pairs;	    /* used now */
	struct switch_queue *queue; /* owned: port.pairs */
};

struct net_switch {
	struct net_switch *next;
	char name[SWITCH_NAME];
	_Atomic unsigned int members;
	_Atomic(struct switch_member *) slot[SWITCH_MEMBERS];
	/* Where an address was last seen: its 48 bits, and above them the slot
	 * plus 1; by hash, the newer one wins. */
	_Atomic uint64_t place[SWITCH_PLACES];
};

extern const struct net_port_ops net_port_switch_ops;

/* Control: on return no sender has the member. */
void net_port_switch_leave(struct switch_member *m);
void net_port_switch_close(struct net_port *p);

#endif
