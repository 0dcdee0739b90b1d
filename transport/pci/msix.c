/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the table is the bank's vectors, seen as bytes; the PBA is its pending
 * words.  A write merges into a copy of the entry and goes through the bank,
 * which delivers what an unmask lets out.
 */
#include "transport/pci/msix.h"
#include "transport/pci/func.h"

#include <stdlib.h>

#define PAGE 4096u

static uint32_t table_size(const struct msix *x)
{
	return x->nr * (uint32_t)sizeof(struct msi_vector);
}

static uint32_t pba_size(const struct msix *x)
{
	return MSI_PENDING_WORDS(x->nr) * (uint32_t)sizeof(uint64_t);
}

int msix_init(struct msix *x, uint16_t nr, uint8_t bar)
{
	struct msi_vector *table = calloc(nr, sizeof(*table));
	uint64_t *pba = calloc(MSI_PENDING_WORDS(nr), sizeof(*pba));

	if (!table || !pba) {
		free(table);
		free(pba);
		return -ENOMEM;
	}
	*x = (struct msix){
		.table = table,
		.pba = pba,
		.nr = nr,
		.bar = bar,
	};
	/* A client may map what surrounds them page by page (rule 75). */
	x->pba_offset = (table_size(x) + PAGE - 1) & ~(PAGE - 1);
	msi_bank_init(&x->bank, table, pba, nr, 0);
	return 0;
}

void msix_fini(struct msix *x)
{
	free(x->table);
	free(x->pba);
	*x = (struct msix){ 0 };
}

uint64_t msix_bar_size(const struct msix *x)
{
	uint64_t size = PAGE;

	while (size < x->pba_offset + pba_size(x))
		size *= 2;
	return size;
}

bool msix_update(struct msix *x, uint16_t control, bool master)
{
	bool enabled = control & MSIX_CONTROL_ENABLE;
	bool was = x->enabled;

	x->enabled = enabled;
	/* PCI 3.0, 6.8.2.3; a message is a DMA write (rule 22). */
	msi_bank_set_open(&x->bank, enabled && master &&
					    !(control & MSIX_CONTROL_MASKALL));
	return was != enabled;
}

void msix_reset(struct msix *x)
{
	x->enabled = false;
	msi_bank_reset(&x->bank);
}

static bool reachable(uint64_t offset, unsigned int size, uint64_t length)
{
	return (size == 4 || size == 8) && offset % size == 0 &&
	       range_inside(offset, size, length);
}

static void dropped(struct msix *x)
{
	container_of(x, struct pci_func, msix)->stats.bad++;
}

static uint64_t table_read(void *ctx, uint64_t offset, unsigned int size)
{
	struct msix *x = ctx;

	if (reachable(offset, size, table_size(x)))
		return load_le((const uint8_t *)x->table + offset, size);
	dropped(x);
	return all_ones(size);
}

static void table_write(void *ctx, uint64_t offset, unsigned int size,
			uint64_t value)
{
	struct msix *x = ctx;
	struct msi_vector entry;
	unsigned int v;

	if (!reachable(offset, size, table_size(x))) {
		dropped(x);
		return;
	}
	v = (unsigned int)(offset / sizeof(entry));
	entry = x->table[v];
	store_le((uint8_t *)&entry + offset % sizeof(entry), size, value);
	/* The address is that of a dword; its low bits are no part of it. */
	msi_set_vector(&x->bank, v, entry.address & ~3ull, entry.data,
		       entry.control);
}

static uint64_t pba_read(void *ctx, uint64_t offset, unsigned int size)
{
	struct msix *x = ctx;

	if (reachable(offset, size, pba_size(x)))
		return load_le((const uint8_t *)x->pba + offset, size);
	dropped(x);
	return all_ones(size);
}

static void pba_write(void *ctx, uint64_t offset, unsigned int size,
		      uint64_t value)
{
	(void)offset;
	(void)size;
	(void)value;
	dropped(ctx);
}

const struct bus_ops msix_table_ops = {
	.read = table_read,
	.write = table_write,
};

const struct bus_ops msix_pba_ops = {
	.read = pba_read,
	.write = pba_write,
};
