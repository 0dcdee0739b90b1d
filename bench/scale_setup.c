/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scale_setup.c - functions from reset to DRIVER_OK
 *
 * How: configuration space is read by function, BARs are reached by guest
 * physical address, as a VMM forwards exits: so each access is looked up on the
 * machine's bus.  All functions of a machine are of one type, so capabilities
 * and sizes are those of the first.
 */
#include "bench/scale_ring.h"

#include <errno.h>
#include <string.h>

#define LOW_BARS       0x80000000ull
#define HIGH_BARS      (1ull << 36)
#define PATIENCE       1000000
#define COMMAND	       0x04
#define COMMAND_ON     6 /* memory, bus master */
#define BAR0	       0x10
#define CAP_POINTER    0x34
#define CAP_ID_MSIX    0x11
#define CAP_ID_VENDOR  0x09
#define CAP_COMMON     1
#define CAP_NOTIFY     2
#define FEATURE_SELECT 8
#define FEATURE	       12
#define CONFIG_VECTOR  16
#define STATUS	       20
#define QUEUE_SELECT   22
#define QUEUE_SIZE     24
#define QUEUE_VECTOR   26
#define QUEUE_ENABLE   28
#define QUEUE_OFF      30
#define QUEUE_DESC     32
#define QUEUE_DRIVER   40
#define QUEUE_DEVICE   48
#define DRIVER_OK      15 /* and all that is before it */

/* ---- Accesses ---------------------------------------------------------- */

static uint64_t access_once(struct scale_vm *vm, struct pciring_access a)
{
	int err;

	if (vm->err)
		return 0;
	err = pciring_access(vm->link, 0, &a);
	if (err)
		scale_fail(vm, err, "an access failed");
	return a.value;
}

static uint32_t config(struct scale_vm *vm, uint16_t bdf, uint32_t at,
		       uint8_t size)
{
	return (uint32_t)access_once(
		vm, (struct pciring_access){ .space = PCIRING_SPACE_CONFIG,
					     .function = bdf,
					     .address = at,
					     .size = size });
}

static void set_config(struct scale_vm *vm, uint16_t bdf, uint32_t at,
		       uint8_t size, uint32_t value)
{
	access_once(vm, (struct pciring_access){ .space = PCIRING_SPACE_CONFIG,
						 .function = bdf,
						 .address = at,
						 .size = size,
						 .value = value,
						 .write = 1 });
}

static uint32_t get(struct scale_vm *vm, uint64_t address, uint8_t size)
{
	return (uint32_t)access_once(
		vm, (struct pciring_access){ .space = PCIRING_SPACE_MMIO,
					     .address = address,
					     .size = size });
}

static void set(struct scale_vm *vm, uint64_t address, uint8_t size,
		uint32_t value)
{
	access_once(vm, (struct pciring_access){ .space = PCIRING_SPACE_MMIO,
						 .address = address,
						 .size = size,
						 .value = value,
						 .write = 1 });
}

/* ---- PCI --------------------------------------------------------------- */

/* Where things are in each function. */
struct layout {
	struct pciring_function_info info;
	uint8_t msix, table_bar, common_bar, notify_bar;
	uint32_t table, common, notify, multiplier;
};

static void take_vendor(struct scale_vm *vm, struct layout *l, uint16_t bdf,
			uint8_t at)
{
	const uint32_t type = config(vm, bdf, at + 3u, 1);
	const uint8_t bar = (uint8_t)config(vm, bdf, at + 4u, 1);
	const uint32_t offset = config(vm, bdf, at + 8u, 4);

	if (type == CAP_COMMON) {
		l->common_bar = bar;
		l->common = offset;
	} else if (type == CAP_NOTIFY) {
		l->notify_bar = bar;
		l->notify = offset;
		l->multiplier = config(vm, bdf, at + 16u, 4);
	}
}

