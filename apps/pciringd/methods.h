/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * methods.h - what the operator can ask of the service, as a table
 *
 * The context of each method is a struct service.
 *
 * Threads   the control thread
 */
#ifndef APPS_PCIRINGD_METHODS_H
#define APPS_PCIRINGD_METHODS_H

#include "apps/pciringd/rpc.h"

extern const struct rpc_method service_methods[];

#endif
