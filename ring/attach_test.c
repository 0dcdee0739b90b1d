/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring/attach.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring/test_tmp.h"
#include "ring/test_util.h"

static char dir[64];
static char path[96];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "%s/attach-test-XXXXXX", test_tmp());
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/sock", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

/* ---- Listening --------------------------------------------------------- */

static void a_socket_has_the_mode_asked_for(void **state)
{
	mode_t mask = umask(077);
	struct stat st;
	int fd;

	(void)state;
	fd = attach_listen(path, 0666);
	umask(mask);
	assert_true(fd >= 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void a_dead_socket_is_replaced_a_live_one_is_not(void **state)
{
	unsigned int fds = test_count_fds();
	int a, b, c;

	(void)state;
	a = attach_listen(path, 0600);
	assert_true(a >= 0);
	assert_int_equal(attach_listen(path, 0600), -EADDRINUSE);
	close(a);
	assert_int_equal(attach_connect(path), -ECONNREFUSED);
	b = attach_listen(path, 0600);
	assert_true(b >= 0);
	c = attach_connect(path);
	assert_true(c >= 0);
	assert_true(fcntl(c, F_GETFD) & FD_CLOEXEC);
	close(b);
	close(c);
	assert_int_equal(test_count_fds(), fds);
}

static void a_file_that_is_no_socket_stays(void **state)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	close(fd);
	assert_int_equal(attach_listen(path, 0600), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
}

static void impossible_paths_are_errors(void **state)
{
	unsigned int fds = test_count_fds();
	char many[300];

	(void)state;
	memset(many, 'x', sizeof(many));
	many[sizeof(many) - 1] = 0;
	assert_int_equal(attach_listen(many, 0600), -ENAMETOOLONG);
	assert_int_equal(attach_connect(many), -ENAMETOOLONG);
	assert_int_equal(attach_connect(""), -EINVAL);
	assert_int_equal(attach_connect(path), -ENOENT);
	assert_int_equal(attach_listen("/nonexistent/sock", 0600), -ENOENT);
	assert_int_equal(test_count_fds(), fds);
}

/* ---- Packets ----------------------------------------------------------- */

struct wire {
	int a, b;
	unsigned int fds;
};

static void wire_init(struct wire *w)
{
	int s[2];

	w->fds = test_count_fds();
	assert_int_equal(
		socketpair(AF_UNIX,
			   SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s),
		0);
	w->a = s[0];
	w->b = s[1];
}

/* Whatever happened, no descriptor may be left. */
static void wire_fini(struct wire *w)
{
	close(w->a);
	close(w->b);
	assert_int_equal(test_count_fds(), w->fds);
}

static struct msg_header header(enum msg_type type, bool reply)
{
	return (struct msg_header){ .magic = MSG_MAGIC,
				    .type = (uint16_t)type,
				    .reply = reply };
}

/* Like attach_send(), but with more descriptors than it takes. */
static void send_raw(int sock, const void *msg, size_t length, int fd,
		     unsigned int n)
{
	struct iovec iov = { (void *)(uintptr_t)msg, length };
	_Alignas(8) char control[CMSG_SPACE(64 * sizeof(int))] = { 0 };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&mh);
	unsigned int i;

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (i = 0; i < n; i++)
		memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &fd, sizeof(fd));
	assert_int_equal(sendmsg(sock, &mh, 0), (ssize_t)length);
}

static void sixteen_descriptors_arrive_in_order(void **state)
{
	struct msg_irq_bind m = { .h = header(MSG_IRQ_BIND, false),
				  .start = 5 };
	struct attach_packet pkt;
	int fds[MSG_MAX_FDS], fd;
	struct wire w;
	uint64_t n;
	unsigned int i;

	(void)state;
	wire_init(&w);
	for (i = 0; i < MSG_MAX_FDS; i++)
		fds[i] = eventfd(i + 1, EFD_CLOEXEC);
	assert_int_equal(attach_send(w.a, &m, sizeof(m), fds, MSG_MAX_FDS), 0);
	assert_int_equal(attach_recv(w.b, &pkt), 1);
	assert_int_equal(pkt.length, sizeof(m));
	assert_int_equal(pkt.m.irq.start, 5);
	assert_int_equal(pkt.nr_fds, MSG_MAX_FDS);
	for (i = 0; i < MSG_MAX_FDS; i++) {
		close(fds[i]);
		assert_true(fcntl(pkt.fds[i], F_GETFD) & FD_CLOEXEC);
		assert_int_equal(read(pkt.fds[i], &n, 8), 8);
		assert_int_equal(n, i + 1);
	}
	/* What is taken out survives the packet. */
	fd = attach_packet_take(&pkt, 3);
	assert_int_equal(attach_packet_take(&pkt, 3), -1);
	assert_int_equal(attach_packet_take(&pkt, MSG_MAX_FDS), -1);
	attach_packet_fini(&pkt);
	attach_packet_fini(&pkt);
	assert_int_equal(close(fd), 0);
	wire_fini(&w);
}

