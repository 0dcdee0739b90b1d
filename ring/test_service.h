/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_service.h - a service for one client, small enough to lie on demand
 *
 * A control thread answers the attach socket, a loop thread the mailboxes and
 * rings.  What
 * it is to do wrong is said in the fields marked "lie" before the call under
 * test; what it was told is kept for the test to look at.
 *
 * Threads   the test's; fields are atomic or handed over by a reply
 */
#ifndef RING_TEST_SERVICE_H
#define RING_TEST_SERVICE_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring/attach.h"
#include "ring/channel.h"
#include "ring/test_tmp.h"
#include "ring/test_util.h"

#define SERVICE_KEPT 8

struct test_service {
	char dir[64];
	char path[96];
	int listen;
	atomic_int sock;
	pthread_t control, loop;
	atomic_bool stop;
	atomic_bool attached;
	pthread_mutex_t lock; /* the channel: loop against irqs and death */
	struct channel ch;
	_Atomic uint64_t reg[512];

	/* lies of the control thread */
	int hello_error;
	uint16_t major, minor;
	bool rings_only; /* knows of no mailboxes */
	uint64_t extra_features;
	unsigned int drop_fds;
	uint32_t extra_lanes;
	uint32_t irq_count;
	atomic_int error;	     /* of every reply but hello's */
	atomic_bool mute;	     /* no reply at all */
	atomic_bool noise;	     /* packets that nobody asked for */
	struct msg_notify_page page; /* as it will be described; set before */
	int page_fds[2];
	unsigned int nr_page_fds;

	/* lies and moods of the loop */
	atomic_bool deaf;     /* takes nothing */
	atomic_uint delay_ms; /* before an answer */
	atomic_uint stale;    /* answers to an older access, in front */
	atomic_int status;    /* of an answer */
	atomic_uint posted;   /* posted writes seen */

	/* what it was told */
	struct msg_hello hello;
	union msg_packet kept[SERVICE_KEPT];
	unsigned int kept_fds[SERVICE_KEPT];
	atomic_uint nr_kept;
};

/* A register of its own for every aligned address of the first 4 KiB. */
static inline uint64_t service_access(struct test_service *s,
				      const struct msg_access *req)
{
	_Atomic uint64_t *reg = &s->reg[req->address / 8 % ARRAY_SIZE(s->reg)];

	if (req->op == MSG_READ)
		return *reg;
	*reg = req->value;
	return 0;
}

static inline void service_answer(struct test_service *s, unsigned int lane,
				  const struct msg_access *req)
{
	struct msg_access old = *req;
	uint64_t value = service_access(s, req);
	unsigned int i;

	if (req->op == MSG_POSTED) {
		atomic_fetch_add(&s->posted, 1);
		return;
	}
	if (s->delay_ms)
		poll(NULL, 0, (int)s->delay_ms);
	for (i = 0, old.seq--; i < s->stale; i++) {
		s->ch.lane[lane].pending++;
		channel_complete(&s->ch, lane, &old, ~value, EIO);
	}
	channel_complete(&s->ch, lane, req, value, s->status);
}

static inline void *service_loop(void *arg)
{
	struct test_service *s = arg;
	struct msg_access req[16];
	unsigned int lane, i, n, did;

	while (!s->stop) {
		did = 0;
		pthread_mutex_lock(&s->lock);
		for (lane = 0;
		     s->attached && !s->deaf && lane < s->ch.geo.lanes;
		     lane++) {
			n = channel_take(&s->ch, lane, req, 16);
			for (i = 0; i < n; i++)
				service_answer(s, lane, &req[i]);
			did += n;
		}
		pthread_mutex_unlock(&s->lock);
		if (!did)
			poll(NULL, 0, 1);
	}
	return NULL;
}

/* Things that a client has to throw away: no magic, no request, no owner. */
static inline void service_noise(struct test_service *s,
				 const struct msg_header *h)
{
	struct msg_header m = *h;
	int fds[3] = { s->listen, s->listen, s->listen };

	m.reply = 1;
	m.error = -ENOTTY;
	m.id = h->id + 1;
	attach_send(s->sock, &m, sizeof(m), fds, 3);
	m.id = h->id;
	m.magic++;
	attach_send(s->sock, &m, sizeof(m), fds, 3);
	m.magic--;
	m.reply = 0;
	attach_send(s->sock, &m, sizeof(m), fds, 3);
	m.reply = 1;
	m.type = MSG_SOCKET_ADD;
	attach_send(s->sock, &m, sizeof(m), fds, 3);
	attach_send(s->sock, &m, 3, fds, 3);
}

static inline void service_hello(struct test_service *s,
				 struct attach_packet *pkt)
{
	struct msg_hello_reply r = { .h = pkt->m.h,
				     .major = s->major,
				     .minor = s->minor };
	int fds[MSG_NR_FDS];

	s->hello = pkt->m.hello;
	r.h.reply = 1;
	r.h.error = s->hello_error;
	pthread_mutex_lock(&s->lock);
	if (!s->hello_error &&
	    channel_create(&s->ch, s->hello.lanes + s->extra_lanes, 1))
		abort();
	s->attached = !s->hello_error;
	if (s->attached && !s->rings_only &&
	    s->hello.features & MSG_FEATURE_MAILBOX) {
		channel_use_mailbox(&s->ch);
		r.features = MSG_FEATURE_MAILBOX;
	}
	pthread_mutex_unlock(&s->lock);
	if (s->hello_error) {
		attach_send(s->sock, &r.h, sizeof(r.h), NULL, 0);
		return;
	}
	r.features |= s->extra_features;
	r.geo = s->ch.geo;
	if (s->irq_count)
		r.geo.irq_count = s->irq_count;
	fds[MSG_FD_SEGMENT] = s->ch.fd;
	fds[MSG_FD_KICK] = s->ch.kick_fd;
	attach_send(s->sock, &r, sizeof(r), fds, MSG_NR_FDS - s->drop_fds);
}

