/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NICs of a real service, driven by guests over real rings: the other end is a
 * ring, a switch, or a tap at which the kernel's own stack answers.  With
 * CAP_NET_ADMIN everything is in a network namespace of this test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring/base.h"
#include "tests/flow/service_guest.h"
#include "tests/flow/service_rig.h"

#define RX    0
#define TX    1
#define HDR   12u /* virtio 1.2, 5.1.6: with num_buffers */
#define FRAME 2048u
#define BUFS  16
#define HALF  (RAM_SIZE / 2)
#define MOVES 24

/* virtio 1.2, 5.1.3 */
#define F_MAC	    (1ull << 5)
#define F_MRG_RXBUF (1ull << 15)
#define F_STATUS    (1ull << 16)

static bool in_namespace;

/* ---- A guest with one NIC ---------------------------------------------------- */

struct nic {
	struct guest g;
	struct pciring *link;
	uint16_t bdf;
	uint8_t mac[6];
	uint64_t rx[GUEST_QUEUE_SIZE]; /* buffers, by head */
	uint64_t tx;
};

static uint64_t forward(void *ctx, uint8_t space, uint64_t address,
			unsigned int size, bool write, uint64_t value)
{
	struct nic *n = ctx;
	struct pciring_access a = {
		.address = address,
		.value = value,
		.function = n->bdf,
		.space = space,
		.size = (uint8_t)size,
		.write = write,
	};

	assert_int_equal(pciring_access(n->link, 0, &a), 0);
	return a.value;
}

static uint32_t config_read(void *ctx, uint32_t off, unsigned int size)
{
	return (uint32_t)forward(ctx, PCIRING_SPACE_CONFIG, off, size, false,
				 0);
}

static void config_write(void *ctx, uint32_t off, unsigned int size,
			 uint32_t value)
{
	forward(ctx, PCIRING_SPACE_CONFIG, off, size, true, value);
}

static uint64_t bar_read(void *ctx, unsigned int bar, uint64_t off,
			 unsigned int size)
{
	return forward(ctx, (uint8_t)(PCIRING_SPACE_BAR0 + bar), off, size,
		       false, 0);
}

static void bar_write(void *ctx, unsigned int bar, uint64_t off,
		      unsigned int size, uint64_t value)
{
	forward(ctx, (uint8_t)(PCIRING_SPACE_BAR0 + bar), off, size, true,
		value);
}

static const struct guest_ops nic_ops = {
	.config_read = config_read,
	.config_write = config_write,
	.bar_read = bar_read,
	.bar_write = bar_write,
};

static void give_buffer(struct nic *n, uint64_t gpa)
{
	const struct guest_buf buf = { gpa, HDR + FRAME, true };
	const int head = guest_add(&n->g, RX, &buf, 1, false);

	assert_true(head >= 0);
	n->rx[head] = gpa;
}

/* The NIC at device @dev, with one half of the memory. */
static struct nic *nic_boot(struct pciring *link, uint8_t *mem,
			    unsigned int dev)
{
	const struct guest_memory memory = { .gpa = RAM_GPA + (dev - 1) * HALF,
					     .host = mem + (dev - 1) * HALF,
					     .size = HALF };
	struct nic *n = calloc(1, sizeof(*n));

	n->link = link;
	n->bdf = (uint16_t)(dev << 3);
	guest_init(&n->g, &nic_ops, n, &memory);
	assert_int_equal(guest_find_caps(&n->g), 0);
	assert_int_equal(
		guest_place_bars(&n->g, 0x80000000ull + dev * 0x1000000ull), 0);
	guest_command(&n->g, true, true);
	assert_int_equal(
		guest_start(&n->g,
			    GUEST_F_VERSION_1 | F_MAC | F_MRG_RXBUF | F_STATUS,
			    64),
		0);
	for (unsigned int i = 0; i < sizeof(n->mac); i++)
		n->mac[i] = (uint8_t)guest_read(&n->g, GUEST_CAP_CONFIG, i, 1);
	n->tx = guest_alloc(&n->g, HDR + FRAME, 64);
	for (int i = 0; i < BUFS; i++)
		give_buffer(n, guest_alloc(&n->g, HDR + FRAME, 64));
	guest_kick(&n->g, RX);
	return n;
}

static int wait_used(struct guest *g, unsigned int q, struct guest_used *used)
{
	int got = 0;

	for (int i = 0; !got && i < 50000; i++) {
		got = guest_poll(g, q, used);
		if (!got)
			usleep(100);
	}
	return got;
}

