/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/line.h"
#include "irq/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#define PIN 5

struct rig {
	struct sink_record sink;
	struct irq_line line, other;
	struct irq_source a, b, c;
};

static int two_sources(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	sink_record_init(&r->sink);
	irq_line_init(&r->line, "INTA", &r->sink.stage, PIN);
	irq_line_init(&r->other, "INTB", &r->sink.stage, PIN + 1);
	irq_source_connect(&r->a, &r->line);
	irq_source_connect(&r->b, &r->line);
	*state = r;
	return 0;
}

static int done(void **state)
{
	free(*state);
	return 0;
}

/* The @i-th level that the sink heard was @high of @pin. */
static void heard(const struct rig *r, unsigned int i, uint32_t pin, bool high)
{
	assert_true(i < r->sink.nr_levels);
	assert_int_equal(r->sink.level[i].pin, pin);
	assert_int_equal(r->sink.level[i].high, high);
}

static void counted(const struct irq_line *line, uint64_t fired,
		    uint64_t latched, uint64_t coalesced, uint64_t dropped)
{
	assert_int_equal(line->stage.count.fired, fired);
	assert_int_equal(line->stage.count.latched, latched);
	assert_int_equal(line->stage.count.coalesced, coalesced);
	assert_int_equal(line->stage.count.dropped, dropped);
	assert_int_equal(line->stage.count.masked, 0);
}

static void line_starts_low_and_says_nothing(void **state)
{
	struct rig *r = *state;

	assert_false(r->line.high);
	assert_int_equal(irq_line_flush(&r->line), IRQ_SILENT);
	assert_int_equal(r->sink.nr_levels, 0);
	counted(&r->line, 0, 0, 0, 0);
}

/* rule 72 */
static void line_rises_once_for_two_sources(void **state)
{
	struct rig *r = *state;

	assert_int_equal(irq_source_set(&r->a, true), IRQ_QUEUED);
	assert_int_equal(irq_source_set(&r->b, true), IRQ_MERGED);
	assert_int_equal(r->sink.nr_levels, 1);
	heard(r, 0, PIN, true);
	counted(&r->line, 1, 0, 1, 0);
}

/* rule 72 */
static void line_falls_when_its_last_source_does(void **state)
{
	struct rig *r = *state;

	irq_source_set(&r->a, true);
	irq_source_set(&r->b, true);
	assert_int_equal(irq_source_set(&r->a, false), IRQ_MERGED);
	assert_true(r->line.high);
	assert_int_equal(r->sink.nr_levels, 1);
	assert_int_equal(irq_source_set(&r->b, false), IRQ_QUEUED);
	assert_false(r->line.high);
	assert_int_equal(r->sink.nr_levels, 2);
	heard(r, 1, PIN, false);
	counted(&r->line, 2, 0, 2, 0);
}

/* rule 72 */
static void same_level_again_is_silent_and_counts_once(void **state)
{
	struct rig *r = *state;

	assert_int_equal(irq_source_set(&r->a, false), IRQ_SILENT);
	irq_source_set(&r->a, true);
	assert_int_equal(irq_source_set(&r->a, true), IRQ_SILENT);
	assert_int_equal(irq_source_set(&r->a, true), IRQ_SILENT);
	assert_int_equal(irq_source_set(&r->a, false), IRQ_QUEUED);
	assert_false(r->line.high);
	assert_int_equal(r->sink.nr_levels, 2);
	counted(&r->line, 2, 0, 0, 0);
}

static void refused_rise_is_told_by_a_flush(void **state)
{
	struct rig *r = *state;

	r->sink.refuse = true;
	assert_int_equal(irq_source_set(&r->a, true), IRQ_LATCHED);
	assert_int_equal(irq_source_set(&r->b, true), IRQ_MERGED);
	assert_int_equal(irq_line_flush(&r->line), IRQ_LATCHED);
	counted(&r->line, 0, 1, 1, 0);
	r->sink.refuse = false;
	assert_int_equal(irq_line_flush(&r->line), IRQ_QUEUED);
	assert_int_equal(irq_line_flush(&r->line), IRQ_SILENT);
	assert_int_equal(r->sink.nr_levels, 1);
	heard(r, 0, PIN, true);
	counted(&r->line, 1, 1, 1, 0);
}

static void refused_fall_is_told_by_a_flush(void **state)
{
	struct rig *r = *state;

	irq_source_set(&r->a, true);
	r->sink.refuse = true;
	assert_int_equal(irq_source_set(&r->a, false), IRQ_LATCHED);
	r->sink.refuse = false;
	assert_int_equal(irq_line_flush(&r->line), IRQ_QUEUED);
	assert_int_equal(r->sink.nr_levels, 2);
	heard(r, 1, PIN, false);
	counted(&r->line, 2, 1, 0, 0);
}

