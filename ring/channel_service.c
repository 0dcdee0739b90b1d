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

#include <stdatomic.h>

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

/* How many of a batch with such a request are returned. */
static unsigned int bad_request(struct channel *ch)
{
	ch->stats.bad_requests++;
	channel_break(ch, CHANNEL_BAD_REQUEST);
	return 0;
}

static void answer_by_ring(struct channel *ch, struct channel_lane *l,
			   const struct msg_access *req, uint64_t value,
			   int status)
{
	struct msg_completion c = {
		.value = value,
		.seq = req->seq,
		.status = (uint32_t)status,
	};

	/* Room was reserved, so only a forged index leaves none. */
	if (unlikely(!ring_put_one(&l->completion, &c, sizeof(c))))
		(void)channel_forged(ch, &l->completion);
}

static void answer_by_mailbox(struct channel_lane *l,
			      const struct msg_access *req, uint64_t value,
			      int status)
{
	struct seg_lane *s = l->shared;

	s->result = value;
	s->status = (uint32_t)status;
	/* M2: pairs with N2, so the answer is complete. */
	atomic_store_explicit(&s->answer, req->seq, memory_order_release);
}

/*
 * How many more completions fit than are promised already, up to @want or a few
 * more.  By A2, not ring_room(): it finds a forged index out, which would
 * otherwise look like a client that never takes its answers.
 */
static unsigned int lane_room(struct channel *ch, struct channel_lane *l,
			      unsigned int want)
{
	uint32_t room = ring_free(&l->completion, l->pending + want);

	if (unlikely(channel_forged(ch, &l->completion)))
		return 0;
	return room > l->pending ? room - l->pending : 0;
}

/* One value of a line that the client may change at any time: read once. */
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))

/* Field by field: a copy of the whole would wait for each of them. */
static void copy_question(const struct seg_lane *s, uint32_t seq,
			  struct msg_access *req)
{
	req->address = READ_ONCE(s->address);
	req->value = READ_ONCE(s->value);
	req->seq = seq;
	req->function = READ_ONCE(s->function);
	req->space = READ_ONCE(s->space);
	req->size = READ_ONCE(s->size);
	req->op = READ_ONCE(s->op);
	memset(req->reserved, 0, sizeof(req->reserved));
}

/*
 * The posted writes, and after the last of them the question that was there
 * before they were looked for: what it follows has then been seen (N1).
 */
static unsigned int take_mailbox(struct channel *ch, unsigned int lane,
				 struct msg_access *req, unsigned int max)
{
	struct channel_lane *l = &ch->lane[lane];
	/* N1: pairs with M1, so the question and what was posted before it
	 * are complete. */
	uint32_t ask =
		atomic_load_explicit(&l->shared->ask, memory_order_acquire);
	bool asks = ask != ch->taken[lane];
	/* Without a question what is known to be there will do. */
	unsigned int n = asks ? ring_get(&l->request, req, max)
			      : ring_get_some(&l->request, req, max);

	for (unsigned int i = 0; i < n; i++)
		/* What waits for an answer does not come this way. */
		if (unlikely(req[i].op != MSG_POSTED))
			return bad_request(ch);
	if (n == max || !asks)
		return n;
	ch->taken[lane] = ask;
	copy_question(l->shared, ask, &req[n]);
	/* Ours asks with a seq, and not before it has the last answer. */
	if (unlikely(!ask || l->pending || req[n].op == MSG_POSTED))
		return bad_request(ch);
	return n + 1;
}

unsigned int channel_take(struct channel *ch, unsigned int lane,
			  struct msg_access *req, unsigned int max)
{
	struct channel_lane *l = &ch->lane[lane];
	unsigned int n, i, waiting = 0;

	assert(lane < ch->geo.lanes);
	if (unlikely(channel_broken(ch)))
		return 0;
	if (ch->mailbox)
		n = take_mailbox(ch, lane, req, max);
	else
		n = ring_get_some(&l->request, req,
				  RTE_MIN(max, lane_room(ch, l, max)));
	if (unlikely(channel_forged(ch, &l->request) || channel_broken(ch)))
		return 0;
	for (i = 0; i < n; i++) {
		if (unlikely(!request_ok(&req[i])))
			return bad_request(ch);
		waiting += req[i].op != MSG_POSTED;
	}
	l->pending += waiting;
	ch->stats.requests += n;
	return n;
}

