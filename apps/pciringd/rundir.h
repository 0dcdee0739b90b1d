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

#include <sys/types.h>

#include "ring/msg.h"

struct rundir {
	char path[MSG_PATH_MAX];
	char rpc[MSG_PATH_MAX + 16];
	char attach[MSG_PATH_MAX + 16];
	char lock[MSG_PATH_MAX + 16];
	bool made;   /* by us, so it goes with us */
	int lock_fd; /* owned */
};

/*
 * -errno, after a line that says why: -EBUSY another pciringd serves there,
 * -EPERM others may write there or it is theirs.  @shared: let them.
 */
int rundir_open(struct rundir *d, const char *path, bool shared);

/* Let others reach the attach socket, which listens: those of group @gid, or
 * with (gid_t)-1 everybody.  A directory that was there keeps its mode.
 * -errno after a line that says why. */
int rundir_admit(const struct rundir *d, gid_t gid);

/* Sockets, lock and, if it was made here, the directory are gone. */
void rundir_close(struct rundir *d);

#endif
