/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines of a real service bound to eventfds: what a VMM without a ring to look
 * at has, what is refused, what is held, and clients that misuse them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/flow/service_guest.h"
#include "tests/flow/service_rig.h"

#define DEMO "{\"machine\":\"demo\"}"

/* Of the machine's first function, or of its first attachment. */
static json_int_t stat_of(const char *list, const char *object, const char *key)
{
	json_t *stats, *o;
	json_int_t n;

	assert_int_equal(procs_rpc(&p, "stats.get", DEMO, &stats), 0);
	o = json_array_get(json_object_get(stats, list), 0);
	if (object)
		o = json_object_get(o, object);
	n = counter(o, key);
	json_decref(stats);
	return n;
}

static json_int_t resamples_served(void)
{
	return stat_of("links", NULL, "resamples");
}

static void wait_for_resamples(json_int_t n)
{
	for (int i = 0; i < 2000 && resamples_served() < n; i++)
		usleep(500);
	assert_int_equal(resamples_served(), n);
}

/* ---- Lines bound to eventfds ----------------------------------------------------- */

/* An interrupt that is neither served nor lost: from rise to fall. */
static void line_story(struct vm *vm, unsigned int kind, uint32_t number)
{
	json_int_t served = resamples_served();

	assert_int_equal(pciring_line_bind(vm->link, kind, number, vm->event,
					   vm->resample),
			 0);
	service_guest_draw(&vm->g, 64);
	assert_int_equal(signals(vm->event, 2000), 1);
	/* Busy: what comes now is the same interrupt. */
	service_guest_draw(&vm->g, 64);
	assert_int_equal(signals(vm->event, 20), 0);
	/* Ended, but ISR was not read. */
	eventfd_write(vm->resample, 1);
	assert_int_equal(signals(vm->event, 2000), 1);
	assert_int_equal(read_isr(vm), 1);
	eventfd_write(vm->resample, 1);
	wait_for_resamples(served + 2);
	assert_int_equal(signals(vm->event, 0), 0);
	/* The next one; what rises between ISR and its end is told then. */
	service_guest_draw(&vm->g, 64);
	assert_int_equal(signals(vm->event, 2000), 1);
	assert_int_equal(read_isr(vm), 1);
	service_guest_draw(&vm->g, 64);
	assert_int_equal(signals(vm->event, 20), 0);
	eventfd_write(vm->resample, 1);
	assert_int_equal(signals(vm->event, 2000), 1);
	assert_int_equal(read_isr(vm), 1);
	eventfd_write(vm->resample, 1);
	wait_for_resamples(served + 4);
	assert_int_equal(signals(vm->event, 0), 0);
}

static void line_of_a_function_ends_with_its_cause(void **state)
{
	struct vm *vm = vm_of_function();
	json_int_t rises = stat_of("functions", "intx", "rises");
	json_int_t sent = stat_of("functions", "intx", "signals");
	json_int_t merged = stat_of("functions", "intx", "merged");
	json_int_t ends = stat_of("functions", "intx", "resamples");
	json_int_t all = stat_of("functions", NULL, "interrupts");

	(void)state;
	line_story(vm, PCIRING_LINE_INTX, BDF);
	assert_int_equal(stat_of("functions", "intx", "rises") - rises, 3);
	assert_int_equal(stat_of("functions", "intx", "signals") - sent, 4);
	assert_int_equal(stat_of("functions", "intx", "merged") - merged, 1);
	assert_int_equal(stat_of("functions", "intx", "resamples") - ends, 4);
	assert_int_equal(stat_of("functions", NULL, "interrupts") - all, 3);
	vm_end(vm);
}

static void line_of_a_gsi_ends_with_its_cause(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_LINES, false);

	(void)state;
	line_story(vm, PCIRING_LINE_GSI, GSI);
	vm_end(vm);
}

