/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wait.c - a futex or an eventfd, behind one flag
 *
 * The store that declares and the store that is progress go to different
 * words, so only a full fence on each side keeps both from being missed.  The
 * fence is DPDK's: on x86 a locked add to the own stack, cheaper than mfence
 * and than a locked operation on the shared line.
 *
 * The waker takes the declaration back by exchange, so of many wakers one
 * pays for the syscall.  The futex word moves after that; the waiter has read
 * it before it declared, so a wake-up between declaring and sleeping is seen.
 */
#include "ring/wait.h"

#include <linux/futex.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <rte_atomic.h>

/* Not FUTEX_PRIVATE: the other side is another process. */
static long futex(_Atomic uint32_t *word, int op, uint32_t val,
		  const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op, val, timeout, NULL, 0);
}

void wait_declare(struct seg_wait *w, enum seg_wait_mode mode, uint32_t *seq)
{
	/* Acquire: a waker's later step of seq must not be taken for older
	 * than the declaration below. */
	*seq = atomic_load_explicit(&w->seq, memory_order_acquire);
	/* Relaxed: the fence right behind orders it. */
	atomic_store_explicit(&w->mode, mode, memory_order_relaxed);
	/* W1: pairs with W2, so the look that follows, or the waker's, hits. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
}

int wait_sleep(struct seg_wait *w, uint32_t seq, int64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = timeout_ns / 1000000000,
		.tv_nsec = timeout_ns % 1000000000,
	};

	if (timeout_ns < 0)
		return -ETIMEDOUT;
	if (!futex(&w->seq, FUTEX_WAIT, seq, &ts))
		return 0;
	if (errno == ETIMEDOUT || errno == EINTR)
		return -errno;
	return 0; /* EAGAIN: woken before we slept */
}

void wait_done(struct seg_wait *w)
{
	/* Relaxed: a waker who still sees the declaration wakes for nothing. */
	atomic_store_explicit(&w->mode, SEG_AWAKE, memory_order_relaxed);
}

bool wait_wake(struct seg_wait *w, int eventfd)
{
	const uint64_t one = 1;

	/* W2: pairs with W1. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* Relaxed: the fence before it ordered it. */
	if (likely(atomic_load_explicit(&w->mode, memory_order_relaxed) ==
		   SEG_AWAKE))
		return false;

	switch (atomic_exchange(&w->mode, SEG_AWAKE)) {
	case SEG_FUTEX:
		atomic_fetch_add(&w->seq, 1);
		futex(&w->seq, FUTEX_WAKE, INT_MAX, NULL);
		return true;
	case SEG_EVENTFD:
		/* EAGAIN: the counter is full, so it is readable already. */
		return eventfd >= 0 &&
		       write(eventfd, &one, sizeof(one)) == sizeof(one);
	default: /* another waker was faster, or the peer made it up */
		return false;
	}
}

void wait_rouse(struct seg_wait *w)
{
	/* Unconditional: it is rare, and the declaration stays the waker's. */
	atomic_fetch_add(&w->seq, 1);
	futex(&w->seq, FUTEX_WAKE, INT_MAX, NULL);
}

void wait_drain(int eventfd)
{
	uint64_t count;
	struct iovec iov = { .iov_base = &count, .iov_len = sizeof(count) };
	ssize_t n;

	/* Whoever shares the descriptor may have cleared O_NONBLOCK. */
	n = preadv2(eventfd, &iov, 1, -1, RWF_NOWAIT);
	(void)n; /* EAGAIN: nobody wrote */
}
