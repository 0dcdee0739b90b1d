/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: an entry of the list goes the way of a request that came over the
 * socket, through the same table of methods; only those that create are let
 * in.  What differs is the path that an error names.
 */
#include "apps/pciringd/config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apps/pciringd/address.h"
#include "apps/pciringd/methods.h"

static int fail(char error[CONFIG_ERROR], const char *name, size_t index,
		const char *path, const char *text)
{
	snprintf(error, CONFIG_ERROR, "%s: [%zu]%s: %s", name, index, path,
		 text);
	return -EINVAL;
}

/* ---- One entry ---------------------------------------------------------------- */

static const char *entry_fault(json_t *entry, const char **path)
{
	const char *key;
	json_t *value;

	*path = "";
	if (!json_is_object(entry))
		return "must be an object {\"method\", \"params\"}";
	json_object_foreach(entry, key, value)
	{
		if (strcmp(key, "method") && strcmp(key, "params"))
			return "has members other than \"method\" and "
			       "\"params\"";
	}
	*path = ".method";
	if (!json_is_string(json_object_get(entry, "method")))
		return "must be a string, such as machine.create";
	return NULL;
}

static void creating_methods(char *text, size_t room, const char *unknown)
{
	size_t n = (size_t)snprintf(
		text, room,
		"no creating method \"%.64s\"; there are:", unknown);

	for (const struct rpc_method *m = service_methods; m->name; m++)
		if (m->configures && n < room)
			n += (size_t)snprintf(text + n, room - n, " %s",
					      m->name);
}

static int apply_entry(struct service *s, const char *name, size_t index,
		       json_t *entry, char error[CONFIG_ERROR])
{
	const struct rpc rpc = { .methods = service_methods, .ctx = s };
	const struct rpc_method *method;
	struct service_error e;
	const char *path, *fault, *word;
	char text[256];
	json_t *result;

	fault = entry_fault(entry, &path);
	if (fault)
		return fail(error, name, index, path, fault);
	word = json_string_value(json_object_get(entry, "method"));
	method = rpc_find(&rpc, word);
	if (!method || !method->configures) {
		creating_methods(text, sizeof(text), word);
		return fail(error, name, index, ".method", text);
	}
	result = rpc_call(&rpc, method, json_object_get(entry, "params"), &e);
	if (!result) {
		snprintf(text, sizeof(text), ".params%s%.96s",
			 e.param[0] ? "." : "", e.param);
		return fail(error, name, index, text, e.text);
	}
	json_decref(result);
	return 0;
}

int config_apply(struct service *s, const char *name, json_t *list,
		 char error[CONFIG_ERROR])
{
	json_t *entry;
	size_t i;
	int err;

	json_array_foreach(list, i, entry)
	{
		err = apply_entry(s, name, i, entry, error);
		if (err)
			return err;
	}
	return 0;
}

/* ---- A whole file --------------------------------------------------------------- */

int config_check(const char *name, const char *text, size_t length,
		 unsigned int nr_loops, json_t **out, char error[CONFIG_ERROR])
{
	struct service trial;
	json_error_t where;
	json_t *list;
	int err = 0;

	list = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
	if (!list) {
		snprintf(error, CONFIG_ERROR, "%s:%d:%d: %s", name, where.line,
			 where.column, where.text);
		return -EINVAL;
	}
	if (!json_is_array(list)) {
		snprintf(error, CONFIG_ERROR,
			 "%s: must be an array of commands", name);
		err = -EINVAL;
	}
	if (!err) {
		service_init(&trial, NULL, nr_loops);
		err = config_apply(&trial, name, list, error);
		service_fini(&trial);
	}
	if (!err && out)
		*out = list;
	else
		json_decref(list);
	return err;
}

static int read_file(const char *path, char **text, size_t *length)
{
	FILE *f = fopen(path, "re");
	size_t room = 4096, n = 0;
	char *buf = NULL, *grown;
	int err = 0;

	if (!f)
		return -errno;
	do {
		room *= 2;
		grown = realloc(buf, room);
		if (!grown) {
			err = -ENOMEM;
			break;
		}
		buf = grown;
		n += fread(buf + n, 1, room - n, f);
		if (ferror(f))
			err = errno ? -errno : -EIO;
		else if (n > CONFIG_MAX)
			err = -EFBIG;
	} while (!err && n == room);
	fclose(f);
	if (err) {
		free(buf);
		return err;
	}
	*text = buf;
	*length = n;
	return 0;
}

int config_check_file(const char *path, unsigned int nr_loops, json_t **out,
		      char error[CONFIG_ERROR])
{
	size_t length = 0;
	char *text = NULL;
	int err = read_file(path, &text, &length);

	if (err) {
		snprintf(error, CONFIG_ERROR, "%s: %s", path, strerror(-err));
		return err;
	}
	err = config_check(path, text, length, nr_loops, out, error);
	free(text);
	return err;
}

/* ---- Writing back ----------------------------------------------------------------- */

static void command(json_t *list, const char *method, json_t *params)
{
	json_array_append_new(
		list, json_pack("{ss so}", "method", method, "params", params));
}

static void write_bus(json_t *list, const char *machine,
		      const struct service_bus *b)
{
	command(list, "bus.create",
		json_pack("{ss si si si}", "machine", machine, "bus",
			  (int)b->number, "parent", (int)b->parent, "device",
			  (int)b->device));
}

static void write_function(json_t *list, const char *machine,
			   const struct service_function *f)
{
	char address[ADDRESS_TEXT];
	json_t *params;

	address_format(address, f->bdf);
	params = json_pack("{ss ss ss}", "machine", machine, "address", address,
			   "device", f->function->type->name);
	if (f->options)
		json_object_set_new(params, "options",
				    service_function_options(f));
	command(list, "function.create", params);
	for (unsigned int i = 0; i < f->nr_places; i++)
		command(list, "function.place",
			json_pack("{ss ss sI sI}", "machine", machine,
				  "address", address, "queue",
				  f->places[i].queue, "loop",
				  f->places[i].loop));
	if (f->socket.declared)
		command(list, "socket.create",
			json_pack("{ss ss ss}", "machine", machine, "address",
				  address, "path", f->socket.path));
}

json_t *config_write(struct service *s)
{
	json_t *list = json_array(), *params;

	for (struct service_machine *m = s->machines; m; m = m->next) {
		params = json_pack("{ss}", "name", m->machine->name);
		if (m->wanted_loop >= 0)
			json_object_set_new(params, "loop",
					    json_integer(m->wanted_loop));
		command(list, "machine.create", params);
		for (struct service_bus *b = m->buses; b; b = b->next)
			write_bus(list, m->machine->name, b);
		for (struct service_function *f = m->functions; f; f = f->next)
			write_function(list, m->machine->name, f);
	}
	return list;
}
