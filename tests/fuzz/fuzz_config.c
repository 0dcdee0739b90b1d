/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an operator, or whoever got hold of his socket, can write: any bytes as
 * a configuration file, and the same bytes as lines of JSON-RPC to a registry
 * whose machines nothing runs.
 *
 * After each: a refused file says why on one line, what a registry writes
 * back is accepted again and makes the same, every answer is one line of JSON.
 */
#include <stdlib.h>

#include "apps/pciringd/config.h"
#include "apps/pciringd/methods.h"
#include "tests/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_file(const char *text, size_t size)
{
	char error[CONFIG_ERROR] = "";
	json_t *list = NULL;
	int err = config_check("f", text, size, 2, &list, error);

	must(err == 0 || (err == -EINVAL && !strncmp(error, "f:", 2)));
	must(err == 0 || memchr(error, '\0', sizeof(error)));
	must(!err == !!list);
	json_decref(list);
}

static void as_line(const struct rpc *rpc, const char *line, size_t size)
{
	char *answer = rpc_line(rpc, line, size);
	json_t *parsed;

	if (!answer)
		return;
	must(strchr(answer, '\n') == answer + strlen(answer) - 1);
	parsed = json_loads(answer, JSON_REJECT_DUPLICATES, NULL);
	must(json_is_object(parsed) || json_is_array(parsed));
	json_decref(parsed);
	free(answer);
}

static void as_lines(struct service *s, const char *text, size_t size)
{
	const struct rpc rpc = { .methods = service_methods, .ctx = s };
	const char *end = text + size, *newline;

	while (text < end) {
		newline = memchr(text, '\n', (size_t)(end - text));
		if (!newline)
			newline = end;
		as_line(&rpc, text, (size_t)(newline - text));
		text = newline + 1;
	}
}

static void written_back_is_the_same(struct service *s)
{
	char error[CONFIG_ERROR] = "";
	json_t *first = config_write(s), *second;
	struct service copy;

	service_init(&copy, NULL, 2);
	must(!config_apply(&copy, "f", first, error));
	second = config_write(&copy);
	must(json_equal(first, second));
	json_decref(first);
	json_decref(second);
	service_fini(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct service s;

	as_file(text, size);
	service_init(&s, NULL, 2);
	as_lines(&s, text, size);
	written_back_is_the_same(&s);
	service_fini(&s);
	return 0;
}
