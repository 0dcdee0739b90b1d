/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the service comes and goes: quickly, alone in its directory, and with
 * nothing left behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ring/base.h"
#include "ring/pciring.h"
#include "tests/flow/procs.h"

#define MACHINE "{\"name\":\"demo\"}"
#define FUNCTION                                                               \
	"{\"machine\":\"demo\",\"address\":\"00:01.0\",\"device\":\"rng\"}"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWER 10 /* a sanitizer's start and end are not the product's */
#else
#define SLOWER 1
#endif
#define END_MS (1000 * SLOWER)

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The EAL's runtime directory of the process @pid. */
static void prefix_path(char *path, size_t room, pid_t pid)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	if (!geteuid())
		snprintf(path, room, "/var/run/dpdk/pciring-%d", pid);
	else
		snprintf(path, room, "%s/dpdk/pciring-%d", xdg ? xdg : "/tmp",
			 pid);
}

static unsigned int count_names(const char *path, const char *word)
{
	DIR *d = opendir(path);
	struct dirent *e;
	unsigned int n = 0;

	while (d && (e = readdir(d)))
		n += strstr(e->d_name, word) != NULL;
	if (d)
		closedir(d);
	return n;
}

/* Runtime directories whose process has gone; others may run beside us. */
static unsigned int count_orphans(void)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	struct dirent *e;
	unsigned int n = 0;
	char parent[128];
	int pid;
	DIR *d;

	snprintf(parent, sizeof(parent), "%s/dpdk",
		 !geteuid() ? "/var/run"
		 : xdg	    ? xdg
			    : "/tmp");
	d = opendir(parent);
	while (d && (e = readdir(d)))
		if (sscanf(e->d_name, "pciring-%d", &pid) == 1)
			n += kill(pid, 0) && errno == ESRCH;
	if (d)
		closedir(d);
	return n;
}

static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static bool in_dir(const struct procs *p, const char *name)
{
	char path[PROCS_PATH];

	return exists(procs_path(p, name, path));
}

static struct pciring *attach(struct procs *p)
{
	struct pciring_options opt = {
		.size = sizeof(opt),
		.machine = "demo",
		.lanes = 1,
		.spin_ns = 20000,
	};
	struct pciring *link = NULL;
	char path[PROCS_PATH];

	assert_int_equal(
		pciring_attach(procs_path(p, "attach.sock", path), &opt, &link),
		0);
	return link;
}

static void make_demo(struct procs *p)
{
	assert_int_equal(procs_rpc(p, "machine.create", MACHINE, NULL), 0);
	assert_int_equal(procs_rpc(p, "function.create", FUNCTION, NULL), 0);
}

/* ---- Coming -------------------------------------------------------------------- */

static void ready_in_less_than_half_a_second(void **state)
{
	double best = 1e9, begin, took;
	struct procs p;

	(void)state;
	assert_int_equal(procs_init(&p), 0);
	for (int i = 0; i < 3; i++) {
		begin = now_s();
		assert_int_equal(procs_start_service(&p), 0);
		took = now_s() - begin;
		best = took < best ? took : best;
		assert_int_equal(procs_stop(&p.service, SIGTERM, END_MS), 0);
	}
	print_message("ready in %.3f s\n", best);
	assert_true(best < 0.5 * SLOWER);
	assert_int_equal(procs_fini(&p), 0);
}

static void second_one_in_the_same_directory_is_refused(void **state)
{
	static const char *const args[] = { "--log-level", "error", NULL };
	struct procs p;
	json_t *info;

	(void)state;
	assert_int_equal(procs_init(&p), 0);
	assert_int_equal(procs_start_service(&p), 0);
	assert_true(procs_start(&p, "pciringd", args) < 0);
	/* The first one has not noticed. */
	assert_int_equal(procs_rpc(&p, "service.info", "{}", &info), 0);
	assert_int_equal(json_integer_value(json_object_get(info, "pid")),
			 p.service);
	json_decref(info);
	assert_int_equal(procs_fini(&p), 0);
}