static void find_layout(struct scale_vm *vm, struct layout *l, uint16_t bdf)
{
	unsigned int seen = 0;
	uint32_t id, at;
	int err = pciring_function_info(vm->link, bdf, &l->info);

	if (err) {
		scale_fail(vm, err, "a function is not there");
		return;
	}
	for (at = config(vm, bdf, CAP_POINTER, 1); at && seen++ < 48;
	     at = config(vm, bdf, at + 1, 1)) {
		id = config(vm, bdf, at, 1);
		if (id == CAP_ID_MSIX) {
			l->msix = (uint8_t)at;
			l->table = config(vm, bdf, at + 4, 4);
			l->table_bar = l->table & 7;
			l->table &= ~7u;
		} else if (id == CAP_ID_VENDOR) {
			take_vendor(vm, l, bdf, (uint8_t)at);
		}
	}
	if (!l->msix || l->common_bar > 5 || l->notify_bar > 5 ||
	    l->table_bar > 5 || !l->info.bar_size[l->common_bar])
		scale_fail(vm, -EPROTO, "a function lacks a structure");
}

/* As firmware does: one after the other, each at a multiple of its size.
 * Decoding is on when all have their place. */
static void place_bars(struct scale_vm *vm, const struct layout *l,
		       uint16_t bdf, uint64_t next[2], uint64_t bar[6])
{
	for (unsigned int n = 0; n < 6; n++) {
		const uint64_t size = l->info.bar_size[n];
		const bool wide = l->info.bar_flags[n] & PCIRING_BAR_64BIT;

		if (!size || l->info.bar_flags[n] & PCIRING_BAR_IO)
			continue;
		bar[n] = (next[wide] + size - 1) & ~(size - 1);
		next[wide] = bar[n] + size;
		set_config(vm, bdf, BAR0 + 4 * n, 4, (uint32_t)bar[n]);
		if (wide)
			set_config(vm, bdf, BAR0 + 4 * n + 4, 4,
				   (uint32_t)(bar[n] >> 32));
	}
	set_config(vm, bdf, COMMAND, 2, COMMAND_ON);
}

/* ---- Virtio ------------------------------------------------------------ */

static void set_address(struct scale_vm *vm, uint64_t at, const void *p)
{
	const uint64_t gpa = scale_gpa(vm, p);

	set(vm, at, 4, (uint32_t)gpa);
	set(vm, at + 4, 4, (uint32_t)(gpa >> 32));
}

static void start_queue(struct scale_vm *vm, struct scale_function *f,
			const struct layout *l, uint64_t notify)
{
	uint32_t off;

	set(vm, f->common + QUEUE_SELECT, 2, 0);
	if (get(vm, f->common + QUEUE_SIZE, 2) < ENTRIES)
		scale_fail(vm, -EPROTO, "a queue is too short");
	set(vm, f->common + QUEUE_SIZE, 2, ENTRIES);
	set(vm, f->common + QUEUE_VECTOR, 2, 0);
	set_address(vm, f->common + QUEUE_DESC, f->ring->desc);
	set_address(vm, f->common + QUEUE_DRIVER, &f->ring->avail);
	set_address(vm, f->common + QUEUE_DEVICE, &f->ring->used);
	off = get(vm, f->common + QUEUE_OFF, 2);
	f->doorbell = notify + l->notify + (uint64_t)off * l->multiplier;
	set(vm, f->common + QUEUE_ENABLE, 2, 1);
}

static void start_device(struct scale_vm *vm, struct scale_function *f,
			 const struct layout *l, uint64_t notify)
{
	uint32_t status;

	set(vm, f->common + STATUS, 1, 0);
	set(vm, f->common + STATUS, 1, 3);
	set(vm, f->common + FEATURE_SELECT, 4, 0);
	set(vm, f->common + FEATURE, 4, 0);
	set(vm, f->common + FEATURE_SELECT, 4, 1);
	set(vm, f->common + FEATURE, 4, 1); /* VERSION_1 and no more */
	set(vm, f->common + STATUS, 1, 11);
	set(vm, f->common + CONFIG_VECTOR, 2, 0xffff);
	start_queue(vm, f, l, notify);
	set(vm, f->common + STATUS, 1, DRIVER_OK);
	status = get(vm, f->common + STATUS, 1);
	if (status != DRIVER_OK)
		scale_fail(vm, -EPROTO, "a device does not start");
	f->expect = get(vm, f->common + QUEUE_DESC, 4);
	if (f->expect != (uint32_t)scale_gpa(vm, f->ring->desc))
		scale_fail(vm, -EPROTO, "a register does not keep its value");
}

