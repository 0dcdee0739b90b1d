/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a service costs that has much to serve and nothing to do: a thousand
 * functions, some of them with clients, and the service as it idles when nobody
 * says how.  CPU time is the scheduler's own, in ns, of all its threads; a busy
 * neighbour takes nothing of it and adds nothing to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/flow/service_guest.h"
#include "tests/flow/service_rig.h"

#define MACHINES  8
#define FUNCTIONS 125 /* of each machine */
#define LINKS	  4   /* machines with a client */
#define LANES	  16  /* of each client */
#define WATCH_S	  2

static int create(unsigned int machine, unsigned int function)
{
	char params[128];

	if (!function) {
		snprintf(params, sizeof(params), "{\"name\":\"m%u\"}", machine);
		if (procs_rpc(&p, "machine.create", params, NULL))
			return -1;
	}
	/* Device 0 is the root's. */
	snprintf(params, sizeof(params),
		 "{\"machine\":\"m%u\",\"address\":\"00:%02x.%u\","
		 "\"device\":\"rng\"}",
		 machine, 1 + function / 8, function % 8);
	return procs_rpc(&p, "function.create", params, NULL);
}

static int start(void **state)
{
	static const char *const as_shipped[] = { "--log-level", "warn", NULL };
	int err = procs_init(&p);

	(void)state;
	if (err)
		return err;
	p.service = procs_start(&p, "pciringd", as_shipped);
	if (p.service < 0)
		return -1;
	for (unsigned int i = 0; i < MACHINES * FUNCTIONS; i++)
		if (create(i / FUNCTIONS, i % FUNCTIONS))
			return -1;
	return 0;
}

/* ns of CPU time that the service's threads took until now. */
static uint64_t cpu_ns(void)
{
	unsigned long long ns, all = 0;
	char path[320];
	struct dirent *e;
	FILE *f;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", p.service);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat",
			 p.service, e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%llu", &ns) == 1)
			all += ns;
		fclose(f);
	}
	closedir(d);
	return all;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Thousandths of a per cent of one core, over WATCH_S. */
static uint64_t load_of_service(void)
{
	uint64_t at = now_ns(), cpu = cpu_ns();

	assert_true(cpu > 0);
	sleep(WATCH_S);
	cpu = cpu_ns() - cpu;
	return cpu * 100000 / (now_ns() - at);
}

static struct pciring *attach_machine(unsigned int machine)
{
	char name[8], path[PROCS_PATH];
	struct pciring_options opt = {
		.size = sizeof(opt),
		.machine = name,
		.lanes = LANES,
	};
	struct pciring *link = NULL;

	snprintf(name, sizeof(name), "m%u", machine);
	assert_int_equal(pciring_attach(procs_path(&p, "attach.sock", path),
					&opt, &link),
			 0);
	return link;
}

static void a_thousand_idle_functions_cost_less_than_1_percent(void **state)
{
	struct pciring *link[LINKS];
	uint8_t *mem[LINKS];
	struct guest g[LINKS];
	uint64_t load;
	int ram[LINKS];

	(void)state;
	for (unsigned int i = 0; i < LINKS; i++) {
		link[i] = attach_machine(i);
		ram[i] = make_ram(&mem[i]);
		assert_int_equal(
			pciring_dma_map(link[i], RAM_GPA, RAM_SIZE, ram[i], 0,
					PCIRING_DMA_READ | PCIRING_DMA_WRITE),
			0);
		/* Its queue is ready and was used. */
		service_guest_boot(&g[i], link[i], mem[i], true);
		service_guest_draw(&g[i], 64);
	}
	load = load_of_service();
	printf("an idle service with %u functions takes 0.%03u %% of a core\n",
	       (unsigned int)(MACHINES * FUNCTIONS), (unsigned int)load);
	assert_true(load < 1000);
	for (unsigned int i = 0; i < LINKS; i++) {
		/* It slept, it did not die. */
		service_guest_draw(&g[i], 64);
		pciring_detach(link[i]);
		munmap(mem[i], RAM_SIZE);
		close(ram[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_thousand_idle_functions_cost_less_than_1_percent),
	};

	return cmocka_run_group_tests(tests, start, service_stop);
}
