/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: requests go out in batches, one line each, as many in a batch as the
 * service takes; an answer with an "error" in it is shown as it came.
 */
#include "bench/scale_service.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/child.h"

#define BATCH	       64 /* requests a line */
#define REQUEST	       320
#define ROOM	       (1u << 20)
#define ANSWER_SECONDS 60
#define ON_A_BUS       256 /* functions */
#define ON_BUS_0       248 /* device 0 is left alone */

unsigned int scale_share(const struct scale_size *z, unsigned int m)
{
	return z->functions / z->machines + (m < z->functions % z->machines);
}

uint16_t scale_address(unsigned int n, unsigned int i)
{
	if (n <= ON_BUS_0)
		return (uint16_t)(8 + i);
	return (uint16_t)((1 + i / ON_A_BUS) << 8 | i % ON_A_BUS);
}

/* ---- Requests ---------------------------------------------------------- */

static int say(struct scale_service *s, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t n = send(s->rpc, s->text + done, length - done,
				 MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

static int hear(struct scale_service *s)
{
	size_t have = 0;

	while (have < s->room - 1) {
		ssize_t n = recv(s->rpc, s->text + have, s->room - 1 - have, 0);

		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		have += (size_t)n;
		s->text[have] = '\0';
		if (s->text[have - 1] == '\n')
			return 0;
	}
	return -EMSGSIZE;
}

/* @length bytes of s->text; the answer will be there. */
static int ask(struct scale_service *s, size_t length)
{
	const char *error;
	int err = say(s, length);

	if (!err)
		err = hear(s);
	if (err) {
		fprintf(stderr, "bench: the service does not answer: %s\n",
			strerror(-err));
		return err;
	}
	error = strstr(s->text, "\"error\"");
	if (!error)
		return 0;
	fprintf(stderr, "bench: the service says: %.200s\n", error);
	return -EREMOTEIO;
}

/* Collects requests and sends them when there are enough. */
struct batch {
	struct scale_service *s;
	unsigned int nr;
	size_t length;
	int err;
};

static void batch_send(struct batch *b)
{
	if (!b->nr || b->err)
		return;
	b->length += (size_t)sprintf(b->s->text + b->length, "]\n");
	b->err = ask(b->s, b->length);
	b->nr = 0;
	b->length = 0;
}

static void batch_add(struct batch *b, const char *call)
{
	b->length += (size_t)snprintf(
		b->s->text + b->length, b->s->room - b->length,
		"%c{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":%s}",
		b->nr ? ',' : '[', call);
	if (++b->nr == BATCH)
		batch_send(b);
}

int scale_service_call(struct scale_service *s, const char *call)
{
	struct batch b = { .s = s };

	batch_add(&b, call);
	batch_send(&b);
	return b.err;
}

/* ---- Machines and functions -------------------------------------------- */

/* Buses beside bus 0 that @n functions need. */
static unsigned int nr_buses(unsigned int n)
{
	return n <= ON_BUS_0 ? 0 : (n + ON_A_BUS - 1) / ON_A_BUS;
}

int scale_create_machines(struct scale_service *s, const struct scale_size *z)
{
	struct batch b = { .s = s };
	char call[REQUEST];

	for (unsigned int m = 0; m < z->machines; m++) {
		snprintf(call, sizeof(call),
			 "\"machine.create\",\"params\":{\"name\":\"m%u\","
			 "\"loop\":%u}",
			 m, m % s->loops);
		batch_add(&b, call);
		for (unsigned int i = 1; i <= nr_buses(scale_share(z, m));
		     i++) {
			snprintf(call, sizeof(call),
				 "\"bus.create\",\"params\":{\"machine\":"
				 "\"m%u\",\"bus\":%u,\"parent\":0,"
				 "\"device\":%u}",
				 m, i, i);
			batch_add(&b, call);
		}
	}
	batch_send(&b);
	return b.err;
}

/* Function @i of @n of machine @m, as two parameters. */
static int place(char *text, unsigned int m, unsigned int n, unsigned int i)
{
	const unsigned int bdf = scale_address(n, i);

	return sprintf(text, "\"machine\":\"m%u\",\"address\":\"%02x:%02x.%u\"",
		       m, bdf >> 8, bdf >> 3 & 31, bdf & 7);
}

int scale_create_functions(struct scale_service *s, const struct scale_size *z)
{
	struct batch b = { .s = s };
	char call[REQUEST], where[96];

	for (unsigned int m = 0; m < z->machines; m++) {
		const unsigned int n = scale_share(z, m);

		for (unsigned int i = 0; i < n && !b.err; i++) {
			place(where, m, n, i);
			snprintf(call, sizeof(call),
				 "\"function.create\",\"params\":{%s,"
				 "\"device\":\"%s\",\"options\":%s}",
				 where, z->device, z->options);
			batch_add(&b, call);
		}
	}
	batch_send(&b);
	return b.err;
}

int scale_destroy_functions(struct scale_service *s, const struct scale_size *z)
{
	struct batch b = { .s = s };
	char call[REQUEST], where[96];

	for (unsigned int m = 0; m < z->machines; m++) {
		const unsigned int n = scale_share(z, m);

		for (unsigned int i = 0; i < n && !b.err; i++) {
			place(where, m, n, i);
			snprintf(call, sizeof(call),
				 "\"function.destroy\",\"params\":{%s}", where);
			batch_add(&b, call);
		}
	}
	batch_send(&b);
	return b.err;
}

int scale_destroy_machines(struct scale_service *s, const struct scale_size *z)
{
	struct batch b = { .s = s };
	char call[REQUEST];

	for (unsigned int m = 0; m < z->machines; m++) {
		snprintf(call, sizeof(call),
			 "\"machine.destroy\",\"params\":{\"name\":\"m%u\","
			 "\"force\":true}",
			 m);
		batch_add(&b, call);
	}
	batch_send(&b);
	return b.err;
}

/* ---- The process ------------------------------------------------------- */

static int connect_rpc(struct scale_service *s)
{
	const struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	s->rpc = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->rpc < 0)
		return -errno;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/rpc.sock", s->dir);
	setsockopt(s->rpc, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(s->rpc, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return connect(s->rpc, (struct sockaddr *)&sa, sizeof(sa)) ? -errno : 0;
}

void scale_cpus_find(struct scale_cpus *c)
{
	cpu_set_t set;

	c->nr = 0;
	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (int i = 0; i < CPU_SETSIZE && c->nr <= SCALE_LOOPS_MAX; i++)
		if (CPU_ISSET(i, &set))
			c->cpu[c->nr++] = i;
}

#define OWN_ARGS  10 /* and the end */
#define MORE_ARGS 22

static int start(struct scale_service *s, const struct scale_cpus *c,
		 const char *const *more)
{
	char lcores[64];
	const char *argv[OWN_ARGS + MORE_ARGS] = {
		"pciringd",
		"--dir",
		s->dir,
		"--lcores",
		lcores,
		"--idle",
		s->shared ? "50" : "off",
		"--log-level",
		"error",
	};
	size_t n = OWN_ARGS - 1;

	while (more && *more && n + 1 < OWN_ARGS + MORE_ARGS)
		argv[n++] = *more++;
	n = (size_t)snprintf(lcores, sizeof(lcores), "0@%d", c->cpu[0]);
	for (unsigned int i = 1; i <= s->loops; i++)
		n += (size_t)snprintf(lcores + n, sizeof(lcores) - n, ",%u@%d",
				      i, c->cpu[i % c->nr]);
	s->pid = child_start("pciringd", argv, c->cpu[0]);
	return s->pid < 0 ? (int)s->pid : 0;
}

int scale_service_start_with(struct scale_service *s,
			     const struct scale_cpus *cpus, unsigned int loops,
			     const char *const *more)
{
	int err;

	*s = (struct scale_service){ .rpc = -1, .loops = loops, .room = ROOM };
	s->shared = cpus->nr <= loops;
	s->text = malloc(s->room);
	if (!s->text)
		return -ENOMEM;
	err = child_dir(s->dir);
	if (!err)
		err = start(s, cpus, more);
	return err ? err : connect_rpc(s);
}

int scale_service_start(struct scale_service *s, const struct scale_cpus *cpus,
			unsigned int loops)
{
	return scale_service_start_with(s, cpus, loops, NULL);
}

void scale_service_hold(struct scale_service *s, bool hold)
{
	if (s->pid > 0 && s->stopped != hold)
		kill(s->pid, hold ? SIGSTOP : SIGCONT);
	s->stopped = hold;
}

void scale_service_stop(struct scale_service *s)
{
	if (s->room && s->rpc >= 0)
		close(s->rpc);
	scale_service_hold(s, false);
	if (s->pid > 0)
		child_stop(s->pid);
	if (s->dir[0])
		rmdir(s->dir);
	free(s->text);
	*s = (struct scale_service){ .rpc = -1 };
}

uint64_t scale_private_bytes(const struct scale_service *s)
{
	unsigned long long kib, sum = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)s->pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Private_Clean: %llu", &kib) == 1 ||
		    sscanf(line, "Private_Dirty: %llu", &kib) == 1)
			sum += kib;
	if (f)
		fclose(f);
	return sum << 10;
}
