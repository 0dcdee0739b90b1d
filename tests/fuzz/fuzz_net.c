/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a NIC's driver writes: headers with frames behind them, of which the
 * checksum and the segments are ours to do, and commands; and what comes in
 * from a neighbour with the same left open.
 *
 * No frame is leaked, none that is sent is longer than the frame it came from
 * or has lengths that do not add up, and a filter does not trip over a frame.
 */
#include "tests/fuzz/must.h"
#include "transport/devices/test_net.h"

static struct net_ctrl ctrl;
static struct net_filter_copy copy;
static struct test_port *port;

static void leave_nothing(void)
{
	nic_teardown(NULL);
}

static void set_up(void)
{
	const struct rte_ether_addr mac = { { 2, 0, 0, 0, 0, 1 } };

	must(nic_setup(NULL) == 0);
	must(atexit(leave_nothing) == 0);
	port = test_port_new(0, 4);
	ctrl.port = &port->port;
	ctrl.max_pairs = 4;
	net_ctrl_start(&ctrl, UINT64_MAX, &mac);
}

/* The input, in pieces of @piece bytes; NULL: no frame. */
static struct rte_mbuf *frame_from(const uint8_t *data, size_t size,
				   uint16_t piece)
{
	struct rte_mbuf *head = NULL, *m;
	uint16_t part;

	if (size < RTE_ETHER_HDR_LEN)
		return NULL;
	for (; size; size -= part, data += part) {
		part = (uint16_t)RTE_MIN(size, piece);
		m = rte_pktmbuf_alloc(nic_pool);
		must(m);
		memcpy(rte_pktmbuf_append(m, part), data, part);
		if (head)
			must(rte_pktmbuf_chain(head, m) == 0);
		else
			head = m;
	}
	return head;
}

static void check_frame(const struct rte_mbuf *m, uint32_t most)
{
	rte_mbuf_sanity_check(m, 1);
	must(m->pkt_len <= most);
	must(!(m->ol_flags & RTE_MBUF_F_TX_L4_MASK) ||
	     (uint32_t)(m->l2_len + m->l3_len + m->l4_len) <= m->data_len);
}

static void cut(struct rte_mbuf *m, uint32_t caps)
{
	struct rte_mbuf *out[NET_MAX_SEGMENTS];
	int i, n;

	n = net_offload_cut(m, caps, nic_pool, out, NET_MAX_SEGMENTS);
	for (i = 0; i < n; i++) {
		check_frame(out[i], m->pkt_len);
		rte_pktmbuf_free(out[i]);
	}
}

/* A frame comes in; what was to be done about it may be. */
static void come_in(struct rte_mbuf *m, uint32_t can, uint32_t caps)
{
	struct net_hdr h;

	switch (net_offload_rx(m, can, &h)) {
	case NET_RX_GIVE:
		must(!(h.flags & NET_HDR_NEEDS_CSUM) ||
		     h.csum_start + h.csum_offset + 2u <= m->pkt_len);
		must(h.gso_type == NET_GSO_NONE || h.hdr_len <= m->data_len);
		break;
	case NET_RX_CUT:
		cut(m, caps);
		break;
	case NET_RX_BAD:
		break;
	}
}

/* What the port does of it, a switch leaves to the neighbour, who agreed to
 * something else with his driver. */
static void transmit(const uint8_t *data, size_t size, uint32_t can,
		     uint32_t caps)
{
	struct net_hdr h;
	struct rte_mbuf *m;

	if (size < sizeof(h))
		return;
	memcpy(&h, data, sizeof(h));
	m = frame_from(data + sizeof(h), size - sizeof(h), 2048);
	if (!m)
		return;
	switch (net_offload_tx(m, &h, can, caps)) {
	case NET_TX_SEND:
		check_frame(m, m->pkt_len);
		come_in(m, h.hdr_len & 15, NET_CAP_TX_MULTI);
		break;
	case NET_TX_CUT:
		cut(m, caps);
		break;
	case NET_TX_BAD:
		break;
	}
	rte_pktmbuf_free(m);
}

static void receive(const uint8_t *data, size_t size, uint32_t can,
		    uint32_t caps)
{
	struct rte_mbuf *m;

	if (size < 3)
		return;
	/* Ports have all headers in the first piece, or what they ask for is
	 * not for us to do. */
	m = frame_from(data + 3, size - 3, (uint16_t)(64 + data[0] * 7));
	if (!m)
		return;
	m->tso_segsz = (uint16_t)(data[1] * 8u);
	m->ol_flags = data[2] & 1 ? RTE_MBUF_F_RX_LRO : 0;
	m->ol_flags |= data[2] & 2 ? RTE_MBUF_F_RX_L4_CKSUM_GOOD : 0;
	m->ol_flags |= data[2] & 4 ? RTE_MBUF_F_RX_L4_CKSUM_BAD : 0;
	net_filter_wants(&copy, rte_pktmbuf_mtod(m, const uint8_t *),
			 m->data_len);
	come_in(m, can, caps);
	rte_pktmbuf_free(m);
}

static void command(const uint8_t *data, size_t size, int err)
{
	port->err = err;
	net_ctrl_command(&ctrl, data, (uint32_t)RTE_MIN(size, NET_CTRL_BYTES));
	must(ctrl.pairs >= 1 && ctrl.pairs <= ctrl.max_pairs);
	must(ctrl.filter.rules.nr_uni <= NET_MAX_UNICAST);
	must(ctrl.filter.rules.nr_multi <= NET_MAX_MULTI);
	must(ctrl.coalesce[0].usecs <= NET_MAX_USECS);
	must(ctrl.coalesce[1].usecs <= NET_MAX_USECS);
	net_filter_update(&ctrl.filter, &copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;
	uint32_t caps, can;

	if (!begun)
		set_up();
	begun = true;
	if (size < 3 || size > NET_FRAME_MAX)
		return 0;
	caps = data[1];
	can = data[2] & 15;
	switch (data[0] & 3) {
	case 0:
		transmit(data + 3, size - 3, can, caps);
		break;
	case 1:
		receive(data + 3, size - 3, can, caps);
		break;
	case 2:
		command(data + 3, size - 3, 0);
		break;
	case 3:
		command(data + 3, size - 3, -(int)data[1]);
		break;
	}
	must(rte_mempool_avail_count(nic_pool) == NIC_MBUFS);
	return 0;
}
