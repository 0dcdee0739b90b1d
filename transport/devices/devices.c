/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a table, searched by name.  An option table's entry is "key: meaning",
 * so that what --help prints is also what is accepted.
 */
#include "transport/devices/devices.h"

#include <stdio.h>

#include "transport/devices/blk.h"
#include "transport/devices/console.h"
#include "transport/devices/net.h"
#include "transport/devices/rng.h"

const struct device_type *const device_types[] = {
	&blk_type, &console_type, &net_type, &rng_type, NULL,
};

const struct device_type *device_type_find(const char *name)
{
	const struct device_type *const *t;

	for (t = device_types; *t; t++)
		if (!strcmp((*t)->name, name))
			return *t;
	return NULL;
}

static bool knows(const struct device_type *t, const char *key)
{
	const size_t n = strlen(key);
	const char *const *o;

	for (o = t->options; *o; o++)
		if (!strncmp(*o, key, n) && (*o)[n] == ':')
			return true;
	return false;
}

static void list_keys(const struct device_type *t, char *text, size_t room)
{
	const char *const *o;
	size_t used = 0;

	text[0] = '\0';
	for (o = t->options; *o && used < room; o++)
		used += (size_t)snprintf(text + used, room - used, "%s%.*s",
					 used ? ", " : "",
					 (int)strcspn(*o, ":"), *o);
}

int device_refuse_unknown(const struct device_type *t,
			  const struct device_option *opt, unsigned int nr_opt,
			  char *error, size_t room)
{
	char keys[128];
	unsigned int i;

	for (i = 0; i < nr_opt; i++)
		if (!knows(t, opt[i].key))
			break;
	if (i == nr_opt)
		return 0;
	list_keys(t, keys, sizeof(keys));
	snprintf(error, room, "device %s has no option \"%s\"; it has %s",
		 t->name, opt[i].key, keys[0] ? keys : "none");
	return -EINVAL;
}
