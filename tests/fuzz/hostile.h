/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostile.h - a queue whose driver writes anything anywhere
 *
 * Descriptors, also those in flight, avail ring, events, indirect tables, with
 * kicks, resets of the queue and interrupts of memory in between.  Split or
 * packed, of any device.
 *
 * After each run: of what was lent, only bytes changed that some descriptor
 * made writable; what was used had been offered, and each only once (used.h);
 * messages left by the rules; and the run came to an end.  After all: what was
 * not lent, or lent for reading only, is untouched.
 */
#ifndef TESTS_FUZZ_HOSTILE_H
#define TESTS_FUZZ_HOSTILE_H

#include "tests/fuzz/check.h"
#include "tests/fuzz/used.h"

/* Of the first byte of a story; the rest of it are steps of eight. */
#define HOSTILE_INDIRECT   1u
#define HOSTILE_EVENT_IDX  2u
#define HOSTILE_SIZE_SHIFT 2 /* two bits */
#define HOSTILE_REMOTE	   16u
#define HOSTILE_DEVICE	   32u /* which of the two a fuzzer has */
#define HOSTILE_PACKED	   64u
#define HOSTILE_IN_ORDER   128u

struct hostile_device {
	const char *type;
	const struct device_option *option;
	unsigned int nr_options;
	uint64_t features; /* of its own, as far as they are offered */
	unsigned int queue;
	bool any_order; /* it has several requests under way */
	bool holds;	/* chains that it took, until later runs */
	bool endless;	/* what comes in: it may never rest */
	/* Of what is no queue's work; true if something was done.  May be
	 * NULL. */
	bool (*turn)(void);
	/* What a driver that keeps to the rules says in queue @other: at @to,
	 * from five bytes, at most 64; the length.  NULL: there is no such. */
	uint32_t (*say)(uint8_t *to, const uint8_t p[5]);
	unsigned int other;
};

/* The function's, of any device. */
#define HOSTILE_OPTIONS                                                        \
	{ "packed", "true" }, { "in_order", "true" }, { "hot_us", "0" },       \
	{                                                                      \
		"notification_data", "true"                                    \
	}

void hostile_story(const struct hostile_device *d, const uint8_t *data,
		   size_t size);

#endif
