/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What KVM makes of each way into it, seen by a guest that takes interrupts:
 * messages, levels, irqfds, and routes that change while they flow.
 */
#include "irq/gsi.h"
#include "irq/msi.h"
#include "irq/sink.h"
#include "irq/sink_kvm.h"
#include "tests/guest/kvm_guest.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>
/* cmocka wants setjmp.h and stdarg.h first */
#include <cmocka.h>

#define ROUNDS 1000
#define GSIS   32

/* The line of the device: a pin of the I/O APIC, a vector, a register. */
#define LINE_GSI    5u
#define LINE_VECTOR 0x31
#define LINE_PORT   0xe0

#define MSI_GSI 24u

struct device {
	struct irq_line line;
	struct irq_source source;
	unsigned int served;   /* reads that found it high */
	unsigned int spurious; /* reads that found it low */
	unsigned int deaf;     /* reads that will not lower the line */
	unsigned int rises;    /* to follow a read, before the guest's EOI */
};

static struct kvm_guest guest;
static struct sink_kvm sink;
static struct kvm_routes routes;
static struct device device;

/* As ISR: a read clears it and lowers the line. */
static uint8_t read_register(void *ctx, uint8_t port)
{
	struct device *d = ctx;

	assert_int_equal(port, LINE_PORT);
	if (!d->source.high) {
		d->spurious++;
		return 0;
	}
	d->served++;
	if (d->deaf) {
		d->deaf--;
		return 1;
	}
	irq_source_set(&d->source, false);
	if (d->rises) {
		d->rises--;
		kvm_guest_work(&guest, LINE_VECTOR, d->served);
		irq_source_set(&d->source, true);
	}
	return 1;
}

/*
 * The guest served the line @n times, and few interrupts more came: some nested
 * KVMs end an interrupt when they inject it, so the line is seen high too early
 * and each fall may cost one that finds nothing to do.  Never two.
 */
static void assert_served(unsigned int n)
{
	assert_int_equal(device.served, n);
	assert_true(device.spurious <= n);
	assert_int_equal(kvm_guest_count(&guest, LINE_VECTOR),
			 n + device.spurious);
	assert_false(device.source.high);
}

static const struct kvm_guest_ops ops = { .read = read_register };