static void change_that_takes_a_refused_one_back_is_not_told(void **state)
{
	struct rig *r = *state;

	r->sink.refuse = true;
	irq_source_set(&r->a, true);
	assert_int_equal(irq_source_set(&r->a, false), IRQ_MERGED);
	r->sink.refuse = false;
	assert_int_equal(irq_line_flush(&r->line), IRQ_SILENT);
	assert_int_equal(r->sink.nr_levels, 0);
	irq_source_set(&r->a, true);
	r->sink.refuse = true;
	irq_source_set(&r->a, false);
	assert_int_equal(irq_source_set(&r->a, true), IRQ_MERGED);
	r->sink.refuse = false;
	assert_int_equal(irq_line_flush(&r->line), IRQ_SILENT);
	assert_int_equal(r->sink.nr_levels, 1);
	counted(&r->line, 1, 2, 2, 0);
}

static void line_that_nobody_hears_keeps_its_level_untold(void **state)
{
	struct rig *r = *state;

	irq_line_set_next(&r->line, NULL, 0);
	assert_int_equal(irq_source_set(&r->a, true), IRQ_DROPPED);
	assert_int_equal(irq_source_set(&r->b, true), IRQ_MERGED);
	assert_int_equal(irq_line_flush(&r->line), IRQ_DROPPED);
	assert_true(r->line.high);
	assert_false(r->line.told);
	counted(&r->line, 0, 0, 1, 1);
	assert_true(irq_line_set_next(&r->line, &r->sink.stage, PIN));
	assert_int_equal(r->sink.nr_levels, 1);
	heard(r, 0, PIN, true);
	counted(&r->line, 1, 0, 1, 1);
}

static void new_listener_rises_before_the_old_one_falls(void **state)
{
	struct rig *r = *state;

	irq_source_set(&r->a, true);
	assert_true(irq_line_set_next(&r->line, &r->sink.stage, 9));
	assert_int_equal(r->sink.nr_levels, 3);
	heard(r, 1, 9, true);
	heard(r, 2, PIN, false);
	assert_true(irq_line_set_next(&r->line, NULL, 0));
	assert_int_equal(r->sink.nr_levels, 4);
	heard(r, 3, 9, false);
}

static void old_listener_that_never_heard_a_rise_hears_no_fall(void **state)
{
	struct rig *r = *state;

	r->sink.refuse = true;
	irq_source_set(&r->a, true);
	r->sink.refuse = false;
	assert_true(irq_line_set_next(&r->line, NULL, 0));
	assert_int_equal(r->sink.nr_levels, 0);
}

static void listener_exchanged_for_itself_hears_nothing(void **state)
{
	struct rig *r = *state;

	irq_source_set(&r->a, true);
	assert_true(irq_line_set_next(&r->line, &r->sink.stage, PIN));
	assert_int_equal(r->sink.nr_levels, 1);
}

static void old_listener_that_refuses_its_fall_is_reported(void **state)
{
	struct rig *r = *state;
	static struct sink_record other;

	sink_record_init(&other);
	irq_source_set(&r->a, true);
	r->sink.refuse = true;
	assert_false(irq_line_set_next(&r->line, &other.stage, 1));
	assert_int_equal(other.nr_levels, 1);
	r->sink.refuse = false;
	assert_int_equal(irq_line_flush(&r->line), IRQ_SILENT);
	assert_int_equal(r->sink.nr_levels, 1);
}

/* rule 72 */
static void source_brings_its_level_to_the_line_it_joins(void **state)
{
	struct rig *r = *state;

	assert_int_equal(irq_source_set(&r->c, true), IRQ_DROPPED);
	assert_false(r->line.high);
	irq_source_connect(&r->c, &r->line);
	assert_true(r->line.high);
	irq_source_connect(&r->c, &r->line);
	assert_int_equal(r->sink.nr_levels, 1);
	irq_source_connect(&r->c, NULL);
	assert_false(r->line.high);
	assert_true(r->c.high);
	assert_int_equal(r->sink.nr_levels, 2);
	assert_int_equal(irq_source_set(&r->c, false), IRQ_DROPPED);
}

static void source_that_moves_joins_before_it_leaves(void **state)
{
	struct rig *r = *state;

	irq_source_set(&r->a, true);
	irq_source_connect(&r->a, &r->other);
	assert_int_equal(r->sink.nr_levels, 3);
	heard(r, 1, PIN + 1, true);
	heard(r, 2, PIN, false);
	assert_ptr_equal(r->a.line, &r->other);
	irq_source_set(&r->a, false);
	heard(r, 3, PIN + 1, false);
}

