/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a packet connection like an attachment's, with a scope that gets no
 * segment.  The hello is answered within seconds or not at all; after it the
 * socket never blocks, and what could not be reported stays marked.
 */
#include "apps/vfio-user/watch.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "apps/vfio-user/proxy.h"
#include "ring/attach.h"
#include "ring/log.h"

#define HELLO_MS 5000
/* Packets in one go: the sockets have their turn in between. */
#define BATCH	 64

/* Wait for the answer to the hello, as long as nobody wants us to end. */
static int wait_answer(int sock, int cancel)
{
	struct pollfd fds[] = {
		{ .fd = sock, .events = POLLIN },
		{ .fd = cancel, .events = POLLIN },
	};
	int n;

	do
		n = poll(fds, ARRAY_SIZE(fds), HELLO_MS);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ETIMEDOUT;
	return fds[1].revents ? -ECANCELED : 0;
}

static int say_hello(int sock, const char *machine, int cancel)
{
	struct msg_hello hello = {
		.h = { .magic = MSG_MAGIC, .type = MSG_HELLO },
		.major = PCIRING_VERSION_MAJOR,
		.minor = PCIRING_VERSION_MINOR,
		.scope = MSG_SCOPE_WATCH,
		.name = "vfio-user",
	};
	struct attach_packet pkt;
	int err;

	if (strlen(machine) >= sizeof(hello.machine))
		return -ENODEV;
	memcpy(hello.machine, machine, strlen(machine));
	err = attach_send(sock, &hello, sizeof(hello), NULL, 0);
	if (err < 0)
		return err;
	err = wait_answer(sock, cancel);
	if (err)
		return err;
	err = attach_recv(sock, &pkt);
	if (err == 0)
		return -EPIPE;
	if (err < 0)
		return err;
	if (pkt.m.h.type != MSG_HELLO || !pkt.m.h.reply)
		err = -EPROTO;
	else if (pkt.m.h.error == -ENOENT)
		err = -ENODEV;
	else
		err = pkt.m.h.error < 0 ? pkt.m.h.error : 0;
	attach_packet_fini(&pkt);
	return err;
}

int vu_watch_open(struct vu_watch *w, const char *service, const char *machine,
		  int cancel)
{
	int err, sock = attach_connect(service);

	if (sock < 0)
		return sock;
	err = say_hello(sock, machine, cancel);
	if (!err && fcntl(sock, F_SETFL, O_NONBLOCK))
		err = -errno;
	if (err) {
		close(sock);
		return err;
	}
	*w = (struct vu_watch){ .sock = sock };
	return 0;
}

void vu_watch_close(struct vu_watch *w)
{
	close(w->sock);
	w->sock = -1;
}

/* 0, or why not, already logged: -errno, or -EPIPE. */
static int send_state(struct vu_watch *w, uint16_t function, const char *path,
		      enum msg_socket_state state, int error)
{
	struct msg_socket m = {
		.h = { .magic = MSG_MAGIC, .type = MSG_SOCKET_STATE },
		.function = function,
		.state = (uint16_t)state,
		.error = error,
	};
	int err;

	memcpy(m.path, path, strnlen(path, sizeof(m.path) - 1));
	err = attach_send(w->sock, &m, sizeof(m), NULL, 0);
	if (err == -EPIPE || err == -ECONNRESET)
		return -EPIPE;
	return err < 0 ? err : 0;
}

static void add(struct vu_watch *w, struct vu_proxy *p,
		const struct msg_socket *m)
{
	int err = vu_proxy_add(p, m->function, m->path);

	/* What could be opened, or not, is reported with all the others. */
	if (err != -EEXIST && err != -ENOSPC && err != -ENOMEM)
		return;
	log_limited(LOG_ERROR, "%s: function " BDF_FMT ": %s", m->path,
		    BDF_ARG(m->function), strerror(-err));
	send_state(w, m->function, m->path, MSG_SOCKET_CLOSED, err);
}

static void handle(struct vu_watch *w, struct vu_proxy *p,
		   struct attach_packet *pkt)
{
	struct msg_socket *m = &pkt->m.socket;

	if (pkt->length < sizeof(*m))
		return;
	m->path[sizeof(m->path) - 1] = '\0';
	if (m->h.type == MSG_SOCKET_ADD)
		add(w, p, m);
	else if (m->h.type == MSG_SOCKET_DEL)
		vu_proxy_del(p, m->function);
}

int vu_watch_read(struct vu_watch *w, struct vu_proxy *p)
{
	struct attach_packet pkt;

	for (int i = 0; i < BATCH; i++) {
		int err = attach_recv(w->sock, &pkt);

		if (err == -EAGAIN)
			return 0;
		if (err == -EPROTO)
			continue;
		if (err <= 0)
			return -EPIPE;
		handle(w, p, &pkt);
		attach_packet_fini(&pkt);
	}
	return 0;
}

int vu_watch_report(struct vu_watch *w, struct vu_proxy *p)
{
	w->blocked = false;
	for (unsigned int i = 0; i < p->count; i++) {
		struct vu_socket *s = p->sockets[i];
		int err;

		if (!s->changed)
			continue;
		err = send_state(w, s->function, s->path, vu_socket_state(s),
				 s->error);
		if (err == -EPIPE)
			return err;
		if (err == -EAGAIN) {
			w->blocked = true;
			return 0;
		}
		if (err)
			log_limited(LOG_WARN, "%s: state not reported: %s",
				    s->path, strerror(-err));
		s->changed = false;
	}
	return 0;
}
