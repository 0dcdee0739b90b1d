/* SPDX-License-Identifier: BSD-3-Clause */
/* Ring areas and indices; also queue_event_test.c, queue_chain_test.c. */
#include "transport/virtio/queue.h"
#include "transport/virtio/test_queue.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define SIZE TEST_QUEUE_SIZE

static bool enables_with(uint64_t desc, uint64_t driver, uint64_t device)
{
	struct test t;
	bool ok;

	begin(&t);
	t.vq.s.desc = desc;
	t.vq.s.driver = driver;
	t.vq.s.device = device;
	ok = vq_enable(&t.vq);
	assert_int_equal(t.vq.stats.broken, !ok);
	end(&t);
	return ok;
}

/* rules 44, 96 */
static void vq_refuses_addresses_that_make_no_sense(void **state)
{
	const uint64_t d = RIG_GPA, a = RIG_GPA + 0x2000, u = RIG_GPA + 0x3000;

	(void)state;
	assert_true(enables_with(d, a, u));
	assert_false(enables_with(d + 8, a, u));
	assert_false(enables_with(d, a + 1, u));
	assert_false(enables_with(d, a, u + 2));
	assert_false(enables_with(0, a, u));
	assert_false(enables_with(d, 0, u));
	assert_false(enables_with(d, a, 0));
	assert_false(enables_with(UINT64_MAX - 15, a, u));
	assert_false(enables_with(d, UINT64_MAX - 1, u));
	assert_false(enables_with(d, a, UINT64_MAX - 3));
	assert_true(enables_with(-16ull * SIZE, a, u));
}

/* rules 44, 96 */
static void vq_enabled_outside_of_memory_does_not_run(void **state)
{
	const uint64_t hole = RIG_GPA + RIG_SIZE;
	struct vq_chain c;
	struct test t;
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		uint64_t *const area[] = { &t.vq.s.desc, &t.vq.s.driver,
					   &t.vq.s.device };

		begin(&t);
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

	(void)state;
	begin(&t);
	rig_unmap(&t.rig, RIG_GPA, RIG_SIZE);
	rig_map(&t.rig, last, RIG_SIZE, t.rig.mem, GPA_READ | GPA_WRITE);
	/* The descriptors end with the last byte there is. */
	t.vq.s.desc = -16ull * SIZE;
	t.vq.s.driver = last + 0x2000;
	t.vq.s.device = last + 0x3000;
	t.ring.desc = rig_at(&t.rig, RIG_GPA + RIG_SIZE - 16 * SIZE);
	go(&t);
	rig_desc(&t.ring, SIZE - 1, last, 16, 0, 0);
	rig_offer(&t.ring, SIZE - 1);
	assert_true(serve(&t, 0));
	assert_true(queue_tell(&t.vq));
	assert_int_equal(t.ring.used->ring[0].id, SIZE - 1);
	end(&t);
}

static bool lives_in(uint64_t desc, uint64_t avail, uint64_t used)
{
	struct test t;
	bool is;

	begin(&t);
	rig_unmap(&t.rig, RIG_GPA, RIG_SIZE);
	rig_map(&t.rig, t.ring.desc_gpa, desc, t.ring.desc, GPA_READ);
	rig_map(&t.rig, t.ring.avail_gpa, avail, t.ring.avail, GPA_READ);
	rig_map(&t.rig, t.ring.used_gpa, used, t.ring.used,
		GPA_READ | GPA_WRITE);
	go(&t);
	assert_false(t.vq.s.broken);
	is = vq_live(&t.vq);
	end(&t);
	return is;
}

/* rule 96 */
static void vq_needs_16n_and_6_plus_2n_and_6_plus_8n_bytes(void **state)
{
	const uint64_t d = 16 * SIZE, a = 6 + 2 * SIZE, u = 6 + 8 * SIZE;

	(void)state;
	assert_true(lives_in(d, a, u));
	assert_false(lives_in(d - 1, a, u));
	assert_false(lives_in(d, a - 1, u));
	assert_false(lives_in(d, a, u - 1));
}

static void vq_pauses_without_ring_memory_and_goes_on_with_it(void **state)
{
	struct vq_chain c;
	struct test t;

	(void)state;
	live(&t, 0);
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

	(void)state;
	live(&t, 0);
	offer(&t, 3);
	assert_true(serve(&t, 5));
	vq_derive(&t.vq, NULL, true);
	assert_false(queue_tell(&t.vq));
	assert_int_equal(t.ring.used->idx, 0);
	vq_derive(&t.vq, &t.rig.map, true);
	assert_true(queue_tell(&t.vq));
	assert_int_equal(t.ring.used->idx, 1);
	assert_int_equal(t.ring.used->ring[0].id, 3);
	end(&t);
}

