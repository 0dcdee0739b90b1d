/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: one function an option, which says what the option should be if the
 * value is not that.  Options that switch a feature off are a table: name and
 * bits.
 */
#include "transport/devices/net.h"

#include <stdio.h>
#include <stdlib.h>

struct wanted {
	const char *port;
	struct net_params p;
};

/* ---- Values: NULL, or what it should have been --------------------------- */

/* False: not a number from @least to @most. */
static bool number(const char *text, unsigned long least, unsigned long most,
		   unsigned long *n)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*n = strtoul(text, &end, 10);
	return !*end && !errno && *n >= least && *n <= most;
}

static const char *set_port(struct wanted *w, const char *text)
{
	w->port = text;
	return *text ? NULL : "null, switch:NAME or ethdev:NAME,ARGS";
}

static const char *set_pairs(struct wanted *w, const char *text)
{
	unsigned long n;

	if (!number(text, 1, NET_MAX_PAIRS, &n))
		return "1 to 128";
	w->p.pairs = (uint16_t)n;
	return NULL;
}

static const char *set_mac(struct wanted *w, const char *text)
{
	if (rte_ether_unformat_addr(text, &w->p.mac) ||
	    !rte_is_valid_assigned_ether_addr(&w->p.mac))
		return "the address of one NIC, such as 52:54:00:12:34:56";
	w->p.has_mac = true;
	return NULL;
}

static const char *set_mtu(struct wanted *w, const char *text)
{
	unsigned long n;

	/* virtio 1.2, 5.1.4.1: not less than 68. */
	if (!number(text, 68, 65535, &n))
		return "68 to 65535, and no more than the port's";
	w->p.mtu = (uint16_t)n;
	return NULL;
}

static const char *set_speed(struct wanted *w, const char *text)
{
	unsigned long n;

	if (!number(text, 1, INT32_MAX, &n))
		return "megabits a second";
	w->p.mbps = (uint32_t)n;
	return NULL;
}

/* ---- The tables ---------------------------------------------------------- */

static const char *const net_options[] = {
	"port: null, null:SIZE, switch:NAME, ethdev:NAME or ethdev:NAME,ARGS",
	"pairs: of queues, 1 to 128 [1]",
	"mac: such as 52:54:00:12:34:56 [the port's, or one at random]",
	"mtu: what the driver is told, 68 to 65535 [nothing]",
	"speed: what the driver is told, megabits a second [the port's]",
	"csum: true or false [true]",
	"guest_csum: true or false [true]",
	"host_tso4: true or false [true]",
	"host_tso6: true or false [true if the port can]",
	"host_ecn: true or false [true]",
	"guest_tso4: true or false [true if the port can]",
	"guest_tso6: true or false [true if the port can]",
	"guest_ecn: true or false [true if the port can]",
	"mrg_rxbuf: true or false [true]",
	"status: true or false [true]",
	"ctrl_vq: true or false [true]",
	"ctrl_rx: true or false [true]",
	"ctrl_vlan: true or false [true]",
	"ctrl_mac_addr: true or false [true]",
	"ctrl_guest_offloads: true or false [true]",
	"mq: true or false [true if there is more than one pair]",
	"notf_coal: true or false [true]",
	NULL,
};

static const struct setter {
	const char *key;
	const char *(*set)(struct wanted *w, const char *text);
} setters[] = {
	{ "port", set_port }, { "pairs", set_pairs }, { "mac", set_mac },
	{ "mtu", set_mtu },   { "speed", set_speed },
};

static const struct feature {
	const char *key;
	uint64_t bits;
} features[] = {
	{ "csum", BIT_ULL(NET_F_CSUM) },
	{ "guest_csum", BIT_ULL(NET_F_GUEST_CSUM) },
	{ "host_tso4", BIT_ULL(NET_F_HOST_TSO4) },
	{ "host_tso6", BIT_ULL(NET_F_HOST_TSO6) },
	{ "host_ecn", BIT_ULL(NET_F_HOST_ECN) },
	{ "guest_tso4", BIT_ULL(NET_F_GUEST_TSO4) },
	{ "guest_tso6", BIT_ULL(NET_F_GUEST_TSO6) },
	{ "guest_ecn", BIT_ULL(NET_F_GUEST_ECN) },
	{ "mrg_rxbuf", BIT_ULL(NET_F_MRG_RXBUF) },
	{ "status", BIT_ULL(NET_F_STATUS) },
	{ "ctrl_vq", BIT_ULL(NET_F_CTRL_VQ) },
	{ "ctrl_rx", BIT_ULL(NET_F_CTRL_RX) | BIT_ULL(NET_F_CTRL_RX_EXTRA) },
	{ "ctrl_vlan", BIT_ULL(NET_F_CTRL_VLAN) },
	{ "ctrl_mac_addr", BIT_ULL(NET_F_CTRL_MAC_ADDR) },
	{ "ctrl_guest_offloads", BIT_ULL(NET_F_CTRL_GUEST_OFFLOADS) },
	{ "mq", BIT_ULL(NET_F_MQ) },
	{ "notf_coal", BIT_ULL(NET_F_NOTF_COAL) },
};

static const char *set_feature(struct wanted *w, uint64_t bits,
			       const char *text)
{
	if (!strcmp(text, "true"))
		w->p.offer |= bits;
	else if (!strcmp(text, "false"))
		w->p.offer &= ~bits;
	else
		return "true or false";
	return NULL;
}

static const char *apply(struct wanted *w, const struct device_option *o)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(setters); i++)
		if (!strcmp(setters[i].key, o->key))
			return setters[i].set(w, o->value);
	/* All keys are known here: see device_refuse_unknown(). */
	for (i = 0; strcmp(features[i].key, o->key); i++)
		;
	return set_feature(w, features[i].bits, o->value);
}

static int parse_options(struct wanted *w, const struct device_option *opt,
			 unsigned int nr_opt, char *error, size_t room)
{
	const char *what;
	unsigned int i;

	if (device_refuse_unknown(&net_type, opt, nr_opt, error, room))
		return -EINVAL;
	for (i = 0; i < nr_opt; i++) {
		what = apply(w, &opt[i]);
		if (!what)
			continue;
		snprintf(error, room,
			 "device net: option %s must be %s, not \"%.64s\"",
			 opt[i].key, what, opt[i].value);
		return -EINVAL;
	}
	if (w->port)
		return 0;
	snprintf(error, room,
		 "device net needs option port, such as "
		 "port=null or port=ethdev:net_tap0,iface=tap0");
	return -EINVAL;
}

static int create(const struct device_option *opt, unsigned int nr_opt,
		  struct virtio_device **out, char *error, size_t room)
{
	struct wanted w = { .p = { .pairs = 1, .offer = net_all_features } };
	struct net_port *port;
	int err;

	err = parse_options(&w, opt, nr_opt, error, room);
	if (!err && !out)
		err = net_port_check(w.port, error, room);
	if (err || !out)
		return err;
	err = net_port_open(w.port, w.p.pairs, &port, error, room);
	if (err)
		return err;
	err = net_create(&w.p, port, out);
	if (!err)
		return 0;
	if (w.p.mtu > port->mtu)
		snprintf(error, room,
			 "device net: option mtu must be at most %u, as port "
			 "%s has it, not %u",
			 port->mtu, w.port, w.p.mtu);
	else
		snprintf(error, room, "device net on port %s: %s", w.port,
			 strerror(-err));
	port->ops->close(port);
	return err;
}

const struct device_type net_type = {
	.name = "net",
	.help = "a network card, whose cable ends in a port of DPDK's",
	.options = net_options,
	.create = create,
};
