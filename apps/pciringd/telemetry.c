/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a command becomes a request on the heap.  The control thread answers it
 * with JSON, made of what stats.get says, and telemetry's thread turns that
 * into its own kind of data.  That can nest arrays only (up to DPDK 22.11), so
 * a list of objects becomes an object of columns.  A request that took too long
 * is the control thread's to free.
 */
#include "apps/pciringd/telemetry.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_telemetry.h>

#include "apps/pciringd/cascade.h"
#include "apps/pciringd/stats.h"

#define TIMEOUT_MS 1000

static struct {
	struct control *control;
	struct service *service;
} telemetry;

struct query {
	char cmd[64];
	char machine[PCIRING_NAME_MAX];
	char address[16];
	json_t *answer; /* owned */
};

/* ---- On the control thread ---------------------------------------------------- */

static json_t *machine_names(struct service *s)
{
	json_t *list = json_array();

	for (struct service_machine *m = s->machines; m; m = m->next)
		json_array_append_new(list, json_string(m->machine->name));
	return list;
}

static json_t *function_list(json_t *stats)
{
	json_t *list = json_array(), *f;
	size_t i;

	json_array_foreach(json_object_get(stats, "functions"), i, f)
	{
		json_array_append_new(
			list,
			json_pack("{sO sO sO sO sO}", "address",
				  json_object_get(f, "address"), "device",
				  json_object_get(f, "device"), "chains",
				  json_object_get(f, "chains"), "bytes",
				  json_object_get(f, "bytes"), "interrupts",
				  json_object_get(f, "interrupts")));
	}
	return list;
}

static json_t *queue_list(json_t *stats, const char *address)
{
	const char *name;
	json_t *f;
	size_t i;

	json_array_foreach(json_object_get(stats, "functions"), i, f)
	{
		name = json_string_value(json_object_get(f, "address"));
		if (!strcmp(name, address))
			return json_incref(json_object_get(f, "queues"));
	}
	return NULL;
}

static json_t *stage_list(struct service_machine *m)
{
	struct service_error e;
	json_t *graph = cascade_json(m, &e), *nodes;

	nodes = json_incref(json_object_get(graph, "nodes"));
	json_decref(graph);
	return nodes;
}

static json_t *broken_list(struct service *s)
{
	json_t *list = json_array(), *o;

	for (struct service_machine *m = s->machines; m; m = m->next) {
		o = stats_links_broken(m->links_broken);
		json_object_set_new(o, "machine",
				    json_string(m->machine->name));
		json_array_append_new(list, o);
	}
	return list;
}

static void answer(void *arg)
{
	struct query *q = arg;
	struct service_machine *m;
	json_t *stats;

	if (!strcmp(q->cmd, "/pciring/machines")) {
		q->answer = machine_names(telemetry.service);
		return;
	}
	if (!strcmp(q->cmd, "/pciring/links_broken")) {
		q->answer = broken_list(telemetry.service);
		return;
	}
	m = service_find(telemetry.service, q->machine);
	if (m && !strcmp(q->cmd, "/pciring/irq")) {
		q->answer = stage_list(m);
		return;
	}
	stats = m ? stats_machine(m) : NULL;
	if (!stats)
		return;
	if (!strcmp(q->cmd, "/pciring/functions"))
		q->answer = function_list(stats);
	else if (!strcmp(q->cmd, "/pciring/queues"))
		q->answer = queue_list(stats, q->address);
	else
		q->answer = json_incref(json_object_get(stats, "links"));
	json_decref(stats);
}

static void release(void *arg)
{
	struct query *q = arg;

	json_decref(q->answer);
	free(q);
}

/* ---- On telemetry's thread -------------------------------------------------------- */

/* Member @key of all objects of @list, in order. */
static struct rte_tel_data *column(const json_t *list, const char *key,
				   bool strings)
{
	struct rte_tel_data *d = rte_tel_data_alloc();
	const json_t *value;
	json_t *row;
	size_t i;

	if (!d)
		return NULL;
	rte_tel_data_start_array(d, strings ? RTE_TEL_STRING_VAL
					    : RTE_TEL_U64_VAL);
	json_array_foreach(list, i, row)
	{
		value = json_object_get(row, key);
		if (strings)
			rte_tel_data_add_array_string(
				d, json_is_string(value)
					   ? json_string_value(value)
					   : "?");
		else
			rte_tel_data_add_array_u64(
				d,
				json_is_true(value)
					? 1
					: (uint64_t)json_integer_value(value));
	}
	return d;
}

static void add_columns(struct rte_tel_data *out, json_t *list)
{
	struct rte_tel_data *d;
	const char *key;
	json_t *value;

	rte_tel_data_start_dict(out);
	json_object_foreach(json_array_get(list, 0), key, value)
	{
		d = column(list, key, json_is_string(value));
		if (d && rte_tel_data_add_dict_container(out, key, d, 0))
			rte_tel_data_free(d);
	}
}

static void add_strings(struct rte_tel_data *out, json_t *list)
{
	json_t *s;
	size_t i;

	rte_tel_data_start_array(out, RTE_TEL_STRING_VAL);
	json_array_foreach(list, i, s)
		rte_tel_data_add_array_string(out, json_string_value(s));
}

/* "demo,00:01.0"; either may be missing. */
static void parse_params(struct query *q, const char *params)
{
	const char *comma = params ? strchr(params, ',') : NULL;
	int n;

	if (!params)
		return;
	n = comma ? (int)(comma - params) : (int)strlen(params);
	snprintf(q->machine, sizeof(q->machine), "%.*s", n, params);
	if (comma)
		snprintf(q->address, sizeof(q->address), "%s", comma + 1);
}

static int command(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct query *q = calloc(1, sizeof(*q));
	int err;

	if (!q)
		return -ENOMEM;
	snprintf(q->cmd, sizeof(q->cmd), "%s", cmd);
	parse_params(q, params);
	err = control_call(telemetry.control, answer, q, release, TIMEOUT_MS);
	if (err)
		return err;
	if (!q->answer)
		err = -ENOENT;
	else if (!strcmp(cmd, "/pciring/machines"))
		add_strings(d, q->answer);
	else
		add_columns(d, q->answer);
	release(q);
	return err;
}

int telemetry_init(struct control *control, struct service *service)
{
	static const struct {
		const char *cmd, *help;
	} commands[] = {
		{ "/pciring/machines", "Names of all machines. No parameters" },
		{ "/pciring/functions",
		  "Functions of a machine. Parameters: machine" },
		{ "/pciring/queues",
		  "Queues of a function. Parameters: machine,address" },
		{ "/pciring/rings",
		  "Attachments of a machine. Parameters: machine" },
		{ "/pciring/links_broken",
		  "Links that clients broke, by machine. No parameters" },
		{ "/pciring/irq",
		  "Interrupt stages of a machine. Parameters: machine" },
	};
	int err = 0;

	telemetry.control = control;
	telemetry.service = service;
	for (unsigned int i = 0; !err && i < ARRAY_SIZE(commands); i++)
		err = rte_telemetry_register_cmd(commands[i].cmd, command,
						 commands[i].help);
	return err;
}
