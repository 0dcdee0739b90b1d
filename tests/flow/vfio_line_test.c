/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * INTx end to end: a guest's driver without MSI-X, vfio-user messages, a real
 * proxy and a real service.  The second function, 00:02.0, has a socket and a
 * line of its own.
 *
 * What a function signals because of an access is signalled before the next
 * access is answered, and what an UNMASK message causes before its reply, so
 * "no signal" needs no waiting; only a resample eventfd is asynchronous.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ring/test_util.h"
#include "tests/flow/vfio_stage.h"

#define NONE	0x01u
#define EVENTFD 0x04u
#define MASK	0x08u
#define UNMASK	0x10u
#define TRIGGER 0x20u
#define INTX	0

#define BYTES	64
#define WAIT_MS 5000

/* A driver, its line's eventfds and one buffer that it offers again and again. */
struct box {
	struct vfio_guest t;
	int trigger, resample;
	struct guest_buf buf;
};

static struct box one, two;
static char second[PROCS_PATH]; /* socket of 00:02.0 */

static int setup(void **state)
{
	struct procs *p = &stage.procs;
	char params[PROCS_PATH + 64];

	if (stage_setup(state))
		return -1;
	procs_path(p, "second.sock", second);
	snprintf(params, sizeof(params),
		 "{\"machine\":\"vm\",\"address\":\"00:02.0\",\"path\":\"%s\"}",
		 second);
	if (procs_rpc(p, "function.create",
		      "{\"machine\":\"vm\",\"address\":\"00:02.0\","
		      "\"device\":\"rng\"}",
		      NULL))
		return -1;
	return procs_rpc(p, "socket.create", params, NULL);
}

/* How often it was signalled; waits up to @ms if it was not. */
static uint64_t signals(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, ms) == 1 ? stage_fired(fd) : 0;
}

static int set_line(struct box *b, uint32_t flags, int fd)
{
	return vfio_raw_set_irqs(&b->t.v, INTX, flags, 0, 1, &fd, fd >= 0);
}

static void tell(struct box *b, uint32_t flags)
{
	assert_int_equal(set_line(b, flags, -1), 0);
}

static void bind_trigger(struct box *b)
{
	assert_int_equal(set_line(b, EVENTFD | TRIGGER, b->trigger), 0);
}

/* From reset to DRIVER_OK without MSI-X, nothing bound. */
static void boot(struct box *b, const char *path, uint64_t features)
{
	b->trigger = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	b->resample = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_int_equal(vfio_guest_init(&b->t, PAM, VFIO_GUEST_SIZE - PAM), 0);
	stage_qemu_at(&b->t, path);
	if (guest_start(&b->t.g, features, 64))
		fail_msg("driver: %s", b->t.g.why);
	assert_int_equal(guest_intx_pin(&b->t.g), 1);
	b->buf = (struct guest_buf){ .len = BYTES, .write = true };
	b->buf.gpa = guest_alloc(&b->t.g, BYTES, 64);
}

static void leave(struct box *b)
{
	assert_int_equal(b->t.failed, 0);
	vfio_guest_fini(&b->t);
	close(b->trigger);
	close(b->resample);
}

static void start(struct box *b)
{
	boot(b, stage.path, GUEST_ALL_FEATURES & ~GUEST_F_EVENT_IDX);
}

static void offer(struct box *b)
{
	assert_true(guest_add(&b->t.g, 0, &b->buf, 1, false) >= 0);
	guest_kick(&b->t.g, 0);
}

static unsigned int take(struct box *b)
{
	struct guest_used used;
	unsigned int got = 0;
	int n;

	while ((n = guest_poll(&b->t.g, 0, &used)) > 0)
		got++;
	if (n < 0)
		fail_msg("used ring: %s", b->t.g.why);
	return got;
}

/* Until all that was offered has been used; it is not taken. */
static void wait_used(struct box *b)
{
	const struct timespec pause = { .tv_nsec = 100000 };
	const uint16_t all = b->t.g.queue[0].avail_idx;

	for (int i = 0; i < 50000 && guest_used_idx(&b->t.g, 0) != all; i++)
		nanosleep(&pause, NULL);
	assert_int_equal(guest_used_idx(&b->t.g, 0), all);
	/* The interrupt comes behind the used index: let it. */
	(void)guest_status(&b->t.g);
}

/* A cause: the line is high, unless something keeps it low. */
static void cause(struct box *b)
{
	offer(b);
	wait_used(b);
	assert_int_equal(take(b), 1);
}

