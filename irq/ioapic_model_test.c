/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An I/O APIC under random scripts, beside a model: after each step both have
 * the same entries, levels, kept edges and stale routes, and have sent the same
 * number of messages.  test_ioapic.h checks that each had its route before.
 */
#include "irq/test_ioapic.h"

struct model {
	struct {
		uint64_t entry; /* without Remote IRR */
		uint8_t sent;
		bool high, kept, busy, stale;
	} pin[IOAPIC_PINS];
	unsigned int nr;
};

static uint64_t seed;

static uint32_t below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 11) % n;
}

static bool sensible(uint64_t e)
{
	return ioapic_message(e).address;
}

/* Fixed and lowest priority only. */
static bool level(uint64_t e)
{
	return (e & IOAPIC_LEVEL) && !(e & 0x600);
}

static void model_route(struct model *m, const struct rig *r, unsigned int p)
{
	m->pin[p].stale = m->pin[p].stale && r->refuse_routes;
}

static void model_try(struct model *m, const struct rig *r, unsigned int p)
{
	const uint64_t e = m->pin[p].entry;

	if (!m->pin[p].kept && !(level(e) && m->pin[p].high))
		return;
	if (e & IOAPIC_MASKED || m->pin[p].busy || !sensible(e))
		return;
	model_route(m, r, p);
	if (m->pin[p].stale || r->refuse)
		return;
	m->nr++;
	m->pin[p].kept = false;
	m->pin[p].busy = level(e);
	m->pin[p].sent = (uint8_t)e;
}

static void model_entry(struct model *m, const struct rig *r, unsigned int p,
			uint64_t e)
{
	const struct msi_message old = ioapic_message(m->pin[p].entry);
	const struct msi_message new = ioapic_message(e);

	m->pin[p].entry = e;
	if (!level(e))
		m->pin[p].busy = false;
	if (!same(&old, &new))
		m->pin[p].stale = true;
	model_route(m, r, p);
	model_try(m, r, p);
}

static void model_set(struct model *m, const struct rig *r, unsigned int p,
		      bool high)
{
	const uint64_t e = m->pin[p].entry;

	if (m->pin[p].high == high)
		return;
	m->pin[p].high = high;
	if (!high)
		return;
	if (!level(e) && !(e & IOAPIC_MASKED) && sensible(e))
		m->pin[p].kept = true;
	model_try(m, r, p);
}

static void model_all(struct model *m, const struct rig *r)
{
	for (unsigned int p = 0; p < IOAPIC_PINS; p++) {
		model_route(m, r, p);
		model_try(m, r, p);
	}
}

static void model_eoi(struct model *m, const struct rig *r, uint8_t v)
{
	for (unsigned int p = 0; p < IOAPIC_PINS; p++) {
		if (!m->pin[p].busy ||
		    (m->pin[p].sent != v && (uint8_t)m->pin[p].entry != v))
			continue;
		m->pin[p].busy = false;
		model_try(m, r, p);
	}
}

static void model_reset(struct model *m, const struct rig *r)
{
	for (unsigned int p = 0; p < IOAPIC_PINS; p++) {
		m->pin[p].kept = false;
		model_entry(m, r, p, IOAPIC_MASKED);
	}
}

static uint64_t random_entry(void)
{
	static const uint16_t modes[] = { 0, 0, 0, 0x100, 0x200, 0x300, 0x400 };
	uint64_t e = below(8) ? 0x20 + below(4) : below(16);

	e |= modes[below(ARRAY_SIZE(modes))];
	e |= below(4) ? IOAPIC_LEVEL : 0;
	e |= below(3) ? 0 : IOAPIC_MASKED;
	return e | DEST(below(2));
}

static void random_step(struct rig *r, struct model *m)
{
	static const uint8_t pins[] = { 0, 1, 2, 16, 23 };
	const unsigned int p = pins[below(ARRAY_SIZE(pins))];
	const bool high = below(2);
	const uint8_t v = below(4) ? m->pin[p].sent : (uint8_t)below(0x25);
	uint64_t e = random_entry();

	switch (below(12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		model_set(m, r, p, high);
		set(r, p, high);
		break;
	case 4:
	case 5: /* the mask only */
		e = m->pin[p].entry ^ IOAPIC_MASKED;
		model_entry(m, r, p, e);
		put(r, 0x10 + 2 * p, (uint32_t)e);
		break;
	case 6: /* a half of the entry, with bits that cannot be written */
		e = (m->pin[p].entry & ~0xffffffffull) | (uint32_t)e;
		model_entry(m, r, p, e);
		put(r, 0x10 + 2 * p, (uint32_t)e | 0xfffe5000 * below(2));
		break;
	case 7:
		e = (m->pin[p].entry & 0xffffffff) | (e & ~0xffffffffull);
		model_entry(m, r, p, e);
		put(r, 0x11 + 2 * p, (uint32_t)(e >> 32));
		break;
	case 8:
	case 9:
		model_eoi(m, r, v);
		ioapic_eoi(&r->io, v);
		break;
	case 10:
		r->refuse = !below(3);
		r->refuse_routes = !below(4);
		break;
	default:
		if (!below(50)) {
			model_reset(m, r);
			ioapic_reset(&r->io);
		}
		model_all(m, r);
		ioapic_flush(&r->io);
		break;
	}
}

static void check(struct rig *r, const struct model *m)
{
	assert_int_equal(r->nr, m->nr);
	assert_int_equal(r->io.stage.count.fired, m->nr);
	for (unsigned int p = 0; p < IOAPIC_PINS; p++) {
		const uint64_t e = m->pin[p].entry;

		assert_int_equal(r->io.s.entry[p],
				 e | (m->pin[p].busy ? IOAPIC_REMOTE_IRR : 0));
		assert_int_equal(!!(r->io.s.high & BIT(p)), m->pin[p].high);
		assert_int_equal(!!(r->io.s.pending & BIT(p)), m->pin[p].kept);
		assert_int_equal(!!(r->io.stale & BIT(p)), m->pin[p].stale);
	}
}

/* Nothing refuses and all was flushed: nothing waits without a reason. */
static void check_rest(struct rig *r)
{
	r->refuse = false;
	r->refuse_routes = false;
	ioapic_flush(&r->io);
	assert_int_equal(r->io.stale, 0);
	assert_int_equal(r->io.refused, 0);
	for (unsigned int p = 0; p < IOAPIC_PINS; p++) {
		const uint64_t e = r->io.s.entry[p];

		if (!(e & (IOAPIC_MASKED | IOAPIC_REMOTE_IRR)) && sensible(e)) {
			assert_false(r->io.s.pending & BIT(p));
			assert_false(level(e) && (r->io.s.high & BIT(p)));
		}
	}
}

/* rule 74 */
static void random_scripts_agree_with_a_model(void **state)
{
	unsigned int sent = 0;

	for (unsigned int i = 1; i <= 100; i++) {
		struct rig *r;
		struct model m = { .nr = 0 };

		done(state);
		power_on(state);
		r = *state;
		for (unsigned int p = 0; p < IOAPIC_PINS; p++)
			m.pin[p].entry = IOAPIC_MASKED;
		seed = 0x9e3779b97f4a7c15ull * i;
		for (unsigned int step = 0; step < 2000; step++) {
			random_step(r, &m);
			check(r, &m);
		}
		check_rest(r);
		sent += r->nr;
	}
	assert_true(sent > 100 * 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IOAPIC_TEST(random_scripts_agree_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
