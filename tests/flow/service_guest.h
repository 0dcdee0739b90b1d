/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * service_guest.h - a guest that drives the rig's function through libpciring
 *
 * What goes wrong fails the test.
 */
#ifndef TESTS_FLOW_SERVICE_GUEST_H
#define TESTS_FLOW_SERVICE_GUEST_H

#include "ring/pciring.h"
#include "tests/guest/driver.h"

/* From reset to DRIVER_OK; @mem is lent at RAM_GPA.  With MSI-X, queue 0 has
 * vector 1: data 0x41; without it interrupts by INTx. */
void service_guest_boot(struct guest *g, struct pciring *link, uint8_t *mem,
			bool msix);

/* Have a buffer filled and wait until it is. */
void service_guest_draw(struct guest *g, uint32_t bytes);

/* Its INTx at the root: pin A of device 1, turned once. */
#define GSI 17

/* An attachment with memory, and the guest booted in it. */
struct vm {
	struct pciring *link;
	struct guest g;
	uint8_t *mem;
	int ram;
	int event, resample; /* eventfds, bound to nothing yet */
};

/* Of the function, interrupts remote; of the machine, native. */
struct vm *vm_of_function(void);
struct vm *vm_of_machine(uint32_t irqchip, bool msix);
void vm_end(struct vm *vm);

/* How often it was signalled since the last look; waits if it was not. */
uint64_t signals(int fd, int wait_ms);

/* Which ends its INTx. */
uint8_t read_isr(struct vm *vm);

#endif
