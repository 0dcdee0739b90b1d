/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random register writes, and a model that knows nothing of buses: it keeps
 * the registers as numbers, and asks of each address who answers there.  Now
 * and then there is something that is no BAR, and now and then no room for one
 * more: then the write is to be undone, wholly.
 */
#include "transport/pci/test_rig.h"

#define FUNCS 7
#define BASE  0xe0000000u
#define STEPS 16000
#define OTHER (BASE + 0x4000) /* two pages that are no BAR's */

enum kind {
	NONE,
	MEM32,
	MEM64,
	UPPER,
	PORTS
};

struct model_bar {
	enum kind kind;
	uint64_t size;
	uint32_t value;
	bool ones; /* the last write was all ones, byte by byte or at once */
};

struct model {
	bool plugged[FUNCS];
	uint16_t bdf[FUNCS];
	uint32_t command[FUNCS];
	struct model_bar bar[FUNCS][PCI_NR_BARS];
	bool other; /* what is no BAR is there */
	unsigned int rolled_back;
};

static uint64_t model_base(const struct model_bar *b)
{
	uint64_t v = b->value & ~15ull;

	if (b->kind == PORTS)
		return b->value & ~3ull;
	return b->kind == MEM64 ? v | (uint64_t)b[1].value << 32 : v;
}

static bool model_decodes(const struct model *m, unsigned int i,
			  const struct model_bar *b)
{
	uint64_t base = model_base(b), ones = -b->size;

	if (!m->plugged[i] || b->kind == NONE || b->kind == UPPER || !base)
		return false;
	if (b->kind == PORTS)
		return (m->command[i] & PCI_COMMAND_IO) && base <= 0xffff &&
		       base != (ones & 0xffff);
	if (!(m->command[i] & PCI_COMMAND_MEM) || b->ones)
		return false;
	if (b->kind == MEM64 && b[1].ones)
		return false;
	return base != (ones & 0xffffffff);
}

/* Does a BAR that decodes win against all that outrank it and win? */
static void model_winners(const struct model *m, bool io,
			  bool win[FUNCS][PCI_NR_BARS])
{
	memset(win, 0, sizeof(bool) * FUNCS * PCI_NR_BARS);
	/* Functions are plugged so that a lower index is a lower BDF. */
	for (unsigned int k = 0; k < FUNCS * PCI_NR_BARS; k++) {
		unsigned int i = k / PCI_NR_BARS, n = k % PCI_NR_BARS;
		const struct model_bar *b = &m->bar[i][n];
		bool ok = (b->kind == PORTS) == io && model_decodes(m, i, b);

		if (ok && m->other && !io)
			ok = model_base(b) >= OTHER + 0x2000 ||
			     model_base(b) + b->size <= OTHER;

		for (unsigned int j = 0; ok && j < k; j++) {
			const struct model_bar *o =
				&m->bar[j / PCI_NR_BARS][j % PCI_NR_BARS];
			uint64_t ob = model_base(o), bb = model_base(b);

			if (win[j / PCI_NR_BARS][j % PCI_NR_BARS])
				ok = ob + o->size <= bb || bb + b->size <= ob;
		}
		win[i][n] = ok;
	}
}

static unsigned int model_count(const struct model *m, bool io)
{
	bool win[FUNCS][PCI_NR_BARS];
	unsigned int n = 0;

	model_winners(m, io, win);
	for (unsigned int k = 0; k < FUNCS * PCI_NR_BARS; k++)
		n += win[k / PCI_NR_BARS][k % PCI_NR_BARS];
	return n;
}

static unsigned int model_who(const struct model *m,
			      bool win[FUNCS][PCI_NR_BARS], uint64_t addr)
{
	for (unsigned int i = 0; i < FUNCS; i++)
		for (unsigned int n = 0; n < PCI_NR_BARS; n++)
			if (win[i][n] && addr - model_base(&m->bar[i][n]) <
						 m->bar[i][n].size)
				return RIG_WHO(i, n);
	return 0;
}

