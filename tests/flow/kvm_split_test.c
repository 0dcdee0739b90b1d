/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A split irqchip: the local APIC is KVM's, the I/O APIC is ours.  Its messages
 * go to the KVM sink, its routes to KVM's table, and the ends of interrupts
 * come back as exits, if and only if there is a route.
 */
#include "irq/ioapic.h"
#include "irq/line.h"
#include "irq/sink_kvm.h"
#include "tests/guest/kvm_guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define ROUNDS 1000
#define PIN    9u
#define VECTOR 0x31
#define MOVED  0x51 /* serves the line as well */
#define PORT   0xe0 /* and the next one: a register a source */

struct split {
	struct kvm_guest guest;
	struct sink_kvm sink;
	struct kvm_routes routes;
	struct ioapic ioapic;
	struct irq_line line;
	struct irq_source source[2];
	unsigned int served[2];
	unsigned int eois;
};

static struct split s;

static uint8_t read_register(void *ctx, uint8_t port)
{
	unsigned int i = port - PORT;
	bool high;

	(void)ctx;
	assert_true(i < ARRAY_SIZE(s.source));
	high = s.source[i].high;
	s.served[i] += high;
	irq_source_set(&s.source[i], false);
	return high;
}

static void eoi(void *ctx, uint8_t vector)
{
	(void)ctx;
	s.eois++;
	ioapic_eoi(&s.ioapic, vector);
}

static const struct kvm_guest_ops ops = { .read = read_register, .eoi = eoi };

static bool keep_route(struct ioapic *io, uint32_t pin,
		       const struct msi_message *m)
{
	const struct gsi_route r = {
		.kind = m->address ? GSI_TO_MSI : GSI_NOWHERE,
		.msi = *m,
	};

	assert_ptr_equal(io, &s.ioapic);
	assert_int_equal(kvm_routes_set(&s.routes, pin, &r), 0);
	assert_int_equal(kvm_routes_commit(&s.routes), 0);
	return true;
}

static const struct ioapic_ops keeps_routes = { .route = keep_route };

/* The guest's writes, as a VMM forwards them. */
static void program(unsigned int pin, uint64_t entry)
{
	ioapic_write(&s.ioapic, IOAPIC_SELECT, 4, 0x11 + 2 * pin);
	ioapic_write(&s.ioapic, IOAPIC_WINDOW, 4, entry >> 32);
	ioapic_write(&s.ioapic, IOAPIC_SELECT, 4, 0x10 + 2 * pin);
	ioapic_write(&s.ioapic, IOAPIC_WINDOW, 4, (uint32_t)entry);
}

static void serve_by(uint8_t vector)
{
	kvm_guest_handler(&s.guest, &(struct kvm_guest_handler){
					    .vector = vector,
					    .port = PORT,
					    .reads = 2,
					    .ends = 1,
				    });
}

static void begin(const struct ioapic_ops *route_ops)
{
	const char *why = kvm_guest_missing();

	if (why) {
		printf("%s\n", why);
		skip();
	}
	memset(&s, 0, sizeof(s));
	assert_int_equal(kvm_guest_open(&s.guest, KVM_GUEST_SPLIT, &ops, NULL),
			 0);
	serve_by(VECTOR);
	serve_by(MOVED);
	sink_kvm_init(&s.sink, s.guest.vm);
	assert_int_equal(kvm_routes_init(&s.routes, s.guest.vm, IOAPIC_PINS),
			 0);
	assert_int_equal(kvm_routes_commit(&s.routes), 0);
	ioapic_init(&s.ioapic, &s.sink.stage, route_ops, 0x00f8);
	irq_line_init(&s.line, "line", &s.ioapic.stage, PIN);
	for (unsigned int i = 0; i < ARRAY_SIZE(s.source); i++)
		irq_source_connect(&s.source[i], &s.line);
	assert_int_equal(kvm_guest_start(&s.guest), 0);
}

static void end(void)
{
	assert_int_equal(atomic_load(&s.guest.died), 0);
	assert_int_equal(s.sink.failures, 0);
	kvm_routes_fini(&s.routes);
	kvm_guest_close(&s.guest);
}

static bool remote_irr(void)
{
	return s.ioapic.s.entry[PIN] & IOAPIC_REMOTE_IRR;
}

