/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a started program's stdout is a pipe until the line with ": ready".  A
 * signal also ends the call that waits, because none is begun again after it.
 */
#include "bench/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"

#define READY_MS    15000
#define STOP_MS	    3000
#define TMP_MAX_LEN 60

volatile sig_atomic_t child_signal;

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

#define NR_SIGNALS (sizeof(signals) / sizeof(signals[0]))

static void on_signal(int sig)
{
	child_signal = sig;
}

int child_guard(int (*fn)(void *arg), void *arg)
{
	const struct sigaction sa = { .sa_handler = on_signal };
	struct sigaction old[NR_SIGNALS];
	int ret;

	for (size_t i = 0; i < NR_SIGNALS; i++) {
		sigaction(signals[i], NULL, &old[i]);
		/* As it is for who was started by nohup. */
		if (old[i].sa_handler != SIG_IGN)
			sigaction(signals[i], &sa, NULL);
	}
	ret = fn(arg);
	for (size_t i = 0; i < NR_SIGNALS; i++)
		sigaction(signals[i], &old[i], NULL);
	if (child_signal)
		raise(child_signal);
	return ret;
}

int child_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

int child_two_cpus(int cpu[2])
{
	cpu_set_t set;
	int n = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		return -errno;
	for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET(i, &set))
			cpu[n++] = i;
	return n == 2 ? 0 : -ENODEV;
}

static int wait_ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[4096];
	size_t n = 0;

	while (n < sizeof(text) - 1) {
		ssize_t got;

		if (poll(&p, 1, READY_MS) <= 0)
			return -ETIMEDOUT;
		got = read(fd, text + n, sizeof(text) - 1 - n);
		if (got <= 0)
			return -EPIPE;
		n += (size_t)got;
		text[n] = '\0';
		if (strstr(text, ": ready"))
			return 0;
	}
	return -EPROTO;
}

pid_t child_start(const char *program, const char *const *argv, int cpu)
{
	char dir[PATH_MAX], path[PATH_MAX + 64];
	int err, out[2];
	pid_t pid;

	err = bench_bin_dir(dir, sizeof(dir));
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s%s", dir, program);
	if (pipe2(out, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		child_pin(cpu);
		dup2(out[1], STDOUT_FILENO);
		execv(path, (char *const *)argv);
		_exit(127);
	}
	close(out[1]);
	err = pid < 0 ? -errno : wait_ready(out[0]);
	close(out[0]);
	if (!err)
		return pid;
	if (!child_signal)
		fprintf(stderr, "%s did not get ready: %s\n", path,
			strerror(-err));
	if (pid > 0)
		child_stop(pid);
	return err;
}

pid_t child_fork(void (*fn)(void *arg), void *arg, int cpu)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (size_t i = 0; i < NR_SIGNALS; i++)
			signal(signals[i], SIG_DFL);
		child_pin(cpu);
		fn(arg);
		_exit(0);
	}
	return pid;
}

int child_dir(char dir[CHILD_DIR_MAX])
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, CHILD_DIR_MAX, "%s/pciring-bench-XXXXXX",
		 tmp && strlen(tmp) < TMP_MAX_LEN ? tmp : "/tmp");
	if (mkdtemp(dir))
		return 0;
	dir[0] = '\0';
	return -errno;
}

void child_stop(pid_t pid)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int got = 0;

	kill(pid, SIGTERM);
	for (int i = 0; i < STOP_MS && !got; i++) {
		got = waitpid(pid, NULL, WNOHANG);
		if (!got)
			nanosleep(&pause, NULL);
	}
	if (got)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
