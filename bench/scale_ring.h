/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scale_ring.h - what a function of the load generator has in guest memory
 *
 * A split ring and the buffers of its requests.  They take an odd number of
 * cache lines, which spreads equal fields of thousands of functions over all
 * sets of a cache.
 */
#ifndef BENCH_SCALE_RING_H
#define BENCH_SCALE_RING_H

#include <stdatomic.h>

#include "bench/scale_driver.h"

#define RAM_GPA	     0x10000000ull
#define ENTRIES	     16
#define SECTOR	     512
#define MSI	     0xfee00000u
#define NO_INTERRUPT 1
#define BLK_IN	     0
#define BLK_OUT	     1

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct blk_head {
	uint32_t type, reserved;
	uint64_t sector;
};

struct scale_ring {
	struct desc desc[ENTRIES];
	_Alignas(64) struct {
		uint16_t flags;
		_Atomic uint16_t idx;
		uint16_t ring[ENTRIES], event;
	} avail;
	_Alignas(64) struct {
		_Atomic uint16_t flags, idx;
		struct {
			uint32_t id, len;
		} ring[ENTRIES];
		uint16_t event;
	} used;
	_Alignas(64) struct blk_head head[SCALE_DEPTH];
	uint8_t status[SCALE_DEPTH];
	_Alignas(64) uint8_t data[SCALE_DEPTH][SECTOR];
	uint8_t odd[64];
};
_Static_assert(sizeof(struct scale_ring) / 64 % 2 == 1, "lines");

static inline uint64_t scale_gpa(const struct scale_vm *vm, const void *p)
{
	return RAM_GPA + (uint64_t)((const uint8_t *)p - vm->memory);
}

/* What the disk of @f has in its first sector. */
static inline uint64_t scale_pattern(const struct scale_function *f)
{
	return 0x5ca1e5ca1e000000ull ^ (uint64_t)f->bdf << 32 ^ f->bdf;
}

/* All chains of @vm's function with @r, to read or to write (BLK_*). */
void scale_write_chains(struct scale_vm *vm, struct scale_ring *r,
			uint32_t type);

#endif
