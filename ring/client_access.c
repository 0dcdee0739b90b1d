/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client_access.c - libpciring: mailboxes and rings; nothing here allocates or
 * locks
 *
 * Question and answer are on one line, and a look takes it: one that comes after
 * the service read the question and before it wrote the answer makes the service
 * fetch the line again, which costs half a round trip.  So the first look comes
 * about when the last answers came; later is cheap, earlier is not.  After a
 * burst, which answers late, many looks in a row are in time: then each some of
 * them it gets sooner twice as fast.
 *
 * A lane waits in three steps: it spins without a clock for a while, longer than
 * a loop that polls takes to answer; then it looks at the clock now and then
 * until spin_ns is over, and offers its core each time, for the loop may be
 * waiting for that very core; then it sleeps in slices and between them looks
 * whether the service still lives.
 *
 * An access always finds room: a mailbox is free when its answer was taken, and
 * without mailboxes posted writes leave the last slot of a lane's ring free.
 * Unless the service forged the indices, and then the attachment ends.
 *
 * Whoever calls a lane away raises its flag, then steps the futex word.  Who is
 * about to sleep has read that word, then looks at the flag; so either he sees
 * the flag, or the futex does not let him sleep.
 */
#include "ring/client.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

#include <rte_pause.h>

/* Looks at the ring between two looks at the clock. */
#define SPIN_BATCH     64
/* A first look that came too early is later the next time by PATIENCE_UP, one
 * that came late enough sooner by 1, twice that for each PATIENCE_ROW of them in
 * a row, a pause at most; in parts of a pause.  So from the most there can be it
 * is 80 answers to none at all. */
#define PATIENCE_PAUSE 16u
#define PATIENCE_ROW   16u
#define PATIENCE_UP    4u
#define PATIENCE_MAX   (32 * PATIENCE_PAUSE)
/* Answers to older accesses that one look throws away: a ring full. */
#define STALE_MAX      CHANNEL_COMPLETIONS
#define IRQ_BATCH      16

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Whether the answer to @seq is there; older ones are dropped. */
static bool answered(struct pciring *p, unsigned int lane, uint32_t seq,
		     struct msg_completion *c)
{
	unsigned int i;

	for (i = 0; i < STALE_MAX && channel_get(&p->ch, lane, c); i++)
		if (c->seq == seq)
			return true;
	return false;
}

/* Sooner the next time. */
static void less_patience(struct client_lane *l)
{
	const unsigned int step = 1u << l->in_time / PATIENCE_ROW;

	l->patience -= RTE_MIN(step, l->patience);
	if (step < PATIENCE_PAUSE)
		l->in_time++;
}

/* The first look, at its time. */
static bool look_in_time(struct pciring *p, unsigned int lane,
			 struct msg_completion *c)
{
	struct client_lane *l = &p->lane[lane];

	for (unsigned int i = l->patience / PATIENCE_PAUSE; i; i--)
		rte_pause();
	if (likely(answered(p, lane, l->seq, c))) {
		less_patience(l);
		return true;
	}
	l->in_time = 0;
	if (l->patience < PATIENCE_MAX)
		l->patience += PATIENCE_UP;
	return false;
}

/* False: not there within the time, or called away if @away may end it. */
static bool spin_for_answer(struct pciring *p, unsigned int lane, bool away,
			    struct msg_completion *c)
{
	uint32_t seq = p->lane[lane].seq;
	uint64_t end = 0;
	unsigned int i;

	if (!p->spin_ns)
		return answered(p, lane, seq, c);
	if (likely(look_in_time(p, lane, c)))
		return true;
	for (;;) {
		for (i = 0; i < SPIN_BATCH; i++) {
			if (answered(p, lane, seq, c))
				return true;
			rte_pause();
		}
		if (!end)
			end = now_ns() + p->spin_ns;
		else if (now_ns() >= end)
			return false;
		/* Relaxed: called_away() looks again. */
		if (away && atomic_load_explicit(&p->lane[lane].leave,
						 memory_order_relaxed))
			return false;
		sched_yield();
	}
}

/* Whether the thread was called away; it is told once. */
static bool called_away(struct client_lane *lane)
{
	/* Relaxed: pciring_call_away() orders it by the futex word. */
	return unlikely(atomic_load_explicit(&lane->leave,
					     memory_order_relaxed)) &&
	       atomic_exchange(&lane->leave, false);
}

/* Once: 0 woken, -EINTR called away if @away may end it, another -errno. */
static int sleep_once(struct pciring *p, unsigned int lane, bool away,
		      struct msg_completion *c)
{
	struct seg_wait *w = &p->ch.lane[lane].shared->wait;
	uint32_t ticket;
	int err;

