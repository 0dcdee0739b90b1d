/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/devices/console.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka wants setjmp.h and stdarg.h first */
#include <cmocka.h>

static int make(const char *key, const char *value, char *error, size_t room)
{
	const struct device_option opt = { key, value };
	struct virtio_device *d = NULL;
	const int err = console_type.create(&opt, key ? 1 : 0, &d, error, room);

	if (!err)
		d->ops->destroy(d);
	return err;
}

static void expect_refusal(const char *key, const char *value, const char *why)
{
	char error[300] = "";

	assert_int_equal(make(key, value, error, sizeof(error)), -EINVAL);
	if (!strstr(error, why))
		fail_msg("%s=%s: %s", key ? key : "", value, error);
}

static void bad_option_is_named_with_what_it_should_be(void **state)
{
	char path[200];

	(void)state;
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	memcpy(path, "unix:/", 6);
	expect_refusal(NULL, "", "needs a port");
	expect_refusal("port0", "tty:/x", "pty:PATH");
	expect_refusal("port0", "pty", "pty:PATH");
	expect_refusal("port0", "pty:x", "absolute path");
	expect_refusal("port0", path, "107 characters");
	expect_refusal("port0", "file:/dev/null,", "pty:PATH");
	expect_refusal("port0", "file:/dev/null,nonsense", "input=PATH");
	expect_refusal("port1", "file:/dev/null,name=", "1 to 63");
	expect_refusal("port1", "file:/dev/null,name=a/b", "slashes");
	expect_refusal("port1", "pty:/x,input=/dev/zero", "pty:PATH");
	expect_refusal("port16", "file:/dev/null", "port16");
	expect_refusal("port", "file:/dev/null", "port");
	expect_refusal("size", "80", "80x25");
	expect_refusal("size", "0x25", "80x25");
	expect_refusal("size", "80x25x1", "80x25");
	expect_refusal("size", "80x10000", "80x25");
	/* Of a size alone nobody has anything. */
	expect_refusal("size", "80x25", "needs a port");
}

static void host_that_fails_is_an_errno_and_a_sentence(void **state)
{
	char error[300] = "";

	(void)state;
	assert_int_equal(
		make("port0", "unix:/nowhere/at/all", error, sizeof(error)),
		-ENOENT);
	assert_non_null(strstr(error, "/nowhere/at/all: No such file"));
	assert_int_equal(make("port0", "file:/dev/null,input=/nowhere", error,
			      sizeof(error)),
			 -ENOENT);
	assert_non_null(strstr(error, "input"));
}

static void device_has_queues_for_its_highest_port(void **state)
{
	const struct device_option opt[] = {
		{ "port15", "file:/dev/null,name=last" },
		{ "port2", "file:/dev/null,console" },
	};
	struct virtio_device *d;
	char error[300] = "";

	(void)state;
	assert_int_equal(console_type.create(opt, 2, &d, error, sizeof(error)),
			 0);
	/* Two a port, and two of control. */
	assert_int_equal(d->nr_queues, 34);
	d->ops->destroy(d);
}

static void port_is_taken_once(void **state)
{
	const struct device_option opt[] = {
		{ "port0", "file:/dev/null" },
		{ "port0", "file:/dev/full" },
	};
	struct virtio_device *d;
	char error[300] = "";

	(void)state;
	assert_int_equal(console_type.create(opt, 2, &d, error, sizeof(error)),
			 -EINVAL);
}

/* What the first ports made goes with the one that could not be made. */
static void half_made_console_leaves_nothing_behind(void **state)
{
	char dir[] = "/tmp/console.XXXXXX", value[64], error[300];
	struct virtio_device *d;
	const struct device_option opt[] = {
		{ "port0", value },
		{ "port1", "unix:/nowhere/at/all" },
	};

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(value, sizeof(value), "pty:%s/tty", dir);
	assert_int_equal(console_type.create(opt, 2, &d, error, sizeof(error)),
			 -ENOENT);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_option_is_named_with_what_it_should_be),
		cmocka_unit_test(host_that_fails_is_an_errno_and_a_sentence),
		cmocka_unit_test(device_has_queues_for_its_highest_port),
		cmocka_unit_test(port_is_taken_once),
		cmocka_unit_test(half_made_console_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
