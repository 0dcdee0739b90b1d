/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * run.c - when queues are looked at, and when their driver hears of it
 *
 * How: work is one bit per queue.  A kick sets it, a run clears it before it
 * looks, so that a kick in between is not lost.  After a run the bit is set
 * again if there is more to do, or if the queue is worth another look without a
 * kick: it is hot, or always polled, or its interrupt waits.  Otherwise it goes
 * to sleep through vq_arm(), which looks once more after it asked for kicks.
 *
 * Time is what the caller says, so a turn reads the clock once.
 *
 * A queue of another loop has its bit there; what belongs to home in the
 * outcome of its runs comes as news.
 */
#include "transport/virtio/virtio.h"

#include <limits.h>

#include <rte_common.h>

/* Of a driver that never kicks nothing is heard while a loop sleeps. */
#define UNHEARD_NS 100000u

#define ACTIVE_WORDS(nr) (((nr) + 63u) / 64u)

/* Is @now before @then?  Ticks count on. */
static bool before(uint64_t now, uint64_t then)
{
	return (int64_t)(then - now) > 0;
}

void virtio_queue_activate(struct virtio *v, unsigned int q)
{
	if (v->runner[q].away) {
		v->ops->queue_work(v->transport, q);
		return;
	}
	v->active[q / 64] |= BIT_ULL(q % 64);
	if (v->work)
		return;
	v->work = true;
	v->ops->work(v->transport);
}

void virtio_kick(struct virtio *v, unsigned int q)
{
	struct vq *vq = virtio_queue(v, q);

	/* Relaxed: another loop may just break it; then it looks in vain. */
	if (!vq || !vq->s.enabled ||
	    __atomic_load_n(&vq->s.broken, __ATOMIC_RELAXED)) {
		v->stats.bad_kicks++;
		return;
	}
	count_add(&vq->stats.kicks, 1);
	/* Whatever makes it live looks at it anyway: resume(). */
	if (v->runner[q].away || vq_live(vq))
		virtio_queue_activate(v, q);
}

void virtio_queue_poll(struct virtio *v, unsigned int q, bool on)
{
	v->runner[q].polled = on;
	if (on)
		virtio_queue_activate(v, q);
}

void virtio_queue_coalesce(struct virtio *v, unsigned int q,
			   const struct virtio_coalesce *c)
{
	struct virtio_coalesce *mine = &v->runner[q].coalesce;

	/* Relaxed: whoever runs the queue may take one of the two later. */
	__atomic_store_n(&mine->ticks, c->ticks, __ATOMIC_RELAXED);
	__atomic_store_n(&mine->chains, c->chains, __ATOMIC_RELAXED);
}

void virtio_bad_request(struct virtio *v, unsigned int q)
{
	count_add(&v->queue[q].stats.bad_requests, 1);
}

/* ---- One queue: whoever runs it ------------------------------------------- */

static unsigned int decide(struct virtio *v, unsigned int q)
{
	v->runner[q].late = false;
	return vq_wants_interrupt(&v->queue[q]) ? VIRTIO_RAISE : 0;
}

/* May the decision wait for more to tell of? */
static bool may_wait(struct virtio *v, unsigned int q, uint64_t now)
{
	struct virtio_runner *r = &v->runner[q];
	const struct vq *vq = &v->queue[q];
	const uint64_t ticks =
		__atomic_load_n(&r->coalesce.ticks, __ATOMIC_RELAXED);
	const uint32_t chains =
		__atomic_load_n(&r->coalesce.chains, __ATOMIC_RELAXED);
	uint32_t most = vq->s.size;

	if (!ticks)
		return false;
	if (!r->late)
		r->raise_by = now + ticks;
	r->late = true;
	if (chains && chains < most)
		most = chains;
	return vq->undecided < most && before(now, r->raise_by);
}

/* Show what was pushed, and tell the driver or say that it waits. */
static unsigned int tell(struct virtio *v, unsigned int q, uint64_t now)
{
	struct vq *vq = &v->queue[q];

	if (!vq_publish(vq) && !v->runner[q].late)
		return 0;
	if (!may_wait(v, q, now))
		return decide(v, q);
	count_add(&vq->stats.coalesced, 1);
	return VIRTIO_MORE;
}

/* Nothing more to do for now: is it worth a look in the next turn? */
static unsigned int rest(struct virtio *v, unsigned int q, uint64_t now)
{
	const struct virtio_runner *r = &v->runner[q];

	if (r->polled || v->poll.always || before(now, r->cool_at))
		return VIRTIO_MORE;
	return vq_arm(&v->queue[q]) ? VIRTIO_DID | VIRTIO_MORE : 0;
}

unsigned int virtio_queue_run(struct virtio *v, unsigned int q,
			      unsigned int budget, uint64_t now)
{
	struct vq *vq = &v->queue[q];
	const uint16_t seq = vq->seq, used = vq->s.used;
	unsigned int what;
	bool more;

	if (!vq_live(vq))
		return 0;
	vq_disarm(vq);
	more = v->device->ops->queue_run(v->device, q, budget);
	what = more ? VIRTIO_DID | VIRTIO_MORE : 0;
	if (seq != vq->seq || used != vq->s.used) {
		what |= VIRTIO_DID;
		v->runner[q].cool_at = now + v->poll.hot;
	}
	what |= tell(v, q, now);
	if (!more)
		what |= rest(v, q, now);
	if (!(what & VIRTIO_DID))
		count_add(&vq->stats.looks, 1);
	if (vq->s.broken)
		what = (what & ~VIRTIO_MORE) | VIRTIO_BROKE;
	return what;
}

