/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A console of a real service: a guest over real rings talks with who opened
 * its pty and with who connected to its socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ring/base.h"
#include "tests/flow/service_guest.h"
#include "tests/flow/service_rig.h"

#define ADDRESS "\"machine\":\"demo\",\"address\":\"00:01.0\""
#define WAIT_MS 20000

/* virtio 1.2, 5.3.2 and 5.3.6.2 */
#define CONTROL_RX   2
#define CONTROL_TX   3
#define DEVICE_READY 0
#define DEVICE_ADD   1
#define PORT_READY   3
#define PORT_OPEN    6
#define PORT_NAME    7

static const char *path_of(const char *name)
{
	static char path[PROCS_PATH];

	return procs_path(&p, name, path);
}

static int plug(void)
{
	char tty[PROCS_PATH], sock[PROCS_PATH], params[512];

	snprintf(params, sizeof(params),
		 "{" ADDRESS ",\"device\":\"console\",\"options\":{"
		 "\"port0\":\"pty:%s\",\"size\":\"132x50\","
		 "\"port1\":\"unix:%s,name=org.example.agent\"}}",
		 procs_path(&p, "tty", tty), procs_path(&p, "sock", sock));
	return procs_rpc(&p, "function.create", params, NULL);
}

static int start(void **state)
{
	(void)state;
	return procs_init(&p) || procs_start_service(&p) ||
	       procs_rpc(&p, "machine.create", MACHINE, NULL) || plug();
}

static bool is_there(const char *name)
{
	struct stat st;

	return !lstat(path_of(name), &st);
}

/* ---- The guest ----------------------------------------------------------------- */

/* The next used buffer of queue @q. */
static uint32_t wait_used(struct guest *g, unsigned int q)
{
	struct guest_used used;
	int got = 0;

	for (int i = 0; !got && i < WAIT_MS * 10; i++) {
		got = guest_poll(g, q, &used);
		if (!got)
			usleep(100);
	}
	assert_int_equal(got, 1);
	return used.len;
}

static void add(struct guest *g, unsigned int q, const struct guest_buf *buf)
{
	assert_true(guest_add(g, q, buf, 1, false) >= 0);
	guest_kick(g, q);
}

/* Put @n bytes out at @q. */
static void say(struct guest *g, unsigned int q, const void *text, uint32_t n)
{
	const struct guest_buf buf = { guest_alloc(g, n, 8), n, false };

	memcpy(guest_at(g, buf.gpa), text, n);
	add(g, q, &buf);
	wait_used(g, q);
}

/* What comes in at @q is @text. */
static void expect_at(struct guest *g, unsigned int q, const void *text,
		      uint32_t n)
{
	const struct guest_buf buf = { guest_alloc(g, 256, 8), 256, true };

	add(g, q, &buf);
	assert_int_equal(wait_used(g, q), n);
	assert_memory_equal(guest_at(g, buf.gpa), text, n);
}

static void control(struct guest *g, uint32_t id, uint16_t event,
		    uint16_t value)
{
	uint8_t m[8];

	store_le(m, 4, id);
	store_le(m + 4, 2, event);
	store_le(m + 6, 2, value);
	say(g, CONTROL_TX, m, sizeof(m));
}

static void expect_control(struct guest *g, uint32_t id, uint16_t event,
			   uint16_t value)
{
	uint8_t m[8];

	store_le(m, 4, id);
	store_le(m + 4, 2, event);
	store_le(m + 6, 2, value);
	expect_at(g, CONTROL_RX, m, sizeof(m));
}

static void open_agent(struct guest *g)
{
	static const char name[] =
		"\1\0\0\0\7\0\1\0org.example.agent"; /* PORT_NAME */

	control(g, 0, DEVICE_READY, 1);
	expect_control(g, 0, DEVICE_ADD, 1);
	expect_control(g, 1, DEVICE_ADD, 1);
	control(g, 1, PORT_READY, 1);
	expect_at(g, CONTROL_RX, name, sizeof(name) - 1);
	control(g, 1, PORT_OPEN, 1);
}

/* ---- The host ------------------------------------------------------------------ */

