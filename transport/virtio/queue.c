/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: three areas of guest memory, found once per memory map by vq_derive()
 * and touched through three host pointers.  While one is missing, all are
 * NULL and the queue is paused.
 *
 * Field        written by  read by  edge
 * avail.idx    driver      device   Q1  entry and descriptors are complete
 * used.idx     device      driver   Q2  used element and data are complete
 * avail_event  device      driver   Q3  either the driver sees that we sleep
 *  or flags                             and kicks, or we see its avail.idx
 * used_event   driver      device   Q4  either we see what the driver waits
 *  or flags                             for, or it sees our used.idx
 *
 * Q3 and Q4 are store-then-load on both sides, which only a full barrier on
 * both sides orders.  The descriptor table needs no edge of its own: it is
 * covered by Q1.
 *
 * The guest can write all of this memory at any time; what has been loaded
 * into a local is what is checked and used.
 */
#include "transport/virtio/queue.h"
#include "transport/virtio/virtio.h"

#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u

#define AVAIL_NO_INTERRUPT 1u
#define USED_NO_NOTIFY	   1u

/* virtio 1.2, 2.7: sizes and alignments, always with room for the events. */
#define DESC_ALIGN  16
#define AVAIL_ALIGN 2
#define USED_ALIGN  4

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};
static_assert(sizeof(struct desc) == 16, "is the table entry");

struct used_elem {
	uint32_t id;
	uint32_t len;
};

struct used_ring {
	uint16_t flags;
	uint16_t idx;
	struct used_elem ring[];
};

struct avail_ring {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[];
};

static uint64_t desc_bytes(const struct vq *vq)
{
	return sizeof(struct desc) * vq->s.size;
}

static uint64_t avail_bytes(const struct vq *vq)
{
	return 6 + 2ull * vq->s.size;
}

static uint64_t used_bytes(const struct vq *vq)
{
	return 6 + 8ull * vq->s.size;
}

void vq_init(struct vq *vq, uint16_t max)
{
	assert(is_power_of_2(max) && max <= VQ_MAX_SIZE);
	*vq = (struct vq){ .max = max };
	vq_reset(vq);
}

static void forget_host(struct vq *vq)
{
	vq->desc_host = NULL;
	vq->avail_host = NULL;
	vq->used_host = NULL;
}

void vq_reset(struct vq *vq)
{
	vq->s = (struct vq_state){ .size = vq->max };
	vq->event_idx = false;
	vq->indirect = false;
	vq->running = false;
	vq->quiet = false;
	vq->avail_seen = 0;
	forget_host(vq);
}

void vq_break(struct vq *vq)
{
	if (vq->s.broken)
		return;
	vq->s.broken = 1;
	vq->stats.broken++;
	forget_host(vq);
}

void vq_set_size(struct vq *vq, uint16_t size)
{
	if (!vq->s.enabled && size <= vq->max && is_power_of_2(size))
		vq->s.size = size;
}

/* To end with the last byte there is, is not to wrap. */
static bool wraps(uint64_t gpa, uint64_t bytes)
{
	return bytes && bytes - 1 > UINT64_MAX - gpa;
}

/* 0 counts as never written: to take it for an address would let a forgotten
 * register write the used ring over the guest's page 0. */
static bool sane_area(uint64_t gpa, uint64_t bytes, unsigned int align)
{
	return gpa && !(gpa & (align - 1)) && !wraps(gpa, bytes);
}

bool vq_enable(struct vq *vq)
{
	if (vq->s.enabled)
		return !vq->s.broken;
	vq->s.enabled = 1;
	if (!sane_area(vq->s.desc, desc_bytes(vq), DESC_ALIGN) ||
	    !sane_area(vq->s.driver, avail_bytes(vq), AVAIL_ALIGN) ||
	    !sane_area(vq->s.device, used_bytes(vq), USED_ALIGN))
		vq_break(vq);
	vq_derive(vq, vq->mem, vq->running);
	return !vq->s.broken;
}

void vq_set_features(struct vq *vq, const struct virtio_features *f)
{
	vq->event_idx = virtio_has(f, VIRTIO_F_EVENT_IDX);
	vq->indirect = virtio_has(f, VIRTIO_F_INDIRECT_DESC);
}

enum area {
	AREA_THERE,
	AREA_HOLE,
	AREA_PIECES
};

