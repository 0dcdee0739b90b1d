/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How:
 * Pairs     a port's queues are started once.  How many the guest uses changes
 *           while they run, and few virtual drivers can steer frames away from
 *           a queue: so who runs queue q of n looks at q, q + n, q + 2n...  At a
 *           change two loops may look at one queue, hence its claim, which is
 *           tried and not waited for
 * Filters   only real ports are asked for them: virtual drivers accept the call
 *           and filter nothing
 * Sleep     where the driver has descriptors for queues, those that one loop
 *           looks at are in one epoll, and that wakes the loop; elsewhere the
 *           loop comes back in a short while
 */
#include "transport/devices/net_port_ethdev.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>

#include "ring/log.h"

#define LOOK_AGAIN_NS 200000u  /* nothing wakes us */
#define SELDOM_NS     2000000u /* an interrupt might have been early */
#define DRAIN_MOST    65536u

/* Who has it; control's. */
static bool in_use[RTE_MAX_ETHPORTS];

bool net_port_ethdev_take(struct eth_port *e)
{
	if (in_use[e->id])
		return false;
	return in_use[e->id] = true;
}

static struct eth_port *to_eth(struct net_port *p)
{
	return container_of(p, struct eth_port, port);
}

/* Relaxed: that two loops may disagree for a while is what claims are for. */
static unsigned int pairs_now(struct eth_port *e)
{
	return atomic_load_explicit(&e->pairs, memory_order_relaxed);
}

/* What the last who had it did is over. */
static bool claim(struct eth_queue *q)
{
	return !atomic_flag_test_and_set_explicit(&q->claimed,
						  memory_order_acquire);
}

static void unclaim(struct eth_queue *q)
{
	atomic_flag_clear_explicit(&q->claimed, memory_order_release);
}

/* ---- Frames -------------------------------------------------------------------- */

static void end_interrupts(struct eth_port *e, unsigned int q)
{
	struct eth_queue *queue = &e->queue[q];
	uint64_t count;

	rte_eth_dev_rx_intr_disable(e->id, (uint16_t)q);
	queue->interrupts = false;
	/* Made not to block by the EAL; empty is as good. */
	if (read(queue->fd, &count, sizeof(count)) < 0)
		return;
}

static uint16_t rx_one(struct eth_port *e, unsigned int q, struct rte_mbuf **m,
		       uint16_t n)
{
	struct eth_queue *queue = &e->queue[q];
	uint16_t got;

	if (!claim(queue))
		return 0;
	if (queue->interrupts)
		end_interrupts(e, q);
	got = rte_eth_rx_burst(e->id, (uint16_t)q, m, n);
	unclaim(queue);
	return got;
}

static uint16_t eth_rx(struct net_port *p, unsigned int q, struct rte_mbuf **m,
		       uint16_t n)
{
	struct eth_port *e = to_eth(p);
	const unsigned int pairs = pairs_now(e);
	uint16_t got = 0;

	if (q >= pairs)
		return 0;
	for (; q < p->pairs && got < n; q += pairs)
		got += rx_one(e, q, m + got, n - got);
	return got;
}

/* How many of the first are gone; the first is if none could go. */
static uint16_t tx_or_drop(struct eth_port *e, uint16_t q, struct rte_mbuf **m,
			   uint16_t n)
{
	/* It may want to see what is asked of it; many drivers do not. */
	const uint16_t good = rte_eth_tx_prepare(e->id, q, m, n);
	const uint16_t sent = good ? rte_eth_tx_burst(e->id, q, m, good) : 0;

	if (sent || (good && !(e->driver->quirks & DROPS)))
		return sent;
	rte_pktmbuf_free(m[0]);
	return 1;
}

static uint16_t eth_tx(struct net_port *p, unsigned int q, struct rte_mbuf **m,
		       uint16_t n)
{
	struct eth_port *e = to_eth(p);
	uint16_t sent = 0, gone;

	while (sent < n) {
		gone = tx_or_drop(e, (uint16_t)q, m + sent, n - sent);
		if (!gone)
			break;
		sent += gone;
	}
	return sent;
}

