/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The far end here is a VM without code: its chips remember what reached them.
 */
#include "irq/sink_kvm.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>
/* cmocka wants setjmp.h and stdarg.h first */
#include <cmocka.h>

#define IOAPIC KVM_IRQCHIP_IOAPIC

static int vm, vcpu;
static struct sink_kvm sink;
static struct kvm_routes routes;

static int new_vm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), fd;

	if (kvm < 0) {
		printf("no /dev/kvm that may be opened\n");
		skip();
	}
	fd = ioctl(kvm, KVM_CREATE_VM, 0);
	assert_true(fd >= 0);
	close(kvm);
	return fd;
}

static void begin_with(uint32_t nr)
{
	vm = new_vm();
	assert_int_equal(ioctl(vm, KVM_CREATE_IRQCHIP, 0), 0);
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	assert_true(vcpu >= 0);
	sink_kvm_init(&sink, vm);
	assert_int_equal(kvm_routes_init(&routes, vm, nr), 0);
}

static void begin(void)
{
	begin_with(24);
}

/* The local APIC only. */
static void begin_split(void)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP,
					.args = { 24 } };

	vm = new_vm();
	assert_int_equal(ioctl(vm, KVM_ENABLE_CAP, &split), 0);
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	assert_true(vcpu >= 0);
	sink_kvm_init(&sink, vm);
	assert_int_equal(kvm_routes_init(&routes, vm, 24), 0);
}

static void end(void)
{
	kvm_routes_fini(&routes);
	close(vcpu);
	close(vm);
}

static struct gsi_route to_ioapic(uint16_t pin)
{
	return (struct gsi_route){
		.kind = GSI_TO_PINS,
		.nr_pins = 1,
		.pin = { { .chip = IOAPIC, .pin = pin } },
	};
}

static struct gsi_route to_msi(uint32_t data)
{
	return (struct gsi_route){
		.kind = GSI_TO_MSI,
		.msi = { .address = 0xfee00000, .data = data },
	};
}

static int set(uint32_t gsi, struct gsi_route route)
{
	return kvm_routes_set(&routes, gsi, &route);
}

/* Which pins of the I/O APIC a rise of @gsi reaches. */
static uint32_t reaches(uint32_t gsi)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	irq_stage_set(&sink.stage, gsi, true);
	assert_int_equal(ioctl(vm, KVM_GET_IRQCHIP, &chip), 0);
	irq_stage_set(&sink.stage, gsi, false);
	return chip.chip.ioapic.irr;
}

/* ---- The sink ------------------------------------------------------------- */

static void what_kvm_refuses_is_dropped_and_counted(void **state)
{
	const struct msi_message m = { .address = 0xfee00000, .data = 0x41 };
	struct sink_kvm none;

	(void)state;
	sink_kvm_init(&none, -1);
	assert_int_equal(irq_stage_send(&none.stage, &m), IRQ_DROPPED);
	assert_int_equal(none.failures, 1);
	assert_int_equal(irq_stage_set(&none.stage, 5, true), IRQ_DROPPED);
	assert_int_equal(none.failures, 2);
	assert_int_equal(none.error, EBADF);
	assert_int_equal(none.stage.count.dropped, 2);
	assert_int_equal(none.stage.count.fired, 0);
}

static void message_that_an_apic_blocks_is_dropped(void **state)
{
	const struct msi_message m = { .address = 0xfee00000, .data = 0x41 };

	(void)state;
	begin();
	/* A local APIC is off until its guest switches it on. */
	assert_int_equal(irq_stage_send(&sink.stage, &m), IRQ_DROPPED);
	assert_int_equal(sink.stage.count.dropped, 1);
	assert_int_equal(sink.failures, 0);
	end();
}

static void upper_half_of_the_address_is_told(void **state)
{
	struct kvm_enable_cap wide = {
		.cap = KVM_CAP_X2APIC_API,
		.args = { KVM_X2APIC_API_USE_32BIT_IDS },
	};
	struct msi_message m = { .address = 0xfee00000, .data = 0x41 };

	(void)state;
	begin();
	assert_int_equal(ioctl(vm, KVM_ENABLE_CAP, &wide), 0);
	irq_stage_send(&sink.stage, &m);
	assert_int_equal(sink.failures, 0);
	/* Bits 39 to 32 are reserved. */
	m.address |= 1ull << 32;
	assert_int_equal(irq_stage_send(&sink.stage, &m), IRQ_DROPPED);
	assert_int_equal(sink.failures, 1);
	assert_int_equal(sink.error, EINVAL);
	end();
}

