/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus_rcu.h - a bus that several threads look up in while one changes it
 *
 * For a VMM whose own vCPU threads route their exits.  There are two copies of
 * the index: readers look into the *active* one, the writer changes the other,
 * makes that one active, waits until no reader is left in the first (a grace
 * period) and repeats the change there.  So a change, or an array of changes,
 * is there as a whole or not at all, and what was removed is nobody's when
 * the call returns: it can be freed.
 *
 * Threads   @reader is below max_readers and used by one thread at a time.  One
 *           writer at a time: callers bring their own lock
 * Readers   wait for nothing.  Online, a reader may hold what it found until
 *           it says that it is quiescent (that it holds nothing) or goes
 *           offline.  A change waits for each reader that is online, so go
 *           offline before what may take long (the guest!)
 * Writer    is no online reader meanwhile, nor is who waits for its lock: it
 *           would wait for itself
 * Ranges    base is the writer's: readers get the offset, and read the rest
 * Memory    of the ranges: the caller's.  Two indices, owned; a copy that could
 *           not follow a change for want of memory is built anew by the
 *           next change, which fails (-ENOMEM) if that fails again
 *
 * Field   written by   read by    edge
 * active  writer       readers    U1 -> V1   "the copy is complete"
 * qsbr    readers      writer     U2 -> V2   "the reader has let go of the other"
 *         both                    U3 <-> V3  the writer sees that the reader is
 *                                            online, or it sees what is active
 */
#ifndef TRANSPORT_BUS_BUS_RCU_H
#define TRANSPORT_BUS_BUS_RCU_H

#include <rte_rcu_qsbr.h>

#include "transport/bus/bus.h"

/* A line of its own for each: one is read while the other is written. */
struct bus_copy {
	struct bus bus;
} __attribute__((aligned(BUS_LINE_BYTES)));

struct bus_rcu {
	struct bus *active;	   /* shared: one of the copies */
	struct rte_rcu_qsbr *qsbr; /* owned, shared */
	bool stale;		   /* writer's: the other copy did not follow */
	struct bus_copy copy[2];
};

enum bus_change_op {
	BUS_INSERT,
	BUS_REMOVE,
	BUS_MOVE
};

struct bus_change {
	enum bus_change_op op;
	struct bus_range *range;
	uint64_t base; /* BUS_MOVE: where to; changed by the call */
};

/* Readers begin offline.  -EINVAL no readers, -ENOMEM. */
int bus_rcu_init(struct bus_rcu *b, uint64_t limit, uint32_t max_readers);
/* Nobody is online. */
void bus_rcu_fini(struct bus_rcu *b);

/* ---- Readers ------------------------------------------------------------- */

static inline void bus_rcu_online(struct bus_rcu *b, uint32_t reader)
{
	/* V3: a full fence behind its store, pairs with U3. */
	rte_rcu_qsbr_thread_online(b->qsbr, reader);
}

static inline void bus_rcu_offline(struct bus_rcu *b, uint32_t reader)
{
	/* U2: its store is a release, as is that of quiescent. */
	rte_rcu_qsbr_thread_offline(b->qsbr, reader);
}

/* Online; whatever was found before must not be used any more. */
static inline void bus_rcu_quiescent(struct bus_rcu *b, uint32_t reader)
{
	rte_rcu_qsbr_quiescent(b->qsbr, reader);
}

/* The bus as it is at this moment, for several lookups in one picture: it does
 * not change while the reader stays online and is not quiescent. */
static inline const struct bus *bus_rcu_active(const struct bus_rcu *b)
{
	/* V1: pairs with U1, so the reader sees a whole index. */
	return __atomic_load_n(&b->active, __ATOMIC_ACQUIRE);
}

static inline bool bus_rcu_lookup(const struct bus_rcu *b, uint64_t addr,
				  unsigned int size, struct bus_hit *hit)
{
	return bus_lookup(bus_rcu_active(b), addr, size, hit);
}

/* ---- Writer: each waits for a grace period ------------------------------- */

/* As bus_insert(), bus_remove(), bus_move(), bus_build(). */
int bus_rcu_insert(struct bus_rcu *b, struct bus_range *r,
		   struct bus_range **conflict);
int bus_rcu_remove(struct bus_rcu *b, struct bus_range *r);
int bus_rcu_move(struct bus_rcu *b, struct bus_range *r, uint64_t base,
		 struct bus_range **conflict);
int bus_rcu_build(struct bus_rcu *b, struct bus_range *const *r, uint32_t n,
		  struct bus_range *conflict[2]);

/* @n changes, in order, all of them or none, in one grace period.  Errors as of
 * the first that fails, whose number *@failed (if not NULL) is. */
int bus_rcu_apply(struct bus_rcu *b, struct bus_change *c, uint32_t n,
		  uint32_t *failed, struct bus_range **conflict);

#endif
