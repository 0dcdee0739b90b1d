/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Anything in any order on a small cascade: six sources on the inputs of a GSI
 * table, whose pins lead through a gate to an I/O APIC, and two banks; all
 * messages end at one sink.  Gate, sink and routes refuse when told to.
 *
 * After each step: a line is the OR of its sources, and was told so unless it
 * was refused; a message had a cause, a way, its route, and says what its
 * entry says; Remote IRR is set exactly while one is under way.  In the end,
 * when all is open and was flushed: every event was seen, every level too.
 */
#include "irq/gsi.h"
#include "irq/ioapic.h"
#include "irq/msi.h"
#include "irq/sink.h"

#include "tests/fuzz/must.h"

#define BANKS	2
#define VECTORS 4
#define SOURCES 6
#define GSIS	8
#define LINES	6

/* Requesters, by which the sink knows who sent. */
#define FROM_BANK   0x100 /* and its number */
#define FROM_IOAPIC 0x200
#define FROM_GSI    0x300 /* and its number */

struct bank {
	struct msi_bank bank;
	struct msi_vector table[VECTORS];
	uint64_t bits[MSI_PENDING_WORDS(VECTORS)];
	struct msi_vector vector[VECTORS]; /* as written */
	bool owed[VECTORS];
};

/* What a pin of the I/O APIC has to do, by the messages and EOIs seen. */
struct pin {
	struct msi_message route;
	bool owed; /* an edge */
	bool busy;
	uint8_t sent;
	unsigned int seen;
};

struct world {
	struct sink_callback sink;
	struct irq_stage gate; /* between the lines and the I/O APIC */
	struct sink_record other;
	struct bank bank[BANKS];
	struct gsi gsi[GSIS];
	struct gsi_table table;
	struct irq_line line[LINES];
	struct irq_source source[SOURCES];
	struct ioapic io;

	bool refuse, refuse_levels, refuse_routes;
	bool held_back; /* a level was refused, and no flush since */
	int eoi_within; /* or -1 */
	struct pin pin[IOAPIC_PINS];
	bool high[SOURCES];
	int gsi_of[SOURCES]; /* or -1 */
	struct gsi_route route[GSIS];
	bool cause[GSIS], owed[GSIS];
};

static struct world w;

/* ---- What is told --------------------------------------------------------- */

static void saw_bank(const struct msi_message *m)
{
	struct bank *b = &w.bank[m->requester_id & 1];
	const struct msi_vector *v = &b->vector[m->vector];

	must(m->vector < VECTORS && b->owed[m->vector]);
	must(b->bank.open && (b->bank.remote || !(v->control & 1)));
	must(m->address == v->address && m->data == v->data);
	b->owed[m->vector] = false;
}

static void eoi(uint8_t vector)
{
	for (unsigned int i = 0; i < IOAPIC_PINS; i++)
		if (w.pin[i].sent == vector ||
		    (uint8_t)w.io.s.entry[i] == vector)
			w.pin[i].busy = false;
}

static void saw_ioapic(const struct msi_message *m)
{
	struct pin *p = &w.pin[m->vector];
	const bool level = m->data & BIT(15);
	const int vector = w.eoi_within;

	must(m->vector < IOAPIC_PINS && m->address);
	must(!(w.io.s.entry[m->vector] & IOAPIC_MASKED) && !p->busy);
	must(m->address == p->route.address && m->data == p->route.data);
	must(p->owed || (level && (w.io.s.high & BIT(m->vector))));
	p->owed = false;
	p->busy = level;
	p->sent = (uint8_t)m->data;
	p->seen++;
	w.eoi_within = -1;
	if (vector < 0)
		return;
	eoi((uint8_t)vector);
	ioapic_eoi(&w.io, (uint8_t)vector);
}

static void saw_gsi(const struct msi_message *m)
{
	const unsigned int g = m->requester_id & 0xff;
	const struct gsi_route *r = &w.gsi[g].route;

	must(g < GSIS && w.cause[g] && r->kind == GSI_TO_MSI);
	must(m->address == r->msi.address && m->data == r->msi.data);
	w.cause[g] = false;
	w.owed[g] = false;
}

