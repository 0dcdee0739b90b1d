/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the port is configured with what its driver can do, and a table says
 * where a driver's word is not to be taken.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>

#include "ring/log.h"
#include "transport/devices/net_port_ethdev.h"

#define DESCRIPTORS 256u

static const struct eth_driver drivers[] = {
	/* Its TSO counts the Ethernet header into the MTU, and so refuses each
	 * segment of full size.  Its descriptors are pieces of one frame. */
	{ "net_tap", KEEPS_MAC | NO_TSO | DROPS | FD_IS_LEVEL | LINK_SILENT,
	  36 },
	{ "net_ring", HANDS_ON, DESCRIPTORS },
	{ "", 0, DESCRIPTORS },
};

static const struct eth_driver *const any_driver =
	&drivers[ARRAY_SIZE(drivers) - 1];

static const struct eth_driver *driver_of(const struct rte_eth_dev_info *info)
{
	const struct eth_driver *d = drivers;

	while (d != any_driver && strcmp(d->name, info->driver_name))
		d++;
	return d;
}

/* The group of pools that lie in rings between ports. */
static const char handed_on;

static int failed(const struct net_port_ask *ask, int err, const char *what)
{
	return net_port_refuse(ask, err, "ethdev:%s: %s: %s", ask->args, what,
			       rte_strerror(-err));
}

/* That is there, or is made. */
static int find(const struct net_port_ask *ask, struct eth_port *e)
{
	const size_t n = strcspn(ask->args, ",");
	char name[RTE_ETH_NAME_MAX_LEN];
	int err;

	if (!n || n >= RTE_ETH_NAME_MAX_LEN)
		return net_port_refuse(ask, -EINVAL,
				       "ethdev:%s: a name is missing, such as "
				       "ethdev:net_tap0,iface=tap0",
				       ask->args);
	snprintf(name, sizeof(name), "%.*s", (int)n, ask->args);
	snprintf(e->name, sizeof(e->name), "ethdev %s", name);
	if (!rte_eth_dev_get_port_by_name(name, &e->id)) {
		if (!ask->args[n])
			return 0;
		return net_port_refuse(ask, -EEXIST,
				       "there is an ethdev %s already: name it "
				       "without arguments, or another one with",
				       name);
	}
	err = rte_dev_probe(ask->args);
	if (err)
		return failed(ask, err,
			      "there is no such ethdev, and none can be made");
	e->made = true;
	err = rte_eth_dev_get_port_by_name(name, &e->id);
	if (err)
		return failed(ask, -ENODEV, "the device has no port");
	return 0;
}

static void know(struct eth_port *e, const struct rte_eth_dev_info *info)
{
	e->driver = driver_of(info);
	e->real = strcmp(rte_bus_name(rte_dev_bus(info->device)), "vdev") != 0;
}

/* Of the driver's offloads, those that are of use here. */
static void choose(struct eth_port *e, const struct rte_eth_dev_info *info,
		   struct rte_eth_conf *conf)
{
	const uint64_t csum = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
			      RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
			      RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
	uint64_t tx = info->tx_offload_capa, rx = info->rx_offload_capa;

