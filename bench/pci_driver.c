/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/pci_driver.h"

#include <errno.h>
#include <stdbool.h>

#define COMMAND	       0x04
#define COMMAND_ON     6 /* memory, bus master */
#define BAR0	       0x10
#define CAP_POINTER    0x34
#define CAP_ID_MSIX    0x11
#define CAP_ID_VENDOR  0x09
#define CAP_COMMON     1
#define CAP_NOTIFY     2
#define OFFER_SELECT   0
#define OFFER	       4
#define FEATURE_SELECT 8
#define FEATURE	       12
#define CONFIG_VECTOR  16
#define QUEUE_SELECT   22
#define QUEUE_SIZE     24
#define QUEUE_VECTOR   26
#define QUEUE_ENABLE   28
#define QUEUE_OFF      30
#define QUEUE_DRIVER   40
#define QUEUE_DEVICE   48
#define SEEN	       3  /* ACKNOWLEDGE, DRIVER */
#define FEATURES_OK    11 /* and what is before it */
#define DRIVER_OK      15 /* and all that is before it */

void pci_driver_fail(struct pci_driver *d, int err, const char *why)
{
	if (d->err)
		return;
	d->err = err;
	d->why = why;
}

/* ---- Accesses ---------------------------------------------------------- */

static uint64_t access_once(struct pci_driver *d, struct pciring_access a)
{
	int err;

	if (d->err)
		return 0;
	err = pciring_access(d->link, 0, &a);
	if (err)
		pci_driver_fail(d, err, "an access failed");
	return a.value;
}

static uint32_t config(struct pci_driver *d, uint16_t bdf, uint32_t at,
		       uint8_t size)
{
	return (uint32_t)access_once(
		d, (struct pciring_access){ .space = PCIRING_SPACE_CONFIG,
					    .function = bdf,
					    .address = at,
					    .size = size });
}

void pci_set_config(struct pci_driver *d, uint16_t bdf, uint32_t at,
		    uint8_t size, uint32_t value)
{
	access_once(d, (struct pciring_access){ .space = PCIRING_SPACE_CONFIG,
						.function = bdf,
						.address = at,
						.size = size,
						.value = value,
						.write = 1 });
}

uint32_t pci_get(struct pci_driver *d, uint64_t address, uint8_t size)
{
	return (uint32_t)access_once(
		d, (struct pciring_access){ .space = PCIRING_SPACE_MMIO,
					    .address = address,
					    .size = size });
}

void pci_set(struct pci_driver *d, uint64_t address, uint8_t size,
	     uint32_t value)
{
	access_once(d, (struct pciring_access){ .space = PCIRING_SPACE_MMIO,
						.address = address,
						.size = size,
						.value = value,
						.write = 1 });
}

/* ---- PCI --------------------------------------------------------------- */

static void take_vendor(struct pci_driver *d, struct pci_layout *l,
			uint16_t bdf, uint8_t at)
{
	const uint32_t type = config(d, bdf, at + 3u, 1);
	const uint8_t bar = (uint8_t)config(d, bdf, at + 4u, 1);
	const uint32_t offset = config(d, bdf, at + 8u, 4);

	if (type == CAP_COMMON) {
		l->common_bar = bar;
		l->common = offset;
	} else if (type == CAP_NOTIFY) {
		l->notify_bar = bar;
		l->notify = offset;
		l->multiplier = config(d, bdf, at + 16u, 4);
	}
}

void pci_find_layout(struct pci_driver *d, struct pci_layout *l, uint16_t bdf)
{
	unsigned int seen = 0;
	uint32_t id, at;
	int err;

	*l = (struct pci_layout){ .msix = 0 };
	err = pciring_function_info(d->link, bdf, &l->info);
	if (err) {
		pci_driver_fail(d, err, "a function is not there");
		return;
	}
	for (at = config(d, bdf, CAP_POINTER, 1); at && seen++ < 48;
	     at = config(d, bdf, at + 1, 1)) {
		id = config(d, bdf, at, 1);
		if (id == CAP_ID_MSIX) {
			l->msix = (uint8_t)at;
			l->table = config(d, bdf, at + 4, 4);
			l->table_bar = l->table & 7;
			l->table &= ~7u;
		} else if (id == CAP_ID_VENDOR) {
			take_vendor(d, l, bdf, (uint8_t)at);
		}
	}
	if (!l->msix || l->common_bar > 5 || l->notify_bar > 5 ||
	    l->table_bar > 5 || !l->info.bar_size[l->common_bar])
		pci_driver_fail(d, -EPROTO, "a function lacks a structure");
}

