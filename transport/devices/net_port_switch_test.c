/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A switch, by the ports that its functions have; at the end, by threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include <rte_mempool.h>

#include "transport/devices/net_port_switch.h"
#include "transport/devices/test_eal.h"

#define ETHERTYPE 0x88b5
#define WAIT_MS	  10000

static const struct rte_ether_addr everybody = { { 0xff, 0xff, 0xff, 0xff, 0xff,
						   0xff } };

static struct net_port *join(const char *spec, uint16_t pairs)
{
	struct net_port *p = NULL;
	char error[256] = "";

	if (net_port_open(spec, pairs, &p, error, sizeof(error)))
		fail_msg("%s: %s", spec, error);
	return p;
}

static struct rte_mbuf *frame(struct net_port *p,
			      const struct rte_ether_addr *to, uint8_t mark)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->pool);
	struct rte_ether_hdr *h;

	if (!m)
		return NULL;
	h = (struct rte_ether_hdr *)rte_pktmbuf_append(m, 100);
	memset(h, mark, 100);
	h->dst_addr = *to;
	h->src_addr = p->mac;
	h->ether_type = rte_cpu_to_be_16(ETHERTYPE);
	return m;
}

static void send_frame(struct net_port *p, const struct rte_ether_addr *to,
		       uint8_t mark)
{
	struct rte_mbuf *m = frame(p, to, mark);

	assert_non_null(m);
	assert_int_equal(p->ops->tx(p, 0, &m, 1), 1);
}

/* Its mark, or -1: none came. */
static int received(struct net_port *p, unsigned int q)
{
	struct rte_mbuf *m;
	int mark;

	if (!p->ops->rx(p, q, &m, 1))
		return -1;
	mark = rte_pktmbuf_mtod(m, uint8_t *)[50];
	rte_pktmbuf_free(m);
	return mark;
}

static bool is_up(struct net_port *p)
{
	struct net_link link;

	p->ops->link(p, &link);
	return link.up;
}

static void two_functions_are_on_one_cable(void **state)
{
	struct net_port *a = join("switch:cable", 1);
	struct net_port *b = join("switch:cable", 1);
	struct net_port *other = join("switch:other", 1);

	(void)state;
	send_frame(a, &b->mac, 1);
	send_frame(b, &a->mac, 2);
	assert_int_equal(received(b, 0), 1);
	assert_int_equal(received(a, 0), 2);
	assert_int_equal(received(a, 0), -1);
	assert_int_equal(received(b, 0), -1);
	assert_int_equal(received(other, 0), -1);
	a->ops->close(a);
	b->ops->close(b);
	other->ops->close(other);
}

