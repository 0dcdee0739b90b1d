/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients of a real service that behave: through libpciring, and with a
 * guest's driver behind it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/flow/service_guest.h"
#include "tests/flow/service_rig.h"

static void warm_up(void)
{
	/* What a first client costs for good: threads' own descriptors. */
	pciring_detach(attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE));
}

/* ---- Clients that behave ---------------------------------------------------------- */

static void client_comes_and_goes_and_nothing_is_held(void **state)
{
	struct held before, during;
	struct pciring *link;
	uint8_t *mem;
	int fd;

	(void)state;
	warm_up();
	before = held_at_rest();
	for (int i = 0; i < 5; i++) {
		link = attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE);
		assert_int_equal(vendor(link), 0x1af4);
		fd = make_ram(&mem);
		assert_int_equal(
			pciring_dma_map(link, RAM_GPA, RAM_SIZE / 2, fd, 0, 3),
			0);
		assert_int_equal(pciring_dma_map(link, 2 * RAM_GPA,
						 RAM_SIZE / 2, fd, RAM_SIZE / 2,
						 3),
				 0);
		during = held();
		assert_true(during.fds > before.fds);
		assert_true(during.maps > before.maps);
		pciring_detach(link);
		munmap(mem, RAM_SIZE);
		close(fd);
		holds_again(before);
	}
}

