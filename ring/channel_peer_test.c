/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other half of a channel is a process that writes nonsense all over the
 * segment, and punches holes into it, while this half works.  Whatever it gets
 * out of that, this half must neither fault nor hang nor return more than it
 * was asked for, and it must find out.  What is found out is forgiven here, as
 * if a new VMM attached, so that the scribbling goes on against a live half.
 *
 * PCIRING_SCRIBBLE_MS=N   for how long in each test
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring/shm.h"
#include "ring/test_channel.h"

#define LANES	      2
#define SCRIBBLE_MS   250
#define GUARD_SECONDS 30

struct peer {
	struct channel ch;
	pid_t pid;
	int64_t end;
	unsigned int broken[CHANNEL_NR_FAULTS]; /* how often, for what */
};

typedef void nuisance_fn(const struct channel *ch, uint32_t *words);

static void store(uint32_t *words, uint64_t at, uint64_t value)
{
	atomic_store_explicit((_Atomic uint32_t *)&words[at], (uint32_t)value,
			      memory_order_relaxed);
}

/* Function, space and size of requests that could be. */
static const uint32_t plausible[] = { 0x04030000, 0x01000000, 0x02010005,
				      0x08030008 };

/* A posted write mostly, where the ring's next elements may be. */
static void scribble_request(uint32_t *words, const struct msg_geometry *g,
			     uint64_t *seed)
{
	uint64_t r = test_random(seed);
	uint64_t at = g->request_offset + r % LANES * g->request_stride + 256 +
		      (r >> 8) % CHANNEL_REQUESTS * sizeof(struct msg_access);

	store(words, at / 4 + 5, plausible[(r >> 16) % ARRAY_SIZE(plausible)]);
	store(words, at / 4 + 6, r >> 32 & 31 ? MSG_POSTED : r >> 40);
}

/* A question that could be, but for the word that was written last. */
static void scribble_mailbox(uint32_t *words, uint64_t *seed)
{
	uint64_t r = test_random(seed);
	uint64_t lane = 2 * SEG_PAGE / 4 + r % LANES * 16;

	store(words, lane + 11, plausible[(r >> 8) % ARRAY_SIZE(plausible)]);
	store(words, lane + 12, (r >> 16) % 64 ? (r >> 24) & 1 : r >> 24);
	store(words, lane + 2, r >> 32);
	if ((r >> 10) % 16 == 0)
		store(words, lane + (r >> 16) % 16, test_random(seed));
}

#define NR_RINGS (2 * LANES + 1)

static uint64_t ring_offset(const struct msg_geometry *g, uint64_t i)
{
	if (i < LANES)
		return g->request_offset + i * g->request_stride;
	if (i < 2 * LANES)
		return g->completion_offset +
		       (i - LANES) * g->completion_stride;
	return g->irq_offset;
}

/* What an index may be soon after a half began, so that it gets some way. */
static void scribble_tails(uint32_t *words, const struct msg_geometry *g,
			   uint64_t *seed)
{
	for (unsigned int i = 0; i < NR_RINGS; i++) {
		uint64_t r = test_random(seed), at = ring_offset(g, i) / 4;

		store(words, at + 1, r % 4);		 /* prod.tail */
		store(words, at + 33, (r >> 8) % 4 & r); /* cons.tail */
	}
}

/* Mostly the 256 bytes of a ring's indices, and mostly plausible numbers. */
static void scribble_rings(uint32_t *words, const struct msg_geometry *g,
			   uint64_t *seed)
{
	uint64_t r = test_random(seed), at;

	if (r & 3)
		at = ring_offset(g, (r >> 8) % NR_RINGS) / 4 + (r >> 16) % 64;
	else
		at = (r >> 8) % (g->segment_size / 4);
	store(words, at, test_random(seed) >> (32 + (r >> 40) % 32));
}

static void scribble(const struct channel *ch, uint32_t *words)
{
	uint64_t seed = 0x2545f4914f6cdd1d;

	/* All is written on either path; one of the two is in use.  For a while
	 * wildly, and for a while so that much of it could be. */
	for (unsigned int n = 0;; n++) {
		if (n & 4096)
			scribble_rings(words, &ch->geo, &seed);
		else if (n % 16 == 0)
			scribble_tails(words, &ch->geo, &seed);
		scribble_mailbox(words, &seed);
		scribble_request(words, &ch->geo, &seed);
	}
}