/* ---- Sleep --------------------------------------------------------------------- */

static uint64_t ask_for_interrupt(struct eth_port *e, unsigned int q)
{
	struct eth_queue *queue = &e->queue[q];
	uint64_t ns = SELDOM_NS;

	if (e->driver->quirks & FD_IS_LEVEL)
		return NET_ASLEEP;
	if (!claim(queue))
		return LOOK_AGAIN_NS;
	if (!queue->interrupts)
		queue->interrupts =
			!rte_eth_dev_rx_intr_enable(e->id, (uint16_t)q);
	if (!queue->interrupts)
		ns = LOOK_AGAIN_NS;
	/* What came before they were enabled interrupts nobody. */
	else if (rte_eth_rx_queue_count(e->id, (uint16_t)q) > 0)
		ns = NET_AWAKE;
	unclaim(queue);
	return ns;
}

static uint64_t eth_rx_sleep(struct net_port *p, unsigned int q)
{
	struct eth_port *e = to_eth(p);
	const unsigned int pairs = pairs_now(e);
	uint64_t ns = NET_ASLEEP;

	if (q >= pairs)
		return NET_ASLEEP;
	if (!e->fds || !net_wake_arm(&e->queue[q].wake))
		return LOOK_AGAIN_NS;
	for (; q < p->pairs; q += pairs)
		ns = RTE_MIN(ns, ask_for_interrupt(e, q));
	return ns;
}

static void eth_rx_stop(struct net_port *p, unsigned int q)
{
	net_wake_disarm(&to_eth(p)->queue[q].wake);
}

/* Each queue's descriptor goes to the epoll of who looks at it from now on. */
static int eth_set_pairs(struct net_port *p, uint16_t pairs)
{
	struct eth_port *e = to_eth(p);
	const unsigned int old = pairs_now(e);
	struct epoll_event ev = { .events = EPOLLIN };

	assert(pairs && pairs <= p->pairs);
	atomic_store_explicit(&e->pairs, pairs, memory_order_relaxed);
	for (unsigned int q = 0; e->fds && q < p->pairs; q++) {
		if (q % old == q % pairs)
			continue;
		epoll_ctl(e->queue[q % old].epoll_fd, EPOLL_CTL_DEL,
			  e->queue[q].fd, NULL);
		if (epoll_ctl(e->queue[q % pairs].epoll_fd, EPOLL_CTL_ADD,
			      e->queue[q].fd, &ev))
			return -errno;
	}
	return 0;
}

/* ---- Attributes ------------------------------------------------------------------ */

static int eth_set_mac(struct net_port *p, const struct rte_ether_addr *mac)
{
	struct rte_ether_addr copy = *mac;
	struct eth_port *e = to_eth(p);

	return e->real ? rte_eth_dev_default_mac_addr_set(e->id, &copy)
		       : -ENOTSUP;
}

static int eth_set_promisc(struct net_port *p, bool on)
{
	struct eth_port *e = to_eth(p);

	if (!e->real)
		return -ENOTSUP;
	return on ? rte_eth_promiscuous_enable(e->id)
		  : rte_eth_promiscuous_disable(e->id);
}

static int eth_set_allmulti(struct net_port *p, bool on)
{
	struct eth_port *e = to_eth(p);

	if (!e->real)
		return -ENOTSUP;
	return on ? rte_eth_allmulticast_enable(e->id)
		  : rte_eth_allmulticast_disable(e->id);
}

static int eth_set_multicast(struct net_port *p,
			     const struct rte_ether_addr *list, unsigned int n)
{
	struct rte_ether_addr copy[NET_MAX_MULTI];
	struct eth_port *e = to_eth(p);

	if (!e->real || n > ARRAY_SIZE(copy))
		return -ENOTSUP;
	memcpy(copy, list, n * sizeof(*list));
	return rte_eth_dev_set_mc_addr_list(e->id, copy, n);
}

/* A driver that filters passes no VLAN at first, and the guest may not want to
 * filter at all. */
