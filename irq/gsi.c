/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: an entry sits between its input line and the chip lines of its pins, on
 * which it has one source each.  To exchange routes, the sources are placed on
 * their new lines without a word, and then the lines are settled, those that
 * rise first; so a line that one GSI leaves and another joins never moves.
 *
 * An event that finds no way sets the entry's pending bit.  For pins, the bit
 * also holds the sources up: a refused rise must not be taken back by the fall
 * of the same pulse.
 */
#include "irq/gsi.h"

#include <stdio.h>

static void set_pending(struct gsi *g, bool pending)
{
	if (g->pending == pending)
		return;
	g->pending = pending;
	if (pending)
		g->table->nr_pending++;
	else
		g->table->nr_pending--;
}

static unsigned int nr_pins(const struct gsi_route *r)
{
	return r->kind == GSI_TO_PINS ? r->nr_pins : 0;
}

static struct irq_line *chip_line(const struct gsi_table *t,
				  const struct gsi_route *r, unsigned int i)
{
	return &t->chip[r->pin[i].chip].pin[r->pin[i].pin];
}

/* The results of irq/stage.h stand in order: what says most about delivery
 * comes first. */
static enum irq_result pins_set(struct gsi *g, bool high)
{
	enum irq_result best = IRQ_DROPPED;

	for (unsigned int i = 0; i < nr_pins(&g->route); i++) {
		enum irq_result result = irq_source_set(&g->source[i], high);

		if (result < best)
			best = result;
	}
	return best;
}

/* What follows heard that the pins are high (@high), or nobody follows. */
static bool pins_told(const struct gsi *g, bool high)
{
	for (unsigned int i = 0; i < nr_pins(&g->route); i++) {
		const struct irq_line *line = g->source[i].line;

		if (line->next && line->high == high && line->told != high)
			return false;
	}
	return true;
}

static enum irq_result pulse_pins(struct gsi *g)
{
	enum irq_result result = IRQ_QUEUED;

	for (unsigned int i = 0; i < nr_pins(&g->route); i++)
		irq_line_flush(g->source[i].line);
	if (!g->source[0].high) {
		if (!pins_told(g, false))
			return IRQ_REFUSED;
		result = pins_set(g, true);
	}
	if (!pins_told(g, true))
		return IRQ_REFUSED;
	pins_set(g, g->line.high);
	return result;
}

static enum irq_result send_msi(struct gsi *g)
{
	const struct msi_message m = g->route.msi;

	return g->table->msi ? irq_stage_send(g->table->msi, &m) : IRQ_REFUSED;
}

/* The pending event leaves, if it can. */
static enum irq_result retry(struct gsi *g)
{
	bool msi = g->route.kind == GSI_TO_MSI;
	enum irq_result result;

	/* Another event may arrive from within the call. */
	if (msi)
		set_pending(g, false);
	result = msi ? send_msi(g) : pulse_pins(g);
	set_pending(g, msi ? g->pending || result == IRQ_REFUSED
			   : result == IRQ_REFUSED);
	if (result != IRQ_REFUSED)
		g->stage.count.fired++;
	return result;
}

static enum irq_result event(struct gsi *g)
{
	bool merged = g->pending;
	enum irq_result result;

	set_pending(g, true);
	result = retry(g);
	if (merged)
		g->stage.count.coalesced++;
	else if (result == IRQ_REFUSED)
		g->stage.count.latched++;
	if (result != IRQ_REFUSED)
		return result;
	return merged ? IRQ_MERGED : IRQ_LATCHED;
}

static enum irq_result nowhere(struct gsi *g)
{
	g->stage.count.dropped++;
	return IRQ_DROPPED;
}

static enum irq_result entry_set(struct irq_stage *s, uint32_t pin, bool high)
{
	struct gsi *g = container_of(s, struct gsi, stage);

	(void)pin;
	switch (g->route.kind) {
	case GSI_TO_PINS:
		/* A pulse that nobody heard yet keeps the pins up. */
		if (g->pending && (!high || g->source[0].high)) {
			g->stage.count.coalesced++;
			return IRQ_MERGED;
		}
		g->stage.count.fired++;
		return pins_set(g, high);
	case GSI_TO_MSI:
		return high ? event(g) : IRQ_SILENT;
	default:
		return nowhere(g);
	}
}

static bool entry_edge(const struct irq_stage *s, unsigned int i,
		       struct irq_edge *e)
{
	const struct gsi *g = container_of(s, struct gsi, stage);

	*e = (struct irq_edge){ .pin = IRQ_NO_PIN };
	if (i < nr_pins(&g->route))
		e->to = &g->source[i].line->stage;
	else if (!i && g->route.kind == GSI_TO_MSI)
		e->to = g->table->msi;
	return e->to;
}

static void entry_view(const struct irq_stage *s, struct irq_view *v)
{
	static const char *const way[] = { "nowhere", "to pins", "to MSI" };
	const struct gsi *g = container_of(s, struct gsi, stage);

	snprintf(v->name, sizeof(v->name), "%s", g->name);
	snprintf(v->state, sizeof(v->state), "%s", way[g->route.kind]);
	v->count = s->count;
	v->level = g->line.high;
	v->pending = g->pending;
}

static const struct irq_stage_ops entry_ops = {
	.kind = "gsi",
	.set = entry_set,
	.edge = entry_edge,
	.view = entry_view,
};

