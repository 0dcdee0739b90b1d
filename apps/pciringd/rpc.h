/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rpc.h - JSON-RPC 2.0: text in, method called, text out
 *
 * A line holds one request or a batch (an array of requests).  A request
 * without an id is a notification: carried out, not answered.  Errors of the
 * protocol have the codes of the specification; when a method fails its error
 * has "data": {"errno": "EBUSY", "path": "params.name"}.
 *
 * Threads   any one at a time; methods run on the caller's
 * Memory    nothing is kept; answers are malloc()ed
 * Trust     any bytes are safe as a line: nesting, batch size and the text of
 *           errors are bounded, the line's length is the caller's to bound
 */
#ifndef APPS_PCIRINGD_RPC_H
#define APPS_PCIRINGD_RPC_H

#include "apps/pciringd/params.h"

#define RPC_PARSE_ERROR	     (-32700)
#define RPC_INVALID_REQUEST  (-32600)
#define RPC_METHOD_NOT_FOUND (-32601)
#define RPC_INVALID_PARAMS   (-32602)
#define RPC_INTERNAL_ERROR   (-32603)
#define RPC_FAILED	     (-32000) /* of the method; errno says why */

#define RPC_MAX_BATCH 64

struct rpc_method {
	const char *name; /* NULL ends a table */
	const char *doc;
	bool configures; /* may stand in a configuration file */
	const struct param *params;
	/* Parameters were checked against the table.  A new reference, or
	 * NULL with @e. */
	json_t *(*call)(void *ctx, json_t *params, struct service_error *e);
};

struct rpc {
	const struct rpc_method *methods;
	void *ctx;
};

/* NULL if there is none. */
const struct rpc_method *rpc_find(const struct rpc *rpc, const char *name);

/* Check the parameters and call.  A new reference, or NULL with @e. */
json_t *rpc_call(const struct rpc *rpc, const struct rpc_method *method,
		 json_t *params, struct service_error *e);

/* Answer one line (without its newline).  The answer ends in a newline; NULL
 * if there is nothing to say, or no memory to say it. */
char *rpc_line(const struct rpc *rpc, const char *line, size_t length);

/* The error answer for a line that was never parsed. */
char *rpc_refusal(int code, const char *message);

/* All methods with their parameters, for the help methods. */
json_t *rpc_help(const struct rpc_method *methods);

#endif
