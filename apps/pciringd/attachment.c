/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: whatever can block or allocate (mapping a file, closing a descriptor)
 * happens here, before or after the short change that the machine's loop makes
 * between two turns.  An unmap is answered after the loop has forgotten the
 * region, and the file goes after that.
 */
#include "apps/pciringd/attachment.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ring/discard.h"

/* Regions that one call takes away: it bounds how long a turn waits. */
#define UNMAP_BATCH 64

/* ---- Coming and going ----------------------------------------------------- */

struct attach_call {
	struct attachment *a;
	const struct msg_hello *hello;
	int err;
};

static void attach(void *arg)
{
	struct attach_call *c = arg;

	const struct link_options opt = {
		.scope = c->hello->scope,
		.bdf = c->hello->function,
		.remote = c->hello->interrupts == PCIRING_IRQ_REMOTE,
		.irqchip = c->hello->irqchip,
	};

	c->err = link_attach(c->a->machine->machine, &c->a->link,
			     &c->a->channel, &opt);
}

static int attachment_link(struct attachment *a, const struct msg_hello *hello)
{
	struct service_machine *m = a->machine;
	struct attach_call c = { .a = a, .hello = hello };
	int err;

	/* Watched first: the loop may sleep as soon as it has the link. */
	err = loop_watch(m->loop, a->channel.kick_fd);
	if (err)
		return err;
	service_run(m, attach, &c);
	if (c.err)
		loop_unwatch(m->loop, a->channel.kick_fd);
	return c.err;
}

static int check_hello(const struct msg_hello *hello)
{
	if (!hello->lanes || hello->lanes > PCIRING_MAX_LANES ||
	    hello->scope > PCIRING_SCOPE_FUNCTION ||
	    hello->interrupts > PCIRING_IRQ_REMOTE ||
	    hello->irqchip > PCIRING_IRQCHIP_SPLIT)
		return -EINVAL;
	/* Whoever has one function, or its table, has the irqchip as well. */
	if (hello->irqchip != PCIRING_IRQCHIP_NONE &&
	    (hello->scope != PCIRING_SCOPE_MACHINE ||
	     hello->interrupts != PCIRING_IRQ_NATIVE))
		return -EINVAL;
	return 0;
}

int attachment_create(struct service_machine *m, struct control *control,
		      const struct msg_hello *hello, int pid,
		      struct attachment **out)
{
	struct attachment *a;
	int err = check_hello(hello);

	if (err)
		return err;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->machine = m;
	a->pid = pid;
	a->irqchip = hello->irqchip;
	a->watches = (struct line_watches){
		.control = control,
		.machine = m,
		.link = &a->link,
	};
	snprintf(a->name, sizeof(a->name), "%.*s", PCIRING_NAME_MAX - 1,
		 hello->name);
	err = channel_create(&a->channel, hello->lanes, m->machine->epoch);
	if (err)
		goto free_attachment;
	if (hello->features & MSG_FEATURE_MAILBOX)
		channel_use_mailbox(&a->channel);
	err = attachment_link(a, hello);
	if (err)
		goto fini_channel;
	a->next = m->attachments;
	m->attachments = a;
	*out = a;
	return 0;

fini_channel:
	channel_fini(&a->channel);
free_attachment:
	free(a);
	return err;
}

static void detach(void *arg)
{
	struct attachment *a = arg;

	link_detach(&a->link);
}

void attachment_destroy(struct attachment *a)
{
	struct service_machine *m = a->machine;
	struct attachment **p = &m->attachments;
	struct gpa_region r;

	while (*p != a)
		p = &(*p)->next;
	*p = a->next;
	line_watch_close_all(&a->watches);
	service_run(m, detach, a);
	loop_unwatch(m->loop, a->channel.kick_fd);
	while (link_take_region(&a->link, &r))
		if (r.file)
			gpa_files_put(&m->files, r.file);
	channel_fini(&a->channel);
	free(a);
}

/* ---- Memory --------------------------------------------------------------- */

struct map_call {
	struct link *link;
	struct gpa_region region;
	int err;
};

static void map(void *arg)
{
	struct map_call *c = arg;

	c->err = link_map(c->link, &c->region);
}

static int check_map(const struct attachment *a, const struct msg_dma *dma,
		     int fd)
{
	const struct service_limits *limits = &a->machine->service->limits;

	if (dma->flags & ~(PCIRING_DMA_READ | PCIRING_DMA_WRITE))
		return -EINVAL;
	if (!dma->size || dma->gpa + dma->size - 1 < dma->gpa)
		return -EINVAL;
	/* Only loop calls change it, and this thread makes them. */
	if (a->link.map.nr >= limits->regions)
		return -ENOSPC;
	if (fd >= 0 && !range_inside(a->bytes, dma->size, limits->bytes))
		return -ENOSPC;
	return 0;
}

