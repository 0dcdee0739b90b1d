/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: jansson parses with duplicates rejected; its own nesting limit (2048)
 * bounds the recursion.  The object is judged member by member before the
 * method is looked up, so that an error can echo the id wherever there is one.
 */
#include "apps/pciringd/rpc.h"

#include <stdio.h>
#include <stdlib.h>

const struct rpc_method *rpc_find(const struct rpc *rpc, const char *name)
{
	const struct rpc_method *m = rpc->methods;

	while (m->name && strcmp(m->name, name))
		m++;
	return m->name ? m : NULL;
}

json_t *rpc_call(const struct rpc *rpc, const struct rpc_method *method,
		 json_t *params, struct service_error *e)
{
	json_t *result;

	memset(e, 0, sizeof(*e));
	if (params_check(method->params, params, e))
		return NULL;
	result = method->call(rpc->ctx, params, e);
	if (!result && !e->err)
		service_error_set(e, -ENOMEM, NULL, "out of memory");
	return result;
}

/* ---- Answers -------------------------------------------------------------- */

static json_t *error_answer(json_t *id, int code, const char *message,
			    json_t *data)
{
	json_t *error = json_pack("{si ss}", "code", code, "message", message);

	if (data)
		json_object_set_new(error, "data", data);
	return json_pack("{ss sO so}", "jsonrpc", "2.0", "id", id, "error",
			 error);
}

static json_t *failure(json_t *id, const struct service_error *e)
{
	json_t *data = json_pack("{ss}", "errno", service_errno_name(e->err));
	char path[sizeof(e->param) + 8];
	int code = RPC_FAILED;

	if (e->param[0]) {
		snprintf(path, sizeof(path), "params.%s", e->param);
		json_object_set_new(data, "path", json_string(path));
		if (e->err == EINVAL)
			code = RPC_INVALID_PARAMS;
	}
	return error_answer(id, code, e->text, data);
}

static char *to_line(json_t *answer)
{
	char *text, *line;
	size_t n;

	if (!answer)
		return NULL;
	text = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	if (!text)
		return NULL;
	n = strlen(text);
	line = realloc(text, n + 2);
	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + n, "\n", 2);
	return line;
}

char *rpc_refusal(int code, const char *message)
{
	json_t *null = json_null();

	return to_line(error_answer(null, code, message, NULL));
}

/* ---- One request ----------------------------------------------------------- */

static bool id_is_legal(const json_t *id)
{
	return !id || json_is_string(id) || json_is_number(id) ||
	       json_is_null(id);
}

/* What is wrong with @request as such, or NULL. */
static const char *request_fault(const json_t *request)
{
	const char *version =
		json_string_value(json_object_get(request, "jsonrpc"));
	const json_t *params = json_object_get(request, "params");

	if (!json_is_object(request))
		return "a request is an object";
	if (!id_is_legal(json_object_get(request, "id")))
		return "an id is a string, a number or null";
	if (!version || strcmp(version, "2.0"))
		return "\"jsonrpc\" must be \"2.0\"";
	if (!json_is_string(json_object_get(request, "method")))
		return "\"method\" must be a string";
	if (params && !json_is_object(params) && !json_is_array(params))
		return "\"params\" must be an object";
	return NULL;
}

static json_t *no_method(json_t *id, const char *name)
{
	char text[128];

	snprintf(text, sizeof(text), "no method \"%.64s\"; rpc.help lists them",
		 name);
	service_text_mend(text);
	return error_answer(id, RPC_METHOD_NOT_FOUND, text, NULL);
}

/* NULL if @request was a notification. */
static json_t *answer(const struct rpc *rpc, json_t *request)
{
	json_t *given = json_object_get(request, "id");
	const char *fault = request_fault(request);
	const struct rpc_method *method;
	struct service_error e;
	const char *name;
	json_t *result, *reply;
	json_t *id = given && id_is_legal(given) ? given : json_null();

	if (fault)
		return error_answer(id, RPC_INVALID_REQUEST, fault, NULL);
	name = json_string_value(json_object_get(request, "method"));
	method = rpc_find(rpc, name);
	if (!method)
		return given ? no_method(id, name) : NULL;
	result = rpc_call(rpc, method, json_object_get(request, "params"), &e);
	if (!given) {
		json_decref(result);
		return NULL;
	}
	if (!result)
		return failure(id, &e);
	reply = json_pack("{ss sO so}", "jsonrpc", "2.0", "id", id, "result",
			  result);
	return reply;
}

static json_t *answer_batch(const struct rpc *rpc, json_t *batch)
{
	json_t *answers, *one, *request;
	size_t i;

	if (!json_array_size(batch) || json_array_size(batch) > RPC_MAX_BATCH)
		return error_answer(json_null(), RPC_INVALID_REQUEST,
				    "a batch has 1 to 64 requests", NULL);
	answers = json_array();
	json_array_foreach(batch, i, request)
	{
		one = answer(rpc, request);
		if (one)
			json_array_append_new(answers, one);
	}
	if (json_array_size(answers))
		return answers;
	json_decref(answers);
	return NULL;
}

static json_t *parse_error(const json_error_t *where)
{
	return error_answer(json_null(), RPC_PARSE_ERROR, where->text,
			    json_pack("{si si}", "line", where->line, "column",
				      where->column));
}

char *rpc_line(const struct rpc *rpc, const char *line, size_t length)
{
	json_error_t where;
	json_t *request, *reply;

	request = json_loadb(line, length,
			     JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
	if (!request)
		return to_line(parse_error(&where));
	reply = json_is_array(request) ? answer_batch(rpc, request)
				       : answer(rpc, request);
	json_decref(request);
	return to_line(reply);
}

json_t *rpc_help(const struct rpc_method *methods)
{
	json_t *list = json_array();

	for (; methods->name; methods++)
		json_array_append_new(list,
				      json_pack("{ss ss sb so}", "method",
						methods->name, "doc",
						methods->doc, "configures",
						methods->configures, "params",
						params_help(methods->params)));
	return list;
}
