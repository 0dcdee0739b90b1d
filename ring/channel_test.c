/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring/channel.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring/shm.h"
#include "ring/test_channel.h"

static unsigned int put_many(struct channel *ch, unsigned int lane,
			     unsigned int n, enum msg_op op)
{
	struct msg_access req;
	unsigned int i;

	for (i = 0; i < n; i++) {
		req = request(i, op);
		if (!channel_put(ch, lane, &req))
			break;
	}
	return i;
}

/* ---- Geometry ---------------------------------------------------------- */

static void every_number_of_lanes_opens_and_leaves_nothing(void **state)
{
	unsigned int lanes, fds = test_count_fds();
	struct msg_geometry geo;
	struct pair p;

	(void)state;
	assert_int_equal(channel_geometry(&geo, 0), -EINVAL);
	assert_int_equal(channel_geometry(&geo, PCIRING_MAX_LANES + 1),
			 -EINVAL);
	for (lanes = 1; lanes <= PCIRING_MAX_LANES; lanes += 9) {
		pair_init(&p, lanes);
		assert_int_equal(p.client.geo.lanes, lanes);
		pair_fini(&p);
	}
	assert_int_equal(test_count_fds(), fds);
}

#define LIE(field, how)                                                        \
	{                                                                      \
		offsetof(struct msg_geometry, field),                          \
			sizeof(((struct msg_geometry *)0)->field), how         \
	}

static void a_geometry_that_lies_is_refused(void **state)
{
	static const struct {
		size_t offset, size;
		uint64_t value;
	} lies[] = {
		LIE(segment_size, 0),
		LIE(segment_size, 4096),
		LIE(segment_size, UINT64_MAX),
		LIE(segment_size, UINT64_MAX - 4095),
		LIE(lanes, 0),
		LIE(lanes, PCIRING_MAX_LANES + 1),
		LIE(lanes, 5),
		LIE(lanes, UINT32_MAX),
		LIE(lane_offset, 0),
		LIE(lane_offset, 4096),
		LIE(lane_offset, 8191),
		LIE(lane_offset, 8200),
		LIE(lane_offset, 0xfffff000),
		LIE(request_offset, 0),
		LIE(request_offset, 8192),
		LIE(request_offset, 0xfffff000),
		LIE(request_stride, 0),
		LIE(request_stride, 4097),
		LIE(request_stride, 1 << 20),
		LIE(request_stride, 0xfffff000),
		LIE(request_count, 0),
		LIE(request_count, 1),
		LIE(request_count, 65),
		LIE(request_count, 1024),
		LIE(request_count, 1u << 31),
		LIE(completion_offset, 4096),
		LIE(completion_offset, 3 * 4096),
		LIE(completion_offset, 0xfffff000),
		LIE(completion_stride, 0),
		LIE(completion_stride, 2048),
		LIE(completion_count, 0),
		LIE(completion_count, 1u << 30),
		LIE(irq_offset, 3 * 4096),
		LIE(irq_offset, 1),
		LIE(irq_offset, 0xfffff000),
		LIE(irq_count, 0),
		LIE(irq_count, 3),
		LIE(irq_count, 2048),
		LIE(irq_count, 1u << 31),
	};
	unsigned int i, fds = test_count_fds();
	struct channel service, client;
	struct msg_geometry geo;

	(void)state;
	assert_int_equal(channel_create(&service, 4, 1), 0);
	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		const int lent[] = { service.fd, service.kick_fd };

		geo = service.geo;
		memcpy((uint8_t *)&geo + lies[i].offset, &lies[i].value,
		       lies[i].size);
		assert_int_equal(channel_open(&client, &geo, lent), -EPROTO);
		assert_int_equal(client.fd, -1);
	}
	/* The descriptors still are the caller's: the service closes them. */
	channel_fini(&service);
	assert_int_equal(test_count_fds(), fds);
}

static void a_segment_that_could_shrink_is_refused(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct channel service, client;

	(void)state;
	assert_int_equal(channel_create(&service, 1, 1), 0);
	assert_int_equal(ftruncate(fd, (off_t)service.geo.segment_size), 0);
	const int fds[] = { fd, service.kick_fd };

	assert_int_equal(channel_open(&client, &service.geo, fds), -EPROTO);
	channel_fini(&service);
	close(fd);
}

static void a_segment_of_another_kind_is_refused(void **state)
{
	struct channel service, client;

	(void)state;
	assert_int_equal(channel_create(&service, 1, 1), 0);
	const int fds[] = { service.fd, service.kick_fd };

	service.head->magic++;
	assert_int_equal(channel_open(&client, &service.geo, fds), -EPROTO);
	channel_fini(&service);
}

