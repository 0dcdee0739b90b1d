/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a message is copied onto the channel's interrupt ring.  A full ring
 * leaves the event with its bank as a pending bit and raises the backlog flag,
 * by which the loop knows that flushing the banks may pay.
 */
#include "irq/sink.h"
#include "ring/channel.h"

static enum irq_result sink_ring_send(struct irq_stage *stage,
				      const struct msi_message *m)
{
	struct sink_ring *s = container_of(stage, struct sink_ring, stage);
	const struct msg_irq irq = {
		.address = m->address,
		.data = m->data,
		.requester_id = m->requester_id,
		.what = MSG_IRQ_WHAT(PCIRING_IRQ_TYPE_MSI, m->vector),
	};

	if (channel_irq(s->channel, &irq)) {
		stage->count.fired++;
		return IRQ_QUEUED;
	}
	s->backlog = true;
	return IRQ_REFUSED;
}

static const struct irq_stage_ops sink_ring_ops = {
	.kind = "ring",
	.send = sink_ring_send,
};

void sink_ring_init(struct sink_ring *s, struct channel *channel)
{
	*s = (struct sink_ring){
		.stage.ops = &sink_ring_ops,
		.channel = channel,
	};
}
