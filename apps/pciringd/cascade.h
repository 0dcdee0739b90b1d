/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cascade.h - the interrupt stages of a machine as JSON
 *
 *	{"machine": NAME,
 *	 "nodes": [{"id", "kind", "name", "level", "pending", "fired",
 *		    "latched", "masked", "coalesced", "dropped"}...],
 *	 "edges": [{"from", "to", "pin"}...]}
 *
 * An id is the place in the list.  "level" is null for stages that have none,
 * "pin" is missing where an edge leads to no wire.
 *
 * Threads   the control thread; the walk is made by the machine's loop, and
 *           what it copies into grows meanwhile: a few allocations a graph
 */
#ifndef APPS_PCIRINGD_CASCADE_H
#define APPS_PCIRINGD_CASCADE_H

#include "apps/pciringd/service.h"

/* A new reference; NULL with @e. */
json_t *cascade_json(struct service_machine *m, struct service_error *e);

#endif
