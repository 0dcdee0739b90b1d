/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tidy.h - what clang's analyzer has to be told before it reads a source
 *
 * A call that failed left a reason: errno is not 0 then.  The analyzer holds
 * that "return -errno;" may say success, and reports whatever follows from it.
 * It cannot reason through the minus either, so it is given plain numbers: the
 * few errors that sources ask for, and one for all others.
 */
#ifndef TESTS_LINT_TIDY_H
#define TESTS_LINT_TIDY_H

#include <errno.h>

static int errno_of_a_failure;

/* No function: there is a limit to how deep the analyzer follows calls. */
#undef errno
#define errno                                                                  \
	(*(errno_of_a_failure = *__errno_location(),                           \
	   errno_of_a_failure = errno_of_a_failure == EINTR    ? EINTR         \
				: errno_of_a_failure == EAGAIN ? EAGAIN        \
				: errno_of_a_failure == ENOENT ? ENOENT        \
							       : EIO,          \
	   &errno_of_a_failure))

#endif
