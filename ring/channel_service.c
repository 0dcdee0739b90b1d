/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * channel_service.c - the poll loop's verbs on a channel
 *
 * Nothing is read from the segment twice: requests are copied out by the ring
 * and judged in the copy.  What is taken and not yet answered is counted in
 * private memory, so the room for its completions stays reserved.
 *
 * Clients sleep on futexes, where a wake-up cannot block.  An eventfd that both
 * sides hold could: its other owner clears O_NONBLOCK, fills the counter, and
 * the loop hangs in write().
 */
#include "ring/channel.h"

#include "ring/window.h"

#define NO_EVENTFD (-1)

static bool size_ok(uint8_t space, uint8_t size)
{
	return is_power_of_2(size) &&
	       size <= (space == PCIRING_SPACE_CONFIG ? 4 : 8);
}

static bool request_ok(const struct msg_access *req)
{
	if (unlikely(req->space == PCIRING_SPACE_EOI))
		return req->op == MSG_WRITE && req->size == 4;
	return req->op <= MSG_POSTED && req->space <= PCIRING_SPACE_BAR5 &&
	       size_ok(req->space, req->size);
}

static void answer(struct channel *ch, struct channel_lane *lane,
		   const struct msg_access *req, uint64_t value, int status)
{
	struct msg_completion c = {
		.value = value,
		.seq = req->seq,
		.status = (uint32_t)status,
	};

	/* Room was reserved; a peer who forged the indices since then has
	 * thrown away an answer of its own. */
	if (ring_put_one(&lane->completion, &c, sizeof(c)))
		ch->stats.completions++;
	else
		ch->stats.lost_completions++;
	if (wait_wake(&lane->shared->wait, NO_EVENTFD))
		ch->stats.wakes++;
}

/* How many more completions fit than are promised already. */
static unsigned int lane_room(const struct channel_lane *l)
{
	unsigned int room = ring_room(&l->completion);

	return room > l->pending ? room - l->pending : 0;
}

unsigned int channel_take(struct channel *ch, unsigned int lane,
			  struct msg_access *req, unsigned int max)
{
	struct channel_lane *l = &ch->lane[lane];
	unsigned int n, i, kept = 0;

	assert(lane < ch->geo.lanes);
	n = ring_get(&l->request, req, RTE_MIN(max, lane_room(l)));

	for (i = 0; i < n; i++) {
		if (unlikely(!request_ok(&req[i]))) {
			ch->stats.bad_requests++;
			if (req[i].op != MSG_POSTED)
				answer(ch, l, &req[i], UINT64_MAX, EINVAL);
			continue;
		}
		if (req[i].op != MSG_POSTED)
			l->pending++;
		req[kept++] = req[i];
	}
	ch->stats.requests += kept;
	return kept;
}

void channel_complete(struct channel *ch, unsigned int lane,
		      const struct msg_access *req, uint64_t value, int status)
{
	struct channel_lane *l = &ch->lane[lane];

	assert(lane < ch->geo.lanes);
	assert(req->op != MSG_POSTED && l->pending > 0 && status >= 0);
	l->pending--;
	answer(ch, l, req, value, status);
}

void channel_irq_wake(struct channel *ch)
{
	if (!ch->irq_unwoken)
		return;
	ch->irq_unwoken = false;
	if (wait_wake(&ch->client->irq, NO_EVENTFD))
		ch->stats.wakes++;
}

/* What channel_take() would not take is no work: a client that leaves its
 * answers lying would keep the loop awake for nothing. */
bool channel_has_work(struct channel *ch)
{
	unsigned int i;

	for (i = 0; i < ch->geo.lanes; i++)
		if (!ring_empty(&ch->lane[i].request) &&
		    lane_room(&ch->lane[i]))
			return true;
	return false;
}

bool channel_irq_room(const struct channel *ch)
{
	return ring_room(&ch->irq) > 0;
}

void channel_sleep(struct channel *ch)
{
	uint32_t seq;

	wait_declare(&ch->head->service, SEG_EVENTFD, &seq);
}

void channel_awake(struct channel *ch)
{
	wait_done(&ch->head->service);
	wait_drain(ch->kick_fd);
}

void channel_set_windows(struct channel *ch, const struct seg_window *w,
			 unsigned int n)
{
	window_publish(ch->head, w, RTE_MIN(n, SEG_WINDOWS));
}
