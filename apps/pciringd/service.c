/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: two singly linked lists, machines and their functions, searched from
 * the front: the operator's hand is slow, and the loops never look here.
 *
 * A function that is plugged into or unplugged from a running machine is a
 * change of lists that a turn walks, so all of it happens on the machine's
 * loop, between two turns.
 */
#include "apps/pciringd/service.h"

#include <stdio.h>
#include <stdlib.h>

#include "apps/pciringd/address.h"
#include "apps/pciringd/control.h"

#define MAX_OPTIONS 32

void service_init(struct service *s, struct loop **loop, unsigned int nr_loops)
{
	*s = (struct service){
		.loop = loop,
		.nr_loops = nr_loops,
		.started_ms = control_now_ms(),
	};
	limits_default(&s->limits);
	budget_init(&s->budget);
}

void service_run(struct service_machine *m, loop_fn *fn, void *arg)
{
	if (m->loop)
		loop_call(m->loop, fn, arg);
	else
		fn(arg);
}

struct service_machine *service_find(struct service *s, const char *name)
{
	struct service_machine *m = s->machines;

	while (m && strcmp(m->machine->name, name))
		m = m->next;
	return m;
}

struct service_function *service_function(struct service_machine *m,
					  uint16_t bdf)
{
	struct service_function *f = m->functions;

	while (f && f->bdf != bdf)
		f = f->next;
	return f;
}

/* ---- Finding what a request names ---------------------------------------- */

static int find_machine(struct service *s, const char *name, const char *param,
			struct service_machine **m, struct service_error *e)
{
	*m = service_find(s, name);
	if (!*m)
		return service_fail(e, -ENOENT, param, "no machine \"%.64s\"",
				    name);
	return 0;
}

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

	err = find_machine(s, machine, "machine", m, e);
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

/* ---- Machines ------------------------------------------------------------ */

static struct loop *least_loaded(const struct service *s)
{
	struct loop *best = s->loop[0];

	for (unsigned int i = 1; i < s->nr_loops; i++)
		if (loop_machines(s->loop[i]) < loop_machines(best))
			best = s->loop[i];
	return best;
}

static int check_machine(struct service *s, const char *name, int loop,
			 struct service_error *e)
{
	if (service_find(s, name))
		return service_fail(e, -EEXIST, "name",
				    "there is a machine \"%.64s\" already",
				    name);
	if (loop < -1 || loop >= (int)s->nr_loops)
		return service_fail(e, -EINVAL, "loop",
				    "no loop %d; there are 0 to %u", loop,
				    s->nr_loops - 1);
	if (s->nr_machines >= SERVICE_MAX_MACHINES)
		return service_fail(e, -ENOSPC, NULL,
				    "%u machines are the most there can be",
				    SERVICE_MAX_MACHINES);
	return 0;
}

static void list_append(struct service *s, struct service_machine *m)
{
	struct service_machine **p = &s->machines;

	while (*p)
		p = &(*p)->next;
	*p = m;
	s->nr_machines++;
}

int service_machine_create(struct service *s, const char *name, int loop,
			   struct service_error *e)
{
	struct service_machine *m;
	int err = check_machine(s, name, loop, e);

	if (err)
		return err;
	m = calloc(1, sizeof(*m));
	if (!m)
		return service_fail(e, -ENOMEM, NULL, "out of memory");
	m->service = s;
	m->wanted_loop = loop;
	m->files.most = s->limits.bytes;
	err = machine_create(name, &m->machine);
	if (err == -EINVAL) {
		service_error_set(e, err, "name",
				  "a name has 1 to %u characters of "
				  "A-Z a-z 0-9 _ . -",
				  MACHINE_NAME_MAX - 1);
		goto free_machine;
	} else if (err) {
		service_error_set(e, err, NULL, "cannot create the machine: %s",
				  strerror(-err));
		goto free_machine;
	}
	if (s->loop) {
		m->loop = loop < 0 ? least_loaded(s) : s->loop[loop];
		err = loop_add(m->loop, m->machine);
		if (err) {
			service_error_set(e, err, "loop", "loop %u is full",
					  loop_index(m->loop));
			goto destroy_machine;
		}
	}
	list_append(s, m);
	return 0;

destroy_machine:
	machine_destroy(m->machine);
free_machine:
	free(m);
	return err;
}

static void free_function(struct service_function *f)
{
	json_decref(f->options);
	free(f);
}

static void free_machine(struct service_machine *m)
{
	struct service_function *f;
	struct service_bus *b;

	if (m->loop)
		loop_remove(m->loop, m->machine);
	machine_destroy(m->machine);
	while ((b = m->buses)) {
		m->buses = b->next;
		free(b);
	}
	while ((f = m->functions)) {
		m->functions = f->next;
		free_function(f);
	}
	free(m);
}

int service_machine_destroy(struct service *s, const char *name, bool force,
			    struct service_error *e)
{
	struct service_machine **p = &s->machines;
	struct service_machine *m;
	int err = find_machine(s, name, "name", &m, e);

