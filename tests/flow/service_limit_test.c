/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one VMM may hold: at each limit it works, one more is refused with an
 * errno and a line that names the option, nothing is leaked, others go on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "apps/pciringd/limits.h"
#include "tests/flow/service_rig.h"

static const char *const small[] = { "--log-level",
				     "warn",
				     "--idle",
				     "50",
				     "--max-attachments",
				     "3",
				     "--max-lanes",
				     "8",
				     "--max-files",
				     "2",
				     "--max-vectors",
				     "3",
				     "--max-lines",
				     "2",
				     "--max-regions",
				     "4",
				     "--max-memory",
				     "64K",
				     NULL };

static int log_fd;

/* What the service says goes to a file of ours from now on. */
static pid_t start_logged(const char *const *args)
{
	int err2 = dup(STDERR_FILENO);
	pid_t pid;

	log_fd = memfd_create("log", 0);
	dup2(log_fd, STDERR_FILENO);
	/* It appends, so that we may read from the start. */
	fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
	pid = procs_start(&p, "pciringd", args);
	dup2(err2, STDERR_FILENO);
	close(err2);
	return pid;
}

static bool said(const char *words)
{
	char text[65536];
	ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return strstr(text, words);
}

static void plug(const char *machine, const char *address)
{
	char params[160];

	snprintf(params, sizeof(params),
		 "{\"machine\":\"%s\",\"address\":\"%s\",\"device\":\"rng\"}",
		 machine, address);
	assert_int_equal(procs_rpc(&p, "function.create", params, NULL), 0);
}

/* "demo" with four functions, "other" with one. */
static int start(const char *const *args)
{
	char address[16];

	if (procs_init(&p))
		return 1;
	p.service = start_logged(args);
	if (p.service < 0 || procs_rpc(&p, "machine.create", MACHINE, NULL) ||
	    procs_rpc(&p, "machine.create", "{\"name\":\"other\"}", NULL))
		return 1;
	for (unsigned int i = 1; i <= 4; i++) {
		snprintf(address, sizeof(address), "00:%02x.0", i);
		plug("demo", address);
	}
	plug("other", "00:01.0");
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return start(small);
}

static int tear_down(void **state)
{
	(void)state;
	close(log_fd);
	return procs_fini(&p);
}

/* Function @i of "demo", interrupts remote. */
static int attach_to(unsigned int i, unsigned int lanes, struct pciring **out)
{
	const struct pciring_options opt = {
		.size = sizeof(opt),
		.machine = "demo",
		.scope = PCIRING_SCOPE_FUNCTION,
		.function = (uint16_t)(i << 3),
		.lanes = (uint16_t)lanes,
		.interrupts = PCIRING_IRQ_REMOTE,
	};
	char path[PROCS_PATH];

	return pciring_attach(procs_path(&p, "attach.sock", path), &opt, out);
}

static struct pciring *other(void)
{
	const struct pciring_options opt = { .size = sizeof(opt),
					     .machine = "other",
					     .lanes = 8 };
	struct pciring *link;
	char path[PROCS_PATH];

	assert_int_equal(pciring_attach(procs_path(&p, "attach.sock", path),
					&opt, &link),
			 0);
	return link;
}

/* ---- Attachments and lanes ---------------------------------------------------- */

static void attachments_of_a_machine_are_limited(void **state)
{
	struct pciring *link[3], *more, *another;
	struct held before, full;

	(void)state;
	before = held_at_rest();
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(attach_to(i + 1, 1, &link[i]), 0);
	full = held_at_rest();
	assert_int_equal(attach_to(4, 1, &more), -ENOSPC);
	assert_true(said("demo: refused: more than 3 attachments "
			 "(--max-attachments allows more)"));
	holds_again(full);
	/* Those that are there, and other machines, do not notice. */
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(pciring_status(link[i]), 0);
	assert_int_equal(vendor(link[0]), 0x1af4);
	another = other();
	assert_int_equal(vendor(another), 0x1af4);
	pciring_detach(another);
	pciring_detach(link[0]);
	holds_again((struct held){ full.fds - (full.fds - before.fds) / 3,
				   full.maps - (full.maps - before.maps) / 3 });
	assert_int_equal(attach_to(4, 1, &link[0]), 0);
	for (unsigned int i = 0; i < 3; i++)
		pciring_detach(link[i]);
	holds_again(before);
}

