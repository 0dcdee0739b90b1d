/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a message is copied onto the channel's interrupt ring.  A full ring
 * leaves the event with its bank as a pending bit and raises the backlog flag,
 * by which the loop knows that flushing the banks may pay.
 */
#include "irq/sink.h"
#include "ring/channel.h"

static bool sink_ring_send(struct msi_sink *sink, const struct msi_message *m)
{
	struct sink_ring *s = container_of(sink, struct sink_ring, sink);
	const struct msg_irq irq = {
		.address = m->address,
		.data = m->data,
		.requester_id = m->requester_id,
		.vector = m->vector,
	};

	if (channel_irq(s->channel, &irq))
		return true;
	s->backlog = true;
	return false;
}

static const struct msi_sink_ops sink_ring_ops = {
	.send = sink_ring_send,
};

void sink_ring_init(struct sink_ring *s, struct channel *channel)
{
	*s = (struct sink_ring){
		.sink.ops = &sink_ring_ops,
		.channel = channel,
	};
}
