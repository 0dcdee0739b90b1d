/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pciring-vfio-user: to a stock VMM a vfio-user server, to pciringd a client
 *
 * How: the main thread listens, for clients, for signals and for the service;
 * each client is served in a thread of its own.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "apps/vfio-user/options.h"
#include "apps/vfio-user/proxy.h"
#include "apps/vfio-user/watch.h"
#include "ring/discard.h"

#define PROGRAM		 "pciring-vfio-user"
#define SERVICE_TRIES	 100
#define SERVICE_PAUSE_MS 100
#define FINI_MS		 700

struct program {
	struct vu_options options;
	struct vu_proxy proxy;
	struct vu_watch watch;
	int signals;
};

/* Signals are read, not handled; threads inherit the mask. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Clients hand over descriptors, up to 64 a message, on each socket. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static bool signalled(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) > 0;
}

/* 0, 1 a signal came first, -errno. */
static int find_service(struct program *g)
{
	const struct vu_options *o = &g->options;
	int err = 0;

	for (int i = 0; i < SERVICE_TRIES; i++) {
		err = vu_watch_open(&g->watch, o->service, o->machine,
				    g->signals);
		if (err != -ENOENT && err != -ECONNREFUSED)
			break;
		if (i == 0)
			log_info("waiting for the service at %s", o->service);
		if (signalled(g->signals, SERVICE_PAUSE_MS))
			return 1;
	}
	if (err == -ECANCELED)
		return 1;
	if (err == -ENODEV)
		log_error("the service at %s has no machine '%s'", o->service,
			  o->machine);
	else if (err == -EBUSY)
		log_error("machine '%s' is served by another " PROGRAM,
			  o->machine);
	else if (err)
		log_error("cannot reach the service at %s: %s", o->service,
			  strerror(-err));
	return err;
}

static int open_sockets(struct program *g)
{
	const struct vu_options *o = &g->options;

	for (unsigned int i = 0; i < o->count; i++) {
		int err = vu_proxy_add(&g->proxy, o->sockets[i].function,
				       o->sockets[i].path);

		if (err)
			return err;
	}
	/* What was declared before we came has been sent with the hello. */
	return vu_watch_read(&g->watch, &g->proxy);
}

/* Until a signal comes: 0, or the service goes: -EPIPE. */
static int run(struct program *g)
{
	struct pollfd fds[2 + VU_MAX_SOCKETS + 1];
	int err;

	for (;;) {
		unsigned int n = 2;

		err = vu_watch_report(&g->watch, &g->proxy);
		if (err)
			return err;
		fds[0] = (struct pollfd){ g->signals, POLLIN, 0 };
		fds[1] = (struct pollfd){ g->watch.sock, POLLIN, 0 };
		if (g->watch.blocked)
			fds[1].events |= POLLOUT;
		n += vu_proxy_poll(&g->proxy, fds + 2);
		if (poll(fds, n, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			return 0;
		err = vu_watch_read(&g->watch, &g->proxy);
		if (err)
			return err;
		vu_proxy_turn(&g->proxy);
	}
}

static int assemble_and_run(struct program *g)
{
	int err = vu_proxy_init(&g->proxy, g->options.service,
				g->options.machine, g->options.spin_ns);

	if (err)
		return err;
	err = open_sockets(g);
	if (!err) {
		puts(PROGRAM ": ready");
		fflush(stdout);
		err = run(g);
	}
	if (err == -EPIPE)
		log_error("the service, or the machine, has gone");
	if (vu_proxy_fini(&g->proxy, FINI_MS)) {
		/* A thread waits for a service that does not answer; what it
		 * uses must not be taken down under it. */
		log_warn("the service does not answer: leaving without it");
		_exit(1);
	}
	return err;
}

int main(int argc, char **argv)
{
	static struct program g;
	int err = vu_options_parse(&g.options, argc, argv);

	if (err >= 0)
		return err;
	log_set_sink(log_to_stderr, g.options.log_level);
	raise_descriptor_limit();
	discard_in_threads();
	g.signals = open_signals();
	if (g.signals < 0) {
		log_error("signalfd: %s", strerror(errno));
		return 1;
	}
	err = find_service(&g);
	if (err)
		return err < 0;
	err = assemble_and_run(&g);
	vu_watch_close(&g.watch);
	close(g.signals);
	return err != 0;
}
