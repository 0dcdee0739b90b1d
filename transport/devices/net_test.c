/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames through a NIC, both ways, as drivers and ports that mean well have
 * them; and what happens when one of the two is slow.
 */
#include "transport/devices/test_net.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define MERGEABLE BIT_ULL(NET_F_MRG_RXBUF)

static uint8_t frame[NET_FRAME_MAX + 16];
static uint8_t scratch[NET_FRAME_MAX + 16];

/* A frame that differs by @seed, to anybody. */
static void pattern(uint32_t len, uint8_t seed)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		frame[i] = (uint8_t)(seed + i * 3 + i / 256);
	frame[0] = 2;
}

static bool sent_is_frame(struct nic *t, unsigned int i, uint32_t len)
{
	const struct rte_mbuf *m = t->p->sent[i];

	return m->pkt_len == len && !memcmp(frame_of(m, scratch), frame, len);
}

/* ---- Sending -------------------------------------------------------------- */

static void frame_that_is_sent_reaches_the_port_as_it_is(void **state)
{
	uint32_t len = 99;
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, 0);
	pattern(60, 1);
	nic_send_plain(&t, frame, 60);
	nic_run(&t);
	assert_int_equal(t.p->nr_sent, 1);
	assert_true(sent_is_frame(&t, 0, 60));
	assert_int_equal(nic_used(&t, 1, &len), 1);
	/* Nothing of it was the device's to write. */
	assert_int_equal(len, 0);
	assert_int_equal(nic_counts(&t).tx_frames, 1);
	assert_int_equal(nic_counts(&t).tx_bytes, 60);
	assert_true(nic_end(&t));
}

static void header_and_frame_may_be_in_any_pieces(void **state)
{
	const struct net_hdr h = { .flags = 0 };
	uint32_t piece;
	struct nic t;

	(void)state;
	for (piece = 2; piece < 80; piece++) {
		nic_open(&t, 0, 1, 0);
		pattern(70, (uint8_t)piece);
		nic_send(&t, &h, frame, 70, piece);
		nic_run(&t);
		assert_int_equal(t.p->nr_sent, 1);
		assert_true(sent_is_frame(&t, 0, 70));
		assert_true(nic_end(&t));
	}
}

static void frames_keep_their_order_when_the_port_is_slow(void **state)
{
	unsigned int i;
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, 0);
	t.p->takes = 5;
	for (i = 0; i < 40; i++) {
		pattern(60, (uint8_t)i);
		nic_send_plain(&t, frame, 60);
	}
	virtio_run(&t.v, 64, ticks_now());
	assert_int_equal(t.p->nr_sent, 5);
	/* It takes all again before we give up. */
	t.p->takes = -1u;
	nic_run(&t);
	assert_int_equal(t.p->nr_sent, 40);
	for (i = 0; i < 40; i++) {
		pattern(60, (uint8_t)i);
		assert_true(sent_is_frame(&t, i, 60));
	}
	assert_int_equal(nic_used(&t, 1, NULL), 40);
	assert_int_equal(nic_counts(&t).tx_full, 0);
	assert_true(nic_end(&t));
}

static void
port_that_takes_nothing_loses_frames_and_they_are_counted(void **state)
{
	const uint64_t begin = ticks_now();
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, 0);
	t.p->takes = 0;
	pattern(60, 1);
	nic_send_plain(&t, frame, 60);
	while (!nic_counts(&t).tx_full &&
	       ticks_now() - begin < ticks_of_us(20u * 1000 * 1000))
		virtio_run(&t.v, 64, ticks_now());
	assert_int_equal(nic_counts(&t).tx_full, 1);
	/* The queue goes on. */
	t.p->takes = -1u;
	nic_send_plain(&t, frame, 60);
	nic_run(&t);
	assert_int_equal(t.p->nr_sent, 1);
	assert_true(nic_end(&t));
}

static void reset_frees_what_waits_on_both_sides(void **state)
{
	unsigned int i;
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, 0);
	t.p->takes = 0;
	pattern(60, 1);
	for (i = 0; i < 10; i++) {
		nic_send_plain(&t, frame, 60);
		nic_give(&t, frame, 60, 60);
	}
	virtio_run(&t.v, 64, ticks_now());
	virtio_write_status(&t.v, 0);
	assert_int_equal(nic_counts(&t).tx_stopped, 10);
	assert_int_equal(nic_counts(&t).rx_stopped, 10);
	/* And the same again, from the beginning. */
	t.p->takes = -1u;
	nic_up(&t, 0);
	nic_send_plain(&t, frame, 60);
	nic_run(&t);
	assert_int_equal(t.p->nr_sent, 1);
	assert_true(nic_end(&t));
}

/* ---- Receiving ------------------------------------------------------------ */

