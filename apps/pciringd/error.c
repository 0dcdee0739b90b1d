/* SPDX-License-Identifier: BSD-3-Clause */
/* How: the names of error numbers are glibc's own. */
#include "apps/pciringd/error.h"

#include <stdarg.h>
#include <stdio.h>

void service_error_set(struct service_error *e, int err, const char *param,
		       const char *fmt, ...)
{
	va_list ap;

	assert(err < 0);
	e->err = -err;
	snprintf(e->param, sizeof(e->param), "%s", param ? param : "");
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
}

const char *service_errno_name(int err)
{
	const char *name = strerrorname_np(err);

	return name ? name : "EIO";
}
