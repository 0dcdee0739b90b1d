/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: headers are parsed once, in the first piece of the mbuf, and only when
 * the guest or the port asked for something.  A checksum that is not plain TCP
 * or UDP over IP, which is all that ports know, is summed up here from where
 * the guest says to where the frame ends: that needs to know no protocol.
 */
#include "transport/devices/net_offload.h"

#include <rte_ethdev.h>
#include <rte_gso.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define PROTO_TCP  6u
#define PROTO_UDP  17u
#define TCP_CSUM   offsetof(struct rte_tcp_hdr, cksum)
#define UDP_CSUM   offsetof(struct rte_udp_hdr, dgram_cksum)
#define MAX_VLANS  2u
#define FRAGMENTED (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)

/* Where the headers of a frame are. */
struct headers {
	uint32_t l2, l3, l4; /* lengths; l4 0: no whole TCP or UDP header */
	uint8_t proto;	     /* PROTO_TCP, PROTO_UDP */
	bool v4;	     /* or IPv6 */
};

/* ---- Parsing -------------------------------------------------------------- */

static const uint8_t *at(const struct rte_mbuf *m, uint32_t off)
{
	return rte_pktmbuf_mtod_offset(m, const uint8_t *, off);
}

static uint16_t load_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* The type of what is in the Ethernet frame; 0: too short. */
static uint16_t parse_ethernet(const struct rte_mbuf *m, struct headers *p)
{
	const uint32_t len = m->data_len;
	uint16_t type;
	unsigned int i;

	p->l2 = RTE_ETHER_HDR_LEN;
	if (len < p->l2)
		return 0;
	type = load_be16(at(m, p->l2 - 2));
	for (i = 0; i < MAX_VLANS; i++) {
		if (type != RTE_ETHER_TYPE_VLAN && type != RTE_ETHER_TYPE_QINQ)
			break;
		p->l2 += RTE_VLAN_HLEN;
		if (len < p->l2)
			return 0;
		type = load_be16(at(m, p->l2 - 2));
	}
	return type;
}

static bool parse_ipv4(const struct rte_mbuf *m, struct headers *p)
{
	const struct rte_ipv4_hdr *ip = (const void *)at(m, p->l2);

	if (m->data_len < p->l2 + sizeof(*ip) || ip->version_ihl >> 4 != 4)
		return false;
	p->l3 = rte_ipv4_hdr_len(ip);
	/* Of a fragment no checksum of the whole can be filled in. */
	if (p->l3 < sizeof(*ip) ||
	    ip->fragment_offset & rte_cpu_to_be_16(FRAGMENTED))
		return false;
	p->v4 = true;
	p->proto = ip->next_proto_id;
	return true;
}

/* Extension headers are left to the sum that knows no protocol. */
static bool parse_ipv6(const struct rte_mbuf *m, struct headers *p)
{
	const struct rte_ipv6_hdr *ip = (const void *)at(m, p->l2);

	if (m->data_len < p->l2 + sizeof(*ip) || *at(m, p->l2) >> 4 != 6)
		return false;
	p->l3 = sizeof(*ip);
	p->v4 = false;
	p->proto = ip->proto;
	return true;
}

static bool parse_l4(const struct rte_mbuf *m, struct headers *p)
{
	const uint32_t off = p->l2 + p->l3;

	if (p->proto == PROTO_UDP) {
		p->l4 = sizeof(struct rte_udp_hdr);
	} else if (p->proto == PROTO_TCP) {
		if (m->data_len < off + sizeof(struct rte_tcp_hdr))
			return false;
		p->l4 = (uint32_t)(at(m, off)[12] >> 4) * 4;
		if (p->l4 < sizeof(struct rte_tcp_hdr))
			return false;
	} else {
		return false;
	}
	return m->data_len >= off + p->l4;
}

