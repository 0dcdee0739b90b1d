/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device story of every sink, lived through by a guest on KVM; and what it
 * sees while the sinks are exchanged.
 *
 * The guest serves the line as Linux serves a threaded interrupt: it masks the
 * pin, ends the interrupt at the local APIC, and unmasks when it is done; by
 * irqfd the mask is the resample eventfd that nobody reads until then.
 */
#include "irq/gsi.h"
#include "irq/ioapic.h"
#include "irq/sink.h"
#include "irq/sink_kvm.h"
#include "irq/test_story.h"
#include "ring/channel.h"
#include "tests/guest/kvm_guest.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define GSIS	  32
#define LINE_GSI  5u
#define LINE_PORT 0xe0
#define PIN_ENTRY (STORY_LINE_VECTOR | 0x8000)
#define MSI_GSI	  24u /* of vector 0 */
#define ROUNDS	  1000

/* Three ways into one guest. */
struct ways {
	struct kvm_guest guest;
	struct kvm_routes routes;
	struct sink_kvm kvm;
	struct channel channel;
	struct sink_ring ring;
	struct sink_eventfd vectors; /* irqfds */
	struct sink_line line;	     /* irqfd with resample */
	int resample;		     /* owned */
};

static struct ways w;

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static void route(uint32_t gsi, const struct gsi_route *r)
{
	assert_int_equal(kvm_routes_set(&w.routes, gsi, r), 0);
	assert_int_equal(kvm_routes_commit(&w.routes), 0);
}

static void open_irqfds(void)
{
	int fd;

	assert_int_equal(sink_eventfd_init(&w.vectors, STORY_VECTORS, NULL), 0);
	for (unsigned int v = 0; v < STORY_VECTORS; v++) {
		fd = new_eventfd();
		sink_eventfd_bind(&w.vectors, v, fd);
		assert_int_equal(
			kvm_irqfd_assign(w.guest.vm, MSI_GSI + v, fd, -1), 0);
	}
	fd = new_eventfd();
	w.resample = new_eventfd();
	assert_int_equal(sink_line_init(&w.line, "line"), 0);
	sink_line_bind(&w.line, fd);
	assert_int_equal(kvm_irqfd_assign(w.guest.vm, LINE_GSI, fd, w.resample),
			 0);
}

static void begin(const struct kvm_guest_ops *ops, void *ctx)
{
	const char *why = kvm_guest_missing();

	if (why) {
		printf("%s\n", why);
		skip();
	}
	assert_int_equal(kvm_guest_open(&w.guest, KVM_GUEST_FULL, ops, ctx), 0);
	kvm_guest_handler(&w.guest, &(struct kvm_guest_handler){
					    .vector = STORY_LINE_VECTOR,
					    .port = LINE_PORT,
					    .reads = 1,
					    .ends = 1,
				    });
	assert_int_equal(kvm_routes_init(&w.routes, w.guest.vm, GSIS), 0);
	route(LINE_GSI, &(struct gsi_route){
				.kind = GSI_TO_PINS,
				.nr_pins = 1,
				.pin = { { .chip = 2, .pin = LINE_GSI } },
			});
	kvm_guest_ioapic_set(&w.guest, LINE_GSI, PIN_ENTRY);
	sink_kvm_init(&w.kvm, w.guest.vm);
	assert_int_equal(channel_create(&w.channel, 1, 1), 0);
	sink_ring_init(&w.ring, &w.channel);
	open_irqfds();
	assert_int_equal(kvm_guest_start(&w.guest), 0);
}

static void end(void)
{
	assert_int_equal(atomic_load(&w.guest.died), 0);
	sink_eventfd_fini(&w.vectors);
	sink_line_fini(&w.line);
	close(w.resample);
	channel_fini(&w.channel);
	kvm_routes_fini(&w.routes);
	kvm_guest_close(&w.guest);
}

/* The VMM's thread at the other end of the ring. */
static void take_from_the_ring(void)
{
	struct msg_irq irq;

	while (channel_get_irqs(&w.channel, &irq, 1)) {
		const struct msi_message m = { .address = irq.address,
					       .data = irq.data };

		if (MSG_IRQ_TYPE(irq.what) == PCIRING_IRQ_TYPE_LINE)
			irq_stage_set(&w.kvm.stage, MSG_IRQ_NUMBER(irq.what),
				      irq.data);
		else
			assert_int_equal(irq_stage_send(&w.kvm.stage, &m),
					 IRQ_DELIVERED);
	}
}

static bool read_resample(void)
{
	uint64_t n;

	return read(w.resample, &n, sizeof(n)) == sizeof(n);
}

/* ---- The story ------------------------------------------------------------ */

