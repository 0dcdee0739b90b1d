/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doorbells that are eventfds, of a real service: what a VMM's kernel would
 * signal, signalled here.  The functions are never hot, so each chain needs its
 * kick.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ring/test_util.h"
#include "tests/flow/service_guest.h"
#include "tests/flow/service_rig.h"

#define OTHER_BDF   0x0010
#define PATIENCE_MS 20000
#define FUNCTION(address)                                                      \
	"{\"machine\":\"demo\",\"address\":\"" address                         \
	"\",\"device\":\"rng\",\"options\":{\"hot_us\":0}}"

static int start(const char *idle)
{
	const char *const args[] = { "--log-level", "error", "--idle", idle,
				     "--max-kicks", "2",     NULL };

	if (procs_init(&p))
		return -1;
	p.service = procs_start(&p, "pciringd", args);
	return p.service < 0 ||
	       procs_rpc(&p, "machine.create", MACHINE, NULL) ||
	       procs_rpc(&p, "function.create", FUNCTION("00:01.0"), NULL) ||
	       procs_rpc(&p, "function.create", FUNCTION("00:02.0"), NULL) ||
	       procs_rpc(&p, "function.create", FUNCTION("00:03.0"), NULL);
}

static int start_polling(void **state)
{
	(void)state;
	return start("off");
}

static int start_sleeping(void **state)
{
	(void)state;
	return start("50");
}

/* Of the only link, and of the first function. */
static json_int_t stat_of(const char *list, const char *object, const char *key)
{
	json_t *stats, *first;
	json_int_t n;

	assert_int_equal(
		procs_rpc(&p, "stats.get", "{\"machine\":\"demo\"}", &stats),
		0);
	first = json_array_get(json_object_get(stats, list), 0);
	n = counter(object ? json_object_get(first, object) : first, key);
	json_decref(stats);
	return n;
}

static int new_eventfd(int flags)
{
	int fd = eventfd(0, EFD_CLOEXEC | flags);

	assert_true(fd >= 0);
	return fd;
}

static void ring(int fd)
{
	const uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

/* One chain, of which the service hears by @fd alone. */
static void add(struct guest *g, int fd)
{
	const struct guest_buf buf = { .gpa = guest_alloc(g, 64, 64),
				       .len = 1,
				       .write = true };

	assert_true(guest_add(g, 0, &buf, 1, false) >= 0);
	ring(fd);
}

static bool is_used(struct guest *g)
{
	const int64_t begun = test_now_ms();
	struct guest_used used;

	while (!guest_poll(g, 0, &used)) {
		if (test_now_ms() - begun > PATIENCE_MS)
			return false;
		sched_yield();
	}
	return true;
}

static void draw(struct guest *g, int fd)
{
	add(g, fd);
	assert_true(is_used(g));
}

static void guest_kicks_by_eventfd_without_a_request(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_NONE, true);
	const int fd = new_eventfd(0);
	struct pciring_doorbell bell;
	json_int_t requests, kicks;

	(void)state;
	assert_int_equal(pciring_kick_bind(vm->link, BDF, 0, fd, &bell), 0);
	assert_int_equal(bell.function, BDF);
	assert_int_equal(bell.bar, vm->g.cap[GUEST_CAP_NOTIFY].bar);
	assert_int_equal(bell.offset, vm->g.cap[GUEST_CAP_NOTIFY].offset);
	assert_int_equal(bell.length, 4);
	requests = stat_of("links", NULL, "requests");
	kicks = stat_of("functions", "accesses", "eventfd_kicks");
	for (int i = 0; i < 20; i++)
		draw(&vm->g, fd);
	assert_int_equal(stat_of("links", NULL, "requests"), requests);
	assert_int_equal(stat_of("functions", "accesses", "eventfd_kicks"),
			 kicks + 20);
	/* A write that leaves the guest all the same. */
	service_guest_draw(&vm->g, 64);
	assert_true(stat_of("links", NULL, "requests") > requests);
	close(fd);
	vm_end(vm);
}

