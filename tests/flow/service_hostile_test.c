/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A peer may write anything it can reach, at any time: hostile processes
 * against a real service, and an honest client of the same loop meanwhile.
 *
 * PCIRING_HOSTILE_SECONDS says for how long (2; `make soak`: minutes).  What is
 * random follows from PCIRING_HOSTILE_SEED, which is printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/flow/service_guest.h"
#include "tests/flow/service_hostile.h"
#include "tests/flow/service_rig.h"

#define SECONDS 2
#define PEERS	2

/*
 * What an access of the honest client may take.  How many requests of others
 * may come first is bounded, and tested where they can be counted
 * (transport/machine/machine_test.c: one share a turn).  Here there are more
 * processes than cores, under sanitizers too, and the kernel decides when the
 * loop runs at all: this is to find a service that hangs, not one that is slow.
 */
#define ACCESS_LIMIT_NS 5000000000ll

static const char *const machines[PEERS] = { "evil0", "evil1" };

static void make_machine(const char *name)
{
	char params[160];

	snprintf(params, sizeof(params), "{\"name\":\"%s\"}", name);
	assert_int_equal(procs_rpc(&p, "machine.create", params, NULL), 0);
	snprintf(params, sizeof(params),
		 "{\"machine\":\"%s\",\"address\":\"00:01.0\","
		 "\"device\":\"rng\"}",
		 name);
	assert_int_equal(procs_rpc(&p, "function.create", params, NULL), 0);
}

static int start(void **state)
{
	if (service_start(state))
		return 1;
	for (unsigned int i = 0; i < PEERS; i++)
		make_machine(machines[i]);
	return 0;
}

/* Of a machine's links_broken, or with NULL of all there ever were. */
static json_int_t links_broken(const char *machine, const char *why)
{
	char params[100] = "{}";
	json_t *o, *count;
	json_int_t n;

	if (machine)
		snprintf(params, sizeof(params), "{\"machine\":\"%s\"}",
			 machine);
	assert_int_equal(procs_rpc(&p, machine ? "stats.get" : "service.info",
				   params, &o),
			 0);
	count = machine ? o : json_object_get(o, "attach");
	n = counter(json_object_get(count, "links_broken"), why);
	json_decref(o);
	return n;
}

/* ---- One lie at a time ---------------------------------------------------------- */

static void attach_evil(struct hostile *h, unsigned int lanes, bool mailbox)
{
	int err;

	/* The one before may not have gone yet. */
	while ((err = hostile_attach(h, machines[0], lanes, mailbox)) == -EBUSY)
		usleep(500);
	assert_int_equal(err, 0);
}

struct counts {
	json_int_t all, mine, such;
};

static struct counts counts(const char *why)
{
	return (struct counts){
		.all = links_broken(NULL, "total"),
		.mine = links_broken(machines[0], "total"),
		.such = links_broken(machines[0], why),
	};
}

/* The lie was told: the link ends, is counted, and the next one serves. */
static void expect_end_of(struct hostile *h, const struct counts *before,
			  const char *why)
{
	struct counts now;
	struct msg_access a = { .function = BDF,
				.space = PCIRING_SPACE_CONFIG,
				.size = 2,
				.seq = 1 };
	struct msg_completion c = { .value = 0 };
	const uint64_t one = 1;

	assert_int_equal(write(h->ch.kick_fd, &one, sizeof(one)), sizeof(one));
	assert_true(hostile_ended(h, 10000));
	now = counts(why);
	assert_int_equal(now.such, before->such + 1);
	assert_int_equal(now.mine, before->mine + 1);
	assert_int_equal(now.all, before->all + 1);
	hostile_detach(h);
	/* At once: what was it has gone by the time that its end is seen. */
	assert_int_equal(hostile_attach(h, machines[0], 1, true), 0);
	assert_true(channel_put(&h->ch, 0, &a));
	for (int i = 0; i < 100000 && !channel_get(&h->ch, 0, &c); i++)
		usleep(100);
	assert_int_equal(c.value, 0x1af4);
	hostile_detach(h);
}

static void link_that_lies_ends_and_the_next_one_serves(void **state)
{
	struct msg_access a = { .size = 3, .seq = 1 };
	struct held before = held_at_rest();
	struct hostile h = { .random = 1 };
	struct counts c;

	(void)state;
	for (int mailbox = 0; mailbox < 2; mailbox++) {
		c = counts("forged_index");
		attach_evil(&h, 3, mailbox);
		h.ch.lane[1].request.r->prod.tail = 0x80000000u;
		expect_end_of(&h, &c, "forged_index");
		c = counts("bad_request");
		attach_evil(&h, 3, mailbox);
		channel_put(&h.ch, 2, &a);
		expect_end_of(&h, &c, "bad_request");
	}
	holds_again(before);
}

static void operator_sees_who_broke_a_link(void **state)
{
	char out[8192];

	(void)state;
	assert_int_equal(service_ctl(out, sizeof(out), "stats evil0"), 0);
	assert_non_null(strstr(out, "links broken by their clients  total 4  "
				    "forged_index 2  bad_request 2\n"));
	assert_int_equal(service_ctl(out, sizeof(out), "info"), 0);
	assert_non_null(strstr(out, "Links broken by their clients:  total 4  "
				    "forged_index 2  bad_request 2\n"));
	assert_int_equal(service_ctl(out, sizeof(out), "stats demo"), 0);
	assert_null(strstr(out, "links broken"));
}

