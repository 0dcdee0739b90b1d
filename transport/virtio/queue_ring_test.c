/* SPDX-License-Identifier: BSD-3-Clause */
/* What is offered, taken and used, in which order, all around the ring. */
#include "transport/virtio/queue.h"
#include "transport/virtio/test_queue.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define SIZE TEST_QUEUE_SIZE

/* ---- Split: avail.idx and its entries --------------------------------------- */

static void breaks_on_head(unsigned int head)
{
	struct vq_chain c;
	struct test t;

	live(&t, NULL, 0);
	rig_offer(&t.ring, head);
	assert_false(vq_pop(&t.vq, &c));
	assert_int_equal(t.vq.stats.broken, 1);
	end(&t);
}

/* rule 97 */
static void vq_breaks_on_an_entry_beyond_its_size(void **state)
{
	(void)state;
	breaks_on_head(SIZE);
	breaks_on_head(0x7fff);
	breaks_on_head(0xffff);
}

/* rule 97 */
static void vq_breaks_when_idx_is_ahead_by_more_than_its_size(void **state)
{
	struct vq_chain c;
	struct test t;

	live(&t, state, 0);
	t.ring.avail->idx = SIZE + 1;
	assert_false(vq_pop(&t.vq, &c));
	assert_true(t.vq.s.broken);
	end(&t);
}

/* rule 97 */
static void vq_breaks_when_idx_goes_back(void **state)
{
	struct vq_chain c;
	struct test t;

	live(&t, state, 0);
	offer(&t, 0);
	assert_true(vq_pop(&t.vq, &c));
	t.ring.avail->idx = 0;
	assert_false(vq_pop(&t.vq, &c));
	assert_true(t.vq.s.broken);
	end(&t);
}

/* rule 97 */
static void vq_never_has_more_chains_out_than_its_size(void **state)
{
	struct vq_chain c;
	struct test t;
	unsigned int i;

	live(&t, state, 0);
	for (i = 0; i < SIZE; i++) {
		offer(&t, 0);
		assert_true(vq_pop(&t.vq, &c));
	}
	/* One at a time, so idx is never far ahead; but none came back. */
	offer(&t, 0);
	assert_false(vq_pop(&t.vq, &c));
	assert_true(t.vq.s.broken);
	end(&t);
}

/* rule 105 */
static void vq_looks_at_idx_again_only_when_it_took_all_it_saw(void **state)
{
	struct test t;

	live(&t, state, 0);
	offer(&t, 0);
	offer(&t, 1);
	assert_true(serve(&t, 0));
	t.ring.avail->idx = 0x4000;
	assert_true(serve(&t, 0));
	assert_false(t.vq.s.broken);
	assert_false(serve(&t, 0));
	assert_true(t.vq.s.broken);
	end(&t);
}

static void vq_goes_on_from_a_state_that_was_restored(void **state)
{
	struct test t;

	begin(&t, state);
	t.vq.s.last_avail = t.vq.s.used = t.vq.s.published = 77;
	t.vq.s.signalled = 77;
	t.ring.avail->idx = 77;
	go(&t);
	assert_false(serve(&t, 0));
	offer(&t, 3);
	assert_true(serve(&t, 0));
	assert_true(tell(&t));
	assert_int_equal(t.ring.used->idx, 78);
	end(&t);
}

/* ---- Packed: flags and wrap counters ------------------------------------------ */

/* The first slot has these flags: is it taken? */
static bool takes_with(unsigned int flags)
{
	void *state = (void *)&test_packed;
	struct vq_chain c;
	struct test t;
	bool takes;

	live(&t, &state, 0);
	rig_desc(&t.ring, 0, RIG_DATA, 16, flags, 0);
	takes = vq_pop(&t.vq, &c);
	assert_false(t.vq.s.broken);
	end(&t);
	return takes;
}

