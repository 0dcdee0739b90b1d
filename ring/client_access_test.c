/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring/client.h"

#include <signal.h>
#include <sys/time.h>

#include "ring/test_service.h"

#define F1 (1 << 3)

static struct test_service service;
static struct pciring *p;
static uint32_t path; /* of all tests, one after the other */

static int by_mailbox(void **state)
{
	(void)state;
	path = PCIRING_PATH_MAILBOX;
	return 0;
}

static int by_rings(void **state)
{
	(void)state;
	path = PCIRING_PATH_RINGS;
	return 0;
}

static int start(void **state)
{
	(void)state;
	service_start(&service);
	p = service_attach_by(&service, 4, path);
	return 0;
}

static int end(void **state)
{
	(void)state;
	pciring_detach(p);
	service_end(&service);
	return 0;
}

static struct pciring_access access_of(uint8_t space, uint64_t address,
				       uint8_t size)
{
	return (struct pciring_access){
		.function = F1, .space = space, .address = address, .size = size
	};
}

static int read_reg(unsigned int lane, uint64_t address, uint64_t *value)
{
	struct pciring_access a = access_of(PCIRING_SPACE_BAR0, address, 8);
	int err = pciring_access(p, lane, &a);

	*value = a.value;
	return err;
}

static int write_reg(unsigned int lane, uint64_t address, uint64_t value)
{
	struct pciring_access a = access_of(PCIRING_SPACE_BAR0, address, 8);

	a.write = 1;
	a.value = value;
	return pciring_access(p, lane, &a);
}

/* ---- Accesses ---------------------------------------------------------- */

static void what_is_written_is_read(void **state)
{
	unsigned int lane, i;
	uint64_t value;

	(void)state;
	for (i = 0; i < 200; i++) {
		lane = i % 4;
		assert_int_equal(write_reg(lane, 8 * i, 0x1234567890 + i), 0);
		assert_int_equal(read_reg(3 - lane, 8 * i, &value), 0);
		assert_int_equal(value, 0x1234567890 + i);
	}
}

static void a_value_is_no_wider_than_its_access(void **state)
{
	struct pciring_access a = access_of(PCIRING_SPACE_BAR0, 0, 2);

	(void)state;
	service.reg[0] = UINT64_MAX;
	assert_int_equal(pciring_access(p, 0, &a), 0);
	assert_int_equal(a.value, 0xffff);
	a.write = 1;
	a.value = UINT64_MAX;
	assert_int_equal(pciring_access(p, 0, &a), 0);
	assert_int_equal(service.reg[0], 0xffff);
	assert_int_equal(a.value, UINT64_MAX);
}

static void impossible_accesses_are_refused_here(void **state)
{
	static const struct {
		unsigned int lane;
		uint8_t space, size, write;
	} bad[] = {
		{ 4, 3, 4, 0 },
		{ 0, 10, 4, 1 },
		{ 0, 255, 4, 0 },
		{ 0, 3, 0, 0 },
		{ 0, 3, 3, 0 },
		{ 0, 3, 16, 0 },
		{ 0, 3, 255, 0 },
		{ 0, 2, 8, 0 },
		{ 0, 3, 4, 2 },
		{ 0, PCIRING_SPACE_EOI, 4, 0 },
		{ 0, PCIRING_SPACE_EOI, 8, 1 },
		{ 0, PCIRING_SPACE_EOI, 4, 2 },
		{ 4, PCIRING_SPACE_EOI, 4, 1 },
	};
	struct pciring_access a;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		a = access_of(bad[i].space, 0, bad[i].size);
		a.write = bad[i].write;
		a.value = 7;
		assert_int_equal(pciring_access(p, bad[i].lane, &a), -EINVAL);
		assert_int_equal(pciring_post(p, bad[i].lane, &a), -EINVAL);
		assert_int_equal(a.value, 7);
	}
	pthread_mutex_lock(&service.lock);
	assert_int_equal(service.ch.stats.requests, 0);
	pthread_mutex_unlock(&service.lock);
}

