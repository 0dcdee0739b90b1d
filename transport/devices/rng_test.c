/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/devices/rng.h"
#include "transport/virtio/test_rig.h"
#include "transport/virtio/virtio.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define SIZE 16
/* What one run may cost, whatever the guest asks for. */
#define MOST 4096

struct test {
	struct rig rig;
	struct rig_ring ring;
	struct virtio_device *dev;
	struct virtio v;
	unsigned int raised;
	unsigned int next;
};

static void raise(void *transport, unsigned int q)
{
	(void)q;
	((struct test *)transport)->raised++;
}

static void nothing(void *transport)
{
	(void)transport;
}

static const struct virtio_transport_ops ops = {
	.queue_raise = raise,
	.config_raise = nothing,
	.work = nothing,
	.reset = nothing,
};

static struct virtio_device *make(void)
{
	struct virtio_device *d = NULL;
	char error[200] = "";

	assert_int_equal(rng_type.create(NULL, 0, &d, error, sizeof(error)), 0);
	assert_non_null(d);
	return d;
}

static void begin(struct test *t)
{
	const uint32_t version_1 = 1;
	struct vq *vq;

	memset(t, 0, sizeof(*t));
	rig_init(&t->rig);
	rig_ring(&t->rig, &t->ring, 0, SIZE);
	t->dev = make();
	assert_int_equal(virtio_init(&t->v, t->dev, rig_options(), &ops, t), 0);
	virtio_set_memory(&t->v, &t->rig.map);
	virtio_set_master(&t->v, true);
	virtio_write_features(&t->v, 0, BIT(VIRTIO_F_INDIRECT_DESC));
	virtio_write_features(&t->v, 1, version_1);
	vq = virtio_queue(&t->v, 0);
	rig_tell(&t->ring, vq);
	virtio_queue_enable(&t->v, 0);
	virtio_write_status(&t->v, 0xf);
	while (rig_turn(&t->v, 64))
		;
}

static void end(struct test *t)
{
	virtio_fini(&t->v);
	t->dev->ops->destroy(t->dev);
	rig_fini(&t->rig);
}

/* Offer one descriptor. */
static void offer(struct test *t, uint64_t gpa, uint32_t len,
		  unsigned int flags)
{
	const unsigned int i = t->next++ % SIZE;

	rig_desc(&t->ring, i, gpa, len, flags, 0);
	rig_offer(&t->ring, i);
}

static bool run(struct test *t)
{
	virtio_kick(&t->v, 0);
	return rig_turn(&t->v, 64);
}

static uint32_t used_len(const struct test *t, unsigned int i)
{
	return t->ring.used->ring[i % SIZE].len;
}

/* Nonzero bytes in [gpa, gpa + len). */
static unsigned int filled(struct test *t, uint64_t gpa, uint32_t len)
{
	const uint8_t *p = rig_at(&t->rig, gpa);
	unsigned int n = 0;

	while (len--)
		n += *p++ != 0;
	return n;
}

static void rng_fills_a_buffer_and_nothing_else(void **state)
{
	struct test t;

	(void)state;
	begin(&t);
	offer(&t, RIG_DATA + 64, 64, RIG_WRITE);
	run(&t);
	assert_int_equal(t.ring.used->idx, 1);
	assert_int_equal(used_len(&t, 0), 64);
	/* 64 bytes with fewer than 32 nonzero: less than once in 2^150. */
	assert_true(filled(&t, RIG_DATA + 64, 64) > 32);
	assert_int_equal(filled(&t, RIG_DATA, 64), 0);
	assert_int_equal(filled(&t, RIG_DATA + 128, 64), 0);
	assert_int_equal(t.raised, 1);
	end(&t);
}

static void rng_never_repeats_what_it_gave(void **state)
{
	struct test t;
	unsigned int i;

	(void)state;
	begin(&t);
	for (i = 0; i < 200; i++) {
		offer(&t, RIG_DATA + 64 * (i % 2), 64, RIG_WRITE);
		run(&t);
		assert_int_equal(used_len(&t, i), 64);
		assert_memory_not_equal(rig_at(&t.rig, RIG_DATA),
					rig_at(&t.rig, RIG_DATA + 64), 64);
	}
	end(&t);
}

/* All of them take from one pool. */
static void rng_gives_no_byte_to_two_devices(void **state)
{
	static struct test t[2];
	unsigned int i;

	(void)state;
	begin(&t[0]);
	begin(&t[1]);
	for (i = 0; i < 200; i++) {
		for (unsigned int k = 0; k < 2; k++) {
			offer(&t[k], RIG_DATA, 64, RIG_WRITE);
			run(&t[k]);
			assert_int_equal(used_len(&t[k], i), 64);
			assert_true(filled(&t[k], RIG_DATA, 64) > 32);
		}
		assert_memory_not_equal(rig_at(&t[0].rig, RIG_DATA),
					rig_at(&t[1].rig, RIG_DATA), 64);
	}
	end(&t[0]);
	end(&t[1]);
}