static void frame_that_comes_in_has_a_header_before_it(void **state)
{
	struct net_hdr h;
	uint32_t len;
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, 0);
	nic_buffers(&t, 2, 1024);
	pattern(60, 7);
	nic_give(&t, frame, 60, 60);
	nic_run(&t);
	assert_int_equal(nic_used(&t, 0, &len), 1);
	assert_int_equal(len, 72);
	memcpy(&h, rig_at(&t.rig, NIC_BUFFER(0)), sizeof(h));
	assert_int_equal(h.flags, 0);
	assert_int_equal(h.gso_type, 0);
	/* virtio 1.2, 5.1.6.4.1: 1 if buffers are not merged. */
	assert_int_equal(h.num_buffers, 1);
	assert_memory_equal(rig_at(&t.rig, NIC_BUFFER(0) + 12), frame, 60);
	assert_int_equal(t.raised[0], 1);
	assert_true(nic_end(&t));
}

static void
large_frame_fills_several_buffers_that_are_used_together(void **state)
{
	struct net_hdr h;
	uint32_t len;
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, MERGEABLE);
	pattern(1500, 3);
	nic_give(&t, frame, 1500, 700);
	nic_buffers(&t, 2, 600);
	nic_run(&t);
	/* 1512 bytes do not fit into 1200: nothing is used yet. */
	assert_int_equal(nic_used(&t, 0, NULL), 0);
	nic_buffers(&t, 1, 600);
	nic_run(&t);
	assert_int_equal(nic_used(&t, 0, &len), 3);
	assert_int_equal(len, 1512 - 1200);
	memcpy(&h, rig_at(&t.rig, NIC_BUFFER(0)), sizeof(h));
	assert_int_equal(h.num_buffers, 3);
	assert_memory_equal(rig_at(&t.rig, NIC_BUFFER(0) + 12), frame, 588);
	assert_memory_equal(rig_at(&t.rig, NIC_BUFFER(1)), frame + 588, 600);
	assert_memory_equal(rig_at(&t.rig, NIC_BUFFER(2)), frame + 1188, 312);
	assert_true(nic_end(&t));
}

static void frames_wait_for_buffers_and_none_is_lost(void **state)
{
	unsigned int i;
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, MERGEABLE);
	for (i = 0; i < 50; i++) {
		pattern(60, (uint8_t)i);
		nic_give(&t, frame, 60, 60);
	}
	nic_run(&t);
	/* They wait in the port, but for those we hold. */
	assert_true(t.p->first_due <= NIC_RING);
	/* Only the driver can end that, and it is asked for a kick. */
	assert_int_equal(virtio_sleep(&t.v), VIRTIO_ASLEEP);
	assert_int_equal(t.ring[0].used->flags, 0);
	nic_buffers(&t, 50, 128);
	nic_run(&t);
	assert_int_equal(nic_used(&t, 0, NULL), 50);
	for (i = 0; i < 50; i++) {
		pattern(60, (uint8_t)i);
		assert_memory_equal(rig_at(&t.rig, NIC_BUFFER(i) + 12), frame,
				    60);
	}
	assert_int_equal(nic_counts(&t).rx_frames, 50);
	/* Then only the port knows how long there will be nothing. */
	assert_int_equal(virtio_sleep(&t.v), 12345);
	assert_int_equal(t.ring[0].used->flags, 1);
	assert_true(nic_end(&t));
}

static void frame_larger_than_its_buffer_is_dropped_and_counted(void **state)
{
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, 0);
	nic_buffers(&t, 1, 512);
	pattern(900, 1);
	nic_give(&t, frame, 900, 900);
	pattern(60, 5);
	nic_give(&t, frame, 60, 60);
	nic_run(&t);
	assert_int_equal(nic_counts(&t).rx_too_large, 1);
	/* The buffer was the next frame's. */
	assert_int_equal(nic_used(&t, 0, NULL), 1);
	assert_memory_equal(rig_at(&t.rig, NIC_BUFFER(0) + 12), frame, 60);
	assert_true(nic_end(&t));
}

static void memory_may_change_while_buffers_are_held(void **state)
{
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, MERGEABLE);
	pattern(900, 9);
	nic_give(&t, frame, 900, 900);
	nic_buffers(&t, 1, 512);
	nic_run(&t);
	virtio_quiesce(&t.v);
	assert_int_equal(t.p->stops, 1);
	virtio_set_memory(&t.v, &t.rig.map);
	nic_buffers(&t, 1, 512);
	nic_run(&t);
	assert_int_equal(nic_used(&t, 0, NULL), 2);
	assert_memory_equal(rig_at(&t.rig, NIC_BUFFER(0) + 12), frame, 500);
	assert_memory_equal(rig_at(&t.rig, NIC_BUFFER(1)), frame + 500, 400);
	assert_true(nic_end(&t));
}

/* ---- The link and the configuration --------------------------------------- */

static uint64_t config(struct nic *t, uint32_t off, unsigned int size)
{
	return virtio_config_read(&t->v, off, size);
}

