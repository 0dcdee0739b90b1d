/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What thousands of idle functions cost a turn: nothing, not even a look.
 * While turns are taken, all that leads to an idle function leads to memory
 * that nobody may touch, and so does the list of all functions.
 */
#include "transport/machine/function.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/virtio/test_rig.h"

#define BUSES  16
#define MANY   (BUSES * PCI_ROOT_FUNCS)
#define ACTIVE 0x0765 /* the one that is asked something */
#define OTHER  0x0a00 /* and one more that interrupts */
#define BAR    (PCIRING_SPACE_BAR0 + VIRTIO_PCI_BAR)
#define MSI    0xfee00000u

struct world {
	struct machine *machine;
	struct channel service, client;
	struct link link;
	struct rig rig;
	struct rig_ring ring;
	struct function *functions; /* as the machine had them */
	struct pci_func *func[BUSES][PCI_ROOT_FUNCS];
	void *nowhere;
	uint32_t seq;
};

static struct function *plug(struct world *w, uint16_t bdf)
{
	struct function *f;
	char error[64];

	assert_int_equal(machine_plug(w->machine, bdf, device_type_find("rng"),
				      NULL, 0, &f, error, sizeof(error)),
			 0);
	return f;
}

static int set_up(void **state)
{
	static const struct link_options opt = {
		.scope = PCIRING_SCOPE_MACHINE
	};
	struct world *w = calloc(1, sizeof(*w));
	struct gpa_region r;
	int fds[MSG_NR_FDS];

	if (!w || machine_create("idle", &w->machine) ||
	    channel_create(&w->service, 2, 1))
		return -1;
	for (uint8_t b = 1; b < BUSES; b++)
		if (machine_add_bus(w->machine, b, 0, b))
			return -1;
	fds[MSG_FD_SEGMENT] = dup(w->service.fd);
	fds[MSG_FD_KICK] = dup(w->service.kick_fd);
	if (channel_open(&w->client, &w->service.geo, fds) ||
	    link_attach(w->machine, &w->link, &w->service, &opt))
		return -1;
	channel_use_mailbox(&w->service);
	channel_use_mailbox(&w->client);
	for (uint32_t i = 0; i < MANY; i++)
		plug(w, (uint16_t)i);
	rig_init_bare(&w->rig);
	rig_ring(&w->rig, &w->ring, 0, 8);
	r = (struct gpa_region){ .gpa = RIG_GPA,
				 .size = RIG_SIZE,
				 .host = w->rig.mem,
				 .flags = GPA_READ | GPA_WRITE };
	w->nowhere = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	*state = w;
	return link_map(&w->link, &r) || w->nowhere == MAP_FAILED;
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
	rig_fini(&w->rig);
	munmap(w->nowhere, 1 << 20);
	free(w);
	return 0;
}

/* ---- Who may be looked at ------------------------------------------------- */

static void hide_the_idle(struct world *w)
{
	struct pci_func *const mine[] = {
		&machine_find(w->machine, ACTIVE)->vp.func,
		&machine_find(w->machine, OTHER)->vp.func,
	};

	for (unsigned int b = 0; b < BUSES; b++) {
		struct pci_bus *bus = w->machine->root.bus[b];

		memcpy(w->func[b], bus->func, sizeof(bus->func));
		for (unsigned int i = 0; i < PCI_ROOT_FUNCS; i++)
			if (bus->func[i] != mine[0] && bus->func[i] != mine[1])
				bus->func[i] = w->nowhere;
	}
	w->functions = w->machine->functions;
	w->machine->functions = w->nowhere;
}

static void show_the_idle(struct world *w)
{
	for (unsigned int b = 0; b < BUSES; b++)
		memcpy(w->machine->root.bus[b]->func, w->func[b],
		       sizeof(w->func[b]));
	w->machine->functions = w->functions;
}

/* ---- The guest ------------------------------------------------------------ */

/* One access on lane 0, through the rings and machine_turn(). */
static uint64_t access_active(struct world *w, uint8_t space, uint64_t at,
			      uint8_t size, bool write, uint64_t value)
{
	const struct msg_access a = { .op = write ? MSG_WRITE : MSG_READ,
				      .space = space,
				      .function = ACTIVE,
				      .address = at,
				      .size = size,
				      .value = value,
				      .seq = ++w->seq };
	struct msg_completion c;

	assert_true(channel_put(&w->client, 0, &a));
	assert_true(machine_turn(w->machine));
	assert_true(channel_get(&w->client, 0, &c));
	return c.value;
}

static void set(struct world *w, uint64_t at, uint8_t size, uint64_t value)
{
	access_active(w, BAR, at, size, true, value);
}

/* To DRIVER_OK, with queue 0 and one buffer in it.  By offsets of virtio 1.2,
 * 4.1.4.3. */
