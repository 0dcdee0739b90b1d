/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One lie at a time: what breaks a channel, for which reason, what it does
 * then - nothing - and what is no lie that concerns it.
 */
#include "ring/channel.h"

#include "ring/test_channel.h"

/* Answered once, so that every index and word has moved. */
static void pair_used(struct pair *p, bool mailbox)
{
	const struct msg_irq irq = { .what = 1 };
	struct msg_completion c;
	struct msg_access req;
	struct msg_irq got;

	pair_init_by(p, 2, mailbox);
	put(&p->client, 0, 1, MSG_POSTED);
	put(&p->client, 0, 2, MSG_READ);
	while (channel_take(&p->service, 0, &req, 1) && req.op == MSG_POSTED)
		;
	channel_complete(&p->service, 0, &req, 0, 0);
	assert_true(channel_get(&p->client, 0, &c));
	assert_true(channel_irq(&p->service, &irq));
	assert_int_equal(channel_get_irqs(&p->client, &got, 1), 1);
}

/* ---- What the service finds ---------------------------------------------- */

/* The whole half is silent, also on the lane and the ring that nobody forged,
 * and about what it owes. */
static void assert_service_broken(struct pair *p, enum channel_fault why)
{
	struct msg_access req[4] = { request(9, MSG_READ) };
	const struct msg_irq irq = { .what = 1 };
	const uint64_t full = p->service.stats.irq_full;
	struct msg_completion c;
	struct msg_irq got;

	assert_int_equal(channel_broken(&p->service), why);
	p->client.lane[1].shared->ask = 1;
	assert_int_equal(channel_look(&p->service), 0);
	assert_false(channel_has_work(&p->service));
	assert_int_equal(channel_take(&p->service, 0, req, 4), 0);
	assert_int_equal(channel_take(&p->service, 1, req, 4), 0);
	assert_false(channel_irq_room(&p->service));
	assert_false(channel_irq(&p->service, &irq));
	assert_int_equal(p->service.stats.irq_full, full);
	assert_int_equal(channel_get_irqs(&p->client, &got, 1), 0);

	p->service.lane[1].pending = 1;
	p->client.lane[1].asked = 9;
	channel_complete(&p->service, 1, req, 0, 0);
	assert_int_equal(p->service.lane[1].pending, 0);
	assert_false(channel_get(&p->client, 1, &c));
}

static const struct impossible {
	uint8_t op, space, size;
} impossible[] = {
	{ 3, PCIRING_SPACE_BAR0, 4 },
	{ 255, PCIRING_SPACE_BAR0, 4 },
	{ MSG_READ, PCIRING_SPACE_EOI + 1, 4 },
	{ MSG_READ, 255, 4 },
	{ MSG_READ, PCIRING_SPACE_BAR0, 0 },
	{ MSG_READ, PCIRING_SPACE_BAR0, 3 },
	{ MSG_WRITE, PCIRING_SPACE_BAR0, 16 },
	{ MSG_WRITE, PCIRING_SPACE_BAR0, 255 },
	{ MSG_READ, PCIRING_SPACE_CONFIG, 8 },
	{ MSG_READ, PCIRING_SPACE_EOI, 4 },
	{ MSG_WRITE, PCIRING_SPACE_EOI, 1 },
	{ MSG_WRITE, PCIRING_SPACE_EOI, 2 },
	{ MSG_WRITE, PCIRING_SPACE_EOI, 8 },
	/* Nobody waits for these, but they are as impossible. */
	{ MSG_POSTED, PCIRING_SPACE_BAR0, 3 },
	{ MSG_POSTED, PCIRING_SPACE_EOI, 4 },
};

