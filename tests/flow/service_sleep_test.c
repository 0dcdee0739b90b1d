/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everybody sleeps at once: a real service with --idle 0, a client that never
 * spins.  A wake-up that is lost is nobody's to repair here: the loop's sleep
 * has no end, and the client's slices (100 ms, which would hide it) are made
 * longer than the test.  So it is a thread that stands still.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_pause.h>

#include "ring/attach.h"
#include "ring/client.h"
#include "ring/test_util.h"
#include "tests/flow/service_guest.h"
#include "tests/flow/service_rig.h"

#define LANES	      4
#define ROUNDS	      TEST_ROUNDS(2000)
#define DRAWS	      TEST_ROUNDS(500)
#define CALLS	      TEST_ROUNDS(10000)
#define CALLS_MS      1000
#define STANDSTILL_MS 20000
#define FOREVER_NS    (1000 * 1000000000ll)

static int start_with(const char *idle)
{
	const char *const args[] = { "--log-level", "warn", "--idle", idle,
				     NULL };
	int err = procs_init(&p);

	if (err)
		return err;
	p.service = procs_start(&p, "pciringd", args);
	if (p.service < 0)
		return -1;
	return procs_rpc(&p, "machine.create", MACHINE, NULL) ||
	       procs_rpc(&p, "function.create",
			 "{\"machine\":\"demo\",\"address\":\"00:01.0\","
			 "\"device\":\"rng\"}",
			 NULL);
}

static int start_sleepy(void **state)
{
	(void)state;
	return start_with("0");
}

static int start_polling(void **state)
{
	(void)state;
	return start_with("off");
}

static struct pciring *attach_spinning(uint32_t spin_ns, uint32_t path_kind)
{
	struct pciring_options opt = {
		.size = sizeof(opt),
		.machine = "demo",
		.lanes = LANES,
		.spin_ns = spin_ns,
		.path = path_kind,
	};
	struct pciring *link = NULL;
	char path[PROCS_PATH];
	int err = -EBUSY;

	procs_path(&p, "attach.sock", path);
	/* Whoever was attached before may not be known to have gone. */
	for (int patience = 5000; err == -EBUSY && patience; patience--) {
		err = pciring_attach(path, &opt, &link);
		poll(NULL, 0, err == -EBUSY);
	}
	assert_int_equal(err, 0);
	link->slice_ns = FOREVER_NS;
	return link;
}

/* A counter of the only link. */
static json_int_t link_counter(const char *key)
{
	json_t *stats;
	json_int_t n;

	assert_int_equal(
		procs_rpc(&p, "stats.get", "{\"machine\":\"demo\"}", &stats),
		0);
	n = counter(json_array_get(json_object_get(stats, "links"), 0), key);
	json_decref(stats);
	return n;
}

/* ---- Threads that sleep ------------------------------------------------ */

struct sleeper {
	_Alignas(64) struct pciring *link;
	unsigned int lane;
	unsigned int rounds;
	pthread_t thread;
	atomic_uint done;  /* rounds so far */
	unsigned int away; /* how often it was called away */
	atomic_uint called;
	atomic_uint wrong;
	atomic_bool ended;
	atomic_bool enough;
	struct guest *g; /* draws; otherwise it reads registers */
};

/* Vendor or device ID: an answer that is an older one is a wrong one. */
static void read_one(struct sleeper *s, unsigned int round)
{
	struct pciring_access a = {
		.space = PCIRING_SPACE_CONFIG,
		.function = BDF,
		.address = round % 2 * 2,
		.size = 2,
	};
	int err = pciring_access_begin(s->link, s->lane, &a);

	while (!err) {
		err = pciring_access_collect(s->link, s->lane, &a);
		if (err != -EINTR)
			break;
		s->away++;
		err = 0;
	}
	if (err || a.value != (round % 2 ? 0x1044 : 0x1af4))
		atomic_fetch_add(&s->wrong, 1);
}

/* A posted doorbell to a loop that sleeps; then its interrupt is slept for. */
static void draw_one(struct sleeper *s)
{
	struct guest_buf buf = { .gpa = RAM_GPA + RAM_SIZE / 2,
				 .len = 16,
				 .write = true };
	struct guest_used used;
	struct pciring_irq irq;
	int err;

	if (guest_add(s->g, 0, &buf, 1, false) < 0)
		atomic_fetch_add(&s->wrong, 1);
	guest_kick(s->g, 0);
	do
		err = pciring_irq_wait(s->link, -1);
	while (err == -EINTR);
	if (err != 1 || pciring_irq_poll(s->link, &irq, 1) != 1 ||
	    guest_poll(s->g, 0, &used) != 1)
		atomic_fetch_add(&s->wrong, 1);
}

