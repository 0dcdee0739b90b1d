/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notify pages in a machine in this process: whose kicks they are, when they
 * end, and a driver that stores while the machine's loop runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "ring/test_util.h"
#include "tests/flow/doorbell.h"
#include "tests/flow/rig_dev.h"
#include "transport/virtio_pci/notify.h"

#define OTHER_BDF 0x0010

struct world {
	struct rig rig;
	struct function *function[2];
	struct rig_dev dev[2];
	struct doorbell bell[2];
	_Atomic uint32_t *page[2];
};

static const uint16_t place[] = { RIG_BDF, OTHER_BDF };

/* Give function @i a page, and map it into its guest. */
static void map(struct world *w, unsigned int i)
{
	notify_page_init(w->page[i]);
	assert_int_equal(link_notify_page(&w->rig.link, place[i], w->page[i]),
			 0);
	doorbell_map(&w->bell[i], &w->dev[i].guest, VIRTIO_PCI_BAR,
		     VIRTIO_PCI_NOTIFY, (uint8_t *)w->page[i]);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || rig_init(&w->rig, PCIRING_SCOPE_MACHINE, false) ||
	    rig_plug(&w->rig, OTHER_BDF, &w->function[1]))
		return -1;
	w->function[0] = w->rig.function;
	for (unsigned int i = 0; i < 2; i++) {
		w->page[i] = aligned_alloc(NOTIFY_PAGE_SIZE, NOTIFY_PAGE_SIZE);
		if (!w->page[i] ||
		    rig_dev_start(&w->dev[i], &w->rig, w->function[i], i))
			return -1;
	}
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	rig_fini(&w->rig);
	free((void *)w->page[0]);
	free((void *)w->page[1]);
	free(w);
	return 0;
}

static uint64_t writes(const struct world *w)
{
	return w->rig.link.stats.writes[PCIRING_SPACE_MMIO];
}

static void each_function_is_kicked_by_its_own_page(void **state)
{
	struct world *w = *state;
	uint64_t before;

	map(w, 0);
	map(w, 1);
	for (unsigned int i = 0; i < 6; i++) {
		before = writes(w);
		rig_dev_ask(&w->dev[i % 2]);
		assert_true(rig_run(&w->rig, 8));
		assert_int_equal(writes(w), before);
		assert_false(rig_dev_handle(&w->dev[1 - i % 2]));
		assert_true(rig_dev_handle(&w->dev[i % 2]));
		assert_int_equal(w->dev[i % 2].done, i / 2 + 1);
		assert_int_equal(w->bell[i % 2].stores, i / 2 + 1);
	}
}

static void function_without_a_page_goes_on_by_its_bar(void **state)
{
	struct world *w = *state;

	map(w, 0);
	rig_dev_ask(&w->dev[1]);
	rig_dev_ask(&w->dev[0]);
	assert_true(rig_run(&w->rig, 8));
	assert_true(rig_dev_handle(&w->dev[0]));
	assert_true(rig_dev_handle(&w->dev[1]));
	assert_int_equal(w->function[0]->vp.stats.notify, 0);
	assert_int_equal(w->function[1]->vp.stats.notify, 1);
	assert_int_equal(w->function[1]->vp.stats.page_kicks, 0);
}

static void page_keeps_its_machine_awake(void **state)
{
	struct world *w = *state;

	rig_run(&w->rig, 8);
	assert_true(machine_sleep(w->rig.machine));
	machine_awake(w->rig.machine);
	map(w, 1);
	assert_false(machine_sleep(w->rig.machine));
	machine_awake(w->rig.machine);
	assert_int_equal(link_reset(&w->rig.link, OTHER_BDF), 0);
	assert_true(machine_sleep(w->rig.machine));
	machine_awake(w->rig.machine);
}

static void
function_has_one_page_at_most_and_its_own_link_gives_it(void **state)
{
	struct world *w = *state;

	map(w, 0);
	assert_int_equal(link_notify_page(&w->rig.link, RIG_BDF, w->page[1]),
			 -EEXIST);
	assert_int_equal(link_notify_page(&w->rig.link, 0x18, w->page[1]),
			 -ENOENT);
	assert_ptr_equal(w->function[0]->vp.notify_page, w->page[0]);
}

/* Nothing that is stored to page @i reaches anybody. */
static void expect_forgotten(struct world *w, unsigned int i)
{
	rig_run(&w->rig, 8);
	atomic_store(&w->page[i][0], 0);
	assert_false(machine_turn(w->rig.machine));
	assert_int_equal(w->page[i][0], 0);
}

