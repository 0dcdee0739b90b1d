/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: one rule, looked at whenever something changed: a line that is high,
 * not busy, bound and not masked is signalled, and then it is busy.
 */
#include "irq/notify.h"
#include "irq/sink.h"

#include <stdio.h>
#include <unistd.h>

static enum irq_result signal_if_due(struct sink_line *s)
{
	if (!s->high)
		return IRQ_SILENT;
	if (s->busy || s->masked || s->fd < 0)
		return IRQ_LATCHED;
	if (!notify_eventfd(s->fd)) {
		s->failures++;
		return IRQ_LATCHED;
	}
	s->busy = true;
	s->stage.count.fired++;
	return IRQ_QUEUED;
}

static enum irq_result sink_line_set(struct irq_stage *stage, uint32_t pin,
				     bool high)
{
	struct sink_line *s = container_of(stage, struct sink_line, stage);
	enum irq_result result;

	(void)pin;
	if (s->high == high)
		return IRQ_SILENT;
	s->high = high;
	result = signal_if_due(s);
	if (result != IRQ_LATCHED)
		return result;
	if (s->masked || s->fd < 0)
		stage->count.masked++;
	else
		stage->count.latched++;
	return result;
}

static void sink_line_view(const struct irq_stage *stage, struct irq_view *v)
{
	const struct sink_line *s =
		container_of(stage, struct sink_line, stage);

	snprintf(v->name, sizeof(v->name), "%s", s->name);
	snprintf(v->state, sizeof(v->state), "%s%s%s",
		 s->fd < 0 ? "unbound" : "bound", s->busy ? ", busy" : "",
		 s->masked ? ", masked" : "");
	v->count = stage->count;
	v->level = s->high;
	v->pending = s->high && !s->busy;
}

static const struct irq_stage_ops sink_line_ops = {
	.kind = "eventfd",
	.set = sink_line_set,
	.view = sink_line_view,
};

int sink_line_init(struct sink_line *s, const char *name)
{
	int err = notify_prepare();

	if (err)
		return err;
	*s = (struct sink_line){
		.stage.ops = &sink_line_ops,
		.name = name,
		.fd = -1,
	};
	return 0;
}

void sink_line_fini(struct sink_line *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

int sink_line_bind(struct sink_line *s, int fd)
{
	int old = s->fd;

	s->fd = fd;
	s->busy = false;
	signal_if_due(s);
	return old;
}

enum irq_result sink_line_resample(struct sink_line *s)
{
	s->resamples++;
	s->busy = false;
	return signal_if_due(s);
}

void sink_line_mask(struct sink_line *s, bool masked)
{
	s->masked = masked;
	signal_if_due(s);
}

void sink_line_trigger(struct sink_line *s)
{
	if (s->fd >= 0 && !notify_eventfd(s->fd))
		s->failures++;
}
