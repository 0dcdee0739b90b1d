/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "apps/pciringd/loop.h"

struct rig {
	struct loop *loop;
	pthread_t thread;
};

static void *body(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void start(struct rig *r, int idle_us)
{
	assert_int_equal(loop_create(0, idle_us, &r->loop), 0);
	loop_start(r->loop);
	assert_int_equal(pthread_create(&r->thread, NULL, body, r->loop), 0);
}

static void stop(struct rig *r)
{
	loop_stop(r->loop);
	pthread_join(r->thread, NULL);
	loop_stopped(r->loop);
	loop_destroy(r->loop);
}

static void note_thread(void *arg)
{
	*(pthread_t *)arg = pthread_self();
}

static uint64_t sleeps(struct loop *loop)
{
	struct loop_stats stats;

	loop_get_stats(loop, &stats);
	return stats.sleeps;
}

static void call_runs_on_the_thread_of_a_polling_loop(void **state)
{
	struct rig r;
	pthread_t who;

	(void)state;
	start(&r, LOOP_IDLE_OFF);
	for (int i = 0; i < 100; i++) {
		memset(&who, 0, sizeof(who));
		loop_call(r.loop, note_thread, &who);
		assert_true(pthread_equal(who, r.thread));
	}
	assert_int_equal(sleeps(r.loop), 0);
	stop(&r);
}

static void call_wakes_a_loop_that_sleeps(void **state)
{
	struct rig r;
	pthread_t who;

	(void)state;
	start(&r, 0);
	for (int i = 0; i < 200; i++) {
		if (i % 10 == 0)
			usleep(1000); /* long enough to fall asleep */
		memset(&who, 0, sizeof(who));
		loop_call(r.loop, note_thread, &who);
		assert_true(pthread_equal(who, r.thread));
	}
	assert_true(sleeps(r.loop) > 0);
	stop(&r);
}

static void call_to_a_loop_without_thread_runs_here(void **state)
{
	struct loop *loop;
	pthread_t who;

	(void)state;
	assert_int_equal(loop_create(0, 50, &loop), 0);
	loop_call(loop, note_thread, &who);
	assert_true(pthread_equal(who, pthread_self()));
	loop_destroy(loop);
}

static void watched_descriptor_ends_the_sleep(void **state)
{
	const uint64_t one = 1;
	uint64_t before;
	struct rig r;
	int fd;

	(void)state;
	start(&r, 0);
	fd = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(loop_watch(r.loop, fd), 0);
	usleep(2000);
	before = sleeps(r.loop);
	/* Nobody empties it, so the loop cannot stay asleep any more. */
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	usleep(5000);
	assert_true(sleeps(r.loop) > before + 5);
	loop_unwatch(r.loop, fd);
	close(fd);
	usleep(2000);
	before = sleeps(r.loop);
	usleep(5000);
	assert_true(sleeps(r.loop) <= before + 2);
	stop(&r);
}

static void machines_come_and_go_while_the_loop_runs(void **state)
{
	struct machine *m[8];
	struct rig r;

	(void)state;
	start(&r, 0);
	for (int round = 0; round < 5; round++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(m); i++) {
			assert_int_equal(machine_create("m", &m[i]), 0);
			assert_int_equal(loop_add(r.loop, m[i]), 0);
		}
		assert_int_equal(loop_machines(r.loop), ARRAY_SIZE(m));
		for (unsigned int i = 0; i < ARRAY_SIZE(m); i++) {
			loop_remove(r.loop, m[(i + 3) % ARRAY_SIZE(m)]);
			machine_destroy(m[(i + 3) % ARRAY_SIZE(m)]);
		}
		assert_int_equal(loop_machines(r.loop), 0);
	}
	stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call_runs_on_the_thread_of_a_polling_loop),
		cmocka_unit_test(call_wakes_a_loop_that_sleeps),
		cmocka_unit_test(call_to_a_loop_without_thread_runs_here),
		cmocka_unit_test(watched_descriptor_ends_the_sleep),
		cmocka_unit_test(machines_come_and_go_while_the_loop_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
