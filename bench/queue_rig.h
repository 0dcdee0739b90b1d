/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * queue_rig.h - a service with a few functions, and the guest that drives them
 *
 * One machine, whose loop has a core of its own and polls for ever; the driver
 * is the caller, on another core.  It attaches, lends memory, and does all that
 * firmware and drivers do, through libpciring.
 *
 * Order     open, add functions, attach, start each
 * Errors    -errno after a line on stderr; -EINTR quietly, after a signal
 */
#ifndef BENCH_QUEUE_RIG_H
#define BENCH_QUEUE_RIG_H

#include <time.h>

#include "bench/probe.h"
#include "bench/scale_service.h"
#include "bench/vring.h"

#define QUEUE_RIG_GPA	    0x10000000ull
#define QUEUE_RIG_FUNCTIONS 32

struct queue_rig {
	const char *name; /* of the measurement */
	struct scale_service service;
	int cpu[2]; /* the caller's, the service's */
	struct probe probe;
	clockid_t clock; /* CPU time of the service, all threads */
	double ns_per_tick;
	struct pciring *link; /* owned */
	uint8_t *memory;
	size_t size, taken;
	int fd;
	uint64_t next[2];
	unsigned int functions;
};

struct queue_function {
	uint16_t bdf;
	uint64_t common, notify; /* guest physical */
	struct pci_layout layout;
};

/* @args: further ones for the service; ends with NULL; may be NULL. */
int queue_rig_open(struct queue_rig *r, const char *name,
		   const char *const *args);
/* Fine for one that is zeroed or failed to open. */
void queue_rig_close(struct queue_rig *r);

/* @options: a JSON object.  Quietly: what the service says is not shown. */
int queue_rig_add(struct queue_rig *r, const char *device, const char *options,
		  struct queue_function *f);
/* And lend @size bytes. */
int queue_rig_attach(struct queue_rig *r, size_t size);

/* A part of the memory lent, in whole cache lines; asserts that there is one. */
void *queue_rig_take(struct queue_rig *r, size_t size, uint64_t *gpa);

/* @features as they will be; @n queues, of which index, pieces, packed and
 * indirect are set.  Again after a reset: in the same memory.  -ENOTSUP
 * quietly: a feature is not offered. */
int queue_rig_start(struct queue_rig *r, struct queue_function *f,
		    uint64_t features, struct vring *queue, unsigned int n);

/* Until it says that it is done. */
int queue_rig_reset(struct queue_rig *r, const struct queue_function *f);

/* Ping-pong, in ns; the service has no time meanwhile. */
double queue_rig_probe(struct queue_rig *r);
/* CPU time of the service so far. */
uint64_t queue_rig_cpu_ns(const struct queue_rig *r);

#endif