/*
 * One pointer must reach the whole area: a ring that is looked at billions of
 * times is not put together from pieces.  Host memory that is less aligned
 * than guest memory is refused for the same reason: our 16-bit accesses must
 * be single ones.
 */
static enum area find_area(struct gpa_map *mem, uint64_t gpa, uint64_t bytes,
			   bool write, unsigned int align, void **host)
{
	void *piece;
	uint64_t n = gpa_span(mem, gpa, bytes, write, host);

	if (n == bytes && !((uintptr_t)*host & (align - 1)))
		return AREA_THERE;
	while (n && n < bytes) {
		gpa += n;
		bytes -= n;
		n = gpa_span(mem, gpa, bytes, write, &piece);
	}
	return n ? AREA_PIECES : AREA_HOLE;
}

void vq_derive(struct vq *vq, struct gpa_map *mem, bool running)
{
	void *desc, *avail, *used;
	enum area d, a, u;

	vq->mem = mem;
	vq->running = running;
	vq->avail_seen = vq->s.last_avail;
	forget_host(vq);
	if (!vq->s.enabled || vq->s.broken || !mem)
		return;
	d = find_area(mem, vq->s.desc, desc_bytes(vq), false, DESC_ALIGN,
		      &desc);
	a = find_area(mem, vq->s.driver, avail_bytes(vq), false, AVAIL_ALIGN,
		      &avail);
	u = find_area(mem, vq->s.device, used_bytes(vq), true, USED_ALIGN,
		      &used);
	if (d == AREA_HOLE || a == AREA_HOLE || u == AREA_HOLE)
		return;
	if (d == AREA_PIECES || a == AREA_PIECES || u == AREA_PIECES) {
		vq_break(vq);
		return;
	}
	vq->desc_host = desc;
	vq->avail_host = avail;
	vq->used_host = used;
}

/*
 * Load avail.idx; false if the queue broke.  The driver may have at most the
 * queue's size outstanding, and it cannot know of a buffer that we have not
 * published: one check bounds both how far idx may be ahead of us and how
 * many chains a device can hold.
 */
static bool load_avail_idx(struct vq *vq)
{
	const struct avail_ring *avail = vq->avail_host;
	/* Q1: pairs with the driver's barrier before it moves avail.idx. */
	uint16_t idx = __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE);
	uint16_t out = (uint16_t)(idx - vq->s.published);
	uint16_t taken = (uint16_t)(vq->s.last_avail - vq->s.published);

	/* Also broken if idx went back behind what was taken. */
	if (out > vq->s.size || out < taken) {
		vq_break(vq);
		return false;
	}
	vq->avail_seen = idx;
	return true;
}

