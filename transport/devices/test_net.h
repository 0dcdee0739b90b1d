/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_net.h - for unit tests: a NIC, the plainest driver for it, and a port
 * that keeps what it is sent and gives what the test put there
 *
 * Group setup and teardown: nic_setup() and nic_teardown().  nic_end() fails if
 * a frame was leaked.
 */
#ifndef TRANSPORT_DEVICES_TEST_NET_H
#define TRANSPORT_DEVICES_TEST_NET_H

#include <rte_ip.h>
#include <rte_mempool.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "ring/ticks.h"
#include "transport/devices/net.h"
#include "transport/devices/net_offload.h"
#include "transport/devices/test_eal.h"
#include "transport/virtio/test_rig.h"
#include "transport/virtio/virtio.h"

#define NIC_RING   64
#define NIC_PAIRS  2
#define NIC_QUEUES (2 * NIC_PAIRS + 1)
#define NIC_FRAMES 600
#define NIC_MBUFS  4095u

/* Guest memory: a buffer or frame for each descriptor, then one large area. */
#define NIC_BUFFER(i) (RIG_DATA + 0x400ull * (i))
#define NIC_LARGE     (RIG_DATA + 0x10000)

struct test_port {
	struct net_port port;
	struct rte_mbuf *sent[NIC_FRAMES]; /* owned */
	unsigned int sent_at[NIC_FRAMES];  /* the queue of each */
	unsigned int nr_sent, takes;	   /* takes: how many more; -1u: any */
	struct rte_mbuf *due[NIC_FRAMES];
	unsigned int nr_due, first_due, due_at; /* due_at: the queue */
	struct net_link link;
	int err; /* of all that sets anything */
	bool promisc, allmulti, closed;
	unsigned int nr_multi, nr_vlans, pairs, stops;
	uint16_t mtu;
	struct rte_ether_addr mac;
};

struct nic {
	struct test_port *p; /* freed with the device */
	struct rig rig;
	struct rig_ring ring[NIC_QUEUES];
	struct virtio_device *dev;
	struct virtio v;
	unsigned int raised[NIC_QUEUES], config_raised, events;
	unsigned int nr_used[NIC_QUEUES]; /* that the test has looked at */
	uint16_t next[NIC_QUEUES];	  /* descriptor */
	/* Packed: slots of the chain that was offered so many ago. */
	uint8_t slots[NIC_QUEUES][NIC_RING];
	bool packed;
	uint16_t ctrl; /* index of the control queue */
};

static struct rte_mempool *nic_pool;

static inline int nic_setup(void **state)
{
	if (test_eal_start(state))
		return -1;
	nic_pool = rte_pktmbuf_pool_create("nic", NIC_MBUFS, 0, 0,
					   RTE_MBUF_DEFAULT_BUF_SIZE,
					   SOCKET_ID_ANY);
	return nic_pool ? 0 : -1;
}

static inline int nic_teardown(void **state)
{
	rte_mempool_free(nic_pool);
	return test_eal_end(state);
}

/* ---- The port ------------------------------------------------------------- */

static inline struct test_port *test_port_of(struct net_port *p)
{
	return container_of(p, struct test_port, port);
}

static inline uint16_t test_port_rx(struct net_port *port, unsigned int q,
				    struct rte_mbuf **m, uint16_t n)
{
	struct test_port *p = test_port_of(port);
	uint16_t i;

	for (i = 0; q == p->due_at && i < n && p->first_due < p->nr_due; i++)
		m[i] = p->due[p->first_due++];
	return i;
}

static inline uint16_t test_port_tx(struct net_port *port, unsigned int q,
				    struct rte_mbuf **m, uint16_t n)
{
	struct test_port *p = test_port_of(port);
	uint16_t i;

	for (i = 0; i < n && p->takes && p->nr_sent < NIC_FRAMES; i++) {
		p->sent_at[p->nr_sent] = q;
		p->sent[p->nr_sent++] = m[i];
		if (p->takes != -1u)
			p->takes--;
	}
	return i;
}

static inline uint64_t test_port_sleep(struct net_port *port, unsigned int q)
{
	(void)port;
	(void)q;
	return 12345;
}

static inline void test_port_stop(struct net_port *port, unsigned int q)
{
	(void)q;
	test_port_of(port)->stops++;
}

static inline int test_port_pairs(struct net_port *port, uint16_t pairs)
{
	test_port_of(port)->pairs = pairs;
	return 0;
}

static inline int test_port_mac(struct net_port *port,
				const struct rte_ether_addr *mac)
{
	if (!test_port_of(port)->err)
		test_port_of(port)->mac = *mac;
	return test_port_of(port)->err;
}