/* ---- Requests and completions ------------------------------------------ */

static void requests_are_taken_in_order_and_answered_by_seq(void **state)
{
	struct msg_access req[8];
	struct msg_completion c;
	struct pair p;
	unsigned int i;

	(void)state;
	pair_init(&p, 2);
	assert_false(channel_has_work(&p.service));
	assert_int_equal(put_many(&p.client, 1, 5, MSG_READ), 5);
	assert_true(channel_has_work(&p.service));
	assert_int_equal(channel_take(&p.service, 0, req, 8), 0);
	assert_int_equal(channel_take(&p.service, 1, req, 8), 5);
	assert_false(channel_has_work(&p.service));
	for (i = 0; i < 5; i++) {
		assert_int_equal(req[i].seq, i);
		channel_complete(&p.service, 1, &req[i], 100 + i, 0);
	}
	assert_false(channel_get(&p.client, 0, &c));
	for (i = 0; i < 5; i++) {
		assert_true(channel_get(&p.client, 1, &c));
		assert_int_equal(c.seq, i);
		assert_int_equal(c.value, 100 + i);
		assert_int_equal(c.status, 0);
	}
	assert_false(channel_get(&p.client, 1, &c));
	assert_int_equal(p.service.stats.requests, 5);
	assert_int_equal(p.service.stats.completions, 5);
	pair_fini(&p);
}

static void the_end_of_an_interrupt_is_taken_and_answered(void **state)
{
	struct msg_access req = request(5, MSG_WRITE), got;
	struct msg_completion c;
	struct pair p;

	(void)state;
	pair_init(&p, 1);
	req.space = PCIRING_SPACE_EOI;
	req.address = PCIRING_EOI_GSI;
	req.value = 17;
	assert_true(channel_put(&p.client, 0, &req));
	assert_int_equal(channel_take(&p.service, 0, &got, 1), 1);
	assert_memory_equal(&got, &req, sizeof(req));
	channel_complete(&p.service, 0, &got, 0, 0);
	assert_true(channel_get(&p.client, 0, &c));
	assert_int_equal(c.seq, 5);
	assert_int_equal(p.service.stats.bad_requests, 0);
	pair_fini(&p);
}

static void nothing_is_taken_that_could_not_be_answered(void **state)
{
	struct msg_access req[2 * CHANNEL_REQUESTS];
	const unsigned int all = CHANNEL_COMPLETIONS - 1;
	struct msg_completion c;
	unsigned int i;
	struct pair p;

	(void)state;
	pair_init(&p, 1);
	assert_int_equal(put_many(&p.client, 0, all, MSG_READ), all);
	/* Taken and not yet answered: their room is not given away twice. */
	assert_int_equal(channel_take(&p.service, 0, req, all - 1), all - 1);
	assert_int_equal(put_many(&p.client, 0, 10, MSG_READ), 10);
	assert_int_equal(channel_take(&p.service, 0, req + all - 1, 64), 1);
	assert_int_equal(channel_take(&p.service, 0, req + all, 64), 0);
	for (i = 0; i < all; i++)
		channel_complete(&p.service, 0, &req[i], 0, 0);
	/* Answered and not yet fetched. */
	assert_int_equal(channel_take(&p.service, 0, req, 64), 0);
	assert_true(channel_get(&p.client, 0, &c));
	assert_int_equal(channel_take(&p.service, 0, req, 64), 1);
	assert_int_equal(channel_broken(&p.service), CHANNEL_WHOLE);
	pair_fini(&p);
}

/* What is known to be free may all be promised; then it is looked for. */
static void room_is_looked_for_when_what_is_known_is_promised(void **state)
{
	struct msg_access req[CHANNEL_REQUESTS];
	struct msg_completion c;
	unsigned int i, taken;
	struct pair p;

	(void)state;
	pair_init(&p, 1);
	put_many(&p.client, 0, 40, MSG_READ);
	assert_int_equal(channel_take(&p.service, 0, req, 40), 40);
	for (i = 0; i < 40; i++) {
		channel_complete(&p.service, 0, &req[i], 0, 0);
		assert_true(channel_get(&p.client, 0, &c));
	}
	put_many(&p.client, 0, CHANNEL_REQUESTS, MSG_READ);
	for (taken = 0; taken < CHANNEL_COMPLETIONS - 1; taken++) {
		assert_true(channel_has_work(&p.service));
		assert_int_equal(channel_take(&p.service, 0, req, 1), 1);
	}
	assert_int_equal(channel_take(&p.service, 0, req, 1), 0);
	pair_fini(&p);
}

