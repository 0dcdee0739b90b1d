/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer.h - who is at the other end of a Unix socket
 */
#ifndef APPS_PCIRINGD_PEER_H
#define APPS_PCIRINGD_PEER_H

#include "ring/base.h"

/* True for root and for our own user; a guest's VMM runs as one of them. */
bool peer_may_enter(int fd);

/* Its process, or 0. */
int peer_pid(int fd);

#endif
