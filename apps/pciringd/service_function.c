/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: functions are found by address in a table a bus, and stand in a list in
 * whose order they are shown.  Options are kept as text: there may be
 * thousands of functions.
 *
 * A function that is plugged into or unplugged from a running machine is a
 * change of lists that a turn walks, so that much of it happens on the
 * machine's loop, between two turns.  A device is made and freed here: it may
 * open files or ports, which takes longer than a guest should wait.
 */
#include <stdio.h>
#include <stdlib.h>

#include "apps/pciringd/address.h"
#include "apps/pciringd/service.h"
#include "transport/devices/blk.h"

#define MAX_OPTIONS 32

struct service_function *service_function(struct service_machine *m,
					  uint16_t bdf)
{
	const struct service_bus *bus = m->bus[BDF_BUS(bdf)];

	return bus ? bus->function[bdf & 0xff] : NULL;
}

json_t *service_function_options(const struct service_function *f)
{
	return f->options ? json_loads(f->options, 0, NULL) : json_object();
}

/* ---- Finding what a request names ---------------------------------------- */

static int parse_address(const char *text, uint16_t *bdf,
			 struct service_error *e)
{
	if (address_parse(text, bdf))
		return service_fail(e, -EINVAL, "address",
				    "\"%.32s\" is no address such as 00:01.0",
				    text);
	return 0;
}

static int find_function(struct service *s, const char *machine,
			 const char *address, struct service_machine **m,
			 struct service_function **f, struct service_error *e)
{
	uint16_t bdf;
	int err;

	err = service_need(s, machine, "machine", m, e);
	if (!err)
		err = parse_address(address, &bdf, e);
	if (err)
		return err;
	*f = service_function(*m, bdf);
	if (!*f)
		return service_fail(e, -ENOENT, "address",
				    "machine \"%s\" has no function %s",
				    machine, address);
	return 0;
}

/* ---- Functions ----------------------------------------------------------- */

static void free_function(struct service_function *f)
{
	free(f->options);
	free(f->places);
	free(f);
}

void service_functions_free(struct service_machine *m)
{
	struct service_function *f;

	while ((f = m->functions)) {
		m->functions = f->next;
		free_function(f);
	}
}

/* An option's value as the device types want it: text.  NULL: not a scalar. */
static json_t *option_text(const json_t *value)
{
	if (json_is_string(value))
		return json_string(json_string_value(value));
	if (json_is_boolean(value))
		return json_string(json_is_true(value) ? "true" : "false");
	if (json_is_integer(value))
		return json_sprintf("%" JSON_INTEGER_FORMAT,
				    json_integer_value(value));
	return NULL;
}

static int copy_options(json_t *from, json_t **out, struct service_error *e)
{
	json_t *to;
	char param[80];
	const char *key;
	json_t *value;

	/* Thousands of functions have none. */
	*out = NULL;
	if (!json_object_size(from))
		return 0;
	to = json_object();
	if (json_object_size(from) > MAX_OPTIONS) {
		json_decref(to);
		return service_fail(e, -EINVAL, "options",
				    "more than %u options", MAX_OPTIONS);
	}
	json_object_foreach(from, key, value)
	{
		if (!json_object_set_new(to, key, option_text(value)))
			continue;
		json_decref(to);
		snprintf(param, sizeof(param), "options.%s", key);
		return service_fail(e, -EINVAL, param,
				    "must be a string, an integer or a "
				    "boolean");
	}
	*out = to;
	return 0;
}

static int find_type(const char *name, const struct device_type **type,
		     struct service_error *e)
{
	char names[256] = "";
	size_t n = 0;

	*type = device_type_find(name);
	if (*type)
		return 0;
	for (unsigned int i = 0; device_types[i] && n < sizeof(names); i++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s",
				      i ? ", " : "", device_types[i]->name);
	return service_fail(e, -EINVAL, "device",
			    "no device type \"%.64s\"; there are: %s", name,
			    names);
}

