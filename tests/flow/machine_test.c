/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole stories against a machine in this process: the driver's half on one
 * side, a link over a real channel on the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flow/rig.h"
#include "transport/machine/function.h"

#define BAR_BASE 0xc0000000ull

struct world {
	struct rig rig;
	struct guest guest;
};

static int set_up(void **state, uint16_t scope, bool remote)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || rig_init(&w->rig, scope, remote))
		return -1;
	rig_guest(&w->rig, &w->guest);
	*state = w;
	return 0;
}

static int set_up_machine(void **state)
{
	return set_up(state, PCIRING_SCOPE_MACHINE, false);
}

static int set_up_remote(void **state)
{
	return set_up(state, PCIRING_SCOPE_FUNCTION, true);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	rig_fini(&w->rig);
	free(w);
	return 0;
}

/* Firmware and driver: BARs, MSI-X with one message a vector, queues. */
static void bring_up(struct world *w)
{
	struct guest *g = &w->guest;

	assert_int_equal(guest_find_caps(g), 0);
	assert_int_equal(guest_place_bars(g, BAR_BASE), 0);
	guest_command(g, true, true);
	guest_msix_control(g, true, false);
	if (!w->rig.link.remote)
		for (unsigned int v = 0; v < g->msix.nr; v++)
			guest_msix_entry(g, v, 0xfee00000 + 0x1000 * v,
					 0x40 + v, false);
	assert_int_equal(guest_start(g, GUEST_ALL_FEATURES, 0), 0);
}

/* Ask for @len random bytes; the buffer's address. */
static uint64_t ask(struct world *w, uint32_t len)
{
	struct guest_buf buf = { .len = len, .write = true };

	buf.gpa = guest_alloc(&w->guest, len, 16);
	assert_true(buf.gpa);
	assert_true(guest_add(&w->guest, 0, &buf, 1, false) >= 0);
	guest_kick(&w->guest, 0);
	return buf.gpa;
}

/* One interrupt of queue 0: vector 1, or the pin. */
static void raise(struct world *w)
{
	struct guest_used used;

	while (guest_poll(&w->guest, 0, &used))
		;
	ask(w, 16);
	assert_true(rig_run(&w->rig, 8));
}

static bool all_zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static void a_guest_reads_random_bytes_by_address(void **state)
{
	struct world *w = *state;
	struct guest_used used;
	struct msg_irq irq;
	uint64_t gpa;

	bring_up(w);
	gpa = ask(w, 64);
	assert_true(rig_run(&w->rig, 8));
	assert_int_equal(guest_poll(&w->guest, 0, &used), 1);
	assert_int_equal(used.len, 64);
	assert_false(all_zero(guest_at(&w->guest, gpa), 64));
	/* Queue 0 has vector 1: its message, with our requester id. */
	assert_int_equal(channel_get_irqs(&w->rig.client, &irq, 1), 1);
	assert_int_equal(irq.address, 0xfee01000);
	assert_int_equal(irq.data, 0x41);
	assert_int_equal(irq.requester_id, RIG_BDF);
	assert_int_equal(irq.what, 1);
	assert_true(rig_guards_hold(&w->rig));
}

static void a_full_interrupt_ring_loses_no_vector(void **state)
{
	struct world *w = *state;
	struct msg_irq irq[64];
	struct msg_irq filler = { .what = 0xffff };
	unsigned int n, seen = 0;

	bring_up(w);
	while (channel_irq(&w->rig.service, &filler))
		;
	ask(w, 16);
	rig_run(&w->rig, 8);
	assert_true(guest_msix_pending(&w->guest, 1));
	while ((n = channel_get_irqs(&w->rig.client, irq, ARRAY_SIZE(irq))))
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(irq[i].what, 0xffff);
	rig_run(&w->rig, 8);
	while ((n = channel_get_irqs(&w->rig.client, irq, ARRAY_SIZE(irq))))
		for (unsigned int i = 0; i < n; i++)
			seen += irq[i].what == 1;
	assert_int_equal(seen, 1);
	assert_false(guest_msix_pending(&w->guest, 1));
}

static void interrupts_that_nobody_takes_let_the_loop_sleep(void **state)
{
	struct world *w = *state;
	struct msg_irq irq = { .what = 0xffff };

	bring_up(w);
	while (channel_irq(&w->rig.service, &irq))
		;
	ask(w, 16);
	rig_run(&w->rig, 8);
	assert_true(guest_msix_pending(&w->guest, 1));
	assert_true(machine_sleep(w->rig.machine));
	/* The kick ends the sleep, and what was kept goes out. */
	assert_int_equal(channel_get_irqs(&w->rig.client, &irq, 1), 1);
	assert_false(machine_sleep(w->rig.machine));
	machine_awake(w->rig.machine);
	rig_run(&w->rig, 8);
	assert_false(guest_msix_pending(&w->guest, 1));
}