struct far_end {
	struct story_sink sink;
	bool in_service;
	unsigned int taken;
	uint32_t counted[256];
};

/* The line's handler.  Not taken are those that come while it is in service:
 * by irqfd none; else only where KVM ends an interrupt when it injects it. */
static uint8_t story_read(void *ctx, uint8_t port)
{
	struct far_end *f = ctx;

	assert_int_equal(port, LINE_PORT);
	if (f->in_service) {
		assert_ptr_not_equal(f->sink.line, &w.line.stage);
		return 0;
	}
	f->in_service = true;
	f->taken++;
	if (f->sink.line != &w.line.stage)
		kvm_guest_ioapic_set(&w.guest, LINE_GSI,
				     PIN_ENTRY | IOAPIC_MASKED);
	return 1;
}

static const struct kvm_guest_ops story_ops = { .read = story_read };

static void story_end(struct story_sink *s)
{
	struct far_end *f = container_of(s, struct far_end, sink);

	assert_true(f->in_service);
	f->in_service = false;
	if (s->line != &w.line.stage) {
		kvm_guest_ioapic_set(&w.guest, LINE_GSI, PIN_ENTRY);
		return;
	}
	assert_true(read_resample());
	sink_line_resample(&w.line);
}

static void story_route(struct story_sink *s, unsigned int v,
			const struct msi_message *m)
{
	(void)s;
	route(MSI_GSI + v,
	      &(struct gsi_route){ .kind = GSI_TO_MSI, .msi = *m });
}

static uint32_t messages_taken(void)
{
	uint32_t n = 0;

	for (unsigned int data = 0x40; data < 0x60; data++)
		n += kvm_guest_count(&w.guest, (uint8_t)data);
	return n;
}

/* An irqfd may tell KVM after the eventfd was signalled. */
static void wait_for_the_irqfds(void)
{
	for (unsigned int i = 0; i < 100000; i++) {
		if (messages_taken() >= w.vectors.writes &&
		    kvm_guest_count(&w.guest, STORY_LINE_VECTOR) >=
			    w.line.stage.count.fired)
			return;
		kvm_guest_serve(&w.guest, 20);
	}
	fail_msg("what was signalled does not arrive");
}

static void story_observe(struct story_sink *s, struct story_seen *seen)
{
	struct far_end *f = container_of(s, struct far_end, sink);

	take_from_the_ring();
	wait_for_the_irqfds();
	assert_true(kvm_guest_settle(&w.guest));
	seen->line += f->taken;
	f->taken = 0;
	for (unsigned int data = 32; data < 254; data++) {
		uint32_t n = kvm_guest_count(&w.guest, (uint8_t)data) -
			     f->counted[data];
		unsigned int v = story_vector_of(data);

		f->counted[data] += n;
		if (!n || data == STORY_LINE_VECTOR)
			continue;
		if (v == STORY_VECTORS) {
			seen->strange += n;
			continue;
		}
		seen->nr[v] += n;
		seen->last[v].data = data;
	}
}

static void play(struct story_sink s)
{
	struct far_end f = { .sink = s };

	f.sink.tells = STORY_TELLS_DATA;
	f.sink.observe = story_observe;
	f.sink.end = story_end;
	begin(&story_ops, &f);
	story_play(&f.sink);
	end();
}

static void kvm_tells_the_story_of_every_sink(void **state)
{
	(void)state;
	play((struct story_sink){
		.name = "kvm",
		.msi = &w.kvm.stage,
		.line = &w.kvm.stage,
		.pin = LINE_GSI,
	});
	assert_int_equal(w.kvm.failures, 0);
	assert_true(w.kvm.stage.count.fired);
}

static void ring_into_kvm_tells_the_story_of_every_sink(void **state)
{
	(void)state;
	play((struct story_sink){
		.name = "ring into kvm",
		.msi = &w.ring.stage,
		.line = &w.ring.stage,
		.pin = LINE_GSI,
	});
	assert_true(w.ring.stage.count.fired);
}

static void irqfds_tell_the_story_of_every_sink(void **state)
{
	(void)state;
	play((struct story_sink){
		.name = "irqfd",
		.msi = &w.vectors.stage,
		.line = &w.line.stage,
		.route = story_route,
	});
	assert_int_equal(w.kvm.stage.count.fired, 0);
	assert_true(w.line.resamples);
}

/* ---- Exchanged while they flow -------------------------------------------- */

#define VECTOR 0x41

static struct irq_source source;

static uint8_t flow_read(void *ctx, uint8_t port)
{
	bool high = source.high;

	(void)ctx;
	(void)port;
	irq_source_set(&source, false);
	return high;
}

