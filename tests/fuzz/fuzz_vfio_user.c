/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfio-user bytes from a client that knows no shame, served by a connection of
 * the proxy on the fake libpciring, which asserts what it is asked.
 *
 * Input   a byte of switches (FUZZ_*), then pieces: how many descriptors
 *         (plus FUZZ_FILES: not eventfds), 16 bits of length, and the bytes
 *         that are sent with them
 * Fails   also when a descriptor is left open
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "apps/vfio-user/conn.h"
#include "tests/flow/fake_pciring.h"

#define FUZZ_HANDSHAKE 1 /* the fuzzer need not find out how to begin */
#define FUZZ_FULL      2 /* nothing can be posted */
#define FUZZ_HIGH      4 /* the line is */
#define FUZZ_NO_PIN    8 /* there is no line */

#define FUZZ_MAX_FDS 72
#define FUZZ_FILES   144

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The number that the next descriptor gets: moves when one leaks. */
static int next_fd(void)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

	close(fd);
	return fd;
}

static int event = -1, file = -1;

static ssize_t send_piece(int sock, const uint8_t *bytes, size_t n,
			  unsigned int nr_fds, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(80 * sizeof(int))];
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c = (struct cmsghdr *)control;

	if (nr_fds) {
		memset(control, 0, sizeof(control));
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		for (unsigned int i = 0; i < nr_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd,
			       sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_all(int sock, const uint8_t *data, size_t size)
{
	static const uint8_t version[] = { 0, 0, VU_VERSION, 0, 20, [19] = 0 };

	if (!size)
		return;
	if (*data & FUZZ_HANDSHAKE)
		send_piece(sock, version, sizeof(version), 0, -1);
	for (data++, size--; size > 3;) {
		size_t n = load_le(data + 1, 2);

		if (n > size - 3)
			n = size - 3;
		if (n && send_piece(sock, data + 3, n, data[0] % FUZZ_MAX_FDS,
				    data[0] < FUZZ_FILES ? event : file) < 0)
			return;
		data += 3 + n;
		size -= 3 + n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pciring *p = fake_init();
	const uint8_t how = size ? *data : 0;
	int pair[2], before;

	if (event < 0) {
		event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		file = memfd_create("fuzz", MFD_CLOEXEC);
	}
	before = next_fd();
	p->full = how & FUZZ_FULL;
	p->line.high = how & FUZZ_HIGH;
	fake_pin = !(how & FUZZ_NO_PIN);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
		abort();
	send_all(pair[0], data, size);
	shutdown(pair[0], SHUT_WR);
	vu_conn_run(pair[1], p, FAKE_FUNCTION);
	fake_fini();
	close(pair[0]);
	close(pair[1]);
	if (next_fd() != before)
		abort();
	return 0;
}
