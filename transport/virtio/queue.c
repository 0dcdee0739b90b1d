/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: three areas of guest memory, found once per memory map by vq_derive()
 * and touched through three host pointers.  While one is missing, all are
 * NULL and the queue is paused.  What is particular to a kind of ring is in
 * split.c and packed.c; the walk of a chain is here, since a descriptor means
 * the same in both.
 *
 * With IN_ORDER, chains that are pushed too early wait in a table, by the order
 * in which they were taken.  Of chains that follow each other and had nothing
 * to be written only the last one gets a used element (virtio 1.2, 2.7.9 and
 * 2.8.9): whoever is told of it knows that the others are used, too.
 */
#include "transport/virtio/queue.h"

#include <stdlib.h>

#include "transport/virtio/ring.h"
#include "transport/virtio/virtio.h"

int vq_init(struct vq *vq, uint16_t max, bool in_order)
{
	assert(is_power_of_2(max) && max <= VQ_MAX_SIZE);
	*vq = (struct vq){ .max = max };
	if (in_order) {
		vq->late = calloc(max, sizeof(*vq->late));
		if (!vq->late)
			return -ENOMEM;
		vq->max_late = max;
	}
	vq_reset(vq);
	return 0;
}

void vq_fini(struct vq *vq)
{
	free(vq->late);
	vq->late = NULL;
}

static void forget_host(struct vq *vq)
{
	vq->desc_host = NULL;
	vq->driver_host = NULL;
	vq->device_host = NULL;
	vq->near = (struct gpa_region){ .size = 0 };
}

static void begin(struct vq *vq)
{
	vq->s.last_avail = 0;
	vq->s.used = 0;
	vq->s.published = 0;
	vq->s.signalled = 0;
	vq->s.taken = 0;
	if (vq->packed)
		packed_begin(vq);
}

void vq_reset(struct vq *vq)
{
	unsigned int i;

	vq->s = (struct vq_state){ .size = vq->max };
	begin(vq);
	vq->running = false;
	vq->quiet = false;
	vq->seq = 0;
	vq->late_seq = 0;
	vq->batch_open = false;
	vq->pushed = 0;
	vq->undecided = 0;
	for (i = 0; i < vq->max_late; i++)
		vq->late[i].pushed = false;
	vq->avail_seen = 0;
	forget_host(vq);
}

void vq_set_features(struct vq *vq, const struct virtio_features *f)
{
	vq->event_idx = virtio_has(f, VIRTIO_F_EVENT_IDX);
	vq->indirect = virtio_has(f, VIRTIO_F_INDIRECT_DESC);
	vq->packed = virtio_has(f, VIRTIO_F_RING_PACKED);
	vq->in_order = virtio_has(f, VIRTIO_F_IN_ORDER) && vq->late;
	begin(vq);
}

void vq_break(struct vq *vq)
{
	if (vq->s.broken)
		return;
	/* Atomic: a kick looks at it on another thread. */
	__atomic_store_n(&vq->s.broken, 1, __ATOMIC_RELAXED);
	count_add(&vq->stats.broken, 1);
	forget_host(vq);
}

void vq_set_size(struct vq *vq, uint16_t size)
{
	if (!vq->s.enabled && size && size <= vq->max &&
	    (vq->packed || is_power_of_2(size)))
		vq->s.size = size;
}

/* ---- Areas ---------------------------------------------------------------- */

/* To end with the last byte there is, is not to wrap. */
static bool wraps(uint64_t gpa, uint64_t bytes)
{
	return bytes && bytes - 1 > UINT64_MAX - gpa;
}

static void find_areas(const struct vq *vq, struct vq_area area[3])
{
	if (vq->packed)
		packed_areas(vq, area);
	else
		split_areas(vq, area);
}

bool vq_enable(struct vq *vq)
{
	const uint64_t gpa[] = { vq->s.desc, vq->s.driver, vq->s.device };
	struct vq_area area[3];
	unsigned int i;

	if (vq->s.enabled)
		return !vq->s.broken;
	vq->s.enabled = 1;
	find_areas(vq, area);
	/* 0 counts as never written: to take it for an address would let a
	 * forgotten register write the used ring over the guest's page 0. */
	for (i = 0; i < ARRAY_SIZE(area); i++)
		if (!gpa[i] || gpa[i] % area[i].align ||
		    wraps(gpa[i], area[i].bytes))
			vq_break(vq);
	vq_derive(vq, vq->mem, vq->running);
	return !vq->s.broken;
}

enum found {
	FOUND,
	HOLE,
	PIECES
};

/*
 * One pointer must reach the whole area: a ring that is looked at billions of
 * times is not put together from pieces.  Host memory that is less aligned
 * than guest memory is refused for the same reason: our 16-bit accesses must
 * be single ones.
 */
