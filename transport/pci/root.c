/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: one array a bus, indexed by device and function.  ECAM and the two ports
 * are ranges on the buses that take an address apart and meet in
 * pci_root_config_read() and _write().
 */
#include "transport/pci/root.h"

#define ECAM_SIZE (1ull << 20) /* one bus */
#define PORT_BASE 0xcf8
#define PORT_DATA 4 /* CFC, counted from CF8 */

/* PCI 3.0, 3.2.2.3.2: enable, bus, device, function, dword. */
#define ADDRESS_BITS   0x80fffffcu
#define ADDRESS_ENABLE 0x80000000u

struct pci_func *pci_root_find(const struct pci_root *root, uint16_t bdf)
{
	const struct pci_bus *bus = root->bus[bdf >> 8];

	return bus ? bus->func[bdf & 0xff] : NULL;
}

uint32_t pci_root_config_read(struct pci_root *root, uint16_t bdf, uint32_t off,
			      unsigned int size)
{
	struct pci_func *f = pci_root_find(root, bdf);

	if (f)
		return pci_func_config_read(f, off, size);
	root->absent++;
	return (uint32_t)all_ones(size);
}

void pci_root_config_write(struct pci_root *root, uint16_t bdf, uint32_t off,
			   unsigned int size, uint32_t value)
{
	struct pci_func *f = pci_root_find(root, bdf);

	if (f)
		pci_func_config_write(f, off, size, value);
	else
		root->absent++;
}

/* ---- ECAM: bus << 20 | device << 15 | function << 12 | register ---------- */

static uint64_t ecam_read(void *ctx, uint64_t offset, unsigned int size)
{
	struct pci_root *root = container_of(ctx, struct pci_root, ecam);
	uint32_t v = pci_root_config_read(root, (uint16_t)(offset >> 12),
					  (uint32_t)offset & 0xfff, size);

	/* Wider than a config access can be: met nothing. */
	return size > 4 ? all_ones(size) : v;
}

static void ecam_write(void *ctx, uint64_t offset, unsigned int size,
		       uint64_t value)
{
	struct pci_root *root = container_of(ctx, struct pci_root, ecam);

	pci_root_config_write(root, (uint16_t)(offset >> 12),
			      (uint32_t)offset & 0xfff, size, (uint32_t)value);
}

static const struct bus_ops ecam_ops = {
	.read = ecam_read,
	.write = ecam_write,
};

/* ---- Ports CF8 and CFC --------------------------------------------------- */

/* Where an access to the data port goes: the dword that the latch names, and
 * the byte in it that the port names. */
static bool port_target(const struct pci_root *root, uint64_t offset,
			uint16_t *bdf, uint32_t *reg)
{
	const uint32_t a = root->config_address;

	*bdf = (uint16_t)(a >> 8);
	*reg = (a & 0xfc) + (uint32_t)(offset - PORT_DATA);
	return offset >= PORT_DATA && (a & ADDRESS_ENABLE);
}

static uint64_t port_read(void *ctx, uint64_t offset, unsigned int size)
{
	struct pci_root *root = container_of(ctx, struct pci_root, cf8);
	uint16_t bdf;
	uint32_t reg;

	if (offset == 0 && size == 4)
		return root->config_address;
	if (size > 4 || !port_target(root, offset, &bdf, &reg))
		return all_ones(size);
	return pci_root_config_read(root, bdf, reg, size);
}

static void port_write(void *ctx, uint64_t offset, unsigned int size,
		       uint64_t value)
{
	struct pci_root *root = container_of(ctx, struct pci_root, cf8);
	uint16_t bdf;
	uint32_t reg;

	if (offset == 0 && size == 4)
		root->config_address = (uint32_t)value & ADDRESS_BITS;
	else if (size <= 4 && port_target(root, offset, &bdf, &reg))
		pci_root_config_write(root, bdf, reg, size, (uint32_t)value);
}

static const struct bus_ops port_ops = {
	.read = port_read,
	.write = port_write,
};

/* ---- The tree ------------------------------------------------------------ */

int pci_root_init(struct pci_root *root, struct bus *mmio, struct bus *pio,
		  uint64_t ecam_base)
{
	int err;

	*root = (struct pci_root){
		.mmio = mmio,
		.pio = pio,
		.physical_limit = mmio->limit,
		.ecam = { .size = ecam_base ? ECAM_SIZE : 0,
			  .base = ecam_base,
			  .ops = &ecam_ops },
		.cf8 = { .base = PORT_BASE, .size = 8, .ops = &port_ops },
	};
	root->bus[0] = &root->bus0;
	err = bus_insert(pio, &root->cf8, NULL);
	if (err || !ecam_base)
		return err;
	err = bus_insert(mmio, &root->ecam, NULL);
	if (err)
		bus_remove(pio, &root->cf8);
	return err;
}