/* rules 106, 107 */
static void vq_takes_what_is_available_in_this_round_only(void **state)
{
	(void)state;
	assert_true(takes_with(RIG_AVAIL));
	assert_true(takes_with(RIG_AVAIL | RIG_WRITE));
	assert_false(takes_with(0));
	assert_false(takes_with(RIG_USED));
	assert_false(takes_with(RIG_AVAIL | RIG_USED));
}

/* rule 107 */
static void vq_uses_with_both_bits_as_its_wrap_counter(void **state)
{
	struct test t;
	unsigned int i;

	live_with(&t, state, 0, 3);
	for (i = 0; i < 9; i++) {
		struct rig_packed *d = &t.ring.slots[i % 3];
		const unsigned int round = i / 3 % 2;

		offer(&t, 40 + i);
		assert_true(serve(&t, i % 2 ? 16 : 0));
		vq_publish(&t.vq);
		assert_int_equal(d->id, 40 + i);
		assert_int_equal(d->flags & (RIG_AVAIL | RIG_USED),
				 round ? 0 : RIG_AVAIL | RIG_USED);
		/* WRITE says that the length means something. */
		assert_int_equal(!!(d->flags & RIG_WRITE), i % 2);
		assert_int_equal(d->len, i % 2 ? 16 : 0);
		assert_true(finds(&t, 40 + i, i % 2 ? 16 : 0));
	}
	end(&t);
}

/* Offer a chain of @n slots, whose last one has @id. */
static void offer_list(struct test *t, unsigned int n, uint16_t id)
{
	const uint16_t first = t->ring.slot;

	for (unsigned int i = 0; i < n; i++) {
		t->ring.id = i == n - 1 ? id : (uint16_t)(0xbad0 + i);
		rig_desc(&t->ring, rig_advance(&t->ring, first, i) & 0x7fff,
			 RIG_DATA + i, 1, i < n - 1 ? RIG_NEXT : 0, 0);
	}
	rig_offer_slots(&t->ring, n);
}

/* Serve the list of @n that was offered; what the driver finds then. */
static void serve_list(struct test *t, unsigned int n, uint16_t id)
{
	struct rig_answer a = { 0 };
	struct vq_chain c;
	struct vq_span s;

	assert_true(vq_pop(&t->vq, &c));
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(vq_chain_next(&c, &s), 1);
		assert_ptr_equal(s.host, rig_at(&t->rig, RIG_DATA + i));
	}
	assert_int_equal(vq_chain_next(&c, &s), 0);
	vq_push(&t->vq, &c, 0);
	vq_publish(&t->vq);
	assert_true(rig_take(&t->ring, n, &a));
	assert_int_equal(a.id, id);
	assert_false(rig_slot_is_used(&t->ring));
}

/* rules 106, 107, 108: with the id of the last of its slots, also over the
 * ring's end */
static void vq_skips_as_many_slots_as_a_list_has(void **state)
{
	static const uint16_t sizes[] = { 1, 3, 5, 7, 16, 255, 256 };
	struct test t;
	unsigned int i, k, n;

	for (k = 0; k < ARRAY_SIZE(sizes); k++) {
		live_with(&t, state, 0, sizes[k]);
		for (i = 0; i < 40; i++) {
			n = 1 + i % 5;
			if (n > sizes[k])
				n = sizes[k];
			offer_list(&t, n, (uint16_t)(1000 + i));
			serve_list(&t, n, (uint16_t)(1000 + i));
		}
		offer_list(&t, sizes[k], 9);
		serve_list(&t, sizes[k], 9);
		assert_false(t.vq.s.broken);
		end(&t);
	}
}

/* rules 98, 108, 119 */
static void vq_breaks_on_a_list_without_an_end(void **state)
{
	struct vq_chain c;
	struct test t;
	unsigned int i;

	live(&t, state, 0);
	for (i = 0; i < SIZE; i++)
		rig_desc(&t.ring, i, RIG_DATA, 1, RIG_NEXT, 0);
	rig_offer_slots(&t.ring, SIZE);
	assert_false(vq_pop(&t.vq, &c));
	assert_int_equal(t.vq.stats.broken, 1);
	end(&t);
}

