/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * irq_sink.h - the far ends that `pciring-bench irq' measures into
 *
 * Each sink takes messages and levels and is kept from filling up: the rings
 * by a thread on another core that polls, the eventfds because their counters
 * are large.  A bare rte_ring with elements of the same size is polled by the
 * same thread in the same loop; it is what the interrupt ring is compared with.
 */
#ifndef BENCH_IRQ_SINK_H
#define BENCH_IRQ_SINK_H

#include <pthread.h>

#include "bench/irq_kvm.h"
#include "irq/sink.h"
#include "irq/sink_kvm.h"
#include "ring/channel.h"

enum irq_sink_kind {
	SINK_NONE,
	SINK_CALLBACK,
	SINK_RING,
	SINK_EVENTFD,
	SINK_KVM,
	NR_SINKS
};
extern const char *const irq_sink_name[NR_SINKS];

struct irq_sinks {
	struct sink_callback none, callback;
	uint64_t called;
	struct sink_ring ring;
	struct channel service;
	int eventfd;		      /* owned; for write(2) */
	struct sink_eventfd messages; /* vectors to eventfds */
	struct sink_line line;
	struct sink_kvm kvm;
	struct irq_kvm vm;
	bool has_kvm;
	/* What the poller looks at would be in another process: no cache line
	 * of it may hold anything that a raise writes. */
	_Alignas(256) struct channel client; /* of the same segment */
	struct rte_ring *bare;		     /* owned */
	pthread_t poller;
	_Atomic bool stop;
	_Alignas(256) char end;
};

/* The poller runs on @cpu.  -errno. */
int irq_sinks_open(struct irq_sinks *s, int cpu);
void irq_sinks_close(struct irq_sinks *s);

/* Where messages, or levels, go; NULL: not on this machine. */
struct irq_stage *irq_sinks_send(struct irq_sinks *s, enum irq_sink_kind k);
struct irq_stage *irq_sinks_set(struct irq_sinks *s, enum irq_sink_kind k);

/* Until the poller has taken everything. */
void irq_sinks_drain(struct irq_sinks *s);

#endif
