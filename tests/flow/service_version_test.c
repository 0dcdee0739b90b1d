/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients of other versions at a real service.
 *
 * What an older one says is written down here as it was then, not as today's
 * headers have it; and its ends of the rings are rte_ring's own calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ring/channel.h"
#include "tests/flow/service_rig.h"

/* The hello of 0.1 and 0.2; the latter has an irqchip where 0.1 has zeros. */
struct old_hello {
	uint32_t magic;
	uint16_t type, reply;
	uint32_t id;
	int32_t error;
	uint16_t major, minor, scope, function, lanes, interrupts;
	uint16_t irqchip, reserved;
	uint64_t features;
	char machine[64], name[64];
};

struct old_access {
	uint64_t address, value;
	uint32_t seq;
	uint16_t function;
	uint8_t space, size, op;
	uint8_t reserved[7];
};

struct old_completion {
	uint64_t value;
	uint32_t seq, status;
};

/* pciring_options of 0.1, all of it, and of 0.2. */
struct options_0_1 {
	size_t size;
	const char *machine, *name;
	uint32_t scope;
	uint16_t function, lanes;
	uint32_t interrupts, spin_ns;
	uint64_t features;
};

struct options_0_2 {
	struct options_0_1 first;
	uint32_t irqchip, reserved;
};
static_assert(sizeof(struct old_hello) == 168, "as it was");
static_assert(sizeof(struct old_access) == 32, "as it was");
static_assert(sizeof(struct old_completion) == 16, "as it was");
static_assert(sizeof(struct options_0_1) == 48, "as it was");
static_assert(sizeof(struct options_0_2) == 56, "as it was");

static struct old_hello old_hello(uint16_t major, uint16_t minor)
{
	return (struct old_hello){ .magic = 0x676e7270,
				   .type = 1,
				   .id = 5,
				   .major = major,
				   .minor = minor,
				   .function = 0x0008,
				   .lanes = 2,
				   .machine = "demo",
				   .name = "old" };
}

/* Say @h until whoever was attached before has gone; the connection, open. */
static int say(const struct old_hello *h, struct attach_packet *pkt)
{
	int fd;

	for (int patience = 5000; patience; patience--) {
		fd = raw_connect();
		send_bytes(fd, h, sizeof(*h));
		assert_int_equal(attach_recv(fd, pkt), 1);
		if (pkt->m.h.error != -EBUSY)
			return fd;
		close(fd);
		poll(NULL, 0, 1);
	}
	fail_msg("somebody is attached for good");
	return -1;
}

struct old_client {
	int sock;
	uint16_t minor;
	uint32_t seq;
	struct channel ch; /* for its mappings */
};

static void old_attach(struct old_client *c, const struct old_hello *h)
{
	const struct msg_hello_reply *r;
	struct attach_packet pkt;
	int fds[MSG_NR_FDS];

	memset(c, 0, sizeof(*c));
	c->sock = say(h, &pkt);
	r = &pkt.m.hello_reply;
	assert_int_equal(r->h.error, 0);
	assert_int_equal(pkt.length, 96);
	assert_int_equal(pkt.nr_fds, 2);
	assert_int_equal(r->major, 0);
	c->minor = r->minor;
	assert_int_equal(r->features, 0);
	for (unsigned int i = 0; i < MSG_NR_FDS; i++)
		fds[i] = attach_packet_take(&pkt, i);
	assert_int_equal(channel_open(&c->ch, &r->geo, fds), 0);
	attach_packet_fini(&pkt);
}

static void old_detach(struct old_client *c)
{
	channel_fini(&c->ch);
	close(c->sock);
}

static uint64_t old_access(struct old_client *c, unsigned int lane, uint8_t op,
			   uint64_t address, uint64_t value)
{
	struct old_access a = { .address = address,
				.value = value,
				.seq = ++c->seq,
				.function = 0x0008,
				.space = 2, /* config */
				.size = 4,
				.op = op };
	struct channel_lane *l = &c->ch.lane[lane];
	struct old_completion answer;
	int patience = 20000;

	assert_int_equal(rte_ring_sp_enqueue_elem(l->request.r, &a, sizeof(a)),
			 0);
	wait_wake(&c->ch.head->service, c->ch.kick_fd);
	while (rte_ring_sc_dequeue_elem(l->completion.r, &answer,
					sizeof(answer))) {
		assert_true(patience-- > 0);
		poll(NULL, 0, 1);
	}
	assert_int_equal(answer.seq, a.seq);
	assert_int_equal(answer.status, 0);
	return answer.value;
}

/* More accesses than a ring has slots, on both lanes. */
static void old_works(struct old_client *c)
{
	uint64_t command;

	assert_int_equal(old_access(c, 0, 0, 0, 0) & 0xffff, 0x1af4);
	for (unsigned int i = 0; i < 100; i++) {
		command = i % 2 ? 2 : 6;
		old_access(c, i % 2, 1, 4, command);
		assert_int_equal(old_access(c, 1 - i % 2, 0, 4, 0) & 7,
				 command);
	}
}

/* ---- Older ones on the wire ------------------------------------------------- */

static void a_client_of_an_older_minor_gets_rings_and_works(void **state)
{
	struct old_hello h;
	struct old_client c;

	(void)state;
	for (uint16_t minor = 0; minor < 3; minor++) {
		h = old_hello(0, minor);
		old_attach(&c, &h);
		assert_int_equal(c.minor, minor);
		old_works(&c);
		old_detach(&c);
	}
}

