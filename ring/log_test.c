/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring/log.h"

#include <stdatomic.h>
#include <stdio.h>

#include "ring/test_util.h"

static char last[1024];
static enum log_level last_level;
static unsigned int lines;

static void keep(enum log_level level, const char *line)
{
	snprintf(last, sizeof(last), "%s", line);
	last_level = level;
	lines++;
}

static int start(void **state)
{
	(void)state;
	lines = 0;
	last[0] = 0;
	log_set_sink(keep, LOG_INFO);
	return 0;
}

static void without_a_sink_nothing_is_said(void **state)
{
	(void)state;
	log_set_sink(NULL, LOG_DEBUG);
	assert_false(log_enabled(LOG_ERROR));
	log_error("not heard");
	log_limited(LOG_ERROR, "not heard");
	assert_int_equal(lines, 0);
}

static void lines_above_the_level_are_dropped(void **state)
{
	(void)state;
	log_debug("too fine");
	assert_int_equal(lines, 0);
	log_info("level %d of %s", 2, "four");
	assert_int_equal(lines, 1);
	assert_int_equal(last_level, LOG_INFO);
	assert_string_equal(last, "level 2 of four");
}

static void levels_are_known_by_name(void **state)
{
	enum log_level level = LOG_DEBUG;

	(void)state;
	assert_int_equal(log_parse_level("warn", &level), 0);
	assert_int_equal(level, LOG_WARN);
	assert_int_equal(log_parse_level("warning", &level), -EINVAL);
	assert_int_equal(log_parse_level("", &level), -EINVAL);
	assert_int_equal(level, LOG_WARN);
}

static void a_name_cannot_forge_a_line(void **state)
{
	(void)state;
	log_warn("machine %s", "a\nerror all is lost\033[2J");
	assert_int_equal(lines, 1);
	assert_string_equal(last, "machine a.error all is lost.[2J");
}

static void a_long_line_is_cut(void **state)
{
	char text[4000];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	log_info("%s", text);
	assert_int_equal(lines, 1);
	assert_in_range(strlen(last), 100, 600);
}

static void a_flood_is_ten_lines_and_then_one_a_second(void **state)
{
	struct log_limit limit = { 0 };
	uint64_t now;
	int i;

	(void)state;
	for (i = 0; i < 10; i++)
		log_msg_limited(&limit, LOG_WARN, "flood");
	assert_int_equal(lines, 10);
	now = limit.second;
	for (i = 0; i < 1000; i++)
		log_msg_limited(&limit, LOG_WARN, "flood");
	/* Whoever runs this may have been stopped for some seconds. */
	assert_in_range(lines, 10, 10 + (limit.second - now));
	assert_int_equal(limit.lost, 1000 - (lines - 10));

	lines = 0;
	atomic_store(&limit.lost, 7);
	atomic_store(&limit.second, limit.second - 1);
	log_msg_limited(&limit, LOG_WARN, "flood");
	assert_int_equal(lines, 1);
	assert_string_equal(last, "flood (7 lines like this suppressed)");
	assert_int_equal(limit.lost, 0);
}

static void a_quiet_place_may_burst_again(void **state)
{
	struct log_limit limit = { 0 };
	int i;

	(void)state;
	for (i = 0; i < 10; i++)
		log_msg_limited(&limit, LOG_WARN, "flood");
	atomic_store(&limit.second, limit.second - 10);
	for (i = 0; i < 10; i++)
		log_msg_limited(&limit, LOG_WARN, "flood");
	assert_int_equal(lines, 20);
}

static void each_place_has_a_limit_of_its_own(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 5; i++) {
		log_limited(LOG_WARN, "here");
		log_limited(LOG_WARN, "there");
	}
	assert_int_equal(lines, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(without_a_sink_nothing_is_said, start),
		cmocka_unit_test_setup(lines_above_the_level_are_dropped,
				       start),
		cmocka_unit_test_setup(levels_are_known_by_name, start),
		cmocka_unit_test_setup(a_name_cannot_forge_a_line, start),
		cmocka_unit_test_setup(a_long_line_is_cut, start),
		cmocka_unit_test_setup(
			a_flood_is_ten_lines_and_then_one_a_second, start),
		cmocka_unit_test_setup(a_quiet_place_may_burst_again, start),
		cmocka_unit_test_setup(each_place_has_a_limit_of_its_own,
				       start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
