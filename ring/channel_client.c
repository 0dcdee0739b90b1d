/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * channel_client.c - a VMM's verbs on a channel
 *
 * The head page is the service's: the only words of it that are looked at
 * here are the wait word, where a lie costs a needless write to an eventfd,
 * and the windows, where it makes us post what should have waited.
 */
#include "ring/channel.h"

#include <stdatomic.h>

#include "ring/window.h"

static void ask(struct channel *ch, unsigned int lane,
		const struct msg_access *req)
{
	struct seg_lane *s = ch->lane[lane].shared;

	s->address = req->address;
	s->value = req->value;
	s->function = req->function;
	s->space = req->space;
	s->size = req->size;
	s->op = req->op;
	/* M1: pairs with N1, so the question is complete, and so is what was
	 * posted before it. */
	atomic_store_explicit(&s->ask, req->seq, memory_order_release);
}

bool channel_put(struct channel *ch, unsigned int lane,
		 const struct msg_access *req)
{
	if (ch->mailbox && req->op != MSG_POSTED)
		ask(ch, lane, req);
	else if (!ring_put_one(&ch->lane[lane].request, req, sizeof(*req)))
		return false;
	wait_wake(&ch->head->service, ch->kick_fd);
	return true;
}

static bool get_answer(struct channel_lane *l, struct msg_completion *c)
{
	const struct seg_lane *s = l->shared;
	/* N2: pairs with M2, so the answer is complete. */
	uint32_t seq = atomic_load_explicit(&s->answer, memory_order_acquire);

	if (likely(seq == l->got))
		return false;
	l->got = seq;
	*c = (struct msg_completion){
		.value = *(const volatile uint64_t *)&s->result,
		.seq = seq,
		.status = *(const volatile uint32_t *)&s->status,
	};
	return true;
}

bool channel_get(struct channel *ch, unsigned int lane,
		 struct msg_completion *c)
{
	if (ch->mailbox)
		return get_answer(&ch->lane[lane], c);
	return ring_get(&ch->lane[lane].completion, c, 1);
}

unsigned int channel_get_irqs(struct channel *ch, struct msg_irq *irqs,
			      unsigned int max)
{
	unsigned int n = ring_get(&ch->irq, irqs, max);

	/* There may be more that found no room, and a loop that sleeps. */
	if (n)
		wait_wake(&ch->head->service, ch->kick_fd);
	return n;
}

bool channel_may_post(const struct channel *ch, uint8_t space,
		      uint16_t function, uint64_t address, uint8_t size)
{
	return window_find(ch->head, space, function, address, size);
}
