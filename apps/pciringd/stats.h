/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats.h - the counters of machines, as JSON
 *
 * Everything of one machine is read in one call of its loop, so the numbers of
 * an answer belong to one moment.
 *
 * Threads   the control thread
 */
#ifndef APPS_PCIRINGD_STATS_H
#define APPS_PCIRINGD_STATS_H

#include "apps/pciringd/service.h"

/* A new reference; NULL out of memory. */
json_t *stats_machine(struct service_machine *m);
json_t *stats_all(struct service *s);
/* Broken links by why, as service_machine has them. */
json_t *stats_links_broken(const uint64_t count[CHANNEL_NR_FAULTS]);

#endif
