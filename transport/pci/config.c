/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: three byte arrays of the same shape.  A written byte becomes
 * (old & ~writable) | (new & writable), and then loses the W1C bits that were
 * written as ones.
 */
#include "transport/pci/config.h"

/* What a guest may change in a type 0 header that has nothing in it (rules 4
 * and 6); BARs and capabilities add theirs. */
static const struct {
	uint8_t off, size;
	uint32_t writable;
} header_policy[] = {
	{ PCI_COMMAND, 2,
	  PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_MASTER |
		  PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
		  PCI_COMMAND_INTX_DISABLE },
	{ PCI_INTERRUPT_LINE, 1, 0xff },
};

static const uint8_t header_w1c[PCI_CONFIG_STORED] = {
	[PCI_STATUS] = PCI_STATUS_W1C & 0xff,
	[PCI_STATUS + 1] = PCI_STATUS_W1C >> 8,
};

#define FIRST_CAPABILITY 0x40

void pci_config_init(struct pci_config *c)
{
	memset(c, 0, sizeof(*c));
	c->w1c = header_w1c;
	for (size_t i = 0; i < ARRAY_SIZE(header_policy); i++)
		pci_config_allow(c, header_policy[i].off, header_policy[i].size,
				 header_policy[i].writable);
	c->cap_tail = PCI_CAP_POINTER;
	c->cap_free = FIRST_CAPABILITY;
}

bool pci_config_legal(uint32_t off, unsigned int size)
{
	return (size == 1 || size == 2 || size == 4) && off % size == 0 &&
	       off < PCI_CONFIG_SIZE;
}

uint32_t pci_config_read(const struct pci_config *c, uint32_t off,
			 unsigned int size)
{
	if (!pci_config_legal(off, size))
		return (uint32_t)all_ones(size);
	return off < PCI_CONFIG_STORED ? pci_config_get(c, off, size) : 0;
}

void pci_config_write(struct pci_config *c, uint32_t off, unsigned int size,
		      uint32_t value)
{
	if (!pci_config_legal(off, size) || off >= PCI_CONFIG_STORED)
		return;
	for (unsigned int i = 0; i < size; i++, off++) {
		uint8_t new = (uint8_t)(value >> (8 * i));
		uint8_t keep = (uint8_t)~c->writable[off];
		uint8_t merged = (uint8_t)((c->bytes[off] & keep) |
					   (new & c->writable[off]));

		c->bytes[off] = (uint8_t)(merged & ~(new & c->w1c[off]));
	}
}

uint32_t pci_config_get(const struct pci_config *c, uint32_t off,
			unsigned int size)
{
	assert(size <= 4 && range_inside(off, size, PCI_CONFIG_STORED));
	return (uint32_t)load_le(&c->bytes[off], size);
}

void pci_config_set(struct pci_config *c, uint32_t off, unsigned int size,
		    uint32_t value)
{
	assert(size <= 4 && range_inside(off, size, PCI_CONFIG_STORED));
	store_le(&c->bytes[off], size, value);
}

void pci_config_allow(struct pci_config *c, uint32_t off, unsigned int size,
		      uint32_t mask)
{
	assert(size <= 4 && range_inside(off, size, PCI_CONFIG_STORED));
	store_le(&c->writable[off], size, mask);
}

void pci_config_reset(struct pci_config *c)
{
	for (unsigned int i = 0; i < PCI_CONFIG_STORED; i++)
		c->bytes[i] &= (uint8_t) ~(c->writable[i] | c->w1c[i]);
}

int pci_cap_add(struct pci_config *c, uint8_t id, const void *body,
		const void *writable, unsigned int length)
{
	const uint16_t at = c->cap_free;

	assert(length >= 2);
	if (!range_inside(at, length, PCI_CONFIG_STORED))
		return -ENOSPC;
	c->bytes[at] = id;
	c->bytes[at + 1] = 0;
	memcpy(&c->bytes[at + 2], body, length - 2);
	if (writable)
		memcpy(&c->writable[at + 2], writable, length - 2);
	c->bytes[c->cap_tail] = (uint8_t)at;
	c->bytes[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	c->cap_tail = (uint16_t)(at + 1);
	c->cap_free = (uint16_t)((at + length + 3) & ~3u);
	return at;
}
