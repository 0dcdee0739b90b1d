/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <unistd.h>

#include "apps/pciringd/config.h"

#define MACHINE "{\"method\":\"machine.create\",\"params\":{\"name\":\"m\"}}"
#define FUNCTION(device)                                                       \
	"{\"method\":\"function.create\",\"params\":{\"machine\":\"m\","       \
	"\"address\":\"00:01.0\",\"device\":\"" device "\"}}"
#define FUNCTION_AT(address)                                                   \
	"{\"method\":\"function.create\",\"params\":{\"machine\":\"m\","       \
	"\"address\":\"" address "\",\"device\":\"rng\"}}"
#define BUS(number, parent, device)                                            \
	"{\"method\":\"bus.create\",\"params\":{\"machine\":\"m\","            \
	"\"bus\":" number ",\"parent\":" parent ",\"device\":" device "}}"
#define PLACE(queue, loop)                                                     \
	"{\"method\":\"function.place\",\"params\":{\"machine\":\"m\","        \
	"\"address\":\"00:01.0\",\"queue\":" queue ",\"loop\":" loop "}}"
#define SOCKET(path)                                                           \
	"{\"method\":\"socket.create\",\"params\":{\"machine\":\"m\","         \
	"\"address\":\"00:01.0\",\"path\":\"" path "\"}}"

static int check(const char *text, char error[CONFIG_ERROR])
{
	error[0] = '\0';
	return config_check("f", text, strlen(text), 2, NULL, error);
}

static void good_file_passes(void **state)
{
	char error[CONFIG_ERROR];

	(void)state;
	assert_int_equal(check("[]", error), 0);
	assert_int_equal(check("[" MACHINE
			       "," FUNCTION("rng") "," SOCKET("/tmp/s") "]",
			       error),
			 0);
	assert_string_equal(error, "");
}

static void syntax_error_names_line_and_column(void **state)
{
	char error[CONFIG_ERROR];

	(void)state;
	assert_int_equal(check("[\n  " MACHINE ",\n  {]\n", error), -EINVAL);
	assert_non_null(strstr(error, "f:3:4: "));
}

