/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: switches are in a list, by name; the first to name one makes it, the
 * last to leave it ends it, and with it the pools of all who were there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "transport/devices/net_port_switch.h"

static struct net_switch *switches; /* control's */

static struct net_switch *get_switch(const char *name)
{
	struct net_switch *sw;

	for (sw = switches; sw; sw = sw->next)
		if (!strcmp(sw->name, name))
			return sw;
	sw = calloc(1, sizeof(*sw));
	if (!sw)
		return NULL;
	snprintf(sw->name, sizeof(sw->name), "%s", name);
	sw->next = switches;
	switches = sw;
	return sw;
}

static void put_switch(struct net_switch *sw)
{
	struct net_switch **link = &switches;

	if (atomic_load(&sw->members))
		return;
	while (*link != sw)
		link = &(*link)->next;
	*link = sw->next;
	net_pool_end_group(sw);
	free(sw);
}

/* The number of members has changed and is @n: those that had a link alone, or
 * have now, are told; not @but, which is opened or closed. */
static void tell_others(struct net_switch *sw, unsigned int n,
			const struct switch_member *but)
{
	struct switch_member *m;
	void (*changed)(void *ctx);

	for (unsigned int i = 0; n <= 2 && i < SWITCH_MEMBERS; i++) {
		m = atomic_load(&sw->slot[i]);
		if (!m || m == but)
			continue;
		changed = m->port.link_changed;
		if (changed)
			changed(m->port.ctx);
	}
}

/* ---- Queues ---------------------------------------------------------------------- */

static void end_queue(struct switch_queue *q)
{
	struct rte_mbuf *m;

	while (q->ring && !rte_ring_mc_dequeue(q->ring, (void **)&m))
		rte_pktmbuf_free(m);
	free(q->ring);
	if (q->event_fd >= 0)
		close(q->event_fd);
}

static int make_queue(struct switch_queue *q)
{
	const ssize_t size = rte_ring_get_memsize(SWITCH_FRAMES);

	q->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->event_fd < 0)
		return -errno;
	net_wake_init(&q->wake, q->event_fd, true);
	q->ring = aligned_alloc(64, ((size_t)size + 63) & ~(size_t)63);
	if (!q->ring)
		return -ENOMEM;
	return rte_ring_init(q->ring, "switch", SWITCH_FRAMES, 0);
}

static int make_queues(struct switch_member *m)
{
	const uint16_t n = m->port.pairs;
	int err = 0;

	m->queue = aligned_alloc(64, n * sizeof(*m->queue));
	if (!m->queue)
		return -ENOMEM;
	memset(m->queue, 0, n * sizeof(*m->queue));
	for (uint16_t q = 0; q < n; q++)
		m->queue[q].event_fd = -1;
	for (uint16_t q = 0; !err && q < n; q++)
		err = make_queue(&m->queue[q]);
	return err;
}

/* ---- Members --------------------------------------------------------------------- */

static void free_member(struct switch_member *m)
{
	for (unsigned int q = 0; m->queue && q < m->port.pairs; q++)
		end_queue(&m->queue[q]);
	free(m->queue);
	if (m->port.pool)
		net_pool_put(m->port.pool);
	if (m->sw)
		put_switch(m->sw);
	free(m);
}

void net_port_switch_close(struct net_port *p)
{
	struct switch_member *m = container_of(p, struct switch_member, port);
	unsigned int n;

	net_port_switch_leave(m);
	n = atomic_fetch_sub(&m->sw->members, 1) - 1;
	tell_others(m->sw, n, m);
	free_member(m);
}

/* Whole but for its slot. */
static int make_member(const struct net_port_ask *ask, struct switch_member *m)
{
	struct net_port *p = &m->port;
	int err;

	m->sw = get_switch(ask->args);
	if (!m->sw)
		return net_port_refuse(ask, -ENOMEM, "no memory for a switch");
	while (m->slot < SWITCH_MEMBERS && m->sw->slot[m->slot])
		m->slot++;
	if (m->slot == SWITCH_MEMBERS)
		return net_port_refuse(ask, -ENOSPC,
				       "switch %s has %u functions already",
				       ask->args, SWITCH_MEMBERS);
	snprintf(m->name, sizeof(m->name), "switch %s", ask->args);
	p->ops = &net_port_switch_ops;
	p->name = m->name;
	p->caps = NET_CAP_TX_CSUM | NET_CAP_TX_TSO4 | NET_CAP_TX_MULTI |
		  NET_CAP_RX_LRO | NET_CAP_SLEEP | NET_CAP_RX_REQUESTS;
	p->pairs = ask->pairs;
	p->mtu = UINT16_MAX;
	rte_eth_random_addr(p->mac.addr_bytes);
	m->pairs = 1;
	err = net_pool_get(ask, SOCKET_ID_ANY, m->sw, &p->pool);
	if (err)
		return err;
	err = make_queues(m);
	if (err)
		return net_port_refuse(ask, err, "switch %s: no queues: %s",
				       ask->args, strerror(-err));
	return 0;
}

int net_port_switch_open(const struct net_port_ask *ask, struct net_port **out)
{
	struct switch_member *m;
	int err;

	if (!ask->args[0] || strlen(ask->args) >= SWITCH_NAME)
		return net_port_refuse(ask, -EINVAL,
				       "switch:%s: a switch has a name of up "
				       "to %u characters",
				       ask->args, SWITCH_NAME - 1);
	m = calloc(1, sizeof(*m));
	if (!m)
		return net_port_refuse(ask, -ENOMEM, "no memory for a port");
	err = make_member(ask, m);
	if (err) {
		free_member(m);
		return err;
	}
	atomic_fetch_add(&m->sw->members, 1);
	/* S1: pairs with A1. */
	atomic_store(&m->sw->slot[m->slot], m);
	tell_others(m->sw, atomic_load(&m->sw->members), m);
	*out = &m->port;
	return 0;
}
