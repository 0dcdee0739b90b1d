/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a link walks the machine's function list for what it covers; that list
 * is short for a link of one function and walked only when the map, the tree
 * or the attachment changes, never for an access.  An access by function goes
 * straight to it through the root's table, one by address through a bus.
 */
#include <stdlib.h>

#include "transport/machine/function.h"

bool link_covers(const struct link *l, uint16_t bdf)
{
	return l->scope == PCIRING_SCOPE_MACHINE || l->bdf == bdf;
}

struct function *link_find(const struct link *l, uint16_t bdf)
{
	struct function *f = machine_find(l->machine, bdf);

	return f && f->link == l ? f : NULL;
}

/* ---- Attach and detach ------------------------------------------------------ */

static int link_check(const struct machine *m, uint16_t scope, uint16_t bdf)
{
	if (scope == PCIRING_SCOPE_FUNCTION && !machine_find(m, bdf))
		return -ENOENT;
	for (const struct link *l = m->links; l; l = l->next)
		if (scope == PCIRING_SCOPE_MACHINE || link_covers(l, bdf))
			return -EBUSY;
	return 0;
}

/* What is not a function's is the I/O APIC's, which is always flushed. */
static void message_refused(struct sink_ring *s, uint16_t requester_id)
{
	struct function *f =
		link_find(container_of(s, struct link, ring), requester_id);

	if (f)
		function_keep(f);
}

/* Functions of such a link share the root's lines. */
static bool has_root(const struct link_options *opt)
{
	return opt->scope == PCIRING_SCOPE_MACHINE && !opt->remote;
}

int link_attach(struct machine *m, struct link *l, struct channel *channel,
		const struct link_options *opt)
{
	int err;

	if (opt->scope > PCIRING_SCOPE_FUNCTION ||
	    (opt->irqchip != PCIRING_IRQCHIP_NONE && !has_root(opt)))
		return -EINVAL;
	err = link_check(m, opt->scope, opt->bdf);
	if (err)
		return err;
	l->machine = m;
	l->channel = channel;
	l->scope = opt->scope;
	l->bdf = opt->bdf;
	l->remote = opt->remote;
	l->ops = opt->ops;
	gpa_map_init(&l->map);
	sink_ring_init(&l->ring, channel);
	l->ring.refused = message_refused;
	l->kept = NULL;
	l->kept_tail = &l->kept;
	if (has_root(opt)) {
		err = interrupts_attach(&m->interrupts, l, opt->irqchip);
		if (err)
			return err;
	}
	l->next = m->links;
	m->links = l;
	for (struct function *f = m->functions; f; f = f->next)
		if (link_covers(l, function_bdf(f)))
			function_join(f, l);
	machine_publish_windows(m);
	return 0;
}

void link_detach(struct link *l)
{
	struct machine *m = l->machine;
	struct link **p = &m->links;

	for (struct function *f = m->functions; f; f = f->next)
		if (f->link == l)
			function_leave(f);
	if (m->interrupts.link == l)
		interrupts_detach(&m->interrupts);
	while (*p != l)
		p = &(*p)->next;
	*p = l->next;
	l->next = NULL;
}

bool link_take_region(struct link *l, struct gpa_region *out)
{
	const struct gpa_region *r;

	if (!l->map.nr) {
		gpa_map_fini(&l->map);
		return false;
	}
	r = &l->map.region[l->map.nr - 1];
	return gpa_map_remove(&l->map, r->gpa, r->size, out) == 0;
}

/* ---- Memory ----------------------------------------------------------------- */

static void link_quiesce(struct link *l)
{
	for (struct function *f = l->machine->functions; f; f = f->next)
		if (f->link == l)
			function_quiesce(f);
}

static void link_memory_changed(struct link *l)
{
	for (struct function *f = l->machine->functions; f; f = f->next)
		if (f->link == l)
			function_memory_changed(f);
}

int link_map(struct link *l, const struct gpa_region *r)
{
	int err;

	link_quiesce(l);
	err = gpa_map_insert(&l->map, r);
	link_memory_changed(l);
	return err;
}

int link_unmap(struct link *l, uint64_t gpa, uint64_t size,
	       struct gpa_region *removed)
{
	int err;

	link_quiesce(l);
	err = gpa_map_remove(&l->map, gpa, size, removed);
	link_memory_changed(l);
	return err;
}

