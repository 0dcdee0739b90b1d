/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/probe.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/child.h"

struct probe_shared {
	_Alignas(128) _Atomic uint32_t word; /* odd: the other side's turn */
	_Alignas(128) _Atomic uint32_t last; /* it may sleep after this one */
};

static void answer(void *arg)
{
	const struct probe *p = arg;
	struct probe_shared *s = p->shared;
	uint32_t word, last;
	uint64_t n;

	while (read(p->wake, &n, sizeof(n)) == sizeof(n)) {
		last = atomic_load_explicit(&s->last, memory_order_acquire);
		do {
			while (!((word = atomic_load_explicit(
					  &s->word, memory_order_acquire)) &
				 1))
				;
			atomic_store_explicit(&s->word, ++word,
					      memory_order_release);
		} while (word != last);
	}
}

int probe_open(struct probe *p, int cpu)
{
	*p = (struct probe){ .wake = eventfd(0, EFD_CLOEXEC) };
	if (p->wake < 0)
		return -errno;
	p->shared = mmap(NULL, sizeof(*p->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->shared == MAP_FAILED) {
		p->shared = NULL;
		close(p->wake);
		return -ENOMEM;
	}
	p->pid = child_fork(answer, p, cpu);
	return p->pid < 0 ? (int)p->pid : 0;
}

void probe_close(struct probe *p)
{
	if (!p->shared)
		return;
	if (p->pid > 0)
		child_stop(p->pid);
	munmap(p->shared, sizeof(*p->shared));
	close(p->wake);
	*p = (struct probe){ .wake = -1 };
}

/* False: a signal came, which may have ended the other side. */
static bool trip(struct probe_shared *s, uint32_t word)
{
	atomic_store_explicit(&s->word, word + 1, memory_order_release);
	while (atomic_load_explicit(&s->word, memory_order_acquire) != word + 2)
		if (child_signal)
			return false;
	return true;
}

/* What reading the clock takes. */
static uint64_t clock_ticks(void)
{
	uint64_t took[PROBE_SAMPLES / 10];
	const size_t n = sizeof(took) / sizeof(took[0]);

	for (size_t i = 0; i < n; i++) {
		took[i] = bench_ticks();
		took[i] = bench_ticks() - took[i];
	}
	bench_sort(took, n);
	return bench_part(took, n, 50);
}

uint64_t probe_ticks(struct probe *p)
{
	struct probe_shared *s = p->shared;
	uint32_t word = atomic_load_explicit(&s->word, memory_order_relaxed);
	uint64_t took[PROBE_SAMPLES], one = 1;

	atomic_store_explicit(&s->last, word + 2 * (PROBE_SAMPLES + 1),
			      memory_order_release);
	if (write(p->wake, &one, sizeof(one)) != sizeof(one))
		return 0;
	/* The other side wakes up. */
	if (!trip(s, word))
		return 0;
	for (unsigned int i = 0; i < PROBE_SAMPLES; i++) {
		word += 2;
		took[i] = bench_ticks();
		if (!trip(s, word))
			return 0;
		took[i] = bench_ticks() - took[i];
	}
	bench_sort(took, PROBE_SAMPLES);
	return bench_part(took, PROBE_SAMPLES, 50) - clock_ticks();
}
