/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a driver sets by commands: filters, addresses, VLANs, pairs, offloads,
 * coalescing; and commands that make no sense.
 */
#include "transport/devices/test_net.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define ALL UINT64_MAX

static const uint8_t own[] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t other[] = { 2, 0, 0, 0, 0, 5 };
static const uint8_t group[] = { 1, 0, 0x5e, 0, 0, 1 };
static const uint8_t all[] = { 255, 255, 255, 255, 255, 255 };

static bool passes_vlan(struct nic *t, const uint8_t *to, int vid)
{
	uint8_t f[64] = { 0 };

	frame_ethernet(f, to, vid < 0 ? 0x88b5 : 0x8100);
	if (vid >= 0) {
		f[14] = (uint8_t)(vid >> 8 | 0xe0);
		f[15] = (uint8_t)vid;
	}
	nic_buffers(t, 1, 128);
	nic_give(t, f, sizeof(f), sizeof(f));
	nic_run(t);
	return nic_used(t, 0, NULL) == 1;
}

static bool passes(struct nic *t, const uint8_t *to)
{
	return passes_vlan(t, to, -1);
}

static uint8_t rx_mode(struct nic *t, uint8_t cmd, uint8_t on)
{
	return nic_command(t, NET_CTRL_RX, cmd, &on, 1);
}

static void all_is_let_through_until_the_driver_chooses(void **state)
{
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, ALL);
	assert_true(passes(&t, own));
	assert_true(passes(&t, other));
	assert_true(passes(&t, group));
	assert_true(t.p->promisc);
	assert_int_equal(rx_mode(&t, 0, 0), NET_CTRL_OK);
	assert_false(t.p->promisc);
	assert_true(passes(&t, own));
	assert_true(passes(&t, all));
	assert_false(passes(&t, other));
	assert_false(passes(&t, group));
	assert_int_equal(nic_counts(&t).rx_filtered, 2);
	/* A reset forgets it. */
	virtio_write_status(&t.v, 0);
	nic_up(&t, ALL);
	assert_true(passes(&t, other));
	assert_true(nic_end(&t));
}

static void each_mode_lets_through_what_it_says(void **state)
{
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, ALL);
	rx_mode(&t, 0, 0);
	assert_int_equal(rx_mode(&t, 1, 1), NET_CTRL_OK); /* allmulti */
	assert_true(t.p->allmulti);
	assert_true(passes(&t, group));
	assert_int_equal(rx_mode(&t, 3, 1), NET_CTRL_OK); /* nomulti */
	assert_false(passes(&t, group));
	assert_int_equal(rx_mode(&t, 2, 1), NET_CTRL_OK); /* alluni */
	assert_true(passes(&t, other));
	assert_int_equal(rx_mode(&t, 4, 1), NET_CTRL_OK); /* nouni */
	assert_false(passes(&t, own));
	assert_true(passes(&t, all));
	assert_int_equal(rx_mode(&t, 5, 1), NET_CTRL_OK); /* nobcast */
	assert_false(passes(&t, all));
	/* Neither on nor off, and no such mode. */
	assert_int_equal(rx_mode(&t, 0, 2), NET_CTRL_ERR);
	assert_int_equal(rx_mode(&t, 6, 1), NET_CTRL_ERR);
	assert_true(nic_end(&t));
}

/* Two tables as the command has them; their length. */
static uint32_t tables(uint8_t *b, uint32_t nr_uni, uint32_t nr_multi)
{
	uint8_t *p = b;
	uint32_t i;

	store_le(p, 4, nr_uni);
	p += 4;
	for (i = 0; i < nr_uni; i++, p += 6) {
		memcpy(p, other, 6);
		store_le(p + 4, 2, other[5] * 256u + i * 512);
	}
	store_le(p, 4, nr_multi);
	p += 4;
	for (i = 0; i < nr_multi; i++, p += 6) {
		memcpy(p, group, 6);
		store_le(p + 3, 2, i);
	}
	return (uint32_t)(p - b);
}

