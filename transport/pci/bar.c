/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: which BARs are on the bus is a pure function of all registers of all
 * functions: going through the BARs from the highest rank (lowest bus, device,
 * function, BAR) to the lowest, each one that decodes an address gets it unless
 * something of higher rank, or something that is no BAR, is there already.
 *
 * It is kept up, not made again.  A BAR that decodes and is not where it wants
 * to be *waits*; sets of bits lead from one that waits to the next in rank.
 * When registers of a function change, its BARs are decoded again, and one pass
 * goes down the ranks over those that wait.  Such a one can have a place only if
 * it is the function's, or if a place that it wants was left in this pass:
 * whoever takes a place drives out those of lower rank, who wait from then on
 * and are met later in the same pass, and so are those who waited for them.  So
 * a change costs the BARs it concerns, and a glance at those that wait.
 *
 * Two things nobody tells: that memory is there again, and that something which
 * is no BAR has gone.  Whoever waits for those is tried in every pass.
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
	struct pci_func *f = bar->func;

	assert(f->nr_windows < PCI_FUNC_WINDOWS);
	assert(size && range_inside(offset, size, bar->size));
	for (unsigned int i = 0; i < f->nr_windows; i++)
		assert(f->window[i].bar != bar ||
		       offset >= f->window[i].offset + f->window[i].size ||
		       f->window[i].offset >= offset + size);
	f->window[f->nr_windows++] = (struct pci_bar_window){
		.offset = offset,
		.size = size,
		.ops = ops,
		.ctx = ctx,
		.bar = bar,
	};
}