static void control_does_what_the_resample_eventfd_does(void **state)
{
	struct vm *vm = vm_of_function();
	struct pciring *l = vm->link;

	(void)state;
	service_guest_draw(&vm->g, 64);
	/* High already: fires at bind. */
	assert_int_equal(
		pciring_line_bind(l, PCIRING_LINE_INTX, BDF, vm->event, -1), 0);
	assert_int_equal(signals(vm->event, 0), 1);
	assert_int_equal(pciring_line_control(l, PCIRING_LINE_INTX, BDF,
					      PCIRING_IRQ_UNMASK),
			 0);
	assert_int_equal(signals(vm->event, 0), 1);
	assert_int_equal(read_isr(vm), 1);
	assert_int_equal(pciring_line_control(l, PCIRING_LINE_INTX, BDF,
					      PCIRING_IRQ_MASK),
			 0);
	service_guest_draw(&vm->g, 64);
	assert_int_equal(signals(vm->event, 20), 0);
	assert_int_equal(pciring_line_control(l, PCIRING_LINE_INTX, BDF,
					      PCIRING_IRQ_UNMASK),
			 0);
	assert_int_equal(signals(vm->event, 0), 1);
	assert_int_equal(pciring_line_control(l, PCIRING_LINE_INTX, BDF,
					      PCIRING_IRQ_TRIGGER),
			 0);
	assert_int_equal(signals(vm->event, 0), 1);
	vm_end(vm);
}

static void each_signal_is_served_once_and_never_read(void **state)
{
	struct vm *vm = vm_of_function();
	json_int_t ends = stat_of("functions", "intx", "resamples");
	json_int_t sent = stat_of("functions", "intx", "signals");
	eventfd_t left = 0;

	(void)state;
	assert_int_equal(pciring_line_bind(vm->link, PCIRING_LINE_INTX, BDF,
					   vm->event, vm->resample),
			 0);
	for (int i = 1; i <= 5; i++) {
		eventfd_write(vm->resample, 1);
		wait_for_resamples(i);
	}
	usleep(20000);
	assert_int_equal(resamples_served(), 5);
	assert_int_equal(stat_of("functions", "intx", "resamples") - ends, 5);
	assert_int_equal(stat_of("functions", "intx", "signals"), sent);
	assert_int_equal(eventfd_read(vm->resample, &left), 0);
	assert_int_equal(left, 5);
	/* What was signalled before it was bound counts as well. */
	eventfd_write(vm->resample, 1);
	wait_for_resamples(6);
	assert_int_equal(pciring_line_bind(vm->link, PCIRING_LINE_INTX, BDF,
					   vm->event, vm->resample),
			 0);
	wait_for_resamples(7);
	/* Unbound, it is nobody's. */
	assert_int_equal(
		pciring_line_bind(vm->link, PCIRING_LINE_INTX, BDF, -1, -1), 0);
	eventfd_write(vm->resample, 1);
	usleep(20000);
	assert_int_equal(resamples_served(), 7);
	vm_end(vm);
}

/* ---- What is refused ---------------------------------------------------------------- */

/* What it held @before and @more descriptors; it learns of an RPC client's end a
 * little later. */
static void holds_fds(struct held before, unsigned int more)
{
	before.fds += more;
	holds_again(before);
}

/* One packet of a raw connection; the answer's error. */
static int line_error(int fd, const struct msg_line *m, const int *fds,
		      unsigned int n)
{
	struct attach_packet pkt;
	int err;

	assert_int_equal(attach_send(fd, m, sizeof(*m), fds, n), 0);
	assert_int_equal(attach_recv(fd, &pkt), 1);
	assert_int_equal(pkt.m.h.type, m->h.type);
	err = pkt.m.h.error;
	attach_packet_fini(&pkt);
	return err;
}

static int raw_attach(const struct msg_hello *h)
{
	struct attach_packet pkt;
	int fd = raw_connect();

	send_bytes(fd, h, sizeof(*h));
	assert_int_equal(attach_recv(fd, &pkt), 1);
	assert_int_equal(pkt.m.h.error, 0);
	attach_packet_fini(&pkt);
	return fd;
}

