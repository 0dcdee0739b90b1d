/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What else may connect to the attach socket: clients that break the protocol,
 * and the proxy's watch, packet by packet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "apps/pciringd/attach_server.h"
#include "tests/flow/service_rig.h"

/* ---- Clients that do not behave ---------------------------------------------------------------- */

static int raw_connect(void)
{
	struct timeval limit = { .tv_sec = 5 };
	char path[PROCS_PATH];
	int fd = attach_connect(procs_path(&p, "attach.sock", path));

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static struct msg_hello hello(uint16_t scope)
{
	struct msg_hello h = {
		.h = { .magic = MSG_MAGIC, .type = MSG_HELLO, .id = 5 },
		.major = PCIRING_VERSION_MAJOR,
		.minor = PCIRING_VERSION_MINOR,
		.scope = scope,
		.lanes = 1,
		.function = BDF,
		.machine = "demo",
		.name = "raw",
	};
	return h;
}

/* The error in the answer to @h; the connection ends behind it. */
static int hello_error(const struct msg_hello *h)
{
	struct attach_packet pkt;
	int fd = raw_connect(), error;

	assert_int_equal(attach_send(fd, h, sizeof(*h), NULL, 0), 0);
	assert_int_equal(attach_recv(fd, &pkt), 1);
	assert_int_equal(pkt.m.h.id, 5);
	assert_int_equal(pkt.m.h.reply, 1);
	error = pkt.m.h.error;
	attach_packet_fini(&pkt);
	if (error)
		assert_int_equal(attach_recv(fd, &pkt), 0);
	close(fd);
	return error;
}

static void hello_that_asks_the_impossible_is_refused(void **state)
{
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);

	(void)state;
	h.major++;
	assert_int_equal(hello_error(&h), -EPROTONOSUPPORT);
	h = hello(PCIRING_SCOPE_MACHINE);
	h.lanes = 0;
	assert_int_equal(hello_error(&h), -EINVAL);
	h.lanes = PCIRING_MAX_LANES + 1;
	assert_int_equal(hello_error(&h), -EINVAL);
	h = hello(3);
	assert_int_equal(hello_error(&h), -EINVAL);
	h = hello(PCIRING_SCOPE_MACHINE);
	h.interrupts = 2;
	assert_int_equal(hello_error(&h), -EINVAL);
	h = hello(PCIRING_SCOPE_MACHINE);
	memset(h.machine, 'x', sizeof(h.machine));
	assert_int_equal(hello_error(&h), -EINVAL);
	h = hello(PCIRING_SCOPE_MACHINE);
	h.machine[0] = 'x';
	assert_int_equal(hello_error(&h), -ENOENT);
	h = hello(PCIRING_SCOPE_FUNCTION);
	h.function = 0x18;
	assert_int_equal(hello_error(&h), -ENOENT);
	h = hello(PCIRING_SCOPE_MACHINE);
	memset(h.name, 0xff, sizeof(h.name));
	assert_int_equal(hello_error(&h), 0);
}

static void expect_end(int fd)
{
	struct attach_packet pkt;
	int n;

	while ((n = attach_recv(fd, &pkt)) == 1)
		attach_packet_fini(&pkt);
	assert_int_equal(n, 0);
	close(fd);
}

/* A raw connection that has said hello, for its own machine. */
static int raw_attach(void)
{
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	struct attach_packet pkt;
	int fd = raw_connect();

	memcpy(h.machine, "raw", 4);
	assert_int_equal(attach_send(fd, &h, sizeof(h), NULL, 0), 0);
	assert_int_equal(attach_recv(fd, &pkt), 1);
	assert_int_equal(pkt.m.h.error, 0);
	assert_int_equal(pkt.nr_fds, MSG_NR_FDS);
	attach_packet_fini(&pkt);
	return fd;
}

