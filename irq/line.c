/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the sources of a line are a list, and the line is high if one of them
 * is.  Two levels are kept beside it: what the line is and what the next stage
 * was told.  They differ exactly while something is to be told, so nothing
 * else is remembered about a refusal.
 *
 * The level told is written before the next stage is called, because that may
 * come back with a change of a source: the inner call then tells the newer
 * level, and the outer one leaves it alone.
 */
#include "irq/line.h"

#include <stdio.h>

static bool any_high(const struct irq_line *line)
{
	const struct irq_source *s = line->sources;

	while (s && !s->high)
		s = s->sibling;
	return s;
}

/* IRQ_REFUSED: the next stage has the other level still. */
static enum irq_result tell(struct irq_line *line)
{
	bool high = line->high;
	enum irq_result result;

	line->told = high;
	result = irq_stage_set(line->next, line->pin, high);
	if (result == IRQ_REFUSED)
		line->told = !high;
	else
		line->stage.count.fired++;
	return result;
}

static enum irq_result line_become(struct irq_line *line, bool high)
{
	enum irq_result result;

	line->high = high;
	if (!line->next) {
		line->stage.count.dropped++;
		return IRQ_DROPPED;
	}
	if (line->told == high) {
		line->stage.count.coalesced++;
		return IRQ_MERGED;
	}
	result = tell(line);
	if (likely(result != IRQ_REFUSED))
		return result;
	line->stage.count.latched++;
	return IRQ_LATCHED;
}

/* A source changed: @high if it is what the line is now for sure. */
static enum irq_result line_change(struct irq_line *line, bool high)
{
	high = high || any_high(line);
	if (line->high != high)
		return line_become(line, high);
	line->stage.count.coalesced++;
	return IRQ_MERGED;
}

static bool line_edge(const struct irq_stage *s, unsigned int i,
		      struct irq_edge *e)
{
	const struct irq_line *line = container_of(s, struct irq_line, stage);

	if (i || !line->next)
		return false;
	*e = (struct irq_edge){ .to = line->next, .pin = line->pin };
	return true;
}

static void line_view(const struct irq_stage *s, struct irq_view *v)
{
	const struct irq_line *line = container_of(s, struct irq_line, stage);

	if (line->name)
		snprintf(v->name, sizeof(v->name), "%s", line->name);
	v->count = s->count;
	v->level = line->high;
	v->pending = line->high != line->told;
}

static const struct irq_stage_ops line_ops = {
	.kind = "line",
	.edge = line_edge,
	.view = line_view,
};

void irq_line_init(struct irq_line *line, const char *name,
		   struct irq_stage *next, uint32_t pin)
{
	assert(!next || next->ops->set);
	*line = (struct irq_line){
		.stage.ops = &line_ops,
		.name = name,
		.next = next,
		.pin = pin,
	};
}

bool irq_line_set_next(struct irq_line *line, struct irq_stage *next,
		       uint32_t pin)
{
	struct irq_stage *old = line->next;
	uint32_t old_pin = line->pin;
	bool old_high = line->told;

	assert(!next || next->ops->set);
	if (next == old && pin == old_pin) {
		irq_line_flush(line);
		return true;
	}
	line->next = next;
	line->pin = pin;
	line->told = false;
	irq_line_flush(line);
	if (!old || !old_high)
		return true;
	return irq_stage_set(old, old_pin, false) != IRQ_REFUSED;
}

enum irq_result irq_line_flush(struct irq_line *line)
{
	enum irq_result result;

	if (line->told == line->high)
		return IRQ_SILENT;
	if (!line->next)
		return IRQ_DROPPED;
	result = tell(line);
	return result == IRQ_REFUSED ? IRQ_LATCHED : result;
}

void irq_source_place(struct irq_source *src, struct irq_line *line, bool high)
{
	src->high = high;
	if (src->line == line)
		return;
	if (src->line) {
		*src->link = src->sibling;
		if (src->sibling)
			src->sibling->link = src->link;
	}
	src->line = line;
	src->sibling = NULL;
	src->link = NULL;
	if (!line)
		return;
	src->sibling = line->sources;
	src->link = &line->sources;
	if (src->sibling)
		src->sibling->link = &src->sibling;
	line->sources = src;
}

enum irq_result irq_line_settle(struct irq_line *line)
{
	bool high = any_high(line);

	return line->high == high ? IRQ_SILENT : line_become(line, high);
}

void irq_source_connect(struct irq_source *src, struct irq_line *line)
{
	struct irq_line *old = src->line;
	bool high = src->high;

	if (old == line)
		return;
	irq_source_place(src, line, high);
	if (line && high)
		line_change(line, true);
	if (old && high)
		line_change(old, false);
}

enum irq_result irq_source_set(struct irq_source *src, bool high)
{
	if (src->high == high)
		return IRQ_SILENT;
	src->high = high;
	if (!src->line)
		return IRQ_DROPPED;
	return line_change(src->line, high);
}