static void an_unbound_vector_waits_for_its_eventfd(void **state)
{
	struct world *w = *state;
	int fd = eventfd(0, EFD_NONBLOCK), old = -1;
	uint64_t count = 0;

	bring_up(w);
	ask(w, 16);
	assert_true(rig_run(&w->rig, 8));
	assert_true(guest_msix_pending(&w->guest, 1));
	assert_int_equal(link_bind(&w->rig.link, RIG_BDF, 1, fd, &old), 0);
	assert_int_equal(old, -1);
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	assert_false(guest_msix_pending(&w->guest, 1));
}

static void binding_beyond_the_vectors_is_refused(void **state)
{
	struct world *w = *state;
	int old;

	assert_int_equal(link_bind(&w->rig.link, RIG_BDF, 2, -1, &old),
			 -ERANGE);
	assert_int_equal(link_bind(&w->rig.link, 0x10, 0, -1, &old), -ENOENT);
	assert_int_equal(link_irq_control(&w->rig.link, RIG_BDF, 1, UINT32_MAX,
					  PCIRING_IRQ_MASK),
			 -ERANGE);
}

static void unmapped_ring_memory_pauses_the_queue(void **state)
{
	struct world *w = *state;
	struct guest_used used;

	bring_up(w);
	assert_int_equal(rig_take_back(&w->rig), 0);
	ask(w, 32);
	assert_true(rig_run(&w->rig, 8));
	assert_int_equal(guest_poll(&w->guest, 0, &used), 0);
	assert_int_equal(guest_status(&w->guest) & GUEST_NEEDS_RESET, 0);
	assert_int_equal(rig_lend(&w->rig), 0);
	assert_true(rig_run(&w->rig, 8));
	assert_int_equal(guest_poll(&w->guest, 0, &used), 1);
	assert_int_equal(used.len, 32);
	assert_int_equal(guest_status(&w->guest) & GUEST_NEEDS_RESET, 0);
}

static void a_broken_ring_asks_for_a_reset_once(void **state)
{
	struct world *w = *state;
	struct msg_irq irq[4];

	bring_up(w);
	guest_set_avail_idx(&w->guest, 0, 0x7fff);
	guest_kick(&w->guest, 0);
	guest_kick(&w->guest, 0);
	rig_run(&w->rig, 8);
	assert_true(guest_status(&w->guest) & GUEST_NEEDS_RESET);
	/* One configuration interrupt, and the control plane is alive. */
	assert_int_equal(channel_get_irqs(&w->rig.client, irq, 4), 1);
	assert_int_equal(irq[0].what, 0);
	assert_int_equal(guest_reset(&w->guest), 0);
	w->guest.mem.used = 0;
	memset(w->rig.mem, 0, RIG_LENT);
	assert_int_equal(guest_start(&w->guest, GUEST_ALL_FEATURES, 0), 0);
	ask(w, 8);
	assert_true(rig_run(&w->rig, 8));
	assert_int_equal(guest_used_idx(&w->guest, 0), 1);
}

static int attach(struct world *w, struct link *l, uint16_t scope, uint16_t bdf,
		  bool remote)
{
	const struct link_options opt = {
		.scope = scope,
		.bdf = bdf,
		.remote = remote,
	};

	return link_attach(w->rig.machine, l, &w->rig.service, &opt);
}

