/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring/ring.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring/msg.h"
#include "ring/shm.h"
#include "ring/test_util.h"

#define COUNT 64

struct element {
	uint32_t word[8];
};

static void map_new(struct ring *ring, uint32_t esize, uint32_t count)
{
	int fd = shm_create("test", ring_shared_size(esize, count));

	assert_true(fd >= 0);
	assert_int_equal(ring_map(ring, fd, 0, esize, count), 0);
	close(fd);
}

static void geometry_equals_that_of_rte_ring_init(void **state)
{
	static _Alignas(64) uint8_t memory[384 + 16 * COUNT];
	struct rte_ring *r = (struct rte_ring *)(void *)memory;
	struct ring ring = { 0 };

	(void)state;
	assert_int_equal(rte_ring_init(r, "pciring", COUNT,
				       RING_F_SP_ENQ | RING_F_SC_DEQ),
			 0);
	map_new(&ring, 16, COUNT);
	assert_memory_equal(ring.r, r, 128);
	assert_int_equal(ring_room(&ring), rte_ring_free_count(r));
	/* Of the shared part only the sync types differ: nobody reads ours. */
	r->prod.sync_type = (enum rte_ring_sync_type)0;
	r->cons.sync_type = (enum rte_ring_sync_type)0;
	assert_memory_equal((uint8_t *)ring.r + 128, memory + 128, 256);
	ring_unmap(&ring);
}

