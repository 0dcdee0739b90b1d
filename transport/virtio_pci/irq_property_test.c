/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random scripts against a reference model (test_irq_model.h)
 *
 * A virtio-pci function with MSI-X, plain MSI and a pin, on a line that
 * somebody else drives too; one sink behind all of it, which is full at times.
 * Each step is made in the function and in the model.  Then line, STATUS.3,
 * ISR, PBA, MSI's pending bits and what the sink heard have to be what the
 * model says: so nothing comes without a cause, twice, or with an address and
 * data that are not those of the moment.
 *
 * Whatever was raised is owed until the guest heard of it: a message of that
 * vector, or the bit in ISR, of which an interrupt controller (played here)
 * told it.  At the end everything is opened, and nothing may be owed.
 */
#include "transport/virtio_pci/virtio_pci.h"
#include "transport/virtio_pci/test_function.h"
#include "transport/virtio_pci/test_irq_model.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants setjmp.h and stdarg.h first */
#include <cmocka.h>

#define STEPS 20000

/* ---- Function, model and the guest's books -------------------------------- */

struct script {
	unsigned int seed, step;
	const char *op;
	uint32_t random;
	bool ending;
	struct function f;
	struct irq_source other;
	struct model m;
	bool owed[VECTORS + 1]; /* messages */
	uint8_t owed_isr;	/* bits of ISR nobody has read */
	bool msi_came;		/* plain MSI, since ISR was read */
	bool in_service;	/* the controller interrupted, no EOI yet */
	unsigned int interrupts, messages, raises;
};

static uint32_t roll(struct script *s, uint32_t below)
{
	/* Numerical Recipes' generator; its high bits are the better ones. */
	s->random = s->random * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)s->random * below >> 32);
}

static void require(const struct script *s, bool ok, const char *what)
{
	if (ok)
		return;
	print_error("seed %u, step %u (%s): %s\n", s->seed, s->step, s->op,
		    what);
	fail();
}

static void hear_messages(struct script *s, unsigned int heard)
{
	struct sink_record *k = &s->f.sink;

	for (unsigned int i = 0; i < k->nr; i++) {
		const struct msi_message *got = &k->message[i];
		/* Plain MSI's data is out of the vectors' range. */
		unsigned int v = got->data & 0x8000 ? MSI : got->vector;

		require(s, heard & BIT(v), "a message without cause, or twice");
		require(s, got->address == s->m.entry[v].address, "address");
		require(s, got->data == s->m.entry[v].data, "data");
		heard &= ~BIT(v);
		s->owed[v] = false;
		s->msi_came |= v == MSI;
		s->messages++;
	}
	require(s, !heard, "a message did not come");
	k->nr = 0;
}

static void hear_line(struct script *s, bool told_before)
{
	struct sink_record *k = &s->f.sink;

	require(s, k->nr_levels == (s->m.told != told_before),
		"the line moved for nothing, or did not");
	k->nr_levels = 0;
	if (!s->m.told || s->in_service)
		return;
	s->in_service = true;
	s->interrupts++;
}

static uint64_t pba(struct script *s)
{
	return pci_func_bar_read(&s->f.vp.func, VIRTIO_PCI_MSIX_BAR,
				 s->f.vp.func.msix.pba_offset, 8);
}