/* Sent raw, where attach_send() would be too decent. */
static void send_bytes(int fd, const void *bytes, size_t n)
{
	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

static void packets_without_sense_end_only_their_connection(void **state)
{
	struct msg_header early = { .magic = MSG_MAGIC, .type = MSG_DMA_UNMAP };
	struct msg_header answer = { .magic = MSG_MAGIC,
				     .type = MSG_DMA_UNMAP,
				     .reply = 1 };
	struct msg_hello again = hello(PCIRING_SCOPE_MACHINE);
	struct pciring *link;
	char junk[4096];
	int fd;

	(void)state;
	memset(junk, 0x5a, sizeof(junk));
	assert_int_equal(
		procs_rpc(&p, "machine.create", "{\"name\":\"raw\"}", NULL), 0);
	link = attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE);

	fd = raw_connect();
	send_bytes(fd, junk, 1);
	expect_end(fd);
	fd = raw_connect();
	send_bytes(fd, &early, sizeof(early));
	expect_end(fd);
	fd = raw_connect();
	send_bytes(fd, &answer, sizeof(answer));
	expect_end(fd);
	fd = raw_attach();
	send_bytes(fd, junk, sizeof(junk));
	expect_end(fd);
	fd = raw_attach();
	send_bytes(fd, &again, sizeof(again));
	expect_end(fd);
	fd = raw_attach();
	send_bytes(fd, &answer, sizeof(answer));
	expect_end(fd);
	/* Cut off: it has no region in it. */
	fd = raw_attach();
	send_bytes(fd, &early, sizeof(early));
	expect_end(fd);

	assert_int_equal(vendor(link), 0x1af4);
	assert_int_equal(pciring_status(link), 0);
	pciring_detach(link);
	assert_int_equal(procs_rpc(&p, "machine.destroy",
				   "{\"name\":\"raw\",\"force\":true}", NULL),
			 0);
}

static void type_that_is_not_known_is_answered_so(void **state)
{
	struct msg_header later = { .magic = MSG_MAGIC, .type = 999, .id = 9 };
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	struct attach_packet pkt;
	int fd = raw_connect();

	(void)state;
	send_bytes(fd, &h, sizeof(h));
	assert_int_equal(attach_recv(fd, &pkt), 1);
	attach_packet_fini(&pkt);
	send_bytes(fd, &later, sizeof(later));
	assert_int_equal(attach_recv(fd, &pkt), 1);
	assert_int_equal(pkt.m.h.error, -EOPNOTSUPP);
	assert_int_equal(pkt.m.h.id, 9);
	close(fd);
}

static void name_that_is_no_text_is_still_a_name(void **state)
{
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	struct attach_packet pkt;
	json_t *stats, *link;
	int fd = raw_connect();

	(void)state;
	memset(h.name, 0xff, sizeof(h.name));
	send_bytes(fd, &h, sizeof(h));
	assert_int_equal(attach_recv(fd, &pkt), 1);
	attach_packet_fini(&pkt);
	assert_int_equal(
		procs_rpc(&p, "stats.get", "{\"machine\":\"demo\"}", &stats),
		0);
	link = json_array_get(json_object_get(stats, "links"), 0);
	assert_true(json_is_string(json_object_get(link, "name")));
	json_decref(stats);
	close(fd);
}

static json_int_t attach_counter(const char *key)
{
	json_t *info;
	json_int_t n;

	assert_int_equal(procs_rpc(&p, "service.info", "{}", &info), 0);
	n = counter(json_object_get(info, "attach"), key);
	json_decref(info);
	return n;
}

static void client_that_does_not_read_its_answers_is_dropped(void **state)
{
	struct msg_function request = {
		.h = { .magic = MSG_MAGIC, .type = MSG_FUNCTION_INFO },
		.function = BDF,
	};
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	json_int_t before = attach_counter("slow");
	int fd = raw_connect(), sent = 0;

	(void)state;
	send_bytes(fd, &h, sizeof(h));
	while (sent < 100000 &&
	       send(fd, &request, sizeof(request), MSG_NOSIGNAL) > 0)
		sent++;
	assert_true(sent < 100000);
	close(fd);
	assert_int_equal(attach_counter("slow"), before + 1);
	pciring_detach(attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE));
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

