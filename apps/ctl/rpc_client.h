/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rpc_client.h - ask the service: one JSON-RPC request, one answer
 *
 * Errors    printed here, as what to do; the caller only exits
 * Memory    results are new references
 */
#ifndef APPS_CTL_RPC_CLIENT_H
#define APPS_CTL_RPC_CLIENT_H

#include <jansson.h>

#include "ring/base.h"

#define CTL_DIR_MAX 96

struct ctl {
	char dir[CTL_DIR_MAX];
	bool dir_given;
	bool json; /* print raw results */
};

/* Where the service is unless told otherwise; -ENAMETOOLONG. */
int ctl_default_dir(struct ctl *ctl);

/* The result of @method, or NULL after a line that says why.  Steals
 * @params (NULL: none). */
json_t *ctl_call(const struct ctl *ctl, const char *method, json_t *params);

#endif
