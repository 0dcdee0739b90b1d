/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ioapic.h - an I/O APIC: 24 pins, each turned into a message
 *
 * For VMMs whose local APICs are in the kernel and whose I/O APIC is not (KVM:
 * split irqchip).  Intel 82093AA, with the EOI register of version 0x20.
 *
 * Level pins   high and unmasked sends one message and sets Remote IRR; until
 *              the EOI nothing more is sent; then the pin is looked at again,
 *              so what rose between an ISR read and the EOI is not lost, and
 *              a line that nobody serves costs one message an EOI
 * Edge pins    a rise sends one message; while masked it is dropped (82093AA,
 *              3.2.4), which is counted.  SMI, NMI, INIT and ExtINT have no
 *              EOI: their pins are edge pins whatever the entry says
 * Routes       such a VMM keeps one MSI route per pin in the kernel's table,
 *              or the kernel reports no EOI.  Whenever a pin's message changes
 *              - masked or not: a pin is often masked before its EOI - the ops
 *              hear of it, and no message of that pin leaves before they took
 *              it.  An EOI is matched with the vector of the entry and with
 *              the one that was sent
 * Nonsense     a vector below 16 or a reserved delivery mode is no message:
 *              an edge is dropped, a level waits for a better entry
 * Threads      one poll thread owns it and all that follows
 * Memory       the caller's; @s is guest-visible state, pointer-free
 */
#ifndef IRQ_IOAPIC_H
#define IRQ_IOAPIC_H

#include "irq/stage.h"

#define IOAPIC_PINS 24
#define IOAPIC_BASE 0xfec00000ull /* where the first one is by custom */
#define IOAPIC_SIZE 0x1000

/* Registers, from its base: 32 bits each. */
#define IOAPIC_SELECT 0x00
#define IOAPIC_WINDOW 0x10
#define IOAPIC_EOI    0x40

/* Bits of a redirection entry. */
#define IOAPIC_REMOTE_IRR 0x4000ull
#define IOAPIC_LEVEL	  0x8000ull
#define IOAPIC_MASKED	  0x10000ull

struct ioapic;

struct ioapic_ops {
	/* From now on @pin sends @m (address 0: nothing sensible).  False: no
	 * room; offered again by ioapic_flush(). */
	bool (*route)(struct ioapic *io, uint32_t pin,
		      const struct msi_message *m);
};

struct ioapic_state {
	uint64_t entry[IOAPIC_PINS];
	uint8_t sent_vector[IOAPIC_PINS]; /* of the message under way */
	uint32_t high;			  /* pins */
	uint32_t pending;		  /* edges whose message was refused */
	uint8_t id;
	uint8_t select;
	uint8_t reserved[2];
};

struct ioapic {
	struct irq_stage stage; /* takes levels: pin 0 to 23 */
	struct ioapic_state s;
	struct irq_stage *next;	      /* borrowed; takes messages */
	const struct ioapic_ops *ops; /* borrowed; NULL: no routes are kept */
	uint16_t requester_id;
	uint32_t stale;	  /* pins whose route has not been taken */
	uint32_t refused; /* pins whose message was not taken */
	uint64_t eois;	  /* that ended a message */
};

/* Power-on state: all masked. */
void ioapic_init(struct ioapic *io, struct irq_stage *next,
		 const struct ioapic_ops *ops, uint16_t requester_id);
/* Power-on state again; the pins keep the levels of their lines. */
void ioapic_reset(struct ioapic *io);

/* The guest's access at @offset.  Only aligned dwords work: others read
 * all-ones and write nothing.  Where no register is reads 0. */
uint64_t ioapic_read(struct ioapic *io, uint64_t offset, unsigned int size);
void ioapic_write(struct ioapic *io, uint64_t offset, unsigned int size,
		  uint64_t value);

/* A local APIC broadcast the end of @vector. */
void ioapic_eoi(struct ioapic *io, uint8_t vector);

/* Offer again what was refused: routes, then messages. */
void ioapic_flush(struct ioapic *io);

/* The message that a redirection entry describes; address 0: none. */
struct msi_message ioapic_message(uint64_t entry);

#endif
