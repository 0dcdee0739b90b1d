/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a function is built by its type's create(), wrapped by virtio_pci, and
 * joined to a link by exchanging two things only: the memory map of the virtio
 * core and the sink of the MSI-X bank.  With a remote link the bank's sink are
 * the eventfds alone, so an unbound vector stays pending; with a native one
 * the unbound vectors fall through to the link's interrupt ring.
 *
 * Queues with work put their function at the tail of the machine's active
 * list, once; a turn walks that list and nothing else.
 */
#include "transport/machine/function.h"

#include <stdlib.h>
#include <unistd.h>

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

/* A function that goes away may still be on the list. */
static void function_deactivate(struct function *f)
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

int function_create(struct machine *m, const struct device_type *type,
		    const struct device_option *opt, unsigned int nr_opt,
		    struct function **out, char *error, size_t room)
{
	struct function *f;
	int err;

	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->machine = m;
	f->type = type;
	err = type->create(opt, nr_opt, &f->device, error, room);
	if (err)
		goto free_function;
	err = virtio_pci_init(&f->vp, f->device, function_work);
	if (err)
		goto destroy_device;
	err = sink_eventfd_init(&f->eventfds, f->vp.func.msix.nr, NULL);
	if (err)
		goto fini_transport;
	*out = f;
	return 0;

fini_transport:
	virtio_pci_fini(&f->vp);
destroy_device:
	f->device->ops->destroy(f->device);
free_function:
	free(f);
	return err;
}

void function_destroy(struct function *f)
{
	assert(!f->link && !f->vp.func.root);
	virtio_pci_fini(&f->vp);
	function_deactivate(f);
	sink_eventfd_fini(&f->eventfds);
	f->device->ops->destroy(f->device);
	free(f);
}

void function_join(struct function *f, struct link *l)
{
	assert(!f->link);
	f->link = l;
	f->eventfds.otherwise = l->remote ? NULL : &l->ring.stage;
	msi_bank_set_next(function_bank(f), &f->eventfds.stage, l->remote);
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
}

void function_leave(struct function *f)
{
	virtio_quiesce(&f->vp.virtio);
	pci_func_reset(&f->vp.func);
	virtio_set_memory(&f->vp.virtio, NULL);
	msi_bank_set_next(function_bank(f), NULL, false);
	f->eventfds.otherwise = NULL;
	function_unbind_all(f);
	f->link = NULL;
}

void function_quiesce(struct function *f)
{
	virtio_quiesce(&f->vp.virtio);
}

void function_memory_changed(struct function *f)
{
	virtio_set_memory(&f->vp.virtio, &f->link->map);
}
