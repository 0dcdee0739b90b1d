/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: an entry of the index is made of a range when it comes, and made again
 * to find it when it goes.  All arithmetic is on last addresses, which exist
 * even where base + size does not fit.  In a 16-bit space the index serves what
 * needs order, and a table of all addresses serves lookups.
 */
#include "transport/bus/bus.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "transport/bus/sort.h"

#define PORT_BYTES (BUS_PORTS * sizeof(struct bus_entry))
#define BATCH	   16

void bus_init(struct bus *bus, uint64_t limit)
{
	*bus = (struct bus){ .limit = limit, .max = BUS_MAX_RANGES };
	bus_index_init(&bus->index);
}

void bus_fini(struct bus *bus)
{
	if (bus->port)
		munmap(bus->port, PORT_BYTES);
	bus->port = NULL;
	bus_index_fini(&bus->index);
	bus->nr = 0;
}

/* ---- Entries ---------------------------------------------------------------- */

static uint32_t ops_number(struct bus *bus, const struct bus_ops *ops)
{
	uint32_t i = 0;

	while (i < bus->nr_ops && bus->ops[i] != ops)
		i++;
	if (i == bus->nr_ops && i < BUS_INDEX_OPS)
		bus->ops[bus->nr_ops++] = ops;
	return i;
}

static struct bus_entry entry_at(struct bus *bus, struct bus_range *r,
				 uint64_t base)
{
	const uint64_t ops = ops_number(bus, r->ops);
	uint64_t word = (uintptr_t)r;

	/* Of a user's half of the address space, and aligned as structs are. */
	assert(!(word & ~BUS_WORD_RANGE));
	if (is_power_of_2(r->size) && ops < BUS_INDEX_OPS)
		word |= (uint64_t)__builtin_ctzll(r->size)
				<< BUS_WORD_SIZE_SHIFT |
			ops << BUS_WORD_OPS_SHIFT;
	else
		word |= BUS_WORD_LOOK;
	return (struct bus_entry){ base, word };
}

static uint64_t last_at(const struct bus_range *r, uint64_t base)
{
	return base + (r->size - 1);
}

static bool possible(const struct bus *bus, uint64_t base, uint64_t size)
{
	return size && base <= bus->limit && size - 1 <= bus->limit - base;
}

/* May @r be at @base, @self not being in the way? */
static int check_place(const struct bus *bus, const struct bus_range *r,
		       uint64_t base, const struct bus_range *self,
		       struct bus_range **conflict)
{
	struct bus_entry there;

	if (!possible(bus, base, r->size))
		return -EINVAL;
	if (!bus_index_seek(&bus->index, base, last_at(r, base), self, &there))
		return 0;
	if (conflict)
		*conflict = bus_entry_range(there);
	return -EEXIST;
}

/* ---- The table of a 16-bit space ---------------------------------------------- */

