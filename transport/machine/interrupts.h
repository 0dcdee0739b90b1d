/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * interrupts.h - a machine's lines, GSIs and interrupt controller
 *
 *	functions' INTx -> GSI 16 to 19 -> pins 16 to 19 -> one of
 *		NONE	nobody: the level is kept, nothing is told
 *		LINES	per GSI its eventfd, or the ring: PCIRING_IRQ_TYPE_LINE;
 *			a masked GSI is kept from both, low as long as that
 *		SPLIT	our I/O APIC -> messages and routes on the ring
 *
 * Which one is the choice of the machine-wide link; it lasts as long as the
 * link, and the I/O APIC answers on the MMIO bus that long.  GSIs are handed
 * out by a pool, so a device that is no PCI function may ask for one.
 *
 * Threads   as machine.h: the loop; init and fini by control
 */
#ifndef TRANSPORT_MACHINE_INTERRUPTS_H
#define TRANSPORT_MACHINE_INTERRUPTS_H

#include "irq/gsi.h"
#include "irq/ioapic.h"
#include "irq/pool.h"
#include "irq/sink.h"
#include "transport/bus/bus.h"

#define MACHINE_GSIS	 IOAPIC_PINS
#define MACHINE_INTX_GSI 16 /* of the root's line 0 */

struct link;
struct machine;

struct interrupts {
	struct gsi gsi[MACHINE_GSIS];
	struct gsi_table table;
	struct irq_pool pool;
	struct irq_pool_slot slot[MACHINE_GSIS];
	struct irq_line pin[IOAPIC_PINS]; /* of the controller, whosoever */
	char name[IOAPIC_PINS][8];	  /* of the GSIs */
	char pin_name[IOAPIC_PINS][8];	  /* of the controller's pins */
	struct sink_line eventfd[IOAPIC_PINS];
	struct ioapic ioapic;
	struct bus_range window; /* the I/O APIC's, while it is on the bus */
	struct link *link;	 /* borrowed; who has the controller, or NULL */
	uint16_t irqchip;	 /* PCIRING_IRQCHIP_* */
	uint32_t owed; /* GSIs that left the ring, which had no room for it */
};

/* Control.  -errno of sink_line_init(). */
int interrupts_init(struct interrupts *in);
void interrupts_fini(struct interrupts *in);

/* The controller of @l from now on, in its power-on state.  -EINVAL no such
 * kind, -EBUSY its addresses are taken on the bus. */
int interrupts_attach(struct interrupts *in, struct link *l, uint16_t irqchip);
/* Nobody's again: eventfds closed, the I/O APIC forgotten; levels stay, and
 * what the GSI table keeps. */
void interrupts_detach(struct interrupts *in);

/* PCIRING_IRQ_* for a line that has an eventfd; -EINVAL. */
int eventfd_control(struct sink_line *s, unsigned int action);

/* As link_line_bind() and link_line_control() for PCIRING_LINE_GSI. */
int interrupts_bind(struct interrupts *in, uint32_t gsi, int fd, int *old);
int interrupts_control(struct interrupts *in, uint32_t gsi,
		       unsigned int action);

/* A write to PCIRING_SPACE_EOI; false: there is no such thing to end. */
bool interrupts_eoi(struct interrupts *in, uint64_t what, uint64_t number);

/* The ring has room again. */
void interrupts_flush(struct interrupts *in);

#endif