/* The next bytes at @fd are @text. */
static void expect(int fd, const char *text)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char got[256] = "";
	size_t n = 0;
	ssize_t r;

	while (n < strlen(text)) {
		assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
		r = read(fd, got + n, strlen(text) - n);
		assert_true(r > 0);
		n += (size_t)r;
	}
	assert_string_equal(got, text);
}

static int connect_to(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path_of(name));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* ---- Claims -------------------------------------------------------------------- */

static void guest_and_operator_talk_through_the_pty(void **state)
{
	struct vm *vm = vm_of_function();
	struct guest *g = &vm->g;
	int fd;

	(void)state;
	assert_int_equal(guest_read(g, GUEST_CAP_CONFIG, 0, 4),
			 50u << 16 | 132);
	control(g, 0, DEVICE_READY, 1);
	control(g, 0, PORT_READY, 1);
	control(g, 0, PORT_OPEN, 1);
	/* Nobody is there yet: it is held for who comes. */
	say(g, 1, "login: ", 7);
	fd = open(path_of("tty"), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(fd >= 0);
	expect(fd, "login: ");
	assert_int_equal(write(fd, "root\n", 5), 5);
	expect_at(g, 0, "root\n", 5);
	close(fd);
	fd = open(path_of("tty"), O_RDWR | O_NOCTTY | O_CLOEXEC);
	say(g, 1, "# ", 2);
	expect(fd, "# ");
	close(fd);
	vm_end(vm);
}

static void agent_of_the_guest_hears_its_clients_come_and_go(void **state)
{
	struct vm *vm = vm_of_function();
	struct guest *g = &vm->g;
	int fd;

	(void)state;
	open_agent(g);
	for (int i = 0; i < 3; i++) {
		fd = connect_to("sock");
		expect_control(g, 1, PORT_OPEN, 1);
		assert_int_equal(write(fd, "ping", 4), 4);
		expect_at(g, 4, "ping", 4);
		say(g, 5, "pong", 4);
		expect(fd, "pong");
		close(fd);
		expect_control(g, 1, PORT_OPEN, 0);
	}
	vm_end(vm);
}

/* A VMM that goes takes nothing of the operator's with it. */
static void client_stays_while_the_guest_starts_anew(void **state)
{
	struct vm *vm = vm_of_function();
	const int fd = connect_to("sock");

	(void)state;
	open_agent(&vm->g);
	expect_control(&vm->g, 1, PORT_OPEN, 1);
	vm_end(vm);
	vm = vm_of_function();
	open_agent(&vm->g);
	expect_control(&vm->g, 1, PORT_OPEN, 1);
	say(&vm->g, 5, "again", 5);
	expect(fd, "again");
	close(fd);
	vm_end(vm);
}

static void killed_service_leaves_what_the_next_one_replaces(void **state)
{
	int fd;

	(void)state;
	procs_stop(&p.service, SIGKILL, WAIT_MS);
	assert_true(is_there("tty") && is_there("sock"));
	assert_int_equal(procs_start_service(&p), 0);
	assert_int_equal(procs_rpc(&p, "machine.create", MACHINE, NULL), 0);
	assert_int_equal(plug(), 0);
	fd = connect_to("sock");
	close(fd);
}

static void nothing_is_left_of_a_console_that_was_unplugged(void **state)
{
	(void)state;
	assert_int_equal(
		procs_rpc(&p, "function.destroy", "{" ADDRESS "}", NULL), 0);
	assert_false(is_there("tty") || is_there("sock"));
	assert_int_equal(plug(), 0);
	assert_true(is_there("tty") && is_there("sock"));
}

static int stop(void **state)
{
	/* Fails if the service leaves anything in its directory. */
	(void)state;
	return procs_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guest_and_operator_talk_through_the_pty),
		cmocka_unit_test(
			agent_of_the_guest_hears_its_clients_come_and_go),
		cmocka_unit_test(client_stays_while_the_guest_starts_anew),
		cmocka_unit_test(
			killed_service_leaves_what_the_next_one_replaces),
		cmocka_unit_test(
			nothing_is_left_of_a_console_that_was_unplugged),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