static void tables_let_through_their_addresses(void **state)
{
	static uint8_t b[8192];
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, ALL);
	rx_mode(&t, 0, 0);
	assert_int_equal(nic_command(&t, NET_CTRL_MAC, 0, b, tables(b, 1, 2)),
			 NET_CTRL_OK);
	assert_int_equal(t.p->nr_multi, 2);
	/* No port has a table of further addresses. */
	assert_true(t.p->promisc);
	assert_true(passes(&t, other));
	assert_true(passes(&t, group));
	/* Replaced as a whole. */
	assert_int_equal(nic_command(&t, NET_CTRL_MAC, 0, b, tables(b, 0, 0)),
			 NET_CTRL_OK);
	assert_false(t.p->promisc);
	assert_false(passes(&t, other));
	assert_false(passes(&t, group));
	/* More than we have room for: all of that kind. */
	assert_int_equal(nic_command(&t, NET_CTRL_MAC, 0, b,
				     tables(b, 0, NET_MAX_MULTI + 1)),
			 NET_CTRL_OK);
	assert_true(passes(&t, group));
	assert_true(t.p->allmulti);
	assert_false(passes(&t, other));
	assert_int_equal(nic_command(&t, NET_CTRL_MAC, 0, b,
				     tables(b, NET_MAX_UNICAST + 1, 0)),
			 NET_CTRL_OK);
	assert_true(passes(&t, (const uint8_t[]){ 2, 9, 9, 9, 9, 9 }));
	assert_true(nic_end(&t));
}

static void address_is_set_and_shown(void **state)
{
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, ALL);
	rx_mode(&t, 0, 0);
	assert_int_equal(nic_command(&t, NET_CTRL_MAC, 1, other, 6),
			 NET_CTRL_OK);
	assert_memory_equal(&t.p->mac, other, 6);
	assert_int_equal(virtio_config_read(&t.v, 5, 1), 5);
	assert_true(passes(&t, other));
	assert_false(passes(&t, own));
	/* Nobody has such an address. */
	assert_int_equal(nic_command(&t, NET_CTRL_MAC, 1, group, 6),
			 NET_CTRL_ERR);
	/* A port that cannot look for it brings everything. */
	t.p->err = -ENOTSUP;
	assert_int_equal(nic_command(&t, NET_CTRL_MAC, 1, own, 6), NET_CTRL_OK);
	assert_true(t.p->promisc);
	/* After a reset the first is back. */
	t.p->err = 0;
	nic_command(&t, NET_CTRL_MAC, 1, other, 6);
	virtio_write_status(&t.v, 0);
	assert_int_equal(virtio_config_read(&t.v, 5, 1), 1);
	assert_true(nic_end(&t));
}

static void vlans_pass_that_were_added(void **state)
{
	const uint8_t five[] = { 5, 0 }, beyond[] = { 0, 16 };
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, ALL);
	rx_mode(&t, 0, 0);
	assert_true(passes(&t, own));
	/* Of priority only. */
	assert_true(passes_vlan(&t, own, 0));
	assert_false(passes_vlan(&t, own, 5));
	assert_int_equal(nic_command(&t, NET_CTRL_VLAN, 0, five, 2),
			 NET_CTRL_OK);
	assert_int_equal(t.p->nr_vlans, 1);
	assert_true(passes_vlan(&t, own, 5));
	assert_false(passes_vlan(&t, own, 4));
	assert_false(passes_vlan(&t, own, 0x105));
	assert_int_equal(nic_command(&t, NET_CTRL_VLAN, 1, five, 2),
			 NET_CTRL_OK);
	assert_false(passes_vlan(&t, own, 5));
	assert_int_equal(nic_command(&t, NET_CTRL_VLAN, 0, beyond, 2),
			 NET_CTRL_ERR);
	/* The port forgets with the next driver, who does not filter. */
	nic_command(&t, NET_CTRL_VLAN, 0, five, 2);
	virtio_write_status(&t.v, 0);
	nic_up(&t, ALL & ~BIT_ULL(NET_F_CTRL_VLAN));
	assert_int_equal(t.p->nr_vlans, 0);
	rx_mode(&t, 0, 0);
	assert_true(passes_vlan(&t, own, 77));
	assert_true(nic_end(&t));
}

