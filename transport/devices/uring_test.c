/* SPDX-License-Identifier: BSD-3-Clause */
/* This thread's io_uring: what is handed over when, and what comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "transport/devices/uring.h"

struct noted {
	struct uring_op op;
	unsigned int calls;
	int32_t res;
};

static void note(struct uring_op *op, int32_t res)
{
	struct noted *n = container_of(op, struct noted, op);

	n->calls++;
	n->res = res;
}

static struct noted fresh(void)
{
	return (struct noted){ .op.done = note };
}

/* Whatever is under way completes soon, or the test fails. */
static void turn_until(const struct noted *n, unsigned int calls)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (unsigned int i = 0; i < 10000 && n->calls < calls; i++)
		if (!uring_turn())
			nanosleep(&ms, NULL);
	assert_int_equal(n->calls, calls);
}

static void need_io_uring(void)
{
	int err = uring_open();

	if (!err)
		return;
	print_message("io_uring is refused here: %s\n", strerror(-err));
	skip();
}

static void thread_without_operations_opens_no_ring(void **state)
{
	(void)state;
	uring_close();
	assert_int_equal(uring_fd(), -1);
	assert_false(uring_turn());
	uring_wait();
	assert_int_equal(uring_fd(), -1);
	assert_int_equal(uring_enters(), 0);
}

static void operations_of_a_turn_go_with_one_enter(void **state)
{
	struct noted n[50];
	char c[50];
	int fd;

	(void)state;
	need_io_uring();
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	memset(c, 1, sizeof(c));
	for (unsigned int i = 0; i < 50; i++) {
		n[i] = fresh();
		io_uring_prep_read(uring_sqe(&n[i].op), fd, &c[i], 1, 0);
	}
	assert_int_equal(uring_under_way(), 50);
	assert_int_equal(uring_enters(), 0);
	assert_true(uring_turn());
	assert_int_equal(uring_enters(), 1);
	for (unsigned int i = 0; i < 50; i++) {
		turn_until(&n[i], 1);
		assert_int_equal(n[i].res, 1);
		assert_int_equal(c[i], 0);
	}
	assert_int_equal(uring_under_way(), 0);
	/* And with nothing to do the kernel is left alone. */
	assert_false(uring_turn());
	assert_int_equal(uring_enters(), 1);
	close(fd);
	uring_close();
}

static void what_does_not_fit_goes_early(void **state)
{
	const unsigned int many = 1000;
	struct noted *n = calloc(many, sizeof(*n));

	(void)state;
	need_io_uring();
	assert_non_null(n);
	for (unsigned int i = 0; i < many; i++) {
		n[i] = fresh();
		io_uring_prep_nop(uring_sqe(&n[i].op));
	}
	for (unsigned int i = 0; i < many; i++)
		turn_until(&n[i], 1);
	free(n);
	uring_close();
}

static void errors_of_the_kernel_come_back_as_they_are(void **state)
{
	struct noted n = fresh();
	char c;

	(void)state;
	need_io_uring();
	io_uring_prep_read(uring_sqe(&n.op), -1, &c, 1, 0);
	uring_turn();
	turn_until(&n, 1);
	assert_int_equal(n.res, -EBADF);
	uring_close();
}

static void completion_makes_the_descriptor_readable(void **state)
{
	struct noted n = fresh();
	const uint64_t one = 1;
	uint64_t got = 0;
	struct pollfd p;
	int fd;

	(void)state;
	need_io_uring();
	fd = eventfd(0, EFD_CLOEXEC);
	io_uring_prep_read(uring_sqe(&n.op), fd, &got, sizeof(got), 0);
	uring_turn();
	p = (struct pollfd){ .fd = uring_fd(), .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(poll(&p, 1, 10000), 1);
	turn_until(&n, 1);
	assert_int_equal(got, 1);
	close(fd);
	uring_close();
}

static void wait_returns_when_something_has_completed(void **state)
{
	struct noted n = fresh();

	(void)state;
	need_io_uring();
	io_uring_prep_nop(uring_sqe(&n.op));
	/* Not even handed over yet. */
	uring_wait();
	assert_int_equal(n.calls, 1);
	uring_close();
}

static void operation_without_end_ends_when_it_is_cancelled(void **state)
{
	struct noted n = fresh(), never = fresh();
	uint64_t got;
	int fd;

	(void)state;
	need_io_uring();
	fd = eventfd(0, EFD_CLOEXEC);
	io_uring_prep_read(uring_sqe(&n.op), fd, &got, sizeof(got), 0);
	uring_turn();
	uring_cancel(&n.op);
	while (!n.calls)
		uring_wait();
	assert_int_equal(n.res, -ECANCELED);
	assert_int_equal(uring_under_way(), 0);
	/* One that is not there is nothing. */
	uring_cancel(&never.op);
	uring_turn();
	assert_int_equal(never.calls, 0);
	close(fd);
	uring_close();
}

struct again {
	struct uring_op op;
	unsigned int left;
};

static void once_more(struct uring_op *op, int32_t res)
{
	struct again *a = container_of(op, struct again, op);

	assert_int_equal(res, 0);
	if (--a->left)
		io_uring_prep_nop(uring_sqe(&a->op));
}

static void done_may_begin_the_next(void **state)
{
	struct again a = { .op.done = once_more, .left = 100 };

	(void)state;
	need_io_uring();
	io_uring_prep_nop(uring_sqe(&a.op));
	while (a.left)
		uring_wait();
	assert_int_equal(uring_under_way(), 0);
	uring_close();
}

static void close_waits_for_what_is_under_way(void **state)
{
	struct __kernel_timespec t = { .tv_nsec = 20000000 };
	struct noted n = fresh();

	(void)state;
	need_io_uring();
	io_uring_prep_timeout(uring_sqe(&n.op), &t, 0, 0);
	uring_turn();
	uring_close();
	assert_int_equal(n.calls, 1);
	assert_int_equal(n.res, -ETIME);
	assert_int_equal(uring_fd(), -1);
}

static void *other_thread(void *arg)
{
	*(int *)arg = uring_open() ? -2 : uring_fd();
	uring_close();
	return NULL;
}

static void each_thread_has_its_own(void **state)
{
	pthread_t thread;
	int fd = -1;

	(void)state;
	need_io_uring();
	assert_int_equal(pthread_create(&thread, NULL, other_thread, &fd), 0);
	pthread_join(thread, NULL);
	assert_true(fd >= 0 && fd != uring_fd());
	uring_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thread_without_operations_opens_no_ring),
		cmocka_unit_test(operations_of_a_turn_go_with_one_enter),
		cmocka_unit_test(what_does_not_fit_goes_early),
		cmocka_unit_test(errors_of_the_kernel_come_back_as_they_are),
		cmocka_unit_test(completion_makes_the_descriptor_readable),
		cmocka_unit_test(wait_returns_when_something_has_completed),
		cmocka_unit_test(
			operation_without_end_ends_when_it_is_cancelled),
		cmocka_unit_test(done_may_begin_the_next),
		cmocka_unit_test(close_waits_for_what_is_under_way),
		cmocka_unit_test(each_thread_has_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
