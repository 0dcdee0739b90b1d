/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings of all sizes: full, round and round, and as one chain. */
#include "transport/virtio/queue.h"
#include "transport/virtio/test_queue.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

/* Room for the longest ring: 512 KiB, 64 KiB and 256 KiB, and then data. */
#define BIG_SIZE  0x200000u
#define BIG_AVAIL (RIG_GPA + 0x90000)
#define BIG_USED  (RIG_GPA + 0xb0000)
#define BIG_DATA  (RIG_GPA + 0x100000)

static void big_live(struct test *t, void **state, uint64_t features,
		     uint16_t size)
{
	struct virtio_features f = { { features, 0 } };

	rig_init_sized(&t->rig, BIG_SIZE);
	rig_map(&t->rig, RIG_GPA, BIG_SIZE, t->rig.mem, GPA_READ | GPA_WRITE);
	t->ring = (struct rig_ring){
		.size = size,
		.desc_gpa = RIG_GPA,
		.avail_gpa = BIG_AVAIL,
		.used_gpa = BIG_USED,
	};
	t->ring.desc = rig_at(&t->rig, RIG_GPA);
	t->ring.avail = rig_at(&t->rig, BIG_AVAIL);
	t->ring.used = rig_at(&t->rig, BIG_USED);
	if (packed(state)) {
		rig_pack(&t->ring);
		virtio_set(&f, VIRTIO_F_RING_PACKED);
	}
	assert_int_equal(vq_init(&t->vq, VQ_MAX_SIZE, true), 0);
	vq_set_features(&t->vq, &f);
	rig_tell(&t->ring, &t->vq);
	assert_int_equal(t->vq.s.size, size);
	go(t);
	assert_true(vq_live(&t->vq));
}

/* As many chains as it has room for; one interrupt, for the last of them. */
static void fill_and_empty(struct test *t)
{
	struct rig_ring *ring = &t->ring;
	const uint16_t last =
		rig_advance(ring, ring->used_slot, ring->size - 1);

	if (ring->packed) {
		ring->driver_event->where = last;
		ring->driver_event->flags = RIG_EVENT_DESC;
	} else {
		*rig_used_event(ring) =
			(uint16_t)(ring->taken + ring->size - 1);
	}
	for (unsigned int i = 0; i < ring->size; i++) {
		const unsigned int place = rig_place(ring);

		ring->id = (uint16_t)place;
		rig_desc(ring, place, BIG_DATA + place, 1, RIG_WRITE, 0);
		rig_offer(ring, place);
	}
	for (unsigned int i = 0; i < ring->size; i++) {
		assert_true(serve(t, 1));
		/* Not a moment too early. */
		if (i < 3 || i + 3 > ring->size)
			assert_int_equal(tell(t), i + 1u == ring->size);
	}
	assert_false(serve(t, 0));
	for (unsigned int i = 0; i < ring->size; i++) {
		struct rig_answer a = { .id = 0 };

		assert_true(rig_take(ring, 1, &a));
		assert_int_equal(a.id, i);
		assert_int_equal(a.len, 1);
	}
	assert_true(finds_nothing(t));
}

/* One chain that has all of the ring. */
static void one_long_chain(struct test *t)
{
	struct rig_ring *ring = &t->ring;
	struct rig_answer a = { .id = 0 };
	struct vq_chain c;
	struct vq_span s;

	ring->id = 0;
	for (unsigned int i = 0; i < ring->size; i++)
		rig_desc(ring, i, BIG_DATA + i, 1,
			 i + 1u < ring->size ? RIG_NEXT : 0, i + 1);
	rig_offer(ring, 0);
	assert_true(vq_pop(&t->vq, &c));
	for (unsigned int i = 0; i < ring->size; i++) {
		assert_int_equal(vq_chain_next(&c, &s), 1);
		assert_ptr_equal(s.host, rig_at(&t->rig, BIG_DATA + i));
	}
	assert_int_equal(vq_chain_next(&c, &s), 0);
	vq_push(&t->vq, &c, 0);
	vq_publish(&t->vq);
	assert_true(rig_take(ring, ring->size, &a));
	assert_int_equal(a.id, 0);
	assert_false(t->vq.s.broken);
}

/* rules 43, 96, 97, 98, 101, 102, 106, 107, 108, 110 */
static void vq_works_with_every_size(void **state)
{
	static const uint16_t powers[] = { 1, 2, 4, 16, 256, 1024, 32768 };
	static const uint16_t others[] = { 3, 5, 7, 1000, 32767 };
	struct test t;

	for (unsigned int i = 0; i < ARRAY_SIZE(powers) + ARRAY_SIZE(others);
	     i++) {
		const bool odd = i >= ARRAY_SIZE(powers);

		if (odd && !packed(state))
			break;
		big_live(&t, state, TEST_EVENT_IDX,
			 odd ? others[i - ARRAY_SIZE(powers)] : powers[i]);
		/* The third time indices and wrap counters are round. */
		for (unsigned int round = 0; round < 3; round++)
			fill_and_empty(&t);
		one_long_chain(&t);
		end(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		both(vq_works_with_every_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
