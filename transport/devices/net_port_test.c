/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every kind of port promises, and the null port.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#include <rte_mempool.h>

#include "transport/devices/net_port.h"
#include "transport/devices/test_eal.h"

static char error[256];

static struct net_port *open_port(const char *spec, uint16_t pairs)
{
	struct net_port *p = NULL;

	error[0] = '\0';
	if (net_port_open(spec, pairs, &p, error, sizeof(error)))
		fail_msg("%s: %s", spec, error);
	assert_int_equal(p->pairs, pairs);
	assert_true(rte_is_valid_assigned_ether_addr(&p->mac));
	return p;
}

static void expect_refused(const char *spec, const char *word)
{
	struct net_port *p;

	error[0] = '\0';
	assert_int_equal(net_port_open(spec, 1, &p, error, sizeof(error)),
			 -EINVAL);
	if (!strstr(error, word))
		fail_msg("%s: \"%s\" does not say %s", spec, error, word);
}

static void what_is_no_port_is_refused_in_a_sentence(void **state)
{
	(void)state;
	expect_refused("", "null:SIZE");
	expect_refused("nul", "\"nul\"");
	expect_refused("nulls:64", "\"nulls:64\"");
	expect_refused("null:59", "60 to 2048");
	expect_refused("null:2049", "60 to 2048");
	expect_refused("null:64x", "60 to 2048");
	expect_refused("null:-1", "60 to 2048");
}

static void null_takes_everything_and_gives_nothing(void **state)
{
	struct net_port *p = open_port("null", 2);
	struct rte_mbuf *m[32];

	(void)state;
	assert_int_equal(rte_pktmbuf_alloc_bulk(p->pool, m, 32), 0);
	assert_int_equal(p->ops->tx(p, 1, m, 32), 32);
	assert_true(rte_mempool_full(p->pool));
	assert_int_equal(p->ops->rx(p, 0, m, 32), 0);
	assert_true(p->ops->rx_sleep(p, 0) == NET_ASLEEP);
	p->ops->close(p);
}

static void null_gives_frames_to_the_address_that_was_set(void **state)
{
	const struct rte_ether_addr mac = { { 2, 1, 2, 3, 4, 5 } };
	struct net_port *p = open_port("null:1500", 2);
	struct rte_ether_hdr *h;
	struct rte_mbuf *m[32];

	(void)state;
	assert_int_equal(p->ops->set_mac(p, &mac), 0);
	assert_int_equal(p->ops->rx(p, 0, m, 32), 32);
	for (int i = 0; i < 32; i++) {
		h = rte_pktmbuf_mtod(m[i], struct rte_ether_hdr *);
		assert_int_equal(rte_pktmbuf_pkt_len(m[i]), 1500);
		assert_true(rte_is_same_ether_addr(&h->dst_addr, &mac));
		assert_false(rte_is_same_ether_addr(&h->src_addr, &mac));
	}
	assert_int_equal(p->ops->rx(p, 1, m, 1), 0);
	assert_int_equal(p->ops->set_pairs(p, 2), 0);
	assert_int_equal(p->ops->rx_sleep(p, 1), NET_AWAKE);
	rte_pktmbuf_free_bulk(m, 32);
	p->ops->close(p);
}

static void port_says_what_to_do_when_the_eal_has_no_memory(void **state)
{
	struct net_port *p[64];
	unsigned int n = 0;

	(void)state;
	while (n < ARRAY_SIZE(p) &&
	       !net_port_open("null", 16, &p[n], error, sizeof(error)))
		n++;
	assert_true(n > 0 && n < ARRAY_SIZE(p));
	assert_non_null(strstr(error, "-- -m 512"));
	/* All of it comes back. */
	for (unsigned int i = 0; i < n; i++)
		p[i]->ops->close(p[i]);
	for (unsigned int i = 0; i < n; i++)
		p[i] = open_port("null", 16);
	for (unsigned int i = 0; i < n; i++)
		p[i]->ops->close(p[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_port_is_refused_in_a_sentence),
		cmocka_unit_test(null_takes_everything_and_gives_nothing),
		cmocka_unit_test(null_gives_frames_to_the_address_that_was_set),
		cmocka_unit_test(
			port_says_what_to_do_when_the_eal_has_no_memory),
	};

	return cmocka_run_group_tests(tests, test_eal_start, test_eal_end);
}
