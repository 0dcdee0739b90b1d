/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports of virtual drivers that need no privileges, and taps in a network
 * namespace of this process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <rte_ethdev.h>
#include <rte_mempool.h>

#include "transport/devices/net_port.h"
#include "transport/devices/test_eal.h"
#include "transport/devices/uring.h"

#define ETHERTYPE 0x88b5
#define WAIT_MS	  5000

static char error[256];

static struct net_port *open_port(const char *spec, uint16_t pairs)
{
	struct net_port *p = NULL;

	error[0] = '\0';
	if (net_port_open(spec, pairs, &p, error, sizeof(error)))
		fail_msg("%s: %s", spec, error);
	assert_true(rte_is_valid_assigned_ether_addr(&p->mac));
	return p;
}

static void expect_refused(const char *spec, uint16_t pairs, int err,
			   const char *word)
{
	struct net_port *p;

	error[0] = '\0';
	assert_int_equal(net_port_open(spec, pairs, &p, error, sizeof(error)),
			 err);
	if (!strstr(error, word))
		fail_msg("%s: \"%s\" does not say %s", spec, error, word);
}

static struct rte_mbuf *frame(struct net_port *p, uint16_t size, uint8_t mark)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->pool);
	struct rte_ether_hdr *h;

	assert_non_null(m);
	h = (struct rte_ether_hdr *)rte_pktmbuf_append(m, size);
	memset(h, mark, size);
	memset(&h->dst_addr, 0xff, sizeof(h->dst_addr));
	h->src_addr = p->mac;
	h->ether_type = rte_cpu_to_be_16(ETHERTYPE);
	return m;
}

static void send_frame(struct net_port *p, unsigned int q, uint16_t size,
		       uint8_t mark)
{
	struct rte_mbuf *m = frame(p, size, mark);

	assert_int_equal(p->ops->tx(p, q, &m, 1), 1);
}

/* One of at least @size bytes that ends in @mark, within a time. */
static bool receive(struct net_port *p, unsigned int q, uint16_t size,
		    uint8_t mark)
{
	struct rte_mbuf *m;
	bool it = false;

	for (int i = 0; !it && i < WAIT_MS * 10; i++) {
		while (!it && p->ops->rx(p, q, &m, 1)) {
			it = m->pkt_len >= size &&
			     rte_pktmbuf_mtod(m, uint8_t *)[size - 1] == mark;
			rte_pktmbuf_free(m);
		}
		if (!it)
			usleep(100);
	}
	return it;
}

/* ---- Without privileges ---------------------------------------------------- */

static void ring_gives_back_what_it_took_as_it_was(void **state)
{
	struct net_port *p = open_port("ethdev:net_ring0", 1);
	struct rte_mbuf *sent = frame(p, 700, 0x31), *got;

	(void)state;
	assert_true(p->caps & NET_CAP_TX_MULTI);
	assert_false(p->caps & (NET_CAP_TX_CSUM | NET_CAP_TX_TSO4));
	assert_int_equal(p->ops->tx(p, 0, &sent, 1), 1);
	assert_int_equal(p->ops->rx(p, 0, &got, 1), 1);
	assert_ptr_equal(got, sent);
	rte_pktmbuf_free(got);
	p->ops->close(p);
}

static void port_goes_with_who_made_it_and_can_be_made_again(void **state)
{
	struct net_port *p;
	uint16_t id;

	(void)state;
	for (int i = 0; i < 3; i++) {
		p = open_port("ethdev:net_ring0", 1);
		/* Left behind in its ring. */
		send_frame(p, 0, 100, 0x32);
		p->ops->close(p);
		assert_int_equal(rte_eth_dev_get_port_by_name("net_ring0", &id),
				 -ENODEV);
	}
}

