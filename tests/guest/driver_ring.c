/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: split rings here, packed ones in driver_packed.c.  Ring words are shared
 * with a device that may run in another thread or process; each is accessed
 * once, with the driver's side of the edges:
 *
 *	before avail.idx moves          release (the chain is complete)
 *	after used.idx is loaded        acquire (data and element are there)
 *	avail.idx, then event or flags  full barrier (to kick or not)
 *	used_event, then used.idx       full barrier (to sleep or not)
 *
 * In either, heads (packed: buffer ids) are taken from a list.  With IN_ORDER
 * it is a queue, so that descriptors of a split ring are used as they lie
 * (virtio 1.2, 2.7.9).
 */
#include "tests/guest/driver_ring.h"

#define AVAIL_NO_INTERRUPT 1u
#define USED_NO_NOTIFY	   1u

static int fail(struct guest *g, const char *why)
{
	g->why = why;
	return -1;
}

void guest_put_desc(struct guest *g, unsigned int q, uint16_t i,
		    const struct guest_desc *d)
{
	g->queue[q].desc[i] = *d;
}

void guest_set_avail_idx(struct guest *g, unsigned int q, uint16_t idx)
{
	struct guest_queue *gq = &g->queue[q];

	gq->avail_idx = idx;
	__atomic_store_n(&gq->avail[1], idx, __ATOMIC_RELEASE);
}

void guest_offer(struct guest *g, unsigned int q, uint16_t head)
{
	struct guest_queue *gq = &g->queue[q];

	__atomic_store_n(&gq->avail[2 + (gq->avail_idx & (gq->size - 1))], head,
			 __ATOMIC_RELAXED);
	guest_set_avail_idx(g, q, gq->avail_idx + 1);
}

/* ---- Offering -------------------------------------------------------------- */

static uint16_t take_free(struct guest_queue *gq)
{
	uint16_t i = gq->free_head;

	gq->free_head = gq->next[i];
	gq->nr_heads--;
	return i;
}

static void fill_desc(struct guest_desc *d, const struct guest_buf *buf,
		      bool more, uint16_t next)
{
	d->addr = buf->gpa;
	d->len = buf->len;
	d->flags = (uint16_t)((buf->write ? GUEST_DESC_WRITE : 0) |
			      (more ? GUEST_DESC_NEXT : 0));
	d->next = more ? next : 0;
}

/* A table of its own for a chain; 0 if there is no memory.  In one of a packed
 * ring entries follow each other, and NEXT means nothing. */
static uint64_t make_table(struct guest *g, const struct guest_queue *gq,
			   const struct guest_buf *buf, unsigned int n)
{
	const uint64_t gpa = guest_alloc(g, 16ull * n, 16);
	struct guest_desc *table = guest_at(g, gpa);

	for (unsigned int i = 0; gpa && i < n; i++) {
		fill_desc(&table[i], &buf[i], i + 1 < n, (uint16_t)(i + 1));
		if (gq->packed) {
			table[i].id = 0;
			table[i].packed_flags =
				buf[i].write ? GUEST_DESC_WRITE : 0;
		}
	}
	return gpa;
}

static uint16_t add_split(struct guest *g, unsigned int q,
			  const struct guest_buf *buf, unsigned int n,
			  uint64_t table)
{
	struct guest_queue *gq = &g->queue[q];
	const uint16_t head = gq->free_head;

	for (unsigned int i = 0; i < n; i++) {
		const uint16_t at = take_free(gq);

		fill_desc(&gq->desc[at], &buf[i], i + 1 < n, gq->free_head);
		if (table)
			gq->desc[at].flags = GUEST_DESC_INDIRECT;
	}
	guest_offer(g, q, head);
	return head;
}

static uint32_t room(const struct guest_buf *buf, unsigned int n)
{
	uint32_t sum = 0;

	for (; n; n--, buf++)
		sum += buf->write ? buf->len : 0;
	return sum;
}

int guest_add(struct guest *g, unsigned int q, const struct guest_buf *buf,
	      unsigned int n, bool indirect)
{
	struct guest_queue *gq = &g->queue[q];
	const uint32_t writable = room(buf, n);
	struct guest_buf whole = { .len = 16 * n };
	uint16_t head;

	if (!n || gq->nr_free < (indirect ? 1 : n))
		return fail(g, "out of descriptors");
	if (indirect) {
		whole.gpa = make_table(g, gq, buf, n);
		if (!whole.gpa)
			return fail(g, "out of guest memory");
		buf = &whole;
		n = 1;
	}
	head = gq->free_head;
	gq->order[gq->avail_idx % GUEST_QUEUE_SIZE] = head;
	gq->length[head] = (uint16_t)n;
	gq->room[head] = writable;
	gq->nr_free -= (uint16_t)n;
	if (!gq->packed)
		return add_split(g, q, buf, n, indirect ? whole.gpa : 0);
	take_free(gq);
	guest_packed_add(gq, head, buf, n, indirect ? whole.gpa : 0);
	return head;
}

/* ---- Kicks and interrupts ---------------------------------------------------- */

void guest_kick(struct guest *g, unsigned int q)
{
	const struct guest_queue *gq = &g->queue[q];
	const uint32_t at = gq->notify_off * g->notify_multiplier;
	const uint32_t next =
		gq->packed ? guest_packed_next(gq) : gq->avail_idx;

	if (g->features & GUEST_F_NOTIFICATION_DATA)
		guest_write(g, GUEST_CAP_NOTIFY, at, 4,
			    gq->notify_data | next << 16);
	else
		guest_write(g, GUEST_CAP_NOTIFY, at, 2, gq->notify_data);
}

