/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apps/pciringd/rpc.h"

static unsigned int calls;

static json_t *echo(void *ctx, json_t *params, struct service_error *e)
{
	const char *word = json_string_value(json_object_get(params, "word"));

	(void)ctx;
	calls++;
	if (!strcmp(word, "busy")) {
		service_error_set(e, -EBUSY, "word", "somebody has it");
		return NULL;
	}
	return json_string(word);
}

static const struct param echo_params[] = {
	{ "word", PARAM_STRING, true, "what to say" },
	{ "times", PARAM_INTEGER, false, "how often" },
	{ "loud", PARAM_BOOLEAN, false, "how" },
	{ "more", PARAM_OBJECT, false, "anything" },
	{ .name = NULL },
};

static const struct rpc_method methods[] = {
	{ "echo", "says it", false, echo_params, echo },
	{ .name = NULL },
};

static const struct rpc rpc = { .methods = methods };

/* The answer to @line as JSON; NULL if there was none. */
static json_t *ask(const char *line)
{
	char *text = rpc_line(&rpc, line, strlen(line));
	json_t *answer;

	if (!text)
		return NULL;
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_null(memchr(text, '\n', strlen(text) - 1));
	answer = json_loads(text, 0, NULL);
	assert_non_null(answer);
	free(text);
	return answer;
}

static int code(const json_t *answer)
{
	const json_t *error = json_object_get(answer, "error");

	return (int)json_integer_value(json_object_get(error, "code"));
}

static const char *data(const json_t *answer, const char *key)
{
	const json_t *error = json_object_get(answer, "error");

	return json_string_value(
		json_object_get(json_object_get(error, "data"), key));
}

static void answer_repeats_the_id_and_has_the_result(void **state)
{
	static const char *const ids[] = { "7", "\"x\"", "null", "1.5" };
	char line[128], *id;
	json_t *a;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(ids); i++) {
		snprintf(line, sizeof(line),
			 "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"echo\","
			 "\"params\":{\"word\":\"hi\"}}",
			 ids[i]);
		a = ask(line);
		id = json_dumps(json_object_get(a, "id"), JSON_ENCODE_ANY);
		assert_string_equal(id, ids[i]);
		assert_string_equal(
			json_string_value(json_object_get(a, "jsonrpc")),
			"2.0");
		assert_string_equal(
			json_string_value(json_object_get(a, "result")), "hi");
		assert_null(json_object_get(a, "error"));
		free(id);
		json_decref(a);
	}
}

static void notification_is_carried_out_and_not_answered(void **state)
{
	(void)state;
	calls = 0;
	assert_null(ask("{\"jsonrpc\":\"2.0\",\"method\":\"echo\","
			"\"params\":{\"word\":\"hi\"}}"));
	assert_int_equal(calls, 1);
	assert_null(ask("{\"jsonrpc\":\"2.0\",\"method\":\"none\"}"));
}

static void errors_have_the_codes_of_the_specification(void **state)
{
	static const struct {
		const char *line;
		int code;
	} table[] = {
		{ "{", RPC_PARSE_ERROR },
		{ "", RPC_PARSE_ERROR },
		{ "{\"jsonrpc\":\"2.0\",\"jsonrpc\":\"2.0\"}",
		  RPC_PARSE_ERROR },
		{ "1", RPC_INVALID_REQUEST },
		{ "[]", RPC_INVALID_REQUEST },
		{ "{}", RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"echo\"}",
		  RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"echo\"}",
		  RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":1}",
		  RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\","
		  "\"params\":1}",
		  RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"none\"}",
		  RPC_METHOD_NOT_FOUND },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}",
		  RPC_INVALID_PARAMS },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\","
		  "\"params\":{\"word\":\"busy\"}}",
		  RPC_FAILED },
	};
	json_t *a;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(table); i++) {
		a = ask(table[i].line);
		assert_non_null(a);
		assert_int_equal(code(a), table[i].code);
		assert_non_null(json_object_get(a, "id"));
		json_decref(a);
	}
}

static void failing_method_names_parameter_and_errno(void **state)
{
	json_t *a;

	(void)state;
	a = ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\","
		"\"params\":{\"word\":\"busy\"}}");
	assert_string_equal(data(a, "errno"), "EBUSY");
	assert_string_equal(data(a, "path"), "params.word");
	json_decref(a);
}

static void parameters_are_held_against_the_table(void **state)
{
	static const struct {
		const char *params, *path;
	} table[] = {
		{ "{}", "params.word" },
		{ "{\"word\":1}", "params.word" },
		{ "{\"word\":\"x\",\"wrod\":1}", "params.wrod" },
		{ "{\"word\":\"x\",\"times\":\"2\"}", "params.times" },
		{ "{\"word\":\"x\",\"times\":2.0}", "params.times" },
		{ "{\"word\":\"x\",\"loud\":1}", "params.loud" },
		{ "{\"word\":\"x\",\"more\":[]}", "params.more" },
	};
	char line[160];
	json_t *a;

	(void)state;
	calls = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(table); i++) {
		snprintf(line, sizeof(line),
			 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\","
			 "\"params\":%s}",
			 table[i].params);
		a = ask(line);
		assert_int_equal(code(a), RPC_INVALID_PARAMS);
		assert_string_equal(data(a, "path"), table[i].path);
		json_decref(a);
	}
	assert_int_equal(calls, 0);
}

