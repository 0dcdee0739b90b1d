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

/*
 * A message as it goes over the wire: the same 16 bytes, with the type in the
 * upper bits of the vector.  The number is only told along; it must not reach
 * the type.  One move, because the ring copies 16 bytes at once and would wait
 * for four small stores to settle.
 */
static struct msg_irq on_wire(const struct msi_message *m)
{
	typedef uint32_t words __attribute__((vector_size(16)));
	struct msg_irq irq;
	words w;

	static_assert(
		sizeof(irq) == sizeof(w) && sizeof(*m) == sizeof(w) &&
			offsetof(struct msg_irq, data) ==
				offsetof(struct msi_message, data) &&
			offsetof(struct msg_irq, requester_id) ==
				offsetof(struct msi_message, requester_id) &&
			offsetof(struct msg_irq, what) ==
				offsetof(struct msi_message, vector),
		"alike");
	static_assert(PCIRING_IRQ_TYPE_MSI == 0, "only the number is left");
	memcpy(&w, m, sizeof(w));
	w[3] &= MSG_IRQ_NUMBER(UINT32_MAX) << 16 | 0xffff;
	memcpy(&irq, &w, sizeof(irq));
	return irq;
}

static enum irq_result sink_ring_send(struct irq_stage *stage,
				      const struct msi_message *m)
{
	struct sink_ring *s = container_of(stage, struct sink_ring, stage);
	const struct msg_irq irq = on_wire(m);

	if (!put(s, &irq))
		return IRQ_REFUSED;
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
