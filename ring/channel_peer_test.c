/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other half of a channel is a process that writes nonsense all over the
 * segment while this half works.  Whatever it gets out of that, this half must
 * neither fault nor hang nor return more than it was asked for.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring/channel.h"
#include "ring/shm.h"
#include "ring/test_util.h"

#define LANES	      2
#define SCRIBBLE_MS   250
#define GUARD_SECONDS 30

struct peer {
	struct channel ch;
	pid_t pid;
	int64_t end;
};

/* Mostly the 256 bytes of a ring's indices, and mostly plausible numbers. */
static void scribble(uint32_t *words, const struct msg_geometry *g)
{
	const uint32_t rings[] = {
		g->request_offset,
		g->request_offset + g->request_stride,
		g->completion_offset,
		g->completion_offset + g->completion_stride,
		g->irq_offset,
	};
	uint64_t seed = 0x2545f4914f6cdd1d;
	uint64_t r, at;

	for (;;) {
		r = test_random(&seed);
		if (r & 3)
			at = rings[(r >> 8) % ARRAY_SIZE(rings)] / 4 +
			     (r >> 16) % 64;
		else
			at = (r >> 8) % (g->segment_size / 4);
		atomic_store_explicit(
			(_Atomic uint32_t *)&words[at],
			(uint32_t)(test_random(&seed) >> (32 + (r >> 40) % 32)),
			memory_order_relaxed);
	}
}

static void peer_start(struct peer *p)
{
	void *words;

	assert_int_equal(channel_create(&p->ch, LANES, 1), 0);
	words = shm_map(p->ch.fd, 0, p->ch.geo.segment_size);
	assert_non_null(words);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (!p->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(GUARD_SECONDS);
		scribble(words, &p->ch.geo);
		_exit(1);
	}
	shm_unmap(words, p->ch.geo.segment_size);
	p->end = test_now_ms() + SCRIBBLE_MS;
	/* A verb that hangs ends the program. */
	alarm(GUARD_SECONDS);
}

static void peer_end(struct peer *p)
{
	int status;

	alarm(0);
	/* It scribbled to the last. */
	assert_int_equal(waitpid(p->pid, &status, WNOHANG), 0);
	kill(p->pid, SIGKILL);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	channel_fini(&p->ch);
}

static void serve_lane(struct channel *ch, unsigned int lane)
{
	struct msg_access req[CHANNEL_REQUESTS + 1];
	unsigned int n, i;

	memset(&req[CHANNEL_REQUESTS], 0x5a, sizeof(req[0]));
	n = channel_take(ch, lane, req, CHANNEL_REQUESTS);
	assert_true(n < CHANNEL_REQUESTS);
	assert_int_equal(req[CHANNEL_REQUESTS].seq, 0x5a5a5a5a);
	for (i = 0; i < n; i++) {
		/* What is returned was judged in the copy. */
		assert_true(req[i].op <= MSG_POSTED);
		assert_true(req[i].space <= PCIRING_SPACE_EOI);
		assert_true(is_power_of_2(req[i].size) && req[i].size <= 8);
		if (req[i].op != MSG_POSTED)
			channel_complete(ch, lane, &req[i], 0, 0);
	}
}

/* rule 121 */
static void a_scribbling_client_does_not_disturb_the_service(void **state)
{
	const struct seg_window window = { .length = 16, .sizes = 2 };
	const struct msg_irq irq = { .what = 1 };
	static struct peer p;
	unsigned int lane;

	(void)state;
	peer_start(&p);
	while (test_now_ms() < p.end) {
		channel_sleep(&p.ch);
		(void)channel_has_work(&p.ch);
		channel_awake(&p.ch);
		for (lane = 0; lane < LANES; lane++) {
			serve_lane(&p.ch, lane);
			assert_int_equal(p.ch.lane[lane].pending, 0);
		}
		(void)channel_irq(&p.ch, &irq);
		channel_irq_wake(&p.ch);
		channel_set_windows(&p.ch, &window, 1);
	}
	assert_true(p.ch.stats.requests + p.ch.stats.bad_requests > 0);
	peer_end(&p);
}

static void a_scribbling_service_does_not_disturb_the_client(void **state)
{
	const struct msg_access req = { .size = 4 };
	struct msg_irq irqs[CHANNEL_IRQS + 1];
	struct msg_completion c;
	static struct peer p;
	unsigned int lane, got = 0;
	uint32_t ticket;

	(void)state;
	peer_start(&p);
	while (test_now_ms() < p.end) {
		for (lane = 0; lane < LANES; lane++) {
			(void)channel_put(&p.ch, lane, &req);
			got += channel_get(&p.ch, lane, &c);
			assert_true(ring_room(&p.ch.lane[lane].request) <
				    CHANNEL_REQUESTS);
		}
		memset(&irqs[CHANNEL_IRQS], 0x5a, sizeof(irqs[0]));
		assert_true(channel_get_irqs(&p.ch, irqs, CHANNEL_IRQS) <
			    CHANNEL_IRQS);
		assert_int_equal(irqs[CHANNEL_IRQS].data, 0x5a5a5a5a);
		(void)channel_may_post(&p.ch, PCIRING_SPACE_MMIO, 0, 0, 2);
		wait_declare(&p.ch.client->irq, SEG_FUTEX, &ticket);
		(void)wait_sleep(&p.ch.client->irq, ticket, 10000);
		wait_done(&p.ch.client->irq);
	}
	assert_true(got > 0);
	peer_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_scribbling_client_does_not_disturb_the_service),
		cmocka_unit_test(
			a_scribbling_service_does_not_disturb_the_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