struct plug {
	struct machine *machine;
	uint16_t bdf;
	struct function *function;
	int err;
};

static void plug(void *arg)
{
	struct plug *p = arg;

	p->err = machine_insert(p->machine, p->function, p->bdf);
}

static void unplug(void *arg)
{
	struct plug *p = arg;

	p->err = machine_take(p->machine, p->bdf, &p->function);
}

/* Where the list leads to the first function at @bdf or behind. */
static struct service_function **list_place(struct service_machine *m,
					    uint16_t bdf)
{
	struct service_function *f;

	while (bdf--) {
		if (!m->bus[BDF_BUS(bdf)])
			bdf &= 0xff00;
		f = service_function(m, bdf);
		if (f)
			return &f->next;
	}
	return &m->functions;
}

static void insert_function(struct service_machine *m,
			    struct service_function *f)
{
	struct service_function **p = list_place(m, f->bdf);

	f->next = *p;
	f->from = p;
	if (f->next)
		f->next->from = &f->next;
	*p = f;
	m->bus[BDF_BUS(f->bdf)]->function[f->bdf & 0xff] = f;
}

static void remove_function(struct service_machine *m,
			    struct service_function *f)
{
	*f->from = f->next;
	if (f->next)
		f->next->from = f->from;
	m->bus[BDF_BUS(f->bdf)]->function[f->bdf & 0xff] = NULL;
}

static void forget(void *arg)
{
	machine_forget(arg);
}

/* Unplugged, or never plugged.  The loop may still have a letter of it. */
static void scrap(struct service_machine *m, struct function *f)
{
	machine_retire(f);
	service_run(m, forget, f);
	machine_scrap(f);
}

static int build_function(struct service_machine *m,
			  const struct device_type *type, json_t *options,
			  struct function **out, struct service_error *e)
{
	struct device_option option[MAX_OPTIONS];
	unsigned int n = 0;
	char error[256] = "";
	const char *key;
	json_t *value;
	int err;

	json_object_foreach(options, key, value)
	{
		option[n++] = (struct device_option){
			.key = key, .value = json_string_value(value)
		};
	}
	err = machine_build(m->machine, type, option, n, out, error,
			    sizeof(error));
	if (err && error[0])
		return service_fail(e, err, "options", "%s", error);
	if (err)
		return service_fail(e, err, NULL, "cannot create a %s: %s",
				    type->name, strerror(-err));
	return 0;
}

static int plug_function(struct service_machine *m, struct service_function *f,
			 const struct device_type *type, json_t *options,
			 struct service_error *e)
{
	struct plug p = { .machine = m->machine, .bdf = f->bdf };
	int err = build_function(m, type, options, &p.function, e);

	if (err)
		return err;
	service_run(m, plug, &p);
	if (p.err) {
		scrap(m, p.function);
		return service_fail(e, p.err, NULL, "cannot plug a %s: %s",
				    type->name, strerror(-p.err));
	}
	f->function = p.function;
	return 0;
}

int service_function_create(struct service *s, const char *machine,
			    const char *address, const char *device,
			    json_t *options, struct service_error *e)
{
	const struct device_type *type;
	struct service_function *f;
	struct service_machine *m;
	json_t *texts = NULL;
	uint16_t bdf;
	int err;

	err = service_need(s, machine, "machine", &m, e);
	if (!err)
		err = parse_address(address, &bdf, e);
	if (!err)
		err = find_type(device, &type, e);
	if (err)
		return err;
	if (!m->bus[BDF_BUS(bdf)])
		return service_fail(
			e, -EINVAL, "address",
			"machine \"%s\" has no bus %02x; bus.create "
			"makes one",
			machine, BDF_BUS(bdf));
	if (service_function(m, bdf))
		return service_fail(e, -EEXIST, "address",
				    "machine \"%s\" has a function %s already",
				    machine, address);
	f = calloc(1, sizeof(*f));
	if (!f)
		return service_fail(e, -ENOMEM, NULL, "out of memory");
	f->bdf = bdf;
	err = copy_options(options, &texts, e);
	if (!err && texts) {
		f->options = json_dumps(texts, JSON_COMPACT);
		if (!f->options)
			err = service_fail(e, -ENOMEM, NULL, "out of memory");
	}
	if (!err)
		err = plug_function(m, f, type, texts, e);
	json_decref(texts);
	if (err) {
		free_function(f);
		return err;
	}
	insert_function(m, f);
	return 0;
}

