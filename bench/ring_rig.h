/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_rig.h - the two sides that `pciring-bench ring' lets talk
 *
 * The caller is the VMM: it runs libpciring.  A child process is the service:
 * it turns a real machine that has no function, so that an access goes all the
 * way and meets nothing.  Each is pinned to a core of its own.  What they do is
 * told to the child task by task; a *way* is how the two sides play one.
 *
 * Memory   each cache line that both sides touch is under test or is written
 *          between two tasks only; everything else a side has is its own
 */
#ifndef BENCH_RING_RIG_H
#define BENCH_RING_RIG_H

#include <stdatomic.h>
#include <x86intrin.h>

#include "bench/placement.h"
#include "ring/client.h"
#include "transport/machine/machine.h"

#define RIG_LINE 128 /* two lines: they are fetched in pairs */

struct ring_rig;

struct ring_way {
	/* Child: until ring_rig_goes_on() is over. */
	void (*serve)(struct ring_rig *r);
	/* Caller, of a way to ask: one question and its answer. */
	void (*ask)(struct ring_rig *r, unsigned int lane);
	/* Caller, of a way to send: let @n messages pass, either way. */
	void (*pass)(struct ring_rig *r, unsigned int n);
	/* Caller: the child may sleep, let it look whether the task goes on. */
	void (*rouse)(struct ring_rig *r);
};

/*
 * The probe: one cache line back and forth, nothing else.  It is the line of
 * a lane's mailbox, a word of which nobody uses: how long a line travels also
 * depends on where its address has its home in the cache.
 */
extern const struct ring_way ring_pingpong;
/* An access through libpciring and a machine, the service polling or idling. */
extern const struct ring_way ring_access, ring_access_idle;
/* Posted writes: the channel's calls alone, and from pciring_post() through the
 * turn of a machine. */
extern const struct ring_way ring_posted, ring_posted_whole;
/* Interrupts. */
extern const struct ring_way ring_irq;

struct ring_task {
	const struct ring_way *way;
	unsigned int vm;      /* index of ring_rig.vms */
	unsigned int lane;    /* the probe's */
	unsigned int pace_ns; /* a consumer's pause between two looks */
};

/* An attachment: the client's half is the caller's, the rest the child's. */
struct ring_vm {
	uint32_t path; /* PCIRING_PATH_* */
	unsigned int lanes;
	struct machine *machine;
	struct link *link;
	struct channel *service;
	struct pciring *client;
};

#define RIG_LANES 3 /* numbers of vCPUs: 1, 8, 64 */
#define RIG_VMS	  (2 * RIG_LANES)
extern const unsigned int ring_rig_lanes[RIG_LANES];

/* Shared.  The caller writes the task, then its number. */
struct ring_shared {
	_Alignas(RIG_LINE) _Atomic uint32_t number;
	struct ring_task task;
	_Alignas(RIG_LINE) _Atomic uint32_t begun; /* the child's */
	_Alignas(RIG_LINE) struct seg_lane line;   /* beside the eventfds */
	_Alignas(RIG_LINE) char end;
};

struct ring_rival; /* what the rivals need; see ring_rival.h */

/* After the fork each process has its own. */
struct ring_rig {
	struct ring_shared *shared;
	struct ring_vm vms[RIG_VMS], *vm; /* the task's */
	struct ring_rival *rival;	  /* owned */
	struct ring_task task;
	uint32_t number;
	double ticks_per_ns;
	uint64_t turns, turns_with_work;
	pid_t child;
};

int ring_rig_open(struct ring_rig *r, const struct placement *at);
void ring_rig_close(struct ring_rig *r);

/* Caller: the next task; when this returns the child does it.  -ETIMEDOUT. */
int ring_rig_begin(struct ring_rig *r, const struct ring_task *task);

/* Child: whether the task is still the same. */
static inline bool ring_rig_goes_on(const struct ring_rig *r)
{
	return atomic_load_explicit(&r->shared->number, memory_order_acquire) ==
	       r->number;
}

/* Do nothing for @ns. */
static inline void ring_rig_pause(const struct ring_rig *r, unsigned int ns)
{
	uint64_t begin = __rdtsc();
	uint64_t ticks = (uint64_t)(ns * r->ticks_per_ns);

	while (__rdtsc() - begin < ticks)
		_mm_pause();
}

/* A way was given something that cannot be: no figure of it is worth a line. */
void ring_rig_broken(const char *what) __attribute__((noreturn));

#endif