/* ---- Interrupts, reset, info -------------------------------------------------- */

int link_bind(struct link *l, uint16_t bdf, unsigned int vector, int fd,
	      int *old)
{
	struct function *f = link_find(l, bdf);

	if (!f)
		return -ENOENT;
	if (vector >= f->eventfds.nr)
		return -ERANGE;
	*old = sink_eventfd_bind(&f->eventfds, vector, fd);
	f->nr_bound += fd >= 0;
	f->nr_bound -= *old >= 0;
	function_vectors_changed(f);
	return 0;
}

unsigned int link_bound(const struct link *l, uint16_t bdf, unsigned int start,
			unsigned int count)
{
	const struct function *f = link_find(l, bdf);
	unsigned int n = 0;

	if (!f || !range_inside(start, count, f->eventfds.nr))
		return 0;
	for (unsigned int v = start; v < start + count; v++)
		n += f->eventfds.fd[v] >= 0;
	return n;
}

/* A loopback event ignores enable and masks but takes the guest's message. */
static void function_trigger(struct function *f, unsigned int v)
{
	const struct msi_vector *e = &function_bank(f)->vector[v];
	struct msi_message m = {
		.address = e->address,
		.data = e->data,
		.requester_id = function_bdf(f),
		.vector = (uint16_t)v,
	};

	f->eventfds.stage.ops->send(&f->eventfds.stage, &m);
}

int link_irq_control(struct link *l, uint16_t bdf, unsigned int start,
		     unsigned int count, unsigned int action)
{
	struct function *f = link_find(l, bdf);

	if (!f)
		return -ENOENT;
	if (action > PCIRING_IRQ_TRIGGER)
		return -EINVAL;
	if (!range_inside(start, count, f->eventfds.nr))
		return -ERANGE;
	for (unsigned int v = start; v < start + count; v++) {
		if (action == PCIRING_IRQ_TRIGGER)
			function_trigger(f, v);
		else
			sink_eventfd_mask(&f->eventfds, v,
					  action == PCIRING_IRQ_MASK);
	}
	function_vectors_changed(f);
	return 0;
}

/* The line of function @bdf, or NULL: there is none in this link. */
static struct sink_line *link_line(const struct link *l, uint32_t bdf)
{
	struct function *f = NULL;

	if (bdf <= UINT16_MAX)
		f = link_find(l, (uint16_t)bdf);
	if (!f || !function_has_line(f) ||
	    !pci_config_get(&f->vp.func.config, PCI_INTERRUPT_PIN, 1))
		return NULL;
	return &f->intx;
}

/* The machine's GSIs, or NULL: they are not this link's. */
static struct interrupts *link_gsis(const struct link *l)
{
	struct interrupts *in = &l->machine->interrupts;

	return in->link == l ? in : NULL;
}

int link_line_bind(struct link *l, unsigned int kind, uint32_t number, int fd,
		   int *old)
{
	struct interrupts *in = link_gsis(l);
	struct sink_line *s;

	if (kind > PCIRING_LINE_GSI)
		return -EINVAL;
	if (kind == PCIRING_LINE_GSI)
		return in ? interrupts_bind(in, number, fd, old) : -ENOENT;
	s = link_line(l, number);
	if (!s)
		return -ENOENT;
	*old = sink_line_bind(s, fd);
	return 0;
}

bool link_line_bound(const struct link *l, unsigned int kind, uint32_t number)
{
	const struct interrupts *in = link_gsis(l);
	const struct sink_line *s = NULL;

	if (kind == PCIRING_LINE_INTX)
		s = link_line(l, number);
	else if (in && number < MACHINE_GSIS)
		s = &in->eventfd[number];
	return s && s->fd >= 0;
}

int link_line_control(struct link *l, unsigned int kind, uint32_t number,
		      unsigned int action)
{
	struct interrupts *in = link_gsis(l);
	struct sink_line *s;

	if (kind > PCIRING_LINE_GSI)
		return -EINVAL;
	if (kind == PCIRING_LINE_GSI)
		return in ? interrupts_control(in, number, action) : -ENOENT;
	s = link_line(l, number);
	return s ? eventfd_control(s, action) : -ENOENT;
}

int link_reset(struct link *l, uint16_t bdf)
{
	struct function *f = link_find(l, bdf);

	if (!f)
		return -ENOENT;
	/* BAR4 has no address any more at which the guest could see it. */
	function_forget_page(f);
	pci_func_reset(&f->vp.func);
	machine_windows_changed(l->machine);
	return 0;
}