static struct msg_line line_of(unsigned int kind, uint32_t number,
			       uint32_t bound)
{
	return (struct msg_line){
		.h = { .magic = MSG_MAGIC, .type = MSG_LINE_BIND },
		.kind = (uint16_t)kind,
		.number = number,
		.bound = bound,
	};
}

static void bindings_without_sense_leave_nothing(void **state)
{
	struct msg_hello h = hello(PCIRING_SCOPE_FUNCTION);
	int event = eventfd(0, EFD_NONBLOCK), other = eventfd(0, EFD_NONBLOCK);
	struct msg_line m;
	struct held before;
	uint8_t *mem;
	int fd, ram = make_ram(&mem), pipe_fds[2];

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	h.interrupts = PCIRING_IRQ_REMOTE;
	fd = raw_attach(&h);
	before = held_at_rest();
	/* Bits and descriptors that do not agree. */
	m = line_of(PCIRING_LINE_INTX, BDF, 3);
	assert_int_equal(line_error(fd, &m, (int[]){ event }, 1), -EINVAL);
	m.bound = 1;
	assert_int_equal(line_error(fd, &m, (int[]){ event, other }, 2),
			 -EINVAL);
	assert_int_equal(line_error(fd, &m, NULL, 0), -EINVAL);
	m.bound = 0;
	assert_int_equal(line_error(fd, &m, (int[]){ event }, 1), -EINVAL);
	m.bound = MSG_LINE_RESAMPLE;
	assert_int_equal(line_error(fd, &m, (int[]){ event }, 1), -EINVAL);
	m.bound = 4;
	assert_int_equal(line_error(fd, &m, (int[]){ event }, 1), -EINVAL);
	m.bound = 7;
	assert_int_equal(line_error(fd, &m, (int[]){ event, other, event }, 3),
			 -EINVAL);
	/* What is no eventfd. */
	m.bound = 3;
	assert_int_equal(line_error(fd, &m, (int[]){ event, ram }, 2), -EINVAL);
	assert_int_equal(line_error(fd, &m, (int[]){ ram, event }, 2), -EINVAL);
	assert_int_equal(line_error(fd, &m, (int[]){ event, pipe_fds[0] }, 2),
			 -EINVAL);
	/* A line that resamples itself. */
	assert_int_equal(line_error(fd, &m, (int[]){ event, event }, 2),
			 -EINVAL);
	/* Lines that are not there. */
	m.kind = 2;
	assert_int_equal(line_error(fd, &m, (int[]){ event, other }, 2),
			 -EINVAL);
	m = line_of(PCIRING_LINE_INTX, BDF + 8, 3);
	assert_int_equal(line_error(fd, &m, (int[]){ event, other }, 2),
			 -ENOENT);
	m.number = 0x10000 + BDF;
	assert_int_equal(line_error(fd, &m, (int[]){ event, other }, 2),
			 -ENOENT);
	m = line_of(PCIRING_LINE_GSI, GSI, 3);
	assert_int_equal(line_error(fd, &m, (int[]){ event, other }, 2),
			 -ENOENT);
	/* The same of control. */
	m = line_of(2, BDF, 0);
	m.h.type = MSG_LINE_CONTROL;
	assert_int_equal(line_error(fd, &m, NULL, 0), -EINVAL);
	m.kind = PCIRING_LINE_INTX;
	m.action = 3;
	assert_int_equal(line_error(fd, &m, NULL, 0), -EINVAL);
	m.action = PCIRING_IRQ_MASK;
	m.number = BDF + 8;
	assert_int_equal(line_error(fd, &m, NULL, 0), -ENOENT);

	/* Nobody listens to what was refused. */
	eventfd_write(event, 1);
	eventfd_write(other, 1);
	assert_int_equal(procs_rpc(&p, "machine.list", "{}", NULL), 0);
	assert_int_equal(resamples_served(), 0);
	holds_fds(before, 0);
	m = line_of(PCIRING_LINE_INTX, BDF, 3);
	assert_int_equal(line_error(fd, &m, (int[]){ event, other }, 2), 0);
	holds_fds(before, 2);
	/* Refused, so what was bound still is. */
	assert_int_equal(line_error(fd, &m, (int[]){ event, ram }, 2), -EINVAL);
	holds_fds(before, 2);
	close(fd);
	munmap(mem, RAM_SIZE);
	close(ram);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	close(event);
	close(other);
}

