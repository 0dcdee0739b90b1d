/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: an event first looks for a way out, and only if there is none does it
 * set the pending bit.  Whatever may open a way (bank opened, vector unmasked,
 * sink exchanged or with room again) walks the pending words and tries each
 * set bit once; a bit falls only when the sink took its message.  So a message
 * always carries the address and data of the moment it leaves, and the cost
 * of opening grows with the words of the bit array, not with past events.
 */
#include "irq/msi.h"

static uint64_t pending_bit(unsigned int v)
{
	return BIT_ULL(v % 64);
}

bool msi_is_pending(const struct msi_bank *bank, unsigned int v)
{
	return v < bank->nr && (bank->pending[v / 64] & pending_bit(v));
}

static bool has_way(const struct msi_bank *bank, unsigned int v)
{
	return bank->open && bank->sink &&
	       (bank->remote || !(bank->vector[v].control & 1));
}

static bool deliver(struct msi_bank *bank, unsigned int v)
{
	const struct msi_message m = {
		.address = bank->vector[v].address,
		.data = bank->vector[v].data,
		.requester_id = bank->requester_id,
		.vector = (uint16_t)v,
	};

	if (!has_way(bank, v) || !bank->sink->ops->send(bank->sink, &m))
		return false;
	bank->pending[v / 64] &= ~pending_bit(v);
	bank->stats.sent++;
	return true;
}

void msi_bank_forget(struct msi_bank *bank)
{
	for (unsigned int w = 0; w < MSI_PENDING_WORDS(bank->nr); w++)
		bank->pending[w] = 0;
}

void msi_bank_init(struct msi_bank *bank, struct msi_vector *vector,
		   uint64_t *pending, uint16_t nr, uint16_t requester_id)
{
	assert(nr <= MSI_MAX_VECTORS);
	*bank = (struct msi_bank){
		.vector = vector,
		.pending = pending,
		.nr = nr,
		.requester_id = requester_id,
	};
	msi_bank_reset(bank);
}

void msi_bank_reset(struct msi_bank *bank)
{
	for (unsigned int v = 0; v < bank->nr; v++)
		bank->vector[v] = (struct msi_vector){ .control = 1 };
	msi_bank_forget(bank);
	bank->open = false;
}

enum irq_result msi_send(struct msi_bank *bank, unsigned int v)
{
	if (v >= bank->nr)
		return IRQ_NOWHERE;
	bank->stats.raised++;
	if (deliver(bank, v))
		return IRQ_SENT;
	if (msi_is_pending(bank, v)) {
		bank->stats.merged++;
		return IRQ_MERGED;
	}
	bank->pending[v / 64] |= pending_bit(v);
	bank->stats.latched++;
	return IRQ_LATCHED;
}

void msi_bank_set_open(struct msi_bank *bank, bool open)
{
	bank->open = open;
	msi_bank_flush(bank);
}

void msi_set_vector(struct msi_bank *bank, unsigned int v, uint64_t address,
		    uint32_t data, uint32_t control)
{
	if (v >= bank->nr)
		return;
	bank->vector[v] = (struct msi_vector){
		.address = address,
		.data = data,
		.control = control & 1,
	};
	if (msi_is_pending(bank, v))
		deliver(bank, v);
}

void msi_bank_set_sink(struct msi_bank *bank, struct msi_sink *sink,
		       bool remote)
{
	bank->sink = sink;
	bank->remote = remote;
	msi_bank_flush(bank);
}

void msi_bank_flush(struct msi_bank *bank)
{
	if (!bank->open || !bank->sink)
		return;
	for (unsigned int w = 0; w < MSI_PENDING_WORDS(bank->nr); w++) {
		uint64_t bits = bank->pending[w];

		/* A refused vector does not end the walk: an eventfd sink
		 * refuses by vector, and another one may be bound. */
		for (; bits; bits &= bits - 1)
			deliver(bank,
				w * 64 + (unsigned int)__builtin_ctzll(bits));
	}
}
