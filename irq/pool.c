/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the pool and the request together leave a range of numbers; the lowest
 * aligned number of it is tried, and if something is in the way, the lowest
 * one behind that.  So each slot is looked at once.  Sums are of 64 bits: no
 * request overflows.
 */
#include "irq/pool.h"

#include <stdarg.h>
#include <stdio.h>

/* A request as the pool sees it. */
struct wish {
	const struct irq_pool *pool;
	uint64_t count, align;
	uint64_t low, high; /* inclusive; of the pool */
	bool shared, fixed;
	char text[80]; /* "4 consecutive vectors aligned to 4" */
};

__attribute__((format(printf, 3, 4))) static void say(char *error, size_t room,
						      const char *format, ...)
{
	va_list args;

	if (!error || !room)
		return;
	va_start(args, format);
	vsnprintf(error, room, format, args);
	va_end(args);
}

static uint64_t last_of(const struct irq_pool *p)
{
	return (uint64_t)p->first + p->count - 1;
}

static uint64_t align_up(uint64_t n, uint64_t align)
{
	return (n + align - 1) & ~(align - 1);
}

static void describe(struct wish *w)
{
	const char *what = w->pool->what;
	int n;

	if (w->count == 1)
		n = snprintf(w->text, sizeof(w->text), "%s", what);
	else
		n = snprintf(w->text, sizeof(w->text), "%u consecutive %ss",
			     (uint32_t)w->count, what);
	if (w->align > 1 && n >= 0 && (size_t)n < sizeof(w->text))
		snprintf(w->text + n, sizeof(w->text) - (size_t)n,
			 " aligned to %u", (uint32_t)w->align);
}

static void understand(const struct irq_pool *p, const struct irq_request *r,
		       struct wish *w)
{
	*w = (struct wish){
		.pool = p,
		.count = r->count ? r->count : 1,
		.align = r->align ? r->align : 1,
		.low = r->min > p->first ? r->min : p->first,
		.high = last_of(p),
		.shared = r->shared,
	};
	if (r->max && r->max < w->high)
		w->high = r->max;
	w->fixed = r->max && (uint64_t)r->min + w->count == 1ull + r->max;
	describe(w);
}

/* Could it be granted by an empty pool? */
static int check(const struct irq_request *r, const struct wish *w, char *error,
		 size_t room)
{
	const struct irq_pool *p = w->pool;
	const uint64_t max = r->max ? r->max : last_of(p);

	if (!is_power_of_2(w->align)) {
		say(error, room, "%u is no alignment: no power of two",
		    r->align);
		return -EINVAL;
	}
	if (align_up(w->low, w->align) + w->count - 1 > w->high) {
		say(error, room,
		    "no %s can be between %u and %u: the pool is %u to %u",
		    w->text, r->min, (uint32_t)max, p->first,
		    (uint32_t)last_of(p));
		return -EINVAL;
	}
	return 0;
}

static struct irq_pool_slot *slot_of(const struct irq_pool *p, uint64_t number)
{
	return &p->slot[number - p->first];
}

static bool may_have(const struct wish *w, uint64_t number)
{
	const struct irq_pool_slot *s = slot_of(w->pool, number);

	if (!s->users)
		return true;
	return w->shared && s->shared && s->users < UINT16_MAX;
}

/* The first one in the way of @got and what follows; false: none is. */
static bool find_taken(const struct wish *w, uint64_t got, uint64_t *taken)
{
	for (uint64_t n = got; n < got + w->count; n++) {
		if (may_have(w, n))
			continue;
		*taken = n;
		return true;
	}
	return false;
}

/* The lowest that fits; false: none, and *@taken is in the way of the first
 * place that there is. */
static bool find_place(const struct wish *w, uint64_t *got, uint64_t *taken)
{
	uint64_t n = align_up(w->low, w->align);
	uint64_t other;

	if (!find_taken(w, n, taken)) {
		*got = n;
		return true;
	}
	other = *taken;
	do {
		n = align_up(other + 1, w->align);
		if (n + w->count - 1 > w->high)
			return false;
	} while (find_taken(w, n, &other));
	*got = n;
	return true;
}

static int refuse(const struct wish *w, uint64_t taken, char *error,
		  size_t room)
{
	const struct irq_pool *p = w->pool;
	const struct irq_pool_slot *s = slot_of(p, taken);
	const char *owner = s->owner ? s->owner : "somebody";
	const char *how = s->shared ? "shared" : "taken";

	if (w->fixed) {
		say(error, room, "%s %u is %s by %s", p->what, (uint32_t)taken,
		    how, owner);
		return -EBUSY;
	}
	say(error, room, "no %s %s free between %u and %u: %u is %s by %s",
	    w->text, w->count == 1 ? "is" : "are", (uint32_t)w->low,
	    (uint32_t)w->high, (uint32_t)taken, how, owner);
	return -ENOSPC;
}

void irq_pool_init(struct irq_pool *p, const char *what, uint32_t first,
		   uint32_t count, struct irq_pool_slot *slot)
{
	assert(count && (uint64_t)first + count <= 1ull + UINT32_MAX);
	*p = (struct irq_pool){
		.what = what,
		.first = first,
		.count = count,
		.slot = slot,
	};
	for (uint32_t i = 0; i < count; i++)
		slot[i] = (struct irq_pool_slot){ .owner = NULL };
}

int irq_pool_request(struct irq_pool *p, const struct irq_request *r,
		     uint32_t *got, char *error, size_t room)
{
	struct wish w;
	uint64_t first, taken;
	int err;

	understand(p, r, &w);
	err = check(r, &w, error, room);
	if (err)
		return err;
	if (!find_place(&w, &first, &taken))
		return refuse(&w, taken, error, room);
	for (uint64_t n = first; n < first + w.count; n++) {
		struct irq_pool_slot *s = slot_of(p, n);

		if (!s->users++) {
			s->owner = r->owner;
			s->shared = r->shared;
		}
	}
	*got = (uint32_t)first;
	return 0;
}

void irq_pool_release(struct irq_pool *p, uint32_t first, uint32_t count)
{
	assert(first >= p->first &&
	       range_inside(first - p->first, count, p->count));
	for (uint32_t n = first; n - first < count; n++) {
		struct irq_pool_slot *s = slot_of(p, n);

		assert(s->users);
		if (!--s->users)
			*s = (struct irq_pool_slot){ .owner = NULL };
	}
}

uint32_t irq_pool_free(const struct irq_pool *p)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->count; i++)
		n += !p->slot[i].users;
	return n;
}