/* It took what was agreed on for what it had asked for; there was nothing. */
static void a_client_of_0_2_is_not_given_what_it_cannot_know(void **state)
{
	struct old_hello h = old_hello(0, 2);
	struct old_client c;

	(void)state;
	h.features = UINT64_MAX;
	old_attach(&c, &h);
	old_works(&c);
	old_detach(&c);
}

static void a_client_of_0_2_has_its_irqchip(void **state)
{
	struct msg_line m = { .h = { .magic = MSG_MAGIC,
				     .type = MSG_LINE_CONTROL },
			      .kind = PCIRING_LINE_GSI,
			      .action = PCIRING_IRQ_MASK,
			      .number = 16 };
	struct old_hello h = old_hello(0, 2);
	struct attach_packet pkt;
	struct old_client c;

	(void)state;
	h.irqchip = PCIRING_IRQCHIP_LINES;
	old_attach(&c, &h);
	old_works(&c);
	send_bytes(c.sock, &m, sizeof(m));
	assert_int_equal(attach_recv(c.sock, &pkt), 1);
	assert_int_equal(pkt.m.h.error, 0);
	old_detach(&c);
}

static void a_client_of_another_major_is_refused(void **state)
{
	static const uint16_t minor[] = { 0, PCIRING_VERSION_MINOR, 0xffff };
	struct attach_packet pkt;
	struct old_hello h;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(minor); i++) {
		h = old_hello(1, minor[i]);
		int fd = say(&h, &pkt);

		assert_int_equal(pkt.m.h.error, -EPROTONOSUPPORT);
		assert_int_equal(pkt.nr_fds, 0);
		expect_end(fd);
	}
}

static void a_client_of_a_later_minor_is_served_as_one_of_ours(void **state)
{
	struct old_hello h = old_hello(0, PCIRING_VERSION_MINOR + 6);
	struct attach_packet pkt;
	int fd;

	(void)state;
	h.features = UINT64_MAX;
	fd = say(&h, &pkt);
	assert_int_equal(pkt.m.h.error, 0);
	assert_int_equal(pkt.m.hello_reply.minor, PCIRING_VERSION_MINOR);
	assert_int_equal(pkt.m.hello_reply.features, MSG_FEATURE_MAILBOX);
	attach_packet_fini(&pkt);
	close(fd);
}

/* ---- Older ones of the library -------------------------------------------------- */

static struct pciring *attach_old(const void *options)
{
	struct pciring *link = NULL;
	char path[PROCS_PATH];
	int err = -EBUSY;

	procs_path(&p, "attach.sock", path);
	for (int i = 0; err == -EBUSY && i < 5000; i++) {
		err = pciring_attach(path, options, &link);
		poll(NULL, 0, err == -EBUSY);
	}
	assert_int_equal(err, 0);
	return link;
}

static void
a_program_built_with_0_1_or_0_2_works_with_todays_library(void **state)
{
	struct options_0_1 first = { .size = sizeof(first),
				     .machine = "demo",
				     .lanes = 1,
				     .spin_ns = 20000 };
	struct options_0_2 second = { .first = first,
				      .irqchip = PCIRING_IRQCHIP_LINES };
	struct pciring *link;

	(void)state;
	/* Of its own, so that what follows it is not its neighbour's. */
	struct options_0_1 *alone = malloc(sizeof(*alone));

	*alone = first;
	link = attach_old(alone);
	free(alone);
	assert_int_equal(vendor(link), 0x1af4);
	assert_int_equal(pciring_line_control(link, PCIRING_LINE_GSI, 16,
					      PCIRING_IRQ_MASK),
			 -ENOENT);
	pciring_detach(link);

	second.first.size = sizeof(second);
	link = attach_old(&second);
	assert_int_equal(vendor(link), 0x1af4);
	assert_int_equal(pciring_line_control(link, PCIRING_LINE_GSI, 16,
					      PCIRING_IRQ_MASK),
			 0);
	pciring_detach(link);
}

static void both_paths_work_and_are_told(void **state)
{
	struct pciring_options opt = { .size = sizeof(opt),
				       .machine = "demo",
				       .lanes = 2,
				       .spin_ns = 20000 };
	struct pciring *link;

	(void)state;
	for (opt.path = PCIRING_PATH_MAILBOX; opt.path <= PCIRING_PATH_RINGS;
	     opt.path++) {
		link = attach_old(&opt);
		assert_int_equal(pciring_features(link),
				 opt.path == PCIRING_PATH_MAILBOX
					 ? PCIRING_FEATURE_MAILBOX
					 : 0);
		assert_int_equal(vendor(link), 0x1af4);
		pciring_detach(link);
	}
}

static void the_example_says_what_is_there(void **state)
{
	char args[300], out[200];
	int status, patience = 500;

	(void)state;
	snprintf(args, sizeof(args), "%s/attach.sock demo", p.dir);
	do
		status = service_program(out, sizeof(out),
					 "../docs/example-client", args);
	while (strstr(out, "busy") && patience--);
	assert_string_equal(out, "00:01.0 vendor 1af4 device 1044\n");
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_client_of_an_older_minor_gets_rings_and_works),
		cmocka_unit_test(
			a_client_of_0_2_is_not_given_what_it_cannot_know),
		cmocka_unit_test(a_client_of_0_2_has_its_irqchip),
		cmocka_unit_test(a_client_of_another_major_is_refused),
		cmocka_unit_test(
			a_client_of_a_later_minor_is_served_as_one_of_ours),
		cmocka_unit_test(
			a_program_built_with_0_1_or_0_2_works_with_todays_library),
		cmocka_unit_test(both_paths_work_and_are_told),
		cmocka_unit_test(the_example_says_what_is_there),
	};

	return cmocka_run_group_tests(tests, service_start, service_stop);
}
