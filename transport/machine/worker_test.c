/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/machine/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "ring/test_util.h"

struct test_job {
	struct job job;
	_Atomic uint64_t asked;
	uint64_t seen;	    /* plain: of one worker at a time */
	unsigned int runs;  /* plain, too */
	unsigned int holds; /* plain, too */
	unsigned int more;  /* runs that want another */
};

static unsigned int run(struct job *j, uint64_t now)
{
	struct test_job *t = container_of(j, struct test_job, job);

	(void)now;
	t->runs++;
	t->seen = atomic_load_explicit(&t->asked, memory_order_relaxed);
	if (!t->more)
		return JOB_DID;
	t->more--;
	return JOB_DID | JOB_MORE;
}

static void hold(struct job *j)
{
	container_of(j, struct test_job, job)->holds++;
}

static uint64_t asleep(struct job *j)
{
	return container_of(j, struct test_job, job)->more;
}

static const struct job_ops ops = {
	.run = run,
	.hold = hold,
	.sleep = asleep,
};

static unsigned int woken;

static void wake(struct worker *w)
{
	(void)w;
	woken++;
}

/* ---- One thread ------------------------------------------------------------- */

static void posted_job_runs_once_however_often_it_was_posted(void **state)
{
	struct test_job t = { .seen = 0 };
	struct worker w;

	(void)state;
	worker_init(&w, wake);
	job_init(&t.job, &ops);
	job_release(&t.job, &w);
	assert_int_equal(worker_turn(&w), 0);
	woken = 0;
	for (int i = 0; i < 10; i++)
		job_post(&t.job);
	assert_int_equal(woken, 1);
	assert_true(worker_has_work(&w));
	assert_int_equal(worker_turn(&w), JOB_DID);
	assert_int_equal(t.runs, 1);
	assert_int_equal(worker_turn(&w), 0);
	assert_int_equal(t.runs, 1);
	assert_false(worker_has_work(&w));
}

static void job_with_more_runs_each_turn_beside_the_others(void **state)
{
	struct test_job t[3] = { [1] = { .more = 5 } };
	struct worker w;

	(void)state;
	worker_init(&w, wake);
	for (int i = 0; i < 3; i++) {
		job_init(&t[i].job, &ops);
		job_release(&t[i].job, &w);
		job_post(&t[i].job);
	}
	for (unsigned int turn = 1; turn <= 6; turn++) {
		assert_int_equal(worker_sleep(&w),
				 turn > 1 ? 6 - turn : UINT64_MAX);
		worker_turn(&w);
		assert_int_equal(t[0].runs, 1);
		assert_int_equal(t[1].runs, turn);
		assert_int_equal(t[2].runs, 1);
	}
	assert_int_equal(worker_turn(&w), 0);
	assert_int_equal(worker_sleep(&w), UINT64_MAX);
}

static void work_posted_while_held_is_for_the_next_worker(void **state)
{
	struct test_job t = { .seen = 0 };
	struct worker a, b;

	(void)state;
	worker_init(&a, wake);
	worker_init(&b, wake);
	job_init(&t.job, &ops);
	assert_true(job_is_held(&t.job));
	job_post(&t.job);
	job_release(&t.job, &a);
	job_recall(&t.job);
	assert_false(job_is_held(&t.job));
	assert_int_equal(worker_turn(&a), 0);
	assert_true(job_is_held(&t.job));
	assert_int_equal(t.runs, 0);
	assert_int_equal(t.holds, 0); /* it had none of it */
	job_post(&t.job);
	assert_false(worker_has_work(&a));
	job_release(&t.job, &b);
	assert_int_equal(worker_turn(&b), JOB_DID);
	assert_int_equal(worker_turn(&a), 0);
	assert_int_equal(t.runs, 1);
}

static void recall_takes_more_with_it(void **state)
{
	struct test_job t = { .more = 3 };
	struct worker a, b;

	(void)state;
	worker_init(&a, wake);
	worker_init(&b, wake);
	job_init(&t.job, &ops);
	job_release(&t.job, &a);
	job_post(&t.job);
	worker_turn(&a);
	job_recall(&t.job);
	job_recall(&t.job); /* as once */
	job_await(&t.job, &a);
	assert_int_equal(t.holds, 1);
	assert_int_equal(worker_turn(&a), 0);
	job_release(&t.job, &b);
	for (int i = 0; i < 5; i++)
		worker_turn(&b);
	assert_int_equal(t.runs, 4);
}

static void turn_has_so_many_jobs_and_goes_on_with_the_others(void **state)
{
	struct test_job t[WORKER_TURN_JOBS + 2] = { { .runs = 0 } };
	struct worker a;

	(void)state;
	worker_init(&a, wake);
	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
		t[i].more = 100;
		job_init(&t[i].job, &ops);
		job_release(&t[i].job, &a);
		job_post(&t[i].job);
	}
	assert_int_equal(worker_turn(&a), JOB_DID | JOB_MORE);
	assert_int_equal(t[WORKER_TURN_JOBS - 1].runs, 1);
	assert_int_equal(t[WORKER_TURN_JOBS].runs, 0);
	assert_int_equal(worker_turn(&a), JOB_DID | JOB_MORE);
	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(t[i].runs, i < WORKER_TURN_JOBS - 2 ? 2 : 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
		job_recall(&t[i].job);
		job_await(&t[i].job, &a);
	}
}

