/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interrupt ring of a channel, and who is woken by what.
 */
#include "ring/channel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "ring/test_channel.h"

#define NO_LOST_WAKE_MS 10000

/* ---- Room --------------------------------------------------------------- */

static void a_full_interrupt_ring_is_told_to_the_caller(void **state)
{
	struct msg_irq irq = { .address = 0xfee00000, .what = 3 };
	struct msg_irq got[CHANNEL_IRQS];
	unsigned int i;
	struct pair p;

	(void)state;
	pair_init(&p, 1);
	for (i = 0; i < CHANNEL_IRQS - 1; i++) {
		irq.data = i;
		assert_true(channel_irq(&p.service, &irq));
	}
	assert_false(channel_irq(&p.service, &irq));
	assert_int_equal(p.service.stats.irqs, CHANNEL_IRQS - 1);
	assert_int_equal(p.service.stats.irq_full, 1);
	assert_int_equal(channel_get_irqs(&p.client, got, CHANNEL_IRQS),
			 CHANNEL_IRQS - 1);
	for (i = 0; i < CHANNEL_IRQS - 1; i++)
		assert_int_equal(got[i].data, i);
	assert_true(channel_irq(&p.service, &irq));
	pair_fini(&p);
}

static void whoever_takes_interrupts_kicks_a_sleeping_loop(void **state)
{
	struct msg_irq irq = { .what = 3 };
	struct pair p;

	(void)state;
	pair_init(&p, 1);
	while (channel_irq(&p.service, &irq))
		;
	assert_false(channel_irq_room(&p.service));
	assert_int_equal(channel_get_irqs(&p.client, &irq, 1), 1);
	assert_true(channel_irq_room(&p.service));
	assert_false(readable(p.service.kick_fd));
	channel_sleep(&p.service);
	assert_int_equal(channel_get_irqs(&p.client, &irq, 1), 1);
	assert_true(readable(p.service.kick_fd));
	pair_fini(&p);
}

#define NO_LOST_WAKE_MS 10000

/* ---- Waking the irq thread ---------------------------------------------- */

struct irq_sleeper {
	struct channel *ch;
	uint32_t ticket;
	int64_t limit_ms;
	int result;
	unsigned int found; /* after it woke */
};

static void *sleep_for_irqs(void *arg)
{
	struct irq_sleeper *s = arg;
	struct msg_irq irq[8];

	s->result = wait_sleep(&s->ch->client->irq, s->ticket,
			       s->limit_ms * 1000000);
	wait_done(&s->ch->client->irq);
	s->found = channel_get_irqs(s->ch, irq, ARRAY_SIZE(irq));
	return NULL;
}

static void one_wake_is_enough_for_all_that_was_sent(void **state)
{
	const struct msg_irq irq = { .what = 3 };
	struct irq_sleeper s = { .limit_ms = 20000 };
	struct seg_wait *w;
	pthread_t thread;
	struct pair p;

	(void)state;
	pair_init(&p, 1);
	s.ch = &p.client;
	w = &p.client.client->irq;
	wait_declare(w, SEG_FUTEX, &s.ticket);
	pthread_create(&thread, NULL, sleep_for_irqs, &s);
	for (unsigned int i = 0; i < 5; i++)
		assert_true(channel_irq(&p.service, &irq));
	/* Five interrupts have touched neither word that it sleeps on. */
	assert_int_equal(w->mode, SEG_FUTEX);
	assert_int_equal(w->seq, s.ticket);
	assert_int_equal(p.service.stats.wakes, 0);
	channel_irq_wake(&p.service);
	channel_irq_wake(&p.service);
	pthread_join(thread, NULL);
	assert_int_equal(s.result, 0);
	assert_int_equal(s.found, 5);
	assert_int_equal(p.service.stats.wakes, 1);
	pair_fini(&p);
}

static void without_a_wake_it_sleeps_until_its_own_limit(void **state)
{
	const struct msg_irq irq = { .what = 3 };
	struct irq_sleeper s = { .limit_ms = 50 };
	int64_t begin = test_now_ms();
	struct pair p;

	(void)state;
	pair_init(&p, 1);
	s.ch = &p.client;
	wait_declare(&p.client.client->irq, SEG_FUTEX, &s.ticket);
	for (unsigned int i = 0; i < 5; i++)
		assert_true(channel_irq(&p.service, &irq));
	sleep_for_irqs(&s);
	assert_int_equal(s.result, -ETIMEDOUT);
	assert_true(test_now_ms() - begin >= 49);
	assert_int_equal(s.found, 5);
	assert_int_equal(p.service.stats.wakes, 0);
	pair_fini(&p);
}