static void model_write(struct model *m, unsigned int i, unsigned int n,
			uint32_t value)
{
	struct model_bar *b = &m->bar[i][n];
	uint32_t low = (uint32_t)-b->size;

	b->ones = value == 0xffffffff || value == 0xfffffff0;
	switch (b->kind) {
	case NONE:
		break;
	case UPPER:
		b->ones = value == 0xffffffff;
		b->value = value;
		break;
	case PORTS:
		b->value = (value & low & ~3u) | 1;
		break;
	case MEM32:
		b->value = value & low;
		break;
	case MEM64:
		b->value = (value & low) | 4;
		break;
	}
}

static void build(struct rig *r, struct model *m)
{
	static const struct {
		enum kind kind;
		uint64_t size;
		unsigned int flags;
	} layout[] = {
		{ MEM32, 0x1000, 0 },	       { PORTS, 16, PCI_BAR_IO },
		{ MEM32, 0x8000, 0 },	       { MEM32, 0x2000, 0 },
		{ MEM64, 0x4000, PCI_BAR_64 },
	};
	/* By rank: three on bus 0, of one device or not, and beyond. */
	static const uint16_t bdf[FUNCS] = {
		0x0008, 0x0009, 0x00f8, 0x0100, 0x01ff, 0x0240, 0x0308,
	};

	rig_bus(r, 0, 0, 2);
	rig_bus(r, 1, 1, 3);
	rig_bus(r, 2, 0, 5);

	memset(m, 0, sizeof(*m));
	for (unsigned int i = 0; i < FUNCS; i++) {
		for (unsigned int n = 0; n < ARRAY_SIZE(layout); n++) {
			m->bar[i][n].kind = layout[n].kind;
			m->bar[i][n].size = layout[n].size;
			if (layout[n].kind != NONE)
				rig_add_bar(r, i, n, layout[n].size,
					    layout[n].flags);
			model_write(m, i, n, 0);
		}
		m->bar[i][5].kind = UPPER;
		m->bdf[i] = bdf[i];
	}
}

static void random_bar_write(struct rig *r, struct model *m, unsigned int i)
{
	unsigned int n = (unsigned int)rand() % PCI_NR_BARS;
	/* Few places, so that they meet. */
	uint32_t value = BASE + (uint32_t)(rand() % 16) * 0x1000;

	if (m->bar[i][n].kind == UPPER)
		value = rand() % 4 ? 0 : (uint32_t)rand() % 2;
	if (m->bar[i][n].kind == PORTS)
		value = 0xff00 + (uint32_t)(rand() % 8) * 0x20;
	switch (rand() % 8) {
	case 0:
		value = rand() % 2 ? 0xffffffff : 0xfffffff0;
		break;
	case 1:
		value = 0;
		break;
	}
	model_write(m, i, n, value);
	if (rand() % 4) {
		rig_set_bar(r, i, n, value);
		return;
	}
	for (unsigned int k = 0; k < 4; k++)
		rig_set(r, i, PCI_BAR0 + 4 * n + k, 1, value >> 8 * k & 0xff);
}

/* Something that is no BAR comes if there is room, or goes: then whoever it
 * had beaten reappears when any BAR changes. */
static void other_step(struct rig *r, struct model *m, struct bus_range *other,
		       unsigned int i)
{
	if (m->other)
		bus_remove(&r->mmio, other);
	else if (bus_insert(&r->mmio, other, NULL))
		return;
	m->other = !m->other;
	rig_command(r, i, m->command[i]);
}

/* A write when there is room for what is there only. */
static void write_without_room(struct rig *r, struct model *m, unsigned int i)
{
	const unsigned int n = (unsigned int)rand() % PCI_NR_BARS;
	uint32_t value = BASE + (uint32_t)(rand() % 16) * 0x1000;
	const struct pci_func *f = rig_func(r, i);
	const uint64_t before = f->stats.rolled_back;
	struct model after = *m;

	r->mmio.max = r->mmio.nr;
	r->pio.max = r->pio.nr;
	if (rand() % 2) {
		after.command[i] = (uint32_t)rand() % 8;
		rig_command(r, i, after.command[i]);
	} else {
		value = m->bar[i][n].kind == PORTS ? 0xff00 : value;
		value = m->bar[i][n].kind == UPPER ? 0 : value;
		model_write(&after, i, n, value);
		rig_set_bar(r, i, n, value);
	}
	/* ECAM, and what is no BAR; the ports CF8.  Room may run out on the
	 * way, too: one comes before another one goes. */
	if (model_count(&after, false) + 1 + m->other > r->mmio.max ||
	    model_count(&after, true) + 1 > r->pio.max)
		assert_int_equal(f->stats.rolled_back, before + 1);
	if (f->stats.rolled_back == before)
		*m = after;
	else
		m->rolled_back++;
	r->mmio.max = BUS_MAX_RANGES;
	r->pio.max = BUS_MAX_RANGES;
}

