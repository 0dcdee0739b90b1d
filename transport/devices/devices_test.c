/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/devices/devices.h"
#include "transport/devices/rng.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

static void device_types_are_found_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(device_type_find("rng"), &rng_type);
	assert_null(device_type_find("rn"));
	assert_null(device_type_find(""));
}

static void device_options_match_whole_keys_only(void **state)
{
	static const char *const options[] = { "path: of the file",
					       "readonly: yes or no", NULL };
	static const struct device_type type = { .name = "t",
						 .options = options };
	const struct device_option good = { "readonly", "yes" };
	const struct device_option bad = { "read", "yes" };
	char error[200] = "";

	(void)state;
	assert_int_equal(
		device_refuse_unknown(&type, &good, 1, error, sizeof(error)),
		0);
	assert_int_equal(
		device_refuse_unknown(&type, &bad, 1, error, sizeof(error)),
		-EINVAL);
	assert_non_null(strstr(error, "path, readonly"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_types_are_found_by_name),
		cmocka_unit_test(device_options_match_whole_keys_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
