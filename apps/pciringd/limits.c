/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the defaults allow one machine 256 attachments of 512 lanes in all, 64
 * files, 2048 vectors and 256 lines: with the costs of the header that is 3968
 * mappings of 65530, and 3328 descriptors.  What all machines together may have
 * is three quarters of the first and seven eighths of the second, whatever the
 * system's numbers are; the EAL and the C library take some hundred of each.
 */
#include "apps/pciringd/limits.h"

#include <stdio.h>
#include <sys/resource.h>

#include "ring/msg.h"
#include "transport/mem/gpa.h"

#define DEFAULT_MAP_COUNT 65530 /* of Linux */
#define DEFAULT_NOFILE	  1024

void limits_default(struct service_limits *limits)
{
	*limits = (struct service_limits){
		.regions = GPA_MAX_REGIONS,
		.bytes = BIT_ULL(41),
		.attachments = 256,
		.lanes = 512,
		.files = GPA_MAX_FILES,
		.vectors = 2048,
		.lines = 256,
		.kicks = 512,
	};
}

static unsigned long max_map_count(void)
{
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
	unsigned long n = DEFAULT_MAP_COUNT;

	if (f && fscanf(f, "%lu", &n) != 1)
		n = DEFAULT_MAP_COUNT;
	if (f)
		fclose(f);
	return n;
}

void budget_init(struct service_budget *b)
{
	struct rlimit limit = { .rlim_cur = DEFAULT_NOFILE };

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur > INT32_MAX)
		limit.rlim_cur = INT32_MAX;
	*b = (struct service_budget){
		.most_mappings = max_map_count() / 4 * 3,
		.most_fds = (int)(limit.rlim_cur - limit.rlim_cur / 8),
		.most_conn = (int)(limit.rlim_cur - limit.rlim_cur / 16),
	};
}

/* The head, the client's page, the lanes; a private and a shared part of each
 * ring, of which a lane has two and the interrupts one. */
unsigned int attachment_mappings(unsigned int lanes)
{
	return 3 + 2 * (2 * lanes + 1);
}

int budget_refuse_maps(struct service_budget *b, const char *machine)
{
	b->refusals++;
	log_limited(LOG_WARN,
		    "%s: refused: all machines together have %llu mappings "
		    "(sysctl vm.max_map_count allows more)",
		    machine, (unsigned long long)b->mappings);
	return -ENOMEM;
}

int budget_refuse_fd(struct service_budget *b, const char *who)
{
	b->refusals++;
	log_limited(LOG_WARN,
		    "%s: refused: all clients together have %d descriptors "
		    "(ulimit -n, or LimitNOFILE=, allows more)",
		    who, b->most_fds);
	return -ENFILE;
}
