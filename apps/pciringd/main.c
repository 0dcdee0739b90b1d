/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pciringd - the service that gives virtual machines their PCI devices
 *
 * How: everything is made from the outside in (directory, signals, EAL, loops,
 * registry, sockets), and taken down in the opposite order.  The main thread
 * becomes the control thread.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "apps/pciringd/attach_server.h"
#include "apps/pciringd/config.h"
#include "apps/pciringd/eal.h"
#include "apps/pciringd/methods.h"
#include "apps/pciringd/notify.h"
#include "apps/pciringd/rpc_server.h"
#include "apps/pciringd/rundir.h"
#include "apps/pciringd/telemetry.h"
#include "ring/attach.h"
#include "ring/discard.h"

/* The EAL's RTE_MAX_LCORE, when nobody can say how many there will be. */
#define MOST_LOOPS 128

struct daemon {
	struct service_options options;
	json_t *config; /* owned; or NULL */
	struct rundir dir;
	struct control control;
	struct control_source signals; /* owns its descriptor */
	struct loop *loop[MOST_LOOPS];
	unsigned int nr_loops;
	struct service service;
	struct rpc_server rpc;
	struct attach_server attach;
};

/* ---- Signals ---------------------------------------------------------------- */

static void signal_ready(struct control_source *s, uint32_t events)
{
	struct daemon *d = container_of(s, struct daemon, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(s->fd, &info, sizeof(info)) != sizeof(info))
		return;
	log_info("%s: ending", strsignal((int)info.ssi_signo));
	control_stop(&d->control);
}

/* Before any thread is made, so that all inherit the mask. */
static int open_signals(struct daemon *d)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	d->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->signals.fd < 0)
		return -errno;
	d->signals.events = EPOLLIN;
	d->signals.ready = signal_ready;
	return control_add(&d->control, &d->signals);
}

/* Every attachment costs descriptors, every bound vector one more. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		log_warn("cannot raise the limit of open files: %s",
			 strerror(errno));
}

/* ---- Configuration ------------------------------------------------------------ */

static int check_only(const struct service_options *o)
{
	char error[CONFIG_ERROR];

	if (config_check_file(o->check_config, o->lcores ? MOST_LOOPS : 1, NULL,
			      error)) {
		fprintf(stderr, "pciringd: %s\n", error);
		return EXIT_FAILURE;
	}
	printf("%s: good\n", o->check_config);
	return EXIT_SUCCESS;
}

/* Everything that can be wrong with it is found before anything is done. */
static int read_config(struct daemon *d, unsigned int nr_loops)
{
	char error[CONFIG_ERROR];
	int err;

	if (!d->options.config)
		return 0;
	json_decref(d->config);
	d->config = NULL;
	err = config_check_file(d->options.config, nr_loops, &d->config, error);
	if (err)
		log_error("%s", error);
	return err;
}

static int apply_config(struct daemon *d)
{
	char error[CONFIG_ERROR];
	int err;

	if (!d->config)
		return 0;
	err = config_apply(&d->service, d->options.config, d->config, error);
	if (err)
		log_error("%s", error);
	json_decref(d->config);
	d->config = NULL;
	return err;
}

/* ---- Loops ----------------------------------------------------------------------- */

static int make_loops(struct daemon *d)
{
	unsigned int n = eal_nr_loops();
	int err;

	for (d->nr_loops = 0; d->nr_loops < n; d->nr_loops++) {
		err = loop_create(d->nr_loops,
				  eal_idle_us(&d->options, d->nr_loops),
				  &d->loop[d->nr_loops]);
		if (err)
			return err;
	}
	return 0;
}

static int launch_loops(struct daemon *d)
{
	int err;

	for (unsigned int i = 0; i < d->nr_loops; i++) {
		loop_start(d->loop[i]);
		err = eal_launch(i, d->loop[i]);
		if (err) {
			loop_stopped(d->loop[i]);
			return err;
		}
		if (loop_idle_us(d->loop[i]) < 0)
			log_info("loop %u polls without sleeping", i);
		else
			log_info("loop %u sleeps after %d us without work", i,
				 loop_idle_us(d->loop[i]));
	}
	return 0;
}

