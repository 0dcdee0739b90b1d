/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What programs were built with stays where it was (64-bit).  A line here that
 * has to change is a new soname; a new member gets a new line, and
 * pciring_options tells by its size who knows of it.  And how many attachments
 * a program may have.
 */
#include "ring/client.h"

#include "ring/test_service.h"

#define AT(type, member, offset)                                               \
	static_assert(offsetof(struct type, member) == (offset), "ABI")
#define IS(type, size) static_assert(sizeof(struct type) == (size), "ABI")

AT(pciring_options, size, 0);
AT(pciring_options, machine, 8);
AT(pciring_options, name, 16);
AT(pciring_options, scope, 24);
AT(pciring_options, function, 28);
AT(pciring_options, lanes, 30);
AT(pciring_options, interrupts, 32);
AT(pciring_options, spin_ns, 36);
AT(pciring_options, features, 40);
AT(pciring_options, irqchip, 48);
AT(pciring_options, path, 52);
IS(pciring_options, 56);

AT(pciring_access, address, 0);
AT(pciring_access, value, 8);
AT(pciring_access, function, 16);
AT(pciring_access, space, 18);
AT(pciring_access, size, 19);
AT(pciring_access, write, 20);
AT(pciring_access, reserved, 21);
IS(pciring_access, 24);

AT(pciring_function_info, function, 0);
AT(pciring_function_info, msix_vectors, 2);
AT(pciring_function_info, intx_pin, 4);
AT(pciring_function_info, reserved, 6);
AT(pciring_function_info, config_size, 8);
AT(pciring_function_info, bar_flags, 12);
AT(pciring_function_info, bar_size, 40);
IS(pciring_function_info, 88);

AT(pciring_notify_page, offset, 0);
AT(pciring_notify_page, length, 8);
AT(pciring_notify_page, fd, 16);
AT(pciring_notify_page, function, 20);
AT(pciring_notify_page, bar, 22);
AT(pciring_notify_page, flags, 24);
IS(pciring_notify_page, 32);
AT(pciring_doorbell, offset, 0);
AT(pciring_doorbell, length, 8);
AT(pciring_doorbell, function, 12);
AT(pciring_doorbell, bar, 14);
IS(pciring_doorbell, 16);

AT(pciring_irq, address, 0);
AT(pciring_irq, data, 8);
AT(pciring_irq, requester_id, 12);
AT(pciring_irq, number, 14);
AT(pciring_irq, type, 16);
AT(pciring_irq, reserved, 18);
IS(pciring_irq, 24);

#define VALUE(name, value) static_assert((name) == (value), "ABI")

VALUE(PCIRING_VERSION_MAJOR, 0);
VALUE(PCIRING_MAX_LANES, 64);
VALUE(PCIRING_NAME_MAX, 64);
VALUE(PCIRING_SCOPE_MACHINE, 0);
VALUE(PCIRING_SCOPE_FUNCTION, 1);
VALUE(PCIRING_IRQ_NATIVE, 0);
VALUE(PCIRING_IRQ_REMOTE, 1);
VALUE(PCIRING_IRQCHIP_NONE, 0);
VALUE(PCIRING_IRQCHIP_LINES, 1);
VALUE(PCIRING_IRQCHIP_SPLIT, 2);
VALUE(PCIRING_PATH_MAILBOX, 0);
VALUE(PCIRING_PATH_RINGS, 1);
VALUE(PCIRING_FEATURE_MAILBOX, 1);
VALUE(PCIRING_FEATURE_POLLS, 2);
VALUE(PCIRING_DMA_READ, 1);
VALUE(PCIRING_DMA_WRITE, 2);
VALUE(PCIRING_SPACE_MMIO, 0);
VALUE(PCIRING_SPACE_PIO, 1);
VALUE(PCIRING_SPACE_CONFIG, 2);
VALUE(PCIRING_SPACE_BAR0, 3);
VALUE(PCIRING_SPACE_BAR5, 8);
VALUE(PCIRING_SPACE_EOI, 9);
VALUE(PCIRING_EOI_VECTOR, 0);
VALUE(PCIRING_EOI_GSI, 1);
VALUE(PCIRING_BAR_IO, 1);
VALUE(PCIRING_BAR_64BIT, 2);
VALUE(PCIRING_BAR_PREFETCH, 4);
VALUE(PCIRING_IRQ_TYPE_MSI, 0);
VALUE(PCIRING_IRQ_TYPE_LINE, 1);
VALUE(PCIRING_IRQ_TYPE_ROUTE, 2);
VALUE(PCIRING_IRQ_MASK, 0);
VALUE(PCIRING_IRQ_UNMASK, 1);
VALUE(PCIRING_IRQ_TRIGGER, 2);
VALUE(PCIRING_LINE_INTX, 0);
VALUE(PCIRING_LINE_GSI, 1);

