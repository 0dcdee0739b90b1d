/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sort.h - entries in the order of their bases
 */
#ifndef TRANSPORT_BUS_SORT_H
#define TRANSPORT_BUS_SORT_H

#include "transport/bus/index.h"

/* -ENOMEM: the order is as before. */
int bus_entries_sort(struct bus_entry *e, size_t n);

#endif
