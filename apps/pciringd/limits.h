/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * limits.h - how much one VMM may hold, and all of them together
 *
 * What one VMM may hold is the operator's to say (pciringd --help).  What all
 * may hold is the system's: the mappings and the descriptors that a process can
 * have, less a reserve for what nobody asked us for.  So one that takes all it
 * may have costs the others nothing, and one too many is refused before the
 * kernel refuses somebody else.
 *
 * Cost      an attachment: its socket, segment and kick eventfd, and the
 *           mappings of attachment_mappings().  A file of guest memory: one
 *           mapping, which truncation under us can split (LIMITS_FILE).  A
 *           bound vector or doorbell: one descriptor, a bound line two.  A notify
 *           page: one mapping.  Regions are entries of a table and cost
 *           neither
 * Mappings  counted, by the lanes and files there are
 * Numbers   a descriptor's number is how many there are at least, because the
 *           kernel gives the lowest one that is free
 * Threads   the control thread
 */
#ifndef APPS_PCIRINGD_LIMITS_H
#define APPS_PCIRINGD_LIMITS_H

#include "ring/log.h"

/* transport/mem/files.c: four single pages, each of which splits a mapping in
 * three, then all the rest. */
#define LIMITS_FILE 10u

/* More of something is refused with -ENOSPC.  A VMM is a machine's. */
struct service_limits {
	/* Of one attachment. */
	uint32_t regions;
	uint64_t bytes; /* of guest memory; of a machine's files, too */
	/* Of all attachments of one machine together. */
	uint32_t attachments;
	uint32_t lanes;
	uint32_t files;	  /* distinct ones, of guest memory */
	uint32_t vectors; /* bound to eventfds */
	uint32_t lines;	  /* the same */
	uint32_t kicks;	  /* doorbells, the same */
};

/* More than this is refused with -ENOMEM and -ENFILE. */
struct service_budget {
	uint64_t mappings, most_mappings;
	int most_fds;	   /* for what clients hold */
	int most_conn;	   /* for a connection, so that it can be told why */
	uint64_t refusals; /* of these, and of the limits above */
};

void limits_default(struct service_limits *limits);
/* By what the system allows this process now; tests may set less. */
void budget_init(struct service_budget *b);

/* Mappings that an attachment of @lanes takes. */
unsigned int attachment_mappings(unsigned int lanes);

/* May there be @n mappings more; does descriptor @fd leave room for others? */
static inline bool budget_maps(const struct service_budget *b, unsigned int n)
{
	return range_inside(b->mappings, n, b->most_mappings);
}

static inline bool budget_fd(const struct service_budget *b, int fd)
{
	return fd < b->most_fds;
}

/*
 * Refuse, saying which limit it was and how to raise it; the error that it is.
 * A macro because each kind of refusal has its own line a second.
 */
#define limits_refuse(budget, machine, most, what, option)                     \
	({                                                                     \
		(budget)->refusals++;                                          \
		log_limited(LOG_WARN,                                          \
			    "%s: refused: more than %llu %s (%s allows more)", \
			    (machine), (unsigned long long)(most), (what),     \
			    (option));                                         \
		-ENOSPC;                                                       \
	})
int budget_refuse_maps(struct service_budget *b, const char *machine);
int budget_refuse_fd(struct service_budget *b, const char *who);

#endif
