/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the one pending call is a pointer to a struct on the caller's stack;
 * its semaphore tells the caller that it was done.  There is one caller, the
 * control thread, so there is never a second call.
 *
 * A loop that may sleep shares its core with others, so it offers the core
 * now and then while it polls: on a small box the very client it waits for
 * may be the one that needs it.
 */
#include "apps/pciringd/loop.h"

#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_pause.h>

#include "irq/notify.h"
#include "transport/devices/uring.h"

/* How many idle turns between two offers of the core. */
#define TURNS_A_YIELD 16
/* How many idle turns a pause, in a loop that never sleeps: a question that
 * comes in a pause waits for its end. */
#define TURNS_A_PAUSE 4

struct call {
	loop_fn *fn;
	void *arg;
	sem_t done;
};

struct loop {
	/* Read each turn. */
	_Atomic(struct call *) call;
	unsigned int nr_machines;
	bool stop;	      /* set by a call */
	struct worker worker; /* queues of machines of other loops */
	int64_t idle_ns;
	struct loop_stats stats;
	struct machine *machine[LOOP_MAX_MACHINES];

	/* Control's, and what sleeping needs. */
	_Alignas(64) _Atomic bool asleep;
	_Atomic bool returned;
	bool running; /* control's */
	int epoll_fd; /* owned */
	int wake_fd;  /* owned */
	int uring_fd; /* borrowed, the thread's: watched; -1: not yet */
	unsigned int index;
};

/* Any thread, after it has written what the loop is to find. */
static void wake(struct worker *w)
{
	struct loop *loop = container_of(w, struct loop, worker);
	const uint64_t one = 1;

	/* B2: behind the store, and both sequentially consistent. */
	if (atomic_load(&loop->asleep) &&
	    write(loop->wake_fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN); /* full is as good as written */
}

int loop_create(unsigned int index, int idle_us, struct loop **out)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct loop *loop;
	int err;

	loop = aligned_alloc(64, (sizeof(*loop) + 63) & ~(size_t)63);
	if (!loop)
		return -ENOMEM;
	memset(loop, 0, sizeof(*loop));
	loop->index = index;
	loop->uring_fd = -1;
	worker_init(&loop->worker, wake);
	loop->idle_ns = idle_us < 0 ? LOOP_IDLE_OFF : (int64_t)idle_us * 1000;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		err = -errno;
		goto free_loop;
	}
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0) {
		err = -errno;
		goto close_epoll;
	}
	ev.data.fd = loop->wake_fd;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &ev)) {
		err = -errno;
		goto close_wake;
	}
	*out = loop;
	return 0;

close_wake:
	close(loop->wake_fd);
close_epoll:
	close(loop->epoll_fd);
free_loop:
	free(loop);
	return err;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	assert(!loop->running && !loop->nr_machines);
	close(loop->wake_fd);
	close(loop->epoll_fd);
	free(loop);
}

struct worker *loop_worker(struct loop *loop)
{
	return &loop->worker;
}

unsigned int loop_index(const struct loop *loop)
{
	return loop->index;
}

int loop_idle_us(const struct loop *loop)
{
	return loop->idle_ns < 0 ? LOOP_IDLE_OFF : (int)(loop->idle_ns / 1000);
}

unsigned int loop_machines(const struct loop *loop)
{
	return loop->nr_machines;
}

/* ---- The loop's thread ------------------------------------------------- */

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static bool take_call(struct loop *loop)
{
	/* B1: pairs with L1, so the call and its argument are complete. */
	struct call *call =
		atomic_load_explicit(&loop->call, memory_order_acquire);

	if (likely(!call))
		return false;
	loop->stats.calls++;
	call->fn(call->arg);
	/* The semaphore orders this store before the caller's next call. */
	atomic_store_explicit(&loop->call, NULL, memory_order_relaxed);
	sem_post(&call->done);
	return true;
}

static bool turn(struct loop *loop)
{
	/* The worker's count goes on: what it adds to that is this turn's. */
	uint64_t done = 0 - loop->worker.stats.chains;
	bool did = false;

	for (unsigned int i = 0; i < loop->nr_machines; i++) {
		did |= machine_turn(loop->machine[i]);
		done += loop->machine[i]->turn_chains;
	}
	did |= worker_turn(&loop->worker) & JOB_DID;
	/* Behind all that may have something for the kernel, once; what has
	 * completed is for the next turn. */
	did |= uring_turn();
	done += loop->worker.stats.chains;
	loop->stats.most_chains = RTE_MAX(loop->stats.most_chains, done);
	loop->stats.turns++;
	loop->stats.turns_with_work += did;
	return did;
}

/* The thread's io_uring is opened by whoever needs it first. */
static void watch_uring(struct loop *loop)
{
	if (loop->uring_fd < 0 && uring_fd() >= 0 &&
	    !loop_watch(loop, uring_fd()))
		loop->uring_fd = uring_fd();
}

static void wait_for_kick(struct loop *loop, uint64_t ns)
{
	const struct timespec most = {
		.tv_sec = (time_t)(ns / 1000000000u),
		.tv_nsec = (long)(ns % 1000000000u),
	};
	struct epoll_event ev[16];
	uint64_t count;

	loop->stats.sleeps++;
	epoll_pwait2(loop->epoll_fd, ev, ARRAY_SIZE(ev),
		     ns == UINT64_MAX ? NULL : &most, NULL);
	if (read(loop->wake_fd, &count, sizeof(count)) < 0)
		return; /* a kick came, not a call */
}

