/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * eal.h - DPDK's environment, started quickly and leaving nothing behind
 *
 * Gives the poll loops their threads and the operator his telemetry.  Touches
 * no PCI device and no huge page, and shares nothing with other DPDK programs;
 * raw options of the operator come after ours and win.
 *
 * Prefix    pciring-PID, whose runtime directory is locked while we live;
 *           those of dead predecessors are removed at start, ours at the end
 * Threads   the main thread
 */
#ifndef APPS_PCIRINGD_EAL_H
#define APPS_PCIRINGD_EAL_H

#include "apps/pciringd/options.h"

/* -errno, after a line that says why. */
int eal_start(const struct service_options *o);
/* All loops have returned. */
void eal_end(void);

/* How many poll loops there are cores for, at least 1. */
unsigned int eal_nr_loops(void);

/* How loop @i shall idle: LOOP_IDLE_OFF if its CPU is its own. */
int eal_idle_us(const struct service_options *o, unsigned int i);

/* Run @loop on the @i-th core until it returns, and wait for that. */
int eal_launch(unsigned int i, struct loop *loop);
void eal_join(unsigned int i);

#endif