static int eth_set_vlan(struct net_port *p, uint16_t vid, bool on)
{
	(void)p;
	(void)vid;
	(void)on;
	return -ENOTSUP;
}

static int eth_set_mtu(struct net_port *p, uint16_t mtu)
{
	return rte_eth_dev_set_mtu(to_eth(p)->id, mtu);
}

static void eth_link(struct net_port *p, struct net_link *out)
{
	struct rte_eth_link link = { .link_status = RTE_ETH_LINK_DOWN };

	*out = (struct net_link){ .mbps = RTE_ETH_SPEED_NUM_UNKNOWN,
				  .duplex = 0xff };
	if (rte_eth_link_get_nowait(to_eth(p)->id, &link))
		return;
	out->up = link.link_status == RTE_ETH_LINK_UP;
	if (link.link_speed == RTE_ETH_SPEED_NUM_NONE)
		return;
	out->mbps = link.link_speed;
	out->duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
}

/* The EAL's interrupt thread. */
static void tell(struct eth_port *e)
{
	void (*changed)(void *ctx) = e->port.link_changed;

	if (changed)
		changed(e->port.ctx);
}

void net_port_ethdev_look(void *port)
{
	struct eth_port *e = port;
	struct net_link link;

	eth_link(&e->port, &link);
	if (atomic_exchange(&e->was_up, link.up) != link.up)
		tell(e);
}

/* The EAL's interrupt thread, too. */
int net_port_ethdev_event(uint16_t id, enum rte_eth_event_type type, void *arg,
			  void *ret)
{
	(void)id;
	(void)type;
	(void)ret;
	tell(arg);
	return 0;
}

/* ---- End ------------------------------------------------------------------------- */

/* They are in a ring that may be there longer than their pool. */
static void drain(struct eth_port *e)
{
	struct rte_mbuf *m[32];
	unsigned int n, most = DRAIN_MOST;

	for (uint16_t q = 0; q < e->port.pairs; q++) {
		do {
			n = rte_eth_rx_burst(e->id, q, m, ARRAY_SIZE(m));
			rte_pktmbuf_free_bulk(m, n);
		} while (n && --most);
	}
}

static void end_device(struct eth_port *e)
{
	struct rte_eth_dev_info info;

	if (e->started) {
		if (e->driver->quirks & HANDS_ON)
			drain(e);
		rte_eth_dev_stop(e->id);
	}
	if (!e->made || rte_eth_dev_info_get(e->id, &info))
		return;
	if (rte_dev_remove(info.device))
		log_warn("%s: cannot be removed: %s", e->name,
			 rte_strerror(rte_errno));
}

static void end_queues(struct eth_port *e)
{
	for (unsigned int q = 0; e->queue && q < e->port.pairs; q++)
		if (e->queue[q].epoll_fd >= 0)
			close(e->queue[q].epoll_fd);
	free(e->queue);
}

/* Of a port at whatever stage. */
static void eth_close(struct net_port *p)
{
	struct eth_port *e = to_eth(p);

	net_link_watch_close(e->watch);
	while (e->watched && rte_eth_dev_callback_unregister(
				     e->id, RTE_ETH_EVENT_INTR_LSC,
				     net_port_ethdev_event, e) == -EAGAIN)
		; /* it is being called */
	end_queues(e);
	end_device(e);
	in_use[e->id] = false;
	if (p->pool)
		net_pool_put(p->pool);
	free(e);
}

const struct net_port_ops net_port_ethdev_ops = {
	.name = "ethdev",
	.rx = eth_rx,
	.tx = eth_tx,
	.rx_sleep = eth_rx_sleep,
	.rx_stop = eth_rx_stop,
	.set_pairs = eth_set_pairs,
	.set_mac = eth_set_mac,
	.set_promisc = eth_set_promisc,
	.set_allmulti = eth_set_allmulti,
	.set_multicast = eth_set_multicast,
	.set_vlan = eth_set_vlan,
	.set_mtu = eth_set_mtu,
	.link = eth_link,
	.close = eth_close,
};