static unsigned int letters;

static void read_letter(struct letter *l)
{
	assert_false(l->posted);
	letters++;
}

static void letter_is_read_once_for_each_time_it_lay_there(void **state)
{
	struct letter l[2] = { { .read = read_letter },
			       { .read = read_letter } };
	struct letterbox box = { .first = NULL };
	struct worker w;

	(void)state;
	worker_init(&w, wake);
	box.owner = &w;
	assert_false(letterbox_read(&box));
	woken = letters = 0;
	for (int i = 0; i < 3; i++) {
		letter_post(&box, &l[0]);
		letter_post(&box, &l[1]);
	}
	assert_int_equal(woken, 2);
	assert_true(letterbox_has(&box));
	assert_true(letterbox_read(&box));
	assert_int_equal(letters, 2);
	letter_post(&box, &l[0]);
	assert_true(letterbox_read(&box));
	assert_int_equal(letters, 3);
	assert_false(letterbox_read(&box));
}

/* ---- Two workers that own jobs of each other, and a poster ------------------- */

#define JOBS   4
#define ROUNDS TEST_ROUNDS(1000000u)

struct side {
	struct worker worker;
	struct test_job job[JOBS]; /* owned */
	struct side *other;
	unsigned int moves;
	pthread_t thread;
};

static struct side side[2];
static _Atomic bool posting;
static _Atomic unsigned int over;

static void no_wake(struct worker *w)
{
	(void)w;
}

/* As a register access of a queue that is elsewhere: all of them come back, are
 * looked at, and go: to the other, or to oneself. */
static void recall_all(struct side *s)
{
	for (int i = 0; i < JOBS; i++)
		job_recall(&s->job[i].job);
	for (int i = 0; i < JOBS; i++) {
		job_await(&s->job[i].job, &s->worker);
		s->job[i].runs = s->job[i].holds = 0;
	}
	s->moves++;
	for (int i = 0; i < JOBS; i++)
		job_release(&s->job[i].job, (s->moves + (unsigned int)i) % 4
						    ? &s->other->worker
						    : &s->worker);
}

static void *play(void *arg)
{
	struct side *s = arg;

	for (unsigned int n = 0; atomic_load(&posting) || n < 8; n++) {
		worker_turn(&s->worker);
		if (n % 4 == 0)
			recall_all(s);
		if (n % 64 == 0)
			sched_yield();
	}
	atomic_fetch_add(&over, 1);
	/* The other may still wait for this one. */
	while (atomic_load(&over) < 2) {
		worker_turn(&s->worker);
		sched_yield();
	}
	return NULL;
}

static void drain(void)
{
	for (int n = 0; n < 2 * JOBS; n++) {
		worker_turn(&side[0].worker);
		worker_turn(&side[1].worker);
	}
}

static void two_that_recall_from_each_other_lose_no_work(void **state)
{
	struct test_job *t;

	(void)state;
	memset(side, 0, sizeof(side));
	over = 0;
	for (int i = 0; i < 2; i++) {
		side[i].other = &side[!i];
		worker_init(&side[i].worker, no_wake);
		for (int k = 0; k < JOBS; k++) {
			job_init(&side[i].job[k].job, &ops);
			job_release(&side[i].job[k].job, &side[!i].worker);
		}
	}
	posting = true;
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			pthread_create(&side[i].thread, NULL, play, &side[i]),
			0);
	for (unsigned int n = 0; n < ROUNDS; n++) {
		t = &side[n % 2].job[n / 2 % JOBS];
		atomic_fetch_add_explicit(&t->asked, 1, memory_order_relaxed);
		job_post(&t->job);
		if (n % 256 == 0)
			sched_yield();
	}
	posting = false;
	for (int i = 0; i < 2; i++)
		pthread_join(side[i].thread, NULL);
	drain();
	for (int i = 0; i < 2 * JOBS; i++) {
		t = &side[i / JOBS].job[i % JOBS];
		assert_int_equal(t->seen, t->asked);
	}
	assert_true(side[0].moves > 1 && side[1].moves > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			posted_job_runs_once_however_often_it_was_posted),
		cmocka_unit_test(
			job_with_more_runs_each_turn_beside_the_others),
		cmocka_unit_test(work_posted_while_held_is_for_the_next_worker),
		cmocka_unit_test(recall_takes_more_with_it),
		cmocka_unit_test(
			turn_has_so_many_jobs_and_goes_on_with_the_others),
		cmocka_unit_test(
			letter_is_read_once_for_each_time_it_lay_there),
		cmocka_unit_test(two_that_recall_from_each_other_lose_no_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
