/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chain.c - the walk of a chain (virtio 1.2, 2.7.4, 2.7.5, 2.8.5 to 2.8.8)
 *
 * How: each descriptor is copied into two registers once; what is checked and
 * used are those.  Split rings and their indirect tables are linked, packed
 * ones go on with the next entry, for as many as were measured when the chain
 * was taken.  An address is looked for where the last one was before the map is
 * asked: a driver's memory is mostly one region.
 *
 * How many descriptors one chain may have: the direct ones cannot be more than
 * the queue has.  With an indirect table the text says the same, but Linux
 * drivers go beyond it on small queues (a packet of 19 pieces on a queue of
 * 16), and they stay below 1024: so that is allowed too.
 */
#include "transport/virtio/ring.h"

/* A descriptor, whatever its ring. */
struct element {
	uint64_t addr;
	uint32_t len;
	uint16_t flags; /* DESC_* */
	uint16_t next;
};

/* As it lies in memory. */
struct raw {
	uint64_t addr, rest;
};

static inline struct raw copy_raw(const void *host)
{
	struct raw r;

	memcpy(&r, host, sizeof(r));
	/* In registers from here on: nobody goes back to guest memory. */
	__asm__ volatile("" : "+r"(r.addr), "+r"(r.rest));
	return r;
}

static inline struct element split_element(struct raw r)
{
	return (struct element){
		.addr = r.addr,
		.len = (uint32_t)r.rest,
		.flags = (uint16_t)(r.rest >> 32),
		.next = (uint16_t)(r.rest >> 48),
	};
}

/* Packed, of which @last is none that follows. */
static inline struct element packed_element(struct raw r, uint16_t mask,
					    uint16_t next, bool last)
{
	return (struct element){
		.addr = r.addr,
		.len = (uint32_t)r.rest,
		.flags = (uint16_t)((r.rest >> 48 & mask) |
				    (last ? 0 : DESC_NEXT)),
		.next = next,
	};
}

/* ---- Addresses ------------------------------------------------------------- */

/* To end with the last byte there is, is not to wrap. */
static bool wraps(uint64_t gpa, uint64_t bytes)
{
	return bytes && bytes - 1 > UINT64_MAX - gpa;
}

static uint64_t ask_map(struct vq *vq, uint64_t gpa, uint64_t len, bool write,
			void **host)
{
	const struct gpa_region *r = gpa_find(vq->mem, gpa);

	if (wraps(gpa, len))
		return 0;
	if (r && r->host)
		vq->near = *r;
	return gpa_span(vq->mem, gpa, len, write, host);
}

/* As gpa_span(). */
static inline uint64_t find_span(struct vq *vq, uint64_t gpa, uint64_t len,
				 bool write, void **host)
{
	const struct gpa_region *r = &vq->near;
	const uint64_t off = gpa - r->gpa;

	if (unlikely(off >= r->size || len > r->size - off ||
		     !(r->flags & (write ? GPA_WRITE : GPA_READ))))
		return ask_map(vq, gpa, len, write, host);
	*host = r->host + off;
	return len;
}

uint64_t vq_span_again(struct vq *vq, uint64_t gpa, uint64_t len, bool write,
		       void **host)
{
	uint64_t n;

	if (!vq_live(vq))
		return 0;
	n = find_span(vq, gpa, len, write, host);
	if (!n)
		vq_break(vq);
	return n;
}

/* ---- Descriptors ------------------------------------------------------------ */

/* An indirect table may lie anywhere: even one entry may be in two pieces. */
static bool collect_entry(const struct vq_chain *c, struct raw *r)
{
	uint64_t gpa = c->table + sizeof(*r) * c->next;
	unsigned int done = 0;
	uint64_t n;
	void *host;

	while (done < sizeof(*r)) {
		n = find_span(c->vq, gpa + done, sizeof(*r) - done, false,
			      &host);
		if (!n)
			return false;
		memcpy((uint8_t *)r + done, host, n);
		done += (unsigned int)n;
	}
	*r = copy_raw(r);
	return true;
}