/* True: TCP or UDP over IP, of which all headers are there. */
static bool parse(const struct rte_mbuf *m, struct headers *p)
{
	const uint16_t type = parse_ethernet(m, p);

	if (type == RTE_ETHER_TYPE_IPV4)
		return parse_ipv4(m, p) && parse_l4(m, p);
	if (type == RTE_ETHER_TYPE_IPV6)
		return parse_ipv6(m, p) && parse_l4(m, p);
	return false;
}

static uint32_t csum_offset(const struct headers *p)
{
	return p->proto == PROTO_TCP ? TCP_CSUM : UDP_CSUM;
}

/* ---- Checksums ------------------------------------------------------------ */

static void store_csum(struct rte_mbuf *m, uint32_t off, uint16_t csum)
{
	memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, off), &csum, sizeof(csum));
}

static uint16_t pseudo_csum(const struct rte_mbuf *m, const struct headers *p)
{
	const void *ip = at(m, p->l2);

	return p->v4 ? rte_ipv4_phdr_cksum(ip, 0) : rte_ipv6_phdr_cksum(ip, 0);
}

/* The 16 bits at @off, which may be in two pieces. */
static void store_csum_anywhere(struct rte_mbuf *m, uint32_t off, uint16_t csum)
{
	uint8_t byte[2];
	unsigned int i;

	memcpy(byte, &csum, sizeof(csum));
	for (i = 0; i < 2; i++, off++) {
		while (off >= m->data_len) {
			off -= m->data_len;
			m = m->next;
		}
		*rte_pktmbuf_mtod_offset(m, uint8_t *, off) = byte[i];
	}
}

/* virtio 1.2, 5.1.6.2: the ones' complement of the sum from @start to the end
 * of the frame, in which the field holds what the guest put there. */
static bool csum_here(struct rte_mbuf *m, uint32_t start, uint32_t offset)
{
	uint16_t sum;

	if (rte_raw_cksum_mbuf(m, start, m->pkt_len - start, &sum))
		return false;
	sum = (uint16_t)~sum;
	/* RFC 768: a UDP checksum of 0 says that there is none; elsewhere the
	 * two zeroes of ones' complement are the same. */
	store_csum_anywhere(m, start + offset, sum ? sum : 0xffff);
	return true;
}

static uint64_t l4_flags(const struct headers *p)
{
	return (p->v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6) |
	       (p->proto == PROTO_TCP ? RTE_MBUF_F_TX_TCP_CKSUM
				      : RTE_MBUF_F_TX_UDP_CKSUM);
}

/* The field is as the driver left it: the contract with ports is the same. */
static void ask_port(struct rte_mbuf *m, const struct headers *p,
		     uint64_t flags)
{
	m->l2_len = p->l2;
	m->l3_len = p->l3;
	m->l4_len = p->l4;
	m->ol_flags |= flags;
}

static enum net_tx tx_csum(struct rte_mbuf *m, const struct net_hdr *h,
			   uint32_t caps)
{
	struct headers p;

	if (!range_inside((uint64_t)h->csum_start + h->csum_offset, 2,
			  m->pkt_len))
		return NET_TX_BAD;
	if (caps & NET_CAP_TX_CSUM && parse(m, &p) &&
	    h->csum_start == p.l2 + p.l3 && h->csum_offset == csum_offset(&p)) {
		ask_port(m, &p, l4_flags(&p));
		return NET_TX_SEND;
	}
	return csum_here(m, h->csum_start, h->csum_offset) ? NET_TX_SEND
							   : NET_TX_BAD;
}

/* ---- Segmentation --------------------------------------------------------- */

static bool gso_allowed(const struct net_hdr *h, uint32_t can)
{
	const unsigned int type = h->gso_type & ~NET_GSO_ECN;

	if (h->gso_type & NET_GSO_ECN && !(can & NET_CAN_ECN))
		return false;
	return (type == NET_GSO_TCPV4 && can & NET_CAN_TSO4) ||
	       (type == NET_GSO_TCPV6 && can & NET_CAN_TSO6);
}

static uint64_t gso_flags(const struct headers *p)
{
	return l4_flags(p) | RTE_MBUF_F_TX_TCP_SEG |
	       (p->v4 ? RTE_MBUF_F_TX_IP_CKSUM : 0);
}