void gsi_table_init(struct gsi_table *t, struct gsi *gsi, uint32_t nr,
		    struct irq_stage *msi)
{
	assert(nr <= GSI_MAX);
	*t = (struct gsi_table){ .gsi = gsi, .nr = nr, .msi = msi };
	for (uint32_t i = 0; i < nr; i++) {
		struct gsi *g = &gsi[i];

		*g = (struct gsi){ .stage.ops = &entry_ops, .table = t };
		snprintf(g->name, sizeof(g->name), "GSI %u", i);
		irq_line_init(&g->line, g->name, &g->stage, i);
	}
}

void gsi_table_fini(struct gsi_table *t)
{
	gsi_swap(t, NULL, 0);
}

void gsi_table_set_chip(struct gsi_table *t, unsigned int i,
			struct irq_line *pin, uint16_t nr)
{
	assert(i < GSI_CHIPS);
	t->chip[i] = (struct gsi_chip){ .pin = pin, .nr = nr };
}

void gsi_table_set_msi(struct gsi_table *t, struct irq_stage *msi)
{
	assert(!msi || msi->ops->send);
	t->msi = msi;
	gsi_flush(t);
}

static bool pins_are_there(const struct gsi_table *t, const struct gsi_route *r)
{
	if (!r->nr_pins || r->nr_pins > GSI_PINS)
		return false;
	for (unsigned int i = 0; i < r->nr_pins; i++) {
		if (r->pin[i].chip >= GSI_CHIPS ||
		    r->pin[i].pin >= t->chip[r->pin[i].chip].nr)
			return false;
		for (unsigned int j = 0; j < i; j++)
			if (chip_line(t, r, i) == chip_line(t, r, j))
				return false;
	}
	return true;
}

static bool route_is_possible(const struct gsi_table *t,
			      const struct gsi_route *r)
{
	switch (r->kind) {
	case GSI_NOWHERE:
	case GSI_TO_MSI:
		return true;
	case GSI_TO_PINS:
		return pins_are_there(t, r);
	default:
		return false;
	}
}

/* No line hears of it before it is settled. */
static void relink(struct gsi *g, const struct gsi_route *r)
{
	enum gsi_kind old = g->route.kind;

	for (unsigned int i = 0; i < GSI_PINS; i++) {
		bool used = i < nr_pins(r);

		irq_source_place(&g->source[i],
				 used ? chip_line(g->table, r, i) : NULL,
				 used && g->line.high);
	}
	g->route = *r;
	if (r->kind == GSI_NOWHERE && g->pending) {
		set_pending(g, false);
		g->stage.count.dropped++;
	}
	if (r->kind == GSI_TO_MSI && old != GSI_TO_MSI && g->line.high &&
	    !g->pending) {
		set_pending(g, true);
		g->stage.count.latched++;
	}
}

static void settle(struct irq_line *line, bool rises)
{
	if (line && !(rises && line->high))
		irq_line_settle(line);
}

int gsi_route(struct gsi_table *t, uint32_t gsi, const struct gsi_route *r)
{
	struct irq_line *touched[2 * GSI_PINS] = { NULL };
	struct gsi *g;

	if (gsi >= t->nr || !route_is_possible(t, r))
		return -EINVAL;
	g = &t->gsi[gsi];
	for (unsigned int i = 0; i < GSI_PINS; i++)
		touched[i] = g->source[i].line;
	relink(g, r);
	for (unsigned int i = 0; i < GSI_PINS; i++)
		touched[GSI_PINS + i] = g->source[i].line;
	for (int rises = 1; rises >= 0; rises--)
		for (unsigned int i = 0; i < ARRAY_SIZE(touched); i++)
			settle(touched[i], rises);
	if (g->pending)
		retry(g);
	return 0;
}

int gsi_swap(struct gsi_table *t, const struct gsi_route *r, uint32_t nr)
{
	static const struct gsi_route nowhere_at_all = { .kind = GSI_NOWHERE };

	if (nr > t->nr)
		return -EINVAL;
	for (uint32_t i = 0; i < nr; i++)
		if (!route_is_possible(t, &r[i]))
			return -EINVAL;
	for (uint32_t i = 0; i < t->nr; i++)
		relink(&t->gsi[i], i < nr ? &r[i] : &nowhere_at_all);
	for (int rises = 1; rises >= 0; rises--)
		for (unsigned int c = 0; c < GSI_CHIPS; c++)
			for (uint32_t p = 0; p < t->chip[c].nr; p++)
				settle(&t->chip[c].pin[p], rises);
	gsi_flush(t);
	return 0;
}

enum irq_result gsi_pulse(struct gsi_table *t, uint32_t gsi)
{
	struct gsi *g;

	if (gsi >= t->nr)
		return IRQ_DROPPED;
	g = &t->gsi[gsi];
	if (g->route.kind == GSI_NOWHERE)
		return nowhere(g);
	if (g->route.kind == GSI_TO_PINS && g->line.high &&
	    pins_told(g, true)) {
		g->stage.count.coalesced++;
		return IRQ_MERGED;
	}
	/* A pulse whose rise was heard before this event cannot stand for it:
	 * it ends first. */
	if (g->route.kind == GSI_TO_PINS && g->pending)
		retry(g);
	return event(g);
}

void gsi_flush(struct gsi_table *t)
{
	uint32_t left = t->nr_pending;

	for (uint32_t i = 0; left && i < t->nr; i++) {
		if (!t->gsi[i].pending)
			continue;
		left--;
		retry(&t->gsi[i]);
	}
}