static void lanes_of_a_machine_are_limited(void **state)
{
	struct held before = held_at_rest(), full;
	struct pciring *link[2], *more;

	(void)state;
	assert_int_equal(attach_to(1, 9, &more), -ENOSPC);
	assert_int_equal(attach_to(1, 5, &link[0]), 0);
	assert_int_equal(attach_to(2, 4, &more), -ENOSPC);
	assert_true(said("demo: refused: more than 8 lanes"));
	assert_int_equal(attach_to(2, 3, &link[1]), 0);
	full = held_at_rest();
	assert_int_equal(attach_to(3, 1, &more), -ENOSPC);
	holds_again(full);
	assert_int_equal(vendor(link[0]), 0x1af4);
	pciring_detach(link[0]);
	pciring_detach(link[1]);
	holds_again(before);
	/* All of them are there for the next. */
	assert_int_equal(attach_to(1, 8, &link[0]), 0);
	pciring_detach(link[0]);
}

/* ---- Memory ------------------------------------------------------------------- */

static int small_file(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 4096), 0);
	return fd;
}

static void files_are_mapped_once_and_limited(void **state)
{
	const int fd[] = { small_file(), small_file(), small_file() };
	struct pciring *link, *second;
	struct held before, one;
	json_int_t counted;

	(void)state;
	assert_int_equal(attach_to(1, 1, &link), 0);
	one = held_at_rest();
	counted = limit_counter("mappings");
	assert_int_equal(attach_to(2, 1, &second), 0);
	before = held_at_rest();
	/* However many regions of it, and by whichever link. */
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(
			pciring_dma_map(link, i << 20, 4096, fd[0], 0, 3), 0);
	assert_int_equal(pciring_dma_map(second, 0, 4096, fd[0], 0, 3), 0);
	assert_int_equal(held().maps, before.maps + 1);
	assert_int_equal(held().fds, before.fds);
	assert_int_equal(pciring_dma_map(second, 1 << 20, 4096, fd[1], 0, 3),
			 0);
	assert_int_equal(held().maps, before.maps + 2);
	assert_int_equal(pciring_dma_map(link, 3 << 20, 4096, fd[2], 0, 3),
			 -ENOSPC);
	assert_true(said("demo: refused: more than 2 files of guest memory"));
	assert_int_equal(held().maps, before.maps + 2);
	assert_int_equal(held().fds, before.fds);
	/* One that is there already takes regions still. */
	assert_int_equal(pciring_dma_map(link, 3 << 20, 4096, fd[1], 0, 3), 0);
	assert_int_equal(pciring_dma_map(link, 4 << 20, 4096, fd[1], 0, 3),
			 -ENOSPC);
	assert_true(said("demo: refused: more than 4 regions"));
	assert_int_equal(pciring_dma_map(second, 2 << 20, 65536, fd[1], 0, 3),
			 -ENOSPC);
	assert_true(said("demo: refused: more than 65536 bytes of guest memo"));
	pciring_detach(second);
	pciring_dma_unmap_all(link);
	holds_again(one);
	assert_int_equal(limit_counter("mappings"), counted);
	/* More bytes than it may have, but one after the other. */
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(pciring_dma_map(link, 0, 4096, fd[2], 0, 3),
				 0);
		assert_int_equal(pciring_dma_unmap(link, 0, 4096), 0);
	}
	assert_int_equal(pciring_dma_map(link, 0, 4096, fd[2], 0, 3), 0);
	assert_int_equal(limit_counter("mappings"), counted + LIMITS_FILE);
	pciring_detach(link);
	for (unsigned int i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
}

/* ---- Eventfds ----------------------------------------------------------------- */

