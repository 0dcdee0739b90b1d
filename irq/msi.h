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
 * Threads  one poll thread owns a bank, its sink and everything below
 * Memory   the caller provides all structs and arrays; nothing is allocated
 */
#ifndef IRQ_MSI_H
#define IRQ_MSI_H

#include "ring/base.h"

#define MSI_MAX_VECTORS 2048

struct msi_message {
	uint64_t address;
	uint32_t data;
	uint16_t requester_id; /* bus << 8 | device << 3 | function */
	uint16_t vector;
};

/* Where messages go.  A sink that cannot take one now says so, and asks for
 * msi_bank_flush() when it can. */
struct msi_sink;
struct msi_sink_ops {
	/* True: taken.  False: not taken, ask again later. */
	bool (*send)(struct msi_sink *sink, const struct msi_message *m);
};
struct msi_sink {
	const struct msi_sink_ops *ops;
};

/* What became of an event, as far as this stage can know. */
enum irq_result {
	IRQ_SENT,    /* a message went to the sink */
	IRQ_LATCHED, /* masked, closed or no room: pending now */
	IRQ_MERGED,  /* was pending already */
	IRQ_NOWHERE, /* no such vector */
};

/* Guest-visible state of one vector, as the MSI-X table has it. */
struct msi_vector {
	uint64_t address;
	uint32_t data;
	uint32_t control; /* bit 0: masked */
};
static_assert(sizeof(struct msi_vector) == 16, "is the table entry");

struct msi_stats {
	uint64_t raised;
	uint64_t sent;
	uint64_t latched;
	uint64_t merged;
};

struct msi_bank {
	struct msi_vector *vector; /* borrowed: nr entries */
	uint64_t *pending;	   /* borrowed: one bit each */
	uint16_t nr;
	uint16_t requester_id;
	bool open;	       /* enabled, not function-masked, bus master */
	bool remote;	       /* the client has the table */
	struct msi_sink *sink; /* borrowed; NULL: nobody listens, all latches */
	struct msi_stats stats;
};

#define MSI_PENDING_WORDS(nr) (((nr) + 63u) / 64u)

/* Bank in its power-on state: closed, all vectors masked and zero. */
void msi_bank_init(struct msi_bank *bank, struct msi_vector *vector,
		   uint64_t *pending, uint16_t nr, uint16_t requester_id);

/* Back to power-on state, pending events forgotten; the sink stays. */
void msi_bank_reset(struct msi_bank *bank);

/* An event on @v. */
enum irq_result msi_send(struct msi_bank *bank, unsigned int v);

/* Say whether messages may leave; opening delivers what is pending. */
void msi_bank_set_open(struct msi_bank *bank, bool open);

/* Write one vector's fields; unmasking delivers what is pending. */
void msi_set_vector(struct msi_bank *bank, unsigned int v, uint64_t address,
		    uint32_t data, uint32_t control);

/* Exchange the sink (NULL: none); what is pending is offered to the new one. */
void msi_bank_set_sink(struct msi_bank *bank, struct msi_sink *sink,
		       bool remote);

/* Offer what is pending and deliverable to the sink again. */
void msi_bank_flush(struct msi_bank *bank);

/* What is pending has no cause any more: it is never delivered. */
void msi_bank_forget(struct msi_bank *bank);

bool msi_is_pending(const struct msi_bank *bank, unsigned int v);

#endif
