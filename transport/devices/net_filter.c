/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a sequence lock over words, of which readers copy all when the sequence
 * moved.  A reader that finds a change going on keeps its old copy for that
 * run: nobody waits for anybody.
 */
#include "transport/devices/net_filter.h"

#define BROADCAST 0xffffffffffffull
#define GROUP	  1u /* in the first byte: multicast or broadcast */

uint64_t net_mac_number(const uint8_t *mac)
{
	uint64_t n = 0;

	memcpy(&n, mac, RTE_ETHER_ADDR_LEN);
	return n;
}

/* ---- Home ----------------------------------------------------------------- */

static void publish(struct net_filter *f)
{
	uint64_t rules[NET_RULES_WORDS];
	const uint32_t seq = f->seq; /* ours alone to write */
	unsigned int i;

	memcpy(rules, &f->rules, sizeof(rules));
	/* Odd before any word: who sees a new word sees this too (F2). */
	__atomic_store_n(&f->seq, seq + 1, __ATOMIC_RELAXED);
	for (i = 0; i < NET_RULES_WORDS; i++)
		/* F2: pairs with G2. */
		__atomic_store_n(&f->word[i], rules[i], __ATOMIC_RELEASE);
	/* F1: pairs with G1. */
	__atomic_store_n(&f->seq, seq + 2, __ATOMIC_RELEASE);
}

void net_filter_reset(struct net_filter *f, const uint8_t *mac, bool by_vlan)
{
	memset(&f->rules, 0, sizeof(f->rules));
	f->rules.mac = net_mac_number(mac);
	/* Drivers that know no filters, firmware among them, see all. */
	f->rules.modes = NET_RX_PROMISC | (by_vlan ? NET_RX_VLAN : 0);
	publish(f);
}

void net_filter_mode(struct net_filter *f, uint32_t mode, bool on)
{
	if (on)
		f->rules.modes |= mode;
	else
		f->rules.modes &= ~(uint64_t)mode;
	publish(f);
}

void net_filter_mac(struct net_filter *f, const uint8_t *mac)
{
	f->rules.mac = net_mac_number(mac);
	publish(f);
}

static uint32_t fill(uint64_t *table, uint32_t room, const uint8_t *mac,
		     uint32_t nr)
{
	uint32_t i;

	if (nr > room)
		return 0;
	for (i = 0; i < nr; i++)
		table[i] = net_mac_number(mac + i * RTE_ETHER_ADDR_LEN);
	return nr;
}

void net_filter_tables(struct net_filter *f, const uint8_t *uni,
		       uint32_t nr_uni, const uint8_t *multi, uint32_t nr_multi)
{
	struct net_rules *r = &f->rules;

	r->modes &= ~(uint64_t)(NET_RX_MANY_UNI | NET_RX_MANY_MULTI);
	if (nr_uni > NET_MAX_UNICAST)
		r->modes |= NET_RX_MANY_UNI;
	if (nr_multi > NET_MAX_MULTI)
		r->modes |= NET_RX_MANY_MULTI;
	r->nr_uni = fill(r->uni, NET_MAX_UNICAST, uni, nr_uni);
	r->nr_multi = fill(r->multi, NET_MAX_MULTI, multi, nr_multi);
	publish(f);
}

void net_filter_vlan(struct net_filter *f, uint16_t vid, bool on)
{
	assert(vid < NET_MAX_VLANS);
	if (on)
		f->rules.vlan[vid / 64] |= BIT_ULL(vid % 64);
	else
		f->rules.vlan[vid / 64] &= ~BIT_ULL(vid % 64);
	publish(f);
}

/* ---- Receive queues --------------------------------------------------------- */

void net_filter_update(struct net_filter *f, struct net_filter_copy *copy)
{
	/* G1: pairs with F1. */
	const uint32_t seq = __atomic_load_n(&f->seq, __ATOMIC_ACQUIRE);
	uint64_t word[NET_RULES_WORDS];
	unsigned int i;

	if (likely(seq == copy->seq) || seq & 1)
		return;
	for (i = 0; i < NET_RULES_WORDS; i++)
		/* G2: pairs with F2. */
		word[i] = __atomic_load_n(&f->word[i], __ATOMIC_ACQUIRE);
	/* Relaxed: after G2, which saw the sequence of each word it read. */
	if (__atomic_load_n(&f->seq, __ATOMIC_RELAXED) != seq)
		return;
	memcpy(&copy->rules, word, sizeof(word));
	copy->seq = seq;
}

static bool in_table(const uint64_t *table, uint64_t nr, uint64_t mac)
{
	uint64_t i;

	for (i = 0; i < nr; i++)
		if (table[i] == mac)
			return true;
	return false;
}

/* virtio 1.2, 5.1.6.5.3: what has no tag, or one of priority only, passes. */
static bool vlan_passes(const struct net_rules *r, const uint8_t *frame,
			uint32_t len)
{
	uint16_t vid;

	if (len < RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN || frame[12] != 0x81 ||
	    frame[13])
		return true;
	vid = (uint16_t)((frame[14] & 0xf) << 8 | frame[15]);
	return !vid || r->vlan[vid / 64] >> (vid % 64) & 1;
}

static bool group_passes(const struct net_rules *r, uint64_t mac)
{
	if (mac == BROADCAST)
		return !(r->modes & NET_RX_NOBCAST);
	if (r->modes & NET_RX_NOMULTI)
		return false;
	return r->modes & (NET_RX_ALLMULTI | NET_RX_MANY_MULTI) ||
	       in_table(r->multi, r->nr_multi, mac);
}

static bool unicast_passes(const struct net_rules *r, uint64_t mac)
{
	if (r->modes & NET_RX_NOUNI)
		return false;
	return mac == r->mac || r->modes & (NET_RX_ALLUNI | NET_RX_MANY_UNI) ||
	       in_table(r->uni, r->nr_uni, mac);
}

bool net_filter_wants(const struct net_filter_copy *copy, const uint8_t *frame,
		      uint32_t len)
{
	const struct net_rules *r = &copy->rules;

	if (r->modes & NET_RX_PROMISC)
		return true;
	if (r->modes & NET_RX_VLAN && !vlan_passes(r, frame, len))
		return false;
	return frame[0] & GROUP ? group_passes(r, net_mac_number(frame))
				: unicast_passes(r, net_mac_number(frame));
}
