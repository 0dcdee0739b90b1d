/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rundir.h - the service's directory: made, locked, and tidied up again
 *
 * Whoever holds the lock owns the sockets in it; what he finds there is dead.
 *
 * Threads   the main thread
 */
#ifndef APPS_PCIRINGD_RUNDIR_H
#define APPS_PCIRINGD_RUNDIR_H

#include "ring/msg.h"

struct rundir {
	char path[MSG_PATH_MAX];
	char rpc[MSG_PATH_MAX + 16];
	char attach[MSG_PATH_MAX + 16];
	char lock[MSG_PATH_MAX + 16];
	bool made;   /* by us, so it goes with us */
	int lock_fd; /* owned */
};

/* -errno, after a line that says why: -EBUSY another pciringd serves there. */
int rundir_open(struct rundir *d, const char *path);
/* Sockets, lock and, if it was made here, the directory are gone. */
void rundir_close(struct rundir *d);

#endif