static void *sleep_often(void *arg)
{
	struct sleeper *s = arg;

	for (unsigned int i = 0; i < s->rounds; i++) {
		if (s->g)
			draw_one(s);
		else
			read_one(s, i);
		atomic_store(&s->done, i + 1);
	}
	atomic_store(&s->ended, true);
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
}

/* Whether all of them end; each is called away, or signalled, every so often.
 * Ends at once when none has moved for long. */
static bool all_end(struct sleeper *s, unsigned int n, bool disturb)
{
	int64_t moved[LANES] = { 0 }, now;
	unsigned int seen[LANES] = { 0 }, ended = 0;

	for (unsigned int tick = 0; ended < n; tick++) {
		ended = 0;
		now = test_now_ms();
		for (unsigned int i = 0; i < n; i++) {
			if (atomic_load(&s[i].ended)) {
				ended++;
				continue;
			}
			if (!moved[i] || atomic_load(&s[i].done) != seen[i])
				moved[i] = now;
			seen[i] = atomic_load(&s[i].done);
			if (now - moved[i] > STANDSTILL_MS) {
				print_error("lane %u stands still at %u\n",
					    s[i].lane, seen[i]);
				return false;
			}
			if (disturb && tick % 2)
				pciring_call_away(s[i].link, s[i].lane);
			else if (disturb)
				pthread_kill(s[i].thread, SIGUSR1);
		}
		usleep(disturb ? 50 : 1000);
	}
	return true;
}

static void run(struct sleeper *s, unsigned int n, bool disturb)
{
	const struct sigaction act = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &act, NULL);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(
			pthread_create(&s[i].thread, NULL, sleep_often, &s[i]),
			0);
	/* Those that are stuck would be stuck in pthread_join() too. */
	if (!all_end(s, n, disturb)) {
		fflush(NULL);
		_exit(1);
	}
	for (unsigned int i = 0; i < n; i++) {
		pthread_join(s[i].thread, NULL);
		assert_int_equal(s[i].wrong, 0);
		assert_int_equal(s[i].done, s[i].rounds);
	}
}

/* ---- Nothing is lost --------------------------------------------------- */

static void alone_and_together(uint32_t path)
{
	struct pciring *link = attach_spinning(0, path);
	static struct sleeper s[LANES];
	unsigned int away = 0, again = 0;

	/* Nobody else's request wakes the loop for it. */
	do {
		memset(s, 0, sizeof(s));
		s[0] = (struct sleeper){ .link = link, .rounds = ROUNDS };
		run(s, 1, false);
		/* Where both share a core all answers may come before it sleeps. */
	} while (!link_counter("wakes") && ++again < 50);
	/* One syscall for one sleeper, at most one for each answer. */
	assert_true(link_counter("wakes") > 0);
	assert_true(link_counter("wakes") <= link_counter("completions"));
	memset(s, 0, sizeof(s));
	for (unsigned int i = 0; i < LANES; i++)
		s[i] = (struct sleeper){ .link = link,
					 .lane = i,
					 .rounds = ROUNDS / 2 };
	run(s, LANES, false);
	memset(s, 0, sizeof(s));
	for (unsigned int i = 0; i < LANES; i++)
		s[i] = (struct sleeper){ .link = link,
					 .lane = i,
					 .rounds = ROUNDS / 2 };
	run(s, LANES, true);
	for (unsigned int i = 0; i < LANES; i++)
		away += s[i].away;
	assert_true(away > 0);
	assert_int_equal(link_counter("completions"), (5 + again) * ROUNDS);
	pciring_detach(link);
}

static void no_access_by_mailbox_is_lost_when_all_sleep(void **state)
{
	(void)state;
	alone_and_together(PCIRING_PATH_MAILBOX);
}

static void no_access_by_rings_is_lost_when_all_sleep(void **state)
{
	(void)state;
	alone_and_together(PCIRING_PATH_RINGS);
}

