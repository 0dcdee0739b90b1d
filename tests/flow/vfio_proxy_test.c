/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The proxy as a process: its sockets come and go, and it ends when told so or
 * when there is nothing left to serve.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flow/procs.h"
#include "tests/flow/vfio_raw.h"

static struct procs procs;
static const char *const no_sockets[] = { NULL };
static const struct timespec millisecond = { .tv_nsec = 1000000 };

static int setup(void **state)
{
	(void)state;
	if (procs_init(&procs) || procs_start_service(&procs))
		return -1;
	return procs_rpc(&procs, "machine.create", "{\"name\":\"vm\"}", NULL) ||
	       procs_rpc(&procs, "function.create",
			 "{\"machine\":\"vm\",\"address\":\"00:01.0\","
			 "\"device\":\"rng\"}",
			 NULL);
}

static int teardown(void **state)
{
	(void)state;
	return procs_fini(&procs);
}

static int socket_rpc(const char *method, const char *path)
{
	char params[PROCS_PATH + 80];

	snprintf(params, sizeof(params),
		 "{\"machine\":\"vm\",\"address\":\"00:01.0\"%s%s%s}",
		 path ? ",\"path\":\"" : "", path ? path : "",
		 path ? "\"" : "");
	return procs_rpc(&procs, method, params, NULL);
}

/* "00:01.0=DIR/NAME" */
static void socket_option(char *option, const char *name)
{
	char path[PROCS_PATH];

	snprintf(option, PROCS_PATH + 16, "00:01.0=%s",
		 procs_path(&procs, name, path));
}