static void content_error_names_the_place_and_what_would_be_right(void **state)
{
	static const struct {
		const char *text, *error;
	} table[] = {
		{ "{}", "f: must be an array" },
		{ "[1]", "f: [0]: must be an object" },
		{ "[{}]", "f: [0].method: must be a string" },
		{ "[{\"method\":\"machine.create\",\"parms\":1}]",
		  "f: [0]: has members other than" },
		{ "[{\"method\":\"machine.destroy\"}]",
		  "f: [0].method: no creating method \"machine.destroy\"; "
		  "there are: machine.create bus.create function.create "
		  "function.place socket.create" },
		{ "[" MACHINE "," FUNCTION("rng") "," PLACE("0", "7") "]",
		  "f: [2].params.loop: no such loop; there are 0 to" },
		{ "[" MACHINE "," FUNCTION("rng") "," PLACE("-2", "0") "]",
		  "f: [2].params.queue: function 00:01.0 has" },
		{ "[{\"method\":\"machine.create\"}]",
		  "f: [0].params.name: missing" },
		{ "[{\"method\":\"machine.create\",\"params\":[]}]",
		  "f: [0].params: params must be an object" },
		{ "[{\"method\":\"machine.create\",\"params\":"
		  "{\"name\":\"a b\"}}]",
		  "f: [0].params.name: a name has" },
		{ "[{\"method\":\"machine.create\",\"params\":"
		  "{\"name\":\"a\",\"loop\":2}}]",
		  "f: [0].params.loop: no loop 2; there are 0 to 1" },
		{ "[" MACHINE "," MACHINE "]",
		  "f: [1].params.name: there is a machine \"m\" already" },
		{ "[" FUNCTION("rng") "]",
		  "f: [0].params.machine: no machine \"m\"" },
		{ "[" MACHINE "," FUNCTION("rgn") "]",
		  "f: [1].params.device: no device type \"rgn\"; there are: "
		  "blk, console, net, rng" },
		{ "[" MACHINE "," FUNCTION("rng") "," FUNCTION("rng") "]",
		  "f: [2].params.address: machine \"m\" has a function 00:01.0 "
		  "already" },
		{ "[" BUS("5", "0", "1") "]",
		  "f: [0].params.machine: no machine \"m\"" },
		{ "[" MACHINE "," BUS("0", "0", "1") "]",
		  "f: [1].params.bus: must be 1 to 255" },
		{ "[" MACHINE "," BUS("256", "0", "1") "]",
		  "f: [1].params.bus: must be 1 to 255" },
		{ "[" MACHINE "," BUS("5", "5", "1") "]",
		  "f: [1].params.parent: machine \"m\" has no such bus" },
		{ "[" MACHINE "," BUS("5", "-1", "1") "]",
		  "f: [1].params.parent: machine \"m\" has no such bus" },
		{ "[" MACHINE "," BUS("5", "256", "1") "]",
		  "f: [1].params.parent: machine \"m\" has no such bus" },
		{ "[" MACHINE "," BUS("5", "0", "32") "]",
		  "f: [1].params.device: must be 0 to 31" },
		{ "[" MACHINE "," BUS("5", "0", "-1") "]",
		  "f: [1].params.device: must be 0 to 31" },
		{ "[" MACHINE "," BUS("5", "0", "\"1\"") "]",
		  "f: [1].params.device: must be an integer" },
		{ "[" MACHINE "," BUS("5", "0", "1") "," BUS("5", "0", "2") "]",
		  "f: [2].params.bus: machine \"m\" has a bus 5 already" },
		{ "[" MACHINE "," FUNCTION_AT("05:03.1") "]",
		  "f: [1].params.address: machine \"m\" has no bus 05; "
		  "bus.create makes one" },
		{ "[" MACHINE "," SOCKET("/tmp/s") "]",
		  "f: [1].params.address: machine \"m\" has no function" },
		{ "[" MACHINE "," FUNCTION("rng") "," SOCKET("s") "]",
		  "f: [2].params.path: \"s\" is not an absolute path" },
		{ "[" MACHINE "," FUNCTION("rng") "," SOCKET(
			  "/tmp/s") "," SOCKET("/tmp/t") "]",
		  "f: [3].params.address: 00:01.0 has the socket /tmp/s" },
	};
	char error[CONFIG_ERROR];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(table); i++) {
		assert_int_equal(check(table[i].text, error), -EINVAL);
		if (strncmp(error, table[i].error, strlen(table[i].error)))
			fail_msg("%s\nwhere \"%s\" was to be", error,
				 table[i].error);
	}
}

static void unknown_option_of_a_device_is_named(void **state)
{
	char error[CONFIG_ERROR];

	(void)state;
	assert_int_equal(
		check("[" MACHINE ",{\"method\":\"function.create\",\"params\":"
		      "{\"machine\":\"m\",\"address\":\"00:01.0\",\"device\":"
		      "\"rng\",\"options\":{\"colour\":\"red\"}}}]",
		      error),
		-EINVAL);
	assert_non_null(strstr(error, "[1].params.options"));
	assert_non_null(strstr(error, "colour"));
	assert_int_equal(
		check("[" MACHINE ",{\"method\":\"function.create\",\"params\":"
		      "{\"machine\":\"m\",\"address\":\"00:01.0\",\"device\":"
		      "\"rng\",\"options\":{\"colour\":[]}}}]",
		      error),
		-EINVAL);
	assert_non_null(strstr(error, "[1].params.options.colour: must be"));
}

static void two_functions_cannot_share_a_socket(void **state)
{
	char error[CONFIG_ERROR];

	(void)state;
	assert_int_equal(
		check("[" MACHINE "," FUNCTION("rng") "," SOCKET(
			      "/tmp/s") ","
					"{\"method\":\"function.create\","
					"\"params\":{"
					"\"machine\":\"m\",\"address\":\"00:02."
					"0\",\"device\":"
					"\"rng\"}},"
					"{\"method\":\"socket.create\","
					"\"params\":{\"machine\":"
					"\"m\",\"address\":\"00:02.0\","
					"\"path\":\"/tmp/s\"}}]",
		      error),
		-EINVAL);
	assert_non_null(strstr(error, "[4].params.path"));
}

