/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the frames' ways are in net_rx.c and net_tx.c, what the driver sets in
 * net_ctrl.c.  Here is the rest: which features there are and what they stand
 * for, the configuration, the control queue, the link.
 *
 * What queue an index means depends on MQ (virtio 1.2, 5.1.2): the control
 * queue comes behind all pairs, or behind the first if MQ was not negotiated.
 */
#include "transport/devices/net.h"

#include <stdlib.h>

#include "ring/ticks.h"
#include "transport/devices/net_queue.h"

#define NET_DEVICE_ID  1
#define NET_QUEUE_SIZE 1024

/* Ethernet header and two tags. */
#define NET_L2_MOST 22u

/* virtio 1.2, 5.1.4 */
#define CONFIG_MAC	 0
#define CONFIG_STATUS	 6
#define CONFIG_MAX_PAIRS 8
#define CONFIG_MTU	 10
#define CONFIG_SPEED	 12
#define CONFIG_DUPLEX	 16
#define CONFIG_BYTES	 17

#define STATUS_LINK_UP 1u

/* ---- Features ------------------------------------------------------------- */

const uint64_t net_all_features =
	BIT_ULL(NET_F_CSUM) | BIT_ULL(NET_F_GUEST_CSUM) |
	BIT_ULL(NET_F_CTRL_GUEST_OFFLOADS) | BIT_ULL(NET_F_MTU) |
	BIT_ULL(NET_F_MAC) | BIT_ULL(NET_F_GUEST_TSO4) |
	BIT_ULL(NET_F_GUEST_TSO6) | BIT_ULL(NET_F_GUEST_ECN) |
	BIT_ULL(NET_F_HOST_TSO4) | BIT_ULL(NET_F_HOST_TSO6) |
	BIT_ULL(NET_F_HOST_ECN) | BIT_ULL(NET_F_MRG_RXBUF) |
	BIT_ULL(NET_F_STATUS) | BIT_ULL(NET_F_CTRL_VQ) |
	BIT_ULL(NET_F_CTRL_RX) | BIT_ULL(NET_F_CTRL_VLAN) |
	BIT_ULL(NET_F_CTRL_RX_EXTRA) | BIT_ULL(NET_F_MQ) |
	BIT_ULL(NET_F_CTRL_MAC_ADDR) | BIT_ULL(NET_F_NOTF_COAL) |
	BIT_ULL(NET_F_SPEED_DUPLEX);

/* virtio 1.2, 5.1.3.1: the first needs one of the other two.  In an order in
 * which what went away takes along what needs it. */
static const struct {
	uint8_t bit, needs, or ;
} dependencies[] = {
	{ NET_F_GUEST_TSO4, NET_F_GUEST_CSUM, NET_F_GUEST_CSUM },
	{ NET_F_GUEST_TSO6, NET_F_GUEST_CSUM, NET_F_GUEST_CSUM },
	{ NET_F_GUEST_ECN, NET_F_GUEST_TSO4, NET_F_GUEST_TSO6 },
	{ NET_F_HOST_TSO4, NET_F_CSUM, NET_F_CSUM },
	{ NET_F_HOST_TSO6, NET_F_CSUM, NET_F_CSUM },
	{ NET_F_HOST_ECN, NET_F_HOST_TSO4, NET_F_HOST_TSO6 },
	{ NET_F_CTRL_RX, NET_F_CTRL_VQ, NET_F_CTRL_VQ },
	{ NET_F_CTRL_RX_EXTRA, NET_F_CTRL_VQ, NET_F_CTRL_VQ },
	{ NET_F_CTRL_VLAN, NET_F_CTRL_VQ, NET_F_CTRL_VQ },
	{ NET_F_CTRL_MAC_ADDR, NET_F_CTRL_VQ, NET_F_CTRL_VQ },
	{ NET_F_CTRL_GUEST_OFFLOADS, NET_F_CTRL_VQ, NET_F_CTRL_VQ },
	{ NET_F_MQ, NET_F_CTRL_VQ, NET_F_CTRL_VQ },
	{ NET_F_NOTF_COAL, NET_F_CTRL_VQ, NET_F_CTRL_VQ },
};

/* Those of @features that do not lack what they need. */
static uint64_t supported(uint64_t features)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dependencies); i++)
		if (!(features >> dependencies[i].needs & 1) &&
		    !(features >> dependencies[i].or &1))
			features &= ~BIT_ULL(dependencies[i].bit);
	return features;
}

static bool net_features(struct virtio_device *d,
			 const struct virtio_features *driver)
{
	const uint64_t chosen = driver->w[0] & net_of(d)->device.offer.w[0];

	return supported(chosen) == chosen;
}

