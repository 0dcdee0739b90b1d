/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: three areas of guest memory, found once per memory map by vq_derive()
 * and touched through three host pointers.  While one is missing, all are
 * NULL and the queue is paused.  What is particular to a kind of ring is in
 * split.c and packed.c; the walk of a chain, which is much the same in both, is
 * in chain.c.
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
	vq->derived++;
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
	if (worst != FOUND || !running)
		return;
	vq->desc_host = host[0];
	vq->driver_host = host[1];
	vq->device_host = host[2];
}

bool vq_pop(struct vq *vq, struct vq_chain *c)
{
	if (!vq_live(vq))
		return false;
	if (!(vq->packed ? packed_pop(vq, c) : split_pop(vq, c)))
		return false;
	c->vq = vq;
	c->seq = vq->seq++;
	vq_chain_rewind(c);
	count_add(&vq->stats.chains, 1);
	return true;
}

/* ---- Used chains ---------------------------------------------------------- */

static inline void put(struct vq *vq, uint16_t at, uint16_t id, uint16_t slots,
		       uint32_t len)
{
	if (vq->packed) {
		packed_put(vq, at, id, len);
		vq->s.used = packed_advance(vq, vq->s.used, slots);
	} else {
		split_put(vq, at, id, len);
		vq->s.used++;
	}
	vq->pushed += slots;
}

static void put_in_order(struct vq *vq, const struct vq_late *e)
{
	if (!vq->batch_open)
		vq->batch = vq->s.used;
	put(vq, vq->batch, e->id, e->slots, e->len);
	vq->batch_open = e->plain;
}

static void push_late(struct vq *vq, const struct vq_chain *c, uint32_t written)
{
	const uint16_t mask = (uint16_t)(vq->max_late - 1);
	struct vq_late *next;

	vq->late[c->seq & mask] = (struct vq_late){
		.len = written,
		.id = c->id,
		.slots = c->slots,
		.pushed = true,
		.plain = !c->more && !c->rest && !c->seen_write,
	};
	while ((next = &vq->late[vq->late_seq & mask])->pushed) {
		next->pushed = false;
		vq->late_seq++;
		put_in_order(vq, next);
	}
}

void vq_push(struct vq *vq, const struct vq_chain *c, uint32_t written)
{
	assert(c->vq == vq && written <= c->writable);
	if (!vq_live(vq))
		return;
	count_add(&vq->stats.bytes_written, written);
	if (unlikely(vq->in_order))
		push_late(vq, c, written);
	else
		put(vq, vq->s.used, c->id, c->slots, written);
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