const struct pci_bar_window *pci_bar_find(const struct pci_bar *bar,
					  uint64_t off, unsigned int size)
{
	const struct pci_func *f = bar->func;

	if (size != 1 && size != 2 && size != 4 && size != 8)
		return NULL;
	for (unsigned int i = 0; i < f->nr_windows; i++) {
		const struct pci_bar_window *w = &f->window[i];

		if (w->bar == bar && off >= w->offset &&
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

struct pci_bar *pci_bar_of(struct bus_range *r)
{
	return r->ops == &bar_bus_ops ? container_of(r, struct pci_bar, range)
				      : NULL;
}

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

static uint32_t rank_of(const struct pci_bar *bar)
{
	return (uint32_t)bar->func->bdf << 3 | bar_index(bar);
}

/* ---- Who waits ----------------------------------------------------------- */

static bool waits(const struct pci_bar *bar)
{
	return bar->wanted && !(bar->mapped && bar->range.base == bar->place);
}

static void mark(uint64_t set[PCI_ROOT_FUNCS / 64], unsigned int i, bool on)
{
	if (on)
		set[i / 64] |= BIT_ULL(i % 64);
	else
		set[i / 64] &= ~BIT_ULL(i % 64);
}

/* The first member from @i on; PCI_ROOT_FUNCS: there is none. */
static unsigned int next_marked(const uint64_t set[PCI_ROOT_FUNCS / 64],
				unsigned int i)
{
	uint64_t left;

	for (; i < PCI_ROOT_FUNCS; i = (i | 63) + 1) {
		left = set[i / 64] >> i % 64;
		if (left)
			return i + (unsigned int)__builtin_ctzll(left);
	}
	return PCI_ROOT_FUNCS;
}

/* Whether @bar waits may have changed. */
static void update_waiting(struct pci_bar *bar)
{
	struct pci_func *f = bar->func;
	struct pci_root *root = f->root;
	struct pci_bus *bus = root->bus[f->bdf >> 8];
	const uint8_t bit = (uint8_t)BIT(bar_index(bar));

	f->waiting = waits(bar) ? f->waiting | bit : f->waiting & (uint8_t)~bit;
	mark(bus->waiting, f->bdf & 0xff, f->waiting);
	mark(root->waiting, f->bdf >> 8,
	     next_marked(bus->waiting, 0) < PCI_ROOT_FUNCS);
}

/* The first that waits, of rank @rank or lower. */
static struct pci_bar *next_waiting(const struct pci_root *root, uint32_t rank)
{
	const uint32_t first_bus = rank >> 11, first_bdf = rank >> 3;
	unsigned int b, i;

	for (b = next_marked(root->waiting, first_bus); b < PCI_ROOT_FUNCS;
	     b = next_marked(root->waiting, b + 1)) {
		const struct pci_bus *bus = root->bus[b];

		i = b == first_bus ? first_bdf & 0xff : 0;
		for (i = next_marked(bus->waiting, i); i < PCI_ROOT_FUNCS;
		     i = next_marked(bus->waiting, i + 1)) {
			struct pci_func *f = bus->func[i];
			unsigned int left = f->waiting;

			if (f->bdf == first_bdf)
				left &= ~0u << (rank & 7);
			if (left)
				return &f->bar[__builtin_ctz(left)];
		}
	}
	return NULL;
}

/* ---- A pass -------------------------------------------------------------- */

#define PASS_SPANS 16

struct pass {
	struct pci_root *root;
	const struct pci_func *func; /* whose registers changed; or NULL */
	bool all; /* try everyone who waits, whatever was left */
	unsigned int nr;
	struct {
		const struct bus *bus;
		uint64_t first, last;
	} left[PASS_SPANS]; /* places that somebody left */
};

static void pass_init(struct pass *p, struct pci_root *root,
		      const struct pci_func *f)
{
	p->root = root;
	p->func = f;
	p->all = root->retry;
	p->nr = 0;
	root->retry = false;
}

/* @bar is about to leave the place where it is. */
static void leave(struct pass *p, const struct pci_bar *bar)
{
	if (p->nr == PASS_SPANS) {
		p->all = true;
		return;
	}
	p->left[p->nr].bus = bus_of(bar);
	p->left[p->nr].first = bar->range.base;
	p->left[p->nr].last = bar->range.base + (bar->size - 1);
	p->nr++;
}

static void take_off(struct pass *p, struct pci_bar *bar)
{
	if (bar->mapped) {
		leave(p, bar);
		bus_remove(bus_of(bar), &bar->range);
	}
	bar->mapped = false;
	update_waiting(bar);
}

/* May @bar, which waits, have a place now? */
static bool concerns(const struct pass *p, const struct pci_bar *bar)
{
	const uint64_t last = bar->place + (bar->size - 1);

	if (p->all || bar->func == p->func)
		return true;
	for (unsigned int i = 0; i < p->nr; i++)
		if (p->left[i].bus == bus_of(bar) && p->left[i].first <= last &&
		    p->left[i].last >= bar->place)
			return true;
	return false;
}

/* The next range after @r (NULL: the first) that overlaps where @bar wants to
 * be. */
static struct bus_range *overlap(const struct pci_bar *bar,
				 const struct bus_range *r)
{
	const uint64_t last = bar->place + (bar->size - 1);
	uint64_t from = bar->place;
	struct bus_range *next;

	if (r) {
		if (r->base + (r->size - 1) >= last)
			return NULL;
		from = r->base + r->size;
	}
	next = bus_first(bus_of(bar), from);
	return next && next->base <= last ? next : NULL;
}

static bool beaten(struct pass *p, const struct pci_bar *bar)
{
	struct bus_range *r = NULL;

	while ((r = overlap(bar, r))) {
		const struct pci_bar *other = pci_bar_of(r);

		p->root->retry |= !other;
		if (!other || rank_of(other) < rank_of(bar))
			return true;
	}
	return false;
}

static void evict_lower(struct pass *p, const struct pci_bar *bar)
{
	struct bus_range *r = NULL;

	while ((r = overlap(bar, r)))
		if (pci_bar_of(r) != bar)
			take_off(p, pci_bar_of(r));
}

/* @bar waits, and all of higher rank are in place: put it where it belongs. */
static int place(struct pass *p, struct pci_bar *bar)
{
	int err;

	if (beaten(p, bar)) {
		take_off(p, bar);
		return 0;
	}
	evict_lower(p, bar);
	if (bar->mapped) {
		leave(p, bar);
		/* Without memory it stays where it was. */
		err = bus_move(bus_of(bar), &bar->range, bar->place, NULL);
	} else {
		bar->range.base = bar->place;
		err = bus_insert(bus_of(bar), &bar->range, NULL);
		bar->mapped = !err;
	}
	p->root->retry |= err != 0;
	update_waiting(bar);
	return err;
}

/* Down the ranks, from @f's on, for what it changed concerns nobody above. */
static int settle(struct pass *p, const struct pci_func *f)
{
	uint32_t rank = p->all ? 0 : rank_of(&f->bar[0]);
	struct pci_bar *bar;
	int err, first_err = 0;

	for (; (bar = next_waiting(p->root, rank)); rank = rank_of(bar) + 1) {
		p->root->bar_looks++;
		if (!concerns(p, bar))
			continue;
		err = place(p, bar);
		first_err = first_err ? first_err : err;
	}
	return first_err;
}

int pci_bars_update(struct pci_func *f)
{
	struct pass p;

	if (!f->root)
		return 0;
	pass_init(&p, f->root, f);
	/* What leaves makes room for what comes. */
	for (unsigned int n = 0; n < PCI_NR_BARS; n++) {
		struct pci_bar *bar = &f->bar[n];

		bar->wanted = decode(bar, &bar->place);
		if (bar->wanted)
			update_waiting(bar);
		else
			take_off(&p, bar);
	}
	return settle(&p, f);
}

void pci_bars_remove(struct pci_func *f)
{
	struct pass p;

	pass_init(&p, f->root, NULL);
	for (unsigned int n = 0; n < PCI_NR_BARS; n++) {
		f->bar[n].wanted = false;
		take_off(&p, &f->bar[n]);
	}
	/* A loser that finds no memory to reappear is tried again whenever a
	 * BAR changes. */
	(void)settle(&p, f);
}