static void an_impossible_request_breaks_the_channel(void **state)
{
	struct msg_access req[4];
	struct pair p;

	for (unsigned int i = 0; i < ARRAY_SIZE(impossible); i++) {
		pair_used(&p, by_mailbox(state));
		req[0] = request(3, MSG_READ);
		req[0].op = impossible[i].op;
		req[0].space = impossible[i].space;
		req[0].size = impossible[i].size;
		assert_true(channel_put(&p.client, 0, &req[0]));
		assert_int_equal(channel_take(&p.service, 0, req, 4), 0);
		assert_int_equal(p.service.stats.bad_requests, 1);
		assert_int_equal(p.service.stats.requests, 2);
		assert_service_broken(&p, CHANNEL_BAD_REQUEST);
		pair_fini(&p);
	}
}

static void ask_by_the_ring(struct pair *p)
{
	struct msg_access req = request(3, MSG_READ);

	assert_true(
		ring_put_one(&p->client.lane[0].request, &req, sizeof(req)));
}

static void post_by_the_mailbox(struct pair *p)
{
	p->client.lane[0].shared->op = MSG_POSTED;
	p->client.lane[0].shared->ask = 3;
}

static void ask_with_no_seq(struct pair *p)
{
	p->client.lane[0].shared->ask = 0;
}

static void ask_twice(struct pair *p)
{
	struct msg_access req;

	put(&p->client, 0, 3, MSG_READ);
	assert_int_equal(channel_take(&p->service, 0, &req, 1), 1);
	p->client.lane[0].shared->ask = 4;
}

static void requests_on_the_wrong_path_break_the_channel(void **state)
{
	static void (*const lie[])(struct pair * p) = {
		ask_by_the_ring,
		post_by_the_mailbox,
		ask_with_no_seq,
		ask_twice,
	};
	struct msg_access req[4];
	struct pair p;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lie); i++) {
		pair_used(&p, true);
		lie[i](&p);
		assert_true(channel_look(&p.service) & 1);
		assert_int_equal(channel_take(&p.service, 0, req, 4), 0);
		assert_service_broken(&p, CHANNEL_BAD_REQUEST);
		pair_fini(&p);
	}
}

/* Words of shared memory that hold an index of one side, by both mappings. */
static volatile uint32_t *put_index(struct ring *ring)
{
	return &ring->r->prod.tail;
}

static volatile uint32_t *get_index(struct ring *ring)
{
	return &ring->r->cons.tail;
}

static const uint32_t forgeries[] = { 0, CHANNEL_REQUESTS + 6, 4711, 1u << 31,
				      0xfffff000 };

static void a_forged_request_index_breaks_the_channel(void **state)
{
	struct msg_access req[4];
	struct pair p;

	for (unsigned int i = 0; i < ARRAY_SIZE(forgeries); i++) {
		pair_used(&p, by_mailbox(state));
		*put_index(&p.client.lane[0].request) = forgeries[i];
		assert_true(channel_has_work(&p.service));
		assert_int_equal(channel_take(&p.service, 0, req, 4), 0);
		assert_service_broken(&p, CHANNEL_FORGED_INDEX);
		pair_fini(&p);
	}
}

/* The service looks at it only when it needs room. */
static void a_forged_completion_index_breaks_the_channel(void **state)
{
	struct msg_access req[CHANNEL_REQUESTS];
	struct pair p;

	(void)state;
	for (unsigned int i = 1; i < ARRAY_SIZE(forgeries); i++) {
		pair_used(&p, false);
		*get_index(&p.client.lane[0].completion) = forgeries[i];
		put(&p.client, 0, 3, MSG_READ);
		assert_int_equal(
			channel_take(&p.service, 0, req, CHANNEL_REQUESTS), 0);
		assert_service_broken(&p, CHANNEL_FORGED_INDEX);
		pair_fini(&p);
	}
}