static bool split_wants_kick(struct guest *g, struct guest_queue *gq)
{
	const uint16_t old = gq->kicked_at;
	uint16_t event;

	gq->kicked_at = gq->avail_idx;
	if (!(g->features & GUEST_F_EVENT_IDX))
		return !(__atomic_load_n(&gq->used[0], __ATOMIC_RELAXED) &
			 USED_NO_NOTIFY);
	event = __atomic_load_n(&gq->used[2 + 4 * gq->size], __ATOMIC_RELAXED);
	return (uint16_t)(gq->avail_idx - event - 1) <
	       (uint16_t)(gq->avail_idx - old);
}

bool guest_kick_if_wanted(struct guest *g, unsigned int q)
{
	struct guest_queue *gq = &g->queue[q];
	bool wanted;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wanted = gq->packed ? guest_packed_wants_kick(g, gq)
			    : split_wants_kick(g, gq);
	if (wanted)
		guest_kick(g, q);
	return wanted;
}

static void split_wish(struct guest *g, struct guest_queue *gq)
{
	/* An event half a round away is not met before we ask again. */
	const uint16_t event =
		gq->quiet ? (uint16_t)(gq->last_used + 0x8000) : gq->last_used;

	if (g->features & GUEST_F_EVENT_IDX)
		__atomic_store_n(&gq->avail[2 + gq->size], event,
				 __ATOMIC_RELAXED);
	else
		__atomic_store_n(&gq->avail[0],
				 gq->quiet ? AVAIL_NO_INTERRUPT : 0,
				 __ATOMIC_RELAXED);
}

/* As the driver's wish stands now, after every buffer taken. */
static void tell_wish(struct guest *g, struct guest_queue *gq)
{
	if (gq->packed)
		guest_packed_wish(g, gq);
	else
		split_wish(g, gq);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void guest_want_interrupts(struct guest *g, unsigned int q, bool on)
{
	g->queue[q].quiet = !on;
	tell_wish(g, &g->queue[q]);
}

/* ---- Taking back --------------------------------------------------------------- */

uint16_t guest_used_idx(struct guest *g, unsigned int q)
{
	return __atomic_load_n(&g->queue[q].used[1], __ATOMIC_ACQUIRE);
}

/* The heads of a chain, linked in next[] as they were taken, are ours again. */
static void free_heads(struct guest_queue *gq, uint16_t head, uint16_t n,
		       bool in_order)
{
	uint16_t tail = head;

	for (uint16_t i = 1; i < n; i++)
		tail = gq->next[tail];
	if (in_order && gq->nr_heads) {
		gq->next[gq->free_tail] = head;
	} else {
		gq->next[tail] = gq->free_head;
		gq->free_head = head;
	}
	gq->free_tail = tail;
	gq->nr_heads += n;
}

static void give_back(struct guest *g, struct guest_queue *gq, uint16_t head)
{
	const uint16_t n = gq->length[head];

	free_heads(gq, head, gq->packed ? 1 : n,
		   g->features & GUEST_F_IN_ORDER);
	if (gq->packed)
		guest_packed_skip(gq, n);
	gq->nr_free += n;
	gq->length[head] = 0;
}

static bool split_used(struct guest *g, unsigned int q, struct guest_used *used)
{
	const struct guest_queue *gq = &g->queue[q];
	const uint32_t *elem = (const uint32_t *)(gq->used + 2) +
			       2 * (gq->last_used & (gq->size - 1));

	if (guest_used_idx(g, q) == gq->last_used)
		return false;
	used->id = __atomic_load_n(&elem[0], __ATOMIC_RELAXED);
	used->len = __atomic_load_n(&elem[1], __ATOMIC_RELAXED);
	return true;
}

/* IN_ORDER: @used tells of all that was offered up to it. */
static int begin_batch(struct guest *g, unsigned int q,
		       const struct guest_used *used)
{
	struct guest_queue *gq = &g->queue[q];
	const uint16_t out = (uint16_t)(gq->avail_idx - gq->last_used);
	uint16_t n;

	for (n = 0; n < out; n++)
		if (gq->order[(uint16_t)(gq->last_used + n) %
			      GUEST_QUEUE_SIZE] == used->id)
			break;
	if (n == out)
		return fail(g, "used a buffer that was not offered");
	if (!gq->packed &&
	    (uint16_t)(guest_used_idx(g, q) - gq->last_used) <= n)
		return fail(g, "used more than used.idx says");
	gq->batch.left = (uint16_t)(n + 1);
	gq->batch.id = (uint16_t)used->id;
	gq->batch.len = used->len;
	return 0;
}

/* The oldest of the batch.  virtio 1.2, 2.7.9: one that was skipped counts as
 * used completely. */
static void take_of_batch(struct guest_queue *gq, struct guest_used *used)
{
	used->id = gq->order[gq->last_used % GUEST_QUEUE_SIZE];
	used->len = gq->room[used->id];
	if (!--gq->batch.left)
		used->len = gq->batch.len;
}

int guest_poll(struct guest *g, unsigned int q, struct guest_used *used)
{
	struct guest_queue *gq = &g->queue[q];

	if (!gq->batch.left) {
		if (!(gq->packed ? guest_packed_used(gq, used)
				 : split_used(g, q, used)))
			return 0;
		if (g->features & GUEST_F_IN_ORDER && begin_batch(g, q, used))
			return -1;
	}
	if (gq->batch.left)
		take_of_batch(gq, used);
	gq->last_used++;
	if (used->id >= gq->size || !gq->length[used->id])
		return fail(g, "used a buffer that was not offered");
	if (used->len > gq->room[used->id])
		return fail(g, "used more of a buffer than it has");
	give_back(g, gq, (uint16_t)used->id);
	tell_wish(g, gq);
	return 1;
}
