/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A service that sends interrupts faster than anybody takes them.  It forges
 * nothing: its index always moves on, by what is free.
 */
#include "ring/client.h"

#include <sched.h>

#include "ring/test_service.h"

#define CALLS 2000

static struct test_service service;
static struct pciring *p;
static atomic_bool enough;
static atomic_uint rounds;

static int start(void **state)
{
	(void)state;
	service_start(&service);
	p = service_attach_by(&service, 1, PCIRING_PATH_MAILBOX);
	return 0;
}

static int end(void **state)
{
	(void)state;
	pciring_detach(p);
	service_end(&service);
	return 0;
}

/* What was taken is there again, at once. */
static void refill(void)
{
	struct rte_ring *r = p->ch.irq.r;
	uint32_t taken = __atomic_load_n(&r->cons.tail, __ATOMIC_ACQUIRE);

	__atomic_store_n(&r->prod.tail, taken + r->capacity, __ATOMIC_RELEASE);
}

/* Every slot has @irq. */
static void fill_with(const struct msg_irq *irq)
{
	struct pciring_irq out[CHANNEL_IRQS];

	/* Two rounds: each one leaves a slot out. */
	for (int i = 0; i < 2; i++) {
		while (service_irq(&service, irq))
			;
		pciring_irq_poll(p, out, CHANNEL_IRQS);
	}
	refill();
}

static void *refill_often(void *arg)
{
	(void)arg;
	while (!atomic_load(&enough)) {
		refill();
		atomic_fetch_add(&rounds, 1);
	}
	return NULL;
}

/* Where both threads run, a poll without a limit would go on as long. */
static void a_flood_of_unknown_types_does_not_hold_a_poll(void **state)
{
	const struct msg_irq strange = { .what = MSG_IRQ_WHAT(15, 0) };
	struct pciring_irq out;
	pthread_t thread;
	uint32_t before;

	(void)state;
	fill_with(&strange);
	assert_int_equal(pthread_create(&thread, NULL, refill_often, NULL), 0);
	for (unsigned int i = 0; i < CALLS; i++) {
		while (atomic_load(&rounds) <= i)
			sched_yield();
		before = p->ch.irq.get.mine;
		assert_int_equal(pciring_irq_poll(p, &out, 1), 0);
		assert_true(p->ch.irq.get.mine - before <= CHANNEL_IRQS);
	}
	atomic_store(&enough, true);
	pthread_join(thread, NULL);
	assert_int_equal(pciring_status(p), 0);
}

/* More without end would end at ten rings full. */
static void count_and_refill(void *arg, const struct pciring_irq *irq)
{
	unsigned int *n = arg;

	assert_int_equal(irq->number, 1);
	if (++*n < 10 * CHANNEL_IRQS)
		refill();
}

static void a_flood_does_not_hold_a_dispatch(void **state)
{
	const struct msg_irq irq = { .what = MSG_IRQ_WHAT(0, 1) };
	unsigned int n = 0;

	(void)state;
	fill_with(&irq);
	assert_int_equal(pciring_irq_dispatch(p, count_and_refill, &n),
			 CHANNEL_IRQS);
	assert_int_equal(n, CHANNEL_IRQS);
	assert_int_equal(pciring_status(p), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_flood_of_unknown_types_does_not_hold_a_poll),
		TEST(a_flood_does_not_hold_a_dispatch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