static enum irq_result sink_send(void *ctx, const struct msi_message *m)
{
	(void)ctx;
	if (w.refuse)
		return IRQ_REFUSED;
	if (m->requester_id == FROM_IOAPIC)
		saw_ioapic(m);
	else if (m->requester_id < FROM_IOAPIC)
		saw_bank(m);
	else
		saw_gsi(m);
	return IRQ_QUEUED;
}

static bool is_level(uint64_t entry)
{
	return (entry & IOAPIC_LEVEL) && !(entry & 0x600);
}

static enum irq_result gate_set(struct irq_stage *s, uint32_t pin, bool high)
{
	const uint64_t e = w.io.s.entry[pin];

	(void)s;
	must(pin < LINES);
	if (w.refuse_levels) {
		w.held_back = true;
		return IRQ_REFUSED;
	}
	must(!!(w.io.s.high & BIT(pin)) != high);
	if (high && !(e & IOAPIC_MASKED) && !is_level(e) &&
	    ioapic_message(e).address)
		w.pin[pin].owed = true;
	return irq_stage_set(&w.io.stage, pin, high);
}

static const struct irq_stage_ops gate_ops = {
	.kind = "gate",
	.set = gate_set,
};

static bool take_route(struct ioapic *io, uint32_t pin,
		       const struct msi_message *m)
{
	must(io == &w.io && pin < IOAPIC_PINS);
	if (w.refuse_routes)
		return false;
	w.pin[pin].route = *m;
	return true;
}

static const struct ioapic_ops ioapic_ops = { .route = take_route };

/* ---- What holds after each step ------------------------------------------- */

static bool or_of_sources(unsigned int gsi)
{
	for (unsigned int i = 0; i < SOURCES; i++)
		if (w.gsi_of[i] == (int)gsi && w.high[i])
			return true;
	return false;
}

static void check_gsi(unsigned int g, bool up[LINES])
{
	const struct gsi *gsi = &w.gsi[g];
	const struct gsi_route *r = &w.route[g];

	must(gsi->line.high == or_of_sources(g));
	must(gsi->line.told == gsi->line.high);
	must(gsi->route.kind == r->kind);
	for (unsigned int i = 0; i < GSI_PINS; i++) {
		const struct irq_source *s = &gsi->source[i];

		if (r->kind != GSI_TO_PINS || i >= r->nr_pins) {
			must(!s->line);
			continue;
		}
		must(s->line == &w.line[r->pin[i].pin]);
		must(s->high == gsi->line.high || (s->high && gsi->pending));
		up[r->pin[i].pin] |= s->high;
	}
}

static void check(void)
{
	bool up[LINES] = { false };

	for (unsigned int g = 0; g < GSIS; g++)
		check_gsi(g, up);
	for (unsigned int i = 0; i < LINES; i++) {
		const struct irq_line *line = &w.line[i];

		must(line->high == up[i]);
		must(line->told == line->high || w.held_back);
		if (line->next == &w.gate)
			must(line->told == !!(w.io.s.high & BIT(i)));
	}
	for (unsigned int i = 0; i < IOAPIC_PINS; i++)
		must(w.pin[i].busy == !!(w.io.s.entry[i] & IOAPIC_REMOTE_IRR));
}

/* ---- Steps ---------------------------------------------------------------- */

static void move_source(unsigned int i, bool high, int gsi)
{
	bool before[GSIS];

	for (unsigned int g = 0; g < GSIS; g++)
		before[g] = or_of_sources(g);
	w.high[i] = high;
	w.gsi_of[i] = gsi;
	/* What is about to rise owes a message if it leads to one. */
	for (unsigned int g = 0; g < GSIS; g++)
		if (!before[g] && or_of_sources(g) &&
		    w.route[g].kind == GSI_TO_MSI)
			w.cause[g] = w.owed[g] = true;
	irq_source_set(&w.source[i], high);
	irq_source_connect(&w.source[i],
			   gsi < 0 ? NULL : gsi_line(&w.table, (uint32_t)gsi));
}