/* rule 72 */
static void source_that_leaves_takes_only_its_own_level_away(void **state)
{
	struct rig *r = *state;

	irq_source_set(&r->a, true);
	irq_source_set(&r->b, true);
	irq_source_connect(&r->a, NULL);
	assert_true(r->line.high);
	assert_int_equal(r->sink.nr_levels, 1);
	irq_source_set(&r->a, false);
	assert_true(r->line.high);
	irq_source_set(&r->b, false);
	assert_false(r->line.high);
}

static void low_source_that_moves_changes_and_counts_nothing(void **state)
{
	struct rig *r = *state;

	irq_source_connect(&r->b, &r->other);
	irq_source_connect(&r->b, NULL);
	assert_int_equal(r->sink.nr_levels, 0);
	counted(&r->line, 0, 0, 0, 0);
	counted(&r->other, 0, 0, 0, 0);
}

static void placed_source_is_not_heard_until_its_line_is_settled(void **state)
{
	struct rig *r = *state;

	irq_source_set(&r->a, true);
	irq_source_place(&r->a, &r->other, true);
	irq_source_place(&r->b, &r->line, true);
	assert_int_equal(r->sink.nr_levels, 1);
	assert_int_equal(irq_line_settle(&r->other), IRQ_QUEUED);
	assert_int_equal(irq_line_settle(&r->line), IRQ_SILENT);
	assert_int_equal(r->sink.nr_levels, 2);
	heard(r, 1, PIN + 1, true);
	irq_source_place(&r->b, NULL, false);
	assert_int_equal(irq_line_settle(&r->line), IRQ_QUEUED);
	heard(r, 2, PIN, false);
}

static void line_shows_its_level_and_what_is_untold(void **state)
{
	struct rig *r = *state;
	struct irq_view v = { .level = -1 };
	struct irq_edge e;

	r->sink.refuse = true;
	irq_source_set(&r->a, true);
	assert_string_equal(r->line.stage.ops->kind, "line");
	r->line.stage.ops->view(&r->line.stage, &v);
	assert_string_equal(v.name, "INTA");
	assert_int_equal(v.level, 1);
	assert_int_equal(v.pending, 1);
	assert_int_equal(v.count.latched, 1);
	assert_true(r->line.stage.ops->edge(&r->line.stage, 0, &e));
	assert_ptr_equal(e.to, &r->sink.stage);
	assert_int_equal(e.pin, PIN);
	assert_false(r->line.stage.ops->edge(&r->line.stage, 1, &e));
	irq_line_set_next(&r->line, NULL, 0);
	assert_false(r->line.stage.ops->edge(&r->line.stage, 0, &e));
	irq_source_set(&r->a, false);
	r->line.stage.ops->view(&r->line.stage, &v);
	assert_int_equal(v.level, 0);
	assert_int_equal(v.pending, 0);
}

static void line_without_a_name_has_an_empty_one(void **state)
{
	struct irq_view v = { .level = -1 };
	struct irq_line line;

	(void)state;
	irq_line_init(&line, NULL, NULL, 0);
	line.stage.ops->view(&line.stage, &v);
	assert_string_equal(v.name, "");
}

/* A listener that answers a rise by lowering its cause, at once. */
struct hasty {
	struct irq_stage stage;
	struct irq_source *cause;
	bool refuse_within;
	bool high;
	unsigned int rises, falls;
};

static enum irq_result hasty_set(struct irq_stage *s, uint32_t pin, bool high)
{
	struct hasty *h = container_of(s, struct hasty, stage);

	(void)pin;
	if (!high && h->refuse_within)
		return IRQ_REFUSED;
	h->high = high;
	h->rises += high;
	h->falls += !high;
	if (high)
		irq_source_set(h->cause, false);
	return IRQ_DELIVERED;
}

static const struct irq_stage_ops hasty_ops = {
	.kind = "hasty",
	.set = hasty_set,
};

static void listener_may_lower_the_cause_from_within(void **state)
{
	struct rig *r = *state;
	struct hasty h = { .stage.ops = &hasty_ops, .cause = &r->a };

	irq_line_set_next(&r->line, &h.stage, 0);
	for (unsigned int i = 1; i <= 3; i++) {
		assert_int_equal(irq_source_set(&r->a, true), IRQ_DELIVERED);
		assert_int_equal(h.rises, i);
		assert_int_equal(h.falls, i);
		assert_false(r->line.high);
		assert_false(r->line.told);
	}
	h.refuse_within = true;
	irq_source_set(&r->a, true);
	assert_true(h.high);
	assert_true(r->line.told);
	assert_false(r->line.high);
	h.refuse_within = false;
	assert_int_equal(irq_line_flush(&r->line), IRQ_DELIVERED);
	assert_false(h.high);
}

