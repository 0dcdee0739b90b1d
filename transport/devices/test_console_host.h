/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_console_host.h - for unit tests: a host's end alone, and its readers
 */
#ifndef TRANSPORT_DEVICES_TEST_CONSOLE_HOST_H
#define TRANSPORT_DEVICES_TEST_CONSOLE_HOST_H

#include "transport/devices/console_host.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>
/* cmocka wants setjmp.h and stdarg.h first */
#include <cmocka.h>

#define WAIT_MS 20000

struct end {
	struct console_host h;
	unsigned int came, went, inputs, rooms, lost;
	uint16_t cols, rows;
	bool again;
};

static char dir[] = "/tmp/console_host.XXXXXX";

static inline struct end *to_end(struct console_host *h)
{
	return container_of(h, struct end, h);
}

static inline void on_reader(struct console_host *h, bool there)
{
	to_end(h)->came += there;
	to_end(h)->went += !there;
}

static inline void on_input(struct console_host *h)
{
	to_end(h)->inputs++;
}

static inline void on_room(struct console_host *h)
{
	to_end(h)->rooms++;
}

static inline void on_size(struct console_host *h, uint16_t cols, uint16_t rows)
{
	to_end(h)->cols = cols;
	to_end(h)->rows = rows;
}

static inline void on_again(struct console_host *h)
{
	to_end(h)->again = true;
}

static inline void on_lost(struct console_host *h)
{
	to_end(h)->lost++;
}

static const struct console_host_news news = {
	.reader = on_reader,
	.input = on_input,
	.room = on_room,
	.size = on_size,
	.again = on_again,
	.lost = on_lost,
};

static const char *path_of(const char *name)
{
	static char path[4][108];
	static unsigned int n;
	char *p = path[n++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static inline int open_at(struct end *e, enum console_kind kind,
			  const char *path, bool hold)
{
	struct console_host_spec spec = {
		.kind = kind, .hold = hold, .cols = 80, .rows = 25
	};
	char error[200] = "";

	snprintf(spec.path, sizeof(spec.path), "%s", path);
	memset(e, 0, sizeof(*e));
	return console_host_open(&e->h, &spec, &news, error, sizeof(error));
}

static inline struct end *start(enum console_kind kind, const char *name,
				bool hold)
{
	struct end *e = malloc(sizeof(*e));

	assert_int_equal(open_at(e, kind, path_of(name), hold), 0);
	e->h.second_ms = 8;
	console_host_start(&e->h, true);
	return e;
}

static inline void finish(struct end *e)
{
	console_host_stop(&e->h);
	console_host_close(&e->h);
	free(e);
	assert_int_equal(uring_under_way(), 0);
}

static inline void turn(struct end *e)
{
	struct pollfd p = { .fd = uring_fd(), .events = POLLIN };

	if (e->again)
		console_host_pump(&e->h);
	e->again = false;
	if (!uring_turn())
		poll(&p, 1, 10);
}

static inline bool late(unsigned int *turns)
{
	return ++*turns > WAIT_MS / 10;
}

/* Turns until @what. */
#define until(e, what)                                                         \
	do {                                                                   \
		unsigned int turns_ = 0;                                       \
                                                                               \
		while (!(what)) {                                              \
			turn(e);                                               \
			if (late(&turns_))                                     \
				fail_msg("never: " #what);                     \
		}                                                              \
	} while (0)

static inline void say(struct end *e, const char *text)
{
	assert_int_equal(
		console_ring_put(&e->h.out, text, (uint32_t)strlen(text)),
		strlen(text));
	console_host_pump(&e->h);
}

/* Exactly @text comes out at @fd. */
static inline void expect(struct end *e, int fd, const char *text)
{
	char got[256] = "";
	size_t n = 0;
	ssize_t r = 0;

	until(e, (r = read(fd, got + n, strlen(text) - n),
		  n += r > 0 ? (size_t)r : 0, n == strlen(text)));
	assert_string_equal(got, text);
}

/* Exactly @text came in. */
static inline void expect_input(struct end *e, const char *text)
{
	char got[256] = "";

	until(e, console_ring_bytes(&e->h.in) >= strlen(text));
	assert_int_equal(console_ring_get(&e->h.in, got, sizeof(got)),
			 strlen(text));
	assert_string_equal(got, text);
	console_host_pump(&e->h);
}

static inline int open_slave(const char *name)
{
	const int fd = open(path_of(name), O_RDWR | O_NOCTTY | O_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static inline int try_connect(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path_of(name));
	if (!connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return fd;
	close(fd);
	return -1;
}

static inline bool is_there(const char *name)
{
	struct stat st;

	return !lstat(path_of(name), &st);
}

static inline int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static inline int tear_down(void **state)
{
	(void)state;
	uring_close();
	/* Only if nothing is left in it. */
	return rmdir(dir);
}

#endif
