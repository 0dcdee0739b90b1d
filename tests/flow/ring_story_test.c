/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole stories of rings, as a driver lives them through registers: every set
 * of ring features there is, kicks with data, one queue reset while another
 * works, queues enabled late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/flow/rig.h"

#define TURNS 100000

static const struct device_option all_on[] = {
	{ "packed", "true" },	  { "in_order", "true" },
	{ "ring_reset", "true" }, { "notification_data", "true" },
	{ "hot_us", "0" },	  { "notif_config_data", "true" },
	{ "backend", "ram" },	  { "size", "1M" },
	{ "queues", "2" },
};
#define OF_ANY 6 /* the rest are a disk's */

static struct rig rig;
static struct guest guest;

/* An rng or a disk, all ring features on offer. */
static struct guest *begin(bool disk)
{
	const struct link_options opt = { .scope = PCIRING_SCOPE_FUNCTION };

	assert_int_equal(rig_init_device(&rig, &opt, disk ? "blk" : "rng",
					 all_on,
					 disk ? ARRAY_SIZE(all_on) : OF_ANY),
			 0);
	rig_guest(&rig, &guest);
	assert_int_equal(guest_find_caps(&guest), 0);
	guest_command(&guest, true, true);
	return &guest;
}

static void end(void)
{
	assert_true(rig_guards_hold(&rig));
	rig_fini(&rig);
}

static void start(struct guest *g, uint64_t features, uint16_t size)
{
	g->mem.used = 0;
	if (guest_start(g, features | GUEST_F_VERSION_1, size))
		fail_msg("driver: %s", g->why);
}

/* ---- An rng ----------------------------------------------------------------- */

/* Offer @n chains, of 1 to 3 buffers and some of them tables; kick, and have
 * them all back, filled. */
static void draw(struct guest *g, unsigned int n)
{
	const bool table = g->features & GUEST_F_INDIRECT;
	struct guest_used used;
	uint32_t len[64];
	unsigned int got = 0;
	int head;

	for (unsigned int i = 0; i < n; i++) {
		struct guest_buf buf[3];
		const unsigned int nr = 1 + i % 3;

		for (unsigned int k = 0; k < nr; k++)
			buf[k] = (struct guest_buf){ RIG_GPA + 0x30000 + 64 * k,
						     8 + i % 5, true };
		head = guest_add(g, 0, buf, nr, table && i % 2);
		if (head < 0)
			fail_msg("chain %u: %s", i, g->why);
		len[head] = nr * (8 + i % 5);
	}
	guest_kick(g, 0);
	assert_true(rig_run(&rig, TURNS));
	while (got < n && guest_poll(g, 0, &used) == 1) {
		assert_int_equal(used.len, len[used.id]);
		got++;
	}
	if (got != n)
		fail_msg("%u of %u came: %s", got, n,
			 g->why ? g->why : "no more");
	assert_int_equal(guest_poll(g, 0, &used), 0);
}

static uint64_t feature_set(unsigned int i)
{
	static const uint64_t bit[] = {
		GUEST_F_INDIRECT,
		GUEST_F_EVENT_IDX,
		GUEST_F_PACKED,
		GUEST_F_IN_ORDER,
		GUEST_F_NOTIFICATION_DATA,
		GUEST_F_NOTIF_CONFIG_DATA,
		GUEST_F_RING_RESET,
	};
	uint64_t set = 0;

	for (unsigned int k = 0; k < ARRAY_SIZE(bit); k++)
		set |= i & 1u << k ? bit[k] : 0;
	return set;
}

/* rules 93, 103, 106, 107, 110, 112 */
static void every_set_of_ring_features_works(void **state)
{
	struct guest *g = begin(false);

	(void)state;
	for (unsigned int i = 0; i < 128; i++) {
		const uint64_t f = feature_set(i);
		uint16_t size = f & GUEST_F_PACKED ? 23 : 32;

		start(g, f, size);
		assert_int_equal(g->features, f | GUEST_F_VERSION_1);
		for (unsigned int k = 0; k < 12; k++)
			draw(g, 1 + k % 9);
	}
	end();
}