/* A loop that is about to sleep finds it: there is a turn for it to be told. */
static void a_lie_found_before_a_sleep_is_work_once(void **state)
{
	struct msg_access req[CHANNEL_COMPLETIONS];
	unsigned int n;
	struct pair p;

	(void)state;
	pair_init(&p, 2);
	for (n = 0; n < CHANNEL_COMPLETIONS - 1; n++)
		put(&p.client, 0, n, MSG_READ);
	assert_int_equal(channel_take(&p.service, 0, req, n), n);
	while (n--)
		channel_complete(&p.service, 0, &req[n], 0, 0);
	put(&p.client, 0, 99, MSG_READ);
	assert_false(channel_has_work(&p.service));
	*get_index(&p.client.lane[0].completion) = 1u << 31;
	assert_true(channel_has_work(&p.service));
	assert_service_broken(&p, CHANNEL_FORGED_INDEX);
	assert_false(channel_has_work(&p.service));
	pair_fini(&p);
}

static void a_completion_ring_beside_a_mailbox_is_not_looked_at(void **state)
{
	struct msg_completion c;
	struct msg_access req;
	struct pair p;

	(void)state;
	pair_used(&p, true);
	*get_index(&p.client.lane[0].completion) = 4711;
	*put_index(&p.client.lane[0].completion) = 815;
	put(&p.client, 0, 3, MSG_READ);
	assert_int_equal(channel_take(&p.service, 0, &req, 1), 1);
	channel_complete(&p.service, 0, &req, 5, 0);
	assert_true(channel_get(&p.client, 0, &c));
	assert_int_equal(channel_broken(&p.service), CHANNEL_WHOLE);
	assert_int_equal(channel_broken(&p.client), CHANNEL_WHOLE);
	pair_fini(&p);
}

static void a_forged_interrupt_index_breaks_the_channel(void **state)
{
	const struct msg_irq irq = { .what = 1 };
	struct pair p;

	for (unsigned int i = 1; i < ARRAY_SIZE(forgeries); i++) {
		pair_used(&p, by_mailbox(state));
		/* Far enough off for a ring of so many. */
		*get_index(&p.client.irq) = forgeries[i] + 2 * CHANNEL_IRQS;
		while (channel_irq(&p.service, &irq))
			;
		assert_int_equal(p.service.stats.irq_full, 0);
		/* What was sent before it was found is the client's. */
		p.service.irq.r->prod.tail = p.client.irq.get.mine;
		assert_service_broken(&p, CHANNEL_FORGED_INDEX);
		pair_fini(&p);
	}
}

static void the_first_reason_stays(void **state)
{
	struct pair p;

	(void)state;
	pair_init_by(&p, 1, true);
	channel_break(&p.service, CHANNEL_BAD_REQUEST);
	channel_break(&p.service, CHANNEL_FORGED_INDEX);
	assert_int_equal(channel_broken(&p.service), CHANNEL_BAD_REQUEST);
	pair_fini(&p);
}

/* A question that moves before each look is a new one each time, no more. */
static void a_take_is_one_question_however_often_it_moves(void **state)
{
	struct msg_access req[8];
	struct pair p;

	(void)state;
	pair_used(&p, true);
	for (uint32_t seq = 3; seq < 1000; seq++) {
		p.client.lane[0].shared->ask = seq;
		p.client.lane[0].shared->ask = seq << 8;
		p.client.lane[0].shared->address = seq;
		assert_int_equal(channel_take(&p.service, 0, req, 8), 1);
		assert_int_equal(req[0].seq, seq << 8);
		assert_int_equal(req[0].address, seq);
		channel_complete(&p.service, 0, &req[0], 0, 0);
		assert_int_equal(p.service.lane[0].pending, 0);
	}
	assert_int_equal(channel_broken(&p.service), CHANNEL_WHOLE);
	pair_fini(&p);
}

/* ---- What the client finds ----------------------------------------------- */

static void assert_client_broken(struct pair *p)
{
	const struct msg_access post = request(8, MSG_POSTED);
	const struct msg_access ask = request(9, MSG_READ);
	const struct msg_irq irq = { .what = 1 };
	struct msg_completion c;
	struct msg_irq got;

	assert_int_equal(channel_broken(&p->client), CHANNEL_FORGED_INDEX);
	assert_false(channel_put(&p->client, 1, &post));
	assert_false(channel_put(&p->client, 1, &ask));
	assert_false(channel_has_work(&p->service));
	p->client.lane[1].asked = 9;
	p->service.lane[1].pending = 1;
	channel_complete(&p->service, 1, &ask, 0, 0);
	assert_false(channel_get(&p->client, 1, &c));
	(void)channel_irq(&p->service, &irq);
	assert_int_equal(channel_get_irqs(&p->client, &got, 1), 0);
}