static inline int test_port_promisc(struct net_port *port, bool on)
{
	test_port_of(port)->promisc = on;
	return test_port_of(port)->err;
}

static inline int test_port_allmulti(struct net_port *port, bool on)
{
	test_port_of(port)->allmulti = on;
	return test_port_of(port)->err;
}

static inline int test_port_multicast(struct net_port *port,
				      const struct rte_ether_addr *list,
				      unsigned int n)
{
	(void)list;
	test_port_of(port)->nr_multi = n;
	return test_port_of(port)->err;
}

static inline int test_port_vlan(struct net_port *port, uint16_t vid, bool on)
{
	(void)vid;
	test_port_of(port)->nr_vlans += on ? 1 : -1u;
	return test_port_of(port)->err;
}

static inline int test_port_mtu(struct net_port *port, uint16_t mtu)
{
	test_port_of(port)->mtu = mtu;
	return test_port_of(port)->err;
}

static inline void test_port_link(struct net_port *port, struct net_link *out)
{
	*out = test_port_of(port)->link;
}

static inline void test_port_close(struct net_port *port)
{
	struct test_port *p = test_port_of(port);

	rte_pktmbuf_free_bulk(p->sent, p->nr_sent);
	rte_pktmbuf_free_bulk(p->due + p->first_due, p->nr_due - p->first_due);
	free(p);
}

static inline struct test_port *test_port_new(uint32_t caps, uint16_t pairs)
{
	static const struct net_port_ops ops = {
		.name = "test",
		.rx = test_port_rx,
		.tx = test_port_tx,
		.rx_sleep = test_port_sleep,
		.rx_stop = test_port_stop,
		.set_pairs = test_port_pairs,
		.set_mac = test_port_mac,
		.set_promisc = test_port_promisc,
		.set_allmulti = test_port_allmulti,
		.set_multicast = test_port_multicast,
		.set_vlan = test_port_vlan,
		.set_mtu = test_port_mtu,
		.link = test_port_link,
		.close = test_port_close,
	};
	struct test_port *p = calloc(1, sizeof(*p));

	assert(p);
	p->port = (struct net_port){
		.ops = &ops,
		.name = "test",
		.pool = nic_pool,
		.caps = caps,
		.pairs = pairs,
		.mtu = 1500,
		.mac = { { 2, 0, 0, 0, 0, 1 } },
	};
	p->takes = -1u;
	p->link = (struct net_link){ true, 10000, 1 };
	return p;
}

/* ---- The driver ----------------------------------------------------------- */

static inline void nic_raise(void *transport, unsigned int q)
{
	((struct nic *)transport)->raised[q]++;
}

static inline void nic_config_raise(void *transport)
{
	((struct nic *)transport)->config_raised++;
}

static inline void nic_event(void *transport)
{
	((struct nic *)transport)->events++;
}

static inline void nic_nothing(void *transport)
{
	(void)transport;
}

static inline void nic_up(struct nic *t, uint64_t features)
{
	const uint8_t status = VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER |
			       VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK;
	unsigned int q;

	features &= t->dev->offer.w[0];
	t->ctrl = features >> NET_F_MQ & 1 ? 2 * NIC_PAIRS : 2;
	features |= BIT_ULL(VIRTIO_F_VERSION_1) |
		    (t->packed ? BIT_ULL(VIRTIO_F_RING_PACKED) : 0);
	virtio_write_features(&t->v, 0, (uint32_t)features);
	virtio_write_features(&t->v, 1, (uint32_t)(features >> 32));
	for (q = 0; q < t->dev->nr_queues; q++) {
		rig_ring(&t->rig, &t->ring[q], q, NIC_RING);
		if (t->packed)
			rig_pack(&t->ring[q]);
		rig_tell(&t->ring[q], virtio_queue(&t->v, q));
		virtio_queue_enable(&t->v, q);
		t->nr_used[q] = 0;
		t->next[q] = 0;
	}
	virtio_write_status(&t->v, status);
}

/* A port of @caps, a NIC with @pairs, a driver that takes all it is offered of
 * @features, with rings of one kind. */
