/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread that waits for an answer and is called away.
 *
 * A sleep here may last as long as the test (client.h, slice_ns), so that a
 * call that gets lost is a test that hangs, not one that is a little late.
 */
#include "ring/client.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "ring/test_service.h"

#define LANE	   1
#define A_LONG_ONE (3600 * (int64_t)1000000000)

static struct test_service service;
static struct pciring *p;
static uint32_t path;
static struct pciring_access question;

static int by_mailbox(void **state)
{
	(void)state;
	path = PCIRING_PATH_MAILBOX;
	return 0;
}

static int by_rings(void **state)
{
	(void)state;
	path = PCIRING_PATH_RINGS;
	return 0;
}

static int start(void **state)
{
	(void)state;
	service_start(&service);
	p = service_attach_by(&service, 2, path);
	p->slice_ns = A_LONG_ONE;
	question = (struct pciring_access){ .space = PCIRING_SPACE_BAR0,
					    .address = 8,
					    .size = 4 };
	service.reg[1] = 42;
	service.deaf = true;
	return 0;
}

static int end(void **state)
{
	(void)state;
	pciring_detach(p);
	service_end(&service);
	return 0;
}

static int collect(void)
{
	return pciring_access_collect(p, LANE, &question);
}

/* The service answers, and the answer comes as if nothing had been. */
static void expect_answer_once(void)
{
	service.deaf = false;
	assert_int_equal(collect(), 0);
	assert_int_equal(question.value, 42);
	assert_int_equal(collect(), -ENOENT);
	assert_int_equal(pciring_access(p, LANE, &question), 0);
}

static void begin(void)
{
	assert_int_equal(pciring_access_begin(p, LANE, &question), 0);
}

/* ---- The thread that calls ---------------------------------------------- */

struct caller {
	pthread_t thread;
	pthread_t waiter;
	pid_t tid;
	void (*call)(struct caller *c);
};

/* The waiter is in the futex, and nowhere else. */
static bool asleep(pid_t tid)
{
	char name[64], text[256] = "";
	FILE *f;

	if (atomic_load(&p->ch.lane[LANE].shared->wait.mode) != SEG_FUTEX)
		return false;
	snprintf(name, sizeof(name), "/proc/self/task/%d/stat", (int)tid);
	f = fopen(name, "re");
	if (f) {
		if (!fgets(text, sizeof(text), f))
			text[0] = 0;
		fclose(f);
	}
	return strstr(text, ") S ") != NULL;
}

static void *call_when_asleep(void *arg)
{
	struct caller *c = arg;

	while (!asleep(c->tid))
		poll(NULL, 0, 1);
	c->call(c);
	return NULL;
}

static void start_caller(struct caller *c, void (*call)(struct caller *c))
{
	c->waiter = pthread_self();
	c->tid = (pid_t)syscall(SYS_gettid);
	c->call = call;
	assert_int_equal(pthread_create(&c->thread, NULL, call_when_asleep, c),
			 0);
}

static void by_call(struct caller *c)
{
	(void)c;
	pciring_call_away(p, LANE);
}

static void by_signal(struct caller *c)
{
	pthread_kill(c->waiter, SIGUSR1);
}

static void by_death(struct caller *c)
{
	(void)c;
	service_die(&service);
}

static atomic_uint signals;

static void on_plain(int sig)
{
	(void)sig;
	atomic_fetch_add(&signals, 1);
}

static void on_calling(int sig)
{
	(void)sig;
	pciring_call_away(p, LANE);
	atomic_fetch_add(&signals, 1);
}

static void handle(void (*handler)(int sig), int flags)
{
	const struct sigaction act = { .sa_handler = handler,
				       .sa_flags = flags };

	sigaction(SIGUSR1, &act, NULL);
}

/* ---- One call ------------------------------------------------------------ */

static void a_sleeper_is_called_away_by_another_thread(void **state)
{
	struct caller c;

	(void)state;
	begin();
	start_caller(&c, by_call);
	assert_int_equal(collect(), -EINTR);
	pthread_join(c.thread, NULL);
	expect_answer_once();
}

static void a_spinner_is_called_away(void **state)
{
	(void)state;
	/* It would spin for the four seconds that this is, each time. */
	p->spin_ns = UINT32_MAX;
	begin();
	for (int i = 0; i < 30; i++) {
		pciring_call_away(p, LANE);
		assert_int_equal(collect(), -EINTR);
	}
	expect_answer_once();
}

static void what_was_begun_has_to_be_collected_first(void **state)
{
	struct pciring_access other = question, write = question;

	(void)state;
	assert_int_equal(collect(), -ENOENT);
	begin();
	pciring_call_away(p, LANE);
	assert_int_equal(collect(), -EINTR);
	write.write = 1;
	assert_int_equal(pciring_access(p, LANE, &other), -EBUSY);
	assert_int_equal(pciring_access_begin(p, LANE, &other), -EBUSY);
	assert_int_equal(pciring_post(p, LANE, &write), -EBUSY);
	assert_int_equal(pciring_access_collect(p, 2, &other), -EINVAL);
	/* The other lane knows nothing of it. */
	service.deaf = false;
	assert_int_equal(pciring_access(p, 0, &other), 0);
	assert_int_equal(pciring_access_collect(p, 0, &other), -ENOENT);
	expect_answer_once();
}