static void posted_writes_reserve_no_room(void **state)
{
	struct msg_access req[CHANNEL_REQUESTS];
	unsigned int i;
	struct pair p;

	(void)state;
	pair_init(&p, 1);
	for (i = 0; i < 10; i++) {
		assert_int_equal(put_many(&p.client, 0, 50, MSG_POSTED), 50);
		assert_int_equal(
			channel_take(&p.service, 0, req, CHANNEL_REQUESTS), 50);
	}
	assert_int_equal(p.service.lane[0].pending, 0);
	pair_fini(&p);
}

static void no_more_windows_are_taken_than_there_is_room_for(void **state)
{
	struct seg_window w[SEG_WINDOWS + 1];
	struct pair p;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(w); i++)
		w[i] = (struct seg_window){ .start = 4096 * i,
					    .length = 4,
					    .space = PCIRING_SPACE_MMIO,
					    .sizes = 2 };
	pair_init(&p, 1);
	channel_set_windows(&p.service, w, ARRAY_SIZE(w));
	for (unsigned int i = 0; i < ARRAY_SIZE(w); i++)
		assert_int_equal(channel_may_post(&p.client, PCIRING_SPACE_MMIO,
						  0, 4096 * i, 2),
				 i < SEG_WINDOWS);
	assert_int_equal(p.client.head->nr_windows, SEG_WINDOWS);
	pair_fini(&p);
}

/* ---- Sleep --------------------------------------------------------------- */

static void a_sleeping_loop_is_kicked_once(void **state)
{
	struct msg_access req = request(1, MSG_READ);
	struct pair p;

	(void)state;
	pair_init(&p, 1);
	assert_true(channel_put(&p.client, 0, &req));
	assert_false(readable(p.service.kick_fd));
	channel_sleep(&p.service);
	assert_true(channel_has_work(&p.service));
	assert_true(channel_put(&p.client, 0, &req));
	assert_true(readable(p.service.kick_fd));
	channel_awake(&p.service);
	assert_false(readable(p.service.kick_fd));
	assert_true(channel_put(&p.client, 0, &req));
	assert_false(readable(p.service.kick_fd));
	pair_fini(&p);
}

static void requests_that_cannot_be_answered_are_no_work(void **state)
{
	struct msg_access req[CHANNEL_REQUESTS];
	struct msg_completion c;
	struct pair p;
	unsigned int n, i;

	(void)state;
	pair_init(&p, 2);
	put_many(&p.client, 1, CHANNEL_REQUESTS, MSG_READ);
	n = channel_take(&p.service, 1, req, CHANNEL_REQUESTS);
	put_many(&p.client, 1, 1, MSG_READ);
	/* Promised is as good as there. */
	assert_false(channel_has_work(&p.service));
	for (i = 0; i < n; i++)
		channel_complete(&p.service, 1, &req[i], 0, 0);
	assert_int_equal(n, CHANNEL_COMPLETIONS - 1);
	channel_sleep(&p.service);
	assert_false(channel_has_work(&p.service));

	assert_true(channel_get(&p.client, 1, &c));
	assert_true(channel_has_work(&p.service));
	assert_int_equal(channel_take(&p.service, 1, req, 8), 1);
	pair_fini(&p);
}

/* ---- Two lanes, one loop, everybody sleeps ------------------------------ */

#define SLEEP_ROUNDS	TEST_ROUNDS(50000)
#define NO_LOST_WAKE_MS 10000

/* One mapping for all threads, so that the thread sanitizer can relate them. */
struct sleepers {
	struct channel ch;
	atomic_uint done;
	atomic_uint lost;
};

struct lane_thread {
	struct sleepers *s;
	unsigned int lane;
};

static void loop_sleep(struct sleepers *s)
{
	struct pollfd pfd = { .fd = s->ch.kick_fd, .events = POLLIN };

	channel_sleep(&s->ch);
	if (!channel_has_work(&s->ch) && atomic_load(&s->done) < 2 &&
	    poll(&pfd, 1, NO_LOST_WAKE_MS) == 0)
		atomic_fetch_add(&s->lost, 1);
	channel_awake(&s->ch);
}

