/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the steps of virtio 1.2, 3.1.1, in the order in which Linux takes them;
 * driver_pci.c has those that come before.  Ring words are shared with a
 * device that may run in another thread or process; each is accessed once,
 * with the driver's side of the edges:
 *
 *	before avail.idx moves          release (the chain is complete)
 *	after used.idx is loaded        acquire (data and element are there)
 *	avail.idx, then event or flags  full barrier (to kick or not)
 *	used_event, then used.idx       full barrier (to sleep or not)
 */
#include "tests/guest/driver.h"

#include <string.h>

#define AVAIL_NO_INTERRUPT 1u
#define USED_NO_NOTIFY	   1u

static int fail(struct guest *g, const char *why)
{
	g->why = why;
	return -1;
}

void guest_init(struct guest *g, const struct guest_ops *ops, void *ctx,
		const struct guest_memory *mem)
{
	memset(g, 0, sizeof(*g));
	g->ops = ops;
	g->ctx = ctx;
	g->mem = *mem;
}

uint64_t guest_alloc(struct guest *g, uint64_t bytes, uint64_t align)
{
	uint64_t at = g->mem.gpa + g->mem.used;

	at = (at + align - 1) & ~(align - 1);
	if (at - g->mem.gpa > g->mem.size ||
	    bytes > g->mem.size - (at - g->mem.gpa))
		return 0;
	g->mem.used = at - g->mem.gpa + bytes;
	memset(guest_at(g, at), 0, bytes);
	return at;
}

void *guest_at(const struct guest *g, uint64_t gpa)
{
	if (gpa < g->mem.gpa || gpa - g->mem.gpa >= g->mem.size)
		return NULL;
	return g->mem.host + (gpa - g->mem.gpa);
}

/* ---- Registers ----------------------------------------------------------- */

uint64_t guest_read(struct guest *g, enum guest_structure s, uint32_t off,
		    unsigned int size)
{
	return g->ops->bar_read(g->ctx, g->cap[s].bar,
				(uint64_t)g->cap[s].offset + off, size);
}

void guest_write(struct guest *g, enum guest_structure s, uint32_t off,
		 unsigned int size, uint64_t value)
{
	g->ops->bar_write(g->ctx, g->cap[s].bar,
			  (uint64_t)g->cap[s].offset + off, size, value);
}

static uint64_t common(struct guest *g, uint32_t off, unsigned int size)
{
	return guest_read(g, GUEST_CAP_COMMON, off, size);
}

static void set_common(struct guest *g, uint32_t off, unsigned int size,
		       uint64_t value)
{
	guest_write(g, GUEST_CAP_COMMON, off, size, value);
}

uint8_t guest_status(struct guest *g)
{
	return (uint8_t)common(g, GUEST_STATUS, 1);
}

void guest_add_status(struct guest *g, uint8_t bits)
{
	set_common(g, GUEST_STATUS, 1, guest_status(g) | bits);
}

uint8_t guest_isr(struct guest *g)
{
	return (uint8_t)guest_read(g, GUEST_CAP_ISR, 0, 1);
}

int guest_reset(struct guest *g)
{
	unsigned int i;

	set_common(g, GUEST_STATUS, 1, 0);
	for (i = 0; i < 1000; i++)
		if (!guest_status(g))
			return 0;
	return fail(g, "reset does not end");
}

uint64_t guest_offered(struct guest *g)
{
	uint64_t f;

	set_common(g, GUEST_DEVICE_FEATURE_SELECT, 4, 0);
	f = common(g, GUEST_DEVICE_FEATURE, 4);
	set_common(g, GUEST_DEVICE_FEATURE_SELECT, 4, 1);
	return f | common(g, GUEST_DEVICE_FEATURE, 4) << 32;
}

int guest_negotiate(struct guest *g, uint64_t wanted)
{
	guest_add_status(g, GUEST_ACKNOWLEDGE);
	guest_add_status(g, GUEST_DRIVER);
	g->features = guest_offered(g) & wanted;
	set_common(g, GUEST_DRIVER_FEATURE_SELECT, 4, 0);
	set_common(g, GUEST_DRIVER_FEATURE, 4, (uint32_t)g->features);
	set_common(g, GUEST_DRIVER_FEATURE_SELECT, 4, 1);
	set_common(g, GUEST_DRIVER_FEATURE, 4, g->features >> 32);
	guest_add_status(g, GUEST_FEATURES_OK);
	if (!(guest_status(g) & GUEST_FEATURES_OK))
		return fail(g, "features were refused");
	return 0;
}