static void port_of_the_eal_stays_when_a_function_goes(void **state)
{
	struct net_port *p;
	uint16_t id;

	(void)state;
	assert_int_equal(rte_dev_probe("net_null7"), 0);
	for (int i = 0; i < 2; i++) {
		p = open_port("ethdev:net_null7", 2);
		expect_refused("ethdev:net_null7", 1, -EBUSY, "another");
		expect_refused("ethdev:net_null7,size=64", 1, -EEXIST,
			       "already");
		p->ops->close(p);
	}
	assert_int_equal(rte_eth_dev_get_port_by_name("net_null7", &id), 0);
}

static void a_port_that_cannot_be_is_refused_in_a_sentence(void **state)
{
	uint16_t id;

	(void)state;
	expect_refused("ethdev", 1, -EINVAL, "name is missing");
	expect_refused("ethdev:,iface=a", 1, -EINVAL, "name is missing");
	expect_refused("ethdev:net_ring0", 17, -EINVAL,
		       "at most 16 queue pairs, not 17");
	/* And what was made for it is gone again. */
	assert_int_equal(rte_eth_dev_get_port_by_name("net_ring0", &id),
			 -ENODEV);
	error[0] = '\0';
	assert_true(net_port_open("ethdev:net_nothing0", 1, NULL, error,
				  sizeof(error)) < 0);
	assert_non_null(strstr(error, "no such ethdev"));
}

static void
frames_of_queues_that_are_not_used_come_in_at_those_that_are(void **state)
{
	struct net_port *p = open_port("ethdev:net_ring0", 4);

	(void)state;
	/* One pair is used at first. */
	send_frame(p, 3, 100, 0x41);
	assert_true(receive(p, 0, 100, 0x41));
	assert_int_equal(p->ops->set_pairs(p, 2), 0);
	send_frame(p, 3, 100, 0x42);
	send_frame(p, 2, 100, 0x43);
	assert_true(receive(p, 1, 100, 0x42));
	assert_true(receive(p, 0, 100, 0x43));
	assert_int_equal(p->ops->set_pairs(p, 4), 0);
	send_frame(p, 3, 100, 0x44);
	assert_true(receive(p, 3, 100, 0x44));
	p->ops->close(p);
}

static void virtual_drivers_leave_filtering_to_the_device(void **state)
{
	struct net_port *p = open_port("ethdev:net_ring0", 1);

	(void)state;
	assert_int_equal(p->ops->set_mac(p, &p->mac), -ENOTSUP);
	assert_int_equal(p->ops->set_promisc(p, false), -ENOTSUP);
	assert_int_equal(p->ops->set_allmulti(p, true), -ENOTSUP);
	assert_int_equal(p->ops->set_multicast(p, &p->mac, 1), -ENOTSUP);
	assert_int_equal(p->ops->set_vlan(p, 1, true), -ENOTSUP);
	p->ops->close(p);
}

static void what_is_sent_is_captured(void **state)
{
	char path[] = "/tmp/pciring-pcap-XXXXXX", spec[128];
	uint8_t bytes[40 + 100];
	struct net_port *p;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	snprintf(spec, sizeof(spec), "ethdev:net_pcap0,tx_pcap=%s", path);
	p = open_port(spec, 1);
	send_frame(p, 0, 100, 0x55);
	p->ops->close(p);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(bytes[40 + 14], 0x55);
	assert_int_equal(bytes[40 + 99], 0x55);
	/* What was captured can be played to a guest. */
	snprintf(spec, sizeof(spec), "ethdev:net_pcap0,rx_pcap=%s", path);
	p = open_port(spec, 1);
	assert_true(receive(p, 0, 100, 0x55));
	p->ops->close(p);
	unlink(path);
	close(fd);
}

/* ---- Taps ------------------------------------------------------------------- */

static bool in_namespace;

static void need_taps(void)
{
	if (!in_namespace && unshare(CLONE_NEWNET)) {
		print_message("skipped: taps need CAP_NET_ADMIN: %s\n",
			      strerror(errno));
		skip();
	}
	in_namespace = true;
	if (access("/dev/net/tun", R_OK | W_OK)) {
		print_message("skipped: /dev/net/tun: %s\n", strerror(errno));
		skip();
	}
}

