/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive buffers that are none, among others that are taken already and wait
 * for more of their frame.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "transport/devices/test_net.h"

#define MERGEABLE BIT_ULL(NET_F_MRG_RXBUF)

static uint8_t frame[900];

static void wait_for_buffers(struct nic *t, bool packed)
{
	nic_open_ring(t, 0, 1, MERGEABLE, packed);
	for (uint32_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 13);
	frame[0] = 2;
	nic_give(t, frame, sizeof(frame), sizeof(frame));
	nic_buffers(t, 2, 128);
	nic_run(t);
	assert_int_equal(nic_used(t, 0, NULL), 0);
}

/* The frame's, all in the buffer that was offered as the @i-th. */
static void assert_whole(struct nic *t, unsigned int i)
{
	struct net_hdr h;

	memcpy(&h, rig_at(&t->rig, NIC_BUFFER(i)), sizeof(h));
	assert_int_equal(h.num_buffers, 1);
	assert_memory_equal(rig_at(&t->rig, NIC_BUFFER(i) + 12), frame,
			    sizeof(frame));
	assert_int_equal(nic_counts(t).rx_frames, 1);
	assert_false(virtio_queue(&t->v, 0)->s.broken);
}

static void one_after_the_other(bool packed)
{
	struct rig_answer a = { 0, 0 };
	struct nic t;

	wait_for_buffers(&t, packed);
	nic_desc(&t, 0, NIC_BUFFER(2), 512, 0);
	nic_offer(&t, 0, 2);
	nic_buffers(&t, 1, 1024);
	nic_run(&t);
	for (uint16_t id = 0; id < 3; id++) {
		assert_true(rig_take(&t.ring[0], 1, &a));
		assert_int_equal(a.id, id);
		assert_int_equal(a.len, 0);
	}
	assert_true(rig_take(&t.ring[0], 1, &a));
	assert_int_equal(a.id, 3);
	assert_int_equal(a.len, 12 + sizeof(frame));
	assert_whole(&t, 3);
	assert_int_equal(virtio_queue(&t.v, 0)->stats.bad_requests, 1);
	assert_true(nic_end(&t));
}

/* In a packed ring the others would be lost by it: virtio 1.2, 2.8.6. */
static void bad_buffer_does_not_overtake_those_that_are_held(void **state)
{
	(void)state;
	one_after_the_other(false);
	one_after_the_other(true);
}

static void held_buffer_that_the_driver_empties_ends_nothing(void **state)
{
	uint32_t len;
	struct nic t;

	(void)state;
	wait_for_buffers(&t, false);
	t.ring[0].desc[0].len = 0;
	nic_buffers(&t, 1, 1024);
	nic_run(&t);
	/* Held is now the second, which does not suffice without the third. */
	assert_int_equal(nic_used(&t, 0, &len), 3);
	assert_int_equal(len, 12 + sizeof(frame) - 128);
	assert_int_equal(t.ring[0].used->ring[0].id, 0);
	assert_int_equal(t.ring[0].used->ring[0].len, 0);
	assert_int_equal(t.ring[0].used->ring[1].len, 128);
	assert_memory_equal(rig_at(&t.rig, NIC_BUFFER(1) + 12), frame, 116);
	assert_memory_equal(rig_at(&t.rig, NIC_BUFFER(2)), frame + 116,
			    sizeof(frame) - 116);
	assert_int_equal(virtio_queue(&t.v, 0)->stats.bad_requests, 1);
	assert_true(nic_end(&t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			bad_buffer_does_not_overtake_those_that_are_held),
		cmocka_unit_test(
			held_buffer_that_the_driver_empties_ends_nothing),
	};

	return cmocka_run_group_tests(tests, nic_setup, nic_teardown);
}
