/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net.h - virtio-net: a NIC in front of a port
 *
 * Frames go between a driver's chains and a port's mbufs, copied once.  What
 * the driver leaves to the device - checksums, large TCP segments, filters - is
 * the port's work if it can, and ours otherwise (TCP over IPv6 is cut by ports
 * alone).  virtio 1.2, 5.1.
 *
 * Sent      what the port does not take at once is offered to it again for
 *           NET_RETRY_US, in order; then it is dropped, and counted
 * Received  frames wait for buffers, the port's queue fills meanwhile; all
 *           buffers of one frame are used together
 * Threads   as in virtio/device.h; each receive or transmit queue has its own
 *           state.  The control queue is home's.  net_count(): any
 */
#ifndef TRANSPORT_DEVICES_NET_H
#define TRANSPORT_DEVICES_NET_H

#include "transport/devices/devices.h"
#include "transport/devices/net_ctrl.h"

#define NET_RETRY_US 1000u

/* The largest frame that a driver may send or get: 64 KiB of IP, an Ethernet
 * header and a VLAN tag. */
#define NET_FRAME_MAX 65553u

struct net_params {
	uint64_t offer; /* NET_F_* that may be, if the port can */
	uint16_t pairs;
	uint16_t mtu; /* 0: the port's */
	bool has_mac;
	struct rte_ether_addr mac;
	uint32_t mbps; /* 0: the port's */
};

/* Of the device; one queue's counts are added up. */
struct net_counts {
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
	uint64_t rx_filtered;
	uint64_t rx_too_large; /* for the driver's buffers or its MTU */
	uint64_t rx_bad;       /* offloads that the driver did not agree to */
	uint64_t rx_no_mbufs;
	uint64_t rx_stopped; /* lost by a reset */
	uint64_t tx_bad;     /* headers or lengths that make no sense */
	uint64_t tx_full;    /* the port did not take them */
	uint64_t tx_no_mbufs;
	uint64_t tx_stopped;
	uint64_t ctrl_errors;
};
#define NET_COUNTS (sizeof(struct net_counts) / sizeof(uint64_t))

/* All that we do; what is offered depends on the port too. */
extern const uint64_t net_all_features;

/* Control.  @port is the device's on success, the caller's otherwise.
 * -ENOMEM; -EINVAL: a MAC that is none, an MTU beyond the port's. */
int net_create(const struct net_params *p, struct net_port *port,
	       struct virtio_device **out);

/* Any thread. */
void net_count(struct virtio_device *d, struct net_counts *out);

extern const struct device_type net_type;

#endif
