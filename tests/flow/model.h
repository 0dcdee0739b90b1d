/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model.h - the rig's function as the rules describe it, and nothing more
 *
 * The reference for property tests: registers, one split queue whose driver
 * behaves, MSI-X with two vectors, and a pin whose line has an eventfd.  It
 * shares no code with what it is compared to.  Calls say what the driver did; the fields are what must then be seen.
 */
#ifndef TESTS_FLOW_MODEL_H
#define TESTS_FLOW_MODEL_H

#include "tests/guest/driver.h"
#include "ring/msg.h"

#define MODEL_VECTORS 2
#define MODEL_MAXIMUM 256 /* queue size after reset */
#define MODEL_OFFERED                                                          \
	(GUEST_F_VERSION_1 | GUEST_F_EVENT_IDX | GUEST_F_INDIRECT |            \
	 GUEST_F_RING_RESET)

struct model_vector {
	uint64_t address;
	uint32_t data;
	bool masked, pending;
	unsigned long raised; /* ever */
	bool unseen;	      /* raised, not reset away, no message of it yet */
};

/* The line of the pin, and what a client does with its eventfd. */
struct model_line {
	bool high, busy, masked;
	unsigned int signals; /* due since the caller last cleared it */
};

/* What the scripts came to: one that reaches nothing proves nothing. */
struct model_reached {
	unsigned long messages, latched, used, broken, paused, signals;
};

struct model {
	uint64_t gpa, size; /* of guest memory */
	uint16_t requester_id;
	uint8_t status, isr;
	bool started;
	uint64_t features;
	uint32_t device_select, driver_select;
	uint16_t queue_select, config_vector;
	struct {
		uint64_t area[3]; /* descriptors, avail, used */
		uint16_t size, vector;
		bool enabled, broken;
		uint16_t avail, used;
	} q;
	bool master, lent;
	bool msix_on, msix_closed, pin_disabled;
	struct model_line line;
	struct model_vector v[MODEL_VECTORS];
	/* messages that are due since the caller last cleared nr_sent */
	struct msg_irq sent[8];
	unsigned int nr_sent;
	struct model_reached reached;
};

/* Function-level reset, also the power-on state. */
void model_flr(struct model *m);
/* The driver wrote 0 to the status. */
void model_reset(struct model *m);

void model_status(struct model *m, uint8_t value);
void model_features(struct model *m, uint32_t select, uint32_t value);
void model_vector(struct model *m, bool queue, uint16_t v);
void model_queue_size(struct model *m, uint16_t size);
void model_area(struct model *m, unsigned int i, uint64_t gpa);
void model_enable(struct model *m, uint16_t value);

void model_entry(struct model *m, unsigned int i, uint64_t address,
		 uint32_t data, bool masked);
void model_msix(struct model *m, bool on, bool closed);
void model_master(struct model *m, bool on);

/* COMMAND.INTX_DISABLE; a read of ISR; the client ends an interrupt of the
 * line and unmasks it, or masks it. */
void model_pin_disable(struct model *m, bool on);
void model_isr_read(struct model *m);
void model_line_end(struct model *m);
void model_line_mask(struct model *m);
/* STATUS.3 */
bool model_has_cause(const struct model *m);

/* Is all of the queue's memory lent? */
bool model_ring_is_there(const struct model *m);
/* After each of the above: queues run whenever they can, and what is
 * available is used. */
void model_run(struct model *m);

#endif
