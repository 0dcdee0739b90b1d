/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: every message is counted, the first ones are kept.
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
	return IRQ_QUEUED;
}

static const struct irq_stage_ops sink_record_ops = {
	.kind = "record",
	.send = sink_record_send,
};

void sink_record_init(struct sink_record *s)
{
	memset(s, 0, sizeof(*s));
	s->stage.ops = &sink_record_ops;
}