static void start(struct world *w)
{
	access_active(w, PCIRING_SPACE_CONFIG, PCI_COMMAND, 2, true,
		      PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
	set(w, 20, 1, 3);
	set(w, 8, 4, 1);
	set(w, 12, 4, 1);
	set(w, 20, 1, 11);
	set(w, 24, 2, w->ring.size);
	set(w, 32, 8, w->ring.desc_gpa);
	set(w, 40, 8, w->ring.avail_gpa);
	set(w, 48, 8, w->ring.used_gpa);
	set(w, 28, 2, 1);
	set(w, 20, 1, 15);
	assert_int_equal(access_active(w, BAR, 20, 1, false, 0), 15);
	rig_desc(&w->ring, 0, RIG_DATA, 64, RIG_WRITE, 0);
}

/* Until the table of what may be posted is there: it is made of all. */
static void settle(struct world *w)
{
	for (unsigned int i = 0; i <= MANY / 64; i++)
		access_active(w, PCIRING_SPACE_CONFIG, 0, 2, false, 0);
}

static void turns_of_an_active_function_touch_no_idle_one(void **state)
{
	struct world *w = *state;
	struct msg_access kick = { .op = MSG_POSTED,
				   .space = BAR,
				   .function = ACTIVE,
				   .address = VIRTIO_PCI_NOTIFY,
				   .size = 2 };

	start(w);
	settle(w);
	hide_the_idle(w);
	for (unsigned int i = 1; i <= 100; i++) {
		assert_int_equal(
			access_active(w, PCIRING_SPACE_CONFIG, 0, 2, false, 0),
			0x1af4);
		rig_offer(&w->ring, 0);
		assert_true(channel_put(&w->client, 1, &kick));
		for (unsigned int k = 0; k < 10 && w->ring.used->idx != i; k++)
			machine_turn(w->machine);
		assert_int_equal(w->ring.used->idx, i);
		assert_int_equal(w->ring.used->ring[(i - 1) % 8].len, 64);
		/* And none to find out that there is nothing to do. */
		while (machine_turn(w->machine))
			;
		assert_true(machine_sleep(w->machine));
		machine_awake(w->machine);
	}
	show_the_idle(w);
}

/* ---- Interrupts that found no room ---------------------------------------- */

static struct msi_bank *open_bank(struct world *w, uint16_t bdf)
{
	struct msi_bank *bank = function_bank(machine_find(w->machine, bdf));

	msi_bank_set_open(bank, true);
	for (unsigned int v = 0; v < bank->nr; v++)
		msi_set_vector(bank, v, MSI, bdf, 0);
	return bank;
}

static void fill_ring(struct msi_bank *bank)
{
	while (msi_send(bank, 0) == IRQ_QUEUED)
		;
	assert_true(msi_is_pending(bank, 0));
}

/* All that is on the ring; how many are of @bdf. */
static unsigned int take_all(struct world *w, uint16_t bdf)
{
	struct msg_irq irq[16];
	unsigned int n, of = 0;

	while ((n = channel_get_irqs(&w->client, irq, 16)))
		while (n--)
			of += irq[n].requester_id == bdf;
	return of;
}

static void ring_with_room_again_is_offered_what_was_kept_only(void **state)
{
	struct world *w = *state;
	struct msi_bank *active = open_bank(w, ACTIVE);
	struct msi_bank *other = open_bank(w, OTHER);

	settle(w);
	hide_the_idle(w);
	for (unsigned int i = 0; i < 100; i++) {
		fill_ring(active);
		assert_int_equal(msi_send(active, 1), IRQ_LATCHED);
		assert_int_equal(msi_send(other, 0), IRQ_LATCHED);
		machine_turn(w->machine);
		assert_true(msi_is_pending(other, 0));
		assert_int_equal(take_all(w, OTHER), 0);
		machine_turn(w->machine);
		assert_false(w->link.ring.backlog);
		assert_int_equal(take_all(w, OTHER), 1);
		for (unsigned int v = 0; v < 2; v++)
			assert_false(msi_is_pending(active, v));
		assert_null(w->link.kept);
	}
	show_the_idle(w);
}

static void functions_that_flood_the_ring_get_room_in_turn(void **state)
{
	struct world *w = *state;
	struct msi_bank *active = open_bank(w, ACTIVE);
	struct msi_bank *other = open_bank(w, OTHER);
	unsigned int got[2] = { 0, 0 };
	struct msg_irq irq;

	fill_ring(active);
	/* Room for one at a time, and both always have more. */
	for (unsigned int i = 0; i < 40; i++) {
		for (unsigned int v = 0; v < 2; v++) {
			msi_send(active, v);
			msi_send(other, v);
		}
		assert_int_equal(channel_get_irqs(&w->client, &irq, 1), 1);
		machine_turn(w->machine);
		got[0] += !msi_is_pending(active, 0);
		got[1] += !msi_is_pending(other, 0);
	}
	assert_true(got[0] >= 10 && got[1] >= 10);
}

static void function_that_goes_away_leaves_nothing_to_retry(void **state)
{
	struct world *w = *state;
	struct msi_bank *active = open_bank(w, ACTIVE);
	struct msi_bank *other = open_bank(w, OTHER);

	fill_ring(active);
	assert_int_equal(msi_send(other, 0), IRQ_LATCHED);
	/* The first of two, then the last. */
	assert_int_equal(machine_unplug(w->machine, ACTIVE), 0);
	plug(w, ACTIVE);
	fill_ring(open_bank(w, ACTIVE));
	assert_int_equal(machine_unplug(w->machine, ACTIVE), 0);
	fill_ring(open_bank(w, OTHER + 1));
	take_all(w, 0);
	machine_turn(w->machine);
	assert_int_equal(take_all(w, OTHER), 1);
	assert_null(w->link.kept);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(turns_of_an_active_function_touch_no_idle_one),
		TEST(ring_with_room_again_is_offered_what_was_kept_only),
		TEST(functions_that_flood_the_ring_get_room_in_turn),
		TEST(function_that_goes_away_leaves_nothing_to_retry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
