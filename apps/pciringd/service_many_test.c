/* SPDX-License-Identifier: BSD-3-Clause */
/* Thousands of functions in one registry: what one takes, and how it is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <malloc.h>

#include "apps/pciringd/address.h"
#include "apps/pciringd/service.h"

#define BUSES 16
#define MANY  (BUSES * PCI_ROOT_FUNCS)
#define MOST  4096 /* bytes of an idle function beside its rings */

static struct service s;

static int set_up(void **state)
{
	struct service_error e;

	(void)state;
	service_init(&s, NULL, 1);
	if (service_machine_create(&s, "m", -1, &e))
		return -1;
	for (int b = 1; b < BUSES; b++)
		if (service_bus_create(&s, "m", b, 0, b, &e))
			return -1;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	service_fini(&s);
	return 0;
}

static int create_by(uint16_t bdf, const char *device, json_t *options)
{
	char address[ADDRESS_TEXT];
	struct service_error e;

	return service_function_create(&s, "m", address_format(address, bdf),
				       device, options, &e);
}

static int create(uint16_t bdf)
{
	return create_by(bdf, "rng", NULL);
}

static int destroy(uint16_t bdf)
{
	char address[ADDRESS_TEXT];
	struct service_error e;

	return service_function_destroy(&s, "m", address_format(address, bdf),
					&e);
}

/* Address and decode, as firmware leaves them. */
static void place_bars(struct pci_func *f, uint64_t place)
{
	for (unsigned int n = 0; n < PCI_NR_BARS; n++) {
		if (!f->bar[n].size)
			continue;
		pci_func_config_write(f, PCI_BAR0 + 4 * n, 4,
				      (uint32_t)place + 0x10000 * n);
		if (f->bar[n].flags & PCI_BAR_64)
			pci_func_config_write(f, PCI_BAR0 + 4 * n + 4, 4,
					      (uint32_t)(place >> 32));
	}
	pci_func_config_write(f, PCI_COMMAND, 2, PCI_COMMAND_MEM);
}

static size_t heap(void)
{
	const struct mallinfo2 i = mallinfo2();

	return i.uordblks + i.hblkhd;
}

/* All that the service keeps of one, and its places on the bus. */
static size_t bytes_of_one(const char *device, json_t *options)
{
	struct service_machine *m = service_find(&s, "m");
	const size_t before = heap();
	struct service_function *f;
	size_t taken;

	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(create_by((uint16_t)i, device, options), 0);
	for (uint32_t i = 0; i < MANY; i++) {
		f = service_function(m, (uint16_t)i);
		place_bars(&f->function->vp.func,
			   0x10000000ull + (uint64_t)i * 0x80000);
	}
	assert_int_equal(m->machine->mmio.nr, 2 * MANY + 1);
	taken = heap() - before;
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(destroy((uint16_t)i), 0);
	return taken / MANY;
}

static void idle_function_takes_4_KiB_at_most(void **state)
{
	json_t *options = json_pack("{ss ss}", "backend", "null", "size", "1G");

	(void)state;
	/* A sanitizer's heap does not tell. */
	if (!heap()) {
		json_decref(options);
		skip();
	}
	assert_in_range(bytes_of_one("rng", NULL), 1, MOST);
	assert_in_range(bytes_of_one("blk", options), 1, MOST);
	json_decref(options);
}

static void functions_stand_in_the_order_of_their_addresses(void **state)
{
	struct service_machine *m = service_find(&s, "m");
	struct service_function *f;
	bool there[MANY] = { false };
	int last;

	(void)state;
	srand(5);
	for (unsigned int step = 0; step < 3000; step++) {
		const uint16_t bdf = (uint16_t)(rand() % MANY);

		assert_int_equal(there[bdf] ? destroy(bdf) : create(bdf), 0);
		there[bdf] = !there[bdf];
	}
	last = -1;
	for (f = m->functions; f; f = f->next) {
		for (last++; last < f->bdf; last++)
			assert_false(there[last]);
		assert_int_equal(last, f->bdf);
		assert_true(there[last]);
		assert_ptr_equal(service_function(m, f->bdf), f);
	}
	while (++last < MANY)
		assert_false(there[last]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			idle_function_takes_4_KiB_at_most, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			functions_stand_in_the_order_of_their_addresses, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
