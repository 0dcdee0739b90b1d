/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: every message and every level is counted, the first ones are kept.
 */
#include "irq/sink.h"

static enum irq_result sink_record_send(struct irq_stage *stage,
					const struct msi_message *m)
{
	struct sink_record *s = container_of(stage, struct sink_record, stage);

	if (s->refuse)
		return IRQ_REFUSED;
	if (s->nr < ARRAY_SIZE(s->message))
		s->message[s->nr] = *m;
	s->nr++;
	stage->count.fired++;
	return IRQ_QUEUED;
}

static enum irq_result sink_record_set(struct irq_stage *stage, uint32_t pin,
				       bool high)
{
	struct sink_record *s = container_of(stage, struct sink_record, stage);

	if (s->refuse)
		return IRQ_REFUSED;
	if (s->nr_levels < ARRAY_SIZE(s->level)) {
		s->level[s->nr_levels].pin = pin;
		s->level[s->nr_levels].high = high;
	}
	s->nr_levels++;
	stage->count.fired++;
	return IRQ_QUEUED;
}

static const struct irq_stage_ops sink_record_ops = {
	.kind = "record",
	.send = sink_record_send,
	.set = sink_record_set,
};

void sink_record_init(struct sink_record *s)
{
	memset(s, 0, sizeof(*s));
	s->stage.ops = &sink_record_ops;
}