static uint32_t bar_flags(const struct pci_bar *bar)
{
	return (bar->flags & PCI_BAR_IO ? PCIRING_BAR_IO : 0) |
	       (bar->flags & PCI_BAR_64 ? PCIRING_BAR_64BIT : 0) |
	       (bar->flags & PCI_BAR_PREFETCH ? PCIRING_BAR_PREFETCH : 0);
}

int link_info(const struct link *l, uint16_t bdf,
	      struct pciring_function_info *info)
{
	struct function *f = link_find(l, bdf);
	const struct pci_func *func;

	if (!f)
		return -ENOENT;
	func = &f->vp.func;
	memset(info, 0, sizeof(*info));
	info->function = bdf;
	info->msix_vectors = func->msix.nr;
	info->intx_pin =
		(uint16_t)pci_config_get(&func->config, PCI_INTERRUPT_PIN, 1);
	info->config_size = PCI_CONFIG_SIZE;
	for (unsigned int i = 0; i < PCI_NR_BARS; i++) {
		info->bar_size[i] = func->bar[i].size;
		info->bar_flags[i] = bar_flags(&func->bar[i]);
	}
	return 0;
}

/* ---- Accesses ------------------------------------------------------------------ */

static uint64_t access_function(struct function *f, const struct msg_access *a,
				bool write)
{
	unsigned int bar = a->space - PCIRING_SPACE_BAR0;
	uint32_t off =
		a->address > UINT32_MAX ? UINT32_MAX : (uint32_t)a->address;

	if (a->space == PCIRING_SPACE_CONFIG) {
		if (!write)
			return pci_func_config_read(&f->vp.func, off, a->size);
		pci_func_config_write(&f->vp.func, off, a->size,
				      (uint32_t)a->value);
		return 0;
	}
	if (!write)
		return pci_func_bar_read(&f->vp.func, bar, a->address, a->size);
	f->posted += a->op == MSG_POSTED;
	pci_func_bar_write(&f->vp.func, bar, a->address, a->size, a->value);
	return 0;
}

static uint64_t access_bus(struct link *l, const struct bus *bus,
			   const struct msg_access *a, bool write)
{
	uint64_t value = all_ones(a->size);

	if (write ? !bus_write(bus, a->address, a->size, a->value)
		  : !bus_read(bus, a->address, a->size, &value))
		l->stats.nowhere++;
	return value;
}

/* A function that is not there: all-ones, as on the bus (rule 3). */
static uint64_t access_absent(struct link *l, const struct msg_access *a)
{
	if (link_covers(l, a->function))
		l->stats.nowhere++;
	else
		l->stats.refused++;
	return all_ones(a->size);
}

/* What the address and the value name is checked by who has it. */
static uint64_t access_eoi(struct link *l, const struct msg_access *a,
			   bool write)
{
	struct interrupts *in = link_gsis(l);

	if (l->scope != PCIRING_SCOPE_MACHINE)
		l->stats.refused++;
	else if (!in || !write || a->size != 4 ||
		 !interrupts_eoi(in, a->address, a->value))
		l->stats.nowhere++;
	return all_ones(a->size);
}

void link_access(struct link *l, const struct msg_access *a, uint64_t *value)
{
	struct machine *m = l->machine;
	bool write = a->op != MSG_READ;
	struct function *f;

	assert(a->space <= PCIRING_SPACE_EOI);
	if (write)
		l->stats.writes[a->space]++;
	else
		l->stats.reads[a->space]++;
	if (a->op == MSG_POSTED)
		l->stats.posted++;

	if (a->space == PCIRING_SPACE_EOI) {
		*value = access_eoi(l, a, write);
	} else if (a->space >= PCIRING_SPACE_CONFIG) {
		f = link_find(l, a->function);
		*value = f ? access_function(f, a, write) : access_absent(l, a);
	} else if (l->scope == PCIRING_SCOPE_MACHINE) {
		*value = access_bus(
			l, a->space == PCIRING_SPACE_PIO ? &m->pio : &m->mmio,
			a, write);
	} else {
		l->stats.refused++;
		*value = all_ones(a->size);
	}
	if (unlikely(m->mmio.epoch != m->windows_epoch || m->windows_wait))
		machine_windows_access(m);
}
