/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a rate is what was completed through the time until the last of it was.
 * Reads are begun on all lanes of all machines and then collected; so is a rate
 * one of many vCPUs, not of one that waits.  Kicks are followed by a read on
 * each lane, which comes behind them.
 */
#include "bench/scale_load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/child.h"

#define LANES	   8 /* of a machine, as long as all have 64 at most */
#define ALL_LANES  64
#define KICKS	   64  /* to a machine before it is the next one's turn */
#define INTERRUPTS 64  /* taken of one machine before the next */
#define REFILL	   64  /* functions, between two samples */
#define WARM_UP	   100 /* accesses of a lane: it learns when answers come */
#define PATIENCE   5000000000ull /* ns without any progress */
#define FLOOD	   32		 /* kicks for nothing */

/* ---- Opening ----------------------------------------------------------- */

int scale_load_open(struct scale_load *l, const struct scale_cpus *cpus,
		    const struct scale_size *size, unsigned int loops)
{
	unsigned int lanes = ALL_LANES / size->machines;
	int err;

	*l = (struct scale_load){
		.service = { .rpc = -1 },
		.size = *size,
		.lanes = lanes > LANES ? LANES
			 : lanes       ? lanes
				       : 1,
		.ns_per_tick = bench_ns_per_tick(),
		.seed = 88172645463325252ull,
	};
	l->vm = calloc(size->machines, sizeof(*l->vm));
	if (!l->vm)
		return -ENOMEM;
	err = scale_service_start(&l->service, cpus, loops);
	return err ? err : child_pin(cpus->cpu[0]);
}

/* The first that went wrong, if any did: it is why the others were left with
 * requests under way. */
static int verdict(const struct scale_load *l)
{
	if (child_signal)
		return -EINTR;
	for (unsigned int m = 0; m < l->size.machines; m++) {
		const struct scale_vm *vm = &l->vm[m];

		if (!vm->err)
			continue;
		fprintf(stderr, "scale: machine m%u: %s: %s\n", m, vm->why,
			strerror(-vm->err));
		return vm->err;
	}
	for (unsigned int m = 0; m < l->size.machines; m++) {
		if (l->vm[m].submitted == l->vm[m].completed)
			continue;
		fprintf(stderr, "scale: machine m%u: requests lost\n", m);
		return -EBADMSG;
	}
	return 0;
}

int scale_load_attach(struct scale_load *l)
{
	int err = 0;

	for (unsigned int m = 0; m < l->size.machines && !err; m++)
		err = scale_vm_open(&l->vm[m], &l->service, &l->size, m,
				    l->lanes);
	if (err && !child_signal)
		fprintf(stderr, "scale: attaching: %s\n", strerror(-err));
	return err;
}

int scale_load_start(struct scale_load *l)
{
	for (unsigned int m = 0; m < l->size.machines && !child_signal; m++)
		if (scale_vm_start(&l->vm[m]))
			break;
	return verdict(l);
}

int scale_load_ready(struct scale_load *l, const struct scale_cpus *cpus,
		     const struct scale_size *size, unsigned int loops)
{
	int err = scale_load_open(l, cpus, size, loops);

	if (!err)
		err = scale_create_machines(&l->service, size);
	if (!err)
		err = scale_create_functions(&l->service, size);
	if (!err)
		err = scale_load_attach(l);
	return err ? err : scale_load_start(l);
}

void scale_load_detach(struct scale_load *l)
{
	scale_service_hold(&l->service, false);
	for (unsigned int m = 0; l->vm && m < l->size.machines; m++)
		scale_vm_close(&l->vm[m]);
}

void scale_load_close(struct scale_load *l)
{
	scale_load_detach(l);
	scale_service_stop(&l->service);
	free(l->vm);
	*l = (struct scale_load){ .service = { .rpc = -1 } };
}

bool scale_postable(const struct scale_load *l)
{
	for (unsigned int m = 0; m < l->size.machines; m++)
		if (!l->vm[m].postable)
			return false;
	return true;
}

/* ---- Steps ------------------------------------------------------------- */

static struct scale_function *any(struct scale_load *l, struct scale_vm *vm)
{
	l->seed ^= l->seed << 13;
	l->seed ^= l->seed >> 7;
	l->seed ^= l->seed << 17;
	return &vm->function[l->seed % vm->nr];
}

static bool failed(const struct scale_load *l)
{
	bool bad = child_signal;

	for (unsigned int m = 0; m < l->size.machines; m++)
		bad |= l->vm[m].err != 0;
	return bad;
}

