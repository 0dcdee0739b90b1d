/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * net_tx.c - from a driver's chains to the port
 *
 * How: a burst of chains is taken first, of each the first piece, whose memory
 * is prefetched; then their frames are copied into mbufs.  What most frames are
 * - one piece, nothing asked for - has a short way of its own.  A chain is used
 * as soon as its frame was copied.  Frames wait for the port in one list, so their
 * order is kept; no chain is taken while any waits.
 */
#include "transport/devices/net_queue.h"

#include "ring/ticks.h"

/* The rest of a chain, piece by piece. */
struct source {
	struct vq_chain *chain;
	struct vq_span span; /* what is left of the current one */
	int state;	     /* as of vq_chain_next() */
};

/* ---- The port ------------------------------------------------------------- */

static void free_frames(struct net_frames *f)
{
	rte_pktmbuf_free_bulk(f->m + f->first, net_frames_nr(f));
	f->first = 0;
	f->end = 0;
}

/* True: all went. */
static bool flush(struct net *n, unsigned int i)
{
	struct net_frames *out = &n->pair[i]->tx.out;
	unsigned int burst;
	uint16_t sent;

	while (net_frames_nr(out)) {
		burst = RTE_MIN(net_frames_nr(out), 2 * NET_BURST);
		sent = n->port->ops->tx(n->port, i, out->m + out->first,
					(uint16_t)burst);
		out->first += sent;
		if (sent < burst)
			return false;
	}
	out->first = 0;
	out->end = 0;
	return true;
}

/* What waited goes first.  False: it still waits. */
static bool flush_late(struct net *n, unsigned int i)
{
	struct net_tx_queue *t = &n->pair[i]->tx;
	const unsigned int before = net_frames_nr(&t->out);

	if (likely(!before) || flush(n, i))
		return true;
	if (net_frames_nr(&t->out) < before) {
		t->retry_until = ticks_now() + n->retry;
		return false;
	}
	if ((int64_t)(t->retry_until - ticks_now()) > 0)
		return false;
	count_add(&t->count.tx_full, net_frames_nr(&t->out));
	free_frames(&t->out);
	return true;
}

/* Room for @nr at the end of the list, if need be by what is free in front. */
static bool make_room(struct net *n, unsigned int i, unsigned int nr)
{
	struct net_frames *out = &n->pair[i]->tx.out;
	unsigned int k;

	if (likely(NET_FRAMES - out->end >= nr))
		return true;
	flush(n, i);
	for (k = out->first; k < out->end; k++)
		out->m[k - out->first] = out->m[k];
	out->end -= out->first;
	out->first = 0;
	return NET_FRAMES - out->end >= nr;
}

/* ---- Mbufs ---------------------------------------------------------------- */

/* As the pool has them, one for each of @nr frames; the last freed come first,
 * as they are near.  False: not one more. */
static bool take_spare(struct net *n, struct net_tx_queue *t, unsigned int nr)
{
	if (t->nr_spare < nr &&
	    !rte_mempool_get_bulk(n->port->pool,
				  (void **)(t->spare + t->nr_spare),
				  nr - t->nr_spare))
		t->nr_spare = nr;
	return t->nr_spare > 0;
}

static struct rte_mbuf *take_mbuf(struct net *n, struct net_tx_queue *t)
{
	struct rte_mbuf *m;

	if (unlikely(!t->nr_spare) && !take_spare(n, t, NET_BURST))
		return NULL;
	m = t->spare[--t->nr_spare];
	rte_pktmbuf_reset(m);
	return m;
}

/* Lengths that drivers which sum piece by piece can do with: even. */
static uint32_t room_in(const struct rte_mbuf *m)
{
	return rte_pktmbuf_tailroom(m) & ~1u;
}

/* ---- Copying -------------------------------------------------------------- */

/* False: the chain is at its end, or it broke the queue. */
static bool source_more(struct source *s)
{
	if (likely(s->span.len))
		return true;
	if (s->state <= 0)
		return false;
	s->state = vq_chain_next(s->chain, &s->span);
	/* virtio 1.2, 5.1.6.2: nothing of it is ours to write; and in a chain
	 * what follows a writable piece is too. */
	if (s->state > 0 && unlikely(s->span.write))
		s->state = 0;
	if (s->state <= 0)
		s->span.len = 0;
	return s->state > 0;
}

static uint32_t source_copy(struct source *s, void *to, uint32_t most)
{
	const uint32_t len = RTE_MIN(s->span.len, most);

	net_copy(to, s->span.host, len);
	s->span.host = (uint8_t *)s->span.host + len;
	s->span.len -= len;
	return len;
}

