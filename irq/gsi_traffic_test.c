/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The routing table while interrupts flow: long random stories, and what has
 * to be true after each step of them.
 */
#include "irq/test_gsi.h"

#define STEPS 100000

struct model {
	struct gsi_route route[NR];
	bool in[NR];
	bool pending[NR];
	bool believed[2 * PINS]; /* what the sink was told */
};

static bool leads_to(const struct gsi_route *r, unsigned int pin)
{
	for (unsigned int i = 0; i < r->nr_pins; i++)
		if (r->pin[i].chip == pin / PINS && r->pin[i].pin == pin % PINS)
			return r->kind == GSI_TO_PINS;
	return false;
}

static bool model_pin(const struct model *m, unsigned int pin)
{
	for (unsigned int i = 0; i < NR; i++)
		if (m->in[i] && leads_to(&m->route[i], pin))
			return true;
	return false;
}

static void model_event(struct model *m, unsigned int i)
{
	if (m->route[i].kind == GSI_TO_MSI)
		m->pending[i] = true;
}

static void model_route(struct model *m, unsigned int i, struct gsi_route to)
{
	bool was_msi = m->route[i].kind == GSI_TO_MSI;

	m->route[i] = to;
	if (to.kind != GSI_TO_MSI)
		m->pending[i] = false;
	else if (!was_msi && m->in[i])
		m->pending[i] = true;
}

static struct gsi_route any_route(const struct rig *r, unsigned int gsi)
{
	unsigned int nr = 1 + (unsigned int)rand() % GSI_PINS;
	unsigned int first = (unsigned int)rand() % (2 * PINS);

	/* An event that waits would pulse pins: that has its own test. */
	if (r->gsi[gsi].pending || rand() % 4 == 0)
		return to_msi(gsi);
	if (rand() % 8 == 0)
		return to_nowhere;
	return to_pins(nr, first, (first + 3) % (2 * PINS),
		       (first + 7) % (2 * PINS));
}

static void step(struct rig *r, struct model *m)
{
	unsigned int i = (unsigned int)rand() % NR;
	struct gsi_route table[NR];

	switch (rand() % 16) {
	case 0:
		for (i = 0; i < NR; i++) {
			table[i] = any_route(r, i);
			model_route(m, i, table[i]);
		}
		assert_int_equal(gsi_swap(&r->table, table, NR), 0);
		break;
	case 1:
	case 2:
	case 3:
		table[0] = any_route(r, i);
		model_route(m, i, table[0]);
		assert_int_equal(gsi_route(&r->table, i, &table[0]), 0);
		break;
	case 4:
		if (m->route[i].kind != GSI_TO_PINS) {
			model_event(m, i);
			gsi_pulse(&r->table, i);
		}
		break;
	case 5:
		r->pins.refuse = !r->pins.refuse;
		for (i = 0; i < 2 * PINS; i++)
			irq_line_flush(&r->chip[i / PINS][i % PINS]);
		break;
	case 6:
		r->msi.refuse = !r->msi.refuse;
		gsi_flush(&r->table);
		break;
	default:
		if (!m->in[i])
			model_event(m, i);
		m->in[i] = !m->in[i];
		irq_source_set(&r->in[i], m->in[i]);
	}
}

/* One step moves a pin at most once, and only one that has to move. */
static void compare_pins(struct rig *r, struct model *m)
{
	bool moved[2 * PINS] = { false };

	for (unsigned int i = 0; i < r->pins.nr_levels; i++) {
		uint32_t pin = r->pins.level[i].pin;

		assert_false(moved[pin]);
		moved[pin] = true;
		assert_int_not_equal(m->believed[pin], r->pins.level[i].high);
		m->believed[pin] = r->pins.level[i].high;
	}
	r->pins.nr_levels = 0;
	for (unsigned int p = 0; p < 2 * PINS; p++) {
		const struct irq_line *line = &r->chip[p / PINS][p % PINS];

		assert_int_equal(line->high, model_pin(m, p));
		assert_int_equal(line->told, m->believed[p]);
		if (!r->pins.refuse)
			assert_int_equal(line->told, line->high);
	}
}