static void a_call_before_the_wait_counts_once(void **state)
{
	struct caller c;

	(void)state;
	pciring_call_away(p, LANE);
	pciring_call_away(p, LANE);
	begin();
	assert_int_equal(collect(), -EINTR);
	start_caller(&c, by_call);
	assert_int_equal(collect(), -EINTR);
	pthread_join(c.thread, NULL);
	expect_answer_once();
}

static void a_call_is_for_its_lane_and_never_for_an_access(void **state)
{
	(void)state;
	service.deaf = false;
	service.delay_ms = 20;
	pciring_call_away(p, 0);
	pciring_call_away(p, 2); /* there is none */
	begin();
	assert_int_equal(collect(), 0);
	pciring_call_away(p, LANE);
	assert_int_equal(pciring_access(p, LANE, &question), 0);
	assert_int_equal(question.value, 42);
	/* It still stands. */
	begin();
	assert_int_equal(collect(), -EINTR);
	expect_answer_once();
}

static void a_signal_ends_the_sleep_of_a_collect(void **state)
{
	static const int flags[] = { 0, SA_RESTART };
	struct caller c;

	(void)state;
	begin();
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		handle(on_plain, flags[i]);
		start_caller(&c, by_signal);
		assert_int_equal(collect(), -EINTR);
		pthread_join(c.thread, NULL);
	}
	expect_answer_once();
}

/* The handler calls, and the sleep is interrupted: one reason to go. */
static void a_handler_that_calls_is_one_call(void **state)
{
	struct caller c;

	(void)state;
	handle(on_calling, 0);
	begin();
	start_caller(&c, by_signal);
	assert_int_equal(collect(), -EINTR);
	pthread_join(c.thread, NULL);
	service.delay_ms = 20;
	expect_answer_once();
}

/* What the two races below may take long to hit. */
static void a_call_between_the_last_look_and_the_sleep_counts(void **state)
{
	struct seg_wait *w = &p->ch.lane[LANE].shared->wait;
	uint32_t ticket;

	(void)state;
	wait_declare(w, SEG_FUTEX, &ticket);
	assert_false(p->lane[LANE].leave);
	pciring_call_away(p, LANE);
	assert_int_equal(wait_sleep(w, ticket, A_LONG_ONE), 0);
	wait_done(w);
	begin();
	assert_int_equal(collect(), -EINTR);
	expect_answer_once();
}

/* ---- At any instant ------------------------------------------------------ */

static atomic_uint collected; /* what the waiter has seen */
static atomic_bool finished, lost;

static void idle(uint64_t rounds)
{
	for (volatile uint64_t i = 0; i < rounds; i++)
		;
}

/* One call, then wait until it was heard: none may get lost. */
static void *call_and_wait(void *arg)
{
	uint64_t seed = 7;
	int64_t limit;
	unsigned int seen;

	(void)arg;
	while (!finished && !lost) {
		seen = collected;
		pciring_call_away(p, LANE);
		limit = test_now_ms() + 20000;
		while (collected == seen && !finished && !lost) {
			sched_yield();
			if (test_now_ms() > limit) {
				lost = true;
				service.deaf = false;
			}
		}
		idle(test_random(&seed) % 4096);
	}
	return NULL;
}

static void no_call_is_lost_at_the_edge_of_sleep(void **state)
{
	const unsigned int rounds = TEST_ROUNDS(8000);
	int64_t limit = test_now_ms() + TEST_RACE_MS;
	uint64_t seed = 3;
	pthread_t thread;
	unsigned int n;

	(void)state;
	collected = 0;
	finished = lost = false;
	begin();
	pthread_create(&thread, NULL, call_and_wait, NULL);
	for (n = 0; n < rounds && !test_race_is_over(n, limit) && !lost; n++) {
		p->spin_ns = n % 2 ? 0 : 1000;
		idle(test_random(&seed) % 4096);
		if (collect() != -EINTR)
			break;
		collected++;
	}
	finished = true;
	pthread_join(thread, NULL);
	assert_false(lost);
	assert_true(n == rounds || n >= TEST_RACE_ROUNDS);
	/* The last call may have come after the last wait. */
	p->lane[LANE].leave = false;
	expect_answer_once();
}

struct sender {
	pthread_t waiter;
};

static void *send_signals(void *arg)
{
	const struct sender *s = arg;
	uint64_t seed = 5;
	unsigned int seen;

	while (!finished) {
		seen = signals;
		pthread_kill(s->waiter, SIGUSR1);
		while (signals == seen && !finished)
			sched_yield();
		idle(test_random(&seed) % 20000);
	}
	return NULL;
}

/* What the handler does, and where it came in between, must not be seen but
 * by -EINTR. */
