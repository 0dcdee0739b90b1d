/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What else may connect to the attach socket: clients that break the protocol,
 * and the proxy's watch, packet by packet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/flow/service_rig.h"

/* ---- Clients that do not behave ---------------------------------------------------------------- */

/* The error in the answer to @h; the connection ends behind it. */
static int hello_error(const struct msg_hello *h)
{
	struct attach_packet pkt;
	int fd = raw_connect(), error;

	assert_int_equal(attach_send(fd, h, sizeof(*h), NULL, 0), 0);
	assert_int_equal(attach_recv(fd, &pkt), 1);
	assert_int_equal(pkt.m.h.id, 5);
	assert_int_equal(pkt.m.h.reply, 1);
	error = pkt.m.h.error;
	attach_packet_fini(&pkt);
	if (error)
		assert_int_equal(attach_recv(fd, &pkt), 0);
	close(fd);
	return error;
}

static void hello_that_asks_the_impossible_is_refused(void **state)
{
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);

	(void)state;
	h.major++;
	assert_int_equal(hello_error(&h), -EPROTONOSUPPORT);
	h = hello(PCIRING_SCOPE_MACHINE);
	h.lanes = 0;
	assert_int_equal(hello_error(&h), -EINVAL);
	h.lanes = PCIRING_MAX_LANES + 1;
	assert_int_equal(hello_error(&h), -EINVAL);
	h = hello(3);
	assert_int_equal(hello_error(&h), -EINVAL);
	h = hello(PCIRING_SCOPE_MACHINE);
	h.interrupts = 2;
	assert_int_equal(hello_error(&h), -EINVAL);
	h = hello(PCIRING_SCOPE_MACHINE);
	h.irqchip = PCIRING_IRQCHIP_SPLIT + 1;
	assert_int_equal(hello_error(&h), -EINVAL);
	/* An irqchip is for all the machine, and for messages of ours. */
	for (h.irqchip = PCIRING_IRQCHIP_LINES;
	     h.irqchip <= PCIRING_IRQCHIP_SPLIT; h.irqchip++) {
		h.scope = PCIRING_SCOPE_FUNCTION;
		h.interrupts = PCIRING_IRQ_NATIVE;
		assert_int_equal(hello_error(&h), -EINVAL);
		h.scope = PCIRING_SCOPE_MACHINE;
		h.interrupts = PCIRING_IRQ_REMOTE;
		assert_int_equal(hello_error(&h), -EINVAL);
	}
	h = hello(PCIRING_SCOPE_MACHINE);
	memset(h.machine, 'x', sizeof(h.machine));
	assert_int_equal(hello_error(&h), -EINVAL);
	h = hello(PCIRING_SCOPE_MACHINE);
	h.machine[0] = 'x';
	assert_int_equal(hello_error(&h), -ENOENT);
	h = hello(PCIRING_SCOPE_FUNCTION);
	h.function = 0x18;
	assert_int_equal(hello_error(&h), -ENOENT);
	h = hello(PCIRING_SCOPE_MACHINE);
	memset(h.name, 0xff, sizeof(h.name));
	assert_int_equal(hello_error(&h), 0);
}

/* Until the attachment before, which spoke for all the machine, has gone. */
static int patient_hello(const struct msg_hello *h, struct attach_packet *pkt)
{
	int fd;

	for (;;) {
		fd = raw_connect();
		send_bytes(fd, h, sizeof(*h));
		assert_int_equal(attach_recv(fd, pkt), 1);
		if (pkt->m.h.error != -EBUSY)
			return fd;
		close(fd);
		usleep(1000);
	}
}

static void versions_and_features_are_what_both_have(void **state)
{
	static const struct {
		uint16_t asked, got;
		uint64_t features;
	} minor[] = {
		{ 0, 0, 0 },
		{ 2, 2, 0 },
		{ PCIRING_VERSION_MINOR, PCIRING_VERSION_MINOR,
		  MSG_FEATURE_MAILBOX },
		{ 99, PCIRING_VERSION_MINOR, MSG_FEATURE_MAILBOX },
	};
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	struct attach_packet pkt;
	int fd;

	(void)state;
	h.features = UINT64_MAX;
	for (unsigned int i = 0; i < ARRAY_SIZE(minor); i++) {
		h.minor = minor[i].asked;
		fd = patient_hello(&h, &pkt);
		assert_int_equal(pkt.m.h.error, 0);
		assert_int_equal(pkt.m.hello_reply.major,
				 PCIRING_VERSION_MAJOR);
		assert_int_equal(pkt.m.hello_reply.minor, minor[i].got);
		/* One is all there is, and only for who can know of it. */
		assert_int_equal(pkt.m.hello_reply.features, minor[i].features);
		attach_packet_fini(&pkt);
		close(fd);
	}
}

