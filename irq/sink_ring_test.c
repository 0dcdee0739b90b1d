/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/ioapic.h"
#include "irq/line.h"
#include "irq/msi.h"
#include "irq/sink.h"
#include "ring/channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

static struct channel channel;
static struct sink_ring sink;

static int one_channel(void **state)
{
	(void)state;
	if (channel_create(&channel, 1, 1))
		return -1;
	sink_ring_init(&sink, &channel);
	return 0;
}

static int done(void **state)
{
	(void)state;
	channel_fini(&channel);
	return 0;
}

static void message_arrives_on_the_ring_field_by_field(void **state)
{
	const struct msi_message m = {
		.address = 0xfee01000,
		.data = 0x4021,
		.requester_id = 0x0108,
		.vector = 5,
	};
	struct msg_irq irq[2];

	(void)state;
	assert_int_equal(irq_stage_send(&sink.stage, &m), IRQ_QUEUED);
	assert_int_equal(channel_get_irqs(&channel, irq, 2), 1);
	assert_int_equal(irq[0].address, 0xfee01000);
	assert_int_equal(irq[0].data, 0x4021);
	assert_int_equal(irq[0].requester_id, 0x0108);
	assert_int_equal(irq[0].what, 5);
	assert_false(sink.backlog);
}

static void level_arrives_with_its_gsi(void **state)
{
	struct msg_irq irq[3];

	(void)state;
	assert_int_equal(irq_stage_set(&sink.stage, 17, true), IRQ_QUEUED);
	assert_int_equal(irq_stage_set(&sink.stage, 17, false), IRQ_QUEUED);
	assert_int_equal(channel_get_irqs(&channel, irq, 3), 2);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(MSG_IRQ_TYPE(irq[i].what),
				 PCIRING_IRQ_TYPE_LINE);
		assert_int_equal(MSG_IRQ_NUMBER(irq[i].what), 17);
		assert_int_equal(irq[i].data, i == 0);
		assert_int_equal(irq[i].address, 0);
		assert_int_equal(irq[i].requester_id, 0);
	}
	assert_int_equal(sink.stage.count.fired, 2);
}

static void route_arrives_with_its_pin_and_is_no_interrupt(void **state)
{
	const struct msi_message m = {
		.address = 0xfee01000,
		.data = 0x8031,
		.requester_id = 0x00f8,
		.vector = 9,
	};
	struct msg_irq irq[2];

	(void)state;
	assert_true(sink_ring_route(&sink, 23, &m));
	assert_int_equal(channel_get_irqs(&channel, irq, 2), 1);
	assert_int_equal(irq[0].address, 0xfee01000);
	assert_int_equal(irq[0].data, 0x8031);
	assert_int_equal(irq[0].requester_id, 0x00f8);
	assert_int_equal(MSG_IRQ_TYPE(irq[0].what), PCIRING_IRQ_TYPE_ROUTE);
	assert_int_equal(MSG_IRQ_NUMBER(irq[0].what), 23);
	assert_int_equal(sink.stage.count.fired, 0);
}

static void no_number_reaches_the_type(void **state)
{
	const struct msi_message last = { .vector = MSI_MAX_VECTORS - 1 };
	const struct msi_message none = { .vector = 0xffff };
	struct msg_irq irq[3];

	(void)state;
	irq_stage_send(&sink.stage, &last);
	irq_stage_send(&sink.stage, &none);
	irq_stage_set(&sink.stage, 0xfff, true);
	assert_int_equal(channel_get_irqs(&channel, irq, 3), 3);
	assert_int_equal(irq[0].what, MSI_MAX_VECTORS - 1);
	assert_int_equal(MSG_IRQ_TYPE(irq[1].what), PCIRING_IRQ_TYPE_MSI);
	assert_int_equal(MSG_IRQ_TYPE(irq[2].what), PCIRING_IRQ_TYPE_LINE);
	assert_int_equal(MSG_IRQ_NUMBER(irq[2].what), 0xfff);
}

static void all_kinds_arrive_in_the_order_they_were_sent(void **state)
{
	struct msi_message m = { 0 };
	struct msg_irq irq;

	(void)state;
	for (uint32_t i = 0; i < 30; i++) {
		m.data = i;
		switch (i % 3) {
		case 0:
			irq_stage_send(&sink.stage, &m);
			break;
		case 1:
			irq_stage_set(&sink.stage, i, true);
			break;
		default:
			sink_ring_route(&sink, i, &m);
		}
	}
	for (uint32_t i = 0; i < 30; i++) {
		assert_int_equal(channel_get_irqs(&channel, &irq, 1), 1);
		assert_int_equal(MSG_IRQ_TYPE(irq.what), i % 3);
		if (i % 3 != 1)
			assert_int_equal(irq.data, i);
		else
			assert_int_equal(MSG_IRQ_NUMBER(irq.what), i);
	}
}