static enum net_tx tx_gso(struct rte_mbuf *m, const struct net_hdr *h,
			  uint32_t can, uint32_t caps)
{
	const bool v4 = (h->gso_type & ~NET_GSO_ECN) == NET_GSO_TCPV4;
	uint32_t headers, payload;
	struct headers p;

	/* virtio 1.2, 5.1.6.2.1: it comes with a checksum to fill in.  hdr_len
	 * is a hint that need not be right: the frame itself is asked. */
	if (!gso_allowed(h, can) || !(h->flags & NET_HDR_NEEDS_CSUM) ||
	    !h->gso_size || !parse(m, &p) || p.proto != PROTO_TCP ||
	    p.v4 != v4 || h->csum_start != p.l2 + p.l3 ||
	    h->csum_offset != TCP_CSUM)
		return NET_TX_BAD;
	headers = p.l2 + p.l3 + p.l4;
	payload = m->pkt_len - headers;
	if (payload <= h->gso_size)
		return tx_csum(m, h, caps);
	if (payload / h->gso_size >= NET_MAX_SEGMENTS)
		return NET_TX_BAD;
	m->tso_segsz = h->gso_size;
	ask_port(m, &p, gso_flags(&p));
	return caps & (v4 ? NET_CAP_TX_TSO4 : NET_CAP_TX_TSO6) ? NET_TX_SEND
							       : NET_TX_CUT;
}

enum net_tx net_offload_tx(struct rte_mbuf *m, const struct net_hdr *h,
			   uint32_t can, uint32_t caps)
{
	if (likely(!h->flags && h->gso_type == NET_GSO_NONE))
		return NET_TX_SEND;
	if (h->gso_type != NET_GSO_NONE)
		return tx_gso(m, h, can, caps);
	/* 5.1.6.2.2: flags that are not known are ignored. */
	if (!(h->flags & NET_HDR_NEEDS_CSUM))
		return NET_TX_SEND;
	return can & NET_CAN_CSUM ? tx_csum(m, h, caps) : NET_TX_BAD;
}

/* A segment as it leaves: the library has set lengths, numbers and flags. */
static bool finish_segment(struct rte_mbuf *s, uint32_t caps, bool first)
{
	struct rte_ipv4_hdr *ip;
	struct rte_tcp_hdr *tcp;
	struct headers p;

	if (!(caps & NET_CAP_TX_MULTI) && rte_pktmbuf_linearize(s))
		return false;
	if (!parse(s, &p))
		return false;
	ip = rte_pktmbuf_mtod_offset(s, struct rte_ipv4_hdr *, p.l2);
	tcp = (void *)((uint8_t *)ip + p.l3);
	/* RFC 3168, 6.1.2: it is said once. */
	if (!first)
		tcp->tcp_flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	s->ol_flags &= ~(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM |
			 RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4);
	tcp->cksum = pseudo_csum(s, &p);
	if (caps & NET_CAP_TX_CSUM) {
		ask_port(s, &p, l4_flags(&p));
		return true;
	}
	return csum_here(s, p.l2 + p.l3, TCP_CSUM);
}

int net_offload_cut(struct rte_mbuf *m, uint32_t caps, struct rte_mempool *pool,
		    struct rte_mbuf **out, unsigned int room)
{
	const uint32_t size =
		(uint32_t)(m->l2_len + m->l3_len + m->l4_len + m->tso_segsz);
	const struct rte_gso_ctx ctx = {
		.direct_pool = pool,
		.indirect_pool = pool,
		.gso_types = RTE_ETH_TX_OFFLOAD_TCP_TSO,
		.gso_size = (uint16_t)size,
	};
	int i, n;

