/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/machine/function_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ring/ticks.h"

static struct virtio_options o;
static struct device_option rest[16];
static unsigned int nr_rest;
static char error[128];

static int parse(const char *key, const char *value)
{
	const struct device_option opt[] = { { "path", "/x" }, { key, value } };

	return function_options_parse(opt, ARRAY_SIZE(opt), &o, rest, &nr_rest,
				      error, sizeof(error));
}

static void options_of_the_device_are_left_to_it(void **state)
{
	(void)state;
	assert_int_equal(parse("serial", "7"), 0);
	assert_int_equal(nr_rest, 2);
	assert_string_equal(rest[0].key, "path");
	assert_string_equal(rest[1].key, "serial");
	assert_true(virtio_has(&o.offer, VIRTIO_F_EVENT_IDX));
	assert_int_equal(o.poll.hot, ticks_of_us(VIRTIO_HOT_US));
}

static void options_of_any_function_are_taken(void **state)
{
	(void)state;
	assert_int_equal(parse("poll", "always"), 0);
	assert_int_equal(nr_rest, 1);
	assert_true(o.poll.always);
	assert_int_equal(parse("queue_size", "32768"), 0);
	assert_int_equal(o.queue_max, 32768);
	assert_int_equal(parse("packed", "true"), 0);
	assert_true(virtio_has(&o.offer, VIRTIO_F_RING_PACKED));
	assert_int_equal(parse("event_idx", "false"), 0);
	assert_false(virtio_has(&o.offer, VIRTIO_F_EVENT_IDX));
	assert_int_equal(parse("coalesce_us", "50"), 0);
	assert_int_equal(o.coalesce.ticks, ticks_of_us(50));
	assert_int_equal(parse("coalesce_chains", "8"), 0);
	assert_int_equal(o.coalesce.chains, 8);
	assert_int_equal(parse("hot_us", "0"), 0);
	assert_int_equal(o.poll.hot, 0);
}

static void value_that_cannot_be_is_refused_by_name(void **state)
{
	static const char *const bad[][2] = {
		{ "poll", "never" },	   { "hot_us", "-1" },
		{ "hot_us", "100001" },	   { "coalesce_us", "" },
		{ "queue_size", "1" },	   { "queue_size", "48" },
		{ "queue_size", "65536" }, { "packed", "yes" },
		{ "in_order", "1" },	   { "coalesce_chains", "3x" },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		error[0] = '\0';
		assert_int_equal(parse(bad[i][0], bad[i][1]), -EINVAL);
		assert_non_null(strstr(error, bad[i][0]));
		assert_non_null(strstr(error, "should be"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_of_the_device_are_left_to_it),
		cmocka_unit_test(options_of_any_function_are_taken),
		cmocka_unit_test(value_that_cannot_be_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
