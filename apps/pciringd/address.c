/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the shape is checked first, so that neither a sign nor white space
 * passes for a digit.
 */
#include "apps/pciringd/address.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

int address_parse(const char *text, uint16_t *bdf)
{
	static const char shape[] = "xx:xx.x";
	unsigned long bus, dev, fn;

	if (strlen(text) != strlen(shape))
		return -EINVAL;
	for (unsigned int i = 0; shape[i]; i++)
		if (shape[i] == 'x' ? !isxdigit((unsigned char)text[i])
				    : text[i] != shape[i])
			return -EINVAL;
	bus = strtoul(text, NULL, 16);
	dev = strtoul(text + 3, NULL, 16);
	fn = strtoul(text + 6, NULL, 16);
	if (dev > 31 || fn > 7)
		return -EINVAL;
	*bdf = bdf_make((unsigned int)bus, (unsigned int)dev, (unsigned int)fn);
	return 0;
}

const char *address_format(char text[ADDRESS_TEXT], uint16_t bdf)
{
	snprintf(text, ADDRESS_TEXT, BDF_FMT, BDF_ARG(bdf));
	return text;
}
