/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: each method takes its parameters, which the table has checked, out of
 * the object and hands them to the noun that does it.
 */
#include "apps/pciringd/methods.h"

#include <unistd.h>

#include "apps/pciringd/cascade.h"
#include "apps/pciringd/config.h"
#include "apps/pciringd/control.h"
#include "apps/pciringd/service.h"
#include "apps/pciringd/show.h"
#include "apps/pciringd/stats.h"

static const char *get_string(json_t *params, const char *name)
{
	return json_string_value(json_object_get(params, name));
}

static json_t *done(int err)
{
	return err ? NULL : json_true();
}

static json_t *no_machine(struct service_error *e, const char *param,
			  const char *name)
{
	service_error_set(e, -ENOENT, param, "no machine \"%.64s\"", name);
	return NULL;
}

/* ---- service.*, rpc.* ------------------------------------------------------- */

static json_t *device_list(void)
{
	json_t *list = json_array(), *options;

	for (unsigned int i = 0; device_types[i]; i++) {
		options = json_array();
		for (const char *const *o = device_types[i]->options; o && *o;
		     o++)
			json_array_append_new(options, json_string(*o));
		json_array_append_new(list,
				      json_pack("{ss ss so}", "name",
						device_types[i]->name, "help",
						device_types[i]->help,
						"options", options));
	}
	return list;
}

static json_t *loop_list(const struct service *s)
{
	json_t *list = json_array(), *idle;
	struct loop_stats stats;

	for (unsigned int i = 0; s->loop && i < s->nr_loops; i++) {
		loop_get_stats(s->loop[i], &stats);
		idle = loop_idle_us(s->loop[i]) < 0
			       ? json_string("off")
			       : json_integer(loop_idle_us(s->loop[i]));
		json_array_append_new(
			list,
			json_pack("{si si so sI sI sI sI sI s{sI sI sI}}",
				  "loop", (int)i, "machines",
				  (int)loop_machines(s->loop[i]), "idle_us",
				  idle, "turns", (json_int_t)stats.turns,
				  "turns_with_work",
				  (json_int_t)stats.turns_with_work, "sleeps",
				  (json_int_t)stats.sleeps, "uring_enters",
				  (json_int_t)stats.uring_enters, "most_chains",
				  (json_int_t)stats.most_chains,
				  "queues_of_others", "runs",
				  (json_int_t)stats.worker.runs, "chains",
				  (json_int_t)stats.worker.chains, "recalls",
				  (json_int_t)stats.worker.recalls));
	}
	return list;
}

static json_t *attach_stats(const struct service *s)
{
	const struct service_attach_stats *a = &s->attach;

	return json_pack("{sI sI sI sI sI sI sI so}", "accepted",
			 (json_int_t)a->accepted, "refused",
			 (json_int_t)a->refused, "hellos",
			 (json_int_t)a->hellos, "broken", (json_int_t)a->broken,
			 "slow", (json_int_t)a->slow, "silent",
			 (json_int_t)a->silent, "limited",
			 (json_int_t)s->budget.refusals, "links_broken",
			 stats_links_broken(a->links_broken));
}

static json_t *limits_json(const struct service *s)
{
	const struct service_limits *l = &s->limits;

	return json_pack("{sI sI sI sI sI sI sI sI sI sI sI}", "regions",
			 (json_int_t)l->regions, "bytes", (json_int_t)l->bytes,
			 "attachments", (json_int_t)l->attachments, "lanes",
			 (json_int_t)l->lanes, "files", (json_int_t)l->files,
			 "vectors", (json_int_t)l->vectors, "lines",
			 (json_int_t)l->lines, "kicks", (json_int_t)l->kicks,
			 "mappings", (json_int_t)s->budget.mappings,
			 "most_mappings", (json_int_t)s->budget.most_mappings,
			 "most_fds", (json_int_t)s->budget.most_fds);
}

static json_t *service_info(void *ctx, json_t *params, struct service_error *e)
{
	const struct service *s = ctx;
	json_int_t up = (json_int_t)(control_now_ms() - s->started_ms) / 1000;

	(void)params;
	(void)e;
	return json_pack(
		"{ss s[ii] si sI si so so so so sI}", "version",
		PCIRING_VERSION, "attach_protocol", PCIRING_VERSION_MAJOR,
		PCIRING_VERSION_MINOR, "pid", (int)getpid(), "uptime_seconds",
		up, "machines", (int)s->nr_machines, "loops", loop_list(s),
		"devices", device_list(), "attach", attach_stats(s), "limits",
		limits_json(s), "truncations", (json_int_t)gpa_truncations());
}

