/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When the first look at an answer comes: as late as the last answers did, and
 * never so late that a thread has lost much by it.
 */
#include "ring/client.h"

#include "ring/test_service.h"

#define A_PAUSE 16 /* what one is in a lane's patience */

static struct test_service service;
static struct pciring *p;
static struct pciring_access question;

static int start(void **state)
{
	(void)state;
	service_start(&service);
	p = service_attach_by(&service, 2, PCIRING_PATH_MAILBOX);
	p->spin_ns = 1;
	question = (struct pciring_access){ .space = PCIRING_SPACE_BAR0,
					    .address = 8,
					    .size = 4 };
	return 0;
}

static int end(void **state)
{
	(void)state;
	pciring_detach(p);
	service_end(&service);
	return 0;
}

static void a_look_too_early_is_later_the_next_time_to_a_limit(void **state)
{
	unsigned int before, after = p->lane[0].patience;

	(void)state;
	service.deaf = true;
	assert_int_equal(pciring_access_begin(p, 0, &question), 0);
	for (unsigned int i = 0; i < 1000; i++) {
		before = after;
		pciring_call_away(p, 0);
		assert_int_equal(pciring_access_collect(p, 0, &question),
				 -EINTR);
		after = p->lane[0].patience;
		assert_true(after > before || before >= 32 * A_PAUSE);
		assert_true(after < 33 * A_PAUSE);
	}
	assert_int_equal(p->lane[1].patience, 0);
}

/* An access whose answer is there when it is first looked for. */
static void answer_in_time(void)
{
	struct seg_lane *s = p->ch.lane[0].shared;

	assert_int_equal(pciring_access_begin(p, 0, &question), 0);
	while (atomic_load(&s->answer) != p->lane[0].seq)
		poll(NULL, 0, 1);
	assert_int_equal(pciring_access_collect(p, 0, &question), 0);
}

static void a_look_in_time_is_sooner_the_next_time_to_none_at_all(void **state)
{
	(void)state;
	p->lane[0].patience = A_PAUSE;
	for (int left = A_PAUSE; left > -3; left--) {
		assert_int_equal(p->lane[0].patience, left > 0 ? left : 0);
		answer_in_time();
	}
}

/* A burst is answered late; what comes after it does not wait for that. */
static void what_a_burst_left_is_gone_after_some_answers(void **state)
{
	unsigned int n = 0;

	(void)state;
	p->lane[0].patience = 32 * A_PAUSE;
	for (; p->lane[0].patience; n++) {
		assert_true(n < 100);
		answer_in_time();
	}
	/* Nor is one that is too early then too late the next time. */
	service.deaf = true;
	assert_int_equal(pciring_access_begin(p, 0, &question), 0);
	pciring_call_away(p, 0);
	assert_int_equal(pciring_access_collect(p, 0, &question), -EINTR);
	service.deaf = false;
	p->lane[0].patience = A_PAUSE;
	assert_int_equal(pciring_access_collect(p, 0, &question), 0);
	answer_in_time();
	assert_in_range(p->lane[0].patience, A_PAUSE - 2, A_PAUSE + 4);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_look_too_early_is_later_the_next_time_to_a_limit),
		TEST(a_look_in_time_is_sooner_the_next_time_to_none_at_all),
		TEST(what_a_burst_left_is_gone_after_some_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