/* What queue 0 was told wrongly. */
static uint64_t bad_kicks(void)
{
	return rig.function->vp.virtio.stats.bad_kicks;
}

static void write_kick(struct guest *g, unsigned int size, uint32_t value)
{
	guest_write(g, GUEST_CAP_NOTIFY,
		    g->queue[0].notify_off * g->notify_multiplier, size, value);
}

/* One chain is offered, and @value kicks: it comes. */
static void kicked_with(struct guest *g, unsigned int size, uint32_t value)
{
	const struct guest_buf buf = { RIG_GPA + 0x30000, 16, true };
	struct guest_used used;

	assert_true(guest_add(g, 0, &buf, 1, false) >= 0);
	write_kick(g, size, value);
	assert_true(rig_run(&rig, TURNS));
	assert_int_equal(guest_poll(g, 0, &used), 1);
	assert_int_equal(used.len, 16);
}

/* rules 49, 92, 93 */
static void data_of_a_kick_is_a_hint(void **state)
{
	static const uint64_t kinds[] = { 0, GUEST_F_PACKED };
	struct guest *g = begin(false);

	(void)state;
	for (unsigned int k = 0; k < 2; k++) {
		start(g, kinds[k] | GUEST_F_NOTIFICATION_DATA, 32);
		/* However far it says that the driver is. */
		kicked_with(g, 4, 0x00000000);
		kicked_with(g, 4, 0xffff0000);
		kicked_with(g, 4, 0x80070000);
		kicked_with(g, 2, 0);
		assert_int_equal(bad_kicks(), 2 * k);
		/* The address alone selects the queue; that the value says
		 * another one is counted. */
		kicked_with(g, 4, 0x00000005);
		kicked_with(g, 4, 0x0000ffff);
		assert_int_equal(bad_kicks(), 2 * k + 2);
	}
	end();
}

/* rule 49 */
static void a_kick_carries_the_word_the_device_asked_for(void **state)
{
	struct guest *g = begin(true);
	uint16_t word[2];

	(void)state;
	/* Not negotiated: there is no such word. */
	start(g, 0, 32);
	assert_int_equal(
		guest_read(g, GUEST_CAP_COMMON, GUEST_QUEUE_NOTIFY_DATA, 2), 0);
	start(g, GUEST_F_NOTIF_CONFIG_DATA, 32);
	for (unsigned int q = 0; q < 2; q++) {
		guest_write(g, GUEST_CAP_COMMON, GUEST_QUEUE_SELECT, 2, q);
		word[q] = (uint16_t)guest_read(g, GUEST_CAP_COMMON,
					       GUEST_QUEUE_NOTIFY_DATA, 2);
		assert_int_equal(word[q], g->queue[q].notify_data);
	}
	/* So that a driver which writes the index is found out. */
	assert_int_not_equal(word[0], 0);
	assert_int_not_equal(word[0], word[1]);
	guest_kick(g, 0);
	guest_kick(g, 1);
	assert_int_equal(bad_kicks(), 0);
	write_kick(g, 2, 0);
	assert_int_equal(bad_kicks(), 1);
	end();
}

/* ---- A disk of two queues ------------------------------------------------------ */

/* Offer a read of a sector into @data; its status byte comes back at once. */
static uint8_t *ask(struct guest *g, unsigned int q, uint64_t data)
{
	const uint64_t at = guest_alloc(g, 32, 32);
	const struct guest_buf buf[] = {
		{ at, 16, false },
		{ data, 512, true },
		{ at + 16, 1, true },
	};
	uint8_t *status = (uint8_t *)guest_at(g, at) + 16;

	*status = 0xee;
	assert_true(guest_add(g, q, buf, 3, false) >= 0);
	return status;
}

static void reads(struct guest *g, unsigned int q)
{
	const uint8_t *status = ask(g, q, RIG_GPA + 0x30000);
	struct guest_used used;

	guest_kick(g, q);
	assert_true(rig_run(&rig, TURNS));
	assert_int_equal(guest_poll(g, q, &used), 1);
	assert_int_equal(used.len, 513);
	assert_int_equal(*status, 0);
}