static void
batch_is_answered_as_an_array_without_its_notifications(void **state)
{
	json_t *a;

	(void)state;
	a = ask("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\","
		"\"params\":{\"word\":\"a\"}},"
		"{\"jsonrpc\":\"2.0\",\"method\":\"echo\","
		"\"params\":{\"word\":\"b\"}},7]");
	assert_int_equal(json_array_size(a), 2);
	assert_int_equal(code(json_array_get(a, 0)), 0);
	assert_int_equal(code(json_array_get(a, 1)), RPC_INVALID_REQUEST);
	json_decref(a);
	assert_null(ask("[{\"jsonrpc\":\"2.0\",\"method\":\"echo\","
			"\"params\":{\"word\":\"b\"}}]"));
}

static void batch_beyond_the_limit_is_refused_whole(void **state)
{
	char line[RPC_MAX_BATCH * 4 + 8];
	size_t n = 0;
	json_t *a;

	(void)state;
	calls = 0;
	for (unsigned int i = 0; i <= RPC_MAX_BATCH; i++) {
		line[n++] = i ? ',' : '[';
		line[n++] = '1';
	}
	line[n++] = ']';
	line[n] = '\0';
	a = ask(line);
	assert_true(json_is_object(a));
	assert_int_equal(code(a), RPC_INVALID_REQUEST);
	assert_int_equal(calls, 0);
	json_decref(a);
}

static void nesting_without_end_is_a_parse_error(void **state)
{
	static char line[1 << 20];
	json_t *a;

	(void)state;
	memset(line, '[', sizeof(line) - 1);
	a = ask(line);
	assert_int_equal(code(a), RPC_PARSE_ERROR);
	json_decref(a);
}

/* The quoted word is cut; each place of the cut is one of a character. */
static void error_that_quotes_half_a_character_is_an_answer(void **state)
{
	static const char *const characters[] = { "\u00e9", "\u20ac",
						  "\U0001f980" };
	char word[160], line[320];
	json_t *a;

	(void)state;
	for (unsigned int n = 55; n < 110; n++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(characters); i++) {
			snprintf(word, sizeof(word), "%0*d%s%s", (int)n, 0,
				 characters[i], characters[i]);
			snprintf(line, sizeof(line),
				 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
				 "\"%s\"}",
				 word);
			a = ask(line);
			assert_int_equal(code(a), RPC_METHOD_NOT_FOUND);
			json_decref(a);
			snprintf(line, sizeof(line),
				 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
				 "\"echo\",\"params\":{\"word\":\"\","
				 "\"%s\":1}}",
				 word);
			a = ask(line);
			assert_int_equal(code(a), RPC_INVALID_PARAMS);
			assert_non_null(data(a, "path"));
			json_decref(a);
		}
	}
}

static void cut_text_is_mended_and_whole_text_is_left_alone(void **state)
{
	static const char *const texts[][2] = {
		{ "a\u00e9\u20ac\U0001f980b", "a\u00e9\u20ac\U0001f980b" },
		{ "", "" },
		{ "\xc3", "?" },
		{ "\xe2\x82\"", "??\"" },
		{ "\xf0\x9f\xa6", "???" },
		{ "\xa9x\xe2\xe2\x82\xac", "?x?\u20ac" },
	};
	char text[32];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(texts); i++) {
		snprintf(text, sizeof(text), "%s", texts[i][0]);
		service_text_mend(text);
		assert_string_equal(text, texts[i][1]);
	}
}

static void zero_byte_inside_a_line_is_an_error_not_an_end(void **state)
{
	static const char line[] = "{\"jsonrpc\":\"2.0\",\"id\":1}\0 garbage";
	char *text;

	(void)state;
	text = rpc_line(&rpc, line, sizeof(line) - 1);
	assert_non_null(strstr(text, "-32700"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_repeats_the_id_and_has_the_result),
		cmocka_unit_test(notification_is_carried_out_and_not_answered),
		cmocka_unit_test(errors_have_the_codes_of_the_specification),
		cmocka_unit_test(failing_method_names_parameter_and_errno),
		cmocka_unit_test(parameters_are_held_against_the_table),
		cmocka_unit_test(
			batch_is_answered_as_an_array_without_its_notifications),
		cmocka_unit_test(batch_beyond_the_limit_is_refused_whole),
		cmocka_unit_test(nesting_without_end_is_a_parse_error),
		cmocka_unit_test(
			error_that_quotes_half_a_character_is_an_answer),
		cmocka_unit_test(
			cut_text_is_mended_and_whole_text_is_left_alone),
		cmocka_unit_test(
			zero_byte_inside_a_line_is_an_error_not_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
