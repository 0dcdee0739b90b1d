/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double bench_ns_per_tick(void)
{
	uint64_t ns = bench_now(), t = bench_ticks();

	while (bench_now() - ns < 20000000)
		;
	t = bench_ticks() - t;
	return (double)(bench_now() - ns) / (double)t;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void bench_sort(uint64_t *samples, size_t n)
{
	qsort(samples, n, sizeof(*samples), compare);
}

void bench_cpu_name(char *name, size_t room)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256], *text;

	snprintf(name, room, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		text = strchr(line, ':');
		if (!text || strncmp(line, "model name", 10) != 0)
			continue;
		text[strcspn(text, "\n\"\\")] = '\0';
		snprintf(name, room, "%s", text + 2);
		break;
	}
	if (f)
		fclose(f);
}

int bench_bin_dir(char *path, size_t room)
{
	ssize_t n = readlink("/proc/self/exe", path, room - 1);
	char *slash;

	if (n < 0)
		return -errno;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return -ENOENT;
	slash[1] = '\0';
	return 0;
}
