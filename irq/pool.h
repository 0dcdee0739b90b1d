/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool.h - who has which number: vectors, GSIs, pins
 *
 * A pool hands out numbers at run time, under constraints, and takes them
 * back.  A shared number may be requested again by others who share; an
 * exclusive one may not.  The lowest fitting numbers are taken, so the same
 * requests give the same layout.
 *
 * Errors    -ENOSPC none fits, -EBUSY the fixed ones are taken, -EINVAL the
 *           request makes no sense; with a sentence that names the pool, the
 *           request and who is in the way
 * Threads   one at a time
 * Memory    slots and names are the caller's; owners outlive their numbers,
 *           the first of a shared number the last one's too
 * Limits    number 0 has no fixed request of its own: it is the lowest one
 */
#ifndef IRQ_POOL_H
#define IRQ_POOL_H

#include "ring/base.h"

struct irq_pool_slot {
	const char *owner; /* borrowed: the first of them */
	uint16_t users;	   /* 0: free */
	bool shared;
};

struct irq_pool {
	const char *what; /* borrowed: "GSI", "vector"; for errors */
	uint32_t first;	  /* the number of slot 0 */
	uint32_t count;
	struct irq_pool_slot *slot; /* borrowed */
};

struct irq_request {
	const char *owner;
	uint32_t count;	   /* consecutive numbers; 0 counts as 1 */
	uint32_t align;	   /* of the first one, a power of two; 0 as 1 */
	uint32_t min, max; /* inclusive; max 0: up to the end */
	bool shared;	   /* others who share may have them too */
};

void irq_pool_init(struct irq_pool *p, const char *what, uint32_t first,
		   uint32_t count, struct irq_pool_slot *slot);

/*
 * Take numbers: *@got is the first.  A fixed number is min == max (count 1),
 * or a range that fits the count exactly.  @error (may be NULL) has @room
 * bytes.
 */
int irq_pool_request(struct irq_pool *p, const struct irq_request *r,
		     uint32_t *got, char *error, size_t room);

/* Give back what irq_pool_request() gave: @count numbers from @first on. */
void irq_pool_release(struct irq_pool *p, uint32_t first, uint32_t count);

/* How many numbers are free. */
uint32_t irq_pool_free(const struct irq_pool *p);

#endif
