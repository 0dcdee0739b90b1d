/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a frame is handed to the queue of its receiver as it is, with what was
 * asked for it still to be done: two guests move large frames, and checksums
 * that nobody computes.  Frames from queue q arrive at queue q of those that
 * the receiver uses, which keeps a flow in order, and on its core if both
 * guests place it alike.
 *
 * Where there is no room frames are dropped and counted, as anywhere behind a
 * real switch.  Copies are made for receivers beyond the first.
 */
#include "transport/devices/net_port_switch.h"

#include <sched.h>
#include <unistd.h>

#define LOOK_AGAIN_NS 200000u
#define NOWHERE	      SWITCH_MEMBERS

/*
 * Of several producers each waits for the one before with a relaxed load
 * (rte_ring_c11_pvt.h), so that the consumer is ordered behind the last alone.
 * On x86 a store stays behind all that its core saw, which the checker does not
 * know; of the ring's slots it is told here, of the frames see O1 and O2.
 */
#ifdef __SANITIZE_THREAD__
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
	return "race:__rte_ring_dequeue_elems\n";
}
#endif

static struct switch_member *to_member(struct net_port *p)
{
	return container_of(p, struct switch_member, port);
}

/* Relaxed: a frame may arrive at a queue that is looked at by another. */
static unsigned int pairs_now(struct switch_member *m)
{
	return atomic_load_explicit(&m->pairs, memory_order_relaxed);
}

/* ---- Where frames go -------------------------------------------------------- */

static uint64_t address(const struct rte_ether_addr *a)
{
	uint64_t v = 0;

	memcpy(&v, a, sizeof(*a));
	return v;
}

static _Atomic uint64_t *place_of(struct net_switch *sw, uint64_t mac)
{
	return &sw->place[mac * 0x9e3779b97f4a7c15ull >> 54];
}

static_assert(SWITCH_PLACES == 1u << (64 - 54), "the hash has its bits");

static void learn(struct switch_member *from, const struct rte_ether_addr *a)
{
	const uint64_t mac = address(a);
	const uint64_t here = mac | (uint64_t)(from->slot + 1) << 48;
	_Atomic uint64_t *place = place_of(from->sw, mac);

	/* Looked at first: it is everybody's, and seldom changes. */
	if (rte_is_unicast_ether_addr(a) &&
	    atomic_load_explicit(place, memory_order_relaxed) != here)
		atomic_store_explicit(place, here, memory_order_relaxed);
}

/* The slot that has it, or NOWHERE. */
static unsigned int find(struct net_switch *sw, const struct rte_ether_addr *a)
{
	const uint64_t mac = address(a);
	const uint64_t v =
		atomic_load_explicit(place_of(sw, mac), memory_order_relaxed);

	if (rte_is_multicast_ether_addr(a) || !(v >> 48) ||
	    (v & (BIT_ULL(48) - 1)) != mac)
		return NOWHERE;
	return (unsigned int)(v >> 48) - 1;
}

static void forget(struct net_switch *sw, unsigned int slot)
{
	uint64_t v;

	for (unsigned int i = 0; i < SWITCH_PLACES; i++) {
		v = atomic_load_explicit(&sw->place[i], memory_order_relaxed);
		if (v >> 48 == slot + 1)
			atomic_compare_exchange_strong(&sw->place[i], &v, 0);
	}
}

/* ---- Sending ----------------------------------------------------------------- */