int attachment_dma_map(struct attachment *a, const struct msg_dma *dma, int fd)
{
	struct map_call c = { .link = &a->link };
	struct gpa_files *files = &a->machine->files;
	struct gpa_file *file = NULL;
	int err = check_map(a, dma, fd);

	if (err)
		return err;
	if (fd >= 0) {
		err = gpa_files_get(files, fd, dma->offset, dma->size,
				    dma->flags & PCIRING_DMA_WRITE, &file);
		if (err)
			return err;
	}
	c.region = (struct gpa_region){
		.gpa = dma->gpa,
		.size = dma->size,
		.host = file ? (uint8_t *)file->base + dma->offset : NULL,
		.file = file,
		.flags = (dma->flags & PCIRING_DMA_READ ? GPA_READ : 0) |
			 (dma->flags & PCIRING_DMA_WRITE ? GPA_WRITE : 0),
	};
	service_run(a->machine, map, &c);
	if (file && c.err)
		gpa_files_put(files, file);
	if (file && !c.err)
		a->bytes += dma->size;
	return c.err;
}

struct unmap_call {
	struct link *link;
	uint64_t gpa, size;
	bool all;
	struct gpa_region removed[UNMAP_BATCH];
	unsigned int nr;
	int err;
};

static void unmap(void *arg)
{
	const struct gpa_region *r;
	struct unmap_call *c = arg;
	struct gpa_map *m = &c->link->map;

	c->nr = 0;
	if (!c->all) {
		c->err = link_unmap(c->link, c->gpa, c->size, c->removed);
		c->nr = !c->err;
		return;
	}
	while (m->nr && c->nr < UNMAP_BATCH) {
		r = &m->region[m->nr - 1];
		c->err = link_unmap(c->link, r->gpa, r->size,
				    &c->removed[c->nr]);
		assert(!c->err);
		c->nr++;
	}
}

int attachment_dma_unmap(struct attachment *a, const struct msg_dma *dma)
{
	struct unmap_call c = {
		.link = &a->link,
		.gpa = dma->gpa,
		.size = dma->size,
		.all = dma->flags & MSG_DMA_ALL,
	};

	do {
		service_run(a->machine, unmap, &c);
		for (unsigned int i = 0; i < c.nr; i++) {
			if (!c.removed[i].file)
				continue;
			gpa_files_put(&a->machine->files, c.removed[i].file);
			a->bytes -= c.removed[i].size;
		}
	} while (c.all && a->link.map.nr);
	return c.err;
}

/* ---- Functions ------------------------------------------------------------- */

struct function_call {
	struct link *link;
	uint16_t bdf;
	struct pciring_function_info *info;
	int err;
};

static void read_info(void *arg)
{
	struct function_call *c = arg;

	c->err = link_info(c->link, c->bdf, c->info);
}

int attachment_info(struct attachment *a, uint16_t bdf,
		    struct pciring_function_info *info)
{
	struct function_call c = { .link = &a->link, .bdf = bdf, .info = info };

	service_run(a->machine, read_info, &c);
	return c.err;
}

static void reset(void *arg)
{
	struct function_call *c = arg;

	c->err = link_reset(c->link, c->bdf);
}

int attachment_reset(struct attachment *a, uint16_t bdf)
{
	struct function_call c = { .link = &a->link, .bdf = bdf };

	service_run(a->machine, reset, &c);
	return c.err;
}

/* ---- Interrupts ------------------------------------------------------------- */

struct bind_call {
	struct link *link;
	const struct msg_irq_bind *bind;
	const int *fds;
	int *old; /* bind->count descriptors, -1 none */
	int err;
};

static void bind_vectors(void *arg)
{
	struct bind_call *c = arg;
	const struct msg_irq_bind *b = c->bind;
	struct pciring_function_info info;
	unsigned int next = 0;

	/* All or nothing: the range is judged before the first vector. */
	c->err = link_info(c->link, b->function, &info);
	if (!c->err && !range_inside(b->start, b->count, info.msix_vectors))
		c->err = -ERANGE;
	for (unsigned int i = 0; !c->err && i < b->count; i++)
		c->err = link_bind(c->link, b->function, b->start + i,
				   i < MSG_MAX_FDS && b->bound & BIT(i)
					   ? c->fds[next++]
					   : -1,
				   &c->old[i]);
}