/* What is the irqchip by now was reserved, and perhaps not zero. */
static void client_of_an_older_minor_has_no_irqchip(void **state)
{
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	struct msg_line m = { .h = { .magic = MSG_MAGIC,
				     .type = MSG_LINE_CONTROL },
			      .kind = PCIRING_LINE_GSI,
			      .number = 16 };
	struct attach_packet pkt;
	int fd;

	(void)state;
	h.minor = 1;
	for (h.irqchip = 0; h.irqchip < 5; h.irqchip++) {
		fd = patient_hello(&h, &pkt);
		assert_int_equal(pkt.m.h.error, 0);
		attach_packet_fini(&pkt);
		send_bytes(fd, &m, sizeof(m));
		assert_int_equal(attach_recv(fd, &pkt), 1);
		assert_int_equal(pkt.m.h.error, -ENOENT);
		close(fd);
	}
	/* Who knows of it has to mean it. */
	h.minor = MSG_IRQCHIP_MINOR;
	h.irqchip = PCIRING_IRQCHIP_SPLIT + 1;
	fd = patient_hello(&h, &pkt);
	assert_int_equal(pkt.m.h.error, -EINVAL);
	close(fd);
}

/* A raw connection that has said hello, for its own machine. */
static int raw_attach(void)
{
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	struct attach_packet pkt;
	int fd = raw_connect();

	memcpy(h.machine, "raw", 4);
	assert_int_equal(attach_send(fd, &h, sizeof(h), NULL, 0), 0);
	assert_int_equal(attach_recv(fd, &pkt), 1);
	assert_int_equal(pkt.m.h.error, 0);
	assert_int_equal(pkt.nr_fds, MSG_NR_FDS);
	attach_packet_fini(&pkt);
	return fd;
}

static void packets_without_sense_end_only_their_connection(void **state)
{
	struct msg_header early = { .magic = MSG_MAGIC, .type = MSG_DMA_UNMAP };
	struct msg_header answer = { .magic = MSG_MAGIC,
				     .type = MSG_DMA_UNMAP,
				     .reply = 1 };
	struct msg_hello again = hello(PCIRING_SCOPE_MACHINE);
	struct pciring *link;
	char junk[4096];
	int fd;

	(void)state;
	memset(junk, 0x5a, sizeof(junk));
	assert_int_equal(
		procs_rpc(&p, "machine.create", "{\"name\":\"raw\"}", NULL), 0);
	link = attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE);

	fd = raw_connect();
	send_bytes(fd, junk, 1);
	expect_end(fd);
	fd = raw_connect();
	send_bytes(fd, &early, sizeof(early));
	expect_end(fd);
	fd = raw_connect();
	send_bytes(fd, &answer, sizeof(answer));
	expect_end(fd);
	fd = raw_attach();
	send_bytes(fd, junk, sizeof(junk));
	expect_end(fd);
	fd = raw_attach();
	send_bytes(fd, &again, sizeof(again));
	expect_end(fd);
	fd = raw_attach();
	send_bytes(fd, &answer, sizeof(answer));
	expect_end(fd);
	/* Cut off: it has no region in it. */
	fd = raw_attach();
	send_bytes(fd, &early, sizeof(early));
	expect_end(fd);

	assert_int_equal(vendor(link), 0x1af4);
	assert_int_equal(pciring_status(link), 0);
	pciring_detach(link);
	assert_int_equal(procs_rpc(&p, "machine.destroy",
				   "{\"name\":\"raw\",\"force\":true}", NULL),
			 0);
}

static void type_that_is_not_known_is_answered_so(void **state)
{
	struct msg_header later = { .magic = MSG_MAGIC, .type = 999, .id = 9 };
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	struct attach_packet pkt;
	int fd = raw_connect();

	(void)state;
	send_bytes(fd, &h, sizeof(h));
	assert_int_equal(attach_recv(fd, &pkt), 1);
	attach_packet_fini(&pkt);
	send_bytes(fd, &later, sizeof(later));
	assert_int_equal(attach_recv(fd, &pkt), 1);
	assert_int_equal(pkt.m.h.error, -EOPNOTSUPP);
	assert_int_equal(pkt.m.h.id, 9);
	close(fd);
}

