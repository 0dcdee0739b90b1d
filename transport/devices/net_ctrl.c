/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a table of commands, each with the feature that it belongs to and the
 * length that its data must have.  Frames are always filtered here too, so that
 * a port may let more through than it was asked to; it is told only so that it
 * need not bring what nobody wants.
 */
#include "transport/devices/net_ctrl.h"

#define MAC_BYTES RTE_ETHER_ADDR_LEN

struct command {
	uint8_t class, cmd, feature;
	bool (*run)(struct net_ctrl *c, const struct command *self,
		    const uint8_t *data, uint32_t len);
	uint32_t len; /* exactly; 0: the command looks by itself */
};

/* ---- The port's filters --------------------------------------------------- */

/* What a port does not know, we do. */
static bool went_well(int err)
{
	return !err || err == -ENOTSUP;
}

static bool tell_modes(struct net_ctrl *c, uint64_t modes, uint64_t nr_uni)
{
	const bool all =
		!c->mac_in_port || nr_uni ||
		modes & (NET_RX_PROMISC | NET_RX_ALLUNI | NET_RX_MANY_UNI);
	const bool multi = modes & (NET_RX_ALLMULTI | NET_RX_MANY_MULTI);

	return went_well(c->port->ops->set_promisc(c->port, all)) &&
	       went_well(c->port->ops->set_allmulti(c->port, multi));
}

static bool tell_multicast(struct net_ctrl *c, const uint8_t *mac, uint32_t nr)
{
	struct rte_ether_addr list[NET_MAX_MULTI];

	if (nr > NET_MAX_MULTI)
		nr = 0; /* NET_RX_MANY_MULTI: all of it anyway */
	memcpy(list, mac, nr * sizeof(list[0]));
	return !c->port->ops->set_multicast(c->port, list, nr);
}

static void tell_mac(struct net_ctrl *c, const struct rte_ether_addr *mac)
{
	c->mac_in_port = !c->port->ops->set_mac(c->port, mac);
}

/* ---- Commands -------------------------------------------------------------- */

static bool set_mode(struct net_ctrl *c, const struct command *self,
		     const uint8_t *data, uint32_t len)
{
	const uint32_t mode = BIT(self->cmd);
	const uint64_t old = c->filter.rules.modes;

	(void)len;
	if (data[0] > 1)
		return false;
	if (!tell_modes(c, data[0] ? old | mode : old & ~(uint64_t)mode,
			c->filter.rules.nr_uni))
		return false;
	net_filter_mode(&c->filter, mode, data[0]);
	return true;
}

/* A count and that many addresses, from *@data on; false: it is not there. */
static bool take_table(const uint8_t **data, uint32_t *len, uint32_t *nr,
		       const uint8_t **mac)
{
	if (*len < 4)
		return false;
	*nr = (uint32_t)load_le(*data, 4);
	*data += 4;
	*len -= 4;
	if (*nr > *len / MAC_BYTES)
		return false;
	*mac = *data;
	*data += *nr * MAC_BYTES;
	*len -= *nr * MAC_BYTES;
	return true;
}

static bool set_tables(struct net_ctrl *c, const struct command *self,
		       const uint8_t *data, uint32_t len)
{
	const uint8_t *uni, *multi;
	uint32_t nr_uni, nr_multi;
	uint64_t modes;

	(void)self;
	if (!take_table(&data, &len, &nr_uni, &uni) ||
	    !take_table(&data, &len, &nr_multi, &multi) || len)
		return false;
	modes = c->filter.rules.modes &
		~(uint64_t)(NET_RX_MANY_UNI | NET_RX_MANY_MULTI);
	if (nr_uni > NET_MAX_UNICAST)
		modes |= NET_RX_MANY_UNI;
	/* A port that cannot choose among them has to bring them all. */
	if (!tell_multicast(c, multi, nr_multi) || nr_multi > NET_MAX_MULTI)
		modes |= nr_multi ? NET_RX_MANY_MULTI : 0;
	if (!tell_modes(c, modes, nr_uni))
		return false;
	net_filter_tables(&c->filter, uni, nr_uni, multi, nr_multi);
	return true;
}

static bool set_mac(struct net_ctrl *c, const struct command *self,
		    const uint8_t *data, uint32_t len)
{
	struct rte_ether_addr mac;

	(void)self;
	memcpy(&mac, data, len);
	if (!rte_is_valid_assigned_ether_addr(&mac))
		return false;
	tell_mac(c, &mac);
	if (!tell_modes(c, c->filter.rules.modes, c->filter.rules.nr_uni))
		return false;
	c->mac = mac;
	net_filter_mac(&c->filter, mac.addr_bytes);
	return true;
}

static bool set_vlan(struct net_ctrl *c, const struct command *self,
		     const uint8_t *data, uint32_t len)
{
	const uint16_t vid = (uint16_t)load_le(data, len);
	const bool on = !self->cmd; /* 0 adds, 1 removes */

	if (vid >= NET_MAX_VLANS ||
	    !went_well(c->port->ops->set_vlan(c->port, vid, on)))
		return false;
	net_filter_vlan(&c->filter, vid, on);
	return true;
}