static void compare_messages(struct rig *r, struct model *m)
{
	uint32_t nr_pending = 0;

	for (unsigned int i = 0; i < r->msi.nr; i++) {
		uint32_t gsi = r->msi.message[i].data;

		assert_true(gsi < NR && m->pending[gsi]);
		m->pending[gsi] = false;
	}
	r->msi.nr = 0;
	for (unsigned int i = 0; i < NR; i++) {
		assert_int_equal(r->gsi[i].pending, m->pending[i]);
		assert_true(r->msi.refuse || !m->pending[i]);
		nr_pending += m->pending[i];
	}
	assert_int_equal(r->table.nr_pending, nr_pending);
}

static void routes_change_under_traffic_without_loss_or_glitch(void **state)
{
	struct rig *r = *state;
	struct model m = { .route = { { 0 } } };

	srand(3);
	for (unsigned int i = 0; i < STEPS; i++) {
		step(r, &m);
		compare_pins(r, &m);
		compare_messages(r, &m);
	}
}

/* A listener that refuses every other change, by chance. */
struct moody {
	struct irq_stage stage;
	bool steady; /* takes all */
	bool high;
	unsigned int rises;
};

static enum irq_result moody_set(struct irq_stage *s, uint32_t pin, bool high)
{
	struct moody *m = container_of(s, struct moody, stage);

	(void)pin;
	if (!m->steady && rand() % 2)
		return IRQ_REFUSED;
	assert_int_not_equal(m->high, high);
	m->high = high;
	m->rises += high;
	return IRQ_QUEUED;
}

static const struct irq_stage_ops moody_ops = {
	.kind = "moody",
	.set = moody_set,
};

static void every_pulse_is_heard_after_it_was_made(void **state)
{
	struct rig *r = *state;
	struct moody m = { .stage.ops = &moody_ops };
	unsigned int due = 0;

	srand(4);
	irq_line_set_next(&r->chip[0][0], &m.stage, 0);
	route(r, 0, to_pins(2, 0, 1, 0));
	for (unsigned int i = 0; i < STEPS; i++) {
		m.steady = rand() % 8 == 0;
		switch (m.steady ? 3 : rand() % 4) {
		case 0:
			due = m.rises + 1;
			gsi_pulse(&r->table, 0);
			break;
		case 1:
			irq_line_flush(&r->chip[0][0]);
			break;
		default:
			gsi_flush(&r->table);
			irq_line_flush(&r->chip[0][0]);
		}
		assert_true(r->gsi[0].pending || m.rises >= due);
		if (!m.steady)
			continue;
		assert_int_equal(r->table.nr_pending, 0);
		assert_false(m.high || r->chip[0][0].high);
	}
	assert_true(r->gsi[0].stage.count.latched > 1000);
}

static void all_4096_entries_work_on_one_pin(void **state)
{
	static struct gsi gsi[GSI_MAX];
	static struct irq_source in[GSI_MAX];
	static struct gsi_route routes[GSI_MAX];
	static struct sink_record sink;
	struct irq_line pin;
	struct gsi_table t;

	(void)state;
	sink_record_init(&sink);
	irq_line_init(&pin, "", &sink.stage, 0);
	gsi_table_init(&t, gsi, GSI_MAX, &sink.stage);
	gsi_table_set_chip(&t, 2, &pin, 1);
	for (uint32_t i = 0; i < GSI_MAX; i++) {
		routes[i] = (struct gsi_route){ .kind = GSI_TO_PINS,
						.nr_pins = 1,
						.pin = { { .chip = 2 } } };
		irq_source_connect(&in[i], gsi_line(&t, i));
	}
	assert_int_equal(gsi_swap(&t, routes, GSI_MAX), 0);
	irq_source_set(&in[GSI_MAX - 1], true);
	irq_source_set(&in[0], true);
	irq_source_set(&in[GSI_MAX - 1], false);
	assert_int_equal(sink.nr_levels, 1);
	for (uint32_t i = 0; i < GSI_MAX; i++) {
		routes[i] = to_msi(i);
		assert_int_equal(gsi_route(&t, i, &routes[i]), 0);
	}
	assert_int_equal(sink.nr_levels, 2);
	assert_int_equal(sink.nr, 1);
	for (uint32_t i = 0; i < GSI_MAX; i++)
		gsi_pulse(&t, i);
	assert_int_equal(sink.nr, 1 + GSI_MAX);
	gsi_table_fini(&t);
	assert_null(pin.sources);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(routes_change_under_traffic_without_loss_or_glitch),
		WITH_RIG(every_pulse_is_heard_after_it_was_made),
		cmocka_unit_test(all_4096_entries_work_on_one_pin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
