/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: two arrays by vector, a descriptor and a mask.  A message whose signal
 * was refused is refused, so its bank keeps it: irq/notify.h says why a signal
 * is no write(2).
 */
#include "irq/notify.h"
#include "irq/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum irq_result sink_eventfd_send(struct irq_stage *stage,
					 const struct msi_message *m)
{
	struct sink_eventfd *s =
		container_of(stage, struct sink_eventfd, stage);

	if (m->vector < s->nr && s->masked[m->vector])
		return IRQ_REFUSED;
	if (m->vector >= s->nr || s->fd[m->vector] < 0)
		return s->otherwise ? irq_stage_send(s->otherwise, m)
				    : IRQ_REFUSED;
	/* What a bad descriptor refused stays pending: a good one that is
	 * bound later fires. */
	if (!notify_eventfd(s->fd[m->vector])) {
		s->failures++;
		return IRQ_REFUSED;
	}
	s->writes++;
	return IRQ_QUEUED;
}

static bool sink_eventfd_edge(const struct irq_stage *stage, unsigned int i,
			      struct irq_edge *e)
{
	const struct sink_eventfd *s =
		container_of(stage, struct sink_eventfd, stage);

	if (i || !s->otherwise)
		return false;
	*e = (struct irq_edge){ .to = s->otherwise, .pin = IRQ_NO_PIN };
	return true;
}

static void sink_eventfd_view(const struct irq_stage *stage, struct irq_view *v)
{
	const struct sink_eventfd *s =
		container_of(stage, struct sink_eventfd, stage);
	unsigned int bound = 0;

	for (unsigned int i = 0; i < s->nr; i++)
		bound += s->fd[i] >= 0;
	snprintf(v->state, sizeof(v->state), "%u of %u bound", bound, s->nr);
	v->count.fired = s->writes;
	v->count.latched = s->failures;
}

static const struct irq_stage_ops sink_eventfd_ops = {
	.kind = "eventfd",
	.send = sink_eventfd_send,
	.edge = sink_eventfd_edge,
	.view = sink_eventfd_view,
};

int sink_eventfd_init(struct sink_eventfd *s, uint16_t nr,
		      struct irq_stage *otherwise)
{
	int *fd;
	bool *masked;
	int err = notify_prepare();

	if (err)
		return err;
	/* One more, so that no vector at all is no special case. */
	fd = malloc((nr + 1u) * sizeof(*fd));
	masked = calloc(nr + 1u, sizeof(*masked));
	if (!fd || !masked) {
		free(fd);
		free(masked);
		return -ENOMEM;
	}
	for (unsigned int v = 0; v < nr; v++)
		fd[v] = -1;
	*s = (struct sink_eventfd){
		.stage.ops = &sink_eventfd_ops,
		.otherwise = otherwise,
		.fd = fd,
		.masked = masked,
		.nr = nr,
	};
	return 0;
}

void sink_eventfd_fini(struct sink_eventfd *s)
{
	for (unsigned int v = 0; v < s->nr; v++)
		if (s->fd[v] >= 0)
			close(s->fd[v]);
	free(s->fd);
	free(s->masked);
	s->fd = NULL;
	s->masked = NULL;
	s->nr = 0;
}

int sink_eventfd_bind(struct sink_eventfd *s, unsigned int v, int fd)
{
	int old;

	if (v >= s->nr)
		return fd;
	old = s->fd[v];
	s->fd[v] = fd;
	return old;
}

void sink_eventfd_mask(struct sink_eventfd *s, unsigned int v, bool masked)
{
	if (v < s->nr)
		s->masked[v] = masked;
}
