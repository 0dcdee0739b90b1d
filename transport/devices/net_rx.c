/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_rx.c - from the port to a driver's chains
 *
 * How: a burst is taken from the port, and what the driver does not want is let
 * go.  Then in rounds: chains are taken for as many frames as can be, their
 * memory prefetched; then those frames are copied and their chains used, all of
 * one frame together.  Chains that were taken for a frame that needs more than
 * there are stay taken, and are walked anew in the next round: between runs no
 * pointer into guest memory is held.
 */
#include "transport/devices/net_queue.h"

enum reserved {
	RESERVED,
	LATER, /* the lists are full: fill those reserved first */
	STARVED,
	TOO_LARGE,
	REFUSED, /* the last buffer is none */
	BROKE
};

/* ---- From the port -------------------------------------------------------- */

static uint32_t rx_can(struct net *n)
{
	/* Relaxed: bits, from this run on or the next. */
	const uint64_t o = __atomic_load_n(&n->ctrl.offloads, __ATOMIC_RELAXED);

	return (o >> NET_F_GUEST_CSUM & 1 ? NET_CAN_CSUM : 0) |
	       (o >> NET_F_GUEST_TSO4 & 1 ? NET_CAN_TSO4 : 0) |
	       (o >> NET_F_GUEST_TSO6 & 1 ? NET_CAN_TSO6 : 0) |
	       (o >> NET_F_GUEST_ECN & 1 ? NET_CAN_ECN : 0);
}

static void add(struct net_rx_queue *r, struct rte_mbuf *m,
		const struct net_hdr *h)
{
	r->hdr[r->in.end] = *h;
	r->in.m[r->in.end++] = m;
}

static void drop(struct rte_mbuf *m, uint64_t *count)
{
	count_add(count, 1);
	rte_pktmbuf_free(m);
}

static void add_cut(struct net *n, struct net_rx_queue *r, struct rte_mbuf *m)
{
	static const struct net_hdr plain;
	struct rte_mbuf *seg[NET_MAX_SEGMENTS];
	const unsigned int room =
		RTE_MIN(NET_FRAMES - r->in.end, NET_MAX_SEGMENTS);
	int i, nr;

	nr = net_offload_cut(m, NET_CAP_TX_MULTI, n->port->pool, seg, room);
	if (nr < 0) {
		drop(m, &r->count.rx_no_mbufs);
		return;
	}
	for (i = 0; i < nr; i++)
		add(r, seg[i], &plain);
	rte_pktmbuf_free(m);
}

/* What net_offload_rx() looks at: of most frames there is none of it. */
#define TOLD                                                                   \
	(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_TX_L4_MASK |                 \
	 RTE_MBUF_F_RX_LRO | RTE_MBUF_F_TX_TCP_SEG)

static void admit(struct net *n, struct net_rx_queue *r, struct rte_mbuf *m,
		  uint32_t can)
{
	enum net_rx what = NET_RX_GIVE;
	struct net_hdr h = { .flags = 0 };

	if (unlikely(m->data_len < RTE_ETHER_HDR_LEN)) {
		drop(m, &r->count.rx_bad);
		return;
	}
	if (!net_filter_wants(&r->filter, rte_pktmbuf_mtod(m, const uint8_t *),
			      m->data_len)) {
		drop(m, &r->count.rx_filtered);
		return;
	}
	if (unlikely(m->ol_flags & TOLD))
		what = net_offload_rx(m, can, &h);
	switch (what) {
	case NET_RX_GIVE:
		if (unlikely(m->pkt_len > n->rx_most &&
			     h.gso_type == NET_GSO_NONE))
			drop(m, &r->count.rx_too_large);
		else
			add(r, m, &h);
		break;
	case NET_RX_CUT:
		add_cut(n, r, m);
		break;
	case NET_RX_BAD:
		drop(m, &r->count.rx_bad);
		break;
	}
}

/* How many came, wanted or not. */
static unsigned int take_burst(struct net *n, unsigned int i)
{
	struct net_rx_queue *r = &n->pair[i]->rx;
	struct rte_mbuf *raw[NET_BURST];
	const uint32_t can = rx_can(n);
	uint16_t k, nr;

	nr = n->port->ops->rx(n->port, i, raw, NET_BURST);
	for (k = 0; k < nr; k++)
		rte_prefetch0(rte_pktmbuf_mtod(raw[k], void *));
	for (k = 0; k < nr; k++)
		admit(n, r, raw[k], can);
	return nr;
}

/* ---- Buffers -------------------------------------------------------------- */

/* More spans of @b until it has @need bytes or has no more.  False: the list
 * is full, or @b broke the queue, or it is no buffer at all. */
