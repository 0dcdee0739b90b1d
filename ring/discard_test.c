/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring/discard.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring/test_util.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void what_decent_peers_send_is_closed_at_once(void **state)
{
	int fd[] = {
		memfd_create("a", MFD_CLOEXEC),
		memfd_create("b", MFD_CLOEXEC | MFD_ALLOW_SEALING),
		eventfd(0, EFD_CLOEXEC),
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(fd); i++) {
		assert_true(is_open(fd[i]));
		fd_discard(fd[i]);
		assert_false(is_open(fd[i]));
	}
}

static void only_an_eventfd_is_one(void **state)
{
	int pipes[2], event = eventfd(0, EFD_CLOEXEC);

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(fd_is_eventfd(event), 1);
	assert_int_equal(fd_is_eventfd(pipes[0]), 0);
	close(event);
	assert_int_equal(fd_is_eventfd(event), -ENOENT);
	discard_in_threads();
	fd_discard(pipes[0]);
	for (int i = 0; i < 2000 && is_open(pipes[0]); i++)
		usleep(1000);
	assert_false(is_open(pipes[0]));
	close(pipes[1]);
}

/* A socket whose close() takes five seconds, as long as @reader is open. */
static int lingering_socket(int *reader)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	const struct linger seconds = { .l_onoff = 1, .l_linger = 5 };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static const char bytes[65536];
	socklen_t length = sizeof(at);

	assert_int_equal(bind(listener, (struct sockaddr *)&at, length), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&at, &length);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, length), 0);
	*reader = accept(listener, NULL, NULL);
	close(listener);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &seconds, sizeof(seconds));
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	return fd;
}

static void a_close_that_waits_delays_nobody(void **state)
{
	int64_t start = test_now_ms();
	int reader;

	(void)state;
	discard_in_threads();
	fd_discard(lingering_socket(&reader));
	assert_true(test_now_ms() - start < 2000);
	close(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_decent_peers_send_is_closed_at_once),
		cmocka_unit_test(only_an_eventfd_is_one),
		cmocka_unit_test(a_close_that_waits_delays_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
