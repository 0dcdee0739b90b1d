/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the lists of functions and attachments change only on this thread, so
 * their lengths and the numbers of queues still hold when the loop copies.
 */
#include "apps/pciringd/snapshot.h"

#include <stdlib.h>

/* ---- On the loop ------------------------------------------------------------ */

static uint16_t count_bound(const struct sink_eventfd *s)
{
	uint16_t n = 0;

	for (unsigned int v = 0; v < s->nr; v++)
		n += s->fd[v] >= 0;
	return n;
}

static void copy_pci(struct snapshot_function *out, const struct pci_func *f)
{
	memcpy(out->config, f->config.bytes, sizeof(out->config));
	out->accesses = f->stats;
	out->msix_vectors = f->msix.nr;
	out->msix_enabled = f->msix.enabled;
	out->interrupts = f->msix.bank.stage.count;
	out->msi = f->msi.bank.stage.count;
	out->msi_messages = f->msi.nr;
	out->msi_enabled = f->msi.enabled;
	for (unsigned int i = 0; i < PCI_NR_BARS; i++)
		out->bar[i] = (struct snapshot_bar){
			.size = f->bar[i].size,
			.base = f->bar[i].range.base,
			.flags = f->bar[i].flags,
			.mapped = f->bar[i].mapped,
		};
}

/* The GSI whose input @line is, or -1. */
static int find_gsi(const struct interrupts *in, const struct irq_line *line)
{
	for (int i = 0; i < MACHINE_GSIS; i++)
		if (&in->gsi[i].line == line)
			return i;
	return -1;
}

static void copy_intx(struct snapshot_intx *out, const struct function *f)
{
	const struct interrupts *in = &f->machine->interrupts;
	const struct irq_source *source = &f->vp.func.intx;

	out->pin = f->vp.func.config.bytes[PCI_INTERRUPT_PIN];
	out->asserted = source->high;
	out->level = source->line && source->line->high;
	out->gsi = find_gsi(in, source->line);
	if (out->gsi >= 0)
		out->bound = in->eventfd[out->gsi].fd >= 0;
	else
		out->bound = f->intx.fd >= 0;
	out->rises = f->vp.stats.rises;
	out->merged = f->vp.stats.merged;
	out->signals = f->intx.stage.count.fired;
	out->resamples = f->intx.resamples;
}

/* Another loop may be running it: each word is one moment's, not all of them
 * the same. */
static void copy_queue(struct snapshot_queue *out, const struct vq *vq)
{
	const uint64_t *from = (const uint64_t *)&vq->stats;
	uint64_t *to = (uint64_t *)&out->stats;

	for (unsigned int i = 0; i < sizeof(out->stats) / sizeof(*to); i++)
		to[i] = count_read(&from[i]);
	out->state.size = vq->s.size;
	out->state.enabled = vq->s.enabled;
	out->state.broken = __atomic_load_n(&vq->s.broken, __ATOMIC_RELAXED);
	/* They are plain words of whoever runs the queue. */
	if (out->at)
		return;
	out->state.last_avail = vq->s.last_avail;
	out->state.used = vq->s.used;
}

static void copy_function(struct snapshot_function *out)
{
	const struct function *f = out->of->function;
	const struct virtio *v = &f->vp.virtio;

	copy_pci(out, &f->vp.func);
	out->attached = f->link;
	out->vectors_bound = count_bound(&f->eventfds);
	out->virtio = v->s;
	out->virtio_stats = v->stats;
	out->notifies = f->vp.stats.notify;
	out->page_kicks = f->vp.stats.page_kicks;
	out->eventfd_kicks = f->eventfd_kicks;
	out->posted = f->posted;
	out->no_vector = f->vp.stats.no_vector;
	copy_intx(&out->intx, f);
	for (unsigned int q = 0; q < out->nr_queues; q++) {
		out->queue[q].at = function_worker(f, q);
		copy_queue(&out->queue[q], &v->queue[q]);
	}
}

static void copy(void *arg)
{
	struct snapshot *s = arg;
	const struct attachment *a;

	for (unsigned int i = 0; i < s->nr_functions; i++)
		copy_function(&s->function[i]);
	for (unsigned int i = 0; i < s->nr_links; i++) {
		a = s->link[i].of;
		s->link[i].channel = a->channel.stats;
		s->link[i].link = a->link.stats;
		s->link[i].regions = a->link.map.nr;
		s->link[i].resamples = a->watches.signals;
	}
}

/* ---- On the control thread ----------------------------------------------------- */

static int prepare_function(struct snapshot_function *out,
			    const struct service_function *f)
{
	out->of = f;
	out->nr_queues = f->function->vp.virtio.nr_queues;
	/* One more, so that no queue at all is no special case. */
	out->queue = calloc(out->nr_queues + 1u, sizeof(*out->queue));
	return out->queue ? 0 : -ENOMEM;
}

static unsigned int count_functions(const struct service_machine *m)
{
	unsigned int n = 0;

	for (struct service_function *f = m->functions; f; f = f->next)
		n++;
	return n;
}

static unsigned int count_attachments(const struct service_machine *m)
{
	unsigned int n = 0;

	for (struct attachment *a = m->attachments; a; a = a->next)
		n++;
	return n;
}

static int prepare(struct service_machine *m, struct snapshot *s)
{
	struct service_function *f;
	struct attachment *a;
	int err;

	s->function = calloc(count_functions(m) + 1u, sizeof(*s->function));
	s->link = calloc(count_attachments(m) + 1u, sizeof(*s->link));
	if (!s->function || !s->link)
		return -ENOMEM;
	for (f = m->functions; f; f = f->next) {
		err = prepare_function(&s->function[s->nr_functions++], f);
		if (err)
			return err;
	}
	for (a = m->attachments; a; a = a->next)
		s->link[s->nr_links++].of = a;
	return 0;
}

int snapshot_take(struct service_machine *m, struct snapshot *out)
{
	struct snapshot s = { .function = NULL };
	int err = prepare(m, &s);

	if (err) {
		snapshot_fini(&s);
		return err;
	}
	service_run(m, copy, &s);
	*out = s;
	return 0;
}

void snapshot_fini(struct snapshot *s)
{
	for (unsigned int i = 0; i < s->nr_functions; i++)
		free(s->function[i].queue);
	free(s->function);
	free(s->link);
}