static bool is_there(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

/* Becomes true within seconds. */
static bool becomes(const char *path, bool there)
{
	for (int i = 0; i < 3000 && is_there(path) != there; i++)
		nanosleep(&millisecond, NULL);
	return is_there(path) == there;
}

/* The state that the service shows of the socket, until it is @want. */
static bool becomes_state(const char *want)
{
	bool same = false;

	for (int i = 0; i < 300 && !same; i++) {
		json_t *shown = NULL;
		const char *state;

		if (procs_rpc(&procs, "machine.show", "{\"name\":\"vm\"}",
			      &shown))
			return false;
		state = json_string_value(json_object_get(
			json_object_get(
				json_array_get(
					json_object_get(shown, "functions"), 0),
				"socket"),
			"state"));
		same = state && !strcmp(state, want);
		json_decref(shown);
		if (!same)
			nanosleep(&millisecond, NULL);
	}
	return same;
}

static bool works(const char *path)
{
	static struct vfio_raw v;
	uint32_t id = 0;
	bool ok = !vfio_raw_connect(&v, path) &&
		  !vfio_raw_version(&v, 0, NULL) &&
		  !vfio_raw_read(&v, VU_REGION_CONFIG, 0, 4, &id) &&
		  (id & 0xffff) == 0x1af4;

	vfio_raw_close(&v);
	return ok;
}

static void sigterm_ends_it_within_a_second_with_nothing_left(void **state)
{
	static struct vfio_raw v;
	char path[PROCS_PATH], option[PROCS_PATH + 16];
	const char *const sockets[] = { option, NULL };
	struct stat st;

	(void)state;
	procs_path(&procs, "a.sock", path);
	socket_option(option, "a.sock");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(procs_start_proxy(&procs, "vm", sockets), 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		/* With a client, too. */
		assert_int_equal(vfio_raw_connect(&v, path), 0);
		assert_int_equal(vfio_raw_version(&v, 0, NULL), 0);
		assert_int_equal(
			procs_stop(&procs.proxy, i ? SIGINT : SIGTERM, 1000),
			0);
		assert_false(is_there(path));
		assert_int_equal(vfio_raw_reply(&v), 0);
		vfio_raw_close(&v);
	}
}

static void a_dead_proxys_socket_is_replaced(void **state)
{
	char path[PROCS_PATH], option[PROCS_PATH + 16];
	const char *const sockets[] = { option, NULL };

	(void)state;
	procs_path(&procs, "a.sock", path);
	socket_option(option, "a.sock");
	assert_int_equal(procs_start_proxy(&procs, "vm", sockets), 0);
	assert_int_equal(procs_stop(&procs.proxy, SIGKILL, 1000), 128 + 9);
	assert_true(is_there(path));
	/* The service may still see the dead one as the machine's proxy. */
	for (int i = 0; i < 50 && !procs.proxy; i++)
		if (procs_start_proxy(&procs, "vm", sockets))
			nanosleep(&millisecond, NULL);
	assert_true(procs.proxy > 0);
	assert_true(works(path));
	assert_int_equal(procs_stop(&procs.proxy, SIGTERM, 1000), 0);
}

static void what_others_listen_on_or_wrote_is_left_alone(void **state)
{
	char path[PROCS_PATH], option[PROCS_PATH + 16];
	const char *const sockets[] = { option, NULL };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	procs_path(&procs, "a.sock", path);
	socket_option(option, "a.sock");
	memcpy(addr.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_true(procs_start_proxy(&procs, "vm", sockets) < 0);
	assert_true(is_there(path));
	close(fd);
	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_true(procs_start_proxy(&procs, "vm", sockets) < 0);
	assert_true(is_there(path));
	unlink(path);
}

static void declared_sockets_come_and_go(void **state)
{
	char a[PROCS_PATH], b[PROCS_PATH];
	static struct vfio_raw v;

	(void)state;
	procs_path(&procs, "a.sock", a);
	procs_path(&procs, "b.sock", b);
	assert_int_equal(procs_start_proxy(&procs, "vm", no_sockets), 0);
	assert_int_equal(socket_rpc("socket.create", a), 0);
	assert_true(becomes(a, true));
	assert_true(becomes_state("listens"));
	assert_true(works(a));
	/* Removed under a client, and another in its place. */
	assert_int_equal(vfio_raw_connect(&v, a), 0);
	assert_int_equal(vfio_raw_version(&v, 0, NULL), 0);
	assert_true(becomes_state("busy"));
	assert_int_equal(socket_rpc("socket.destroy", NULL), 0);
	assert_int_equal(socket_rpc("socket.create", b), 0);
	assert_int_equal(vfio_raw_reply(&v), 0);
	vfio_raw_close(&v);
	assert_true(becomes(b, true));
	assert_false(is_there(a));
	assert_true(becomes_state("listens"));
	assert_true(works(b));
	/* What is declared outlives the proxy. */
	assert_int_equal(procs_stop(&procs.proxy, SIGTERM, 1000), 0);
	assert_false(is_there(b));
	assert_int_equal(procs_start_proxy(&procs, "vm", no_sockets), 0);
	assert_true(becomes(b, true));
	assert_int_equal(socket_rpc("socket.destroy", NULL), 0);
	assert_true(becomes(b, false));
	assert_int_equal(procs_stop(&procs.proxy, SIGTERM, 1000), 0);
}

static void a_socket_that_cannot_be_is_shown_with_its_reason(void **state)
{
	(void)state;
	assert_int_equal(procs_start_proxy(&procs, "vm", no_sockets), 0);
	assert_int_equal(socket_rpc("socket.create", "/nonexistent/a.sock"), 0);
	assert_true(becomes_state("closed"));
	assert_int_equal(socket_rpc("socket.destroy", NULL), 0);
	assert_int_equal(procs_stop(&procs.proxy, SIGTERM, 1000), 0);
}

static void a_machine_has_one_proxy_and_must_be_there(void **state)
{
	pid_t first;

	(void)state;
	assert_int_equal(procs_start_proxy(&procs, "vm", no_sockets), 0);
	first = procs.proxy;
	assert_true(procs_start_proxy(&procs, "vm", no_sockets) < 0);
	assert_true(procs_start_proxy(&procs, "nobody", no_sockets) < 0);
	assert_int_equal(procs.proxy, first);
	assert_int_equal(procs_stop(&procs.proxy, SIGTERM, 1000), 0);
}

static void a_function_that_is_not_there_closes_the_link(void **state)
{
	static struct vfio_raw v;
	char path[PROCS_PATH], option[PROCS_PATH + 16];
	const char *const sockets[] = { option, NULL };

	(void)state;
	snprintf(option, sizeof(option), "00:1f.7=%s",
		 procs_path(&procs, "a.sock", path));
	assert_int_equal(procs_start_proxy(&procs, "vm", sockets), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(vfio_raw_connect(&v, path), 0);
		assert_int_equal(vfio_raw_version(&v, 0, NULL), -EPIPE);
		vfio_raw_close(&v);
	}
	assert_int_equal(procs_stop(&procs.proxy, SIGTERM, 1000), 0);
}

/* A service that takes the connection and says nothing. */
static void sigterm_ends_it_while_the_service_is_silent(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char sub[PROCS_PATH], sock[PROCS_PATH + 16];
	const char *const argv[] = { "proxy",	  "--dir", sub,
				     "--machine", "vm",	   NULL };
	int client;
	pid_t pid;

	(void)state;
	procs_path(&procs, "silent", sub);
	assert_int_equal(mkdir(sub, 0700), 0);
	snprintf(sock, sizeof(sock), "%s/attach.sock", sub);
	memcpy(addr.sun_path, sock, strlen(sock) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pid = procs_spawn("pciring-vfio-user", argv);
	assert_true(pid > 0);
	client = accept(fd, NULL, NULL);
	assert_true(client >= 0);
	assert_int_equal(procs_stop(&pid, SIGTERM, 1000), 0);
	close(client);
	close(fd);
	unlink(sock);
	rmdir(sub);
}

/* It has come as far as to read its signals. */
static bool blocks_signals(pid_t pid)
{
	char line[256];
	bool blocks = false;
	FILE *f;

	snprintf(line, sizeof(line), "/proc/%d/status", (int)pid);
	f = fopen(line, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "SigBlk:", 7))
			blocks = strtoull(line + 7, NULL, 16) != 0;
	if (f)
		fclose(f);
	return blocks;
}

/* Before there is a service at all, too. */
static void it_waits_for_a_service_that_comes_later(void **state)
{
	char sub[PROCS_PATH];
	const char *const argv[] = { "proxy",	  "--dir", sub,
				     "--machine", "vm",	   "--log-level",
				     "warn",	  NULL };
	pid_t pid;

	(void)state;
	procs_path(&procs, "none", sub);
	pid = procs_spawn("pciring-vfio-user", argv);
	assert_true(pid > 0);
	for (int i = 0; i < 5000 && !blocks_signals(pid); i++)
		nanosleep(&millisecond, NULL);
	for (int i = 0; i < 250; i++)
		nanosleep(&millisecond, NULL);
	assert_true(blocks_signals(pid));
	assert_int_equal(procs_stop(&pid, SIGTERM, 1000), 0);
}

/* Last: it ends the service. */
static void it_leaves_when_the_service_has_gone(void **state)
{
	static struct vfio_raw v;
	char path[PROCS_PATH], option[PROCS_PATH + 16];
	const char *const sockets[] = { option, NULL };

	(void)state;
	procs_path(&procs, "a.sock", path);
	socket_option(option, "a.sock");
	assert_int_equal(procs_start_proxy(&procs, "vm", sockets), 0);
	assert_int_equal(vfio_raw_connect(&v, path), 0);
	assert_int_equal(vfio_raw_version(&v, 0, NULL), 0);
	assert_int_equal(procs_stop(&procs.service, SIGTERM, 2000), 0);
	assert_true(becomes(path, false));
	assert_int_equal(vfio_raw_reply(&v), 0);
	vfio_raw_close(&v);
	/* Signal 0 only waits. */
	assert_int_equal(procs_stop(&procs.proxy, 0, 3000), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			sigterm_ends_it_within_a_second_with_nothing_left),
		cmocka_unit_test(a_dead_proxys_socket_is_replaced),
		cmocka_unit_test(what_others_listen_on_or_wrote_is_left_alone),
		cmocka_unit_test(declared_sockets_come_and_go),
		cmocka_unit_test(
			a_socket_that_cannot_be_is_shown_with_its_reason),
		cmocka_unit_test(a_machine_has_one_proxy_and_must_be_there),
		cmocka_unit_test(a_function_that_is_not_there_closes_the_link),
		cmocka_unit_test(sigterm_ends_it_while_the_service_is_silent),
		cmocka_unit_test(it_waits_for_a_service_that_comes_later),
		cmocka_unit_test(it_leaves_when_the_service_has_gone),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, teardown);
}
