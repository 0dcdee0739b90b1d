/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client.c - libpciring: attaching, and calls on the attach socket
 *
 * The socket has one request under way at a time.  Its reply is known by type
 * and id; anything else that arrives is dropped, and the time limit runs on.
 * A reply that does not come breaks the attachment, because from then on
 * neither side knows what the other has done.
 *
 * The socket is also how a dead service is noticed.  poll() reports the hangup
 * even while packets are queued before it, which a peeking recv() would not.
 */
#include "ring/client.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CALL_LIMIT_MS 10000
#define MAX_ERRNO     4095

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void client_break(struct pciring *p)
{
	/* The service sees the end of file and frees what it has of us. */
	if (!atomic_exchange(&p->broken, true))
		shutdown(p->sock, SHUT_RDWR);
}

bool client_alive(struct pciring *p)
{
	struct pollfd pfd = { .fd = p->sock, .events = POLLRDHUP };

	if (atomic_load(&p->broken))
		return false;
	/* What was found lying is not asked again. */
	if (channel_broken(&p->ch)) {
		client_break(p);
		return false;
	}
	if (poll(&pfd, 1, 0) > 0 &&
	    pfd.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) {
		client_break(p);
		return false;
	}
	return true;
}

/* 1 a packet, 0 the time is up, -EPIPE the service has gone, -errno. */
static int wait_packet(int sock, int64_t deadline, struct attach_packet *pkt)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	int64_t left;
	int n;

	for (;;) {
		left = deadline - now_ms();
		if (left <= 0)
			return 0;
		n = poll(&pfd, 1, (int)left);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n <= 0)
			continue;
		n = attach_recv(sock, pkt);
		if (n == 1)
			return 1;
		if (n == 0)
			return -EPIPE;
		if (n != -EPROTO && n != -EAGAIN)
			return n;
	}
}

static int wait_reply(struct pciring *p, uint16_t type, uint32_t id,
		      struct attach_packet *reply)
{
	int64_t deadline = now_ms() + p->call_limit_ms;
	int n;

	for (;;) {
		n = wait_packet(p->sock, deadline, reply);
		if (n < 0)
			return n;
		if (n == 0)
			return -ETIMEDOUT;
		if (reply->m.h.reply == 1 && reply->m.h.type == type &&
		    reply->m.h.id == id)
			return 0;
		attach_packet_fini(reply);
	}
}

/* The error that a reply carries, as far as it is one. */
static int reply_error(const struct attach_packet *reply)
{
	int32_t error = reply->m.h.error;

	return error > 0 || error < -MAX_ERRNO ? -EPROTO : error;
}

int client_call(struct pciring *p, struct msg_header *h, uint16_t type,
		size_t length, const int *fds, unsigned int n,
		struct attach_packet *reply)
{
	bool answered = false;
	int err;

	pthread_mutex_lock(&p->lock);
	h->magic = MSG_MAGIC;
	h->type = type;
	h->id = ++p->id;
	err = -EPIPE;
	if (atomic_load(&p->broken))
		goto unlock;
	err = attach_send(p->sock, h, length, fds, n);
	if (err == -EBADF || err == -ETOOMANYREFS || err == -ENOBUFS ||
	    err == -ENOMEM)
		goto unlock; /* nothing left the house */
	if (!err)
		err = wait_reply(p, type, h->id, reply);
	answered = !err;
	if (err == -EAGAIN)
		err = -ETIMEDOUT; /* the send limit of attach_connect() */
	if (err)
		client_break(p);
	else
		err = reply_error(reply);
unlock:
	pthread_mutex_unlock(&p->lock);
	if (answered && err)
		attach_packet_fini(reply);
	return err;
}

int client_do(struct pciring *p, struct msg_header *h, uint16_t type,
	      size_t length, const int *fds, unsigned int n)
{
	struct attach_packet reply;
	int err = client_call(p, h, type, length, fds, n, &reply);

	if (!err)
		attach_packet_fini(&reply);
	return err;
}

/* ---- Attach and detach ------------------------------------------------- */

static bool name_ok(const char *name, bool optional)
{
	if (!name)
		return optional;
	return (optional || name[0]) &&
	       strnlen(name, PCIRING_NAME_MAX) < PCIRING_NAME_MAX;
}

/* What a caller that was built with 0.1 says, and how far it goes. */
#define OPTIONS_SIZE_0_1 offsetof(struct pciring_options, irqchip)
static_assert(OPTIONS_SIZE_0_1 == 48, "what 0.1 called all of it");

/* The options as of today: what the caller does not know of is 0. */
static int copy_options(struct pciring_options *to,
			const struct pciring_options *from)
{
	if (from->size < OPTIONS_SIZE_0_1)
		return -EINVAL;
	memset(to, 0, sizeof(*to));
	memcpy(to, from, RTE_MIN(from->size, sizeof(*to)));
	return 0;
}