static void eventfd_that_never_blocks_is_as_good(void **state)
{
	struct vm *vm = vm_of_function();
	const int fd = new_eventfd(EFD_NONBLOCK);

	(void)state;
	assert_int_equal(pciring_kick_bind(vm->link, BDF, 0, fd, NULL), 0);
	for (int i = 0; i < 5; i++)
		draw(&vm->g, fd);
	close(fd);
	vm_end(vm);
}

static void eventfd_signalled_before_it_is_bound_kicks_then(void **state)
{
	struct vm *vm = vm_of_function();
	const int fd = new_eventfd(0);

	(void)state;
	add(&vm->g, fd);
	assert_int_equal(pciring_kick_bind(vm->link, BDF, 0, fd, NULL), 0);
	assert_true(is_used(&vm->g));
	close(fd);
	vm_end(vm);
}

static void binding_stays_over_a_reset(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_NONE, true);
	const int fd = new_eventfd(0);

	(void)state;
	assert_int_equal(pciring_kick_bind(vm->link, BDF, 0, fd, NULL), 0);
	draw(&vm->g, fd);
	assert_int_equal(pciring_function_reset(vm->link, BDF), 0);
	/* A kick of a queue that is not there is counted, and no more. */
	ring(fd);
	service_guest_boot(&vm->g, vm->link, vm->mem, true);
	draw(&vm->g, fd);
	assert_int_equal(stat_of("functions", NULL, "needs_reset"), 0);
	close(fd);
	vm_end(vm);
}

static void binding_ends_when_it_is_replaced_or_unbound(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_NONE, true);
	const int fd[2] = { new_eventfd(0), new_eventfd(EFD_NONBLOCK) };
	const struct held before = held_at_rest();
	uint64_t count;

	(void)state;
	assert_int_equal(pciring_kick_bind(vm->link, BDF, 0, fd[0], NULL), 0);
	draw(&vm->g, fd[0]);
	assert_int_equal(pciring_kick_bind(vm->link, BDF, 0, fd[1], NULL), 0);
	draw(&vm->g, fd[1]);
	assert_int_equal(pciring_kick_bind(vm->link, BDF, 0, -1, NULL), 0);
	assert_int_equal(held_at_rest().fds, before.fds);
	/* Nobody reads it any more. */
	ring(fd[1]);
	assert_int_equal(read(fd[1], &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	assert_int_equal(pciring_kick_bind(vm->link, BDF, 0, -1, NULL), 0);
	service_guest_draw(&vm->g, 64);
	close(fd[0]);
	close(fd[1]);
	vm_end(vm);
}

static void binding_ends_with_its_function_and_its_attachment(void **state)
{
	static const char gone[] =
		"{\"machine\":\"demo\",\"address\":\"00:02.0\"}";
	const int fd = new_eventfd(0);
	const struct held before = held_at_rest();
	struct pciring *link;
	unsigned int fds;

	(void)state;
	for (int i = 0; i < 3; i++) {
		link = attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE);
		assert_int_equal(pciring_kick_bind(link, BDF, 0, fd, NULL), 0);
		fds = held_at_rest().fds;
		assert_int_equal(
			pciring_kick_bind(link, OTHER_BDF, 0, fd, NULL), 0);
		assert_int_equal(procs_rpc(&p, "function.destroy", gone, NULL),
				 0);
		assert_int_equal(held_at_rest().fds, fds);
		assert_int_equal(
			pciring_kick_bind(link, OTHER_BDF, 0, fd, NULL),
			-ENOENT);
		pciring_detach(link);
		holds_again(before);
		assert_int_equal(procs_rpc(&p, "function.create",
					   FUNCTION("00:02.0"), NULL),
				 0);
	}
	close(fd);
}

