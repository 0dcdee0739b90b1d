/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One process, many attachments to a real service, all of them at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>

#include "tests/flow/service_rig.h"

#define MACHINES 40
#define THREADS	 4
#define EACH	 (MACHINES / THREADS)
#define ROUNDS	 20

static pthread_barrier_t all_attached;

struct user {
	pthread_t thread;
	unsigned int first;
	unsigned int wrong;
};

static struct pciring *join(unsigned int machine, struct user *u)
{
	char path[PROCS_PATH], name[16];
	struct pciring_options opt = { .size = sizeof(opt),
				       .machine = name,
				       .lanes = 1,
				       .spin_ns = 20000,
				       .path = machine % 2 };
	struct pciring *link = NULL;

	snprintf(name, sizeof(name), "m%u", machine);
	u->wrong += pciring_attach(procs_path(&p, "attach.sock", path), &opt,
				   &link) != 0;
	return link;
}

/* The interrupt line register keeps what is written to it, each its own. */
static void use(struct user *u, struct pciring *link, uint32_t mark)
{
	struct pciring_access a = { .space = PCIRING_SPACE_CONFIG,
				    .function = BDF,
				    .address = 0x3c,
				    .size = 1,
				    .write = 1,
				    .value = mark & 0xff };

	u->wrong += pciring_access(link, 0, &a) != 0;
	a.write = 0;
	a.value = 0;
	u->wrong +=
		pciring_access(link, 0, &a) != 0 || a.value != (mark & 0xff);
}

static void *use_many(void *arg)
{
	struct user *u = arg;
	struct pciring *link[EACH];

	for (unsigned int i = 0; i < EACH; i++)
		link[i] = join(u->first + i, u);
	pthread_barrier_wait(&all_attached);
	for (unsigned int n = 0; n < ROUNDS && !u->wrong; n++)
		for (unsigned int i = 0; i < EACH; i++)
			use(u, link[i], 7 * n + u->first + i);
	pthread_barrier_wait(&all_attached);
	for (unsigned int i = 0; i < EACH; i++)
		pciring_detach(link[i]);
	return NULL;
}

static void a_process_has_forty_attachments_at_once(void **state)
{
	struct user user[THREADS] = { 0 };
	char text[200];

	(void)state;
	for (unsigned int i = 0; i < MACHINES; i++) {
		snprintf(text, sizeof(text), "{\"name\":\"m%u\"}", i);
		assert_int_equal(procs_rpc(&p, "machine.create", text, NULL),
				 0);
		snprintf(text, sizeof(text),
			 "{\"machine\":\"m%u\",\"address\":\"00:01.0\","
			 "\"device\":\"rng\"}",
			 i);
		assert_int_equal(procs_rpc(&p, "function.create", text, NULL),
				 0);
	}
	pthread_barrier_init(&all_attached, NULL, THREADS);
	for (unsigned int i = 0; i < THREADS; i++) {
		user[i].first = i * EACH;
		pthread_create(&user[i].thread, NULL, use_many, &user[i]);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(user[i].thread, NULL);
		assert_int_equal(user[i].wrong, 0);
	}
	pthread_barrier_destroy(&all_attached);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_has_forty_attachments_at_once),
	};

	return cmocka_run_group_tests(tests, service_start, service_stop);
}
