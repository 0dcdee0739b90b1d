/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: an array of pointers, sorted by base.  As ranges are disjoint their
 * ends are sorted too, so one binary search for the first range that ends at
 * or behind an address answers every question.  All arithmetic is on last
 * addresses, which exist even where base + size does not fit.
 */
#include "transport/bus/bus.h"

#include <stdlib.h>

static uint64_t range_last(const struct bus_range *r)
{
	return r->base + (r->size - 1);
}

/* Index of the first range that ends at or behind @addr; nr if none does. */
static uint32_t first_index(const struct bus *bus, uint64_t addr)
{
	uint32_t lo = 0, hi = bus->nr;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (range_last(bus->range[mid]) < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool possible(const struct bus *bus, uint64_t base, uint64_t size)
{
	return size && base <= bus->limit && size - 1 <= bus->limit - base;
}

/*
 * Find where a range of @size at @base goes, @self not being in the way.
 * The index counts as if @self were still there.
 */
static int find_place(const struct bus *bus, uint64_t base, uint64_t size,
		      const struct bus_range *self, uint32_t *place,
		      struct bus_range **conflict)
{
	uint64_t last = base + (size - 1);
	uint32_t i;

	if (!possible(bus, base, size))
		return -EINVAL;
	i = first_index(bus, base);
	*place = i;
	if (i < bus->nr && bus->range[i] == self)
		i++;
	if (i == bus->nr || bus->range[i]->base > last)
		return 0;
	if (conflict)
		*conflict = bus->range[i];
	return -EEXIST;
}

static int make_room(struct bus *bus)
{
	uint32_t room = bus->room ? 2 * bus->room : 16;
	struct bus_range **range;

	if (bus->nr >= bus->max)
		return -ENOSPC;
	if (bus->nr < bus->room)
		return 0;
	range = realloc(bus->range, room * sizeof(struct bus_range *));
	if (!range)
		return -ENOMEM;
	bus->range = range;
	bus->room = room;
	return 0;
}

void bus_init(struct bus *bus, uint64_t limit)
{
	*bus = (struct bus){ .limit = limit, .max = BUS_MAX_RANGES };
}

void bus_fini(struct bus *bus)
{
	free(bus->range);
	bus->range = NULL;
	bus->nr = 0;
	bus->room = 0;
}

int bus_insert(struct bus *bus, struct bus_range *r,
	       struct bus_range **conflict)
{
	uint32_t at;
	int err = find_place(bus, r->base, r->size, NULL, &at, conflict);

	if (err)
		return err;
	err = make_room(bus);
	if (err)
		return err;
	memmove(&bus->range[at + 1], &bus->range[at],
		(bus->nr - at) * sizeof(struct bus_range *));
	bus->range[at] = r;
	bus->nr++;
	bus->epoch++;
	return 0;
}

static uint32_t index_of(const struct bus *bus, const struct bus_range *r)
{
	uint32_t i = first_index(bus, r->base);

	assert(i < bus->nr && bus->range[i] == r);
	return i;
}

void bus_remove(struct bus *bus, struct bus_range *r)
{
	uint32_t i = index_of(bus, r);

	bus->nr--;
	bus->epoch++;
	memmove(&bus->range[i], &bus->range[i + 1],
		(bus->nr - i) * sizeof(struct bus_range *));
}

int bus_move(struct bus *bus, struct bus_range *r, uint64_t base,
	     struct bus_range **conflict)
{
	uint32_t from = index_of(bus, r), to;
	int err = find_place(bus, base, r->size, r, &to, conflict);

	if (err)
		return err;
	if (to > from) {
		/* Taking it out shifts everything behind it down by one. */
		to--;
		memmove(&bus->range[from], &bus->range[from + 1],
			(to - from) * sizeof(struct bus_range *));
	} else {
		memmove(&bus->range[to + 1], &bus->range[to],
			(from - to) * sizeof(struct bus_range *));
	}
	r->base = base;
	bus->range[to] = r;
	bus->epoch++;
	return 0;
}

struct bus_range *bus_find(const struct bus *bus, uint64_t addr,
			   unsigned int size)
{
	uint32_t i = first_index(bus, addr);
	struct bus_range *r;

	if (i == bus->nr || size < 1 || size > 8)
		return NULL;
	r = bus->range[i];
	if (addr < r->base || !range_inside(addr - r->base, size, r->size))
		return NULL;
	return r;
}

struct bus_range *bus_first(const struct bus *bus, uint64_t addr)
{
	uint32_t i = first_index(bus, addr);

	return i < bus->nr ? bus->range[i] : NULL;
}

bool bus_read(const struct bus *bus, uint64_t addr, unsigned int size,
	      uint64_t *value)
{
	const struct bus_range *r = bus_find(bus, addr, size);

	if (!r) {
		*value = all_ones(size);
		return false;
	}
	*value = r->ops->read(r->ctx, addr - r->base, size);
	return true;
}

bool bus_write(const struct bus *bus, uint64_t addr, unsigned int size,
	       uint64_t value)
{
	const struct bus_range *r = bus_find(bus, addr, size);

	if (!r)
		return false;
	r->ops->write(r->ctx, addr - r->base, size, value);
	return true;
}
