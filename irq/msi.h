/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * msi.h - a bank of message-signalled vectors: address, data, mask, pending
 *
 * msi_send() is an event.  An event meets a vector that can deliver (bank
 * open, vector unmasked, sink takes it) and becomes one message with the
 * address and data of that moment; or it meets one that cannot, and is
 * remembered in the pending bit, any number of events as one.  Whatever opens
 * the way again delivers exactly one message per pending bit.  Nothing is
 * ever dropped except by msi_bank_reset() and msi_bank_forget().
 *
 * A bank has not heard of PCI: who opens it, and where the table is seen, is
 * the business of whoever owns it (transport/pci/msix).
 *
 * Remote   the client at the far end owns the table (vfio-user): the bank's
 *          own masks, addresses and data are not looked at; the sink decides
 *          by what is bound
 * Within   the next stage may raise vectors of the bank before its send()
 *          returns, unless it refuses then
 * Threads  one poll thread owns a bank, all that follows
 * Memory   the caller provides all structs and arrays; nothing is allocated
 */
#ifndef IRQ_MSI_H
#define IRQ_MSI_H

#include "irq/stage.h"

#define MSI_MAX_VECTORS 2048

/* Guest-visible state of one vector, as the MSI-X table has it. */
struct msi_vector {
	uint64_t address;
	uint32_t data;
	uint32_t control; /* bit 0: masked */
};
static_assert(sizeof(struct msi_vector) == 16, "is the table entry");

struct msi_bank {
	struct irq_stage stage;	   /* entered by msi_send() only */
	const char *label;	   /* borrowed: "MSI-X" unless changed */
	struct msi_vector *vector; /* borrowed: nr entries */
	uint64_t *pending;	   /* borrowed: one bit each */
	uint16_t nr;
	uint16_t requester_id;
	bool open;   /* enabled, not function-masked, bus master */
	bool remote; /* the client has the table */
	struct irq_stage
		*next; /* borrowed; NULL: nobody listens, all latches */
};

#define MSI_PENDING_WORDS(nr) (((nr) + 63u) / 64u)

/* Bank in its power-on state: closed, all vectors masked and zero. */
void msi_bank_init(struct msi_bank *bank, struct msi_vector *vector,
		   uint64_t *pending, uint16_t nr, uint16_t requester_id);

/* Back to power-on state, pending events forgotten; the sink stays. */
void msi_bank_reset(struct msi_bank *bank);

/* An event on @v: IRQ_LATCHED, IRQ_MERGED, IRQ_DROPPED (no such vector), or
 * what the next stage made of it. */
enum irq_result msi_send(struct msi_bank *bank, unsigned int v);

/* Say whether messages may leave; opening delivers what is pending. */
void msi_bank_set_open(struct msi_bank *bank, bool open);

/* Write one vector's fields; unmasking delivers what is pending. */
void msi_set_vector(struct msi_bank *bank, unsigned int v, uint64_t address,
		    uint32_t data, uint32_t control);

/* Exchange what follows (NULL: nothing); what is pending is offered to it. */
void msi_bank_set_next(struct msi_bank *bank, struct irq_stage *next,
		       bool remote);

/* Offer what is pending and deliverable to the next stage again. */
void msi_bank_flush(struct msi_bank *bank);

/* What is pending has no cause any more: it is never delivered. */
void msi_bank_forget(struct msi_bank *bank);

bool msi_is_pending(const struct msi_bank *bank, unsigned int v);

#endif
