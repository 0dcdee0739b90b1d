/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * func.h - one PCI function as this system sees it
 *
 * A plain copy of what libpciaccess and sysfs say at one moment.
 *
 * Memory    the caller provides the struct; nothing in it points anywhere
 */
#ifndef APPS_PROBE_FUNC_H
#define APPS_PROBE_FUNC_H

#include "apps/probe/caps.h"

#define FUNC_BARS 6

struct func_bar {
	uint64_t address;
	uint64_t size; /* 0: no such BAR */
	bool io;
	bool is_64;
	bool prefetch;
};

struct func {
	char address[20]; /* 0000:00:01.0 */
	uint16_t vendor;
	uint16_t device;
	uint16_t sub_vendor;
	uint16_t sub_device;
	uint32_t class_code; /* class, subclass, interface: 24 bits */
	uint8_t revision;
	char driver[64]; /* empty: none bound */
	struct func_bar bars[FUNC_BARS];
	struct cap caps[CAPS_MAX];
	unsigned int nr_caps;
	enum caps_end caps_end;
};

struct pci_device;

/* Describe @dev.  -errno if not even its header can be read. */
int func_read(struct func *f, struct pci_device *dev);

/* The kind of virtio device that @f says it is ("rng"), or NULL. */
const char *func_virtio_name(const struct func *f);

#endif