static void a_service_that_forges_answers_is_found_out(void **state)
{
	struct msg_completion c;
	struct pair p;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(forgeries); i++) {
		pair_used(&p, false);
		*put_index(&p.service.lane[0].completion) = forgeries[i];
		assert_false(channel_get(&p.client, 0, &c));
		assert_client_broken(&p);
		pair_fini(&p);
	}
}

static void a_service_that_forges_interrupts_is_found_out(void **state)
{
	struct msg_irq got;
	struct pair p;

	for (unsigned int i = 2; i < ARRAY_SIZE(forgeries); i++) {
		pair_used(&p, by_mailbox(state));
		*put_index(&p.service.irq) = forgeries[i];
		assert_int_equal(channel_get_irqs(&p.client, &got, 1), 0);
		assert_client_broken(&p);
		pair_fini(&p);
	}
}

/* Found by whoever needs the room: who puts, or who asks for it before. */
static void a_service_that_forges_room_is_found_out(void **state)
{
	struct msg_access req = request(3, MSG_POSTED);
	struct pair p;

	for (unsigned int i = 1; i < ARRAY_SIZE(forgeries); i++) {
		pair_used(&p, by_mailbox(state));
		*get_index(&p.service.lane[0].request) = forgeries[i];
		if (i & 1)
			while (channel_put(&p.client, 0, &req))
				;
		else
			assert_false(channel_can_put(&p.client, 0,
						     CHANNEL_REQUESTS - 1));
		p.service.lane[0].request.r->prod.tail =
			p.service.lane[0].request.get.mine;
		assert_client_broken(&p);
		pair_fini(&p);
	}
}

static void room_is_told_before_it_is_needed(void **state)
{
	struct msg_access req[CHANNEL_REQUESTS];
	struct pair p;

	pair_used(&p, by_mailbox(state));
	assert_true(channel_can_put(&p.client, 0, CHANNEL_REQUESTS - 1));
	assert_false(channel_can_put(&p.client, 0, CHANNEL_REQUESTS));
	for (uint32_t i = 0; i < CHANNEL_REQUESTS - 3; i++)
		put(&p.client, 0, i, MSG_POSTED);
	assert_true(channel_can_put(&p.client, 0, 2));
	put(&p.client, 0, 100, MSG_POSTED);
	assert_false(channel_can_put(&p.client, 0, 2));
	assert_true(channel_can_put(&p.client, 0, 1));
	assert_int_equal(channel_take(&p.service, 0, req, 1), 1);
	assert_true(channel_can_put(&p.client, 0, 2));
	assert_int_equal(channel_broken(&p.client), CHANNEL_WHOLE);
	pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_PATHS(an_impossible_request_breaks_the_channel),
		cmocka_unit_test(requests_on_the_wrong_path_break_the_channel),
		BOTH_PATHS(a_forged_request_index_breaks_the_channel),
		cmocka_unit_test(a_forged_completion_index_breaks_the_channel),
		cmocka_unit_test(a_lie_found_before_a_sleep_is_work_once),
		cmocka_unit_test(
			a_completion_ring_beside_a_mailbox_is_not_looked_at),
		BOTH_PATHS(a_forged_interrupt_index_breaks_the_channel),
		cmocka_unit_test(the_first_reason_stays),
		cmocka_unit_test(a_take_is_one_question_however_often_it_moves),
		cmocka_unit_test(a_service_that_forges_answers_is_found_out),
		BOTH_PATHS(a_service_that_forges_interrupts_is_found_out),
		BOTH_PATHS(a_service_that_forges_room_is_found_out),
		BOTH_PATHS(room_is_told_before_it_is_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