static struct gsi_route route_of(unsigned int g, const uint8_t *p)
{
	struct gsi_route r = {
		.kind = p[0] & 3,
		.nr_pins = p[0] >> 2 & 7,
		.msi = { .address = 0xfee00000 + p[1],
			 .data = p[2],
			 .requester_id = (uint16_t)(FROM_GSI + g) },
	};

	if (r.nr_pins > 4)
		r.nr_pins -= 4;
	for (unsigned int i = 0; i < GSI_PINS; i++) {
		r.pin[i].pin = p[1 + i] & 7;
		r.pin[i].chip = p[1 + i] >= 0xf0;
	}
	return r;
}

static void was_routed(unsigned int g, const struct gsi_route *r)
{
	const bool new = w.route[g].kind != GSI_TO_MSI;

	w.route[g] = *r;
	if (r->kind != GSI_TO_MSI)
		w.owed[g] = false;
	else if (new &&or_of_sources(g) && w.cause[g])
		w.owed[g] = true;
	if (r->kind == GSI_NOWHERE)
		w.cause[g] = false;
}

static void set_route(unsigned int g, const uint8_t *p)
{
	const struct gsi_route r = route_of(g, p);

	if (g < GSIS)
		w.cause[g] |= w.route[g].kind != GSI_TO_MSI && or_of_sources(g);
	if (gsi_route(&w.table, g, &r))
		return;
	must(g < GSIS);
	was_routed(g, &r);
}

static void swap(const uint8_t *p)
{
	struct gsi_route r[GSIS];
	const unsigned int nr = p[0] % (GSIS + 1);

	for (unsigned int g = 0; g < GSIS; g++) {
		const uint8_t how[4] = { (uint8_t)(p[1] >> g % 4),
					 (uint8_t)(p[2] + g) & 0x7f,
					 (uint8_t)(p[3] ^ g) & 0x7f, p[4] };

		w.cause[g] |= w.route[g].kind != GSI_TO_MSI && or_of_sources(g);
		r[g] = route_of(g, how);
	}
	if (gsi_swap(&w.table, r, nr))
		return;
	for (unsigned int g = 0; g < GSIS; g++) {
		if (g >= nr)
			r[g].kind = GSI_NOWHERE;
		was_routed(g, &r[g]);
	}
}

static void pulse(unsigned int g)
{
	if (g < GSIS && w.route[g].kind != GSI_NOWHERE)
		w.cause[g] = true;
	if (g < GSIS && w.route[g].kind == GSI_TO_MSI)
		w.owed[g] = true;
	gsi_pulse(&w.table, g);
}

static void send(struct bank *b, unsigned int v)
{
	if (v < VECTORS)
		b->owed[v] = true;
	must(msi_send(&b->bank, v) != IRQ_REFUSED);
}

static void write_vector(struct bank *b, const uint8_t *p)
{
	const unsigned int v = p[0] % (VECTORS + 1);
	const uint64_t address = 0xfee00000ull + p[1];

	if (v < VECTORS)
		b->vector[v] = (struct msi_vector){ address, p[2], p[3] & 1 };
	msi_set_vector(&b->bank, v, address, p[2], p[3]);
}

static void reset_bank(struct bank *b)
{
	memset(b->owed, 0, sizeof(b->owed));
	for (unsigned int v = 0; v < VECTORS; v++)
		b->vector[v] = (struct msi_vector){ .control = 1 };
	msi_bank_reset(&b->bank);
}

static void change_bank(struct bank *b, const uint8_t *p)
{
	switch (p[0] & 7) {
	case 0:
	case 1:
		msi_bank_set_next(&b->bank, p[0] & 1 ? &w.sink.stage : NULL,
				  p[1] & 1);
		break;
	case 2:
		reset_bank(b);
		break;
	default:
		msi_bank_set_open(&b->bank, p[1] & 1);
		break;
	}
}

