/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/msi.h"
#include "irq/sink.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>
/* cmocka wants setjmp.h and stdarg.h first */
#include <cmocka.h>

static struct sink_eventfd sink;
static struct sink_record ring;

static int four_vectors(void **state)
{
	(void)state;
	sink_record_init(&ring);
	return sink_eventfd_init(&sink, 4, NULL);
}

static int four_vectors_and_a_ring(void **state)
{
	(void)state;
	sink_record_init(&ring);
	return sink_eventfd_init(&sink, 4, &ring.stage);
}

static int done(void **state)
{
	(void)state;
	sink_eventfd_fini(&sink);
	return 0;
}

static bool send_vector(uint16_t v)
{
	const struct msi_message m = { .vector = v };

	return irq_stage_send(&sink.stage, &m) == IRQ_QUEUED;
}

static uint64_t take(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n;

	if (poll(&p, 1, 0) != 1)
		return 0;
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	return n;
}

static int blocking_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void each_message_adds_one_to_its_own_eventfd(void **state)
{
	int fd[4];

	(void)state;
	for (unsigned int v = 0; v < 4; v++) {
		fd[v] = blocking_eventfd();
		assert_int_equal(sink_eventfd_bind(&sink, v, fd[v]), -1);
	}
	/* More than the kernel keeps unfetched completions for. */
	for (unsigned int i = 0; i < 1000; i++)
		assert_true(send_vector(2));
	assert_true(send_vector(3));
	assert_int_equal(take(fd[0]), 0);
	assert_int_equal(take(fd[1]), 0);
	assert_int_equal(take(fd[2]), 1000);
	assert_int_equal(take(fd[3]), 1);
	assert_int_equal(sink.writes, 1001);
	assert_int_equal(sink.failures, 0);
}

static void unbound_vector_stays_pending_without_another_sink(void **state)
{
	(void)state;
	assert_false(send_vector(0));
	assert_false(send_vector(4));
	assert_false(send_vector(0xffff));
	assert_int_equal(sink.writes, 0);
}

static void unbound_vector_falls_through_to_the_other_sink(void **state)
{
	int fd = blocking_eventfd();

	(void)state;
	sink_eventfd_bind(&sink, 1, fd);
	assert_true(send_vector(0));
	assert_true(send_vector(1));
	assert_int_equal(ring.nr, 1);
	assert_int_equal(ring.message[0].vector, 0);
	assert_int_equal(take(fd), 1);
	ring.refuse = true;
	assert_false(send_vector(0));
}

static void masked_vector_takes_nothing_bound_or_not(void **state)
{
	int fd = blocking_eventfd();

	(void)state;
	sink_eventfd_bind(&sink, 1, fd);
	sink_eventfd_mask(&sink, 0, true);
	sink_eventfd_mask(&sink, 1, true);
	sink_eventfd_mask(&sink, 1u << 31, true);
	assert_false(send_vector(0));
	assert_false(send_vector(1));
	assert_int_equal(ring.nr, 0);
	assert_int_equal(take(fd), 0);
	sink_eventfd_mask(&sink, 1, false);
	assert_true(send_vector(1));
	assert_int_equal(take(fd), 1);
}

static void bind_returns_what_it_replaces(void **state)
{
	int a = blocking_eventfd(), b = blocking_eventfd();

	(void)state;
	assert_int_equal(sink_eventfd_bind(&sink, 0, a), -1);
	assert_int_equal(sink_eventfd_bind(&sink, 0, b), a);
	close(a);
	assert_true(send_vector(0));
	assert_int_equal(take(b), 1);
	assert_int_equal(sink_eventfd_bind(&sink, 0, -1), b);
	close(b);
	/* Beyond the vectors there is nowhere to keep it. */
	a = blocking_eventfd();
	assert_int_equal(sink_eventfd_bind(&sink, 4, a), a);
	close(a);
}

static void fini_closes_what_is_bound(void **state)
{
	int fd = blocking_eventfd();

	(void)state;
	sink_eventfd_bind(&sink, 3, fd);
	sink_eventfd_fini(&sink);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(errno, EBADF);
}

/* rule 78 */
static void event_latched_before_bind_fires_at_bind(void **state)
{
	struct msi_vector vector[4];
	uint64_t pending;
	struct msi_bank bank;
	int fd = blocking_eventfd();

	(void)state;
	msi_bank_init(&bank, vector, &pending, 4, 0);
	msi_bank_set_next(&bank, &sink.stage, true);
	msi_bank_set_open(&bank, true);
	assert_int_equal(msi_send(&bank, 2), IRQ_LATCHED);
	assert_true(msi_is_pending(&bank, 2));
	sink_eventfd_bind(&sink, 2, fd);
	msi_bank_flush(&bank);
	assert_int_equal(take(fd), 1);
	assert_false(msi_is_pending(&bank, 2));
}

