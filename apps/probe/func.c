/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration bytes are read once, as many as the kernel gives (64 for
 * an ordinary user, 256 for root), and decoded from that copy.
 */
#include "apps/probe/func.h"

#include <limits.h>
#include <pciaccess.h>
#include <stdio.h>
#include <unistd.h>

#define CFG_SIZE 256

#define VENDOR_VIRTIO	    0x1af4
/* virtio 1.2, 4.1.2: transitional ids below this one, 0x1040 + type above. */
#define DEVICE_MODERN	    0x1040
#define DEVICE_TRANSITIONAL 0x1000

static void read_bars(struct func *f, const struct pci_device *dev)
{
	for (unsigned int i = 0; i < FUNC_BARS; i++) {
		const struct pci_mem_region *r = &dev->regions[i];

		f->bars[i] = (struct func_bar){
			.address = r->base_addr,
			.size = r->size,
			.io = r->is_IO,
			.is_64 = r->is_64,
			.prefetch = r->is_prefetchable,
		};
	}
}

static void read_driver(struct func *f)
{
	char path[64], target[PATH_MAX];
	const char *name;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver",
		 f->address);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return;
	target[n] = '\0';
	name = strrchr(target, '/');
	snprintf(f->driver, sizeof(f->driver), "%.63s",
		 name ? name + 1 : target);
}

int func_read(struct func *f, struct pci_device *dev)
{
	uint8_t cfg[CFG_SIZE];
	pciaddr_t got = 0;
	int err;

	err = pci_device_probe(dev);
	if (err)
		return err < 0 ? err : -err;
	/* A short read is reported as an error although it filled @cfg. */
	err = pci_device_cfg_read(dev, cfg, 0, sizeof(cfg), &got);
	if (err && !got)
		return err < 0 ? err : -err;

	*f = (struct func){
		.vendor = dev->vendor_id,
		.device = dev->device_id,
		.sub_vendor = dev->subvendor_id,
		.sub_device = dev->subdevice_id,
		.class_code = dev->device_class,
		.revision = dev->revision,
	};
	snprintf(f->address, sizeof(f->address), "%04x:%02x:%02x.%x",
		 dev->domain, dev->bus, dev->dev, dev->func);
	read_bars(f, dev);
	read_driver(f);
	f->caps_end = caps_decode(cfg, got, f->caps, &f->nr_caps);
	return 0;
}

const char *func_virtio_name(const struct func *f)
{
	static const char *const modern[] = {
		[1] = "net",	[2] = "blk",	 [3] = "console",
		[4] = "rng",	[5] = "balloon", [8] = "scsi",
		[9] = "9p",	[16] = "gpu",	 [18] = "input",
		[19] = "vsock", [20] = "crypto", [23] = "iommu",
		[24] = "mem",	[25] = "sound",	 [26] = "fs",
		[27] = "pmem",
	};
	static const char *const transitional[] = {
		"net", "blk", "balloon", "console", "scsi", "rng",
	};
	unsigned int id = f->device;

	if (f->vendor != VENDOR_VIRTIO || id < DEVICE_TRANSITIONAL)
		return NULL;
	if (id < DEVICE_MODERN) {
		id -= DEVICE_TRANSITIONAL;
		return id < ARRAY_SIZE(transitional) ? transitional[id] : NULL;
	}
	id -= DEVICE_MODERN;
	return id < ARRAY_SIZE(modern) ? modern[id] : NULL;
}