/* The kernel's end of tap @name, at which ETHERTYPE is seen. */
static int host_end(const char *name)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETHERTYPE),
				  .sll_ifindex = (int)if_nametoindex(name) };
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETHERTYPE));

	assert_true(at.sll_ifindex > 0 && s >= 0);
	assert_int_equal(bind(s, (struct sockaddr *)&at, sizeof(at)), 0);
	return s;
}

static void host_sends(int s, uint16_t size, uint8_t mark)
{
	uint8_t bytes[2048];

	memset(bytes, mark, size);
	memset(bytes, 0xff, 6);
	memset(bytes + 6, 2, 6);
	bytes[12] = ETHERTYPE >> 8;
	bytes[13] = ETHERTYPE & 0xff;
	assert_int_equal(send(s, bytes, size, 0), size);
}

static bool host_receives(int s, uint16_t size, uint8_t mark)
{
	struct pollfd fd = { .fd = s, .events = POLLIN };
	uint8_t bytes[2048];

	while (poll(&fd, 1, WAIT_MS) == 1)
		if (recv(s, bytes, sizeof(bytes), 0) == size &&
		    bytes[size - 1] == mark)
			return true;
	return false;
}

static void frames_pass_a_tap_both_ways(void **state)
{
	struct net_port *p;
	struct net_link link;
	int s;

	(void)state;
	need_taps();
	p = open_port("ethdev:net_tap0,iface=pciring0", 1);
	s = host_end("pciring0");
	p->ops->link(p, &link);
	assert_true(link.up);
	send_frame(p, 0, 1514, 0x61);
	assert_true(host_receives(s, 1514, 0x61));
	host_sends(s, 1000, 0x62);
	assert_true(receive(p, 0, 1000, 0x62));
	close(s);
	p->ops->close(p);
	assert_int_equal(if_nametoindex("pciring0"), 0);
}

static void a_frame_that_a_tap_refuses_does_not_stop_the_next(void **state)
{
	struct net_port *p;
	struct rte_mbuf *m[2];
	int s;

	(void)state;
	need_taps();
	p = open_port("ethdev:net_tap0,iface=pciring0", 1);
	s = host_end("pciring0");
	m[0] = frame(p, 2000, 0x63);
	m[1] = frame(p, 200, 0x64);
	assert_int_equal(p->ops->tx(p, 0, m, 2), 2);
	assert_true(host_receives(s, 200, 0x64));
	close(s);
	p->ops->close(p);
}

static void guest_of_a_tap_has_not_the_address_of_the_hosts_end(void **state)
{
	struct rte_ether_addr host;
	struct net_port *p;
	uint16_t id;

	(void)state;
	need_taps();
	p = open_port("ethdev:net_tap0,iface=pciring0", 1);
	assert_int_equal(rte_eth_dev_get_port_by_name("net_tap0", &id), 0);
	assert_int_equal(rte_eth_macaddr_get(id, &host), 0);
	assert_false(rte_is_same_ether_addr(&host, &p->mac));
	p->ops->close(p);
}

static void persistent_tap_stays_and_is_taken_again(void **state)
{
	const char *spec = "ethdev:net_tap0,iface=pciring1,persist";
	struct net_port *p;
	unsigned int index;
	int s;

	(void)state;
	need_taps();
	p = open_port(spec, 1);
	index = if_nametoindex("pciring1");
	p->ops->close(p);
	assert_int_equal(if_nametoindex("pciring1"), index);
	p = open_port(spec, 1);
	assert_int_equal(if_nametoindex("pciring1"), index);
	s = host_end("pciring1");
	host_sends(s, 300, 0x65);
	assert_true(receive(p, 0, 300, 0x65));
	close(s);
	p->ops->close(p);
}

