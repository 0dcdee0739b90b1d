/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kicks.h - GET_REGION_IO_FDS: doorbells as eventfds of the client's kernel
 *
 * The eventfds are made and bound when a client first asks, one for each queue;
 * whoever asks again is given the same.
 *
 * Limits    VU_SAID_FDS queues, and what the client said it can receive
 * Memory    the descriptors are ours until the connection ends, and are
 *           borrowed for the reply
 */
#ifndef VFIO_USER_KICKS_H
#define VFIO_USER_KICKS_H

#include "apps/vfio-user/wire.h"

struct vu_conn;

struct vu_kicks {
	unsigned int nr;
	bool asked;
	int fd[VU_SAID_FDS]; /* owned */
	uint64_t offset[VU_SAID_FDS];
	uint32_t length[VU_SAID_FDS];
	uint32_t bar;
};

void vu_kicks_fini(struct vu_kicks *k);

int vu_region_io_fds(struct vu_conn *c);

#endif
