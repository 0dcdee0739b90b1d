/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What SPDK's vfio-user target dies of, sent to a real service through a real
 * proxy, over split rings and packed ones.  Afterwards the other function of
 * the machine works as before, and so does the one that was attacked once its
 * driver has reset it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flow/procs.h"
#include "tests/flow/vfio_stage.h"

#define DISK                                                                   \
	"{\"machine\":\"vm\",\"address\":\"00:01.0\",\"device\":\"blk\","      \
	"\"options\":{\"backend\":\"ram\",\"size\":\"4M\",\"packed\":true}}"
#define RNG "{\"machine\":\"vm\",\"address\":\"00:02.0\",\"device\":\"rng\"}"

#define SPLIT  (GUEST_ALL_FEATURES & ~GUEST_F_PACKED)
#define PACKED GUEST_ALL_FEATURES

static struct procs procs;
static char disk[PROCS_PATH], rng[PROCS_PATH];
static struct vfio_guest victim, other;

static const struct timespec nap = { .tv_nsec = 100000 };
static const uint64_t kinds[] = { SPLIT, PACKED };

static int listen_on(const char *address, const char *name, char *path)
{
	char params[PROCS_PATH + 64];

	procs_path(&procs, name, path);
	snprintf(params, sizeof(params),
		 "{\"machine\":\"vm\",\"address\":\"%s\",\"path\":\"%s\"}",
		 address, path);
	return procs_rpc(&procs, "socket.create", params, NULL);
}

static int setup(void **state)
{
	static const char *const none[] = { NULL };

	(void)state;
	if (procs_init(&procs) || procs_start_service(&procs) ||
	    procs_rpc(&procs, "machine.create", "{\"name\":\"vm\"}", NULL) ||
	    procs_rpc(&procs, "function.create", DISK, NULL) ||
	    procs_rpc(&procs, "function.create", RNG, NULL) ||
	    listen_on("00:01.0", "disk.sock", disk) ||
	    listen_on("00:02.0", "rng.sock", rng))
		return -1;
	return procs_start_proxy(&procs, "vm", none);
}

static int teardown(void **state)
{
	(void)state;
	return procs_fini(&procs);
}

/* ---- Two guests ------------------------------------------------------------ */

static void connect_guest(struct vfio_guest *t, const char *path)
{
	assert_int_equal(vfio_guest_init(t, PAM, VFIO_GUEST_SIZE - PAM), 0);
	stage_qemu_at(t, path);
	assert_int_equal(guest_find_caps(&t->g), 0);
}

/* From reset to DRIVER_OK, with rings of 64. */
static struct guest *start(struct vfio_guest *t, uint64_t features)
{
	struct guest *g = &t->g;

	g->mem.used = 0;
	if (guest_start(g, features, 64))
		fail_msg("driver: %s", g->why);
	assert_int_equal(g->queue[0].packed,
			 !!(features & GUEST_F_PACKED) && t == &victim);
	return g;
}

static void collect(struct guest *g, struct guest_used *used)
{
	int got = 0;

	for (int i = 0; !got && i < 50000; i++) {
		got = guest_poll(g, 0, used);
		if (!got)
			nanosleep(&nap, NULL);
	}
	if (got != 1)
		fail_msg("no answer: %s", got ? g->why : "too late");
}

/* One read of @n segments of a sector each, header and status beside them. */
static uint8_t read_disk(struct guest *g, unsigned int n, bool indirect)
{
	struct guest_buf *buf = calloc(n + 2, sizeof(*buf));
	const uint64_t at = guest_alloc(g, 4096, 4096);
	uint8_t *status = (uint8_t *)guest_at(g, at) + 16;
	struct guest_used used;

	*status = 0xee;
	buf[0] = (struct guest_buf){ at, 16, false };
	for (unsigned int i = 1; i <= n; i++)
		buf[i] = (struct guest_buf){ at + 512, 512, true };
	buf[n + 1] = (struct guest_buf){ at + 16, 1, true };
	assert_true(guest_add(g, 0, buf, n + 2, indirect) >= 0);
	free(buf);
	guest_kick(g, 0);
	collect(g, &used);
	assert_int_equal(used.len, 512 * n + 1);
	return *status;
}

static void other_function_works(void)
{
	struct guest *g = &other.g;
	struct guest_buf buf = { guest_alloc(g, 64, 64), 64, true };
	struct guest_used used;

	assert_true(guest_add(g, 0, &buf, 1, false) >= 0);
	guest_kick(g, 0);
	collect(g, &used);
	assert_int_equal(used.len, 64);
	assert_int_equal(other.failed, 0);
}

static void all_is_well_again(uint64_t features)
{
	other_function_works();
	start(&victim, features);
	assert_int_equal(read_disk(&victim.g, 1, false), 0);
	assert_int_equal(victim.failed, 0);
}

static void expect_needs_reset(struct guest *g)
{
	for (int i = 0; i < 50000; i++) {
		if (guest_status(g) & GUEST_NEEDS_RESET)
			return;
		nanosleep(&nap, NULL);
	}
	fail_msg("the queue did not break");
}

static int begin(void **state)
{
	(void)state;
	connect_guest(&victim, disk);
	connect_guest(&other, rng);
	start(&other, SPLIT);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	vfio_guest_fini(&victim);
	vfio_guest_fini(&other);
	return 0;
}

/* ---- What it dies of --------------------------------------------------------- */

