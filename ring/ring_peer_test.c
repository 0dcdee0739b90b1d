/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_peer_test.c - the ring's other end lies
 */
#include "ring/ring.h"

#include <unistd.h>

#include "ring/msg.h"
#include "ring/shm.h"
#include "ring/test_util.h"

#define COUNT  64
#define CANARY 0xa5

struct lie {
	int fd;
	uint8_t *shared; /* the peer's mapping: canary page, ring, canary */
	size_t end;	 /* of the elements, in @shared */
	struct ring ring;
};

static void lie_init(struct lie *lie, uint32_t esize)
{
	size_t size = ring_shared_size(esize, COUNT);

	lie->fd = shm_create("test", size + 2 * SEG_PAGE);
	assert_true(lie->fd >= 0);
	lie->shared = shm_map(lie->fd, 0, size + 2 * SEG_PAGE);
	assert_non_null(lie->shared);
	lie->end = SEG_PAGE + 256 + esize * COUNT;
	memset(lie->shared, CANARY, SEG_PAGE);
	memset(lie->shared + lie->end, CANARY, size + 2 * SEG_PAGE - lie->end);
	assert_int_equal(ring_map(&lie->ring, lie->fd, SEG_PAGE, esize, COUNT),
			 0);
}

static void lie_check(const struct lie *lie, uint32_t esize)
{
	size_t size = ring_shared_size(esize, COUNT) + 2 * SEG_PAGE;
	size_t i;

	for (i = 0; i < SEG_PAGE; i++)
		assert_int_equal(lie->shared[i], CANARY);
	for (i = lie->end; i < size; i++)
		assert_int_equal(lie->shared[i], CANARY);
}

static void lie_fini(struct lie *lie, uint32_t esize)
{
	shm_unmap(lie->shared, ring_shared_size(esize, COUNT) + 2 * SEG_PAGE);
	ring_unmap(&lie->ring);
	close(lie->fd);
}

/* Indices and sync types, all 256 bytes of them; or what might be believed. */
static void lie_again(struct lie *lie, uint64_t *seed)
{
	uint32_t *words = (uint32_t *)(void *)(lie->shared + SEG_PAGE);
	struct rte_ring *r = lie->ring.r;

	for (unsigned int w = 0; w < 64; w++)
		words[w] =
			(uint32_t)test_random(seed) >> (test_random(seed) % 32);
	if (test_random(seed) % 2) {
		r->prod.tail = lie->ring.get.peer +
			       (uint32_t)(test_random(seed) % (2 * COUNT));
		r->cons.tail = lie->ring.put.mine -
			       (uint32_t)(test_random(seed) % (2 * COUNT));
	}
	/* Once found out nothing moves any more, so it forgets. */
	lie->ring.put.forged = lie->ring.get.forged = false;
}

static void forged_indices_never_lead_outside(void **state)
{
	static const uint32_t esizes[] = { 8, 16, 32 };
	static uint8_t in[32 * 4096], out[32 * 4096 + 64];
	unsigned int e, i, n, put, got, moved;
	uint64_t seed = 0x9e3779b97f4a7c15;
	struct lie lie;

	(void)state;
	memset(in, 0x11, sizeof(in));
	for (e = 0; e < ARRAY_SIZE(esizes); e++) {
		lie_init(&lie, esizes[e]);
		for (i = moved = 0; i < 2000; i++) {
			lie_again(&lie, &seed);
			n = 1 + (unsigned int)(test_random(&seed) % 4096);
			assert_true(ring_room(&lie.ring) < COUNT);
			put = ring_put(&lie.ring, in, n);
			assert_true(put < COUNT);
			(void)ring_put_one(&lie.ring, in, esizes[e]);
			lie_again(&lie, &seed);
			(void)ring_empty(&lie.ring);
			memset(out, CANARY, sizeof(out));
			got = n % 2 ? ring_get(&lie.ring, out, n)
				    : ring_get_some(&lie.ring, out, n);
			assert_true(got < COUNT && got <= n);
			assert_int_equal(out[got * esizes[e]], CANARY);
			moved += put && got;
		}
		assert_true(moved > 20);
		lie_check(&lie, esizes[e]);
		lie_fini(&lie, esizes[e]);
	}
}

