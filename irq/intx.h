/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * intx.h - which root line a PCI interrupt pin ends at
 *
 * Every bridge passes the four pins of its secondary bus on, turned by the
 * device number of whoever raised them (PCI-to-PCI Bridge 1.2, 9.1); so does
 * the root, to its four lines.  The walk is done once, when a function is
 * plugged.  Nothing else of PCI is known here.
 *
 * Pins are counted from 0: INTA is 0, INTD is 3 (the configuration register
 * counts from 1).
 */
#ifndef IRQ_INTX_H
#define IRQ_INTX_H

#include "ring/base.h"

#define INTX_PINS 4

/* A bus: the secondary side of the bridge that is @device on @parent. */
struct intx_bus {
	const struct intx_bus *parent; /* borrowed; NULL: this is the root */
	uint8_t device;
};

/* One bridge: what @pin of @device is on the other side. */
static inline unsigned int intx_swizzle(unsigned int pin, unsigned int device)
{
	return (pin + device) % INTX_PINS;
}

/* The root line (0 to 3) of @pin of @device on @bus; at most 256 buses deep,
 * as PCI is. */
unsigned int intx_root_line(const struct intx_bus *bus, unsigned int device,
			    unsigned int pin);

#endif
