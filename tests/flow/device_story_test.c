/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One function's story, heard by every sink that needs no hypervisor (KVM's is
 * in kvm_device_story_test.c), and by two that take turns.
 *
 * The far end is what any VMM has: a level-triggered pin which the ring's
 * levels and an eventfd with resample both feed, as in KVM.  So it does not
 * care which of them is in use, and the sink can be exchanged at any time.
 *
 * Callback and record   no link asks for these, so the test puts them behind
 *          the function's bank and the machine's pin after the attachment, by
 *          the calls that the link itself uses.  So does a VMM that has the
 *          library in its own process, where there is no ring to cross
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flow/device_story.h"

#define NEVER	    UINT32_MAX
#define ALL_VECTORS ((1u << STORY_VECTORS) - 1)

/* What makes a level, and one interrupt of it at a time. */
struct pin {
	bool ring;    /* a level that is told */
	bool eventfd; /* signalled, until the end of the interrupt */
	bool in_service;
	unsigned int taken;
};

struct far_end {
	struct story_ear ear;
	struct rig rig;
	struct pin pin;
	struct story_heard called; /* by the callback */
	struct sink_callback callback;
	struct sink_record record;
	unsigned int kind; /* of the line: PCIRING_LINE_* */
	uint32_t number;
	int vector_fd[STORY_VECTORS]; /* their sinks' */
	int line_fd;
	unsigned int signals; /* of all eventfds */
	unsigned int ring_irqs;
	struct msi_message route;    /* of the I/O APIC's pin */
	uint32_t bind_at, unbind_at; /* steps */
};

static struct far_end far;

/* ---- The controller's pin -------------------------------------------------- */

static void pin_look(struct pin *p)
{
	if (p->in_service || (!p->ring && !p->eventfd))
		return;
	p->in_service = true;
	p->taken++;
}

static void hear_level(struct story_heard *heard, uint32_t pin, bool high)
{
	/* Only changes are told. */
	if (pin != STORY_GSI || far.pin.ring == high)
		heard->strange++;
	far.pin.ring = high;
	pin_look(&far.pin);
}

/* ---- Eventfds --------------------------------------------------------------- */

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static unsigned int take(int fd)
{
	uint64_t n;

	if (fd < 0 || read(fd, &n, sizeof(n)) != sizeof(n))
		return 0;
	far.signals += (unsigned int)n;
	return (unsigned int)n;
}

static void take_line(struct story_heard *heard)
{
	const unsigned int n = take(far.line_fd);

	/* Once, until the end of the interrupt. */
	if (n > 1 || (n && far.pin.eventfd))
		heard->strange++;
	if (!n)
		return;
	far.pin.eventfd = true;
	pin_look(&far.pin);
}

static void look_at_eventfds(struct story_heard *heard)
{
	for (unsigned int v = 0; v < STORY_VECTORS; v++)
		heard->nr[v] += take(far.vector_fd[v]);
	take_line(heard);
}

/* What was signalled by the old ones has been taken. */
static void bind_vectors(unsigned int which)
{
	int fd, old;

	for (unsigned int v = 0; v < STORY_VECTORS; v++) {
		fd = which & BIT(v) ? new_eventfd() : -1;
		assert_int_equal(link_bind(&far.rig.link, RIG_BDF, v, fd, &old),
				 0);
		assert_int_equal(old, far.vector_fd[v]);
		if (old >= 0)
			close(old);
		far.vector_fd[v] = fd;
	}
}

static void bind_line(bool on)
{
	int fd = on ? new_eventfd() : -1;
	int old;

	assert_int_equal(
		link_line_bind(&far.rig.link, far.kind, far.number, fd, &old),
		0);
	assert_int_equal(old, far.line_fd);
	if (old >= 0)
		close(old);
	far.line_fd = fd;
	/* What an irqfd asserted falls when it goes. */
	far.pin.eventfd = false;
}

static void bind_all(bool on)
{
	bind_vectors(on ? ALL_VECTORS : 0);
	bind_line(on);
}

/* ---- The ring --------------------------------------------------------------- */

static bool from_ioapic(const struct msi_message *m)
{
	return m->data == far.route.data && m->address == far.route.address &&
	       m->requester_id == far.route.requester_id;
}

