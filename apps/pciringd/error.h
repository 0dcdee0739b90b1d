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

/* Fill in @e and return @err, a negative errno. */
int service_fail(struct service_error *e, int err, const char *param,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* "EINVAL" */
const char *service_errno_name(int err);

#endif
