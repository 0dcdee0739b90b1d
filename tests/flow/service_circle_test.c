/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines that would end each other's interrupts: each signals an eventfd by
 * which another one is resampled, so for as long as they are high the service
 * would be busy and its clients would not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/flow/service_guest.h"
#include "tests/flow/service_rig.h"

/* Of another machine than the rig's. */
static struct pciring *attach_other(void)
{
	struct pciring_options opt = {
		.size = sizeof(opt),
		.machine = "other",
		.scope = PCIRING_SCOPE_FUNCTION,
		.function = BDF,
		.lanes = 1,
		.interrupts = PCIRING_IRQ_REMOTE,
	};
	struct pciring *link = NULL;
	char path[PROCS_PATH];

	assert_int_equal(pciring_attach(procs_path(&p, "attach.sock", path),
					&opt, &link),
			 0);
	return link;
}

static int start(void **state)
{
	return service_start(state) ||
	       procs_rpc(&p, "machine.create", "{\"name\":\"other\"}", NULL) ||
	       procs_rpc(&p, "function.create",
			 "{\"machine\":\"other\",\"address\":\"00:01.0\","
			 "\"device\":\"rng\"}",
			 NULL);
}

static int bind_intx(struct pciring *link, int fd, int resample)
{
	return pciring_line_bind(link, PCIRING_LINE_INTX, BDF, fd, resample);
}

static void lines_of_two_machines_never_resample_each_other(void **state)
{
	struct vm *vm = vm_of_function();
	struct pciring *other = attach_other();
	/* Another descriptor is the same eventfd. */
	int event = dup(vm->event), resample = dup(vm->resample);
	int third = eventfd(0, 0);
	struct held before;

	(void)state;
	service_guest_draw(&vm->g, 64);
	assert_int_equal(bind_intx(vm->link, vm->event, vm->resample), 0);
	assert_int_equal(signals(vm->event, 0), 1);
	before = held_at_rest();
	assert_int_equal(bind_intx(other, resample, event), -EINVAL);
	/* It would not do for a circle of two, but for one of three. */
	assert_int_equal(bind_intx(other, resample, third), -EINVAL);
	assert_int_equal(bind_intx(other, third, event), -EINVAL);
	holds_again(before);
	/* None of them listens. */
	eventfd_write(vm->event, 1);
	assert_int_equal(procs_rpc(&p, "machine.list", "{}", NULL), 0);
	assert_int_equal(signals(vm->event, 20), 1);

	/* No circle: one line's two, exchanged; and what is only shared. */
	assert_int_equal(bind_intx(vm->link, resample, event), 0);
	assert_int_equal(bind_intx(vm->link, event, resample), 0);
	assert_int_equal(bind_intx(other, event, resample), 0);
	/* Who is not resampled by signals ends every circle. */
	assert_int_equal(bind_intx(other, resample, -1), 0);
	/* What is bound no longer is no reason. */
	assert_int_equal(bind_intx(vm->link, event, -1), 0);
	assert_int_equal(bind_intx(other, resample, event), 0);
	pciring_detach(other);
	vm_end(vm);
	close(event);
	close(resample);
	close(third);
}

static void gsis_of_a_machine_never_resample_each_other(void **state)
{
	int fd[] = { eventfd(0, 0), eventfd(0, 0), eventfd(0, 0) };
	struct pciring *link;

	(void)state;
	assert_int_equal(attach_irqchip(PCIRING_IRQCHIP_LINES, &link), 0);
	assert_int_equal(
		pciring_line_bind(link, PCIRING_LINE_GSI, 16, fd[0], fd[1]), 0);
	assert_int_equal(
		pciring_line_bind(link, PCIRING_LINE_GSI, 17, fd[1], fd[0]),
		-EINVAL);
	assert_int_equal(
		pciring_line_bind(link, PCIRING_LINE_GSI, 17, fd[0], fd[1]), 0);
	/* It is the other one that goes on with fd[0]. */
	assert_int_equal(
		pciring_line_bind(link, PCIRING_LINE_GSI, 16, fd[1], fd[2]),
		-EINVAL);
	assert_int_equal(
		pciring_line_bind(link, PCIRING_LINE_GSI, 17, fd[2], fd[1]), 0);
	pciring_detach(link);
	for (unsigned int i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
}

/* The last one: there is no service behind it. */
static void service_ends_in_time_though_lines_are_high(void **state)
{
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_LINES, false);
	struct pciring *other = attach_other();

	(void)state;
	assert_int_equal(pciring_line_bind(vm->link, PCIRING_LINE_GSI, GSI,
					   vm->event, vm->resample),
			 0);
	assert_int_equal(bind_intx(other, vm->event, vm->resample), 0);
	service_guest_draw(&vm->g, 64);
	assert_int_equal(signals(vm->event, 2000), 1);
	eventfd_write(vm->resample, 1);
	assert_int_equal(procs_stop(&p.service, SIGTERM, 2000), 0);
	assert_int_equal(bind_intx(other, -1, -1), -EPIPE);
	pciring_detach(other);
	vm_end(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			lines_of_two_machines_never_resample_each_other),
		cmocka_unit_test(gsis_of_a_machine_never_resample_each_other),
		cmocka_unit_test(service_ends_in_time_though_lines_are_high),
	};

	return cmocka_run_group_tests(tests, start, service_stop);
}