static void two_run_side_by_side_in_two_directories(void **state)
{
	struct procs p, q;

	(void)state;
	assert_int_equal(procs_init(&p), 0);
	assert_int_equal(procs_init(&q), 0);
	assert_int_equal(procs_start_service(&p), 0);
	assert_int_equal(procs_start_service(&q), 0);
	make_demo(&p);
	make_demo(&q);
	pciring_detach(attach(&p));
	pciring_detach(attach(&q));
	assert_int_equal(procs_fini(&p), 0);
	assert_int_equal(procs_rpc(&q, "machine.list", "{}", NULL), 0);
	assert_int_equal(procs_fini(&q), 0);
}

/* Clock ticks that the process has used up to now. */
static unsigned long cpu_ticks(pid_t pid)
{
	unsigned long user = 0, kernel = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f,
				"%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u "
				"%*u %*u %lu %lu",
				&user, &kernel),
			 2);
	fclose(f);
	return user + kernel;
}

static void idle_service_uses_no_cpu(void **state)
{
	struct pciring *link;
	unsigned long before;
	struct procs p;

	(void)state;
	assert_int_equal(procs_init(&p), 0);
	assert_int_equal(procs_start_service(&p), 0);
	make_demo(&p);
	link = attach(&p);
	usleep(20000);
	before = cpu_ticks(p.service);
	usleep(500000);
	/* A tenth of the time would be 5 ticks. */
	assert_true(cpu_ticks(p.service) - before <= 2);
	assert_int_equal(pciring_status(link), 0);
	pciring_detach(link);
	assert_int_equal(procs_fini(&p), 0);
}

/* A socket that the service manager would listen on. */
static int open_notify(struct procs *p)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 5 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	procs_path(p, "notify", sa.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setenv("NOTIFY_SOCKET", sa.sun_path, 1);
	return fd;
}

static void service_manager_is_told_of_ready_and_stopping(void **state)
{
	char text[64], path[PROCS_PATH];
	struct procs p;
	ssize_t n;
	int fd;

	(void)state;
	assert_int_equal(procs_init(&p), 0);
	fd = open_notify(&p);
	assert_int_equal(procs_start_service(&p), 0);
	unsetenv("NOTIFY_SOCKET");
	n = recv(fd, text, sizeof(text), 0);
	assert_int_equal(n, sizeof("READY=1") - 1);
	assert_memory_equal(text, "READY=1", (size_t)n);
	assert_int_equal(procs_stop(&p.service, SIGTERM, END_MS), 0);
	n = recv(fd, text, sizeof(text), 0);
	assert_int_equal(n, sizeof("STOPPING=1") - 1);
	assert_memory_equal(text, "STOPPING=1", (size_t)n);
	close(fd);
	unlink(procs_path(&p, "notify", path));
	assert_int_equal(procs_fini(&p), 0);
}

/* ---- Going ---------------------------------------------------------------------- */

static void ends_within_a_second(int sig)
{
	char prefix[128];
	struct pciring *link;
	unsigned int shm = count_names("/dev/shm", "pciring");
	struct procs p;

	assert_int_equal(procs_init(&p), 0);
	assert_int_equal(procs_start_service(&p), 0);
	prefix_path(prefix, sizeof(prefix), p.service);
	assert_true(exists(prefix));
	make_demo(&p);
	link = attach(&p);
	assert_int_equal(pciring_status(link), 0);

	assert_int_equal(procs_stop(&p.service, sig, END_MS), 0);
	assert_int_equal(pciring_status(link), -EPIPE);
	pciring_detach(link);
	assert_false(in_dir(&p, "rpc.sock"));
	assert_false(in_dir(&p, "attach.sock"));
	assert_false(in_dir(&p, "lock"));
	assert_false(exists(prefix));
	assert_int_equal(count_names("/dev/shm", "pciring"), shm);
	assert_int_equal(procs_fini(&p), 0);
}

