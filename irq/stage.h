/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage.h - what one stage of the interrupt cascade looks like to another
 *
 * An interrupt passes through stages, from the device that has cause to the
 * sink that tells a vCPU.  A stage takes events (a message: it happened) or
 * levels (a wire: it is so), and translates, latches, masks or counts before
 * it calls the next.  A new kind of interrupt is a new stage: nothing here has
 * to change for it.
 *
 * Refusal   a stage that cannot take something says IRQ_REFUSED; the stage
 *           above then keeps the event or the level as state and offers it
 *           again when it is flushed.  So only a rule drops an interrupt
 * Counters  of each event or change that came in, one of: fired (passed on),
 *           latched (kept: the next stage refused), masked (kept: masked,
 *           closed), coalesced (one like it was kept or high already),
 *           dropped (by rule).  What was kept counts as fired when it leaves
 * Threads   one poll thread owns all stages that are connected
 * Memory    stages are embedded in their owners; pointers to other stages are
 *           borrowed
 */
#ifndef IRQ_STAGE_H
#define IRQ_STAGE_H

#include "ring/base.h"

/* What became of it, as far as the stage can know. */
enum irq_result {
	IRQ_QUEUED,    /* on its way to the vCPU; nobody tells us more */
	IRQ_DELIVERED, /* the sink knows that the vCPU got it */
	IRQ_COALESCED, /* the sink knows that it merged with an earlier one */
	IRQ_LATCHED,   /* masked, closed or no room: kept, to be sent later */
	IRQ_MERGED,    /* one was kept already, or the line was high already */
	IRQ_SILENT,    /* the same level again: nothing happened */
	IRQ_DROPPED,   /* by rule: no such vector, no route, masked edge */
	IRQ_REFUSED,   /* between stages only: not taken, keep it */
};

/* An interrupt that is a write to an address (PCI 3.0, 6.8). */
struct msi_message {
	uint64_t address;
	uint32_t data;
	uint16_t requester_id; /* bus << 8 | device << 3 | function */
	uint16_t vector;       /* of the sender's table; for its eventfd */
};

/* Pins and lines are numbered by whoever takes them. */
#define IRQ_NO_PIN UINT32_MAX

struct irq_counts {
	uint64_t fired, latched, masked, coalesced, dropped;
};

/* How a stage presents itself (irq/graph.h). */
#define IRQ_NAME_MAX  48
#define IRQ_STATE_MAX 24
struct irq_view {
	char name[IRQ_NAME_MAX];   /* which one of its kind; may be empty */
	char state[IRQ_STATE_MAX]; /* what else it is now, in words; or empty */
	struct irq_counts count;
	int level;	  /* 0 or 1; -1: it has none */
	uint32_t pending; /* kept, to be sent */
};

struct irq_stage;

/* Where a stage leads: @to with @pin, if it takes levels. */
struct irq_edge {
	struct irq_stage *to;
	uint32_t pin;
};

struct irq_stage_ops {
	const char *kind; /* "msix", "line", "ring"...: for people */
	/* An event.  NULL: takes none. */
	enum irq_result (*send)(struct irq_stage *s,
				const struct msi_message *m);
	/* Wire @pin is at level @high now; only changes are told.  NULL: has
	 * no wires. */
	enum irq_result (*set)(struct irq_stage *s, uint32_t pin, bool high);
	/* For the graph: the @i-th stage behind this one; false: no more.
	 * NULL: a sink. */
	bool (*edge)(const struct irq_stage *s, unsigned int i,
		     struct irq_edge *e);
	/* For the graph: fill @v, which is zero with level -1.  NULL: only
	 * the counters below. */
	void (*view)(const struct irq_stage *s, struct irq_view *v);
};

struct irq_stage {
	const struct irq_stage_ops *ops;
	struct irq_counts count;
	uint32_t mark; /* scratch of a walk over the graph */
};

static inline enum irq_result irq_stage_send(struct irq_stage *s,
					     const struct msi_message *m)
{
	return s->ops->send(s, m);
}

static inline enum irq_result irq_stage_set(struct irq_stage *s, uint32_t pin,
					    bool high)
{
	return s->ops->set(s, pin, high);
}

#endif