/* ---- Any number of attachments in one process ---------------------------- */

#define SERVICES 8
#define THREADS	 4
#define EACH	 10 /* attachments of a thread, one after the other */
#define ACCESSES 10

static struct test_service service[SERVICES];

static int start(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < SERVICES; i++)
		service_start(&service[i]);
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < SERVICES; i++)
		service_end(&service[i]);
	return 0;
}

struct user {
	pthread_t thread;
	unsigned int first; /* of its services; it has two at a time */
	unsigned int wrong;
};

static struct pciring *join(struct user *u, unsigned int i)
{
	struct pciring_options opt = service_options(2);
	struct pciring *p = NULL;

	opt.path = i % 2;
	u->wrong +=
		pciring_attach(service[u->first + i % 2].path, &opt, &p) != 0;
	return p;
}

static void use(struct user *u, struct pciring *p, uint64_t mark)
{
	struct pciring_access a = { .space = PCIRING_SPACE_BAR0, .size = 8 };

	for (unsigned int i = 0; i < ACCESSES; i++) {
		a.address = 8 * i;
		a.value = mark + i;
		a.write = 1;
		u->wrong += pciring_access(p, i % 2, &a) != 0;
		a.value = 0;
		a.write = 0;
		u->wrong += pciring_access(p, 1 - i % 2, &a) != 0 ||
			    a.value != mark + i;
	}
	u->wrong += pciring_function_reset(p, 8) != 0;
}

static void *use_many(void *arg)
{
	struct user *u = arg;
	struct pciring *one = join(u, 0), *two;

	for (unsigned int i = 1; i < EACH && !u->wrong; i++) {
		two = join(u, i);
		if (u->wrong)
			break;
		use(u, one, 1000 * i);
		use(u, two, 7000 * i);
		pciring_detach(one);
		one = two;
	}
	pciring_detach(one);
	return NULL;
}

static void attachments_of_many_threads_know_nothing_of_each_other(void **state)
{
	struct user user[THREADS] = { 0 };

	(void)state;
	for (unsigned int i = 0; i < THREADS; i++) {
		user[i].first = 2 * i;
		pthread_create(&user[i].thread, NULL, use_many, &user[i]);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(user[i].thread, NULL);
		assert_int_equal(user[i].wrong, 0);
	}
}

static void one_that_breaks_leaves_the_others_whole(void **state)
{
	struct pciring_access a = { .space = PCIRING_SPACE_BAR0, .size = 8 };
	struct pciring *p[SERVICES];

	(void)state;
	for (unsigned int i = 0; i < SERVICES; i++)
		p[i] = service_attach_by(&service[i], 1, i % 2);
	service_die(&service[3]);
	p[4]->ch.fault = CHANNEL_FORGED_INDEX;
	assert_int_equal(pciring_status(p[4]), -EPIPE);
	for (unsigned int i = 0; i < SERVICES; i++) {
		int err = i == 3 || i == 4 ? -EPIPE : 0;

		assert_int_equal(pciring_access(p[i], 0, &a), err);
		assert_int_equal(pciring_status(p[i]), err);
	}
	for (unsigned int i = 0; i < SERVICES; i++)
		pciring_detach(p[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			attachments_of_many_threads_know_nothing_of_each_other,
			start, end),
		cmocka_unit_test_setup_teardown(
			one_that_breaks_leaves_the_others_whole, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
