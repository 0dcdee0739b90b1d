/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queues that move between the loops of a real service, under a guest that uses
 * them all the time.  Every request is waited for, so one that is lost, or whose
 * kick is, ends the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/flow/service_guest.h"
#include "tests/flow/service_rig.h"

#define MOVES 12

static int start(void **state)
{
	static const char *const args[] = { "--log-level", "warn",
					    "--idle",	   "50",
					    "--lcores",	   "0@0,1@0,2@1",
					    NULL };

	(void)state;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return 0;
	if (procs_init(&p))
		return -1;
	p.service = procs_start(&p, "pciringd", args);
	if (p.service < 0 || procs_rpc(&p, "machine.create", MACHINE, NULL))
		return -1;
	return procs_rpc(&p, "function.create",
			 "{\"machine\":\"demo\",\"address\":\"00:01.0\","
			 "\"device\":\"rng\"}",
			 NULL);
}

static int stop(void **state)
{
	return sysconf(_SC_NPROCESSORS_ONLN) < 2 ? 0 : service_stop(state);
}

static int place(int queue, int loop)
{
	char params[128];

	snprintf(params, sizeof(params),
		 "{\"machine\":\"demo\",\"address\":\"00:01.0\",\"queue\":%d,"
		 "\"loop\":%d}",
		 queue, loop);
	return procs_rpc(&p, "function.place", params, NULL);
}

static _Atomic bool over;

static void *mover(void *arg)
{
	int *failed = arg;

	for (int i = 0; i < MOVES; i++)
		*failed += place(i % 3 ? 0 : -1, i % 2) != 0;
	atomic_store(&over, true);
	return NULL;
}

static void queue_moves_under_load_without_loss(void **state)
{
	int failed = 0, draws = 0;
	pthread_t thread;
	struct vm *vm;

	(void)state;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip();
	vm = vm_of_function();
	atomic_store(&over, false);
	assert_int_equal(pthread_create(&thread, NULL, mover, &failed), 0);
	while (!atomic_load(&over)) {
		service_guest_draw(&vm->g, 64);
		draws++;
	}
	pthread_join(thread, NULL);
	assert_int_equal(failed, 0);
	for (int i = 0; i < 10; i++)
		service_guest_draw(&vm->g, 64);
	assert_true(draws > 0);
	vm_end(vm);
}

static void queue_elsewhere_outlives_reset_and_clients(void **state)
{
	struct vm *vm;

	(void)state;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip();
	for (int i = 0; i < 4; i++) {
		assert_int_equal(place(0, i / 2 % 2), 0);
		vm = vm_of_function();
		service_guest_draw(&vm->g, 64);
		/* From reset on, while the queue is wherever it is. */
		service_guest_boot(&vm->g, vm->link, vm->mem, true);
		service_guest_draw(&vm->g, 64);
		vm_end(vm);
	}
}

static void machine_with_a_queue_elsewhere_goes(void **state)
{
	(void)state;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip();
	assert_int_equal(place(-1, 0), 0);
	assert_int_equal(place(-1, 1), 0);
	assert_int_not_equal(place(1, 0), 0);
	assert_int_not_equal(place(0, 2), 0);
	assert_int_equal(procs_rpc(&p, "function.destroy",
				   "{\"machine\":\"demo\","
				   "\"address\":\"00:01.0\"}",
				   NULL),
			 0);
	assert_int_equal(procs_rpc(&p, "machine.destroy", MACHINE, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_moves_under_load_without_loss),
		cmocka_unit_test(queue_elsewhere_outlives_reset_and_clients),
		cmocka_unit_test(machine_with_a_queue_elsewhere_goes),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