static void end_loops(struct daemon *d)
{
	for (unsigned int i = 0; i < d->nr_loops; i++) {
		loop_stop(d->loop[i]);
		eal_join(i);
		loop_stopped(d->loop[i]);
		loop_destroy(d->loop[i]);
	}
}

/* ---- The service -------------------------------------------------------------------- */

static int open_rpc(struct daemon *d)
{
	int err, fd = rpc_listen(d->dir.rpc);

	if (fd < 0)
		return fd;
	err = rpc_server_init(&d->rpc, &d->control, fd, service_methods,
			      &d->service);
	if (err)
		close(fd);
	return err;
}

/* What the modes of files cannot say, the server knows (peer_may_enter()). */
static int admit(const struct daemon *d)
{
	const struct peer_access *a = &d->options.access;

	if (!a->nr_uids && !a->nr_gids)
		return 0;
	return rundir_admit(&d->dir, !a->nr_uids && a->nr_gids == 1
					     ? a->gid[0]
					     : (gid_t)-1);
}

static int open_attach(struct daemon *d)
{
	int err, fd;

	unlink(d->dir.attach); /* the lock is ours: it is dead */
	fd = attach_listen(d->dir.attach, 0600);
	if (fd < 0)
		return fd;
	err = admit(d);
	if (!err)
		err = attach_server_init(&d->attach, &d->control, &d->service,
					 fd);
	if (err)
		close(fd);
	return err;
}

static int serve(struct daemon *d)
{
	int err;

	err = open_attach(d);
	if (err)
		goto out;
	d->service.ops = &attach_server_service_ops;
	d->service.ctx = &d->attach;
	err = open_rpc(d);
	if (err)
		goto fini_attach;
	err = launch_loops(d);
	if (err)
		goto fini_rpc;
	err = telemetry_init(&d->control, &d->service);
	if (err)
		log_warn("no telemetry: %s", strerror(-err));
	printf("pciringd: ready (%s)\n", d->dir.path);
	fflush(stdout);
	notify_manager("READY=1");
	control_run(&d->control);
	notify_manager("STOPPING=1");
	err = 0;

fini_rpc:
	rpc_server_fini(&d->rpc);
fini_attach:
	attach_server_fini(&d->attach);
	d->service.ops = NULL;
out:
	if (err)
		log_error("cannot serve %s: %s", d->dir.path, strerror(-err));
	return err;
}

static int run_with_eal(struct daemon *d)
{
	int err = make_loops(d);

	if (!err)
		err = read_config(d, d->nr_loops);
	if (err)
		goto end_loops;
	service_init(&d->service, d->loop, d->nr_loops);
	d->service.dir = d->dir.path;
	d->service.limits = d->options.limits;
	d->service.access = d->options.access;
	err = apply_config(d);
	if (!err)
		err = serve(d);
	service_fini(&d->service);
end_loops:
	end_loops(d);
	return err;
}

static int run_in_dir(struct daemon *d)
{
	int err;

	raise_descriptor_limit();
	discard_in_threads();
	err = gpa_survive_truncation();
	if (!err)
		err = control_init(&d->control);
	if (err)
		return err;
	err = open_signals(d);
	if (!err)
		err = eal_start(&d->options);
	if (!err) {
		err = run_with_eal(d);
		control_fini(&d->control);
		eal_end();
	}
	return err;
}

int main(int argc, char **argv)
{
	static struct daemon d;
	int err, status;

	status = service_options_parse(&d.options, argc, argv);
	if (status >= 0)
		return status;
	if (d.options.check_config)
		return check_only(&d.options);
	log_set_sink(log_to_stderr, d.options.log_level);
	/* A bad file is said at once; the number of loops is judged later. */
	if (read_config(&d, MOST_LOOPS))
		return EXIT_FAILURE;
	err = rundir_open(&d.dir, d.options.dir, d.options.shared_dir);
	if (err)
		return EXIT_FAILURE;
	err = run_in_dir(&d);
	if (err)
		log_error("ended: %s", strerror(-err));
	rundir_close(&d.dir);
	json_decref(d.config);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