static json_t *help(void *ctx, json_t *params, struct service_error *e)
{
	(void)ctx;
	(void)params;
	(void)e;
	return rpc_help(service_methods);
}

/* ---- machine.* -------------------------------------------------------------- */

static json_t *machine_create_method(void *ctx, json_t *params,
				     struct service_error *e)
{
	const json_t *loop = json_object_get(params, "loop");
	json_int_t index = loop ? json_integer_value(loop) : -1;

	if (loop && (index < 0 || index >= INT16_MAX)) {
		service_error_set(e, -EINVAL, "loop", "no such loop");
		return NULL;
	}
	return done(service_machine_create(ctx, get_string(params, "name"),
					   (int)index, e));
}

static json_t *machine_destroy_method(void *ctx, json_t *params,
				      struct service_error *e)
{
	bool force = json_is_true(json_object_get(params, "force"));

	return done(service_machine_destroy(ctx, get_string(params, "name"),
					    force, e));
}

static json_t *machine_list(void *ctx, json_t *params, struct service_error *e)
{
	(void)params;
	(void)e;
	return show_machines(ctx);
}

static json_t *machine_show(void *ctx, json_t *params, struct service_error *e)
{
	const char *name = get_string(params, "name");
	struct service_machine *m = service_find(ctx, name);

	return m ? show_machine(m) : no_machine(e, "name", name);
}

/* ---- bus.*, function.*, socket.* ---------------------------------------------------- */

static json_t *bus_create(void *ctx, json_t *params, struct service_error *e)
{
	return done(service_bus_create(
		ctx, get_string(params, "machine"),
		json_integer_value(json_object_get(params, "bus")),
		json_integer_value(json_object_get(params, "parent")),
		json_integer_value(json_object_get(params, "device")), e));
}

static json_t *function_create(void *ctx, json_t *params,
			       struct service_error *e)
{
	return done(service_function_create(
		ctx, get_string(params, "machine"),
		get_string(params, "address"), get_string(params, "device"),
		json_object_get(params, "options"), e));
}

static json_t *function_destroy(void *ctx, json_t *params,
				struct service_error *e)
{
	return done(service_function_destroy(ctx, get_string(params, "machine"),
					     get_string(params, "address"), e));
}

static json_t *function_place_method(void *ctx, json_t *params,
				     struct service_error *e)
{
	return done(service_function_place(
		ctx, get_string(params, "machine"),
		get_string(params, "address"),
		json_integer_value(json_object_get(params, "queue")),
		json_integer_value(json_object_get(params, "loop")), e));
}

static json_t *function_resize_method(void *ctx, json_t *params,
				      struct service_error *e)
{
	return done(service_function_resize(
		ctx, get_string(params, "machine"),
		get_string(params, "address"),
		json_integer_value(json_object_get(params, "size")), e));
}

static json_t *socket_create(void *ctx, json_t *params, struct service_error *e)
{
	return done(service_socket_create(ctx, get_string(params, "machine"),
					  get_string(params, "address"),
					  get_string(params, "path"), e));
}

static json_t *socket_destroy(void *ctx, json_t *params,
			      struct service_error *e)
{
	return done(service_socket_destroy(ctx, get_string(params, "machine"),
					   get_string(params, "address"), e));
}

/* ---- stats.get, irq.graph, config.get ----------------------------------------------------- */

static json_t *stats_get(void *ctx, json_t *params, struct service_error *e)
{
	const char *name = get_string(params, "machine");
	struct service_machine *m;

	if (!name)
		return stats_all(ctx);
	m = service_find(ctx, name);
	return m ? stats_machine(m) : no_machine(e, "machine", name);
}

static json_t *irq_graph_method(void *ctx, json_t *params,
				struct service_error *e)
{
	const char *name = get_string(params, "machine");
	struct service_machine *m = service_find(ctx, name);

	return m ? cascade_json(m, e) : no_machine(e, "machine", name);
}

static json_t *config_get(void *ctx, json_t *params, struct service_error *e)
{
	(void)params;
	(void)e;
	return config_write(ctx);
}

/* ---- The table --------------------------------------------------------------- */

static const struct param no_params[] = { { .name = NULL } };

static const struct param name_params[] = {
	{ "name", PARAM_STRING, true, "the machine's name" },
	{ .name = NULL },
};

static const struct param machine_create_params[] = {
	{ "name", PARAM_STRING, true, "1 to 63 of A-Z a-z 0-9 _ . -" },
	{ "loop", PARAM_INTEGER, false,
	  "the poll loop that runs it; default: the least loaded" },
	{ .name = NULL },
};