static void wake_up(struct switch_queue *q)
{
	const uint64_t one = 1;

	/* F3: pairs with F4: it sees the frames, or we see it asleep. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&q->asleep, memory_order_relaxed) ||
	    !atomic_exchange_explicit(&q->asleep, false, memory_order_relaxed))
		return;
	/* Full is as good as written. */
	if (write(q->event_fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
}

static void drop(struct switch_queue *q, struct rte_mbuf **m, unsigned int n)
{
	if (!n)
		return;
	atomic_fetch_add_explicit(&q->dropped, n, memory_order_relaxed);
	rte_pktmbuf_free_bulk(m, n);
}

/* Frames for one receiver. */
static void deliver(struct switch_member *to, unsigned int from_queue,
		    struct rte_mbuf **m, unsigned int n)
{
	struct switch_queue *q = &to->queue[from_queue % pairs_now(to)];
	uint32_t waiting =
		atomic_load_explicit(&q->mbufs, memory_order_relaxed);
	uint32_t mine = 0, left = 0;
	unsigned int fit = 0, put;

	while (fit < n && waiting + mine + m[fit]->nb_segs <= SWITCH_MBUFS)
		mine += m[fit++]->nb_segs;
	/* Added before they can be taken; several senders may each believe in
	 * the same room, once.  O1: pairs with O2, so that whoever takes a frame
	 * sees all of it. */
	atomic_fetch_add_explicit(&q->mbufs, mine, memory_order_release);
	put = rte_ring_mp_enqueue_burst(q->ring, (void **)m, fit, NULL);
	for (unsigned int i = put; i < fit; i++)
		left += m[i]->nb_segs;
	if (left)
		atomic_fetch_sub_explicit(&q->mbufs, left,
					  memory_order_relaxed);
	drop(q, m + put, n - put);
	if (put)
		wake_up(q);
}

static struct switch_member *member_at(struct net_switch *sw, unsigned int slot)
{
	/* A1 */
	return atomic_load_explicit(&sw->slot[slot], memory_order_acquire);
}

/* To everybody else: copies, and itself to the last. */
static void flood(struct switch_member *from, unsigned int q,
		  struct rte_mbuf *m)
{
	struct switch_member *to, *last = NULL;
	struct rte_mbuf *copy;

	for (unsigned int i = 0; i < SWITCH_MEMBERS; i++) {
		to = member_at(from->sw, i);
		if (!to || to == from)
			continue;
		if (last) {
			copy = rte_pktmbuf_copy(m, from->port.pool, 0,
						UINT32_MAX);
			if (copy)
				deliver(last, q, &copy, 1);
		}
		last = to;
	}
	if (last)
		deliver(last, q, &m, 1);
	else
		rte_pktmbuf_free(m);
}

static void forward(struct switch_member *from, unsigned int q,
		    unsigned int slot, struct rte_mbuf **m, unsigned int n)
{
	struct switch_member *to =
		slot == NOWHERE ? NULL : member_at(from->sw, slot);

	if (to && to != from) {
		deliver(to, q, m, n);
		return;
	}
	for (unsigned int i = 0; i < n; i++) {
		if (to)
			rte_pktmbuf_free(m[i]); /* it is back where it was */
		else
			flood(from, q, m[i]);
	}
}

static unsigned int look_up(struct switch_member *from, struct rte_mbuf *m)
{
	const struct rte_ether_hdr *h =
		rte_pktmbuf_mtod(m, struct rte_ether_hdr *);

	/* Shorter than its addresses: to everybody. */
	if (m->data_len < sizeof(*h))
		return NOWHERE;
	learn(from, &h->src_addr);
	return find(from->sw, &h->dst_addr);
}

static uint16_t switch_tx(struct net_port *p, unsigned int q,
			  struct rte_mbuf **m, uint16_t n)
{
	struct switch_member *from = to_member(p);
	unsigned int begin = 0, end, slot, next;

	/* Ordered before the loads of slots, after which S1 is seen. */
	atomic_fetch_add(&from->queue[q].inside, 1);
	next = n ? look_up(from, m[0]) : NOWHERE;
	while (begin < n) {
		slot = next;
		for (end = begin + 1; end < n; end++) {
			next = look_up(from, m[end]);
			if (next != slot)
				break;
		}
		forward(from, q, slot, m + begin, end - begin);
		begin = end;
	}
	/* R2: pairs with A2. */
	atomic_fetch_add_explicit(&from->queue[q].inside, 1,
				  memory_order_release);
	return n;
}

/* ---- Receiving --------------------------------------------------------------- */

static unsigned int take(struct switch_queue *q, struct rte_mbuf **m,
			 unsigned int n)
{
	unsigned int got;
	uint32_t mbufs = 0;

	/* It is awake: nobody need write to it. */
	if (atomic_load_explicit(&q->asleep, memory_order_relaxed))
		atomic_store_explicit(&q->asleep, false, memory_order_relaxed);
	if (!atomic_load_explicit(&q->mbufs, memory_order_relaxed))
		return 0;
	got = rte_ring_mc_dequeue_burst(q->ring, (void **)m, n, NULL);
	/* O2: pairs with O1. */
	atomic_load_explicit(&q->mbufs, memory_order_acquire);
	for (unsigned int i = 0; i < got; i++)
		mbufs += m[i]->nb_segs;
	atomic_fetch_sub_explicit(&q->mbufs, mbufs, memory_order_relaxed);
	return got;
}

static uint16_t switch_rx(struct net_port *p, unsigned int q,
			  struct rte_mbuf **m, uint16_t n)
{
	struct switch_member *to = to_member(p);
	const unsigned int pairs = pairs_now(to);
	unsigned int got = 0;

	if (q >= pairs)
		return 0;
	/* Those that are not used any more may have some left. */
	for (; q < p->pairs && got < n; q += pairs)
		got += take(&to->queue[q], m + got, n - got);
	return (uint16_t)got;
}

static uint64_t switch_rx_sleep(struct net_port *p, unsigned int q)
{
	struct switch_member *to = to_member(p);
	const unsigned int pairs = pairs_now(to);
	struct switch_queue *queue = &to->queue[q];

	if (q >= pairs)
		return NET_ASLEEP;
	if (!net_wake_arm(&queue->wake))
		return LOOK_AGAIN_NS;
	atomic_store_explicit(&queue->asleep, true, memory_order_relaxed);
	/* F4: pairs with F3. */
	atomic_thread_fence(memory_order_seq_cst);
	for (; q < p->pairs; q += pairs)
		if (atomic_load_explicit(&to->queue[q].mbufs,
					 memory_order_relaxed))
			return NET_AWAKE;
	return NET_ASLEEP;
}

static void switch_rx_stop(struct net_port *p, unsigned int q)
{
	struct switch_queue *queue = &to_member(p)->queue[q];

	atomic_store_explicit(&queue->asleep, false, memory_order_relaxed);
	net_wake_disarm(&queue->wake);
}

/* ---- Attributes ---------------------------------------------------------------- */

static int switch_set_pairs(struct net_port *p, uint16_t pairs)
{
	assert(pairs && pairs <= p->pairs);
	atomic_store_explicit(&to_member(p)->pairs, pairs,
			      memory_order_relaxed);
	return 0;
}

/* Floods reach everybody: the device filters. */
static int switch_set_mac(struct net_port *p, const struct rte_ether_addr *mac)
{
	(void)p;
	(void)mac;
	return -ENOTSUP;
}

static int switch_set_filter(struct net_port *p, bool on)
{
	(void)p;
	(void)on;
	return -ENOTSUP;
}

static int switch_set_multicast(struct net_port *p,
				const struct rte_ether_addr *list,
				unsigned int n)
{
	(void)p;
	(void)list;
	(void)n;
	return -ENOTSUP;
}

static int switch_set_vlan(struct net_port *p, uint16_t vid, bool on)
{
	(void)p;
	(void)vid;
	(void)on;
	return -ENOTSUP;
}

static int switch_set_mtu(struct net_port *p, uint16_t mtu)
{
	(void)p;
	(void)mtu;
	return 0;
}

/* A cable that ends nowhere has no link. */
static void switch_link(struct net_port *p, struct net_link *out)
{
	*out = (struct net_link){
		.up = atomic_load(&to_member(p)->sw->members) > 1,
		.mbps = UINT32_MAX,
		.duplex = 1,
	};
}

/* ---- Leaving ------------------------------------------------------------------- */

static void wait_until_left(const struct switch_queue *q)
{
	const uint32_t seen = atomic_load(&q->inside);

	/* A2: pairs with R2. */
	while (seen & 1 &&
	       atomic_load_explicit(&q->inside, memory_order_acquire) == seen)
		sched_yield();
}

void net_port_switch_leave(struct switch_member *m)
{
	struct net_switch *sw = m->sw;
	struct switch_member *other;

	/* S1 */
	atomic_store(&sw->slot[m->slot], NULL);
	for (unsigned int i = 0; i < SWITCH_MEMBERS; i++) {
		other = atomic_load(&sw->slot[i]);
		for (unsigned int q = 0; other && q < other->port.pairs; q++)
			wait_until_left(&other->queue[q]);
	}
	forget(sw, m->slot);
}

const struct net_port_ops net_port_switch_ops = {
	.name = "switch",
	.rx = switch_rx,
	.tx = switch_tx,
	.rx_sleep = switch_rx_sleep,
	.rx_stop = switch_rx_stop,
	.set_pairs = switch_set_pairs,
	.set_mac = switch_set_mac,
	.set_promisc = switch_set_filter,
	.set_allmulti = switch_set_filter,
	.set_multicast = switch_set_multicast,
	.set_vlan = switch_set_vlan,
	.set_mtu = switch_set_mtu,
	.link = switch_link,
	.close = net_port_switch_close,
};
