/* SPDX-License-Identifier: BSD-3-Clause */
/* What a client may post when there are thousands of functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/machine/machine.h"

#define BUSES	16
#define MANY	(BUSES * PCI_ROOT_FUNCS)
#define BAR	(PCIRING_SPACE_BAR0 + VIRTIO_PCI_BAR)
#define BAR_REG (PCI_BAR0 + 4 * VIRTIO_PCI_BAR)
#define BASE	0x400000000ull

struct world {
	struct machine *machine;
	struct channel service, client;
	struct link link;
	uint64_t accesses;
};

static void plug(struct world *w, uint16_t bdf)
{
	struct function *f;
	char error[64];

	assert_int_equal(machine_plug(w->machine, bdf, device_type_find("rng"),
				      NULL, 0, &f, error, sizeof(error)),
			 0);
}

static int set_up(void **state)
{
	static const struct link_options opt = {
		.scope = PCIRING_SCOPE_MACHINE
	};
	struct world *w = calloc(1, sizeof(*w));
	int fds[MSG_NR_FDS];

	if (!w || machine_create("many", &w->machine) ||
	    channel_create(&w->service, 1, 1))
		return -1;
	for (uint8_t b = 1; b < BUSES; b++)
		if (machine_add_bus(w->machine, b, 0, b))
			return -1;
	fds[MSG_FD_SEGMENT] = dup(w->service.fd);
	fds[MSG_FD_KICK] = dup(w->service.kick_fd);
	*state = w;
	return channel_open(&w->client, &w->service.geo, fds) ||
	       link_attach(w->machine, &w->link, &w->service, &opt);
}

static int tear_down(void **state)
{
	struct world *w = *state;
	struct gpa_region r;

	link_detach(&w->link);
	while (link_take_region(&w->link, &r))
		;
	channel_fini(&w->client);
	channel_fini(&w->service);
	machine_destroy(w->machine);
	free(w);
	return 0;
}

static void config_write(struct world *w, uint16_t bdf, uint32_t off,
			 uint8_t size, uint32_t value)
{
	const struct msg_access a = {
		.op = MSG_WRITE,
		.space = PCIRING_SPACE_CONFIG,
		.function = bdf,
		.address = off,
		.size = size,
		.value = value,
	};
	uint64_t answer;

	link_access(&w->link, &a, &answer);
	w->accesses++;
}

/* As firmware does it. */
static void place(struct world *w, uint16_t bdf, uint64_t address)
{
	config_write(w, bdf, BAR_REG, 4, UINT32_MAX);
	config_write(w, bdf, BAR_REG + 4, 4, UINT32_MAX);
	config_write(w, bdf, BAR_REG, 4, (uint32_t)address);
	config_write(w, bdf, BAR_REG + 4, 4, (uint32_t)(address >> 32));
	config_write(w, bdf, PCI_COMMAND, 2,
		     PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
}

/* Accesses that change nothing, until the table is there again. */
static void go_on(struct world *w)
{
	for (unsigned int i = 0; i < MANY / 64; i++)
		config_write(w, 0, PCI_INTERRUPT_LINE, 1, 0);
}

static bool by_function(struct world *w, uint32_t bdf, uint64_t offset)
{
	return channel_may_post(&w->client, BAR, (uint16_t)bdf,
				VIRTIO_PCI_NOTIFY + offset, 2);
}

static bool by_address(struct world *w, uint64_t bar, uint64_t offset)
{
	return channel_may_post(&w->client, PCIRING_SPACE_MMIO, 0,
				bar + VIRTIO_PCI_NOTIFY + offset, 2);
}

static uint64_t bar_of(uint32_t bdf)
{
	return BASE + (uint64_t)bdf * 2 * VIRTIO_PCI_BAR_SIZE;
}

static void every_doorbell_of_4096_functions_may_be_posted(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < MANY; i++)
		plug(w, (uint16_t)i);
	for (uint32_t i = 0; i < MANY; i++)
		place(w, (uint16_t)i, bar_of(i));
	go_on(w);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_true(by_function(w, i, 0));
		assert_false(by_function(w, i, 4));
		assert_true(by_address(w, bar_of(i), 0));
		assert_false(by_address(w, bar_of(i), 4));
		assert_false(by_address(w, bar_of(i) + VIRTIO_PCI_BAR_SIZE, 0));
	}
	assert_false(by_function(w, MANY, 0));
	assert_false(by_address(w, bar_of(MANY), 0));
	assert_int_equal(w->client.head->nr_windows, 2);
}