/* ---- All of them at once, and an honest client ----------------------------------- */

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

struct honest {
	uint64_t accesses, draws;
	int64_t slowest;
};

/* Every answer is known beforehand; false once the link ended. */
static void honest_turn(struct honest *o, struct vm *vm)
{
	uint8_t line = (uint8_t)o->accesses;
	struct pciring_access a = { .space = PCIRING_SPACE_CONFIG,
				    .function = BDF };
	int64_t begin = now_ns();

	/* Interrupt Line: a byte that the guest may use as it likes. */
	a.address = 0x3c;
	a.size = 1;
	a.write = 1;
	a.value = line;
	assert_int_equal(pciring_access(vm->link, 1, &a), 0);
	a.write = 0;
	a.value = 0;
	assert_int_equal(pciring_access(vm->link, 0, &a), 0);
	assert_int_equal(a.value, line);
	assert_int_equal(vendor(vm->link), 0x1af4);
	o->slowest = RTE_MAX(o->slowest, now_ns() - begin);
	o->accesses += 3;
	if (o->accesses % 300 == 0) {
		service_guest_draw(&vm->g, 64);
		o->draws++;
	}
}

static pid_t start_peer(unsigned int i, unsigned int seconds, uint64_t seed,
			struct hostile_report *report)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	hostile_run(machines[i], seconds, seed + i, report);
	_exit(0);
}

static void check_report(const struct hostile_report *r)
{
	/* Each trick was played, every byte was written ... */
	for (unsigned int i = 0; i < HOSTILE_NR; i++)
		assert_true(r->runs[i] > 0);
	assert_true(r->walks > 0);
	/* ... and what is sealed held. */
	assert_int_equal(r->surprises, 0);
	/* What cannot be told from a client of ours is served. */
	assert_int_equal(r->ended[HOSTILE_FLOOD], 0);
	assert_int_equal(r->ended[HOSTILE_COMES], 0);
	/* What can be, is. */
	assert_true(r->ended[HOSTILE_WALK] > 0);
	assert_true(r->ended[HOSTILE_SCRIBBLE] > 0);
	assert_true(r->ended[HOSTILE_INDICES] > 0);
}

static void hostile_peers_harm_nobody_but_themselves(void **state)
{
	unsigned int seconds =
		(unsigned int)setting("PCIRING_HOSTILE_SECONDS", SECONDS);
	uint64_t seed = setting("PCIRING_HOSTILE_SEED",
				(uint64_t)now_ns() * 0x9e3779b97f4a7c15ull);
	struct held before = held_at_rest();
	json_int_t broken = links_broken(NULL, "total");
	struct hostile_report *report;
	struct honest honest = { .accesses = 0 };
	struct vm *vm = vm_of_machine(PCIRING_IRQCHIP_NONE, true);
	pid_t pid[PEERS];
	int status, left = PEERS;

	(void)state;
	printf("PCIRING_HOSTILE_SEED=%#llx\n", (unsigned long long)seed);
	fflush(stdout);
	report = mmap(NULL, PEERS * sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(report, MAP_FAILED);
	for (unsigned int i = 0; i < PEERS; i++)
		pid[i] = start_peer(i, seconds, seed, &report[i]);
	while (left) {
		for (int i = 0; i < 100; i++)
			honest_turn(&honest, vm);
		for (unsigned int i = 0; i < PEERS; i++) {
			if (!pid[i] || waitpid(pid[i], &status, WNOHANG) <= 0)
				continue;
			assert_true(WIFEXITED(status));
			assert_int_equal(WEXITSTATUS(status), 0);
			pid[i] = 0;
			left--;
		}
	}
	honest_turn(&honest, vm);
	assert_int_equal(pciring_status(vm->link), 0);
	assert_true(honest.draws > 0);
	assert_in_range(honest.slowest, 0, ACCESS_LIMIT_NS);
	vm_end(vm);
	for (unsigned int i = 0; i < PEERS; i++)
		check_report(&report[i]);
	assert_true(links_broken(NULL, "total") > broken);
	assert_int_equal(links_broken("demo", "total"), 0);
	/* The service is the one that was started, and holds what it held. */
	assert_int_equal(waitpid(p.service, &status, WNOHANG), 0);
	holds_again(before);
	printf("%llu accesses, the slowest three %lld us; links attached %llu, "
	       "broken %lld\n",
	       (unsigned long long)honest.accesses,
	       (long long)honest.slowest / 1000,
	       (unsigned long long)report[0].attached + report[1].attached,
	       (long long)(links_broken(NULL, "total") - broken));
	munmap(report, PEERS * sizeof(*report));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(link_that_lies_ends_and_the_next_one_serves),
		cmocka_unit_test(operator_sees_who_broke_a_link),
		cmocka_unit_test(hostile_peers_harm_nobody_but_themselves),
	};

	return cmocka_run_group_tests(tests, start, service_stop);
}
