/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: which BARs are on the bus is a pure function of all registers of all
 * functions.  Going through the BARs from the highest rank (lowest bus,
 * device, function, BAR) to the lowest, each one that decodes an address gets
 * it unless something of higher rank, or something that is no BAR, is there
 * already; what it finds of lower rank has to leave, and is looked at later in
 * the same pass.  So whenever a register changes, one pass settles everything:
 * losers leave, and reappear when their winner has left.  A pass costs a look
 * at every BAR of the machine, and runs only when the guest changes one.
 *
 * Being pure also makes a rollback (rule 17) simple: put the old bytes back
 * and settle again.
 */
#include "transport/pci/bar.h"
#include "transport/pci/root.h"

#define IO_ADDRESS  0xfffffffcu
#define MEM_ADDRESS 0xfffffff0u

/* ---- Windows ------------------------------------------------------------ */

void pci_bar_add_window(struct pci_bar *bar, uint64_t offset, uint64_t size,
			const struct bus_ops *ops, void *ctx)
{
	assert(bar->nr_windows < PCI_BAR_WINDOWS);
	assert(size && range_inside(offset, size, bar->size));
	for (unsigned int i = 0; i < bar->nr_windows; i++)
		assert(offset >= bar->window[i].offset + bar->window[i].size ||
		       bar->window[i].offset >= offset + size);
	bar->window[bar->nr_windows++] = (struct pci_bar_window){
		.offset = offset,
		.size = size,
		.ops = ops,
		.ctx = ctx,
	};
}

const struct pci_bar_window *pci_bar_find(const struct pci_bar *bar,
					  uint64_t off, unsigned int size)
{
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return NULL;
	for (unsigned int i = 0; i < bar->nr_windows; i++) {
		const struct pci_bar_window *w = &bar->window[i];

		if (off >= w->offset &&
		    range_inside(off - w->offset, size, w->size))
			return w;
	}
	return NULL;
}

uint64_t pci_bar_read(struct pci_bar *bar, uint64_t off, unsigned int size)
{
	const struct pci_bar_window *w = pci_bar_find(bar, off, size);

	bar->func->stats.bar_reads++;
	if (w)
		return w->ops->read(w->ctx, off - w->offset, size);
	bar->func->stats.bad++;
	return all_ones(size);
}

void pci_bar_write(struct pci_bar *bar, uint64_t off, unsigned int size,
		   uint64_t value)
{
	const struct pci_bar_window *w = pci_bar_find(bar, off, size);

	bar->func->stats.bar_writes++;
	if (w)
		w->ops->write(w->ctx, off - w->offset, size, value);
	else
		bar->func->stats.bad++;
}

static uint64_t bus_side_read(void *ctx, uint64_t offset, unsigned int size)
{
	return pci_bar_read(container_of(ctx, struct pci_bar, range), offset,
			    size);
}

static void bus_side_write(void *ctx, uint64_t offset, unsigned int size,
			   uint64_t value)
{
	pci_bar_write(container_of(ctx, struct pci_bar, range), offset, size,
		      value);
}

static const struct bus_ops bar_bus_ops = {
	.read = bus_side_read,
	.write = bus_side_write,
};

/* ---- Registers ----------------------------------------------------------- */

static unsigned int bar_index(const struct pci_bar *bar)
{
	return (unsigned int)(bar - bar->func->bar);
}

void pci_bar_init(struct pci_bar *bar, struct pci_func *f, uint64_t size,
		  unsigned int flags)
{
	unsigned int n = (unsigned int)(bar - f->bar), reg = PCI_BAR0 + 4 * n;
	uint64_t address = ~(size - 1);
	uint32_t type = 0;

	assert(n < PCI_NR_BARS && is_power_of_2(size) && !bar->size);
	*bar = (struct pci_bar){
		.size = size,
		.flags = (uint8_t)flags,
		.range = { .size = size, .ops = &bar_bus_ops },
		.func = f,
	};
	if (flags & PCI_BAR_IO) {
		assert(flags == PCI_BAR_IO && size >= 4 && size <= 256);
		type = 1;
		address &= IO_ADDRESS;
	} else {
		assert(size >= 16);
		type = (flags & PCI_BAR_64 ? 4 : 0) |
		       (flags & PCI_BAR_PREFETCH ? 8 : 0);
		address &= ~0xfull;
	}
	pci_config_set(&f->config, reg, 4, type);
	pci_config_allow(&f->config, reg, 4, (uint32_t)address);
	if (flags & PCI_BAR_64) {
		assert(n + 1 < PCI_NR_BARS && !f->bar[n + 1].size);
		pci_config_allow(&f->config, reg + 4, 4,
				 (uint32_t)(address >> 32));
	} else {
		assert(size <= 1ull << 31);
	}
}

/*
 * What the guest wrote into the low half is a probe for the size if it has
 * ones in all address bits that are read-only: an address has zeroes there.
 * The register alone cannot tell, for a 64-bit BAR may well lie at the very
 * end of 4 GiB.
 */
static bool is_probe(const struct pci_bar *bar)
{
	uint32_t fixed = (uint32_t)(bar->size - 1) & MEM_ADDRESS;
	uint32_t written = bar->func->bar_written[bar_index(bar)];

	return fixed && (written & fixed) == fixed;
}

static bool decode_io(const struct pci_bar *bar, uint64_t *base)
{
	const struct pci_config *c = &bar->func->config;
	uint32_t mask = ~(uint32_t)(bar->size - 1) & IO_ADDRESS;
	uint32_t addr =
		pci_config_get(c, PCI_BAR0 + 4 * bar_index(bar), 4) & mask;

	*base = addr;
	/* There are 16 address lines, so software may probe only those. */
	return (pci_config_get(c, PCI_COMMAND, 2) & PCI_COMMAND_IO) && addr &&
	       (addr & 0xffff) != (mask & 0xffff);
}