static inline bool load_entry(const struct vq_chain *c, struct element *e)
{
	const struct vq *vq = c->vq;
	struct raw r;

	if (c->next >= c->entries)
		return false;
	if (likely(c->entry && c->derived == vq->derived))
		r = copy_raw(c->entry + sizeof(r) * c->next);
	else if (!collect_entry(c, &r))
		return false;
	/* 2.8.7: one after the other, and only WRITE means anything. */
	if (vq->packed)
		*e = packed_element(r, DESC_WRITE, (uint16_t)(c->next + 1),
				    c->next + 1u == c->entries);
	else
		*e = split_element(r);
	return true;
}

static inline bool load_direct(const struct vq_chain *c, struct element *e)
{
	const struct vq *vq = c->vq;
	const uint8_t *ring = vq->desc_host;
	unsigned int at = c->next;

	if (!vq->packed) {
		if (at >= vq->s.size)
			return false;
		*e = split_element(copy_raw(ring + sizeof(struct raw) * at));
		return true;
	}
	if (at >= c->slots)
		return false;
	at += c->head;
	if (at >= vq->s.size)
		at -= vq->s.size;
	*e = packed_element(copy_raw(ring + sizeof(struct raw) * at),
			    DESC_WRITE | DESC_INDIRECT, (uint16_t)(c->next + 1),
			    c->next + 1u == c->slots);
	return true;
}

/*
 * virtio 1.2, 2.7.5.3: the WRITE flag here means nothing.  Split rings may have
 * direct descriptors before it, packed ones (2.8.7) may not.
 */
static bool enter_indirect(struct vq_chain *c, const struct element *e)
{
	struct vq *vq = c->vq;
	void *host = NULL;

	if (!vq->indirect || c->indirect || (e->flags & DESC_NEXT))
		return false;
	if (vq->packed && c->slots > 1)
		return false;
	if (!e->len || e->len % sizeof(struct raw) || wraps(e->addr, e->len))
		return false;
	c->indirect = true;
	c->loaded--; /* holds no data, and this happens once in a chain */
	if (c->limit < VQ_CHAIN_MAX)
		c->limit = VQ_CHAIN_MAX;
	c->table = e->addr;
	c->entries = e->len / (uint32_t)sizeof(struct raw);
	c->next = 0;
	c->entry = NULL;
	c->derived = vq->derived;
	if (find_span(vq, e->addr, e->len, false, &host) == e->len)
		c->entry = host;
	return c->entries <= c->limit;
}

/* The next descriptor that holds data, perhaps of length 0. */
static inline bool next_element(struct vq_chain *c, struct element *e)
{
	bool loaded;

	do {
		if (unlikely(c->loaded >= c->limit))
			return false;
		c->loaded++;
		loaded = c->indirect ? load_entry(c, e) : load_direct(c, e);
		if (unlikely(!loaded))
			return false;
		if (likely(!(e->flags & DESC_INDIRECT)))
			return true;
	} while (enter_indirect(c, e));
	return false;
}

/* ---- The walk ------------------------------------------------------------- */

static int chain_break(struct vq_chain *c)
{
	c->more = false;
	c->rest = 0;
	vq_break(c->vq);
	return -1;
}

/* virtio 1.2, 2.7.4.2: readable ones first; 2.7.5.2: at most 2^32 bytes, and
 * used.len has 32 bits. */
static inline bool enter(struct vq_chain *c, const struct element *e)
{
	c->write = e->flags & DESC_WRITE;
	if (unlikely(c->seen_write && !c->write))
		return false;
	c->seen_write = c->write;
	c->bytes += e->len;
	c->addr = e->addr;
	c->rest = e->len;
	c->more = e->flags & DESC_NEXT;
	c->next = e->next;
	return c->bytes <= 1ull << 32;
}

int vq_chain_next(struct vq_chain *c, struct vq_span *span)
{
	struct vq *vq = c->vq;
	struct element e;
	uint64_t n;

	if (unlikely(!vq_live(vq)))
		return -1;
	while (!c->rest) {
		if (!c->more)
			return 0;
		if (unlikely(!next_element(c, &e) || !enter(c, &e)))
			return chain_break(c);
	}
	n = find_span(vq, c->addr, c->rest, c->write, &span->host);
	if (unlikely(!n))
		return chain_break(c);
	span->gpa = c->addr;
	span->len = (uint32_t)n;
	span->write = c->write;
	c->addr += n;
	c->rest -= (uint32_t)n;
	if (c->write)
		c->writable += n;
	else
		count_add(&vq->stats.bytes_read, n);
	return 1;
}