/*
 * ---- Against a model: the OR, written down again after each step ----------
 */

#define LINES	3
#define SOURCES 8
#define STEPS	200000

struct world {
	struct sink_record sink;
	struct irq_line line[LINES];
	struct irq_source source[SOURCES];
	unsigned int where[SOURCES]; /* LINES: nowhere */
	bool high[SOURCES];
	bool believed[LINES]; /* what the sink was told */
};

/* What the sink heard since, as one who has only that. */
static void listen(struct world *w)
{
	for (unsigned int i = 0; i < w->sink.nr_levels; i++) {
		uint32_t pin = w->sink.level[i].pin;

		assert_true(pin < LINES);
		assert_int_not_equal(w->believed[pin], w->sink.level[i].high);
		w->believed[pin] = w->sink.level[i].high;
	}
	assert_true(w->sink.nr_levels <= 2);
	w->sink.nr_levels = 0;
}

static void compare(const struct world *w, bool all_told)
{
	for (unsigned int l = 0; l < LINES; l++) {
		bool high = false;

		for (unsigned int s = 0; s < SOURCES; s++)
			high |= w->where[s] == l && w->high[s];
		assert_int_equal(w->line[l].high, high);
		assert_int_equal(w->line[l].told, w->believed[l]);
		if (all_told)
			assert_int_equal(w->believed[l], high);
	}
}

static void step(struct world *w)
{
	unsigned int s = (unsigned int)rand() % SOURCES;
	unsigned int l = (unsigned int)rand() % (LINES + 1);

	switch (rand() % 8) {
	case 0:
		irq_source_connect(&w->source[s],
				   l < LINES ? &w->line[l] : NULL);
		w->where[s] = l;
		break;
	case 1:
		w->sink.refuse = !w->sink.refuse;
		if (w->sink.refuse)
			break;
		for (l = 0; l < LINES; l++) {
			irq_line_flush(&w->line[l]);
			listen(w);
		}
		break;
	default:
		w->high[s] = rand() % 3 == 0;
		irq_source_set(&w->source[s], w->high[s]);
	}
}

/* rule 72 */
static void level_is_the_or_of_its_sources_whatever_happens(void **state)
{
	static struct world w;

	(void)state;
	srand(72);
	sink_record_init(&w.sink);
	for (unsigned int l = 0; l < LINES; l++)
		irq_line_init(&w.line[l], "", &w.sink.stage, l);
	for (unsigned int s = 0; s < SOURCES; s++)
		w.where[s] = LINES;
	for (unsigned int i = 0; i < STEPS; i++) {
		step(&w);
		listen(&w);
		compare(&w, !w.sink.refuse);
	}
	for (unsigned int l = 0; l < LINES; l++)
		assert_true(w.line[l].stage.count.latched > 1000);
}

int main(void)
{
#define WITH_RIG(t) cmocka_unit_test_setup_teardown(t, two_sources, done)
	const struct CMUnitTest tests[] = {
		WITH_RIG(line_starts_low_and_says_nothing),
		WITH_RIG(line_rises_once_for_two_sources),
		WITH_RIG(line_falls_when_its_last_source_does),
		WITH_RIG(same_level_again_is_silent_and_counts_once),
		WITH_RIG(refused_rise_is_told_by_a_flush),
		WITH_RIG(refused_fall_is_told_by_a_flush),
		WITH_RIG(change_that_takes_a_refused_one_back_is_not_told),
		WITH_RIG(line_that_nobody_hears_keeps_its_level_untold),
		WITH_RIG(new_listener_rises_before_the_old_one_falls),
		WITH_RIG(old_listener_that_never_heard_a_rise_hears_no_fall),
		WITH_RIG(listener_exchanged_for_itself_hears_nothing),
		WITH_RIG(old_listener_that_refuses_its_fall_is_reported),
		WITH_RIG(source_brings_its_level_to_the_line_it_joins),
		WITH_RIG(source_that_moves_joins_before_it_leaves),
		WITH_RIG(source_that_leaves_takes_only_its_own_level_away),
		WITH_RIG(low_source_that_moves_changes_and_counts_nothing),
		WITH_RIG(placed_source_is_not_heard_until_its_line_is_settled),
		WITH_RIG(line_shows_its_level_and_what_is_untold),
		WITH_RIG(listener_may_lower_the_cause_from_within),
		cmocka_unit_test(line_without_a_name_has_an_empty_one),
		cmocka_unit_test(
			level_is_the_or_of_its_sources_whatever_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