static void nic_send(struct nic *n, const void *frame, uint32_t bytes)
{
	const struct guest_buf buf = { n->tx, HDR + bytes, false };
	uint8_t *at = guest_at(&n->g, n->tx);
	struct guest_used used;

	memset(at, 0, HDR);
	memcpy(at + HDR, frame, bytes);
	assert_true(guest_add(&n->g, TX, &buf, 1, false) >= 0);
	guest_kick_if_wanted(&n->g, TX);
	assert_int_equal(wait_used(&n->g, TX, &used), 1);
}

/* The next frame that comes in; its bytes. */
static uint32_t nic_receive(struct nic *n, uint8_t frame[FRAME])
{
	struct guest_used used;
	const uint8_t *at;

	assert_int_equal(wait_used(&n->g, RX, &used), 1);
	assert_in_range(used.len, HDR + 14, HDR + FRAME);
	at = guest_at(&n->g, n->rx[used.id]);
	memcpy(frame, at + HDR, used.len - HDR);
	give_buffer(n, n->rx[used.id]);
	guest_kick_if_wanted(&n->g, RX);
	return used.len - HDR;
}

static void nic_end(struct nic *n)
{
	free(n);
}

/* ---- The machine -------------------------------------------------------------- */

struct wire {
	struct pciring *link;
	uint8_t *mem;
	int ram;
};

static int plug(unsigned int dev, const char *port)
{
	char params[256];

	snprintf(params, sizeof(params),
		 "{\"machine\":\"demo\",\"address\":\"00:%02x.0\","
		 "\"device\":\"net\",\"options\":{\"port\":\"%s\"}}",
		 dev, port);
	return procs_rpc(&p, "function.create", params, NULL);
}

static void unplug(unsigned int dev)
{
	char params[128];

	snprintf(params, sizeof(params),
		 "{\"machine\":\"demo\",\"address\":\"00:%02x.0\"}", dev);
	assert_int_equal(procs_rpc(&p, "function.destroy", params, NULL), 0);
}

static void wire_begin(struct wire *w)
{
	assert_int_equal(attach_irqchip(PCIRING_IRQCHIP_NONE, &w->link), 0);
	w->ram = make_ram(&w->mem);
	assert_int_equal(
		pciring_dma_map(w->link, RAM_GPA, RAM_SIZE, w->ram, 0, 3), 0);
}

static void wire_end(struct wire *w)
{
	pciring_detach(w->link);
	munmap(w->mem, RAM_SIZE);
	close(w->ram);
}

static int start(void **state)
{
	const char *const args[] = {
		"--log-level",
		"warn",
		"--idle",
		"50",
		"--lcores",
		sysconf(_SC_NPROCESSORS_ONLN) < 2 ? "0@0" : "0@0,1@0,2@1",
		NULL
	};

	(void)state;
	in_namespace = !unshare(CLONE_NEWNET);
	if (procs_init(&p))
		return -1;
	p.service = procs_start(&p, "pciringd", args);
	return p.service < 0 || procs_rpc(&p, "machine.create", MACHINE, NULL);
}

static int stop(void **state)
{
	(void)state;
	return procs_fini(&p);
}

/* A frame of no protocol, from @n to @to (NULL: everybody). */
static void make_frame(uint8_t *f, const struct nic *n, const uint8_t *to,
		       uint32_t bytes, uint8_t mark)
{
	memset(f, mark, bytes);
	if (to)
		memcpy(f, to, 6);
	else
		memset(f, 0xff, 6);
	memcpy(f + 6, n->mac, 6);
	f[12] = 0x88;
	f[13] = 0xb5;
}

/* ---- Without privileges --------------------------------------------------------- */

static void frames_go_through_an_ethdev_and_come_back_whole(void **state)
{
	uint8_t sent[1514], got[FRAME];
	struct wire w;
	struct nic *n;

	(void)state;
	assert_int_equal(plug(1, "ethdev:net_ring0"), 0);
	wire_begin(&w);
	n = nic_boot(w.link, w.mem, 1);
	for (int i = 0; i < 100; i++) {
		make_frame(sent, n, NULL, 60 + i * 14, (uint8_t)i);
		nic_send(n, sent, 60 + i * 14);
		assert_int_equal(nic_receive(n, got), 60 + i * 14);
		assert_memory_equal(got, sent, 60 + i * 14);
	}
	wire_end(&w);
	nic_end(n);
	unplug(1);
}