static void client_that_is_killed_leaves_nothing(void **state)
{
	struct held before;
	struct pciring *link;
	uint8_t *mem;
	char byte;
	int fd, say[2], event;
	pid_t pid;

	(void)state;
	warm_up();
	before = held_at_rest();
	assert_int_equal(pipe(say), 0);
	pid = fork();
	if (pid == 0) {
		link = attach_ok(PCIRING_SCOPE_FUNCTION, PCIRING_IRQ_REMOTE);
		fd = make_ram(&mem);
		event = eventfd(0, EFD_NONBLOCK);
		if (pciring_dma_map(link, RAM_GPA, RAM_SIZE, fd, 0, 3) ||
		    pciring_irq_bind(link, BDF, 0, 1, &event))
			_exit(1);
		if (write(say[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(say[1]);
	assert_int_equal(read(say[0], &byte, 1), 1);
	assert_true(held().fds > before.fds + 3);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(say[0]);
	holds_again(before);
	link = attach_ok(PCIRING_SCOPE_FUNCTION, PCIRING_IRQ_REMOTE);
	assert_int_equal(vendor(link), 0x1af4);
	pciring_detach(link);
}

static void memory_taken_back_is_unmapped_when_the_call_returns(void **state)
{
	struct held empty, full;
	struct pciring *link;
	uint8_t *mem;
	int fd;

	(void)state;
	link = attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE);
	fd = make_ram(&mem);
	empty = held_at_rest();
	for (uint64_t i = 0; i < 200; i++)
		assert_int_equal(
			pciring_dma_map(link, i << 20, 4096, fd, i * 4096, 3),
			0);
	full = held();
	assert_int_equal(full.maps, empty.maps + 1);
	assert_int_equal(pciring_dma_map(link, 4095, 2, fd, 0, 3), -EEXIST);
	assert_int_equal(pciring_dma_unmap(link, 0, 8192), -ENOENT);
	assert_int_equal(pciring_dma_unmap(link, 0, 4096), 0);
	assert_int_equal(pciring_dma_unmap(link, 0, 4096), -ENOENT);
	assert_int_equal(held().maps, full.maps);
	assert_int_equal(pciring_dma_unmap_all(link), 0);
	assert_int_equal(held().maps, empty.maps);
	assert_int_equal(pciring_dma_unmap_all(link), 0);
	pciring_detach(link);
	munmap(mem, RAM_SIZE);
	close(fd);
}

static void one_link_speaks_for_a_function(void **state)
{
	struct pciring *link, *other;

	(void)state;
	link = attach_ok(PCIRING_SCOPE_FUNCTION, PCIRING_IRQ_REMOTE);
	assert_int_equal(attach(PCIRING_SCOPE_FUNCTION, 0, &other), -EBUSY);
	assert_int_equal(attach(PCIRING_SCOPE_MACHINE, 0, &other), -EBUSY);
	assert_int_equal(vendor(link), 0x1af4);
	pciring_detach(link);
}

static void eventfds_are_bound_triggered_and_unbound(void **state)
{
	struct pciring *link;
	int fds[2] = { eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) };
	int ram, pipe_fds[2];
	uint64_t count;
	uint8_t *mem;

	(void)state;
	link = attach_ok(PCIRING_SCOPE_FUNCTION, PCIRING_IRQ_REMOTE);
	assert_int_equal(pciring_irq_bind(link, BDF, 0, 2, fds), 0);
	assert_int_equal(
		pciring_irq_control(link, BDF, 1, 1, PCIRING_IRQ_TRIGGER), 0);
	assert_int_equal(read(fds[1], &count, 8), 8);
	assert_int_equal(count, 1);
	assert_int_equal(read(fds[0], &count, 8), -1);
	assert_int_equal(pciring_irq_bind(link, BDF, 1, 2, fds), -ERANGE);
	assert_int_equal(pciring_irq_control(link, BDF, 2, 1, 0), -ERANGE);
	assert_int_equal(pciring_irq_control(link, BDF, 0, 1, 77), -EINVAL);
	assert_int_equal(pciring_irq_bind(link, BDF + 8, 0, 1, fds), -ENOENT);
	/* What is no eventfd, and what would block if written. */
	ram = make_ram(&mem);
	assert_int_equal(pciring_irq_bind(link, BDF, 0, 1, &ram), -EINVAL);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(pciring_irq_bind(link, BDF, 0, 1, &pipe_fds[1]),
			 -EINVAL);
	assert_int_equal(pciring_irq_bind(link, BDF, 0, 2, NULL), 0);
	pciring_detach(link);
	munmap(mem, RAM_SIZE);
	close(ram);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	close(fds[0]);
	close(fds[1]);
}

static void example_client_reads_the_vendor_id(void **state)
{
	const char *build = getenv("PCIRING_BUILD");
	char self[PATH_MAX] = "", command[PATH_MAX + 300], line[128] = "";
	FILE *f;

	(void)state;
	if (!build) {
		assert_true(readlink("/proc/self/exe", self, PATH_MAX - 1) > 0);
		*strrchr(self, '/') = '\0';
		*strrchr(self, '/') = '\0';
	}
	snprintf(command, sizeof(command),
		 "%s/docs/example-client %s/attach.sock demo",
		 build ? build : self, p.dir);
	f = popen(command, "re");
	assert_non_null(f);
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	assert_int_equal(pclose(f), 0);
	assert_string_equal(line, "00:01.0 vendor 1af4 device 1044\n");
}

/* ---- A guest behind the client library ------------------------------------------------ */

static void guest_draws_bytes_and_the_counters_agree(void **state)
{
	struct pciring_irq irq[64];
	struct pciring *link;
	json_t *before, *after, *f, *b;
	struct guest *g = calloc(1, sizeof(*g));
	unsigned int irqs = 0;
	uint8_t *mem;
	int fd;

	(void)state;
	assert_int_equal(
		procs_rpc(&p, "stats.get", "{\"machine\":\"demo\"}", &before),
		0);
	link = attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE);
	fd = make_ram(&mem);
	assert_int_equal(pciring_dma_map(link, RAM_GPA, RAM_SIZE, fd, 0, 3), 0);
	service_guest_boot(g, link, mem, true);
	for (int i = 0; i < 20; i++) {
		service_guest_draw(g, 512);
		assert_true(pciring_irq_wait(link, 1000) == 1);
		irqs += (unsigned int)pciring_irq_poll(link, irq, 64);
		assert_int_equal(irq[0].data, 0x41);
		assert_int_equal(irq[0].requester_id, BDF);
		assert_int_equal(irq[0].number, 1);
	}
	assert_int_equal(
		procs_rpc(&p, "stats.get", "{\"machine\":\"demo\"}", &after),
		0);
	b = json_array_get(json_object_get(before, "functions"), 0);
	f = json_array_get(json_object_get(after, "functions"), 0);
	assert_int_equal(counter(f, "chains") - counter(b, "chains"), 20);
	assert_int_equal(counter(f, "bytes") - counter(b, "bytes"), 20 * 512);
	assert_int_equal(counter(f, "interrupts") - counter(b, "interrupts"),
			 irqs);
	assert_int_equal(counter(f, "needs_reset"), counter(b, "needs_reset"));
	json_decref(before);
	json_decref(after);
	pciring_detach(link);
	munmap(mem, RAM_SIZE);
	close(fd);
	free(g);
}

static void truncated_memory_under_a_live_queue_harms_nobody(void **state)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct pciring *link;
	uint8_t *mem;
	int fd;

	(void)state;
	link = attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE);
	fd = make_ram(&mem);
	assert_int_equal(pciring_dma_map(link, RAM_GPA, RAM_SIZE, fd, 0, 3), 0);
	service_guest_boot(g, link, mem, true);
	service_guest_draw(g, 64);
	assert_int_equal(ftruncate(fd, 0), 0);
	for (int i = 0; i < 10; i++)
		guest_kick(g, 0);
	assert_int_equal(vendor(link), 0x1af4);
	assert_int_equal(pciring_status(link), 0);
	pciring_detach(link);
	munmap(mem, RAM_SIZE);
	close(fd);
	free(g);
	assert_int_equal(procs_rpc(&p, "machine.list", "{}", NULL), 0);
}

/* ---- The operator under a client --------------------------------------------------------- */