static bool walk(struct net_rx_queue *r, struct net_buffer *b, uint32_t need,
		 bool *bad)
{
	struct vq_span *s;
	int state;

	*bad = false;
	while (b->room < need && !b->whole) {
		if (r->nr_spans == NET_SPANS)
			return false;
		s = &r->span[r->nr_spans];
		state = vq_chain_next(&b->chain, s);
		if (state < 0)
			return false;
		b->whole = !state;
		*bad = state ? !s->write : !b->room;
		if (*bad)
			return false;
		if (b->whole)
			break;
		/* A frame is shorter; a sum of lengths must not wrap. */
		s->len = RTE_MIN(s->len, need - b->room);
		b->room += s->len;
		r->nr_spans++;
		__builtin_prefetch(s->host, 1);
	}
	return true;
}

static bool take_buffer(struct net_rx_queue *r, struct vq *vq)
{
	struct net_buffer *b = &r->buffer[r->nr_buffers];

	if (!vq_pop(vq, &b->chain))
		return false;
	b->room = 0;
	b->whole = false;
	r->nr_buffers++;
	return true;
}

/* @need bytes for one frame. */
static enum reserved reserve(struct net *n, unsigned int i, uint32_t need,
			     struct net_fill *f)
{
	const unsigned int most = n->mergeable ? NET_FRAME_CHAINS : 1;
	struct net_rx_queue *r = &n->pair[i]->rx;
	struct vq *vq = virtio_queue(n->device.virtio, 2 * i);
	const unsigned int first_span = r->nr_spans;
	unsigned int b = r->assigned;
	uint32_t room = 0;
	bool bad;

	while (room < need) {
		if (b - r->assigned == most)
			return TOO_LARGE;
		if (b == NET_CHAINS)
			return LATER;
		if (b == r->nr_buffers && !take_buffer(r, vq))
			return vq_live(vq) ? STARVED : BROKE;
		if (!walk(r, &r->buffer[b], need - room, &bad)) {
			if (!vq_live(vq))
				return BROKE;
			if (!bad)
				return first_span ? LATER : TOO_LARGE;
			f->buffers = b + 1 - r->assigned;
			return REFUSED;
		}
		room += r->buffer[b++].room;
	}
	f->buffers = b - r->assigned;
	f->spans = r->nr_spans - first_span;
	r->assigned = b;
	return RESERVED;
}

/* The last of @nr has no buffer's length, or the device may not write it: used,
 * empty, and so are those before it.  One that overtook them would be told of
 * where they lie in a packed ring, and they are yet to be walked anew. */
static void refuse_buffers(struct net *n, unsigned int i, unsigned int nr)
{
	struct net_rx_queue *r = &n->pair[i]->rx;
	const unsigned int end = r->assigned + nr;

	virtio_bad_request(n->device.virtio, 2 * i);
	for (; r->assigned < end; r->assigned++)
		vq_push(r->buffer[r->assigned].chain.vq,
			&r->buffer[r->assigned].chain, 0);
}

/* Chains of no frame yet: to the front, to be walked anew. */
static void keep_buffers(struct net_rx_queue *r)
{
	unsigned int b;

	r->nr_buffers -= r->assigned;
	for (b = 0; b < r->nr_buffers; b++) {
		r->buffer[b].chain = r->buffer[r->assigned + b].chain;
		vq_chain_rewind(&r->buffer[b].chain);
		r->buffer[b].room = 0;
		r->buffer[b].whole = false;
	}
	r->assigned = 0;
	r->nr_spans = 0;
}

/* ---- Copying -------------------------------------------------------------- */

/* To the spans from @s on, of which *@off bytes are taken: the span where it
 * ended. */
static const struct vq_span *scatter(const struct vq_span *s, uint32_t *off,
				     const void *from, uint32_t len)
{
	uint32_t part;

	while (len) {
		if (*off == s->len) {
			s++;
			*off = 0;
		}
		part = RTE_MIN(len, s->len - *off);
		net_copy((uint8_t *)s->host + *off, from, part);
		*off += part;
		from = (const uint8_t *)from + part;
		len -= part;
	}
	return s;
}

/* The frame @m into its buffers. */
static void fill(const struct net_fill *f, const struct net_buffer *b,
		 const struct vq_span *s, const struct rte_mbuf *m,
		 struct net_hdr *h)
{
	uint32_t left = (uint32_t)sizeof(*h) + m->pkt_len;
	uint32_t off = 0, part;
	unsigned int i;

