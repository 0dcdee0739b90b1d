/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a loop finds when it looks, and when it is about to sleep.
 */
#include "ring/channel.h"

#include "ring/test_channel.h"

#define ALL_LANES PCIRING_MAX_LANES

static void looks_find_every_lanes_question_in_turn(void **state)
{
	struct msg_access req;
	struct pair p;
	uint64_t found;

	(void)state;
	pair_init_by(&p, ALL_LANES, true);
	assert_int_equal(channel_look(&p.service), 0);
	for (unsigned int i = 0; i < ALL_LANES; i++)
		put(&p.client, i, 1, MSG_READ);
	/* Twice, for a question that nobody takes stays one. */
	for (unsigned int i = 0; i < 2 * ALL_LANES; i++)
		assert_int_equal(channel_look(&p.service),
				 BIT_ULL(i % ALL_LANES));
	for (unsigned int i = 0; i < ALL_LANES; i += 2)
		assert_int_equal(channel_take(&p.service, i, &req, 1), 1);
	found = 0;
	for (unsigned int i = 0; i < ALL_LANES / 2; i++)
		found |= channel_look(&p.service);
	assert_int_equal(found, 0xaaaaaaaaaaaaaaaa);
	pair_fini(&p);
}

/* Wherever the look before ended, and however many lanes there are. */
static void looks_find_a_question_that_is_alone(void **state)
{
	struct msg_access req;
	struct pair p;

	(void)state;
	for (unsigned int n = 1; n <= ALL_LANES; n += 1 + n / 9) {
		pair_init_by(&p, n, true);
		for (unsigned int i = 0; i < n * n; i++) {
			unsigned int lane = (i * 7 + i / n) % n;

			put(&p.client, lane, i + 1, MSG_READ);
			assert_int_equal(channel_look(&p.service),
					 BIT_ULL(lane));
			assert_int_equal(
				channel_take(&p.service, lane, &req, 1), 1);
			channel_complete(&p.service, lane, &req, 0, 0);
			assert_int_equal(channel_look(&p.service), 0);
		}
		pair_fini(&p);
	}
}

/* Whatever the look before ended with, and however many lanes there are. */
static void looks_find_every_lanes_ring_in_turn(void **state)
{
	static const unsigned int lanes[] = { 1, 15, 16, 17, 40, 64 };
	struct pair p;

	for (unsigned int k = 0; k < ARRAY_SIZE(lanes); k++) {
		unsigned int n = lanes[k];
		bool mailbox = by_mailbox(state);
		unsigned int step =
			mailbox ? CHANNEL_LOOK_POSTED : CHANNEL_LOOK_RINGS;
		unsigned int looks = (n + step - 1) / step *
				     (mailbox ? CHANNEL_LOOK_EVERY : 1);
		uint64_t all = ~0ull >> (64 - n), found;

		pair_init_by(&p, n, by_mailbox(state));
		for (unsigned int i = 0; i < n; i++)
			put(&p.client, i, 1, MSG_POSTED);
		for (unsigned int start = 0; start < 5; start++) {
			found = 0;
			for (unsigned int i = 0; i < looks; i++)
				found |= channel_look(&p.service);
			assert_int_equal(found, all);
		}
		pair_fini(&p);
	}
}

static unsigned int take_all(struct pair *p, unsigned int lanes)
{
	struct msg_access req[CHANNEL_REQUESTS];
	unsigned int n, taken = 0;

	for (unsigned int lane = 0; lane < lanes; lane++) {
		n = channel_take(&p->service, lane, req, CHANNEL_REQUESTS);
		taken += n;
		for (unsigned int i = 0; i < n; i++)
			if (req[i].op != MSG_POSTED)
				channel_complete(&p->service, lane, &req[i], 0,
						 0);
	}
	return taken;
}

/* Wherever the looks were, and while another lane never runs dry: a loop that
 * sleeps whenever it finds nothing declares itself once in vain, not often. */
static void what_is_work_is_in_the_next_look(void **state)
{
	unsigned int busy = 0, rounds = 4 * ALL_LANES;
	struct msg_access req[CHANNEL_REQUESTS];
	uint64_t seed = 3, found;
	unsigned int lane;
	struct pair p;

	pair_init_by(&p, ALL_LANES, by_mailbox(state));
	for (unsigned int i = 0; i < rounds; i++) {
		for (uint64_t n = test_random(&seed) % 9; n; n--)
			assert_int_equal(channel_look(&p.service), 0);
		lane = test_random(&seed) % ALL_LANES;
		put(&p.client, lane, 1, MSG_POSTED);
		assert_true(channel_has_work(&p.service));
		assert_true(channel_look(&p.service) & BIT_ULL(lane));
		assert_int_equal(channel_take(&p.service, lane, req, 8), 1);
	}
	put(&p.client, 50, 1, MSG_POSTED);
	for (found = 0; !(found & BIT_ULL(50)); busy++) {
		assert_true(busy < ALL_LANES);
		put(&p.client, 3, 1, MSG_POSTED);
		assert_true(channel_has_work(&p.service));
		found = channel_look(&p.service);
		channel_take(&p.service, 3, req, CHANNEL_REQUESTS);
	}
	pair_fini(&p);
}

/* Posts and asks of all kinds, answers that are left lying for a while. */
static void what_is_work_is_what_would_be_taken(void **state)
{
	bool mailbox = by_mailbox(state), waits[3] = { false };
	unsigned int had = 0, had_not = 0;
	struct msg_completion c;
	uint64_t seed = 7, r;
	uint32_t seq = 1;
	struct pair p;

	pair_init_by(&p, 3, mailbox);
	for (unsigned int i = 0; i < 20000; i++) {
		unsigned int lane = (r = test_random(&seed)) % 3;
		struct msg_access req =
			request(seq, r & 8 ? MSG_POSTED : MSG_READ);

		if (r & 16 && !(mailbox && waits[lane]) &&
		    channel_put(&p.client, lane, &req)) {
			waits[lane] = req.op == MSG_READ;
			seq++;
		}
		if ((r >> 8) % (mailbox ? 4 : 64) == 0)
			while (channel_get(&p.client, lane, &c))
				waits[lane] = false;
		if ((r >> 16) % 4)
			continue;
		if (channel_has_work(&p.service)) {
			assert_true(take_all(&p, 3) > 0);
			had++;
		} else {
			assert_int_equal(take_all(&p, 3), 0);
			had_not++;
		}
	}
	assert_true(had > 100 && had_not > 100);
	assert_int_equal(channel_broken(&p.service), CHANNEL_WHOLE);
	pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(looks_find_every_lanes_question_in_turn),
		cmocka_unit_test(looks_find_a_question_that_is_alone),
		BOTH_PATHS(looks_find_every_lanes_ring_in_turn),
		BOTH_PATHS(what_is_work_is_what_would_be_taken),
		BOTH_PATHS(what_is_work_is_in_the_next_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
