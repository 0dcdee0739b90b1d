/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * irq_rig.h - the cascades that `pciring-bench irq' raises interrupts in
 */
#ifndef BENCH_IRQ_RIG_H
#define BENCH_IRQ_RIG_H

#include "bench/irq_sink.h"
#include "irq/gsi.h"
#include "irq/ioapic.h"
#include "transport/virtio_pci/virtio_pci.h"

#define IRQ_RIG_RELAYS 5
#define IRQ_RIG_WHOLE  3 /* depth of the cascade of a function */
#define IRQ_RIG_MASKED "masked raise"

/* A stage that counts and passes on. */
struct irq_relay {
	struct irq_stage stage;
	struct irq_stage *next;
};

struct irq_rig {
	struct irq_sinks sinks;
	struct virtio_device *device;
	struct virtio_pci vp;	     /* MSI-X on, queue 0 has vector 1 */
	struct virtio virtio;	     /* on a transport that does nothing */
	struct virtio_device *other; /* its device */
	struct irq_relay relay[IRQ_RIG_RELAYS];
	struct irq_line line;
	struct irq_source source;
	struct gsi gsi[1];
	struct gsi_table gsis;
	struct ioapic ioapic;
};

typedef void irq_rig_op(struct irq_rig *r);

struct irq_case {
	const char *stage; /* NULL: the end of the table */
	const char *what;
	unsigned int depth;
	unsigned int sinks; /* BIT(enum irq_sink_kind) */
	/* Let it lead to @send for messages and @set for levels. */
	void (*prepare)(struct irq_rig *r, const struct irq_case *c,
			struct irq_stage *send, struct irq_stage *set);
	irq_rig_op *op; /* one interrupt */
};
extern const struct irq_case irq_cases[];

/* The poller runs on @cpu.  -errno. */
int irq_rig_open(struct irq_rig *r, int cpu);
void irq_rig_close(struct irq_rig *r);

/* Lead @c to @sink; false: there is no such sink on this machine. */
bool irq_rig_set_sink(struct irq_rig *r, const struct irq_case *c,
		      enum irq_sink_kind sink);

#endif