static void random_step(struct rig *r, struct model *m, struct bus_range *other)
{
	unsigned int i = (unsigned int)rand() % FUNCS;

	if (!m->plugged[i]) {
		rig_plug(r, i, m->bdf[i]);
		m->plugged[i] = true;
		return;
	}
	switch (rand() % 32) {
	case 0:
		pci_root_unplug(&r->root, rig_func(r, i));
		m->plugged[i] = false;
		break;
	case 1:
		pci_func_reset(rig_func(r, i));
		m->command[i] = 0;
		for (unsigned int n = 0; n < PCI_NR_BARS; n++)
			model_write(m, i, n, 0);
		break;
	case 2:
	case 3:
	case 4:
	case 5:
	case 6:
	case 7:
		m->command[i] = rand() % 3 ? 7 : (uint32_t)rand() % 4;
		rig_command(r, i, m->command[i]);
		break;
	case 8:
		other_step(r, m, other, i);
		break;
	case 9:
	case 10:
	case 11:
		write_without_room(r, m, i);
		break;
	default:
		random_bar_write(r, m, i);
	}
}

static void compare(struct rig *r, const struct model *m)
{
	bool mmio[FUNCS][PCI_NR_BARS], pio[FUNCS][PCI_NR_BARS];

	model_winners(m, false, mmio);
	model_winners(m, true, pio);
	for (uint32_t at = 0; at < 0x18000; at += 0x1000) {
		uint64_t low = BASE + at, high = low | 1ull << 32;

		assert_int_equal(rig_who(&r->mmio, low),
				 model_who(m, mmio, low));
		assert_int_equal(rig_who(&r->mmio, high + 0xffc),
				 model_who(m, mmio, high + 0xffc));
	}
	for (uint32_t port = 0xff00; port < 0x10000; port += 0x10)
		assert_int_equal(rig_who(&r->pio, port),
				 model_who(m, pio, port));
	for (unsigned int i = 0; i < FUNCS; i++)
		for (unsigned int n = 0; n < PCI_NR_BARS; n++)
			assert_int_equal(rig_get_bar(r, i, n),
					 m->bar[i][n].value);
}

static uint64_t other_read(void *ctx, uint64_t offset, unsigned int size)
{
	(void)ctx;
	(void)offset;
	(void)size;
	return 0;
}

static const struct bus_ops other_ops = { .read = other_read };

/* rules 11-18 */
static void who_answers_where_follows_the_registers_alone(void **state)
{
	struct rig *r = *state;
	static struct model m;
	static struct bus_range other = { .base = OTHER,
					  .size = 0x2000,
					  .ops = &other_ops };
	unsigned int shadowed = 0, rolled_back = 0;

	srand(18);
	build(r, &m);
	for (unsigned int step = 0; step < STEPS; step++) {
		random_step(r, &m, &other);
		compare(r, &m);
		for (unsigned int k = 0; k < FUNCS * PCI_NR_BARS; k++) {
			const struct pci_bar *b =
				&rig_func(r, k / PCI_NR_BARS)
					 ->bar[k % PCI_NR_BARS];

			shadowed += b->wanted && !b->mapped;
		}
	}
	assert_true(shadowed > STEPS);
	assert_true(m.rolled_back > STEPS / 100);
	for (unsigned int i = 0; i < FUNCS; i++) {
		rolled_back += (unsigned int)rig_func(r, i)->stats.rolled_back;
		assert_int_equal(rig_func(r, i)->stats.bad, 0);
	}
	assert_int_equal(rolled_back, m.rolled_back);
	if (m.other)
		bus_remove(&r->mmio, &other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(who_answers_where_follows_the_registers_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