static void level_without_the_status_call_reaches_the_chip_too(void **state)
{
	(void)state;
	begin();
	assert_int_equal(set(5, to_ioapic(7)), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_true(sink.status);
	assert_int_equal(reaches(5), BIT(7));
	assert_int_equal(sink.stage.count.masked, 1);
	sink.status = false;
	assert_int_equal(reaches(5), BIT(7));
	assert_int_equal(sink.stage.count.fired, 3);
	assert_int_equal(sink.failures, 0);
	end();
}

/* ---- Routes ---------------------------------------------------------------- */

static void routes_are_the_kernels_after_one_commit(void **state)
{
	(void)state;
	begin();
	for (uint16_t pin = 0; pin < 24; pin++)
		assert_int_equal(set(pin, to_ioapic(23 - pin)), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(routes.commits, 1);
	for (uint16_t pin = 0; pin < 24; pin++)
		assert_int_equal(reaches(pin), BIT(23 - pin));
	end();
}

static void commit_without_a_change_makes_no_call(void **state)
{
	(void)state;
	begin();
	assert_int_equal(set(5, to_ioapic(7)), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(set(5, to_ioapic(7)), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(routes.commits, 1);
	/* There and back. */
	assert_int_equal(set(5, to_ioapic(8)), 0);
	assert_int_equal(routes.nr_changed, 1);
	assert_int_equal(set(5, to_ioapic(7)), 0);
	assert_int_equal(routes.nr_changed, 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(routes.commits, 1);
	assert_int_equal(set(5, to_ioapic(8)), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(routes.commits, 2);
	assert_int_equal(reaches(5), BIT(8));
	end();
}

static void first_commit_replaces_what_the_kernel_had(void **state)
{
	(void)state;
	begin();
	/* The default routes of KVM lead each GSI to its pin. */
	assert_int_equal(reaches(9), BIT(9));
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(routes.commits, 1);
	assert_int_equal(reaches(9), 0);
	end();
}

static void msi_differs_by_address_and_data(void **state)
{
	struct gsi_route route = to_msi(0x41);

	(void)state;
	begin();
	assert_int_equal(set(3, route), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	route.msi.data++;
	assert_int_equal(set(3, route), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	route.msi.address += 0x1000;
	assert_int_equal(set(3, route), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(routes.commits, 3);
	/* The vector of a table that is not KVM's changes nothing there. */
	route.msi.vector++;
	assert_int_equal(set(3, route), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(routes.commits, 3);
	end();
}

static void route_to_nowhere_is_no_entry(void **state)
{
	(void)state;
	begin();
	assert_int_equal(set(5, to_ioapic(7)), 0);
	assert_int_equal(set(6, to_ioapic(8)), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(set(5, (struct gsi_route){ .kind = GSI_NOWHERE }), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(routes.nr_entries, 1);
	assert_int_equal(reaches(5), 0);
	assert_int_equal(reaches(6), BIT(8));
	end();
}

static void
route_that_kvm_cannot_have_is_refused_and_changes_nothing(void **state)
{
	struct gsi_route route = to_ioapic(7);

	(void)state;
	begin();
	assert_int_equal(set(5, route), 0);
	assert_int_equal(set(24, route), -EINVAL);
	route.nr_pins = 2;
	route.pin[1].chip = IOAPIC;
	route.pin[1].pin = 8;
	assert_int_equal(set(5, route), -EINVAL); /* one chip twice */
	route.pin[1].chip = 1;
	assert_int_equal(set(5, route), -EINVAL); /* the PIC has 8 pins */
	route.pin[1].chip = 3;
	assert_int_equal(set(5, route), -EINVAL);
	route.nr_pins = 4;
	assert_int_equal(set(5, route), -EINVAL);
	route.nr_pins = 0;
	assert_int_equal(set(5, route), -EINVAL);
	route = to_ioapic(24);
	assert_int_equal(set(5, route), -EINVAL);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(reaches(5), BIT(7));
	end();
}

static void three_pins_are_three_entries_of_one_gsi(void **state)
{
	const struct gsi_route route = {
		.kind = GSI_TO_PINS,
		.nr_pins = 3,
		.pin = { { .chip = 0, .pin = 3 },
			 { .chip = 1, .pin = 4 },
			 { .chip = IOAPIC, .pin = 5 } },
	};

	(void)state;
	begin();
	assert_int_equal(set(2, route), 0);
	assert_int_equal(routes.nr_entries, 3);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(reaches(2), BIT(5));
	end();
}

static void four_thousand_routes_fit_and_not_one_entry_more(void **state)
{
	struct gsi_route two = to_ioapic(3);

	(void)state;
	begin_with(GSI_MAX);
	for (uint32_t gsi = 0; gsi < GSI_MAX; gsi++)
		assert_int_equal(set(gsi, to_msi(gsi)), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	two.nr_pins = 2;
	assert_int_equal(set(0, two), -ENOSPC);
	assert_int_equal(routes.nr_changed, 0);
	assert_int_equal(set(GSI_MAX - 1, to_ioapic(3)), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(routes.commits, 2);
	assert_int_equal(reaches(GSI_MAX - 1), BIT(3));
	end();
}

static void commit_that_fails_leaves_the_old_routes(void **state)
{
	(void)state;
	begin();
	assert_int_equal(set(5, to_ioapic(7)), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(set(5, to_ioapic(8)), 0);
	routes.vm = -1;
	assert_int_equal(kvm_routes_commit(&routes), -EBADF);
	assert_int_equal(reaches(5), BIT(7));
	assert_int_equal(routes.nr_changed, 1);
	assert_int_equal(routes.commits, 1);
	/* And the new one still waits. */
	routes.vm = vm;
	assert_int_equal(kvm_routes_commit(&routes), 0);
	assert_int_equal(reaches(5), BIT(8));
	end();
}

static void pins_of_a_split_irqchip_are_refused_by_the_commit(void **state)
{
	(void)state;
	begin_split();
	assert_int_equal(set(5, to_ioapic(7)), 0);
	assert_int_equal(kvm_routes_commit(&routes), -EINVAL);
	assert_int_equal(set(5, to_msi(0x41)), 0);
	assert_int_equal(kvm_routes_commit(&routes), 0);
	end();
}

static void table_of_no_size_or_no_vm_is_refused(void **state)
{
	struct kvm_routes r;

	(void)state;
	assert_int_equal(kvm_routes_init(&r, -1, 24), -EBADF);
	begin();
	assert_int_equal(kvm_routes_init(&r, vm, 0), -EINVAL);
	assert_int_equal(kvm_routes_init(&r, vm, GSI_MAX + 1), -EINVAL);
	end();
}

/* ---- irqfd ---------------------------------------------------------------- */

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static void eventfd_has_one_listener_at_a_time(void **state)
{
	int fd = new_eventfd();

	(void)state;
	begin();
	assert_int_equal(kvm_irqfd_assign(vm, 5, fd, -1), 0);
	assert_int_equal(kvm_irqfd_assign(vm, 6, fd, -1), -EBUSY);
	assert_int_equal(kvm_irqfd_deassign(vm, 5, fd), 0);
	assert_int_equal(kvm_irqfd_assign(vm, 6, fd, -1), 0);
	assert_int_equal(kvm_irqfd_deassign(vm, 6, fd), 0);
	close(fd);
	end();
}

static void irqfd_wants_eventfds_and_a_chip_to_resample(void **state)
{
	int fd = new_eventfd(), resample = new_eventfd();
	int file = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	begin_split();
	assert_int_equal(kvm_irqfd_assign(vm, 5, file, -1), -EINVAL);
	assert_int_equal(kvm_irqfd_assign(vm, 5, fd, file), -EINVAL);
	assert_int_equal(kvm_irqfd_assign(vm, 5, fd, resample), -EINVAL);
	assert_int_equal(kvm_irqfd_assign(vm, 5, fd, -1), 0);
	close(file);
	close(resample);
	close(fd);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_kvm_refuses_is_dropped_and_counted),
		cmocka_unit_test(message_that_an_apic_blocks_is_dropped),
		cmocka_unit_test(upper_half_of_the_address_is_told),
		cmocka_unit_test(
			level_without_the_status_call_reaches_the_chip_too),
		cmocka_unit_test(routes_are_the_kernels_after_one_commit),
		cmocka_unit_test(commit_without_a_change_makes_no_call),
		cmocka_unit_test(first_commit_replaces_what_the_kernel_had),
		cmocka_unit_test(msi_differs_by_address_and_data),
		cmocka_unit_test(route_to_nowhere_is_no_entry),
		cmocka_unit_test(
			route_that_kvm_cannot_have_is_refused_and_changes_nothing),
		cmocka_unit_test(three_pins_are_three_entries_of_one_gsi),
		cmocka_unit_test(
			four_thousand_routes_fit_and_not_one_entry_more),
		cmocka_unit_test(commit_that_fails_leaves_the_old_routes),
		cmocka_unit_test(
			pins_of_a_split_irqchip_are_refused_by_the_commit),
		cmocka_unit_test(table_of_no_size_or_no_vm_is_refused),
		cmocka_unit_test(eventfd_has_one_listener_at_a_time),
		cmocka_unit_test(irqfd_wants_eventfds_and_a_chip_to_resample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
