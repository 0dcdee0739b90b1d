/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * telemetry.h - the service under DPDK's telemetry: /pciring/...
 *
 *	/pciring/machines                    names
 *	/pciring/functions,MACHINE           what each function did
 *	/pciring/queues,MACHINE,ADDRESS      counters of each queue
 *	/pciring/rings,MACHINE               counters of each attachment
 *	/pciring/irq,MACHINE                 counters of each interrupt stage
 *
 * All but the first answer in columns: a member is an array with one value a
 * function, queue, attachment or stage.
 *
 * Threads   commands arrive on telemetry's thread and are carried out on the
 *           control thread, with a time limit
 */
#ifndef APPS_PCIRINGD_TELEMETRY_H
#define APPS_PCIRINGD_TELEMETRY_H

#include "apps/pciringd/control.h"
#include "apps/pciringd/service.h"

/* Once per process; both outlive the EAL. */
int telemetry_init(struct control *control, struct service *service);

#endif