static void bound_vectors_of_a_machine_are_limited(void **state)
{
	const int fds[] = { eventfd(0, 0), eventfd(0, 0) };
	struct pciring *link, *second;
	struct held full;

	(void)state;
	assert_int_equal(attach_to(1, 1, &link), 0);
	assert_int_equal(attach_to(2, 1, &second), 0);
	assert_int_equal(pciring_irq_bind(link, 0x08, 0, 2, fds), 0);
	assert_int_equal(pciring_irq_bind(second, 0x10, 0, 2, fds), -ENOSPC);
	assert_true(said("demo: refused: more than 3 bound vectors"));
	/* All or nothing. */
	assert_int_equal(pciring_irq_bind(second, 0x10, 1, 1, fds), 0);
	full = held_at_rest();
	assert_int_equal(pciring_irq_bind(second, 0x10, 0, 1, fds), -ENOSPC);
	/* What replaces another is no more than there was. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(pciring_irq_bind(link, 0x08, 0, 2, fds), 0);
	holds_again(full);
	assert_int_equal(pciring_irq_bind(link, 0x08, 0, 1, NULL), 0);
	assert_int_equal(pciring_irq_bind(second, 0x10, 0, 1, fds), 0);
	/* What goes with its link is bound no more. */
	pciring_detach(link);
	while (attach_to(1, 1, &link))
		usleep(1000);
	assert_int_equal(pciring_irq_bind(link, 0x08, 0, 1, fds), 0);
	assert_int_equal(pciring_irq_bind(link, 0x08, 1, 1, fds), -ENOSPC);
	assert_int_equal(vendor(link), 0x1af4);
	pciring_detach(second);
	pciring_detach(link);
	close(fds[0]);
	close(fds[1]);
}

static void bound_lines_of_a_machine_are_limited(void **state)
{
	const int fd = eventfd(0, 0), end = eventfd(0, 0);
	struct held before = held_at_rest(), full;
	struct pciring *link[3];

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(attach_to(i + 1, 1, &link[i]), 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pciring_line_bind(link[i], PCIRING_LINE_INTX,
						   (i + 1) << 3, fd, end),
				 0);
	full = held_at_rest();
	assert_int_equal(
		pciring_line_bind(link[2], PCIRING_LINE_INTX, 0x18, fd, end),
		-ENOSPC);
	assert_true(said("demo: refused: more than 2 bound lines"));
	holds_again(full);
	/* Again is not more. */
	assert_int_equal(
		pciring_line_bind(link[0], PCIRING_LINE_INTX, 0x08, fd, end),
		0);
	assert_int_equal(
		pciring_line_bind(link[0], PCIRING_LINE_INTX, 0x08, -1, -1), 0);
	assert_int_equal(
		pciring_line_bind(link[2], PCIRING_LINE_INTX, 0x18, fd, -1), 0);
	for (unsigned int i = 0; i < 3; i++)
		pciring_detach(link[i]);
	holds_again(before);
	close(fd);
	close(end);
}

/* ---- All machines together ---------------------------------------------------- */

/* Of any kind, not of memfds only. */
static unsigned int mappings(void)
{
	char path[64], line[512];
	unsigned int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", p.service);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		n++;
	if (f)
		fclose(f);
	return n;
}

static void attachment_costs_what_is_counted(void **state)
{
	const char *const args[] = { "--log-level", "warn", "--idle", "50",
				     NULL };
	unsigned int before;
	struct pciring *link;

	(void)state;
	assert_int_equal(tear_down(NULL), 0);
	assert_int_equal(start(args), 0);
	before = mappings();
	assert_int_equal(limit_counter("mappings"), 0);
	assert_int_equal(attach_to(1, 64, &link), 0);
	assert_int_equal(limit_counter("mappings"), attachment_mappings(64));
	/* The kernel joins what is alike and adjacent; the heap may grow, and a
	 * sanitizer's shadow of it. */
	assert_in_range(mappings() - before, attachment_mappings(64) / 2,
			attachment_mappings(64) * 9 / 8);
	pciring_detach(link);
	while (limit_counter("mappings"))
		usleep(1000);
	/* What a machine can have at most is far below what there is. */
	assert_true((limit_counter("lanes") + limit_counter("attachments")) *
				    5 +
			    limit_counter("files") * LIMITS_FILE <
		    limit_counter("most_mappings") / 5);
}

static void create_machine(unsigned int i)
{
	char params[40];

	snprintf(params, sizeof(params), "{\"name\":\"m%u\"}", i);
	assert_int_equal(procs_rpc(&p, "machine.create", params, NULL), 0);
}

static int attach_machine(unsigned int i, struct pciring **out)
{
	char name[16], path[PROCS_PATH];
	const struct pciring_options opt = { .size = sizeof(opt),
					     .machine = name,
					     .lanes = 1 };

	snprintf(name, sizeof(name), "m%u", i);
	return pciring_attach(procs_path(&p, "attach.sock", path), &opt, out);
}