/* After each step: everything that can be seen is as the model says. */
static void compare(struct script *s)
{
	struct pci_func *f = &s->f.vp.func;
	const bool told = s->m.told;
	const unsigned int heard = model_settle(&s->m);
	const bool status = cfg(&s->f, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT;
	uint64_t pending = 0;

	for (unsigned int v = 0; v < VECTORS; v++)
		pending |= (uint64_t)s->m.latched[v] << v;
	hear_messages(s, heard);
	hear_line(s, told);
	require(s, s->f.vp.s.isr == s->m.isr, "ISR");
	require(s, status == (s->m.isr && !s->m.msix), "STATUS.3");
	require(s, f->intx.high == model_pin(&s->m), "pin");
	require(s, s->f.line.high == (model_pin(&s->m) || s->m.other), "line");
	require(s, pba(s) == pending, "PBA");
	require(s,
		cfg(&s->f, f->msi.cap + PCI_MSI_PENDING, 4) ==
			s->m.latched[MSI],
		"MSI's pending bits");
}

/* ---- The steps: each in the function and in the model ---------------------- */

/* A switch is more often where something can happen, until the end. */
static bool flip(struct script *s, bool now, bool liked)
{
	if (now == liked && !s->ending && roll(s, 4))
		return now;
	return !now;
}

static void command(struct script *s)
{
	set_cfg(&s->f, PCI_COMMAND, 2,
		PCI_COMMAND_MEM | (s->m.master ? PCI_COMMAND_MASTER : 0) |
			(s->m.intx_disable ? PCI_COMMAND_INTX_DISABLE : 0));
}

static void msix_control(struct script *s)
{
	set_cfg(&s->f, s->f.vp.func.msix.cap + MSIX_CONTROL, 2,
		(s->m.msix ? MSIX_CONTROL_ENABLE : 0) |
			(s->m.all_masked ? MSIX_CONTROL_MASKALL : 0));
}

/* In the order that drivers write them, the mask bit last. */
static void write_entry(struct script *s, unsigned int v)
{
	const struct entry *e = &s->m.entry[v];
	const uint32_t word[4] = { e->address, 0, e->data, e->mask };
	const uint32_t cap = s->f.vp.func.msi.cap;

	if (v == MSI) {
		set_cfg(&s->f, cap + PCI_MSI_ADDRESS, 4, e->address);
		set_cfg(&s->f, cap + PCI_MSI_DATA, 2, e->data);
		set_cfg(&s->f, cap + PCI_MSI_MASK, 4, e->mask);
		return;
	}
	for (unsigned int i = 0; i < 4; i++)
		pci_func_bar_write(&s->f.vp.func, VIRTIO_PCI_MSIX_BAR,
				   16 * v + 4 * i, 4, word[i]);
}

static void raise_one(struct script *s)
{
	const unsigned int c = roll(s, CAUSES);
	const struct virtio *v = &s->f.vp.virtio;

	s->raises++;
	model_raise(&s->m, c);
	if (!s->m.msix)
		s->owed_isr |= c == CONFIG ? 2 : 1;
	else if (s->m.vector[c] != NO_VECTOR)
		s->owed[s->m.vector[c]] = true;
	if (c == CONFIG)
		v->ops->config_raise(v->transport);
	else
		v->ops->queue_raise(v->transport, c);
}

static void mask_one(struct script *s)
{
	const unsigned int v = roll(s, VECTORS + 1);

	s->m.entry[v].mask = roll(s, 4) == 0;
	write_entry(s, v);
}

/* Masked meanwhile, as rule 85 wants it of the driver. */
static void route_one(struct script *s)
{
	const unsigned int v = roll(s, VECTORS + 1);
	struct entry *e = &s->m.entry[v];
	const bool mask = e->mask;

	e->mask = true;
	write_entry(s, v);
	e->address = 0xfee00000 + 4 * roll(s, 1 << 16);
	e->data = roll(s, 1 << 13) << 2 | (v == MSI ? 0x8000 : 0);
	write_entry(s, v);
	e->mask = mask;
	write_entry(s, v);
}

static void vector_of_one(struct script *s)
{
	const unsigned int c = roll(s, CAUSES);
	const uint16_t v = (uint16_t)roll(s, VECTORS + 2);

	if (c != CONFIG)
		set_bar4(&s->f, QUEUE_SELECT, 2, c);
	set_bar4(&s->f, c == CONFIG ? CONFIG_VECTOR : QUEUE_VECTOR, 2, v);
	/* One that is not there is none. */
	s->m.vector[c] = v < VECTORS ? v : NO_VECTOR;
}

static void msix_on_or_off(struct script *s)
{
	s->m.msix = flip(s, s->m.msix, true);
	msix_control(s);
}

static void function_mask(struct script *s)
{
	s->m.all_masked = flip(s, s->m.all_masked, false);
	msix_control(s);
}

static void msi_on_or_off(struct script *s)
{
	s->m.msi = flip(s, s->m.msi, false);
	/* Four messages or one: the cause has the first. */
	set_cfg(&s->f, s->f.vp.func.msi.cap + PCI_MSI_CONTROL, 2,
		s->m.msi | roll(s, 3) << 4);
}

static void bus_master_on_or_off(struct script *s)
{
	s->m.master = flip(s, s->m.master, true);
	command(s);
}

static void intx_disable(struct script *s)
{
	s->m.intx_disable = flip(s, s->m.intx_disable, false);
	command(s);
}

static void read_isr(struct script *s)
{
	require(s, isr(&s->f) == s->m.isr, "what ISR read");
	s->owed_isr &= (uint8_t)~s->m.isr;
	s->msi_came = false;
	s->m.isr = 0;
}

static void end_of_interrupt(struct script *s)
{
	s->in_service = false; /* compare() looks at the level again */
}

static void other_source(struct script *s)
{
	s->m.other = !s->m.other;
	irq_source_set(&s->other, s->m.other);
}

static void fill_or_drain(struct script *s)
{
	s->m.full = flip(s, s->m.full, false);
	s->f.sink.refuse = s->m.full;
	if (s->m.full)
		return;
	msi_bank_flush(&s->f.vp.func.msix.bank);
	msi_bank_flush(&s->f.vp.func.msi.bank);
	irq_line_flush(&s->f.line);
}

static void forget(struct script *s)
{
	memset(s->owed, 0, sizeof(s->owed));
	s->owed_isr = 0;
	s->msi_came = false;
}

static void virtio_reset_step(struct script *s)
{
	forget(s);
	model_reset_virtio(&s->m);
	set_bar4(&s->f, STATUS, 1, 0);
}

static void function_reset_step(struct script *s)
{
	forget(s);
	model_reset(&s->m);
	pci_func_reset(&s->f.vp.func);
	/* No guest leaves it at that. */
	for (unsigned int v = 0; v <= VECTORS; v++) {
		s->m.entry[v].data = v == MSI ? 0x8000 : 0;
		write_entry(s, v);
	}
}

#define STEP(f, w)                                                             \
	{                                                                      \
		.name = #f, .run = (f), .weight = (w)                          \
	}
static const struct {
	const char *name;
	void (*run)(struct script *s);
	unsigned int weight;
} steps[] = {
	STEP(raise_one, 30),	      STEP(mask_one, 8),
	STEP(route_one, 4),	      STEP(vector_of_one, 9),
	STEP(msix_on_or_off, 4),      STEP(function_mask, 3),
	STEP(msi_on_or_off, 3),	      STEP(bus_master_on_or_off, 4),
	STEP(intx_disable, 3),	      STEP(read_isr, 8),
	STEP(end_of_interrupt, 8),    STEP(other_source, 2),
	STEP(fill_or_drain, 5),	      STEP(virtio_reset_step, 1),
	STEP(function_reset_step, 1),
};

static void take(struct script *s, const char *op,
		 void (*run)(struct script *s))
{
	s->op = op;
	s->step++;
	run(s);
	compare(s);
}

static void take_any(struct script *s)
{
	unsigned int total = 0, at, i = 0;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		total += steps[i].weight;
	at = roll(s, total);
	for (i = 0; at >= steps[i].weight; i++)
		at -= steps[i].weight;
	take(s, steps[i].name, steps[i].run);
}

/* ---- The end: everything is opened ------------------------------------------ */

#define UNLESS(condition, s, step)                                             \
	do {                                                                   \
		if (!(condition))                                              \
			take(s, "end: " #step, step);                          \
	} while (0)

static void unmask_all(struct script *s)
{
	for (unsigned int v = 0; v <= VECTORS; v++) {
		s->m.entry[v].mask = false;
		write_entry(s, v);
	}
}

/* What was told of and not yet ended is ended until nothing comes. */
static void handle_line(struct script *s)
{
	for (unsigned int i = 0; s->in_service; i++) {
		require(s, i < 3, "the line never falls");
		take(s, "end: read_isr", read_isr);
		take(s, "end: end_of_interrupt", end_of_interrupt);
	}
}

static void open_everything(struct script *s)
{
	s->ending = true;
	UNLESS(!s->m.other, s, other_source);
	UNLESS(!s->m.full, s, fill_or_drain);
	UNLESS(s->m.master, s, bus_master_on_or_off);
	UNLESS(!s->m.all_masked, s, function_mask);
	take(s, "end: unmask_all", unmask_all);
	UNLESS(s->m.msix, s, msix_on_or_off);
	for (unsigned int v = 0; v < VECTORS; v++)
		require(s, !s->owed[v], "a raise of a vector was lost");
	UNLESS(!s->m.msix, s, msix_on_or_off);
	UNLESS(!s->m.intx_disable, s, intx_disable);
	UNLESS(s->seed % 2 == s->m.msi, s, msi_on_or_off);
	/* An old interrupt is ended first; whoever reads ISR only because he
	 * was told finds what he was told of. */
	if (s->in_service)
		take(s, "end: end_of_interrupt", end_of_interrupt);
	if (s->m.msi && s->owed_isr) {
		require(s, s->msi_came, "plain MSI said nothing");
		take(s, "end: read_isr", read_isr);
	}
	handle_line(s);
	require(s, !s->owed_isr, "a raise of ISR was lost");
	require(s, !s->f.line.high && !s->m.told, "the line is still high");
}

/* ---- Scripts ------------------------------------------------------------------ */

static void script_up(struct script *s, unsigned int seed)
{
	memset(s, 0, sizeof(*s));
	s->seed = seed;
	s->random = seed;
	s->op = "power on";
	function_up(&s->f, false);
	add_msi(&s->f, 0, 0);
	irq_source_connect(&s->other, &s->f.line);
	model_reset(&s->m);
	take(s, "power on", function_reset_step);
}

static void script_down(struct script *s)
{
	irq_source_connect(&s->other, NULL);
	function_end(&s->f);
}

static void run(unsigned int seed, unsigned int nr)
{
	static struct script s;

	script_up(&s, seed);
	for (unsigned int i = 0; i < nr; i++)
		take_any(&s);
	open_everything(&s);
	/* A script in which little happens proves little. */
	if (nr == STEPS)
		require(&s,
			s.raises > nr / 5 && s.messages > nr / 50 &&
				s.interrupts > nr / 50,
			"hardly anything happened");
	script_down(&s);
}

/* rules 68-70, 72, 74, 76, 78-86 */
static void long_scripts_agree_with_the_model(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 4; seed++)
		run(seed, STEPS);
}

/* rules 74, 80: whatever a script left half done is told in the end */
static void nothing_is_owed_after_any_short_script(void **state)
{
	(void)state;
	for (unsigned int seed = 100; seed < 1600; seed++)
		run(seed, 1 + seed % 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_scripts_agree_with_the_model),
		cmocka_unit_test(nothing_is_owed_after_any_short_script),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