static void nobody_is_woken_for_nothing(void **state)
{
	const struct msg_irq irq = { .what = 3 };
	struct seg_wait *w;
	uint32_t ticket;
	struct pair p;

	(void)state;
	pair_init(&p, 1);
	w = &p.client.client->irq;
	/* Sent, but nobody sleeps; then asleep, but nothing was sent. */
	assert_true(channel_irq(&p.service, &irq));
	channel_irq_wake(&p.service);
	wait_declare(w, SEG_FUTEX, &ticket);
	channel_irq_wake(&p.service);
	assert_int_equal(w->mode, SEG_FUTEX);
	assert_int_equal(p.service.stats.wakes, 0);
	/* What found no room was not sent. */
	while (channel_irq(&p.service, &irq))
		;
	channel_irq_wake(&p.service);
	assert_int_equal(p.service.stats.wakes, 1);
	wait_declare(w, SEG_FUTEX, &ticket);
	assert_false(channel_irq(&p.service, &irq));
	channel_irq_wake(&p.service);
	assert_int_equal(w->mode, SEG_FUTEX);
	assert_int_equal(w->seq, ticket);
	assert_int_equal(p.service.stats.wakes, 1);
	pair_fini(&p);
}

#define IRQ_ROUNDS TEST_ROUNDS(50000)
#define IRQ_MORE   1
#define IRQ_LAST   2

/* One mapping for both threads, so that the thread sanitizer can relate them. */
struct irq_race {
	struct channel ch;
	atomic_uint lost;
	atomic_uint taken;
};

static bool take_irqs(struct irq_race *r)
{
	struct msg_irq irq[8];
	bool last = false;
	unsigned int n, i;

	while ((n = channel_get_irqs(&r->ch, irq, 8)))
		for (i = 0; i < n; i++) {
			if (irq[i].data != atomic_fetch_add(&r->taken, 1))
				atomic_fetch_add(&r->lost, 1);
			last = irq[i].what == IRQ_LAST;
		}
	return last;
}

static void *irq_thread(void *arg)
{
	struct irq_race *r = arg;
	struct seg_wait *w = &r->ch.client->irq;
	uint32_t ticket;

	do {
		wait_declare(w, SEG_FUTEX, &ticket);
		if (ring_empty(&r->ch.irq) &&
		    wait_sleep(w, ticket, NO_LOST_WAKE_MS * 1000000ll) ==
			    -ETIMEDOUT)
			atomic_fetch_add(&r->lost, 1);
		wait_done(w);
	} while (!take_irqs(r));
	return NULL;
}

/* A turn sends a few and wakes once; now and then it waits until all were
 * taken, so that the other side does fall asleep. */
static void send_in_turns(struct irq_race *r)
{
	int64_t limit = test_now_ms() + TEST_RACE_MS;
	struct msg_irq irq = { .what = IRQ_MORE };
	uint64_t seed = 88172645463325252;
	unsigned int n;

	while (irq.data < IRQ_ROUNDS && !test_race_is_over(irq.data, limit)) {
		for (n = test_random(&seed) % 4; n; n--)
			irq.data += channel_irq(&r->ch, &irq);
		channel_irq_wake(&r->ch);
		if (test_random(&seed) % 4)
			continue;
		while (!r->lost && atomic_load(&r->taken) != irq.data)
			sched_yield();
	}
	irq.what = IRQ_LAST;
	while (!channel_irq(&r->ch, &irq))
		sched_yield();
	channel_irq_wake(&r->ch);
}

static void a_wake_a_turn_loses_no_sleeper(void **state)
{
	static struct irq_race r;
	pthread_t thread;

	(void)state;
	assert_int_equal(channel_create(&r.ch, 1, 1), 0);
	pthread_create(&thread, NULL, irq_thread, &r);
	send_in_turns(&r);
	pthread_join(thread, NULL);
	assert_int_equal(r.lost, 0);
	assert_true(r.taken > TEST_RACE_ROUNDS);
	assert_int_equal(r.ch.stats.irqs, r.taken);
	assert_true(r.ch.stats.wakes > 0);
	channel_fini(&r.ch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_interrupt_ring_is_told_to_the_caller),
		cmocka_unit_test(
			whoever_takes_interrupts_kicks_a_sleeping_loop),
		cmocka_unit_test(one_wake_is_enough_for_all_that_was_sent),
		cmocka_unit_test(without_a_wake_it_sleeps_until_its_own_limit),
		cmocka_unit_test(nobody_is_woken_for_nothing),
		cmocka_unit_test(a_wake_a_turn_loses_no_sleeper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
