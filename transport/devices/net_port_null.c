/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a frame that comes in is an mbuf with a header written into it; what
 * follows is what the buffer held, which can only be the same function's: a
 * pool is used by one null port, and its memory is cleared when it is freed.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "transport/devices/net_port_kind.h"

#define SIZE_LEAST	 60u
#define SIZE_MOST	 2048u
#define LOCAL_EXPERIMENT 0x88b5 /* IEEE 802, an EtherType that is nobody's */

struct null_port {
	struct net_port port;
	uint16_t size;		/* of frames that come in; 0: none do */
	_Atomic uint16_t pairs; /* used now */
	/* The address, which home changes while loops read it: any of the two
	 * is an answer, half of each is not. */
	_Atomic uint64_t mac;
};

static struct null_port *to_null(struct net_port *p)
{
	return container_of(p, struct null_port, port);
}

static void make_frame(const struct null_port *n, struct rte_mbuf *m,
		       uint64_t mac)
{
	struct rte_ether_hdr *h;

	/* One after the other, and not all of a burst before the first. */
	rte_pktmbuf_reset(m);
	h = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	memcpy(&h->dst_addr, &mac, sizeof(h->dst_addr));
	memcpy(&h->src_addr, &mac, sizeof(h->src_addr));
	h->src_addr.addr_bytes[5] ^= 1;
	h->ether_type = rte_cpu_to_be_16(LOCAL_EXPERIMENT);
	m->data_len = n->size;
	m->pkt_len = n->size;
}

static uint16_t null_rx(struct net_port *p, unsigned int q, struct rte_mbuf **m,
			uint16_t n)
{
	struct null_port *null = to_null(p);
	uint64_t mac;

	/* Relaxed: neither orders anything else. */
	if (!null->size ||
	    q >= atomic_load_explicit(&null->pairs, memory_order_relaxed) ||
	    rte_mempool_get_bulk(p->pool, (void **)m, n))
		return 0;
	mac = atomic_load_explicit(&null->mac, memory_order_relaxed);
	for (uint16_t i = 0; i < n; i++)
		make_frame(null, m[i], mac);
	return n;
}

static uint16_t null_tx(struct net_port *p, unsigned int q, struct rte_mbuf **m,
			uint16_t n)
{
	(void)p;
	(void)q;
	net_frames_free(m, n);
	return n;
}

static uint64_t null_rx_sleep(struct net_port *p, unsigned int q)
{
	struct null_port *null = to_null(p);

	return null->size && q < atomic_load_explicit(&null->pairs,
						      memory_order_relaxed)
		       ? NET_AWAKE
		       : NET_ASLEEP;
}

static void null_rx_stop(struct net_port *p, unsigned int q)
{
	(void)p;
	(void)q;
}

static int null_set_pairs(struct net_port *p, uint16_t pairs)
{
	atomic_store_explicit(&to_null(p)->pairs, pairs, memory_order_relaxed);
	return 0;
}

static int null_set_mac(struct net_port *p, const struct rte_ether_addr *mac)
{
	uint64_t v = 0;

	memcpy(&v, mac, sizeof(*mac));
	atomic_store_explicit(&to_null(p)->mac, v, memory_order_relaxed);
	return 0;
}

/* What comes in is for the guest's address: nothing is to be filtered. */
static int null_set_filter(struct net_port *p, bool on)
{
	(void)p;
	(void)on;
	return 0;
}

static int null_set_multicast(struct net_port *p,
			      const struct rte_ether_addr *list, unsigned int n)
{
	(void)p;
	(void)list;
	(void)n;
	return 0;
}

static int null_set_vlan(struct net_port *p, uint16_t vid, bool on)
{
	(void)p;
	(void)vid;
	(void)on;
	return 0;
}

static int null_set_mtu(struct net_port *p, uint16_t mtu)
{
	(void)p;
	(void)mtu;
	return 0;
}

static void null_link(struct net_port *p, struct net_link *out)
{
	(void)p;
	*out = (struct net_link){ .up = true, .mbps = UINT32_MAX, .duplex = 1 };
}

static void null_close(struct net_port *p)
{
	net_pool_put(p->pool);
	free(to_null(p));
}

static const struct net_port_ops null_ops = {
	.name = "null",
	.rx = null_rx,
	.tx = null_tx,
	.rx_sleep = null_rx_sleep,
	.rx_stop = null_rx_stop,
	.set_pairs = null_set_pairs,
	.set_mac = null_set_mac,
	.set_promisc = null_set_filter,
	.set_allmulti = null_set_filter,
	.set_multicast = null_set_multicast,
	.set_vlan = null_set_vlan,
	.set_mtu = null_set_mtu,
	.link = null_link,
	.close = null_close,
};

static int parse_size(const struct net_port_ask *ask, uint16_t *size)
{
	unsigned long v;
	char *end;

	*size = 0;
	if (!ask->args[0])
		return 0;
	v = strtoul(ask->args, &end, 10);
	if (*end || v < SIZE_LEAST || v > SIZE_MOST)
		return net_port_refuse(ask, -EINVAL,
				       "null:%s: frames have %u to %u bytes",
				       ask->args, SIZE_LEAST, SIZE_MOST);
	*size = (uint16_t)v;
	return 0;
}

int net_port_null_open(const struct net_port_ask *ask, struct net_port **out)
{
	struct null_port *n;
	uint16_t size;
	int err = parse_size(ask, &size);

	if (err)
		return err;
	n = calloc(1, sizeof(*n));
	if (!n)
		return net_port_refuse(ask, -ENOMEM, "no memory for a port");
	err = net_pool_get(ask, SOCKET_ID_ANY, NULL, &n->port.pool);
	if (err) {
		free(n);
		return err;
	}
	n->size = size;
	n->port.ops = &null_ops;
	n->port.name = "null";
	n->port.caps = NET_CAP_TX_CSUM | NET_CAP_TX_TSO4 | NET_CAP_TX_TSO6 |
		       NET_CAP_TX_MULTI | NET_CAP_VLAN | NET_CAP_MULTI |
		       NET_CAP_SLEEP;
	n->port.pairs = ask->pairs;
	n->port.mtu = UINT16_MAX;
	rte_eth_random_addr(n->port.mac.addr_bytes);
	null_set_mac(&n->port, &n->port.mac);
	null_set_pairs(&n->port, 1);
	*out = &n->port;
	return 0;
}