static bool irqchip_ok(const struct pciring_options *opt)
{
	return opt->irqchip == PCIRING_IRQCHIP_NONE ||
	       (opt->irqchip <= PCIRING_IRQCHIP_SPLIT &&
		opt->scope == PCIRING_SCOPE_MACHINE &&
		opt->interrupts == PCIRING_IRQ_NATIVE);
}

static bool options_ok(const struct pciring_options *opt)
{
	return name_ok(opt->machine, false) && name_ok(opt->name, true) &&
	       opt->scope <= PCIRING_SCOPE_FUNCTION && opt->lanes &&
	       opt->lanes <= PCIRING_MAX_LANES &&
	       opt->interrupts <= PCIRING_IRQ_REMOTE && !opt->features &&
	       opt->path <= PCIRING_PATH_RINGS && irqchip_ok(opt);
}

/* What our hello asks for. */
static uint64_t wanted(const struct pciring_options *opt)
{
	return MSG_FEATURE_POLLS |
	       (opt->path == PCIRING_PATH_MAILBOX ? MSG_FEATURE_MAILBOX : 0);
}
static_assert(MSG_FEATURE_MAILBOX == PCIRING_FEATURE_MAILBOX &&
		      MSG_FEATURE_POLLS == PCIRING_FEATURE_POLLS,
	      "the same numbers");

/* Judge a hello reply and map what it brought. */
static int take_hello(struct pciring *p, const struct pciring_options *opt,
		      struct attach_packet *pkt)
{
	const struct msg_hello_reply *r = &pkt->m.hello_reply;
	int fds[MSG_NR_FDS];
	unsigned int i;
	int err;

	if (pkt->length < sizeof(*r) || pkt->nr_fds != MSG_NR_FDS ||
	    r->features & ~wanted(opt) || r->geo.lanes != opt->lanes)
		return -EPROTO;
	if (r->major != PCIRING_VERSION_MAJOR ||
	    r->minor > PCIRING_VERSION_MINOR)
		return -EPROTONOSUPPORT;
	/* It read no irqchip in our hello: lines would lead nowhere. */
	if (opt->irqchip != PCIRING_IRQCHIP_NONE &&
	    r->minor < MSG_IRQCHIP_MINOR)
		return -EPROTONOSUPPORT;

	for (i = 0; i < MSG_NR_FDS; i++)
		fds[i] = pkt->fds[i];
	err = channel_open(&p->ch, &r->geo, fds);
	if (err)
		return err;
	for (i = 0; i < MSG_NR_FDS; i++)
		attach_packet_take(pkt, i);
	p->features = r->features;
	if (r->features & MSG_FEATURE_MAILBOX)
		channel_use_mailbox(&p->ch);
	if (r->features & MSG_FEATURE_POLLS)
		channel_never_wake(&p->ch);
	return 0;
}

static int say_hello(struct pciring *p, const struct pciring_options *opt)
{
	struct msg_hello hello = {
		.major = PCIRING_VERSION_MAJOR,
		.minor = PCIRING_VERSION_MINOR,
		.scope = (uint16_t)opt->scope,
		.function = opt->function,
		.lanes = opt->lanes,
		.interrupts = (uint16_t)opt->interrupts,
		.irqchip = (uint16_t)opt->irqchip,
		.features = wanted(opt),
	};
	struct attach_packet reply;
	int err;

	snprintf(hello.machine, sizeof(hello.machine), "%s", opt->machine);
	if (opt->name)
		snprintf(hello.name, sizeof(hello.name), "%s", opt->name);
	err = client_call(p, &hello.h, MSG_HELLO, sizeof(hello), NULL, 0,
			  &reply);
	if (err)
		return err;
	err = take_hello(p, opt, &reply);
	attach_packet_fini(&reply);
	return err;
}

int pciring_attach(const char *path, const struct pciring_options *opt,
		   struct pciring **out)
{
	struct pciring_options o;
	struct pciring *p;
	int err;

	if (!path || !opt || !out || copy_options(&o, opt) || !options_ok(&o))
		return -EINVAL;
	p = aligned_alloc(_Alignof(struct pciring), sizeof(*p));
	if (!p)
		return -ENOMEM;
	memset(p, 0, sizeof(*p));
	p->spin_ns = o.spin_ns;
	p->slice_ns = CLIENT_SLICE_NS;
	p->call_limit_ms = CALL_LIMIT_MS;

	p->sock = err = attach_connect(path);
	if (err < 0)
		goto free;
	err = -pthread_mutex_init(&p->lock, NULL);
	if (err)
		goto close;
	err = say_hello(p, &o);
	if (err)
		goto destroy;
	*out = p;
	return 0;

destroy:
	pthread_mutex_destroy(&p->lock);
close:
	close(p->sock);
free:
	free(p);
	return err;
}

void pciring_detach(struct pciring *p)
{
	if (!p)
		return;
	client_break(p);
	close(p->sock);
	channel_fini(&p->ch);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

uint64_t pciring_features(const struct pciring *p)
{
	return p->features;
}

int pciring_status(const struct pciring *p)
{
	/* Looking may find out and remember; to the caller that is const. */
	return client_alive((struct pciring *)(uintptr_t)p) ? 0 : -EPIPE;
}
