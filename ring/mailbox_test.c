/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Question and answer on one line, and the order between what a lane posts and
 * what it asks - on both paths, for who asks must not notice which it is.
 */
#include "ring/channel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "ring/test_channel.h"

#define ALL_LANES PCIRING_MAX_LANES

/* ---- One question, one answer ------------------------------------------- */

static void a_question_and_its_answer_take_one_line_and_no_ring(void **state)
{
	const struct msg_access asked = {
		.address = 0xfedcba9876543210,
		.value = 0x0123456789abcdef,
		.seq = 0x80000001,
		.function = 0xffff,
		.space = PCIRING_SPACE_BAR5,
		.size = 8,
		.op = MSG_WRITE,
	};
	struct msg_completion c;
	struct msg_access got;
	struct pair p;

	(void)state;
	pair_init_by(&p, 2, true);
	assert_true(channel_put(&p.client, 1, &asked));
	assert_true(ring_empty(&p.service.lane[1].request));
	assert_int_equal(channel_take(&p.service, 0, &got, 1), 0);
	memset(&got, 0xff, sizeof(got));
	assert_int_equal(channel_take(&p.service, 1, &got, 1), 1);
	assert_memory_equal(&got, &asked, sizeof(got));
	assert_int_equal(channel_take(&p.service, 1, &got, 1), 0);

	assert_false(channel_get(&p.client, 1, &c));
	channel_complete(&p.service, 1, &got, UINT64_MAX - 1, ENODEV);
	assert_true(ring_empty(&p.client.lane[1].completion));
	assert_true(channel_get(&p.client, 1, &c));
	assert_int_equal(c.seq, asked.seq);
	assert_int_equal(c.value, UINT64_MAX - 1);
	assert_int_equal(c.status, ENODEV);
	assert_int_equal(p.service.stats.requests, 1);
	assert_int_equal(p.service.stats.completions, 1);
	pair_fini(&p);
}

static void an_answer_is_collected_once(void **state)
{
	struct msg_completion c;
	struct msg_access req;
	struct pair p;

	pair_init_by(&p, 1, by_mailbox(state));
	for (uint32_t seq = 1; seq < 200; seq++) {
		assert_false(channel_get(&p.client, 0, &c));
		put(&p.client, 0, seq, MSG_READ);
		assert_false(channel_get(&p.client, 0, &c));
		assert_int_equal(channel_take(&p.service, 0, &req, 1), 1);
		channel_complete(&p.service, 0, &req, seq, 0);
		assert_true(channel_get(&p.client, 0, &c));
		assert_int_equal(c.seq, seq);
	}
	assert_false(channel_get(&p.client, 0, &c));
	pair_fini(&p);
}

static void stale_and_repeated_answers_are_dropped(void **state)
{
	struct msg_access first, second, again;
	struct msg_completion c;
	struct pair p;

	(void)state;
	pair_init_by(&p, 1, true);
	put(&p.client, 0, 1, MSG_READ);
	assert_int_equal(channel_take(&p.service, 0, &first, 1), 1);
	channel_complete(&p.service, 0, &first, 10, 0);
	assert_true(channel_get(&p.client, 0, &c));

	/* Given twice, before the next question and after it. */
	again = first;
	p.service.lane[0].pending = 2;
	channel_complete(&p.service, 0, &again, 11, 0);
	assert_false(channel_get(&p.client, 0, &c));
	channel_complete(&p.service, 0, &again, 12, 0);
	put(&p.client, 0, 2, MSG_READ);
	assert_false(channel_get(&p.client, 0, &c));

	/* An answer to what nobody asked, and 0, which nobody asks. */
	p.service.lane[0].shared->answer = 3;
	assert_false(channel_get(&p.client, 0, &c));
	p.service.lane[0].shared->answer = 0;
	assert_false(channel_get(&p.client, 0, &c));

	assert_int_equal(channel_take(&p.service, 0, &second, 1), 1);
	channel_complete(&p.service, 0, &second, 20, 0);
	assert_true(channel_get(&p.client, 0, &c));
	assert_int_equal(c.seq, 2);
	assert_int_equal(c.value, 20);
	pair_fini(&p);
}

