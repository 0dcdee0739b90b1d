/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may come in, and what one who did cannot do to others by what he holds:
 * connections, and descriptors that are slow to go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/pciringd/attach_server.h"
#include "tests/flow/service_rig.h"

/* ---- Other users ------------------------------------------------------------------------------- */

#define NOBODY 65534

static unsigned int mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 0777;
}

static void sockets_are_their_owners(void **state)
{
	char path[PROCS_PATH];

	(void)state;
	assert_int_equal(mode_of(procs_path(&p, "rpc.sock", path)), 0600);
	assert_int_equal(mode_of(procs_path(&p, "attach.sock", path)), 0600);
}

static void other_users_are_turned_away(void **state)
{
	static const char request[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
		"\"machine.list\"}\n";
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	json_int_t before = attach_counter("refused");
	char byte;
	int rpc, fd;

	(void)state;
	if (geteuid())
		skip();
	/* The files would keep another user out; we are he to the socket only. */
	assert_int_equal(seteuid(NOBODY), 0);
	setfsuid(0);
	fd = raw_connect();
	rpc = rpc_connect();
	assert_int_equal(seteuid(0), 0);
	/* It may have gone already. */
	send(fd, &h, sizeof(h), MSG_NOSIGNAL);
	expect_end(fd);
	send(rpc, request, sizeof(request) - 1, MSG_NOSIGNAL);
	assert_true(recv(rpc, &byte, 1, 0) <= 0);
	close(rpc);
	assert_int_equal(attach_counter("refused"), before + 1);
}

static void silent_connections_keep_nobody_out(void **state)
{
	static int silent[ATTACH_MAX_CONNS];
	const struct rlimit many = { 2 * ATTACH_MAX_CONNS,
				     2 * ATTACH_MAX_CONNS };
	json_int_t before = attach_counter("silent");

	(void)state;
	if (setrlimit(RLIMIT_NOFILE, &many))
		skip();
	for (unsigned int i = 0; i < ARRAY_SIZE(silent); i++)
		silent[i] = raw_connect();
	pciring_detach(attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE));
	assert_int_equal(attach_counter("silent"), before + 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(silent); i++)
		close(silent[i]);
}

/* ---- Descriptors whose closing waits ---------------------------------------------------------- */

/* One whose last close() takes a minute: unsent bytes, and nobody reads. */
static int lingering_socket(int *reader)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	const struct linger minute = { .l_onoff = 1, .l_linger = 60 };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static const char bytes[65536];
	socklen_t length = sizeof(at);

	assert_int_equal(bind(listener, (struct sockaddr *)&at, length), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&at, &length);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, length), 0);
	*reader = accept(listener, NULL, NULL);
	assert_true(*reader >= 0);
	close(listener);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &minute, sizeof(minute));
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	return fd;
}

/* @bytes with @n descriptors, all but the last harmless, which is ours no
 * longer then. */
static void send_last(int sock, const void *bytes, size_t length,
		      unsigned int n, int last)
{
	union {
		struct cmsghdr h;
		char bytes[CMSG_SPACE(32 * sizeof(int))];
	} control = { .h = { .cmsg_len = CMSG_LEN(n * sizeof(int)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (void *)(uintptr_t)bytes, length };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	int *fds = (int *)(void *)CMSG_DATA(&control.h);

	for (unsigned int i = 0; i < n; i++)
		fds[i] = i < n - 1 ? STDIN_FILENO : last;
	/* Stopped, or it may be we who close it last, and wait. */
	kill(p.service, SIGSTOP);
	assert_int_equal(sendmsg(sock, &mh, MSG_NOSIGNAL), length);
	close(last);
	kill(p.service, SIGCONT);
}

/* The thread sanitizer sleeps for a second at the exit of a process that still
 * has threads, and here four of them wait in close(). */
#ifdef __SANITIZE_THREAD__
#define END_MS 5000
#else
#define END_MS 1000
#endif

static void descriptor_that_lingers_holds_up_nobody(void **state)
{
	const struct msg_dma dma = {
		.h = { .magic = MSG_MAGIC, .type = MSG_DMA_MAP },
		.size = 4096,
		.flags = PCIRING_DMA_READ,
	};
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	struct attach_packet pkt;
	int reader[4], fd[4];

	(void)state;
	/* In a request, which is refused. */
	fd[0] = raw_connect();
	send_bytes(fd[0], &h, sizeof(h));
	assert_int_equal(attach_recv(fd[0], &pkt), 1);
	attach_packet_fini(&pkt);
	send_last(fd[0], &dma, sizeof(dma), 1, lingering_socket(&reader[0]));
	assert_int_equal(attach_recv(fd[0], &pkt), 1);
	assert_int_equal(pkt.m.h.error, -EINVAL);
	/* One of too many. */
	fd[1] = raw_connect();
	send_last(fd[1], &dma, sizeof(dma), 32, lingering_socket(&reader[1]));
	/* Behind the packet that ends the connection, unread. */
	fd[2] = raw_connect();
	kill(p.service, SIGSTOP);
	send_bytes(fd[2], "x", 1);
	send_last(fd[2], &dma, sizeof(dma), 1, lingering_socket(&reader[2]));
	expect_end(fd[2]);
	/* Where nobody expects any. */
	fd[3] = rpc_connect();
	send_last(fd[3], " ", 1, 1, lingering_socket(&reader[3]));

	assert_int_equal(procs_rpc(&p, "service.info", "{}", NULL), 0);
	close(fd[0]);
	close(fd[1]);
	close(fd[3]);
	assert_int_equal(procs_stop(&p.service, SIGTERM, END_MS), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(reader); i++)
		close(reader[i]);
	assert_int_equal(procs_start_service(&p), 0);
	assert_int_equal(procs_rpc(&p, "machine.create", MACHINE, NULL), 0);
	assert_int_equal(procs_rpc(&p, "function.create",
				   "{\"machine\":\"demo\",\"address\":"
				   "\"00:01.0\",\"device\":\"rng\"}",
				   NULL),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_are_their_owners),
		cmocka_unit_test(other_users_are_turned_away),
		cmocka_unit_test(silent_connections_keep_nobody_out),
		cmocka_unit_test(descriptor_that_lingers_holds_up_nobody),
	};

	return cmocka_run_group_tests(tests, service_start, service_stop);
}
