/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attachment_irq.c - the vectors and lines that a client binds to eventfds
 *
 * How: the limits are judged on the loop, which alone knows what is bound, and
 * together with the change: what a bind replaces does not count twice.
 */
#include <stdlib.h>
#include <unistd.h>

#include "apps/pciringd/attachment.h"
#include "ring/discard.h"

/* ---- Interrupts ------------------------------------------------------------- */

struct bind_call {
	struct link *link;
	const struct msg_irq_bind *bind;
	const int *fds;
	unsigned int nr_fds;
	unsigned int most; /* bound vectors of the machine */
	int *old;	   /* bind->count descriptors, -1 none */
	int err;
};

/* What the machine would have bound then, without what this replaces. */
static bool too_many_vectors(const struct bind_call *c)
{
	const struct msg_irq_bind *b = c->bind;

	return machine_vectors_bound(c->link->machine) + c->nr_fds -
		       link_bound(c->link, b->function, b->start, b->count) >
	       c->most;
}

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
	if (!c->err && c->nr_fds && too_many_vectors(c))
		c->err = -ENOSPC;
	for (unsigned int i = 0; !c->err && i < b->count; i++)
		c->err = link_bind(c->link, b->function, b->start + i,
				   i < MSG_MAX_FDS && b->bound & BIT(i)
					   ? c->fds[next++]
					   : -1,
				   &c->old[i]);
}

/* Descriptors that are here to stay. */
static int check_fds(struct attachment *a, const int *fds, unsigned int nr_fds)
{
	struct service_budget *b = &a->machine->service->budget;

	for (unsigned int i = 0; i < nr_fds; i++)
		if (!budget_fd(b, fds[i]))
			return budget_refuse_fd(b, a->machine->machine->name);
	return 0;
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
	struct service *s = a->machine->service;
	struct bind_call c = { .link = &a->link,
			       .bind = bind,
			       .fds = fds,
			       .nr_fds = nr_fds,
			       .most = s->limits.vectors };
	int err = check_bind(bind, fds, nr_fds);

	if (!err)
		err = check_fds(a, fds, nr_fds);
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
	if (c.err == -ENOSPC)
		return limits_refuse(&s->budget, a->machine->machine->name,
				     c.most, "bound vectors", "--max-vectors");
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
	unsigned int most; /* bound lines of the machine */
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
	const struct msg_line *b = c->line;

	c->err = -ENOSPC;
	if (c->fd >= 0 && !link_line_bound(c->link, b->kind, b->number) &&
	    machine_lines_bound(c->link->machine) >= c->most)
		return;
	c->err = link_line_bind(c->link, c->line->kind, c->line->number, c->fd,
				&c->old);
}

int attachment_line_bind(struct attachment *a, const struct msg_line *bind,
			 const int *fds, unsigned int nr_fds)
{
	struct service *s = a->machine->service;
	struct line_call c = { .link = &a->link,
			       .line = bind,
			       .most = s->limits.lines,
			       .fd = nr_fds ? fds[0] : -1,
			       .old = -1 };
	struct line_watch *watch = NULL;
	int err = check_line(bind, fds, nr_fds);

	if (!err)
		err = check_fds(a, fds, nr_fds);
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
		if (c.err == -ENOSPC)
			return limits_refuse(&s->budget,
					     a->machine->machine->name, c.most,
					     "bound lines", "--max-lines");
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
	notify_page_close(&a->pages, bdf);
}
