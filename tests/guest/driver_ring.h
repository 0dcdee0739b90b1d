/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver_ring.h - the driver's packed rings, as driver_ring.c needs them
 *
 * Threads   that of the driver
 */
#ifndef TESTS_GUEST_DRIVER_RING_H
#define TESTS_GUEST_DRIVER_RING_H

#include "tests/guest/driver.h"

/* Values of the flags in both event suppression structures; virtio 1.2,
 * 2.8.10. */
#define GUEST_EVENT_ENABLE  0u
#define GUEST_EVENT_DISABLE 1u
#define GUEST_EVENT_DESC    2u

/* Fill the next slots with a chain, or with what refers to @table, and offer
 * them. */
void guest_packed_add(struct guest_queue *gq, uint16_t id,
		      const struct guest_buf *buf, unsigned int n,
		      uint64_t table);
/* Does the device want to hear of what came since we last asked? */
bool guest_packed_wants_kick(struct guest *g, struct guest_queue *gq);
/* Say if and when we want interrupts. */
void guest_packed_wish(struct guest *g, struct guest_queue *gq);
/* What the device wrote into the next slot: false, nothing yet. */
bool guest_packed_used(struct guest_queue *gq, struct guest_used *used);
/* @n slots are ours again. */
void guest_packed_skip(struct guest_queue *gq, uint16_t n);
/* The place of the next slot, with its wrap counter, as an event has it. */
uint16_t guest_packed_next(const struct guest_queue *gq);

#endif