static void name_that_is_no_text_is_still_a_name(void **state)
{
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	struct attach_packet pkt;
	json_t *stats, *link;
	int fd = raw_connect();

	(void)state;
	memset(h.name, 0xff, sizeof(h.name));
	send_bytes(fd, &h, sizeof(h));
	assert_int_equal(attach_recv(fd, &pkt), 1);
	attach_packet_fini(&pkt);
	assert_int_equal(
		procs_rpc(&p, "stats.get", "{\"machine\":\"demo\"}", &stats),
		0);
	link = json_array_get(json_object_get(stats, "links"), 0);
	assert_true(json_is_string(json_object_get(link, "name")));
	json_decref(stats);
	close(fd);
}

static void client_that_does_not_read_its_answers_is_dropped(void **state)
{
	struct msg_function request = {
		.h = { .magic = MSG_MAGIC, .type = MSG_FUNCTION_INFO },
		.function = BDF,
	};
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	json_int_t before = attach_counter("slow");
	int fd = raw_connect(), sent = 0;

	(void)state;
	send_bytes(fd, &h, sizeof(h));
	while (sent < 100000 &&
	       send(fd, &request, sizeof(request), MSG_NOSIGNAL) > 0)
		sent++;
	assert_true(sent < 100000);
	close(fd);
	assert_int_equal(attach_counter("slow"), before + 1);
	pciring_detach(attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE));
}

static void descriptors_of_refused_packets_are_closed(void **state)
{
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	struct msg_dma dma = {
		.h = { .magic = MSG_MAGIC, .type = MSG_DMA_MAP },
		.gpa = 4096,
		.size = 4096,
		.flags = 0x10, /* unknown */
	};
	struct attach_packet pkt;
	struct held before;
	uint8_t *mem;
	int fd = raw_connect(), ram = make_ram(&mem);
	int two[2] = { ram, ram };

	(void)state;
	send_bytes(fd, &h, sizeof(h));
	assert_int_equal(attach_recv(fd, &pkt), 1);
	attach_packet_fini(&pkt);
	before = held_at_rest();
	for (unsigned int n = 1; n <= 2; n++) {
		dma.flags = n == 1 ? 0x10 : PCIRING_DMA_READ;
		attach_send(fd, &dma, sizeof(dma), two, n);
		assert_int_equal(attach_recv(fd, &pkt), 1);
		assert_int_equal(pkt.m.h.error, -EINVAL);
	}
	dma.size = 0;
	attach_send(fd, &dma, sizeof(dma), &ram, 1);
	assert_int_equal(attach_recv(fd, &pkt), 1);
	assert_int_equal(pkt.m.h.error, -EINVAL);
	holds_again(before);
	close(fd);
	munmap(mem, RAM_SIZE);
	close(ram);
}

/* ---- The proxy's watch ------------------------------------------------------------------------- */

static const char *shown_state(char *text, size_t room)
{
	const char *word;
	json_t *m, *f;

	assert_int_equal(procs_rpc(&p, "machine.show", MACHINE, &m), 0);
	f = json_array_get(json_object_get(m, "functions"), 0);
	word = json_string_value(
		json_object_get(json_object_get(f, "socket"), "state"));
	snprintf(text, room, "%s", word ? word : "none");
	json_decref(m);
	return text;
}

static void expect_socket(int fd, enum msg_type type, struct msg_socket *out)
{
	struct attach_packet pkt;

	assert_int_equal(attach_recv(fd, &pkt), 1);
	assert_int_equal(pkt.m.h.type, type);
	assert_int_equal(pkt.m.h.reply, 0);
	assert_int_equal(pkt.m.socket.function, BDF);
	assert_string_equal(pkt.m.socket.path, "/tmp/demo-socket");
	*out = pkt.m.socket;
}

