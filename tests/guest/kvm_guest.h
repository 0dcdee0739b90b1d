/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kvm_guest.h - the smallest guest that takes interrupts, on real KVM
 *
 * One vCPU in real mode and some bytes of code.  It switches its local APIC on
 * and halts.  Each vector from 32 to 253 has a handler, which
 *  - reads the device registers that it is given, an exit each (as a driver
 *    reads ISR);
 *  - copies the vector's work word to its seen word (as a driver looks at the
 *    used ring): a raise after which seen does not catch up was lost;
 *  - ends the interrupt at its local APIC, and counts.
 *
 *	vCPU thread --exit--> whoever calls kvm_guest_serve() --answer--> vCPU
 *
 * Threads   one thread calls everything here; the callbacks run in it, so it
 *           can own the stages of a cascade.  The vCPU has a thread of its
 *           own, which touches none of that and waits while it is answered
 * Time      nothing here waits longer than KVM_GUEST_LIMIT
 */
#ifndef TESTS_GUEST_KVM_GUEST_H
#define TESTS_GUEST_KVM_GUEST_H

#include "ring/base.h"

#include <pthread.h>
#include <stdatomic.h>

#define KVM_GUEST_LIMIT 10000 /* milliseconds; far more than ever needed */

enum kvm_guest_chips {
	KVM_GUEST_FULL,	 /* PICs, I/O APIC and local APIC in the kernel */
	KVM_GUEST_SPLIT, /* the local APIC only */
};

struct kvm_guest_ops {
	/* The guest reads the device register @port. */
	uint8_t (*read)(void *ctx, uint8_t port);
	/* KVM reports the end of a level-triggered @vector (split). */
	void (*eoi)(void *ctx, uint8_t vector);
};

struct kvm_guest {
	int vm;	  /* owned */
	int fd;	  /* owned: readable while the vCPU waits for an answer */
	int vcpu; /* owned */
	const struct kvm_guest_ops *ops; /* borrowed */
	void *ctx;
	struct kvm_run *run; /* owned */
	size_t run_size;
	uint8_t *memory; /* owned; the guest writes it */
	uint32_t fences; /* sent by kvm_guest_settle() */
	pthread_t thread;
	pthread_mutex_t lock; /* of the two below */
	pthread_cond_t answered;
	bool waiting;
	_Atomic bool stop;
	_Atomic uint32_t
		died; /* 0, or the exit that the guest is not to make */
};

/* Why there can be no such guest on this host, or NULL. */
const char *kvm_guest_missing(void);

/* A guest that has not started: routes can be made.  -errno. */
int kvm_guest_open(struct kvm_guest *g, enum kvm_guest_chips chips,
		   const struct kvm_guest_ops *ops, void *ctx);
void kvm_guest_close(struct kvm_guest *g);

/* What a handler does; without one: no reads, one end. */
struct kvm_guest_handler {
	uint8_t vector;
	uint8_t port;  /* 0xe0 to 0xef: the first register */
	uint8_t reads; /* 0 to 2 registers */
	uint8_t ends;  /* 0: the interrupt stays in service; 2: that of the
			* next lower vector in service is ended as well */
};
/* Before the start. */
void kvm_guest_handler(struct kvm_guest *g, const struct kvm_guest_handler *h);

/* Run until the guest has said that it is ready.  -errno. */
int kvm_guest_start(struct kvm_guest *g);

/* Answer the exit that waits, if there is one; waits up to @us microseconds
 * for one.  False: none came. */
bool kvm_guest_serve(struct kvm_guest *g, unsigned int us);

/* Serve until the guest halts with nothing left to do of all that KVM was told
 * before (an irqfd may tell it later).  False: it never does. */
bool kvm_guest_settle(struct kvm_guest *g);

/* Serve until the guest has taken @vector @count times; false: it never does.
 * Exits that are served may raise more. */
bool kvm_guest_wait(struct kvm_guest *g, uint8_t vector, uint32_t count);

/* Times that the guest took @vector. */
uint32_t kvm_guest_count(const struct kvm_guest *g, uint8_t vector);

/* What there is to see for @vector, and what its handler saw of it. */
void kvm_guest_work(struct kvm_guest *g, uint8_t vector, uint32_t work);
uint32_t kvm_guest_seen(const struct kvm_guest *g, uint8_t vector);

/* Full: entry @pin of the kernel's I/O APIC, and which rises it keeps. */
void kvm_guest_ioapic_set(struct kvm_guest *g, unsigned int pin,
			  uint64_t entry);
uint64_t kvm_guest_ioapic_get(const struct kvm_guest *g, unsigned int pin,
			      uint32_t *irr);

#endif
