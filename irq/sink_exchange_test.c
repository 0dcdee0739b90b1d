/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a device thread raises vectors and sources of a line, and exchanges
 * what they lead to while it does; a VMM's threads read what the sinks hold.
 * Each raise is numbered in a word before it is made, and whoever is
 * interrupted by it reads that word.  So whatever merges with whatever: once
 * all is quiet, the last number made of each word has been seen, or its
 * interrupt was lost.  Rounds end so, most of them right behind an exchange.
 *
 * Word      written by   read by      order
 * made[w]   device       VMM, device  that of the interrupt
 * seen[w]   VMM, device  device       none: a late look only sees it later
 * ends      VMM, device  device       none
 */
#include "irq/line.h"
#include "irq/msi.h"
#include "irq/sink.h"
#include "ring/channel.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants setjmp.h, stdarg.h and stdlib.h first */
#include <cmocka.h>

#define VECTORS	 4
#define SOURCES	 2
#define WORDS	 (VECTORS + SOURCES)
#define LINE_FDS 2
#define GSI	 17

#define ROUNDS	  2000
#define RUN_MS	  300
#define PATIENCE  20000 /* ms: then it is lost */
#define RAISE_MAX 400	/* a round */

static _Atomic uint32_t made[WORDS], seen[WORDS];
static _Atomic unsigned int ends; /* of interrupts by the line's eventfd */
static _Atomic bool stop;
static _Atomic bool stalled; /* nobody reads the ring */
static _Atomic bool ring_level;

/* The device's side. */
static struct msi_bank bank;
static struct msi_vector vector[VECTORS];
static uint64_t pending;
static struct irq_line line;
static struct irq_source source[SOURCES];

/* The sinks. */
static struct channel channel;
static struct sink_ring ring;
static struct sink_eventfd eventfds;
static struct sink_line line_fd;
static struct sink_callback callback;
static struct sink_record record;
static int vector_fd[VECTORS], the_line_fd[LINE_FDS];
static bool callback_level, record_level;
static bool refused; /* by the callback, once */

/* Who refused to hear low when the line left it, and takes it for high. */
static struct believer {
	struct irq_stage *stage;
	bool believes;
} believer[] = {
	{ .stage = &ring.stage },
	{ .stage = &callback.stage },
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void nap(void)
{
	const struct timespec t = { .tv_nsec = 20000 };

	nanosleep(&t, NULL);
}

/* ---- The guest's handlers ------------------------------------------------ */

static void see(unsigned int w)
{
	uint32_t now = atomic_load_explicit(&made[w], memory_order_relaxed);
	uint32_t last = atomic_load_explicit(&seen[w], memory_order_relaxed);

	while (last < now && !atomic_compare_exchange_weak_explicit(
				     &seen[w], &last, now, memory_order_relaxed,
				     memory_order_relaxed))
		;
}

static void see_line(void)
{
	for (unsigned int s = 0; s < SOURCES; s++)
		see(VECTORS + s);
}

static bool has_seen(unsigned int w)
{
	return atomic_load_explicit(&seen[w], memory_order_relaxed) ==
	       atomic_load_explicit(&made[w], memory_order_relaxed);
}

/* ---- The VMM's threads ---------------------------------------------------- */

static void hear(const struct msg_irq *irq)
{
	unsigned int number = MSG_IRQ_NUMBER(irq->what);

	if (MSG_IRQ_TYPE(irq->what) == PCIRING_IRQ_TYPE_MSI)
		see(number);
	else
		atomic_store(&ring_level, irq->data);
}

static unsigned int read_some(void)
{
	struct msg_irq irq[32];
	unsigned int n = 0;

	if (!atomic_load(&stalled))
		n = channel_get_irqs(&channel, irq, ARRAY_SIZE(irq));
	for (unsigned int i = 0; i < n; i++)
		hear(&irq[i]);
	/* Its controller asks for as long as the level is high. */
	if (atomic_load(&ring_level))
		see_line();
	return n;
}

static void *read_ring(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop))
		if (!read_some())
			nap();
	while (read_some())
		;
	return NULL;
}

static bool taken(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n);
}

static void *read_eventfds(void *arg)
{
	struct pollfd p[VECTORS + LINE_FDS];

	(void)arg;
	for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
		p[i] = (struct pollfd){
			.fd = i < VECTORS ? vector_fd[i]
					  : the_line_fd[i - VECTORS],
			.events = POLLIN,
		};
	while (!atomic_load(&stop)) {
		if (poll(p, ARRAY_SIZE(p), 2) <= 0)
			continue;
		for (unsigned int v = 0; v < VECTORS; v++)
			if (taken(vector_fd[v]))
				see(v);
		for (unsigned int i = 0; i < LINE_FDS; i++) {
			if (!taken(the_line_fd[i]))
				continue;
			see_line();
			atomic_fetch_add(&ends, 1);
		}
	}
	return NULL;
}

/* ---- Sinks that end in the device's own thread ----------------------------- */

static bool refuse_at_random(void)
{
	if (rand() % 8)
		return false;
	refused = true;
	return true;
}

