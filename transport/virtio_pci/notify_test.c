/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doorbells as plain memory: what a store to the page means, and that two
 * threads on it lose none.  That of the BAR is virtio_pci_test's.
 */
#include "transport/virtio_pci/notify.h"
#include "transport/virtio_pci/test_function.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "ring/test_util.h"

#define WORDS (NOTIFY_PAGE_SIZE / 4)

static _Alignas(NOTIFY_PAGE_SIZE) _Atomic uint32_t page[WORDS];

static int begin(void **state)
{
	struct function *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	function_up(f, true);
	notify_page_init(page);
	f->vp.notify_page = page;
	*state = f;
	return 0;
}

static int finish(void **state)
{
	function_end(*state);
	free(*state);
	return 0;
}

static void offer(struct function *f, unsigned int q)
{
	rig_desc(&f->ring[q], 0, RIG_DATA, 16, RIG_WRITE, 0);
	rig_offer(&f->ring[q], 0);
}

/* As a guest does: @size bytes, at @off in the page. */
static void store(unsigned int off, unsigned int size, uint32_t value)
{
	memcpy((uint8_t *)page + off, &value, size);
}

static void look(struct function *f)
{
	notify_page_look(&f->vp);
	rig_turn(&f->vp.virtio, 64);
}

static void store_of_an_index_kicks_its_queue_once(void **state)
{
	struct function *f = *state;

	for (unsigned int q = 0; q < TEST_QUEUES; q++) {
		offer(f, q);
		store(4 * q, 2, q);
		look(f);
		assert_int_equal(f->dev.served[q], 1);
		assert_int_equal(page[q], NOTIFY_PAGE_QUIET);
		assert_int_equal(f->sink.nr, q + 1);
	}
	look(f);
	assert_int_equal(f->vp.stats.page_kicks, TEST_QUEUES);
	assert_int_equal(f->vp.stats.notify, 0);
	assert_int_equal(f->vp.virtio.stats.bad_kicks, 0);
}

static void page_that_says_nothing_kicks_nobody(void **state)
{
	struct function *f = *state;
	unsigned int runs[TEST_QUEUES];

	memcpy(runs, f->dev.runs, sizeof(runs));
	offer(f, 0);
	look(f);
	assert_int_equal(f->works, 0);
	assert_memory_equal(runs, f->dev.runs, sizeof(runs));
	assert_int_equal(f->vp.stats.page_kicks, 0);
}

static void place_says_which_queue_and_another_value_is_counted(void **state)
{
	struct function *f = *state;
	static const uint32_t value[] = { 0,	   2,	       0xfffe,
					  0x10000, 0xdeadbeef, 0xfffffffe };
	unsigned int n = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(value); i++) {
		offer(f, 1);
		store(4, 4, value[i]);
		look(f);
		assert_int_equal(f->dev.served[1], ++n);
		assert_int_equal(f->vp.virtio.stats.bad_kicks, n);
	}
	assert_int_equal(f->dev.served[0] + f->dev.served[2], 0);
	/* The upper half is not a value of ours to judge. */
	store(4, 4, 0xabcd0001);
	look(f);
	assert_int_equal(f->vp.virtio.stats.bad_kicks, n);
}

static void store_of_any_width_anywhere_in_a_word_is_a_kick_of_it(void **state)
{
	struct function *f = *state;
	unsigned int n = 0;

	for (unsigned int size = 1; size <= 4; size *= 2)
		for (unsigned int off = 0; off < 4; off += size) {
			offer(f, 2);
			store(8 + off, size, 0x55);
			look(f);
			assert_int_equal(f->dev.served[2], ++n);
		}
	assert_int_equal(f->dev.served[0] + f->dev.served[1], 0);
}

static void what_lies_behind_the_last_queue_is_memory_and_no_more(void **state)
{
	struct function *f = *state;

	for (unsigned int i = TEST_QUEUES; i < WORDS; i++)
		store(4 * i, 4, i);
	look(f);
	assert_int_equal(f->vp.stats.page_kicks, 0);
	assert_int_equal(f->vp.virtio.stats.bad_kicks, 0);
	assert_int_equal(page[TEST_QUEUES], TEST_QUEUES);
}

static void hole_in_the_page_is_one_kick_a_queue(void **state)
{
	struct function *f = *state;

	memset((uint8_t *)page, 0, NOTIFY_PAGE_SIZE);
	look(f);
	look(f);
	assert_int_equal(f->vp.stats.page_kicks, TEST_QUEUES);
}

static void kick_of_a_queue_that_is_not_there_yet_is_counted(void **state)
{
	struct function *f = *state;

	set_bar4(f, STATUS, 1, 0);
	store(0, 2, 0);
	look(f);
	assert_int_equal(f->vp.virtio.stats.bad_kicks, 1);
	assert_int_equal(page[0], NOTIFY_PAGE_QUIET);
}

static void ring_again(struct virtio_pci *vp)
{
	(void)vp;
	store(4, 2, 1);
}

static const struct virtio_pci_ops ring_again_ops = {
	.work = ring_again,
};

static void store_while_a_kick_is_taken_is_there_at_the_next_look(void **state)
{
	struct function *f = *state;

	f->vp.ops = &ring_again_ops;
	offer(f, 1);
	store(4, 2, 1);
	notify_page_look(&f->vp);
	assert_int_equal(page[1], 0xffff0001);
	rig_turn(&f->vp.virtio, 64);
	offer(f, 1);
	look(f);
	assert_int_equal(f->dev.served[1], 2);
	assert_int_equal(f->vp.stats.page_kicks, 2);
}