static void
full_blocking_eventfd_does_not_block_and_counts_as_told(void **state)
{
	const uint64_t full = UINT64_MAX - 1;
	int fd = blocking_eventfd();

	(void)state;
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	sink_eventfd_bind(&sink, 0, fd);
	/* An alarm ends the test if one of these sleeps. */
	alarm(10);
	for (unsigned int i = 0; i < 100; i++)
		assert_true(send_vector(0));
	alarm(0);
	assert_true(take(fd) >= full);
	assert_true(send_vector(0));
	assert_int_equal(take(fd), 1);
}

static _Atomic bool stop;

static void *make_it_blocking(void *arg)
{
	while (!atomic_load(&stop))
		(void)fcntl(*(int *)arg, F_SETFL, 0);
	return NULL;
}

static void peer_that_undoes_flags_cannot_make_a_send_block(void **state)
{
	const uint64_t full = UINT64_MAX - 1;
	int fd = blocking_eventfd();
	pthread_t peer;

	(void)state;
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	sink_eventfd_bind(&sink, 0, fd);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&peer, NULL, make_it_blocking, &fd), 0);
	alarm(20);
	for (unsigned int i = 0; i < 50000; i++)
		assert_true(send_vector(0));
	alarm(0);
	atomic_store(&stop, true);
	pthread_join(peer, NULL);
}

static void full_pipe_is_refused_instead_of_written(void **state)
{
	char junk[4096] = { 0 };
	int pipefd[2];

	(void)state;
	assert_int_equal(pipe2(pipefd, O_NONBLOCK | O_CLOEXEC), 0);
	while (write(pipefd[1], junk, sizeof(junk)) > 0)
		;
	assert_int_equal(fcntl(pipefd[1], F_SETFL, 0), 0);
	sink_eventfd_bind(&sink, 0, pipefd[1]);
	alarm(10);
	assert_false(send_vector(0));
	alarm(0);
	assert_int_equal(sink.failures, 1);
	assert_int_equal(sink.writes, 0);
	close(pipefd[0]);
}

static void bad_descriptor_keeps_its_events_for_a_good_one(void **state)
{
	int bad = open("/dev/null", O_WRONLY | O_CLOEXEC), fd;
	struct msi_vector vector[4];
	uint64_t pending;
	struct msi_bank bank;

	(void)state;
	msi_bank_init(&bank, vector, &pending, 4, 0);
	msi_bank_set_next(&bank, &sink.stage, true);
	msi_bank_set_open(&bank, true);
	sink_eventfd_bind(&sink, 2, bad);
	assert_int_equal(msi_send(&bank, 2), IRQ_LATCHED);
	assert_int_equal(sink.failures, 1);
	fd = blocking_eventfd();
	assert_int_equal(sink_eventfd_bind(&sink, 2, fd), bad);
	close(bad);
	msi_bank_flush(&bank);
	assert_int_equal(take(fd), 1);
	assert_false(msi_is_pending(&bank, 2));
}

static void sink_without_vectors_is_one(void **state)
{
	(void)state;
	sink_eventfd_fini(&sink);
	assert_int_equal(sink_eventfd_init(&sink, 0, NULL), 0);
	assert_false(send_vector(0));
}

#define T(name, how) cmocka_unit_test_setup_teardown(name, how, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_message_adds_one_to_its_own_eventfd, four_vectors),
		T(unbound_vector_stays_pending_without_another_sink,
		  four_vectors),
		T(unbound_vector_falls_through_to_the_other_sink,
		  four_vectors_and_a_ring),
		T(masked_vector_takes_nothing_bound_or_not,
		  four_vectors_and_a_ring),
		T(bind_returns_what_it_replaces, four_vectors),
		T(fini_closes_what_is_bound, four_vectors),
		T(event_latched_before_bind_fires_at_bind, four_vectors),
		T(full_blocking_eventfd_does_not_block_and_counts_as_told,
		  four_vectors),
		T(peer_that_undoes_flags_cannot_make_a_send_block,
		  four_vectors),
		T(full_pipe_is_refused_instead_of_written, four_vectors),
		T(bad_descriptor_keeps_its_events_for_a_good_one, four_vectors),
		T(sink_without_vectors_is_one, four_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