/* It scribbles as well, or there would be nothing to lose in a hole. */
static void punch_holes(const struct channel *ch, uint32_t *words)
{
	uint64_t seed = 0x2545f4914f6cdd1d, r;

	for (;;) {
		scribble_tails(words, &ch->geo, &seed);
		for (unsigned int i = 0; i < 64; i++) {
			scribble_request(words, &ch->geo, &seed);
			scribble_mailbox(words, &seed);
		}
		r = test_random(&seed) % (ch->geo.segment_size / SEG_PAGE);
		if (fallocate(ch->fd,
			      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)(r * SEG_PAGE), SEG_PAGE))
			_exit(2);
		if (!ftruncate(ch->fd, 0) ||
		    !ftruncate(ch->fd, (off_t)ch->geo.segment_size * 2))
			_exit(3);
	}
}

static int64_t scribble_ms(void)
{
	const char *s = getenv("PCIRING_SCRIBBLE_MS");

	return s ? strtol(s, NULL, 10) : SCRIBBLE_MS;
}

static void peer_start(struct peer *p, bool mailbox, nuisance_fn *nuisance)
{
	unsigned int guard = GUARD_SECONDS + (unsigned int)scribble_ms() / 1000;
	void *words;

	memset(p, 0, sizeof(*p));
	assert_int_equal(channel_create(&p->ch, LANES, 1), 0);
	p->ch.mailbox = mailbox;
	words = shm_map(p->ch.fd, 0, p->ch.geo.segment_size);
	assert_non_null(words);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (!p->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(guard);
		nuisance(&p->ch, words);
		_exit(1);
	}
	shm_unmap(words, p->ch.geo.segment_size);
	p->end = test_now_ms() + scribble_ms();
	/* A verb that hangs ends the program. */
	alarm(guard);
}

static void forget(struct ring *ring)
{
	ring->put = ring->get = (struct ring_side){ 0 };
}

