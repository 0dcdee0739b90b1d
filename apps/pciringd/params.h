/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * params.h - what a method takes, as a table that checks and documents it
 */
#ifndef APPS_PCIRINGD_PARAMS_H
#define APPS_PCIRINGD_PARAMS_H

#include <jansson.h>

#include "apps/pciringd/error.h"

enum param_type {
	PARAM_STRING,
	PARAM_INTEGER,
	PARAM_BOOLEAN,
	PARAM_OBJECT,
};

struct param {
	const char *name; /* NULL ends a table */
	enum param_type type;
	bool required;
	const char *doc;
};

/* -EINVAL unless @params (NULL: none given) is an object with all that the
 * table requires, of the right types, and nothing else. */
int params_check(const struct param *table, const json_t *params,
		 struct service_error *e);

/* The table as JSON: [{"name", "type", "required", "doc"}]. */
json_t *params_help(const struct param *table);

#endif
