/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_rival.h - DPDK's own virtio-net: net_vhost against net_virtio_user
 *
 * Two processes with an EAL each, where ours are: the one with the device and
 * its frames is on the service's core, the driver on the caller's.  Both sleep
 * between blocks.  The device drops what it gets, or makes frames without end,
 * as ours with port null does.
 *
 * Errors   -errno; -ENODEV: this DPDK lacks one of the two drivers
 */
#ifndef BENCH_NET_RIVAL_H
#define BENCH_NET_RIVAL_H

#include "bench/child.h"
#include "bench/net.h"

struct net_rival_shared;

struct net_rival {
	struct net_rival_shared *shared; /* owned */
	pid_t device, driver;
	int wake_device, wake_driver, done; /* owned */
};

/* @dir: of ours, for the socket; @cpu: the driver's and the device's. */
int net_rival_open(struct net_rival *r, const char *dir, const int cpu[2],
		   bool packed);
/* Fine for one that is zeroed. */
void net_rival_close(struct net_rival *r);

/* Frames of @size bytes one way for @ms: ns a frame (of slices, the median),
 * and what of it was CPU time of the device's process. */
int net_rival_block(struct net_rival *r, enum net_way way, unsigned int size,
		    unsigned int ms, double *ns, double *cpu_ns);

#endif