static void detach_leaves_nothing_of_the_client(void **state)
{
	struct world *w = *state;
	struct gpa_region r;
	int fd = eventfd(0, 0), line = eventfd(0, 0), old;

	bring_up(w);
	assert_int_equal(link_bind(&w->rig.link, RIG_BDF, 1, fd, &old), 0);
	assert_int_equal(link_line_bind(&w->rig.link, PCIRING_LINE_INTX,
					RIG_BDF, line, &old),
			 0);
	guest_msix_control(&w->guest, false, false);
	raise(w);
	assert_true(w->rig.function->intx.busy);
	assert_int_equal(link_line_control(&w->rig.link, PCIRING_LINE_INTX,
					   RIG_BDF, PCIRING_IRQ_MASK),
			 0);
	link_irq_control(&w->rig.link, RIG_BDF, 1, 1, PCIRING_IRQ_MASK);
	link_detach(&w->rig.link);
	while (link_take_region(&w->rig.link, &r))
		gpa_files_put(&w->rig.files, r.file);
	assert_int_equal(w->rig.files.file[0].users, 0);
	assert_int_equal(close(fd),
			 -1); /* it was the function's, and is gone */
	assert_int_equal(close(line), -1);
	assert_false(w->rig.function->intx.busy ||
		     w->rig.function->intx.masked ||
		     w->rig.function->intx.high);
	assert_false(w->rig.function->eventfds.masked[1]);
	assert_null(w->rig.function->vp.func.msix.bank.next);
	assert_null(w->rig.function->link);
	assert_int_equal(w->rig.function->vp.virtio.s.status, 0);
	assert_false(w->rig.function->vp.func.msix.enabled);
	assert_false(w->rig.function->vp.func.bar[4].mapped);
	/* The next one starts from power-on and works. */
	assert_int_equal(
		attach(w, &w->rig.link, PCIRING_SCOPE_FUNCTION, RIG_BDF, true),
		0);
	assert_int_equal(rig_lend(&w->rig), 0);
	w->guest.mem.used = 0;
	bring_up(w);
	ask(w, 8);
	assert_true(rig_run(&w->rig, 8));
	assert_int_equal(guest_used_idx(&w->guest, 0), 1);
}

static void a_function_belongs_to_one_link(void **state)
{
	struct world *w = *state;
	struct link other = { 0 };

	assert_int_equal(
		attach(w, &other, PCIRING_SCOPE_FUNCTION, RIG_BDF, true),
		-EBUSY);
	assert_int_equal(attach(w, &other, PCIRING_SCOPE_MACHINE, 0, false),
			 -EBUSY);
	assert_int_equal(attach(w, &other, PCIRING_SCOPE_FUNCTION, 0x18, true),
			 -ENOENT);
	assert_int_equal(machine_unplug(w->rig.machine, RIG_BDF), -EBUSY);
}

/* rule 121 */
static void a_function_link_reaches_nothing_else(void **state)
{
	struct world *w = *state;
	struct msg_access a = { .size = 4,
				.space = PCIRING_SPACE_CONFIG,
				.function = 0x10 };
	struct function *f;
	char error[64];
	uint64_t v;

	assert_int_equal(machine_plug(w->rig.machine, 0x10,
				      device_type_find("rng"), NULL, 0, &f,
				      error, sizeof(error)),
			 0);
	link_access(&w->rig.link, &a, &v);
	assert_int_equal(v, 0xffffffff);
	a = (struct msg_access){ .size = 4,
				 .address = MACHINE_ECAM_BASE + 0x8000,
				 .space = PCIRING_SPACE_MMIO };
	link_access(&w->rig.link, &a, &v);
	assert_int_equal(v, 0xffffffff);
	assert_int_equal(w->rig.link.stats.refused, 2);
}

/* rule 3 */
static void an_absent_function_reads_all_ones_by_every_way(void **state)
{
	struct world *w = *state;
	struct rig *r = &w->rig;
	struct msg_access a = { .space = PCIRING_SPACE_CONFIG,
				.function = 0x20 };
	uint64_t v;

	for (uint8_t size = 1; size <= 4; size *= 2) {
		a.size = size;
		link_access(&r->link, &a, &v);
		assert_int_equal(v, all_ones(size));
		v = rig_access(r, MSG_READ, PCIRING_SPACE_MMIO,
			       MACHINE_ECAM_BASE + (0x20 << 12), size, 0);
		assert_int_equal(v, all_ones(size));
	}
	rig_access(r, MSG_WRITE, PCIRING_SPACE_PIO, 0xcf8, 4,
		   0x80000000 | 0x20 << 8);
	v = rig_access(r, MSG_READ, PCIRING_SPACE_PIO, 0xcfc, 4, 0);
	assert_int_equal(v, 0xffffffff);
}

static void config_by_ecam_ports_and_function_is_one_view(void **state)
{
	struct world *w = *state;
	struct rig *r = &w->rig;

	rig_access(r, MSG_WRITE, PCIRING_SPACE_MMIO,
		   MACHINE_ECAM_BASE + (RIG_BDF << 12) + 0x3c, 1, 0x5a);
	rig_access(r, MSG_WRITE, PCIRING_SPACE_PIO, 0xcf8, 4,
		   0x80000000 | RIG_BDF << 8 | 0x3c);
	assert_int_equal(
		rig_access(r, MSG_READ, PCIRING_SPACE_PIO, 0xcfc, 1, 0), 0x5a);
	assert_int_equal(
		rig_access(r, MSG_READ, PCIRING_SPACE_CONFIG, 0x3c, 1, 0),
		0x5a);
}

