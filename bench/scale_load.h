/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scale_load.h - the load generator: a service, its machines, and what is asked
 *
 * One thread drives all machines in turn.  Whatever was offered has come back,
 * and was right, when one of these calls returns 0.
 *
 * Errors   -errno after a line on stderr; -EINTR quietly, after a signal
 */
#ifndef BENCH_SCALE_LOAD_H
#define BENCH_SCALE_LOAD_H

#include "bench/scale_driver.h"

#define SCALE_MACHINES_MAX 64 /* driven at a time */

struct scale_load {
	struct scale_service service;
	struct scale_size size;
	struct scale_vm *vm; /* owned: size.machines */
	unsigned int lanes;  /* of each */
	double ns_per_tick;
	uint64_t seed;
	unsigned int refill; /* whose turn it is among the busy */
};

/* The service, without machines; pins us to a CPU. */
int scale_load_open(struct scale_load *l, const struct scale_cpus *cpus,
		    const struct scale_size *size, unsigned int loops);
/* Attach to all machines; start all functions. */
int scale_load_attach(struct scale_load *l);
int scale_load_start(struct scale_load *l);
void scale_load_detach(struct scale_load *l);
/* Fine for one that failed to open. */
void scale_load_close(struct scale_load *l);
/* Open, create machines and functions, attach and start. */
int scale_load_ready(struct scale_load *l, const struct scale_cpus *cpus,
		     const struct scale_size *size, unsigned int loops);

/* So many a second, over @ms. */
typedef int scale_rate_fn(struct scale_load *l, unsigned int ms, double *rate);
scale_rate_fn scale_registers, scale_kicks, scale_chains, scale_interrupts;
/* Whether all doorbells can be posted. */
bool scale_postable(const struct scale_load *l);

/*
 * @n times of one function in the middle of the first machine, in ns: of a
 * register read, or from the kick of a request to its interrupt.  @busy: all
 * others have requests under way.
 */
int scale_latency(struct scale_load *l, bool trip, bool busy, uint64_t *ns,
		  unsigned int n);

/* Requests that each machine got served in @ms, all with the same load; or the
 * first with as much as it can send, before each of the others. */
int scale_served(struct scale_load *l, unsigned int ms, bool flood,
		 uint64_t *served);

#endif
