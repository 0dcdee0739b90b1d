/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus.h - address to handler
 *
 * A bus is a set of disjoint ranges of an address space.  MMIO and PIO are two
 * instances.  A range is the caller's struct, usually inside of what it leads
 * to; the bus keeps an index, which holds all that a lookup answers, so that
 * one reads no range.
 *
 * Straddle  an access that does not lie wholly inside one range meets nothing
 *           (reads all-ones, write dropped): PCI devices do not see accesses
 *           that cross their decoded range
 * Cost      a lookup reads one cache line of the index, seldom a second; where
 *           ranges are dense here and sparse there, one for each fourfold of
 *           them.  In the 16-bit space it reads one entry of a table, whatever
 *           there is.  Sizes that are no power of two take a look at the range
 *           besides
 * Change    one in as many as a third of the ranges has the index built anew,
 *           which takes as long as bus_build() of all: at 65536, 5 to 20 ms.
 *           A range that is large beside its neighbours takes a line for each
 *           few of those that would fit in its place: to move it took 0.6 ms at
 *           worst with 65536 small ones beside it, 4 ms with 262144, 24 ms with
 *           a million.  To look for the next range in such a void takes a tenth
 * Threads   one owner; no lock and no atomic.  bus_rcu.h for several readers
 * Memory    ranges are the caller's and must stay while inserted; the index
 *           is owned: some 40 bytes a range, and 1 MiB of addresses, of which
 *           it touches what is used, in the 16-bit space
 */
#ifndef TRANSPORT_BUS_BUS_H
#define TRANSPORT_BUS_BUS_H

#include "transport/bus/index.h"

/* As many as were ever measured. */
#define BUS_MAX_RANGES (1u << 20)
#define BUS_PORTS      (1u << 16) /* of the 16-bit space */

/*
 * What answers.  @ctx is the struct bus_range that was hit, for container_of;
 * those who hand an access on say by whose ops they do it (pci/bar.h).
 */
struct bus_ops {
	uint64_t (*read)(void *ctx, uint64_t offset, unsigned int size);
	void (*write)(void *ctx, uint64_t offset, unsigned int size,
		      uint64_t value);
};

struct bus_range {
	uint64_t base;
	uint64_t size; /* > 0; base + size - 1 may be the last address */
	const struct bus_ops *ops; /* not NULL; changed by nobody meanwhile */
};

struct bus {
	struct bus_index index;
	struct bus_entry *port; /* owned; 16-bit space: one for each address */
	uint32_t nr;
	uint32_t max;	/* -ENOSPC beyond; BUS_MAX_RANGES unless changed */
	uint64_t limit; /* the last address there is */
	uint64_t epoch; /* changes whenever a range comes, moves or goes */
	uint32_t nr_ops;
	const struct bus_ops *ops[BUS_INDEX_OPS];
};

/* What an address leads to. */
struct bus_hit {
	struct bus_range *range;
	const struct bus_ops *ops;
	uint64_t offset; /* inside of the range */
};

/* @limit: 0xffff for PIO, UINT64_MAX for MMIO. */
void bus_init(struct bus *bus, uint64_t limit);
void bus_fini(struct bus *bus);

/* -EINVAL empty, wraps or beyond the limit; -EEXIST overlaps, *@conflict (if
 * not NULL) is the lowest range it overlaps; -ENOSPC, -ENOMEM. */
int bus_insert(struct bus *bus, struct bus_range *r,
	       struct bus_range **conflict);

/* Insert @n ranges at once, all of them or none, in any order: faster than one
 * by one.  Errors as bus_insert(); @conflict (if not NULL) are the two that
 * overlap, or the one that is impossible and NULL. */
int bus_build(struct bus *bus, struct bus_range *const *r, uint32_t n,
	      struct bus_range *conflict[2]);

/* @r must be inserted. */
void bus_remove(struct bus *bus, struct bus_range *r);

/* Move an inserted range to @base: at no instant is it absent or twice
 * there.  Errors as bus_insert(), the range then stays where it was. */
int bus_move(struct bus *bus, struct bus_range *r, uint64_t base,
	     struct bus_range **conflict);

/* Where all @size bytes (1 to 8) at @addr lead; false: nowhere, *@hit is then
 * all zero. */
static inline bool bus_lookup(const struct bus *bus, uint64_t addr,
			      unsigned int size, struct bus_hit *hit);

/* @n lookups at once, whose cache misses overlap; how many hit.  @hit[i] as
 * bus_lookup() would leave it. */
unsigned int bus_lookup_batch(const struct bus *bus, const uint64_t *addr,
			      unsigned int size, struct bus_hit *hit,
			      unsigned int n);

