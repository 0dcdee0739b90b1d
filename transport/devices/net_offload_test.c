/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checksums and segments: what ports cannot do is done, what they can is asked
 * of them, and headers that make no sense are refused.
 */
#include "transport/devices/test_net.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define CSUM   BIT_ULL(NET_F_CSUM)
#define TSO4   (CSUM | BIT_ULL(NET_F_HOST_TSO4))
#define G_CSUM BIT_ULL(NET_F_GUEST_CSUM)
#define G_TSO4 (G_CSUM | BIT_ULL(NET_F_GUEST_TSO4))
#define MERGE  BIT_ULL(NET_F_MRG_RXBUF)

static uint8_t frame[NET_FRAME_MAX + 16];
static uint8_t scratch[NET_FRAME_MAX + 16];

static void checksum_is_filled_in_for_a_port_that_cannot(void **state)
{
	const struct net_hdr h = FRAME_TCP_HDR;
	uint32_t payload;
	struct nic t;

	(void)state;
	for (payload = 0; payload < 1400; payload += 131) {
		nic_open(&t, 0, 1, CSUM);
		nic_send(&t, &h, frame, frame_tcp4(frame, payload), 2000);
		nic_run(&t);
		assert_int_equal(t.p->nr_sent, 1);
		assert_true(frame_is_good(t.p->sent[0]));
		assert_true(nic_end(&t));
	}
}

static void port_that_can_is_asked_for_the_checksum(void **state)
{
	const struct net_hdr h = FRAME_TCP_HDR;
	const struct rte_mbuf *m;
	struct nic t;
	uint32_t len;

	(void)state;
	nic_open(&t, NET_CAP_TX_CSUM, 1, CSUM);
	len = frame_tcp4(frame, 100);
	nic_send(&t, &h, frame, len, 2000);
	nic_run(&t);
	m = t.p->sent[0];
	assert_int_equal(m->ol_flags,
			 RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM);
	assert_int_equal(m->l2_len, 14);
	assert_int_equal(m->l3_len, 20);
	/* The field as the driver left it: the contract of net_port.h. */
	assert_memory_equal(frame_of(m, scratch), frame, len);
	assert_true(nic_end(&t));
}

/* Of what no port knows too: only where to begin and where to store. */
static void checksum_of_an_unknown_protocol_is_filled_in(void **state)
{
	struct net_hdr h = { NET_HDR_NEEDS_CSUM, .csum_start = 20,
			     .csum_offset = 31 };
	const uint8_t *f;
	uint16_t sum;
	struct nic t;

	(void)state;
	nic_open(&t, NET_CAP_TX_CSUM, 1, CSUM);
	memset(frame, 0, 61);
	frame[20] = 0x12;
	frame[60] = 0x34;
	nic_send(&t, &h, frame, 61, 2000);
	nic_run(&t);
	assert_int_equal(t.p->sent[0]->ol_flags, 0);
	f = frame_of(t.p->sent[0], scratch);
	/* 0x1200, then an odd last byte 0x3400: as RFC 1071 pads it. */
	sum = (uint16_t) ~(0x1200 + 0x3400);
	assert_int_equal(f[51] << 8 | f[52], sum);
	assert_true(nic_end(&t));
}

/* ---- Segments ------------------------------------------------------------- */

static uint32_t seq_of(const uint8_t *f)
{
	uint32_t seq;

	memcpy(&seq, f + 38, sizeof(seq));
	return rte_be_to_cpu_32(seq);
}

