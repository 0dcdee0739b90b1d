/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer.h - who is at the other end of a Unix socket
 */
#ifndef APPS_PCIRINGD_PEER_H
#define APPS_PCIRINGD_PEER_H

#include <sys/types.h>

#include "ring/base.h"

#define PEER_MAX 16

/* Who may attach beside root and our own user. */
struct peer_access {
	uid_t uid[PEER_MAX];
	gid_t gid[PEER_MAX]; /* its own, or one of its others */
	unsigned int nr_uids, nr_gids;
};

/* True for root, for our own user, and for those in @access (may be NULL). */
bool peer_may_enter(int fd, const struct peer_access *access);

/* Its process, or 0; its user, or -1. */
int peer_pid(int fd);
int peer_uid(int fd);

#endif
