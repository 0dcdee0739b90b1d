/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rig_dev.h - a function of the rig and the driver that has it, without MSI-X
 *
 * The driver asks for one buffer at a time, and looks at what was used only
 * in its handler and only if ISR says so.
 */
#ifndef TESTS_FLOW_RIG_DEV_H
#define TESTS_FLOW_RIG_DEV_H

#include "tests/flow/rig.h"

struct rig_dev {
	struct rig_port port;
	struct guest guest;
	uint64_t buffer;
	bool asked;
	unsigned int done;
};

/* A driver for @f, on memory and BAR addresses of place @i (0 to 7); -1. */
int rig_dev_start(struct rig_dev *d, struct rig *rig, struct function *f,
		  unsigned int i);

/* Offer the buffer and kick. */
void rig_dev_ask(struct rig_dev *d);

/* The driver's handler: reads ISR, by which its part of the cause ends, and
 * takes what was used.  False: it was not this device. */
bool rig_dev_handle(struct rig_dev *d);

#endif