/* rule 119 */
static void rng_answers_a_huge_buffer_short_but_not_empty(void **state)
{
	struct test t;

	(void)state;
	begin(&t);
	offer(&t, RIG_DATA, 0x10000, RIG_WRITE);
	run(&t);
	assert_int_equal(t.ring.used->idx, 1);
	assert_in_range(used_len(&t, 0), 1, MOST);
	assert_int_equal(filled(&t, RIG_DATA + MOST, 0x10000 - MOST), 0);
	end(&t);
}

/* rule 119 */
static void rng_gives_a_bounded_number_of_bytes_in_one_run(void **state)
{
	struct test t;
	unsigned int i;
	uint32_t sum = 0;

	(void)state;
	begin(&t);
	for (i = 0; i < SIZE; i++)
		offer(&t, RIG_DATA + 0x1000 * i, 0x1000, RIG_WRITE);
	assert_true(run(&t));
	for (i = 0; i < t.ring.used->idx; i++)
		sum += used_len(&t, i);
	assert_in_range(sum, 1, MOST);
	/* The rest has to wait, but not for another kick. */
	for (i = 0; i < 100 && rig_turn(&t.v, 64); i++)
		;
	assert_int_equal(t.ring.used->idx, SIZE);
	for (i = 0; i < SIZE; i++)
		assert_true(used_len(&t, i) > 0);
	end(&t);
}

/* rule 118 */
static void rng_uses_a_buffer_without_room_with_length_0(void **state)
{
	struct test t;

	(void)state;
	begin(&t);
	offer(&t, RIG_DATA, 64, 0);
	offer(&t, RIG_DATA, 0, RIG_WRITE);
	offer(&t, RIG_DATA, 8, RIG_WRITE);
	run(&t);
	assert_int_equal(t.ring.used->idx, 3);
	assert_int_equal(used_len(&t, 0), 0);
	assert_int_equal(used_len(&t, 1), 0);
	assert_int_equal(used_len(&t, 2), 8);
	assert_int_equal(virtio_status(&t.v), 0xf);
	end(&t);
}

/* rule 99 */
static void rng_writes_only_what_is_writable(void **state)
{
	struct test t;

	(void)state;
	begin(&t);
	rig_desc(&t.ring, 0, RIG_DATA, 32, RIG_NEXT, 1);
	rig_desc(&t.ring, 1, RIG_DATA + 64, 32, RIG_NEXT | RIG_WRITE, 2);
	rig_desc(&t.ring, 2, RIG_DATA + 128, 32, RIG_WRITE, 0);
	rig_offer(&t.ring, 0);
	run(&t);
	assert_int_equal(used_len(&t, 0), 64);
	assert_int_equal(filled(&t, RIG_DATA, 64), 0);
	assert_true(filled(&t, RIG_DATA + 64, 32) > 0);
	assert_int_equal(filled(&t, RIG_DATA + 96, 32), 0);
	assert_true(filled(&t, RIG_DATA + 128, 32) > 0);
	end(&t);
}

/* rule 118 */
static void rng_chain_into_a_hole_breaks_its_queue(void **state)
{
	struct test t;

	(void)state;
	begin(&t);
	offer(&t, 0x1000, 64, RIG_WRITE);
	run(&t);
	assert_int_equal(t.ring.used->idx, 0);
	assert_true(virtio_status(&t.v) & VIRTIO_NEEDS_RESET);
	assert_int_equal(t.v.queue[0].stats.broken, 1);
	end(&t);
}

/* rules 29, 114 */
static void rng_has_one_queue_and_nothing_of_its_own(void **state)
{
	struct virtio_device *d = make();

	(void)state;
	assert_int_equal(d->ops->type, 4);
	assert_int_equal(d->nr_queues, 1);
	assert_int_equal(d->queue_max, 256);
	assert_int_equal(d->config_size, 0);
	assert_true(!d->offer.w[0] && !d->offer.w[1]);
	d->ops->destroy(d);
}

static void rng_refuses_options_by_name(void **state)
{
	const struct device_option opt = { "speed", "9" };
	struct virtio_device *d = NULL;
	char error[200] = "";

	(void)state;
	assert_int_equal(rng_type.create(&opt, 1, &d, error, sizeof(error)),
			 -EINVAL);
	assert_null(d);
	assert_non_null(strstr(error, "\"speed\""));
	assert_non_null(strstr(error, "rng"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rng_fills_a_buffer_and_nothing_else),
		cmocka_unit_test(rng_gives_no_byte_to_two_devices),
		cmocka_unit_test(rng_never_repeats_what_it_gave),
		cmocka_unit_test(rng_answers_a_huge_buffer_short_but_not_empty),
		cmocka_unit_test(
			rng_gives_a_bounded_number_of_bytes_in_one_run),
		cmocka_unit_test(rng_uses_a_buffer_without_room_with_length_0),
		cmocka_unit_test(rng_writes_only_what_is_writable),
		cmocka_unit_test(rng_chain_into_a_hole_breaks_its_queue),
		cmocka_unit_test(rng_has_one_queue_and_nothing_of_its_own),
		cmocka_unit_test(rng_refuses_options_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
