/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scale_setup.c - functions from reset to DRIVER_OK
 *
 * How: all functions of a machine are of one type, so capabilities and sizes
 * are those of the first.
 */
#include "bench/scale_ring.h"

#include <errno.h>
#include <string.h>

#include "bench/pci_driver.h"

#define PATIENCE  1000000
#define VERSION_1 (1ull << 32)

static void start_function(struct scale_vm *vm, struct pci_driver *d,
			   struct scale_function *f, const struct pci_layout *l,
			   uint64_t next[2])
{
	struct pci_queue q = {
		.size = ENTRIES,
		.desc = scale_gpa(vm, f->ring->desc),
		.driver = scale_gpa(vm, &f->ring->avail),
		.device = scale_gpa(vm, &f->ring->used),
	};
	uint64_t bar[6] = { 0 };

	pci_place_bars(d, l, f->bdf, next, bar);
	f->common = bar[l->common_bar] + l->common;
	pci_enable_msix(d, l, f->bdf, bar, MSI, f->bdf);
	scale_write_chains(vm, f->ring, BLK_IN);
	f->ring->avail.flags = NO_INTERRUPT;
	pci_begin_virtio(d, f->common, VERSION_1);
	pci_start_queue(d, f->common, bar[l->notify_bar] + l->notify, l, &q);
	f->doorbell = q.doorbell;
	pci_driver_ok(d, f->common);
	f->expect = pci_get(d, f->common + PCI_COMMON_QUEUE_DESC, 4);
	if (f->expect != (uint32_t)q.desc)
		pci_driver_fail(d, -EPROTO,
				"a register does not keep its value");
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
	uint64_t next[2] = { PCI_LOW_BARS, PCI_HIGH_BARS };
	struct pci_driver d = { .link = vm->link };
	struct pci_layout layout;

	pci_find_layout(&d, &layout, scale_address(vm->nr, 0));
	for (unsigned int i = 0; i < vm->nr && !d.err; i++) {
		struct scale_function *f = &vm->function[i];

		f->bdf = scale_address(vm->nr, i);
		f->ring = (struct scale_ring *)(void *)(vm->memory +
							i * sizeof(*f->ring));
		vm->index[f->bdf] = (uint16_t)i;
		start_function(vm, &d, f, &layout, next);
	}
	if (d.err)
		scale_fail(vm, d.err, d.why);
	find_postable(vm);
	if (vm->verify)
		write_disks(vm);
	return vm->err;
}
