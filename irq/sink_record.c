/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: every message is counted, the first ones are kept.
 */
#include "irq/sink.h"

static bool sink_record_send(struct msi_sink *sink, const struct msi_message *m)
{
	struct sink_record *s = container_of(sink, struct sink_record, sink);

	if (s->refuse)
		return false;
	if (s->nr < ARRAY_SIZE(s->message))
		s->message[s->nr] = *m;
	s->nr++;
	return true;
}

static const struct msi_sink_ops sink_record_ops = {
	.send = sink_record_send,
};

void sink_record_init(struct sink_record *s)
{
	memset(s, 0, sizeof(*s));
	s->sink.ops = &sink_record_ops;
}