static void the_end_of_an_interrupt_goes_through_and_is_not_posted(void **state)
{
	struct pciring_access a =
		access_of(PCIRING_SPACE_EOI, PCIRING_EOI_GSI, 4);

	(void)state;
	a.write = 1;
	a.value = 17;
	assert_int_equal(pciring_access(p, 0, &a), 0);
	assert_int_equal(service.reg[0], 17);
	assert_int_equal(pciring_post(p, 0, &a), -EPERM);
}

static void an_error_of_the_service_leaves_the_value(void **state)
{
	struct pciring_access a = access_of(PCIRING_SPACE_BAR0, 0, 4);

	(void)state;
	a.value = 7;
	service.status = EIO;
	assert_int_equal(pciring_access(p, 0, &a), -EIO);
	service.status = 4095;
	assert_int_equal(pciring_access(p, 0, &a), -4095);
	service.status = 4096;
	assert_int_equal(pciring_access(p, 0, &a), -EPROTO);
	service.status = INT32_MAX;
	assert_int_equal(pciring_access(p, 0, &a), -EPROTO);
	assert_int_equal(a.value, 7);
}

static void answers_to_older_accesses_are_dropped(void **state)
{
	uint64_t value;
	unsigned int i;

	(void)state;
	service.stale = 5;
	service.reg[1] = 42;
	for (i = 0; i < 50; i++) {
		assert_int_equal(read_reg(0, 8, &value), 0);
		assert_int_equal(value, 42);
	}
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void signals_do_not_end_a_wait(void **state)
{
	const struct sigaction act = { .sa_handler = on_alarm };
	const struct itimerval often = { { 0, 2000 }, { 0, 2000 } };
	const struct itimerval never = { 0 };
	uint64_t value;

	(void)state;
	sigaction(SIGALRM, &act, NULL);
	service.delay_ms = 50;
	service.reg[1] = 42;
	setitimer(ITIMER_REAL, &often, NULL);
	assert_int_equal(read_reg(0, 8, &value), 0);
	setitimer(ITIMER_REAL, &never, NULL);
	assert_int_equal(value, 42);
}

static void *kill_later(void *arg)
{
	(void)arg;
	poll(NULL, 0, 50);
	service_die(&service);
	return NULL;
}

static void a_waiter_learns_that_the_service_died(void **state)
{
	int64_t begin = test_now_ms();
	pthread_t killer;
	uint64_t value;

	(void)state;
	service.deaf = true;
	pthread_create(&killer, NULL, kill_later, NULL);
	assert_int_equal(read_reg(0, 8, &value), -EPIPE);
	assert_true(test_now_ms() - begin < 5000);
	pthread_join(killer, NULL);
	assert_int_equal(read_reg(1, 8, &value), -EPIPE);
	assert_int_equal(pciring_status(p), -EPIPE);
}

static void a_ring_forged_full_ends_when_the_service_does(void **state)
{
	struct rte_ring *r = p->ch.lane[0].request.r;
	pthread_t killer;
	uint64_t value;

	(void)state;
	service.deaf = true;
	r->cons.tail = p->ch.lane[0].request.put.mine - r->capacity;
	pthread_create(&killer, NULL, kill_later, NULL);
	assert_int_equal(read_reg(0, 8, &value), -EPIPE);
	pthread_join(killer, NULL);
}

static void open_doorbell(void)
{
	const struct seg_window w = { .start = 0x3000,
				      .length = 0x10,
				      .function = F1,
				      .space = PCIRING_SPACE_BAR0,
				      .sizes = 2 };

	pthread_mutex_lock(&service.lock);
	channel_set_windows(&service.ch, &w, 1);
	pthread_mutex_unlock(&service.lock);
}

static int post_until_it_fails(void)
{
	struct pciring_access a = access_of(PCIRING_SPACE_BAR0, 0x3000, 2);
	int err;

	open_doorbell();
	a.write = 1;
	do
		err = pciring_post(p, 0, &a);
	while (!err);
	return err;
}

/* The service lives, and would answer the next one. */
static void a_forged_ring_is_the_end_and_no_hang(void **state)
{
	struct rte_ring *r = p->ch.lane[0].completion.r;
	uint64_t value;

	(void)state;
	if (path == PCIRING_PATH_MAILBOX)
		r = p->ch.lane[0].request.r;
	service.deaf = true;
	r->prod.tail = r->cons.tail = 0x40000000;
	if (path == PCIRING_PATH_RINGS)
		assert_int_equal(read_reg(0, 8, &value), -EPIPE);
	else
		assert_int_equal(post_until_it_fails(), -EPIPE);
	assert_int_equal(pciring_status(p), -EPIPE);
	assert_int_equal(read_reg(1, 8, &value), -EPIPE);
}

/* What they were found lying with is not given out, so it is not waited for. */
static void a_lie_elsewhere_ends_the_wait_for_interrupts(void **state)
{
	const struct msg_irq irq = { 0 };
	struct pciring_irq out;
	struct rte_ring *r;

	(void)state;
	assert_true(service_irq(&service, &irq));
	assert_int_equal(pciring_irq_wait(p, 0), 1);
	r = p->ch.lane[0].request.r;
	service.deaf = true;
	r->cons.tail = 0x40000000;
	assert_int_equal(post_until_it_fails(), -EPIPE);
	assert_int_equal(pciring_irq_poll(p, &out, 1), 0);
	assert_int_equal(pciring_irq_wait(p, 0), -EPIPE);
	assert_int_equal(pciring_irq_wait(p, -1), -EPIPE);
}

/* ---- Posted writes ----------------------------------------------------- */

static void only_doorbells_are_posted(void **state)
{
	struct pciring_access a = access_of(PCIRING_SPACE_BAR0, 0x3000, 2);

	(void)state;
	a.write = 1;
	assert_int_equal(pciring_may_post(p, &a), 0);
	assert_int_equal(pciring_post(p, 0, &a), -EPERM);
	open_doorbell();
	assert_int_equal(pciring_may_post(p, &a), 1);
	assert_int_equal(pciring_post(p, 0, &a), 0);
	a.write = 0;
	assert_int_equal(pciring_may_post(p, &a), 0);
	assert_int_equal(pciring_post(p, 0, &a), -EPERM);
	a.write = 1;
	a.address = 0x3010;
	assert_int_equal(pciring_post(p, 0, &a), -EPERM);
}

static void posted_writes_leave_room_for_an_access(void **state)
{
	struct pciring_access a = access_of(PCIRING_SPACE_BAR0, 0x3000, 2);
	unsigned int sent = 0;
	uint64_t value;

	(void)state;
	open_doorbell();
	a.write = 1;
	pthread_mutex_lock(&service.lock); /* the loop stands still */
	while (!pciring_post(p, 0, &a))
		sent++;
	/* Without a mailbox the access goes the same way. */
	assert_int_equal(sent,
			 CHANNEL_REQUESTS - 1 - (path == PCIRING_PATH_RINGS));
	assert_int_equal(pciring_post(p, 0, &a), -EAGAIN);
	pthread_mutex_unlock(&service.lock);
	/* Behind all of them in the same lane. */
	assert_int_equal(read_reg(0, 8, &value), 0);
	assert_int_equal(service.posted, sent);
}

/* As many as there are numbers may be posted between two accesses. */
static void what_is_posted_takes_no_number_of_an_access(void **state)
{
	struct pciring_access a = access_of(PCIRING_SPACE_BAR0, 0x3000, 2);
	uint64_t value;

	(void)state;
	open_doorbell();
	a.write = 1;
	assert_int_equal(read_reg(0, 8, &value), 0);
	assert_int_equal(p->lane[0].seq, 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(pciring_post(p, 0, &a), 0);
	assert_int_equal(p->lane[0].seq, 1);
	assert_int_equal(read_reg(0, 8, &value), 0);
	assert_int_equal(service.posted, 10);
}

static void the_number_after_the_last_is_not_zero(void **state)
{
	uint64_t value;

	(void)state;
	p->lane[0].seq = UINT32_MAX - 1;
	service.reg[1] = 42;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(read_reg(0, 8, &value), 0);
		assert_int_equal(value, 42);
	}
	assert_int_equal(p->lane[0].seq, 3);
}

/* ---- Interrupts -------------------------------------------------------- */

static void interrupts_come_in_order_with_all_they_carry(void **state)
{
	struct pciring_irq irqs[64];
	unsigned int i;

	(void)state;
	assert_int_equal(pciring_irq_poll(p, irqs, 64), 0);
	for (i = 0; i < 40; i++) {
		const struct msg_irq irq = { .address = 0xfee00000 + i,
					     .data = 0x4000 + i,
					     .requester_id = F1,
					     .what = (uint16_t)i };

		assert_true(service_irq(&service, &irq));
	}
	assert_int_equal(pciring_irq_poll(p, irqs, 0), 0);
	assert_int_equal(pciring_irq_poll(p, irqs, 3), 3);
	assert_int_equal(pciring_irq_poll(p, irqs + 3, 61), 37);
	for (i = 0; i < 40; i++) {
		assert_int_equal(irqs[i].address, 0xfee00000 + i);
		assert_int_equal(irqs[i].data, 0x4000 + i);
		assert_int_equal(irqs[i].requester_id, F1);
		assert_int_equal(irqs[i].number, i);
	}
}

static void an_interrupt_says_of_what_kind_it_is(void **state)
{
	static const struct msg_irq sent[] = {
		{ 0xfee00000, 0x4041, F1, MSG_IRQ_WHAT(0, 2047) },
		{ 0, 1, 0, MSG_IRQ_WHAT(PCIRING_IRQ_TYPE_LINE, 17) },
		{ 0xfee01000, 0x33, 0,
		  MSG_IRQ_WHAT(PCIRING_IRQ_TYPE_ROUTE, 23) },
	};
	struct pciring_irq irqs[4];
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sent); i++)
		assert_true(service_irq(&service, &sent[i]));
	assert_int_equal(pciring_irq_poll(p, irqs, 4), 3);
	for (i = 0; i < ARRAY_SIZE(sent); i++) {
		assert_int_equal(irqs[i].type, i);
		assert_int_equal(irqs[i].address, sent[i].address);
		assert_int_equal(irqs[i].data, sent[i].data);
	}
	assert_int_equal(irqs[0].number, 2047);
	assert_int_equal(irqs[1].number, 17);
	assert_int_equal(irqs[2].number, 23);
}

