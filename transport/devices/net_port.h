/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_port.h - the other end of a NIC's cable: where frames come from and go
 *
 * A port moves frames as DPDK mbufs.  It has not heard of virtio: headers,
 * rings and feature bits are the device's (net.c); what a port cannot do -
 * checksums, segmentation, filters - the device does for it, as far as it says
 * so in its capabilities.
 *
 * Ports     any DPDK ethdev, nothing at all (null), the port of another
 *           function of this service (switch)
 * Frames    without FCS.  Checksums of a frame of which RTE_MBUF_F_TX_*_CKSUM
 *           was asked are begun: the field holds the sum of the pseudo header,
 *           as virtio's driver leaves it.  Segments but the last have even
 *           lengths, for drivers that sum them one by one.  l2_len, l3_len,
 *           l4_len and tso_segsz are set and lie inside the first segment
 * Requests  of NET_CAP_RX_REQUESTS ports a received frame may carry what its
 *           sender asked for, in RTE_MBUF_F_TX_* with the lengths: nobody has
 *           done it yet.  The device tells its driver, or does it itself where
 *           the driver did not negotiate that
 * Queues    rx and tx of one index may be used by two threads, and different
 *           indices by different ones; one direction of one index by one only
 * Threads   open and close: control.  rx, tx, rx_sleep, rx_stop: the loop that
 *           runs the queue.  The rest: the machine's home loop
 * Memory    mbufs to be sent come from the port's pool, received ones perhaps
 *           from another's; whoever has one frees it, all before close
 */
#ifndef TRANSPORT_DEVICES_NET_PORT_H
#define TRANSPORT_DEVICES_NET_PORT_H

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "ring/base.h"

#define NET_MAX_PAIRS	128u
#define NET_MAX_VLANS	4096u
#define NET_MAX_UNICAST 64u /* further addresses, in the filter table */
#define NET_MAX_MULTI	256u

/* What a port does by itself (RTE_MBUF_F_TX_* asked for in an mbuf). */
#define NET_CAP_TX_CSUM	    BIT(0) /* RTE_MBUF_F_TX_TCP_CKSUM, _UDP_CKSUM */
#define NET_CAP_TX_TSO4	    BIT(1) /* RTE_MBUF_F_TX_TCP_SEG, IPv4 */
#define NET_CAP_TX_TSO6	    BIT(2)
#define NET_CAP_TX_MULTI    BIT(3) /* takes frames of several segments */
#define NET_CAP_RX_CSUM	    BIT(4) /* says which checksums are good */
#define NET_CAP_RX_LRO	    BIT(5) /* may give frames larger than the MTU */
#define NET_CAP_VLAN	    BIT(6) /* filters by VLAN itself */
#define NET_CAP_MULTI	    BIT(7) /* filters multicast itself */
#define NET_CAP_SLEEP	    BIT(8) /* rx_sleep() can wake a loop */
#define NET_CAP_RX_REQUESTS BIT(9) /* see "Requests" */

/* rx_sleep(), beside nanoseconds; the same numbers as VIRTIO_AWAKE, _ASLEEP. */
#define NET_AWAKE  0u	      /* there are frames: do not sleep */
#define NET_ASLEEP UINT64_MAX /* the port wakes the loop by itself */

struct net_link {
	bool up;
	uint32_t mbps;	/* RTE_ETH_SPEED_NUM_UNKNOWN: unknown */
	uint8_t duplex; /* 0 half, 1 full, 0xff unknown */
};

struct net_port_ops;

struct net_port {
	const struct net_port_ops *ops;
	const char *name;	   /* "ethdev net_tap0", for people */
	struct rte_mempool *pool;  /* borrowed; data room 2 KiB and headroom */
	uint32_t caps;		   /* NET_CAP_* */
	uint16_t pairs;		   /* of queues, 1 to NET_MAX_PAIRS */
	uint16_t mtu;		   /* largest there can be */
	struct rte_ether_addr mac; /* its own; the guest's by default */
	/* Set by the device, ctx first; called on any thread when the link's
	 * state has changed. */
	void (*_Atomic link_changed)(void *ctx);
	void *ctx;
};

struct net_port_ops {
	/* The value of option "port", or what it begins with. */
	const char *name;
	/* Up to @n frames of queue @q; the caller frees them. */
	uint16_t (*rx)(struct net_port *p, unsigned int q, struct rte_mbuf **m,
		       uint16_t n);
	/* How many of the first were taken over; the others stay the caller's,
	 * who tries again later or drops them. */
	uint16_t (*tx)(struct net_port *p, unsigned int q, struct rte_mbuf **m,
		       uint16_t n);
	/* The loop is about to sleep: how many nanoseconds it may, for frames
	 * that may come in at @q. */
	uint64_t (*rx_sleep)(struct net_port *p, unsigned int q);
	/* The loop will not run @q any more, or not before it was told again
	 * (queue_quiesce): what rx_sleep() began on this thread is ended. */
	void (*rx_stop)(struct net_port *p, unsigned int q);
	/* How many pairs are used, one at first; frames come in at those
	 * only. */
	int (*set_pairs)(struct net_port *p, uint16_t pairs);
	/* Each -errno; -ENOTSUP: the device has to filter by itself. */
	int (*set_mac)(struct net_port *p, const struct rte_ether_addr *mac);
	int (*set_promisc)(struct net_port *p, bool on);
	int (*set_allmulti)(struct net_port *p, bool on);
	int (*set_multicast)(struct net_port *p,
			     const struct rte_ether_addr *list, unsigned int n);
	int (*set_vlan)(struct net_port *p, uint16_t vid, bool on);
	int (*set_mtu)(struct net_port *p, uint16_t mtu);
	void (*link)(struct net_port *p, struct net_link *out);
	/* Every queue was stopped by rx_stop. */
	void (*close)(struct net_port *p);
};

/* As rte_pktmbuf_free_bulk(), short for what a burst mostly is: frames of one
 * piece and one pool, which nobody else has. */
static inline void net_frames_free(struct rte_mbuf **m, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (m[i]->pool != m[0]->pool || m[i]->nb_segs != 1 ||
		    !RTE_MBUF_DIRECT(m[i]) || rte_mbuf_refcnt_read(m[i]) != 1)
			break;
	if (n && i == n)
		rte_mempool_put_bulk(m[0]->pool, (void **)m, n);
	else
		rte_pktmbuf_free_bulk(m, n);
}

/*
 * Open the port that @spec names:
 *   null		   takes everything, gives nothing
 *   null:SIZE	   the same, and gives frames of SIZE bytes (60 to 2048) without
 *		   end, to mac or what was set by set_mac
 *   switch:NAME	   a wire between the functions of this service that name
 *		   it; two of them are an ordinary cable
 *   ethdev:NAME	   a DPDK ethdev that is there (EAL options made it)
 *   ethdev:NAME,ARGS   one that is made now, and goes with the function, such as
 *		   ethdev:net_tap0,iface=tap0,persist
 * -EINVAL and a sentence in @error, other -errno with one too: @error is a text
 * in any case of failure.
 */
int net_port_open(const char *spec, uint16_t pairs, struct net_port **out,
		  char *error, size_t room);

/* Any thread.  Is there a kind of port of that name?  -EINVAL and a sentence. */
int net_port_check(const char *spec, char *error, size_t room);

#endif