int service_function_destroy(struct service *s, const char *machine,
			     const char *address, struct service_error *e)
{
	struct service_function *f;
	struct service_machine *m;
	struct plug p;
	int err;

	err = find_function(s, machine, address, &m, &f, e);
	if (err)
		return err;
	p = (struct plug){ .machine = m->machine, .bdf = f->bdf };
	service_run(m, unplug, &p);
	if (p.err)
		return service_fail(e, p.err, "address",
				    "a VMM is attached to %s; end it first",
				    address);
	if (f->socket.declared && s->ops && s->ops->socket_removed)
		s->ops->socket_removed(s->ctx, m, f);
	if (s->ops && s->ops->function_removed)
		s->ops->function_removed(s->ctx, m, f->bdf);
	remove_function(m, f);
	free_function(f);
	scrap(m, p.function);
	return 0;
}

/* ---- Places -------------------------------------------------------------- */

struct place {
	struct function *function;
	struct seat *fresh;
	uint32_t queue;
	struct worker *at;
	int err;
};

static void place(void *arg)
{
	struct place *p = arg;

	p->err = function_place(p->function, &p->fresh, p->queue, p->at);
}

/* Remember it for the configuration: what is said of all queues is instead of
 * what was said before.  Room for one more is there. */
static void note_place(struct service_function *f, json_int_t queue,
		       json_int_t loop)
{
	unsigned int i = 0;

	if (queue < 0)
		f->nr_places = 0;
	while (i < f->nr_places && f->places[i].queue != queue)
		i++;
	f->places[i] = (struct service_place){ .queue = queue, .loop = loop };
	if (i == f->nr_places)
		f->nr_places++;
}