uint64_t virtio_queue_sleep(struct virtio *v, unsigned int q,
			    unsigned int *news)
{
	const struct virtio_device_ops *ops = v->device->ops;
	struct virtio_runner *r = &v->runner[q];
	uint64_t ns = VIRTIO_ASLEEP;

	*news = 0;
	if (!vq_live(&v->queue[q]))
		return ns;
	if (r->late)
		*news |= decide(v, q);
	/* What is polled has its work from elsewhere: no kick is news to it. */
	if (r->polled && ops->queue_sleep)
		ns = ops->queue_sleep(v->device, q);
	else if (!r->polled && vq_arm(&v->queue[q]))
		ns = VIRTIO_AWAKE;
	else if (v->poll.always)
		ns = UNHEARD_NS;
	if (v->queue[q].s.broken)
		*news |= VIRTIO_BROKE;
	return ns;
}

void virtio_queue_news(struct virtio *v, unsigned int q, unsigned int news)
{
	if (news & VIRTIO_RAISE)
		v->ops->queue_raise(v->transport, q);
	if (news & VIRTIO_BROKE)
		virtio_needs_reset(v);
}

void virtio_queue_set_away(struct virtio *v, unsigned int q, bool away)
{
	assert(v->changing || !v->ops->recall);
	v->runner[q].away = away;
	if (away)
		v->active[q / 64] &= ~BIT_ULL(q % 64);
	virtio_queue_activate(v, q);
}

/* ---- All of home's -------------------------------------------------------- */

/* What a run of all may come to, and where it got to. */
struct share {
	unsigned int budget; /* of one queue */
	unsigned int *room;  /* of all */
	uint64_t now;
};

/* What it costs: the chains that it takes, or one for a look in vain. */
static unsigned int run_one(struct virtio *v, unsigned int q,
			    const struct share *s)
{
	const uint16_t seq = v->queue[q].seq;
	unsigned int what, took;

	what = virtio_queue_run(v, q, RTE_MIN(s->budget, *s->room), s->now);
	took = (uint16_t)(v->queue[q].seq - seq);
	took = RTE_MAX(took, 1u);
	*s->room -= RTE_MIN(took, *s->room);
	if (what & (VIRTIO_RAISE | VIRTIO_BROKE))
		virtio_queue_news(v, q, what);
	return what;
}

/* The queues of word @w and @mask; the rest keeps its bits. */
static unsigned int run_word(struct virtio *v, unsigned int w, uint64_t mask,
			     const struct share *s)
{
	uint64_t todo = v->active[w] & mask;
	unsigned int did = 0, what, q;

	while (todo && *s->room) {
		q = 64 * w + (unsigned int)__builtin_ctzll(todo);
		todo &= todo - 1;
		v->active[w] &= ~BIT_ULL(q % 64);
		/* Given away since. */
		if (v->runner[q].away)
			continue;
		what = run_one(v, q, s);
		if (what & VIRTIO_MORE)
			v->active[w] |= BIT_ULL(q % 64);
		did |= what & VIRTIO_DID;
		v->next_queue = (uint16_t)((q + 1) % v->nr_queues);
	}
	return did;
}

unsigned int virtio_run_some(struct virtio *v, unsigned int budget,
			     unsigned int *room, uint64_t now)
{
	const struct share s = { .budget = budget, .room = room, .now = now };
	const unsigned int n = ACTIVE_WORDS(v->nr_queues);
	const unsigned int first = v->next_queue;
	const uint64_t behind = ~0ull << first % 64;
	unsigned int what = 0, w;
	uint64_t mask;

	/* Whatever becomes active meanwhile is told by what this returns. */
	v->work = true;
	/* Once round: the first word's lower half comes last. */
	for (unsigned int i = 0; i <= n && *room; i++) {
		w = (first / 64 + i) % n;
		mask = i == 0 ? behind : i == n ? ~behind : ~0ull;
		if (v->active[w] & mask)
			what |= run_word(v, w, mask, &s);
	}
	for (w = 0; w < n; w++)
		if (v->active[w])
			what |= VIRTIO_MORE;
	v->work = what & VIRTIO_MORE;
	return what;
}

unsigned int virtio_run(struct virtio *v, unsigned int budget, uint64_t now)
{
	unsigned int room = UINT_MAX;

	return virtio_run_some(v, budget, &room, now);
}

static uint64_t sleep_word(struct virtio *v, unsigned int w)
{
	uint64_t todo = v->active[w];
	uint64_t least = VIRTIO_ASLEEP, ns;
	unsigned int news, q;

	while (todo) {
		q = 64 * w + (unsigned int)__builtin_ctzll(todo);
		todo &= todo - 1;
		ns = virtio_queue_sleep(v, q, &news);
		virtio_queue_news(v, q, news);
		if (ns < least)
			least = ns;
		/* Whoever wakes the loop says what for. */
		if (ns == VIRTIO_ASLEEP && !v->runner[q].polled)
			v->active[w] &= ~BIT_ULL(q % 64);
	}
	return least;
}

uint64_t virtio_sleep(struct virtio *v)
{
	uint64_t least = VIRTIO_ASLEEP, ns;
	unsigned int w;

	for (w = 0; w < ACTIVE_WORDS(v->nr_queues); w++) {
		ns = sleep_word(v, w);
		if (ns < least)
			least = ns;
	}
	return least;
}

/* ---- Events --------------------------------------------------------------- */

void virtio_event(struct virtio *v)
{
	if (v->ops->event)
		v->ops->event(v->transport);
}

void virtio_run_event(struct virtio *v)
{
	v->stats.events++;
	if (v->device->ops->event)
		v->device->ops->event(v->device);
}
