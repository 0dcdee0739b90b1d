/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * used.h - an oracle of used rings, split and packed
 *
 * What a device shows as used had been offered, each chain once, in the order
 * in which it was offered or, if the device may, in any; with IN_ORDER one element may stand for several.
 * The driver may have written anything anywhere: where that makes it impossible
 * to say what a chain was, the oracle gives up until the queue begins anew.
 */
#ifndef TESTS_FUZZ_USED_H
#define TESTS_FUZZ_USED_H

#include "tests/guest/driver.h"

struct used_oracle {
	bool in_order;
	bool any_order; /* the device has several requests under way */
	bool lost;	/* nobody can tell any more */
	uint16_t slot;	/* packed: where the next use is to be shown */
	bool wrap;
	/* Packed: slots that this run may have written, if they were heads. */
	bool head[GUEST_QUEUE_SIZE];
};

/* The queue begins: nothing is offered or used. */
void used_begin(struct used_oracle *u, bool in_order, bool any_order);

/* After a run.  @before is the descriptor ring as it was, @from is used.idx as
 * it was (split). */
void used_check(struct used_oracle *u, const struct guest_queue *q,
		const struct guest_desc *before, uint16_t from);

#endif