static bool decode_memory(const struct pci_bar *bar, uint64_t *base)
{
	const struct pci_func *f = bar->func;
	const unsigned int n = bar_index(bar), reg = PCI_BAR0 + 4 * n;
	uint64_t addr = pci_config_get(&f->config, reg, 4) & MEM_ADDRESS;
	uint64_t mask = ~(bar->size - 1);
	bool probe = is_probe(bar);

	if (bar->flags & PCI_BAR_64) {
		addr |= (uint64_t)pci_config_get(&f->config, reg + 4, 4) << 32;
		probe |= f->bar_written[n + 1] == UINT32_MAX;
	}
	*base = addr;
	/* All ones below 4 GiB is the pattern for either kind: what lies at
	 * that address of a machine is no BAR. */
	return (pci_config_get(&f->config, PCI_COMMAND, 2) & PCI_COMMAND_MEM) &&
	       !probe && addr && addr != mask && addr != (uint32_t)mask;
}

/* Whether the registers of @bar name an address to answer at, and which. */
static bool decode(const struct pci_bar *bar, uint64_t *base)
{
	const struct pci_root *root = bar->func->root;
	uint64_t limit;

	if (!bar->size)
		return false;
	if (bar->flags & PCI_BAR_IO) {
		limit = root->pio->limit;
		if (!decode_io(bar, base))
			return false;
	} else {
		limit = root->mmio->limit;
		if (limit > root->physical_limit)
			limit = root->physical_limit;
		if (!decode_memory(bar, base))
			return false;
	}
	return *base <= limit && bar->size - 1 <= limit - *base;
}

/* ---- Rank and place ------------------------------------------------------ */

static struct bus *bus_of(const struct pci_bar *bar)
{
	return bar->flags & PCI_BAR_IO ? bar->func->root->pio
				       : bar->func->root->mmio;
}

static bool outranks(const struct pci_bar *a, const struct pci_bar *b)
{
	return a->func == b->func ? a < b : a->func->bdf < b->func->bdf;
}

/* The BAR behind a range, or NULL: ECAM, ports, other buses' users. */
static struct pci_bar *bar_of(const struct bus_range *r)
{
	return r->ops == &bar_bus_ops ? container_of(r, struct pci_bar, range)
				      : NULL;
}

/* The next range after @r (NULL: the first) that overlaps @bar at @base. */
static struct bus_range *overlap(const struct pci_bar *bar, uint64_t base,
				 const struct bus_range *r)
{
	const uint64_t last = base + (bar->size - 1);
	uint64_t from = base;
	struct bus_range *next;

	if (r) {
		if (r->base + (r->size - 1) >= last)
			return NULL;
		from = r->base + r->size;
	}
	next = bus_first(bus_of(bar), from);
	return next && next->base <= last ? next : NULL;
}

static bool beaten(const struct pci_bar *bar, uint64_t base)
{
	struct bus_range *r = NULL;

	while ((r = overlap(bar, base, r))) {
		const struct pci_bar *other = bar_of(r);

		if (!other || outranks(other, bar))
			return true;
	}
	return false;
}

static void take_off(struct pci_bar *bar)
{
	if (bar->mapped)
		bus_remove(bus_of(bar), &bar->range);
	bar->mapped = false;
}

static void evict_lower(const struct pci_bar *bar, uint64_t base)
{
	struct bus_range *r = NULL;

	while ((r = overlap(bar, base, r)))
		if (bar_of(r) != bar)
			take_off(bar_of(r));
}

/* All of higher rank are in place; put @bar where it belongs. */
static int place(struct pci_bar *bar)
{
	uint64_t base = 0;
	int err = 0;

	bar->wanted = decode(bar, &base);
	if (bar->wanted && bar->mapped && bar->range.base == base)
		return 0;
	if (!bar->wanted || beaten(bar, base)) {
		take_off(bar);
		return 0;
	}
	evict_lower(bar, base);
	if (bar->mapped) {
		/* A place is free; it stays where it was without memory. */
		err = bus_move(bus_of(bar), &bar->range, base, NULL);
		assert(!err || err == -ENOMEM);
		return err;
	}
	bar->range.base = base;
	err = bus_insert(bus_of(bar), &bar->range, NULL);
	bar->mapped = !err;
	return err;
}

static int settle_bus(struct pci_bus *bus)
{
	int first_err = 0;

	for (unsigned int i = 0; i < PCI_ROOT_FUNCS; i++) {
		struct pci_func *f = bus->func[i];

		for (unsigned int n = 0; f && n < PCI_NR_BARS; n++) {
			int err = place(&f->bar[n]);

			first_err = first_err ? first_err : err;
		}
	}
	return first_err;
}

static int settle(struct pci_root *root)
{
	int first_err = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(root->bus); i++) {
		int err = root->bus[i] ? settle_bus(root->bus[i]) : 0;

		first_err = first_err ? first_err : err;
	}
	return first_err;
}

int pci_bars_update(struct pci_func *f)
{
	uint64_t base;

	if (!f->root)
		return 0;
	/* What leaves makes room for what comes. */
	for (unsigned int n = 0; n < PCI_NR_BARS; n++)
		if (!decode(&f->bar[n], &base))
			take_off(&f->bar[n]);
	return settle(f->root);
}

void pci_bars_remove(struct pci_func *f)
{
	for (unsigned int n = 0; n < PCI_NR_BARS; n++) {
		take_off(&f->bar[n]);
		f->bar[n].wanted = false;
	}
	/* A loser that finds no memory to reappear tries again at the next
	 * change of any BAR. */
	(void)settle(f->root);
}
