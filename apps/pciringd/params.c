/* SPDX-License-Identifier: BSD-3-Clause */
/* How: what the table requires first, then what was given against the table. */
#include "apps/pciringd/params.h"

#include <stdio.h>

static const struct {
	const char *word; /* in the help */
	const char *what; /* in a sentence */
} types[] = {
	[PARAM_STRING] = { "string", "a string" },
	[PARAM_INTEGER] = { "integer", "an integer" },
	[PARAM_BOOLEAN] = { "boolean", "true or false" },
	[PARAM_OBJECT] = { "object", "an object" },
};

static bool type_fits(enum param_type type, const json_t *value)
{
	switch (type) {
	case PARAM_STRING:
		return json_is_string(value);
	case PARAM_INTEGER:
		return json_is_integer(value);
	case PARAM_BOOLEAN:
		return json_is_boolean(value);
	case PARAM_OBJECT:
		return json_is_object(value);
	}
	return false;
}

static const struct param *find(const struct param *table, const char *name)
{
	for (; table->name; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}

static int unknown(const struct param *table, const char *name,
		   struct service_error *e)
{
	char names[256] = "nothing";
	size_t n = 0;

	for (; table->name && n < sizeof(names); table++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s",
				      n ? ", " : "", table->name);
	return service_fail(e, -EINVAL, name, "unknown; this method takes: %s",
			    names);
}

int params_check(const struct param *table, const json_t *params,
		 struct service_error *e)
{
	const struct param *p;
	const char *name;
	json_t *value;

	if (params && !json_is_object(params))
		return service_fail(e, -EINVAL, NULL,
				    "params must be an object of named "
				    "parameters");
	for (p = table; p->name; p++)
		if (p->required && !json_object_get(params, p->name))
			return service_fail(e, -EINVAL, p->name, "missing: %s",
					    p->doc);
	/* jansson's iteration wants it writable and does not write. */
	json_object_foreach((json_t *)(uintptr_t)params, name, value)
	{
		p = find(table, name);
		if (!p)
			return unknown(table, name, e);
		if (!type_fits(p->type, value))
			return service_fail(e, -EINVAL, name, "must be %s",
					    types[p->type].what);
	}
	return 0;
}

json_t *params_help(const struct param *table)
{
	json_t *list = json_array();

	for (; table->name; table++)
		json_array_append_new(
			list,
			json_pack("{ss ss sb ss}", "name", table->name, "type",
				  types[table->type].word, "required",
				  table->required, "doc", table->doc));
	return list;
}
