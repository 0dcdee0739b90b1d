/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * windows.c - which writes a link's client may post
 *
 * How: doorbells are found in the order of functions, and in that of addresses,
 * and a row of equal ones at equal distances is one window: so 4096 functions
 * side by side take two, one for each way to name a doorbell.  What is too
 * irregular for the table is not in it, and its kicks are waited for.
 *
 * A table is made of all functions there are, while a guest's firmware changes
 * BARs thousands of times.  So a change withdraws the table, which is always
 * right, before the write that made it is answered; and it is made again at
 * once if there are few functions, else after as many accesses as pay for it.
 */
#include "transport/machine/function.h"

/* A table is made once in that many accesses for so many functions. */
#define FUNCTIONS_AN_ACCESS 64

struct table {
	struct seg_window w[SEG_WINDOWS];
	unsigned int n, most;
};

static uint64_t step_size(const struct seg_window *w)
{
	return w->space >= PCIRING_SPACE_CONFIG ? 1 : SEG_PAGE;
}

/* Where the last one of a row is, in functions or in bytes. */
static uint64_t place_of(const struct seg_window *w)
{
	const uint64_t row = (uint64_t)w->more * w->step * step_size(w);

	return row +
	       (w->space >= PCIRING_SPACE_CONFIG ? w->function : w->start);
}

/* Is @w the next one of the row that @last is? */
static bool continues(const struct seg_window *last, const struct seg_window *w)
{
	const uint64_t unit = step_size(w);
	const uint64_t distance = place_of(w) - place_of(last);

	if (last->space != w->space || last->length != w->length ||
	    last->sizes != w->sizes || last->more == UINT16_MAX)
		return false;
	if (w->space >= PCIRING_SPACE_CONFIG && last->start != w->start)
		return false;
	if (distance % unit || distance / unit > UINT16_MAX ||
	    distance < (unit == 1 ? 1 : w->length))
		return false;
	return !last->more || last->step == distance / unit;
}

static void add_window(struct table *t, const struct function *f, uint8_t space,
		       uint64_t start)
{
	const struct seg_window w = {
		.start = start,
		.length = (uint64_t)VIRTIO_PCI_NOTIFY_MULT *
			  f->vp.virtio.nr_queues,
		.function = function_bdf(f),
		.space = space,
		.sizes = BIT(1) | BIT(2), /* 2 and 4 bytes */
	};
	struct seg_window *last = t->n ? &t->w[t->n - 1] : NULL;

	if (last && continues(last, &w)) {
		if (!last->more)
			last->step =
				(uint16_t)((place_of(&w) - place_of(last)) /
					   step_size(&w));
		last->more++;
	} else if (t->n < t->most) {
		t->w[t->n++] = w;
	}
}

static void add_doorbells(struct table *t, const struct function *f)
{
	add_window(t, f, PCIRING_SPACE_BAR0 + VIRTIO_PCI_BAR,
		   VIRTIO_PCI_NOTIFY);
}

/* By function: in the order of their addresses in the tree. */
static void add_bus(struct table *t, const struct pci_bus *bus,
		    const struct link *l)
{
	const struct function *f;

	for (unsigned int i = 0; i < PCI_ROOT_FUNCS; i++) {
		if (!bus->func[i])
			continue;
		f = container_of(bus->func[i], struct function, vp.func);
		if (f->link == l)
			add_doorbells(t, f);
	}
}

/* By address, for clients that leave decoding to us. */
static void add_mapped(struct table *t, const struct link *l)
{
	const struct bus *mmio = &l->machine->mmio;
	const struct function *f;
	struct bus_range *r;
	struct pci_bar *bar;

	for (r = bus_first(mmio, 0); r; r = bus_next(mmio, r)) {
		bar = pci_bar_of(r);
		if (!bar || bar != &bar->func->bar[VIRTIO_PCI_BAR])
			continue;
		f = container_of(bar->func, struct function, vp.func);
		if (f->link == l)
			add_window(t, f, PCIRING_SPACE_MMIO,
				   r->base + VIRTIO_PCI_NOTIFY);
	}
}

static void publish(struct link *l)
{
	struct pci_bus *const *bus = l->machine->root.bus;
	struct table t = { .n = 0, .most = SEG_WINDOWS };
	struct function *f;

	if (l->scope == PCIRING_SCOPE_FUNCTION) {
		f = machine_find(l->machine, l->bdf);
		if (f && f->link == l)
			add_doorbells(&t, f);
	} else {
		/* Half for each way, however irregular the other is. */
		t.most = SEG_WINDOWS / 2;
		for (unsigned int i = 0; i < ARRAY_SIZE(l->machine->root.bus);
		     i++)
			if (bus[i])
				add_bus(&t, bus[i], l);
		t.most = SEG_WINDOWS;
		add_mapped(&t, l);
	}
	channel_set_windows(l->channel, t.w, t.n);
}

void machine_windows_changed(struct machine *m)
{
	m->windows_epoch = m->mmio.epoch;
	if (!m->windows_wait) {
		machine_publish_windows(m);
		return;
	}
	if (!m->windows_gone)
		for (struct link *l = m->links; l; l = l->next)
			channel_set_windows(l->channel, NULL, 0);
	m->windows_gone = true;
}

void machine_windows_access(struct machine *m)
{
	if (m->windows_wait)
		m->windows_wait--;
	if (m->mmio.epoch != m->windows_epoch)
		machine_windows_changed(m);
	else if (m->windows_gone && !m->windows_wait)
		machine_publish_windows(m);
}

void machine_publish_windows(struct machine *m)
{
	for (struct link *l = m->links; l; l = l->next)
		publish(l);
	m->windows_epoch = m->mmio.epoch;
	m->windows_gone = false;
	m->windows_wait = m->nr_functions / FUNCTIONS_AN_ACCESS;
	m->windows_made++;
}
