/* SPDX-License-Identifier: BSD-3-Clause */
/* IN_ORDER: chains come back as they were offered, several in one element. */
#include "transport/virtio/queue.h"
#include "transport/virtio/test_queue.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define MOST 8

/* What the driver offered; ids are numbers from 0 on. */
struct order {
	struct test t;
	struct vq_chain chain[MOST]; /* as the device took them */
	unsigned int slots[MOST];
	unsigned int offered, back;
};

static void order_live(struct order *o, void **state)
{
	*o = (struct order){ .offered = 0 };
	live(&o->t, state, TEST_IN_ORDER);
}

/* @n descriptors, the last one writable unless @plain; taken and walked. */
static void ask(struct order *o, unsigned int n, bool plain)
{
	const unsigned int id = o->offered;
	struct rig_ring *ring = &o->t.ring;
	const unsigned int place = ring->packed ? rig_place(ring) : 2 * id;
	struct vq_chain *c = &o->chain[o->offered];

	assert(n <= 2 && id < MOST);
	ring->id = (uint16_t)id;
	if (n == 2)
		rig_desc(ring, place, RIG_DATA, 4, RIG_NEXT, place + 1);
	rig_desc(ring, (place + n - 1) % ring->size, RIG_DATA, 8,
		 plain ? 0 : RIG_WRITE, 0);
	rig_offer(ring, place);
	o->slots[o->offered++] = n;
	assert_true(vq_pop(&o->t.vq, c));
	assert_true(walk_all(c));
}

static void answer(struct order *o, unsigned int id, uint32_t len)
{
	vq_push(&o->t.vq, &o->chain[id], len);
}

/* The driver finds one element: all up to @last came back, the last one with
 * @len. */
static bool finds_all_up_to(struct order *o, unsigned int last, uint32_t len)
{
	struct rig_ring *ring = &o->t.ring;
	struct rig_answer a;

	if (!rig_take(ring, 0, &a))
		return false;
	ring->taken--;
	for (; o->back <= last; o->back++) {
		ring->taken++;
		if (ring->packed)
			ring->used_slot = rig_advance(ring, ring->used_slot,
						      o->slots[o->back]);
	}
	/* A split ring's index counts them all, too. */
	if (!ring->packed && (uint16_t)(ring->used->idx - ring->taken) > MOST)
		return false;
	return (ring->packed ? a.id : a.id / 2) == last && a.len == len;
}

/* rules 103, 112 */
static void vq_shows_chains_in_order_however_they_were_pushed(void **state)
{
	struct order o;

	order_live(&o, state);
	ask(&o, 1, false);
	ask(&o, 2, false);
	ask(&o, 1, false);
	answer(&o, 2, 3);
	answer(&o, 1, 2);
	assert_false(vq_publish(&o.t.vq));
	assert_true(finds_nothing(&o.t));
	answer(&o, 0, 1);
	assert_true(vq_publish(&o.t.vq));
	assert_true(finds_all_up_to(&o, 0, 1));
	assert_true(finds_all_up_to(&o, 1, 2));
	assert_true(finds_all_up_to(&o, 2, 3));
	assert_true(finds_nothing(&o.t));
	end(&o.t);
}

/* rules 103, 112 */
static void vq_tells_of_a_batch_with_one_element(void **state)
{
	struct order o;
	unsigned int i;

	order_live(&o, state);
	for (i = 0; i < 5; i++)
		ask(&o, 1 + i % 2, true);
	for (i = 5; i--;)
		answer(&o, i, 0);
	assert_true(vq_publish(&o.t.vq));
	if (packed(state))
		/* The other slots are as the driver left them. */
		for (i = 1; i < 7; i++)
			assert_true(o.t.ring.slots[i].flags & RIG_AVAIL &&
				    !(o.t.ring.slots[i].flags & RIG_USED));
	else
		assert_int_equal(o.t.ring.used->idx, 5);
	assert_true(finds_all_up_to(&o, 4, 0));
	assert_true(finds_nothing(&o.t));
	/* The next one comes behind all of them. */
	ask(&o, 1, false);
	answer(&o, 5, 7);
	vq_publish(&o.t.vq);
	assert_true(finds_all_up_to(&o, 5, 7));
	end(&o.t);
}

/* rules 101, 103, 112: what is skipped counts as written all over, so only
 * chains without anything to write may be */
static void vq_skips_no_chain_that_it_might_have_written(void **state)
{
	struct order o;

	order_live(&o, state);
	ask(&o, 1, true);
	ask(&o, 2, false);
	ask(&o, 1, false);
	ask(&o, 1, true);
	answer(&o, 0, 0);
	answer(&o, 1, 5);
	answer(&o, 2, 0);
	answer(&o, 3, 0);
	vq_publish(&o.t.vq);
	assert_true(finds_all_up_to(&o, 1, 5));
	assert_true(finds_all_up_to(&o, 2, 0));
	assert_true(finds_all_up_to(&o, 3, 0));
	assert_true(finds_nothing(&o.t));
	end(&o.t);
}

/* rules 103, 112 */
static void vq_changes_no_element_that_was_shown(void **state)
{
	struct order o;

	order_live(&o, state);
	ask(&o, 1, true);
	ask(&o, 1, true);
	answer(&o, 0, 0);
	assert_true(vq_publish(&o.t.vq));
	answer(&o, 1, 0);
	assert_true(vq_publish(&o.t.vq));
	assert_true(finds_all_up_to(&o, 0, 0));
	assert_true(finds_all_up_to(&o, 1, 0));
	end(&o.t);
}

/* rules 103, 112 */
static void vq_goes_round_in_order(void **state)
{
	struct order o;
	unsigned int i, k;

	order_live(&o, state);
	for (i = 0; i < 3000; i++) {
		for (k = 0; k < MOST; k++)
			ask(&o, 1 + (i + k) % 2, (i * k) % 3);
		for (k = MOST; k--;)
			answer(&o, k ^ (i % MOST), 0);
		vq_publish(&o.t.vq);
		while (o.back < MOST) {
			/* Up to the first that is not plain, or the last. */
			for (k = o.back; k < MOST - 1 && (i * k) % 3; k++)
				;
			assert_true(finds_all_up_to(&o, k, 0));
		}
		assert_true(finds_nothing(&o.t));
		o.offered = 0;
		o.back = 0;
	}
	end(&o.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		both(vq_shows_chains_in_order_however_they_were_pushed),
		both(vq_tells_of_a_batch_with_one_element),
		both(vq_skips_no_chain_that_it_might_have_written),
		both(vq_changes_no_element_that_was_shown),
		both(vq_goes_round_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