/* False: it took too long. */
static bool served(unsigned int a, unsigned int b)
{
	for (unsigned int i = 0; i < 10000; i++) {
		if (s.served[0] >= a && s.served[1] >= b)
			return true;
		kvm_guest_serve(&s.guest, 20);
	}
	return false;
}

/* rule 74 */
static void two_sources_share_a_level_and_none_is_lost(void **state)
{
	(void)state;
	begin(&keeps_routes);
	program(PIN, VECTOR | IOAPIC_LEVEL);
	for (unsigned int i = 1; i <= ROUNDS; i++) {
		irq_source_set(&s.source[0], true);
		/* The other one rises at once, while the handler runs, and
		 * when it has served the first. */
		for (unsigned int n = 0; n < i % 3; n++)
			kvm_guest_serve(&s.guest, 20);
		irq_source_set(&s.source[1], true);
		assert_true(served(i, i));
	}
	assert_true(kvm_guest_settle(&s.guest));
	assert_int_equal(s.served[0], ROUNDS);
	assert_int_equal(s.served[1], ROUNDS);
	assert_false(remote_irr());
	assert_int_equal(s.eois, s.ioapic.eois);
	/* One that is served when the other one is, or one of each. */
	assert_in_range(kvm_guest_count(&s.guest, VECTOR), ROUNDS, 4 * ROUNDS);
	end();
}

static void end_of_an_interrupt_is_an_exit_by_its_route(void **state)
{
	(void)state;
	begin(&keeps_routes);
	program(PIN, VECTOR | IOAPIC_LEVEL);
	irq_source_set(&s.source[0], true);
	assert_true(served(1, 0));
	assert_true(kvm_guest_settle(&s.guest));
	assert_int_equal(s.eois, kvm_guest_count(&s.guest, VECTOR));
	assert_true(s.eois >= 1);
	assert_false(remote_irr());
	end();
}

static void without_routes_no_end_is_told_and_the_line_stalls(void **state)
{
	uint32_t before;

	(void)state;
	begin(NULL);
	program(PIN, VECTOR | IOAPIC_LEVEL);
	irq_source_set(&s.source[0], true);
	assert_true(served(1, 0));
	assert_true(kvm_guest_settle(&s.guest));
	/* The guest has ended it, and we have not heard. */
	assert_int_equal(s.eois, 0);
	assert_true(remote_irr());
	before = kvm_guest_count(&s.guest, VECTOR);
	irq_source_set(&s.source[1], true);
	assert_true(kvm_guest_settle(&s.guest));
	assert_int_equal(kvm_guest_count(&s.guest, VECTOR), before);
	assert_int_equal(s.served[1], 0);
	assert_true(s.source[1].high);
	end();
}

/* rule 85 */
static void pin_is_masked_before_its_end_and_moved_after_it(void **state)
{
	uint64_t entry = VECTOR | IOAPIC_LEVEL;

	(void)state;
	begin(&keeps_routes);
	program(PIN, entry);
	for (unsigned int i = 1; i <= 100; i++) {
		irq_source_set(&s.source[0], true);
		program(PIN, entry | IOAPIC_MASKED);
		assert_true(served(i, 0));
		assert_true(kvm_guest_settle(&s.guest));
		/* The end is told although the pin is masked. */
		assert_false(remote_irr());
		entry ^= VECTOR ^ MOVED;
		program(PIN, entry | IOAPIC_MASKED);
		program(PIN, entry);
	}
	assert_int_equal(kvm_guest_count(&s.guest, VECTOR), 50);
	assert_int_equal(kvm_guest_count(&s.guest, MOVED), 50);
	assert_int_equal(s.eois, 100);
	end();
}

static void edge_pin_is_one_message_and_no_end(void **state)
{
	(void)state;
	begin(&keeps_routes);
	program(PIN, 0x61);
	for (unsigned int i = 1; i <= 10; i++) {
		irq_source_set(&s.source[0], true);
		assert_true(kvm_guest_settle(&s.guest));
		assert_int_equal(kvm_guest_count(&s.guest, 0x61), i);
		irq_source_set(&s.source[0], false);
	}
	assert_int_equal(s.eois, 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_sources_share_a_level_and_none_is_lost),
		cmocka_unit_test(end_of_an_interrupt_is_an_exit_by_its_route),
		cmocka_unit_test(
			without_routes_no_end_is_told_and_the_line_stalls),
		cmocka_unit_test(
			pin_is_masked_before_its_end_and_moved_after_it),
		cmocka_unit_test(edge_pin_is_one_message_and_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