/* ---- Found out ---------------------------------------------------------- */

/* Both ends in one process: what the peer writes, it writes through @peer. */
struct pair {
	int fd;
	struct ring ring;
	struct ring peer;
};

static void pair_init(struct pair *p)
{
	*p = (struct pair){ 0 };
	p->fd = shm_create("test", ring_shared_size(8, COUNT));
	assert_int_equal(ring_map(&p->ring, p->fd, 0, 8, COUNT), 0);
	assert_int_equal(ring_map(&p->peer, p->fd, 0, 8, COUNT), 0);
}

static void pair_fini(struct pair *p)
{
	ring_unmap(&p->ring);
	ring_unmap(&p->peer);
	close(p->fd);
}

static void fill(struct pair *p, unsigned int n)
{
	static const uint64_t e[COUNT];

	assert_int_equal(ring_put(&p->ring, e, n), n);
}

static void a_forged_producer_index_is_found_out_for_good(void **state)
{
	/* 6 were put and seen, 2 of them taken, then 4 more put. */
	static const uint32_t forged[] = {
		5, /* less than was seen */
		0,
		UINT32_MAX,
		6 + COUNT, /* more than fits, whatever was taken */
		6 + 2 * COUNT,
		1u << 31,
	};
	uint64_t e[2 * COUNT] = { 0 };
	unsigned int i, exact;
	struct pair p;

	(void)state;
	for (i = 0; i < 2 * ARRAY_SIZE(forged); i++) {
		exact = i % 2;
		pair_init(&p);
		assert_int_equal(ring_put(&p.peer, e, 6), 6);
		assert_int_equal(ring_get(&p.ring, e, 1), 1);
		assert_int_equal(ring_get(&p.ring, e, 1), 1);
		assert_int_equal(ring_put(&p.peer, e, 4), 4);
		p.peer.r->prod.tail = forged[i / 2];
		if (!exact)
			/* What was there before the lie. */
			assert_int_equal(ring_get_some(&p.ring, e, COUNT), 4);
		assert_int_equal(exact ? ring_get(&p.ring, e, COUNT)
				       : ring_get_some(&p.ring, e, COUNT),
				 0);
		assert_true(ring_forged(&p.ring));
		assert_true(ring_empty(&p.ring));
		p.peer.r->prod.tail = 10;
		assert_true(ring_empty(&p.ring));
		assert_int_equal(ring_get(&p.ring, e, 1), 0);
		assert_int_equal(ring_get_some(&p.ring, e, 1), 0);
		assert_true(ring_forged(&p.ring));
		pair_fini(&p);
	}
}

static void a_forged_consumer_index_is_found_out_for_good(void **state)
{
	/* 63 were put, 6 taken, which was seen; then 3 more put. */
	static const uint32_t forged[] = {
		5, /* less than was seen, though still within the ring */
		0,	  UINT32_MAX, COUNT - 1 + 3 + 1, /* more than was put */
		1u << 31,
	};
	uint64_t e[COUNT] = { 0 };
	unsigned int i;
	struct pair p;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(forged); i++) {
		pair_init(&p);
		fill(&p, COUNT - 1);
		assert_int_equal(ring_get(&p.peer, e, 6), 6);
		assert_int_equal(ring_free(&p.ring, 1), 6);
		fill(&p, 3);
		p.peer.r->cons.tail = forged[i];
		assert_int_equal(ring_put(&p.ring, e, 8), 0);
		assert_true(ring_forged(&p.ring));
		p.peer.r->cons.tail = 20;
		assert_false(ring_put_one(&p.ring, e, 8));
		assert_int_equal(ring_put(&p.ring, e, 1), 0);
		assert_int_equal(ring_room(&p.ring), 0);
		assert_int_equal(ring_free(&p.ring, 1), 0);
		assert_int_equal(p.peer.r->prod.tail, COUNT - 1 + 3);
		pair_fini(&p);
	}
}