/* Take what is done of @vm; how much. */
static unsigned int reap_all(struct scale_vm *vm)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < vm->nr; i++)
		if (vm->function[i].busy)
			n += scale_reap(vm, &vm->function[i]);
	return n;
}

/* Wait until nothing is under way. */
static int finish(struct scale_load *l)
{
	uint64_t since = bench_now();

	while (!failed(l)) {
		unsigned int n = 0;
		bool done = true;

		for (unsigned int m = 0; m < l->size.machines; m++) {
			n += reap_all(&l->vm[m]);
			done &= l->vm[m].submitted == l->vm[m].completed;
		}
		if (done)
			break;
		if (n)
			since = bench_now();
		else if (bench_now() - since > PATIENCE)
			scale_fail(l->vm, -ETIMEDOUT,
				   "requests do not come "
				   "back");
		else
			scale_relax(l->vm);
	}
	return verdict(l);
}

/* Whatever is done of @f, and @depth of it under way again. */
static unsigned int again(struct scale_vm *vm, struct scale_function *f,
			  unsigned int depth)
{
	const unsigned int lane = (unsigned int)(f - vm->function) % vm->lanes;
	unsigned int n = scale_reap(vm, f);

	scale_submit(vm, lane, f, depth);
	return n;
}

static unsigned int again_all(struct scale_vm *vm, unsigned int depth)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < vm->nr; i++)
		n += again(vm, &vm->function[i], depth);
	return n;
}

static double per_second(uint64_t n, uint64_t begin)
{
	return (double)n * 1e9 / (double)(bench_now() - begin);
}

static bool goes_on(const struct scale_load *l, uint64_t begin, unsigned int ms)
{
	return bench_now() - begin < ms * 1000000ull && !failed(l);
}

/* ---- Rates ------------------------------------------------------------- */

/* One read on each lane of each machine; how many. */
static unsigned int read_all(struct scale_load *l)
{
	const struct scale_function *asked[ALL_LANES];
	unsigned int n = 0;

	for (unsigned int m = 0; m < l->size.machines; m++)
		for (unsigned int i = 0; i < l->lanes; i++) {
			asked[n] = any(l, &l->vm[m]);
			scale_begin_read(&l->vm[m], i, asked[n++]);
		}
	n = 0;
	for (unsigned int m = 0; m < l->size.machines; m++)
		for (unsigned int i = 0; i < l->lanes; i++)
			scale_end_read(&l->vm[m], i, asked[n++]);
	return n;
}

int scale_registers(struct scale_load *l, unsigned int ms, double *rate)
{
	uint64_t begin = bench_now(), n = 0;

	while (goes_on(l, begin, ms))
		n += read_all(l);
	*rate = per_second(n, begin);
	return verdict(l);
}

int scale_kicks(struct scale_load *l, unsigned int ms, double *rate)
{
	uint64_t begin = bench_now(), n = 0;

	while (goes_on(l, begin, ms))
		for (unsigned int m = 0; m < l->size.machines; m++)
			for (unsigned int k = 0; k < KICKS; k++, n++)
				scale_kick(&l->vm[m], k % l->lanes,
					   any(l, &l->vm[m]));
	read_all(l);
	*rate = per_second(n, begin);
	return verdict(l);
}

int scale_chains(struct scale_load *l, unsigned int ms, double *rate)
{
	uint64_t begin = bench_now(), n = 0;
	int err;

	for (unsigned int m = 0; m < l->size.machines; m++)
		n -= l->vm[m].completed;
	while (goes_on(l, begin, ms)) {
		unsigned int got = 0;

		for (unsigned int m = 0; m < l->size.machines; m++)
			got += again_all(&l->vm[m], SCALE_DEPTH);
		if (!got)
			scale_relax(l->vm);
	}
	err = finish(l);
	for (unsigned int m = 0; m < l->size.machines; m++)
		n += l->vm[m].completed;
	*rate = per_second(n, begin);
	return err;
}

/* Take interrupts of @vm, each of which has to be for one request; if @more,
 * offer another one in its place.  How many. */
static unsigned int take_interrupts(struct scale_vm *vm, bool more)
{
	struct scale_function *f;
	unsigned int n = 0;

	for (; n < INTERRUPTS && (f = scale_interrupt(vm)); n++) {
		if (scale_reap(vm, f) != 1)
			scale_fail(vm, -EBADMSG, "an interrupt for nothing");
		if (more)
			scale_submit(vm,
				     (unsigned int)(f - vm->function) %
					     vm->lanes,
				     f, 1);
	}
	return n;
}