static void all_lanes_ask_at_once_and_each_gets_its_own_answer(void **state)
{
	struct msg_access req[ALL_LANES];
	struct msg_completion c;
	struct pair p;
	unsigned int i;

	pair_init_by(&p, ALL_LANES, by_mailbox(state));
	for (uint32_t round = 1; round < 10; round++) {
		for (i = 0; i < ALL_LANES; i++)
			put(&p.client, i, round * 1000 + i, MSG_READ);
		for (i = 0; i < ALL_LANES; i++)
			assert_int_equal(
				channel_take(&p.service, i, &req[i], 1), 1);
		/* Answered in another order than asked. */
		for (i = ALL_LANES; i--;)
			channel_complete(&p.service, i, &req[i],
					 ~req[i].address, 0);
		for (i = 0; i < ALL_LANES; i++) {
			assert_true(channel_get(&p.client, i, &c));
			assert_int_equal(c.seq, round * 1000 + i);
			assert_int_equal(c.value, ~(uint64_t)(c.seq * 4));
		}
	}
	pair_fini(&p);
}

/* ---- Order --------------------------------------------------------------- */

static void a_question_comes_after_all_that_its_lane_posted(void **state)
{
	struct msg_access req[CHANNEL_REQUESTS + 1];
	unsigned int posts, max, n, i;
	struct msg_completion c;
	uint32_t seq = 1, expect = 1;
	struct pair p;

	pair_init_by(&p, 1, by_mailbox(state));
	for (posts = 0; posts < CHANNEL_REQUESTS - 1; posts++) {
		for (i = 0; i < posts; i++)
			put(&p.client, 0, seq++, MSG_POSTED);
		put(&p.client, 0, seq++, MSG_READ);
		/* The loop looks late, and takes little or much at a time. */
		max = 1 + posts % 7 * (posts % 11);
		do {
			n = channel_take(&p.service, 0, req, max);
			assert_in_range(n, 1, max);
			for (i = 0; i < n; i++)
				assert_int_equal(req[i].seq, expect++);
		} while (req[n - 1].op == MSG_POSTED);
		assert_int_equal(expect, seq);
		channel_complete(&p.service, 0, &req[n - 1], 0, 0);
		assert_true(channel_get(&p.client, 0, &c));
	}
	pair_fini(&p);
}

/* The loop knows of more than it has taken, and there is more than it knows. */
static void what_is_known_already_is_not_all_that_was_posted(void **state)
{
	struct msg_access req[CHANNEL_REQUESTS];
	struct pair p;

	pair_init_by(&p, 1, by_mailbox(state));
	for (uint32_t seq = 1; seq < 4; seq++)
		put(&p.client, 0, seq, MSG_POSTED);
	assert_int_equal(channel_take(&p.service, 0, req, 1), 1);
	put(&p.client, 0, 4, MSG_POSTED);
	put(&p.client, 0, 5, MSG_READ);
	for (uint32_t seq = 2; seq < 6;) {
		unsigned int n =
			channel_take(&p.service, 0, req, CHANNEL_REQUESTS);

		assert_true(n > 0);
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(req[i].seq, seq++);
	}
	pair_fini(&p);
}

#define ORDER_ROUNDS TEST_ROUNDS(100000)

/* One mapping for both threads, so that the thread sanitizer can relate them. */
struct race {
	struct channel ch;
	_Alignas(64) atomic_bool over;
	atomic_uint wrong;
	unsigned int rounds;
};

/* Ours is the only thread that puts here, and there is room. */
static void put_in_thread(struct race *r, unsigned int lane, uint32_t seq,
			  enum msg_op op)
{
	struct msg_access req = request(seq, op);

	if (!channel_put(&r->ch, lane, &req))
		atomic_fetch_add(&r->wrong, 1);
}