static void link_that_changes_is_a_configuration_interrupt(void **state)
{
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, BIT_ULL(NET_F_STATUS));
	assert_int_equal(config(&t, 6, 2), 1);
	t.config_raised = 0;
	t.p->link.up = false;
	t.p->port.link_changed(t.p->port.ctx);
	assert_int_equal(t.events, 1);
	virtio_run_event(&t.v);
	assert_int_equal(config(&t, 6, 2), 0);
	assert_int_equal(t.config_raised, 1);
	/* The same news again is none. */
	t.p->port.link_changed(t.p->port.ctx);
	virtio_run_event(&t.v);
	assert_int_equal(t.config_raised, 1);
	/* Without a driver nobody is told. */
	virtio_write_status(&t.v, 0);
	t.p->port.link_changed(t.p->port.ctx);
	assert_int_equal(t.events, 2);
	assert_true(nic_end(&t));
}

static void configuration_shows_the_port(void **state)
{
	struct nic t;

	(void)state;
	nic_open(&t, 0, 2, 0);
	assert_int_equal(config(&t, 0, 1), 2);
	assert_int_equal(config(&t, 5, 1), 1);
	assert_int_equal(config(&t, 8, 2), 2);
	assert_int_equal(config(&t, 12, 4), 10000);
	assert_int_equal(config(&t, 16, 1), 1);
	assert_true(nic_end(&t));
}

/* ---- Hostile -------------------------------------------------------------- */

static void frames_that_make_no_sense_are_used_and_counted(void **state)
{
	const struct net_hdr h = { .flags = 0 };
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, 0);
	pattern(60, 0);
	/* No whole header, no frame behind it, half an address, all too long,
	 * and longer than any. */
	nic_desc(&t, 1, RIG_DATA, 11, 0);
	nic_offer(&t, 1, 0);
	nic_send_plain(&t, frame, 0);
	nic_send_plain(&t, frame, 13);
	nic_run(&t);
	assert_int_equal(nic_counts(&t).tx_bad, 3);
	nic_send(&t, &h, frame, 1523, 1000);
	nic_run(&t);
	assert_int_equal(nic_counts(&t).tx_bad, 4);
	nic_desc(&t, 1, RIG_DATA, 0x10000, RIG_NEXT);
	nic_desc(&t, 1, RIG_DATA, 0x10000, RIG_NEXT);
	nic_desc(&t, 1, RIG_DATA, 0x10000, 0);
	nic_offer(&t, 1, (uint16_t)(t.next[1] - 3));
	/* Writable only: nothing to send. */
	nic_desc(&t, 1, RIG_DATA, 100, RIG_WRITE);
	nic_offer(&t, 1, (uint16_t)(t.next[1] - 1));
	nic_run(&t);
	assert_int_equal(nic_counts(&t).tx_bad, 6);
	assert_int_equal(nic_used(&t, 1, NULL), 6);
	assert_int_equal(t.p->nr_sent, 0);
	assert_int_equal(virtio_queue(&t.v, 1)->stats.bad_requests, 6);
	/* And it goes on. */
	nic_send_plain(&t, frame, 60);
	nic_run(&t);
	assert_int_equal(t.p->nr_sent, 1);
	assert_true(nic_end(&t));
}

static void buffer_that_cannot_be_written_is_passed_over(void **state)
{
	uint32_t len;
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, MERGEABLE);
	nic_desc(&t, 0, NIC_BUFFER(0), 512, 0);
	nic_offer(&t, 0, 0);
	nic_buffers(&t, 1, 512);
	memset(rig_at(&t.rig, NIC_BUFFER(0)), 0xee, 512);
	pattern(60, 1);
	nic_give(&t, frame, 60, 60);
	nic_run(&t);
	assert_int_equal(nic_used(&t, 0, &len), 2);
	assert_int_equal(len, 72);
	assert_int_equal(*(uint8_t *)rig_at(&t.rig, NIC_BUFFER(0)), 0xee);
	assert_memory_equal(rig_at(&t.rig, NIC_BUFFER(1) + 12), frame, 60);
	assert_true(nic_end(&t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_that_is_sent_reaches_the_port_as_it_is),
		cmocka_unit_test(header_and_frame_may_be_in_any_pieces),
		cmocka_unit_test(frames_keep_their_order_when_the_port_is_slow),
		cmocka_unit_test(
			port_that_takes_nothing_loses_frames_and_they_are_counted),
		cmocka_unit_test(reset_frees_what_waits_on_both_sides),
		cmocka_unit_test(frame_that_comes_in_has_a_header_before_it),
		cmocka_unit_test(
			large_frame_fills_several_buffers_that_are_used_together),
		cmocka_unit_test(frames_wait_for_buffers_and_none_is_lost),
		cmocka_unit_test(
			frame_larger_than_its_buffer_is_dropped_and_counted),
		cmocka_unit_test(memory_may_change_while_buffers_are_held),
		cmocka_unit_test(
			link_that_changes_is_a_configuration_interrupt),
		cmocka_unit_test(configuration_shows_the_port),
		cmocka_unit_test(
			frames_that_make_no_sense_are_used_and_counted),
		cmocka_unit_test(buffer_that_cannot_be_written_is_passed_over),
	};

	return cmocka_run_group_tests(tests, nic_setup, nic_teardown);
}