static void vq_pauses_when_the_used_ring_is_read_only(void **state)
{
	struct test t;

	(void)state;
	begin(&t);
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
	struct test t;

	(void)state;
	begin(&t);
	rig_unmap(&t.rig, RIG_GPA, RIG_SIZE);
	rig_map(&t.rig, RIG_GPA, 0x3008, t.rig.mem, GPA_READ | GPA_WRITE);
	rig_map(&t.rig, RIG_GPA + 0x3008, 0x1000, t.rig.mem + 0x8000,
		GPA_READ | GPA_WRITE);
	go(&t);
	assert_true(t.vq.s.broken);
	assert_int_equal(t.vq.stats.broken, 1);
	end(&t);
}

/* rule 116 */
static void vq_lives_in_adjacent_regions_of_one_piece(void **state)
{
	struct test t;

	(void)state;
	begin(&t);
	rig_unmap(&t.rig, RIG_GPA, RIG_SIZE);
	rig_map(&t.rig, RIG_GPA, 0x3008, t.rig.mem, GPA_READ | GPA_WRITE);
	rig_map(&t.rig, RIG_GPA + 0x3008, 0x1000, t.rig.mem + 0x3008,
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
	struct test t;
	uint8_t *before = malloc(RIG_SIZE);

	(void)state;
	assert_non_null(before);
	live(&t, 0);
	offer(&t, 0);
	offer(&t, 1);
	assert_true(vq_pop(&t.vq, &held));
	vq_derive(&t.vq, &t.rig.map, false);
	memcpy(before, t.rig.mem, RIG_SIZE);
	assert_false(vq_pop(&t.vq, &c));
	assert_int_equal(vq_chain_next(&held, &span), -1);
	vq_push(&t.vq, &held, 0);
	assert_false(vq_arm(&t.vq));
	vq_disarm(&t.vq);
	assert_false(queue_tell(&t.vq));
	assert_memory_equal(before, t.rig.mem, RIG_SIZE);
	assert_int_equal(t.vq.s.last_avail, 1);
	assert_int_equal(t.vq.s.used, 0);
	assert_false(t.vq.s.broken);
	free(before);
	end(&t);
}

/* rule 43 */
static void vq_takes_powers_of_two_up_to_its_maximum_as_size(void **state)
{
	static const uint16_t refused[] = { 0, 3, 12, 255, 257, 512, 65535 };
	struct vq vq;
	unsigned int i;

	(void)state;
	vq_init(&vq, 256, false);
	assert_int_equal(vq.s.size, 256);
	vq_set_size(&vq, 16);
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		vq_set_size(&vq, refused[i]);
		assert_int_equal(vq.s.size, 16);
	}
	vq_set_size(&vq, 1);
	assert_int_equal(vq.s.size, 1);
}

/* rule 45 */
static void vq_keeps_its_size_while_enabled(void **state)
{
	struct test t;

	(void)state;
	live(&t, 0);
	vq_set_size(&t.vq, 4);
	assert_int_equal(t.vq.s.size, SIZE);
	end(&t);
}

/* rule 97 */
static void vq_breaks_on_an_entry_beyond_its_size(void **state)
{
	struct vq_chain c;
	struct test t;

	(void)state;
	live(&t, 0);
	rig_offer(&t.ring, SIZE);
	assert_false(vq_pop(&t.vq, &c));
	assert_int_equal(t.vq.stats.broken, 1);
	end(&t);
}

/* rule 97 */
static void vq_breaks_when_idx_is_ahead_by_more_than_its_size(void **state)
{
	struct vq_chain c;
	struct test t;

	(void)state;
	live(&t, 0);
	t.ring.avail->idx = SIZE + 1;
	assert_false(vq_pop(&t.vq, &c));
	assert_true(t.vq.s.broken);
	end(&t);
}

/* rule 97 */
static void vq_takes_a_full_ring(void **state)
{
	struct test t;
	unsigned int i;

	(void)state;
	live(&t, 0);
	for (i = 0; i < SIZE; i++)
		offer(&t, i);
	for (i = 0; i < SIZE; i++)
		assert_true(serve(&t, 1));
	assert_false(serve(&t, 1));
	assert_false(t.vq.s.broken);
	end(&t);
}

/* rule 97 */
static void vq_breaks_when_idx_goes_back(void **state)
{
	struct vq_chain c;
	struct test t;

	(void)state;
	live(&t, 0);
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

	(void)state;
	live(&t, 0);
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

	(void)state;
	live(&t, 0);
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

	(void)state;
	begin(&t);
	t.vq.s.last_avail = t.vq.s.used = 77;
	t.vq.s.published = t.vq.s.signalled = 77;
	t.ring.avail->idx = 77;
	go(&t);
	assert_false(serve(&t, 0));
	offer(&t, 3);
	assert_true(serve(&t, 0));
	assert_true(queue_tell(&t.vq));
	assert_int_equal(t.ring.used->idx, 78);
	end(&t);
}