/* The range alone, or NULL. */
static inline struct bus_range *bus_find(const struct bus *bus, uint64_t addr,
					 unsigned int size);

/*
 * In order: the first range that ends at or behind @addr, the first that does
 * behind @r (which need not be inserted); NULL if there is none.
 */
struct bus_range *bus_first(const struct bus *bus, uint64_t addr);
struct bus_range *bus_next(const struct bus *bus, const struct bus_range *r);

/* Route one access; false if it met nothing (a read gives all-ones). */
bool bus_read(const struct bus *bus, uint64_t addr, unsigned int size,
	      uint64_t *value);
bool bus_write(const struct bus *bus, uint64_t addr, unsigned int size,
	       uint64_t value);

/* Bytes that the index takes, beside the ranges. */
size_t bus_memory(const struct bus *bus);

/* ---- Inline ------------------------------------------------------------------ */

/* The last address of an entry. */
static inline uint64_t bus_entry_last(struct bus_entry e)
{
	if (unlikely(e.word & BUS_WORD_LOOK))
		return e.base + (bus_entry_range(e)->size - 1);
	return e.base + (BIT_ULL(e.word >> BUS_WORD_SIZE_SHIFT & 63) - 1);
}

/* One of four, which takes less time than to look it up; it cannot be foretold,
 * and so there is no branch. */
static inline const struct bus_ops *bus_entry_ops(const struct bus *bus,
						  struct bus_entry e)
{
	const struct bus_ops *low = bus->ops[0], *high = bus->ops[2];

	__asm__("btq %[bit0], %[word]\n\t"
		"cmovcq %[ops1], %[low]\n\t"
		"cmovcq %[ops3], %[high]\n\t"
		"btq %[bit1], %[word]\n\t"
		"cmovcq %[high], %[low]"
		: [low] "+&r"(low), [high] "+&r"(high)
		: [ops1] "rm"(bus->ops[1]), [ops3] "rm"(bus->ops[3]),
		  [word] "r"(e.word), [bit0] "i"(BUS_WORD_OPS_SHIFT),
		  [bit1] "i"(BUS_WORD_OPS_SHIFT + 1)
		: "cc");
	return low;
}

static inline bool bus_miss(struct bus_hit *hit)
{
	*hit = (struct bus_hit){ 0 };
	return false;
}

/* Its word says BUS_WORD_LOOK. */
static inline bool bus_hit_range(struct bus_entry e, uint64_t addr,
				 unsigned int size, struct bus_hit *hit)
{
	struct bus_range *r = bus_entry_range(e);
	const uint64_t offset = addr - e.base;

	/* One that begins behind @addr has an offset beyond any size. */
	if (!r || !range_inside(offset, size, r->size))
		return bus_miss(hit);
	*hit = (struct bus_hit){ r, r->ops, offset };
	return true;
}

static inline bool bus_hit_entry(const struct bus *bus, struct bus_entry e,
				 uint64_t addr, unsigned int size,
				 struct bus_hit *hit)
{
	const uint64_t offset = addr - e.base, last = offset + (size - 1);
	const unsigned int bits = e.word >> BUS_WORD_SIZE_SHIFT & 63;

	if (unlikely(size - 1 > 7))
		return bus_miss(hit);
	if (unlikely(e.word & BUS_WORD_LOOK))
		return bus_hit_range(e, addr, size, hit);
	/* Neither the first byte nor the last is beyond its size; if the last
	 * wraps then the first is. */
	if (unlikely((offset | last) >> bits))
		return bus_miss(hit);
	*hit = (struct bus_hit){
		.range = bus_entry_range(e),
		.ops = bus_entry_ops(bus, e),
		.offset = offset,
	};
	return true;
}

/* A port of which nothing was ever said has no range. */
static inline bool bus_hit_port(const struct bus *bus, uint64_t addr,
				unsigned int size, struct bus_hit *hit)
{
	if (unlikely(addr >= BUS_PORTS || !bus_entry_range(bus->port[addr])))
		return bus_miss(hit);
	return bus_hit_entry(bus, bus->port[addr], addr, size, hit);
}

static inline bool bus_lookup(const struct bus *bus, uint64_t addr,
			      unsigned int size, struct bus_hit *hit)
{
	if (bus->port)
		return bus_hit_port(bus, addr, size, hit);
	return bus_hit_entry(
		bus, bus_line_entry(bus_index_line(&bus->index, addr), addr),
		addr, size, hit);
}

static inline struct bus_range *bus_find(const struct bus *bus, uint64_t addr,
					 unsigned int size)
{
	struct bus_hit hit;

	bus_lookup(bus, addr, size, &hit);
	return hit.range;
}

#endif