static bool copy_header(struct source *s, struct net_hdr *h)
{
	uint32_t done = 0;

	if (likely(s->span.len >= sizeof(*h)))
		return source_copy(s, h, sizeof(*h));
	while (done < sizeof(*h) && source_more(s))
		done += source_copy(s, (uint8_t *)h + done,
				    (uint32_t)sizeof(*h) - done);
	return done == sizeof(*h);
}

/* The rest of @s as one frame of up to @most bytes; NULL: counted. */
static struct rte_mbuf *copy_frame(struct net *n, struct net_tx_queue *t,
				   struct source *s)
{
	struct rte_mbuf *head = take_mbuf(n, t);
	struct rte_mbuf *m = head;
	uint32_t room, len;

	if (unlikely(!head)) {
		count_add(&t->count.tx_no_mbufs, 1);
		return NULL;
	}
	for (room = room_in(m); source_more(s); room -= len) {
		if (unlikely(!room)) {
			m->next = take_mbuf(n, t);
			if (!m->next) {
				count_add(&t->count.tx_no_mbufs, 1);
				goto drop;
			}
			m = m->next;
			head->nb_segs++;
			room = room_in(m);
		}
		len = source_copy(
			s, rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len),
			room);
		m->data_len = (uint16_t)(m->data_len + len);
		head->pkt_len += len;
		if (unlikely(head->pkt_len > NET_FRAME_MAX))
			goto bad;
	}
	if (likely(head->pkt_len >= RTE_ETHER_HDR_LEN))
		return head;
bad:
	count_add(&t->count.tx_bad, 1);
drop:
	rte_pktmbuf_free(head);
	return NULL;
}

/* ---- Frames ---------------------------------------------------------------- */

static void add_one(struct net *n, unsigned int i, struct rte_mbuf *m)
{
	struct net_tx_queue *t = &n->pair[i]->tx;

	if (m->nb_segs > 1 && !(n->port->caps & NET_CAP_TX_MULTI) &&
	    rte_pktmbuf_linearize(m)) {
		count_add(&t->count.tx_bad, 1);
		rte_pktmbuf_free(m);
	} else if (unlikely(!make_room(n, i, 1))) {
		count_add(&t->count.tx_full, 1);
		rte_pktmbuf_free(m);
	} else {
		t->out.m[t->out.end++] = m;
	}
}

static void add_cut(struct net *n, unsigned int i, struct rte_mbuf *m)
{
	struct net_tx_queue *t = &n->pair[i]->tx;
	int nr;

	if (unlikely(!make_room(n, i, NET_MAX_SEGMENTS))) {
		count_add(&t->count.tx_full, 1);
	} else {
		nr = net_offload_cut(m, n->port->caps, n->port->pool,
				     t->out.m + t->out.end, NET_MAX_SEGMENTS);
		if (nr > 0)
			t->out.end += (unsigned int)nr;
		else if (nr == -ENOMEM)
			count_add(&t->count.tx_no_mbufs, 1);
		else
			count_add(&t->count.tx_bad, 1);
	}
	rte_pktmbuf_free(m);
}

static void add_frame(struct net *n, unsigned int i, struct rte_mbuf *m,
		      const struct net_hdr *h)
{
	struct net_tx_queue *t = &n->pair[i]->tx;
	const enum net_tx what = net_offload_tx(m, h, n->tx_can, n->port->caps);

	/* A port's own segmentation is the one reason to be longer. */
	if (what == NET_TX_BAD ||
	    (what == NET_TX_SEND && m->pkt_len > n->tx_most &&
	     !(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG))) {
		count_add(&t->count.tx_bad, 1);
		virtio_bad_request(n->device.virtio, 2 * i + 1);
		rte_pktmbuf_free(m);
		return;
	}
	count_add(&t->count.tx_frames, 1);
	count_add(&t->count.tx_bytes, m->pkt_len);
	if (likely(what == NET_TX_SEND))
		add_one(n, i, m);
	else
		add_cut(n, i, m);
}

