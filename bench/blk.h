/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blk.h - what the files of `pciring-bench blk' share: cases and figures
 */
#ifndef BENCH_BLK_H
#define BENCH_BLK_H

#include "bench/bench.h"

#define BLK_ROUNDS_MAX 60
#define BLK_DEPTH_MAX  32
#define BLK_SIZE_MAX   4096

struct blk_case {
	const char *backend;
	bool packed, indirect, write;
	unsigned int size, depth;
	bool same; /* always the first sector, else any of the disk */
	bool huge; /* the disk is in huge pages */
};

/* How near to each other the two cores were, as the ping-pong has it. */
enum blk_place {
	BLK_CLOSE,
	BLK_APART,
	BLK_MIXED, /* they were moved meanwhile */
};
/* Between the round trips of both, ns. */
#define BLK_CLOSE_NS 115.0

/* Where the driver's time goes, at depth 1. */
enum blk_stage {
	BLK_WRITE, /* descriptors and header */
	BLK_SHOW,  /* the index, and the look if a kick is wanted */
	BLK_WAIT,  /* for the used element */
	BLK_TAKE,  /* status and used element are read */
	NR_BLK_STAGES
};
extern const char *const blk_stage_name[NR_BLK_STAGES];

/* Of one block of requests of one round. */
struct blk_round {
	enum blk_place place;
	double ns, cpu_ns, pingpong_ns, kicks;
	double stage[NR_BLK_STAGES]; /* ns, with the clock's own cost */
};

struct blk_series {
	struct blk_case what;
	bool in_order; /* negotiated */
	unsigned int nr;
	struct blk_round round[BLK_ROUNDS_MAX];
};

/* Print the figures of @s, one for each place that has enough rounds.  How
 * many bounds were not kept. */
unsigned int blk_report(const struct bench_options *o,
			const struct blk_series *s, const char *cpu);
void blk_report_begin(const struct bench_options *o, const char *cpu);
void blk_report_end(const struct bench_options *o, unsigned int missed);

#endif