static const struct kvm_guest_ops flow_ops = { .read = flow_read };

static void turn(void)
{
	take_from_the_ring();
	kvm_guest_serve(&w.guest, 20);
	if (read_resample())
		sink_line_resample(&w.line);
}

static void turn_until_seen(uint8_t vector, uint32_t work)
{
	for (unsigned int i = 0; i < 100000; i++) {
		if (kvm_guest_seen(&w.guest, vector) == work && !source.high)
			return;
		turn();
	}
	fail_msg("vector %x: seen %u of %u", vector,
		 kvm_guest_seen(&w.guest, vector), work);
}

/* rule 85 */
static void message_sinks_are_exchanged_and_none_is_lost(void **state)
{
	const struct msi_message m = { .address = 0xfee00000, .data = VECTOR };
	struct irq_stage *const way[] = { &w.ring.stage, &w.kvm.stage,
					  &w.vectors.stage };
	struct msi_vector vector[1];
	uint64_t pending[1];
	struct msi_bank bank;

	(void)state;
	begin(&flow_ops, NULL);
	route(MSI_GSI, &(struct gsi_route){ .kind = GSI_TO_MSI, .msi = m });
	msi_bank_init(&bank, vector, pending, 1, STORY_REQUESTER);
	msi_set_vector(&bank, 0, m.address, m.data, 0);
	msi_bank_set_open(&bank, true);
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		kvm_guest_work(&w.guest, VECTOR, i);
		msi_send(&bank, 0);
		if (i % 5 == 0) {
			/* One more while nobody listens. */
			msi_bank_set_next(&bank, NULL, false);
			kvm_guest_work(&w.guest, VECTOR, ++i);
			assert_int_equal(msi_send(&bank, 0), IRQ_LATCHED);
		}
		msi_bank_set_next(&bank, way[i % ARRAY_SIZE(way)], false);
		turn_until_seen(VECTOR, i);
	}
	assert_true(w.ring.stage.count.fired > ROUNDS / 6);
	assert_true(w.vectors.writes > ROUNDS / 6);
	assert_true(w.kvm.stage.count.fired > ROUNDS / 3);
	assert_true(kvm_guest_count(&w.guest, VECTOR) <= 2 * ROUNDS);
	end();
}

/* Two ways lead to one pin: the old one is done before the new one begins. */
static void lead(struct irq_line *line, struct irq_stage *to)
{
	assert_true(irq_line_set_next(line, NULL, IRQ_NO_PIN));
	take_from_the_ring();
	assert_true(irq_line_set_next(line, to, LINE_GSI));
}

/* rules 74, 85 */
static void line_sinks_are_exchanged_and_none_is_lost(void **state)
{
	struct irq_stage *const way[] = { &w.ring.stage, &w.kvm.stage,
					  &w.line.stage };
	struct irq_line line;
	uint32_t work = 0;

	(void)state;
	begin(&flow_ops, NULL);
	irq_line_init(&line, "line", NULL, IRQ_NO_PIN);
	memset(&source, 0, sizeof(source));
	irq_source_connect(&source, &line);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		bool masked = i % 2;

		if (masked) {
			take_from_the_ring();
			assert_true(kvm_guest_settle(&w.guest));
			kvm_guest_ioapic_set(&w.guest, LINE_GSI,
					     PIN_ENTRY | IOAPIC_MASKED);
		}
		kvm_guest_work(&w.guest, STORY_LINE_VECTOR, ++work);
		irq_source_set(&source, true);
		/* Exchanged before, while and after the guest serves it; or
		 * while the level is all that KVM has. */
		for (unsigned int n = 0; n < i % 5; n++)
			turn();
		lead(&line, way[i % ARRAY_SIZE(way)]);
		take_from_the_ring();
		if (masked)
			kvm_guest_ioapic_set(&w.guest, LINE_GSI, PIN_ENTRY);
		turn_until_seen(STORY_LINE_VECTOR, work);
	}
	assert_true(w.ring.stage.count.fired > ROUNDS / 6);
	assert_true(w.line.stage.count.fired > ROUNDS / 6);
	assert_true(w.kvm.stage.count.fired > ROUNDS / 3);
	assert_true(kvm_guest_count(&w.guest, STORY_LINE_VECTOR) <= 3 * ROUNDS);
	irq_source_connect(&source, NULL);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kvm_tells_the_story_of_every_sink),
		cmocka_unit_test(ring_into_kvm_tells_the_story_of_every_sink),
		cmocka_unit_test(irqfds_tell_the_story_of_every_sink),
		cmocka_unit_test(message_sinks_are_exchanged_and_none_is_lost),
		cmocka_unit_test(line_sinks_are_exchanged_and_none_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
