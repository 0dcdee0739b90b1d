/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two links of one machine, one of them a flood or a lie: what it may cost the
 * other.  Counted in turns and requests, so that no clock is asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/machine/machine.h"

#define FLOOD_BDF  0x0008
#define HONEST_BDF 0x0010

/* One link with both halves of its channel. */
struct end {
	struct channel service, client;
	struct link link;
	uint32_t seq;
	unsigned int told; /* how often the link said that it is broken */
};

struct world {
	struct machine *machine;
	struct end flood, honest;
};

static void link_broke(struct link *l)
{
	container_of(l, struct end, link)->told++;
}

static const struct link_ops ops = { .broken = link_broke };

static void end_open(struct end *e, struct machine *m, uint16_t bdf,
		     unsigned int lanes, bool mailbox)
{
	const struct link_options opt = { .scope = PCIRING_SCOPE_FUNCTION,
					  .bdf = bdf,
					  .ops = &ops };
	struct function *f;
	char error[64];
	int fds[MSG_NR_FDS];

	assert_int_equal(machine_plug(m, bdf, device_type_find("rng"), NULL, 0,
				      &f, error, sizeof(error)),
			 0);
	assert_int_equal(channel_create(&e->service, lanes, 1), 0);
	fds[MSG_FD_SEGMENT] = dup(e->service.fd);
	fds[MSG_FD_KICK] = dup(e->service.kick_fd);
	assert_int_equal(channel_open(&e->client, &e->service.geo, fds), 0);
	if (mailbox) {
		channel_use_mailbox(&e->service);
		channel_use_mailbox(&e->client);
	}
	assert_int_equal(link_attach(m, &e->link, &e->service, &opt), 0);
}

static void end_close(struct end *e)
{
	struct gpa_region r;

	link_detach(&e->link);
	while (link_take_region(&e->link, &r))
		;
	channel_fini(&e->client);
	channel_fini(&e->service);
}

static int set_up(void **state, bool mailbox)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || machine_create("turns", &w->machine))
		return -1;
	/* The newest link is the first of a turn: the flood. */
	end_open(&w->honest, w->machine, HONEST_BDF, 1, mailbox);
	end_open(&w->flood, w->machine, FLOOD_BDF, PCIRING_MAX_LANES, mailbox);
	*state = w;
	return 0;
}

static int set_up_mailboxes(void **state)
{
	return set_up(state, true);
}

static int set_up_rings(void **state)
{
	return set_up(state, false);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	end_close(&w->flood);
	end_close(&w->honest);
	machine_destroy(w->machine);
	free(w);
	return 0;
}

/* ---- Floods ----------------------------------------------------------------- */

static struct msg_access read_vendor(struct end *e, uint16_t bdf)
{
	return (struct msg_access){ .function = bdf,
				    .space = PCIRING_SPACE_CONFIG,
				    .size = 2,
				    .op = MSG_READ,
				    .seq = ++e->seq };
}

/* All that the lanes hold: questions, answered or not, and doorbells. */
static void fill(struct end *e)
{
	struct msg_access a;
	struct msg_completion c;

	for (unsigned int lane = 0; lane < PCIRING_MAX_LANES; lane++) {
		a = read_vendor(e, FLOOD_BDF);
		while (channel_get(&e->client, lane, &c))
			;
		if (e->client.mailbox) {
			channel_put(&e->client, lane, &a);
			a.op = MSG_POSTED;
		}
		while (channel_put(&e->client, lane, &a))
			;
	}
}

/* The turns until the honest link's read is answered. */
static unsigned int turns_of_a_read(struct world *w)
{
	struct msg_access a = read_vendor(&w->honest, HONEST_BDF);
	struct msg_completion c;
	unsigned int turns = 0;

	assert_true(channel_put(&w->honest.client, 0, &a));
	do {
		fill(&w->flood);
		machine_turn(w->machine);
		assert_true(++turns < 10);
	} while (!channel_get(&w->honest.client, 0, &c));
	assert_int_equal(c.seq, a.seq);
	assert_int_equal(c.value, 0x1af4);
	return turns;
}

