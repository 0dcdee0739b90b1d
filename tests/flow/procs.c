/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a child's stdout is a pipe, read until its line that ends in "ready"
 * or contains "ready (".  Then nothing more is expected on it.
 */
#include "tests/flow/procs.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ring/base.h"
#include "ring/test_tmp.h"

#define READY_MS 20000 /* sanitizers take their time */
#define MAX_ARGS 24

static void find_bin(char *path, size_t n, const char *program)
{
	const char *bin = getenv("PCIRING_BIN");
	char self[PATH_MAX] = "";
	char *slash;

	if (bin) {
		snprintf(path, n, "%s/%s", bin, program);
		return;
	}
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		self[0] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	snprintf(path, n, "%s/../bin/%s", self, program);
}

int procs_init(struct procs *p)
{
	*p = (struct procs){ 0 };
	snprintf(p->dir, sizeof(p->dir), "%s/pciring-test-XXXXXX", test_tmp());
	return mkdtemp(p->dir) ? 0 : -errno;
}

/* True if there was nothing in the directory. */
static bool remove_dir(const char *path)
{
	bool empty = true;
	struct dirent *e;
	DIR *dir = opendir(path);

	while (dir && (e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		fprintf(stderr, "left behind: %s/%s\n", path, e->d_name);
		unlinkat(dirfd(dir), e->d_name, 0);
		empty = false;
	}
	if (dir)
		closedir(dir);
	rmdir(path);
	return empty;
}

int procs_fini(struct procs *p)
{
	int bad = 0;

	bad |= p->proxy && procs_stop(&p->proxy, SIGTERM, 5000) != 0;
	bad |= p->service && procs_stop(&p->service, SIGTERM, 5000) != 0;
	bad |= !remove_dir(p->dir);
	return bad;
}

static int wait_ready(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char text[4096];
	size_t n = 0;

	while (n < sizeof(text) - 1) {
		ssize_t got;

		if (poll(&pfd, 1, READY_MS) <= 0)
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

/* Fork and execute; @out becomes its stdout unless it is -1. */
static pid_t spawn(const char *program, const char *const *argv, int out)
{
	char path[PATH_MAX + 64];
	pid_t pid;

	find_bin(path, sizeof(path), program);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	execv(path, (char *const *)argv);
	_exit(127);
}

pid_t procs_start(struct procs *p, const char *program, const char *const *args)
{
	const char *argv[MAX_ARGS + 4] = { program, "--dir", p->dir };
	int err, out[2];
	pid_t pid;

	for (int i = 0; i < MAX_ARGS && args[i]; i++)
		argv[3 + i] = args[i];
	if (pipe2(out, O_CLOEXEC))
		return -errno;
	pid = spawn(program, argv, out[1]);
	close(out[1]);
	err = pid < 0 ? pid : wait_ready(out[0]);
	close(out[0]);
	if (!err)
		return pid;
	fprintf(stderr, "%s did not get ready: %s\n", program, strerror(-err));
	if (pid > 0)
		procs_stop(&pid, SIGKILL, 5000);
	return err;
}

pid_t procs_spawn(const char *program, const char *const *argv)
{
	return spawn(program, argv, -1);
}

int procs_start_service(struct procs *p)
{
	static const char *const args[] = { "--log-level", "warn", "--idle",
					    "50", NULL };
	pid_t pid = procs_start(p, "pciringd", args);

	if (pid < 0)
		return pid;
	p->service = pid;
	return 0;
}

int procs_start_proxy(struct procs *p, const char *machine,
		      const char *const *sockets)
{
	const char *args[MAX_ARGS] = { "--machine", machine, "--log-level",
				       "warn" };
	int n = 4;
	pid_t pid;

	for (; *sockets && n < MAX_ARGS - 2; sockets++) {
		args[n++] = "--function";
		args[n++] = *sockets;
	}
	pid = procs_start(p, "pciring-vfio-user", args);
	if (pid < 0)
		return pid;
	p->proxy = pid;
	return 0;
}

int procs_stop(pid_t *pid, int sig, unsigned int ms)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	int status = 0, got = 0;

	kill(*pid, sig);
	for (unsigned int i = 0; i < ms / 2 && !got; i++) {
		got = waitpid(*pid, &status, WNOHANG);
		if (!got)
			nanosleep(&pause, NULL);
	}
	if (!got) {
		kill(*pid, SIGKILL);
		waitpid(*pid, &status, 0);
		*pid = 0;
		return -ETIMEDOUT;
	}
	*pid = 0;
	if (got < 0)
		return -ECHILD;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

static int rpc_connect(struct procs *p)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	procs_path(p, "rpc.sock", addr.sun_path);
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	close(fd);
	return -ECONNREFUSED;
}

/* The answer's line, owned by the caller; NULL if none came. */
static char *ask(int fd, const char *method, const char *params)
{
	FILE *f = fdopen(fd, "r+e");
	char *line = NULL;
	size_t room = 0;

	if (!f) {
		close(fd);
		return NULL;
	}
	fprintf(f,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\","
		"\"params\":%s}\n",
		method, params);
	fflush(f);
	if (getline(&line, &room, f) <= 0) {
		free(line);
		line = NULL;
	}
	fclose(f);
	return line;
}

int procs_rpc(struct procs *p, const char *method, const char *params,
	      json_t **out)
{
	int err = 0, fd = rpc_connect(p);
	json_t *root, *got;
	char *line;

	if (fd < 0)
		return fd;
	line = ask(fd, method, params);
	root = line ? json_loads(line, 0, NULL) : NULL;
	got = json_object_get(root, "result");
	if (!got) {
		got = json_object_get(root, "error");
		err = got ? 1 : -EPROTO;
		fprintf(stderr, "%s: %s\n", method, line ? line : "no answer");
	}
	if (out)
		*out = json_incref(got);
	json_decref(root);
	free(line);
	return err;
}

const char *procs_path(const struct procs *p, const char *name, char *path)
{
	snprintf(path, PROCS_PATH, "%s/%s", p->dir, name);
	return path;
}
