/* SPDX-License-Identifier: BSD-3-Clause */
/* Ring areas and what a queue is before and after it runs. */
#include "transport/virtio/queue.h"
#include "transport/virtio/test_queue.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define SIZE TEST_QUEUE_SIZE

static bool enables_with(void **state, uint64_t desc, uint64_t driver,
			 uint64_t device)
{
	struct test t;
	bool ok;

	begin(&t, state);
	t.vq.s.desc = desc;
	t.vq.s.driver = driver;
	t.vq.s.device = device;
	ok = vq_enable(&t.vq);
	assert_int_equal(t.vq.stats.broken, !ok);
	end(&t);
	return ok;
}

/* rules 44, 96, 106 */
static void vq_refuses_addresses_that_make_no_sense(void **state)
{
	const uint64_t d = RIG_GPA, a = RIG_GPA + 0x2000, u = RIG_GPA + 0x3000;

	assert_true(enables_with(state, d, a, u));
	assert_false(enables_with(state, d + 8, a, u));
	assert_false(enables_with(state, d, a + 1, u));
	assert_false(enables_with(state, d, a, u + 2));
	assert_false(enables_with(state, 0, a, u));
	assert_false(enables_with(state, d, 0, u));
	assert_false(enables_with(state, d, a, 0));
	assert_false(enables_with(state, UINT64_MAX - 15, a, u));
	assert_false(enables_with(state, d, UINT64_MAX - 1, u));
	/* The last four bytes there are hold a packed ring's event. */
	assert_int_equal(enables_with(state, d, a, UINT64_MAX - 3),
			 packed(state));
	assert_true(enables_with(state, -16ull * SIZE, a, u));
	assert_int_equal(enables_with(state, d, a + 2, u), !packed(state));
}

/* rules 44, 96 */
static void vq_enabled_outside_of_memory_does_not_run(void **state)
{
	const uint64_t hole = RIG_GPA + RIG_SIZE;
	struct vq_chain c;
	struct test t;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		uint64_t *const area[] = { &t.vq.s.desc, &t.vq.s.driver,
					   &t.vq.s.device };

		begin(&t, state);
		offer(&t, 0);
		*area[i] = hole;
		go(&t);
		assert_int_equal(t.vq.s.enabled, 1);
		assert_false(vq_live(&t.vq));
		assert_false(vq_pop(&t.vq, &c));
		vq_disarm(&t.vq);
		assert_false(vq_arm(&t.vq));
		assert_int_equal(t.ring.used->flags, 0);
		end(&t);
	}
}

/* rules 96, 116 */
static void vq_lives_at_the_end_of_the_address_space(void **state)
{
	const uint64_t last = -(uint64_t)RIG_SIZE;
	struct test t;

	begin(&t, state);
	rig_unmap(&t.rig, RIG_GPA, RIG_SIZE);
	rig_map(&t.rig, last, RIG_SIZE, t.rig.mem, GPA_READ | GPA_WRITE);
	/* The descriptors end with the last byte there is. */
	t.vq.s.desc = -16ull * SIZE;
	t.vq.s.driver = last + 0x2000;
	t.vq.s.device = last + 0x3000;
	t.ring.desc = rig_at(&t.rig, RIG_GPA + RIG_SIZE - 16 * SIZE);
	go(&t);
	t.ring.id = SIZE - 1;
	rig_desc(&t.ring, packed(state) ? 0 : SIZE - 1, last, 16, 0, 0);
	rig_offer(&t.ring, packed(state) ? 0 : SIZE - 1);
	assert_true(serve(&t, 0));
	assert_true(vq_publish(&t.vq));
	assert_true(finds(&t, SIZE - 1, 0));
	end(&t);
}

static bool lives_in(void **state, uint64_t desc, uint64_t avail, uint64_t used)
{
	struct test t;
	bool is;

	begin(&t, state);
	rig_unmap(&t.rig, RIG_GPA, RIG_SIZE);
	rig_map(&t.rig, t.ring.desc_gpa, desc, t.ring.desc,
		packed(state) ? GPA_READ | GPA_WRITE : GPA_READ);
	rig_map(&t.rig, t.ring.avail_gpa, avail, t.ring.avail, GPA_READ);
	rig_map(&t.rig, t.ring.used_gpa, used, t.ring.used,
		GPA_READ | GPA_WRITE);
	go(&t);
	assert_false(t.vq.s.broken);
	is = vq_live(&t.vq);
	end(&t);
	return is;
}