static void flood_delays_another_link_by_one_share(void **state)
{
	struct world *w = *state;
	uint64_t before, got, all = 0;

	for (int i = 0; i < 1000; i++) {
		before = w->flood.service.stats.requests;
		assert_int_equal(turns_of_a_read(w), 1);
		got = w->flood.service.stats.requests - before;
		assert_true(got < MACHINE_TURN_LINK + MACHINE_TURN_REQUESTS);
		all += got;
	}
	/* It did flood: with mailboxes not every turn looks for what it posts,
	 * and one that does finds four lanes' shares. */
	assert_true(all >= 1000 * MACHINE_TURN_REQUESTS);
	assert_int_equal(w->flood.told, 0);
	assert_int_equal(w->honest.told, 0);
}

static void flood_starves_none_of_its_own_lanes(void **state)
{
	struct world *w = *state;
	struct ring *r;
	uint32_t before[PCIRING_MAX_LANES];

	for (unsigned int i = 0; i < PCIRING_MAX_LANES; i++)
		before[i] = w->flood.service.lane[i].request.get.mine;
	for (int i = 0; i < 4 * PCIRING_MAX_LANES; i++) {
		fill(&w->flood);
		machine_turn(w->machine);
	}
	for (unsigned int i = 0; i < PCIRING_MAX_LANES; i++) {
		r = &w->flood.service.lane[i].request;
		assert_true(r->get.mine - before[i] >= MACHINE_TURN_REQUESTS);
	}
}

/* ---- Lies -------------------------------------------------------------------- */

static void expect_broken(struct world *w, enum channel_fault why)
{
	uint64_t taken;

	/* A turn looks at some of the rings, or at none. */
	for (int i = 0;
	     i < PCIRING_MAX_LANES / CHANNEL_LOOK_POSTED * CHANNEL_LOOK_EVERY;
	     i++)
		machine_turn(w->machine);
	assert_int_equal(w->flood.told, 1);
	assert_int_equal(channel_broken(&w->flood.service), why);
	/* It is told once, and served no more, whatever it asks. */
	taken = w->flood.service.stats.requests;
	for (int i = 0; i < 20; i++) {
		fill(&w->flood);
		assert_int_equal(turns_of_a_read(w), 1);
	}
	assert_int_equal(w->flood.told, 1);
	assert_int_equal(w->flood.service.stats.requests, taken);
	assert_int_equal(w->honest.told, 0);
	/* Nor does it keep the loop awake. */
	while (machine_turn(w->machine))
		;
	w->flood.link.ring.backlog = true;
	assert_true(machine_sleep(w->machine));
	machine_awake(w->machine);
}

static void link_with_a_forged_index_ends_alone(void **state)
{
	struct world *w = *state;

	w->flood.client.lane[7].request.r->prod.tail = 0x80000000u;
	expect_broken(w, CHANNEL_FORGED_INDEX);
}

static void link_with_a_request_that_cannot_be_ends_alone(void **state)
{
	struct world *w = *state;
	struct msg_access a = read_vendor(&w->flood, FLOOD_BDF);

	a.size = 3;
	assert_true(channel_put(&w->flood.client, 63, &a));
	expect_broken(w, CHANNEL_BAD_REQUEST);
}

int main(void)
{
#define BOTH(name)                                                             \
	cmocka_unit_test_setup_teardown(name, set_up_mailboxes, tear_down),    \
		cmocka_unit_test_setup_teardown(name, set_up_rings, tear_down)
	const struct CMUnitTest tests[] = {
		BOTH(flood_delays_another_link_by_one_share),
		BOTH(flood_starves_none_of_its_own_lanes),
		BOTH(link_with_a_forged_index_ends_alone),
		BOTH(link_with_a_request_that_cannot_be_ends_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
