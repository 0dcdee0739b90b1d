/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config.h - configuration space: bytes, a write mask and a W1C mask
 *
 * Hardware policy is data: a bit is read-only, writable, or write-one-to-clear
 * by the masks, and every access merges bytewise.  Effects of a write are
 * somebody else's (func.c looks at what changed).
 *
 * Only the conventional 256 bytes are stored; a function whose space is 4096
 * bytes reads 0 from 0x100 on (PCIe: no extended capability) and drops writes.
 */
#ifndef TRANSPORT_PCI_CONFIG_H
#define TRANSPORT_PCI_CONFIG_H

#include "ring/base.h"

#define PCI_CONFIG_STORED 256
#define PCI_CONFIG_SIZE	  4096 /* what a client is told */

/* The registers and bits we name; PCI Local Bus 3.0, chapter 6. */
#define PCI_VENDOR		 0x00
#define PCI_DEVICE		 0x02
#define PCI_COMMAND		 0x04
#define PCI_COMMAND_IO		 0x0001
#define PCI_COMMAND_MEM		 0x0002
#define PCI_COMMAND_MASTER	 0x0004
#define PCI_COMMAND_PARITY	 0x0040
#define PCI_COMMAND_SERR	 0x0100
#define PCI_COMMAND_INTX_DISABLE 0x0400
#define PCI_STATUS		 0x06
#define PCI_STATUS_INTERRUPT	 0x0008
#define PCI_STATUS_CAP_LIST	 0x0010
#define PCI_STATUS_W1C		 0xf900
#define PCI_REVISION		 0x08
#define PCI_CLASS		 0x09 /* three bytes */
#define PCI_HEADER_TYPE		 0x0e
#define PCI_HEADER_MULTI	 0x80
#define PCI_BAR0		 0x10
#define PCI_SUBSYSTEM_VENDOR	 0x2c
#define PCI_SUBSYSTEM_DEVICE	 0x2e
#define PCI_ROM_BAR		 0x30
#define PCI_CAP_POINTER		 0x34
#define PCI_INTERRUPT_LINE	 0x3c
#define PCI_INTERRUPT_PIN	 0x3d

#define PCI_CAP_MSIX   0x11
#define PCI_CAP_VENDOR 0x09

struct pci_config {
	uint8_t bytes[PCI_CONFIG_STORED];
	uint8_t writable[PCI_CONFIG_STORED];
	const uint8_t *w1c; /* borrowed: PCI_CONFIG_STORED, the same for all */
	uint16_t cap_tail;  /* the last capability's next pointer */
	uint16_t cap_free;  /* the first free byte behind it */
};

/* A type 0 header with nothing in it. */
void pci_config_init(struct pci_config *c);

/* Guest's view.  An access is legal if @size is 1, 2 or 4, @off is aligned to
 * it and below PCI_CONFIG_SIZE; others read all-ones and write nothing. */
bool pci_config_legal(uint32_t off, unsigned int size);
uint32_t pci_config_read(const struct pci_config *c, uint32_t off,
			 unsigned int size);
void pci_config_write(struct pci_config *c, uint32_t off, unsigned int size,
		      uint32_t value);

/* Our view: read or store regardless of the masks. */
uint32_t pci_config_get(const struct pci_config *c, uint32_t off,
			unsigned int size);
void pci_config_set(struct pci_config *c, uint32_t off, unsigned int size,
		    uint32_t value);
void pci_config_allow(struct pci_config *c, uint32_t off, unsigned int size,
		      uint32_t mask);

/* Every bit that a guest can change becomes 0. */
void pci_config_reset(struct pci_config *c);

/*
 * Append a capability of @length bytes in all, whose bytes from 2 on are
 * @body[0...]; @writable likewise or NULL.  Returns its offset (4-aligned) or
 * -ENOSPC.
 */
int pci_cap_add(struct pci_config *c, uint8_t id, const void *body,
		const void *writable, unsigned int length);

#endif