	if (size > UINT16_MAX)
		return -EINVAL;
	n = rte_gso_segment(m, &ctx, out, (uint16_t)RTE_MIN(room, UINT16_MAX));
	if (n < 1)
		return n ? n : -EINVAL;
	for (i = 0; i < n; i++)
		if (!finish_segment(out[i], caps, i == 0))
			break;
	if (i == n)
		return n;
	rte_pktmbuf_free_bulk(out, (unsigned int)n);
	return -ENOMEM;
}

/* ---- Frames that came in -------------------------------------------------- */

static enum net_rx rx_partial(struct rte_mbuf *m, uint32_t start,
			      uint32_t offset, uint32_t can, struct net_hdr *h)
{
	if (!(can & NET_CAN_CSUM))
		return csum_here(m, start, offset) ? NET_RX_GIVE : NET_RX_BAD;
	h->flags = NET_HDR_NEEDS_CSUM;
	h->csum_start = (uint16_t)start;
	h->csum_offset = (uint16_t)offset;
	return NET_RX_GIVE;
}

/* May the driver have it whole? */
static bool large_allowed(const struct headers *p, bool cwr, uint32_t can)
{
	return can & NET_CAN_CSUM &&
	       can & (p->v4 ? NET_CAN_TSO4 : NET_CAN_TSO6) &&
	       (!cwr || can & NET_CAN_ECN);
}

/* A large frame: the port made it of several, or its sender never cut it. */
static enum net_rx rx_large(struct rte_mbuf *m, uint32_t can, struct net_hdr *h)
{
	struct headers p;
	bool cwr;

	if (!parse(m, &p) || p.proto != PROTO_TCP)
		return NET_RX_BAD;
	cwr = at(m, p.l2 + p.l3)[13] & RTE_TCP_CWR_FLAG;
	if (!large_allowed(&p, cwr, can)) {
		ask_port(m, &p, gso_flags(&p));
		return p.v4 ? NET_RX_CUT : NET_RX_BAD;
	}
	h->gso_type = (uint8_t)((p.v4 ? NET_GSO_TCPV4 : NET_GSO_TCPV6) |
				(cwr ? NET_GSO_ECN : 0));
	h->gso_size = m->tso_segsz;
	h->hdr_len = (uint16_t)(p.l2 + p.l3 + p.l4);
	/* virtio 1.2, 5.1.6.4.1: with a gso_type there is a checksum to do. */
	store_csum(m, p.l2 + p.l3 + TCP_CSUM, pseudo_csum(m, &p));
	return rx_partial(m, p.l2 + p.l3, TCP_CSUM, can, h);
}

static enum net_rx rx_csum(struct rte_mbuf *m, uint32_t can, struct net_hdr *h)
{
	const uint64_t asked = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	const uint64_t seen = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	struct headers p;

	if (asked == RTE_MBUF_F_TX_TCP_CKSUM)
		return rx_partial(m, (uint32_t)(m->l2_len + m->l3_len),
				  TCP_CSUM, can, h);
	if (asked == RTE_MBUF_F_TX_UDP_CKSUM)
		return rx_partial(m, (uint32_t)(m->l2_len + m->l3_len),
				  UDP_CSUM, can, h);
	if (seen == RTE_MBUF_F_RX_L4_CKSUM_GOOD && can & NET_CAN_CSUM)
		h->flags = NET_HDR_DATA_VALID;
	/* The data is known to be good, and the field is not. */
	if (seen == RTE_MBUF_F_RX_L4_CKSUM_NONE && parse(m, &p)) {
		store_csum(m, p.l2 + p.l3 + csum_offset(&p),
			   pseudo_csum(m, &p));
		return rx_partial(m, p.l2 + p.l3, csum_offset(&p), can, h);
	}
	return NET_RX_GIVE;
}

enum net_rx net_offload_rx(struct rte_mbuf *m, uint32_t can, struct net_hdr *h)
{
	*h = (struct net_hdr){ .flags = 0 };
	if (m->tso_segsz &&
	    m->ol_flags & (RTE_MBUF_F_RX_LRO | RTE_MBUF_F_TX_TCP_SEG))
		return rx_large(m, can, h);
	return rx_csum(m, can, h);
}
