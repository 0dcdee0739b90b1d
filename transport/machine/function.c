/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a function is built by its type's create(), wrapped by virtio_pci, and
 * joined to a link by exchanging three things only: the memory map of the
 * virtio core, the sink of the banks and the line of the pin.  With a remote
 * link the bank's sink are the eventfds alone, so an unbound vector stays
 * pending; with a native one the unbound vectors fall through to the link's
 * interrupt ring, and while there are no others the bank has the ring for its
 * sink itself: that is the common case, and one call less for each message.
 *
 * Queues with work put their function at the tail of the machine's active
 * list, once; a turn walks that list and nothing else.
 */
#include "transport/machine/function.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "transport/devices/rng.h"
#include "transport/machine/function_options.h"

void function_activate(struct function *f)
{
	struct machine *m = f->machine;

	if (f->active)
		return;
	f->active = true;
	f->next_active = NULL;
	*m->active_tail = f;
	m->active_tail = &f->next_active;
}

static void function_work(struct virtio_pci *vp)
{
	function_activate(container_of(vp, struct function, vp));
}

static void recall(struct virtio_pci *vp)
{
	function_recall(container_of(vp, struct function, vp));
}

static void release(struct virtio_pci *vp)
{
	function_release(container_of(vp, struct function, vp));
}

static void queue_work(struct virtio_pci *vp, unsigned int q)
{
	function_queue_work(container_of(vp, struct function, vp), q);
}

static void event(struct virtio_pci *vp)
{
	struct function *f = container_of(vp, struct function, vp);

	letter_post(&f->machine->letters, &f->event);
}

static const struct virtio_pci_ops function_ops = {
	.work = function_work,
	.recall = recall,
	.release = release,
	.queue_work = queue_work,
	.event = event,
};

static void read_event(struct letter *l)
{
	struct function *f = container_of(l, struct function, event);

	f->event_missed = !f->plugged;
	if (f->plugged)
		virtio_run_event(&f->vp.virtio);
}

void function_plugged(struct function *f)
{
	f->plugged = true;
	/* What it said before, the loop did not pass on. */
	if (f->event_missed)
		letter_post(&f->machine->letters, &f->event);
}

void function_unplugged(struct function *f)
{
	function_come_home(f);
	f->plugged = false;
	f->event_missed = false;
}

/* A function that goes away may still be on the list. */
void function_deactivate(struct function *f)
{
	struct machine *m = f->machine;
	struct function **p = &m->active_head;

	if (!f->active)
		return;
	while (*p != f)
		p = &(*p)->next_active;
	*p = f->next_active;
	if (m->active_tail == &f->next_active)
		m->active_tail = p;
	f->active = false;
}

/* The device takes what is not ours of the options, and refuses the rest. */
static int create_device(struct function *f, const struct device_option *opt,
			 unsigned int nr_opt, struct virtio_options *options,
			 char *error, size_t room)
{
	struct device_option *rest = calloc(nr_opt + 1u, sizeof(*rest));
	const bool trial = f->machine->trial;
	unsigned int nr_rest;
	int err;

	if (!rest)
		return -ENOMEM;
	err = function_options_parse(opt, nr_opt, options, rest, &nr_rest,
				     error, room);
	if (!err)
		err = f->type->create(rest, nr_rest, trial ? NULL : &f->device,
				      error, room);
	if (!err && trial)
		err = rng_type.create(NULL, 0, &f->device, error, room);
	free(rest);
	return err;
}

int function_create(struct machine *m, const struct device_type *type,
		    const struct device_option *opt, unsigned int nr_opt,
		    struct function **out, char *error, size_t room)
{
	struct virtio_options options;
	struct function *f;
	int err;

	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->machine = m;
	f->type = type;
	f->event.read = read_event;
	err = create_device(f, opt, nr_opt, &options, error, room);
	if (err)
		goto free_function;
	err = virtio_pci_init(&f->vp, f->device, &options, &function_ops);
	if (err)
		goto destroy_device;
	err = sink_eventfd_init(&f->eventfds, f->vp.func.msix.nr, NULL);
	if (err)
		goto fini_transport;
	err = sink_line_init(&f->intx, f->line_name);
	if (err)
		goto fini_eventfds;
	irq_line_init(&f->line, f->line_name, &f->intx.stage, 0);
	*out = f;
	return 0;

fini_eventfds:
	sink_eventfd_fini(&f->eventfds);
fini_transport:
	virtio_pci_fini(&f->vp);
destroy_device:
	f->device->ops->destroy(f->device);
free_function:
	free(f);
	return err;
}