/* ---- One line ------------------------------------------------------------- */

/* rule 72 */
static void a_line_signals_once_however_many_causes_it_has(void **state)
{
	struct box *b = &one;

	(void)state;
	start(b);
	bind_trigger(b);
	assert_int_equal(signals(b->trigger, 0), 0);
	for (int i = 0; i < 5; i++)
		cause(b);
	assert_int_equal(signals(b->trigger, 0), 1);
	assert_true(guest_intx_status(&b->t.g));
	assert_int_equal(guest_isr(&b->t.g), GUEST_ISR_QUEUE);
	assert_false(guest_intx_status(&b->t.g));
	/* Masked by its signal until it is unmasked, though it fell. */
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 0);
	leave(b);
}

/* rule 74 */
static void unmask_signals_again_what_is_high_and_nothing_else(void **state)
{
	struct box *b = &one;

	(void)state;
	start(b);
	bind_trigger(b);
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 1);
	for (int i = 0; i < 3; i++) {
		tell(b, NONE | UNMASK);
		assert_int_equal(signals(b->trigger, 0), 1);
	}
	assert_int_equal(guest_isr(&b->t.g), GUEST_ISR_QUEUE);
	tell(b, NONE | UNMASK);
	assert_int_equal(signals(b->trigger, 0), 0);
	/* Between ISR and UNMASK: not told at once, and not lost. */
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 1);
	assert_int_equal(guest_isr(&b->t.g), GUEST_ISR_QUEUE);
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 0);
	tell(b, NONE | UNMASK);
	assert_int_equal(signals(b->trigger, 0), 1);
	leave(b);
}

/* rule 74 */
static void the_resample_eventfd_does_what_unmask_does(void **state)
{
	struct box *b = &one;

	(void)state;
	start(b);
	/* As QEMU with KVM. */
	bind_trigger(b);
	tell(b, NONE | MASK);
	assert_int_equal(set_line(b, EVENTFD | UNMASK, b->resample), 0);
	tell(b, NONE | UNMASK);
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 1);
	for (int i = 0; i < 3; i++) {
		eventfd_write(b->resample, 1);
		assert_int_equal(signals(b->trigger, WAIT_MS), 1);
	}
	assert_int_equal(guest_isr(&b->t.g), GUEST_ISR_QUEUE);
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 0);
	eventfd_write(b->resample, 1);
	assert_int_equal(signals(b->trigger, WAIT_MS), 1);
	assert_int_equal(guest_isr(&b->t.g), GUEST_ISR_QUEUE);
	eventfd_write(b->resample, 1);
	assert_int_equal(signals(b->trigger, 50), 0);
	/* Nobody has read it: whoever shares it may do so in vain. */
	assert_int_equal(stage_fired(b->resample), 5);

	/* The message works beside it, and alone when it is taken away. */
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 1);
	tell(b, NONE | UNMASK);
	assert_int_equal(signals(b->trigger, 0), 1);
	assert_int_equal(set_line(b, EVENTFD | UNMASK, -1), 0);
	(void)signals(b->trigger, 0); /* bound again: once more */
	eventfd_write(b->resample, 1);
	assert_int_equal(signals(b->trigger, 50), 0);
	tell(b, NONE | UNMASK);
	assert_int_equal(signals(b->trigger, 0), 1);
	leave(b);
}

static void a_resample_eventfd_may_come_first(void **state)
{
	struct box *b = &one;

	(void)state;
	start(b);
	assert_int_equal(set_line(b, EVENTFD | UNMASK, b->resample), 0);
	bind_trigger(b);
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 1);
	eventfd_write(b->resample, 1);
	assert_int_equal(signals(b->trigger, WAIT_MS), 1);
	leave(b);
}

static void mask_keeps_and_unmask_delivers(void **state)
{
	struct box *b = &one;

	(void)state;
	start(b);
	bind_trigger(b);
	tell(b, NONE | MASK);
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 0);
	tell(b, NONE | UNMASK);
	assert_int_equal(signals(b->trigger, 0), 1);
	/* What came and went while it was masked is nothing. */
	assert_int_equal(guest_isr(&b->t.g), GUEST_ISR_QUEUE);
	tell(b, NONE | MASK);
	cause(b);
	assert_int_equal(guest_isr(&b->t.g), GUEST_ISR_QUEUE);
	tell(b, NONE | UNMASK);
	assert_int_equal(signals(b->trigger, 0), 0);
	leave(b);
}