static void large_tcp_is_cut_for_a_port_that_cannot(void **state)
{
	struct net_hdr h = FRAME_TCP_HDR;
	const uint32_t payload = 60000;
	uint32_t len, done = 0, part, caps, i;
	const uint8_t *f;
	struct nic t;

	(void)state;
	h.gso_type = NET_GSO_TCPV4 | NET_GSO_ECN;
	h.gso_size = 1460;
	for (caps = 0; caps <= NET_CAP_TX_MULTI; caps += NET_CAP_TX_MULTI) {
		nic_open(&t, caps, 1, TSO4 | BIT_ULL(NET_F_HOST_ECN));
		len = frame_tcp4(frame, payload);
		frame[47] |= RTE_TCP_CWR_FLAG;
		nic_send(&t, &h, frame, len, 16384);
		nic_run(&t);
		assert_int_equal(t.p->nr_sent, (payload + 1459) / 1460);
		for (i = 0, done = 0; i < t.p->nr_sent; i++, done += part) {
			assert_true(caps || t.p->sent[i]->nb_segs == 1);
			assert_true(frame_is_good(t.p->sent[i]));
			f = frame_of(t.p->sent[i], scratch);
			part = t.p->sent[i]->pkt_len - 54;
			assert_int_equal(seq_of(f), 5 + done);
			assert_memory_equal(f + 54, frame + 54 + done, part);
			/* RFC 3168: said once; PSH: at the end. */
			assert_int_equal(!!(f[47] & RTE_TCP_CWR_FLAG), !i);
			assert_int_equal(!!(f[47] & RTE_TCP_PSH_FLAG),
					 i + 1 == t.p->nr_sent);
		}
		assert_int_equal(done, payload);
		assert_int_equal(nic_used(&t, 1, NULL), 1);
		assert_true(nic_end(&t));
	}
}

static void port_that_can_is_given_large_tcp_whole(void **state)
{
	struct net_hdr h = FRAME_TCP_HDR;
	const struct rte_mbuf *m;
	uint32_t len;
	struct nic t;

	(void)state;
	nic_open(&t, NET_CAP_TX_CSUM | NET_CAP_TX_TSO4 | NET_CAP_TX_MULTI, 1,
		 TSO4);
	h.gso_type = NET_GSO_TCPV4;
	h.gso_size = 1000;
	len = frame_tcp4(frame, 20000);
	nic_send(&t, &h, frame, len, 16384);
	nic_run(&t);
	assert_int_equal(t.p->nr_sent, 1);
	m = t.p->sent[0];
	assert_true(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG);
	assert_int_equal(m->tso_segsz, 1000);
	assert_int_equal(m->l4_len, 20);
	assert_int_equal(m->pkt_len, len);
	assert_memory_equal(frame_of(m, scratch), frame, len);
	assert_true(nic_end(&t));
}

static void ipv6_segmentation_is_offered_only_if_the_port_has_it(void **state)
{
	const struct net_params all = { .offer = net_all_features, .pairs = 1 };
	uint32_t caps[] = { 0, NET_CAP_TX_TSO6 };
	struct virtio_device *d;
	struct test_port *p;
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		p = test_port_new(caps[i], 1);
		assert_int_equal(net_create(&all, &p->port, &d), 0);
		assert_int_equal(virtio_has(&d->offer, NET_F_HOST_TSO6), i);
		assert_true(virtio_has(&d->offer, NET_F_HOST_TSO4));
		d->ops->destroy(d);
	}
}

/* ---- Receiving ------------------------------------------------------------ */

static struct net_hdr received(struct nic *t)
{
	struct net_hdr h;

	memcpy(&h, rig_at(&t->rig, NIC_BUFFER(0)), sizeof(h));
	return h;
}

static void checksum_the_port_found_good_is_valid_data(void **state)
{
	const uint64_t features[] = { 0, G_CSUM };
	struct rte_mbuf *m;
	unsigned int i;
	struct nic t;

	(void)state;
	for (i = 0; i < 2; i++) {
		nic_open(&t, NET_CAP_RX_CSUM, 1, features[i]);
		nic_buffers(&t, 1, 1024);
		m = nic_give(&t, frame, frame_tcp4(frame, 10), 2000);
		m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		nic_run(&t);
		assert_int_equal(nic_used(&t, 0, NULL), 1);
		assert_int_equal(received(&t).flags,
				 i ? NET_HDR_DATA_VALID : 0);
		assert_true(nic_end(&t));
	}
}