/* False: the queue broke. */
static bool serve(struct net *n, unsigned int i, struct vq_chain *chain,
		  const struct vq_span *first)
{
	struct net_tx_queue *t = &n->pair[i]->tx;
	struct source s = { .chain = chain, .span = *first, .state = 1 };
	struct rte_mbuf *m = NULL;
	struct net_hdr h;
	bool header;

	header = copy_header(&s, &h);
	if (likely(header))
		m = copy_frame(n, t, &s);
	else if (s.state >= 0)
		count_add(&t->count.tx_bad, 1);
	if (unlikely(s.state < 0)) {
		rte_pktmbuf_free(m);
		return false;
	}
	if (likely(m != NULL))
		add_frame(n, i, m, &h);
	else
		virtio_bad_request(n->device.virtio, 2 * i + 1);
	vq_push(chain->vq, chain, 0);
	return true;
}

/*
 * One piece that holds it all, and nothing is asked for: the frame is added.
 * False: it is something else, and nothing was done.
 */
static inline bool serve_plain(struct net *n, struct net_tx_queue *t,
			       const struct vq_chain *chain,
			       const struct vq_span *s, uint64_t *bytes)
{
	const uint32_t len = s->len - (uint32_t)sizeof(struct net_hdr);
	struct rte_mbuf *m;
	struct net_hdr h;

	if (s->len < sizeof(h) + RTE_ETHER_HDR_LEN || len > n->tx_most ||
	    !vq_chain_ended(chain) || !t->nr_spare || t->out.end == NET_FRAMES)
		return false;
	memcpy(&h, s->host, sizeof(h));
	/* The driver may change it: what was looked at is what counts. */
	__asm__ volatile("" ::: "memory");
	m = t->spare[t->nr_spare - 1];
	if (h.flags || h.gso_type != NET_GSO_NONE ||
	    len + RTE_PKTMBUF_HEADROOM > m->buf_len)
		return false;
	rte_pktmbuf_reset(m);
	net_copy(rte_pktmbuf_mtod(m, void *),
		 (const uint8_t *)s->host + sizeof(h), len);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	t->nr_spare--;
	t->out.m[t->out.end++] = m;
	*bytes += len;
	return true;
}

/* As many of those taken as can be; fewer than @nr: the queue broke. */
static int serve_all(struct net *n, unsigned int i, struct vq *vq, int nr)
{
	struct net_tx_queue *t = &n->pair[i]->tx;
	uint64_t frames = 0, bytes = 0;
	int k;

	take_spare(n, t, (unsigned int)RTE_MAX(nr, 0));
	for (k = 0; k < nr; k++) {
		if (likely(serve_plain(n, t, &t->chain[k], &t->first[k],
				       &bytes))) {
			vq_push(vq, &t->chain[k], 0);
			frames++;
		} else if (!serve(n, i, &t->chain[k], &t->first[k])) {
			break;
		}
	}
	count_add(&t->count.tx_frames, frames);
	count_add(&t->count.tx_bytes, bytes);
	return k;
}

/* Take up to @most chains, and of each its first piece; -1: it broke. */
static int take(struct net_tx_queue *t, struct vq *vq, unsigned int most)
{
	struct vq_span *s;
	unsigned int nr;
	int state;

	for (nr = 0; nr < most && vq_pop(vq, &t->chain[nr]); nr++) {
		s = &t->first[nr];
		state = vq_chain_next(&t->chain[nr], s);
		if (unlikely(state < 0))
			return -1;
		if (unlikely(!state || s->write)) {
			s->len = 0;
			continue;
		}
		rte_prefetch0(s->host);
		rte_prefetch0((uint8_t *)s->host + RTE_CACHE_LINE_SIZE);
	}
	return vq_live(vq) ? (int)nr : -1;
}

bool net_tx_run(struct net *n, unsigned int i, unsigned int budget)
{
	struct vq *vq = virtio_queue(n->device.virtio, 2 * i + 1);
	struct net_tx_queue *t = &n->pair[i]->tx;
	unsigned int most;
	int nr, k;

	while (budget) {
		if (!flush_late(n, i))
			return true;
		most = RTE_MIN(budget, NET_BURST);
		nr = take(t, vq, most);
		k = serve_all(n, i, vq, nr);
		if (!flush(n, i))
			t->retry_until = ticks_now() + n->retry;
		/* It broke: what was complete has gone. */
		if (nr < 0 || k < nr)
			return false;
		if ((unsigned int)nr < most)
			return net_frames_nr(&t->out) > 0;
		budget -= most;
	}
	return true;
}

void net_tx_stop(struct net *n, unsigned int i)
{
	struct net_tx_queue *t = &n->pair[i]->tx;

	count_add(&t->count.tx_stopped, net_frames_nr(&t->out));
	free_frames(&t->out);
	rte_pktmbuf_free_bulk(t->spare, t->nr_spare);
	t->nr_spare = 0;
}
