/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus.h - address to handler
 *
 * A bus is a set of disjoint ranges of a 64-bit address space.  MMIO and PIO
 * are two instances.  A range is the caller's struct; the bus keeps an index.
 *
 * Straddle  an access that does not lie wholly inside one range meets nothing
 *           (reads all-ones, write dropped): PCI devices do not see accesses
 *           that cross their decoded range
 * Threads   one owner; no lock and no atomic
 * Memory    ranges are the caller's and must stay while inserted; the index
 *           is owned and grows on insert only
 */
#ifndef TRANSPORT_BUS_BUS_H
#define TRANSPORT_BUS_BUS_H

#include "ring/base.h"

/* More than any guest's devices have, little enough to move in memory. */
#define BUS_MAX_RANGES 65536

struct bus_ops {
	uint64_t (*read)(void *ctx, uint64_t offset, unsigned int size);
	void (*write)(void *ctx, uint64_t offset, unsigned int size,
		      uint64_t value);
};

struct bus_range {
	uint64_t base;
	uint64_t size; /* > 0; base + size - 1 may be the last address */
	const struct bus_ops *ops;
	void *ctx; /* borrowed */
};

struct bus {
	struct bus_range **range; /* owned, sorted by base */
	uint32_t nr, room;
	uint32_t max;	/* -ENOSPC beyond; BUS_MAX_RANGES unless changed */
	uint64_t limit; /* the last address there is */
	uint64_t epoch; /* changes whenever a range comes, moves or goes */
};

/* @limit: 0xffff for PIO, UINT64_MAX for MMIO. */
void bus_init(struct bus *bus, uint64_t limit);
void bus_fini(struct bus *bus);

/* -EINVAL empty, wraps or beyond the limit; -EEXIST overlaps, *@conflict (if
 * not NULL) is the lowest range it overlaps; -ENOSPC, -ENOMEM. */
int bus_insert(struct bus *bus, struct bus_range *r,
	       struct bus_range **conflict);

/* @r must be inserted. */
void bus_remove(struct bus *bus, struct bus_range *r);

/* Move an inserted range to @base: at no instant is it absent or twice
 * there.  Errors as bus_insert(), the range then stays where it was. */
int bus_move(struct bus *bus, struct bus_range *r, uint64_t base,
	     struct bus_range **conflict);

/* The range that holds all @size bytes (1 to 8) at @addr, or NULL. */
struct bus_range *bus_find(const struct bus *bus, uint64_t addr,
			   unsigned int size);

/* The first range that ends at or behind @addr, or NULL: ordered iteration. */
struct bus_range *bus_first(const struct bus *bus, uint64_t addr);

/* Route one access; false if it met nothing (a read gives all-ones). */
bool bus_read(const struct bus *bus, uint64_t addr, unsigned int size,
	      uint64_t *value);
bool bus_write(const struct bus *bus, uint64_t addr, unsigned int size,
	       uint64_t value);

#endif
