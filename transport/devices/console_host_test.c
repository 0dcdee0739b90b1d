/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/devices/test_console_host.h"

#define FLOOD (1u << 20)

/* ---- pty --------------------------------------------------------------------- */

static void pty_carries_bytes_both_ways_as_they_are(void **state)
{
	struct end *e = start(CONSOLE_PTY, "tty", true);
	const int fd = open_slave("tty");

	(void)state;
	until(e, e->came);
	say(e, "login:\r\n");
	expect(e, fd, "login:\r\n");
	assert_int_equal(write(fd, "\003root\n", 6), 6);
	expect_input(e, "\003root\n");
	close(fd);
	finish(e);
	assert_false(is_there("tty"));
}

static void what_nobody_read_is_held_for_the_next_reader(void **state)
{
	struct end *e = start(CONSOLE_PTY, "tty", true);
	char old[CONSOLE_HOLD_BYTES + 1];
	int fd;

	(void)state;
	memset(old, 'x', sizeof(old));
	console_ring_put(&e->h.out, old, sizeof(old));
	say(e, "last words");
	assert_int_equal(console_ring_bytes(&e->h.out), CONSOLE_HOLD_BYTES);
	assert_int_equal(e->h.dropped, sizeof("last words"));
	fd = open_slave("tty");
	until(e, e->came && !console_ring_bytes(&e->h.out));
	memset(old, 'x', CONSOLE_HOLD_BYTES - 10);
	for (unsigned int i = 0; i < CONSOLE_HOLD_BYTES - 10; i++) {
		char c = 0;

		until(e, read(fd, &c, 1) == 1);
		assert_int_equal(c, 'x');
	}
	expect(e, fd, "last words");
	close(fd);
	finish(e);
}

static void pty_goes_on_with_a_new_reader(void **state)
{
	struct end *e = start(CONSOLE_PTY, "tty", true);
	unsigned int i;
	int fd;

	(void)state;
	for (i = 1; i <= 3; i++) {
		fd = open_slave("tty");
		until(e, e->came == i);
		say(e, "hello");
		expect(e, fd, "hello");
		close(fd);
		until(e, e->went == i);
	}
	finish(e);
}

static void window_of_the_pty_is_told_when_it_changes(void **state)
{
	const struct winsize size = { .ws_col = 132, .ws_row = 50 };
	struct end *e = start(CONSOLE_PTY, "tty", true);
	struct winsize first = { .ws_col = 0 };
	const int fd = open_slave("tty");

	(void)state;
	assert_int_equal(ioctl(fd, TIOCGWINSZ, &first), 0);
	assert_int_equal(first.ws_col, 80);
	until(e, e->came);
	assert_int_equal(e->cols, 0);
	assert_int_equal(ioctl(fd, TIOCSWINSZ, &size), 0);
	until(e, e->cols == 132);
	assert_int_equal(e->rows, 50);
	close(fd);
	finish(e);
}

static void pty_nobody_opens_costs_a_few_looks_a_second(void **state)
{
	struct end *e = malloc(sizeof(*e));
	uint64_t enters;
	unsigned int i;

	(void)state;
	assert_int_equal(open_at(e, CONSOLE_PTY, path_of("tty"), true), 0);
	console_host_start(&e->h, true);
	for (i = 0; i < 1000; i++)
		uring_turn();
	enters = uring_enters();
	for (i = 0; i < 100000; i++)
		uring_turn();
	/* One in a thousand turns would be a hundred. */
	assert_true(uring_enters() - enters < 40);
	finish(e);
}

/* ---- unix -------------------------------------------------------------------- */

static void socket_has_one_client_at_a_time(void **state)
{
	struct end *e = start(CONSOLE_UNIX, "sock", false);
	const int first = try_connect("sock"), second = try_connect("sock");

	(void)state;
	assert_true(first >= 0 && second >= 0);
	until(e, e->came == 1);
	assert_int_equal(write(second, "two", 3), 3);
	assert_int_equal(write(first, "one", 3), 3);
	expect_input(e, "one");
	say(e, "yes");
	expect(e, first, "yes");
	close(first);
	expect_input(e, "two");
	assert_int_equal(e->came, 2);
	assert_int_equal(e->went, 1);
	close(second);
	finish(e);
	assert_false(is_there("sock"));
}

static void data_that_nobody_read_is_dropped(void **state)
{
	struct end *e = start(CONSOLE_UNIX, "sock", false);
	int fd;

	(void)state;
	say(e, "old");
	assert_int_equal(e->h.dropped, 3);
	fd = try_connect("sock");
	until(e, e->came);
	say(e, "new");
	expect(e, fd, "new");
	close(fd);
	finish(e);
}