static void no_doorbell_and_no_interrupt_is_lost_when_all_sleep(void **state)
{
	struct pciring *link = attach_spinning(0, PCIRING_PATH_MAILBOX);
	static struct sleeper s[LANES];
	struct guest g;
	uint8_t *mem;
	int ram = make_ram(&mem);

	(void)state;
	assert_int_equal(pciring_dma_map(link, RAM_GPA, RAM_SIZE, ram, 0,
					 PCIRING_DMA_READ | PCIRING_DMA_WRITE),
			 0);
	service_guest_boot(&g, link, mem, true);
	/* Alone, then beside others who are called away. */
	memset(s, 0, sizeof(s));
	s[0] = (struct sleeper){ .link = link, .rounds = DRAWS, .g = &g };
	run(s, 1, false);
	memset(s, 0, sizeof(s));
	for (unsigned int i = 0; i < LANES; i++)
		s[i] = (struct sleeper){ .link = link,
					 .lane = i,
					 .rounds = i ? ROUNDS / 4 : DRAWS,
					 .g = i ? NULL : &g };
	run(s, LANES, true);
	assert_int_equal(link_counter("irqs"), 2 * DRAWS);
	assert_true(link_counter("posted") >= 2 * DRAWS);
	pciring_detach(link);
	munmap(mem, RAM_SIZE);
	close(ram);
}

/* ---- Called away -------------------------------------------------------- */

static void *collect_often(void *arg)
{
	struct sleeper *s = arg;
	struct pciring_access a = { 0 };

	for (unsigned int i = 1; !atomic_load(&s->enough); i++) {
		atomic_store(&s->done, i);
		if (pciring_access_collect(s->link, s->lane, &a) != -EINTR)
			atomic_fetch_add(&s->wrong, 1);
		for (unsigned int n = 1; atomic_load(&s->called) != i; n++)
			if (n % 512 == 0)
				sched_yield();
	}
	return NULL;
}

/* Once for each collect, at any moment around its falling asleep.  Whether the
 * last collect was called away. */
static bool call_away_often(struct sleeper *s)
{
	int64_t enough = test_now_ms() + CALLS_MS;
	uint64_t seed = 88172645463325252;
	bool last = false;

	for (unsigned int i = 1; !last; i++) {
		for (unsigned int n = 1; atomic_load(&s->done) != i; n++) {
			if (n % 512 == 0)
				sched_yield();
			if (n % 4096 == 0 &&
			    test_now_ms() > enough + STANDSTILL_MS) {
				print_error("collect %u stands still\n", i - 1);
				return false;
			}
		}
		for (unsigned int n = test_random(&seed) % 16; n; n--)
			rte_pause();
		last = i == CALLS || test_now_ms() >= enough;
		atomic_store(&s->enough, last);
		pciring_call_away(s->link, s->lane);
		atomic_store(&s->called, i);
	}
	return true;
}

/* A service that is stopped leaves nothing else to end a collect. */
static void no_call_away_is_lost_and_the_answer_is_kept(void **state)
{
	struct pciring *link = attach_spinning(0, PCIRING_PATH_MAILBOX);
	struct pciring_access a = { .space = PCIRING_SPACE_CONFIG,
				    .function = BDF,
				    .size = 2 };
	static struct sleeper s;
	int status;

	(void)state;
	s = (struct sleeper){ .link = link };
	assert_int_equal(kill(p.service, SIGSTOP), 0);
	/* All of its threads have stopped. */
	assert_int_equal(waitpid(p.service, &status, WUNTRACED), p.service);
	assert_int_equal(pciring_access_begin(link, 0, &a), 0);
	assert_int_equal(pthread_create(&s.thread, NULL, collect_often, &s), 0);
	if (!call_away_often(&s)) {
		fflush(NULL);
		_exit(1);
	}
	pthread_join(s.thread, NULL);
	kill(p.service, SIGCONT);
	assert_int_equal(s.wrong, 0);
	assert_int_equal(pciring_access_collect(link, 0, &a), 0);
	assert_int_equal(a.value, 0x1af4);
	assert_int_equal(pciring_access_collect(link, 0, &a), -ENOENT);
	pciring_detach(link);
}

/* Nor may it: a sleeper that nobody wakes is the end of all accesses. */
static void a_service_that_sleeps_does_not_say_that_it_polls(void **state)
{
	(void)state;
	for (uint32_t path = PCIRING_PATH_MAILBOX; path <= PCIRING_PATH_RINGS;
	     path++) {
		struct pciring *link = attach_spinning(0, path);

		assert_false(pciring_features(link) & PCIRING_FEATURE_POLLS);
		assert_false(link->ch.polled);
		pciring_detach(link);
	}
}

/* ---- Nobody sleeps ----------------------------------------------------- */

static void who_polls_makes_no_syscall_and_gets_none(void **state)
{
	struct pciring *link =
		attach_spinning(UINT32_MAX, PCIRING_PATH_MAILBOX);
	struct pollfd kick = { .fd = link->ch.kick_fd, .events = POLLIN };
	const unsigned int n = TEST_ROUNDS(500);
	struct sleeper s = { .link = link };

	(void)state;
	for (unsigned int i = 0; i < n; i++)
		read_one(&s, i);
	assert_int_equal(s.wrong, 0);
	assert_int_equal(link_counter("completions"), n);
	assert_int_equal(link_counter("wakes"), 0);
	/* Nor was the loop kicked, which would still be there to see. */
	assert_int_equal(poll(&kick, 1, 0), 0);
	pciring_detach(link);
}

