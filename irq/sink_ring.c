/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a message, a level or a route is copied onto the channel's interrupt
 * ring.  A full ring leaves it with whoever sent it - a message as its bank's
 * pending bit, a level as a line that was not told, a route as a stale pin -
 * and raises the backlog flag, by which the loop knows that flushing pays.
 * What is offered again is the state of that moment: so a line that changed
 * many times meanwhile costs one element, and its last level is the last one
 * on the ring.
 */
#include "irq/sink.h"
#include "ring/channel.h"

static bool put(struct sink_ring *s, const struct msg_irq *irq)
{
	if (channel_irq(s->channel, irq))
		return true;
	s->backlog = true;
	return false;
}

/* A message and an element of type MSI are the same bytes: no copy between. */
static_assert(sizeof(struct msg_irq) == sizeof(struct msi_message) &&
		      offsetof(struct msg_irq, data) ==
			      offsetof(struct msi_message, data) &&
		      offsetof(struct msg_irq, requester_id) ==
			      offsetof(struct msi_message, requester_id) &&
		      offsetof(struct msg_irq, what) ==
			      offsetof(struct msi_message, vector) &&
		      PCIRING_IRQ_TYPE_MSI == 0,
	      "alike");

/* The number is only told along; it must not reach the type. */
static bool put_odd(struct sink_ring *s, const struct msi_message *m)
{
	struct msi_message even = *m;

	even.vector = MSG_IRQ_NUMBER(m->vector);
	return put(s, (const void *)&even);
}

static enum irq_result refuse(struct sink_ring *s, const struct msi_message *m)
{
	if (s->refused)
		s->refused(s, m->requester_id);
	return IRQ_REFUSED;
}

static enum irq_result sink_ring_send(struct irq_stage *stage,
				      const struct msi_message *m)
{
	struct sink_ring *s = container_of(stage, struct sink_ring, stage);

	if (!(likely(MSG_IRQ_TYPE(m->vector) == PCIRING_IRQ_TYPE_MSI)
		      ? put(s, (const void *)m)
		      : put_odd(s, m)))
		return refuse(s, m);
	stage->count.fired++;
	return IRQ_QUEUED;
}

static enum irq_result sink_ring_set(struct irq_stage *stage, uint32_t pin,
				     bool high)
{
	struct sink_ring *s = container_of(stage, struct sink_ring, stage);
	const struct msg_irq irq = {
		.data = high,
		.what = MSG_IRQ_WHAT(PCIRING_IRQ_TYPE_LINE, pin),
	};

	assert(pin == MSG_IRQ_NUMBER(pin));
	if (!put(s, &irq))
		return IRQ_REFUSED;
	stage->count.fired++;
	return IRQ_QUEUED;
}

static const struct irq_stage_ops sink_ring_ops = {
	.kind = "ring",
	.send = sink_ring_send,
	.set = sink_ring_set,
};

void sink_ring_init(struct sink_ring *s, struct channel *channel)
{
	*s = (struct sink_ring){
		.stage.ops = &sink_ring_ops,
		.channel = channel,
	};
}

bool sink_ring_route(struct sink_ring *s, uint32_t pin,
		     const struct msi_message *m)
{
	const struct msg_irq irq = {
		.address = m->address,
		.data = m->data,
		.requester_id = m->requester_id,
		.what = MSG_IRQ_WHAT(PCIRING_IRQ_TYPE_ROUTE, pin),
	};

	assert(pin == MSG_IRQ_NUMBER(pin));
	return put(s, &irq);
}