static const uint64_t ring_kinds[] = {
	GUEST_F_RING_RESET,
	GUEST_F_RING_RESET | GUEST_F_PACKED,
	GUEST_F_RING_RESET | GUEST_F_EVENT_IDX | GUEST_F_IN_ORDER,
	GUEST_F_RING_RESET | GUEST_F_EVENT_IDX | GUEST_F_IN_ORDER |
		GUEST_F_PACKED,
};

/* All of guest memory, to see that nobody writes there. */
static bool memory_is(const uint8_t *as)
{
	return !memcmp(as, rig.mem, RIG_LENT);
}

/* rules 48, 56 */
static void a_queue_is_reset_and_enabled_again_while_another_works(void **state)
{
	static uint8_t before[RIG_LENT];
	struct guest *g = begin(true);

	(void)state;
	for (unsigned int k = 0; k < ARRAY_SIZE(ring_kinds); k++) {
		start(g, ring_kinds[k], 16);
		for (unsigned int round = 0; round < 5; round++) {
			reads(g, 0);
			reads(g, 1);
			/* Offered and kicked, not yet looked at. */
			ask(g, 0, RIG_GPA + 0x30000);
			guest_kick(g, 0);
			assert_int_equal(guest_queue_reset(g, 0), 0);
			memcpy(before, rig.mem, RIG_LENT);
			guest_kick(g, 0);
			assert_true(rig_run(&rig, TURNS));
			assert_true(memory_is(before));
			reads(g, 1);
			/* Its defaults, and then another size. */
			guest_write(g, GUEST_CAP_COMMON, GUEST_QUEUE_SELECT, 2,
				    0);
			assert_true(guest_read(g, GUEST_CAP_COMMON,
					       GUEST_QUEUE_SIZE_REG, 2) >= 64);
			assert_int_equal(guest_read(g, GUEST_CAP_COMMON,
						    GUEST_QUEUE_DESC, 8),
					 0);
			assert_int_equal(guest_queue_alloc(
						 g, 0, (uint16_t)(4u << round)),
					 0);
			assert_int_equal(
				guest_queue_tell(g, 0, GUEST_NO_VECTOR), 0);
			guest_queue_enable(g, 0);
			reads(g, 0);
			reads(g, 1);
		}
		assert_int_equal(guest_status(g) & GUEST_NEEDS_RESET, 0);
	}
	end();
}

/* rule 48 */
static void queue_reset_that_was_not_negotiated_does_nothing(void **state)
{
	struct guest *g = begin(true);

	(void)state;
	start(g, 0, 16);
	reads(g, 0);
	guest_queue_reset(g, 0);
	assert_int_equal(guest_read(g, GUEST_CAP_COMMON, GUEST_QUEUE_ENABLE, 2),
			 1);
	reads(g, 0);
	end();
}

/* rules 47, 48 */
static void a_queue_enabled_after_driver_ok_works(void **state)
{
	struct guest *g = begin(true);

	(void)state;
	for (unsigned int k = 0; k < ARRAY_SIZE(ring_kinds); k++) {
		g->mem.used = 0;
		assert_int_equal(guest_reset(g), 0);
		assert_int_equal(
			guest_negotiate(g, ring_kinds[k] | GUEST_F_VERSION_1),
			0);
		assert_int_equal(guest_queue_alloc(g, 1, 8), 0);
		assert_int_equal(guest_queue_tell(g, 1, GUEST_NO_VECTOR), 0);
		guest_queue_enable(g, 1);
		guest_add_status(g, GUEST_DRIVER_OK);
		reads(g, 1);
		assert_int_equal(guest_queue_alloc(g, 0, 16), 0);
		assert_int_equal(guest_queue_tell(g, 0, GUEST_NO_VECTOR), 0);
		guest_queue_enable(g, 0);
		reads(g, 0);
		reads(g, 1);
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_set_of_ring_features_works),
		cmocka_unit_test(data_of_a_kick_is_a_hint),
		cmocka_unit_test(a_kick_carries_the_word_the_device_asked_for),
		cmocka_unit_test(
			a_queue_is_reset_and_enabled_again_while_another_works),
		cmocka_unit_test(
			queue_reset_that_was_not_negotiated_does_nothing),
		cmocka_unit_test(a_queue_enabled_after_driver_ok_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