	if (err)
		return err;
	if (m->attachments && !force)
		return service_fail(e, -EBUSY, "name",
				    "a VMM is attached to \"%s\"; end it "
				    "first, or use force",
				    name);
	if (s->ops && s->ops->end_attachments)
		s->ops->end_attachments(s->ctx, m);
	while (*p != m)
		p = &(*p)->next;
	*p = m->next;
	s->nr_machines--;
	free_machine(m);
	return 0;
}

void service_fini(struct service *s)
{
	struct service_machine *m;

	while ((m = s->machines)) {
		if (s->ops && s->ops->end_attachments)
			s->ops->end_attachments(s->ctx, m);
		s->machines = m->next;
		free_machine(m);
	}
	s->nr_machines = 0;
}

/* ---- Buses --------------------------------------------------------------- */

static int check_bus(const struct service_machine *m, json_int_t number,
		     json_int_t parent, json_int_t device,
		     struct service_error *e)
{
	struct pci_bus *const *bus = m->machine->root.bus;

	if (number < 1 || number > 255)
		return service_fail(e, -EINVAL, "bus", "must be 1 to 255");
	if (bus[number])
		return service_fail(e, -EEXIST, "bus",
				    "machine \"%s\" has a bus %d already",
				    m->machine->name, (int)number);
	if (parent < 0 || parent > 255 || !bus[parent])
		return service_fail(e, -EINVAL, "parent",
				    "machine \"%s\" has no such bus",
				    m->machine->name);
	if (device < 0 || device > 31)
		return service_fail(e, -EINVAL, "device", "must be 0 to 31");
	return 0;
}

struct add_bus {
	struct machine *machine;
	const struct service_bus *bus;
	int err;
};

static void add_bus(void *arg)
{
	struct add_bus *a = arg;

	a->err = machine_add_bus(a->machine, a->bus->number, a->bus->parent,
				 a->bus->device);
}

int service_bus_create(struct service *s, const char *machine,
		       json_int_t number, json_int_t parent, json_int_t device,
		       struct service_error *e)
{
	struct service_bus **end, *b;
	struct service_machine *m;
	struct add_bus a;
	int err;

	err = find_machine(s, machine, "machine", &m, e);
	if (!err)
		err = check_bus(m, number, parent, device, e);
	if (err)
		return err;
	b = calloc(1, sizeof(*b));
	if (!b)
		return service_fail(e, -ENOMEM, NULL, "out of memory");
	*b = (struct service_bus){
		.number = (uint8_t)number,
		.parent = (uint8_t)parent,
		.device = (uint8_t)device,
	};
	a = (struct add_bus){ .machine = m->machine, .bus = b };
	service_run(m, add_bus, &a);
	if (a.err) {
		free(b);
		return service_fail(e, a.err, NULL, "cannot add the bus: %s",
				    strerror(-a.err));
	}
	for (end = &m->buses; *end; end = &(*end)->next)
		;
	*end = b;
	return 0;
}

/* ---- Functions ----------------------------------------------------------- */

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
	const struct device_type *type;
	struct device_option option[MAX_OPTIONS];
	unsigned int nr_options;
	struct function *function;
	char error[256];
	int err;
};

static void plug(void *arg)
{
	struct plug *p = arg;

	p->err = machine_plug(p->machine, p->bdf, p->type, p->option,
			      p->nr_options, &p->function, p->error,
			      sizeof(p->error));
}

static int plug_failed(const struct plug *p, struct service_error *e)
{
	if (p->error[0])
		return service_fail(e, p->err, "options", "%s", p->error);
	return service_fail(e, p->err, NULL, "cannot create a %s: %s",
			    p->type->name, strerror(-p->err));
}

static void insert_function(struct service_machine *m,
			    struct service_function *f)
{
	struct service_function **p = &m->functions;

	while (*p && (*p)->bdf < f->bdf)
		p = &(*p)->next;
	f->next = *p;
	*p = f;
}

static int plug_function(struct service_machine *m, struct service_function *f,
			 const struct device_type *type,
			 struct service_error *e)
{
	struct plug p = { .machine = m->machine, .bdf = f->bdf, .type = type };
	const char *key;
	json_t *value;

	json_object_foreach(f->options, key, value)
	{
		p.option[p.nr_options++] = (struct device_option){
			.key = key, .value = json_string_value(value)
		};
	}
	service_run(m, plug, &p);
	if (p.err)
		return plug_failed(&p, e);
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
	uint16_t bdf;
	int err;

	err = find_machine(s, machine, "machine", &m, e);
	if (!err)
		err = parse_address(address, &bdf, e);
	if (!err)
		err = find_type(device, &type, e);
	if (err)
		return err;
	if (!m->machine->root.bus[BDF_BUS(bdf)])
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
	err = copy_options(options, &f->options, e);
	if (!err)
		err = plug_function(m, f, type, e);
	if (err) {
		free_function(f);
		return err;
	}
	insert_function(m, f);
	return 0;
}

static void unplug(void *arg)
{
	struct plug *p = arg;

	p->err = machine_unplug(p->machine, p->bdf);
}

int service_function_destroy(struct service *s, const char *machine,
			     const char *address, struct service_error *e)
{
	struct service_function **pos;
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
	for (pos = &m->functions; *pos != f; pos = &(*pos)->next)
		;
	*pos = f->next;
	free_function(f);
	return 0;
}

/* ---- Sockets ------------------------------------------------------------- */

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
