/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_tmp.h - where a test makes its folder
 *
 * tests/run gives one that it removes whatever became of the test.  Not TMPDIR:
 * what that names may be too long for the name of a socket.
 */
#ifndef RING_TEST_TMP_H
#define RING_TEST_TMP_H

#include <stdlib.h>

static inline const char *test_tmp(void)
{
	const char *dir = getenv("PCIRING_TEST_TMP");

	return dir ? dir : "/tmp";
}

#endif