static void hear_message(struct story_heard *heard, const struct msi_message *m)
{
	if (!far.route.address || !from_ioapic(m)) {
		device_story_hear(heard, m);
		return;
	}
	/* Our I/O APIC does what the pin does elsewhere. */
	if (far.pin.in_service)
		heard->strange++;
	far.pin.in_service = true;
	far.pin.taken++;
}

static void look_at_ring(struct story_heard *heard)
{
	struct msg_irq irq;

	while (channel_get_irqs(&far.rig.client, &irq, 1)) {
		const struct msi_message m = {
			.address = irq.address,
			.data = irq.data,
			.requester_id = irq.requester_id,
			.vector = MSG_IRQ_NUMBER(irq.what),
		};

		far.ring_irqs++;
		switch (MSG_IRQ_TYPE(irq.what)) {
		case PCIRING_IRQ_TYPE_MSI:
			hear_message(heard, &m);
			break;
		case PCIRING_IRQ_TYPE_LINE:
			hear_level(heard, m.vector, m.data);
			break;
		case PCIRING_IRQ_TYPE_ROUTE:
			far.route = m;
			if (m.vector != STORY_GSI)
				heard->strange++;
			break;
		default:
			heard->strange++;
		}
	}
}

/* ---- Callback and record ----------------------------------------------------- */

static enum irq_result called_send(void *ctx, const struct msi_message *m)
{
	device_story_hear(ctx, m);
	return IRQ_DELIVERED;
}

static enum irq_result called_set(void *ctx, uint32_t pin, bool high)
{
	hear_level(ctx, pin, high);
	return IRQ_DELIVERED;
}

static void look_at_record(struct story_heard *heard)
{
	struct sink_record *r = &far.record;

	for (unsigned int i = 0; i < r->nr; i++)
		device_story_hear(heard, &r->message[i]);
	for (unsigned int i = 0; i < r->nr_levels; i++)
		hear_level(heard, r->level[i].pin, r->level[i].high);
	sink_record_init(r);
}

/* ---- The far end ------------------------------------------------------------ */

static void listen(struct story_ear *ear, struct story_heard *heard)
{
	(void)ear;
	*heard = far.called;
	memset(&far.called, 0, sizeof(far.called));
	look_at_ring(heard);
	look_at_record(heard);
	look_at_eventfds(heard);
	heard->line += far.pin.taken;
	heard->level = far.pin.ring;
	far.pin.taken = 0;
}

/* By GSI as a VMM forwards the end of an interrupt; a line of its own as one
 * whose resample eventfd was signalled. */
static void resample(void)
{
	if (far.kind == PCIRING_LINE_GSI)
		rig_access(&far.rig, MSG_WRITE, PCIRING_SPACE_EOI,
			   PCIRING_EOI_GSI, 4, far.number);
	else
		assert_int_equal(link_line_control(&far.rig.link, far.kind,
						   far.number,
						   PCIRING_IRQ_UNMASK),
				 0);
}

static void end(struct story_ear *ear)
{
	(void)ear;
	assert_true(far.pin.in_service);
	far.pin.in_service = false;
	far.pin.eventfd = false;
	if (far.route.address)
		rig_access(&far.rig, MSG_WRITE, PCIRING_SPACE_EOI,
			   PCIRING_EOI_VECTOR, 4, STORY_LINE_VECTOR);
	if (far.line_fd >= 0)
		resample();
	pin_look(&far.pin);
}

/* Who has the table has its masks too. */
static void mask_remote(struct story_ear *ear, unsigned int v, bool masked)
{
	(void)ear;
	assert_int_equal(link_irq_control(&far.rig.link, RIG_BDF, v, 1,
					  masked ? PCIRING_IRQ_MASK
						 : PCIRING_IRQ_UNMASK),
			 0);
}

static void begin(const char *name, const struct link_options *opt)
{
	memset(&far, 0, sizeof(far));
	assert_int_equal(rig_init_link(&far.rig, opt), 0);
	far.ear = (struct story_ear){
		.name = name,
		.listen = listen,
		.end = end,
	};
	far.line_fd = -1;
	for (unsigned int v = 0; v < STORY_VECTORS; v++)
		far.vector_fd[v] = -1;
	far.kind = PCIRING_LINE_GSI;
	far.number = STORY_GSI;
	sink_record_init(&far.record);
	sink_callback_init(&far.callback, called_send, called_set, &far.called);
}

static void play(uint64_t features)
{
	device_story_play(&far.rig, &far.ear, features);
}