static void start_function(struct scale_vm *vm, struct scale_function *f,
			   const struct layout *l, uint64_t next[2])
{
	uint64_t bar[6] = { 0 };

	place_bars(vm, l, f->bdf, next, bar);
	f->common = bar[l->common_bar] + l->common;
	set(vm, bar[l->table_bar] + l->table, 4, MSI);
	set(vm, bar[l->table_bar] + l->table + 4, 4, 0);
	set(vm, bar[l->table_bar] + l->table + 8, 4, f->bdf);
	set(vm, bar[l->table_bar] + l->table + 12, 4, 0);
	set_config(vm, f->bdf, l->msix + 2u, 2, 0x8000);
	scale_write_chains(vm, f->ring, BLK_IN);
	f->ring->avail.flags = NO_INTERRUPT;
	start_device(vm, f, l, bar[l->notify_bar]);
}

static bool may_post_all(struct scale_vm *vm)
{
	struct pciring_access a = { .space = PCIRING_SPACE_MMIO,
				    .size = 2,
				    .write = 1 };
	bool all = !vm->err;

	for (unsigned int i = 0; i < vm->nr && !vm->err; i++) {
		a.address = vm->function[i].doorbell;
		vm->function[i].postable = pciring_may_post(vm->link, &a);
		all &= vm->function[i].postable;
	}
	return all;
}

/*
 * When all are there: a service may have fewer windows than functions.  It
 * tells them some accesses after the last BAR was placed, the later the more
 * functions there are; a guest that goes on to use its disks makes these.
 */
static void find_postable(struct scale_vm *vm)
{
	const unsigned int settle = vm->nr / 16;

	for (unsigned int i = 0; i < settle; i++)
		scale_read(vm, 0, &vm->function[i]);
	vm->postable = may_post_all(vm);
}

/* ---- Disks ------------------------------------------------------------- */

/* Give each disk its first sector. */
static void write_disks(struct scale_vm *vm)
{
	for (unsigned int i = 0; i < vm->nr && !vm->err; i++) {
		struct scale_function *f = &vm->function[i];
		const uint64_t first = scale_pattern(f);

		scale_write_chains(vm, f->ring, BLK_OUT);
		memcpy(f->ring->data[0], &first, sizeof(first));
		scale_submit(vm, 0, f, 1);
		for (int k = 0; f->busy && k < PATIENCE; k++)
			if (!scale_reap(vm, f))
				scale_read(vm, 0, f); /* the device's time */
		if (f->busy)
			scale_fail(vm, -ETIMEDOUT, "a disk does not write");
		scale_write_chains(vm, f->ring, BLK_IN);
	}
}

int scale_vm_start(struct scale_vm *vm)
{
	uint64_t next[2] = { LOW_BARS, HIGH_BARS };
	struct layout layout = { .msix = 0 };

	find_layout(vm, &layout, scale_address(vm->nr, 0));
	for (unsigned int i = 0; i < vm->nr && !vm->err; i++) {
		struct scale_function *f = &vm->function[i];

		f->bdf = scale_address(vm->nr, i);
		f->ring = (struct scale_ring *)(void *)(vm->memory +
							i * sizeof(*f->ring));
		vm->index[f->bdf] = (uint16_t)i;
		start_function(vm, f, &layout, next);
	}
	find_postable(vm);
	if (vm->verify)
		write_disks(vm);
	return vm->err;
}
