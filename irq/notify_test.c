/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/notify.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <unistd.h>
/* cmocka wants setjmp.h and stdarg.h first */
#include <cmocka.h>

static uint64_t take(int fd)
{
	uint64_t n;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static int counter(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void each_signal_adds_one_however_many(void **state)
{
	int a = counter(), b = counter();

	(void)state;
	/* Many times what the kernel keeps of what nobody fetched. */
	for (unsigned int i = 0; i < 1000; i++)
		assert_true(notify_eventfd(i % 4 ? a : b));
	assert_int_equal(take(a), 750);
	assert_int_equal(take(b), 250);
	close(a);
	close(b);
}

static void full_counter_stays_full_and_counts_as_told(void **state)
{
	const uint64_t full = UINT64_MAX - 1;
	int fd = counter();

	(void)state;
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	/* It blocks: an alarm ends the test if one of these sleeps. */
	alarm(10);
	for (unsigned int i = 0; i < 100; i++)
		assert_true(notify_eventfd(fd));
	alarm(0);
	assert_true(take(fd) >= full);
	close(fd);
}

static void what_is_no_eventfd_is_refused_and_not_written(void **state)
{
	int pipefd[2], file = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	assert_false(notify_eventfd(pipefd[1]));
	assert_false(notify_eventfd(file));
	assert_false(notify_eventfd(-1));
	assert_int_equal(take(pipefd[0]), 0);
	close(file);
	assert_false(notify_eventfd(file));
	close(pipefd[0]);
	close(pipefd[1]);
}

static int thread_fd;

static void *signal_unprepared(void *arg)
{
	bool *told = arg;

	for (unsigned int i = 0; i < 200; i++)
		*told &= notify_eventfd(thread_fd);
	return NULL;
}

static void threads_need_no_preparation_and_share_nothing(void **state)
{
	bool told[4] = { true, true, true, true };
	pthread_t thread[4];

	(void)state;
	thread_fd = counter();
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL,
						signal_unprepared, &told[i]),
				 0);
	for (unsigned int i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		assert_true(told[i]);
	}
	assert_int_equal(take(thread_fd), 800);
	close(thread_fd);
}

static void preparing_twice_takes_no_second_descriptor(void **state)
{
	int before, after;

	(void)state;
	assert_int_equal(notify_prepare(), 0);
	/* The lowest free one is the next to be had. */
	before = counter();
	close(before);
	assert_int_equal(notify_prepare(), 0);
	after = counter();
	assert_int_equal(after, before);
	close(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_signal_adds_one_however_many),
		cmocka_unit_test(full_counter_stays_full_and_counts_as_told),
		cmocka_unit_test(what_is_no_eventfd_is_refused_and_not_written),
		cmocka_unit_test(threads_need_no_preparation_and_share_nothing),
		cmocka_unit_test(preparing_twice_takes_no_second_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