bool vq_pop(struct vq *vq, struct vq_chain *chain)
{
	const struct avail_ring *avail = vq->avail_host;
	uint16_t head;

	if (!vq_live(vq))
		return false;
	if (vq->avail_seen == vq->s.last_avail && !load_avail_idx(vq))
		return false;
	if (vq->avail_seen == vq->s.last_avail)
		return false;
	/* Relaxed: Q1 came before. */
	head = __atomic_load_n(
		&avail->ring[vq->s.last_avail & (vq->s.size - 1)],
		__ATOMIC_RELAXED);
	if (head >= vq->s.size) {
		vq_break(vq);
		return false;
	}
	vq->s.last_avail++;
	vq->stats.chains++;
	*chain = (struct vq_chain){
		.vq = vq,
		.head = head,
		.next = head,
		.more = true,
	};
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

/* Copy one descriptor: what is in @d cannot change any more. */
static void copy_desc(struct desc *d, const void *host)
{
	memcpy(d, host, sizeof(*d));
	/* The compiler may not go back to guest memory for a field. */
	__asm__ volatile("" ::: "memory");
}

/* An indirect table may lie anywhere: even one entry may be in two pieces. */
static bool copy_indirect(struct vq_chain *c, struct desc *d)
{
	uint64_t gpa = c->table + sizeof(*d) * c->next;
	unsigned int done = 0;
	uint64_t n;
	void *host;

	while (done < sizeof(*d)) {
		n = gpa_span(c->vq->mem, gpa + done, sizeof(*d) - done, false,
			     &host);
		if (!n)
			return false;
		memcpy((uint8_t *)d + done, host, n);
		done += (unsigned int)n;
	}
	__asm__ volatile("" ::: "memory");
	return true;
}

static bool load_desc(struct vq_chain *c, struct desc *d)
{
	const struct desc *table = c->vq->desc_host;

	if (c->loaded >= chain_limit(c))
		return false;
	c->loaded++;
	if (c->indirect)
		return c->next < c->entries && copy_indirect(c, d);
	if (c->next >= c->vq->s.size)
		return false;
	copy_desc(d, &table[c->next]);
	return true;
}

/* virtio 1.2, 2.7.5.3: the WRITE flag here means nothing. */
static bool enter_indirect(struct vq_chain *c, const struct desc *d)
{
	if (!c->vq->indirect || c->indirect || (d->flags & DESC_NEXT))
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
static bool enter_data(struct vq_chain *c, const struct desc *d)
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
	struct desc d;

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
	n = gpa_span(vq->mem, c->addr, c->rest, c->write, &span->host);
	if (!n)
		return chain_break(c);
	span->len = (uint32_t)n;
	span->write = c->write;
	c->addr += n;
	c->rest -= (uint32_t)n;
	if (c->write)
		c->writable += n;
	else
		vq->stats.bytes_read += n;
	return 1;
}

void vq_push(struct vq *vq, const struct vq_chain *chain, uint32_t written)
{
	struct used_ring *used = vq->used_host;
	struct used_elem *e;

	assert(chain->vq == vq && written <= chain->writable);
	if (!vq_live(vq))
		return;
	e = &used->ring[vq->s.used & (vq->s.size - 1)];
	/* Relaxed: the driver looks only after Q2. */
	__atomic_store_n(&e->id, chain->head, __ATOMIC_RELAXED);
	__atomic_store_n(&e->len, written, __ATOMIC_RELAXED);
	vq->s.used++;
	vq->stats.bytes_written += written;
}

/* virtio 1.2, 2.7.7.2 and 2.7.10: did we move past what it waits for? */
static bool wants_interrupt(const struct vq *vq, uint16_t old)
{
	const struct avail_ring *avail = vq->avail_host;
	uint16_t event;

	/* Q4: pairs with the driver's barrier between writing used_event (or
	 * flags) and its last look at used.idx. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!vq->event_idx)
		return !(__atomic_load_n(&avail->flags, __ATOMIC_RELAXED) &
			 AVAIL_NO_INTERRUPT);
	event = __atomic_load_n(&avail->ring[vq->s.size], __ATOMIC_RELAXED);
	return (uint16_t)(vq->s.used - event - 1) <
	       (uint16_t)(vq->s.used - old);
}

bool vq_publish(struct vq *vq)
{
	struct used_ring *used = vq->used_host;
	uint16_t old = vq->s.published;

	if (!vq_live(vq) || vq->s.used == old)
		return false;
	/* Q2: pairs with the driver's barrier after it loads used.idx. */
	__atomic_store_n(&used->idx, vq->s.used, __ATOMIC_RELEASE);
	vq->s.published = vq->s.used;
	if (!wants_interrupt(vq, old)) {
		vq->stats.suppressed++;
		return false;
	}
	vq->stats.interrupts++;
	return true;
}

bool vq_arm(struct vq *vq)
{
	struct used_ring *used = vq->used_host;
	uint16_t seen = vq->avail_seen;
	uint16_t *event;

	if (!vq_live(vq))
		return false;
	/* The event is what we have seen, not what we took: a device that
	 * leaves chains in the ring wants to hear of new ones only. */
	event = (uint16_t *)&used->ring[vq->s.size];
	if (vq->event_idx)
		__atomic_store_n(event, seen, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&used->flags, 0, __ATOMIC_RELAXED);
	vq->quiet = false;
	/* Q3: pairs with the driver's barrier between moving avail.idx and
	 * reading avail_event (or flags). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load_avail_idx(vq) && vq->avail_seen != seen;
}

void vq_disarm(struct vq *vq)
{
	struct used_ring *used = vq->used_host;

	/* With EVENT_IDX the event just stays behind. */
	if (!vq_live(vq) || vq->event_idx || vq->quiet)
		return;
	__atomic_store_n(&used->flags, USED_NO_NOTIFY, __ATOMIC_RELAXED);
	vq->quiet = true;
}