static void finish(void)
{
	assert_false(far.pin.ring || far.pin.eventfd || far.pin.in_service);
	rig_fini(&far.rig);
	far.rig.machine = NULL;
}

/* After a test that failed. */
static int clean_up(void **state)
{
	(void)state;
	if (far.rig.machine)
		rig_fini(&far.rig);
	far.rig.machine = NULL;
	return 0;
}

#define TELLS_ALL (STORY_TELLS_DATA | STORY_TELLS_MESSAGE | STORY_TELLS_LEVEL)

static const uint64_t by_flags = GUEST_ALL_FEATURES & ~GUEST_F_EVENT_IDX;

/* ---- Each sink ---------------------------------------------------------------- */

static const struct link_options lines = { .irqchip = PCIRING_IRQCHIP_LINES };

static void the_ring_tells_the_story(void **state)
{
	(void)state;
	begin("ring", &lines);
	far.ear.tells = TELLS_ALL;
	play(by_flags);
	assert_int_equal(far.signals, 0);
	finish();
}

static void a_driver_with_event_idx_lives_the_same_story(void **state)
{
	(void)state;
	begin("ring, EVENT_IDX", &lines);
	far.ear.tells = TELLS_ALL;
	play(GUEST_ALL_FEATURES);
	finish();
}

static void program_ioapic(uint32_t entry)
{
	const uint32_t reg[2] = { 0x11 + 2 * STORY_GSI, 0x10 + 2 * STORY_GSI };

	for (unsigned int i = 0; i < 2; i++) {
		rig_access(&far.rig, MSG_WRITE, PCIRING_SPACE_MMIO,
			   IOAPIC_BASE + IOAPIC_SELECT, 4, reg[i]);
		rig_access(&far.rig, MSG_WRITE, PCIRING_SPACE_MMIO,
			   IOAPIC_BASE + IOAPIC_WINDOW, 4, i ? entry : 0);
	}
}

static void the_ring_behind_our_ioapic_tells_the_story(void **state)
{
	const struct link_options split = { .irqchip = PCIRING_IRQCHIP_SPLIT };

	(void)state;
	begin("ring, split", &split);
	far.ear.tells = STORY_TELLS_DATA | STORY_TELLS_MESSAGE;
	program_ioapic(IOAPIC_LEVEL | STORY_LINE_VECTOR);
	play(by_flags);
	assert_int_equal(far.route.data & 0xff, STORY_LINE_VECTOR);
	assert_true(far.rig.machine->interrupts.ioapic.eois);
	finish();
}

static void eventfds_of_vectors_and_gsi_tell_the_story(void **state)
{
	(void)state;
	begin("eventfds", &lines);
	bind_all(true);
	play(by_flags);
	assert_int_equal(far.ring_irqs, 0);
	finish();
}

static void begin_with_own_line(const char *name, bool remote)
{
	const struct link_options opt = {
		.scope = PCIRING_SCOPE_FUNCTION,
		.remote = remote,
	};

	begin(name, &opt);
	far.kind = PCIRING_LINE_INTX;
	far.number = RIG_BDF;
	if (remote)
		far.ear.masked = mask_remote;
	bind_all(true);
}

static void play_to_own_line(const char *name, bool remote)
{
	begin_with_own_line(name, remote);
	play(by_flags);
	assert_int_equal(far.ring_irqs, 0);
	finish();
}

static void vectors_without_eventfds_tell_it_by_the_ring(void **state)
{
	(void)state;
	for (unsigned int which = 0; which < ALL_VECTORS; which++) {
		begin("ring behind eventfds", &lines);
		bind_vectors(which);
		bind_line(true);
		play(by_flags);
		assert_true(far.signals && far.ring_irqs);
		finish();
	}
}

static void eventfds_of_one_function_tell_the_story(void **state)
{
	(void)state;
	play_to_own_line("eventfds, own line", false);
}

static void a_client_with_the_table_hears_the_same_story(void **state)
{
	(void)state;
	play_to_own_line("eventfds, remote table", true);
}

static void lead_to(struct irq_stage *s)
{
	struct irq_line *pin = &far.rig.machine->interrupts.pin[STORY_GSI];

	msi_bank_set_next(&far.rig.function->vp.func.msix.bank, s, false);
	assert_true(irq_line_set_next(pin, s, STORY_GSI));
}