/* One step of a flood of bytes that count: from the guest, to the reader. */
static void flood(struct end *e, int fd, uint32_t *put, uint32_t *got)
{
	uint8_t byte[4096];
	ssize_t n;

	while (*put < FLOOD) {
		byte[0] = (uint8_t)(*put * 7 + *put / 256);
		if (!console_ring_put(&e->h.out, byte, 1) &&
		    !console_ring_wait(&e->h.out))
			break;
		++*put;
	}
	console_host_pump(&e->h);
	uring_turn();
	n = read(fd, byte, *got % 5 ? sizeof(byte) : 1);
	for (ssize_t i = 0; i < n; i++, ++*got)
		assert_int_equal(byte[i], (uint8_t)(*got * 7 + *got / 256));
}

static void slow_reader_loses_nothing(void **state)
{
	struct end *e = start(CONSOLE_UNIX, "sock", false);
	const int fd = try_connect("sock");
	uint32_t put = 0, got = 0;

	(void)state;
	e->h.second_ms = 1000;
	until(e, e->came);
	while (got < FLOOD)
		flood(e, fd, &put, &got);
	assert_int_equal(e->h.dropped, 0);
	assert_true(e->rooms > 0);
	close(fd);
	finish(e);
}

static void fill_up(struct end *e)
{
	static const uint8_t zero[CONSOLE_RING_BYTES];

	console_ring_put(&e->h.out, zero, sizeof(zero));
	console_host_pump(&e->h);
	turn(e);
}

static void reader_who_takes_nothing_keeps_nobody_waiting(void **state)
{
	struct end *e = start(CONSOLE_UNIX, "sock", false);
	const int fd = try_connect("sock");
	uint8_t byte[4096];

	(void)state;
	until(e, e->came);
	until(e, (fill_up(e), e->h.stalled));
	until(e, (fill_up(e), e->h.dropped > FLOOD));
	/* When he takes something again he is a reader again. */
	until(e, (read(fd, byte, sizeof(byte)) < 0) && !e->h.stalled);
	until(e, !console_ring_bytes(&e->h.out));
	while (read(fd, byte, sizeof(byte)) > 0)
		turn(e);
	say(e, "back");
	expect(e, fd, "back");
	assert_int_equal(e->went, 0);
	close(fd);
	finish(e);
}

static void client_that_left_is_still_heard_out(void **state)
{
	struct end *e = start(CONSOLE_UNIX, "sock", false);
	uint8_t byte[CONSOLE_RING_BYTES];
	uint32_t sent = 0, got = 0;
	int fd = try_connect("sock");

	(void)state;
	e->h.second_ms = 1000;
	memset(byte, 'b', sizeof(byte));
	/* More than the ring holds, before anything is taken. */
	while (write(fd, byte, sizeof(byte)) > 0)
		sent++;
	until(e, !console_ring_room(&e->h.in));
	close(fd);
	until(e, e->went == 1);
	while (got < sent * sizeof(byte)) {
		got += console_ring_get(&e->h.in, byte, sizeof(byte));
		console_host_pump(&e->h);
		uring_turn();
	}
	fd = try_connect("sock");
	until(e, e->came == 2);
	close(fd);
	finish(e);
}

static void input_is_left_alone_while_the_guest_wants_none(void **state)
{
	struct end *e = start(CONSOLE_UNIX, "sock", false);
	const int fd = try_connect("sock");

	(void)state;
	console_host_want(&e->h, false);
	until(e, e->came);
	/* The read that was begun may have got the first. */
	assert_int_equal(write(fd, "a", 1), 1);
	say(e, "?");
	expect(e, fd, "?");
	console_host_want(&e->h, true);
	expect_input(e, "a");
	close(fd);
	until(e, e->went);
	finish(e);
}

static void idle_socket_costs_nothing(void **state)
{
	struct end *e = start(CONSOLE_UNIX, "sock", false);
	const int fd = try_connect("sock");
	uint64_t enters;
	unsigned int i;

	(void)state;
	until(e, e->came);
	say(e, "x");
	expect(e, fd, "x");
	for (i = 0; i < 10; i++)
		turn(e);
	until(e, e->h.timer.phase == CONSOLE_IDLE);
	enters = uring_enters();
	for (i = 0; i < 1000; i++) {
		console_host_pump(&e->h);
		assert_false(uring_turn());
	}
	assert_int_equal(uring_enters(), enters);
	close(fd);
	finish(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pty_carries_bytes_both_ways_as_they_are),
		cmocka_unit_test(what_nobody_read_is_held_for_the_next_reader),
		cmocka_unit_test(pty_goes_on_with_a_new_reader),
		cmocka_unit_test(window_of_the_pty_is_told_when_it_changes),
		cmocka_unit_test(pty_nobody_opens_costs_a_few_looks_a_second),
		cmocka_unit_test(socket_has_one_client_at_a_time),
		cmocka_unit_test(data_that_nobody_read_is_dropped),
		cmocka_unit_test(slow_reader_loses_nothing),
		cmocka_unit_test(reader_who_takes_nothing_keeps_nobody_waiting),
		cmocka_unit_test(client_that_left_is_still_heard_out),
		cmocka_unit_test(
			input_is_left_alone_while_the_guest_wants_none),
		cmocka_unit_test(idle_socket_costs_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