static void descriptors_of_refused_packets_are_closed(void **state)
{
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	struct msg_dma dma = {
		.h = { .magic = MSG_MAGIC, .type = MSG_DMA_MAP },
		.gpa = 4096,
		.size = 4096,
		.flags = 0x10, /* unknown */
	};
	struct attach_packet pkt;
	struct held before;
	uint8_t *mem;
	int fd = raw_connect(), ram = make_ram(&mem);
	int two[2] = { ram, ram };

	(void)state;
	send_bytes(fd, &h, sizeof(h));
	assert_int_equal(attach_recv(fd, &pkt), 1);
	attach_packet_fini(&pkt);
	before = held();
	for (unsigned int n = 1; n <= 2; n++) {
		dma.flags = n == 1 ? 0x10 : PCIRING_DMA_READ;
		attach_send(fd, &dma, sizeof(dma), two, n);
		assert_int_equal(attach_recv(fd, &pkt), 1);
		assert_int_equal(pkt.m.h.error, -EINVAL);
	}
	dma.size = 0;
	attach_send(fd, &dma, sizeof(dma), &ram, 1);
	assert_int_equal(attach_recv(fd, &pkt), 1);
	assert_int_equal(pkt.m.h.error, -EINVAL);
	assert_int_equal(held().fds, before.fds);
	assert_int_equal(held().maps, before.maps);
	close(fd);
	munmap(mem, RAM_SIZE);
	close(ram);
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

static int rpc_connect(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	procs_path(&p, "rpc.sock", at.sun_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

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
	assert_int_equal(procs_stop(&p.service, SIGTERM, 1000), 0);
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

/* ---- The proxy's watch ------------------------------------------------------------------------- */

static const char *shown_state(char *text, size_t room)
{
	const char *word;
	json_t *m, *f;

	assert_int_equal(procs_rpc(&p, "machine.show", MACHINE, &m), 0);
	f = json_array_get(json_object_get(m, "functions"), 0);
	word = json_string_value(
		json_object_get(json_object_get(f, "socket"), "state"));
	snprintf(text, room, "%s", word ? word : "none");
	json_decref(m);
	return text;
}

static void expect_socket(int fd, enum msg_type type, struct msg_socket *out)
{
	struct attach_packet pkt;

	assert_int_equal(attach_recv(fd, &pkt), 1);
	assert_int_equal(pkt.m.h.type, type);
	assert_int_equal(pkt.m.h.reply, 0);
	assert_int_equal(pkt.m.socket.function, BDF);
	assert_string_equal(pkt.m.socket.path, "/tmp/demo-socket");
	*out = pkt.m.socket;
}

static void watcher_is_told_and_what_it_reports_is_shown(void **state)
{
	static const char create[] =
		"{\"machine\":\"demo\",\"address\":\"00:01.0\",\"path\":"
		"\"/tmp/demo-socket\"}";
	static const char destroy[] =
		"{\"machine\":\"demo\",\"address\":\"00:01.0\"}";
	struct msg_hello h = hello(MSG_SCOPE_WATCH);
	struct attach_packet pkt;
	struct msg_socket s;
	char text[32];
	int fd;

	(void)state;
	assert_int_equal(procs_rpc(&p, "socket.create", create, NULL), 0);
	assert_string_equal(shown_state(text, sizeof(text)), "no proxy");
	fd = raw_connect();
	send_bytes(fd, &h, sizeof(h));
	assert_int_equal(attach_recv(fd, &pkt), 1);
	assert_int_equal(pkt.m.h.error, 0);
	assert_int_equal(pkt.nr_fds, 0);
	expect_socket(fd, MSG_SOCKET_ADD, &s);
	assert_int_equal(hello_error(&h), -EBUSY);

	s.h.type = MSG_SOCKET_STATE;
	s.state = MSG_SOCKET_BUSY;
	send_bytes(fd, &s, sizeof(s));
	for (int i = 0; i < 500 && strcmp(shown_state(text, 32), "busy"); i++)
		usleep(1000);
	assert_string_equal(shown_state(text, sizeof(text)), "busy");

	assert_int_equal(procs_rpc(&p, "socket.destroy", destroy, NULL), 0);
	expect_socket(fd, MSG_SOCKET_DEL, &s);
	assert_int_equal(procs_rpc(&p, "socket.create", create, NULL), 0);
	expect_socket(fd, MSG_SOCKET_ADD, &s);
	assert_string_equal(shown_state(text, sizeof(text)), "told");
	close(fd);
	for (int i = 0; i < 500 && strcmp(shown_state(text, 32), "no proxy");
	     i++)
		usleep(1000);
	assert_string_equal(shown_state(text, sizeof(text)), "no proxy");
	assert_int_equal(procs_rpc(&p, "socket.destroy", destroy, NULL), 0);
}

static void socket_of_the_proxys_own_is_shown_while_it_lives(void **state)
{
	struct msg_hello h = hello(MSG_SCOPE_WATCH);
	struct msg_socket s = {
		.h = { .magic = MSG_MAGIC, .type = MSG_SOCKET_STATE },
		.function = BDF,
		.state = MSG_SOCKET_LISTENS,
		.path = "/tmp/its-own",
	};
	json_t *config;
	char text[32];
	int fd = raw_connect();

	(void)state;
	assert_string_equal(shown_state(text, sizeof(text)), "none");
	send_bytes(fd, &h, sizeof(h));
	send_bytes(fd, &s, sizeof(s));
	for (int i = 0; i < 500 && strcmp(shown_state(text, 32), "listens");
	     i++)
		usleep(1000);
	assert_string_equal(shown_state(text, sizeof(text)), "listens");
	/* It is not ours to write back. */
	assert_int_equal(procs_rpc(&p, "config.get", "{}", &config), 0);
	assert_int_equal(json_array_size(config), 2);
	json_decref(config);
	close(fd);
	for (int i = 0; i < 500 && strcmp(shown_state(text, 32), "none"); i++)
		usleep(1000);
	assert_string_equal(shown_state(text, sizeof(text)), "none");
}

static void report_without_sense_ends_the_watch(void **state)
{
	struct msg_hello h = hello(MSG_SCOPE_WATCH);
	struct msg_socket s = {
		.h = { .magic = MSG_MAGIC, .type = MSG_SOCKET_STATE },
		.state = 17,
	};
	int fd = raw_connect();

	(void)state;
	send_bytes(fd, &h, sizeof(h));
	send_bytes(fd, &s, sizeof(s));
	expect_end(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_that_asks_the_impossible_is_refused),
		cmocka_unit_test(
			packets_without_sense_end_only_their_connection),
		cmocka_unit_test(type_that_is_not_known_is_answered_so),
		cmocka_unit_test(name_that_is_no_text_is_still_a_name),
		cmocka_unit_test(
			client_that_does_not_read_its_answers_is_dropped),
		cmocka_unit_test(silent_connections_keep_nobody_out),
		cmocka_unit_test(descriptors_of_refused_packets_are_closed),
		cmocka_unit_test(descriptor_that_lingers_holds_up_nobody),
		cmocka_unit_test(watcher_is_told_and_what_it_reports_is_shown),
		cmocka_unit_test(
			socket_of_the_proxys_own_is_shown_while_it_lives),
		cmocka_unit_test(report_without_sense_ends_the_watch),
	};

	return cmocka_run_group_tests(tests, service_start, service_stop);
}