static void a_handler_may_call_at_any_instant(void **state)
{
	/* The fake service takes a millisecond for each. */
	const unsigned int rounds = 400;
	int64_t limit = test_now_ms() + TEST_RACE_MS;
	struct sender s = { .waiter = pthread_self() };
	struct pciring_access a = question;
	unsigned int n, away = 0;
	pthread_t thread;
	int err = 0;

	(void)state;
	service.deaf = false;
	finished = false;
	signals = 0;
	handle(on_calling, 0);
	pthread_create(&thread, NULL, send_signals, &s);
	for (n = 0; n < rounds && !test_race_is_over(n, limit); n++) {
		p->spin_ns = n % 2 ? 0 : 1000;
		service.reg[1] = n;
		err = pciring_access_begin(p, LANE, &a);
		while (!err &&
		       (err = pciring_access_collect(p, LANE, &a)) == -EINTR) {
			away++;
			err = 0;
		}
		if (err || a.value != n)
			break;
	}
	finished = true;
	pthread_join(thread, NULL);
	assert_int_equal(err, 0);
	assert_int_equal(a.value, n - 1);
	assert_true(n == rounds || n >= TEST_RACE_ROUNDS);
	assert_in_range(away, 1, signals);
	assert_int_equal(pciring_access_collect(p, LANE, &a), -ENOENT);
}

/* ---- The service dies in between, or lies -------------------------------- */

static void expect_the_end(void)
{
	assert_int_equal(collect(), -EPIPE);
	assert_int_equal(collect(), -EPIPE);
	assert_int_equal(pciring_access_begin(p, LANE, &question), -EPIPE);
	assert_int_equal(pciring_access(p, 0, &question), -EPIPE);
	assert_int_equal(pciring_status(p), -EPIPE);
	assert_int_equal(question.value, 0);
}

static void a_service_that_died_in_between_is_epipe(void **state)
{
	(void)state;
	p->slice_ns = CLIENT_SLICE_NS;
	begin();
	pciring_call_away(p, LANE);
	assert_int_equal(collect(), -EINTR);
	service_die(&service);
	expect_the_end();
}

static void a_service_that_dies_while_one_waits_is_epipe(void **state)
{
	struct caller c;

	(void)state;
	p->slice_ns = CLIENT_SLICE_NS;
	begin();
	start_caller(&c, by_death);
	assert_int_equal(collect(), -EPIPE);
	pthread_join(c.thread, NULL);
	expect_the_end();
}

static void the_last_answer_of_a_dead_service_is_collected(void **state)
{
	(void)state;
	begin();
	pciring_call_away(p, LANE);
	assert_int_equal(collect(), -EINTR);
	service.deaf = false;
	for (bool done = false; !done; poll(NULL, 0, 1)) {
		pthread_mutex_lock(&service.lock);
		done = service.ch.stats.completions;
		pthread_mutex_unlock(&service.lock);
	}
	service_die(&service);
	assert_int_equal(pciring_status(p), -EPIPE);
	assert_int_equal(collect(), 0);
	assert_int_equal(question.value, 42);
	assert_int_equal(collect(), -EPIPE);
}

static void a_channel_found_lying_is_the_end(void **state)
{
	(void)state;
	p->slice_ns = CLIENT_SLICE_NS;
	begin();
	p->ch.fault = CHANNEL_FORGED_INDEX;
	expect_the_end();
}

static void *wake_for_ever(void *arg)
{
	(void)arg;
	while (!finished) {
		wait_rouse(&p->ch.lane[LANE].shared->wait);
		sched_yield();
	}
	return NULL;
}

/* Each sleep ends as soon as it begins, and there is never an answer. */
static void wakes_without_end_do_not_hide_a_death(void **state)
{
	pthread_t thread;

	(void)state;
	finished = false;
	begin();
	pthread_create(&thread, NULL, wake_for_ever, NULL);
	service_die(&service);
	assert_int_equal(collect(), -EPIPE);
	finished = true;
	pthread_join(thread, NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_sleeper_is_called_away_by_another_thread),
		TEST(a_spinner_is_called_away),
		TEST(what_was_begun_has_to_be_collected_first),
		TEST(a_call_before_the_wait_counts_once),
		TEST(a_call_is_for_its_lane_and_never_for_an_access),
		TEST(a_signal_ends_the_sleep_of_a_collect),
		TEST(a_handler_that_calls_is_one_call),
		TEST(a_call_between_the_last_look_and_the_sleep_counts),
		TEST(no_call_is_lost_at_the_edge_of_sleep),
		TEST(a_handler_may_call_at_any_instant),
		TEST(a_service_that_died_in_between_is_epipe),
		TEST(a_service_that_dies_while_one_waits_is_epipe),
		TEST(the_last_answer_of_a_dead_service_is_collected),
		TEST(a_channel_found_lying_is_the_end),
		TEST(wakes_without_end_do_not_hide_a_death),
	};

	return cmocka_run_group_tests_name("mailbox", tests, by_mailbox, NULL) +
	       cmocka_run_group_tests_name("rings", tests, by_rings, NULL);
}