/* Until the thread's io_uring says that there is something. */
static bool woken(void)
{
	struct pollfd fd = { .fd = uring_fd(), .events = POLLIN };
	bool it = poll(&fd, 1, WAIT_MS) == 1;

	uring_turn();
	return it;
}

static void frame_at_a_tap_wakes_the_loop_that_looks_at_it(void **state)
{
	struct net_port *p;
	int s;

	(void)state;
	need_taps();
	if (uring_open()) {
		print_message("skipped: no io_uring here\n");
		skip();
	}
	p = open_port("ethdev:net_tap0,iface=pciring0", 2);
	assert_true(p->caps & NET_CAP_SLEEP);
	s = host_end("pciring0");
	for (int i = 0; i < 4; i++) {
		/* It is of no interest now at which queue it comes in. */
		assert_int_equal(p->ops->set_pairs(p, 1 + i % 2), 0);
		assert_true(p->ops->rx_sleep(p, 0) == NET_ASLEEP);
		assert_true(i % 2 == 0 || p->ops->rx_sleep(p, 1) == NET_ASLEEP);
		uring_turn();
		host_sends(s, 400, (uint8_t)(0x70 + i));
		assert_true(woken());
		assert_true(i % 2 == 1 || receive(p, 0, 400, 0x70 + i));
		p->ops->rx_stop(p, 0);
		p->ops->rx_stop(p, 1);
		assert_int_equal(uring_under_way(), 0);
	}
	close(s);
	p->ops->close(p);
	uring_close();
}

static _Atomic unsigned int changes;

static void count_change(void *ctx)
{
	assert_ptr_equal(ctx, &changes);
	changes++;
}

static void set_up(const char *name, bool up)
{
	struct ifreq r = { .ifr_flags = up ? IFF_UP : 0 };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	assert_int_equal(ioctl(s, SIOCSIFFLAGS, &r), 0);
	close(s);
}

static bool link_becomes(struct net_port *p, bool up)
{
	struct net_link link = { .up = !up };

	for (int i = 0; (!changes || link.up != up) && i < WAIT_MS; i++) {
		usleep(1000);
		p->ops->link(p, &link);
	}
	return changes && link.up == up;
}

static void host_that_takes_its_tap_down_takes_the_link_down(void **state)
{
	struct net_port *p;

	(void)state;
	need_taps();
	p = open_port("ethdev:net_tap0,iface=pciring0", 1);
	p->ctx = &changes;
	p->link_changed = count_change;
	changes = 0;
	set_up("pciring0", false);
	assert_true(link_becomes(p, false));
	changes = 0;
	set_up("pciring0", true);
	assert_true(link_becomes(p, true));
	p->ops->close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_gives_back_what_it_took_as_it_was),
		cmocka_unit_test(
			port_goes_with_who_made_it_and_can_be_made_again),
		cmocka_unit_test(port_of_the_eal_stays_when_a_function_goes),
		cmocka_unit_test(
			a_port_that_cannot_be_is_refused_in_a_sentence),
		cmocka_unit_test(
			frames_of_queues_that_are_not_used_come_in_at_those_that_are),
		cmocka_unit_test(virtual_drivers_leave_filtering_to_the_device),
		cmocka_unit_test(what_is_sent_is_captured),
		cmocka_unit_test(frames_pass_a_tap_both_ways),
		cmocka_unit_test(
			a_frame_that_a_tap_refuses_does_not_stop_the_next),
		cmocka_unit_test(
			guest_of_a_tap_has_not_the_address_of_the_hosts_end),
		cmocka_unit_test(persistent_tap_stays_and_is_taken_again),
		cmocka_unit_test(
			frame_at_a_tap_wakes_the_loop_that_looks_at_it),
		cmocka_unit_test(
			host_that_takes_its_tap_down_takes_the_link_down),
	};

	return cmocka_run_group_tests(tests, test_eal_start, test_eal_end);
}