static void *service_loop(void *arg)
{
	uint32_t expect[2] = { 1, 1 };
	struct sleepers *s = arg;
	struct msg_access req[4];
	unsigned int lane, i, n, idle;

	while (atomic_load(&s->done) < 2) {
		for (lane = 0, idle = 0; lane < 2; lane++) {
			n = channel_take(&s->ch, lane, req, 4);
			idle += !n;
			for (i = 0; i < n; i++) {
				if (req[i].seq != expect[lane]++)
					atomic_fetch_add(&s->lost, 1);
				if (req[i].op != MSG_POSTED)
					channel_complete(&s->ch, lane, &req[i],
							 ~req[i].address, 0);
			}
		}
		if (idle == 2)
			loop_sleep(s);
	}
	return NULL;
}

static bool get_or_sleep(struct sleepers *s, unsigned int lane,
			 struct msg_completion *c, unsigned int looks)
{
	struct seg_wait *w = &s->ch.lane[lane].shared->wait;
	uint32_t ticket;
	int err;

	while (looks--)
		if (channel_get(&s->ch, lane, c))
			return true;
	for (;;) {
		wait_declare(w, SEG_FUTEX, &ticket);
		if (channel_get(&s->ch, lane, c)) {
			wait_done(w);
			return true;
		}
		err = wait_sleep(w, ticket, NO_LOST_WAKE_MS * 1000000ll);
		wait_done(w);
		if (channel_get(&s->ch, lane, c))
			return true;
		if (err == -ETIMEDOUT)
			return false;
	}
}

static void *lane_loop(void *arg)
{
	struct lane_thread *t = arg;
	struct sleepers *s = t->s;
	uint64_t seed = 88172645463325252 + t->lane;
	struct msg_completion c;
	struct msg_access req;
	uint32_t seq = 1; /* 0 is no mailbox's */
	unsigned int i;

	for (i = 0; i < SLEEP_ROUNDS; i++) {
		/* Now and then a posted one in front. */
		if (test_random(&seed) % 4 == 0) {
			req = request(seq, MSG_POSTED);
			seq += channel_put(&s->ch, t->lane, &req);
		}
		req = request(seq, MSG_READ);
		while (!channel_put(&s->ch, t->lane, &req))
			;
		if (!get_or_sleep(s, t->lane, &c, test_random(&seed) % 64) ||
		    c.seq != seq || c.value != ~(uint64_t)(uint32_t)(seq * 4)) {
			atomic_fetch_add(&s->lost, 1);
			break;
		}
		seq++;
	}
	atomic_fetch_add(&s->done, 1);
	/* The loop may sleep, and would not look at done. */
	wait_wake(&s->ch.head->service, s->ch.kick_fd);
	return NULL;
}

static void no_wake_up_is_lost_when_both_sides_sleep(void **state)
{
	struct lane_thread lanes[2];
	static struct sleepers s;
	pthread_t loop, thread[2];
	unsigned int i;

	memset(&s, 0, sizeof(s));
	assert_int_equal(channel_create(&s.ch, 2, 1), 0);
	s.ch.mailbox = by_mailbox(state);
	assert_int_equal(pthread_create(&loop, NULL, service_loop, &s), 0);
	for (i = 0; i < 2; i++) {
		lanes[i] = (struct lane_thread){ .s = &s, .lane = i };
		assert_int_equal(
			pthread_create(&thread[i], NULL, lane_loop, &lanes[i]),
			0);
	}
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	pthread_join(loop, NULL);
	assert_int_equal(s.lost, 0);
	assert_int_equal(s.ch.stats.completions, 2 * SLEEP_ROUNDS);
	assert_true(s.ch.stats.wakes > 0);
	channel_fini(&s.ch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			every_number_of_lanes_opens_and_leaves_nothing),
		cmocka_unit_test(a_geometry_that_lies_is_refused),
		cmocka_unit_test(a_segment_that_could_shrink_is_refused),
		cmocka_unit_test(a_segment_of_another_kind_is_refused),
		cmocka_unit_test(
			requests_are_taken_in_order_and_answered_by_seq),
		cmocka_unit_test(the_end_of_an_interrupt_is_taken_and_answered),
		cmocka_unit_test(nothing_is_taken_that_could_not_be_answered),
		cmocka_unit_test(
			room_is_looked_for_when_what_is_known_is_promised),
		cmocka_unit_test(posted_writes_reserve_no_room),
		cmocka_unit_test(
			no_more_windows_are_taken_than_there_is_room_for),
		cmocka_unit_test(a_sleeping_loop_is_kicked_once),
		cmocka_unit_test(requests_that_cannot_be_answered_are_no_work),
		BOTH_PATHS(no_wake_up_is_lost_when_both_sides_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
