/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Driver and device as two threads on one ring, each sleeping whenever the
 * other did not ask to be woken.  A missing edge shows as a wrong byte (Q1,
 * Q2; at once with a thread sanitizer) or as both asleep for ever (Q3, Q4).
 */
#include "transport/virtio/queue.h"
#include "transport/virtio/test_queue.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define CHAINS 20000u
#else
#define CHAINS 300000u
#endif
#define PATIENCE     20 /* seconds without progress: both are asleep */
/* Where others want the cores a chain costs two of the scheduler's slices. */
#define RACE_SECONDS 3
#define FEW	     100 /* chains; fewer are no race */

struct race {
	struct test t;
	bool event_idx;
	bool kicked, interrupted; /* atomic */
	bool stop;		  /* atomic */
	uint32_t wrong;		  /* answers, as the driver saw them */
	uint32_t sleeps;	  /* of the driver */
};

static bool flag_take(bool *flag)
{
	return __atomic_exchange_n(flag, false, __ATOMIC_ACQ_REL);
}

static void flag_raise(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

static void serve_all(struct race *r)
{
	struct vq *vq = &r->t.vq;
	struct vq_chain c;
	struct vq_span in, out;

	while (vq_pop(vq, &c)) {
		if (vq_chain_next(&c, &in) != 1 || vq_chain_next(&c, &out) != 1)
			return;
		store_le(out.host, 4, load_le(in.host, 4) + 1);
		vq_push(vq, &c, 4);
		if (tell(&r->t))
			flag_raise(&r->interrupted);
	}
}

static void *device(void *arg)
{
	struct race *r = arg;

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		if (!flag_take(&r->kicked)) {
			sched_yield();
			continue;
		}
		vq_disarm(&r->t.vq);
		do
			serve_all(r);
		while (vq_arm(&r->t.vq));
	}
	return NULL;
}

/* ---- The driver ---------------------------------------------------------- */

static void kick(struct race *r, uint16_t old)
{
	struct rig_ring *ring = &r->t.ring;
	uint16_t event;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (r->event_idx) {
		event = __atomic_load_n(rig_avail_event(ring),
					__ATOMIC_RELAXED);
		if ((uint16_t)(ring->avail->idx - event - 1) <
		    (uint16_t)(ring->avail->idx - old))
			flag_raise(&r->kicked);
	} else if (!(__atomic_load_n(&ring->used->flags, __ATOMIC_RELAXED) &
		     1)) {
		flag_raise(&r->kicked);
	}
}

static void ask(struct race *r, uint32_t n)
{
	struct rig_ring *ring = &r->t.ring;
	const unsigned int i = 2 * n % TEST_QUEUE_SIZE;
	const uint64_t gpa = RIG_DATA + 8 * i;

	store_le(rig_at(&r->t.rig, gpa), 4, n);
	rig_desc(ring, i, gpa, 4, RIG_NEXT, i + 1);
	rig_desc(ring, i + 1, gpa + 4, 4, RIG_WRITE, 0);
	rig_offer(ring, i);
	kick(r, (uint16_t)n);
}

static void want_interrupts(struct race *r, uint16_t seen, bool on)
{
	struct rig_ring *ring = &r->t.ring;

	if (r->event_idx && on)
		__atomic_store_n(rig_used_event(ring), seen, __ATOMIC_RELAXED);
	if (!r->event_idx)
		__atomic_store_n(&ring->avail->flags, on ? 0 : 1,
				 __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static bool nothing_new(const struct race *r, uint16_t seen)
{
	return __atomic_load_n(&r->t.ring.used->idx, __ATOMIC_ACQUIRE) == seen;
}

static bool sleep_until_interrupted(struct race *r)
{
	time_t begin = time(NULL);

	r->sleeps++;
	while (!flag_take(&r->interrupted)) {
		if (time(NULL) - begin > PATIENCE)
			return false;
		sched_yield();
	}
	return true;
}

/* Sleep until used.idx is not @seen any more; false if nobody wakes us.  An
 * interrupt may be an old one, of what was seen without it. */
static bool wait_for_used(struct race *r, uint16_t seen)
{
	while (nothing_new(r, seen)) {
		want_interrupts(r, seen, true);
		if (nothing_new(r, seen) && !sleep_until_interrupted(r))
			return false;
		want_interrupts(r, seen, false);
	}
	return true;
}

static void collect(struct race *r, uint32_t n)
{
	const unsigned int i = 2 * n % TEST_QUEUE_SIZE;
	const uint64_t answer = RIG_DATA + 8 * i + 4;
	struct rig_ring *ring = &r->t.ring;

	r->wrong += load_le(rig_at(&r->t.rig, answer), 4) != n + 1 ||
		    ring->used->ring[n % TEST_QUEUE_SIZE].id != i;
}

/* A different moment each time: what races is a few nanoseconds wide. */
static void dawdle(uint32_t n)
{
	for (n %= 251; n; n--)
		__asm__ volatile("" ::: "memory");
}

/* Several out at a time, the number of them changing; often only one, for it
 * is the empty ring that both sleep on. */
static uint32_t drive(struct race *r)
{
	uint32_t asked = 0, done = 0, total = CHAINS, depth;
	time_t begin = time(NULL);

	while (done < total) {
		if (total == CHAINS && time(NULL) - begin > RACE_SECONDS)
			total = asked;
		if (done == total)
			break;
		depth = done / 64 % 2 ? 1 : 1 + done % (TEST_QUEUE_SIZE / 2);
		dawdle(done);
		while (asked < total && asked - done < depth)
			ask(r, asked++);
		if (!wait_for_used(r, (uint16_t)done))
			return 0;
		collect(r, done++);
	}
	return done;
}

static void race(bool event_idx)
{
	struct race r = { .event_idx = event_idx };
	pthread_t thread;
	uint32_t done;

	live(&r.t, NULL, event_idx ? TEST_EVENT_IDX : 0);
	assert_false(vq_arm(&r.t.vq));
	assert_int_equal(pthread_create(&thread, NULL, device, &r), 0);
	done = drive(&r);
	__atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_true(done >= FEW);
	assert_int_equal(r.wrong, 0);
	assert_false(r.t.vq.s.broken);
	assert_true(r.sleeps > 0);
	end(&r.t);
}

/* rules 71, 102 */
static void vq_and_driver_never_both_sleep_with_event_idx(void **state)
{
	(void)state;
	race(true);
}

/* rules 71, 102 */
static void vq_and_driver_never_both_sleep_with_flags(void **state)
{
	(void)state;
	race(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vq_and_driver_never_both_sleep_with_event_idx),
		cmocka_unit_test(vq_and_driver_never_both_sleep_with_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
