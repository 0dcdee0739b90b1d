/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * region.h - BARs and configuration space: what there is, reads and writes
 *
 * An access of 1, 2, 4 or 8 bytes reaches a BAR as it is.  Every other length,
 * and what configuration space cannot take as it is, is cut into naturally
 * aligned pieces of at most 4 bytes, in rising order.
 */
#ifndef VFIO_USER_REGION_H
#define VFIO_USER_REGION_H

struct vu_conn;

/* Handlers: 0 and the answer in the connection, or -errno to answer. */
int vu_region_info(struct vu_conn *c);
int vu_region_read(struct vu_conn *c);
int vu_region_write(struct vu_conn *c);
int vu_region_write_multi(struct vu_conn *c);

#endif