static void *asker(void *arg)
{
	int64_t limit = test_now_ms() + TEST_RACE_MS;
	uint64_t seed = 88172645463325252;
	unsigned int spins = 0, i;
	struct race *r = arg;
	struct msg_completion c;
	uint32_t seq = 1;

	for (r->rounds = 0; r->rounds < ORDER_ROUNDS; r->rounds++) {
		for (i = (unsigned int)(test_random(&seed) % 3); i; i--)
			put_in_thread(r, 0, seq++, MSG_POSTED);
		put_in_thread(r, 0, seq, MSG_READ);
		while (!channel_get(&r->ch, 0, &c))
			if (++spins % 256 == 0)
				sched_yield();
		if (c.seq != seq || c.value != ~(uint64_t)seq)
			atomic_fetch_add(&r->wrong, 1);
		seq++;
		if (r->rounds % 64 == 0 && test_race_is_over(r->rounds, limit))
			break;
	}
	atomic_store(&r->over, true);
	return NULL;
}

static void order_holds_while_one_asks_and_one_looks(void **state)
{
	unsigned int n, i, idle = 0;
	struct msg_access req[4];
	static struct race r;
	uint32_t expect = 1;
	pthread_t thread;

	memset(&r, 0, sizeof(r));
	assert_int_equal(channel_create(&r.ch, 1, 1), 0);
	r.ch.mailbox = by_mailbox(state);
	assert_int_equal(pthread_create(&thread, NULL, asker, &r), 0);
	while (!atomic_load(&r.over)) {
		n = channel_take(&r.ch, 0, req, ARRAY_SIZE(req));
		if (!n && ++idle % 256 == 0)
			sched_yield();
		for (i = 0; i < n; i++) {
			assert_int_equal(req[i].seq, expect++);
			assert_int_equal(req[i].address, req[i].seq * 4);
			if (req[i].op != MSG_POSTED)
				channel_complete(&r.ch, 0, &req[i],
						 ~(uint64_t)req[i].seq, 0);
		}
	}
	pthread_join(thread, NULL);
	assert_int_equal(r.wrong, 0);
	assert_true(r.rounds > TEST_RACE_ROUNDS);
	assert_int_equal(channel_broken(&r.ch), CHANNEL_WHOLE);
	channel_fini(&r.ch);
}

/* ---- The edges, each alone ----------------------------------------------- */

static void *ask_on_every_lane(void *arg)
{
	struct race *r = arg;

	for (unsigned int i = 0; i < ALL_LANES; i++)
		put_in_thread(r, i, i + 1, MSG_WRITE);
	return NULL;
}

/* No answer is given, so M1 -> N1 is all that relates the two threads. */
static void m1_n1_a_question_that_is_seen_is_whole(void **state)
{
	static struct race r;
	struct msg_access req, whole;
	pthread_t thread;

	(void)state;
	assert_int_equal(channel_create(&r.ch, ALL_LANES, 1), 0);
	channel_use_mailbox(&r.ch);
	assert_int_equal(pthread_create(&thread, NULL, ask_on_every_lane, &r),
			 0);
	for (unsigned int i = 0; i < ALL_LANES; i++) {
		while (!channel_take(&r.ch, i, &req, 1))
			sched_yield();
		whole = request(i + 1, MSG_WRITE);
		assert_memory_equal(&req, &whole, sizeof(req));
	}
	pthread_join(thread, NULL);
	channel_fini(&r.ch);
}

static void *answer_on_every_lane(void *arg)
{
	struct race *r = arg;
	struct msg_access req;

	for (unsigned int i = 0; i < ALL_LANES; i++) {
		req = request(i + 1, MSG_READ);
		channel_complete(&r->ch, i, &req, ~(uint64_t)i, (int)i);
	}
	return NULL;
}