static void a_loopback_has_no_cause_and_masks_nothing(void **state)
{
	struct box *b = &one;

	(void)state;
	start(b);
	bind_trigger(b);
	for (int i = 0; i < 3; i++) {
		tell(b, NONE | TRIGGER);
		assert_int_equal(signals(b->trigger, 0), 1);
	}
	assert_false(guest_intx_status(&b->t.g));
	assert_int_equal(guest_isr(&b->t.g), 0);
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 1);
	leave(b);
}

static void a_line_that_is_high_signals_when_it_is_bound(void **state)
{
	struct box *b = &one;

	(void)state;
	start(b);
	cause(b);
	bind_trigger(b);
	assert_int_equal(signals(b->trigger, 0), 1);
	/* Unbound and bound again in the middle of it. */
	assert_int_equal(set_line(b, EVENTFD | TRIGGER, -1), 0);
	bind_trigger(b);
	assert_int_equal(signals(b->trigger, 0), 1);
	/* The whole index, as QEMU at a machine's reset. */
	assert_int_equal(
		vfio_raw_set_irqs(&b->t.v, INTX, NONE | TRIGGER, 0, 0, NULL, 0),
		0);
	assert_int_equal(guest_isr(&b->t.g), GUEST_ISR_QUEUE);
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 0);
	bind_trigger(b);
	assert_int_equal(signals(b->trigger, 0), 1);
	leave(b);
}

/* rule 70 */
static void msix_and_intx_disable_silence_the_line(void **state)
{
	struct box *b = &one;
	struct guest *g = &b->t.g;

	(void)state;
	start(b);
	bind_trigger(b);
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 1);
	guest_intx_disable(g, true);
	assert_true(guest_intx_status(g));
	tell(b, NONE | UNMASK);
	assert_int_equal(signals(b->trigger, 0), 0);
	guest_intx_disable(g, false);
	assert_int_equal(signals(b->trigger, 0), 1);

	guest_msix_control(g, true, true);
	assert_false(guest_intx_status(g));
	tell(b, NONE | UNMASK);
	assert_int_equal(signals(b->trigger, 0), 0);
	/* Nor does a queue that has no vector use it. */
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 0);
	guest_msix_control(g, false, false);
	assert_int_equal(signals(b->trigger, 0), 1);
	leave(b);
}

static void a_reset_lowers_the_line_and_keeps_its_eventfds(void **state)
{
	struct box *b = &one;
	struct guest *g = &b->t.g;

	(void)state;
	start(b);
	bind_trigger(b);
	assert_int_equal(set_line(b, EVENTFD | UNMASK, b->resample), 0);
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 1);
	assert_int_equal(
		vfio_raw_call(&b->t.v, VU_DEVICE_RESET, NULL, 0, NULL, 0), 0);
	assert_false(guest_intx_status(g));
	tell(b, NONE | UNMASK);
	assert_int_equal(signals(b->trigger, 0), 0);
	if (guest_start(g, GUEST_ALL_FEATURES & ~GUEST_F_EVENT_IDX, 64))
		fail_msg("driver: %s", g->why);
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 1);
	eventfd_write(b->resample, 1);
	assert_int_equal(signals(b->trigger, WAIT_MS), 1);
	leave(b);
}

/* ---- Clients ----------------------------------------------------------------- */

static unsigned int held(void)
{
	return vfio_count_fds(stage.procs.proxy) +
	       vfio_count_fds(stage.procs.service);
}

static void what_a_client_bound_goes_with_it(void **state)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	unsigned int before = 0, now = 0;
	struct box *b = &one;

	(void)state;
	for (int i = 0; i < 5; i++) {
		start(b);
		if (!i)
			before = held();
		bind_trigger(b);
		assert_int_equal(set_line(b, EVENTFD | UNMASK, b->resample), 0);
		tell(b, NONE | MASK);
		cause(b);
		leave(b);
	}
	/* Neither bound nor masked nor high for whoever comes next. */
	start(b);
	bind_trigger(b);
	assert_int_equal(signals(b->trigger, 0), 0);
	cause(b);
	assert_int_equal(signals(b->trigger, 0), 1);
	assert_int_equal(
		vfio_raw_set_irqs(&b->t.v, INTX, NONE | TRIGGER, 0, 0, NULL, 0),
		0);
	for (int i = 0; i < 400 && (now = held()) != before; i++)
		nanosleep(&pause, NULL);
	assert_int_equal(now, before);
	leave(b);
}