static int make_ports(struct bus *bus)
{
	void *port;

	if (bus->port || bus->limit != BUS_PORTS - 1)
		return 0;
	port = mmap(NULL, PORT_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (port == MAP_FAILED)
		return -ENOMEM;
	/* Hardly any of it will be used. */
	(void)madvise(port, PORT_BYTES, MADV_NOHUGEPAGE);
	bus->port = port;
	return 0;
}

static void set_ports(struct bus *bus, uint64_t base, uint64_t size,
		      struct bus_entry e)
{
	for (uint64_t i = 0; bus->port && i < size; i++)
		bus->port[base + i] = e;
}

/* ---- Ranges come and go --------------------------------------------------------- */

int bus_insert(struct bus *bus, struct bus_range *r,
	       struct bus_range **conflict)
{
	int err = check_place(bus, r, r->base, NULL, conflict);
	struct bus_entry e;

	if (err)
		return err;
	if (bus->nr >= bus->max)
		return -ENOSPC;
	err = make_ports(bus);
	if (err)
		return err;
	e = entry_at(bus, r, r->base);
	err = bus_index_insert(&bus->index, e, last_at(r, r->base));
	if (err)
		return err;
	set_ports(bus, r->base, r->size, e);
	bus->nr++;
	bus->epoch++;
	return 0;
}

void bus_remove(struct bus *bus, struct bus_range *r)
{
	bus_index_remove(&bus->index, entry_at(bus, r, r->base),
			 last_at(r, r->base));
	set_ports(bus, r->base, r->size, (struct bus_entry){ 0 });
	bus->nr--;
	bus->epoch++;
}

int bus_move(struct bus *bus, struct bus_range *r, uint64_t base,
	     struct bus_range **conflict)
{
	int err = check_place(bus, r, base, r, conflict);
	struct bus_entry e;

	if (err)
		return err;
	err = bus_index_reserve(&bus->index);
	if (err)
		return err;
	bus_remove(bus, r);
	r->base = base;
	e = entry_at(bus, r, base);
	err = bus_index_insert(&bus->index, e, last_at(r, base));
	assert(!err);
	set_ports(bus, base, r->size, e);
	bus->nr++;
	return 0;
}

/* ---- Many at once ----------------------------------------------------------------- */

static int check_order(const struct bus_entry *e, uint32_t n,
		       struct bus_range *conflict[2])
{
	for (uint32_t i = 1; i < n; i++) {
		if (bus_entry_last(e[i - 1]) < e[i].base)
			continue;
		if (conflict) {
			conflict[0] = bus_entry_range(e[i - 1]);
			conflict[1] = bus_entry_range(e[i]);
		}
		return -EEXIST;
	}
	return 0;
}

/* Of the bus's own and the @n new ones; the caller frees them. */
static int all_entries(struct bus *bus, struct bus_range *const *r, uint32_t n,
		       struct bus_range *conflict[2], struct bus_entry **out)
{
	const uint64_t nr = (uint64_t)bus->nr + n;
	struct bus_entry *e;
	int err;

	if (nr > bus->max)
		return -ENOSPC;
	e = malloc((nr + 1) * sizeof(*e));
	if (!e)
		return -ENOMEM;
	bus_index_gather(&bus->index, e);
	for (uint32_t i = 0; i < n; i++) {
		if (!possible(bus, r[i]->base, r[i]->size)) {
			if (conflict) {
				conflict[0] = r[i];
				conflict[1] = NULL;
			}
			free(e);
			return -EINVAL;
		}
		e[bus->nr + i] = entry_at(bus, r[i], r[i]->base);
	}
	err = bus_entries_sort(e, nr);
	if (err)
		free(e);
	else
		*out = e;
	return err;
}

int bus_build(struct bus *bus, struct bus_range *const *r, uint32_t n,
	      struct bus_range *conflict[2])
{
	struct bus_entry *e;
	int err = all_entries(bus, r, n, conflict, &e);

	if (err)
		return err;
	err = check_order(e, bus->nr + n, conflict);
	if (!err)
		err = make_ports(bus);
	if (!err)
		err = bus_index_build(&bus->index, e, bus->nr + n);
	free(e);
	if (err)
		return err;
	for (uint32_t i = 0; bus->port && i < n; i++)
		set_ports(bus, r[i]->base, r[i]->size,
			  entry_at(bus, r[i], r[i]->base));
	bus->nr += n;
	bus->epoch++;
	return 0;
}

/* ---- Looking ------------------------------------------------------------------------ */

/* Each pass asks for the cache lines of the next one. */
static unsigned int batch(const struct bus *bus, const uint64_t *addr,
			  unsigned int size, struct bus_hit *hit,
			  unsigned int n)
{
	const union bus_line *line[BATCH];
	unsigned int hits = 0, nodes;

	for (unsigned int i = 0; i < n; i++) {
		line[i] = bus_index_top(&bus->index, addr[i]);
		__builtin_prefetch(line[i]);
	}
	do {
		nodes = 0;
		for (unsigned int i = 0; i < n; i++) {
			const struct bus_node *node = &line[i]->node;

			if (likely(!bus_line_is_node(line[i])))
				continue;
			line[i] = &node->line[bus_node_at(node, addr[i])];
			__builtin_prefetch(line[i]);
			nodes++;
		}
	} while (nodes);
	for (unsigned int i = 0; i < n; i++)
		hits += bus_hit_entry(bus, bus_line_entry(line[i], addr[i]),
				      addr[i], size, &hit[i]);
	return hits;
}

unsigned int bus_lookup_batch(const struct bus *bus, const uint64_t *addr,
			      unsigned int size, struct bus_hit *hit,
			      unsigned int n)
{
	unsigned int hits = 0, some;

	for (unsigned int i = 0; bus->port && i < n; i++)
		hits += bus_lookup(bus, addr[i], size, &hit[i]);
	for (unsigned int i = 0; !bus->port && i < n; i += some) {
		some = n - i < BATCH ? n - i : BATCH;
		hits += batch(bus, addr + i, size, hit + i, some);
	}
	return hits;
}

struct bus_range *bus_first(const struct bus *bus, uint64_t addr)
{
	struct bus_entry e;

	return bus_index_seek(&bus->index, addr, UINT64_MAX, NULL, &e)
		       ? bus_entry_range(e)
		       : NULL;
}

struct bus_range *bus_next(const struct bus *bus, const struct bus_range *r)
{
	const uint64_t last = last_at(r, r->base);

	return last < UINT64_MAX ? bus_first(bus, last + 1) : NULL;
}

bool bus_read(const struct bus *bus, uint64_t addr, unsigned int size,
	      uint64_t *value)
{
	struct bus_hit hit;

	if (!bus_lookup(bus, addr, size, &hit)) {
		*value = all_ones(size);
		return false;
	}
	*value = hit.ops->read(hit.range, hit.offset, size);
	return true;
}

bool bus_write(const struct bus *bus, uint64_t addr, unsigned int size,
	       uint64_t value)
{
	struct bus_hit hit;

	if (!bus_lookup(bus, addr, size, &hit))
		return false;
	hit.ops->write(hit.range, hit.offset, size, value);
	return true;
}

size_t bus_memory(const struct bus *bus)
{
	return bus->index.lines.bytes + (bus->port ? PORT_BYTES : 0);
}
