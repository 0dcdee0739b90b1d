/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scale_driver.h - the guest's half of many small virtio-pci functions
 *
 * A *vm* is an attachment with memory; each of its functions has one split ring
 * of 16 entries in it and up to four requests, whose descriptors are written
 * once.  What it reads and what comes back is checked, always: a device that
 * answers wrongly ends the measurement.
 *
 * Errors   the first one stays in vm->err; what follows it does nothing
 * Threads  one
 */
#ifndef BENCH_SCALE_DRIVER_H
#define BENCH_SCALE_DRIVER_H

#include "bench/scale_service.h"
#include "ring/pciring.h"

#define SCALE_DEPTH 4 /* requests of a function at a time */

struct scale_ring; /* of one function, in guest memory */

struct scale_function {
	struct scale_ring *ring;
	uint64_t common, doorbell; /* guest physical */
	uint32_t expect;	   /* what the register that is read has */
	uint16_t bdf;
	uint16_t avail, used; /* indices as we know them */
	uint8_t busy;	      /* a bit for each request under way */
	bool postable;	      /* its doorbell */
};

struct scale_vm {
	struct pciring *link; /* owned */
	unsigned int lanes;
	unsigned int nr;
	struct scale_function *function; /* owned */
	uint16_t *index;		 /* owned: of the function, by bdf */
	uint8_t *memory;
	size_t size;
	int fd;
	bool blk,
		verify; /* else it gives random bytes; reads what was written */
	bool postable;	/* all doorbells */
	bool yield;	/* the service may need our CPU: do not spin */
	uint64_t submitted, completed, posted,
		waited; /* kicks: posted or not */
	int err;
	char why[80]; /* of what a device did wrong; or empty */
};

/* Attach to machine @m of @s and lend it memory; then bring all its functions
 * to DRIVER_OK. */
int scale_vm_open(struct scale_vm *vm, struct scale_service *s,
		  const struct scale_size *z, unsigned int m,
		  unsigned int lanes);
int scale_vm_start(struct scale_vm *vm);
/* Fine for one that is zeroed or failed to open. */
void scale_vm_close(struct scale_vm *vm);

/* The read of a register that is different for each function; begun and
 * collected, or at once. */
void scale_begin_read(struct scale_vm *vm, unsigned int lane,
		      const struct scale_function *f);
void scale_end_read(struct scale_vm *vm, unsigned int lane,
		    const struct scale_function *f);
void scale_read(struct scale_vm *vm, unsigned int lane,
		const struct scale_function *f);

/* Ring the doorbell: posted if that is possible and there is room. */
void scale_kick(struct scale_vm *vm, unsigned int lane,
		const struct scale_function *f);

/* Offer up to @depth requests in all and kick if the device wants it; how many
 * are new. */
unsigned int scale_submit(struct scale_vm *vm, unsigned int lane,
			  struct scale_function *f, unsigned int depth);
/* Take what is done; how many. */
unsigned int scale_reap(struct scale_vm *vm, struct scale_function *f);
/* Whether requests interrupt, of one function or of all; nothing may be under
 * way. */
void scale_want_interrupt(struct scale_function *f, bool on);
void scale_want_interrupts(struct scale_vm *vm, bool on);

/* The function that an interrupt that came is of, or NULL: there is none. */
struct scale_function *scale_interrupt(struct scale_vm *vm);
/* Nothing came: let others have the CPU, if they need it. */
void scale_relax(const struct scale_vm *vm);

/* The device, or we, went wrong. */
void scale_fail(struct scale_vm *vm, int err, const char *why);

#endif