static uint64_t to_offer(const struct net *n)
{
	const uint32_t caps = n->port->caps;
	uint64_t f = n->p.offer & net_all_features;

	if (!(caps & NET_CAP_TX_TSO6))
		f &= ~BIT_ULL(NET_F_HOST_TSO6);
	/* Frames that large come from nowhere else. */
	if (!(caps & (NET_CAP_RX_LRO | NET_CAP_RX_REQUESTS)))
		f &= ~(BIT_ULL(NET_F_GUEST_TSO4) | BIT_ULL(NET_F_GUEST_TSO6) |
		       BIT_ULL(NET_F_GUEST_ECN));
	if (!n->p.mtu)
		f &= ~BIT_ULL(NET_F_MTU);
	if (n->p.pairs == 1)
		f &= ~BIT_ULL(NET_F_MQ);
	return supported(f);
}

/* ---- The link ------------------------------------------------------------- */

static bool refresh_link(struct net *n)
{
	struct net_link now = { .up = false };
	bool changed;

	n->port->ops->link(n->port, &now);
	if (n->p.mbps)
		now.mbps = n->p.mbps;
	changed = now.up != n->link.up || now.mbps != n->link.mbps ||
		  now.duplex != n->link.duplex;
	n->link = now;
	return changed;
}

/* Any thread. */
static void link_changed(void *ctx)
{
	struct net *n = ctx;

	/* G3: pairs with F3.  Before a driver there is nobody to tell. */
	if (__atomic_load_n(&n->listening, __ATOMIC_ACQUIRE))
		virtio_event(n->device.virtio);
}

static void net_event(struct virtio_device *d)
{
	if (refresh_link(net_of(d)))
		virtio_config_changed(d->virtio);
}

/* ---- The control queue ---------------------------------------------------- */

/* What the queues have to hear of at once. */
static void after_command(struct net *n, uint8_t class)
{
	struct virtio *v = n->device.virtio;
	const struct net_coalesce *c;
	unsigned int q;

	for (q = 0; q < 2u * n->nr_pairs; q++) {
		c = &n->ctrl.coalesce[q & 1];
		/* The queue itself looks whether it is in use. */
		if (class == NET_CTRL_MQ && !(q & 1))
			virtio_queue_activate(v, q);
		if (class == NET_CTRL_COALESCE)
			virtio_queue_coalesce(
				v, q,
				&(struct virtio_coalesce){
					.ticks = ticks_of_us(c->usecs),
					.chains = c->packets,
				});
	}
}

/* Copy the command; *@ack: where its answer goes, or NULL.  Its length, more
 * than there is room for if it was longer than that; -1: the queue broke. */
static int64_t copy_command(struct net *n, struct vq_chain *chain,
			    uint8_t **ack)
{
	struct vq_span s;
	int64_t len = 0;
	int state;

	*ack = NULL;
	while ((state = vq_chain_next(chain, &s)) > 0) {
		if (s.write) {
			*ack = s.host;
			break;
		}
		/* The rest of a chain that is refused is still looked through
		 * for the byte that says so. */
		if (s.len > NET_CTRL_BYTES - RTE_MIN(len, NET_CTRL_BYTES)) {
			len = NET_CTRL_BYTES + 1;
			continue;
		}
		memcpy(n->command + len, s.host, s.len);
		len += s.len;
	}
	return state < 0 ? -1 : len;
}

static bool serve_command(struct net *n, unsigned int q, struct vq_chain *chain)
{
	uint8_t answer = NET_CTRL_ERR;
	uint8_t *ack;
	const int64_t len = copy_command(n, chain, &ack);

	if (len < 0)
		return false;
	if (ack && len <= NET_CTRL_BYTES)
		answer = net_ctrl_command(&n->ctrl, n->command, (uint32_t)len);
	if (answer == NET_CTRL_OK) {
		after_command(n, n->command[0]);
	} else {
		count_add(&n->ctrl_errors, 1);
		virtio_bad_request(n->device.virtio, q);
	}
	if (ack)
		*ack = answer;
	vq_push(chain->vq, chain, ack ? 1 : 0);
	return true;
}

bool net_ctrl_run(struct net *n, unsigned int q, unsigned int budget)
{
	struct vq *vq = virtio_queue(n->device.virtio, q);
	struct vq_chain chain;

	for (; budget; budget--) {
		if (!vq_pop(vq, &chain) || !serve_command(n, q, &chain))
			return false;
	}
	return true;
}

/* ---- Start and stop ------------------------------------------------------- */

