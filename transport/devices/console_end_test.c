/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/devices/test_console_host.h"

/* ---- file -------------------------------------------------------------------- */

static void file_is_appended_to_and_read_to_its_end(void **state)
{
	struct console_host_spec spec = { .kind = CONSOLE_FILE };
	char got[64] = "", error[200];
	struct end *e = calloc(1, sizeof(*e));
	int fd;

	(void)state;
	snprintf(spec.path, sizeof(spec.path), "%s", path_of("log"));
	snprintf(spec.input, sizeof(spec.input), "%s", path_of("script"));
	fd = open(spec.input, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "ls\n", 3), 3);
	close(fd);
	fd = open(spec.path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, "before ", 7), 7);
	assert_int_equal(
		console_host_open(&e->h, &spec, &news, error, sizeof(error)),
		0);
	console_host_start(&e->h, true);
	assert_int_equal(e->came, 1);
	expect_input(e, "ls\n");
	say(e, "after");
	until(e, !console_ring_bytes(&e->h.out));
	assert_int_equal(pread(fd, got, sizeof(got), 0), 12);
	assert_string_equal(got, "before after");
	until(e, e->h.input < 0);
	finish(e);
	close(fd);
	unlink(path_of("log"));
	unlink(path_of("script"));
}

static void full_disk_does_not_stop_the_guest(void **state)
{
	struct end *e = malloc(sizeof(*e));

	(void)state;
	assert_int_equal(open_at(e, CONSOLE_FILE, "/dev/full", true), 0);
	console_host_start(&e->h, true);
	say(e, "lost");
	until(e, e->h.dropped == 4);
	say(e, "too");
	until(e, e->h.dropped == 7);
	finish(e);
}

/* ---- Ends and beginnings ------------------------------------------------------- */

static void stop_writes_what_can_be_written(void **state)
{
	struct end *e = start(CONSOLE_FILE, "log", true);
	char got[64] = "";
	int fd;

	(void)state;
	console_ring_put(&e->h.out, "power down", 10);
	finish(e);
	fd = open(path_of("log"), O_RDONLY);
	assert_int_equal(read(fd, got, sizeof(got)), 10);
	assert_string_equal(got, "power down");
	close(fd);
	unlink(path_of("log"));
}

static void client_outlives_a_reset_of_the_guest(void **state)
{
	struct end *e = start(CONSOLE_UNIX, "sock", true);
	const int fd = try_connect("sock");

	(void)state;
	until(e, e->came == 1);
	console_host_stop(&e->h);
	console_host_start(&e->h, true);
	assert_int_equal(e->came, 2);
	say(e, "again");
	expect(e, fd, "again");
	close(fd);
	finish(e);
}

static void emergency_byte_needs_no_driver(void **state)
{
	struct end *e = malloc(sizeof(*e));
	char got[8] = "";
	int fd;

	(void)state;
	assert_int_equal(open_at(e, CONSOLE_FILE, path_of("log"), true), 0);
	console_host_urge(&e->h, 'P');
	console_host_urge(&e->h, '!');
	fd = open(path_of("log"), O_RDONLY);
	assert_int_equal(read(fd, got, sizeof(got)), 2);
	assert_string_equal(got, "P!");
	close(fd);
	finish(e);
	unlink(path_of("log"));
}

static void leftovers_of_a_dead_service_are_replaced(void **state)
{
	struct end *e;
	int fd;

	(void)state;
	/* A socket whose listener is gone, a link to no pty. */
	e = start(CONSOLE_UNIX, "sock", false);
	console_host_stop(&e->h);
	close(e->h.listener);
	e->h.listener = -1;
	assert_true(is_there("sock"));
	assert_int_equal(open_at(e, CONSOLE_UNIX, path_of("sock"), false), 0);
	fd = try_connect("sock");
	assert_true(fd >= 0);
	close(fd);
	finish(e);
	assert_int_equal(symlink("/dev/pts/99999", path_of("tty")), 0);
	e = start(CONSOLE_PTY, "tty", false);
	finish(e);
	assert_false(is_there("tty"));
}

static void what_is_in_use_or_not_ours_is_left_alone(void **state)
{
	struct end *sock = start(CONSOLE_UNIX, "sock", false);
	struct end *tty = start(CONSOLE_PTY, "tty", false);
	struct end *e = malloc(sizeof(*e));
	int fd;

	(void)state;
	assert_int_equal(open_at(e, CONSOLE_UNIX, path_of("sock"), false),
			 -EADDRINUSE);
	assert_int_equal(open_at(e, CONSOLE_PTY, path_of("tty"), false),
			 -EADDRINUSE);
	fd = open(path_of("file"), O_WRONLY | O_CREAT, 0600);
	assert_int_equal(open_at(e, CONSOLE_UNIX, path_of("file"), false),
			 -EEXIST);
	assert_int_equal(open_at(e, CONSOLE_PTY, path_of("file"), false),
			 -EEXIST);
	assert_true(is_there("sock") && is_there("tty") && is_there("file"));
	close(fd);
	/* Somebody else's by now. */
	assert_int_equal(rename(path_of("file"), path_of("sock")), 0);
	console_host_stop(&tty->h);
	finish(sock);
	finish(tty);
	assert_true(is_there("sock"));
	unlink(path_of("sock"));
	assert_int_equal(open_at(e, CONSOLE_FILE, dir, false), -EISDIR);
	assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
	assert_true(open_at(e, CONSOLE_FILE, path_of("pipe"), false) < 0);
	unlink(path_of("pipe"));
	free(e);
}

static void socket_is_nobody_elses(void **state)
{
	struct end *e = start(CONSOLE_UNIX, "sock", false);
	struct stat st;

	(void)state;
	assert_int_equal(stat(path_of("sock"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	finish(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_is_appended_to_and_read_to_its_end),
		cmocka_unit_test(full_disk_does_not_stop_the_guest),
		cmocka_unit_test(stop_writes_what_can_be_written),
		cmocka_unit_test(client_outlives_a_reset_of_the_guest),
		cmocka_unit_test(emergency_byte_needs_no_driver),
		cmocka_unit_test(leftovers_of_a_dead_service_are_replaced),
		cmocka_unit_test(what_is_in_use_or_not_ours_is_left_alone),
		cmocka_unit_test(socket_is_nobody_elses),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