static const struct param machine_destroy_params[] = {
	{ "name", PARAM_STRING, true, "the machine's name" },
	{ "force", PARAM_BOOLEAN, false, "even while a VMM is attached" },
	{ .name = NULL },
};

static const struct param bus_create_params[] = {
	{ "machine", PARAM_STRING, true, "the machine's name" },
	{ "bus", PARAM_INTEGER, true, "its number, 1 to 255" },
	{ "parent", PARAM_INTEGER, false,
	  "the bus that its bridge is on; default: 0" },
	{ "device", PARAM_INTEGER, true,
	  "the bridge's device number there, 0 to 31" },
	{ .name = NULL },
};

static const struct param function_params[] = {
	{ "machine", PARAM_STRING, true, "the machine's name" },
	{ "address", PARAM_STRING, true, "where it is plugged: 00:01.0" },
	{ .name = NULL },
};

static const struct param function_create_params[] = {
	{ "machine", PARAM_STRING, true, "the machine's name" },
	{ "address", PARAM_STRING, true, "where it is plugged: 00:01.0" },
	{ "device", PARAM_STRING, true,
	  "the device type; service.info lists them" },
	{ "options", PARAM_OBJECT, false,
	  "key to value: of the device, or of any function (poll, hot_us, "
	  "coalesce_us, coalesce_chains, queue_size, packed, in_order, "
	  "event_idx, "
	  "indirect, ring_reset, notification_data, notif_config_data)" },
	{ .name = NULL },
};

static const struct param function_place_params[] = {
	{ "machine", PARAM_STRING, true, "the machine's name" },
	{ "address", PARAM_STRING, true, "the function: 00:01.0" },
	{ "queue", PARAM_INTEGER, true, "its queue, or -1: all of them" },
	{ "loop", PARAM_INTEGER, true, "the poll loop that is to run it" },
	{ .name = NULL },
};

static const struct param function_resize_params[] = {
	{ "machine", PARAM_STRING, true, "the machine's name" },
	{ "address", PARAM_STRING, true, "the disk: 00:01.0" },
	{ "size", PARAM_INTEGER, false,
	  "bytes, whole sectors of 512; default: as large as its file is" },
	{ .name = NULL },
};

static const struct param socket_create_params[] = {
	{ "machine", PARAM_STRING, true, "the machine's name" },
	{ "address", PARAM_STRING, true, "the function: 00:01.0" },
	{ "path", PARAM_STRING, true,
	  "absolute; where the VMM's vfio-user client connects" },
	{ .name = NULL },
};

static const struct param stats_params[] = {
	{ "machine", PARAM_STRING, false, "its name; default: all" },
	{ .name = NULL },
};

static const struct param machine_params[] = {
	{ "machine", PARAM_STRING, true, "its name" },
	{ .name = NULL },
};

const struct rpc_method service_methods[] = {
	{ "service.info", "version, loops and device types", false, no_params,
	  service_info },
	{ "service.help", "all methods with their parameters", false, no_params,
	  help },
	{ "rpc.help", "the same as service.help", false, no_params, help },
	{ "machine.create", "a new machine, without functions", true,
	  machine_create_params, machine_create_method },
	{ "machine.destroy", "remove a machine with all its functions", false,
	  machine_destroy_params, machine_destroy_method },
	{ "machine.list", "all machines in short", false, no_params,
	  machine_list },
	{ "machine.show",
	  "one machine: functions, BARs, queues, sockets, who "
	  "is attached",
	  false, name_params, machine_show },
	{ "bus.create", "add a bus behind a bridge, to plug functions into",
	  true, bus_create_params, bus_create },
	{ "function.create", "plug a new function into a machine", true,
	  function_create_params, function_create },
	{ "function.destroy", "unplug and remove a function", false,
	  function_params, function_destroy },
	{ "function.place", "have a queue run by another poll loop", true,
	  function_place_params, function_place_method },
	{ "function.resize", "have a disk be of another size", false,
	  function_resize_params, function_resize_method },
	{ "socket.create",
	  "have the machine's vfio-user proxy serve a function on a socket",
	  true, socket_create_params, socket_create },
	{ "socket.destroy", "stop serving it there", false, function_params,
	  socket_destroy },
	{ "stats.get", "counters", false, stats_params, stats_get },
	{ "irq.graph", "a machine's interrupt stages, with their counters",
	  false, machine_params, irq_graph_method },
	{ "config.get", "what is there now, as a configuration file", false,
	  no_params, config_get },
	{ .name = NULL },
};
