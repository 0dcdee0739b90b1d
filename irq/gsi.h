/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gsi.h - the routing table: a GSI is up to three irqchip pins, or one MSI
 *
 * A GSI is a number; each has an input line (any number of sources) and a
 * route.  Pins: the GSI is a source on the line of each pin, so pins fed by
 * several GSIs are wired-OR too.  MSI: a rise of the input, or a pulse, is
 * one message; a fall is none.  A route is exchanged in O(1) while the input is
 * high or low: the new pins rise before the old ones fall, and a high input
 * that becomes an MSI sends it.
 *
 * Pending   an event that could not be passed on is remembered, also when the
 *           input fell since, and follows its GSI to any new route: as a
 *           message, or as a pulse of the pins (as nothing more, if the input
 *           holds them high).  Only a route to nowhere drops it
 * Pulses    are up and down of levels.  The pins stay up until what follows
 *           heard it, and rise when it has heard the fall before; where
 *           another source holds a pin high, there is no edge to be seen
 * Within    what messages lead to may raise GSIs before its send() returns;
 *           what pins lead to may set inputs, but pulses no GSI of its own pin
 *
 * KVM's table (KVM_SET_GSI_ROUTING) has the same meaning, so one can be
 * written from the other (irq/sink_kvm.h).
 *
 * Threads   one poll thread owns the table and all that it leads to
 * Memory    entries and chip lines are the caller's
 */
#ifndef IRQ_GSI_H
#define IRQ_GSI_H

#include "irq/line.h"

#define GSI_MAX	  4096
#define GSI_PINS  3
#define GSI_CHIPS 3

enum gsi_kind {
	GSI_NOWHERE,
	GSI_TO_PINS,
	GSI_TO_MSI
};

struct gsi_route {
	enum gsi_kind kind;
	unsigned int nr_pins; /* 1 to GSI_PINS */
	struct {
		uint8_t chip;
		uint16_t pin;
	} pin[GSI_PINS];
	struct msi_message msi;
};

/* The inputs of an interrupt controller, wherever it is. */
struct gsi_chip {
	struct irq_line *pin; /* borrowed: nr lines */
	uint16_t nr;
};

struct gsi {
	struct irq_line line;	/* the input */
	struct irq_stage stage; /* what the input leads to: this entry */
	struct gsi_table *table;
	struct gsi_route route;
	struct irq_source source[GSI_PINS];
	bool pending; /* an event that was not passed on yet */
	char name[16];
};

struct gsi_table {
	struct gsi *gsi; /* borrowed: nr entries */
	uint32_t nr;
	struct gsi_chip chip[GSI_CHIPS];
	struct irq_stage *msi; /* borrowed; where messages go, or NULL */
	uint32_t nr_pending;   /* entries with a pending event */
};

/* @nr (up to GSI_MAX) entries that lead nowhere; no chips. */
void gsi_table_init(struct gsi_table *t, struct gsi *gsi, uint32_t nr,
		    struct irq_stage *msi);
/* Every route to nowhere, every source of the table off its line.  Sources of
 * others leave the inputs before. */
void gsi_table_fini(struct gsi_table *t);

/* Chip @i has these @nr lines; before any route leads there. */
void gsi_table_set_chip(struct gsi_table *t, unsigned int i,
			struct irq_line *pin, uint16_t nr);

/* Messages go to @msi from now on, pending ones at once; NULL: they wait. */
void gsi_table_set_msi(struct gsi_table *t, struct irq_stage *msi);

/* Exchange one route.  -EINVAL: no such GSI, chip or pin, too many pins, the
 * same pin twice; nothing was changed. */
int gsi_route(struct gsi_table *t, uint32_t gsi, const struct gsi_route *r);

/* Exchange all: entries from @nr on lead nowhere.  All or nothing. */
int gsi_swap(struct gsi_table *t, const struct gsi_route *r, uint32_t nr);

/* The input of @gsi, for sources to connect to. */
static inline struct irq_line *gsi_line(struct gsi_table *t, uint32_t gsi)
{
	assert(gsi < t->nr);
	return &t->gsi[gsi].line;
}

/* An event on @gsi: a message, or pins up and down again.  IRQ_DROPPED: no
 * such GSI, or it leads nowhere. */
enum irq_result gsi_pulse(struct gsi_table *t, uint32_t gsi);

/* Offer pending events again; O(1) if there is none.  Lines refused by what
 * the chips lead to are flushed by who owns them. */
void gsi_flush(struct gsi_table *t);

#endif