static enum found find_area(const struct gpa_map *mem, uint64_t gpa,
			    const struct vq_area *area, void **host)
{
	uint64_t bytes = area->bytes;
	void *piece;
	uint64_t n = gpa_span(mem, gpa, bytes, area->write, host);

	if (area->write && area->read && n == bytes)
		n = gpa_span(mem, gpa, bytes, false, host);
	if (n == bytes && !((uintptr_t)*host & (area->align - 1)))
		return FOUND;
	while (n && n < bytes) {
		gpa += n;
		bytes -= n;
		n = gpa_span(mem, gpa, bytes, area->write, &piece);
	}
	return n ? PIECES : HOLE;
}

void vq_derive(struct vq *vq, struct gpa_map *mem, bool running)
{
	const uint64_t gpa[] = { vq->s.desc, vq->s.driver, vq->s.device };
	struct vq_area area[3];
	enum found worst = FOUND, f;
	void *host[3];
	unsigned int i;

	vq->mem = mem;
	vq->running = running;
	vq->avail_seen = vq->packed ? 0 : vq->s.last_avail;
	vq->quiet = false;
	forget_host(vq);
	if (!vq->s.enabled || vq->s.broken || !mem)
		return;
	find_areas(vq, area);
	for (i = 0; i < ARRAY_SIZE(area); i++) {
		f = find_area(mem, gpa[i], &area[i], &host[i]);
		/* A hole may be filled yet. */
		if (f == HOLE || (f == PIECES && worst == FOUND))
			worst = f;
	}
	if (worst == PIECES)
		vq_break(vq);
	if (worst != FOUND)
		return;
	vq->desc_host = host[0];
	vq->driver_host = host[1];
	vq->device_host = host[2];
}

/* ---- Chains --------------------------------------------------------------- */

bool vq_pop(struct vq *vq, struct vq_chain *c)
{
	if (!vq_live(vq))
		return false;
	*c = (struct vq_chain){ .vq = vq, .more = true };
	if (!(vq->packed ? packed_pop(vq, c) : split_pop(vq, c)))
		return false;
	c->next = vq->packed ? 0 : c->head;
	c->seq = vq->seq++;
	count_add(&vq->stats.chains, 1);
	return true;
}

/*
 * How many descriptors one chain may have.  The direct ones cannot be more
 * than the queue has.  With an indirect table the text says the same, but
 * Linux drivers go beyond it on small queues (a packet of 19 pieces on a
 * queue of 16), and they stay below 1024: so that is allowed too.
 */
static unsigned int chain_limit(const struct vq_chain *c)
{
	unsigned int size = c->vq->s.size;

	return c->indirect && size < VQ_CHAIN_MAX ? VQ_CHAIN_MAX : size;
}

/* Where @gpa is likely to be: where the last one was. */
static uint64_t find_span(struct vq *vq, uint64_t gpa, uint64_t len, bool write,
			  void **host)
{
	const uint32_t need = write ? GPA_WRITE : GPA_READ;
	const struct gpa_region *r = &vq->near;
	uint64_t off = gpa - r->gpa;

	if (likely(off < r->size && len <= r->size - off && r->host &&
		   (r->flags & need))) {
		*host = r->host + off;
		return len;
	}
	r = gpa_find(vq->mem, gpa);
	if (r)
		vq->near = *r;
	return gpa_span(vq->mem, gpa, len, write, host);
}

/* An indirect table may lie anywhere: even one entry may be in two pieces. */
static bool load_indirect(struct vq_chain *c, struct vq_desc *d)
{
	uint64_t gpa = c->table + sizeof(*d) * c->next;
	unsigned int done = 0;
	uint64_t n;
	void *host;

	if (c->next >= c->entries)
		return false;
	while (done < sizeof(*d)) {
		n = find_span(c->vq, gpa + done, sizeof(*d) - done, false,
			      &host);
		if (!n)
			return false;
		memcpy((uint8_t *)d + done, host, n);
		done += (unsigned int)n;
	}
	__asm__ volatile("" ::: "memory");
	if (!c->vq->packed)
		return true;
	/* virtio 1.2, 2.8.7: one after the other, and only WRITE means
	 * anything. */
	d->flags = d->next & DESC_WRITE;
	d->next = (uint16_t)(c->next + 1);
	if (d->next < c->entries)
		d->flags |= DESC_NEXT;
	return true;
}

static bool load_desc(struct vq_chain *c, struct vq_desc *d)
{
	if (c->loaded >= chain_limit(c))
		return false;
	c->loaded++;
	if (c->indirect)
		return load_indirect(c, d);
	return c->vq->packed ? packed_load(c, d) : split_load(c, d);
}

/*
 * virtio 1.2, 2.7.5.3: the WRITE flag here means nothing.  Split rings may have
 * direct descriptors before it, packed ones (2.8.7) may not.
 */