static void gsis_are_bound_only_by_who_has_an_irqchip(void **state)
{
	static const uint32_t irqchips[] = { PCIRING_IRQCHIP_NONE,
					     PCIRING_IRQCHIP_SPLIT };
	int event = eventfd(0, EFD_NONBLOCK);
	struct pciring *link;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(irqchips); i++) {
		assert_int_equal(attach_irqchip(irqchips[i], &link), 0);
		assert_int_equal(pciring_line_bind(link, PCIRING_LINE_GSI, GSI,
						   event, -1),
				 -ENOENT);
		pciring_detach(link);
	}
	assert_int_equal(attach_irqchip(PCIRING_IRQCHIP_LINES, &link), 0);
	assert_int_equal(
		pciring_line_bind(link, PCIRING_LINE_GSI, 24, event, -1),
		-ENOENT);
	/* The pin's end is the root's, not the function's. */
	assert_int_equal(
		pciring_line_bind(link, PCIRING_LINE_INTX, BDF, event, -1),
		-ENOENT);
	assert_int_equal(
		pciring_line_bind(link, PCIRING_LINE_GSI, 0, event, -1), 0);
	pciring_detach(link);
	close(event);
}

/* ---- What is held ------------------------------------------------------------------- */

static void eventfds_no_longer_bound_are_closed(void **state)
{
	struct vm *vm = vm_of_function();
	struct held none = held_at_rest(), before;
	struct pciring *link;

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(pciring_line_bind(vm->link, PCIRING_LINE_INTX,
						   BDF, vm->event,
						   vm->resample),
				 0);
		holds_fds(none, 2);
	}
	assert_int_equal(pciring_line_bind(vm->link, PCIRING_LINE_INTX, BDF,
					   vm->event, -1),
			 0);
	holds_fds(none, 1);
	assert_int_equal(
		pciring_line_bind(vm->link, PCIRING_LINE_INTX, BDF, -1, -1), 0);
	holds_fds(none, 0);
	vm_end(vm);

	/* All that a machine can have, and then it is gone. */
	pciring_detach(attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE));
	before = held_at_rest();
	assert_int_equal(attach_irqchip(PCIRING_IRQCHIP_LINES, &link), 0);
	none = held_at_rest();
	for (uint32_t gsi = 0; gsi < 24; gsi++) {
		int pair[2] = { eventfd(0, 0), eventfd(0, 0) };

		assert_int_equal(pciring_line_bind(link, PCIRING_LINE_GSI, gsi,
						   pair[0], pair[1]),
				 0);
		close(pair[0]);
		close(pair[1]);
	}
	holds_fds(none, 48);
	/* Whichever goes, the others stay, and are found again. */
	for (uint32_t gsi = 1; gsi < 24; gsi += 2)
		assert_int_equal(
			pciring_line_bind(link, PCIRING_LINE_GSI, gsi, -1, -1),
			0);
	holds_fds(none, 24);
	for (uint32_t gsi = 2; gsi < 24; gsi += 2)
		assert_int_equal(
			pciring_line_bind(link, PCIRING_LINE_GSI, gsi, -1, -1),
			0);
	holds_fds(none, 2);
	pciring_detach(link);
	holds_again(before);
}