static void too_many_descriptors_drop_the_packet_and_all_of_them(void **state)
{
	struct msg_irq_bind m = { .h = header(MSG_IRQ_BIND, false) };
	struct attach_packet pkt;
	struct wire w;

	(void)state;
	wire_init(&w);
	send_raw(w.a, &m, sizeof(m), w.a, MSG_MAX_FDS + 1);
	send_raw(w.a, &m, sizeof(m), w.a, 60);
	assert_int_equal(attach_recv(w.b, &pkt), -EPROTO);
	assert_int_equal(pkt.nr_fds, 0);
	assert_int_equal(attach_recv(w.b, &pkt), -EPROTO);
	/* The stream goes on behind it. */
	send_raw(w.a, &m, sizeof(m), w.a, 1);
	assert_int_equal(attach_recv(w.b, &pkt), 1);
	attach_packet_fini(&pkt);
	wire_fini(&w);
}

static void
a_packet_that_is_too_long_is_dropped_with_its_descriptors(void **state)
{
	union msg_packet m[2] = { { .h = header(MSG_HELLO, false) } };
	struct attach_packet pkt;
	struct wire w;

	(void)state;
	wire_init(&w);
	send_raw(w.a, m, sizeof(m[0]) + 1, w.a, 3);
	assert_int_equal(attach_recv(w.b, &pkt), -EPROTO);
	send_raw(w.a, m, sizeof(m[0]), w.a, 3);
	assert_int_equal(attach_recv(w.b, &pkt), 1);
	attach_packet_fini(&pkt);
	wire_fini(&w);
}

static void a_packet_is_at_least_as_long_as_its_type(void **state)
{
	static const struct {
		enum msg_type type;
		bool reply;
		size_t least;
	} types[] = {
		{ MSG_HELLO, false, sizeof(struct msg_hello) },
		{ MSG_DMA_MAP, false, sizeof(struct msg_dma) },
		{ MSG_DMA_UNMAP, false, sizeof(struct msg_dma) },
		{ MSG_FUNCTION_INFO, false, sizeof(struct msg_function) },
		{ MSG_FUNCTION_INFO, true, sizeof(struct msg_function_info) },
		{ MSG_FUNCTION_RESET, false, sizeof(struct msg_function) },
		{ MSG_IRQ_BIND, false, sizeof(struct msg_irq_bind) },
		{ MSG_IRQ_CONTROL, false, sizeof(struct msg_irq_bind) },
		{ MSG_SOCKET_ADD, false, sizeof(struct msg_socket) },
		{ MSG_SOCKET_DEL, false, sizeof(struct msg_socket) },
		{ MSG_SOCKET_STATE, false, sizeof(struct msg_socket) },
		{ MSG_LINE_BIND, false, sizeof(struct msg_line) },
		{ MSG_LINE_CONTROL, false, sizeof(struct msg_line) },
		{ MSG_DMA_MAP, true, sizeof(struct msg_header) },
		{ (enum msg_type)999, false, sizeof(struct msg_header) },
	};
	struct attach_packet pkt;
	union msg_packet m;
	struct wire w;
	unsigned int i;

	(void)state;
	wire_init(&w);
	memset(&m, 0xff, sizeof(m));
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		m.h = header(types[i].type, types[i].reply);
		send_raw(w.a, &m, types[i].least - 1, w.a, 1);
		assert_int_equal(attach_recv(w.b, &pkt), -EPROTO);
		send_raw(w.a, &m, types[i].least, w.a, 1);
		assert_int_equal(attach_recv(w.b, &pkt), 1);
		/* Beyond the end there are zeros, not the packet before. */
		assert_memory_equal(&pkt.m, &m, types[i].least);
		if (types[i].least < sizeof(m))
			assert_int_equal(((uint8_t *)&pkt.m)[types[i].least],
					 0);
		attach_packet_fini(&pkt);
		/* A later minor version may say more. */
		assert_int_equal(attach_send(w.a, &m, sizeof(m), NULL, 0), 0);
		assert_int_equal(attach_recv(w.b, &pkt), 1);
		attach_packet_fini(&pkt);
	}
	wire_fini(&w);
}

