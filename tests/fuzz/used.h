/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * used.h - an oracle of used rings, split and packed
 *
 * What a device shows as used had been offered and taken, each chain once, in
 * the order in which it was offered or, if the device may, in any; with
 * IN_ORDER one element may stand for several.  What a driver writes over a
 * chain that was taken changes nothing.  It may have written anything anywhere:
 * where that makes it impossible to say what a chain was, the oracle gives up
 * until the queue begins anew.
 */
#ifndef TESTS_FUZZ_USED_H
#define TESTS_FUZZ_USED_H

#include "tests/guest/driver.h"

/* In a packed ring. */
struct used_place {
	uint16_t slot;
	bool wrap;
};

struct used_oracle {
	bool in_order;
	bool any_order;		/* the device has several requests under way */
	bool lost;		/* nobody can tell any more */
	struct used_place next; /* packed: where use is to be shown next */
	/* What the device took, as it was then; of a packed ring, by slot.
	 * Up to where: an index, or a place. */
	uint16_t taken_idx;
	struct used_place taken_to;
	uint16_t taken[GUEST_QUEUE_SIZE];
	struct guest_desc taken_desc[GUEST_QUEUE_SIZE];
	/* Packed: slots that this run may have written, if they were heads. */
	bool head[GUEST_QUEUE_SIZE];
};

/* The queue begins: nothing is offered or used. */
void used_begin(struct used_oracle *u, bool in_order, bool any_order);

/* The device took all up to @last_avail (as in struct vq_state), and the driver
 * has written nothing since.  @desc is the descriptor ring as it was then. */
void used_taken(struct used_oracle *u, const struct guest_queue *q,
		const struct guest_desc *desc, uint16_t last_avail);

/* After a run, and after used_taken().  @before is the descriptor ring as it
 * was, @from is used.idx as it was (split). */
void used_check(struct used_oracle *u, const struct guest_queue *q,
		const struct guest_desc *before, uint16_t from);

#endif