	if (e->driver->quirks & NO_TSO)
		tx &= ~RTE_ETH_TX_OFFLOAD_TCP_TSO;
	/* A driver that sums in software takes this loop's time for what the
	 * guest does on its own. */
	if (!e->real)
		rx &= ~RTE_ETH_RX_OFFLOAD_CHECKSUM;
	if ((tx & csum) == csum)
		e->port.caps |= NET_CAP_TX_CSUM;
	else
		tx &= ~(csum | RTE_ETH_TX_OFFLOAD_TCP_TSO);
	if (tx & RTE_ETH_TX_OFFLOAD_TCP_TSO)
		e->port.caps |= NET_CAP_TX_TSO4;
	/* DPDK has one word for both; software of its own does IPv4 only. */
	if ((tx & RTE_ETH_TX_OFFLOAD_TCP_TSO) && e->real)
		e->port.caps |= NET_CAP_TX_TSO6;
	if (tx & RTE_ETH_TX_OFFLOAD_MULTI_SEGS)
		e->port.caps |= NET_CAP_TX_MULTI;
	if ((rx & RTE_ETH_RX_OFFLOAD_CHECKSUM) == RTE_ETH_RX_OFFLOAD_CHECKSUM)
		e->port.caps |= NET_CAP_RX_CSUM;
	else
		rx &= ~RTE_ETH_RX_OFFLOAD_CHECKSUM;
	conf->txmode.offloads = tx & (csum | RTE_ETH_TX_OFFLOAD_TCP_TSO |
				      RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	conf->rxmode.offloads =
		rx & (RTE_ETH_RX_OFFLOAD_CHECKSUM | RTE_ETH_RX_OFFLOAD_SCATTER);
}

static int configure(const struct net_port_ask *ask, struct eth_port *e,
		     const struct rte_eth_dev_info *info)
{
	struct rte_eth_conf conf = { 0 };
	int err;

	choose(e, info, &conf);
	if (e->real && ask->pairs > 1) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info->flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
	}
	e->watched = *info->dev_flags & RTE_ETH_DEV_INTR_LSC &&
		     !(e->driver->quirks & LINK_SILENT);
	conf.intr_conf.lsc = e->watched;
	e->fds = e->real || (e->driver->quirks & FD_IS_LEVEL);
	conf.intr_conf.rxq = e->fds;
	err = rte_eth_dev_configure(e->id, ask->pairs, ask->pairs, &conf);
	if (!err || !e->real)
		return err;
	e->fds = false;
	conf.intr_conf.rxq = 0;
	return rte_eth_dev_configure(e->id, ask->pairs, ask->pairs, &conf);
}

static int set_up(const struct net_port_ask *ask, struct eth_port *e)
{
	uint16_t rx = e->driver->rx_descriptors, tx = DESCRIPTORS;
	const int socket = rte_eth_dev_socket_id(e->id);
	int err = rte_eth_dev_adjust_nb_rx_tx_desc(e->id, &rx, &tx);

	for (uint16_t q = 0; !err && q < ask->pairs; q++) {
		err = rte_eth_rx_queue_setup(e->id, q, rx, (unsigned int)socket,
					     NULL, e->port.pool);
		if (!err)
			err = rte_eth_tx_queue_setup(
				e->id, q, tx, (unsigned int)socket, NULL);
	}
	if (!err)
		err = rte_eth_dev_start(e->id);
	e->started = !err;
	return err;
}

static int make_wake(struct eth_port *e, uint16_t q)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct eth_queue *queue = &e->queue[q];

	queue->fd = rte_eth_dev_rx_intr_ctl_q_get_fd(e->id, q);
	if (queue->fd < 0)
		return -ENOTSUP;
	queue->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (queue->epoll_fd < 0)
		return -errno;
	net_wake_init(&queue->wake, queue->epoll_fd, false);
	/* One pair is used at first. */
	return epoll_ctl(e->queue[0].epoll_fd, EPOLL_CTL_ADD, queue->fd, &ev)
		       ? -errno
		       : 0;
}

static int make_queues(struct eth_port *e)
{
	const uint16_t n = e->port.pairs;
	int err = 0;

	e->queue = aligned_alloc(64, n * sizeof(*e->queue));
	if (!e->queue)
		return -ENOMEM;
	memset(e->queue, 0, n * sizeof(*e->queue));
	for (uint16_t q = 0; q < n; q++) {
		e->queue[q].epoll_fd = e->queue[q].fd = -1;
		net_wake_init(&e->queue[q].wake, -1, false);
	}
	for (uint16_t q = 0; !err && e->fds && q < n; q++)
		err = make_wake(e, q);
	/* Without, it is looked at now and then. */
	if (err == -ENOTSUP)
		e->fds = false;
	return err == -ENOTSUP ? 0 : err;
}