/* ---- Queues -------------------------------------------------------------- */

static void free_all(struct guest_queue *gq)
{
	uint16_t i;

	for (i = 0; i < gq->size; i++) {
		gq->next[i] = i + 1;
		gq->length[i] = 0;
	}
	gq->free_head = 0;
	gq->nr_free = gq->size;
}

int guest_queue_alloc(struct guest *g, unsigned int q, uint16_t size)
{
	struct guest_queue *gq = &g->queue[q];

	set_common(g, GUEST_QUEUE_SELECT, 2, q);
	if (!size)
		size = (uint16_t)common(g, GUEST_QUEUE_SIZE_REG, 2);
	if (!size || size > GUEST_QUEUE_SIZE)
		return fail(g, "no such queue, or too long for us");
	memset(gq, 0, sizeof(*gq));
	gq->desc_gpa = guest_alloc(g, 16ull * size, 16);
	gq->avail_gpa = guest_alloc(g, 6 + 2ull * size, 2);
	gq->used_gpa = guest_alloc(g, 6 + 8ull * size, 4);
	if (!gq->desc_gpa || !gq->avail_gpa || !gq->used_gpa)
		return fail(g, "out of guest memory");
	gq->desc = guest_at(g, gq->desc_gpa);
	gq->avail = guest_at(g, gq->avail_gpa);
	gq->used = guest_at(g, gq->used_gpa);
	gq->size = size;
	free_all(gq);
	return 0;
}

static void set_address(struct guest *g, uint32_t off, uint64_t gpa)
{
	set_common(g, off, 4, (uint32_t)gpa);
	set_common(g, off + 4, 4, gpa >> 32);
}

int guest_queue_tell(struct guest *g, unsigned int q, uint16_t vector)
{
	struct guest_queue *gq = &g->queue[q];

	set_common(g, GUEST_QUEUE_SELECT, 2, q);
	if (common(g, GUEST_QUEUE_ENABLE, 2))
		return fail(g, "queue is enabled already");
	set_common(g, GUEST_QUEUE_SIZE_REG, 2, gq->size);
	set_address(g, GUEST_QUEUE_DESC, gq->desc_gpa);
	set_address(g, GUEST_QUEUE_DRIVER, gq->avail_gpa);
	set_address(g, GUEST_QUEUE_DEVICE, gq->used_gpa);
	gq->notify_off = (uint16_t)common(g, GUEST_QUEUE_NOTIFY_OFF, 2);
	set_common(g, GUEST_QUEUE_VECTOR, 2, vector);
	if (common(g, GUEST_QUEUE_VECTOR, 2) != vector)
		return fail(g, "vector was refused");
	return 0;
}

void guest_queue_enable(struct guest *g, unsigned int q)
{
	set_common(g, GUEST_QUEUE_SELECT, 2, q);
	set_common(g, GUEST_QUEUE_ENABLE, 2, 1);
}

static bool msix_on(struct guest *g)
{
	return g->msix.at &&
	       (g->ops->config_read(g->ctx, g->msix.at + 2u, 2) & 0x8000u);
}

static uint16_t queue_vector(struct guest *g, unsigned int q)
{
	return msix_on(g) ? (uint16_t)(q + 1) : GUEST_NO_VECTOR;
}

static int start_queues(struct guest *g, uint16_t size)
{
	const uint64_t n = common(g, GUEST_NUM_QUEUES, 2);
	unsigned int q;

	if (n > GUEST_QUEUES)
		return fail(g, "more queues than we can hold");
	for (q = 0; q < n; q++)
		if (guest_queue_alloc(g, q, size) ||
		    guest_queue_tell(g, q, queue_vector(g, q)))
			return -1;
	for (q = 0; q < n; q++)
		guest_queue_enable(g, q);
	return 0;
}