/* Count why it broke, and be a new half of the same segment. */
static void peer_forgive(struct peer *p)
{
	struct channel *ch = &p->ch;

	if (!channel_broken(ch))
		return;
	p->broken[channel_broken(ch)]++;
	ch->fault = CHANNEL_WHOLE;
	/* The peer's turn now and then, where the two have one core. */
	if (p->broken[CHANNEL_FORGED_INDEX] % 16 == 1)
		sched_yield();
	forget(&ch->irq);
	for (unsigned int i = 0; i < LANES; i++) {
		forget(&ch->lane[i].request);
		forget(&ch->lane[i].completion);
		ch->lane[i].pending = ch->lane[i].asked = ch->taken[i] = 0;
	}
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
	assert_true(n <= CHANNEL_REQUESTS);
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

/* What all the nonsense leads to, if the two run at the same time for long
 * enough: that they do is the scheduler's business, so there is no time limit
 * but the alarm. */
static bool seen_all(const struct peer *p, bool bad)
{
	return p->ch.stats.requests && p->broken[CHANNEL_FORGED_INDEX] &&
	       (!bad || p->broken[CHANNEL_BAD_REQUEST]);
}

static void serve_among(struct peer *p, bool bad)
{
	const struct seg_window window = { .length = 16, .sizes = 2 };
	const struct msg_irq irq = { .what = 1 };

	while (test_now_ms() < p->end || !seen_all(p, bad)) {
		channel_sleep(&p->ch);
		(void)channel_has_work(&p->ch);
		channel_awake(&p->ch);
		(void)channel_look(&p->ch);
		for (unsigned int lane = 0; lane < LANES; lane++) {
			serve_lane(&p->ch, lane);
			assert_int_equal(p->ch.lane[lane].pending, 0);
		}
		(void)channel_irq(&p->ch, &irq);
		channel_irq_wake(&p->ch);
		channel_set_windows(&p->ch, &window, 1);
		peer_forgive(p);
	}
}

/* rule 121 */
static void a_scribbling_client_is_served_until_it_is_found_out(void **state)
{
	static struct peer p;

	peer_start(&p, by_mailbox(state), scribble);
	serve_among(&p, true);
	assert_int_equal(p.ch.stats.bad_requests,
			 p.broken[CHANNEL_BAD_REQUEST]);
	peer_end(&p);
}

static void a_client_that_punches_holes_is_found_out(void **state)
{
	static struct peer p;

	peer_start(&p, by_mailbox(state), punch_holes);
	serve_among(&p, false);
	peer_end(&p);
}

static void a_scribbling_service_is_found_out_by_the_client(void **state)
{
	struct msg_access req = request(1, MSG_READ);
	struct msg_irq irqs[CHANNEL_IRQS + 1];
	struct msg_completion c;
	static struct peer p;
	unsigned int lane, got = 0;
	uint32_t ticket;

	peer_start(&p, by_mailbox(state), scribble);
	while (test_now_ms() < p.end || !got ||
	       !p.broken[CHANNEL_FORGED_INDEX]) {
		for (lane = 0; lane < LANES; lane++) {
			/* A mailbox hands out what was asked for only. */
			req.seq = p.ch.lane[lane].shared->answer;
			(void)channel_put(&p.ch, lane, &req);
			got += channel_get(&p.ch, lane, &c);
			req.op = MSG_POSTED;
			(void)channel_put(&p.ch, lane, &req);
			req.op = MSG_READ;
			(void)channel_can_put(&p.ch, lane, 2);
		}
		memset(&irqs[CHANNEL_IRQS], 0x5a, sizeof(irqs[0]));
		assert_true(channel_get_irqs(&p.ch, irqs, CHANNEL_IRQS) <
			    CHANNEL_IRQS);
		assert_int_equal(irqs[CHANNEL_IRQS].data, 0x5a5a5a5a);
		(void)channel_may_post(&p.ch, PCIRING_SPACE_MMIO, 0, 0, 2);
		wait_declare(&p.ch.client->irq, SEG_FUTEX, &ticket);
		(void)wait_sleep(&p.ch.client->irq, ticket, 10000);
		wait_done(&p.ch.client->irq);
		peer_forgive(&p);
	}
	assert_int_equal(p.broken[CHANNEL_BAD_REQUEST], 0);
	peer_end(&p);
}

/* ---- Descriptors and holes ----------------------------------------------- */

static void the_seals_refuse_every_change_of_size(void **state)
{
	struct pair p;
	int fd;

	(void)state;
	pair_init(&p, 1);
	fd = p.client.fd;
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, (off_t)p.client.geo.segment_size + 4096),
			 -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(
		fallocate(fd, 0, (off_t)p.client.geo.segment_size, 4096), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EPERM);
	pair_fini(&p);
}

/* A hole under everything: all words are 0, which no used index or mailbox is,
 * and what was never used is as new. */
static void a_hole_reads_as_zero_and_is_found_out(void **state)
{
	struct msg_completion c;
	struct msg_access req;
	struct pair p;

	for (unsigned int used = 0; used < 2; used++) {
		pair_init_by(&p, 1, by_mailbox(state));
		if (used) {
			put(&p.client, 0, 1, MSG_READ);
			channel_take(&p.service, 0, &req, 1);
			channel_complete(&p.service, 0, &req, 0, 0);
			assert_true(channel_get(&p.client, 0, &c));
		}
		assert_int_equal(
			fallocate(p.client.fd,
				  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				  (off_t)p.client.geo.segment_size),
			0);
		assert_int_equal(p.service.head->magic, 0);
		assert_int_equal(channel_take(&p.service, 0, &req, 1), 0);
		assert_int_equal(channel_broken(&p.service) != CHANNEL_WHOLE,
				 used);
		pair_fini(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_PATHS(a_scribbling_client_is_served_until_it_is_found_out),
		BOTH_PATHS(a_client_that_punches_holes_is_found_out),
		BOTH_PATHS(a_scribbling_service_is_found_out_by_the_client),
		cmocka_unit_test(the_seals_refuse_every_change_of_size),
		BOTH_PATHS(a_hole_reads_as_zero_and_is_found_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