static enum irq_result called_send(void *ctx, const struct msi_message *m)
{
	(void)ctx;
	if (refuse_at_random())
		return IRQ_REFUSED;
	see(m->vector);
	return IRQ_DELIVERED;
}

static enum irq_result called_set(void *ctx, uint32_t pin, bool high)
{
	(void)ctx;
	(void)pin;
	if (refuse_at_random())
		return IRQ_REFUSED;
	callback_level = high;
	return IRQ_DELIVERED;
}

static void look_at_record(void)
{
	for (unsigned int i = 0; i < record.nr; i++)
		see(record.message[i].vector);
	if (record.nr_levels)
		record_level = record.level[record.nr_levels - 1].high;
	record.nr = 0;
	record.nr_levels = 0;
}

/* ---- The device's thread ---------------------------------------------------- */

static void flush(void)
{
	msi_bank_flush(&bank);
	irq_line_flush(&line);
}

/* What is left of an exchange.  Once the line leads to @b again and is high,
 * it is true again. */
static void settle(struct believer *b)
{
	bool back = line.next == b->stage && line.told;

	if (b->believes && !back &&
	    irq_stage_set(b->stage, GSI, false) == IRQ_REFUSED)
		return;
	b->believes = false;
}

static bool anybody_believes(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(believer); i++)
		if (believer[i].believes)
			return true;
	return false;
}

/* A turn of the loop: what the guest did, and what has room again. */
static void turn(void)
{
	look_at_record();
	if (callback_level || record_level)
		see_line();
	for (unsigned int s = 0; s < SOURCES; s++)
		if (source[s].high && has_seen(VECTORS + s))
			irq_source_set(&source[s], false);
	if (atomic_exchange(&ends, 0))
		sink_line_resample(&line_fd);
	if (refused || (ring.backlog && channel_irq_room(&channel))) {
		refused = false;
		ring.backlog = false;
		flush();
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(believer); i++)
		settle(&believer[i]);
	look_at_record();
}

static void raise_word(unsigned int w)
{
	atomic_fetch_add_explicit(&made[w], 1, memory_order_relaxed);
	if (w < VECTORS)
		msi_send(&bank, w);
	else
		irq_source_set(&source[w - VECTORS], true);
}

static void set_mask(unsigned int v, bool masked)
{
	msi_set_vector(&bank, v, 0xfee00000, 0x40 + v, masked);
}

static void bind_vector(unsigned int v, bool bound)
{
	sink_eventfd_bind(&eventfds, v, bound ? vector_fd[v] : -1);
	msi_bank_flush(&bank);
}

static void exchange_of_vectors(void)
{
	struct irq_stage *const next[] = {
		&ring.stage, &eventfds.stage, &callback.stage, &record.stage,
		NULL,
	};
	unsigned int v = (unsigned int)rand() % VECTORS;

	switch (rand() % 8) {
	default:
		msi_bank_set_next(&bank, next[rand() % 5], false);
		break;
	case 0:
	case 1:
		bind_vector(v, eventfds.fd[v] < 0);
		break;
	case 2:
		eventfds.otherwise = eventfds.otherwise ? NULL : &ring.stage;
		msi_bank_flush(&bank);
		break;
	case 3:
		set_mask(v, !(vector[v].control & 1));
		break;
	}
}

static void line_leads_to(struct irq_stage *next)
{
	struct irq_stage *old = line.next;

	if (irq_line_set_next(&line, next, GSI))
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(believer); i++)
		if (believer[i].stage == old)
			believer[i].believes = true;
}

static void exchange_of_line(void)
{
	struct irq_stage *const next[] = {
		&ring.stage,   &line_fd.stage, &callback.stage,
		&record.stage, NULL,
	};

	switch (rand() % 8) {
	default:
		line_leads_to(next[rand() % 5]);
		break;
	case 0:
		sink_line_bind(&line_fd, -1);
		break;
	case 1:
		sink_line_bind(&line_fd, the_line_fd[rand() % LINE_FDS]);
		break;
	case 2:
		sink_line_mask(&line_fd, !line_fd.masked);
		break;
	}
}

/* Open every way that is shut - and none but those, for it is the exchange
 * that has to deliver. */
static void open_ways(void)
{
	atomic_store(&stalled, false);
	for (unsigned int v = 0; v < VECTORS; v++) {
		if (vector[v].control & 1)
			set_mask(v, false);
		if (eventfds.fd[v] < 0 && !eventfds.otherwise)
			bind_vector(v, true);
	}
	if (!bank.next)
		msi_bank_set_next(&bank, &eventfds.stage, false);
	if (!line.next)
		line_leads_to(&ring.stage);
	if (line_fd.fd < 0)
		sink_line_bind(&line_fd, the_line_fd[0]);
	if (line_fd.masked)
		sink_line_mask(&line_fd, false);
}

/* And nobody is left believing in a level that is over. */
static bool all_seen(void)
{
	for (unsigned int w = 0; w < WORDS; w++)
		if (!has_seen(w))
			return false;
	return !line.high && !line.told && !anybody_believes();
}

