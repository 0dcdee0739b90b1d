/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * show.h - machines as the operator sees them, as JSON
 *
 * Threads   the control thread
 */
#ifndef APPS_PCIRINGD_SHOW_H
#define APPS_PCIRINGD_SHOW_H

#include "apps/pciringd/service.h"

/* New references; NULL out of memory. */
json_t *show_machines(struct service *s);
json_t *show_machine(struct service_machine *m);

/* A name that a client chose, which may be any bytes. */
json_t *show_client_name(const char *name);

#endif
