/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * error.h - why a request of the operator could not be met, for people
 *
 * An error number for programs, the parameter that is to blame, and a sentence
 * that says what would be right.
 */
#ifndef APPS_PCIRINGD_ERROR_H
#define APPS_PCIRINGD_ERROR_H

#include "ring/base.h"

struct service_error {
	int err;	/* positive errno */
	char param[96]; /* "device", or empty */
	char text[512];
};

/* Fill in @e; @err is a negative errno, @param may be NULL. */
void service_error_set(struct service_error *e, int err, const char *param,
		       const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Make UTF-8 that was cut somewhere UTF-8 again: what is left of a cut
 * character becomes question marks. */
void service_text_mend(char *text);

/* The same, as a value: @err, which readers and checkers see to be one. */
#define service_fail(e, err, param, ...)                                       \
	(service_error_set(e, err, param, __VA_ARGS__), (err))

/* "EINVAL" */
const char *service_errno_name(int err);

#endif
