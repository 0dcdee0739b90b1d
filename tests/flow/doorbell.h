/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doorbell.h - for a guest's driver: the notify page, mapped where its BAR is
 *
 * What a VMM does with pciring_notify_page(): from then on accesses to that
 * piece of the BAR are the guest's loads and stores and nobody else hears of
 * them; all others leave the guest as before.
 */
#ifndef TESTS_FLOW_DOORBELL_H
#define TESTS_FLOW_DOORBELL_H

#include "tests/guest/driver.h"

#define DOORBELL_PAGE 4096

struct doorbell {
	const struct guest_ops *ops; /* of what leaves the guest */
	void *ctx;
	unsigned int bar;
	uint64_t offset;
	uint8_t *page; /* borrowed */
	unsigned int stores;
};

/* Put @page into @g at @bar + @offset; guest_init() was before. */
void doorbell_map(struct doorbell *d, struct guest *g, unsigned int bar,
		  uint64_t offset, uint8_t *page);
/* Everything leaves the guest again. */
void doorbell_unmap(struct doorbell *d, struct guest *g);

#endif