void channel_complete(struct channel *ch, unsigned int lane,
		      const struct msg_access *req, uint64_t value, int status)
{
	struct channel_lane *l = &ch->lane[lane];

	assert(lane < ch->geo.lanes);
	assert(req->op != MSG_POSTED && l->pending > 0 && status >= 0);
	l->pending--;
	if (unlikely(channel_broken(ch)))
		return;
	if (ch->mailbox)
		answer_by_mailbox(l, req, value, status);
	else
		answer_by_ring(ch, l, req, value, status);
	ch->stats.completions++;
	if (wait_wake(&l->shared->wait, NO_EVENTFD))
		ch->stats.wakes++;
}

/* Not 0 if @s asks something else than @taken.  Relaxed: a hint only;
 * channel_take() looks again with N1. */
static uint32_t moved(const struct seg_lane *s, uint32_t taken)
{
	return atomic_load_explicit(&s->ask, memory_order_relaxed) ^ taken;
}

/* The lanes from @first to before @end: the first that asked, or @end.  Four at
 * a time, because most looks find nothing and nobody should wait for them. */
static unsigned int find_asked(const struct channel *ch, unsigned int first,
			       unsigned int end)
{
	const struct seg_lane *s = ch->lanes_shared + first;
	const uint32_t *t = ch->taken + first, *last = ch->taken + end;

	for (; last - t >= 4; t += 4, s += 4)
		if (unlikely(moved(s, t[0]) | moved(s + 1, t[1]) |
			     moved(s + 2, t[2]) | moved(s + 3, t[3])))
			break;
	for (; t < last && !moved(s, *t); t++)
		s++;
	return (unsigned int)(t - ch->taken);
}

/* The first from where the look before found one, so nobody is passed over. */
static uint64_t look_mailboxes(struct channel *ch)
{
	unsigned int lanes = ch->geo.lanes, first = ch->next_asked;
	unsigned int i = find_asked(ch, first, lanes);

	if (i == lanes) {
		i = find_asked(ch, 0, first);
		if (likely(i == first))
			return 0;
	}
	ch->next_asked = i + 1;
	return BIT_ULL(i);
}

static uint64_t look_rings(struct channel *ch, unsigned int n)
{
	unsigned int lanes = ch->geo.lanes, i = ch->next_look;
	uint64_t found = 0;

	for (n = RTE_MIN(lanes, n); n; n--) {
		found |= (uint64_t)!ring_empty(&ch->lane[i].request) << i;
		if (++i == lanes)
			i = 0;
	}
	ch->next_look = i;
	return found;
}

uint64_t channel_look(struct channel *ch)
{
	uint64_t found = 0;

	if (unlikely(channel_broken(ch)))
		return 0;
	if (!ch->mailbox)
		return look_rings(ch, CHANNEL_LOOK_RINGS);
	if (ch->looks++ % CHANNEL_LOOK_EVERY == 0)
		found = look_rings(ch, CHANNEL_LOOK_POSTED);
	/* Last: who asks waits, and waits for nothing behind his question. */
	return found | look_mailboxes(ch);
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
 * answers lying would keep the loop awake for nothing.  A lie that was found
 * looking for room is: the turn that follows tells it. */
static bool lane_has_work(struct channel *ch, unsigned int lane)
{
	struct channel_lane *l = &ch->lane[lane];

	if (ch->mailbox)
		return moved(&ch->lanes_shared[lane], ch->taken[lane]) ||
		       !ring_empty(&l->request);
	return !ring_empty(&l->request) &&
	       (lane_room(ch, l, 1) || channel_broken(ch));
}

/* From where the looks are, so that a busy lane does not hide the others.  The
 * next look begins with what is found: a loop that sleeps at once would other-
 * wise declare itself again and again until a look comes by. */
bool channel_has_work(struct channel *ch)
{
	unsigned int lanes = ch->geo.lanes, lane = ch->next_look;

	if (channel_broken(ch))
		return false;
	for (unsigned int n = lanes; n; n--) {
		if (lane_has_work(ch, lane)) {
			ch->next_look = lane;
			ch->looks = 0;
			return true;
		}
		if (++lane == lanes)
			lane = 0;
	}
	return false;
}

bool channel_irq_room(const struct channel *ch)
{
	return !channel_broken(ch) && ring_room(&ch->irq) > 0;
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