static void geometry_is_read_only_and_not_in_the_segment(void **state)
{
	struct ring ring = { 0 };
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	(void)state;
	map_new(&ring, 32, COUNT);
	assert_int_equal(read(zero, &ring.r->size, 4), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(read(zero, (uint8_t *)ring.r + 127, 1), -1);
	/* One byte on begins what is shared, and may be written. */
	assert_int_equal(read(zero, (uint8_t *)ring.r + 128, 1), 1);
	assert_int_equal((uintptr_t)((uint8_t *)ring.r + 128) % SEG_PAGE, 0);
	close(zero);
	ring_unmap(&ring);
}

static void map_refuses_impossible_geometry(void **state)
{
	static const struct {
		uint64_t offset;
		uint32_t esize, count;
	} bad[] = {
		{ 0, 0, 64 },	       { 0, 6, 64 },
		{ 0, 1u << 30, 64 },   { 0, 32, 0 },
		{ 0, 32, 1 },	       { 0, 32, 63 },
		{ 0, 32, 1u << 31 },   { 1, 32, 64 },
		{ 2048, 32, 64 },      { 1ull << 63, 32, 2 },
		{ UINT64_MAX, 32, 2 },
	};
	int fd = shm_create("test", 16 * SEG_PAGE);
	struct ring ring = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(ring_map(&ring, fd, bad[i].offset,
					  bad[i].esize, bad[i].count),
				 -EINVAL);
	assert_int_equal(ring_map(&ring, -1, 0, 32, 64), -EBADF);
	assert_null(ring.base);
	close(fd);
}

static void elements_come_out_in_order_up_to_the_capacity(void **state)
{
	uint64_t in[2 * COUNT][2], out[2 * COUNT][2];
	struct ring ring = { 0 };
	unsigned int round, i;

	(void)state;
	map_new(&ring, 16, COUNT);
	for (i = 0; i < 2 * COUNT; i++)
		in[i][0] = in[i][1] = i;
	for (round = 0; round < 100; round++) {
		assert_true(ring_empty(&ring));
		assert_int_equal(ring_room(&ring), COUNT - 1);
		assert_int_equal(ring_put(&ring, in, 2 * COUNT), COUNT - 1);
		assert_int_equal(ring_room(&ring), 0);
		assert_int_equal(ring_put(&ring, in, 1), 0);
		assert_false(ring_empty(&ring));
		assert_int_equal(ring_get(&ring, out, 1), 1);
		assert_int_equal(ring_room(&ring), 1);
		assert_int_equal(ring_get(&ring, out + 1, 2 * COUNT),
				 COUNT - 2);
		assert_memory_equal(in, out, (COUNT - 1) * sizeof(in[0]));
	}
	ring_unmap(&ring);
}

static void single_elements_are_refused_when_it_is_full(void **state)
{
	struct ring ring = { 0 };
	uint64_t in[2], out[2];
	unsigned int round;

	(void)state;
	map_new(&ring, 16, COUNT);
	for (round = 0; round < 100; round++) {
		for (in[0] = 0; in[0] < COUNT - 1; in[0]++) {
			in[1] = ~in[0];
			assert_true(ring_put_one(&ring, in, 16));
		}
		assert_false(ring_put_one(&ring, in, 16));
		for (in[0] = 0; in[0] < COUNT - 1; in[0]++) {
			in[1] = ~in[0];
			assert_int_equal(ring_get(&ring, out, 1), 1);
			assert_memory_equal(in, out, sizeof(in));
		}
		assert_true(ring_empty(&ring));
	}
	ring_unmap(&ring);
}

static void two_mappings_are_one_ring(void **state)
{
	int fd = shm_create("test", 3 * SEG_PAGE);
	struct element in = { { 1, 2, 3, 4, 5, 6, 7, 8 } }, out;
	struct ring a = { 0 }, b = { 0 };

	(void)state;
	assert_int_equal(ring_map(&a, fd, SEG_PAGE, sizeof(in), COUNT), 0);
	assert_int_equal(ring_map(&b, fd, SEG_PAGE, sizeof(in), COUNT), 0);
	assert_ptr_not_equal(a.r, b.r);
	assert_int_equal(ring_put(&a, &in, 1), 1);
	assert_false(ring_empty(&b));
	assert_int_equal(ring_get(&b, &out, 1), 1);
	assert_memory_equal(&in, &out, sizeof(in));
	ring_unmap(&a);
	ring_unmap(&b);
	close(fd);
}

/* ---- rte_ring's own calls at the other end ------------------------------ */

/* As if that many elements had gone through. */
static void start_at(struct ring *ring, uint32_t index)
{
	ring->r->prod.head = ring->r->prod.tail = index;
	ring->r->cons.head = ring->r->cons.tail = index;
	ring->put.mine = ring->put.peer = index;
	ring->get.mine = ring->get.peer = index;
}

typedef unsigned int move_fn(struct ring *ring, struct element *e,
			     unsigned int n);

static unsigned int put(struct ring *ring, struct element *e, unsigned int n)
{
	return ring_put(ring, e, n);
}

static unsigned int put_one(struct ring *ring, struct element *e,
			    unsigned int n)
{
	return n && ring_put_one(ring, e, sizeof(*e));
}

static unsigned int put_plain(struct ring *ring, struct element *e,
			      unsigned int n)
{
	return rte_ring_sp_enqueue_burst_elem(ring->r, e, sizeof(*e), n, NULL);
}

static unsigned int get(struct ring *ring, struct element *e, unsigned int n)
{
	return ring_get(ring, e, n);
}

static unsigned int get_some(struct ring *ring, struct element *e,
			     unsigned int n)
{
	return ring_get_some(ring, e, n);
}

static unsigned int get_plain(struct ring *ring, struct element *e,
			      unsigned int n)
{
	return rte_ring_sc_dequeue_burst_elem(ring->r, e, sizeof(*e), n, NULL);
}

/*
 * Two mappings, as two processes have them; the indices wrap around 32 bits on
 * the way, the slots around the ring many times.
 */
static void converse(move_fn *producer, move_fn *consumer)
{
	int fd = shm_create("test", ring_shared_size(32, COUNT));
	uint32_t sent = 0, got = 0, i, n, w;
	struct element e[2 * COUNT];
	struct ring a = { 0 }, b = { 0 };
	uint64_t seed = 1;

	assert_int_equal(ring_map(&a, fd, 0, sizeof(*e), COUNT), 0);
	assert_int_equal(ring_map(&b, fd, 0, sizeof(*e), COUNT), 0);
	start_at(&a, UINT32_MAX - 1000);
	start_at(&b, UINT32_MAX - 1000);
	while (got < 4000) {
		n = (uint32_t)(test_random(&seed) % ARRAY_SIZE(e));
		for (i = 0; i < n; i++)
			for (w = 0; w < 8; w++)
				e[i].word[w] = sent + i;
		n = producer(&a, e, n);
		assert_true(n <= COUNT - 1 - (sent - got));
		sent += n;
		memset(e, 0, sizeof(e));
		n = consumer(&b, e,
			     (uint32_t)(test_random(&seed) % ARRAY_SIZE(e)));
		assert_true(n <= sent - got);
		for (i = 0; i < n; i++, got++)
			for (w = 0; w < 8; w++)
				assert_int_equal(e[i].word[w], got);
	}
	while ((n = consumer(&b, e, 7)))
		got += n;
	assert_int_equal(got, sent);
	assert_int_equal(a.r->cons.tail, UINT32_MAX - 1000 + sent);
	assert_false(ring_forged(&a) || ring_forged(&b));
	ring_unmap(&a);
	ring_unmap(&b);
	close(fd);
}

static void indices_wrap_around_32_bits(void **state)
{
	(void)state;
	converse(put, get);
	converse(put_one, get);
	converse(put, get_some);
	converse(put_one, get_some);
}

static void plain_rte_ring_calls_take_what_it_puts(void **state)
{
	(void)state;
	converse(put, get_plain);
	converse(put_one, get_plain);
}

static void it_gets_what_plain_rte_ring_calls_put(void **state)
{
	(void)state;
	converse(put_plain, get);
	converse(put_plain, get_some);
}

/* ---- What is known of the other end ------------------------------------- */

static void get_takes_all_that_was_put_and_get_some_what_is_known(void **state)
{
	struct element e[COUNT] = { 0 };
	struct ring ring = { 0 };

	(void)state;
	map_new(&ring, sizeof(*e), COUNT);
	assert_int_equal(ring_get_some(&ring, e, 4), 0);
	assert_int_equal(ring_put(&ring, e, 5), 5);
	assert_int_equal(ring_get_some(&ring, e, 2), 2);
	assert_int_equal(ring_put(&ring, e, 7), 7);
	assert_int_equal(ring_get_some(&ring, e, 0), 0);
	assert_int_equal(ring_get_some(&ring, e, COUNT), 3);
	assert_false(ring_empty(&ring));
	assert_int_equal(ring_get_some(&ring, e, 1), 1);
	assert_int_equal(ring_put(&ring, e, 8), 8);
	assert_int_equal(ring_get(&ring, e, COUNT), 6 + 8);
	assert_true(ring_empty(&ring));
	ring_unmap(&ring);
}

static void room_is_asked_for_only_when_less_is_known(void **state)
{
	struct element e[COUNT] = { 0 };
	struct ring ring = { 0 };

	(void)state;
	map_new(&ring, sizeof(*e), COUNT);
	assert_int_equal(ring_free(&ring, 1), COUNT - 1);
	assert_int_equal(ring_put(&ring, e, 10), 10);
	assert_int_equal(ring_get(&ring, e, 4), 4);
	assert_int_equal(ring_room(&ring), COUNT - 1 - 6);
	assert_int_equal(ring_free(&ring, COUNT - 1 - 10), COUNT - 1 - 10);
	assert_int_equal(ring_free(&ring, COUNT - 10), COUNT - 1 - 6);
	assert_int_equal(ring_free(&ring, COUNT), COUNT - 1 - 6);
	ring_unmap(&ring);
}

/* ---- Two threads on one mapping ---------------------------------------- */

struct stream {
	struct ring ring;
	unsigned int total;
	unsigned int burst;
	move_fn *get;
	unsigned int sent; /* the producer's, when it has ended */
	atomic_bool enough;
};

static void *produce(void *arg)
{
	struct stream *s = arg;
	struct element e[16];
	unsigned int sent = 0, i, w, n;

	while (sent < s->total && !atomic_load(&s->enough)) {
		n = RTE_MIN(s->burst, s->total - sent);
		for (i = 0; i < n; i++)
			for (w = 0; w < 8; w++)
				e[i].word[w] = sent + i;
		n = ring_put(&s->ring, e, n);
		sent += n;
		if (!n)
			sched_yield();
	}
	s->sent = sent;
	return NULL;
}

static unsigned int consume_some(struct stream *s, unsigned int got)
{
	struct element e[16];
	unsigned int i, w, n;

	n = s->get(&s->ring, e, s->burst);
	for (i = 0; i < n; i++)
		for (w = 0; w < 8; w++)
			assert_int_equal(e[i].word[w], got + i);
	return n;
}

static unsigned int consume(struct stream *s)
{
	int64_t limit = test_now_ms() + TEST_RACE_MS;
	unsigned int got = 0, n;

	while (got < s->total) {
		n = consume_some(s, got);
		got += n;
		if (n)
			continue;
		if (test_race_is_over(got, limit))
			break;
		sched_yield();
	}
	assert_true(got >= TEST_RACE_ROUNDS);
	return got;
}

static void run_stream(unsigned int count, unsigned int total,
		       unsigned int burst, move_fn *how)
{
	struct stream s = { .total = total, .burst = burst, .get = how };
	unsigned int got, n;
	pthread_t thread;

	map_new(&s.ring, sizeof(struct element), count);
	start_at(&s.ring, UINT32_MAX - 50);
	assert_int_equal(pthread_create(&thread, NULL, produce, &s), 0);
	got = consume(&s);
	atomic_store(&s.enough, true);
	pthread_join(thread, NULL);
	while ((n = consume_some(&s, got)))
		got += n;
	assert_int_equal(got, s.sent);
	assert_true(ring_empty(&s.ring));
	assert_false(ring_forged(&s.ring));
	ring_unmap(&s.ring);
}

/* No slot is used twice here, so that only R1 -> A1 is at work. */
static void r1_a1_an_element_that_is_seen_is_whole(void **state)
{
	(void)state;
	run_stream(8192, 8000, 1, get);
	run_stream(8192, 8000, 7, get);
	run_stream(8192, 8000, 7, get_some);
}

/* Three slots: almost every element waits for R2. */
static void r2_a2_a_slot_is_filled_only_when_it_is_free(void **state)
{
	(void)state;
	run_stream(4, TEST_ROUNDS(400000), 1, get);
	run_stream(8, TEST_ROUNDS(400000), 5, get);
	run_stream(8, TEST_ROUNDS(400000), 5, get_some);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(geometry_equals_that_of_rte_ring_init),
		cmocka_unit_test(geometry_is_read_only_and_not_in_the_segment),
		cmocka_unit_test(map_refuses_impossible_geometry),
		cmocka_unit_test(elements_come_out_in_order_up_to_the_capacity),
		cmocka_unit_test(single_elements_are_refused_when_it_is_full),
		cmocka_unit_test(two_mappings_are_one_ring),
		cmocka_unit_test(indices_wrap_around_32_bits),
		cmocka_unit_test(plain_rte_ring_calls_take_what_it_puts),
		cmocka_unit_test(it_gets_what_plain_rte_ring_calls_put),
		cmocka_unit_test(
			get_takes_all_that_was_put_and_get_some_what_is_known),
		cmocka_unit_test(room_is_asked_for_only_when_less_is_known),
		cmocka_unit_test(r1_a1_an_element_that_is_seen_is_whole),
		cmocka_unit_test(r2_a2_a_slot_is_filled_only_when_it_is_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
