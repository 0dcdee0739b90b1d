/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a register access costs through the proxy, beside a bare socket.
 *
 * How: a raw client asks for 4 bytes of a BAR, waits, and asks again.  Once
 * the answer comes from the proxy, which asks the service; once from an echo
 * server, which takes the same 32 bytes and sends the same 36.  Client, proxy
 * and echo server share one core and wait in the kernel; the service has the
 * other core.  Rounds of the two alternate.
 */
#include "bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/child.h"

#define ROUNDS	      41
#define QUICK_ROUNDS  5
#define PER_ROUND     2000u
#define WARM_UP	      200u
#define BOUND_PERCENT 200u

#define ASK_SIZE    32
#define ANSWER_SIZE 36
#define FUNCTION    "00:01.0"

/* vfio-user: id, command, size, flags, error, and the payload */
struct ask {
	uint16_t id, command;
	uint32_t size, flags, error;
	uint64_t offset;
	uint32_t region, count;
};

struct setting {
	char dir[CHILD_DIR_MAX];
	pid_t service, proxy, echo;
	int sock[2]; /* to the echo server, to the proxy */
};

enum path {
	SOCKET,
	PROXY,
	NR_PATHS
};

static const char *const path_names[] = { "socket", "proxy" };

struct figures {
	uint64_t p50, p99;
};

static void echo(void *arg)
{
	int sock = *(int *)arg;
	uint8_t bytes[ANSWER_SIZE] = { 0 };

	while (recv(sock, bytes, ASK_SIZE, 0) == ASK_SIZE)
		if (send(sock, bytes, ANSWER_SIZE, MSG_NOSIGNAL) < 0)
			break;
}

static int start_echo(struct setting *s, int cpu)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	s->sock[SOCKET] = pair[0];
	s->echo = child_fork(echo, &pair[1], cpu);
	close(pair[1]);
	return s->echo < 0 ? (int)s->echo : 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	close(fd);
	return -ECONNREFUSED;
}

/* VERSION 0.1 without JSON is answered by as many bytes. */
static int shake_hands(int sock)
{
	uint8_t hello[20] = { 1, 0, 1, 0, sizeof(hello), [18] = 1 };

	if (send(sock, hello, sizeof(hello), MSG_NOSIGNAL) != sizeof(hello) ||
	    recv(sock, hello, sizeof(hello), MSG_WAITALL) != sizeof(hello))
		return -EPROTO;
	return 0;
}

static int write_config(const char *path)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return -errno;
	fputs("[{\"method\": \"machine.create\","
	      " \"params\": {\"name\": \"bench\"}},"
	      " {\"method\": \"function.create\","
	      " \"params\": {\"machine\": \"bench\","
	      " \"address\": \"" FUNCTION "\", \"device\": \"rng\"}}]\n",
	      f);
	return fclose(f) ? -errno : 0;
}

static int start_programs(struct setting *s, const int cpu[2])
{
	char config[CHILD_DIR_MAX + 32], option[CHILD_DIR_MAX + 32], *path;
	const char *const service[] = { "pciringd", "--dir", s->dir,
					"--config", config,  "--log-level",
					"error",    NULL };
	const char *const proxy[] = { "pciring-vfio-user",
				      "--dir",
				      s->dir,
				      "--machine",
				      "bench",
				      "--function",
				      option,
				      "--log-level",
				      "error",
				      NULL };
	int err;

	snprintf(config, sizeof(config), "%s/config.json", s->dir);
	snprintf(option, sizeof(option), FUNCTION "=%s/bench.sock", s->dir);
	path = strchr(option, '=') + 1;
	err = write_config(config);
	if (err)
		return err;
	s->service = child_start("pciringd", service, cpu[1]);
	unlink(config);
	if (s->service < 0)
		return s->service;
	s->proxy = child_start("pciring-vfio-user", proxy, cpu[0]);
	if (s->proxy < 0)
		return s->proxy;
	s->sock[PROXY] = connect_to(path);
	return s->sock[PROXY] < 0 ? s->sock[PROXY]
				  : shake_hands(s->sock[PROXY]);
}

static void stop_all(struct setting *s)
{
	for (int i = 0; i < NR_PATHS; i++)
		if (s->sock[i] >= 0)
			close(s->sock[i]);
	if (s->echo > 0)
		child_stop(s->echo);
	if (s->proxy > 0)
		child_stop(s->proxy);
	if (s->service > 0)
		child_stop(s->service);
	rmdir(s->dir);
}

