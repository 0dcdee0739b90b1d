/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the steps of virtio 1.2, 3.1.1, in the order in which Linux takes them;
 * driver_pci.c has those that come before, driver_ring.c what follows.
 */
#include "tests/guest/driver.h"

#include <string.h>

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

/* Where the areas of a ring are, zeroed, and how long they are. */
static int alloc_areas(struct guest *g, struct guest_queue *gq)
{
	const uint64_t n = gq->size;

	gq->desc_gpa = guest_alloc(g, 16 * n, 16);
	gq->avail_gpa = guest_alloc(g, gq->packed ? 4 : 6 + 2 * n, 4);
	gq->used_gpa = guest_alloc(g, gq->packed ? 4 : 6 + 8 * n, 4);
	if (!gq->desc_gpa || !gq->avail_gpa || !gq->used_gpa)
		return fail(g, "out of guest memory");
	gq->desc = guest_at(g, gq->desc_gpa);
	gq->avail = guest_at(g, gq->avail_gpa);
	gq->used = guest_at(g, gq->used_gpa);
	return 0;
}

static void free_all(struct guest_queue *gq)
{
	uint16_t i;

	for (i = 0; i < gq->size; i++)
		gq->next[i] = i + 1;
	gq->free_tail = (uint16_t)(gq->size - 1);
	gq->nr_heads = gq->size;
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
	gq->size = size;
	gq->packed = g->features & GUEST_F_PACKED;
	gq->avail_wrap = true;
	gq->used_wrap = true;
	free_all(gq);
	return alloc_areas(g, gq);
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
	gq->notify_data = (uint16_t)q;
	if (g->features & GUEST_F_NOTIF_CONFIG_DATA)
		gq->notify_data =
			(uint16_t)common(g, GUEST_QUEUE_NOTIFY_DATA, 2);
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

int guest_queue_reset(struct guest *g, unsigned int q)
{
	unsigned int i;

	set_common(g, GUEST_QUEUE_SELECT, 2, q);
	set_common(g, GUEST_QUEUE_RESET, 2, 1);
	for (i = 0; i < 1000; i++)
		if (!common(g, GUEST_QUEUE_RESET, 2))
			break;
	if (common(g, GUEST_QUEUE_RESET, 2) || common(g, GUEST_QUEUE_ENABLE, 2))
		return fail(g, "queue reset does not end");
	return 0;
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
