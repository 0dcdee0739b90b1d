/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/vring.h"

#include <errno.h>
#include <string.h>

#define DESC_NEXT     1
#define DESC_WRITE    2
#define DESC_INDIRECT 4
#define PACKED_AVAIL  (1u << 7)
#define PACKED_USED   (1u << 15)
#define NO_INTERRUPT  1
#define NO_NOTIFY     1

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	_Atomic uint16_t flags;
};

struct used_elem {
	uint32_t id, len;
};

struct vring_memory {
	union {
		_Alignas(4096) struct desc desc[VRING_SIZE];
		struct packed_desc packed[VRING_SIZE];
	};
	_Alignas(64) union {
		struct {
			uint16_t flags;
			_Atomic uint16_t idx;
			uint16_t ring[VRING_SIZE];
		} avail;
		/* packed: off_wrap, flags */
		uint16_t driver_event[2];
	};
	_Alignas(64) union {
		struct {
			_Atomic uint16_t flags, idx;
			struct used_elem ring[VRING_SIZE];
		} used;
		_Atomic uint16_t device_event[2];
	};
	_Alignas(64) union {
		struct desc table[VRING_PIECES];
		struct packed_desc packed_table[VRING_PIECES];
	} indirect[VRING_SLOTS];
};

size_t vring_memory_size(void)
{
	return sizeof(struct vring_memory);
}

static uint64_t gpa_of(const struct vring *v, const void *p)
{
	return v->gpa +
	       (uint64_t)((const uint8_t *)p - (const uint8_t *)v->memory);
}

void vring_init(struct vring *v)
{
	memset(v->memory, 0, sizeof(*v->memory));
	v->step = v->indirect ? 1 : v->pieces;
	v->avail = v->used = 0;
	v->avail_wrap = v->used_wrap = true;
	memset(v->offered, 0, sizeof(v->offered));
	if (v->packed)
		v->memory->driver_event[1] = NO_INTERRUPT;
	else
		v->memory->avail.flags = NO_INTERRUPT;
}

void vring_place(const struct vring *v, struct pci_queue *q)
{
	q->index = v->index;
	q->size = VRING_SIZE;
	q->vector = 0xffff;
	q->desc = gpa_of(v, v->memory->desc);
	q->driver = gpa_of(v, &v->memory->avail);
	q->device = gpa_of(v, &v->memory->used);
}

/* ---- Split ------------------------------------------------------------- */

static void write_chain(struct desc *d, unsigned int first, unsigned int n,
			const struct vring_piece *p)
{
	for (unsigned int i = 0; i < n; i++)
		d[i] = (struct desc){
			.addr = p[i].gpa,
			.len = p[i].len,
			.flags = (uint16_t)((p[i].write ? DESC_WRITE : 0) |
					    (i + 1 < n ? DESC_NEXT : 0)),
			.next = (uint16_t)(i + 1 < n ? first + i + 1 : 0),
		};
}

static void split_add(struct vring *v, unsigned int slot,
		      const struct vring_piece *piece)
{
	struct vring_memory *m = v->memory;
	const unsigned int first = slot * v->step;

	if (v->indirect) {
		write_chain(m->indirect[slot].table, 0, v->pieces, piece);
		m->desc[first] = (struct desc){
			.addr = gpa_of(v, m->indirect[slot].table),
			.len = v->pieces * (uint32_t)sizeof(struct desc),
			.flags = DESC_INDIRECT,
		};
	} else {
		write_chain(&m->desc[first], first, v->pieces, piece);
	}
	m->avail.ring[v->avail++ % VRING_SIZE] = (uint16_t)first;
}

static bool split_show(struct vring *v)
{
	atomic_store_explicit(&v->memory->avail.idx, v->avail,
			      memory_order_release);
	/* virtio 1.2, 2.7.13: what the device says of notifications is read
	 * after it can see the new index. */
	atomic_thread_fence(memory_order_seq_cst);
	return !(atomic_load_explicit(&v->memory->used.flags,
				      memory_order_relaxed) &
		 NO_NOTIFY);
}

static bool split_used(const struct vring *v)
{
	return atomic_load_explicit(&v->memory->used.idx,
				    memory_order_acquire) != v->used;
}

static int split_reap(struct vring *v, uint32_t *len)
{
	const struct used_elem *u;
	uint32_t id;

	if (!split_used(v))
		return -EAGAIN;
	u = &v->memory->used.ring[v->used++ % VRING_SIZE];
	id = u->id;
	*len = u->len;
	if (id % v->step || id / v->step >= VRING_SLOTS)
		return -EBADMSG;
	return (int)(id / v->step);
}

/* ---- Packed ------------------------------------------------------------ */

static uint16_t avail_flags(const struct vring *v)
{
	return v->avail_wrap ? PACKED_AVAIL : PACKED_USED;
}

static void packed_next(struct vring *v)
{
	if (++v->avail < VRING_SIZE)
		return;
	v->avail = 0;
	v->avail_wrap = !v->avail_wrap;
}

