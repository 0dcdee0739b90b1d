/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a turn takes a bounded number of requests from every lane, beginning at
 * another lane each time, then runs each function that was active when it
 * looked, once.  A function that still has work goes to the tail again, so a
 * flood on one queue costs the others one budget and no more.
 */
#include "transport/machine/machine.h"

#include <stdlib.h>
#include <sys/random.h>

#include "transport/machine/function.h"

/* Requests of one lane in one turn, and chains of one queue. */
#define TURN_REQUESTS 16
#define TURN_CHAINS   64

static bool name_is_good(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < MACHINE_NAME_MAX &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

int machine_create(const char *name, struct machine **out)
{
	struct machine *m;
	int err;

	if (!name_is_good(name))
		return -EINVAL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	memcpy(m->name, name, strlen(name));
	if (getrandom(m->uuid, sizeof(m->uuid), 0) != sizeof(m->uuid)) {
		err = -EIO;
		goto free_machine;
	}
	m->epoch = 1;
	m->active_tail = &m->active_head;
	bus_init(&m->mmio, UINT64_MAX);
	bus_init(&m->pio, 0xffff);
	err = pci_root_init(&m->root, &m->mmio, &m->pio, MACHINE_ECAM_BASE);
	if (err)
		goto fini_buses;
	*out = m;
	return 0;

fini_buses:
	bus_fini(&m->pio);
	bus_fini(&m->mmio);
free_machine:
	free(m);
	return err;
}

void machine_destroy(struct machine *m)
{
	assert(!m->links);
	while (m->functions)
		machine_unplug(m, function_bdf(m->functions));
	pci_root_fini(&m->root);
	bus_fini(&m->pio);
	bus_fini(&m->mmio);
	free(m);
}

struct function *machine_find(const struct machine *m, uint16_t bdf)
{
	struct pci_func *func = pci_root_find(&m->root, bdf);

	return func ? container_of(func, struct function, vp.func) : NULL;
}

int machine_plug(struct machine *m, uint16_t bdf,
		 const struct device_type *type,
		 const struct device_option *opt, unsigned int nr_opt,
		 struct function **out, char *error, size_t room)
{
	struct function *f;
	int err;

	err = function_create(m, type, opt, nr_opt, &f, error, room);
	if (err)
		return err;
	err = pci_root_plug(&m->root, &f->vp.func, bdf);
	if (err) {
		function_destroy(f);
		return err;
	}
	f->next = m->functions;
	m->functions = f;
	for (struct link *l = m->links; l; l = l->next) {
		if (!link_covers(l, bdf))
			continue;
		function_join(f, l);
		link_publish_windows(l);
	}
	*out = f;
	return 0;
}

int machine_unplug(struct machine *m, uint16_t bdf)
{
	struct function *f = machine_find(m, bdf);
	struct function **p = &m->functions;
	struct link *l;

	if (!f)
		return -ENOENT;
	l = f->link;
	if (l && l->scope == PCIRING_SCOPE_FUNCTION)
		return -EBUSY;
	if (l)
		function_leave(f);
	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	pci_root_unplug(&m->root, &f->vp.func);
	if (l)
		link_publish_windows(l);
	function_destroy(f);
	return 0;
}

void machine_publish_windows(struct machine *m)
{
	m->windows_epoch = m->mmio.epoch;
	for (struct link *l = m->links; l; l = l->next)
		link_publish_windows(l);
}

/* ---- The turn ---------------------------------------------------------------- */

static bool lane_turn(struct link *l, unsigned int lane)
{
	struct msg_access req[TURN_REQUESTS];
	uint64_t value;
	unsigned int n;

	n = channel_take(l->channel, lane, req, TURN_REQUESTS);
	for (unsigned int i = 0; i < n; i++) {
		link_access(l, &req[i], &value);
		if (req[i].op != MSG_POSTED)
			channel_complete(l->channel, lane, &req[i], value, 0);
	}
	return n > 0;
}

/* The interrupt ring had no room; what stayed pending is offered again. */
static bool link_retry(struct link *l)
{
	l->ring.backlog = false;
	for (struct function *f = l->machine->functions; f; f = f->next)
		if (f->link == l)
			msi_bank_flush(function_bank(f));
	return !l->ring.backlog;
}

static bool link_turn(struct link *l)
{
	unsigned int lanes = l->channel->geo.lanes;
	unsigned int lane = l->next_lane;
	bool did = false;

	for (unsigned int i = 0; i < lanes; i++) {
		did |= lane_turn(l, lane);
		if (++lane == lanes)
			lane = 0;
	}
	if (++l->next_lane >= lanes)
		l->next_lane = 0;
	if (unlikely(l->ring.backlog) && channel_irq_room(l->channel))
		did |= link_retry(l);
	return did;
}

static bool functions_turn(struct machine *m)
{
	struct function *f = m->active_head;
	struct function *next;

	if (!f)
		return false;
	m->active_head = NULL;
	m->active_tail = &m->active_head;
	for (; f; f = next) {
		next = f->next_active;
		f->active = false;
		if (virtio_run(&f->vp.virtio, TURN_CHAINS))
			function_activate(f);
	}
	return true;
}

bool machine_turn(struct machine *m)
{
	bool did = false;

	for (struct link *l = m->links; l; l = l->next)
		did |= link_turn(l);
	return functions_turn(m) || did;
}

bool machine_sleep(struct machine *m)
{
	bool work = m->active_head != NULL;

	for (struct link *l = m->links; l; l = l->next) {
		channel_sleep(l->channel);
		work |= channel_has_work(l->channel) ||
			(l->ring.backlog && channel_irq_room(l->channel));
	}
	return work;
}

void machine_awake(struct machine *m)
{
	for (struct link *l = m->links; l; l = l->next)
		channel_awake(l->channel);
}
