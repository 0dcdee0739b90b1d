/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a walk to the root, one turn of the pin at each step.  Its length is
 * bounded, so that a chain that somebody closed to a ring ends too.
 */
#include "irq/intx.h"

#define BUSES_MAX 256

unsigned int intx_root_line(const struct intx_bus *bus, unsigned int device,
			    unsigned int pin)
{
	for (unsigned int depth = 0; bus && depth < BUSES_MAX; depth++) {
		pin = intx_swizzle(pin, device);
		device = bus->device;
		bus = bus->parent;
	}
	return pin % INTX_PINS;
}
