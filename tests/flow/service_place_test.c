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

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
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

/* ---- A disk with requests under way ----------------------------------------- */

#define DEPTH 32
#define REPLACE(device, options)                                               \
	"{\"machine\":\"demo\",\"address\":\"00:01.0\","                       \
	"\"device\":\"" device "\",\"options\":{" options "}}"

static int replace(const char *with)
{
	return procs_rpc(&p, "function.destroy",
			 "{\"machine\":\"demo\",\"address\":\"00:01.0\"}",
			 NULL) ||
	       procs_rpc(&p, "function.create", with, NULL);
}

struct request {
	struct guest_buf buf[3];
	uint8_t *status;
	int head; /* -1: not under way */
};

/* Write, then read what was written, and so on: each its own sector. */
static void submit(struct guest *g, struct request *r, unsigned int i,
		   unsigned int round)
{
	uint8_t *header = guest_at(g, r->buf[0].gpa);

	store_le(header, 4, round % 2 == 0);
	store_le(header + 8, 8, i);
	r->buf[1].write = round % 2;
	memset(guest_at(g, r->buf[1].gpa), round % 2 ? 0 : (int)(i + round),
	       512);
	*r->status = 0xee;
	r->head = guest_add(g, 0, r->buf, 3, false);
	assert_true(r->head >= 0);
}

static void collect(struct guest *g, struct request *r, unsigned int round)
{
	struct guest_used used;
	unsigned int got = 0;

	while (got < DEPTH) {
		if (guest_poll(g, 0, &used) > 0)
			got++;
		else
			sched_yield();
	}
	for (unsigned int i = 0; i < DEPTH; i++) {
		assert_int_equal(*r[i].status, 0);
		if (round % 2)
			assert_int_equal(
				*(uint8_t *)guest_at(g, r[i].buf[1].gpa),
				(uint8_t)(i + round - 1));
	}
}

static void use_disk_while_its_queue_moves(void)
{
	struct request r[DEPTH];
	unsigned int round = 0;
	pthread_t thread;
	int failed = 0, fd;
	struct vm *vm = vm_of_function();
	uint8_t *more;

	fd = make_ram(&more);
	for (unsigned int i = 0; i < DEPTH; i++) {
		r[i].buf[0] = (struct guest_buf){ guest_alloc(&vm->g, 16, 16),
						  16, false };
		r[i].buf[1] = (struct guest_buf){ guest_alloc(&vm->g, 512, 512),
						  512, false };
		r[i].buf[2] = (struct guest_buf){ guest_alloc(&vm->g, 1, 1), 1,
						  true };
		r[i].status = guest_at(&vm->g, r[i].buf[2].gpa);
	}
	atomic_store(&over, false);
	assert_int_equal(pthread_create(&thread, NULL, mover, &failed), 0);
	while (!atomic_load(&over) || round % 2) {
		for (unsigned int i = 0; i < DEPTH; i++)
			submit(&vm->g, &r[i], i, round);
		guest_kick_if_wanted(&vm->g, 0);
		/* The map changes under them, too. */
		assert_int_equal(
			pciring_dma_map(vm->link, 4 * RAM_GPA, RAM_SIZE, fd, 0,
					PCIRING_DMA_READ | PCIRING_DMA_WRITE),
			0);
		assert_int_equal(
			pciring_dma_unmap(vm->link, 4 * RAM_GPA, RAM_SIZE), 0);
		collect(&vm->g, r, round);
		round++;
	}
	pthread_join(thread, NULL);
	assert_int_equal(failed, 0);
	assert_true(round > 0);
	munmap(more, RAM_SIZE);
	close(fd);
	vm_end(vm);
}

static void
disk_in_memory_moves_with_32_requests_and_a_changing_map(void **state)
{
	(void)state;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip();
	assert_int_equal(
		replace(REPLACE("blk", "\"backend\":\"ram\",\"size\":\"1M\"")),
		0);
	use_disk_while_its_queue_moves();
}

static void
disk_in_a_file_moves_with_32_requests_and_a_changing_map(void **state)
{
	char path[PROCS_PATH], params[PROCS_PATH + 160];
	int fd;

	(void)state;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip();
	fd = open(procs_path(&p, "disk.img", path),
		  O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	snprintf(params, sizeof(params),
		 REPLACE("blk", "\"backend\":\"file\",\"path\":\"%s\""), path);
	assert_int_equal(replace(params), 0);
	use_disk_while_its_queue_moves();
	close(fd);
	unlink(path);
}

/* ---- What stays -------------------------------------------------------------- */

static int loop_of(unsigned int queue)
{
	json_t *m, *f;
	int loop;

	assert_int_equal(procs_rpc(&p, "machine.show", MACHINE, &m), 0);
	f = json_array_get(json_object_get(m, "functions"), 0);
	loop = (int)counter(json_array_get(json_object_get(f, "queues"), queue),
			    "loop");
	json_decref(m);
	return loop;
}

static void control_queue_of_a_net_stays_at_home(void **state)
{
	int home, away;

	(void)state;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip();
	assert_int_equal(
		replace(REPLACE("net", "\"port\":\"null\",\"pairs\":2")), 0);
	home = loop_of(0);
	away = 1 - home;
	assert_int_equal(place(4, away), 1);
	assert_int_equal(place(2, away), 1);
	assert_int_equal(place(4, home), 0);
	assert_int_equal(place(-1, away), 0);
	for (unsigned int q = 0; q < 5; q++)
		assert_int_equal(loop_of(q), q == 2 || q == 4 ? home : away);
	assert_int_equal(place(-1, home), 0);
	for (unsigned int q = 0; q < 5; q++)
		assert_int_equal(loop_of(q), home);
	assert_int_equal(replace(REPLACE("rng", "")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_moves_under_load_without_loss),
		cmocka_unit_test(queue_elsewhere_outlives_reset_and_clients),
		cmocka_unit_test(
			disk_in_memory_moves_with_32_requests_and_a_changing_map),
		cmocka_unit_test(
			disk_in_a_file_moves_with_32_requests_and_a_changing_map),
		cmocka_unit_test(control_queue_of_a_net_stays_at_home),
		cmocka_unit_test(machine_with_a_queue_elsewhere_goes),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
