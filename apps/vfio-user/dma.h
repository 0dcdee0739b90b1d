/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dma.h - the memory that a client has lent: DMA_MAP and DMA_UNMAP
 *
 * Ranges are disjoint; an overlap is refused, but for one that says again
 * exactly what is there.  When an UNMAP is answered, no device touches the
 * range any more.
 *
 * Threads   the connection's
 * Memory    the table grows with the number of ranges; no descriptor is kept
 */
#ifndef VFIO_USER_DMA_H
#define VFIO_USER_DMA_H

#include <stddef.h>
#include <sys/types.h>

#include "ring/base.h"

struct vu_conn;

struct vu_range {
	uint64_t address;
	uint64_t size;
	uint64_t offset;
	uint64_t inode; /* of the file; 0 without one */
	uint64_t device;
	uint32_t flags;
};

struct vu_dma {
	struct vu_range *ranges; /* owned; by rising address */
	size_t count;
	size_t room;
};

void vu_dma_fini(struct vu_dma *dma);

/* Handlers: 0 and the answer in the connection, or -errno to answer. */
int vu_dma_map(struct vu_conn *c);
int vu_dma_unmap(struct vu_conn *c);

#endif