static void interrupts_of_unknown_types_are_passed_over(void **state)
{
	struct msg_irq strange = { .data = 1 }, good = { .data = 2 };
	struct pciring_irq irqs[8];
	unsigned int type, seen = 0;

	(void)state;
	for (type = PCIRING_IRQ_TYPE_ROUTE + 1; type < 16; type++) {
		strange.what = MSG_IRQ_WHAT(type, 4095);
		for (unsigned int i = 0; i < 20; i++)
			assert_true(service_irq(&service, &strange));
		assert_true(service_irq(&service, &good));
		seen++;
	}
	assert_int_equal(pciring_irq_poll(p, irqs, 8), 8);
	for (type = 0; type < 8; type++)
		assert_int_equal(irqs[type].data, 2);
	assert_int_equal(pciring_irq_poll(p, irqs, 8), seen - 8);
	/* A whole ring of them, and the call comes back. */
	while (service_irq(&service, &strange))
		;
	assert_int_equal(pciring_irq_poll(p, irqs, 8), 0);
	assert_int_equal(pciring_irq_wait(p, 0), 0);
}

/* Each of them is dropped, and there is always one more. */
static void interrupts_of_unknown_types_without_end_do_not_hold_us(void **state)
{
	struct msg_irq strange = { .what = MSG_IRQ_WHAT(15, 0) };
	struct rte_ring *r = service.ch.irq.r;
	struct pciring_irq irq;
	uint32_t head;

	(void)state;
	/* Two rounds: each one leaves a slot out. */
	for (int i = 0; i < 2; i++) {
		while (service_irq(&service, &strange))
			;
		assert_int_equal(pciring_irq_poll(p, &irq, 1), 0);
	}
	head = r->cons.head;
	r->prod.tail = head + 0x40000000;
	assert_int_equal(pciring_irq_poll(p, &irq, 1), 0);
	assert_true(r->cons.head - head <= 2 * CHANNEL_IRQS);
	/* Who waits for more of them is told. */
	assert_int_equal(pciring_irq_wait(p, -1), -EPIPE);
	assert_int_equal(pciring_status(p), -EPIPE);
}