/* rule 108 */
static void vq_breaks_on_a_list_that_runs_into_what_is_taken(void **state)
{
	struct vq_chain c, next;
	struct test t;

	live(&t, state, 0);
	offer_list(&t, 5, 1);
	assert_true(vq_pop(&t.vq, &c));
	offer_list(&t, SIZE - 4, 2);
	assert_false(vq_pop(&t.vq, &next));
	assert_true(t.vq.s.broken);
	end(&t);
}

/* rule 108 */
static void vq_takes_no_slot_again_before_it_is_used(void **state)
{
	struct vq_chain c;
	struct test t;
	unsigned int i;

	live(&t, state, 0);
	for (i = 0; i < SIZE; i++) {
		offer(&t, i);
		assert_true(vq_pop(&t.vq, &c));
	}
	/* All are out; a driver that offers one all the same is wrong. */
	assert_false(vq_pop(&t.vq, &c));
	assert_false(t.vq.s.broken);
	offer(&t, 0);
	assert_false(vq_pop(&t.vq, &c));
	assert_true(t.vq.s.broken);
	end(&t);
}

/* rules 98, 107, 108 */
static void vq_sees_nothing_of_a_list_before_its_first_slot(void **state)
{
	struct vq_chain c;
	struct test t;

	live(&t, state, 0);
	offer_list(&t, 3, 8);
	t.ring.slots[0].flags &= (uint16_t)~RIG_AVAIL;
	assert_false(vq_pop(&t.vq, &c));
	t.ring.slots[0].flags |= RIG_AVAIL;
	serve_list(&t, 3, 8);
	assert_false(t.vq.s.broken);
	end(&t);
}

/* rules 105, 108: the number of slots was settled when it was taken */
static void vq_skips_what_it_took_whatever_flags_become(void **state)
{
	struct rig_answer a = { 0 };
	struct vq_chain c;
	struct vq_span s;
	struct test t;
	unsigned int i;

	live(&t, state, TEST_INDIRECT);
	offer_list(&t, 3, 8);
	assert_true(vq_pop(&t.vq, &c));
	for (i = 0; i < 3; i++)
		t.ring.slots[i].flags ^= RIG_NEXT | RIG_AVAIL | RIG_USED;
	t.ring.slots[2].id = 77;
	for (i = 0; i < 3; i++)
		assert_int_equal(vq_chain_next(&c, &s), 1);
	assert_int_equal(vq_chain_next(&c, &s), 0);
	vq_push(&t.vq, &c, 0);
	vq_publish(&t.vq);
	assert_true(rig_take(&t.ring, 3, &a));
	assert_int_equal(a.id, 8);
	offer(&t, 5);
	assert_true(serve(&t, 1));
	vq_publish(&t.vq);
	assert_true(finds(&t, 5, 1));
	end(&t);
}

/* rule 111 */
static void vq_gives_back_any_id_even_one_that_is_out_already(void **state)
{
	static const uint16_t ids[] = { 0xffff, 7, 7, 0, 0x8000, 7 };
	struct vq_chain c[ARRAY_SIZE(ids)];
	struct test t;
	unsigned int i;

	live(&t, state, 0);
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		offer(&t, ids[i]);
		assert_true(vq_pop(&t.vq, &c[i]));
		assert_true(walk_all(&c[i]));
	}
	for (i = ARRAY_SIZE(ids); i--;)
		vq_push(&t.vq, &c[i], i);
	vq_publish(&t.vq);
	for (i = ARRAY_SIZE(ids); i--;)
		assert_true(finds(&t, ids[i], i));
	assert_true(finds_nothing(&t));
	end(&t);
}

/* ---- Both ----------------------------------------------------------------------- */