static void row_has_no_function_that_is_not_there(void **state)
{
	struct world *w = *state;

	/* One a device, and one device without. */
	for (uint32_t i = 0; i < MANY; i += 8)
		if (i != 800)
			plug(w, (uint16_t)i);
	go_on(w);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(by_function(w, i, 0), i % 8 == 0 && i != 800);
}

static void what_is_too_irregular_is_waited_for(void **state)
{
	struct world *w = *state;
	unsigned int may = 0;

	for (uint32_t i = 0; i < 90; i++)
		plug(w, (uint16_t)(i * (i + 1) / 2));
	go_on(w);
	for (uint32_t i = 0; i < MANY; i++)
		may += by_function(w, i, 0);
	assert_in_range(may, SEG_WINDOWS / 2, 89);
	assert_true(w->client.head->nr_windows <= SEG_WINDOWS);
}

static void
moved_bar_is_posted_to_no_more_when_the_write_is_answered(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < MANY; i++)
		plug(w, (uint16_t)i);
	for (uint32_t i = 0; i < MANY; i++)
		place(w, (uint16_t)i, bar_of(i));
	go_on(w);
	config_write(w, 100, BAR_REG, 4, (uint32_t)bar_of(MANY));
	assert_false(by_address(w, bar_of(100), 0));
	/* Too soon after that one for a new table. */
	config_write(w, 200, PCI_COMMAND, 2, 0);
	assert_false(by_address(w, bar_of(200), 0));
	assert_false(by_address(w, bar_of(99), 0));
	go_on(w);
	assert_false(by_address(w, bar_of(200), 0));
	assert_false(by_address(w, bar_of(100), 0));
	assert_true(by_address(w, bar_of(99), 0));
	assert_true(by_address(w, bar_of(101), 0));
	assert_true(by_address(w, bar_of(MANY), 0));
	assert_int_equal(machine_unplug(w->machine, 7), 0);
	assert_false(by_function(w, 7, 0));
	go_on(w);
	assert_false(by_function(w, 7, 0));
	assert_true(by_function(w, 8, 0));
}

/* A table is made of all functions, so not for each of thousands of changes. */
static void table_is_made_as_often_as_accesses_pay_for(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < MANY; i++)
		plug(w, (uint16_t)i);
	/* As long as there are few, each is published at once. */
	assert_in_range(w->machine->windows_made, 64, 256);
	w->machine->windows_made = 0;
	for (uint32_t i = 0; i < MANY; i++)
		place(w, (uint16_t)i, bar_of(i));
	assert_in_range(w->machine->windows_made, 1, w->accesses / 64 + 1);
}

static void
change_among_few_functions_is_known_when_it_is_answered(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < 63; i++) {
		plug(w, (uint16_t)i);
		assert_true(by_function(w, i, 0));
		place(w, (uint16_t)i, bar_of(i));
		assert_true(by_address(w, bar_of(i), 0));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_doorbell_of_4096_functions_may_be_posted),
		TEST(row_has_no_function_that_is_not_there),
		TEST(what_is_too_irregular_is_waited_for),
		TEST(moved_bar_is_posted_to_no_more_when_the_write_is_answered),
		TEST(table_is_made_as_often_as_accesses_pay_for),
		TEST(change_among_few_functions_is_known_when_it_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