/* All was asked and taken before the other thread began. */
static void m2_n2_an_answer_that_is_seen_is_whole(void **state)
{
	static struct race r;
	struct msg_completion c;
	struct msg_access req;
	pthread_t thread;

	(void)state;
	assert_int_equal(channel_create(&r.ch, ALL_LANES, 1), 0);
	channel_use_mailbox(&r.ch);
	for (unsigned int i = 0; i < ALL_LANES; i++) {
		put(&r.ch, i, i + 1, MSG_READ);
		assert_int_equal(channel_take(&r.ch, i, &req, 1), 1);
	}
	assert_int_equal(
		pthread_create(&thread, NULL, answer_on_every_lane, &r), 0);
	for (unsigned int i = 0; i < ALL_LANES; i++) {
		while (!channel_get(&r.ch, i, &c))
			sched_yield();
		assert_int_equal(c.seq, i + 1);
		assert_int_equal(c.value, ~(uint64_t)i);
		assert_int_equal(c.status, i);
	}
	pthread_join(thread, NULL);
	channel_fini(&r.ch);
}

/* ---- Sleep --------------------------------------------------------------- */

static void a_sleeping_loop_is_woken_by_a_question(void **state)
{
	struct msg_access req;
	struct pair p;

	pair_init_by(&p, 1, by_mailbox(state));
	channel_sleep(&p.service);
	assert_false(channel_has_work(&p.service));
	assert_false(readable(p.service.kick_fd));
	put(&p.client, 0, 1, MSG_READ);
	assert_true(readable(p.service.kick_fd));
	assert_true(channel_has_work(&p.service));
	channel_awake(&p.service);
	assert_int_equal(channel_take(&p.service, 0, &req, 1), 1);
	pair_fini(&p);
}

struct sleeper {
	struct channel *ch;
	uint32_t ticket;
	int result;
	bool found;
	struct msg_completion c;
};

static void *sleep_for_answer(void *arg)
{
	struct sleeper *s = arg;
	struct seg_wait *w = &s->ch->lane[0].shared->wait;

	s->result = wait_sleep(w, s->ticket, 20000000000);
	wait_done(w);
	s->found = channel_get(s->ch, 0, &s->c);
	return NULL;
}

static void a_sleeping_asker_is_woken_by_the_answer(void **state)
{
	struct msg_access req;
	struct sleeper s = { 0 };
	pthread_t thread;
	struct pair p;

	pair_init_by(&p, 1, by_mailbox(state));
	s.ch = &p.client;
	put(&p.client, 0, 1, MSG_READ);
	wait_declare(&p.client.lane[0].shared->wait, SEG_FUTEX, &s.ticket);
	assert_false(channel_get(&p.client, 0, &s.c));
	assert_int_equal(pthread_create(&thread, NULL, sleep_for_answer, &s),
			 0);
	assert_int_equal(channel_take(&p.service, 0, &req, 1), 1);
	channel_complete(&p.service, 0, &req, 5, 0);
	pthread_join(thread, NULL);
	assert_int_equal(s.result, 0);
	assert_true(s.found);
	assert_int_equal(s.c.value, 5);
	assert_int_equal(p.service.stats.wakes, 1);
	pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_question_and_its_answer_take_one_line_and_no_ring),
		BOTH_PATHS(an_answer_is_collected_once),
		cmocka_unit_test(stale_and_repeated_answers_are_dropped),
		BOTH_PATHS(all_lanes_ask_at_once_and_each_gets_its_own_answer),
		BOTH_PATHS(a_question_comes_after_all_that_its_lane_posted),
		BOTH_PATHS(what_is_known_already_is_not_all_that_was_posted),
		/* First, so that they are what a weakened edge fails. */
		cmocka_unit_test(m1_n1_a_question_that_is_seen_is_whole),
		cmocka_unit_test(m2_n2_an_answer_that_is_seen_is_whole),
		BOTH_PATHS(order_holds_while_one_asks_and_one_looks),
		BOTH_PATHS(a_sleeping_loop_is_woken_by_a_question),
		BOTH_PATHS(a_sleeping_asker_is_woken_by_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
