/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a client's thread attaches, serves, detaches, and says on an eventfd
 * that it has ended.  The main thread owns the client's descriptor, so that
 * shutting it down, which is how a thread is called away, can never hit a
 * number that means something else by now.
 *
 * Field      written by        read by          edge
 * hang_up    main thread       client's thread  relaxed: only a hint to stop
 *                              trying; shutdown() is what ends a read
 * ended      client's thread   main thread      relaxed: pthread_join() orders
 *                              all that the thread did
 */
#include "apps/vfio-user/proxy.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "apps/vfio-user/conn.h"
#include "ring/discard.h"
#include "ring/log.h"

/* The service may still be clearing up after the client before. */
#define BUSY_RETRIES  200
#define BUSY_PAUSE_NS 10000000l

static int attach(struct vu_socket *s, struct pciring **out)
{
	const struct timespec pause = { .tv_nsec = BUSY_PAUSE_NS };
	struct pciring_options opt = {
		.size = sizeof(opt),
		.machine = s->proxy->machine,
		.name = "vfio-user",
		.scope = PCIRING_SCOPE_FUNCTION,
		.function = s->function,
		.lanes = 1,
		.interrupts = PCIRING_IRQ_REMOTE,
		.spin_ns = s->proxy->spin_ns,
	};
	int err = -EBUSY;

	for (int i = 0; i < BUSY_RETRIES && err == -EBUSY; i++) {
		if (i)
			nanosleep(&pause, NULL);
		if (atomic_load_explicit(&s->hang_up, memory_order_relaxed))
			return -ECANCELED;
		err = pciring_attach(s->proxy->service, &opt, out);
	}
	return err;
}

static void serve(struct vu_socket *s)
{
	struct pciring *p;
	int err = attach(s, &p);

	if (err) {
		log_limited(LOG_WARN, "function " BDF_FMT ": cannot attach: %s",
			    BDF_ARG(s->function), strerror(-err));
		return;
	}
	log_limited(LOG_INFO, "function " BDF_FMT ": a client came",
		    BDF_ARG(s->function));
	err = vu_conn_run(s->client, p, s->function);
	pciring_detach(p);
	log_limited(LOG_INFO, "function " BDF_FMT ": the client left%s%s",
		    BDF_ARG(s->function), err ? ": " : "",
		    err ? strerror(-err) : "");
}

static void *client_main(void *arg)
{
	struct vu_socket *s = arg;
	const uint64_t one = 1;

	serve(s);
	/* Somebody who waits for a reply should not wait for our join. */
	shutdown(s->client, SHUT_RDWR);
	atomic_store_explicit(&s->ended, true, memory_order_relaxed);
	if (write(s->proxy->ended, &one, sizeof(one)) != sizeof(one))
		log_error("eventfd: %s", strerror(errno));
	return NULL;
}

static void accept_client(struct vu_socket *s)
{
	const struct timespec pause = { .tv_nsec = BUSY_PAUSE_NS };
	int fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC);
	int err;

	if (fd < 0) {
		if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
			return;
		/* No descriptors: the client stays in the backlog and poll
		 * would say so at once, again and again. */
		log_limited(LOG_ERROR, "%s: accept: %s", s->path,
			    strerror(errno));
		nanosleep(&pause, NULL);
		return;
	}
	s->client = fd;
	atomic_store_explicit(&s->hang_up, false, memory_order_relaxed);
	atomic_store_explicit(&s->ended, false, memory_order_relaxed);
	err = -pthread_create(&s->thread, NULL, client_main, s);
	if (err) {
		log_limited(LOG_ERROR, "%s: no thread: %s", s->path,
			    strerror(-err));
		close(fd);
		return;
	}
	s->busy = true;
	s->changed = true;
}

static void reap(struct vu_socket *s)
{
	pthread_join(s->thread, NULL);
	fd_discard(s->client);
	s->busy = false;
	s->changed = !s->gone;
}

static void send_away(struct vu_socket *s)
{
	if (!s->busy)
		return;
	atomic_store_explicit(&s->hang_up, true, memory_order_relaxed);
	shutdown(s->client, SHUT_RDWR);
}