static void net_start(struct virtio_device *d)
{
	struct net *n = net_of(d);
	const uint64_t f = d->virtio->s.driver.w[0];
	const uint32_t mtu = f >> NET_F_MTU & 1 ? n->p.mtu : n->port->mtu;
	unsigned int i;

	n->nr_pairs = f >> NET_F_MQ & 1 ? n->p.pairs : 1;
	n->mergeable = f >> NET_F_MRG_RXBUF & 1;
	n->tx_can = (f >> NET_F_CSUM & 1 ? NET_CAN_CSUM : 0) |
		    (f >> NET_F_HOST_TSO4 & 1 ? NET_CAN_TSO4 : 0) |
		    (f >> NET_F_HOST_TSO6 & 1 ? NET_CAN_TSO6 : 0) |
		    (f >> NET_F_HOST_ECN & 1 ? NET_CAN_ECN : 0);
	n->tx_most = mtu + NET_L2_MOST;
	/* virtio 1.2, 5.1.4.1: no frame beyond the MTU that was agreed on. */
	n->rx_most = f >> NET_F_MTU & 1 ? mtu + NET_L2_MOST : UINT32_MAX;
	net_ctrl_start(&n->ctrl, f, &n->mac);
	for (i = 0; i < n->p.pairs; i++) {
		n->pair[i]->rx.polled = i == 0;
		virtio_queue_poll(d->virtio, 2 * i, i == 0);
	}
	/* F3: pairs with G3. */
	__atomic_store_n(&n->listening, true, __ATOMIC_RELEASE);
	net_event(d);
}

static void net_quiesce(struct virtio_device *d, unsigned int q)
{
	struct net *n = net_of(d);

	if (!(q & 1) && q < 2u * n->nr_pairs)
		n->port->ops->rx_stop(n->port, q / 2);
}

static void net_queue_stop(struct virtio_device *d, unsigned int q)
{
	struct net *n = net_of(d);

	if (q >= 2u * n->nr_pairs)
		return;
	if (q & 1)
		net_tx_stop(n, q / 2);
	else
		net_rx_stop(n, q / 2);
}

static void net_stop(struct virtio_device *d)
{
	struct net *n = net_of(d);

	__atomic_store_n(&n->listening, false, __ATOMIC_RELAXED);
	n->ctrl.mac = n->mac;
}

/* ---- Queues --------------------------------------------------------------- */

static bool net_queue_run(struct virtio_device *d, unsigned int q,
			  unsigned int budget)
{
	struct net *n = net_of(d);

	if (q < 2u * n->nr_pairs)
		return q & 1 ? net_tx_run(n, q / 2, budget)
			     : net_rx_run(n, q / 2, budget);
	if (q == 2u * n->nr_pairs && n->ctrl.features >> NET_F_CTRL_VQ & 1)
		return net_ctrl_run(n, q, budget);
	return false;
}

static uint64_t net_queue_sleep(struct virtio_device *d, unsigned int q)
{
	struct net *n = net_of(d);

	if (!(q & 1) && q < 2u * n->nr_pairs)
		return net_rx_sleep(n, q / 2);
	return VIRTIO_ASLEEP;
}

/* ---- The device ----------------------------------------------------------- */

static uint64_t net_config_read(struct virtio_device *d, uint32_t off,
				unsigned int size)
{
	const struct net *n = net_of(d);
	uint8_t config[CONFIG_BYTES] = { 0 };

	memcpy(config + CONFIG_MAC, n->ctrl.mac.addr_bytes, RTE_ETHER_ADDR_LEN);
	store_le(config + CONFIG_STATUS, 2, n->link.up ? STATUS_LINK_UP : 0);
	store_le(config + CONFIG_MAX_PAIRS, 2, n->p.pairs);
	store_le(config + CONFIG_MTU, 2, n->p.mtu);
	store_le(config + CONFIG_SPEED, 4, n->link.mbps);
	store_le(config + CONFIG_DUPLEX, 1, n->link.duplex);
	return load_le(config + off, size);
}

static void free_pairs(struct net *n)
{
	unsigned int i;

	for (i = 0; i < n->p.pairs; i++)
		free(n->pair[i]);
}

static void net_destroy(struct virtio_device *d)
{
	struct net *n = net_of(d);

	n->port->ops->close(n->port);
	free_pairs(n);
	free(n);
}

/* ---- Counters ------------------------------------------------------------- */

static void add_counts(uint64_t *sum, const struct net_counts *c)
{
	const uint64_t *word = (const uint64_t *)c;
	unsigned int i;

	for (i = 0; i < NET_COUNTS; i++)
		sum[i] += count_read(&word[i]);
}