static void count_irq(void *arg, const struct pciring_irq *irq)
{
	unsigned int *n = arg;

	assert_int_equal(irq->number, *n);
	(*n)++;
}

static void dispatch_calls_back_once_for_each(void **state)
{
	struct msg_irq irq = { 0 };
	unsigned int n = 0;

	(void)state;
	for (; irq.what < 100; irq.what++)
		assert_true(service_irq(&service, &irq));
	assert_int_equal(pciring_irq_dispatch(p, count_irq, &n), 100);
	assert_int_equal(n, 100);
	assert_int_equal(pciring_irq_dispatch(p, count_irq, &n), 0);
}

static void *raise_later(void *arg)
{
	const struct msg_irq irq = { 0 };

	(void)arg;
	poll(NULL, 0, 50);
	service_irq(&service, &irq);
	return NULL;
}

static void a_waiting_irq_thread_is_woken(void **state)
{
	struct pciring_irq irq;
	pthread_t thread;

	(void)state;
	assert_int_equal(pciring_irq_wait(p, 0), 0);
	assert_int_equal(pciring_irq_wait(p, 5), 0);
	pthread_create(&thread, NULL, raise_later, NULL);
	assert_int_equal(pciring_irq_wait(p, -1), 1);
	pthread_join(thread, NULL);
	assert_int_equal(pciring_irq_wait(p, 0), 1);
	assert_int_equal(pciring_irq_poll(p, &irq, 1), 1);
	assert_int_equal(pciring_irq_wait(p, 0), 0);
}