static void describe(struct eth_port *e, const struct rte_eth_dev_info *info)
{
	/* Ethernet's header and FCS; drivers of small limits state 1518. */
	const uint32_t fits = info->max_rx_pktlen - 18;

	e->port.name = e->name;
	e->port.mtu = info->max_mtu;
	if (fits < e->port.mtu && !(e->driver->quirks & FD_IS_LEVEL))
		e->port.mtu = (uint16_t)RTE_MAX(fits, (uint32_t)RTE_ETHER_MTU);
	if (e->fds)
		e->port.caps |= NET_CAP_SLEEP;
	rte_eth_macaddr_get(e->id, &e->port.mac);
	if (e->driver->quirks & KEEPS_MAC) {
		e->port.mac.addr_bytes[0] |= RTE_ETHER_LOCAL_ADMIN_ADDR;
		e->port.mac.addr_bytes[3] ^= 0x80;
	}
	if (!rte_is_valid_assigned_ether_addr(&e->port.mac))
		rte_eth_random_addr(e->port.mac.addr_bytes);
	/* The device filters. */
	if (!e->real)
		rte_eth_promiscuous_enable(e->id);
}

/* Where it cannot be watched it is what it was. */
static void watch_link(struct eth_port *e)
{
	struct net_link link;

	if (e->watched &&
	    rte_eth_dev_callback_register(e->id, RTE_ETH_EVENT_INTR_LSC,
					  net_port_ethdev_event, e))
		e->watched = false;
	if (!(e->driver->quirks & LINK_SILENT))
		return;
	e->port.ops->link(&e->port, &link);
	e->was_up = link.up;
	if (net_link_watch_open(net_port_ethdev_look, e, &e->watch))
		log_warn("%s: changes of the link will not be seen", e->name);
}

static int begin(const struct net_port_ask *ask, struct eth_port *e,
		 const struct rte_eth_dev_info *info)
{
	int err;

	if (ask->pairs > info->max_rx_queues ||
	    ask->pairs > info->max_tx_queues)
		return net_port_refuse(
			ask, -EINVAL,
			"ethdev:%s: %s has at most %u queue pairs, not %u",
			ask->args, info->driver_name,
			RTE_MIN(info->max_rx_queues, info->max_tx_queues),
			ask->pairs);
	err = net_pool_get(ask, rte_eth_dev_socket_id(e->id),
			   e->driver->quirks & HANDS_ON ? &handed_on : NULL,
			   &e->port.pool);
	if (err)
		return err;
	err = configure(ask, e, info);
	if (err)
		return failed(ask, err, "the port cannot be configured");
	err = set_up(ask, e);
	if (err)
		return failed(ask, err, "the port cannot be started");
	err = make_queues(e);
	if (err)
		return failed(ask, err, "its queues cannot be watched");
	watch_link(e);
	describe(e, info);
	return 0;
}

/* Of a port that is taken. */
static int open_port(const struct net_port_ask *ask, struct eth_port *e)
{
	struct rte_eth_dev_info info;
	int err = rte_eth_dev_info_get(e->id, &info);

	if (err)
		return failed(ask, err, "the port says nothing of itself");
	know(e, &info);
	return begin(ask, e, &info);
}

int net_port_ethdev_open(const struct net_port_ask *ask, struct net_port **out)
{
	struct eth_port *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return net_port_refuse(ask, -ENOMEM, "no memory for a port");
	err = find(ask, e);
	if (!err && !net_port_ethdev_take(e))
		err = net_port_refuse(ask, -EBUSY,
				      "ethdev:%s: another function has it",
				      ask->args);
	if (err) {
		free(e);
		return err;
	}
	e->port.ops = &net_port_ethdev_ops;
	e->port.pairs = ask->pairs;
	e->driver = any_driver;
	e->pairs = 1;
	err = open_port(ask, e);
	if (err) {
		e->port.ops->close(&e->port);
		return err;
	}
	*out = &e->port;
	return 0;
}