static bool is_empty(const struct pci_bus *bus)
{
	for (unsigned int i = 0; i < PCI_ROOT_FUNCS; i++)
		if (bus->func[i])
			return false;
	return true;
}

void pci_root_fini(struct pci_root *root)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(root->bus); i++)
		assert(!root->bus[i] || is_empty(root->bus[i]));
	bus_remove(root->pio, &root->cf8);
	if (root->ecam.size)
		bus_remove(root->mmio, &root->ecam);
}

int pci_root_add_bus(struct pci_root *root, struct pci_bus *bus, uint8_t number,
		     uint8_t parent, uint8_t device)
{
	if (!number || !root->bus[parent] || device >= PCI_ROOT_FUNCS / 8)
		return -EINVAL;
	if (root->bus[number])
		return -EBUSY;
	bus->intx = (struct intx_bus){
		.parent = &root->bus[parent]->intx,
		.device = device,
	};
	bus->number = number;
	root->bus[number] = bus;
	return 0;
}

void pci_root_remove_bus(struct pci_root *root, struct pci_bus *bus)
{
	assert(bus != &root->bus0 && root->bus[bus->number] == bus);
	assert(is_empty(bus));
	for (unsigned int i = 0; i < ARRAY_SIZE(root->bus); i++)
		assert(!root->bus[i] ||
		       root->bus[i]->intx.parent != &bus->intx);
	root->bus[bus->number] = NULL;
}

/* ---- Interrupt pins ------------------------------------------------------ */

/* The number of the root line of @f's pin, or -1: it has no pin. */
static int root_line_number(const struct pci_root *root,
			    const struct pci_func *f)
{
	const unsigned int pin =
		pci_config_get(&f->config, PCI_INTERRUPT_PIN, 1);

	if (!pin)
		return -1;
	return (int)intx_root_line(&root->bus[f->bdf >> 8]->intx,
				   f->bdf >> 3 & 0x1f, pin - 1);
}

struct irq_line *pci_root_line(const struct pci_root *root,
			       const struct pci_func *f)
{
	const int i = root_line_number(root, f);

	return i < 0 ? NULL : root->line[i];
}

static void move_pins(struct pci_bus *bus, struct pci_root *root,
		      struct irq_line *const old[INTX_PINS])
{
	for (unsigned int i = 0; i < PCI_ROOT_FUNCS; i++) {
		struct pci_func *f = bus->func[i];
		const int n = f ? root_line_number(root, f) : -1;

		if (n >= 0 && f->intx.line == old[n])
			irq_source_connect(&f->intx, root->line[n]);
	}
}

void pci_root_set_lines(struct pci_root *root,
			struct irq_line *const line[INTX_PINS])
{
	struct irq_line *old[INTX_PINS];

	memcpy(old, root->line, sizeof(old));
	memcpy(root->line, line, sizeof(root->line));
	for (unsigned int i = 0; i < ARRAY_SIZE(root->bus); i++)
		if (root->bus[i])
			move_pins(root->bus[i], root, old);
}

/* ---- Functions ----------------------------------------------------------- */

/* Where @bdf is in the tree, or NULL. */
static struct pci_func **slot_of(struct pci_root *root, uint16_t bdf)
{
	struct pci_bus *bus = root->bus[bdf >> 8];

	return bus ? &bus->func[bdf & 0xff] : NULL;
}

/* Header bit 7 of function 0 says whether its device has more functions. */
static void update_multi(struct pci_root *root, uint16_t bdf)
{
	struct pci_func **device = slot_of(root, bdf & ~7u);
	bool more = false;

	for (unsigned int i = 1; i < 8; i++)
		more |= device[i] != NULL;
	if (device[0])
		pci_config_set(&device[0]->config, PCI_HEADER_TYPE, 1,
			       more ? PCI_HEADER_MULTI : 0);
}

int pci_root_plug(struct pci_root *root, struct pci_func *f, uint16_t bdf)
{
	struct pci_func **slot = slot_of(root, bdf);
	int err;

	assert(!f->root);
	if (!slot)
		return -EINVAL;
	if (*slot)
		return -EBUSY;
	f->root = root;
	f->bdf = bdf;
	f->msix.bank.requester_id = bdf;
	f->msi.bank.requester_id = bdf;
	*slot = f;
	update_multi(root, bdf);
	err = pci_bars_update(f);
	if (err) {
		pci_root_unplug(root, f);
		return err;
	}
	irq_source_connect(&f->intx, pci_root_line(root, f));
	return 0;
}

void pci_root_unplug(struct pci_root *root, struct pci_func *f)
{
	struct pci_func **slot = slot_of(root, f->bdf);

	assert(f->root == root && *slot == f);
	*slot = NULL;
	irq_source_connect(&f->intx, NULL);
	update_multi(root, f->bdf);
	pci_config_set(&f->config, PCI_HEADER_TYPE, 1, 0);
	pci_bars_remove(f);
	f->root = NULL;
}
