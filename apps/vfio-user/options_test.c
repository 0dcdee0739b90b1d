/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/vfio-user/options.h"

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct vu_options o;

#define PARSE(...) parse((const char *[]){ "proxy", __VA_ARGS__, NULL })

static int parse(const char *const *words)
{
	static char text[16][256];
	char *argv[17] = { NULL };
	int argc;

	/* --function's argument is cut in place. */
	for (argc = 0; words[argc]; argc++) {
		strncpy(text[argc], words[argc], sizeof(text[argc]) - 1);
		argv[argc] = text[argc];
	}
	optind = 0;
	return vu_options_parse(&o, argc, argv);
}

static void a_function_is_bus_device_and_number(void **state)
{
	static const char *const bad[] = {
		"",
		"00:01",
		"0:01.0",
		"00:01.8",
		"00:20.0",
		"00:01.0 ",
		"0000:00:01.0",
		"00-01.0",
		"\x10\x11:01.0",
		"gg:01.0",
		"00:01.g",
	};
	uint16_t f = 0;

	(void)state;
	assert_int_equal(vu_parse_function("00:01.0", &f), 0);
	assert_int_equal(f, 8);
	assert_int_equal(vu_parse_function("fF:1f.7", &f), 0);
	assert_int_equal(f, 0xffff);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(vu_parse_function(bad[i], &f), -EINVAL);
	assert_int_equal(f, 0xffff);
}

static void a_whole_command_line_is_understood(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--dir", "/d", "--machine", "vm", "--function",
			       "00:01.0=/a=b", "--function", "00:02.0=c",
			       "--spin", "0", "--log-level", "debug"),
			 -1);
	assert_string_equal(o.machine, "vm");
	assert_string_equal(o.service, "/d/attach.sock");
	assert_int_equal(o.spin_ns, 0);
	assert_int_equal(o.log_level, LOG_DEBUG);
	assert_int_equal(o.count, 2);
	assert_int_equal(o.sockets[1].function, 16);
	assert_string_equal(o.sockets[0].path, "/a=b");
	assert_int_equal(PARSE("--machine", "vm"), -1);
	assert_int_equal(o.spin_ns, 20000);
}

static void what_is_wrong_is_a_usage_error(void **state)
{
	char path[160];

	(void)state;
	memset(path, 'x', sizeof(path));
	memcpy(path, "00:01.0=", 8);
	path[8 + 107] = '\0';
	assert_int_equal(PARSE("--machine", "vm", "--function", path), -1);
	path[8 + 107] = 'x';
	path[8 + 108] = '\0';
	assert_int_equal(PARSE("--machine", "vm", "--function", path), 2);
	assert_int_equal(PARSE("--log-level", "debug"), 2);
	assert_int_equal(PARSE("--machine", ""), 2);
	assert_int_equal(PARSE("--machine", path), 2);
	assert_int_equal(PARSE("--machine", "vm", "more"), 2);
	assert_int_equal(PARSE("--machine", "vm", "--nonsense"), 2);
	assert_int_equal(PARSE("--machine", "vm", "--function", "00:01.0"), 2);
	assert_int_equal(PARSE("--machine", "vm", "--function", "00:01.0="), 2);
	assert_int_equal(PARSE("--machine", "vm", "--function", "1=/a"), 2);
	assert_int_equal(PARSE("--machine", "vm", "--function", "00:01.0=a",
			       "--function", "00:01.0=b"),
			 2);
	assert_int_equal(PARSE("--machine", "vm", "--spin", "-1"), 2);
	assert_int_equal(PARSE("--machine", "vm", "--spin", "1x"), 2);
	assert_int_equal(PARSE("--machine", "vm", "--spin", "1000001"), 2);
	assert_int_equal(PARSE("--machine", "vm", "--log-level", "loud"), 2);
}

static void help_and_version_end_well(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--help"), 0);
	assert_int_equal(PARSE("--version"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_is_bus_device_and_number),
		cmocka_unit_test(a_whole_command_line_is_understood),
		cmocka_unit_test(what_is_wrong_is_a_usage_error),
		cmocka_unit_test(help_and_version_end_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
