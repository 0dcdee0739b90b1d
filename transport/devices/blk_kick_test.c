/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver that asks again just when its queue cools down, or falls asleep with
 * the loop: it kicks only if it is asked to, and no other request follows that
 * would make up for a kick which was lost.  Driver and service are two threads,
 * each request is at another moment.
 */
#include "transport/devices/test_disk.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#include "ring/ticks.h"

#define RACE_MS	   400
#define FEW	   20 /* requests; fewer are no race */
#define PATIENCE_S 20 /* no load explains more */
#define HOT_US	   3u
#define IDLE_TURNS 8u /* before the loop sleeps */

struct race {
	struct disk disk;
	bool event_idx;
	bool kicked, stop; /* atomic */
	unsigned int kicks, requests;
	uint64_t seed;
};

/* ---- The service ---------------------------------------------------------- */

static bool take_kick(struct race *r)
{
	if (!__atomic_exchange_n(&r->kicked, false, __ATOMIC_ACQ_REL))
		return false;
	virtio_kick(&r->disk.v, 0);
	return true;
}

static bool stopped(const struct race *r)
{
	return __atomic_load_n(&r->stop, __ATOMIC_ACQUIRE);
}

static void *service(void *arg)
{
	struct race *r = arg;
	unsigned int idle = 0;

	while (!stopped(r)) {
		take_kick(r);
		if (virtio_run(&r->disk.v, 64, ticks_now()) & VIRTIO_DID)
			idle = 0;
		if (++idle < IDLE_TURNS ||
		    virtio_sleep(&r->disk.v) != VIRTIO_ASLEEP)
			continue;
		while (!take_kick(r) && !stopped(r))
			sched_yield();
		idle = 0;
	}
	return NULL;
}

/* ---- The driver ----------------------------------------------------------- */

static bool split_wants_kick(const struct race *r, uint16_t old)
{
	struct rig_ring *ring = (struct rig_ring *)&r->disk.ring[0];

	if (r->event_idx)
		return __atomic_load_n(rig_avail_event(ring),
				       __ATOMIC_RELAXED) == old;
	return !(__atomic_load_n(&ring->used->flags, __ATOMIC_RELAXED) & 1);
}

/* Of the three slots from @old on; what is armed is the first of them. */
static bool packed_wants_kick(const struct race *r, uint16_t old)
{
	const struct rig_event *e = r->disk.ring[0].device_event;
	const uint16_t flags = __atomic_load_n(&e->flags, __ATOMIC_ACQUIRE);

	if (flags == RIG_EVENT_DESC)
		return __atomic_load_n(&e->where, __ATOMIC_RELAXED) == old;
	return flags == RIG_EVENT_ENABLE;
}

/* The service looks at the flags of a packed ring at any time. */
static void put(struct rig_ring *ring, unsigned int i, uint64_t addr,
		uint32_t len, unsigned int flags, unsigned int next)
{
	struct rig_packed *slot = &ring->slots[i];

	if (!ring->packed) {
		rig_desc(ring, i, addr, len, flags, next);
		return;
	}
	slot->addr = addr;
	slot->len = len;
	slot->id = 0;
	__atomic_store_n(&slot->flags, (uint16_t)flags, __ATOMIC_RELAXED);
}

static void ask(struct race *r)
{
	struct rig_ring *ring = &r->disk.ring[0];
	const uint16_t old = ring->packed ? ring->slot : ring->offered;
	const unsigned int d = ring->packed ? rig_place(ring) : 0;
	unsigned int next[2] = { d + 1, d + 2 };

	for (unsigned int i = 0; ring->packed && i < 2; i++)
		next[i] %= ring->size;
	disk_header(&r->disk, BLK_T_IN, r->requests % 64);
	put(ring, d, DISK_HEADER, 16, RIG_NEXT, next[0]);
	put(ring, next[0], DISK_DATA, 512, RIG_NEXT | RIG_WRITE, next[1]);
	put(ring, next[1], DISK_STATUS, 1, RIG_WRITE, 0);
	rig_offer(ring, d);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->packed ? packed_wants_kick(r, old)
			 : split_wants_kick(r, old)) {
		__atomic_store_n(&r->kicked, true, __ATOMIC_RELEASE);
		r->kicks++;
	}
	r->requests++;
}

static bool hear(struct race *r)
{
	const time_t begin = time(NULL);
	struct rig_answer a;

	for (unsigned int n = 1; !rig_take(&r->disk.ring[0], 3, &a); n++) {
		if (n % 64)
			continue;
		if (time(NULL) - begin > PATIENCE_S)
			return false;
		sched_yield();
	}
	return a.len == 513;
}

/* Up to twice the time that a queue is hot. */
static void dawdle(struct race *r)
{
	const uint64_t hot = ticks_of_us(HOT_US), begin = ticks_now();
	uint64_t most;

	r->seed = r->seed * 6364136223846793005ull + 1442695040888963407ull;
	most = (r->seed >> 33) % (2 * hot);
	while (ticks_now() - begin < most)
		;
}

static void race(uint64_t features)
{
	const uint64_t end = ticks_now() + ticks_of_us(1000 * RACE_MS);
	struct race r = {
		.event_idx = features & BIT_ULL(VIRTIO_F_EVENT_IDX),
		.seed = 1,
	};
	struct virtio_device *dev = NULL;
	char error[100];
	pthread_t thread;
	bool heard = true;

	assert_int_equal(
		disk_create("backend=null size=1M", &dev, error, sizeof(error)),
		0);
	disk_begin(&r.disk, dev, features);
	r.disk.v.poll.hot = ticks_of_us(HOT_US);
	assert_int_equal(pthread_create(&thread, NULL, service, &r), 0);
	while (heard && (ticks_now() < end || r.requests < FEW)) {
		dawdle(&r);
		ask(&r);
		heard = hear(&r);
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_true(heard);
	assert_true(r.kicks > 0);
	disk_end(&r.disk);
}

static void no_kick_is_lost_when_a_split_queue_cools(void **state)
{
	(void)state;
	race(0);
}

static void no_kick_is_lost_when_a_split_queue_cools_event_idx(void **state)
{
	(void)state;
	race(BIT_ULL(VIRTIO_F_EVENT_IDX));
}

static void no_kick_is_lost_when_a_packed_queue_cools(void **state)
{
	(void)state;
	race(BIT_ULL(VIRTIO_F_RING_PACKED));
}

static void no_kick_is_lost_when_a_packed_queue_cools_event_idx(void **state)
{
	(void)state;
	race(BIT_ULL(VIRTIO_F_RING_PACKED) | BIT_ULL(VIRTIO_F_EVENT_IDX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_kick_is_lost_when_a_split_queue_cools),
		cmocka_unit_test(
			no_kick_is_lost_when_a_split_queue_cools_event_idx),
		cmocka_unit_test(no_kick_is_lost_when_a_packed_queue_cools),
		cmocka_unit_test(
			no_kick_is_lost_when_a_packed_queue_cools_event_idx),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