static inline void service_page(struct test_service *s,
				const struct msg_header *h)
{
	struct msg_notify_page r = s->page;

	r.h = *h;
	attach_send(s->sock, &r, sizeof(r), s->page_fds, s->nr_page_fds);
}

static inline void service_reply(struct test_service *s,
				 struct attach_packet *pkt)
{
	struct msg_function_info r = { .h = pkt->m.h };
	unsigned int k = s->nr_kept % SERVICE_KEPT;

	s->kept[k] = pkt->m;
	s->kept_fds[k] = pkt->nr_fds;
	atomic_fetch_add(&s->nr_kept, 1);
	r.h.reply = 1;
	r.h.error = s->error;
	if (r.h.type == MSG_NOTIFY_PAGE && !r.h.error) {
		service_page(s, &r.h);
		return;
	}
	if (r.h.type == MSG_FUNCTION_INFO) {
		r.info.function = pkt->m.function.function;
		r.info.msix_vectors = 3;
		r.info.config_size = 4096;
	}
	attach_send(s->sock, &r,
		    r.h.type == MSG_FUNCTION_INFO && !r.h.error ? sizeof(r)
								: sizeof(r.h),
		    NULL, 0);
}

static inline void service_detach(struct test_service *s)
{
	pthread_mutex_lock(&s->lock);
	if (atomic_exchange(&s->attached, false))
		channel_fini(&s->ch);
	pthread_mutex_unlock(&s->lock);
}

static inline void *service_control(void *arg)
{
	struct test_service *s = arg;
	struct attach_packet pkt;

	for (;;) {
		s->sock = accept4(s->listen, NULL, NULL, SOCK_CLOEXEC);
		if (s->sock < 0)
			return NULL;
		while (attach_recv(s->sock, &pkt) == 1) {
			if (s->noise)
				service_noise(s, &pkt.m.h);
			if (s->mute)
				;
			else if (pkt.m.h.type == MSG_HELLO)
				service_hello(s, &pkt);
			else
				service_reply(s, &pkt);
			attach_packet_fini(&pkt);
		}
		service_detach(s);
		close(s->sock);
	}
}

static inline void service_start(struct test_service *s)
{
	sigset_t mine, before;

	/* A test's signals are for its own thread. */
	sigfillset(&mine);
	pthread_sigmask(SIG_SETMASK, &mine, &before);
	memset(s, 0, sizeof(*s));
	s->major = PCIRING_VERSION_MAJOR;
	s->minor = PCIRING_VERSION_MINOR;
	pthread_mutex_init(&s->lock, NULL);
	snprintf(s->dir, sizeof(s->dir), "%s/service-test-XXXXXX", test_tmp());
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%.64s/sock", s->dir);
	s->listen = attach_listen(s->path, 0600);
	assert_true(s->listen >= 0);
	assert_int_equal(pthread_create(&s->control, NULL, service_control, s),
			 0);
	assert_int_equal(pthread_create(&s->loop, NULL, service_loop, s), 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Die as a killed service does: the socket closes, the rings fall silent. */
static inline void service_die(struct test_service *s)
{
	atomic_store(&s->deaf, true);
	shutdown(s->sock, SHUT_RDWR);
}

static inline void service_end(struct test_service *s)
{
	atomic_store(&s->stop, true);
	shutdown(s->listen, SHUT_RDWR);
	pthread_join(s->control, NULL);
	pthread_join(s->loop, NULL);
	close(s->listen);
	unlink(s->path);
	rmdir(s->dir);
	pthread_mutex_destroy(&s->lock);
}

static inline bool service_irq(struct test_service *s,
			       const struct msg_irq *irq)
{
	bool sent;

	pthread_mutex_lock(&s->lock);
	sent = channel_irq(&s->ch, irq);
	channel_irq_wake(&s->ch);
	pthread_mutex_unlock(&s->lock);
	return sent;
}

static inline struct pciring_options service_options(unsigned int lanes)
{
	return (struct pciring_options){
		.size = sizeof(struct pciring_options),
		.machine = "vm0",
		.name = "test",
		.lanes = (uint16_t)lanes,
		.spin_ns = 1000,
	};
}

static inline struct pciring *
service_attach_by(struct test_service *s, unsigned int lanes, uint32_t path)
{
	struct pciring_options opt = service_options(lanes);
	struct pciring *p = NULL;

	opt.path = path;
	assert_int_equal(pciring_attach(s->path, &opt, &p), 0);
	assert_non_null(p);
	assert_int_equal(pciring_features(p), path == PCIRING_PATH_MAILBOX
						      ? PCIRING_FEATURE_MAILBOX
						      : 0);
	return p;
}

static inline struct pciring *service_attach(struct test_service *s,
					     unsigned int lanes)
{
	return service_attach_by(s, lanes, PCIRING_PATH_MAILBOX);
}

#endif