static void sigterm_ends_it_within_a_second_and_nothing_is_left(void **state)
{
	(void)state;
	ends_within_a_second(SIGTERM);
}

static void sigint_ends_it_within_a_second_and_nothing_is_left(void **state)
{
	(void)state;
	ends_within_a_second(SIGINT);
}

static void directory_that_it_made_goes_with_it(void **state)
{
	static const char *const args[] = { "--log-level", "error", NULL };
	struct procs p, inner;
	pid_t pid;

	(void)state;
	assert_int_equal(procs_init(&p), 0);
	inner = p;
	snprintf(inner.dir, sizeof(inner.dir), "%.60s/made", p.dir);
	pid = procs_start(&inner, "pciringd", args);
	assert_true(pid > 0);
	assert_true(exists(inner.dir));
	assert_int_equal(procs_stop(&pid, SIGTERM, END_MS), 0);
	assert_false(exists(inner.dir));
	assert_int_equal(procs_fini(&p), 0);
}

static void successor_cleans_up_after_one_that_was_killed(void **state)
{
	char prefix[128];
	struct procs p;

	(void)state;
	assert_int_equal(procs_init(&p), 0);
	assert_int_equal(procs_start_service(&p), 0);
	prefix_path(prefix, sizeof(prefix), p.service);
	assert_int_equal(procs_stop(&p.service, SIGKILL, END_MS),
			 128 + SIGKILL);
	assert_true(exists(prefix));
	assert_true(in_dir(&p, "rpc.sock"));
	assert_true(in_dir(&p, "attach.sock"));

	assert_int_equal(procs_start_service(&p), 0);
	assert_false(exists(prefix));
	make_demo(&p);
	pciring_detach(attach(&p));
	assert_int_equal(procs_fini(&p), 0);
}

static void start_that_fails_leaves_nothing(void **state)
{
	static const char *const bad[][5] = {
		{ "--log-level", "error", "--lcores", "0@0", NULL },
		{ "--log-level", "error", "--config", "/nonexistent", NULL },
		{ "--log-level", "error", "--", "--nonsense", NULL },
	};
	unsigned int before = count_orphans();
	struct procs p;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(procs_init(&p), 0);
		assert_true(procs_start(&p, "pciringd", bad[i]) < 0);
		assert_int_equal(procs_fini(&p), 0);
	}
	assert_true(count_orphans() <= before);
}

static void prefix_of_a_living_process_is_left_alone(void **state)
{
	char prefix[128], other[160];
	struct procs p, q;

	(void)state;
	assert_int_equal(procs_init(&p), 0);
	assert_int_equal(procs_init(&q), 0);
	assert_int_equal(procs_start_service(&p), 0);
	prefix_path(prefix, sizeof(prefix), p.service);
	/* Not a number behind the word: none of ours. */
	snprintf(other, sizeof(other), "%sx", prefix);
	assert_int_equal(mkdir(other, 0700), 0);
	assert_int_equal(procs_start_service(&q), 0);
	assert_true(exists(prefix));
	assert_true(exists(other));
	rmdir(other);
	assert_int_equal(procs_fini(&q), 0);
	assert_true(exists(prefix));
	assert_int_equal(procs_fini(&p), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ready_in_less_than_half_a_second),
		cmocka_unit_test(second_one_in_the_same_directory_is_refused),
		cmocka_unit_test(two_run_side_by_side_in_two_directories),
		cmocka_unit_test(idle_service_uses_no_cpu),
		cmocka_unit_test(service_manager_is_told_of_ready_and_stopping),
		cmocka_unit_test(
			sigterm_ends_it_within_a_second_and_nothing_is_left),
		cmocka_unit_test(
			sigint_ends_it_within_a_second_and_nothing_is_left),
		cmocka_unit_test(directory_that_it_made_goes_with_it),
		cmocka_unit_test(successor_cleans_up_after_one_that_was_killed),
		cmocka_unit_test(start_that_fails_leaves_nothing),
		cmocka_unit_test(prefix_of_a_living_process_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