/* As firmware does: one after the other, each at a multiple of its size.
 * Decoding is on when all have their place. */
void pci_place_bars(struct pci_driver *d, const struct pci_layout *l,
		    uint16_t bdf, uint64_t next[2], uint64_t bar[6])
{
	for (unsigned int n = 0; n < 6; n++) {
		const uint64_t size = l->info.bar_size[n];
		const bool wide = l->info.bar_flags[n] & PCIRING_BAR_64BIT;

		if (!size || l->info.bar_flags[n] & PCIRING_BAR_IO)
			continue;
		bar[n] = (next[wide] + size - 1) & ~(size - 1);
		next[wide] = bar[n] + size;
		pci_set_config(d, bdf, BAR0 + 4 * n, 4, (uint32_t)bar[n]);
		if (wide)
			pci_set_config(d, bdf, BAR0 + 4 * n + 4, 4,
				       (uint32_t)(bar[n] >> 32));
	}
	pci_set_config(d, bdf, COMMAND, 2, COMMAND_ON);
}

void pci_enable_msix(struct pci_driver *d, const struct pci_layout *l,
		     uint16_t bdf, const uint64_t bar[6], uint32_t address,
		     uint32_t data)
{
	const uint64_t entry = bar[l->table_bar] + l->table;

	pci_set(d, entry, 4, address);
	pci_set(d, entry + 4, 4, 0);
	pci_set(d, entry + 8, 4, data);
	pci_set(d, entry + 12, 4, 0);
	pci_set_config(d, bdf, l->msix + 2u, 2, 0x8000);
}

/* ---- Virtio ------------------------------------------------------------ */

static void set_address(struct pci_driver *d, uint64_t at, uint64_t gpa)
{
	pci_set(d, at, 4, (uint32_t)gpa);
	pci_set(d, at + 4, 4, (uint32_t)(gpa >> 32));
}

void pci_begin_virtio(struct pci_driver *d, uint64_t common, uint64_t features)
{
	pci_set(d, common + PCI_COMMON_STATUS, 1, 0);
	pci_set(d, common + PCI_COMMON_STATUS, 1, SEEN);
	for (unsigned int i = 0; i < 2; i++) {
		const uint32_t want = (uint32_t)(features >> 32 * i);

		pci_set(d, common + OFFER_SELECT, 4, i);
		if (want & ~pci_get(d, common + OFFER, 4))
			pci_driver_fail(d, -ENOTSUP,
					"a feature is not offered");
		pci_set(d, common + FEATURE_SELECT, 4, i);
		pci_set(d, common + FEATURE, 4, want);
	}
	pci_set(d, common + PCI_COMMON_STATUS, 1, FEATURES_OK);
	pci_set(d, common + CONFIG_VECTOR, 2, 0xffff);
}

void pci_start_queue(struct pci_driver *d, uint64_t common, uint64_t notify,
		     const struct pci_layout *l, struct pci_queue *q)
{
	uint32_t off;

	pci_set(d, common + QUEUE_SELECT, 2, q->index);
	if (pci_get(d, common + QUEUE_SIZE, 2) < q->size)
		pci_driver_fail(d, -EPROTO, "a queue is too short");
	pci_set(d, common + QUEUE_SIZE, 2, q->size);
	pci_set(d, common + QUEUE_VECTOR, 2, q->vector);
	set_address(d, common + PCI_COMMON_QUEUE_DESC, q->desc);
	set_address(d, common + QUEUE_DRIVER, q->driver);
	set_address(d, common + QUEUE_DEVICE, q->device);
	off = pci_get(d, common + QUEUE_OFF, 2);
	q->doorbell = notify + (uint64_t)off * l->multiplier;
	pci_set(d, common + QUEUE_ENABLE, 2, 1);
}

void pci_driver_ok(struct pci_driver *d, uint64_t common)
{
	pci_set(d, common + PCI_COMMON_STATUS, 1, DRIVER_OK);
	if (pci_get(d, common + PCI_COMMON_STATUS, 1) != DRIVER_OK)
		pci_driver_fail(d, -EPROTO, "a device does not start");
}
