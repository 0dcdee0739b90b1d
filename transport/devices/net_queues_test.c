/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packed rings, and two pairs of queues: what net_test.c says of the first pair
 * with split rings, as far as the kind of ring or the pair could matter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "transport/devices/test_net.h"

#define MERGEABLE BIT_ULL(NET_F_MRG_RXBUF)
#define TWO_PAIRS (BIT_ULL(NET_F_CTRL_VQ) | BIT_ULL(NET_F_MQ))

static uint8_t frame[4000];

static void pattern(uint32_t len, uint8_t seed)
{
	for (uint32_t i = 0; i < len; i++)
		frame[i] = (uint8_t)(i * 13 + seed);
	memset(frame, 2, 6);
}

static void assert_sent(const struct nic *t, unsigned int i, uint32_t len)
{
	const struct rte_mbuf *m = t->p->sent[i];

	assert_int_equal(m->pkt_len, len);
	assert_int_equal(m->nb_segs, 1);
	assert_memory_equal(rte_pktmbuf_mtod(m, const void *), frame, len);
}

/* ---- Packed rings ---------------------------------------------------------- */

/* Lengths at which a copy changes its way, each round the ring's end. */
static void packed_ring_carries_frames_of_all_lengths_out(void **state)
{
	const struct net_hdr h = { .flags = 0 };
	unsigned int sent = 0, used = 0;
	struct nic t;

	(void)state;
	nic_open_ring(&t, 0, 1, 0, true);
	for (uint32_t len = 14; len <= 200; len++) {
		pattern(len, (uint8_t)len);
		nic_send_plain(&t, frame, len);
		nic_run(&t);
		assert_sent(&t, sent++, len);
		/* The header alone, as older drivers have it, and odd pieces. */
		nic_send(&t, &h, frame, len, len % 2 ? 12 : 37);
		nic_run(&t);
		assert_sent(&t, sent++, len);
		used += nic_used(&t, 1, NULL);
	}
	assert_int_equal(used, sent);
	assert_int_equal(nic_counts(&t).tx_frames, sent);
	assert_true(nic_end(&t));
}

static void packed_ring_carries_frames_of_all_lengths_in(void **state)
{
	uint64_t at;
	uint32_t len, got;
	struct nic t;

	(void)state;
	nic_open_ring(&t, 0, 1, MERGEABLE, true);
	for (len = 14; len <= 200; len++) {
		at = NIC_BUFFER(t.next[0]);
		nic_buffers(&t, 1, 1024);
		pattern(len, (uint8_t)len);
		nic_give(&t, frame, len, len % 3 ? len : 50);
		nic_run(&t);
		assert_int_equal(nic_used(&t, 0, &got), 1);
		assert_int_equal(got, 12 + len);
		assert_memory_equal(rig_at(&t.rig, at + 12), frame, len);
	}
	assert_true(nic_end(&t));
}

static void packed_ring_merges_buffers_of_a_large_frame(void **state)
{
	const struct net_hdr *h;
	uint32_t len, off = 0;
	struct nic t;

	(void)state;
	nic_open_ring(&t, 0, 1, MERGEABLE, true);
	/* Two that are there stay taken until the third comes. */
	nic_buffers(&t, 2, 512);
	pattern(1200, 3);
	nic_give(&t, frame, 1200, 700);
	nic_run(&t);
	assert_int_equal(nic_used(&t, 0, NULL), 0);
	nic_buffers(&t, 1, 512);
	nic_run(&t);
	assert_int_equal(nic_used(&t, 0, &len), 3);
	assert_int_equal(len, 12 + 1200 - 2 * 512);
	h = rig_at(&t.rig, NIC_BUFFER(0));
	assert_int_equal(h->num_buffers, 3);
	assert_memory_equal(rig_at(&t.rig, NIC_BUFFER(0) + 12), frame, 500);
	off = 500;
	assert_memory_equal(rig_at(&t.rig, NIC_BUFFER(1)), frame + off, 512);
	off += 512;
	assert_memory_equal(rig_at(&t.rig, NIC_BUFFER(2)), frame + off, len);
	assert_true(nic_end(&t));
}

/* ---- Two pairs ------------------------------------------------------------- */

static uint8_t set_pairs(struct nic *t, uint16_t n)
{
	return nic_command(t, NET_CTRL_MQ, 0, &n, sizeof(n));
}