static void function_that_goes_takes_its_eventfds_along(void **state)
{
	static const char plug[] = "{\"machine\":\"demo\",\"address\":"
				   "\"00:02.0\",\"device\":\"rng\"}";
	static const char unplug[] =
		"{\"machine\":\"demo\",\"address\":\"00:02.0\"}";
	int event = eventfd(0, EFD_NONBLOCK), other = eventfd(0, EFD_NONBLOCK);
	struct pciring *link =
		attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_REMOTE);
	struct held before = held_at_rest();

	(void)state;
	for (json_int_t i = 0; i < 3; i++) {
		assert_int_equal(procs_rpc(&p, "function.create", plug, NULL),
				 0);
		assert_int_equal(pciring_line_bind(link, PCIRING_LINE_INTX,
						   0x10, event, other),
				 0);
		holds_fds(before, 2);
		assert_int_equal(
			procs_rpc(&p, "function.destroy", unplug, NULL), 0);
		holds_fds(before, 0);
		eventfd_write(other, 1);
	}
	assert_int_equal(
		pciring_line_bind(link, PCIRING_LINE_INTX, 0x10, event, other),
		-ENOENT);
	pciring_detach(link);
	close(event);
	close(other);
}

/* ---- Who does not behave --------------------------------------------------------------- */

struct storm {
	int fd;
	bool take_back; /* what it wrote */
	atomic_bool stop;
};

static void *storm(void *arg)
{
	struct storm *s = arg;
	eventfd_t n;

	while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
		eventfd_write(s->fd, 1);
		if (s->take_back)
			eventfd_read(s->fd, &n);
	}
	return NULL;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* The slowest of some calls while @s blows. */
static int64_t slowest_call(struct storm *s)
{
	int64_t slowest = 0, began;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, storm, s), 0);
	for (int i = 0; i < 100; i++) {
		began = now_ms();
		assert_int_equal(procs_rpc(&p, "machine.list", "{}", NULL), 0);
		if (now_ms() - began > slowest)
			slowest = now_ms() - began;
		usleep(1000);
	}
	atomic_store(&s->stop, true);
	pthread_join(thread, NULL);
	return slowest;
}

static void client_that_signals_without_end_delays_nobody(void **state)
{
	struct vm *vm = vm_of_function();
	struct storm s = { .fd = vm->resample };

	(void)state;
	assert_int_equal(pciring_line_bind(vm->link, PCIRING_LINE_INTX, BDF,
					   vm->event, vm->resample),
			 0);
	/* High, so that each of them is told again. */
	service_guest_draw(&vm->g, 64);
	assert_true(slowest_call(&s) < 2000);
	assert_true(resamples_served() > 10);
	assert_int_equal(vendor(vm->link), 0x1af4);
	assert_true(signals(vm->event, 0) > 10);
	vm_end(vm);
}

static void client_that_takes_signals_back_delays_nobody(void **state)
{
	struct vm *vm = vm_of_function();
	struct storm s = { .fd = eventfd(0, 0), .take_back = true };

	(void)state;
	assert_int_equal(pciring_line_bind(vm->link, PCIRING_LINE_INTX, BDF,
					   vm->event, s.fd),
			 0);
	assert_true(slowest_call(&s) < 2000);
	assert_int_equal(vendor(vm->link), 0x1af4);
	vm_end(vm);
	close(s.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_of_a_function_ends_with_its_cause),
		cmocka_unit_test(line_of_a_gsi_ends_with_its_cause),
		cmocka_unit_test(control_does_what_the_resample_eventfd_does),
		cmocka_unit_test(each_signal_is_served_once_and_never_read),
		cmocka_unit_test(bindings_without_sense_leave_nothing),
		cmocka_unit_test(gsis_are_bound_only_by_who_has_an_irqchip),
		cmocka_unit_test(eventfds_no_longer_bound_are_closed),
		cmocka_unit_test(function_that_goes_takes_its_eventfds_along),
		cmocka_unit_test(client_that_signals_without_end_delays_nobody),
		cmocka_unit_test(client_that_takes_signals_back_delays_nobody),
	};

	return cmocka_run_group_tests(tests, service_start, service_stop);
}