static bool enter_indirect(struct vq_chain *c, const struct vq_desc *d)
{
	if (!c->vq->indirect || c->indirect || (d->flags & DESC_NEXT))
		return false;
	if (c->vq->packed && c->slots > 1)
		return false;
	if (!d->len || d->len % sizeof(*d) || wraps(d->addr, d->len))
		return false;
	c->indirect = true;
	c->loaded--; /* holds no data, and this happens once in a chain */
	c->table = d->addr;
	c->entries = d->len / (uint32_t)sizeof(*d);
	c->next = 0;
	return c->entries <= chain_limit(c);
}

/* A descriptor that holds data; virtio 1.2, 2.7.4.2: readable ones first. */
static bool enter_data(struct vq_chain *c, const struct vq_desc *d)
{
	c->write = d->flags & DESC_WRITE;
	if (c->seen_write && !c->write)
		return false;
	c->seen_write = c->write;
	/* virtio 1.2, 2.7.5.2: at most 2^32 bytes, and used.len has 32 bits */
	c->bytes += d->len;
	if (c->bytes > 1ull << 32 || wraps(d->addr, d->len))
		return false;
	c->addr = d->addr;
	c->rest = d->len;
	c->more = d->flags & DESC_NEXT;
	c->next = d->next;
	return true;
}

static bool load_element(struct vq_chain *c)
{
	struct vq_desc d;

	if (!load_desc(c, &d))
		return false;
	if (d.flags & DESC_INDIRECT)
		return enter_indirect(c, &d);
	return enter_data(c, &d);
}

static int chain_break(struct vq_chain *c)
{
	c->more = false;
	c->rest = 0;
	vq_break(c->vq);
	return -1;
}

int vq_chain_next(struct vq_chain *c, struct vq_span *span)
{
	struct vq *vq = c->vq;
	uint64_t n;

	if (!vq_live(vq))
		return -1;
	while (!c->rest) {
		if (!c->more)
			return 0;
		if (!load_element(c))
			return chain_break(c);
	}
	n = find_span(vq, c->addr, c->rest, c->write, &span->host);
	if (!n)
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

/* ---- Used chains ---------------------------------------------------------- */

static void put(struct vq *vq, uint16_t at, const struct vq_late *e)
{
	if (vq->packed) {
		packed_put(vq, at, e->id, e->len);
		vq->s.used = packed_advance(vq, vq->s.used, e->slots);
	} else {
		split_put(vq, at, e->id, e->len);
		vq->s.used++;
	}
	vq->pushed += e->slots;
}

static void put_in_order(struct vq *vq, const struct vq_late *e)
{
	if (!vq->batch_open)
		vq->batch = vq->s.used;
	put(vq, vq->batch, e);
	vq->batch_open = e->plain;
}

static void push_late(struct vq *vq, const struct vq_late *e, uint16_t seq)
{
	const uint16_t mask = (uint16_t)(vq->max_late - 1);
	struct vq_late *next;

	vq->late[seq & mask] = *e;
	while ((next = &vq->late[vq->late_seq & mask])->pushed) {
		next->pushed = false;
		vq->late_seq++;
		put_in_order(vq, next);
	}
}

void vq_push(struct vq *vq, const struct vq_chain *c, uint32_t written)
{
	const struct vq_late e = {
		.len = written,
		.id = c->id,
		.slots = c->slots,
		.pushed = true,
		.plain = !c->more && !c->rest && !c->seen_write,
	};

	assert(c->vq == vq && written <= c->writable);
	if (!vq_live(vq))
		return;
	count_add(&vq->stats.bytes_written, written);
	if (vq->in_order)
		push_late(vq, &e, c->seq);
	else
		put(vq, vq->s.used, &e);
}

bool vq_publish(struct vq *vq)
{
	if (!vq_live(vq) || !vq->pushed)
		return false;
	if (vq->packed)
		packed_publish(vq);
	else
		split_publish(vq);
	vq->s.published = vq->s.used;
	vq->undecided += vq->pushed;
	vq->pushed = 0;
	vq->batch_open = false;
	return true;
}

bool vq_wants_interrupt(struct vq *vq)
{
	bool wanted;

	if (!vq_live(vq) || !vq->undecided)
		return false;
	wanted = vq->packed ? packed_wants_interrupt(vq)
			    : split_wants_interrupt(vq);
	vq->s.signalled = vq->s.published;
	vq->undecided = 0;
	count_add(wanted ? &vq->stats.interrupts : &vq->stats.suppressed, 1);
	return wanted;
}

/* ---- Kicks ---------------------------------------------------------------- */

bool vq_arm(struct vq *vq)
{
	if (!vq_live(vq))
		return false;
	vq->quiet = false;
	return vq->packed ? packed_arm(vq) : split_arm(vq);
}

void vq_disarm(struct vq *vq)
{
	if (vq->quiet || !vq_live(vq))
		return;
	if (vq->packed)
		packed_disarm(vq);
	else
		split_disarm(vq);
	vq->quiet = true;
}
