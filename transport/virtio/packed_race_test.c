/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * As queue_race_test, on a packed ring of an odd size: driver and device are
 * two threads, each sleeping whenever the other did not ask to be woken.  A
 * missing edge shows as a wrong byte (Q1, Q2; at once with a thread sanitizer)
 * or as both asleep for ever (Q3, Q4).
 */
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
#define RACE_SECONDS 5
#define FEW	     100 /* chains; fewer are no race */

#define SIZE   15u /* slots; a chain has two */
#define DEPTH  7u  /* chains that fit */
#define AVAIL  0x80u
#define USED   0x8000u
#define PACKED (1ull << VIRTIO_F_RING_PACKED)

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id, flags;
};

struct event {
	uint16_t where, flags;
};

struct race {
	struct rig rig;
	struct vq vq;
	struct desc *ring;
	struct event *driver, *device;
	bool event_idx;
	unsigned int avail, used; /* the driver's places */
	bool avail_wrap, used_wrap;
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
	struct vq *vq = &r->vq;
	struct vq_chain c;
	struct vq_span in, out;

	while (vq_pop(vq, &c)) {
		if (vq_chain_next(&c, &in) != 1 || vq_chain_next(&c, &out) != 1)
			return;
		store_le(out.host, 4, load_le(in.host, 4) + 1);
		vq_push(vq, &c, 4);
		if (vq_publish(vq) && vq_wants_interrupt(vq))
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
		vq_disarm(&r->vq);
		do
			serve_all(r);
		while (vq_arm(&r->vq));
	}
	return NULL;
}

/* ---- The driver ---------------------------------------------------------- */

static void advance(unsigned int *place, bool *wrap)
{
	if (++*place < SIZE)
		return;
	*place = 0;
	*wrap = !*wrap;
}

/* Was the descriptor that the device waits for among the last two? */
static bool crossed(const struct race *r, struct event e)
{
	uint16_t at = e.where & 0x7fff;

	if ((e.where >> 15) != r->avail_wrap)
		at = (uint16_t)(at - SIZE);
	return (uint16_t)(r->avail - at - 1) < 2;
}

static void kick(struct race *r)
{
	struct event e;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	e.flags = __atomic_load_n(&r->device->flags, __ATOMIC_ACQUIRE);
	e.where = __atomic_load_n(&r->device->where, __ATOMIC_RELAXED);
	if (e.flags == 0 || (e.flags == 2 && crossed(r, e)))
		flag_raise(&r->kicked);
}

static uint64_t data_of(uint32_t n)
{
	return RIG_DATA + 8 * (n % DEPTH);
}

static uint16_t flags_of(bool wrap, uint16_t flags)
{
	return (uint16_t)(flags | (wrap ? AVAIL : USED));
}

static void ask(struct race *r, uint32_t n)
{
	const uint64_t gpa = data_of(n);
	struct desc *head = &r->ring[r->avail], *d;
	const uint16_t first = flags_of(r->avail_wrap, RIG_NEXT);

	store_le(rig_at(&r->rig, gpa), 4, n);
	head->addr = gpa;
	head->len = 4;
	advance(&r->avail, &r->avail_wrap);
	d = &r->ring[r->avail];
	d->addr = gpa + 4;
	d->len = 4;
	d->id = (uint16_t)n;
	__atomic_store_n(&d->flags, flags_of(r->avail_wrap, RIG_WRITE),
			 __ATOMIC_RELAXED);
	advance(&r->avail, &r->avail_wrap);
	__atomic_store_n(&head->flags, first, __ATOMIC_RELEASE);
	kick(r);
}

static void want_interrupts(struct race *r, bool on)
{
	if (on && r->event_idx)
		__atomic_store_n(&r->driver->where,
				 (uint16_t)(r->used | r->used_wrap << 15),
				 __ATOMIC_RELAXED);
	__atomic_store_n(&r->driver->flags,
			 (uint16_t)(!on		   ? 1
				    : r->event_idx ? 2
						   : 0),
			 __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static bool nothing_new(const struct race *r)
{
	const uint16_t flags =
		__atomic_load_n(&r->ring[r->used].flags, __ATOMIC_ACQUIRE);

	return !!(flags & AVAIL) != r->used_wrap ||
	       !!(flags & USED) != r->used_wrap;
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

static bool wait_for_used(struct race *r)
{
	while (nothing_new(r)) {
		want_interrupts(r, true);
		if (nothing_new(r) && !sleep_until_interrupted(r))
			return false;
		want_interrupts(r, false);
	}
	return true;
}

static void collect(struct race *r, uint32_t n)
{
	const struct desc *d = &r->ring[r->used];

	r->wrong += load_le(rig_at(&r->rig, data_of(n) + 4), 4) != n + 1 ||
		    d->id != (uint16_t)n || d->len != 4;
	advance(&r->used, &r->used_wrap);
	advance(&r->used, &r->used_wrap);
}

/* A different moment each time: what races is a few nanoseconds wide. */
static void dawdle(uint32_t n)
{
	for (n %= 251; n; n--)
		__asm__ volatile("" ::: "memory");
}

static uint32_t drive(struct race *r)
{
	uint32_t asked = 0, done = 0, total = CHAINS, depth;
	time_t begin = time(NULL);

	while (done < total) {
		if (total == CHAINS && time(NULL) - begin > RACE_SECONDS)
			total = asked;
		if (done == total)
			break;
		depth = done / 64 % 2 ? 1 : 1 + done % DEPTH;
		dawdle(done);
		while (asked < total && asked - done < depth)
			ask(r, asked++);
		if (!wait_for_used(r))
			return 0;
		collect(r, done++);
	}
	return done;
}

static void begin_race(struct race *r)
{
	const struct virtio_features f = {
		{ PACKED | (r->event_idx ? TEST_EVENT_IDX : 0), 0 }
	};

	rig_init(&r->rig);
	r->ring = rig_at(&r->rig, RIG_GPA);
	r->driver = rig_at(&r->rig, RIG_GPA + 0x1000);
	r->device = rig_at(&r->rig, RIG_GPA + 0x2000);
	r->avail_wrap = true;
	r->used_wrap = true;
	vq_init(&r->vq, 16, false);
	vq_set_features(&r->vq, &f);
	vq_set_size(&r->vq, SIZE);
	r->vq.s.desc = RIG_GPA;
	r->vq.s.driver = RIG_GPA + 0x1000;
	r->vq.s.device = RIG_GPA + 0x2000;
	vq_enable(&r->vq);
	vq_derive(&r->vq, &r->rig.map, true);
	assert_true(vq_live(&r->vq));
	assert_false(vq_arm(&r->vq));
}

static void race(bool event_idx)
{
	struct race r = { .event_idx = event_idx };
	pthread_t thread;
	uint32_t done;

	begin_race(&r);
	assert_int_equal(pthread_create(&thread, NULL, device, &r), 0);
	done = drive(&r);
	__atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_true(done >= FEW);
	assert_int_equal(r.wrong, 0);
	assert_false(r.vq.s.broken);
	assert_true(r.sleeps > 0);
	rig_fini(&r.rig);
}

/* rules 71, 107, 110 */
static void packed_and_driver_never_both_sleep_with_event_idx(void **state)
{
	(void)state;
	race(true);
}

/* rules 71, 107, 110 */
static void packed_and_driver_never_both_sleep_with_flags(void **state)
{
	(void)state;
	race(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			packed_and_driver_never_both_sleep_with_event_idx),
		cmocka_unit_test(packed_and_driver_never_both_sleep_with_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
