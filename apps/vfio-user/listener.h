/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * listener.h - a listening Unix socket and its name in the file system
 *
 * Only its owner may connect (mode 0600).  A name that a dead process left
 * behind is replaced; one that somebody listens on, and any other kind of
 * file, is left alone.  What is removed at the end is what was made here, not
 * what others put in its place.
 *
 * Threads   one; opening changes the process's umask for a moment
 */
#ifndef VFIO_USER_LISTENER_H
#define VFIO_USER_LISTENER_H

#include <sys/types.h>

struct vu_listener {
	int fd; /* -1: closed */
	char path[108];
	dev_t device; /* of the name we made */
	ino_t inode;
};

/* -EADDRINUSE somebody listens there, or it is no socket; -ENAMETOOLONG. */
int vu_listener_open(struct vu_listener *l, const char *path);
void vu_listener_close(struct vu_listener *l);

#endif