static uint64_t take_until(struct scale_load *l, uint64_t begin,
			   unsigned int ms)
{
	uint64_t since = begin, n = 0;

	for (bool more = true; !failed(l);) {
		unsigned int got = 0;
		bool done = true;

		for (unsigned int m = 0; m < l->size.machines; m++) {
			got += take_interrupts(&l->vm[m], more);
			done &= l->vm[m].submitted == l->vm[m].completed;
		}
		n += got;
		if (done)
			break;
		more = goes_on(l, begin, ms);
		if (got)
			since = bench_now();
		else if (bench_now() - since > PATIENCE)
			scale_fail(l->vm, -ETIMEDOUT, "interrupts do not come");
		else
			scale_relax(l->vm);
	}
	return n;
}

int scale_interrupts(struct scale_load *l, unsigned int ms, double *rate)
{
	uint64_t begin, n;

	for (unsigned int m = 0; m < l->size.machines; m++)
		scale_want_interrupts(&l->vm[m], true);
	begin = bench_now();
	for (unsigned int m = 0; m < l->size.machines; m++)
		again_all(&l->vm[m], 1);
	n = take_until(l, begin, ms);
	*rate = per_second(n, begin);
	for (unsigned int m = 0; m < l->size.machines; m++)
		scale_want_interrupts(&l->vm[m], false);
	return verdict(l);
}

/* ---- Latency ----------------------------------------------------------- */

/* Load for the others: some of them at a time. */
static void refill(struct scale_load *l, const struct scale_function *active)
{
	for (unsigned int k = 0; k < REFILL; k++) {
		struct scale_vm *vm = &l->vm[l->refill % l->size.machines];
		unsigned int i = l->refill / l->size.machines;

		if (++l->refill >= l->size.machines * l->vm->nr)
			l->refill = 0;
		if (i < vm->nr && &vm->function[i] != active)
			again(vm, &vm->function[i], SCALE_DEPTH);
	}
}

/* A request of @f, until its interrupt is here. */
static void trip(struct scale_vm *vm, unsigned int lane,
		 struct scale_function *f)
{
	uint64_t since = bench_now();
	const struct scale_function *got;

	scale_submit(vm, lane, f, 1);
	while (!(got = scale_interrupt(vm)) && !vm->err) {
		scale_relax(vm);
		if (bench_now() - since > PATIENCE)
			scale_fail(vm, -ETIMEDOUT, "no interrupt comes");
	}
	if (!vm->err && (got != f || scale_reap(vm, f) != 1))
		scale_fail(vm, -EBADMSG, "an interrupt for nothing");
}

int scale_latency(struct scale_load *l, bool trips, bool busy, uint64_t *ns,
		  unsigned int n)
{
	struct scale_vm *vm = l->vm;
	struct scale_function *f = &vm->function[vm->nr / 2];
	const unsigned int warm_up = WARM_UP * (busy ? 1 : l->lanes);

	scale_want_interrupts(vm, false);
	scale_want_interrupt(f, true);
	for (unsigned int i = 0; i < warm_up + n && !failed(l); i++) {
		/* Any: how far a line travels depends on its address. */
		const unsigned int lane = i % l->lanes;
		uint64_t begin;

		if (busy)
			refill(l, f);
		begin = bench_ticks();
		if (trips)
			trip(vm, lane, f);
		else
			scale_read(vm, lane, f);
		begin = bench_ticks() - begin;
		if (i >= warm_up)
			ns[i - warm_up] =
				(uint64_t)((double)begin * l->ns_per_tick);
	}
	scale_want_interrupts(vm, false);
	return finish(l);
}

/* ---- Fairness ---------------------------------------------------------- */

static void flood_once(struct scale_load *l)
{
	struct scale_vm *vm = l->vm;

	again_all(vm, SCALE_DEPTH);
	for (unsigned int k = 0; k < FLOOD; k++)
		scale_kick(vm, k % l->lanes, any(l, vm));
}

int scale_served(struct scale_load *l, unsigned int ms, bool flood,
		 uint64_t *served)
{
	uint64_t begin = bench_now();

	for (unsigned int m = 0; m < l->size.machines; m++)
		served[m] = 0 - l->vm[m].completed;
	while (goes_on(l, begin, ms))
		for (unsigned int m = 0; m < l->size.machines; m++) {
			if (flood && m)
				flood_once(l);
			again_all(&l->vm[m], SCALE_DEPTH);
		}
	/* What is still under way counts for nobody. */
	for (unsigned int m = 0; m < l->size.machines; m++)
		served[m] += l->vm[m].completed;
	return finish(l);
}