static void two_functions_on_one_switch_hear_each_other(void **state)
{
	uint8_t sent[1514], got[FRAME];
	struct nic *n[2];
	struct wire w;

	(void)state;
	assert_int_equal(plug(1, "switch:s"), 0);
	assert_int_equal(plug(2, "switch:s"), 0);
	wire_begin(&w);
	for (unsigned int i = 0; i < 2; i++)
		n[i] = nic_boot(w.link, w.mem, i + 1);
	for (unsigned int i = 0; i < 100; i++) {
		make_frame(sent, n[i % 2], n[1 - i % 2]->mac, 1514, (uint8_t)i);
		nic_send(n[i % 2], sent, 1514);
		assert_int_equal(nic_receive(n[1 - i % 2], got), 1514);
		assert_memory_equal(got, sent, 1514);
	}
	wire_end(&w);
	for (unsigned int i = 0; i < 2; i++) {
		nic_end(n[i]);
		unplug(i + 1);
	}
}

/* ---- Queues on other loops -------------------------------------------------- */

static int place(unsigned int dev, int queue, int loop)
{
	char params[128];

	snprintf(params, sizeof(params),
		 "{\"machine\":\"demo\",\"address\":\"00:%02x.0\","
		 "\"queue\":%d,\"loop\":%d}",
		 dev, queue, loop);
	return procs_rpc(&p, "function.place", params, NULL);
}

static _Atomic bool over;

/* Each queue goes its own way; for a while all four are apart from home. */
static void *mover(void *arg)
{
	int *failed = arg;

	for (int i = 0; i < MOVES; i++)
		*failed += place(1 + i % 2, i / 2 % 2, i / 4 % 2) != 0;
	atomic_store(&over, true);
	return NULL;
}

static void queues_move_between_loops_and_no_frame_is_lost(void **state)
{
	uint8_t sent[1514], got[FRAME];
	unsigned int frames = 0;
	pthread_t thread;
	int failed = 0;
	struct nic *n[2];
	struct wire w;

	(void)state;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip();
	assert_int_equal(plug(1, "switch:s"), 0);
	assert_int_equal(plug(2, "switch:s"), 0);
	wire_begin(&w);
	for (unsigned int i = 0; i < 2; i++)
		n[i] = nic_boot(w.link, w.mem, i + 1);
	atomic_store(&over, false);
	assert_int_equal(pthread_create(&thread, NULL, mover, &failed), 0);
	while (!atomic_load(&over) || frames < 100) {
		const unsigned int i = frames++ % 2;

		make_frame(sent, n[i], n[1 - i]->mac, 1514, (uint8_t)frames);
		nic_send(n[i], sent, 1514);
		assert_int_equal(nic_receive(n[1 - i], got), 1514);
		assert_memory_equal(got, sent, 1514);
	}
	pthread_join(thread, NULL);
	assert_int_equal(failed, 0);
	wire_end(&w);
	/* A function goes while its queues are elsewhere. */
	assert_int_equal(place(1, 0, 1), 0);
	for (unsigned int i = 0; i < 2; i++) {
		nic_end(n[i]);
		unplug(i + 1);
	}
}

static void a_port_that_cannot_be_is_told_to_the_operator(void **state)
{
	char out[1024];

	(void)state;
	assert_int_equal(service_ctl(out, sizeof(out),
				     "plug demo 00:01.0 net "
				     "port=ethdev:net_ring0 pairs=100"),
			 1);
	assert_non_null(strstr(out, "at most 16 queue pairs, not 100"));
	assert_int_equal(service_ctl(out, sizeof(out),
				     "plug demo 00:01.0 net port=cable"),
			 1);
	assert_non_null(strstr(out, "switch:NAME"));
}

/* ---- The kernel's stack at the other end of a tap --------------------------------- */

static const uint8_t host_ip[4] = { 192, 0, 2, 1 };
static const uint8_t guest_ip[4] = { 192, 0, 2, 2 };

static void need_taps(void)
{
	if (in_namespace && !access("/dev/net/tun", R_OK | W_OK))
		return;
	print_message("skipped: taps need CAP_NET_ADMIN and /dev/net/tun\n");
	skip();
}