/* rule 72 */
static void two_functions_of_a_machine_have_a_line_each(void **state)
{
	(void)state;
	start(&one);
	boot(&two, second, GUEST_ALL_FEATURES & ~GUEST_F_EVENT_IDX);
	bind_trigger(&one);
	bind_trigger(&two);
	cause(&one);
	assert_int_equal(signals(one.trigger, 0), 1);
	cause(&two);
	assert_int_equal(signals(two.trigger, 0), 1);
	/* The one's end is not the other's. */
	assert_int_equal(guest_isr(&one.t.g), GUEST_ISR_QUEUE);
	tell(&one, NONE | UNMASK);
	tell(&two, NONE | UNMASK);
	assert_int_equal(signals(one.trigger, 0), 0);
	assert_int_equal(signals(two.trigger, 0), 1);
	leave(&one);
	leave(&two);
}

/* ---- Many ---------------------------------------------------------------------- */

#define INTERRUPTS TEST_ROUNDS(10000)

struct tally {
	unsigned int interrupts; /* of which ISR said that they were ours */
	unsigned int taken;	 /* buffers */
	uint64_t signals;
};

/*
 * A driver's handler: nothing is looked at unless there was a signal.  What is
 * offered before the interrupt is ended rises while the line is busy.
 */
static void handle(struct box *b, struct tally *n, bool by_resample,
		   uint64_t *seed)
{
	const unsigned int when = test_random(seed) % 4;
	const uint64_t got = signals(b->trigger, WAIT_MS);

	if (!got)
		fail_msg("interrupt lost after %u, used.idx %u of %u",
			 n->interrupts, guest_used_idx(&b->t.g, 0),
			 b->t.g.queue[0].avail_idx);
	n->signals += got;
	if (when == 0)
		offer(b);
	n->interrupts += guest_isr(&b->t.g) != 0;
	if (when == 1)
		offer(b);
	n->taken += take(b);
	if (when == 2)
		offer(b);
	if (by_resample)
		eventfd_write(b->resample, 1);
	else
		tell(b, NONE | UNMASK);
	/* Never without something under way. */
	if (when == 3 || b->t.g.queue[0].nr_free == b->t.g.queue[0].size)
		offer(b);
}

static void many(struct box *b, bool by_resample)
{
	uint64_t seed = 88172645463325252;
	struct tally n = { 0 };

	bind_trigger(b);
	if (by_resample)
		assert_int_equal(set_line(b, EVENTFD | UNMASK, b->resample), 0);
	offer(b);
	while (n.interrupts < INTERRUPTS)
		handle(b, &n, by_resample, &seed);
	assert_true(n.taken >= INTERRUPTS);
	/* No storm: level signalling costs a second one at most. */
	assert_true(n.signals <= 2 * n.interrupts);
	print_message("%u interrupts, %u buffers, %llu signals\n", n.interrupts,
		      n.taken, (unsigned long long)n.signals);
}

/* rule 74 */
static void ten_thousand_interrupts_ended_by_messages(void **state)
{
	(void)state;
	boot(&one, stage.path, GUEST_ALL_FEATURES);
	many(&one, false);
	leave(&one);
}

/* rule 74 */
static void ten_thousand_interrupts_ended_by_the_resample_eventfd(void **state)
{
	(void)state;
	boot(&one, stage.path, GUEST_ALL_FEATURES);
	many(&one, true);
	leave(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_line_signals_once_however_many_causes_it_has),
		cmocka_unit_test(
			unmask_signals_again_what_is_high_and_nothing_else),
		cmocka_unit_test(the_resample_eventfd_does_what_unmask_does),
		cmocka_unit_test(a_resample_eventfd_may_come_first),
		cmocka_unit_test(mask_keeps_and_unmask_delivers),
		cmocka_unit_test(a_loopback_has_no_cause_and_masks_nothing),
		cmocka_unit_test(a_line_that_is_high_signals_when_it_is_bound),
		cmocka_unit_test(msix_and_intx_disable_silence_the_line),
		cmocka_unit_test(
			a_reset_lowers_the_line_and_keeps_its_eventfds),
		cmocka_unit_test(what_a_client_bound_goes_with_it),
		cmocka_unit_test(two_functions_of_a_machine_have_a_line_each),
		cmocka_unit_test(ten_thousand_interrupts_ended_by_messages),
		cmocka_unit_test(
			ten_thousand_interrupts_ended_by_the_resample_eventfd),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, stage_teardown);
}
