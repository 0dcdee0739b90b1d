/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_queue.h - one receive or transmit queue of a NIC
 *
 * Threads   whoever runs the queue; what it reads of struct net besides is
 *           constant while started, or atomic
 */
#ifndef TRANSPORT_DEVICES_NET_QUEUE_H
#define TRANSPORT_DEVICES_NET_QUEUE_H

#include <rte_memcpy.h>

#include "transport/devices/net.h"
#include "transport/devices/net_offload.h"
#include "transport/virtio/virtio.h"

#define NET_BURST 32u

/* Frames between a driver and a port: a burst of large ones, cut. */
#define NET_FRAMES 2048u

/* The most buffers and pieces of them that one frame is put into. */
#define NET_FRAME_CHAINS 64u
#define NET_FRAME_SPANS	 1024u
/* Of all that are filled in one go. */
#define NET_CHAINS	 (NET_FRAME_CHAINS + NET_BURST)
#define NET_SPANS	 (NET_FRAME_SPANS + NET_BURST)

/* A list of frames: taken from the front, added at the end. */
struct net_frames {
	unsigned int first, end;
	struct rte_mbuf *m[NET_FRAMES];
};

static inline unsigned int net_frames_nr(const struct net_frames *f)
{
	return f->end - f->first;
}

struct net_tx_queue {
	struct net_frames out; /* for the port */
	uint64_t retry_until;  /* ticks; while out is not empty */
	struct rte_mbuf *spare[2 * NET_BURST];
	unsigned int nr_spare;
	struct vq_chain chain[NET_BURST];
	struct vq_span first[NET_BURST]; /* of each chain */
	struct net_counts count;
};

/* A chain that was taken for a frame. */
struct net_buffer {
	struct vq_chain chain;
	uint32_t room; /* of the spans so far */
	bool whole;    /* there are no more */
};

/* A frame that has its buffers. */
struct net_fill {
	unsigned int buffers, spans;
};

struct net_rx_queue {
	struct net_frames in;
	struct net_hdr hdr[NET_FRAMES]; /* of each of them */
	struct net_filter_copy filter;
	struct net_buffer buffer[NET_CHAINS];
	unsigned int nr_buffers, assigned; /* the first so many */
	struct vq_span span[NET_SPANS];
	unsigned int nr_spans;
	struct net_fill fill[NET_BURST];
	bool polled;  /* the core was told so */
	bool stalled; /* for want of buffers */
	struct net_counts count;
};

struct net_pair {
	struct net_rx_queue rx;
	struct net_tx_queue tx;
};

struct net {
	struct virtio_device device;
	struct net_port *port; /* owned */
	struct net_params p;
	struct rte_ether_addr mac; /* after a reset */
	/* constant while started */
	uint32_t tx_can;  /* NET_CAN_* */
	uint32_t tx_most; /* bytes of a frame that is not cut */
	uint32_t rx_most;
	bool mergeable;
	uint16_t nr_pairs; /* set up; the control queue comes behind them */
	uint64_t retry;	   /* ticks of NET_RETRY_US */
	/* home */
	struct net_ctrl ctrl;
	struct net_link link;
	bool listening; /* atomic: the core is there for events */
	uint64_t ctrl_errors;
	uint8_t command[NET_CTRL_BYTES];
	struct net_pair *pair[NET_MAX_PAIRS]; /* owned: p.pairs of them */
};

/* Without a call: frames are mostly short. */
static inline void net_copy(void *to, const void *from, uint32_t len)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	if (len > 128) {
		rte_memcpy(t, f, len);
	} else if (len < 16) {
		memcpy(t, f, len);
	} else if (len > 64) {
		rte_mov64(t, f);
		rte_mov64(t + len - 64, f + len - 64);
	} else if (len > 32) {
		rte_mov32(t, f);
		rte_mov32(t + len - 32, f + len - 32);
	} else {
		rte_mov16(t, f);
		rte_mov16(t + len - 16, f + len - 16);
	}
}

static inline struct net *net_of(struct virtio_device *d)
{
	return container_of(d, struct net, device);
}

/* As virtio_device_ops.queue_run, for pair @i. */
bool net_rx_run(struct net *n, unsigned int i, unsigned int budget);
bool net_tx_run(struct net *n, unsigned int i, unsigned int budget);
bool net_ctrl_run(struct net *n, unsigned int q, unsigned int budget);

/* Whoever runs it: how long it may sleep. */
uint64_t net_rx_sleep(struct net *n, unsigned int i);

/* The queue was reset: let go of all frames and chains. */
void net_rx_stop(struct net *n, unsigned int i);
void net_tx_stop(struct net *n, unsigned int i);

#endif