static void give_address(const char *name)
{
	struct ifreq r = { 0 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	memcpy(&in.sin_addr, host_ip, 4);
	memcpy(&r.ifr_addr, &in, sizeof(in));
	assert_int_equal(ioctl(s, SIOCSIFADDR, &r), 0);
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	assert_int_equal(ioctl(s, SIOCSIFFLAGS, &r), 0);
	close(s);
}

/* The next frame of EtherType @type to us; the kernel says much of its own. */
static void nic_receive_of(struct nic *n, uint16_t type, uint8_t got[FRAME])
{
	do {
		nic_receive(n, got);
	} while (got[12] << 8 != (type & 0xff00) || got[13] != (type & 0xff) ||
		 memcmp(got, n->mac, 6) != 0);
}

/* RFC 826: who has host_ip?  Its address, as the kernel answers. */
static void arp(struct nic *n, uint8_t host_mac[6])
{
	uint8_t f[60] = { 0 }, got[FRAME];

	memset(f, 0xff, 6);
	memcpy(f + 6, n->mac, 6);
	memcpy(f + 12, (uint8_t[]){ 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 }, 10);
	memcpy(f + 22, n->mac, 6);
	memcpy(f + 28, guest_ip, 4);
	memcpy(f + 38, host_ip, 4);
	nic_send(n, f, sizeof(f));
	/* It may ask, too; its answer has operation 2. */
	do {
		nic_receive_of(n, 0x0806, got);
	} while (got[21] != 2);
	assert_memory_equal(got + 28, host_ip, 4);
	memcpy(host_mac, got + 22, 6);
}

static void put_sum(uint8_t *at, const uint8_t *from, unsigned int bytes)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < bytes; i += 2)
		sum += (uint32_t)(from[i] << 8 | from[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	at[0] = (uint8_t)(~sum >> 8);
	at[1] = (uint8_t)~sum;
}

#define PING 1400u /* bytes of the packet */

/* RFC 792: an echo request; what comes back holds the same. */
static void ping(struct nic *n, const uint8_t host_mac[6], uint8_t seq)
{
	uint8_t f[14 + PING], got[FRAME];

	memset(f, seq, sizeof(f));
	memcpy(f, host_mac, 6);
	memcpy(f + 6, n->mac, 6);
	memcpy(f + 12, (uint8_t[]){ 8, 0, 0x45, 0 }, 4);
	memcpy(f + 16,
	       (uint8_t[]){ PING >> 8, PING & 0xff, 0, 0, 0, 0, 64, 1, 0, 0 },
	       10);
	memcpy(f + 26, guest_ip, 4);
	memcpy(f + 30, host_ip, 4);
	put_sum(f + 24, f + 14, 20);
	memcpy(f + 34, (uint8_t[]){ 8, 0, 0, 0, 0, 7, 0, seq }, 8);
	put_sum(f + 36, f + 34, PING - 20);
	nic_send(n, f, sizeof(f));
	nic_receive_of(n, 0x0800, got);
	assert_int_equal(got[34], 0); /* echo reply */
	assert_memory_equal(got + 38, f + 38, sizeof(f) - 38);
}

static void kernel_answers_a_guest_through_a_tap(void **state)
{
	uint8_t host_mac[6];
	struct wire w;
	struct nic *n;

	(void)state;
	need_taps();
	assert_int_equal(plug(1, "ethdev:net_tap0,iface=pciring0"), 0);
	give_address("pciring0");
	wire_begin(&w);
	n = nic_boot(w.link, w.mem, 1);
	arp(n, host_mac);
	assert_memory_not_equal(host_mac, n->mac, 6);
	/* The loop sleeps between them, and is woken by the tap. */
	for (uint8_t i = 0; i < 20; i++) {
		usleep(i % 2 * 1000);
		ping(n, host_mac, i);
	}
	wire_end(&w);
	nic_end(n);
	unplug(1);
	assert_int_equal(if_nametoindex("pciring0"), 0);
}

static void tap_ends_with_the_service_but_one_that_persists(void **state)
{
	(void)state;
	need_taps();
	assert_int_equal(plug(1, "ethdev:net_tap0,iface=pciring0"), 0);
	assert_int_equal(plug(2, "ethdev:net_tap1,iface=pciring1,persist"), 0);
	assert_true(if_nametoindex("pciring0") > 0);
	assert_int_equal(procs_stop(&p.service, SIGTERM, 20000), 0);
	assert_int_equal(if_nametoindex("pciring0"), 0);
	assert_true(if_nametoindex("pciring1") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			frames_go_through_an_ethdev_and_come_back_whole),
		cmocka_unit_test(two_functions_on_one_switch_hear_each_other),
		cmocka_unit_test(
			queues_move_between_loops_and_no_frame_is_lost),
		cmocka_unit_test(a_port_that_cannot_be_is_told_to_the_operator),
		cmocka_unit_test(kernel_answers_a_guest_through_a_tap),
		/* Last: it stops the service. */
		cmocka_unit_test(
			tap_ends_with_the_service_but_one_that_persists),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
