/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/vfio-user/listener.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ring/base.h"
#include "ring/test_tmp.h"

static char dir[64], path[96];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "%s/pciring-test-XXXXXX", test_tmp());
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/a.sock", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void a_socket_is_its_owners_and_goes_with_the_listener(void **state)
{
	mode_t mask = umask(0);
	struct vu_listener l;
	struct stat st;

	(void)state;
	assert_int_equal(vu_listener_open(&l, path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* The umask is as it was. */
	assert_int_equal(umask(mask), 0);
	vu_listener_close(&l);
	assert_int_equal(stat(path, &st), -1);
	vu_listener_close(&l);
}

static void a_living_socket_is_left_alone_and_a_dead_one_replaced(void **state)
{
	struct vu_listener a, b;

	(void)state;
	assert_int_equal(vu_listener_open(&a, path), 0);
	assert_int_equal(vu_listener_open(&b, path), -EADDRINUSE);
	close(a.fd); /* as a killed process leaves it */
	assert_int_equal(vu_listener_open(&b, path), 0);
	vu_listener_close(&b);
}

static void a_file_or_a_link_is_left_alone(void **state)
{
	struct vu_listener l;
	struct stat st;
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	close(fd);
	assert_int_equal(vu_listener_open(&l, path), -EADDRINUSE);
	unlink(path);
	assert_int_equal(symlink("/nonexistent", path), 0);
	assert_int_equal(vu_listener_open(&l, path), -EADDRINUSE);
	assert_int_equal(lstat(path, &st), 0);
}

static void what_others_put_in_its_place_is_not_removed(void **state)
{
	struct vu_listener l;
	struct stat st;

	(void)state;
	assert_int_equal(vu_listener_open(&l, path), 0);
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	vu_listener_close(&l);
	assert_int_equal(lstat(path, &st), 0);
}

static void a_path_that_cannot_be_says_why(void **state)
{
	char name[200];
	struct vu_listener l;

	(void)state;
	memset(name, 'x', sizeof(name));
	name[108] = '\0';
	assert_int_equal(vu_listener_open(&l, name), -ENAMETOOLONG);
	assert_int_equal(vu_listener_open(&l, "/nonexistent/a"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_socket_is_its_owners_and_goes_with_the_listener,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_living_socket_is_left_alone_and_a_dead_one_replaced,
			setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_or_a_link_is_left_alone,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_others_put_in_its_place_is_not_removed, setup,
			teardown),
		cmocka_unit_test(a_path_that_cannot_be_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
