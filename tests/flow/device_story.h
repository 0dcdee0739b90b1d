/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device_story.h - the life of one real function, to be heard by any sink
 *
 * A virtio-rng of the rig and a driver that has it: first by its pin, then by
 * MSI-X, by its pin again, through resets.  The story is one table of what the
 * driver does and of what is heard of each step; it is the same table for
 * every sink, so all of them tell the same.
 *
 * A sink under test is a struct story_ear: what its far end heard.  Interrupts
 * are counted as a guest does: of a vector each message; of the line those
 * that a level-triggered pin of an interrupt controller gives it, which is one
 * when the line rises and one at each end of an interrupt that finds it high.
 * Columns that a sink cannot tell are not compared.  What the driver sees
 * itself, ISR, STATUS.3, pending bits and used buffers, always is.
 *
 * The real guest   that takes what the driver asks for has one CPU, APIC id 0;
 *                  fixed, edge-triggered vectors; the line's vector has a lower
 *                  priority than they
 */
#ifndef TESTS_FLOW_DEVICE_STORY_H
#define TESTS_FLOW_DEVICE_STORY_H

#include "tests/flow/rig.h"

#define STORY_VECTORS	  2 /* 0: configuration, 1: the queue */
#define STORY_LINE_VECTOR 0x30
#define STORY_GSI	  17u /* INTA of device 1, turned once */

/* What was heard since last time. */
struct story_heard {
	unsigned int nr[STORY_VECTORS];
	struct msi_message last[STORY_VECTORS]; /* of each, if told */
	unsigned int line;			/* interrupts */
	unsigned int strange;			/* neither: there is none */
	bool level;				/* the latest one, if told */
};

/* What a sink tells beyond the counts. */
#define STORY_TELLS_DATA    1u /* heard.last[].data */
#define STORY_TELLS_MESSAGE 2u /* the other fields of it too */
#define STORY_TELLS_LEVEL   4u /* heard.level */

struct story_ear {
	const char *name;
	unsigned int tells; /* STORY_TELLS_*; may change at each step */
	/* Add all that arrived to @heard.  Waits for what the far end has not
	 * yet done. */
	void (*listen)(struct story_ear *ear, struct story_heard *heard);
	/* The guest ends the line's interrupt. */
	void (*end)(struct story_ear *ear);
	/* Each of these may be NULL. */
	/* Step @i is next. */
	void (*before)(struct story_ear *ear, unsigned int i);
	/* The driver is about to write vector @v's table entry. */
	void (*entry)(struct story_ear *ear, unsigned int v,
		      const struct msi_message *m);
	/* It has done so, and the vector is masked or not. */
	void (*masked)(struct story_ear *ear, unsigned int v, bool masked);
};

unsigned int device_story_steps(void);

/* Vector @v's first or second message; which vector sends @data, or
 * STORY_VECTORS. */
struct msi_message device_story_message(unsigned int v, bool moved);
unsigned int device_story_vector_of(uint32_t data);

/* The message @m arrived. */
void device_story_hear(struct story_heard *heard, const struct msi_message *m);

/* Play it all on @rig's function, fresh, with a driver that takes @features; a
 * difference fails the test. */
void device_story_play(struct rig *rig, struct story_ear *ear,
		       uint64_t features);

#endif