static void fill(void)
{
	const struct msi_message m = { .data = UINT32_MAX };

	while (irq_stage_send(&sink.stage, &m) == IRQ_QUEUED)
		;
	sink.backlog = false;
}

static void full_ring_refuses_each_kind_and_says_so(void **state)
{
	const struct msi_message m = { .data = 1 };

	(void)state;
	fill();
	assert_int_equal(irq_stage_send(&sink.stage, &m), IRQ_REFUSED);
	assert_true(sink.backlog);
	sink.backlog = false;
	assert_int_equal(irq_stage_set(&sink.stage, 4, true), IRQ_REFUSED);
	assert_true(sink.backlog);
	sink.backlog = false;
	assert_false(sink_ring_route(&sink, 4, &m));
	assert_true(sink.backlog);
	assert_int_equal(sink.stage.count.fired, CHANNEL_IRQS - 1);
}

static void full_ring_refuses_and_says_so_and_loses_none(void **state)
{
	static struct msi_vector vector[MSI_MAX_VECTORS];
	static uint64_t pending[MSI_PENDING_WORDS(MSI_MAX_VECTORS)];
	static bool seen[MSI_MAX_VECTORS];
	struct msg_irq irq[64];
	struct msi_bank bank;
	unsigned int n, arrived = 0;

	(void)state;
	msi_bank_init(&bank, vector, pending, MSI_MAX_VECTORS, 8);
	for (unsigned int v = 0; v < MSI_MAX_VECTORS; v++)
		msi_set_vector(&bank, v, 0xfee00000, v, 0);
	msi_bank_set_next(&bank, &sink.stage, false);
	msi_bank_set_open(&bank, true);
	for (unsigned int v = 0; v < MSI_MAX_VECTORS; v++)
		msi_send(&bank, v);
	assert_true(sink.backlog);
	assert_int_equal(bank.stage.count.fired, CHANNEL_IRQS - 1);
	while ((n = channel_get_irqs(&channel, irq, 64))) {
		for (unsigned int i = 0; i < n; i++) {
			assert_false(seen[irq[i].data]);
			seen[irq[i].data] = true;
		}
		arrived += n;
		sink.backlog = false;
		msi_bank_flush(&bank);
	}
	assert_int_equal(arrived, MSI_MAX_VECTORS);
	assert_false(sink.backlog);
}

/*
 * What a random script meets: a reader that takes some and then lets the sink
 * be flushed, as the loop does, so that the ring is full about half the time.
 */
typedef void heard_fn(const struct msg_irq *irq);

static void read_some(unsigned int max, heard_fn *heard)
{
	struct msg_irq irq;

	for (; max && channel_get_irqs(&channel, &irq, 1); max--)
		if (irq.data != UINT32_MAX) /* of fill() */
			heard(&irq);
	sink.backlog = false;
}

#define LINES 8
static struct irq_line line[LINES];
static struct irq_source source[LINES];
static bool level_heard[LINES];

static void hear_line(const struct msg_irq *irq)
{
	unsigned int n = MSG_IRQ_NUMBER(irq->what);

	assert_int_equal(MSG_IRQ_TYPE(irq->what), PCIRING_IRQ_TYPE_LINE);
	assert_true(n < LINES);
	/* Only changes are told. */
	assert_int_equal(level_heard[n], !irq->data);
	level_heard[n] = irq->data;
}

static void flush_lines(void)
{
	for (unsigned int i = 0; i < LINES; i++)
		irq_line_flush(&line[i]);
}

static void full_ring_loses_no_level_the_latest_one_wins(void **state)
{
	unsigned int kept = 0;

	(void)state;
	srand(11);
	memset(level_heard, 0, sizeof(level_heard));
	for (unsigned int i = 0; i < LINES; i++) {
		irq_line_init(&line[i], "line", &sink.stage, i);
		irq_source_connect(&source[i], &line[i]);
	}
	for (unsigned int round = 0; round < 200; round++) {
		fill();
		for (unsigned int i = rand() % 50; i; i--) {
			kept += irq_source_set(&source[rand() % LINES],
					       rand() & 1) == IRQ_LATCHED;
			if (rand() % 10 == 0)
				read_some(rand() % 3, hear_line);
		}
		/* Room for a few, and then for all. */
		read_some(rand() % 4, hear_line);
		flush_lines();
		read_some(CHANNEL_IRQS, hear_line);
		flush_lines();
		read_some(CHANNEL_IRQS, hear_line);
		for (unsigned int i = 0; i < LINES; i++)
			assert_int_equal(level_heard[i], source[i].high);
		assert_false(sink.backlog);
	}
	assert_true(kept > 100);
	for (unsigned int i = 0; i < LINES; i++)
		irq_source_connect(&source[i], NULL);
}

#define VECTORS 4
static uint32_t data_heard[VECTORS];

