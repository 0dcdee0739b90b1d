/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * channel_client.c - a VMM's verbs on a channel
 *
 * The head page is the service's: the only words of it that are looked at
 * here are the wait word, where a lie costs a needless write to an eventfd,
 * and the windows, where it makes us post what should have waited.
 */
#include "ring/channel.h"

#include "ring/window.h"

bool channel_put(struct channel *ch, unsigned int lane,
		 const struct msg_access *req)
{
	if (!ring_put(&ch->lane[lane].request, req, 1))
		return false;
	wait_wake(&ch->head->service, ch->kick_fd);
	return true;
}

bool channel_get(struct channel *ch, unsigned int lane,
		 struct msg_completion *c)
{
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