static int make_place(struct service_function *f)
{
	struct service_place *more =
		realloc(f->places, (f->nr_places + 1u) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	f->places = more;
	return 0;
}

/* A trial knows neither loops that run nor how many queues there are. */
static int check_place(const struct service *s, const struct service_machine *m,
		       const struct service_function *f, const char *address,
		       const struct service_place *p, struct service_error *e)
{
	const unsigned int n = f->function->vp.virtio.nr_queues;

	if (p->loop < 0 || p->loop >= (json_int_t)s->nr_loops)
		return service_fail(e, -EINVAL, "loop",
				    "no such loop; there are 0 to %u",
				    s->nr_loops - 1);
	if (p->queue < -1 ||
	    p->queue >= (m->machine->trial ? VIRTIO_MAX_QUEUES : n))
		return service_fail(e, -EINVAL, "queue",
				    "function %s has %u queues, from 0; -1 is "
				    "all",
				    address, n);
	return 0;
}

static int place_queues(struct service *s, struct service_machine *m,
			struct service_function *f, const char *address,
			const struct service_place *where,
			struct service_error *e)
{
	struct place p = { .function = f->function, .queue = SEAT_ALL_QUEUES };

	if (where->queue >= 0)
		p.queue = (uint32_t)where->queue;
	if (s->loop[where->loop] != m->loop)
		p.at = loop_worker(s->loop[where->loop]);
	p.fresh = seats_create(p.function);
	if (!p.fresh)
		return service_fail(e, -ENOMEM, NULL, "out of memory");
	service_run(m, place, &p);
	free(p.fresh);
	if (p.err == -EPERM)
		return service_fail(e, -EINVAL, "queue",
				    "queue %u of %s is, or can become, the one "
				    "for control, which stays with the "
				    "machine's own loop",
				    p.queue, address);
	return p.err;
}

int service_function_place(struct service *s, const char *machine,
			   const char *address, json_int_t queue,
			   json_int_t loop, struct service_error *e)
{
	const struct service_place where = { .queue = queue, .loop = loop };
	struct service_function *f;
	struct service_machine *m;
	int err = find_function(s, machine, address, &m, &f, e);

	if (!err)
		err = check_place(s, m, f, address, &where, e);
	if (err)
		return err;
	if (make_place(f))
		return service_fail(e, -ENOMEM, NULL, "out of memory");
	if (m->loop)
		err = place_queues(s, m, f, address, &where, e);
	if (!err)
		note_place(f, queue, loop);
	return err;
}

/* ---- Disks --------------------------------------------------------------- */

int service_function_resize(struct service *s, const char *machine,
			    const char *address, json_int_t size,
			    struct service_error *e)
{
	struct service_function *f;
	struct service_machine *m;
	char error[160] = "";
	int err = find_function(s, machine, address, &m, &f, e);

	if (err)
		return err;
	if (size < 0)
		return service_fail(e, -EINVAL, "size",
				    "bytes, or 0: as large as the file is");
	/* The device tells its driver at home, by a letter. */
	err = blk_resize(f->function->device, (uint64_t)size, error,
			 sizeof(error));
	return err ? service_fail(e, err,
				  err == -EOPNOTSUPP ? "address" : "size", "%s",
				  error)
		   : 0;
}

/* ---- Sockets ------------------------------------------------------------- */

/* One look at each: 4096 sockets took 0.3 s to declare one by one, on a machine
 * that was busy, and each is a call of an operator's. */
static bool path_is_taken(const struct service *s, const char *path)
{
	for (struct service_machine *m = s->machines; m; m = m->next)
		for (struct service_function *f = m->functions; f; f = f->next)
			if (f->socket.declared && !strcmp(f->socket.path, path))
				return true;
	return false;
}

static int check_path(const struct service *s, const char *path,
		      struct service_error *e)
{
	if (path[0] != '/')
		return service_fail(e, -EINVAL, "path",
				    "\"%.64s\" is not an absolute path", path);
	if (strlen(path) >= MSG_PATH_MAX)
		return service_fail(e, -EINVAL, "path",
				    "longer than %u bytes, what a Unix socket "
				    "can have",
				    MSG_PATH_MAX - 1);
	if (path_is_taken(s, path))
		return service_fail(e, -EEXIST, "path",
				    "another function has the socket %s", path);
	return 0;
}

int service_socket_create(struct service *s, const char *machine,
			  const char *address, const char *path,
			  struct service_error *e)
{
	struct service_function *f;
	struct service_machine *m;
	int err;

	err = find_function(s, machine, address, &m, &f, e);
	if (!err)
		err = check_path(s, path, e);
	if (err)
		return err;
	if (f->socket.declared)
		return service_fail(e, -EEXIST, "address",
				    "%s has the socket %s already", address,
				    f->socket.path);
	f->socket = (struct service_socket){ .declared = true };
	memcpy(f->socket.path, path, strlen(path) + 1);
	if (s->ops && s->ops->socket_added)
		s->ops->socket_added(s->ctx, m, f);
	return 0;
}

int service_socket_destroy(struct service *s, const char *machine,
			   const char *address, struct service_error *e)
{
	struct service_function *f;
	struct service_machine *m;
	int err = find_function(s, machine, address, &m, &f, e);

	if (err)
		return err;
	if (!f->socket.declared)
		return service_fail(e, -ENOENT, "address", "%s has no socket",
				    address);
	if (s->ops && s->ops->socket_removed)
		s->ops->socket_removed(s->ctx, m, f);
	f->socket = (struct service_socket){ .declared = false };
	return 0;
}