int vu_proxy_init(struct vu_proxy *p, const char *service, const char *machine,
		  uint32_t spin_ns)
{
	*p = (struct vu_proxy){
		.service = service,
		.machine = machine,
		.spin_ns = spin_ns,
		.ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	return p->ended < 0 ? -errno : 0;
}

static struct vu_socket *find(const struct vu_proxy *p, uint16_t function)
{
	for (unsigned int i = 0; i < p->count; i++)
		if (p->sockets[i]->function == function && !p->sockets[i]->gone)
			return p->sockets[i];
	return NULL;
}

static int open_socket(struct vu_socket *s)
{
	s->error = vu_listener_open(&s->listener, s->path);
	s->changed = true;
	if (s->error)
		log_error("%s: %s", s->path, strerror(-s->error));
	else
		log_info("%s: function " BDF_FMT, s->path,
			 BDF_ARG(s->function));
	return s->error;
}

int vu_proxy_add(struct vu_proxy *p, uint16_t function, const char *path)
{
	struct vu_socket *s = find(p, function);

	if (strlen(path) >= sizeof(s->path))
		return -ENAMETOOLONG;
	if (s) {
		if (strcmp(s->path, path))
			return -EEXIST;
		s->changed = true;
		return s->listener.fd < 0 && !s->busy ? open_socket(s) : 0;
	}
	if (p->count == VU_MAX_SOCKETS)
		return -ENOSPC;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->proxy = p;
	s->function = function;
	s->listener.fd = -1;
	memcpy(s->path, path, strlen(path) + 1);
	p->sockets[p->count++] = s;
	return open_socket(s);
}

int vu_proxy_del(struct vu_proxy *p, uint16_t function)
{
	struct vu_socket *s = find(p, function);

	if (!s)
		return -ENOENT;
	log_info("%s: removed", s->path);
	vu_listener_close(&s->listener);
	send_away(s);
	s->error = 0;
	s->gone = true;
	s->changed = true;
	return 0;
}

static bool listens(const struct vu_socket *s)
{
	return !s->busy && !s->gone && s->listener.fd >= 0;
}

unsigned int vu_proxy_poll(const struct vu_proxy *p, struct pollfd *fds)
{
	unsigned int n = 0;

	fds[n++] = (struct pollfd){ .fd = p->ended, .events = POLLIN };
	for (unsigned int i = 0; i < p->count; i++)
		if (listens(p->sockets[i]))
			fds[n++] = (struct pollfd){
				.fd = p->sockets[i]->listener.fd,
				.events = POLLIN,
			};
	return n;
}

static void drain_eventfd(int fd)
{
	uint64_t n;

	while (read(fd, &n, sizeof(n)) == sizeof(n))
		;
}

void vu_proxy_turn(struct vu_proxy *p)
{
	unsigned int kept = 0;

	drain_eventfd(p->ended);
	for (unsigned int i = 0; i < p->count; i++) {
		struct vu_socket *s = p->sockets[i];

		if (s->busy &&
		    atomic_load_explicit(&s->ended, memory_order_relaxed))
			reap(s);
		if (listens(s))
			accept_client(s);
		if (s->gone && !s->busy && !s->changed)
			free(s);
		else
			p->sockets[kept++] = s;
	}
	p->count = kept;
}

enum msg_socket_state vu_socket_state(const struct vu_socket *s)
{
	if (s->gone || s->listener.fd < 0)
		return MSG_SOCKET_CLOSED;
	return s->busy ? MSG_SOCKET_BUSY : MSG_SOCKET_LISTENS;
}

static int join_until(struct vu_socket *s, const struct timespec *deadline)
{
	if (pthread_timedjoin_np(s->thread, NULL, deadline))
		return -ETIMEDOUT;
	fd_discard(s->client);
	s->busy = false;
	return 0;
}

int vu_proxy_fini(struct vu_proxy *p, unsigned int timeout_ms)
{
	struct timespec deadline;
	int err = 0;

	for (unsigned int i = 0; i < p->count; i++) {
		vu_listener_close(&p->sockets[i]->listener);
		send_away(p->sockets[i]);
	}
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_nsec += timeout_ms * 1000000l;
	deadline.tv_sec += deadline.tv_nsec / 1000000000l;
	deadline.tv_nsec %= 1000000000l;
	for (unsigned int i = 0; i < p->count; i++) {
		if (p->sockets[i]->busy && join_until(p->sockets[i], &deadline))
			err = -ETIMEDOUT;
		else
			free(p->sockets[i]);
	}
	p->count = 0;
	if (!err)
		close(p->ended);
	return err;
}