/* rule 16 */
static void a_posted_window_moves_before_the_write_is_answered(void **state)
{
	struct world *w = *state;
	const struct channel *c = &w->rig.client;
	uint64_t doorbell;

	bring_up(w);
	doorbell = w->guest.bar[4].address + VIRTIO_PCI_NOTIFY;
	assert_true(channel_may_post(c, PCIRING_SPACE_MMIO, 0, doorbell, 2));
	assert_false(channel_may_post(c, PCIRING_SPACE_MMIO, 0, doorbell, 1));
	assert_false(
		channel_may_post(c, PCIRING_SPACE_MMIO, 0, doorbell - 2, 2));
	guest_set_bar(&w->guest, 4, 0xd0000000);
	assert_false(channel_may_post(c, PCIRING_SPACE_MMIO, 0, doorbell, 2));
	assert_true(channel_may_post(c, PCIRING_SPACE_MMIO, 0,
				     0xd0000000 + VIRTIO_PCI_NOTIFY, 2));
	guest_command(&w->guest, false, true);
	assert_false(channel_may_post(c, PCIRING_SPACE_MMIO, 0,
				      0xd0000000 + VIRTIO_PCI_NOTIFY, 2));
}

/* rule 9 */
static void a_function_comes_and_goes_under_a_machine_wide_link(void **state)
{
	struct world *w = *state;
	struct msg_access a = { .size = 4,
				.space = PCIRING_SPACE_CONFIG,
				.function = 0x10 };
	struct function *f;
	char error[64];
	uint64_t v;

	link_access(&w->rig.link, &a, &v);
	assert_int_equal(v, 0xffffffff);
	assert_int_equal(machine_plug(w->rig.machine, 0x10,
				      device_type_find("rng"), NULL, 0, &f,
				      error, sizeof(error)),
			 0);
	link_access(&w->rig.link, &a, &v);
	assert_int_equal(v, 0x10441af4);
	assert_int_equal(machine_plug(w->rig.machine, 0x10,
				      device_type_find("rng"), NULL, 0, &f,
				      error, sizeof(error)),
			 -EBUSY);
	assert_int_equal(machine_unplug(w->rig.machine, 0x10), 0);
	link_access(&w->rig.link, &a, &v);
	assert_int_equal(v, 0xffffffff);
	assert_int_equal(machine_unplug(w->rig.machine, 0x10), -ENOENT);
}

/* rule 119 */
static void a_flood_costs_its_neighbour_one_budget(void **state)
{
	struct world *w = *state;
	struct guest_buf buf = { .len = 1, .write = true };
	struct guest_used used;
	unsigned int turns = 0;

	bring_up(w);
	buf.gpa = guest_alloc(&w->guest, 1, 1);
	for (unsigned int i = 0; i < w->guest.queue[0].size; i++)
		guest_add(&w->guest, 0, &buf, 1, false);
	guest_kick(&w->guest, 0);
	/* Each turn uses some and ends; the register path is served between. */
	machine_turn(w->rig.machine);
	assert_true(guest_used_idx(&w->guest, 0) < w->guest.queue[0].size);
	assert_int_equal(guest_status(&w->guest) & GUEST_DRIVER_OK,
			 GUEST_DRIVER_OK);
	while (machine_turn(w->rig.machine) && turns < 1000)
		turns++;
	assert_true(turns < 1000);
	for (unsigned int i = 0; i < w->guest.queue[0].size; i++)
		assert_int_equal(guest_poll(&w->guest, 0, &used), 1);
}

static unsigned int messages(struct world *w)
{
	struct msg_irq irq;
	unsigned int n = 0;

	while (channel_get_irqs(&w->rig.client, &irq, 1))
		n += irq.what == 1;
	return n;
}

static void a_pending_vector_goes_to_whom_it_is_bound(void **state)
{
	struct world *w = *state;
	const struct msg_irq filler = { .what = 0xffff };
	struct link *l = &w->rig.link;
	uint64_t count;
	int fd = eventfd(0, EFD_NONBLOCK), old;

	bring_up(w);
	raise(w);
	assert_int_equal(messages(w), 1);
	while (channel_irq(&w->rig.service, &filler))
		;
	raise(w);
	assert_true(guest_msix_pending(&w->guest, 1));
	assert_int_equal(link_bind(l, RIG_BDF, 1, fd, &old), 0);
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	assert_false(guest_msix_pending(&w->guest, 1));
	/* Masked by the client, then given back to the ring. */
	link_irq_control(l, RIG_BDF, 1, 1, PCIRING_IRQ_MASK);
	assert_int_equal(messages(w), 0);
	raise(w);
	assert_int_equal(link_bind(l, RIG_BDF, 1, -1, &old), 0);
	close(old);
	assert_int_equal(messages(w), 0);
	assert_true(guest_msix_pending(&w->guest, 1));
	link_irq_control(l, RIG_BDF, 1, 1, PCIRING_IRQ_UNMASK);
	assert_int_equal(messages(w), 1);
	raise(w);
	assert_int_equal(messages(w), 1);
}