static void pairs_are_used_as_the_driver_says(void **state)
{
	const uint8_t two[] = { 2, 0 }, three[] = { 3, 0 }, none[] = { 0, 0 };
	struct nic t;

	(void)state;
	nic_open(&t, 0, 2, ALL);
	assert_int_equal(t.dev->nr_queues, 5);
	assert_int_equal(t.p->pairs, 1);
	assert_int_equal(nic_command(&t, NET_CTRL_MQ, 0, two, 2), NET_CTRL_OK);
	assert_int_equal(t.p->pairs, 2);
	assert_int_equal(nic_command(&t, NET_CTRL_MQ, 0, three, 2),
			 NET_CTRL_ERR);
	assert_int_equal(nic_command(&t, NET_CTRL_MQ, 0, none, 2),
			 NET_CTRL_ERR);
	assert_int_equal(t.p->pairs, 2);
	/* Without MQ the control queue comes behind the first pair. */
	virtio_write_status(&t.v, 0);
	assert_int_equal(t.p->pairs, 2);
	nic_up(&t, ALL & ~BIT_ULL(NET_F_MQ));
	assert_int_equal(t.p->pairs, 1);
	assert_int_equal(rx_mode(&t, 0, 0), NET_CTRL_OK);
	assert_int_equal(nic_command(&t, NET_CTRL_MQ, 0, two, 2), NET_CTRL_ERR);
	assert_true(nic_end(&t));
}

static void offloads_are_switched_while_it_runs(void **state)
{
	uint8_t bits[8] = { 0 };
	struct rte_mbuf *m;
	uint8_t f[128];
	struct nic t;

	(void)state;
	nic_open(&t, NET_CAP_RX_CSUM, 1, ALL);
	assert_int_equal(nic_command(&t, NET_CTRL_OFFLOADS, 0, bits, 8),
			 NET_CTRL_OK);
	nic_buffers(&t, 1, 256);
	m = nic_give(&t, f, frame_tcp4(f, 8), 128);
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	nic_run(&t);
	assert_int_equal(*(uint8_t *)rig_at(&t.rig, NIC_BUFFER(0)), 0);
	/* What was not negotiated cannot be switched on. */
	bits[0] = 1 << NET_F_GUEST_TSO4;
	assert_int_equal(nic_command(&t, NET_CTRL_OFFLOADS, 0, bits, 8),
			 NET_CTRL_ERR);
	assert_true(nic_end(&t));
}

static void interrupts_wait_as_the_driver_says(void **state)
{
	/* Three packets, or ten milliseconds at most, whatever is asked. */
	const uint8_t set[] = { 3, 0, 0, 0, 255, 255, 255, 255 };
	uint8_t f[64] = { 0 };
	uint64_t now = ticks_now();
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, ALL);
	assert_int_equal(nic_command(&t, NET_CTRL_COALESCE, 1, set, 8),
			 NET_CTRL_OK);
	nic_buffers(&t, 4, 128);
	frame_ethernet(f, own, 0x88b5);
	nic_give(&t, f, 64, 64);
	virtio_run(&t.v, 64, now);
	nic_give(&t, f, 64, 64);
	virtio_run(&t.v, 64, now);
	assert_int_equal(nic_used(&t, 0, NULL), 2);
	assert_int_equal(t.raised[0], 0);
	nic_give(&t, f, 64, 64);
	virtio_run(&t.v, 64, now);
	assert_int_equal(t.raised[0], 1);
	nic_give(&t, f, 64, 64);
	virtio_run(&t.v, 64, now);
	assert_int_equal(t.raised[0], 1);
	virtio_run(&t.v, 64, now + ticks_of_us(NET_MAX_USECS));
	assert_int_equal(t.raised[0], 2);
	assert_true(nic_end(&t));
}

static void features_that_lack_what_they_need_are_refused(void **state)
{
	static const uint8_t alone[] = { NET_F_HOST_TSO4,     NET_F_HOST_ECN,
					 NET_F_CTRL_RX,	      NET_F_MQ,
					 NET_F_CTRL_MAC_ADDR, NET_F_NOTF_COAL,
					 NET_F_GUEST_TSO4 };
	unsigned int i;
	struct nic t;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(alone); i++) {
		nic_open(&t, NET_CAP_RX_LRO, 2, 0);
		virtio_write_status(&t.v, 0);
		nic_up(&t, BIT_ULL(alone[i]));
		assert_false(virtio_status(&t.v) & VIRTIO_FEATURES_OK);
		assert_true(nic_end(&t));
	}
}