/* The second pair's frame, in a buffer of its own. */
static void send_second(struct nic *t, uint32_t len)
{
	const uint16_t head = t->next[3];
	uint8_t *to = rig_at(&t->rig, NIC_LARGE + 0x1000);

	memset(to, 0, 12);
	memcpy(to + 12, frame, len);
	nic_desc(t, 3, NIC_LARGE + 0x1000, 12 + len, 0);
	nic_offer(t, 3, head);
}

static void give_second_buffer(struct nic *t)
{
	const uint16_t head = t->next[2];

	nic_desc(t, 2, NIC_LARGE + 0x2000, 1024, RIG_WRITE);
	nic_offer(t, 2, head);
}

static void both_pairs_carry_frames(bool packed)
{
	uint32_t len;
	struct nic t;

	nic_open_ring(&t, 0, 2, TWO_PAIRS, packed);
	assert_int_equal(set_pairs(&t, 2), NET_CTRL_OK);
	assert_int_equal(t.p->pairs, 2);
	for (unsigned int i = 0; i < 100; i++) {
		pattern(60 + i, (uint8_t)i);
		nic_send_plain(&t, frame, 60 + i);
		nic_run(&t);
		assert_int_equal(t.p->sent_at[2 * i], 0);
		assert_sent(&t, 2 * i, 60 + i);
		send_second(&t, 60 + i);
		nic_run(&t);
		assert_int_equal(t.p->sent_at[2 * i + 1], 1);
		assert_sent(&t, 2 * i + 1, 60 + i);
		t.p->due_at = 1;
		give_second_buffer(&t);
		nic_give(&t, frame, 60 + i, 60 + i);
		nic_run(&t);
		assert_int_equal(nic_used(&t, 2, &len), 1);
		assert_int_equal(len, 72 + i);
		assert_memory_equal(rig_at(&t.rig, NIC_LARGE + 0x2000 + 12),
				    frame, 60 + i);
		assert_int_equal(nic_used(&t, 1, NULL), 1);
		assert_int_equal(nic_used(&t, 3, NULL), 1);
	}
	assert_int_equal(nic_counts(&t).tx_frames, 200);
	assert_int_equal(nic_counts(&t).rx_frames, 100);
	assert_int_equal(nic_used(&t, 0, NULL), 0);
	assert_true(nic_end(&t));
}

static void two_pairs_carry_frames_at_once(void **state)
{
	(void)state;
	both_pairs_carry_frames(false);
}

static void two_pairs_of_packed_rings_carry_frames_at_once(void **state)
{
	(void)state;
	both_pairs_carry_frames(true);
}

/* virtio 1.2, 5.1.5: one pair until the driver asks for more; and again. */
static void pair_that_is_not_in_use_gets_no_frames(void **state)
{
	struct nic t;

	(void)state;
	nic_open(&t, 0, 2, TWO_PAIRS);
	t.p->due_at = 1;
	pattern(60, 1);
	give_second_buffer(&t);
	nic_give(&t, frame, 60, 60);
	nic_run(&t);
	assert_int_equal(nic_used(&t, 2, NULL), 0);
	assert_int_equal(t.p->first_due, 0);
	assert_int_equal(set_pairs(&t, 2), NET_CTRL_OK);
	nic_run(&t);
	assert_int_equal(nic_used(&t, 2, NULL), 1);
	assert_int_equal(set_pairs(&t, 1), NET_CTRL_OK);
	give_second_buffer(&t);
	nic_give(&t, frame, 60, 60);
	nic_run(&t);
	assert_int_equal(nic_used(&t, 2, NULL), 0);
	assert_true(nic_end(&t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packed_ring_carries_frames_of_all_lengths_out),
		cmocka_unit_test(packed_ring_carries_frames_of_all_lengths_in),
		cmocka_unit_test(packed_ring_merges_buffers_of_a_large_frame),
		cmocka_unit_test(two_pairs_carry_frames_at_once),
		cmocka_unit_test(
			two_pairs_of_packed_rings_carry_frames_at_once),
		cmocka_unit_test(pair_that_is_not_in_use_gets_no_frames),
	};

	return cmocka_run_group_tests(tests, nic_setup, nic_teardown);
}