int guest_start(struct guest *g, uint64_t wanted, uint16_t size)
{
	if (guest_find_caps(g))
		return -1;
	guest_command(g, true, true);
	if (guest_reset(g) || guest_negotiate(g, wanted))
		return -1;
	if (msix_on(g))
		set_common(g, GUEST_CONFIG_VECTOR, 2, 0);
	if (start_queues(g, size))
		return -1;
	guest_add_status(g, GUEST_DRIVER_OK);
	return 0;
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

static uint16_t take_free(struct guest_queue *gq)
{
	uint16_t i = gq->free_head;

	gq->free_head = gq->next[i];
	gq->nr_free--;
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

static int add_indirect(struct guest *g, unsigned int q,
			const struct guest_buf *buf, unsigned int n)
{
	const uint64_t gpa = guest_alloc(g, 16ull * n, 16);
	struct guest_desc *table = guest_at(g, gpa);
	struct guest_queue *gq = &g->queue[q];
	unsigned int i;
	uint16_t head;

	if (!gpa)
		return fail(g, "out of guest memory");
	for (i = 0; i < n; i++)
		fill_desc(&table[i], &buf[i], i + 1 < n, (uint16_t)(i + 1));
	head = take_free(gq);
	gq->desc[head] = (struct guest_desc){
		.addr = gpa,
		.len = 16 * n,
		.flags = GUEST_DESC_INDIRECT,
	};
	gq->length[head] = 1;
	guest_offer(g, q, head);
	return head;
}

int guest_add(struct guest *g, unsigned int q, const struct guest_buf *buf,
	      unsigned int n, bool indirect)
{
	struct guest_queue *gq = &g->queue[q];
	uint16_t head = gq->free_head;
	unsigned int i;
	uint16_t at;

	if (!n || gq->nr_free < (indirect ? 1 : n))
		return fail(g, "out of descriptors");
	if (indirect)
		return add_indirect(g, q, buf, n);
	for (i = 0; i < n; i++) {
		at = take_free(gq);
		fill_desc(&gq->desc[at], &buf[i], i + 1 < n, gq->free_head);
	}
	gq->length[head] = (uint16_t)n;
	guest_offer(g, q, head);
	return head;
}

void guest_kick(struct guest *g, unsigned int q)
{
	guest_write(g, GUEST_CAP_NOTIFY,
		    g->queue[q].notify_off * g->notify_multiplier, 2, q);
}

bool guest_kick_if_wanted(struct guest *g, unsigned int q)
{
	struct guest_queue *gq = &g->queue[q];
	const uint16_t old = gq->kicked_at;
	uint16_t event;
	bool wanted;

	gq->kicked_at = gq->avail_idx;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (g->features & GUEST_F_EVENT_IDX) {
		event = __atomic_load_n(&gq->used[2 + 4 * gq->size],
					__ATOMIC_RELAXED);
		wanted = (uint16_t)(gq->avail_idx - event - 1) <
			 (uint16_t)(gq->avail_idx - old);
	} else {
		wanted = !(__atomic_load_n(&gq->used[0], __ATOMIC_RELAXED) &
			   USED_NO_NOTIFY);
	}
	if (wanted)
		guest_kick(g, q);
	return wanted;
}

/* As the driver's wish stands now, after every buffer taken. */
static void tell_wish(struct guest *g, struct guest_queue *gq)
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
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void guest_want_interrupts(struct guest *g, unsigned int q, bool on)
{
	g->queue[q].quiet = !on;
	tell_wish(g, &g->queue[q]);
}

uint16_t guest_used_idx(struct guest *g, unsigned int q)
{
	return __atomic_load_n(&g->queue[q].used[1], __ATOMIC_ACQUIRE);
}

/* The chain's descriptors are linked in next[] as they were taken. */
static void give_back(struct guest_queue *gq, uint16_t head)
{
	uint16_t tail = head;
	uint16_t i;

	for (i = 1; i < gq->length[head]; i++)
		tail = gq->next[tail];
	gq->next[tail] = gq->free_head;
	gq->free_head = head;
	gq->nr_free += gq->length[head];
	gq->length[head] = 0;
}

int guest_poll(struct guest *g, unsigned int q, struct guest_used *used)
{
	struct guest_queue *gq = &g->queue[q];
	const uint32_t *elem;

	if (guest_used_idx(g, q) == gq->last_used)
		return 0;
	elem = (const uint32_t *)(gq->used + 2) +
	       2 * (gq->last_used & (gq->size - 1));
	used->id = __atomic_load_n(&elem[0], __ATOMIC_RELAXED);
	used->len = __atomic_load_n(&elem[1], __ATOMIC_RELAXED);
	gq->last_used++;
	tell_wish(g, gq);
	if (used->id >= gq->size || !gq->length[used->id])
		return fail(g, "used a buffer that was not offered");
	give_back(gq, (uint16_t)used->id);
	return 1;
}