/* Not even if it declares itself, as only one that lies does: all of a client
 * works without.  The word is ours to write in this test, as nobody else does
 * while the service polls. */
static void who_is_told_that_the_service_polls_never_kicks_it(void **state)
{
	for (uint32_t path = PCIRING_PATH_MAILBOX; path <= PCIRING_PATH_RINGS;
	     path++) {
		struct pciring *link = attach_spinning(0, path);
		struct pollfd kick = { .fd = link->ch.kick_fd,
				       .events = POLLIN };
		struct seg_wait *w = &link->ch.head->service;
		struct sleeper s = { .link = link, .lane = 1 };
		struct guest g;
		uint8_t *mem;
		int ram = make_ram(&mem);

		(void)state;
		assert_true(pciring_features(link) & PCIRING_FEATURE_POLLS);
		assert_int_equal(
			pciring_dma_map(link, RAM_GPA, RAM_SIZE, ram, 0,
					PCIRING_DMA_READ | PCIRING_DMA_WRITE),
			0);
		atomic_store(&w->mode, SEG_EVENTFD);
		service_guest_boot(&g, link, mem, true);
		for (unsigned int i = 0; i < 50; i++) {
			read_one(&s, i);
			s.g = &g;
			draw_one(&s);
		}
		assert_int_equal(s.wrong, 0);
		/* Of a queue that is hot no kick is wanted. */
		assert_true(link_counter("posted") >= 1);
		assert_int_equal(link_counter("irqs"), 50);
		assert_int_equal(atomic_load(&w->mode), SEG_EVENTFD);
		assert_int_equal(poll(&kick, 1, 0), 0);
		pciring_detach(link);
		munmap(mem, RAM_SIZE);
		close(ram);
	}
}

/* What the reply to such a hello has, when whoever was attached has gone. */
static uint64_t agreed_on(uint16_t minor, uint64_t features)
{
	struct msg_hello h = hello(PCIRING_SCOPE_MACHINE);
	struct attach_packet pkt;
	int fd, err = -EBUSY;
	uint64_t agreed = 0;

	h.minor = minor;
	h.features = features;
	for (int patience = 5000; err == -EBUSY && patience; patience--) {
		fd = raw_connect();
		send_bytes(fd, &h, sizeof(h));
		assert_int_equal(attach_recv(fd, &pkt), 1);
		err = pkt.m.h.error;
		if (!err)
			agreed = pkt.m.hello_reply.features;
		attach_packet_fini(&pkt);
		close(fd);
		poll(NULL, 0, err == -EBUSY);
	}
	assert_int_equal(err, 0);
	return agreed;
}

static void a_service_that_polls_tells_who_asks(void **state)
{
	const uint64_t both = MSG_FEATURE_MAILBOX | MSG_FEATURE_POLLS;

	(void)state;
	assert_int_equal(agreed_on(2, UINT64_MAX), 0);
	assert_int_equal(agreed_on(3, 0), 0);
	assert_int_equal(agreed_on(3, MSG_FEATURE_MAILBOX),
			 MSG_FEATURE_MAILBOX);
	assert_int_equal(agreed_on(3, MSG_FEATURE_POLLS), MSG_FEATURE_POLLS);
	assert_int_equal(agreed_on(9, UINT64_MAX), both);
}

int main(void)
{
	const struct CMUnitTest sleepy[] = {
		cmocka_unit_test(no_access_by_mailbox_is_lost_when_all_sleep),
		cmocka_unit_test(no_access_by_rings_is_lost_when_all_sleep),
		cmocka_unit_test(
			no_doorbell_and_no_interrupt_is_lost_when_all_sleep),
		cmocka_unit_test(no_call_away_is_lost_and_the_answer_is_kept),
		cmocka_unit_test(
			a_service_that_sleeps_does_not_say_that_it_polls),
	};
	const struct CMUnitTest polling[] = {
		cmocka_unit_test(a_service_that_polls_tells_who_asks),
		cmocka_unit_test(who_polls_makes_no_syscall_and_gets_none),
		cmocka_unit_test(
			who_is_told_that_the_service_polls_never_kicks_it),
	};
	int failed = cmocka_run_group_tests(sleepy, start_sleepy, service_stop);

	return failed +
	       cmocka_run_group_tests(polling, start_polling, service_stop);
}