static void switch_learns_where_an_address_is(void **state)
{
	struct net_port *p[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		p[i] = join("switch:s", 1);
	/* Nobody knows where it is: all get it. */
	send_frame(p[0], &p[1]->mac, 1);
	assert_int_equal(received(p[1], 0), 1);
	assert_int_equal(received(p[2], 0), 1);
	send_frame(p[1], &p[0]->mac, 2);
	assert_int_equal(received(p[0], 0), 2);
	assert_int_equal(received(p[2], 0), -1);
	send_frame(p[0], &p[1]->mac, 3);
	assert_int_equal(received(p[1], 0), 3);
	assert_int_equal(received(p[2], 0), -1);
	/* The address moved. */
	p[2]->mac = p[1]->mac;
	send_frame(p[2], &p[0]->mac, 4);
	assert_int_equal(received(p[0], 0), 4);
	send_frame(p[0], &p[1]->mac, 5);
	assert_int_equal(received(p[1], 0), -1);
	assert_int_equal(received(p[2], 0), 5);
	for (int i = 0; i < 3; i++)
		p[i]->ops->close(p[i]);
}

static void broadcast_is_a_frame_of_its_own_for_each(void **state)
{
	struct net_port *p[4];
	struct rte_mbuf *m[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		p[i] = join("switch:s", 1);
	m[0] = frame(p[0], &everybody, 7);
	m[0]->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM;
	m[0]->l2_len = 14;
	assert_int_equal(p[0]->ops->tx(p[0], 0, m, 1), 1);
	assert_int_equal(received(p[0], 0), -1);
	for (int i = 1; i < 4; i++) {
		assert_int_equal(p[i]->ops->rx(p[i], 0, &m[i], 1), 1);
		/* Who changes his does not change another's. */
		assert_int_equal(rte_pktmbuf_mtod(m[i], uint8_t *)[50], 7);
		memset(rte_pktmbuf_mtod(m[i], uint8_t *), 0x99, 100);
		assert_true(m[i]->ol_flags & RTE_MBUF_F_TX_UDP_CKSUM);
		assert_int_equal(m[i]->l2_len, 14);
	}
	rte_pktmbuf_free_bulk(m + 1, 3);
	for (int i = 0; i < 4; i++)
		p[i]->ops->close(p[i]);
}

static void what_was_asked_of_a_large_frame_goes_with_it_uncut(void **state)
{
	struct net_port *a = join("switch:s", 1);
	struct net_port *b = join("switch:s", 1);
	struct rte_mbuf *m = frame(a, &b->mac, 1), *got;
	const uint64_t flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4;

	(void)state;
	assert_true(a->caps & NET_CAP_TX_TSO4);
	assert_true(b->caps & NET_CAP_RX_REQUESTS);
	while (m->pkt_len < 64000) {
		got = frame(a, &b->mac, 1);
		assert_non_null(rte_pktmbuf_append(got, 1900));
		assert_int_equal(rte_pktmbuf_chain(m, got), 0);
	}
	m->ol_flags |= flags;
	m->l2_len = 14;
	m->l3_len = 20;
	m->l4_len = 20;
	m->tso_segsz = 1460;
	assert_int_equal(a->ops->tx(a, 0, &m, 1), 1);
	assert_int_equal(b->ops->rx(b, 0, &got, 1), 1);
	assert_ptr_equal(got, m);
	assert_int_equal(got->ol_flags & flags, flags);
	assert_int_equal(got->tso_segsz, 1460);
	rte_pktmbuf_free(got);
	a->ops->close(a);
	b->ops->close(b);
}

static void
who_takes_nothing_holds_a_bounded_part_of_senders_memory(void **state)
{
	struct net_port *a = join("switch:s", 1);
	struct net_port *b = join("switch:s", 1);
	struct switch_member *to = container_of(b, struct switch_member, port);
	unsigned int sent = 0, got = 0;

	(void)state;
	for (; sent < 5000; sent++)
		send_frame(a, &b->mac, 1);
	while (received(b, 0) >= 0)
		got++;
	assert_in_range(got, 256, SWITCH_MBUFS);
	assert_int_equal(to->queue[0].dropped, sent - got);
	assert_int_equal(to->queue[0].mbufs, 0);
	assert_true(rte_mempool_full(a->pool));
	a->ops->close(a);
	b->ops->close(b);
}

static void queue_goes_to_the_same_queue_of_those_in_use(void **state)
{
	struct net_port *a = join("switch:s", 4);
	struct net_port *b = join("switch:s", 4);
	struct rte_mbuf *m;

	(void)state;
	assert_int_equal(b->ops->set_pairs(b, 2), 0);
	m = frame(a, &b->mac, 3);
	assert_int_equal(a->ops->tx(a, 3, &m, 1), 1);
	assert_int_equal(received(b, 0), -1);
	assert_int_equal(received(b, 1), 3);
	/* What waits where nobody looks any more is not lost. */
	m = frame(a, &b->mac, 4);
	assert_int_equal(a->ops->tx(a, 1, &m, 1), 1);
	assert_int_equal(b->ops->set_pairs(b, 1), 0);
	assert_int_equal(received(b, 0), 4);
	a->ops->close(a);
	b->ops->close(b);
}

static unsigned int changes;

static void count_change(void *ctx)
{
	(void)ctx;
	changes++;
}

static void link_is_up_while_there_is_another_end(void **state)
{
	struct net_port *a = join("switch:s", 1), *b;

	(void)state;
	changes = 0;
	a->link_changed = count_change;
	assert_false(is_up(a));
	b = join("switch:s", 1);
	assert_int_equal(changes, 1);
	assert_true(is_up(a) && is_up(b));
	b->ops->close(b);
	assert_int_equal(changes, 2);
	assert_false(is_up(a));
	/* To nobody. */
	send_frame(a, &everybody, 1);
	assert_true(rte_mempool_full(a->pool));
	a->ops->close(a);
}

static void frames_of_one_who_left_are_still_whole(void **state)
{
	struct net_port *a = join("switch:s", 1);
	struct net_port *b = join("switch:s", 1);
	struct rte_mempool *pool = a->pool;

	(void)state;
	send_frame(a, &b->mac, 0x5a);
	a->ops->close(a);
	assert_int_equal(received(b, 0), 0x5a);
	/* And the next one uses the pool again. */
	a = join("switch:s", 1);
	assert_ptr_equal(a->pool, pool);
	a->ops->close(a);
	b->ops->close(b);
}

static void bad_name_and_one_function_too_many_are_refused(void **state)
{
	struct net_port *p[SWITCH_MEMBERS + 1] = { NULL };
	unsigned int n = 0;
	char error[256];
	int err = 0;

	(void)state;
	assert_int_equal(net_port_open("switch:", 1, p, error, sizeof(error)),
			 -EINVAL);
	assert_int_equal(
		net_port_open("switch:12345678901234567890123456789012", 1, p,
			      error, sizeof(error)),
		-EINVAL);
	while (n <= SWITCH_MEMBERS && !err)
		err = net_port_open("switch:s", 1, &p[n++], error,
				    sizeof(error));
	/* Of slots or of memory, whichever is less. */
	assert_true(err == -ENOSPC || err == -ENOMEM);
	n--;
	while (n--)
		p[n]->ops->close(p[n]);
}

/* ---- Sleep ------------------------------------------------------------------- */

struct sender {
	struct net_port *from;
	struct rte_ether_addr to;
	unsigned int n;
	_Atomic unsigned int *go; /* how many may have been sent */
	_Atomic bool stop;
};

static void *send_when_told(void *arg)
{
	struct sender *s = arg;
	struct rte_mbuf *m;

	for (unsigned int i = 0; i < s->n; i++) {
		while (atomic_load(s->go) <= i)
			sched_yield();
		do {
			m = frame(s->from, &s->to, (uint8_t)i);
		} while (!m);
		s->from->ops->tx(s->from, 0, &m, 1);
	}
	return NULL;
}

/* The loop's part: false if nothing woke it. */
static bool sleep_until_woken(struct net_port *p)
{
	struct pollfd fd = { .events = POLLIN };

	if (p->ops->rx_sleep(p, 0) == NET_AWAKE)
		return true;
	uring_turn();
	fd.fd = uring_fd();
	if (poll(&fd, 1, WAIT_MS) != 1)
		return false;
	uring_turn();
	return true;
}

static void no_frame_is_lost_on_a_receiver_that_falls_asleep(void **state)
{
	struct net_port *a = join("switch:s", 1);
	struct net_port *b = join("switch:s", 1);
	_Atomic unsigned int go = 0;
	struct sender s = { .from = a, .to = b->mac, .n = 2000, .go = &go };
	unsigned int got = 0;
	bool awake = true;
	pthread_t t;

	(void)state;
	if (uring_open()) {
		print_message("skipped: no io_uring here\n");
		skip();
	}
	assert_int_equal(pthread_create(&t, NULL, send_when_told, &s), 0);
	while (got < s.n && awake) {
		/* The frame comes while we go to sleep, or just before. */
		atomic_store(&go, got + 1);
		awake = sleep_until_woken(b);
		while (received(b, 0) >= 0)
			got++;
	}
	assert_true(awake);
	atomic_store(&go, s.n);
	pthread_join(t, NULL);
	b->ops->rx_stop(b, 0);
	assert_int_equal(uring_under_way(), 0);
	uring_close();
	a->ops->close(a);
	b->ops->close(b);
}

/* ---- Coming and going ----------------------------------------------------------- */

static void *send_always(void *arg)
{
	struct sender *s = arg;
	struct rte_mbuf *m[8];
	unsigned int n;

	while (!atomic_load(&s->stop)) {
		for (n = 0; n < ARRAY_SIZE(m); n++) {
			m[n] = frame(s->from, n % 2 ? &everybody : &s->to, 1);
			if (!m[n])
				break;
		}
		s->from->ops->tx(s->from, 0, m, (uint16_t)n);
		/* What comes back is thrown away. */
		while (received(s->from, 0) >= 0)
			;
		sched_yield();
	}
	return NULL;
}

static void members_come_and_go_while_frames_fly(void **state)
{
	const struct rte_ether_addr guest = { { 2, 0, 0, 0, 0, 9 } };
	struct sender s[2];
	struct net_port *p;
	unsigned int got;
	pthread_t t[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		s[i] = (struct sender){ .from = join("switch:s", 1),
					.to = guest };
		assert_int_equal(
			pthread_create(&t[i], NULL, send_always, &s[i]), 0);
	}
	for (int round = 0; round < 100; round++) {
		p = join("switch:s", 1);
		p->mac = guest;
		send_frame(p, &everybody, 2);
		for (got = 0; got < 4; got += received(p, 0) >= 0)
			sched_yield();
		p->ops->close(p);
	}
	for (int i = 0; i < 2; i++) {
		atomic_store(&s[i].stop, true);
		pthread_join(t[i], NULL);
	}
	for (int i = 0; i < 2; i++)
		s[i].from->ops->close(s[i].from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_functions_are_on_one_cable),
		cmocka_unit_test(switch_learns_where_an_address_is),
		cmocka_unit_test(broadcast_is_a_frame_of_its_own_for_each),
		cmocka_unit_test(
			what_was_asked_of_a_large_frame_goes_with_it_uncut),
		cmocka_unit_test(
			who_takes_nothing_holds_a_bounded_part_of_senders_memory),
		cmocka_unit_test(queue_goes_to_the_same_queue_of_those_in_use),
		cmocka_unit_test(link_is_up_while_there_is_another_end),
		cmocka_unit_test(frames_of_one_who_left_are_still_whole),
		cmocka_unit_test(
			bad_name_and_one_function_too_many_are_refused),
		cmocka_unit_test(
			no_frame_is_lost_on_a_receiver_that_falls_asleep),
		cmocka_unit_test(members_come_and_go_while_frames_fly),
	};

	return cmocka_run_group_tests(tests, test_eal_start, test_eal_end);
}
