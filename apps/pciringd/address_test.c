/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apps/pciringd/address.h"

static void address_of_every_function_survives_the_round_trip(void **state)
{
	char text[ADDRESS_TEXT];
	uint16_t bdf;

	(void)state;
	for (unsigned int i = 0; i <= UINT16_MAX; i++) {
		address_format(text, (uint16_t)i);
		assert_int_equal(address_parse(text, &bdf), 0);
		assert_int_equal(bdf, i);
	}
}

static void address_takes_capital_hexadecimal_digits(void **state)
{
	uint16_t bdf;

	(void)state;
	assert_int_equal(address_parse("0A:1F.7", &bdf), 0);
	assert_int_equal(bdf, bdf_make(10, 31, 7));
}

static void address_refuses_everything_else(void **state)
{
	static const char *const bad[] = {
		"",	   "0:1.0",    "00:01",	       "00:01.0 ", " 0:01.0",
		"00:20.0", "00:01.8",  "00:01,0",      "-1:01.0",  "0x:01.0",
		"+1:01.0", "00:01.00", "0000:00:01.0", "00:g1.0",  "00.01:0",
	};
	uint16_t bdf = 0xabcd;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(address_parse(bad[i], &bdf), -EINVAL);
	assert_int_equal(bdf, 0xabcd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			address_of_every_function_survives_the_round_trip),
		cmocka_unit_test(address_takes_capital_hexadecimal_digits),
		cmocka_unit_test(address_refuses_everything_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