static void route(uint32_t gsi, const struct gsi_route *r)
{
	assert_int_equal(kvm_routes_set(&routes, gsi, r), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
}

static void route_msi(uint32_t gsi, uint8_t vector)
{
	route(gsi, &(struct gsi_route){
			   .kind = GSI_TO_MSI,
			   .msi = { .address = 0xfee00000, .data = vector },
		   });
}

static void begin(void)
{
	const char *why = kvm_guest_missing();

	if (why) {
		printf("%s\n", why);
		skip();
	}
	memset(&device, 0, sizeof(device));
	assert_int_equal(kvm_guest_open(&guest, KVM_GUEST_FULL, &ops, &device),
			 0);
	kvm_guest_handler(&guest, &(struct kvm_guest_handler){
					  .vector = LINE_VECTOR,
					  .port = LINE_PORT,
					  .reads = 1,
					  .ends = 1,
				  });
	sink_kvm_init(&sink, guest.vm);
	assert_int_equal(kvm_routes_init(&routes, guest.vm, GSIS), 0);
	route(LINE_GSI, &(struct gsi_route){
				.kind = GSI_TO_PINS,
				.nr_pins = 1,
				.pin = { { .chip = 2, .pin = LINE_GSI } },
			});
	assert_int_equal(kvm_guest_start(&guest), 0);
	irq_line_init(&device.line, "device", &sink.stage, LINE_GSI);
	irq_source_connect(&device.source, &device.line);
}

static void end(void)
{
	assert_int_equal(atomic_load(&guest.died), 0);
	kvm_routes_fini(&routes);
	kvm_guest_close(&guest);
}

static enum irq_result send(uint8_t vector)
{
	const struct msi_message m = { .address = 0xfee00000, .data = vector };

	return irq_stage_send(&sink.stage, &m);
}

static void each_message_is_its_vector_and_is_known_delivered(void **state)
{
	(void)state;
	begin();
	for (unsigned int i = 0; i < 12; i++) {
		uint8_t vector = (uint8_t)(0x41 + 7 * i);

		assert_int_equal(send(vector), IRQ_DELIVERED);
		assert_true(kvm_guest_settle(&guest));
		assert_int_equal(kvm_guest_count(&guest, vector), 1);
	}
	for (unsigned int v = 32; v < 254; v++)
		assert_int_equal(kvm_guest_count(&guest, (uint8_t)v),
				 v >= 0x41 && v <= 0x41 + 77 &&
					 (v - 0x41) % 7 == 0);
	assert_int_equal(sink.stage.count.fired, 12);
	end();
}

static void message_to_nobody_is_dropped_and_counted(void **state)
{
	const struct msi_message m = { .address = 0xfee07000, .data = 0x41 };

	(void)state;
	begin();
	assert_int_equal(irq_stage_send(&sink.stage, &m), IRQ_DROPPED);
	assert_int_equal(sink.stage.count.dropped, 1);
	assert_int_equal(sink.stage.count.fired, 0);
	assert_true(kvm_guest_settle(&guest));
	assert_int_equal(kvm_guest_count(&guest, 0x41), 0);
	end();
}

/* rule 79 */
static void
masked_vector_latches_and_fires_once_where_it_was_moved(void **state)
{
	struct msi_vector vector[2];
	uint64_t pending[1];
	struct msi_bank bank;

	(void)state;
	begin();
	msi_bank_init(&bank, vector, pending, 2, 0x0108);
	msi_set_vector(&bank, 1, 0xfee00000, 0x41, 1);
	msi_bank_set_next(&bank, &sink.stage, false);
	msi_bank_set_open(&bank, true);
	assert_int_equal(msi_send(&bank, 1), IRQ_LATCHED);
	assert_int_equal(msi_send(&bank, 1), IRQ_MERGED);
	msi_set_vector(&bank, 1, 0xfee00000, 0x42, 1);
	assert_true(kvm_guest_settle(&guest));
	assert_int_equal(kvm_guest_count(&guest, 0x41), 0);
	assert_int_equal(kvm_guest_count(&guest, 0x42), 0);
	msi_set_vector(&bank, 1, 0xfee00000, 0x42, 0);
	assert_true(kvm_guest_settle(&guest));
	assert_int_equal(kvm_guest_count(&guest, 0x41), 0);
	assert_int_equal(kvm_guest_count(&guest, 0x42), 1);
	assert_int_equal(msi_send(&bank, 1), IRQ_DELIVERED);
	assert_true(kvm_guest_settle(&guest));
	assert_int_equal(kvm_guest_count(&guest, 0x42), 2);
	end();
}

/* rule 74 */
static void level_interrupts_at_each_eoi_until_it_is_lowered(void **state)
{
	(void)state;
	begin();
	kvm_guest_ioapic_set(&guest, LINE_GSI, LINE_VECTOR | 0x8000);
	device.deaf = 3;
	assert_int_equal(irq_source_set(&device.source, true), IRQ_DELIVERED);
	assert_true(kvm_guest_settle(&guest));
	assert_served(4);
	/* And it is the same again. */
	assert_int_equal(irq_source_set(&device.source, true), IRQ_DELIVERED);
	assert_true(kvm_guest_settle(&guest));
	assert_served(5);
	end();
}

/* rule 74 */
static void level_that_rises_between_read_and_eoi_is_not_lost(void **state)
{
	(void)state;
	begin();
	kvm_guest_ioapic_set(&guest, LINE_GSI, LINE_VECTOR | 0x8000);
	device.rises = 10;
	irq_source_set(&device.source, true);
	assert_true(kvm_guest_settle(&guest));
	assert_served(11);
	assert_int_equal(kvm_guest_seen(&guest, LINE_VECTOR), 10);
	end();
}

static void level_at_a_masked_pin_is_kept_by_the_chip(void **state)
{
	(void)state;
	begin();
	kvm_guest_ioapic_set(&guest, LINE_GSI, LINE_VECTOR | 0x18000);
	assert_int_equal(irq_source_set(&device.source, true), IRQ_LATCHED);
	assert_int_equal(sink.stage.count.masked, 1);
	assert_true(kvm_guest_settle(&guest));
	assert_int_equal(kvm_guest_count(&guest, LINE_VECTOR), 0);
	kvm_guest_ioapic_set(&guest, LINE_GSI, LINE_VECTOR | 0x8000);
	assert_true(kvm_guest_settle(&guest));
	assert_served(1);
	end();
}

static void edge_pin_tells_delivered_from_coalesced(void **state)
{
	(void)state;
	begin();
	kvm_guest_ioapic_set(&guest, LINE_GSI, 0x41);
	assert_int_equal(irq_stage_set(&sink.stage, LINE_GSI, true),
			 IRQ_DELIVERED);
	assert_int_equal(irq_stage_set(&sink.stage, LINE_GSI, true),
			 IRQ_COALESCED);
	assert_int_equal(sink.stage.count.coalesced, 1);
	assert_int_equal(irq_stage_set(&sink.stage, LINE_GSI, false),
			 IRQ_QUEUED);
	assert_true(kvm_guest_settle(&guest));
	assert_int_equal(kvm_guest_count(&guest, 0x41), 1);
	/* A KVM that does not tell, delivers as well. */
	sink.status = false;
	assert_int_equal(irq_stage_set(&sink.stage, LINE_GSI, true),
			 IRQ_QUEUED);
	assert_true(kvm_guest_settle(&guest));
	assert_int_equal(kvm_guest_count(&guest, 0x41), 2);
	end();
}

/* ---- irqfd --------------------------------------------------------------- */

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

/* Vector 0 of a bank, by an eventfd that KVM listens to. */
struct vector_irqfd {
	struct msi_bank bank;
	struct msi_vector vector[1];
	uint64_t pending[1];
	struct sink_eventfd sink;
	int fd; /* the sink's */
};

static void open_vector(struct vector_irqfd *v)
{
	v->fd = new_eventfd();
	assert_int_equal(sink_eventfd_init(&v->sink, 1, NULL), 0);
	sink_eventfd_bind(&v->sink, 0, v->fd);
	msi_bank_init(&v->bank, v->vector, v->pending, 1, 0x0108);
	msi_bank_set_next(&v->bank, &v->sink.stage, true);
	msi_bank_set_open(&v->bank, true);
}

static void raise(struct vector_irqfd *v)
{
	enum irq_result result = msi_send(&v->bank, 0);

	assert_int_equal(result, IRQ_QUEUED);
}

static void eventfd_of_a_vector_is_the_message_of_its_route(void **state)
{
	struct vector_irqfd v;

	(void)state;
	begin();
	open_vector(&v);
	route_msi(MSI_GSI, 0x41);
	assert_int_equal(kvm_irqfd_assign(guest.vm, MSI_GSI, v.fd, -1), 0);
	for (unsigned int i = 1; i <= ROUNDS; i++) {
		raise(&v);
		assert_true(kvm_guest_wait(&guest, 0x41, i));
	}
	assert_true(kvm_guest_settle(&guest));
	assert_int_equal(kvm_guest_count(&guest, 0x41), ROUNDS);
	/* Without a listener it is kept by the eventfd. */
	assert_int_equal(kvm_irqfd_deassign(guest.vm, MSI_GSI, v.fd), 0);
	raise(&v);
	assert_true(kvm_guest_settle(&guest));
	assert_int_equal(kvm_guest_count(&guest, 0x41), ROUNDS);
	assert_int_equal(kvm_irqfd_assign(guest.vm, MSI_GSI, v.fd, -1), 0);
	assert_true(kvm_guest_wait(&guest, 0x41, ROUNDS + 1));
	sink_eventfd_fini(&v.sink);
	end();
}

/* rule 85 */
static void route_is_used_from_the_next_raise_on(void **state)
{
	struct vector_irqfd v;
	uint32_t last[2] = { 0 };

	(void)state;
	begin();
	open_vector(&v);
	route_msi(MSI_GSI, 0x41);
	assert_int_equal(kvm_irqfd_assign(guest.vm, MSI_GSI, v.fd, -1), 0);
	for (unsigned int i = 1; i <= 200; i++) {
		uint8_t now = i & 1 ? 0x42 : 0x41;

		/* One more is under way by the old route. */
		last[i & 1 ? 0 : 1]++;
		raise(&v);
		route_msi(MSI_GSI, now);
		last[i & 1]++;
		raise(&v);
		assert_true(kvm_guest_wait(&guest, 0x41, last[0]));
		assert_true(kvm_guest_wait(&guest, 0x42, last[1]));
	}
	assert_true(kvm_guest_settle(&guest));
	assert_int_equal(kvm_guest_count(&guest, 0x41), last[0]);
	assert_int_equal(kvm_guest_count(&guest, 0x42), last[1]);
	sink_eventfd_fini(&v.sink);
	end();
}

/* ---- irqfd with resample -------------------------------------------------- */

struct line_irqfd {
	struct sink_line sink;
	int resample; /* owned */
};

static void open_line(struct line_irqfd *l)
{
	int fd = new_eventfd();

	kvm_guest_ioapic_set(&guest, LINE_GSI, LINE_VECTOR | 0x8000);
	l->resample = new_eventfd();
	assert_int_equal(sink_line_init(&l->sink, "device"), 0);
	assert_int_equal(kvm_irqfd_assign(guest.vm, LINE_GSI, fd, l->resample),
			 0);
	sink_line_bind(&l->sink, fd);
	assert_true(irq_line_set_next(&device.line, &l->sink.stage, 0));
}

static void close_line(struct line_irqfd *l)
{
	assert_int_equal(kvm_irqfd_deassign(guest.vm, LINE_GSI, l->sink.fd), 0);
	sink_line_fini(&l->sink);
	close(l->resample);
}

/* One turn of a loop: the guest's exits and ends. */
static void turn(struct line_irqfd *l)
{
	uint64_t n;

	kvm_guest_serve(&guest, 20);
	if (read(l->resample, &n, sizeof(n)) == sizeof(n))
		sink_line_resample(&l->sink);
}

static void turn_until(struct line_irqfd *l, uint32_t seen)
{
	for (unsigned int i = 0; i < 100000; i++) {
		if (kvm_guest_seen(&guest, LINE_VECTOR) == seen &&
		    !device.source.high && !l->sink.busy)
			return;
		turn(l);
	}
	fail_msg("seen %u of %u", kvm_guest_seen(&guest, LINE_VECTOR), seen);
}

/* rule 74 */
static void resampled_line_loses_none_of_a_thousand(void **state)
{
	struct line_irqfd l;

	(void)state;
	begin();
	open_line(&l);
	for (unsigned int i = 1; i <= ROUNDS; i++) {
		kvm_guest_work(&guest, LINE_VECTOR, i);
		irq_source_set(&device.source, true);
		turn_until(&l, i);
	}
	assert_true(kvm_guest_settle(&guest));
	assert_served(ROUNDS);
	close_line(&l);
	end();
}

/* rule 74 */
static void
resampled_line_that_stays_high_costs_one_interrupt_an_eoi(void **state)
{
	struct line_irqfd l;

	(void)state;
	begin();
	open_line(&l);
	device.deaf = 5;
	device.rises = 20;
	irq_source_set(&device.source, true);
	turn_until(&l, 25);
	assert_true(kvm_guest_settle(&guest));
	assert_served(26);
	assert_int_equal(l.sink.stage.count.fired, 26 + device.spurious);
	close_line(&l);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			each_message_is_its_vector_and_is_known_delivered),
		cmocka_unit_test(message_to_nobody_is_dropped_and_counted),
		cmocka_unit_test(
			masked_vector_latches_and_fires_once_where_it_was_moved),
		cmocka_unit_test(
			level_interrupts_at_each_eoi_until_it_is_lowered),
		cmocka_unit_test(
			level_that_rises_between_read_and_eoi_is_not_lost),
		cmocka_unit_test(level_at_a_masked_pin_is_kept_by_the_chip),
		cmocka_unit_test(edge_pin_tells_delivered_from_coalesced),
		cmocka_unit_test(
			eventfd_of_a_vector_is_the_message_of_its_route),
		cmocka_unit_test(route_is_used_from_the_next_raise_on),
		cmocka_unit_test(resampled_line_loses_none_of_a_thousand),
		cmocka_unit_test(
			resampled_line_that_stays_high_costs_one_interrupt_an_eoi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