static void write_ioapic(uint64_t at, unsigned int size, uint64_t value)
{
	const uint64_t reg = ioapic_read(&w.io, IOAPIC_SELECT, 4);

	if (size == 4 && at == IOAPIC_WINDOW && reg >= 0x10 && reg < 0x40 &&
	    !(reg & 1) && !is_level(value))
		w.pin[(reg - 0x10) / 2].busy = false;
	if (size == 4 && at == IOAPIC_EOI)
		eoi((uint8_t)value);
	ioapic_write(&w.io, at, size, value);
}

/* As a driver would, with few pins and vectors. */
static void program(const uint8_t *p)
{
	static const uint32_t modes[] = { 0, 0, 0x100, 0x400, 0x300, 0, 0, 0 };
	uint32_t entry = (p[1] & 7) + (p[1] & 8 ? 0x20 : 0xd);

	entry |= modes[p[2] & 7];
	entry |= p[3] & 3 ? IOAPIC_LEVEL : 0;
	entry |= p[3] & 0xc ? 0 : IOAPIC_MASKED;
	write_ioapic(IOAPIC_SELECT, 4, 0x10 + p[0] % (2 * LINES));
	write_ioapic(IOAPIC_WINDOW, 4, entry);
}

static void reset_ioapic(void)
{
	for (unsigned int i = 0; i < IOAPIC_PINS; i++) {
		w.pin[i].busy = false;
		w.pin[i].owed = false;
	}
	ioapic_reset(&w.io);
}

static void lead(unsigned int i, bool away)
{
	struct irq_stage *to = away ? &w.other.stage : &w.gate;

	/* Who refused the fall is told by another way. */
	if (!irq_line_set_next(&w.line[i], to, i) && away)
		irq_stage_set(&w.io.stage, i, false);
}

static void flush(void)
{
	w.held_back = w.refuse_levels;
	for (unsigned int i = 0; i < LINES; i++)
		irq_line_flush(&w.line[i]);
	gsi_flush(&w.table);
	ioapic_flush(&w.io);
	for (unsigned int i = 0; i < BANKS; i++)
		msi_bank_flush(&w.bank[i].bank);
}

static void other(const uint8_t *p)
{
	const unsigned int size = p[1] & 15;

	switch (p[0] & 7) {
	case 0:
		gsi_table_set_msi(&w.table, p[1] & 1 ? &w.sink.stage : NULL);
		break;
	case 1:
		lead(p[1] % LINES, p[2] & 1);
		break;
	case 2:
		reset_ioapic();
		break;
	case 3:
		w.eoi_within = p[1];
		break;
	case 4:
		if (size >= 1 && size <= 8 && (size != 4 || p[2] % 4))
			must(ioapic_read(&w.io, p[2], size) == all_ones(size));
		break;
	default:
		w.refuse = p[1] & 1;
		w.refuse_levels = p[1] & 2;
		w.refuse_routes = p[1] & 4;
		break;
	}
}

static void step(const uint8_t p[6])
{
	struct bank *b = &w.bank[p[1] >> 7];
	const unsigned int i = p[1] % SOURCES;

	switch (p[0] & 15) {
	case 0:
	case 1:
	case 2:
		move_source(i, p[2] & 1, w.gsi_of[i]);
		break;
	case 3:
		move_source(i, w.high[i], p[2] % (GSIS + 1) - 1);
		break;
	case 4:
		set_route(p[1] % (GSIS + 1), p + 2);
		break;
	case 5:
		swap(p + 1);
		break;
	case 6:
		pulse(p[1] % (GSIS + 1));
		break;
	case 7:
		send(b, p[2] % (VECTORS + 1));
		break;
	case 8:
		write_vector(b, p + 2);
		break;
	case 9:
		change_bank(b, p + 2);
		break;
	case 10:
		write_ioapic(p[1] & 0x7f, p[2] & 15,
			     load_le(p + 2, 4) * (1 + (p[1] >> 7)));
		break;
	case 11:
	case 12:
		program(p + 1);
		break;
	case 13:
		eoi(p[1] & 0x27);
		ioapic_eoi(&w.io, p[1] & 0x27);
		break;
	case 14:
		other(p + 1);
		break;
	default:
		flush();
		break;
	}
	check();
}