/* From a neighbour, whose driver left the checksum to whoever needs it. */
static void checksum_left_open_is_told_or_filled_in(void **state)
{
	const uint64_t features[] = { 0, G_CSUM };
	const struct rte_ipv4_hdr *ip;
	struct rte_mbuf *m;
	const uint8_t *f;
	unsigned int i;
	uint32_t sum;
	struct nic t;

	(void)state;
	for (i = 0; i < 2; i++) {
		nic_open(&t, NET_CAP_RX_REQUESTS, 1, features[i]);
		nic_buffers(&t, 1, 1024);
		m = nic_give(&t, frame, frame_tcp4(frame, 11), 2000);
		m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
		m->l2_len = 14;
		m->l3_len = 20;
		nic_run(&t);
		assert_int_equal(nic_used(&t, 0, NULL), 1);
		f = (uint8_t *)rig_at(&t.rig, NIC_BUFFER(0)) + 12;
		if (i) {
			assert_int_equal(received(&t).flags,
					 NET_HDR_NEEDS_CSUM);
			assert_int_equal(received(&t).csum_start, 34);
			assert_int_equal(received(&t).csum_offset, 16);
			assert_memory_equal(f, frame, 65);
		} else {
			ip = (const void *)(f + 14);
			sum = (uint32_t)rte_raw_cksum(f + 34, 31) +
			      rte_ipv4_phdr_cksum(ip, 0);
			assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
			assert_int_equal(received(&t).flags, 0);
		}
		assert_true(nic_end(&t));
	}
}

static struct rte_mbuf *give_large(struct nic *t, uint32_t payload)
{
	struct rte_mbuf *m =
		nic_give(t, frame, frame_tcp4(frame, payload), 2000);

	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM |
		      RTE_MBUF_F_TX_TCP_SEG;
	m->l2_len = 14;
	m->l3_len = 20;
	m->l4_len = 20;
	m->tso_segsz = 900;
	return m;
}

static void large_frame_is_given_whole_to_a_driver_that_agreed(void **state)
{
	struct net_hdr h;
	struct nic t;

	(void)state;
	nic_open(&t, NET_CAP_RX_REQUESTS, 1, G_TSO4 | MERGE);
	nic_buffers(&t, 12, 1024);
	give_large(&t, 9000);
	nic_run(&t);
	h = received(&t);
	assert_int_equal(h.gso_type, NET_GSO_TCPV4);
	assert_int_equal(h.gso_size, 900);
	assert_int_equal(h.hdr_len, 54);
	/* virtio 1.2, 5.1.6.4.1 */
	assert_int_equal(h.flags, NET_HDR_NEEDS_CSUM);
	assert_int_equal(h.num_buffers, (9000 + 54 + 12 + 1023) / 1024);
	assert_int_equal(nic_used(&t, 0, NULL), h.num_buffers);
	assert_true(nic_end(&t));
}

static void large_frame_is_cut_for_a_driver_that_did_not(void **state)
{
	unsigned int i;
	uint32_t len;
	struct nic t;

	(void)state;
	nic_open(&t, NET_CAP_RX_REQUESTS, 1, 0);
	nic_buffers(&t, 12, 1024);
	give_large(&t, 9000);
	nic_run(&t);
	assert_int_equal(nic_used(&t, 0, &len), 10);
	assert_int_equal(len, 12 + 54 + 900);
	for (i = 0; i < 10; i++)
		assert_memory_equal(rig_at(&t.rig, NIC_BUFFER(i) + 12 + 54),
				    frame + 54 + 900 * i, 900);
	assert_true(nic_end(&t));
}

/* ---- Hostile -------------------------------------------------------------- */