void function_retire(struct function *f)
{
	assert(!f->link && !f->vp.func.root);
	assert(!f->active && !f->plugged);
	virtio_pci_fini(&f->vp);
	f->device->ops->destroy(f->device);
	f->device = NULL;
}

void function_destroy(struct function *f)
{
	assert(!f->device);
	sink_line_fini(&f->intx);
	sink_eventfd_fini(&f->eventfds);
	free(f->seats);
	free(f);
}

void function_name(struct function *f)
{
	const uint16_t bdf = function_bdf(f);

	snprintf(f->line_name, sizeof(f->line_name), "%02x:%02x.%x INTx",
		 bdf >> 8, bdf >> 3 & 0x1fu, bdf & 7u);
}

/* Is there a vector that the ring must not have? */
static bool needs_eventfds(const struct function *f)
{
	for (unsigned int v = 0; v < f->eventfds.nr; v++)
		if (f->eventfds.fd[v] >= 0 || f->eventfds.masked[v])
			return true;
	return false;
}

void function_vectors_changed(struct function *f)
{
	struct link *l = f->link;
	struct irq_stage *next = &f->eventfds.stage;

	if (!l->remote && !needs_eventfds(f))
		next = &l->ring.stage;
	msi_bank_set_next(function_bank(f), next, l->remote);
}

void function_join(struct function *f, struct link *l)
{
	assert(!f->link);
	f->link = l;
	f->eventfds.otherwise = l->remote ? NULL : &l->ring.stage;
	function_vectors_changed(f);
	if (!l->remote)
		msi_bank_set_next(&f->vp.func.msi.bank, &l->ring.stage, false);
	/* Who has one function, or its table, has a line for it alone. */
	if (l->remote || l->scope == PCIRING_SCOPE_FUNCTION)
		irq_source_connect(&f->vp.func.intx, &f->line);
	virtio_set_memory(&f->vp.virtio, &l->map);
}

/* Closing is quick: only eventfds are ever bound (irq/sink.h). */
static void function_unbind_all(struct function *f)
{
	int fd;

	for (unsigned int v = 0; v < f->eventfds.nr; v++) {
		sink_eventfd_mask(&f->eventfds, v, false);
		fd = sink_eventfd_bind(&f->eventfds, v, -1);
		if (fd >= 0)
			close(fd);
	}
	f->nr_bound = 0;
	fd = sink_line_bind(&f->intx, -1);
	if (fd >= 0)
		close(fd);
	sink_line_mask(&f->intx, false);
}

void function_keep(struct function *f)
{
	struct link *l = f->link;

	if (f->from_kept)
		return;
	f->next_kept = NULL;
	f->from_kept = l->kept_tail;
	*l->kept_tail = f;
	l->kept_tail = &f->next_kept;
}

static void function_unkeep(struct function *f)
{
	if (!f->from_kept)
		return;
	*f->from_kept = f->next_kept;
	if (f->next_kept)
		f->next_kept->from_kept = f->from_kept;
	else
		f->link->kept_tail = f->from_kept;
	f->from_kept = NULL;
}

void function_leave(struct function *f)
{
	virtio_quiesce(&f->vp.virtio);
	function_forget_page(f);
	function_forget_kicks(f);
	pci_func_reset(&f->vp.func);
	virtio_set_memory(&f->vp.virtio, NULL);
	msi_bank_set_next(function_bank(f), NULL, false);
	msi_bank_set_next(&f->vp.func.msi.bank, NULL, false);
	f->eventfds.otherwise = NULL;
	function_unbind_all(f);
	irq_source_connect(&f->vp.func.intx,
			   pci_root_line(f->vp.func.root, &f->vp.func));
	function_unkeep(f);
	f->link = NULL;
}

void function_flush(struct function *f)
{
	function_unkeep(f);
	msi_bank_flush(function_bank(f));
	msi_bank_flush(&f->vp.func.msi.bank);
}

void function_quiesce(struct function *f)
{
	virtio_quiesce(&f->vp.virtio);
}

void function_memory_changed(struct function *f)
{
	virtio_set_memory(&f->vp.virtio, &f->link->map);
}
