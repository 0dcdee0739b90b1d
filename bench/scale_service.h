/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scale_service.h - a pciringd of this build, and what the operator tells it
 *
 * Its loops have a CPU each that is not the caller's, if there are so many:
 * then they poll for ever.  Otherwise they share, and sleep when idle.
 *
 * Errors   -errno after a line on stderr that says what the service said
 */
#ifndef BENCH_SCALE_SERVICE_H
#define BENCH_SCALE_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/child.h"

#define SCALE_LOOPS_MAX	    2
#define SCALE_FUNCTIONS_MAX 7936 /* of a machine: 31 buses */

struct scale_service {
	char dir[CHILD_DIR_MAX];
	pid_t pid;
	int rpc; /* connected to rpc.sock */
	unsigned int loops;
	bool shared; /* a loop and the caller have a CPU in common */
	bool stopped;
	char *text; /* owned: a line to send, a line that came */
	size_t room;
};

/* What there is to be on a service. */
struct scale_size {
	unsigned int functions, machines;
	const char *device;  /* type */
	const char *options; /* JSON object */
};

/* Functions that machine @m gets of them all; they differ by one at most. */
unsigned int scale_share(const struct scale_size *size, unsigned int m);
/* Where the @i-th of a machine's @n functions is: bus << 8 | devfn. */
uint16_t scale_address(unsigned int n, unsigned int i);

/* CPUs that we may use: the first is the caller's, the loops have the others
 * first. */
struct scale_cpus {
	unsigned int nr;
	int cpu[SCALE_LOOPS_MAX + 1];
};
void scale_cpus_find(struct scale_cpus *cpus);

int scale_service_start(struct scale_service *s, const struct scale_cpus *cpus,
			unsigned int loops);
/* With further arguments; @more ends with NULL, or is it. */
int scale_service_start_with(struct scale_service *s,
			     const struct scale_cpus *cpus, unsigned int loops,
			     const char *const *more);
/* Fine for one that is zeroed or never got ready.  Nothing is left of it. */
void scale_service_stop(struct scale_service *s);
/* Let it have no time at all, or go on. */
void scale_service_hold(struct scale_service *s, bool hold);

/* machine.create and bus.create; names are m0, m1 ... */
int scale_create_machines(struct scale_service *s, const struct scale_size *z);
int scale_create_functions(struct scale_service *s, const struct scale_size *z);
int scale_destroy_functions(struct scale_service *s,
			    const struct scale_size *z);
int scale_destroy_machines(struct scale_service *s, const struct scale_size *z);

/* One request: @call is "METHOD","params":{...}. */
int scale_service_call(struct scale_service *s, const char *call);

/* Bytes of memory that only the service has; 0 if that cannot be told. */
uint64_t scale_private_bytes(const struct scale_service *s);

#endif
