/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which thread makes a device and frees it.  The only type there is here
 * records that, in the place of those of transport/devices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>

#include "apps/pciringd/service.h"

struct recorder {
	struct virtio_device device;
};

static struct {
	pthread_t made, freed;
	unsigned int nr_made, nr_freed;
	int refuse;
} seen;

static void recorder_destroy(struct virtio_device *d)
{
	seen.freed = pthread_self();
	seen.nr_freed++;
	free(container_of(d, struct recorder, device));
}

static const struct virtio_device_ops recorder_ops = {
	.name = "recorder",
	.type = 4,
	.destroy = recorder_destroy,
};

static int recorder_create(const struct device_option *opt, unsigned int nr_opt,
			   struct virtio_device **out, char *error, size_t room)
{
	struct recorder *r;

	(void)opt;
	(void)nr_opt;
	(void)error;
	(void)room;
	if (seen.refuse)
		return seen.refuse;
	seen.made = pthread_self();
	seen.nr_made++;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->device = (struct virtio_device){ .ops = &recorder_ops,
					    .nr_queues = 1,
					    .queue_max = 8 };
	*out = &r->device;
	return 0;
}

static const char *const no_options[] = { NULL };

static const struct device_type recorder_type = {
	.name = "recorder",
	.help = "says who made it",
	.options = no_options,
	.create = recorder_create,
};

const struct device_type *const device_types[] = { &recorder_type, NULL };

const struct device_type *device_type_find(const char *name)
{
	return strcmp(name, recorder_type.name) ? NULL : &recorder_type;
}

int device_refuse_unknown(const struct device_type *t,
			  const struct device_option *opt, unsigned int nr_opt,
			  char *error, size_t room)
{
	(void)t;
	(void)opt;
	(void)nr_opt;
	(void)error;
	(void)room;
	return 0;
}

/* ---- A service with one loop ------------------------------------------------ */

struct world {
	struct loop *loop;
	pthread_t thread;
	struct service service;
};

static void *body(void *arg)
{
	loop_run(arg);
	return NULL;
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct service_error e;

	memset(&seen, 0, sizeof(seen));
	if (!w || loop_create(0, 0, &w->loop))
		return -1;
	loop_start(w->loop);
	if (pthread_create(&w->thread, NULL, body, w->loop))
		return -1;
	service_init(&w->service, &w->loop, 1);
	*state = w;
	return service_machine_create(&w->service, "m", -1, &e);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	service_fini(&w->service);
	loop_stop(w->loop);
	pthread_join(w->thread, NULL);
	loop_stopped(w->loop);
	loop_destroy(w->loop);
	free(w);
	return 0;
}

static int create(struct world *w, const char *address)
{
	struct service_error e;

	return service_function_create(&w->service, "m", address, "recorder",
				       NULL, &e);
}

static struct function *find(struct world *w, uint16_t bdf)
{
	return machine_find(service_find(&w->service, "m")->machine, bdf);
}

/* ---- Tests ------------------------------------------------------------------- */

static void device_is_made_and_freed_by_the_thread_that_asks(void **state)
{
	struct world *w = *state;
	struct service_error e;

	assert_int_equal(create(w, "00:03.0"), 0);
	assert_int_equal(seen.nr_made, 1);
	assert_true(pthread_equal(seen.made, pthread_self()));
	assert_non_null(find(w, 0x18));
	assert_int_equal(
		service_function_destroy(&w->service, "m", "00:03.0", &e), 0);
	assert_int_equal(seen.nr_freed, 1);
	assert_true(pthread_equal(seen.freed, pthread_self()));
	assert_null(find(w, 0x18));
}

static void plug_behind_its_back(void *arg)
{
	struct function *f;
	char error[64];

	assert_int_equal(machine_plug(arg, 0x20, &recorder_type, NULL, 0, &f,
				      error, sizeof(error)),
			 0);
}

static void device_that_cannot_be_plugged_leaves_nothing(void **state)
{
	struct world *w = *state;

	loop_call(w->loop, plug_behind_its_back,
		  service_find(&w->service, "m")->machine);
	assert_int_equal(create(w, "00:04.0"), -EBUSY);
	assert_int_equal(seen.nr_made, 2);
	assert_int_equal(seen.nr_freed, 1);
	seen.refuse = -EIO;
	assert_int_equal(create(w, "00:05.0"), -EIO);
	assert_null(find(w, 0x28));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			device_is_made_and_freed_by_the_thread_that_asks,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			device_that_cannot_be_plugged_leaves_nothing, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