static void watcher_is_told_and_what_it_reports_is_shown(void **state)
{
	static const char create[] =
		"{\"machine\":\"demo\",\"address\":\"00:01.0\",\"path\":"
		"\"/tmp/demo-socket\"}";
	static const char destroy[] =
		"{\"machine\":\"demo\",\"address\":\"00:01.0\"}";
	struct msg_hello h = hello(MSG_SCOPE_WATCH);
	struct attach_packet pkt;
	struct msg_socket s;
	char text[32];
	int fd;

	(void)state;
	assert_int_equal(procs_rpc(&p, "socket.create", create, NULL), 0);
	assert_string_equal(shown_state(text, sizeof(text)), "no proxy");
	fd = raw_connect();
	send_bytes(fd, &h, sizeof(h));
	assert_int_equal(attach_recv(fd, &pkt), 1);
	assert_int_equal(pkt.m.h.error, 0);
	assert_int_equal(pkt.nr_fds, 0);
	expect_socket(fd, MSG_SOCKET_ADD, &s);
	assert_int_equal(hello_error(&h), -EBUSY);

	s.h.type = MSG_SOCKET_STATE;
	s.state = MSG_SOCKET_BUSY;
	send_bytes(fd, &s, sizeof(s));
	for (int i = 0; i < 500 && strcmp(shown_state(text, 32), "busy"); i++)
		usleep(1000);
	assert_string_equal(shown_state(text, sizeof(text)), "busy");

	assert_int_equal(procs_rpc(&p, "socket.destroy", destroy, NULL), 0);
	expect_socket(fd, MSG_SOCKET_DEL, &s);
	assert_int_equal(procs_rpc(&p, "socket.create", create, NULL), 0);
	expect_socket(fd, MSG_SOCKET_ADD, &s);
	assert_string_equal(shown_state(text, sizeof(text)), "told");
	close(fd);
	for (int i = 0; i < 500 && strcmp(shown_state(text, 32), "no proxy");
	     i++)
		usleep(1000);
	assert_string_equal(shown_state(text, sizeof(text)), "no proxy");
	assert_int_equal(procs_rpc(&p, "socket.destroy", destroy, NULL), 0);
}

static void socket_of_the_proxys_own_is_shown_while_it_lives(void **state)
{
	struct msg_hello h = hello(MSG_SCOPE_WATCH);
	struct msg_socket s = {
		.h = { .magic = MSG_MAGIC, .type = MSG_SOCKET_STATE },
		.function = BDF,
		.state = MSG_SOCKET_LISTENS,
		.path = "/tmp/its-own",
	};
	json_t *config;
	char text[32];
	int fd = raw_connect();

	(void)state;
	assert_string_equal(shown_state(text, sizeof(text)), "none");
	send_bytes(fd, &h, sizeof(h));
	send_bytes(fd, &s, sizeof(s));
	for (int i = 0; i < 500 && strcmp(shown_state(text, 32), "listens");
	     i++)
		usleep(1000);
	assert_string_equal(shown_state(text, sizeof(text)), "listens");
	/* It is not ours to write back. */
	assert_int_equal(procs_rpc(&p, "config.get", "{}", &config), 0);
	assert_int_equal(json_array_size(config), 2);
	json_decref(config);
	close(fd);
	for (int i = 0; i < 500 && strcmp(shown_state(text, 32), "none"); i++)
		usleep(1000);
	assert_string_equal(shown_state(text, sizeof(text)), "none");
}

static void report_without_sense_ends_the_watch(void **state)
{
	struct msg_hello h = hello(MSG_SCOPE_WATCH);
	struct msg_socket s = {
		.h = { .magic = MSG_MAGIC, .type = MSG_SOCKET_STATE },
		.state = 17,
	};
	int fd = raw_connect();

	(void)state;
	send_bytes(fd, &h, sizeof(h));
	send_bytes(fd, &s, sizeof(s));
	expect_end(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_that_asks_the_impossible_is_refused),
		cmocka_unit_test(versions_and_features_are_what_both_have),
		cmocka_unit_test(client_of_an_older_minor_has_no_irqchip),
		cmocka_unit_test(
			packets_without_sense_end_only_their_connection),
		cmocka_unit_test(type_that_is_not_known_is_answered_so),
		cmocka_unit_test(name_that_is_no_text_is_still_a_name),
		cmocka_unit_test(
			client_that_does_not_read_its_answers_is_dropped),
		cmocka_unit_test(descriptors_of_refused_packets_are_closed),
		cmocka_unit_test(watcher_is_told_and_what_it_reports_is_shown),
		cmocka_unit_test(
			socket_of_the_proxys_own_is_shown_while_it_lives),
		cmocka_unit_test(report_without_sense_ends_the_watch),
	};

	return cmocka_run_group_tests(tests, service_start, service_stop);
}
