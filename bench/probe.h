/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * probe.h - the cache-line ping-pong, beside a service that owns the other core
 *
 * One word that two cores write in turn, one round trip a sample, as `ring' has
 * it: of trips without a gap between them the processor makes less, because a
 * line that both sides wait for can be asked for early.  The other side is a
 * process that sleeps between two probes; the service is stopped meanwhile.
 *
 * What comes out also tells how near the two cores are: a virtual machine's are
 * moved about by its host, and a transfer then takes three times as long.
 *
 * Errors   -errno
 */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include <stdint.h>
#include <sys/types.h>

#define PROBE_SAMPLES 500

struct probe_shared;

struct probe {
	struct probe_shared *shared; /* owned */
	int wake;		     /* owned */
	pid_t pid;
};

/* The other side is on @cpu. */
int probe_open(struct probe *p, int cpu);
/* Fine for one that is zeroed. */
void probe_close(struct probe *p);

/* The median round trip, in ticks of the time stamp counter; 0 after
 * a signal. */
uint64_t probe_ticks(struct probe *p);

#endif