static void wait_until_all_seen(void)
{
	int64_t end = now_ms() + PATIENCE;

	open_ways();
	for (;;) {
		turn();
		if (all_seen())
			return;
		if (now_ms() > end)
			break;
		nap();
	}
	for (unsigned int w = 0; w < WORDS; w++)
		if (!has_seen(w))
			fail_msg("%u: %u made, %u seen; vectors lead to %s, "
				 "the line to %s",
				 w, made[w], seen[w], bank.next->ops->kind,
				 line.next->ops->kind);
	fail_msg("the line stays high: %d, told %d, believed %d", line.high,
		 line.told, anybody_believes());
}

static void round_of(void (*exchange)(void))
{
	unsigned int n = (unsigned int)rand() % RAISE_MAX;

	/* Enough to fill the ring. */
	if (rand() % 8 == 0) {
		atomic_store(&stalled, true);
		n += 2 * CHANNEL_IRQS;
	}
	for (unsigned int i = 0; i < n; i++) {
		raise_word((unsigned int)rand() % WORDS);
		if (rand() % 4 == 0)
			turn();
		if (rand() % 100 == 0)
			exchange();
	}
	exchange();
	if (rand() % 4)
		wait_until_all_seen();
}

/* ---- The run ------------------------------------------------------------------ */

static void start_device(void)
{
	for (unsigned int w = 0; w < WORDS; w++)
		made[w] = seen[w] = 0;
	stop = stalled = ring_level = false;
	ends = 0;
	callback_level = record_level = refused = false;
	for (unsigned int i = 0; i < ARRAY_SIZE(believer); i++)
		believer[i].believes = false;
	msi_bank_init(&bank, vector, &pending, VECTORS, 8);
	for (unsigned int v = 0; v < VECTORS; v++)
		set_mask(v, false);
	msi_bank_set_next(&bank, &ring.stage, false);
	msi_bank_set_open(&bank, true);
	irq_line_init(&line, "line", &ring.stage, GSI);
	for (unsigned int s = 0; s < SOURCES; s++) {
		source[s] = (struct irq_source){ 0 };
		irq_source_connect(&source[s], &line);
	}
}

static int counter(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static int start(void **state)
{
	(void)state;
	assert_int_equal(channel_create(&channel, 1, 1), 0);
	sink_ring_init(&ring, &channel);
	assert_int_equal(sink_eventfd_init(&eventfds, VECTORS, NULL), 0);
	assert_int_equal(sink_line_init(&line_fd, "line"), 0);
	sink_callback_init(&callback, called_send, called_set, NULL);
	sink_record_init(&record);
	for (unsigned int v = 0; v < VECTORS; v++) {
		vector_fd[v] = counter();
		sink_eventfd_bind(&eventfds, v, vector_fd[v]);
	}
	for (unsigned int i = 0; i < LINE_FDS; i++)
		the_line_fd[i] = counter();
	sink_line_bind(&line_fd, the_line_fd[0]);
	start_device();
	return 0;
}

/* All descriptors are ours: they stay open while they are not bound. */
static int end(void **state)
{
	(void)state;
	for (unsigned int v = 0; v < VECTORS; v++) {
		sink_eventfd_bind(&eventfds, v, -1);
		close(vector_fd[v]);
	}
	sink_eventfd_fini(&eventfds);
	sink_line_bind(&line_fd, -1);
	for (unsigned int i = 0; i < LINE_FDS; i++)
		close(the_line_fd[i]);
	sink_line_fini(&line_fd);
	channel_fini(&channel);
	return 0;
}

static void run(unsigned int seed, void (*exchange)(void))
{
	pthread_t ring_reader, eventfd_reader;
	int64_t late = now_ms() + RUN_MS;

	srand(seed);
	assert_int_equal(pthread_create(&ring_reader, NULL, read_ring, NULL),
			 0);
	assert_int_equal(
		pthread_create(&eventfd_reader, NULL, read_eventfds, NULL), 0);
	for (unsigned int i = 0; i < ROUNDS && now_ms() < late; i++)
		round_of(exchange);
	wait_until_all_seen();
	atomic_store(&stop, true);
	pthread_join(ring_reader, NULL);
	pthread_join(eventfd_reader, NULL);
	assert_false(atomic_load(&ring_level));
	assert_false(callback_level);
	assert_false(record_level);
	assert_int_equal(eventfds.failures + line_fd.failures, 0);
	assert_true(ring.stage.count.fired > 0);
}

static void vectors_lose_nothing_while_their_sink_is_exchanged(void **state)
{
	(void)state;
	run(1, exchange_of_vectors);
}

/* rule 74 */
static void line_loses_nothing_while_its_sink_is_exchanged(void **state)
{
	(void)state;
	run(2, exchange_of_line);
}

static void exchange_of_either(void)
{
	if (rand() & 1)
		exchange_of_vectors();
	else
		exchange_of_line();
}

static void both_lose_nothing_while_either_is_exchanged(void **state)
{
	(void)state;
	run(3, exchange_of_either);
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(vectors_lose_nothing_while_their_sink_is_exchanged),
		T(line_loses_nothing_while_its_sink_is_exchanged),
		T(both_lose_nothing_while_either_is_exchanged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