	wait_declare(w, SEG_FUTEX, &ticket);
	if (answered(p, lane, p->lane[lane].seq, c))
		err = 1;
	else if (away && called_away(&p->lane[lane]))
		err = -EINTR;
	else
		err = wait_sleep(w, ticket, p->slice_ns);
	wait_done(w);
	if (err == -EINTR && away)
		/* The signal and the handler's call are one reason to go. */
		called_away(&p->lane[lane]);
	return err;
}

/* Sleep until the answer is there.  -EINTR only if @away may end it. */
static int sleep_for_answer(struct pciring *p, unsigned int lane, bool away,
			    struct msg_completion *c)
{
	uint32_t seq = p->lane[lane].seq;
	int err;

	for (;;) {
		err = sleep_once(p, lane, away, c);
		if (err > 0)
			return 0;
		if (err == -EINTR && away)
			return err;
		if (answered(p, lane, seq, c))
			return 0;
		/* Also when it woke us: one that lies does so for ever. */
		if (!client_alive(p))
			/* It may have answered last of all. */
			return answered(p, lane, seq, c) ? 0 : -EPIPE;
	}
}

static int wait_for_answer(struct pciring *p, unsigned int lane, bool away,
			   struct msg_completion *c)
{
	if (likely(spin_for_answer(p, lane, away, c)))
		return 0;
	return sleep_for_answer(p, lane, away, c);
}

/* Only a service that lies leaves no room; then wait as long as it lives, if
 * the ring does not tell the lie. */