static void hear_vector(const struct msg_irq *irq)
{
	unsigned int v = MSG_IRQ_NUMBER(irq->what);

	assert_true(v < VECTORS);
	/* One that was kept leaves with the data of the latest raise. */
	assert_true(irq->data > data_heard[v]);
	data_heard[v] = irq->data;
}

static void edges_of_a_vector_stay_in_order_however_full_the_ring(void **state)
{
	struct msi_vector vector[VECTORS];
	uint32_t raised[VECTORS] = { 0 };
	struct msi_bank bank;
	uint64_t pending;

	(void)state;
	srand(12);
	memset(data_heard, 0, sizeof(data_heard));
	msi_bank_init(&bank, vector, &pending, VECTORS, 8);
	msi_bank_set_next(&bank, &sink.stage, false);
	msi_bank_set_open(&bank, true);
	for (uint32_t n = 1; n < 20000; n++) {
		unsigned int v = (unsigned int)rand() % VECTORS;

		if (rand() % 500 == 0)
			fill();
		/* Its data says when it was raised. */
		raised[v] = n;
		msi_set_vector(&bank, v, 0xfee00000, n, 1);
		msi_send(&bank, v);
		msi_set_vector(&bank, v, 0xfee00000, n, 0);
		if (rand() % 8 == 0)
			read_some(rand() % 16, hear_vector);
		if (rand() % 20 == 0)
			msi_bank_flush(&bank);
	}
	read_some(CHANNEL_IRQS, hear_vector);
	msi_bank_flush(&bank);
	read_some(CHANNEL_IRQS, hear_vector);
	for (unsigned int v = 0; v < VECTORS; v++)
		assert_int_equal(data_heard[v], raised[v]);
	assert_true(channel.stats.irq_full > 100);
}

static bool route(struct ioapic *io, uint32_t pin, const struct msi_message *m)
{
	(void)io;
	return sink_ring_route(&sink, pin, m);
}

static uint32_t routed[IOAPIC_PINS];
static unsigned int messages_heard;

static void hear_ioapic(const struct msg_irq *irq)
{
	unsigned int pin = MSG_IRQ_NUMBER(irq->what);

	if (MSG_IRQ_TYPE(irq->what) == PCIRING_IRQ_TYPE_ROUTE) {
		routed[pin] = irq->data;
		return;
	}
	/* No message leaves before its route. */
	assert_int_equal(irq->data, routed[pin]);
	messages_heard++;
}

static void write_entry(struct ioapic *io, unsigned int pin, uint32_t low)
{
	ioapic_write(io, IOAPIC_SELECT, 4, 0x10 + 2 * pin);
	ioapic_write(io, IOAPIC_WINDOW, 4, low);
}

/* rule 85 */
static void full_ring_loses_no_route_and_none_comes_late(void **state)
{
	static const struct ioapic_ops ops = { .route = route };
	uint8_t vector[4] = { 0 };
	struct ioapic io;

	(void)state;
	srand(13);
	memset(routed, 0, sizeof(routed));
	ioapic_init(&io, &sink.stage, &ops, 0x00f8);
	messages_heard = 0;
	for (unsigned int round = 0; round < 3000; round++) {
		unsigned int pin = (unsigned int)rand() % 4;

		if (rand() % 20 == 0)
			fill();
		if (rand() % 4 == 0) {
			vector[pin] = (uint8_t)(0x20 + rand() % 0xd0);
			write_entry(&io, pin, vector[pin]);
		}
		irq_stage_set(&io.stage, pin, true);
		irq_stage_set(&io.stage, pin, false);
		if (rand() % 4 == 0)
			read_some(rand() % 8, hear_ioapic);
		if (rand() % 40 == 0)
			read_some(CHANNEL_IRQS, hear_ioapic);
		if (rand() % 8 == 0)
			ioapic_flush(&io);
	}
	for (unsigned int i = 0; i < 2; i++) {
		read_some(CHANNEL_IRQS, hear_ioapic);
		ioapic_flush(&io);
	}
	read_some(CHANNEL_IRQS, hear_ioapic);
	for (unsigned int pin = 0; pin < 4; pin++)
		assert_int_equal(routed[pin], vector[pin]);
	assert_true(messages_heard > 300);
	assert_false(sink.backlog);
}

#define T(name) cmocka_unit_test_setup_teardown(name, one_channel, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(message_arrives_on_the_ring_field_by_field),
		T(level_arrives_with_its_gsi),
		T(route_arrives_with_its_pin_and_is_no_interrupt),
		T(no_number_reaches_the_type),
		T(all_kinds_arrive_in_the_order_they_were_sent),
		T(full_ring_refuses_each_kind_and_says_so),
		T(full_ring_refuses_and_says_so_and_loses_none),
		T(full_ring_loses_no_level_the_latest_one_wins),
		T(edges_of_a_vector_stay_in_order_however_full_the_ring),
		T(full_ring_loses_no_route_and_none_comes_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
