/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the inbox is a stack that anybody pushes to and only the worker takes,
 * all of it at once, so there is nothing that could be pushed twice or popped
 * in between.  Whoever sets POSTED pushes, and the worker clears it before it
 * looks why the job was posted: what is posted later is in the inbox again.
 *
 * While RECALL is set nobody pushes but who recalls, and the worker says HELD
 * only of a job that it has just taken out: so a job that is held is in no
 * inbox, and only its word may still change.
 */
#include "transport/machine/worker.h"

#include <sched.h>

#include <rte_pause.h>

#include "ring/ticks.h"

/* How many looks at a job that is waited for between two offers of the core. */
#define LOOKS_A_YIELD 64

/* ---- The inbox -------------------------------------------------------------- */

static void push(struct worker *w, struct job *j)
{
	struct job *first =
		atomic_load_explicit(&w->inbox, memory_order_relaxed);

	do {
		j->next_posted = first;
		/* J1: pairs with K1.  Sequentially consistent, so that a worker
		 * which falls asleep sees it or is seen to (B2). */
	} while (!atomic_compare_exchange_weak(&w->inbox, &first, j));
	w->wake(w);
}

/* In the order in which they were posted: else the last is served first. */
static struct job *in_order(struct job *j)
{
	struct job *first = NULL, *next;

	for (; j; j = next) {
		next = j->next_posted;
		j->next_posted = first;
		first = j;
	}
	return first;
}

static void activate(struct worker *w, struct job *j)
{
	if (j->from)
		return;
	j->next = NULL;
	j->from = w->active_tail;
	*w->active_tail = j;
	w->active_tail = &j->next;
}

static void deactivate(struct worker *w, struct job *j)
{
	if (!j->from)
		return;
	*j->from = j->next;
	if (j->next)
		j->next->from = j->from;
	else
		w->active_tail = j->from;
	j->from = NULL;
}

/* @why it was posted.  Work that is left is for whoever runs it next. */
static void let_go(struct worker *w, struct job *j, uint32_t why)
{
	const uint32_t left = j->from ? JOB_WORK : why & JOB_WORK;

	w->stats.recalls++;
	deactivate(w, j);
	if (j->ran)
		j->ops->hold(j);
	j->ran = false;
	j->turn = 0;
	/* J2: pairs with K2.  The last this worker does with it. */
	atomic_fetch_or_explicit(&j->word, JOB_HELD | left,
				 memory_order_release);
}

static void take_inbox(struct worker *w)
{
	/* K1: pairs with J1, so everything about each of them is complete. */
	struct job *j =
		atomic_exchange_explicit(&w->inbox, NULL, memory_order_acquire);
	struct job *next;
	uint32_t why;

	for (j = in_order(j); j; j = next) {
		next = j->next_posted;
		w->stats.taken++;
		/* Before it is run: what is posted from now on is more. */
		why = atomic_fetch_and(&j->word, ~(JOB_POSTED | JOB_WORK));
		if (why & JOB_RECALL)
			let_go(w, j, why);
		else
			activate(w, j);
	}
}

/* ---- The worker --------------------------------------------------------------- */

void worker_init(struct worker *w, void (*wake)(struct worker *w))
{
	*w = (struct worker){ .wake = wake };
	w->active_tail = &w->active;
}

unsigned int worker_turn(struct worker *w)
{
	unsigned int all = 0, got, n = 0;
	struct job *j;
	uint64_t now;

	/* Relaxed: a hint; K1 is behind it. */
	if (atomic_load_explicit(&w->inbox, memory_order_relaxed))
		take_inbox(w);
	if (!w->active)
		return 0;
	now = ticks_now();
	w->turn++;
	/* Each once: who has more goes to the tail. */
	while ((j = w->active) && j->turn != w->turn) {
		if (n++ == WORKER_TURN_JOBS)
			return all | JOB_DID | JOB_MORE;
		deactivate(w, j);
		j->turn = w->turn;
		j->ran = true;
		w->stats.runs++;
		got = j->ops->run(j, now);
		all |= got;
		if (got & JOB_MORE)
			activate(w, j);
	}
	return all;
}

uint64_t worker_sleep(struct worker *w)
{
	uint64_t least = UINT64_MAX, ns;

	for (struct job *j = w->active; j; j = j->next) {
		ns = j->ops->sleep(j);
		if (ns < least)
			least = ns;
	}
	return least;
}

/* ---- Jobs ---------------------------------------------------------------------- */

void job_init(struct job *j, const struct job_ops *ops)
{
	*j = (struct job){ .ops = ops };
	atomic_init(&j->word, JOB_RECALL | JOB_HELD);
}

void job_post(struct job *j)
{
	/* Relaxed: the exchange below is what counts. */
	uint32_t next,
		old = atomic_load_explicit(&j->word, memory_order_relaxed);

	do {
		next = old | JOB_WORK;
		if (!(old & JOB_RECALL))
			next |= JOB_POSTED;
	} while (!atomic_compare_exchange_weak(&j->word, &old, next));
	/* Nobody changes @at while it is posted and not recalled. */
	if (next & ~old & JOB_POSTED)
		push(j->at, j);
}

void job_release(struct job *j, struct worker *at)
{
	uint32_t old;

	assert(job_is_held(j));
	j->at = at;
	old = atomic_fetch_and(&j->word, ~(JOB_RECALL | JOB_HELD));
	if (old & JOB_WORK)
		job_post(j);
}

void job_recall(struct job *j)
{
	uint32_t old;

	/* Only its owner sets RECALL, or takes it away. */
	if (atomic_load_explicit(&j->word, memory_order_relaxed) & JOB_RECALL)
		return;
	old = atomic_fetch_or(&j->word, JOB_RECALL | JOB_POSTED);
	if (!(old & JOB_POSTED))
		push(j->at, j);
}

void job_await(struct job *j, struct worker *self)
{
	for (unsigned int n = 1; !job_is_held(j); n++) {
		/* Whom we wait for may wait for us. */
		if (self && worker_has_work(self))
			take_inbox(self);
		/* It may also want this very core. */
		if (n % LOOKS_A_YIELD)
			rte_pause();
		else
			sched_yield();
	}
}

/* ---- Letters ------------------------------------------------------------------- */

void letter_post(struct letterbox *box, struct letter *l)
{
	struct letter *first;
	struct worker *owner;

	/* Acquires nothing, but is not to come before what was written. */
	if (atomic_exchange(&l->posted, true))
		return;
	first = atomic_load_explicit(&box->first, memory_order_relaxed);
	do {
		l->next = first;
		/* J3: pairs with K3; and as J1, with the sleeper. */
	} while (!atomic_compare_exchange_weak(&box->first, &first, l));
	/* Relaxed: the owner outlives the machine. */
	owner = atomic_load_explicit(&box->owner, memory_order_relaxed);
	if (owner)
		owner->wake(owner);
}

bool letterbox_read(struct letterbox *box)
{
	struct letter *l, *next;

	/* Relaxed: a hint; K3 is behind it. */
	if (likely(!atomic_load_explicit(&box->first, memory_order_relaxed)))
		return false;
	/* K3: pairs with J3, so that the letters are complete. */
	l = atomic_exchange_explicit(&box->first, NULL, memory_order_acquire);
	for (; l; l = next) {
		next = l->next;
		/* Before it is read: what comes later is another letter. */
		atomic_exchange(&l->posted, false);
		l->read(l);
	}
	return true;
}