static void doorbell_in_the_bar_works_beside_the_page(void **state)
{
	struct function *f = *state;

	use_one(f, 0);
	offer(f, 0);
	store(0, 2, 0);
	look(f);
	use_one(f, 0);
	assert_int_equal(f->dev.served[0], 3);
	assert_int_equal(f->vp.stats.notify, 2);
	assert_int_equal(f->vp.stats.page_kicks, 1);
}

/* ---- Two threads ----------------------------------------------------------- */

#define RACE_ROUNDS TEST_ROUNDS(200000u)
#define RACE_MS	    1500
#define PATIENCE_MS 20000

/* The device sees what it is asked for in words beside its queue. */
struct race {
	struct function f;
	struct virtio_device_ops ops;
	uint32_t plain; /* ordered by the kick alone */
	_Atomic uint32_t asked;
	_Atomic uint32_t seen_plain, seen;
	atomic_bool stop;
};

static bool race_run(struct virtio_device *d, unsigned int q,
		     unsigned int budget)
{
	struct race *r = container_of(test_device_of(d), struct race, f.dev);
	uint32_t asked;

	(void)budget;
	if (q == 0) {
		atomic_store_explicit(&r->seen_plain, r->plain,
				      memory_order_release);
		return false;
	}
	/* Relaxed: only the kick orders it. */
	asked = atomic_load_explicit(&r->asked, memory_order_relaxed);
	atomic_store_explicit(&r->seen, asked, memory_order_release);
	return false;
}

static void *serve(void *arg)
{
	struct race *r = arg;

	while (!atomic_load(&r->stop)) {
		for (int i = 0; i < 100; i++)
			look(&r->f);
		sched_yield();
	}
	return NULL;
}

static void race_begin(struct race *r, pthread_t *thread)
{
	memset(r, 0, sizeof(*r));
	function_up(&r->f, true);
	r->ops = *r->f.dev.device.ops;
	r->ops.queue_run = race_run;
	r->f.dev.device.ops = &r->ops;
	notify_page_init(page);
	r->f.vp.notify_page = page;
	assert_int_equal(pthread_create(thread, NULL, serve, r), 0);
}

static void race_end(struct race *r, pthread_t thread)
{
	atomic_store(&r->stop, true);
	pthread_join(thread, NULL);
	function_end(&r->f);
}

/* The driver's half: D1. */
static void ring_bell(unsigned int q)
{
	atomic_store_explicit(&page[q], q, memory_order_release);
}

/* False: nobody comes any more. */
static bool wait_seen(_Atomic uint32_t *seen, uint32_t n)
{
	int64_t begun = test_now_ms();

	for (uint32_t i = 0;; i++) {
		if (atomic_load_explicit(seen, memory_order_acquire) == n)
			return true;
		if (i % 64 == 63)
			sched_yield();
		if (i % 4096 == 4095 && test_now_ms() - begun > PATIENCE_MS)
			return false;
	}
}

static void d1_e1_what_was_written_before_a_kick_is_complete(void **state)
{
	const int64_t begun = test_now_ms();
	pthread_t thread;
	struct race r;
	uint32_t n = 0;

	(void)state;
	race_begin(&r, &thread);
	while (n < RACE_ROUNDS && !test_race_is_over(n, begun + RACE_MS)) {
		r.plain = ++n;
		ring_bell(0);
		if (!wait_seen(&r.seen_plain, n))
			break;
	}
	race_end(&r, thread);
	assert_int_equal(r.seen_plain, n);
	assert_true(n >= TEST_RACE_ROUNDS);
}

/* Stores one close behind the other: one falls between whatever two steps the
 * other side takes.  It is the last of them that must not be lost. */
static void d1_e1_no_kick_is_lost_however_the_two_fall(void **state)
{
	const int64_t begun = test_now_ms();
	pthread_t thread;
	uint32_t n = 0, rounds = 0;
	bool seen = true;
	struct race r;

	(void)state;
	race_begin(&r, &thread);
	for (; seen && rounds < RACE_ROUNDS; rounds++) {
		if (rounds % 64 == 0 &&
		    test_race_is_over(rounds, begun + RACE_MS))
			break;
		for (uint32_t i = 0; i <= rounds % 7; i++) {
			atomic_store_explicit(&r.asked, ++n,
					      memory_order_relaxed);
			ring_bell(1);
			for (uint32_t k = rounds % 499; k; k--)
				__asm__ volatile("" ::: "memory");
		}
		seen = wait_seen(&r.seen, n);
	}
	race_end(&r, thread);
	assert_true(seen);
	assert_true(rounds >= TEST_RACE_ROUNDS);
}

int main(void)
{
#define with_function(test) cmocka_unit_test_setup_teardown(test, begin, finish)
	const struct CMUnitTest tests[] = {
		with_function(store_of_an_index_kicks_its_queue_once),
		with_function(page_that_says_nothing_kicks_nobody),
		with_function(
			place_says_which_queue_and_another_value_is_counted),
		with_function(
			store_of_any_width_anywhere_in_a_word_is_a_kick_of_it),
		with_function(
			what_lies_behind_the_last_queue_is_memory_and_no_more),
		with_function(hole_in_the_page_is_one_kick_a_queue),
		with_function(kick_of_a_queue_that_is_not_there_yet_is_counted),
		with_function(
			store_while_a_kick_is_taken_is_there_at_the_next_look),
		with_function(doorbell_in_the_bar_works_beside_the_page),
		cmocka_unit_test(
			d1_e1_what_was_written_before_a_kick_is_complete),
		cmocka_unit_test(d1_e1_no_kick_is_lost_however_the_two_fall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