/* The two ends of what an honest peer may say are no lie. */
static void an_index_at_its_limit_is_believed(void **state)
{
	uint64_t e[COUNT] = { 0 };
	struct pair p;

	(void)state;
	pair_init(&p);
	fill(&p, COUNT - 1);
	assert_false(ring_put_one(&p.ring, e, 8)); /* unchanged */
	assert_int_equal(ring_get(&p.peer, e, COUNT), COUNT - 1);
	assert_int_equal(ring_get(&p.peer, e, COUNT), 0); /* unchanged */
	assert_int_equal(ring_free(&p.ring, COUNT), COUNT - 1);
	assert_false(ring_forged(&p.ring) || ring_forged(&p.peer));
	pair_fini(&p);
}

/* ---- What the peer has no part in --------------------------------------- */

/* All of the indices and sync types but one word. */
static void scribble(struct ring *peer, uint32_t *spare, uint64_t *seed)
{
	uint32_t kept = *spare;
	uint32_t *w = (uint32_t *)(void *)((uint8_t *)peer->r + 128);

	for (unsigned int i = 0; i < 64; i++)
		w[i] = (uint32_t)test_random(seed);
	*spare = kept;
}

static void a_consumer_goes_by_its_own_index(void **state)
{
	uint64_t in[8], out[8], sent = 0, seed = 7, i;
	struct pair p;
	unsigned int n;

	(void)state;
	pair_init(&p);
	while (sent < 20 * COUNT) {
		for (i = 0; i < 8; i++)
			in[i] = sent + i;
		n = 1 + (unsigned int)(test_random(&seed) % 8);
		/* It does not look at what it scribbled itself. */
		p.peer.put.peer = p.peer.put.mine;
		assert_int_equal(ring_put(&p.peer, in, n), n);
		scribble(&p.peer, (uint32_t *)(uintptr_t)&p.peer.r->prod.tail,
			 &seed);
		assert_int_equal(ring_get(&p.ring, out, 8), n);
		assert_memory_equal(in, out, n * sizeof(in[0]));
		assert_int_equal(p.peer.r->cons.tail, sent + n);
		sent += n;
	}
	assert_false(ring_forged(&p.ring));
	pair_fini(&p);
}

static void a_producer_goes_by_its_own_index(void **state)
{
	uint64_t in[8], out[8], sent = 0, seed = 7, i;
	struct pair p;
	unsigned int n;

	(void)state;
	pair_init(&p);
	while (sent < 20 * COUNT) {
		for (i = 0; i < 8; i++)
			in[i] = sent + i;
		n = 1 + (unsigned int)(test_random(&seed) % 8);
		scribble(&p.peer, (uint32_t *)(uintptr_t)&p.peer.r->cons.tail,
			 &seed);
		assert_int_equal(ring_put(&p.ring, in, n), n);
		assert_int_equal(p.peer.r->prod.tail, sent + n);
		assert_int_equal(ring_get(&p.peer, out, 8), n);
		assert_memory_equal(in, out, n * sizeof(in[0]));
		sent += n;
	}
	assert_false(ring_forged(&p.ring));
	pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forged_indices_never_lead_outside),
		cmocka_unit_test(a_forged_producer_index_is_found_out_for_good),
		cmocka_unit_test(a_forged_consumer_index_is_found_out_for_good),
		cmocka_unit_test(an_index_at_its_limit_is_believed),
		cmocka_unit_test(a_consumer_goes_by_its_own_index),
		cmocka_unit_test(a_producer_goes_by_its_own_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