/* rules 97, 108 */
static void vq_takes_a_full_ring(void **state)
{
	struct test t;
	unsigned int i;

	live(&t, state, 0);
	for (i = 0; i < SIZE; i++)
		offer(&t, i);
	for (i = 0; i < SIZE; i++)
		assert_true(serve(&t, 1));
	assert_false(serve(&t, 1));
	assert_false(t.vq.s.broken);
	vq_publish(&t.vq);
	for (i = 0; i < SIZE; i++)
		assert_true(finds(&t, i, 1));
	end(&t);
}

/* rules 101, 107 */
static void vq_shows_used_elements_only_when_published(void **state)
{
	struct test t;

	live(&t, state, 0);
	offer(&t, 5);
	offer(&t, 2);
	offer(&t, 6);
	assert_true(serve(&t, 16));
	assert_true(serve(&t, 0));
	assert_true(serve(&t, 3));
	assert_true(finds_nothing(&t));
	assert_true(vq_publish(&t.vq));
	assert_true(finds(&t, 5, 16));
	assert_true(finds(&t, 2, 0));
	assert_true(finds(&t, 6, 3));
	assert_true(finds_nothing(&t));
	assert_int_equal(t.vq.stats.bytes_written, 19);
	end(&t);
}

/* rules 101, 107 */
static void vq_shows_chains_in_the_order_they_were_pushed(void **state)
{
	struct vq_chain c[3];
	struct test t;
	unsigned int i;

	live(&t, state, 0);
	for (i = 0; i < 3; i++) {
		offer(&t, i);
		assert_true(vq_pop(&t.vq, &c[i]));
		assert_true(walk_all(&c[i]));
	}
	vq_push(&t.vq, &c[2], 1);
	vq_push(&t.vq, &c[0], 2);
	vq_publish(&t.vq);
	assert_true(finds(&t, 2, 1));
	assert_true(finds(&t, 0, 2));
	assert_true(finds_nothing(&t));
	vq_push(&t.vq, &c[1], 3);
	vq_publish(&t.vq);
	assert_true(finds(&t, 1, 3));
	end(&t);
}

static void go_round(void **state, uint16_t size)
{
	struct test t;
	unsigned int i;

	live_with(&t, state, 0, size);
	for (i = 0; i < 70000; i++) {
		offer(&t, i % size);
		assert_true(serve(&t, 1));
		vq_publish(&t.vq);
		assert_true(finds(&t, i % size, 1));
		assert_true(finds_nothing(&t));
	}
	assert_int_equal(t.vq.stats.chains, 70000);
	end(&t);
}

/* rules 97, 101, 106, 107: used.idx passes 65536, wrap counters flip */
static void vq_goes_round_and_round(void **state)
{
	go_round(state, 1);
	go_round(state, SIZE);
	go_round(state, 256);
	if (packed(state))
		go_round(state, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		split_only(vq_breaks_on_an_entry_beyond_its_size),
		split_only(vq_breaks_when_idx_is_ahead_by_more_than_its_size),
		split_only(vq_breaks_when_idx_goes_back),
		split_only(vq_never_has_more_chains_out_than_its_size),
		split_only(vq_looks_at_idx_again_only_when_it_took_all_it_saw),
		split_only(vq_goes_on_from_a_state_that_was_restored),
		packed_only(vq_takes_what_is_available_in_this_round_only),
		packed_only(vq_uses_with_both_bits_as_its_wrap_counter),
		packed_only(vq_skips_as_many_slots_as_a_list_has),
		packed_only(vq_breaks_on_a_list_without_an_end),
		packed_only(vq_breaks_on_a_list_that_runs_into_what_is_taken),
		packed_only(vq_takes_no_slot_again_before_it_is_used),
		packed_only(vq_sees_nothing_of_a_list_before_its_first_slot),
		packed_only(vq_skips_what_it_took_whatever_flags_become),
		packed_only(vq_gives_back_any_id_even_one_that_is_out_already),
		both(vq_takes_a_full_ring),
		both(vq_shows_used_elements_only_when_published),
		both(vq_shows_chains_in_the_order_they_were_pushed),
		both(vq_goes_round_and_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