/* rules 96, 106: 16N, 6 + 2N and 6 + 8N bytes; packed 16N, 4 and 4 */
static void vq_needs_all_bytes_of_its_three_areas(void **state)
{
	const uint64_t d = 16 * SIZE, a = packed(state) ? 4 : 6 + 2 * SIZE,
		       u = packed(state) ? 4 : 6 + 8 * SIZE;

	assert_true(lives_in(state, d, a, u));
	assert_false(lives_in(state, d - 1, a, u));
	assert_false(lives_in(state, d, a - 1, u));
	assert_false(lives_in(state, d, a, u - 1));
}

static void vq_pauses_without_ring_memory_and_goes_on_with_it(void **state)
{
	struct vq_chain c;
	struct test t;

	live(&t, state, 0);
	offer(&t, 0);
	rig_unmap(&t.rig, RIG_GPA, RIG_SIZE);
	vq_derive(&t.vq, &t.rig.map, true);
	assert_false(vq_pop(&t.vq, &c));
	assert_false(vq_arm(&t.vq));
	assert_int_equal(t.vq.stats.broken, 0);
	rig_map(&t.rig, RIG_GPA, RIG_SIZE, t.rig.mem, GPA_READ | GPA_WRITE);
	vq_derive(&t.vq, &t.rig.map, true);
	assert_true(vq_pop(&t.vq, &c));
	end(&t);
}

static void vq_publishes_after_a_pause_what_was_pushed_before(void **state)
{
	struct test t;

	live(&t, state, 0);
	offer(&t, 3);
	assert_true(serve(&t, 5));
	vq_derive(&t.vq, NULL, true);
	assert_false(vq_publish(&t.vq));
	assert_true(finds_nothing(&t));
	vq_derive(&t.vq, &t.rig.map, true);
	assert_true(vq_publish(&t.vq));
	assert_true(finds(&t, 3, 5));
	end(&t);
}

static void vq_pauses_when_the_used_ring_is_read_only(void **state)
{
	struct test t;

	begin(&t, state);
	rig_unmap(&t.rig, RIG_GPA, RIG_SIZE);
	rig_map(&t.rig, RIG_GPA, RIG_SIZE, t.rig.mem, GPA_READ);
	go(&t);
	assert_false(vq_live(&t.vq));
	assert_false(t.vq.s.broken);
	end(&t);
}

/* rule 116 */
static void vq_breaks_when_a_ring_area_is_in_two_pieces(void **state)
{
	const uint64_t cut = packed(state) ? 0x80 : 0x3008;
	struct test t;

	begin(&t, state);
	rig_unmap(&t.rig, RIG_GPA, RIG_SIZE);
	rig_map(&t.rig, RIG_GPA, cut, t.rig.mem, GPA_READ | GPA_WRITE);
	rig_map(&t.rig, RIG_GPA + cut, 0x8000, t.rig.mem + 0x10000,
		GPA_READ | GPA_WRITE);
	go(&t);
	assert_true(t.vq.s.broken);
	assert_int_equal(t.vq.stats.broken, 1);
	end(&t);
}

/* rule 116 */
static void vq_lives_in_adjacent_regions_of_one_piece(void **state)
{
	const uint64_t cut = packed(state) ? 0x80 : 0x3008;
	struct test t;

	begin(&t, state);
	rig_unmap(&t.rig, RIG_GPA, RIG_SIZE);
	rig_map(&t.rig, RIG_GPA, cut, t.rig.mem, GPA_READ | GPA_WRITE);
	rig_map(&t.rig, RIG_GPA + cut, 0x8000, t.rig.mem + cut,
		GPA_READ | GPA_WRITE);
	go(&t);
	assert_true(vq_live(&t.vq));
	end(&t);
}

/* rules 22, 56 */
static void vq_that_does_not_run_touches_nothing(void **state)
{
	struct vq_chain c, held;
	struct vq_span span;
	struct vq_state paused;
	struct test t;
	uint8_t *before = malloc(RIG_SIZE);

	assert_non_null(before);
	live(&t, state, 0);
	offer(&t, 0);
	offer(&t, 1);
	assert_true(vq_pop(&t.vq, &held));
	vq_derive(&t.vq, &t.rig.map, false);
	memcpy(before, t.rig.mem, RIG_SIZE);
	paused = t.vq.s;
	assert_false(vq_pop(&t.vq, &c));
	assert_int_equal(vq_chain_next(&held, &span), -1);
	vq_push(&t.vq, &held, 0);
	assert_false(vq_arm(&t.vq));
	vq_disarm(&t.vq);
	assert_false(vq_publish(&t.vq));
	assert_memory_equal(before, t.rig.mem, RIG_SIZE);
	assert_memory_equal(&paused, &t.vq.s, sizeof(paused));
	free(before);
	end(&t);
}

