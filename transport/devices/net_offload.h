/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_offload.h - checksums and segmentation, between virtio's words and DPDK's
 *
 * A driver describes in the header before each frame what is left to do for
 * it: a checksum to fill in, a large TCP segment to cut.  What the port does
 * itself is asked of it by the mbuf's flags; the rest is done here.
 *
 * Trust    the header and the frame are the guest's: any value is safe.  What
 *          makes no sense is refused, and the caller drops the frame
 * Threads  pure: whoever has the frame
 */
#ifndef TRANSPORT_DEVICES_NET_OFFLOAD_H
#define TRANSPORT_DEVICES_NET_OFFLOAD_H

#include "transport/devices/net_port.h"

/* virtio 1.2, 5.1.6; num_buffers is there whatever was negotiated. */
struct net_hdr {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint16_t num_buffers;
};
static_assert(sizeof(struct net_hdr) == 12, "as the driver writes it");

#define NET_HDR_NEEDS_CSUM 1u
#define NET_HDR_DATA_VALID 2u

#define NET_GSO_NONE  0u
#define NET_GSO_TCPV4 1u
#define NET_GSO_TCPV6 4u
#define NET_GSO_ECN   0x80u

/* What a device and its driver agreed on. */
#define NET_CAN_CSUM BIT(0)
#define NET_CAN_TSO4 BIT(1)
#define NET_CAN_TSO6 BIT(2)
#define NET_CAN_ECN  BIT(3)

/* The most segments that one frame is cut into here; with more to cut than
 * that it is refused (64 KiB in segments of less than 256 bytes). */
#define NET_MAX_SEGMENTS 256u

/* What there is to be done about a frame to be sent. */
enum net_tx {
	NET_TX_SEND, /* nothing more: to the port with it */
	NET_TX_CUT,  /* net_offload_cut(), whose segments go to the port */
	NET_TX_BAD /* @h makes no sense for this frame, or was not agreed on */
};

/*
 * Do, or ask the port for, what @h says about @m, a whole frame whose first
 * piece holds all its headers or all of it.  @can is NET_CAN_*, of what the
 * driver may ask for; @caps is NET_CAP_*, of what the port does.
 */
enum net_tx net_offload_tx(struct rte_mbuf *m, const struct net_hdr *h,
			   uint32_t can, uint32_t caps);

/*
 * Cut @m, after NET_TX_CUT or NET_RX_CUT, into at most @room frames, with all their
 * checksums.  Their number; or -ENOMEM, -EINVAL.  @m is the caller's still, to
 * be freed in any case.
 */
int net_offload_cut(struct rte_mbuf *m, uint32_t caps, struct rte_mempool *pool,
		    struct rte_mbuf **out, unsigned int room);

/* What there is to be done about a frame that came in. */
enum net_rx {
	NET_RX_GIVE, /* nothing more: to the driver with it */
	NET_RX_CUT,  /* net_offload_cut(), and each segment comes in anew */
	NET_RX_BAD   /* it cannot be given to this driver */
};

/*
 * Fill in @h (but for num_buffers) for a frame that came in, as far as the
 * driver agreed to (@can).  What it did not agree to is done here, to @m.
 */
enum net_rx net_offload_rx(struct rte_mbuf *m, uint32_t can, struct net_hdr *h);

#endif