/* Ours have none, so one is added as a device of another kind would. */
static void plain_msi_uses_the_ring_of_its_link(void **state)
{
	struct world *w = *state;
	const struct msg_irq filler = { .what = 0xffff };
	struct pci_func *f = &w->rig.function->vp.func;
	struct msg_irq irq;
	uint32_t control;

	assert_int_equal(pci_func_add_msi(f, 4), 0);
	f->msi.bank.requester_id = RIG_BDF;
	function_leave(w->rig.function);
	function_join(w->rig.function, &w->rig.link);
	control = f->msi.cap + PCI_MSI_CONTROL;
	pci_func_config_write(f, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	pci_func_config_write(f, f->msi.cap + PCI_MSI_ADDRESS, 4, 0xfee00000);
	pci_func_config_write(f, f->msi.cap + PCI_MSI_DATA, 2, 0x51);
	pci_func_config_write(f, control, 2, PCI_MSI_ENABLE);
	while (channel_irq(&w->rig.service, &filler))
		;
	assert_int_equal(pci_func_set_interrupt(f, true), IRQ_LATCHED);
	while (channel_get_irqs(&w->rig.client, &irq, 1))
		;
	rig_run(&w->rig, 8);
	assert_int_equal(channel_get_irqs(&w->rig.client, &irq, 1), 1);
	assert_int_equal(irq.data, 0x51);
	assert_int_equal(irq.requester_id, RIG_BDF);
	function_leave(w->rig.function);
	assert_null(f->msi.bank.next);
}

static void a_sleeper_is_woken_once_for_a_turn(void **state)
{
	struct world *w = *state;
	struct channel *ch = &w->rig.service;
	uint64_t wakes = ch->stats.wakes;

	bring_up(w);
	atomic_store(&w->rig.client.client->irq.mode, SEG_FUTEX);
	raise(w);
	assert_int_equal(ch->stats.wakes, wakes + 1);
	/* Between two turns, by a call. */
	atomic_store(&w->rig.client.client->irq.mode, SEG_FUTEX);
	link_irq_control(&w->rig.link, RIG_BDF, 0, 2, PCIRING_IRQ_TRIGGER);
	assert_int_equal(ch->stats.wakes, wakes + 1);
	machine_sleep(w->rig.machine);
	machine_awake(w->rig.machine);
	assert_int_equal(ch->stats.wakes, wakes + 2);
}

static void names_that_are_none_are_refused(void **state)
{
	struct machine *m;

	(void)state;
	assert_int_equal(machine_create("", &m), -EINVAL);
	assert_int_equal(machine_create("a b", &m), -EINVAL);
	assert_int_equal(machine_create("../x", &m), -EINVAL);
}

#define ON(test, scope)                                                        \
	cmocka_unit_test_setup_teardown(test, set_up_##scope, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(a_guest_reads_random_bytes_by_address, machine),
		ON(a_full_interrupt_ring_loses_no_vector, machine),
		ON(interrupts_that_nobody_takes_let_the_loop_sleep, machine),
		ON(an_unbound_vector_waits_for_its_eventfd, remote),
		ON(binding_beyond_the_vectors_is_refused, remote),
		ON(unmapped_ring_memory_pauses_the_queue, machine),
		ON(a_broken_ring_asks_for_a_reset_once, machine),
		ON(detach_leaves_nothing_of_the_client, remote),
		ON(a_function_belongs_to_one_link, remote),
		ON(a_function_link_reaches_nothing_else, remote),
		ON(an_absent_function_reads_all_ones_by_every_way, machine),
		ON(config_by_ecam_ports_and_function_is_one_view, machine),
		ON(a_posted_window_moves_before_the_write_is_answered, machine),
		ON(a_function_comes_and_goes_under_a_machine_wide_link,
		   machine),
		ON(a_flood_costs_its_neighbour_one_budget, machine),
		ON(a_pending_vector_goes_to_whom_it_is_bound, machine),
		ON(plain_msi_uses_the_ring_of_its_link, machine),
		ON(a_sleeper_is_woken_once_for_a_turn, machine),
		cmocka_unit_test(names_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
