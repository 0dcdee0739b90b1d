/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a list of machines, searched from the front: there are few, and the
 * loops never look here.  What is in them: service_function.c.
 */
#include "apps/pciringd/service.h"

#include <stdio.h>
#include <stdlib.h>

#include "apps/pciringd/control.h"

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

int service_need(struct service *s, const char *name, const char *param,
		 struct service_machine **m, struct service_error *e)
{
	*m = service_find(s, name);
	if (!*m)
		return service_fail(e, -ENOENT, param, "no machine \"%.64s\"",
				    name);
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
	m->bus[0] = &m->bus0;
	err = machine_create(name, &m->machine);
	if (!err)
		m->machine->trial = !s->loop;
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

static void free_machine(struct service_machine *m)
{
	struct service_bus *b;

	if (m->loop)
		loop_remove(m->loop, m->machine);
	machine_destroy(m->machine);
	while ((b = m->buses)) {
		m->buses = b->next;
		free(b);
	}
	service_functions_free(m);
	free(m);
}

int service_machine_destroy(struct service *s, const char *name, bool force,
			    struct service_error *e)
{
	struct service_machine **p = &s->machines;
	struct service_machine *m;
	int err = service_need(s, name, "name", &m, e);

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
	struct service_bus *const *bus = m->bus;

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

	err = service_need(s, machine, "machine", &m, e);
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
	m->bus[number] = b;
	return 0;
}