static const struct {
	const char *what;
	struct net_hdr h;
	uint64_t features;
} nonsense[] = {
	{ "checksum behind the end",
	  { NET_HDR_NEEDS_CSUM, .csum_start = 60, .csum_offset = 13 },
	  CSUM },
	{ "checksum at the end of all",
	  { NET_HDR_NEEDS_CSUM, .csum_start = 0xffff, .csum_offset = 0xffff },
	  CSUM },
	{ "checksum that was not agreed on", FRAME_TCP_HDR, 0 },
	{ "segments of no bytes",
	  { 1, NET_GSO_TCPV4, .csum_start = 34, .csum_offset = 16 },
	  TSO4 },
	{ "segments of one byte",
	  { 1, NET_GSO_TCPV4, 54, 1, 34, 16, 0 },
	  TSO4 },
	{ "segments that were not agreed on",
	  { 1, NET_GSO_TCPV4, 54, 500, 34, 16, 0 },
	  CSUM },
	{ "IPv6 that is IPv4", { 1, NET_GSO_TCPV6, 54, 500, 34, 16, 0 }, TSO4 },
	{ "UDP segments", { 1, 3, 54, 500, 34, 16, 0 }, TSO4 },
	{ "a type there is not", { 1, 0x7f, 54, 500, 34, 16, 0 }, TSO4 },
	{ "no checksum", { 0, NET_GSO_TCPV4, 54, 500, 34, 16, 0 }, TSO4 },
	{ "a checksum elsewhere",
	  { 1, NET_GSO_TCPV4, 54, 500, 36, 16, 0 },
	  TSO4 },
	{ "ECN alone", { 1, NET_GSO_ECN, 54, 500, 34, 16, 0 }, TSO4 },
};

static void header_that_makes_no_sense_costs_its_frame(void **state)
{
	unsigned int i;
	uint32_t len;
	struct nic t;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(nonsense); i++) {
		nic_open(&t, 0, 1, nonsense[i].features);
		/* 72 bytes, or long enough to be cut. */
		len = frame_tcp4(frame, nonsense[i].h.gso_type ? 1400 : 18);
		nic_send(&t, &nonsense[i].h, frame, len, 16384);
		nic_run(&t);
		if (t.p->nr_sent || nic_counts(&t).tx_bad != 1)
			fail_msg("%s: sent", nonsense[i].what);
		assert_int_equal(nic_used(&t, 1, NULL), 1);
		assert_true(nic_end(&t));
	}
}

/* Each header of a large frame cut short, or of a length that is not so. */
static void large_frame_with_broken_headers_is_refused(void **state)
{
	struct net_hdr h = FRAME_TCP_HDR;
	static const struct {
		unsigned int at;
		uint8_t value;
	} broken[] = { { 14, 0x65 }, { 14, 0x44 }, { 14, 0x4f }, { 21, 1 },
		       { 23, 17 },   { 46, 0x40 }, { 13, 0xdd }, { 20, 0x20 } };
	unsigned int i;
	uint32_t len;
	struct nic t;

	(void)state;
	h.gso_type = NET_GSO_TCPV4;
	h.gso_size = 500;
	for (i = 0; i < ARRAY_SIZE(broken); i++) {
		nic_open(&t, 0, 1, TSO4);
		len = frame_tcp4(frame, 1400);
		frame[broken[i].at] = broken[i].value;
		nic_send(&t, &h, frame, len, 16384);
		nic_run(&t);
		if (t.p->nr_sent || nic_counts(&t).tx_bad != 1)
			fail_msg("byte %u as %#x was sent", broken[i].at,
				 broken[i].value);
		assert_true(nic_end(&t));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksum_is_filled_in_for_a_port_that_cannot),
		cmocka_unit_test(port_that_can_is_asked_for_the_checksum),
		cmocka_unit_test(checksum_of_an_unknown_protocol_is_filled_in),
		cmocka_unit_test(large_tcp_is_cut_for_a_port_that_cannot),
		cmocka_unit_test(port_that_can_is_given_large_tcp_whole),
		cmocka_unit_test(
			ipv6_segmentation_is_offered_only_if_the_port_has_it),
		cmocka_unit_test(checksum_the_port_found_good_is_valid_data),
		cmocka_unit_test(checksum_left_open_is_told_or_filled_in),
		cmocka_unit_test(
			large_frame_is_given_whole_to_a_driver_that_agreed),
		cmocka_unit_test(large_frame_is_cut_for_a_driver_that_did_not),
		cmocka_unit_test(header_that_makes_no_sense_costs_its_frame),
		cmocka_unit_test(large_frame_with_broken_headers_is_refused),
	};

	return cmocka_run_group_tests(tests, nic_setup, nic_teardown);
}
