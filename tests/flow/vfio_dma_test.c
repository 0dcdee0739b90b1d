/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The proxy's table of lent memory, without a socket: as many ranges as the
 * protocol allows, and against a naive model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define FAKE_MAPS 65536
#include "apps/vfio-user/conn.h"
#include "tests/flow/fake_pciring.h"

static int setup(void **state)
{
	struct vu_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return -1;
	c->p = fake_init();
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	struct vu_conn *c = *state;

	vu_dma_fini(&c->dma);
	free(c);
	return 0;
}

static int map(struct vu_conn *c, uint64_t address, uint64_t size)
{
	const struct vu_dma_map m = { 32, 3, 0, address, size };

	memcpy(c->in, &m, sizeof(m));
	return vu_dma_map(c);
}

static int unmap(struct vu_conn *c, uint64_t address, uint64_t size,
		 uint32_t flags)
{
	const struct vu_dma_unmap m = { 24, flags, address, size };

	memcpy(c->in, &m, sizeof(m));
	return vu_dma_unmap(c);
}

static void the_protocols_number_of_maps_and_not_one_more(void **state)
{
	struct vu_conn *c = *state;

	for (uint64_t i = 0; i < VU_MAX_MAPS; i++)
		assert_int_equal(map(c, i << 13, 0x1000), 0);
	assert_int_equal(map(c, 1ull << 40, 0x1000), -ENOSPC);
	assert_int_equal(map(c, 5 << 13, 0x1000), 0);
	assert_int_equal(map(c, 0x800, 0x1000), -EEXIST);
	assert_int_equal(c->p->maps, VU_MAX_MAPS);
	for (uint64_t i = VU_MAX_MAPS; i-- > 1;)
		assert_int_equal(unmap(c, i << 13, 0x1000, 0), 0);
	assert_int_equal(c->p->maps, 1);
	assert_int_equal(unmap(c, 0, 0, VU_UNMAP_ALL), 0);
	assert_int_equal(c->p->maps, 0);
	assert_int_equal(map(c, 0, 0x1000), 0);
}

static void the_last_byte_of_the_address_space_may_be_lent(void **state)
{
	struct vu_conn *c = *state;

	assert_int_equal(map(c, UINT64_MAX - 0xfff, 0x1000), 0);
	assert_int_equal(map(c, UINT64_MAX, 1), -EEXIST);
	assert_int_equal(map(c, UINT64_MAX - 0xfff, 0x1001), -EINVAL);
	assert_int_equal(map(c, 0, UINT64_MAX), -EEXIST);
	assert_int_equal(unmap(c, UINT64_MAX - 0xfff, 0x1000, 0), 0);
	assert_int_equal(map(c, 0, UINT64_MAX), 0);
	assert_int_equal(map(c, UINT64_MAX, 1), 0);
}

#define PAGES 48

/* The model: which map each page belongs to, by its first page; -1: none. */
static void random_maps_agree_with_a_page_table(void **state)
{
	struct vu_conn *c = *state;
	int owner[PAGES], size[PAGES];
	unsigned int seed = 1;

	for (int i = 0; i < PAGES; i++)
		owner[i] = -1;
	for (int round = 0; round < 20000; round++) {
		int at = rand_r(&seed) % PAGES;
		int n = 1 + rand_r(&seed) % 6;
		bool taken = false, same;

		if (n > PAGES - at)
			n = PAGES - at;
		for (int i = at; i < at + n; i++)
			taken |= owner[i] >= 0;
		same = owner[at] == at && size[at] == n;
		if (rand_r(&seed) & 1) {
			int want = !taken || same ? 0 : -EEXIST;

			assert_int_equal(map(c, at * 0x1000ull, n * 0x1000ull),
					 want);
			for (int i = at; !taken && i < at + n; i++)
				owner[i] = at;
			if (!taken)
				size[at] = n;
		} else {
			assert_int_equal(
				unmap(c, at * 0x1000ull, n * 0x1000ull, 0),
				same ? 0 : -ENOENT);
			for (int i = at; same && i < at + n; i++)
				owner[i] = -1;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_protocols_number_of_maps_and_not_one_more, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			the_last_byte_of_the_address_space_may_be_lent, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			random_maps_agree_with_a_page_table, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
