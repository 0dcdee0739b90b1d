/* SPDX-License-Identifier: BSD-3-Clause */
/* How: config space and BARs are reached by function, on lane 0. */
#include "tests/flow/service_guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/flow/service_rig.h"

static uint64_t forward(void *ctx, uint8_t space, uint64_t address,
			unsigned int size, bool write, uint64_t value)
{
	struct pciring_access a = {
		.address = address,
		.value = value,
		.function = BDF,
		.space = space,
		.size = (uint8_t)size,
		.write = write,
	};

	if (write && pciring_may_post(ctx, &a) && !pciring_post(ctx, 0, &a))
		return 0;
	assert_int_equal(pciring_access(ctx, 0, &a), 0);
	return a.value;
}

static uint32_t config_read(void *ctx, uint32_t off, unsigned int size)
{
	return (uint32_t)forward(ctx, PCIRING_SPACE_CONFIG, off, size, false,
				 0);
}

static void config_write(void *ctx, uint32_t off, unsigned int size,
			 uint32_t value)
{
	forward(ctx, PCIRING_SPACE_CONFIG, off, size, true, value);
}

static uint64_t bar_read(void *ctx, unsigned int bar, uint64_t off,
			 unsigned int size)
{
	return forward(ctx, (uint8_t)(PCIRING_SPACE_BAR0 + bar), off, size,
		       false, 0);
}

static void bar_write(void *ctx, unsigned int bar, uint64_t off,
		      unsigned int size, uint64_t value)
{
	forward(ctx, (uint8_t)(PCIRING_SPACE_BAR0 + bar), off, size, true,
		value);
}

static const struct guest_ops guest_ops = {
	.config_read = config_read,
	.config_write = config_write,
	.bar_read = bar_read,
	.bar_write = bar_write,
};

void service_guest_boot(struct guest *g, struct pciring *link, uint8_t *mem,
			bool msix)
{
	const struct guest_memory memory = { .gpa = RAM_GPA,
					     .host = mem,
					     .size = RAM_SIZE };

	guest_init(g, &guest_ops, link, &memory);
	assert_int_equal(guest_find_caps(g), 0);
	assert_int_equal(guest_place_bars(g, 0x80000000), 0);
	guest_command(g, true, true);
	if (msix) {
		guest_msix_entry(g, 1, 0xfee00000, 0x41, false);
		guest_msix_control(g, true, false);
	}
	assert_int_equal(guest_start(g, GUEST_ALL_FEATURES, 0), 0);
	guest_want_interrupts(g, 0, true);
}

void service_guest_draw(struct guest *g, uint32_t bytes)
{
	struct guest_buf buf = { .len = bytes, .write = true };
	struct guest_used used;
	int got = 0;

	buf.gpa = guest_alloc(g, bytes, 64);
	assert_true(guest_add(g, 0, &buf, 1, false) >= 0);
	guest_kick(g, 0);
	for (int i = 0; !got && i < 5000; i++) {
		got = guest_poll(g, 0, &used);
		if (!got)
			usleep(200);
	}
	assert_int_equal(got, 1);
	assert_int_equal(used.len, bytes);
}

/* ---- A VM around it ---------------------------------------------------- */

static void vm_start(struct vm *vm, struct pciring *link, bool msix)
{
	vm->link = link;
	vm->ram = make_ram(&vm->mem);
	assert_int_equal(
		pciring_dma_map(link, RAM_GPA, RAM_SIZE, vm->ram, 0, 3), 0);
	service_guest_boot(&vm->g, link, vm->mem, msix);
	vm->event = eventfd(0, EFD_NONBLOCK);
	vm->resample = eventfd(0, EFD_NONBLOCK);
}

struct vm *vm_of_function(void)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	vm_start(vm, attach_ok(PCIRING_SCOPE_FUNCTION, PCIRING_IRQ_REMOTE),
		 false);
	return vm;
}

struct vm *vm_of_machine(uint32_t irqchip, bool msix)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	struct pciring *link = NULL;

	assert_int_equal(attach_irqchip(irqchip, &link), 0);
	vm_start(vm, link, msix);
	return vm;
}

void vm_end(struct vm *vm)
{
	pciring_detach(vm->link);
	munmap(vm->mem, RAM_SIZE);
	close(vm->ram);
	close(vm->event);
	close(vm->resample);
	free(vm);
}

uint64_t signals(int fd, int wait_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	eventfd_t n = 0;

	if (poll(&pfd, 1, wait_ms) == 1)
		assert_int_equal(eventfd_read(fd, &n), 0);
	return n;
}

uint8_t read_isr(struct vm *vm)
{
	return (uint8_t)guest_read(&vm->g, GUEST_CAP_ISR, 0, 1);
}