static inline void nic_open_ring(struct nic *t, uint32_t caps, uint16_t pairs,
				 uint64_t features, bool packed)
{
	static const struct virtio_options packs = {
		.offer.w[0] = BIT_ULL(VIRTIO_F_RING_PACKED) |
			      BIT_ULL(VIRTIO_F_EVENT_IDX),
	};
	static const struct virtio_transport_ops ops = {
		.queue_raise = nic_raise,
		.config_raise = nic_config_raise,
		.work = nic_nothing,
		.reset = nic_nothing,
		.event = nic_event,
	};
	const struct net_params params = { .offer = net_all_features,
					   .pairs = pairs };
	int err;

	memset(t, 0, sizeof(*t));
	t->packed = packed;
	rig_init(&t->rig);
	t->p = test_port_new(caps, pairs);
	err = net_create(&params, &t->p->port, &t->dev);
	assert(!err);
	err = virtio_init(&t->v, t->dev, packed ? &packs : NULL, &ops, t);
	assert(!err);
	(void)err;
	virtio_set_memory(&t->v, &t->rig.map);
	virtio_set_master(&t->v, true);
	nic_up(t, features);
}

static inline void nic_open(struct nic *t, uint32_t caps, uint16_t pairs,
			    uint64_t features)
{
	nic_open_ring(t, caps, pairs, features, false);
}

/* True: no frame was leaked. */
static inline bool nic_end(struct nic *t)
{
	virtio_fini(&t->v);
	t->dev->ops->destroy(t->dev);
	rig_fini(&t->rig);
	return rte_mempool_avail_count(nic_pool) == NIC_MBUFS;
}

static inline void nic_run(struct nic *t)
{
	unsigned int i;

	for (i = 0; i < 20; i++)
		virtio_run(&t->v, 64, ticks_now());
}

static inline struct net_counts nic_counts(struct nic *t)
{
	struct net_counts c;

	net_count(t->dev, &c);
	return c;
}

/* One more descriptor of queue @q, as part of a chain that it ends or not. */
static inline void nic_desc(struct nic *t, unsigned int q, uint64_t gpa,
			    uint32_t len, unsigned int flags)
{
	const uint16_t i = t->next[q];

	t->next[q] = (uint16_t)((i + 1) % NIC_RING);
	t->ring[q].id = i;
	rig_desc(&t->ring[q], i, gpa, len, flags, t->next[q]);
}

static inline void nic_offer(struct nic *t, unsigned int q, uint16_t head)
{
	t->slots[q][t->ring[q].offered % NIC_RING] =
		(uint8_t)((t->next[q] + NIC_RING - head) % NIC_RING);
	rig_offer(&t->ring[q], head);
	virtio_kick(&t->v, q);
}

/* How many chains of @q were used since this was asked last; *@len: of the
 * last of them. */
static inline unsigned int nic_used(struct nic *t, unsigned int q,
				    uint32_t *len)
{
	struct rig_ring *ring = &t->ring[q];
	struct rig_answer a = { 0, 0 };
	unsigned int n = 0;

	if (t->packed) {
		while (rig_take(ring, t->slots[q][ring->taken % NIC_RING], &a))
			n++;
		if (len)
			*len = a.len;
		return n;
	}
	n = (uint16_t)(ring->used->idx - t->nr_used[q]);
	t->nr_used[q] += n;
	if (len)
		*len = t->ring[q]
			       .used->ring[(t->nr_used[q] - 1) % NIC_RING]
			       .len;
	return n;
}

/* Offer a frame to be sent, its header first, in pieces of @piece bytes. */
static inline void nic_send(struct nic *t, const struct net_hdr *h,
			    const void *frame, uint32_t len, uint32_t piece)
{
	const uint32_t all = (uint32_t)sizeof(*h) + len;
	const uint16_t head = t->next[1];
	const uint64_t gpa = piece < all ? NIC_LARGE : NIC_BUFFER(head);
	uint8_t *to = rig_at(&t->rig, gpa);
	uint32_t off, part;

	memcpy(to, h, sizeof(*h));
	memcpy(to + sizeof(*h), frame, len);
	for (off = 0; off < all; off += part) {
		part = RTE_MIN(all - off, piece);
		nic_desc(t, 1, gpa + off, part,
			 off + part < all ? RIG_NEXT : 0);
	}
	nic_offer(t, 1, head);
}

static inline void nic_send_plain(struct nic *t, const void *frame,
				  uint32_t len)
{
	const struct net_hdr h = { .flags = 0 };

	nic_send(t, &h, frame, len, sizeof(h) + len);
}

/* Offer @n receive buffers of @size bytes (up to 1024). */
static inline void nic_buffers(struct nic *t, unsigned int n, uint32_t size)
{
	uint16_t head;

	while (n--) {
		head = t->next[0];
		nic_desc(t, 0, NIC_BUFFER(head), size, RIG_WRITE);
		nic_offer(t, 0, head);
	}
}