/* ---- Hostile -------------------------------------------------------------- */

static void command_cut_short_is_answered_with_an_error(void **state)
{
	static uint8_t b[128];
	uint32_t len, whole = tables(b, 3, 4);
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, ALL);
	for (len = 0; len < whole; len++)
		assert_int_equal(nic_command(&t, NET_CTRL_MAC, 0, b, len),
				 NET_CTRL_ERR);
	assert_int_equal(nic_counts(&t).ctrl_errors, whole);
	assert_int_equal(nic_command(&t, NET_CTRL_MAC, 0, b, whole + 1),
			 NET_CTRL_ERR);
	/* Four billion addresses, and as many as make a length of 0 of them. */
	store_le(b, 4, UINT32_MAX);
	assert_int_equal(nic_command(&t, NET_CTRL_MAC, 0, b, whole),
			 NET_CTRL_ERR);
	store_le(b, 4, 0x2aaaaaab);
	assert_int_equal(nic_command(&t, NET_CTRL_MAC, 0, b, whole),
			 NET_CTRL_ERR);
	assert_int_equal(nic_command(&t, 99, 99, b, 4), NET_CTRL_ERR);
	assert_true(nic_end(&t));
}

static void command_of_any_length_or_without_an_answer_is_used(void **state)
{
	static uint8_t b[0xe000];
	uint32_t len;
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, ALL);
	/* Longer than any: still answered. */
	assert_int_equal(nic_command(&t, NET_CTRL_MAC, 0, b, sizeof(b)),
			 NET_CTRL_ERR);
	assert_int_equal(nic_used(&t, t.ctrl, &len), 1);
	assert_int_equal(len, 1);
	/* No place for an answer: nothing is done. */
	memset(rig_at(&t.rig, NIC_LARGE), 0, 3);
	nic_desc(&t, t.ctrl, NIC_LARGE, 3, 0);
	nic_offer(&t, t.ctrl, (uint16_t)(t.next[t.ctrl] - 1));
	nic_run(&t);
	assert_int_equal(nic_used(&t, t.ctrl, &len), 1);
	assert_int_equal(len, 0);
	assert_true(t.p->promisc);
	/* Only a place for an answer. */
	nic_desc(&t, t.ctrl, NIC_LARGE, 1, RIG_WRITE);
	nic_offer(&t, t.ctrl, (uint16_t)(t.next[t.ctrl] - 1));
	nic_run(&t);
	assert_int_equal(*(uint8_t *)rig_at(&t.rig, NIC_LARGE), NET_CTRL_ERR);
	assert_int_equal(nic_counts(&t).ctrl_errors, 3);
	assert_true(nic_end(&t));
}

static void port_that_fails_is_an_error_and_nothing_changes(void **state)
{
	struct nic t;

	(void)state;
	nic_open(&t, 0, 1, ALL);
	rx_mode(&t, 0, 0);
	t.p->err = -EIO;
	assert_int_equal(rx_mode(&t, 0, 1), NET_CTRL_ERR);
	t.p->err = 0;
	assert_false(passes(&t, other));
	assert_true(nic_end(&t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_let_through_until_the_driver_chooses),
		cmocka_unit_test(each_mode_lets_through_what_it_says),
		cmocka_unit_test(tables_let_through_their_addresses),
		cmocka_unit_test(address_is_set_and_shown),
		cmocka_unit_test(vlans_pass_that_were_added),
		cmocka_unit_test(pairs_are_used_as_the_driver_says),
		cmocka_unit_test(offloads_are_switched_while_it_runs),
		cmocka_unit_test(interrupts_wait_as_the_driver_says),
		cmocka_unit_test(features_that_lack_what_they_need_are_refused),
		cmocka_unit_test(command_cut_short_is_answered_with_an_error),
		cmocka_unit_test(
			command_of_any_length_or_without_an_answer_is_used),
		cmocka_unit_test(
			port_that_fails_is_an_error_and_nothing_changes),
	};

	return cmocka_run_group_tests(tests, nic_setup, nic_teardown);
}