static void a_signal_ends_the_wait_for_interrupts(void **state)
{
	const struct sigaction act = { .sa_handler = on_alarm };
	const struct itimerval soon = { { 0, 5000 }, { 0, 5000 } };
	const struct itimerval never = { 0 };

	(void)state;
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	assert_int_equal(pciring_irq_wait(p, 10000), -EINTR);
	setitimer(ITIMER_REAL, &never, NULL);
}

static void an_irq_thread_learns_that_the_service_died(void **state)
{
	pthread_t killer;

	(void)state;
	pthread_create(&killer, NULL, kill_later, NULL);
	assert_int_equal(pciring_irq_wait(p, 20000), -EPIPE);
	pthread_join(killer, NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read),
		TEST(a_value_is_no_wider_than_its_access),
		TEST(impossible_accesses_are_refused_here),
		TEST(the_end_of_an_interrupt_goes_through_and_is_not_posted),
		TEST(an_error_of_the_service_leaves_the_value),
		TEST(answers_to_older_accesses_are_dropped),
		TEST(signals_do_not_end_a_wait),
		TEST(a_waiter_learns_that_the_service_died),
		TEST(a_ring_forged_full_ends_when_the_service_does),
		TEST(a_forged_ring_is_the_end_and_no_hang),
		TEST(a_lie_elsewhere_ends_the_wait_for_interrupts),
		TEST(only_doorbells_are_posted),
		TEST(posted_writes_leave_room_for_an_access),
		TEST(what_is_posted_takes_no_number_of_an_access),
		TEST(the_number_after_the_last_is_not_zero),
		TEST(interrupts_come_in_order_with_all_they_carry),
		TEST(an_interrupt_says_of_what_kind_it_is),
		TEST(interrupts_of_unknown_types_are_passed_over),
		TEST(interrupts_of_unknown_types_without_end_do_not_hold_us),
		TEST(dispatch_calls_back_once_for_each),
		TEST(a_waiting_irq_thread_is_woken),
		TEST(a_signal_ends_the_wait_for_interrupts),
		TEST(an_irq_thread_learns_that_the_service_died),
	};

	return cmocka_run_group_tests_name("mailbox", tests, by_mailbox, NULL) +
	       cmocka_run_group_tests_name("rings", tests, by_rings, NULL);
}