/* ---- A run ---------------------------------------------------------------- */

static void set_up(void)
{
	memset(&w, 0, sizeof(w));
	sink_callback_init(&w.sink, sink_send, NULL, NULL);
	sink_record_init(&w.other);
	w.gate.ops = &gate_ops;
	w.eoi_within = -1;
	ioapic_init(&w.io, &w.sink.stage, &ioapic_ops, FROM_IOAPIC);
	for (unsigned int i = 0; i < LINES; i++)
		irq_line_init(&w.line[i], "pin", &w.gate, i);
	gsi_table_init(&w.table, w.gsi, GSIS, &w.sink.stage);
	gsi_table_set_chip(&w.table, 0, w.line, LINES);
	for (unsigned int i = 0; i < SOURCES; i++) {
		const uint8_t to_pin[4] = { GSI_TO_PINS | 1 << 2, (uint8_t)i };

		set_route(i, to_pin);
		w.gsi_of[i] = -1;
		move_source(i, false, (int)i);
	}
	for (unsigned int i = 0; i < BANKS; i++) {
		struct bank *b = &w.bank[i];

		msi_bank_init(&b->bank, b->table, b->bits, VECTORS,
			      (uint16_t)(FROM_BANK + i));
		msi_bank_set_next(&b->bank, &w.sink.stage, false);
		reset_bank(b);
	}
}

static void open_everything(void)
{
	w.refuse = w.refuse_levels = w.refuse_routes = false;
	w.eoi_within = -1;
	for (unsigned int i = 0; i < LINES; i++)
		lead(i, false);
	gsi_table_set_msi(&w.table, &w.sink.stage);
	for (unsigned int i = 0; i < BANKS; i++) {
		struct bank *b = &w.bank[i];

		msi_bank_set_next(&b->bank, &w.sink.stage, false);
		msi_bank_set_open(&b->bank, true);
		for (uint8_t v = 0; v < VECTORS; v++)
			write_vector(b, (const uint8_t[]){ v, v, v, 0 });
	}
	flush();
	check();
}

static void check_the_end(void)
{
	must(!w.table.nr_pending && !w.io.stale && !w.io.refused);
	for (unsigned int i = 0; i < BANKS; i++)
		for (unsigned int v = 0; v < VECTORS; v++)
			must(!w.bank[i].owed[v]);
	for (unsigned int g = 0; g < GSIS; g++)
		must(!w.owed[g]);
	for (unsigned int i = 0; i < LINES; i++) {
		const uint8_t vector = (uint8_t)(0x80 + i);
		struct pin *p = &w.pin[i];

		must(w.line[i].told == w.line[i].high);
		p->seen = 0;
		eoi(p->sent);
		ioapic_eoi(&w.io, p->sent);
		write_ioapic(IOAPIC_SELECT, 4, 0x10 + 2 * i);
		write_ioapic(IOAPIC_WINDOW, 4, IOAPIC_LEVEL | vector);
		must(!p->owed && (p->seen || !w.line[i].high));
		must(p->busy || !p->seen);
		eoi(vector);
		ioapic_eoi(&w.io, vector);
		must(p->busy == w.line[i].high);
	}
	check();
}

static void tear_down(void)
{
	for (unsigned int i = 0; i < SOURCES; i++)
		irq_source_connect(&w.source[i], NULL);
	gsi_table_fini(&w.table);
	for (unsigned int i = 0; i < LINES; i++)
		must(!w.line[i].high && !w.line[i].sources);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	set_up();
	check();
	for (; size >= 6; data += 6, size -= 6)
		step(data);
	open_everything();
	check_the_end();
	tear_down();
	return 0;
}