static void packed_put(struct vring *v, const struct packed_desc *from,
		       uint16_t flags, memory_order order)
{
	struct packed_desc *d = &v->memory->packed[v->avail];

	d->addr = from->addr;
	d->len = from->len;
	d->id = from->id;
	atomic_store_explicit(&d->flags, flags | avail_flags(v), order);
	packed_next(v);
}

static struct packed_desc packed_of(const struct vring_piece *p, unsigned int n,
				    unsigned int slot)
{
	return (struct packed_desc){ .addr = p[n].gpa,
				     .len = p[n].len,
				     .id = (uint16_t)slot };
}

static uint16_t packed_flags(const struct vring *v, const struct vring_piece *p,
			     unsigned int n)
{
	return (uint16_t)((p[n].write ? DESC_WRITE : 0) |
			  (n + 1 < v->pieces ? DESC_NEXT : 0));
}

static void packed_add_indirect(struct vring *v, unsigned int slot,
				const struct vring_piece *piece)
{
	struct packed_desc *t = v->memory->indirect[slot].packed_table;
	struct packed_desc d = {
		.addr = gpa_of(v, t),
		.len = v->pieces * (uint32_t)sizeof(*t),
		.id = (uint16_t)slot,
	};

	for (unsigned int i = 0; i < v->pieces; i++) {
		t[i].addr = piece[i].gpa;
		t[i].len = piece[i].len;
		t[i].id = 0;
		atomic_store_explicit(&t[i].flags,
				      piece[i].write ? DESC_WRITE : 0,
				      memory_order_relaxed);
	}
	packed_put(v, &d, DESC_INDIRECT, memory_order_release);
}

/* The first descriptor's flags come last: with them the chain is complete. */
static void packed_add(struct vring *v, unsigned int slot,
		       const struct vring_piece *piece)
{
	struct packed_desc *head = &v->memory->packed[v->avail];
	const uint16_t flags = packed_flags(v, piece, 0) | avail_flags(v);
	struct packed_desc d = packed_of(piece, 0, slot);

	if (v->indirect) {
		packed_add_indirect(v, slot, piece);
		return;
	}
	head->addr = d.addr;
	head->len = d.len;
	head->id = d.id;
	packed_next(v);
	for (unsigned int i = 1; i < v->pieces; i++) {
		d = packed_of(piece, i, slot);
		packed_put(v, &d, packed_flags(v, piece, i),
			   memory_order_relaxed);
	}
	atomic_store_explicit(&head->flags, flags, memory_order_release);
}

static bool packed_show(struct vring *v)
{
	/* virtio 1.2, 2.8.21.3.1: as for split rings. */
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&v->memory->device_event[1],
				    memory_order_relaxed) != NO_NOTIFY;
}

static bool packed_used(const struct vring *v)
{
	const uint16_t want = v->used_wrap ? PACKED_AVAIL | PACKED_USED : 0;

	return (atomic_load_explicit(&v->memory->packed[v->used].flags,
				     memory_order_acquire) &
		(PACKED_AVAIL | PACKED_USED)) == want;
}

static int packed_reap(struct vring *v, uint32_t *len)
{
	const struct packed_desc *d = &v->memory->packed[v->used];
	uint16_t id;

	if (!packed_used(v))
		return -EAGAIN;
	id = d->id;
	*len = d->len;
	v->used = (uint16_t)(v->used + v->step);
	if (v->used >= VRING_SIZE) {
		v->used -= VRING_SIZE;
		v->used_wrap = !v->used_wrap;
	}
	return id < VRING_SLOTS ? id : -EBADMSG;
}

/* ---- Both -------------------------------------------------------------- */

void vring_add(struct vring *v, unsigned int slot,
	       const struct vring_piece *piece)
{
	v->offered[slot] = true;
	if (v->packed)
		packed_add(v, slot, piece);
	else
		split_add(v, slot, piece);
}

int vring_kick(struct vring *v)
{
	const struct pciring_access a = { .space = PCIRING_SPACE_MMIO,
					  .address = v->doorbell,
					  .size = 2,
					  .value = v->index,
					  .write = 1 };
	struct pciring_access waits = a;
	int err = -EPERM;

	v->kicks++;
	if (v->postable)
		err = pciring_post(v->link, 0, &a);
	if (err == -EPERM || err == -EAGAIN)
		err = pciring_access(v->link, 0, &waits);
	return err;
}

int vring_show(struct vring *v)
{
	const bool wanted = v->packed ? packed_show(v) : split_show(v);

	return wanted ? vring_kick(v) : 0;
}

bool vring_used(const struct vring *v)
{
	return v->packed ? packed_used(v) : split_used(v);
}

int vring_reap(struct vring *v, uint32_t *len)
{
	const int slot = v->packed ? packed_reap(v, len) : split_reap(v, len);

	if (slot < 0)
		return slot;
	if (!v->offered[slot])
		return -EBADMSG;
	v->offered[slot] = false;
	return slot;
}