static void an_error_needs_no_body(void **state)
{
	struct msg_header h = header(MSG_FUNCTION_INFO, true);
	struct attach_packet pkt;
	struct wire w;

	(void)state;
	wire_init(&w);
	h.error = -ENOENT;
	assert_int_equal(attach_send(w.a, &h, sizeof(h), NULL, 0), 0);
	assert_int_equal(attach_recv(w.b, &pkt), 1);
	assert_int_equal(pkt.m.h.error, -ENOENT);
	wire_fini(&w);
}

static void a_wrong_magic_drops_the_packet(void **state)
{
	struct msg_dma m = { .h = header(MSG_DMA_MAP, false) };
	struct attach_packet pkt;
	struct wire w;

	(void)state;
	wire_init(&w);
	m.h.magic++;
	send_raw(w.a, &m, sizeof(m), w.a, 1);
	assert_int_equal(attach_recv(w.b, &pkt), -EPROTO);
	wire_fini(&w);
}

static void an_empty_socket_is_eagain_and_a_closed_one_is_the_end(void **state)
{
	struct msg_header h = header(MSG_HELLO, true);
	struct attach_packet pkt;
	struct wire w;

	(void)state;
	wire_init(&w);
	assert_int_equal(attach_recv(w.b, &pkt), -EAGAIN);
	assert_int_equal(attach_send(w.a, &h, sizeof(h), NULL, 0), 0);
	shutdown(w.a, SHUT_RDWR);
	/* What was sent before the end is still there. */
	assert_int_equal(attach_recv(w.b, &pkt), 1);
	assert_int_equal(attach_recv(w.b, &pkt), 0);
	assert_int_equal(attach_send(w.b, &h, sizeof(h), NULL, 0), -EPIPE);
	wire_fini(&w);
}

static void an_empty_packet_is_the_end(void **state)
{
	struct attach_packet pkt;
	struct wire w;

	(void)state;
	wire_init(&w);
	send_raw(w.a, "", 0, w.a, 5);
	assert_int_equal(attach_recv(w.b, &pkt), 0);
	wire_fini(&w);
}

static void a_full_socket_is_eagain(void **state)
{
	struct msg_dma m = { .h = header(MSG_DMA_MAP, false) };
	struct wire w;
	int i, err = 0;

	(void)state;
	wire_init(&w);
	for (i = 0; !err && i < 100000; i++)
		err = attach_send(w.a, &m, sizeof(m), NULL, 0);
	assert_int_equal(err, -EAGAIN);
	wire_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_socket_has_the_mode_asked_for,
						make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(
			a_dead_socket_is_replaced_a_live_one_is_not, make_dir,
			remove_dir),
		cmocka_unit_test_setup_teardown(a_file_that_is_no_socket_stays,
						make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(impossible_paths_are_errors,
						make_dir, remove_dir),
		cmocka_unit_test(sixteen_descriptors_arrive_in_order),
		cmocka_unit_test(
			too_many_descriptors_drop_the_packet_and_all_of_them),
		cmocka_unit_test(
			a_packet_that_is_too_long_is_dropped_with_its_descriptors),
		cmocka_unit_test(a_packet_is_at_least_as_long_as_its_type),
		cmocka_unit_test(an_error_needs_no_body),
		cmocka_unit_test(a_wrong_magic_drops_the_packet),
		cmocka_unit_test(
			an_empty_socket_is_eagain_and_a_closed_one_is_the_end),
		cmocka_unit_test(an_empty_packet_is_the_end),
		cmocka_unit_test(a_full_socket_is_eagain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
