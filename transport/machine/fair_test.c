/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a flood costs others: counted in chains and in turns, which do not
 * depend on how fast this box is.
 */
#include "transport/machine/function.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "transport/virtio/test_rig.h"

#define FLOODS 20
#define QUIET  FLOODS
#define RING   256
#define BAR    (PCIRING_SPACE_BAR0 + VIRTIO_PCI_BAR)

struct world {
	struct machine *machine;
	struct channel channel;
	struct link link;
	struct rig rig;
	struct rig_ring flood, quiet;
};

static void store(struct world *w, uint16_t bdf, uint8_t space, uint64_t at,
		  uint8_t size, uint64_t value)
{
	const struct msg_access a = { .op = MSG_WRITE,
				      .space = space,
				      .function = bdf,
				      .address = at,
				      .size = size,
				      .value = value };

	link_access(&w->link, &a, &(uint64_t){ 0 });
}

/* To DRIVER_OK, by offsets of virtio 1.2, 4.1.4.3. */
static void start(struct world *w, uint16_t bdf, const struct rig_ring *ring)
{
	store(w, bdf, PCIRING_SPACE_CONFIG, PCI_COMMAND, 2,
	      PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	store(w, bdf, BAR, 20, 1, 3);
	store(w, bdf, BAR, 8, 4, 1);
	store(w, bdf, BAR, 12, 4, 1);
	store(w, bdf, BAR, 20, 1, 11);
	store(w, bdf, BAR, 24, 2, ring->size);
	store(w, bdf, BAR, 32, 8, ring->desc_gpa);
	store(w, bdf, BAR, 40, 8, ring->avail_gpa);
	store(w, bdf, BAR, 48, 8, ring->used_gpa);
	store(w, bdf, BAR, 28, 2, 1);
	store(w, bdf, BAR, 20, 1, 15);
}

static void kick(struct world *w, uint16_t bdf)
{
	store(w, bdf, BAR, VIRTIO_PCI_NOTIFY, 2, 0);
}

static int set_up(void **state)
{
	static const struct link_options opt = {
		.scope = PCIRING_SCOPE_MACHINE
	};
	struct world *w = calloc(1, sizeof(*w));
	struct gpa_region r;
	struct function *f;
	char error[64];

	if (!w || machine_create("fair", &w->machine) ||
	    channel_create(&w->channel, 1, 1) ||
	    link_attach(w->machine, &w->link, &w->channel, &opt))
		return -1;
	rig_init_bare(&w->rig);
	r = (struct gpa_region){ .gpa = RIG_GPA,
				 .size = RIG_SIZE,
				 .host = w->rig.mem,
				 .flags = GPA_READ | GPA_WRITE };
	if (link_map(&w->link, &r))
		return -1;
	/* The floods read one ring; what they say in it nobody reads. */
	rig_ring(&w->rig, &w->flood, 0, RING);
	rig_ring(&w->rig, &w->quiet, 1, 8);
	for (uint16_t bdf = 0; bdf <= QUIET; bdf++) {
		if (machine_plug(w->machine, bdf, device_type_find("rng"), NULL,
				 0, &f, error, sizeof(error)))
			return -1;
		start(w, bdf, bdf == QUIET ? &w->quiet : &w->flood);
	}
	while (machine_turn(w->machine))
		;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	struct gpa_region r;

	link_detach(&w->link);
	while (link_take_region(&w->link, &r))
		;
	channel_fini(&w->channel);
	machine_destroy(w->machine);
	rig_fini(&w->rig);
	free(w);
	return 0;
}

static void flood(struct world *w)
{
	rig_desc(&w->flood, 0, RIG_DATA, 1, RIG_WRITE, 0);
	for (unsigned int i = 0; i < RING; i++)
		rig_offer(&w->flood, 0);
	for (uint16_t bdf = 0; bdf < FLOODS; bdf++)
		kick(w, bdf);
}

static uint64_t chains(struct world *w, uint16_t bdf)
{
	return machine_find(w->machine, bdf)->vp.virtio.queue[0].stats.chains;
}

static uint64_t all_chains(struct world *w)
{
	uint64_t n = 0;

	for (uint16_t bdf = 0; bdf <= QUIET; bdf++)
		n += chains(w, bdf);
	return n;
}

static void
turn_of_a_flooded_machine_is_so_many_chains_and_no_more(void **state)
{
	struct world *w = *state;
	uint64_t before, now = all_chains(w);

	flood(w);
	for (unsigned int i = 0; i < FLOODS * RING / MACHINE_TURN_ALL; i++) {
		before = now;
		assert_true(machine_turn(w->machine));
		now = all_chains(w);
		assert_int_equal(now - before, MACHINE_TURN_ALL);
		assert_int_equal(w->machine->turn_chains, MACHINE_TURN_ALL);
	}
	assert_int_equal(now, FLOODS * RING);
}

static void kick_among_floods_waits_for_one_share_of_each(void **state)
{
	struct world *w = *state;
	const unsigned int a_turn = MACHINE_TURN_ALL / MACHINE_TURN_CHAINS;
	unsigned int turns = 0;

	flood(w);
	rig_desc(&w->quiet, 0, RIG_DATA, 1, RIG_WRITE, 0);
	rig_offer(&w->quiet, 0);
	kick(w, QUIET);
	while (!chains(w, QUIET)) {
		assert_true(machine_turn(w->machine));
		turns++;
	}
	assert_int_equal(turns, FLOODS / a_turn + 1);
	/* And those got theirs alike. */
	for (uint16_t bdf = 0; bdf < FLOODS; bdf++)
		assert_in_range(chains(w, bdf), MACHINE_TURN_CHAINS,
				2u * MACHINE_TURN_CHAINS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(turn_of_a_flooded_machine_is_so_many_chains_and_no_more),
		TEST(kick_among_floods_waits_for_one_share_of_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
