/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring/wait.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "ring/test_util.h"

#define FIVE_SECONDS 5000000000

static void nobody_is_woken_who_did_not_declare(void **state)
{
	struct seg_wait w = { 0 };

	(void)state;
	assert_false(wait_wake(&w, -1));
	assert_int_equal(w.seq, 0);
}

static void one_declaration_is_one_wake(void **state)
{
	struct seg_wait w = { 0 };
	uint32_t seq;

	(void)state;
	wait_declare(&w, SEG_FUTEX, &seq);
	assert_true(wait_wake(&w, -1));
	assert_false(wait_wake(&w, -1));
	wait_declare(&w, SEG_FUTEX, &seq);
	wait_done(&w);
	assert_false(wait_wake(&w, -1));
}

static void a_wake_between_declaring_and_sleeping_is_seen(void **state)
{
	struct seg_wait w = { 0 };
	int64_t start = test_now_ms();
	uint32_t seq;

	(void)state;
	wait_declare(&w, SEG_FUTEX, &seq);
	assert_true(wait_wake(&w, -1));
	assert_int_equal(wait_sleep(&w, seq, FIVE_SECONDS), 0);
	assert_true(test_now_ms() - start < 2000);
}

static void a_sleep_ends_at_its_limit(void **state)
{
	struct seg_wait w = { 0 };
	uint32_t seq;

	(void)state;
	wait_declare(&w, SEG_FUTEX, &seq);
	assert_int_equal(wait_sleep(&w, seq, 2000000), -ETIMEDOUT);
	assert_int_equal(wait_sleep(&w, seq, -1), -ETIMEDOUT);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void a_signal_ends_a_sleep(void **state)
{
	const struct sigaction act = { .sa_handler = on_alarm };
	const struct itimerval often = { { 0, 5000 }, { 0, 5000 } };
	const struct itimerval never = { 0 };
	struct seg_wait w = { 0 };
	uint32_t seq;

	(void)state;
	sigaction(SIGALRM, &act, NULL);
	wait_declare(&w, SEG_FUTEX, &seq);
	setitimer(ITIMER_REAL, &often, NULL);
	assert_int_equal(wait_sleep(&w, seq, FIVE_SECONDS), -EINTR);
	setitimer(ITIMER_REAL, &never, NULL);
}

static void a_forged_mode_wakes_nobody(void **state)
{
	struct seg_wait w = { 0 };

	(void)state;
	atomic_store(&w.mode, 77);
	assert_false(wait_wake(&w, -1));
	assert_int_equal(w.mode, SEG_AWAKE);
	/* An eventfd that the waker does not have is no wake either. */
	atomic_store(&w.mode, SEG_EVENTFD);
	assert_false(wait_wake(&w, -1));
}

static bool readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

static void an_eventfd_is_written_once_and_drained(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct seg_wait w = { 0 };
	uint32_t seq;

	(void)state;
	wait_declare(&w, SEG_EVENTFD, &seq);
	assert_false(readable(fd));
	assert_true(wait_wake(&w, fd));
	assert_true(readable(fd));
	wait_drain(fd);
	assert_false(readable(fd));
	assert_false(wait_wake(&w, fd));
	assert_false(readable(fd));
	close(fd);
}

static void draining_never_blocks_whatever_the_flags(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	(void)state;
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	alarm(10); /* a read that blocks ends the program */
	signal(SIGALRM, SIG_DFL);
	wait_drain(fd);
	alarm(0);
	close(fd);
}

/* ---- Two threads ------------------------------------------------------- */

#define LITMUS_ROUNDS TEST_ROUNDS(200000)

/* Each variable on a line of its own, or the race is over too soon. */
struct litmus {
	_Alignas(64) struct seg_wait w;
	_Alignas(64) _Atomic uint32_t progress;
	_Alignas(64) _Atomic uint32_t waiter_at;
	_Alignas(64) _Atomic uint32_t waker_at;
	_Alignas(64) atomic_bool enough; /* this round is the last */
	_Alignas(64) bool saw[2];
	bool woke[2];
};

static void meet(_Atomic uint32_t *mine, _Atomic uint32_t *theirs, uint32_t n)
{
	unsigned int spins = 0;

	atomic_store(mine, n);
	while ((int32_t)(atomic_load(theirs) - n) < 0)
		if (++spins % 256 == 0)
			sched_yield();
}

static void *waker(void *arg)
{
	struct litmus *l = arg;
	uint32_t n;

	for (n = 1; n <= LITMUS_ROUNDS; n++) {
		meet(&l->waker_at, &l->waiter_at, 2 * n);
		/* As a ring's tail moves: a release, no more. */
		atomic_store_explicit(&l->progress, n, memory_order_release);
		l->woke[n & 1] = wait_wake(&l->w, -1);
		meet(&l->waker_at, &l->waiter_at, 2 * n + 1);
		if (atomic_load(&l->enough))
			break;
	}
	return NULL;
}

/*
 * Store buffering: without W1's or W2's fence both sides' stores may still sit
 * in their cores while both look, and neither sees the other.
 */
static void w1_w2_one_of_the_two_sees_the_other(void **state)
{
	int64_t limit = test_now_ms() + TEST_RACE_MS;
	static struct litmus l;
	pthread_t thread;
	uint32_t n, seq;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, waker, &l), 0);
	for (n = 1; n <= LITMUS_ROUNDS && !l.enough; n++) {
		meet(&l.waiter_at, &l.waker_at, 2 * n);
		wait_declare(&l.w, SEG_FUTEX, &seq);
		l.saw[n & 1] = atomic_load_explicit(&l.progress,
						    memory_order_acquire) == n;
		if (n % 64 == 0 && test_race_is_over(n, limit))
			atomic_store(&l.enough, true);
		meet(&l.waiter_at, &l.waker_at, 2 * n + 1);
		assert_true(l.saw[n & 1] || l.woke[n & 1]);
		wait_done(&l.w);
	}
	pthread_join(thread, NULL);
	assert_true(n > TEST_RACE_ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_woken_who_did_not_declare),
		cmocka_unit_test(one_declaration_is_one_wake),
		cmocka_unit_test(a_wake_between_declaring_and_sleeping_is_seen),
		cmocka_unit_test(a_sleep_ends_at_its_limit),
		cmocka_unit_test(a_signal_ends_a_sleep),
		cmocka_unit_test(a_forged_mode_wakes_nobody),
		cmocka_unit_test(an_eventfd_is_written_once_and_drained),
		cmocka_unit_test(draining_never_blocks_whatever_the_flags),
		cmocka_unit_test(w1_w2_one_of_the_two_sees_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
