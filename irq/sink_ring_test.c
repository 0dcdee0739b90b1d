/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/msi.h"
#include "irq/sink.h"
#include "ring/channel.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
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

#define T(name) cmocka_unit_test_setup_teardown(name, one_channel, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(message_arrives_on_the_ring_field_by_field),
		T(full_ring_refuses_and_says_so_and_loses_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