static bool set_pairs(struct net_ctrl *c, const struct command *self,
		      const uint8_t *data, uint32_t len)
{
	const uint16_t pairs = (uint16_t)load_le(data, len);

	(void)self;
	if (!pairs || pairs > c->max_pairs ||
	    !went_well(c->port->ops->set_pairs(c->port, pairs)))
		return false;
	/* Relaxed: a number and nothing else; the queues are set up. */
	__atomic_store_n(&c->pairs, pairs, __ATOMIC_RELAXED);
	return true;
}

static bool set_offloads(struct net_ctrl *c, const struct command *self,
			 const uint8_t *data, uint32_t len)
{
	const uint64_t bits = load_le(data, len);

	(void)self;
	if (bits & ~(c->features & NET_GUEST_OFFLOADS))
		return false;
	__atomic_store_n(&c->offloads, bits, __ATOMIC_RELAXED);
	return true;
}

static bool set_coalesce(struct net_ctrl *c, const struct command *self,
			 const uint8_t *data, uint32_t len)
{
	struct net_coalesce set = {
		.packets = (uint32_t)load_le(data, 4),
		.usecs = (uint32_t)load_le(data + 4, 4),
	};

	(void)len;
	if (set.usecs > NET_MAX_USECS)
		set.usecs = NET_MAX_USECS;
	/* 0 is of transmit queues, 1 of receive queues. */
	c->coalesce[!self->cmd] = set;
	return true;
}

static const struct command commands[] = {
	{ NET_CTRL_RX, 0, NET_F_CTRL_RX, set_mode, 1 },
	{ NET_CTRL_RX, 1, NET_F_CTRL_RX, set_mode, 1 },
	{ NET_CTRL_RX, 2, NET_F_CTRL_RX_EXTRA, set_mode, 1 },
	{ NET_CTRL_RX, 3, NET_F_CTRL_RX_EXTRA, set_mode, 1 },
	{ NET_CTRL_RX, 4, NET_F_CTRL_RX_EXTRA, set_mode, 1 },
	{ NET_CTRL_RX, 5, NET_F_CTRL_RX_EXTRA, set_mode, 1 },
	{ NET_CTRL_MAC, 0, NET_F_CTRL_RX, set_tables, 0 },
	{ NET_CTRL_MAC, 1, NET_F_CTRL_MAC_ADDR, set_mac, MAC_BYTES },
	{ NET_CTRL_VLAN, 0, NET_F_CTRL_VLAN, set_vlan, 2 },
	{ NET_CTRL_VLAN, 1, NET_F_CTRL_VLAN, set_vlan, 2 },
	{ NET_CTRL_MQ, 0, NET_F_MQ, set_pairs, 2 },
	{ NET_CTRL_OFFLOADS, 0, NET_F_CTRL_GUEST_OFFLOADS, set_offloads, 8 },
	{ NET_CTRL_COALESCE, 0, NET_F_NOTF_COAL, set_coalesce, 8 },
	{ NET_CTRL_COALESCE, 1, NET_F_NOTF_COAL, set_coalesce, 8 },
};

uint8_t net_ctrl_command(struct net_ctrl *c, const uint8_t *cmd, uint32_t len)
{
	const struct command *k;

	if (len < 2)
		return NET_CTRL_ERR;
	for (k = commands; k < commands + ARRAY_SIZE(commands); k++)
		if (k->class == cmd[0] && k->cmd == cmd[1])
			break;
	if (k == commands + ARRAY_SIZE(commands) ||
	    !(c->features >> k->feature & 1) || (k->len && len - 2 != k->len))
		return NET_CTRL_ERR;
	return k->run(c, k, cmd + 2, len - 2) ? NET_CTRL_OK : NET_CTRL_ERR;
}

/* ---- To begin with ---------------------------------------------------------- */

/* VLANs that the driver before this one had asked the port for. */
static void forget_vlans(struct net_ctrl *c)
{
	const uint64_t *word = c->filter.rules.vlan;
	uint16_t vid;

	for (vid = 0; vid < NET_MAX_VLANS; vid++)
		if (word[vid / 64] >> (vid % 64) & 1)
			c->port->ops->set_vlan(c->port, vid, false);
}

void net_ctrl_start(struct net_ctrl *c, uint64_t features,
		    const struct rte_ether_addr *mac)
{
	forget_vlans(c);
	c->features = features;
	c->mac = *mac;
	__atomic_store_n(&c->offloads, features & NET_GUEST_OFFLOADS,
			 __ATOMIC_RELAXED);
	memset(c->coalesce, 0, sizeof(c->coalesce));
	__atomic_store_n(&c->pairs, 1, __ATOMIC_RELAXED);
	net_filter_reset(&c->filter, mac->addr_bytes,
			 features >> NET_F_CTRL_VLAN & 1);
	/* A port that refuses any of these filters less, and we do the rest,
	 * or brings less, as its log says. */
	c->port->ops->set_pairs(c->port, 1);
	tell_mac(c, mac);
	tell_multicast(c, mac->addr_bytes, 0);
	tell_modes(c, c->filter.rules.modes, 0);
}