void net_count(struct virtio_device *d, struct net_counts *out)
{
	struct net *n = net_of(d);
	uint64_t sum[NET_COUNTS] = { 0 };
	unsigned int i;

	for (i = 0; i < n->p.pairs; i++) {
		add_counts(sum, &n->pair[i]->rx.count);
		add_counts(sum, &n->pair[i]->tx.count);
	}
	memcpy(out, sum, sizeof(*out));
	out->ctrl_errors = count_read(&n->ctrl_errors);
}

static unsigned int net_counters(struct virtio_device *d,
				 const char *const **names, uint64_t *values,
				 unsigned int room)
{
	static const char *const name[] = {
		"rx_frames",   "rx_bytes",     "tx_frames", "tx_bytes",
		"rx_filtered", "rx_too_large", "rx_bad",    "rx_no_mbufs",
		"rx_stopped",  "tx_bad",       "tx_full",   "tx_no_mbufs",
		"tx_stopped",  "ctrl_errors",
	};
	struct net_counts counts;

	static_assert(ARRAY_SIZE(name) == NET_COUNTS, "in their order");
	if (room < NET_COUNTS)
		return 0;
	net_count(d, &counts);
	memcpy(values, &counts, sizeof(counts));
	*names = name;
	return NET_COUNTS;
}

/* The control queue is the third or the last: the driver decides. */
static bool net_queue_stays(const struct virtio_device *d, unsigned int q)
{
	return d->offer.w[0] >> NET_F_CTRL_VQ & 1 &&
	       (q == 2 || q + 1 == d->nr_queues);
}

static const struct virtio_device_ops net_ops = {
	.name = "net",
	.type = NET_DEVICE_ID,
	.features = net_features,
	.start = net_start,
	.queue_quiesce = net_quiesce,
	.queue_stop = net_queue_stop,
	.stop = net_stop,
	.queue_run = net_queue_run,
	.queue_sleep = net_queue_sleep,
	.queue_stays = net_queue_stays,
	.counters = net_counters,
	.event = net_event,
	.config_read = net_config_read,
	.config_write = NULL,
	.destroy = net_destroy,
};

static int choose_mac(struct net *n)
{
	n->mac = n->p.has_mac ? n->p.mac : n->port->mac;
	if (n->p.has_mac && !rte_is_valid_assigned_ether_addr(&n->mac))
		return -EINVAL;
	if (!rte_is_valid_assigned_ether_addr(&n->mac))
		rte_eth_random_addr(n->mac.addr_bytes);
	n->ctrl.mac = n->mac;
	return 0;
}

static int choose_mtu(struct net *n)
{
	int err;

	if (!n->p.mtu)
		return 0;
	if (n->p.mtu > n->port->mtu)
		return -EINVAL;
	err = n->port->ops->set_mtu(n->port, n->p.mtu);
	return err == -ENOTSUP ? 0 : err;
}

static int make_pairs(struct net *n)
{
	unsigned int i;

	for (i = 0; i < n->p.pairs; i++) {
		n->pair[i] = calloc(1, sizeof(*n->pair[i]));
		if (!n->pair[i])
			return -ENOMEM;
	}
	return 0;
}

int net_create(const struct net_params *p, struct net_port *port,
	       struct virtio_device **out)
{
	struct net *n = calloc(1, sizeof(*n));
	int err;

	assert(p->pairs >= 1 && p->pairs <= NET_MAX_PAIRS);
	if (!n)
		return -ENOMEM;
	n->port = port;
	n->p = *p;
	n->p.pairs = RTE_MIN(p->pairs, port->pairs);
	n->retry = ticks_of_us(NET_RETRY_US);
	n->ctrl.port = port;
	err = choose_mac(n);
	if (!err)
		err = choose_mtu(n);
	if (!err)
		err = make_pairs(n);
	if (err)
		goto free_pairs;
	n->device = (struct virtio_device){
		.ops = &net_ops,
		.offer.w[0] = to_offer(n),
		.nr_queues = (uint16_t)(2 * n->p.pairs),
		.queue_max = NET_QUEUE_SIZE,
		.config_size = CONFIG_BYTES,
	};
	n->device.nr_queues += n->device.offer.w[0] >> NET_F_CTRL_VQ & 1;
	/* Without a control queue there is no way to ask for more. */
	if (!(n->device.offer.w[0] >> NET_F_MQ & 1))
		n->device.nr_queues = (uint16_t)(2 + (n->device.nr_queues & 1));
	n->ctrl.max_pairs = n->p.pairs;
	refresh_link(n);
	port->ctx = n;
	port->link_changed = link_changed;
	*out = &n->device;
	return 0;

free_pairs:
	free_pairs(n);
	free(n);
	return err;
}
