/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * discard.h - let go of a descriptor that a peer made, without waiting
 *
 * The last close() of a file may wait for as long as whoever made the file
 * likes: a TCP socket lingers, a FUSE file asks its server.  So may the end of
 * a Unix socket, or a read of it, for both close what lies in it unread.  A
 * thread that serves many peers must do none of these by itself; one that has
 * a single peer, such as a VMM's, may, and is spared the threads.
 *
 * Threads   any
 * Limits    DISCARD_MAX descriptors that make us wait at once; what comes then
 *           stays open
 */
#ifndef RING_DISCARD_H
#define RING_DISCARD_H

#include <sys/types.h>

#include "ring/base.h"

#define DISCARD_MAX 256

/* The most descriptors that the kernel passes in one message (SCM_MAX_FD). */
#define DISCARD_RIGHTS 253

/* Is @fd an eventfd?  1 yes, 0 no, -errno nobody knows. */
int fd_is_eventfd(int fd);

/* Close @fd: at once if that cannot wait, else in a thread of its own.  Unless
 * the program has said so before it is just close(). */
void discard_in_threads(void);
void fd_discard(int fd);

/* recv() that discards the descriptors which come with the bytes. */
ssize_t recv_bytes(int sock, void *buf, size_t n);

#endif