static int start_all(struct setting *s)
{
	int err, cpu[2];

	*s = (struct setting){ .sock = { -1, -1 } };
	err = child_two_cpus(cpu);
	if (err) {
		fprintf(stderr, "proxy: needs two CPUs\n");
		return err;
	}
	err = child_dir(s->dir);
	if (err)
		return err;
	err = start_programs(s, cpu);
	if (!err)
		err = start_echo(s, cpu[0]);
	if (!err)
		err = child_pin(cpu[0]);
	if (err)
		stop_all(s);
	return err;
}

static int ask_once(int sock)
{
	const struct ask ask = {
		.id = 1,
		.command = 9, /* REGION_READ */
		.size = ASK_SIZE,
		.region = 4,
		.count = 4,
	};
	uint8_t answer[ANSWER_SIZE];

	_Static_assert(sizeof(ask) == ASK_SIZE, "wire");
	if (send(sock, &ask, sizeof(ask), MSG_NOSIGNAL) != sizeof(ask) ||
	    recv(sock, answer, sizeof(answer), MSG_WAITALL) != sizeof(answer))
		return -EPROTO;
	return 0;
}

static int measure(int sock, struct figures *f)
{
	static uint64_t took[PER_ROUND];

	for (unsigned int i = 0; i < WARM_UP + PER_ROUND; i++) {
		uint64_t begin = bench_now();
		int err = child_signal ? -EINTR : ask_once(sock);

		if (err)
			return err;
		if (i >= WARM_UP)
			took[i - WARM_UP] = bench_now() - begin;
	}
	bench_sort(took, PER_ROUND);
	f->p50 = bench_part(took, PER_ROUND, 50);
	f->p99 = bench_part(took, PER_ROUND, 99);
	return 0;
}

static int measure_all(const struct setting *s, unsigned int rounds,
		       struct figures median[NR_PATHS])
{
	static uint64_t p50[NR_PATHS][ROUNDS], p99[NR_PATHS][ROUNDS];

	for (unsigned int i = 0; i < rounds; i++)
		for (int path = 0; path < NR_PATHS; path++) {
			struct figures f;
			int err = measure(s->sock[path], &f);

			if (err)
				return err;
			p50[path][i] = f.p50;
			p99[path][i] = f.p99;
		}
	for (int path = 0; path < NR_PATHS; path++) {
		bench_sort(p50[path], rounds);
		bench_sort(p99[path], rounds);
		median[path].p50 = bench_part(p50[path], rounds, 50);
		median[path].p99 = bench_part(p99[path], rounds, 50);
	}
	return 0;
}

static void print(const struct bench_options *o, const struct figures *f)
{
	double ratio = (double)f[PROXY].p50 / (double)f[SOCKET].p50;

	for (int path = 0; path < NR_PATHS; path++) {
		if (o->json)
			printf("{\"bench\":\"proxy\",\"path\":\"%s\","
			       "\"p50_ns\":%lu,\"p99_ns\":%lu,"
			       "\"ratio\":%.2f}\n",
			       path_names[path], f[path].p50, f[path].p99,
			       path == PROXY ? ratio : 1.0);
		else
			printf("%-8s %7.2f us median %7.2f us 99 %%\n",
			       path_names[path], (double)f[path].p50 / 1e3,
			       (double)f[path].p99 / 1e3);
	}
	if (!o->json)
		printf("an access through the proxy takes %.2f times a bare"
		       " socket's round trip (bound: %.1f)\n",
		       ratio, BOUND_PERCENT / 100.0);
}

struct whole {
	struct figures median[NR_PATHS];
	unsigned int rounds;
};

static int run_all(void *arg)
{
	struct whole *w = arg;
	struct setting s;
	int err = start_all(&s);

	if (err)
		return err;
	err = measure_all(&s, w->rounds, w->median);
	stop_all(&s);
	return err;
}

int bench_proxy(const struct bench_options *o)
{
	struct whole w = { .rounds = o->quick ? QUICK_ROUNDS : ROUNDS };
	int err = child_guard(run_all, &w);

	if (err) {
		fprintf(stderr, "proxy: %s\n", strerror(-err));
		return 2;
	}
	print(o, w.median);
	return w.median[PROXY].p50 * 100 > w.median[SOCKET].p50 * BOUND_PERCENT;
}