static void what_cannot_be_bound_is_refused(void **state)
{
	struct vm *vm = vm_of_function();
	const int fd = new_eventfd(0), null = open("/dev/null", O_RDWR);
	struct pciring_doorbell bell = { .bar = 7 };
	const struct held before = held_at_rest();
	struct pciring *l = vm->link;

	(void)state;
	assert_int_equal(pciring_kick_bind(l, BDF, 0, null, &bell), -EINVAL);
	assert_int_equal(pciring_kick_bind(l, BDF, 1, fd, &bell), -ERANGE);
	assert_int_equal(pciring_kick_bind(l, BDF, 1, -1, &bell), -ERANGE);
	assert_int_equal(pciring_kick_bind(l, BDF, 1u << 16, fd, &bell),
			 -ERANGE);
	assert_int_equal(pciring_kick_bind(l, OTHER_BDF, 0, fd, &bell),
			 -ENOENT);
	assert_int_equal(bell.bar, 7);
	holds_again(before);
	close(fd);
	close(null);
	vm_end(vm);
}

static void bound_doorbells_of_a_machine_are_limited(void **state)
{
	struct pciring *l =
		attach_ok(PCIRING_SCOPE_MACHINE, PCIRING_IRQ_NATIVE);
	const int fd = new_eventfd(0);

	(void)state;
	assert_int_equal(pciring_kick_bind(l, BDF, 0, fd, NULL), 0);
	assert_int_equal(pciring_kick_bind(l, OTHER_BDF, 0, fd, NULL), 0);
	assert_int_equal(pciring_kick_bind(l, 0x18, 0, fd, NULL), -ENOSPC);
	/* What takes the place of another is none more. */
	assert_int_equal(pciring_kick_bind(l, BDF, 0, fd, NULL), 0);
	assert_int_equal(pciring_kick_bind(l, BDF, 0, -1, NULL), 0);
	assert_int_equal(pciring_kick_bind(l, 0x18, 0, fd, NULL), 0);
	pciring_detach(l);
	close(fd);
}

struct flood {
	int fd;
	_Atomic bool over;
};

static void *signal_on(void *arg)
{
	struct flood *f = arg;

	while (!atomic_load(&f->over))
		ring(f->fd);
	return NULL;
}

static void flood_of_signals_harms_nobody(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_NONE, true);
	struct flood f = { .fd = new_eventfd(0) };
	const int fd = new_eventfd(0);
	pthread_t thread;

	(void)state;
	assert_int_equal(pciring_kick_bind(vm->link, OTHER_BDF, 0, f.fd, NULL),
			 0);
	assert_int_equal(pciring_kick_bind(vm->link, BDF, 0, fd, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, signal_on, &f), 0);
	for (int i = 0; i < 50; i++)
		draw(&vm->g, fd);
	/* And while they come it can be taken away. */
	for (int i = 0; i < 10; i++) {
		assert_int_equal(
			pciring_kick_bind(vm->link, OTHER_BDF, 0, -1, NULL), 0);
		assert_int_equal(
			pciring_kick_bind(vm->link, OTHER_BDF, 0, f.fd, NULL),
			0);
	}
	atomic_store(&f.over, true);
	pthread_join(thread, NULL);
	close(f.fd);
	close(fd);
	vm_end(vm);
}

int main(void)
{
	const struct CMUnitTest polling[] = {
		cmocka_unit_test(guest_kicks_by_eventfd_without_a_request),
		cmocka_unit_test(eventfd_that_never_blocks_is_as_good),
		cmocka_unit_test(
			eventfd_signalled_before_it_is_bound_kicks_then),
		cmocka_unit_test(binding_stays_over_a_reset),
		cmocka_unit_test(binding_ends_when_it_is_replaced_or_unbound),
		cmocka_unit_test(
			binding_ends_with_its_function_and_its_attachment),
		cmocka_unit_test(what_cannot_be_bound_is_refused),
		cmocka_unit_test(bound_doorbells_of_a_machine_are_limited),
		cmocka_unit_test(flood_of_signals_harms_nobody),
	};
	/* What wakes a loop, there. */
	const struct CMUnitTest sleeping[] = {
		cmocka_unit_test(guest_kicks_by_eventfd_without_a_request),
		cmocka_unit_test(eventfd_that_never_blocks_is_as_good),
		cmocka_unit_test(binding_stays_over_a_reset),
		cmocka_unit_test(binding_ends_when_it_is_replaced_or_unbound),
	};

	return cmocka_run_group_tests(polling, start_polling, service_stop) +
	       cmocka_run_group_tests(sleeping, start_sleeping, service_stop);
}