/* A frame that comes in, in pieces of up to @piece bytes. */
static inline struct rte_mbuf *nic_give(struct nic *t, const void *frame,
					uint32_t len, uint32_t piece)
{
	struct rte_mbuf *head = NULL, *m;
	uint32_t off, part;

	for (off = 0; off < len; off += part) {
		part = RTE_MIN(len - off, piece);
		m = rte_pktmbuf_alloc(nic_pool);
		assert(m);
		memcpy(rte_pktmbuf_append(m, (uint16_t)part),
		       (const uint8_t *)frame + off, part);
		if (head)
			rte_pktmbuf_chain(head, m);
		else
			head = m;
	}
	t->p->due[t->p->nr_due++] = head;
	return head;
}

/* What the device answered; 0xee: nothing. */
static inline uint8_t nic_command(struct nic *t, uint8_t class, uint8_t cmd,
				  const void *data, uint32_t len)
{
	const uint64_t ack = NIC_LARGE + 0xf000;
	const uint16_t head = t->next[t->ctrl];
	uint8_t *to = rig_at(&t->rig, NIC_LARGE);

	to[0] = class;
	to[1] = cmd;
	memcpy(to + 2, data, len);
	*(uint8_t *)rig_at(&t->rig, ack) = 0xee;
	nic_desc(t, t->ctrl, NIC_LARGE, 2, RIG_NEXT);
	if (len)
		nic_desc(t, t->ctrl, NIC_LARGE + 2, len, RIG_NEXT);
	nic_desc(t, t->ctrl, ack, 1, RIG_WRITE);
	nic_offer(t, t->ctrl, head);
	nic_run(t);
	return *(uint8_t *)rig_at(&t->rig, ack);
}

/* ---- Frames ---------------------------------------------------------------- */

static inline void frame_ethernet(uint8_t *f, const uint8_t *to, uint16_t type)
{
	memcpy(f, to, 6);
	memcpy(f + 6, (const uint8_t[]){ 2, 0, 0, 0, 0, 9 }, 6);
	f[12] = (uint8_t)(type >> 8);
	f[13] = (uint8_t)type;
}

/* TCP over IPv4 with @payload bytes, its checksum begun as a driver does; the
 * length. */
static inline uint32_t frame_tcp4(uint8_t *f, uint32_t payload)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = 0x45,
		.total_length = rte_cpu_to_be_16((uint16_t)(40 + payload)),
		.time_to_live = 64,
		.next_proto_id = 6,
		.src_addr = rte_cpu_to_be_32(0x0a000001),
		.dst_addr = rte_cpu_to_be_32(0x0a000002),
	};
	struct rte_tcp_hdr tcp = {
		.src_port = rte_cpu_to_be_16(1000),
		.dst_port = rte_cpu_to_be_16(80),
		.sent_seq = rte_cpu_to_be_32(5),
		.data_off = 0x50,
		.tcp_flags = RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG,
	};
	uint32_t i;

	frame_ethernet(f, (const uint8_t[]){ 2, 0, 0, 0, 0, 1 }, 0x0800);
	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	tcp.cksum = rte_ipv4_phdr_cksum(&ip, 0);
	memcpy(f + 14, &ip, sizeof(ip));
	memcpy(f + 34, &tcp, sizeof(tcp));
	for (i = 0; i < payload; i++)
		f[54 + i] = (uint8_t)(i * 7 + i / 256);
	return 54 + payload;
}

#define FRAME_TCP_HDR                                                          \
	{                                                                      \
		.flags = NET_HDR_NEEDS_CSUM, .csum_start = 34,                 \
		.csum_offset = 16                                              \
	}

/* All of an mbuf's bytes. */
static inline const uint8_t *frame_of(const struct rte_mbuf *m, uint8_t *buf)
{
	return rte_pktmbuf_read(m, 0, m->pkt_len, buf);
}

/* IPv4 and TCP checksums as they have to be on the wire. */
static inline bool frame_is_good(const struct rte_mbuf *m)
{
	static uint8_t buf[NET_FRAME_MAX];
	const uint8_t *f = frame_of(m, buf);
	const struct rte_ipv4_hdr *ip = (const void *)(f + 14);
	const uint16_t bytes = rte_be_to_cpu_16(ip->total_length);
	const uint32_t l4 = (uint32_t)rte_raw_cksum(f + 34, bytes - 20u) +
			    rte_ipv4_phdr_cksum(ip, 0);

	return rte_raw_cksum(ip, sizeof(*ip)) == 0xffff &&
	       (l4 & 0xffff) + (l4 >> 16) == 0xffff &&
	       m->pkt_len == 14u + bytes;
}

#endif
