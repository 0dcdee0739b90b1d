/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the names of error numbers are glibc's own.  What an operator wrote is
 * quoted in sentences and cut to some length, perhaps inside a character of
 * several bytes, and no JSON can be made of half a character.
 */
#include "apps/pciringd/error.h"

#include <stdarg.h>
#include <stdio.h>

/* How many bytes the character that starts with @lead should have. */
static unsigned int utf8_length(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
}

void service_text_mend(char *text)
{
	for (char *c = text; *c;) {
		unsigned int n = utf8_length((unsigned char)*c), i = 1;

		while (i < n && (c[i] & 0xc0) == 0x80)
			i++;
		if (i != n)
			memset(c, '?', i);
		c += i;
	}
}

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
	service_text_mend(e->param);
	service_text_mend(e->text);
}

const char *service_errno_name(int err)
{
	const char *name = strerrorname_np(err);

	return name ? name : "EIO";
}
