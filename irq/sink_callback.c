/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the call is passed on, and what it answers is counted as what it says.
 */
#include "irq/sink.h"

static enum irq_result count(struct irq_stage *stage, enum irq_result result)
{
	switch (result) {
	case IRQ_QUEUED:
	case IRQ_DELIVERED:
		stage->count.fired++;
		break;
	case IRQ_COALESCED:
	case IRQ_MERGED:
		stage->count.coalesced++;
		break;
	case IRQ_LATCHED:
		stage->count.latched++;
		break;
	case IRQ_DROPPED:
		stage->count.dropped++;
		break;
	case IRQ_SILENT:
	case IRQ_REFUSED: /* counted by who keeps it */
		break;
	}
	return result;
}

static enum irq_result sink_callback_send(struct irq_stage *stage,
					  const struct msi_message *m)
{
	struct sink_callback *s =
		container_of(stage, struct sink_callback, stage);

	return count(stage, s->send ? s->send(s->ctx, m) : IRQ_DROPPED);
}

static enum irq_result sink_callback_set(struct irq_stage *stage, uint32_t pin,
					 bool high)
{
	struct sink_callback *s =
		container_of(stage, struct sink_callback, stage);

	return count(stage, s->set ? s->set(s->ctx, pin, high) : IRQ_DROPPED);
}

static const struct irq_stage_ops sink_callback_ops = {
	.kind = "callback",
	.send = sink_callback_send,
	.set = sink_callback_set,
};

void sink_callback_init(
	struct sink_callback *s,
	enum irq_result (*send)(void *ctx, const struct msi_message *m),
	enum irq_result (*set)(void *ctx, uint32_t pin, bool high), void *ctx)
{
	*s = (struct sink_callback){
		.stage.ops = &sink_callback_ops,
		.send = send,
		.set = set,
		.ctx = ctx,
	};
}