/* rule 101 */
static void vq_shows_used_elements_only_when_published(void **state)
{
	struct test t;

	(void)state;
	live(&t, 0);
	offer(&t, 5);
	offer(&t, 2);
	assert_true(serve(&t, 16));
	assert_true(serve(&t, 0));
	assert_int_equal(t.ring.used->idx, 0);
	assert_true(queue_tell(&t.vq));
	assert_int_equal(t.ring.used->idx, 2);
	assert_int_equal(t.ring.used->ring[0].id, 5);
	assert_int_equal(t.ring.used->ring[0].len, 16);
	assert_int_equal(t.ring.used->ring[1].id, 2);
	assert_int_equal(t.ring.used->ring[1].len, 0);
	assert_int_equal(t.vq.stats.bytes_written, 16);
	end(&t);
}

static void go_round(uint16_t size)
{
	struct test t;
	unsigned int i;
	uint16_t old;

	rig_init(&t.rig);
	rig_ring(&t.rig, &t.ring, 0, size);
	vq_init(&t.vq, 256, false);
	rig_tell(&t.ring, &t.vq);
	go(&t);
	for (i = 0; i < 70000; i++) {
		offer(&t, i % size);
		old = t.ring.used->idx;
		assert_true(serve(&t, 1));
		queue_tell(&t.vq);
		assert_int_equal((uint16_t)(t.ring.used->idx - old), 1);
		assert_int_equal(t.ring.used->ring[old % size].id, i % size);
	}
	assert_int_equal(t.vq.stats.chains, 70000);
	end(&t);
}

/* rules 97, 101 */
static void vq_used_idx_only_grows_and_wraps_at_65536(void **state)
{
	(void)state;
	go_round(1);
	go_round(SIZE);
	go_round(256);
}

/* rule 118 */
static void vq_that_broke_writes_nothing_more(void **state)
{
	struct vq_chain c;
	struct test t;

	(void)state;
	live(&t, 0);
	offer(&t, 0);
	assert_true(vq_pop(&t.vq, &c));
	vq_break(&t.vq);
	vq_break(&t.vq);
	vq_push(&t.vq, &c, 0);
	assert_false(queue_tell(&t.vq));
	assert_int_equal(t.ring.used->idx, 0);
	assert_int_equal(t.vq.stats.broken, 1);
	vq_derive(&t.vq, &t.rig.map, true);
	assert_false(vq_live(&t.vq));
	end(&t);
}

/* rule 55 */
static void vq_reset_forgets_all_but_statistics_and_features(void **state)
{
	static const struct vq_state fresh = { .size = 256 };
	struct test t;

	(void)state;
	live(&t, TEST_EVENT_IDX);
	offer(&t, 0);
	assert_true(serve(&t, 0));
	vq_reset(&t.vq);
	assert_memory_equal(&t.vq.s, &fresh, sizeof(fresh));
	assert_null(t.vq.desc_host);
	assert_null(t.vq.driver_host);
	assert_null(t.vq.device_host);
	vq_break(&t.vq);
	vq_reset(&t.vq);
	assert_memory_equal(&t.vq.s, &fresh, sizeof(fresh));
	assert_false(t.vq.running);
	/* The driver may set it up anew without choosing again. */
	assert_true(t.vq.event_idx);
	assert_int_equal(t.vq.stats.chains, 1);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vq_refuses_addresses_that_make_no_sense),
		cmocka_unit_test(vq_enabled_outside_of_memory_does_not_run),
		cmocka_unit_test(vq_lives_at_the_end_of_the_address_space),
		cmocka_unit_test(
			vq_needs_16n_and_6_plus_2n_and_6_plus_8n_bytes),
		cmocka_unit_test(
			vq_pauses_without_ring_memory_and_goes_on_with_it),
		cmocka_unit_test(
			vq_publishes_after_a_pause_what_was_pushed_before),
		cmocka_unit_test(vq_pauses_when_the_used_ring_is_read_only),
		cmocka_unit_test(vq_breaks_when_a_ring_area_is_in_two_pieces),
		cmocka_unit_test(vq_lives_in_adjacent_regions_of_one_piece),
		cmocka_unit_test(vq_that_does_not_run_touches_nothing),
		cmocka_unit_test(
			vq_takes_powers_of_two_up_to_its_maximum_as_size),
		cmocka_unit_test(vq_keeps_its_size_while_enabled),
		cmocka_unit_test(vq_breaks_on_an_entry_beyond_its_size),
		cmocka_unit_test(
			vq_breaks_when_idx_is_ahead_by_more_than_its_size),
		cmocka_unit_test(vq_takes_a_full_ring),
		cmocka_unit_test(vq_breaks_when_idx_goes_back),
		cmocka_unit_test(vq_never_has_more_chains_out_than_its_size),
		cmocka_unit_test(
			vq_looks_at_idx_again_only_when_it_took_all_it_saw),
		cmocka_unit_test(vq_goes_on_from_a_state_that_was_restored),
		cmocka_unit_test(vq_shows_used_elements_only_when_published),
		cmocka_unit_test(vq_used_idx_only_grows_and_wraps_at_65536),
		cmocka_unit_test(vq_that_broke_writes_nothing_more),
		cmocka_unit_test(
			vq_reset_forgets_all_but_statistics_and_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
