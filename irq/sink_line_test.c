/* SPDX-License-Identifier: BSD-3-Clause */
#include "irq/line.h"
#include "irq/sink.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
/* cmocka wants setjmp.h and stdarg.h first */
#include <cmocka.h>

static struct sink_line sink;
static int fd; /* the sink's, once bound */

static int counter(void)
{
	int new = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(new >= 0);
	return new;
}

static uint64_t take_from(int from)
{
	uint64_t n;

	return read(from, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static uint64_t take(void)
{
	return take_from(fd);
}

static enum irq_result set(bool high)
{
	return irq_stage_set(&sink.stage, 5, high);
}

static int unbound(void **state)
{
	(void)state;
	fd = -1;
	return sink_line_init(&sink, "line");
}

static int bound(void **state)
{
	unbound(state);
	fd = counter();
	return sink_line_bind(&sink, fd) == -1 ? 0 : -1;
}

static int done(void **state)
{
	(void)state;
	sink_line_fini(&sink);
	return 0;
}

/* rule 74 */
static void rise_signals_once_until_it_is_resampled(void **state)
{
	(void)state;
	assert_int_equal(set(true), IRQ_QUEUED);
	assert_int_equal(take(), 1);
	assert_int_equal(set(true), IRQ_SILENT);
	for (unsigned int i = 0; i < 10; i++) {
		assert_int_equal(set(false), IRQ_SILENT);
		assert_int_equal(set(true), IRQ_LATCHED);
	}
	assert_int_equal(take(), 0);
	assert_int_equal(sink_line_resample(&sink), IRQ_QUEUED);
	assert_int_equal(take(), 1);
	assert_int_equal(sink.stage.count.fired, 2);
	assert_int_equal(sink.stage.count.latched, 10);
	assert_int_equal(sink.stage.count.masked, 0);
}

/* rule 74 */
static void high_after_resample_fires_again_once_each(void **state)
{
	(void)state;
	set(true);
	assert_int_equal(take(), 1);
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(sink_line_resample(&sink), IRQ_QUEUED);
		assert_int_equal(take(), 1);
	}
	assert_int_equal(sink.resamples, 5);
}

/* rule 74 */
static void raised_between_isr_read_and_end_is_not_lost(void **state)
{
	(void)state;
	set(true);
	assert_int_equal(take(), 1);
	set(false);
	set(true);
	assert_int_equal(take(), 0);
	sink_line_resample(&sink);
	assert_int_equal(take(), 1);
	set(false);
	sink_line_resample(&sink);
	assert_int_equal(take(), 0);
}

/* rule 74 */
static void low_before_resample_means_no_second_signal(void **state)
{
	(void)state;
	set(true);
	assert_int_equal(take(), 1);
	set(false);
	assert_int_equal(sink_line_resample(&sink), IRQ_SILENT);
	assert_int_equal(take(), 0);
	assert_int_equal(set(true), IRQ_QUEUED);
	assert_int_equal(take(), 1);
}

/* rule 74 */
static void fall_does_not_end_what_was_signalled(void **state)
{
	(void)state;
	set(true);
	set(false);
	assert_int_equal(set(true), IRQ_LATCHED);
	assert_int_equal(take(), 1);
	assert_true(sink.busy);
}

static void resample_of_a_line_that_never_rose_is_silent(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(sink_line_resample(&sink), IRQ_SILENT);
	assert_int_equal(take(), 0);
	assert_int_equal(set(true), IRQ_QUEUED);
	assert_int_equal(take(), 1);
}

static void rise_before_bind_fires_at_bind(void **state)
{
	(void)state;
	assert_int_equal(set(true), IRQ_LATCHED);
	assert_int_equal(sink_line_resample(&sink), IRQ_LATCHED);
	assert_int_equal(sink.stage.count.masked, 1);
	fd = counter();
	assert_int_equal(sink_line_bind(&sink, fd), -1);
	assert_int_equal(take(), 1);
	assert_int_equal(sink.stage.count.fired, 1);
}

static void rise_that_fell_before_bind_has_no_cause(void **state)
{
	(void)state;
	set(true);
	set(false);
	fd = counter();
	sink_line_bind(&sink, fd);
	assert_int_equal(take(), 0);
}

static void bind_ends_busy_and_tells_the_new_one_of_a_high_line(void **state)
{
	int old = fd;

	(void)state;
	set(true);
	assert_int_equal(take(), 1);
	fd = counter();
	assert_int_equal(sink_line_bind(&sink, fd), old);
	assert_int_equal(take_from(old), 0);
	assert_int_equal(take(), 1);
	close(old);
	set(false);
	old = fd;
	fd = counter();
	assert_int_equal(sink_line_bind(&sink, fd), old);
	close(old);
	assert_int_equal(take(), 0);
	assert_int_equal(set(true), IRQ_QUEUED);
	assert_int_equal(take(), 1);
}

static void unbound_line_keeps_its_level_for_the_next(void **state)
{
	int old = fd;

	(void)state;
	assert_int_equal(sink_line_bind(&sink, -1), old);
	assert_int_equal(set(true), IRQ_LATCHED);
	assert_int_equal(take_from(old), 0);
	assert_int_equal(sink_line_bind(&sink, old), -1);
	assert_int_equal(take_from(old), 1);
}

static void mask_keeps_a_rise_until_unmasked(void **state)
{
	(void)state;
	sink_line_mask(&sink, true);
	assert_int_equal(set(true), IRQ_LATCHED);
	assert_int_equal(sink_line_resample(&sink), IRQ_LATCHED);
	assert_int_equal(take(), 0);
	assert_int_equal(sink.stage.count.masked, 1);
	sink_line_mask(&sink, false);
	assert_int_equal(take(), 1);
	sink_line_mask(&sink, false);
	sink_line_mask(&sink, true);
	sink_line_mask(&sink, false);
	assert_int_equal(take(), 0);
}

static void unmask_of_a_line_that_fell_is_silent(void **state)
{
	(void)state;
	sink_line_mask(&sink, true);
	set(true);
	set(false);
	sink_line_mask(&sink, false);
	assert_int_equal(take(), 0);
}

static void mask_survives_a_bind(void **state)
{
	int old;

	(void)state;
	sink_line_mask(&sink, true);
	set(true);
	old = sink_line_bind(&sink, -1);
	sink_line_bind(&sink, old);
	assert_int_equal(take(), 0);
	sink_line_mask(&sink, false);
	assert_int_equal(take(), 1);
}

/* rule 74 */
static void resample_then_unmask_is_one_signal(void **state)
{
	(void)state;
	set(true);
	assert_int_equal(take(), 1);
	sink_line_mask(&sink, true);
	sink_line_resample(&sink);
	sink_line_mask(&sink, false);
	assert_int_equal(take(), 1);
}

static void trigger_signals_without_cause_and_without_busy(void **state)
{
	(void)state;
	sink_line_trigger(&sink);
	assert_int_equal(take(), 1);
	assert_false(sink.busy);
	assert_int_equal(set(true), IRQ_QUEUED);
	sink_line_trigger(&sink);
	assert_int_equal(take(), 2);
	assert_true(sink.busy);
	sink_line_mask(&sink, true);
	sink_line_trigger(&sink);
	assert_int_equal(take(), 1);
	close(sink_line_bind(&sink, -1));
	sink_line_trigger(&sink);
	assert_int_equal(sink.failures, 0);
}

static void bad_descriptor_is_counted_and_the_next_one_fires(void **state)
{
	int bad[2];

	(void)state;
	assert_int_equal(pipe2(bad, O_CLOEXEC | O_NONBLOCK), 0);
	sink_line_bind(&sink, bad[1]);
	assert_int_equal(set(true), IRQ_LATCHED);
	assert_int_equal(sink.failures, 1);
	assert_false(sink.busy);
	assert_int_equal(sink.stage.count.latched, 1);
	assert_int_equal(sink.stage.count.fired, 0);
	assert_int_equal(sink_line_resample(&sink), IRQ_LATCHED);
	assert_int_equal(sink.failures, 2);
	sink_line_trigger(&sink);
	assert_int_equal(sink.failures, 3);
	fd = counter();
	assert_int_equal(sink_line_bind(&sink, fd), bad[1]);
	assert_int_equal(take(), 1);
	/* Nothing was written to what was no eventfd. */
	assert_int_equal(take_from(bad[0]), 0);
	close(bad[0]);
	close(bad[1]);
}

static void full_counter_counts_as_told(void **state)
{
	const uint64_t full = UINT64_MAX - 1;

	(void)state;
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	/* The peer may have made it one that blocks. */
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	alarm(10);
	assert_int_equal(set(true), IRQ_QUEUED);
	alarm(0);
	assert_int_equal(sink.failures, 0);
	assert_true(take() >= full);
}

static void fini_closes_the_descriptor(void **state)
{
	(void)state;
	sink_line_fini(&sink);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(errno, EBADF);
}

static void view_shows_level_and_what_is_kept(void **state)
{
	struct irq_view v = { .level = -1 };

	(void)state;
	sink.stage.ops->view(&sink.stage, &v);
	assert_string_equal(v.name, "line");
	assert_string_equal(v.state, "unbound");
	assert_int_equal(v.level, 0);
	assert_int_equal(v.pending, 0);
	set(true);
	sink.stage.ops->view(&sink.stage, &v);
	assert_int_equal(v.level, 1);
	assert_int_equal(v.pending, 1);
	fd = counter();
	sink_line_bind(&sink, fd);
	sink.stage.ops->view(&sink.stage, &v);
	assert_string_equal(v.state, "bound, busy");
	assert_int_equal(v.pending, 0);
	assert_int_equal(v.count.fired, 1);
}

/* rules 72, 74 */
static void two_sources_share_a_line_and_neither_is_lost(void **state)
{
	struct irq_source a = { 0 }, b = { 0 };
	struct irq_line line;

	(void)state;
	irq_line_init(&line, "shared", &sink.stage, 0);
	irq_source_connect(&a, &line);
	irq_source_connect(&b, &line);
	assert_int_equal(irq_source_set(&a, true), IRQ_QUEUED);
	assert_int_equal(irq_source_set(&b, true), IRQ_MERGED);
	assert_int_equal(take(), 1);
	/* The guest serves one of them only, and ends the interrupt. */
	irq_source_set(&a, false);
	sink_line_resample(&sink);
	assert_int_equal(take(), 1);
	irq_source_set(&b, false);
	sink_line_resample(&sink);
	assert_int_equal(take(), 0);
	irq_source_connect(&a, NULL);
	irq_source_connect(&b, NULL);
}

/* What the header says, in one rule. */
struct model {
	bool high, busy, masked, bound;
	uint64_t signals;
};

static void model_signal(struct model *m)
{
	if (!m->high || m->busy || m->masked || !m->bound)
		return;
	m->busy = true;
	m->signals++;
}

static void random_step(struct model *m)
{
	bool yes = rand() & 1;

	switch (rand() % 5) {
	case 0:
	case 1:
		set(yes);
		m->high = yes;
		break;
	case 2:
		sink_line_resample(&sink);
		m->busy = false;
		break;
	case 3:
		sink_line_mask(&sink, yes);
		m->masked = yes;
		break;
	case 4:
		sink_line_bind(&sink, yes ? fd : -1);
		m->bound = yes;
		m->busy = false;
		break;
	}
	model_signal(m);
}

/* rule 74 */
static void signals_follow_the_model(void **state)
{
	struct model m = { .bound = true };

	(void)state;
	srand(74);
	for (unsigned int i = 0; i < 20000; i++) {
		random_step(&m);
		assert_int_equal(sink.stage.count.fired, m.signals);
		assert_int_equal(sink.busy, m.busy);
	}
	assert_int_equal(take(), m.signals);
	assert_true(m.signals > 1000);
	sink_line_bind(&sink, fd);
}

#define T(name, how) cmocka_unit_test_setup_teardown(name, how, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(rise_signals_once_until_it_is_resampled, bound),
		T(high_after_resample_fires_again_once_each, bound),
		T(raised_between_isr_read_and_end_is_not_lost, bound),
		T(low_before_resample_means_no_second_signal, bound),
		T(fall_does_not_end_what_was_signalled, bound),
		T(resample_of_a_line_that_never_rose_is_silent, bound),
		T(rise_before_bind_fires_at_bind, unbound),
		T(rise_that_fell_before_bind_has_no_cause, unbound),
		T(bind_ends_busy_and_tells_the_new_one_of_a_high_line, bound),
		T(unbound_line_keeps_its_level_for_the_next, bound),
		T(mask_keeps_a_rise_until_unmasked, bound),
		T(unmask_of_a_line_that_fell_is_silent, bound),
		T(mask_survives_a_bind, bound),
		T(resample_then_unmask_is_one_signal, bound),
		T(trigger_signals_without_cause_and_without_busy, bound),
		T(bad_descriptor_is_counted_and_the_next_one_fires, bound),
		T(full_counter_counts_as_told, bound),
		T(fini_closes_the_descriptor, bound),
		T(view_shows_level_and_what_is_kept, unbound),
		T(two_sources_share_a_line_and_neither_is_lost, bound),
		T(signals_follow_the_model, bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
