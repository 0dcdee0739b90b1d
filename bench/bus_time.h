/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bus_time.h - the structures of one set, timed in rounds
 *
 * In each round each structure has its turn; a ratio is to the floor of the same
 * round.  A turn begins with lookups that are not timed, as many as warm caches
 * that others have used meanwhile.
 */
#ifndef BENCH_BUS_TIME_H
#define BENCH_BUS_TIME_H

#include "bench/bus_report.h"
#include "bench/bus_structure.h"

#define BUS_MAX_SUBJECTS 24
#define BUS_MAX_ROUNDS	 32

struct bus_subject {
	const struct bus_structure *what;
	void *s; /* owned */
	double ns[BUS_MAX_ROUNDS], ratio[BUS_MAX_ROUNDS];
};

struct bus_rig {
	struct bus_report *report;
	unsigned int rounds;
	bool quick; /* fewer lookups and changes a round */
	double ns_per_tick;
	int other_cpu; /* of a second thread; -1: there is none */
	struct bus_set set;
	unsigned int nr;
	struct bus_subject
		subject[BUS_MAX_SUBJECTS]; /* the floor is the first */
	/* Of 8 ranges, for hot-8. */
	struct bus_set set8;
	struct bus_queries queries8;
	void *floor8;
	double ratio8[BUS_MAX_ROUNDS];
};

enum bus_mode {
	BUS_MODE_LATENCY,
	BUS_MODE_THROUGHPUT,
	BUS_MODE_BATCH,
	BUS_MODE_BUILD,
	BUS_MODE_INSERT,
	BUS_MODE_REMOVE,
	BUS_MODE_MOVE,
	BUS_MODE_MEMORY,
	BUS_MODE_READERS,
	NR_BUS_MODES
};
extern const char *const bus_mode_name[NR_BUS_MODES];

/* All fall silent with a reason on stderr and -errno. */
int bus_rig_init(struct bus_rig *rig);
void bus_rig_fini(struct bus_rig *rig);
/* -EILSEQ: a structure lied. */
int bus_rig_lookups(struct bus_rig *rig, enum bus_pattern pattern,
		    const bool modes[NR_BUS_MODES]);
size_t bus_rig_slice(const struct bus_rig *rig, uint32_t n);

/* Of round @round: subject @at took @ns. */
void bus_rig_took(struct bus_rig *rig, unsigned int at, unsigned int round,
		  double ns);
/* The medians, as figures. */
void bus_rig_report(struct bus_rig *rig, const char *pattern,
		    enum bus_mode mode);
double bus_median(const double *of, unsigned int n);

/* bus_change.c: what changes a structure; needs all as they were built. */
int bus_rig_changes(struct bus_rig *rig, const bool modes[NR_BUS_MODES]);
/* bus_readers.c: lookups beside a writer that changes all the time. */
int bus_rig_readers(struct bus_rig *rig);

#endif