static void play_to_stage(const char *name, struct irq_stage *s)
{
	const struct link_options none = { .irqchip = PCIRING_IRQCHIP_NONE };

	begin(name, &none);
	far.ear.tells = TELLS_ALL;
	lead_to(s);
	play(by_flags);
	assert_int_equal(far.ring_irqs, 0);
	finish();
}

static void a_callback_hears_the_story(void **state)
{
	(void)state;
	play_to_stage("callback", &far.callback.stage);
}

static void a_record_keeps_the_story(void **state)
{
	(void)state;
	play_to_stage("record", &far.record.stage);
}

/* ---- Exchanged in the middle -------------------------------------------------- */

/* Between two steps.  What it tells is heard at once, as an irqfd is, or the
 * end of an interrupt in the next step would come before its signal. */
static void exchange(struct story_ear *ear, unsigned int i)
{
	if (i == far.bind_at)
		bind_all(true);
	look_at_eventfds(&far.called);
	if (i == far.unbind_at)
		bind_all(false);
	look_at_ring(&far.called);
	ear->tells = far.line_fd >= 0 ? 0 : TELLS_ALL;
}

static void play_exchanging(uint32_t bind_at, uint32_t unbind_at)
{
	begin("exchanged", &lines);
	far.ear.before = exchange;
	far.bind_at = bind_at;
	far.unbind_at = unbind_at;
	play(by_flags);
	finish();
}

static void no_step_minds_an_exchange_before_it(void **state)
{
	static const uint32_t stay[] = { 0, 1, 2, 7 };

	(void)state;
	for (unsigned int s = 0; s < ARRAY_SIZE(stay); s++)
		for (uint32_t i = 0; i < device_story_steps(); i++)
			play_exchanging(i, i + stay[s]);
}

/* To and fro, all the time. */
static void exchange_always(struct story_ear *ear, unsigned int i)
{
	far.bind_at = i % 2 ? NEVER : i;
	far.unbind_at = i % 2 ? i : NEVER;
	exchange(ear, i);
}

static void the_sink_may_change_at_every_step(void **state)
{
	(void)state;
	begin("exchanged always", &lines);
	far.ear.before = exchange_always;
	play(by_flags);
	assert_true(far.signals > 10);
	assert_true(far.ring_irqs > 10);
	finish();
}

/* The old ones are not heard any more. */
static void rebind(struct story_ear *ear, unsigned int i)
{
	(void)ear;
	(void)i;
	look_at_eventfds(&far.called);
	bind_all(true);
	look_at_eventfds(&far.called);
}

static void new_eventfds_may_come_at_every_step(void **state)
{
	(void)state;
	begin("new eventfds", &lines);
	bind_all(true);
	far.ear.before = rebind;
	play(by_flags);
	finish();
	for (unsigned int remote = 0; remote < 2; remote++) {
		begin_with_own_line("new eventfds, own line", remote);
		far.ear.before = rebind;
		play(by_flags);
		finish();
	}
}

/* The old one goes with a signal that nobody took. */
static void listen_at_a_new_line(struct story_ear *ear,
				 struct story_heard *heard)
{
	bind_line(true);
	listen(ear, heard);
}

static void a_signal_that_was_not_taken_is_told_to_a_new_eventfd(void **state)
{
	(void)state;
	begin("new eventfd, unheard", &lines);
	bind_all(true);
	far.ear.listen = listen_at_a_new_line;
	play(by_flags);
	finish();
	begin_with_own_line("new eventfd, unheard, own line", false);
	far.ear.listen = listen_at_a_new_line;
	play(by_flags);
	finish();
}

#define T(name) cmocka_unit_test_teardown(name, clean_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_ring_tells_the_story),
		T(a_driver_with_event_idx_lives_the_same_story),
		T(the_ring_behind_our_ioapic_tells_the_story),
		T(eventfds_of_vectors_and_gsi_tell_the_story),
		T(vectors_without_eventfds_tell_it_by_the_ring),
		T(eventfds_of_one_function_tell_the_story),
		T(a_client_with_the_table_hears_the_same_story),
		T(a_callback_hears_the_story),
		T(a_record_keeps_the_story),
		T(no_step_minds_an_exchange_before_it),
		T(the_sink_may_change_at_every_step),
		T(new_eventfds_may_come_at_every_step),
		T(a_signal_that_was_not_taken_is_told_to_a_new_eventfd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