static bool has_letters(struct loop *loop)
{
	for (unsigned int i = 0; i < loop->nr_machines; i++)
		if (machine_has_letters(loop->machine[i]))
			return true;
	return false;
}

/* For how many nanoseconds, at most. */
static uint64_t ready_to_sleep(struct loop *loop)
{
	uint64_t least = worker_sleep(&loop->worker), ns;

	for (unsigned int i = 0; i < loop->nr_machines; i++) {
		ns = machine_sleep(loop->machine[i]);
		if (ns < least)
			least = ns;
	}
	/* What that was, is for the kernel. */
	return uring_turn() ? 0 : least;
}

static void loop_sleep(struct loop *loop)
{
	uint64_t ns = ready_to_sleep(loop);
	bool work;

	watch_uring(loop);
	/* L2: declared before the last look at what B2's side wrote. */
	atomic_store(&loop->asleep, true);
	work = atomic_load(&loop->call) != NULL;
	work |= worker_has_work(&loop->worker) || has_letters(loop);
	if (!work && ns)
		wait_for_kick(loop, ns);
	atomic_store_explicit(&loop->asleep, false, memory_order_relaxed);
	for (unsigned int i = 0; i < loop->nr_machines; i++)
		machine_awake(loop->machine[i]);
}

/* Nothing was done for @turns turns, since @since. */
static void idle(struct loop *loop, unsigned int turns, int64_t since)
{
	if (now_ns() - since >= loop->idle_ns)
		loop_sleep(loop);
	else if (turns % TURNS_A_YIELD == 0)
		sched_yield();
	else
		rte_pause();
}

static bool has_active(const struct loop *loop)
{
	for (unsigned int i = 0; i < loop->nr_machines; i++)
		if (loop->machine[i]->active_head)
			return true;
	return loop->worker.active != NULL;
}

int loop_run(void *arg)
{
	struct loop *loop = arg;
	unsigned int idle_turns = 0;
	int64_t since = 0;
	bool did;

	/* Where it fails, machines' own set-up fails too and says so. */
	notify_prepare();
	while (!loop->stop) {
		did = turn(loop);
		did |= take_call(loop);
		if (did) {
			idle_turns = 0;
		} else if (loop->idle_ns < 0) {
			/* Whose queue is hot waits for us, and not long. */
			if (++idle_turns % TURNS_A_PAUSE == 0 &&
			    !has_active(loop))
				rte_pause();
		} else {
			if (idle_turns++ == 0)
				since = now_ns();
			idle(loop, idle_turns, since);
		}
	}
	uring_close();
	/* L3: the last this thread does with the loop. */
	atomic_store_explicit(&loop->returned, true, memory_order_release);
	return 0;
}

/* ---- The control thread ------------------------------------------------ */

void loop_start(struct loop *loop)
{
	loop->stop = false;
	loop->running = true;
}

static void stop(void *arg)
{
	struct loop *loop = arg;

	loop->stop = true;
}

void loop_stop(struct loop *loop)
{
	loop_call(loop, stop, loop);
}

void loop_stopped(struct loop *loop)
{
	/* B3: pairs with L3.  The thread was waited for, but by means that a
	 * thread checker cannot see; one that never ran has not returned. */
	(void)atomic_load_explicit(&loop->returned, memory_order_acquire);
	loop->running = false;
}

void loop_call(struct loop *loop, loop_fn *fn, void *arg)
{
	struct call call = { .fn = fn, .arg = arg };

	if (!loop->running) {
		fn(arg);
		return;
	}
	sem_init(&call.done, 0, 0);
	/* L1; wake() is behind it. */
	atomic_store(&loop->call, &call);
	wake(&loop->worker);
	while (sem_wait(&call.done))
		assert(errno == EINTR);
	sem_destroy(&call.done);
}

struct change {
	struct loop *loop;
	struct machine *machine;
};

static void add(void *arg)
{
	struct change *c = arg;

	machine_enter(c->machine, &c->loop->worker);
	c->loop->machine[c->loop->nr_machines++] = c->machine;
}

int loop_add(struct loop *loop, struct machine *m)
{
	struct change c = { .loop = loop, .machine = m };

	if (loop->nr_machines == LOOP_MAX_MACHINES)
		return -ENOSPC;
	loop_call(loop, add, &c);
	return 0;
}

static void remove_machine(void *arg)
{
	struct change *c = arg;
	struct machine **m = c->loop->machine;
	unsigned int i = 0;

	while (m[i] != c->machine)
		i++;
	m[i] = m[--c->loop->nr_machines];
	machine_leave(c->machine);
}

void loop_remove(struct loop *loop, struct machine *m)
{
	struct change c = { .loop = loop, .machine = m };

	loop_call(loop, remove_machine, &c);
}

int loop_watch(struct loop *loop, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

void loop_unwatch(struct loop *loop, int fd)
{
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

struct read_stats {
	struct loop *loop;
	struct loop_stats *out;
};

static void read_stats(void *arg)
{
	struct read_stats *r = arg;

	*r->out = r->loop->stats;
	r->out->worker = r->loop->worker.stats;
	r->out->uring_enters = uring_enters();
}

void loop_get_stats(struct loop *loop, struct loop_stats *out)
{
	struct read_stats r = { .loop = loop, .out = out };

	loop_call(loop, read_stats, &r);
}
