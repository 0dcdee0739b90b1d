/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients that vanish, at any moment: the next one works, and what they lent
 * is counted in the proxy and the service.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flow/vfio_stage.h"

static struct vfio_guest guest;

static const struct timespec millisecond = { .tv_nsec = 1000000 };

/* A session step by step; the client goes after step @steps. */
static void session(struct vfio_guest *t, struct traffic *tr, int steps)
{
	struct vu_region_access ra = { 0, VU_REGION_CONFIG, 4 };

	assert_int_equal(vfio_raw_connect(&t->v, stage.path), 0);
	if (steps-- == 0)
		return;
	assert_int_equal(vfio_raw_version(&t->v, 0, "{}"), 0);
	if (steps-- == 0)
		return;
	vfio_raw_command(&t->v, VU_REGION_READ, 0, &ra, sizeof(ra), NULL, 0);
	if (steps-- == 0)
		return; /* its reply is under way */
	assert_int_equal(vfio_raw_reply(&t->v), 1);
	stage_map(t, 0, LOW_SIZE, true);
	if (steps-- == 0)
		return;
	stage_map(t, PAM, PAM_SIZE, true);
	stage_map(t, HIGH, HIGH_SIZE, true);
	if (steps-- == 0)
		return;
	stage_replies(t);
	stage_go_live(t, tr);
	if (steps-- == 0)
		return;
	stage_ask(t, tr);
	if (steps-- == 0)
		return; /* with work in the queue */
	stage_collect(t, tr);
	stage_ask(t, tr);
	stage_unmap(t, PAM, PAM_SIZE);
	if (steps-- == 0)
		return;
	stage_replies(t);
	if (steps-- == 0)
		return; /* with a queue that pauses */
	stage_map(t, PAM, PAM_SIZE, true);
	stage_replies(t);
	vfio_raw_command(&t->v, VU_DEVICE_RESET, 0, NULL, 0, NULL, 0);
}

#define SESSION_STEPS 9

static void run_session(int steps)
{
	struct traffic tr;

	traffic_init(&tr);
	assert_int_equal(vfio_guest_init(&guest, PAM, VFIO_GUEST_SIZE - PAM),
			 0);
	session(&guest, &tr, steps);
	vfio_guest_fini(&guest);
	traffic_fini(&tr);
}

struct holdings {
	unsigned int proxy_fds, service_fds, segments, ram;
};

static struct holdings holdings(void)
{
	const struct procs *p = &stage.procs;

	return (struct holdings){
		.proxy_fds = vfio_count_fds(p->proxy),
		.service_fds = vfio_count_fds(p->service),
		.segments = vfio_count_maps(p->proxy, "memfd:") +
			    vfio_count_maps(p->service, "memfd:"),
		.ram = vfio_count_maps(p->proxy, VFIO_GUEST_RAM) +
		       vfio_count_maps(p->service, VFIO_GUEST_RAM),
	};
}

/* What is left of a client goes within a second. */
static void expect_holdings(const struct holdings *want, int step)
{
	struct holdings now = holdings();

	for (int i = 0; i < 1000 && memcmp(&now, want, sizeof(now)); i++) {
		nanosleep(&millisecond, NULL);
		now = holdings();
	}
	if (memcmp(&now, want, sizeof(now)))
		fail_msg("after step %d: %u/%u fds, %u/%u in the service, %u/%u"
			 " segments, %u pieces of RAM",
			 step, now.proxy_fds, want->proxy_fds, now.service_fds,
			 want->service_fds, now.segments, want->segments,
			 now.ram);
}

static void idle(void)
{
	for (int i = 0; i < 100; i++)
		nanosleep(&millisecond, NULL);
}

static void
a_client_may_go_after_any_message_and_the_next_one_works(void **state)
{
	struct holdings before;

	(void)state;
	run_session(SESSION_STEPS);
	idle();
	before = holdings();
	assert_int_equal(before.ram, 0);
	for (int steps = 0; steps <= SESSION_STEPS; steps++) {
		run_session(steps);
		run_session(SESSION_STEPS);
		expect_holdings(&before, steps);
	}
}

static void a_killed_client_leaves_nothing(void **state)
{
	struct holdings before = holdings();

	(void)state;
	for (int i = 0; i < 5; i++) {
		int ready[2], status;
		pid_t pid;
		char c;

		assert_int_equal(pipe(ready), 0);
		pid = fork();
		if (pid == 0) {
			struct traffic tr;

			traffic_init(&tr);
			if (vfio_guest_init(&guest, PAM, VFIO_GUEST_SIZE - PAM))
				_exit(1);
			stage_qemu(&guest);
			stage_go_live(&guest, &tr);
			if (write(ready[1], "x", 1) != 1)
				_exit(1);
			for (unsigned int k = 0;; k++) {
				stage_ask(&guest, &tr);
				stage_relay(&guest, &tr, k);
				stage_collect(&guest, &tr);
			}
		}
		close(ready[1]);
		assert_int_equal(read(ready[0], &c, 1), 1);
		close(ready[0]);
		for (int k = 0; k < 5 * i; k++)
			nanosleep(&millisecond, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status));
		run_session(SESSION_STEPS);
		expect_holdings(&before, i);
	}
}

/* The second VMM started before the first was gone: it waits its turn. */
static void the_next_client_waits_in_the_backlog(void **state)
{
	static struct vfio_raw first, second;

	(void)state;
	assert_int_equal(vfio_raw_connect(&first, stage.path), 0);
	assert_int_equal(vfio_raw_version(&first, 0, NULL), 0);
	assert_int_equal(vfio_raw_connect(&second, stage.path), 0);
	assert_int_equal(vfio_raw_command(&second, VU_VERSION, 0, "\0\0\0\0", 4,
					  NULL, 0),
			 0);
	assert_int_equal(
		vfio_raw_call(&first, VU_DEVICE_RESET, NULL, 0, NULL, 0), 0);
	vfio_raw_close(&first);
	assert_int_equal(vfio_raw_reply(&second), 1);
	assert_int_equal(second.reply.flags, VU_TYPE_REPLY);
	vfio_raw_close(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_client_may_go_after_any_message_and_the_next_one_works),
		cmocka_unit_test(a_killed_client_leaves_nothing),
		cmocka_unit_test(the_next_client_waits_in_the_backlog),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, stage_setup, stage_teardown);
}
