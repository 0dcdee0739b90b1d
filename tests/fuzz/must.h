/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * must.h - how a fuzzer says that it found something
 */
#ifndef TESTS_FUZZ_MUST_H
#define TESTS_FUZZ_MUST_H

#include <stdbool.h>
#include <stdlib.h>

static inline void must(bool ok)
{
	if (!ok)
		abort();
}

#endif
