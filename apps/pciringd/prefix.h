/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * prefix.h - the EAL's runtime directories of pciringd processes
 *
 * The EAL never removes its own.  One called pciring-PID is ours to remove if
 * it is our user's, no pciringd of that PID runs, and nobody holds its lock:
 * the lock tells of a process in another PID namespace.
 *
 * Threads   the main thread
 */
#ifndef APPS_PCIRINGD_PREFIX_H
#define APPS_PCIRINGD_PREFIX_H

#include "ring/base.h"

#define PREFIX_WORD "pciring-"

/* Is @dir that of this very process? */
bool prefix_is_ours(const char *dir);

/* Lock @dir for as long as the returned descriptor is open; -errno. */
int prefix_lock(const char *dir);

/* Remove @dir and the files in it. */
void prefix_remove(const char *dir);

/* Remove what dead predecessors left beside @dir. */
void prefix_clean(const char *dir);

#endif