static void machine_is_destroyed_under_a_client_only_by_force(void **state)
{
	static const char spare[] = "{\"name\":\"spare\"}";
	struct pciring_options opt = { .size = sizeof(opt),
				       .machine = "spare",
				       .lanes = 1,
				       .irqchip = PCIRING_IRQCHIP_LINES };
	int fd = eventfd(0, 0), resample = eventfd(0, 0);
	struct held before = held_at_rest();
	struct pciring *link;
	char path[PROCS_PATH];

	(void)state;
	procs_path(&p, "attach.sock", path);
	assert_int_equal(procs_rpc(&p, "machine.create", spare, NULL), 0);
	assert_int_equal(pciring_attach(path, &opt, &link), 0);
	assert_int_equal(
		pciring_line_bind(link, PCIRING_LINE_GSI, 16, fd, resample), 0);
	assert_int_equal(procs_rpc(&p, "machine.destroy", spare, NULL), 1);
	assert_int_equal(pciring_status(link), 0);
	assert_int_equal(procs_rpc(&p, "machine.destroy",
				   "{\"name\":\"spare\",\"force\":true}", NULL),
			 0);
	assert_int_equal(pciring_status(link), -EPIPE);
	/* The line went with it, and what ended its interrupts. */
	eventfd_write(resample, 1);
	holds_again(before);
	pciring_detach(link);
	assert_int_equal(pciring_attach(path, &opt, &link), -ENOENT);
	close(fd);
	close(resample);
}

static void function_is_plugged_and_unplugged_under_a_client(void **state)
{
	static const char plug[] = "{\"machine\":\"demo\",\"address\":"
				   "\"00:02.0\",\"device\":\"rng\"}";
	static const char unplug[] =
		"{\"machine\":\"demo\",\"address\":\"00:02.0\"}";
	static const char first[] =
		"{\"machine\":\"demo\",\"address\":\"00:01.0\"}";
	struct pciring_function_info info;
	struct pciring *link;

	(void)state;
	link = attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE);
	assert_int_equal(pciring_function_info(link, 0x10, &info), -ENOENT);
	assert_int_equal(procs_rpc(&p, "function.create", plug, NULL), 0);
	assert_int_equal(pciring_function_info(link, 0x10, &info), 0);
	assert_int_equal(info.bar_size[4], 0x4000);
	assert_int_equal(procs_rpc(&p, "function.destroy", unplug, NULL), 0);
	assert_int_equal(pciring_function_info(link, 0x10, &info), -ENOENT);
	pciring_detach(link);

	link = attach_ok(PCIRING_SCOPE_FUNCTION, PCIRING_IRQ_NATIVE);
	assert_int_equal(procs_rpc(&p, "function.destroy", first, NULL), 1);
	assert_int_equal(vendor(link), 0x1af4);
	pciring_detach(link);
}

/* ---- Limits --------------------------------------------------------------------------------- */

static void memory_beyond_the_limits_is_refused(void **state)
{
	static const char *const args[] = {
		"--log-level", "error", "--max-regions", "3", "--max-memory",
		"64K",	       NULL
	};
	const int fd = memfd_create("64K", MFD_CLOEXEC);
	struct procs mine = p;
	struct pciring *link;

	(void)state;
	assert_int_equal(procs_init(&p), 0);
	p.service = procs_start(&p, "pciringd", args);
	assert_true(p.service > 0);
	assert_int_equal(procs_rpc(&p, "machine.create", MACHINE, NULL), 0);
	link = attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE);
	/* The file counts whole, for so it would be mapped. */
	assert_int_equal(ftruncate(fd, 0x11000), 0);
	assert_int_equal(pciring_dma_map(link, 0, 0x1000, fd, 0, 3), -ENOSPC);
	assert_int_equal(ftruncate(fd, 0x10000), 0);
	assert_int_equal(pciring_dma_map(link, 0, 0x8000, fd, 0, 3), 0);
	assert_int_equal(pciring_dma_map(link, 1 << 20, 0x9000, fd, 0, 3),
			 -ENOSPC);
	assert_int_equal(pciring_dma_map(link, 1 << 20, 0x8000, fd, 0, 3), 0);
	assert_int_equal(pciring_dma_map(link, 2 << 20, 1 << 20, -1, 0, 1), 0);
	assert_int_equal(pciring_dma_map(link, 4 << 20, 4096, -1, 0, 1),
			 -ENOSPC);
	assert_int_equal(pciring_dma_unmap(link, 0, 0x8000), 0);
	assert_int_equal(pciring_dma_map(link, 0, 0x8000, fd, 0, 3), 0);
	pciring_detach(link);
	close(fd);
	assert_int_equal(procs_fini(&p), 0);
	p = mine;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_comes_and_goes_and_nothing_is_held),
		cmocka_unit_test(client_that_is_killed_leaves_nothing),
		cmocka_unit_test(
			memory_taken_back_is_unmapped_when_the_call_returns),
		cmocka_unit_test(one_link_speaks_for_a_function),
		cmocka_unit_test(eventfds_are_bound_triggered_and_unbound),
		cmocka_unit_test(example_client_reads_the_vendor_id),
		cmocka_unit_test(guest_draws_bytes_and_the_counters_agree),
		cmocka_unit_test(
			truncated_memory_under_a_live_queue_harms_nobody),
		cmocka_unit_test(
			machine_is_destroyed_under_a_client_only_by_force),
		cmocka_unit_test(
			function_is_plugged_and_unplugged_under_a_client),
		cmocka_unit_test(memory_beyond_the_limits_is_refused),
	};

	return cmocka_run_group_tests(tests, service_start, service_stop);
}