static int put_request(struct pciring *p, unsigned int lane,
		       const struct msg_access *req)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	while (unlikely(!channel_put(&p->ch, lane, req))) {
		if (!client_alive(p))
			return -EPIPE;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static bool access_ok(const struct pciring *p, unsigned int lane,
		      const struct pciring_access *a)
{
	if (unlikely(lane >= p->ch.geo.lanes))
		return false;
	if (unlikely(a->space == PCIRING_SPACE_EOI))
		return a->write == 1 && a->size == 4;
	return a->space <= PCIRING_SPACE_BAR5 && is_power_of_2(a->size) &&
	       a->write <= 1 &&
	       a->size <= (a->space == PCIRING_SPACE_CONFIG ? 4 : 8);
}

/* Field by field: a copy of the whole would wait for each of them. */
static void make_request(struct msg_access *req, const struct pciring_access *a,
			 enum msg_op op, uint32_t seq)
{
	req->address = a->address;
	req->value = a->write ? a->value & all_ones(a->size) : 0;
	req->seq = seq;
	req->function = a->function;
	req->space = a->space;
	req->size = a->size;
	req->op = (uint8_t)op;
	memset(req->reserved, 0, sizeof(req->reserved));
}

/* What every call on a lane checks first. */
static int lane_ready(const struct pciring *p, unsigned int lane,
		      const struct pciring_access *a)
{
	if (unlikely(!access_ok(p, lane, a)))
		return -EINVAL;
	/* Relaxed: it says no more than that there is no point in trying. */
	if (unlikely(atomic_load_explicit(&p->broken, memory_order_relaxed)))
		return -EPIPE;
	return unlikely(p->lane[lane].size) ? -EBUSY : 0;
}

int pciring_access_begin(struct pciring *p, unsigned int lane,
			 const struct pciring_access *a)
{
	struct client_lane *l;
	struct msg_access req;
	int err = lane_ready(p, lane, a);

	if (err)
		return err;
	l = &p->lane[lane];
	/* 0 is what a new mailbox has. */
	if (unlikely(!++l->seq))
		l->seq = 1;
	make_request(&req, a, a->write ? MSG_WRITE : MSG_READ, l->seq);
	err = put_request(p, lane, &req);
	if (err)
		return err;
	l->size = a->size;
	l->read = !a->write;
	return 0;
}

static int collect(struct pciring *p, unsigned int lane, bool away,
		   struct pciring_access *a)
{
	struct client_lane *l = &p->lane[lane];
	struct msg_completion c;
	int err = wait_for_answer(p, lane, away, &c);

	if (unlikely(err)) {
		if (err != -EINTR)
			l->size = 0;
		return err;
	}
	if (likely(!c.status) && l->read)
		a->value = c.value & all_ones(l->size);
	l->size = 0;
	if (likely(!c.status))
		return 0;
	return c.status <= 4095 ? -(int)c.status : -EPROTO;
}

int pciring_access_collect(struct pciring *p, unsigned int lane,
			   struct pciring_access *a)
{
	if (unlikely(lane >= p->ch.geo.lanes))
		return -EINVAL;
	if (unlikely(!p->lane[lane].size))
		return atomic_load(&p->broken) ? -EPIPE : -ENOENT;
	return collect(p, lane, true, a);
}

int pciring_access(struct pciring *p, unsigned int lane,
		   struct pciring_access *a)
{
	int err = pciring_access_begin(p, lane, a);

	return likely(!err) ? collect(p, lane, false, a) : err;
}

void pciring_call_away(struct pciring *p, unsigned int lane)
{
	/* A signal handler must not disturb whom it interrupted. */
	int before = errno;

	if (lane >= p->ch.geo.lanes)
		return;
	atomic_store(&p->lane[lane].leave, true);
	wait_rouse(&p->ch.lane[lane].shared->wait);
	errno = before;
}

/* The service is late, or lies about what it has taken. */
static int no_room(struct pciring *p)
{
	if (likely(!channel_broken(&p->ch)))
		return -EAGAIN;
	client_break(p);
	return -EPIPE;
}

int pciring_post(struct pciring *p, unsigned int lane,
		 const struct pciring_access *a)
{
	struct msg_access req;
	int err = lane_ready(p, lane, a);

	if (err)
		return err;
	if (!pciring_may_post(p, a))
		return -EPERM;
	if (unlikely(!p->ch.mailbox && !channel_can_put(&p->ch, lane, 2)))
		return no_room(p);
	/* The seq of the access before it: none answers this one, and however
	 * many are posted, the next access has another seq. */
	make_request(&req, a, MSG_POSTED, p->lane[lane].seq);
	return likely(channel_put(&p->ch, lane, &req)) ? 0 : no_room(p);
}

int pciring_may_post(const struct pciring *p, const struct pciring_access *a)
{
	return a->write && channel_may_post(&p->ch, a->space, a->function,
					    a->address, a->size);
}

/* ---- Interrupts -------------------------------------------------------- */

/* False: of a type that nobody here asked for, or that is not known yet. */
static bool take_irq(struct pciring_irq *irq, const struct msg_irq *m)
{
	if (unlikely(MSG_IRQ_TYPE(m->what) > PCIRING_IRQ_TYPE_ROUTE))
		return false;
	*irq = (struct pciring_irq){
		.address = m->address,
		.data = m->data,
		.requester_id = m->requester_id,
		.number = MSG_IRQ_NUMBER(m->what),
		.type = MSG_IRQ_TYPE(m->what),
	};
	return true;
}

int pciring_irq_poll(struct pciring *p, struct pciring_irq *irqs,
		     unsigned int max)
{
	struct msg_irq m[IRQ_BATCH];
	unsigned int n, i, done = 0, strange = 0;

	/* Strange ones take no room in @irqs, so they have a limit of their
	 * own: a ring full. */
	do {
		n = channel_get_irqs(
			&p->ch, m,
			RTE_MIN(max - done, (unsigned int)IRQ_BATCH));
		for (i = 0; i < n; i++) {
			if (take_irq(&irqs[done], &m[i]))
				done++;
			else
				strange++;
		}
	} while (n && done < max && strange < CHANNEL_IRQS);
	return (int)done;
}

/* 0 woken or the slice is over, -EINTR. */
static int sleep_for_irq(struct pciring *p, int64_t limit_ns)
{
	struct seg_wait *w = &p->ch.client->irq;
	uint32_t ticket;
	int err = 0;

	wait_declare(w, SEG_FUTEX, &ticket);
	if (ring_empty(&p->ch.irq))
		err = wait_sleep(w, ticket, RTE_MIN(limit_ns, p->slice_ns));
	wait_done(w);
	return err == -EINTR ? err : 0;
}

int pciring_irq_wait(struct pciring *p, int timeout_ms)
{
	uint64_t end = 0, now;
	int64_t left = INT64_MAX;
	int err;

	if (timeout_ms > 0)
		end = now_ns() + (uint64_t)timeout_ms * 1000000;
	for (;;) {
		/* What a broken channel has is never given out. */
		if (!ring_empty(&p->ch.irq) && !channel_broken(&p->ch))
			return 1;
		if (!client_alive(p))
			return -EPIPE;
		if (timeout_ms >= 0) {
			now = timeout_ms ? now_ns() : 0;
			if (now >= end)
				return 0;
			left = (int64_t)(end - now);
		}
		err = sleep_for_irq(p, left);
		if (err)
			return err;
	}
}

int pciring_irq_dispatch(struct pciring *p, pciring_irq_fn *fn, void *arg)
{
	struct pciring_irq irqs[IRQ_BATCH];
	int n, i, done = 0;

	/* At most a ring full, so that a busy service cannot keep us here. */
	do {
		n = pciring_irq_poll(p, irqs, IRQ_BATCH);
		for (i = 0; i < n; i++)
			fn(arg, &irqs[i]);
		done += n;
	} while (n == IRQ_BATCH && done < CHANNEL_IRQS);
	return done;
}