static void reset_ends_a_page_and_the_next_one_works(void **state)
{
	struct world *w = *state;

	map(w, 0);
	map(w, 1);
	assert_int_equal(link_reset(&w->rig.link, RIG_BDF), 0);
	expect_forgotten(w, 0);
	rig_dev_ask(&w->dev[1]);
	assert_true(rig_run(&w->rig, 8));
	assert_true(rig_dev_handle(&w->dev[1]));

	assert_int_equal(rig_dev_start(&w->dev[0], &w->rig, w->function[0], 0),
			 0);
	map(w, 0);
	rig_dev_ask(&w->dev[0]);
	assert_true(rig_run(&w->rig, 8));
	assert_true(rig_dev_handle(&w->dev[0]));
}

static void unplug_ends_a_page_and_leaves_the_others(void **state)
{
	struct world *w = *state;

	map(w, 0);
	map(w, 1);
	assert_int_equal(machine_unplug(w->rig.machine, OTHER_BDF), 0);
	expect_forgotten(w, 1);
	rig_dev_ask(&w->dev[0]);
	assert_true(rig_run(&w->rig, 8));
	assert_true(rig_dev_handle(&w->dev[0]));
}

static void detach_ends_all_pages(void **state)
{
	const struct link_options opt = { .scope = PCIRING_SCOPE_MACHINE };
	struct world *w = *state;
	struct gpa_region r;

	map(w, 0);
	map(w, 1);
	assert_int_equal(rig_take_back(&w->rig), 0);
	link_detach(&w->rig.link);
	assert_false(link_take_region(&w->rig.link, &r));
	expect_forgotten(w, 0);
	expect_forgotten(w, 1);
	/* Who attaches next has none, and gets his own. */
	assert_int_equal(link_attach(w->rig.machine, &w->rig.link,
				     &w->rig.service, &opt),
			 0);
	expect_forgotten(w, 0);
	map(w, 0);
	atomic_store(&w->page[0][0], 0);
	rig_run(&w->rig, 8);
	assert_int_equal(w->page[0][0], NOTIFY_PAGE_QUIET);
}

/* ---- A driver beside the loop ------------------------------------------------ */

#define RACE_ROUNDS TEST_ROUNDS(50000u)
#define RACE_MS	    1500
#define PATIENCE_MS 20000
#define BURST	    4

struct loop {
	struct machine *machine;
	atomic_bool stop;
};

static void *run(void *arg)
{
	struct loop *loop = arg;

	while (!atomic_load(&loop->stop))
		if (!machine_turn(loop->machine))
			sched_yield();
	return NULL;
}

static bool wait_for_one(struct guest *g)
{
	const int64_t begun = test_now_ms();
	struct guest_used used;

	while (!guest_poll(g, 0, &used)) {
		if (test_now_ms() - begun > PATIENCE_MS)
			return false;
		sched_yield();
	}
	return true;
}

/* One to BURST buffers, each with a kick of its own if the device wants one;
 * the last of them has to be enough.  How many, or 0: a kick was lost. */
static unsigned int ask_and_wait(struct rig_dev *d, unsigned int round)
{
	const struct guest_buf buf = { d->buffer, 1, true };
	const unsigned int n = 1 + round % BURST;

	for (unsigned int i = 0; i < n; i++) {
		if (guest_add(&d->guest, 0, &buf, 1, false) < 0)
			return 0;
		guest_kick_if_wanted(&d->guest, 0);
	}
	for (unsigned int i = 0; i < n; i++)
		if (!wait_for_one(&d->guest))
			return 0;
	return n;
}

static void no_kick_is_lost_beside_a_running_loop(void **state)
{
	const int64_t begun = test_now_ms();
	unsigned int round = 0, n = 1;
	struct world *w = *state;
	struct loop loop = { .machine = w->rig.machine };
	pthread_t thread;

	map(w, 0);
	map(w, 1);
	assert_int_equal(pthread_create(&thread, NULL, run, &loop), 0);
	for (; n && round < RACE_ROUNDS; round++) {
		if (round % 64 == 0 &&
		    test_race_is_over(round, begun + RACE_MS))
			break;
		n = ask_and_wait(&w->dev[round % 3 == 0], round);
	}
	atomic_store(&loop.stop, true);
	pthread_join(thread, NULL);
	assert_int_not_equal(n, 0);
	assert_true(round >= TEST_RACE_ROUNDS);
	for (unsigned int i = 0; i < 2; i++) {
		assert_true(w->bell[i].stores > 0);
		assert_true(w->function[i]->vp.stats.page_kicks > 0);
		assert_int_equal(w->function[i]->vp.stats.notify, 0);
		assert_int_equal(w->function[i]->vp.virtio.stats.bad_kicks, 0);
	}
}

int main(void)
{
#define ON(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ON(each_function_is_kicked_by_its_own_page),
		ON(function_without_a_page_goes_on_by_its_bar),
		ON(page_keeps_its_machine_awake),
		ON(function_has_one_page_at_most_and_its_own_link_gives_it),
		ON(reset_ends_a_page_and_the_next_one_works),
		ON(unplug_ends_a_page_and_leaves_the_others),
		ON(detach_ends_all_pages),
		ON(no_kick_is_lost_beside_a_running_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
