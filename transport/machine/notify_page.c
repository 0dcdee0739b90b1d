/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notify_page.c - the functions whose doorbells are memory
 *
 * How: they are a list of the machine, which a turn walks from end to end: a
 * store tells nobody, so such a function is active whether it has work or not.
 * What it costs grows with these functions and their queues alone.
 */
#include "transport/machine/function.h"
#include "transport/virtio_pci/notify.h"

int link_notify_page(struct link *l, uint16_t bdf, _Atomic uint32_t *page)
{
	struct function *f = machine_find(l->machine, bdf);

	if (!f || f->link != l)
		return -ENOENT;
	if (f->vp.notify_page)
		return -EEXIST;
	f->vp.notify_page = page;
	f->next_mapped = l->machine->mapped;
	l->machine->mapped = f;
	return 0;
}

void function_forget_page(struct function *f)
{
	struct function **p = &f->machine->mapped;

	if (!f->vp.notify_page)
		return;
	while (*p != f)
		p = &(*p)->next_mapped;
	*p = f->next_mapped;
	f->vp.notify_page = NULL;
}

void machine_look_at_pages(struct machine *m)
{
	for (struct function *f = m->mapped; f; f = f->next_mapped)
		notify_page_look(&f->vp);
}
