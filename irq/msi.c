/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: an event first looks for a way out, and only if there is none does it
 * set the pending bit.  Whatever may open a way (bank opened, vector unmasked,
 * the next stage exchanged or with room again) walks the pending words and
 * tries each set bit once; a bit whose message was refused is set again.  So a
 * message always carries the address and data of the moment it leaves, and the
 * cost of opening grows with the words of the bit array, not with past events.
 */
#include "irq/msi.h"

#include <stdio.h>

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
	return bank->open && (bank->remote || !(bank->vector[v].control & 1));
}

/*
 * Table entry and message are alike but for the last word.  They are moved as
 * one: a sink that copies 16 bytes would wait for four small stores to settle
 * (3 ns of a raise into the ring).
 */
static struct msi_message message(const struct msi_bank *bank, unsigned int v)
{
	typedef uint32_t words __attribute__((vector_size(16)));
	struct msi_message m;
	words w;

	static_assert(sizeof(m) == sizeof(w) &&
			      offsetof(struct msi_message, data) ==
				      offsetof(struct msi_vector, data) &&
			      offsetof(struct msi_message, requester_id) == 12,
		      "alike");
	memcpy(&w, &bank->vector[v], sizeof(w));
	w[3] = bank->requester_id | (uint32_t)v << 16;
	memcpy(&m, &w, sizeof(m));
	return m;
}

static inline enum irq_result deliver(struct msi_bank *bank, unsigned int v)
{
	const struct msi_message m = message(bank, v);
	enum irq_result result;

	if (!bank->next)
		return IRQ_REFUSED;
	result = irq_stage_send(bank->next, &m);
	if (result != IRQ_REFUSED)
		bank->stage.count.fired++;
	return result;
}

/* A pending event leaves, if it can: it may have done so from within the
 * delivery of another one, and another one may come from within this one's. */
static enum irq_result retry(struct msi_bank *bank, unsigned int v)
{
	enum irq_result result;

	if (!msi_is_pending(bank, v) || !has_way(bank, v))
		return IRQ_REFUSED;
	bank->pending[v / 64] &= ~pending_bit(v);
	result = deliver(bank, v);
	if (result == IRQ_REFUSED)
		bank->pending[v / 64] |= pending_bit(v);
	return result;
}

void msi_bank_forget(struct msi_bank *bank)
{
	for (unsigned int w = 0; w < MSI_PENDING_WORDS(bank->nr); w++)
		bank->pending[w] = 0;
}

static bool bank_edge(const struct irq_stage *s, unsigned int i,
		      struct irq_edge *e)
{
	const struct msi_bank *bank = container_of(s, struct msi_bank, stage);

	if (i || !bank->next)
		return false;
	*e = (struct irq_edge){ .to = bank->next, .pin = IRQ_NO_PIN };
	return true;
}

static void bank_view(const struct irq_stage *s, struct irq_view *v)
{
	const struct msi_bank *bank = container_of(s, struct msi_bank, stage);

	v->count = s->count;
	snprintf(v->name, sizeof(v->name), "%02x:%02x.%x %s",
		 bank->requester_id >> 8, bank->requester_id >> 3 & 0x1f,
		 bank->requester_id & 7, bank->label);
	for (unsigned int w = 0; w < MSI_PENDING_WORDS(bank->nr); w++)
		v->pending += (uint32_t)__builtin_popcountll(bank->pending[w]);
}

static const struct irq_stage_ops bank_ops = {
	.kind = "msi",
	.edge = bank_edge,
	.view = bank_view,
};

void msi_bank_init(struct msi_bank *bank, struct msi_vector *vector,
		   uint64_t *pending, uint16_t nr, uint16_t requester_id)
{
	assert(nr <= MSI_MAX_VECTORS);
	*bank = (struct msi_bank){
		.stage.ops = &bank_ops,
		.label = "MSI-X",
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

/* What could not be delivered at once. */
static enum irq_result keep(struct msi_bank *bank, unsigned int v, bool masked)
{
	if (masked)
		bank->stage.count.masked++;
	else
		bank->stage.count.latched++;
	bank->pending[v / 64] |= pending_bit(v);
	return IRQ_LATCHED;
}

/* One like it is pending: this one leaves with it, if it can. */
static enum irq_result merge(struct msi_bank *bank, unsigned int v)
{
	enum irq_result result;

	bank->stage.count.coalesced++;
	if (!has_way(bank, v))
		return IRQ_MERGED;
	result = retry(bank, v);
	return result == IRQ_REFUSED ? IRQ_MERGED : result;
}

enum irq_result msi_send(struct msi_bank *bank, unsigned int v)
{
	enum irq_result result;

	if (unlikely(v >= bank->nr)) {
		bank->stage.count.dropped++;
		return IRQ_DROPPED;
	}
	if (unlikely(bank->pending[v / 64] & pending_bit(v)))
		return merge(bank, v);
	if (!has_way(bank, v))
		return keep(bank, v, true);
	result = deliver(bank, v);
	return likely(result != IRQ_REFUSED) ? result : keep(bank, v, false);
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
	retry(bank, v);
}

void msi_bank_set_next(struct msi_bank *bank, struct irq_stage *next,
		       bool remote)
{
	bank->next = next;
	bank->remote = remote;
	msi_bank_flush(bank);
}

void msi_bank_flush(struct msi_bank *bank)
{
	if (!bank->open || !bank->next)
		return;
	for (unsigned int w = 0; w < MSI_PENDING_WORDS(bank->nr); w++) {
		uint64_t bits = bank->pending[w];

		/* A refused vector does not end the walk: an eventfd sink
		 * refuses by vector, and another one may be bound. */
		for (; bits; bits &= bits - 1)
			retry(bank,
			      w * 64 + (unsigned int)__builtin_ctzll(bits));
	}
}