static bool takes_size(void **state, uint16_t size)
{
	struct test t;
	bool takes;

	begin_with(&t, state, 0, 8);
	assert_int_equal(t.vq.s.size, 8);
	vq_set_size(&t.vq, size);
	takes = t.vq.s.size == size;
	assert_true(takes || t.vq.s.size == 8);
	end(&t);
	return takes;
}

/* rules 43, 106 */
static void vq_takes_sizes_up_to_its_maximum_split_powers_of_two(void **state)
{
	static const uint16_t always[] = { 1, 2, 16, 128, 256 },
			      odd[] = { 3, 5, 12, 255 },
			      never[] = { 0, 257, 512, 32768, 65535 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(always); i++)
		assert_true(takes_size(state, always[i]));
	for (i = 0; i < ARRAY_SIZE(odd); i++)
		assert_int_equal(takes_size(state, odd[i]), packed(state));
	for (i = 0; i < ARRAY_SIZE(never); i++)
		assert_false(takes_size(state, never[i]));
}

/* rule 45 */
static void vq_keeps_its_size_while_enabled(void **state)
{
	struct test t;

	live(&t, state, 0);
	vq_set_size(&t.vq, 4);
	assert_int_equal(t.vq.s.size, SIZE);
	end(&t);
}

/* rule 118 */
static void vq_that_broke_writes_nothing_more(void **state)
{
	struct vq_chain c;
	struct test t;

	live(&t, state, 0);
	offer(&t, 0);
	assert_true(vq_pop(&t.vq, &c));
	vq_break(&t.vq);
	vq_break(&t.vq);
	vq_push(&t.vq, &c, 0);
	assert_false(vq_publish(&t.vq));
	assert_true(finds_nothing(&t));
	assert_int_equal(t.vq.stats.broken, 1);
	vq_derive(&t.vq, &t.rig.map, true);
	assert_false(vq_live(&t.vq));
	end(&t);
}

/* rules 48, 55 */
static void vq_reset_forgets_all_but_the_statistics(void **state)
{
	struct test t, fresh;

	begin(&fresh, state);
	vq_reset(&fresh.vq);
	assert_int_equal(fresh.vq.s.size, 256);
	assert_int_equal(fresh.vq.s.desc, 0);
	live(&t, state, TEST_EVENT_IDX);
	offer(&t, 0);
	assert_true(serve(&t, 0));
	vq_reset(&t.vq);
	assert_memory_equal(&t.vq.s, &fresh.vq.s, sizeof(t.vq.s));
	assert_false(vq_live(&t.vq));
	vq_break(&t.vq);
	vq_reset(&t.vq);
	assert_memory_equal(&t.vq.s, &fresh.vq.s, sizeof(t.vq.s));
	assert_false(t.vq.running);
	assert_int_equal(t.vq.stats.chains, 1);
	end(&t);
	end(&fresh);
}

/* rule 48: what was negotiated still holds */
static void vq_works_again_after_its_reset(void **state)
{
	struct test t;

	live(&t, state, TEST_INDIRECT);
	for (unsigned int i = 0; i < 5; i++) {
		offer(&t, i);
		assert_true(serve(&t, 1));
	}
	vq_publish(&t.vq);
	vq_reset(&t.vq);
	rig_ring(&t.rig, &t.ring, 1, 8);
	if (packed(state))
		rig_pack(&t.ring);
	rig_tell(&t.ring, &t.vq);
	go(&t);
	assert_true(vq_live(&t.vq));
	assert_false(serve(&t, 0));
	offer(&t, 6);
	assert_true(serve(&t, 3));
	vq_publish(&t.vq);
	assert_true(finds(&t, 6, 3));
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		both(vq_refuses_addresses_that_make_no_sense),
		both(vq_enabled_outside_of_memory_does_not_run),
		both(vq_lives_at_the_end_of_the_address_space),
		both(vq_needs_all_bytes_of_its_three_areas),
		both(vq_pauses_without_ring_memory_and_goes_on_with_it),
		both(vq_publishes_after_a_pause_what_was_pushed_before),
		both(vq_pauses_when_the_used_ring_is_read_only),
		both(vq_breaks_when_a_ring_area_is_in_two_pieces),
		both(vq_lives_in_adjacent_regions_of_one_piece),
		both(vq_that_does_not_run_touches_nothing),
		both(vq_takes_sizes_up_to_its_maximum_split_powers_of_two),
		both(vq_keeps_its_size_while_enabled),
		both(vq_that_broke_writes_nothing_more),
		both(vq_reset_forgets_all_but_the_statistics),
		both(vq_works_again_after_its_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