static int check_bind(const struct msg_irq_bind *b, const int *fds,
		      unsigned int nr_fds)
{
	if (b->count > MSI_MAX_VECTORS)
		return -ERANGE;
	if (b->bound && b->count > MSG_MAX_FDS)
		return -EINVAL;
	if (b->bound && b->bound >> b->count)
		return -EINVAL;
	if ((unsigned int)__builtin_popcount(b->bound) != nr_fds)
		return -EINVAL;
	for (unsigned int i = 0; i < nr_fds; i++)
		/* What the sink could only count as failures later. */
		if (!fd_is_eventfd(fds[i]))
			return -EINVAL;
	return 0;
}

int attachment_irq_bind(struct attachment *a, const struct msg_irq_bind *bind,
			const int *fds, unsigned int nr_fds)
{
	struct bind_call c = { .link = &a->link, .bind = bind, .fds = fds };
	int err = check_bind(bind, fds, nr_fds);

	if (err)
		return err;
	c.old = malloc((bind->count + 1u) * sizeof(*c.old));
	if (!c.old)
		return -ENOMEM;
	for (unsigned int i = 0; i < bind->count; i++)
		c.old[i] = -1;
	service_run(a->machine, bind_vectors, &c);
	for (unsigned int i = 0; i < bind->count; i++)
		if (c.old[i] >= 0)
			close(c.old[i]);
	free(c.old);
	return c.err;
}

struct irq_call {
	struct link *link;
	const struct msg_irq_bind *control;
	int err;
};

static void control_vectors(void *arg)
{
	struct irq_call *c = arg;
	const struct msg_irq_bind *m = c->control;

	c->err = link_irq_control(c->link, m->function, m->start, m->count,
				  m->action);
}

int attachment_irq_control(struct attachment *a,
			   const struct msg_irq_bind *control)
{
	struct irq_call c = { .link = &a->link, .control = control };

	service_run(a->machine, control_vectors, &c);
	return c.err;
}

/* ---- Lines -------------------------------------------------------------------- */

struct line_call {
	struct link *link;
	const struct msg_line *line;
	int fd, old;
	int err;
};

static int check_line(const struct msg_line *b, const int *fds,
		      unsigned int nr_fds)
{
	if (b->kind > PCIRING_LINE_GSI ||
	    b->bound & ~(MSG_LINE_TRIGGER | MSG_LINE_RESAMPLE))
		return -EINVAL;
	/* What would be resampled is what was signalled. */
	if (b->bound == MSG_LINE_RESAMPLE)
		return -EINVAL;
	if ((unsigned int)__builtin_popcount(b->bound) != nr_fds)
		return -EINVAL;
	/* Even to ask another kind of file whether it is ready may wait. */
	for (unsigned int i = 0; i < nr_fds; i++)
		if (fd_is_eventfd(fds[i]) <= 0)
			return -EINVAL;
	return 0;
}

static void bind_line(void *arg)
{
	struct line_call *c = arg;

	c->err = link_line_bind(c->link, c->line->kind, c->line->number, c->fd,
				&c->old);
}

int attachment_line_bind(struct attachment *a, const struct msg_line *bind,
			 const int *fds, unsigned int nr_fds)
{
	struct line_call c = { .link = &a->link,
			       .line = bind,
			       .fd = nr_fds ? fds[0] : -1,
			       .old = -1 };
	struct line_watch *watch = NULL;
	int err = check_line(bind, fds, nr_fds);

	/* Watched first: that can fail, and changes nothing for the line. */
	if (!err && nr_fds == 2)
		err = line_watch_open(&a->watches, bind->kind, bind->number,
				      fds[0], fds[1], &watch);
	if (err)
		return err;
	service_run(a->machine, bind_line, &c);
	if (c.err) {
		if (watch)
			line_watch_cancel(watch);
		return c.err;
	}
	line_watch_commit(&a->watches, bind->kind, bind->number, watch);
	if (c.old >= 0)
		close(c.old);
	return 0;
}

static void control_line(void *arg)
{
	struct line_call *c = arg;
	const struct msg_line *m = c->line;

	c->err = link_line_control(c->link, m->kind, m->number, m->action);
}

int attachment_line_control(struct attachment *a,
			    const struct msg_line *control)
{
	struct line_call c = { .link = &a->link, .line = control };

	if (control->kind > PCIRING_LINE_GSI)
		return -EINVAL;
	service_run(a->machine, control_line, &c);
	return c.err;
}

void attachment_function_gone(struct attachment *a, uint16_t bdf)
{
	line_watch_commit(&a->watches, PCIRING_LINE_INTX, bdf, NULL);
}
