/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: one more layer of guest_ops.  D1 is the store with release, which Linux
 * makes of a barrier and writew().
 */
#include "tests/flow/doorbell.h"

static uint32_t config_read(void *ctx, uint32_t off, unsigned int size)
{
	struct doorbell *d = ctx;

	return d->ops->config_read(d->ctx, off, size);
}

static void config_write(void *ctx, uint32_t off, unsigned int size,
			 uint32_t value)
{
	struct doorbell *d = ctx;

	d->ops->config_write(d->ctx, off, size, value);
}

static bool on_page(const struct doorbell *d, unsigned int bar, uint64_t off)
{
	return bar == d->bar && off >= d->offset &&
	       off - d->offset < DOORBELL_PAGE;
}

static uint64_t bar_read(void *ctx, unsigned int bar, uint64_t off,
			 unsigned int size)
{
	struct doorbell *d = ctx;

	if (!on_page(d, bar, off))
		return d->ops->bar_read(d->ctx, bar, off, size);
	return __atomic_load_n((uint32_t *)(d->page + off - d->offset),
			       __ATOMIC_RELAXED);
}

static void bar_write(void *ctx, unsigned int bar, uint64_t off,
		      unsigned int size, uint64_t value)
{
	struct doorbell *d = ctx;
	uint8_t *to;

	if (!on_page(d, bar, off)) {
		d->ops->bar_write(d->ctx, bar, off, size, value);
		return;
	}
	to = d->page + off - d->offset;
	d->stores++;
	if (size == 2)
		__atomic_store_n((uint16_t *)to, (uint16_t)value,
				 __ATOMIC_RELEASE);
	else
		__atomic_store_n((uint32_t *)to, (uint32_t)value,
				 __ATOMIC_RELEASE);
}

static const struct guest_ops ops = {
	.config_read = config_read,
	.config_write = config_write,
	.bar_read = bar_read,
	.bar_write = bar_write,
};

void doorbell_map(struct doorbell *d, struct guest *g, unsigned int bar,
		  uint64_t offset, uint8_t *page)
{
	*d = (struct doorbell){
		.ops = g->ops,
		.ctx = g->ctx,
		.bar = bar,
		.offset = offset,
		.page = page,
	};
	g->ops = &ops;
	g->ctx = d;
}

void doorbell_unmap(struct doorbell *d, struct guest *g)
{
	g->ops = d->ops;
	g->ctx = d->ctx;
}
