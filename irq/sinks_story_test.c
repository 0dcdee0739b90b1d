/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: all sinks stand side by side before one far end, which looks at all of
 * them at each step: what arrives at a sink that nothing leads to would be
 * seen too often.  KVM's sink plays the same story in a test of its own.
 */
#include "irq/sink.h"
#include "irq/test_story.h"
#include "ring/channel.h"

#include <sys/eventfd.h>
#include <unistd.h>

#define GSI 17

struct far_end {
	struct story_sink sink;
	struct story_pin pin;	  /* what hears levels leads here */
	struct story_seen called; /* by the callback */
	struct channel channel;
	struct sink_ring ring;
	struct sink_eventfd eventfd;
	struct sink_line line;
	struct sink_callback callback;
	struct sink_record record;
	int vector_fd[STORY_VECTORS]; /* owned by their sinks */
	int line_fd;
};

static struct far_end far;

/* ---- What is heard ------------------------------------------------------- */

static void hear_message(struct story_seen *seen, const struct msi_message *m)
{
	unsigned int v = story_vector_of(m->data);

	if (v == STORY_VECTORS) {
		seen->strange++;
		return;
	}
	seen->nr[v]++;
	seen->last[v] = *m;
}

static void hear_level(struct story_seen *seen, uint32_t pin, bool high)
{
	/* Only changes are told. */
	if (pin != GSI || far.pin.level == high)
		seen->strange++;
	story_pin_set(&far.pin, high);
}

static enum irq_result called_send(void *ctx, const struct msi_message *m)
{
	hear_message(ctx, m);
	return IRQ_DELIVERED;
}

static enum irq_result called_set(void *ctx, uint32_t pin, bool high)
{
	hear_level(ctx, pin, high);
	return IRQ_DELIVERED;
}

static void look_at_ring(struct story_seen *seen)
{
	struct msg_irq irq;

	while (channel_get_irqs(&far.channel, &irq, 1)) {
		const struct msi_message m = {
			.address = irq.address,
			.data = irq.data,
			.requester_id = irq.requester_id,
			.vector = MSG_IRQ_NUMBER(irq.what),
		};

		switch (MSG_IRQ_TYPE(irq.what)) {
		case PCIRING_IRQ_TYPE_MSI:
			hear_message(seen, &m);
			break;
		case PCIRING_IRQ_TYPE_LINE:
			hear_level(seen, MSG_IRQ_NUMBER(irq.what), irq.data);
			break;
		default:
			seen->strange++;
		}
	}
}

static unsigned int take(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? (unsigned int)n : 0;
}

static void look_at_record(struct story_seen *seen)
{
	for (unsigned int i = 0; i < far.record.nr; i++)
		hear_message(seen, &far.record.message[i]);
	for (unsigned int i = 0; i < far.record.nr_levels; i++)
		hear_level(seen, far.record.level[i].pin,
			   far.record.level[i].high);
	far.record.nr = 0;
	far.record.nr_levels = 0;
}

static void observe(struct story_sink *s, struct story_seen *seen)
{
	(void)s;
	*seen = far.called;
	memset(&far.called, 0, sizeof(far.called));
	look_at_ring(seen);
	look_at_record(seen);
	for (unsigned int v = 0; v < STORY_VECTORS; v++)
		seen->nr[v] += take(far.vector_fd[v]);
	seen->line = far.pin.taken + take(far.line_fd);
	seen->level = far.pin.level;
	far.pin.taken = 0;
}

/* The controller's pin, or the VMM that resamples. */
static void end(struct story_sink *s)
{
	if (s->line == &far.line.stage)
		sink_line_resample(&far.line);
	else
		story_pin_end(&far.pin);
}

/* ---- The sinks ----------------------------------------------------------- */

static int counter(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static int all_sinks(void **state)
{
	(void)state;
	memset(&far, 0, sizeof(far));
	assert_int_equal(channel_create(&far.channel, 1, 1), 0);
	sink_ring_init(&far.ring, &far.channel);
	assert_int_equal(sink_eventfd_init(&far.eventfd, STORY_VECTORS, NULL),
			 0);
	assert_int_equal(sink_line_init(&far.line, "story"), 0);
	sink_callback_init(&far.callback, called_send, called_set, &far.called);
	sink_record_init(&far.record);
	for (unsigned int v = 0; v < STORY_VECTORS; v++) {
		far.vector_fd[v] = counter();
		sink_eventfd_bind(&far.eventfd, v, far.vector_fd[v]);
	}
	far.line_fd = counter();
	sink_line_bind(&far.line, far.line_fd);
	return 0;
}

static int no_sinks(void **state)
{
	(void)state;
	sink_line_fini(&far.line);
	sink_eventfd_fini(&far.eventfd);
	channel_fini(&far.channel);
	return 0;
}

static void play(const char *name, struct irq_stage *msi,
		 struct irq_stage *line)
{
	far.sink = (struct story_sink){
		.name = name,
		.msi = msi,
		.line = line,
		.pin = GSI,
		.observe = observe,
		.end = end,
	};
	/* An eventfd has no words. */
	if (msi != &far.eventfd.stage)
		far.sink.tells |= STORY_TELLS_DATA | STORY_TELLS_MESSAGE;
	if (line != &far.line.stage)
		far.sink.tells |= STORY_TELLS_LEVEL;
	story_play(&far.sink);
}

static void ring_tells_the_story(void **state)
{
	(void)state;
	play("ring", &far.ring.stage, &far.ring.stage);
}

/* rule 74 */
static void eventfds_of_vectors_and_line_tell_the_story(void **state)
{
	(void)state;
	play("eventfd", &far.eventfd.stage, &far.line.stage);
	assert_int_equal(far.eventfd.failures + far.line.failures, 0);
}

static void callback_tells_the_story(void **state)
{
	(void)state;
	play("callback", &far.callback.stage, &far.callback.stage);
}

static void record_tells_the_story(void **state)
{
	(void)state;
	play("record", &far.record.stage, &far.record.stage);
}

static void messages_by_eventfd_and_levels_by_ring_tell_the_story(void **state)
{
	(void)state;
	play("eventfd and ring", &far.eventfd.stage, &far.ring.stage);
}

/* rule 74 */
static void
messages_by_ring_and_the_line_by_eventfd_tell_the_story(void **state)
{
	(void)state;
	play("ring and eventfd", &far.ring.stage, &far.line.stage);
}

static void vectors_without_eventfds_tell_it_by_the_ring(void **state)
{
	(void)state;
	for (unsigned int v = 0; v < STORY_VECTORS; v++) {
		close(sink_eventfd_bind(&far.eventfd, v, -1));
		far.vector_fd[v] = -1;
	}
	far.eventfd.otherwise = &far.ring.stage;
	play("ring behind eventfds", &far.eventfd.stage, &far.ring.stage);
}

static void sinks_can_take_turns_in_the_telling(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		ring_tells_the_story(state);
		eventfds_of_vectors_and_line_tell_the_story(state);
		callback_tells_the_story(state);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, all_sinks, no_sinks)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ring_tells_the_story),
		T(eventfds_of_vectors_and_line_tell_the_story),
		T(callback_tells_the_story),
		T(record_tells_the_story),
		T(messages_by_eventfd_and_levels_by_ring_tell_the_story),
		T(messages_by_ring_and_the_line_by_eventfd_tell_the_story),
		T(vectors_without_eventfds_tell_it_by_the_ring),
		T(sinks_can_take_turns_in_the_telling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