	if (likely(f->spans == 1 && m->nb_segs == 1)) {
		/* Not by way of @h, whose other half the load would wait for */
		memcpy(s->host, h, offsetof(struct net_hdr, num_buffers));
		store_le((uint8_t *)s->host +
				 offsetof(struct net_hdr, num_buffers),
			 2, 1);
		net_copy((uint8_t *)s->host + sizeof(*h),
			 rte_pktmbuf_mtod(m, const void *), m->data_len);
		vq_push(b->chain.vq, &b->chain, left);
		return;
	}
	h->num_buffers = (uint16_t)f->buffers;
	s = scatter(s, &off, h, sizeof(*h));
	for (; m; m = m->next)
		s = scatter(s, &off, rte_pktmbuf_mtod(m, const void *),
			    m->data_len);
	for (i = 0; i < f->buffers; i++, left -= part) {
		part = RTE_MIN(left, b[i].room);
		vq_push(b[i].chain.vq, &b[i].chain, part);
	}
}

static void fill_all(struct net_rx_queue *r, unsigned int nr)
{
	struct net_buffer *b = r->buffer;
	const struct vq_span *s = r->span;
	struct rte_mbuf **m = r->in.m + r->in.first;
	uint64_t bytes = 0;
	unsigned int k;

	for (k = 0; k < nr; k++) {
		bytes += m[k]->pkt_len;
		fill(&r->fill[k], b, s, m[k], &r->hdr[r->in.first + k]);
		b += r->fill[k].buffers;
		s += r->fill[k].spans;
	}
	count_add(&r->count.rx_frames, nr);
	count_add(&r->count.rx_bytes, bytes);
	net_frames_free(m, nr);
	r->in.first += nr;
}

/* ---- Rounds --------------------------------------------------------------- */

/* As many of the frames that wait as can be; false: not one more now. */
static bool serve_round(struct net *n, unsigned int i, unsigned int *used)
{
	struct net_rx_queue *r = &n->pair[i]->rx;
	const unsigned int waiting = RTE_MIN(net_frames_nr(&r->in), NET_BURST);
	enum reserved what = RESERVED;
	unsigned int nr;

	for (nr = 0; nr < waiting; nr++) {
		what = reserve(n, i,
			       r->in.m[r->in.first + nr]->pkt_len +
				       (uint32_t)sizeof(struct net_hdr),
			       &r->fill[nr]);
		if (what != RESERVED)
			break;
	}
	if (unlikely(what == BROKE))
		return false;
	fill_all(r, nr);
	if (unlikely(what == REFUSED))
		refuse_buffers(n, i, r->fill[nr].buffers);
	*used = r->assigned;
	keep_buffers(r);
	if (unlikely(what == TOO_LARGE)) {
		drop(r->in.m[r->in.first], &r->count.rx_too_large);
		r->in.first++;
	}
	r->stalled = what == STARVED;
	return !r->stalled;
}

/* Frames tell nobody that they are there, so their queue is polled; but one
 * that waits for buffers is told of those, by a kick. */
static void set_polled(struct net *n, unsigned int i, bool on)
{
	struct net_rx_queue *r = &n->pair[i]->rx;

	if (likely(on == r->polled))
		return;
	r->polled = on;
	virtio_queue_poll(n->device.virtio, 2 * i, on);
}

/* Frames come in at the pairs that the driver uses, and only those. */
static bool in_use(const struct net *n, unsigned int i)
{
	return i < __atomic_load_n(&n->ctrl.pairs, __ATOMIC_RELAXED);
}

bool net_rx_run(struct net *n, unsigned int i, unsigned int budget)
{
	struct net_rx_queue *r = &n->pair[i]->rx;
	unsigned int done = 0, used, nr;

	if (!r->stalled)
		set_polled(n, i, in_use(n, i));
	if (!in_use(n, i) && !net_frames_nr(&r->in))
		return false;
	net_filter_update(&n->ctrl.filter, &r->filter);
	/* A frame of many buffers may go over the budget: they are used
	 * together or not at all. */
	while (done < budget) {
		if (!net_frames_nr(&r->in)) {
			r->in.first = 0;
			r->in.end = 0;
			nr = take_burst(n, i);
			done += nr;
			if (!nr)
				return false;
			continue;
		}
		used = 0;
		if (!serve_round(n, i, &used)) {
			set_polled(n, i, !r->stalled && r->polled);
			return false;
		}
		set_polled(n, i, in_use(n, i));
		done += used;
	}
	return true;
}

uint64_t net_rx_sleep(struct net *n, unsigned int i)
{
	const struct net_rx_queue *r = &n->pair[i]->rx;

	if (net_frames_nr(&r->in))
		return VIRTIO_AWAKE;
	return n->port->ops->rx_sleep(n->port, i);
}

void net_rx_stop(struct net *n, unsigned int i)
{
	struct net_rx_queue *r = &n->pair[i]->rx;
	struct net_frames *in = &r->in;

	count_add(&r->count.rx_stopped, net_frames_nr(in));
	rte_pktmbuf_free_bulk(in->m + in->first, net_frames_nr(in));
	in->first = 0;
	in->end = 0;
	r->nr_buffers = 0;
	r->assigned = 0;
	r->nr_spans = 0;
	r->stalled = false;
}