/* A connection with 64 lanes that maps nothing itself; or the error. */
static int raw_attach(unsigned int i)
{
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	struct attach_packet pkt;
	int err, fd = raw_connect();

	h.lanes = PCIRING_MAX_LANES;
	snprintf(h.machine, sizeof(h.machine), "m%u", i);
	create_machine(i);
	send_bytes(fd, &h, sizeof(h));
	assert_int_equal(attach_recv(fd, &pkt), 1);
	err = pkt.m.h.error;
	attach_packet_fini(&pkt);
	if (!err)
		return fd;
	close(fd);
	return err;
}

static void mappings_run_out_for_newcomers_only(void **state)
{
	const char *const args[] = { "--log-level", "warn", "--idle", "50",
				     NULL };
	static int fd[512];
	json_int_t most;
	unsigned int base;
	struct pciring *link;
	unsigned int n = 0;

	(void)state;
	assert_int_equal(tear_down(NULL), 0);
	assert_int_equal(start(args), 0);
	most = limit_counter("most_mappings");
	base = mappings();
	if (most > (json_int_t)(ARRAY_SIZE(fd) * attachment_mappings(64))) {
		puts("vm.max_map_count is too large to be reached here");
		skip();
	}
	assert_int_equal(attach_to(1, 1, &link), 0);
	while ((fd[n] = raw_attach(n)) >= 0)
		n++;
	assert_int_equal(fd[n], -ENOMEM);
	assert_true(said("refused: all machines together have"));
	/* What it counted is what there is, give or take what the kernel joins
	 * and the heap takes. */
	assert_in_range(limit_counter("mappings"),
			most - attachment_mappings(64), most);
	assert_in_range(mappings() - base, most / 2, most + most / 8);
	assert_int_equal(vendor(link), 0x1af4);
	while (n)
		close(fd[--n]);
	while (limit_counter("mappings") > attachment_mappings(1))
		usleep(1000);
	pciring_detach(link);
}

/* With few descriptors the service refuses before the kernel does. */
static void descriptors_run_out_for_newcomers_only(void **state)
{
	const char *const args[] = { "--log-level", "warn", "--idle", "50",
				     NULL };
	/* The service raises its own as far as the hard one goes, which we
	 * cannot raise again: so this test is the last. */
	const struct rlimit few = { 256, 256 };
	struct pciring *link, *more[80];
	const int fd = eventfd(0, 0);
	unsigned int n = 0;
	int err;

	(void)state;
	assert_int_equal(tear_down(NULL), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(start(args), 0);
	assert_int_equal(limit_counter("most_fds"), 224);
	assert_int_equal(attach_to(1, 1, &link), 0);
	/* Each machine within its limits, until there are too many even when
	 * no connection that only asked something is open any more. */
	for (;; n++) {
		assert_in_range(n, 0, ARRAY_SIZE(more) - 1);
		create_machine(n);
		if (!attach_machine(n, &more[n]))
			continue;
		held_at_rest();
		err = attach_machine(n, &more[n]);
		if (err)
			break;
	}
	assert_int_equal(err, -ENFILE);
	assert_in_range(n, 40, 70);
	assert_true(said("refused: all clients together have 224 descriptors"));
	assert_in_range(held_at_rest().fds, 210, 225);
	/* At most two are left; to bind one takes two for a moment. */
	err = 0;
	for (unsigned int v = 0; v < 2 && !err; v++)
		err = pciring_irq_bind(link, 0x08, v, 1, &fd);
	if (!err)
		err = pciring_line_bind(link, PCIRING_LINE_INTX, 0x08, fd, -1);
	assert_int_equal(err, -ENFILE);
	assert_int_equal(vendor(link), 0x1af4);
	assert_int_equal(pciring_status(more[0]), 0);
	pciring_detach(more[--n]);
	while (attach_machine(n, &more[n]))
		usleep(1000);
	assert_int_equal(pciring_status(more[n]), 0);
	pciring_detach(link);
	for (unsigned int i = 0; i <= n; i++)
		pciring_detach(more[i]);
	close(fd);
}

int main(void)
{
#define ALONE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ALONE(attachments_of_a_machine_are_limited),
		ALONE(lanes_of_a_machine_are_limited),
		ALONE(files_are_mapped_once_and_limited),
		ALONE(bound_vectors_of_a_machine_are_limited),
		ALONE(bound_lines_of_a_machine_are_limited),
		ALONE(attachment_costs_what_is_counted),
		ALONE(mappings_run_out_for_newcomers_only),
		ALONE(descriptors_run_out_for_newcomers_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
