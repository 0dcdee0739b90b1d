/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * channel_client.c - a VMM's verbs on a channel
 *
 * The head page is the service's: the only words of it that are looked at
 * here are the wait word, where a lie costs a needless write to an eventfd,
 * and the windows, where it makes us post what should have waited.  A lane's
 * thread writes nothing private that another's reads, but the one fault.
 */
#include "ring/channel.h"

#include <stdatomic.h>

#include "ring/window.h"

/* Plain words: the service reads them only between N1 and M2, and the answer
 * to the last question was taken (N2). */
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
	ch->lane[lane].asked = req->seq;
	/* M1: pairs with N1, so the question is complete, and so is what was
	 * posted before it. */
	atomic_store_explicit(&s->ask, req->seq, memory_order_release);
}

/* W2, unless there is never anybody to wake. */
static void wake_service(struct channel *ch)
{
	if (!ch->polled)
		wait_wake(&ch->head->service, ch->kick_fd);
}

bool channel_put(struct channel *ch, unsigned int lane,
		 const struct msg_access *req)
{
	struct ring *ring = &ch->lane[lane].request;

	if (unlikely(channel_broken(ch)))
		return false;
	if (ch->mailbox && req->op != MSG_POSTED) {
		ask(ch, lane, req);
	} else if (!ring_put_one(ring, req, sizeof(*req))) {
		(void)channel_forged(ch, ring);
		return false;
	}
	wake_service(ch);
	return true;
}

static bool get_answer(struct channel_lane *l, struct msg_completion *c)
{
	const struct seg_lane *s = l->shared;
	/* N2: pairs with M2, so the answer is complete. */
	uint32_t seq = atomic_load_explicit(&s->answer, memory_order_acquire);

	/* Another seq is that of an older answer, or made up. */
	if (likely(seq != l->asked) || !seq)
		return false;
	l->asked = 0;
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
	struct channel_lane *l = &ch->lane[lane];

	if (unlikely(channel_broken(ch)))
		return false;
	if (ch->mailbox)
		return get_answer(l, c);
	if (ring_get(&l->completion, c, 1))
		return true;
	(void)channel_forged(ch, &l->completion);
	return false;
}

unsigned int channel_get_irqs(struct channel *ch, struct msg_irq *irqs,
			      unsigned int max)
{
	unsigned int n;

	if (unlikely(channel_broken(ch)))
		return 0;
	n = ring_get_some(&ch->irq, irqs, max);
	(void)channel_forged(ch, &ch->irq);
	/* There may be more that found no room, and a loop that sleeps. */
	if (n)
		wake_service(ch);
	return n;
}

bool channel_may_post(const struct channel *ch, uint8_t space,
		      uint16_t function, uint64_t address, uint8_t size)
{
	return window_find(ch->head, space, function, address, size);
}
