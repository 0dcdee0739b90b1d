/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: sysfs lists, for each cache of a CPU, who shares it.  A CPU that shares
 * the first level is the same core; without a third level the last one that is
 * there counts.
 */
#include "bench/placement.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define CACHES "/sys/devices/system/cpu/cpu%d/cache/index%d/shared_cpu_list"
#define LEVELS 8

const char *const placement_name[NR_PLACEMENTS] = {
	[PLACEMENT_CORE] = "one core",
	[PLACEMENT_L3] = "one L3",
	[PLACEMENT_FAR] = "two L3",
};

/* "0-3,8": is @cpu among them? */
static bool list_has(const char *list, int cpu)
{
	char *end;

	for (;;) {
		long first = strtol(list, &end, 10), last = first;

		if (end == list)
			return false;
		if (*end == '-')
			last = strtol(end + 1, &end, 10);
		if (cpu >= first && cpu <= last)
			return true;
		if (*end != ',')
			return false;
		list = end + 1;
	}
}

/* 1 or 0; -1: there is no such cache. */
static int shares(int a, int b, int index)
{
	char path[128], list[1024];
	FILE *f;
	int yes;

	snprintf(path, sizeof(path), CACHES, a, index);
	f = fopen(path, "re");
	if (!f)
		return -1;
	yes = fgets(list, sizeof(list), f) && list_has(list, b);
	fclose(f);
	return yes;
}

static enum placement_kind kind_of(int a, int b)
{
	int last = 0;

	if (shares(a, b, 0) > 0)
		return PLACEMENT_CORE;
	for (int i = 0; i < LEVELS; i++) {
		int yes = shares(a, b, i);

		if (yes < 0)
			break;
		last = yes;
	}
	return last ? PLACEMENT_L3 : PLACEMENT_FAR;
}

unsigned int placement_find(struct placement out[NR_PLACEMENTS])
{
	struct placement found[NR_PLACEMENTS];
	bool has[NR_PLACEMENTS] = { false };
	unsigned int n = 0;
	int first = -1;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 0;
	for (int i = 0; i < CPU_SETSIZE; i++) {
		enum placement_kind kind;

		if (!CPU_ISSET(i, &set))
			continue;
		if (first < 0) {
			first = i;
			continue;
		}
		kind = kind_of(first, i);
		if (has[kind])
			continue;
		has[kind] = true;
		found[kind] = (struct placement){ kind, { first, i } };
	}
	for (int kind = 0; kind < NR_PLACEMENTS; kind++)
		if (has[kind])
			out[n++] = found[kind];
	return n;
}
