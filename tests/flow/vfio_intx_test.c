/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * INTx of vfio-user as the proxy passes it on: which of two eventfds is bound
 * when, what is remembered, and who closes it.
 */
#include "tests/flow/vfio_server.h"

#define NONE	0x01u
#define BOOL	0x02u
#define EVENTFD 0x04u
#define MASK	0x08u
#define UNMASK	0x10u
#define TRIGGER 0x20u
#define INTX	0

/* How often @fd was written since the last look. */
static uint64_t fired(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static int event(void)
{
	return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

/* One interrupt, its eventfd if @fd is not -1. */
static int set(struct server *s, uint32_t flags, int fd)
{
	return vfio_raw_set_irqs(&s->v, INTX, flags, 0, 1, &fd, fd >= 0);
}

static int disable(struct server *s)
{
	return vfio_raw_set_irqs(&s->v, INTX, NONE | TRIGGER, 0, 0, NULL, 0);
}

/* Are @fd and what was bound as @bound one eventfd? */
static bool is_bound(int bound, int fd)
{
	const uint64_t one = 1;

	if (bound < 0 || write(bound, &one, sizeof(one)) != sizeof(one))
		return false;
	return fired(fd) == 1;
}

static void a_rise_signals_once_and_unmask_again_while_high(void **state)
{
	struct server *s = *state;
	int fd = event();

	assert_int_equal(set(s, EVENTFD | TRIGGER, fd), 0);
	assert_int_equal(fired(fd), 0);
	fake_line(s->p, true);
	assert_int_equal(fired(fd), 1);
	assert_int_equal(set(s, NONE | UNMASK, -1), 0);
	assert_int_equal(fired(fd), 1);
	fake_line(s->p, false);
	assert_int_equal(set(s, NONE | UNMASK, -1), 0);
	assert_int_equal(fired(fd), 0);
	close(fd);
}

static void bools_say_whether_the_line_is_meant(void **state)
{
	struct server *s = *state;
	struct {
		struct vu_set_irqs set;
		uint8_t meant;
	} m = { { 21, BOOL | TRIGGER, INTX, 0, 1 }, 0 };
	int fd = event();

	assert_int_equal(set(s, EVENTFD | TRIGGER, fd), 0);
	for (m.meant = 0; m.meant < 2; m.meant++) {
		m.set.flags = BOOL | TRIGGER;
		assert_int_equal(
			vfio_raw_call(&s->v, VU_SET_IRQS, &m, 21, NULL, 0), 0);
		assert_int_equal(fired(fd), m.meant);
		m.set.flags = BOOL | MASK;
		assert_int_equal(
			vfio_raw_call(&s->v, VU_SET_IRQS, &m, 21, NULL, 0), 0);
		assert_int_equal(s->p->line.masked, m.meant);
	}
	m.meant = 1;
	m.set.flags = BOOL | UNMASK;
	assert_int_equal(vfio_raw_call(&s->v, VU_SET_IRQS, &m, 21, NULL, 0), 0);
	assert_false(s->p->line.masked);
	assert_int_equal(vfio_raw_call(&s->v, VU_SET_IRQS, &m, 20, NULL, 0),
			 -EINVAL);
	close(fd);
}

static void a_resample_eventfd_joins_the_trigger_that_is_bound(void **state)
{
	struct server *s = *state;
	int fd = event(), resample = event(), other = event();

	/* As QEMU does with KVM. */
	assert_int_equal(set(s, EVENTFD | TRIGGER, fd), 0);
	assert_int_equal(s->p->line.resample, -1);
	assert_int_equal(set(s, NONE | MASK, -1), 0);
	assert_int_equal(set(s, EVENTFD | UNMASK, resample), 0);
	assert_int_equal(set(s, NONE | UNMASK, -1), 0);
	assert_true(is_bound(s->p->line.fd, fd));
	assert_true(is_bound(s->p->line.resample, resample));

	/* Another trigger: the resample eventfd stays; and the reverse. */
	assert_int_equal(set(s, EVENTFD | TRIGGER, other), 0);
	assert_true(is_bound(s->p->line.fd, other));
	assert_true(is_bound(s->p->line.resample, resample));
	assert_int_equal(set(s, EVENTFD | UNMASK, fd), 0);
	assert_true(is_bound(s->p->line.fd, other));
	assert_true(is_bound(s->p->line.resample, fd));

	assert_int_equal(set(s, EVENTFD | UNMASK, -1), 0);
	assert_true(is_bound(s->p->line.fd, other));
	assert_int_equal(s->p->line.resample, -1);
	close(fd);
	close(resample);
	close(other);
}

static void a_resample_eventfd_waits_for_its_trigger(void **state)
{
	struct server *s = *state;
	int fd = event(), resample = event();

	assert_int_equal(set(s, EVENTFD | UNMASK, resample), 0);
	assert_int_equal(s->p->line.binds, 0);
	assert_int_equal(set(s, EVENTFD | TRIGGER, fd), 0);
	assert_true(is_bound(s->p->line.fd, fd));
	assert_true(is_bound(s->p->line.resample, resample));

	/* Unbound is the trigger alone; the whole index is all of it. */
	assert_int_equal(set(s, EVENTFD | TRIGGER, -1), 0);
	assert_int_equal(s->p->line.fd, -1);
	assert_int_equal(s->p->line.resample, -1);
	assert_int_equal(set(s, EVENTFD | TRIGGER, fd), 0);
	assert_true(is_bound(s->p->line.resample, resample));
	assert_int_equal(disable(s), 0);
	assert_int_equal(s->p->line.fd, -1);
	assert_int_equal(set(s, EVENTFD | TRIGGER, fd), 0);
	assert_int_equal(s->p->line.resample, -1);
	close(fd);
	close(resample);
}

static void disabling_the_index_takes_its_mask_away(void **state)
{
	struct server *s = *state;
	int fd = event();

	assert_int_equal(set(s, EVENTFD | TRIGGER, fd), 0);
	assert_int_equal(set(s, NONE | MASK, -1), 0);
	assert_int_equal(disable(s), 0);
	fake_line(s->p, true);
	assert_int_equal(set(s, EVENTFD | TRIGGER, fd), 0);
	assert_int_equal(fired(fd), 1);
	close(fd);
}

static void what_fails_leaves_what_was_bound(void **state)
{
	struct server *s = *state;
	int fd = event(), resample = event(), other = event();
	unsigned int fds;

	assert_int_equal(set(s, EVENTFD | TRIGGER, fd), 0);
	assert_int_equal(set(s, EVENTFD | UNMASK, resample), 0);
	fds = vfio_count_fds(0);
	s->p->fail = -ENOMEM;
	assert_int_equal(set(s, EVENTFD | TRIGGER, other), -ENOMEM);
	assert_int_equal(set(s, EVENTFD | UNMASK, other), -ENOMEM);
	assert_int_equal(set(s, EVENTFD | TRIGGER, -1), -ENOMEM);
	assert_int_equal(set(s, EVENTFD | UNMASK, -1), -ENOMEM);
	assert_int_equal(disable(s), -ENOMEM);
	s->p->fail = 0;
	assert_int_equal(vfio_count_fds(0), fds);
	/* What the proxy remembers is what it was, too. */
	assert_int_equal(set(s, EVENTFD | TRIGGER, other), 0);
	assert_true(is_bound(s->p->line.fd, other));
	assert_true(is_bound(s->p->line.resample, resample));
	assert_int_equal(vfio_count_fds(0), fds);
	close(fd);
	close(resample);
	close(other);
}

static void what_is_no_eventfd_is_not_kept(void **state)
{
	struct server *s = *state;
	unsigned int fds;
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	fds = vfio_count_fds(0);
	assert_int_equal(set(s, EVENTFD | TRIGGER, pipes[1]), -EINVAL);
	assert_int_equal(set(s, EVENTFD | UNMASK, pipes[0]), -EINVAL);
	assert_int_equal(vfio_count_fds(0), fds);
	close(pipes[0]);
	close(pipes[1]);
}

static void a_hundred_of_them_leave_two(void **state)
{
	struct server *s = *state;
	unsigned int fds = vfio_count_fds(0);
	int fd = event(), resample = event();

	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(set(s, EVENTFD | TRIGGER, fd), 0);
		assert_int_equal(set(s, EVENTFD | UNMASK, resample), 0);
	}
	/* Ours, the proxy's, the service's; server_stop() looks at the end. */
	assert_int_equal(vfio_count_fds(0), fds + 6);
	close(fd);
	close(resample);
}

static void a_reset_keeps_the_binding(void **state)
{
	struct server *s = *state;
	int fd = event(), resample = event();

	assert_int_equal(set(s, EVENTFD | TRIGGER, fd), 0);
	assert_int_equal(set(s, EVENTFD | UNMASK, resample), 0);
	assert_int_equal(
		vfio_raw_call(&s->v, VU_DEVICE_RESET, NULL, 0, NULL, 0), 0);
	assert_true(is_bound(s->p->line.fd, fd));
	assert_int_equal(set(s, EVENTFD | TRIGGER, fd), 0);
	assert_true(is_bound(s->p->line.resample, resample));
	close(fd);
	close(resample);
}

static int start_without_pin(void **state)
{
	fake_pin = 0;
	return server_setup(state);
}

static int stop_without_pin(void **state)
{
	int err = server_teardown(state);

	fake_pin = 1;
	return err;
}

static void a_function_without_a_pin_has_no_line(void **state)
{
	struct vu_irq_info info = { .argsz = sizeof(info), .index = INTX };
	struct server *s = *state;
	int fd = event();

	assert_int_equal(vfio_raw_call(&s->v, VU_GET_IRQ_INFO, &info,
				       sizeof(info), NULL, 0),
			 0);
	memcpy(&info, s->v.data, sizeof(info));
	assert_int_equal(info.count, 0);
	assert_int_equal(info.flags, 0);
	/* The fake asserts that nothing of this reaches it. */
	assert_int_equal(disable(s), 0);
	assert_int_equal(set(s, EVENTFD | TRIGGER, fd), -EINVAL);
	assert_int_equal(set(s, EVENTFD | UNMASK, fd), -EINVAL);
	assert_int_equal(set(s, NONE | UNMASK, -1), -EINVAL);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		server_test(a_rise_signals_once_and_unmask_again_while_high),
		server_test(bools_say_whether_the_line_is_meant),
		server_test(a_resample_eventfd_joins_the_trigger_that_is_bound),
		server_test(a_resample_eventfd_waits_for_its_trigger),
		server_test(disabling_the_index_takes_its_mask_away),
		server_test(what_fails_leaves_what_was_bound),
		server_test(what_is_no_eventfd_is_not_kept),
		server_test(a_hundred_of_them_leave_two),
		server_test(a_reset_keeps_the_binding),
		cmocka_unit_test_setup_teardown(
			a_function_without_a_pin_has_no_line, start_without_pin,
			stop_without_pin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