static void socket_path_must_fit_a_unix_socket(void **state)
{
	char path[MSG_PATH_MAX + 1], text[1024], error[CONFIG_ERROR];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	for (unsigned int n = MSG_PATH_MAX - 1; n <= MSG_PATH_MAX; n++) {
		path[n] = '\0';
		snprintf(text, sizeof(text),
			 "[" MACHINE "," FUNCTION("rng") "," SOCKET("%s") "]",
			 path);
		assert_int_equal(check(text, error),
				 n < MSG_PATH_MAX ? 0 : -EINVAL);
		path[n] = 'a';
	}
}

static void what_was_written_back_makes_the_same_again(void **state)
{
	static const char text[] =
		"[{\"method\":\"machine.create\",\"params\":{\"name\":\"m\","
		"\"loop\":1}}"
		"," BUS("5", "0", "31") "," BUS("1", "5", "0") "," FUNCTION(
			"rn"
			"g") "," PLACE("-1",
				       "1") "," PLACE("0",
						      "0") "," SOCKET("/tmp/s") "," FUNCTION_AT("01:1f."
												"7") "," FUNCTION_AT("05:03.1") ","
																"{\"method\":\"machine.create\",\"params\":{"
																"\"name\":\"n\"}}]";
	json_t *list, *first, *second;
	struct service a, b;
	char error[CONFIG_ERROR];

	(void)state;
	assert_int_equal(config_check("f", text, strlen(text), 2, &list, error),
			 0);
	service_init(&a, NULL, 2);
	service_init(&b, NULL, 2);
	assert_int_equal(config_apply(&a, "f", list, error), 0);
	first = config_write(&a);
	assert_true(json_equal(first, list));
	assert_int_equal(config_apply(&b, "f", first, error), 0);
	second = config_write(&b);
	assert_true(json_equal(second, list));
	json_decref(list);
	json_decref(first);
	json_decref(second);
	service_fini(&a);
	service_fini(&b);
}

/* It is done before the EAL is up, and by whoever has the file. */
static void trial_touches_nothing_of_the_host(void **state)
{
	static const char *const path[] = { "/tmp/pciring-trial-disk",
					    "/tmp/pciring-trial-pty",
					    "/tmp/pciring-trial-socket" };
	static const char text[] =
		"[{\"method\":\"machine.create\",\"params\":{"
		"\"name\":\"m\"}},"
		"{\"method\":\"function.create\",\"params\":{\"machine\":"
		"\"m\",\"address\":\"00:01.0\",\"device\":\"blk\","
		"\"options\":{\"backend\":\"file\",\"create\":true,"
		"\"path\":\"/tmp/pciring-trial-disk\",\"size\":\"1M\"}}},"
		"{\"method\":\"function.create\",\"params\":{\"machine\":"
		"\"m\",\"address\":\"00:02.0\",\"device\":\"net\","
		"\"options\":{\"port\":\"ethdev:net_tap7,iface=trial\"}}},"
		"{\"method\":\"function.create\",\"params\":{\"machine\":"
		"\"m\",\"address\":\"00:03.0\",\"device\":\"console\","
		"\"options\":{\"port0\":\"pty:/tmp/pciring-trial-pty\","
		"\"port1\":\"unix:/tmp/pciring-trial-socket\"}}}]";
	char error[CONFIG_ERROR] = "";

	(void)state;
	assert_int_equal(config_check("f", text, strlen(text), 1, NULL, error),
			 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(path); i++)
		assert_int_equal(access(path[i], F_OK), -1);
}

static void missing_file_is_an_error_with_its_name(void **state)
{
	char error[CONFIG_ERROR];

	(void)state;
	assert_int_equal(config_check_file("/nonexistent/file", 1, NULL, error),
			 -ENOENT);
	assert_non_null(strstr(error, "/nonexistent/file: No such file"));
	assert_int_equal(config_check_file("/", 1, NULL, error), -EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_file_passes),
		cmocka_unit_test(syntax_error_names_line_and_column),
		cmocka_unit_test(
			content_error_names_the_place_and_what_would_be_right),
		cmocka_unit_test(unknown_option_of_a_device_is_named),
		cmocka_unit_test(two_functions_cannot_share_a_socket),
		cmocka_unit_test(socket_path_must_fit_a_unix_socket),
		cmocka_unit_test(what_was_written_back_makes_the_same_again),
		cmocka_unit_test(trial_touches_nothing_of_the_host),
		cmocka_unit_test(missing_file_is_an_error_with_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