/* rules 97, 111, 118, 120: in a packed ring it is an id like any other */
static void head_index_of_0xffff_breaks_its_queue_only(void **state)
{
	struct guest *g = start(&victim, SPLIT);
	struct guest_desc d = { .id = 0xffff };

	(void)state;
	guest_offer(g, 0, 0xffff);
	guest_kick(g, 0);
	expect_needs_reset(g);
	all_is_well_again(SPLIT);
	g = start(&victim, PACKED);
	d.addr = guest_alloc(g, 16, 16);
	d.len = 16;
	guest_put_desc(g, 0, 0, &d);
	guest_offer_slots(g, 0, 1);
	guest_kick(g, 0);
	for (int i = 0; g->queue[0].desc[0].packed_flags >> 15 == 0; i++) {
		assert_true(i < 50000);
		nanosleep(&nap, NULL);
	}
	assert_int_equal(g->queue[0].desc[0].id, 0xffff);
	assert_int_equal(guest_status(g) & GUEST_NEEDS_RESET, 0);
	all_is_well_again(PACKED);
}

/* rules 98, 108, 118, 119, 120 */
static void descriptor_loop_breaks_its_queue_only(void **state)
{
	(void)state;
	for (unsigned int k = 0; k < 2; k++) {
		struct guest *g = start(&victim, kinds[k]);
		struct guest_queue *q = &g->queue[0];
		struct guest_desc d = { .addr = guest_alloc(g, 64, 64),
					.len = 1 };

		for (uint16_t i = 0; i < q->size; i++) {
			if (q->packed)
				d.packed_flags = GUEST_DESC_NEXT;
			else
				d.flags = GUEST_DESC_NEXT;
			if (!q->packed)
				d.next = !i;
			guest_put_desc(g, 0, i, &d);
		}
		if (q->packed)
			guest_offer_slots(g, 0, q->size);
		else
			guest_offer(g, 0, 0);
		guest_kick(g, 0);
		expect_needs_reset(g);
		all_is_well_again(kinds[k]);
	}
}

/* rules 98, 100, 109, 118, 120 */
static void
indirect_table_of_1000_entries_is_a_request_like_any_other(void **state)
{
	(void)state;
	for (unsigned int k = 0; k < 2; k++) {
		struct guest *g = start(&victim, kinds[k]);
		struct guest_buf buf[1025];

		assert_int_equal(read_disk(g, 998, true), 0);
		assert_int_equal(guest_status(g) & GUEST_NEEDS_RESET, 0);
		/* Where we say that it is enough. */
		for (unsigned int i = 0; i < 1025; i++)
			buf[i] = (struct guest_buf){ HIGH, 1, i > 0 };
		assert_true(guest_add(g, 0, buf, 1025, true) >= 0);
		guest_kick(g, 0);
		expect_needs_reset(g);
		all_is_well_again(kinds[k]);
	}
}

/* rules 43, 120 */
static void queue_size_of_0_changes_nothing(void **state)
{
	(void)state;
	for (unsigned int k = 0; k < 2; k++) {
		struct guest *g = &victim.g;
		uint64_t size;

		guest_command(g, true, true);
		assert_int_equal(guest_reset(g), 0);
		assert_int_equal(guest_negotiate(g, kinds[k]), 0);
		g->mem.used = 0;
		assert_int_equal(guest_queue_alloc(g, 0, 64), 0);
		assert_int_equal(guest_queue_tell(g, 0, GUEST_NO_VECTOR), 0);
		size = guest_read(g, GUEST_CAP_COMMON, GUEST_QUEUE_SIZE_REG, 2);
		assert_int_equal(size, 64);
		guest_write(g, GUEST_CAP_COMMON, GUEST_QUEUE_SIZE_REG, 2, 0);
		assert_int_equal(guest_read(g, GUEST_CAP_COMMON,
					    GUEST_QUEUE_SIZE_REG, 2),
				 64);
		guest_queue_enable(g, 0);
		guest_write(g, GUEST_CAP_COMMON, GUEST_QUEUE_SIZE_REG, 2, 0);
		guest_add_status(g, GUEST_DRIVER_OK);
		assert_int_equal(read_disk(g, 1, false), 0);
		all_is_well_again(kinds[k]);
	}
}

/* rules 36, 120 */
static void
eight_byte_writes_to_the_common_configuration_do_no_harm(void **state)
{
	(void)state;
	for (unsigned int k = 0; k < 2; k++) {
		struct guest *g = start(&victim, kinds[k]);

		for (uint32_t off = 0; off <= 56; off++) {
			guest_write(g, GUEST_CAP_COMMON, off, 8, UINT64_MAX);
			guest_write(g, GUEST_CAP_COMMON, off, 8, 0);
			guest_write(g, GUEST_CAP_COMMON, off, 8,
				    0x0101010101010101ull);
		}
		/* An access that was refused is an error of one message. */
		victim.failed = 0;
		guest_kick(g, 0);
		all_is_well_again(kinds[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			head_index_of_0xffff_breaks_its_queue_only, begin,
			finish),
		cmocka_unit_test_setup_teardown(
			descriptor_loop_breaks_its_queue_only, begin, finish),
		cmocka_unit_test_setup_teardown(
			indirect_table_of_1000_entries_is_a_request_like_any_other,
			begin, finish),
		cmocka_unit_test_setup_teardown(queue_size_of_0_changes_nothing,
						begin, finish),
		cmocka_unit_test_setup_teardown(
			eight_byte_writes_to_the_common_configuration_do_no_harm,
			begin, finish),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
