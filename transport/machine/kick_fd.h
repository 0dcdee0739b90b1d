/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kick_fd.h - a doorbell that is an eventfd: a signal of it is a kick
 *
 * A VMM has its kernel signal it (KVM_IOEVENTFD), so a kick leaves the guest
 * but not for the VMM.  The loop keeps one read of it with its io_uring: what
 * comes while the loop polls costs no call but the one that a turn makes
 * anyway, and what comes while it sleeps wakes it.
 *
 * A signal while no read is under way is found by the next one, so none is
 * lost, and any number of them between two turns are one kick.
 *
 * Threads   home, but for kick_fd_create() and kick_fd_destroy()
 * Memory    create() and destroy() are the control thread's; while it is bound
 *           it is the function's, which destroys it when its link goes
 * Trust     who has the eventfd may signal it at any time, as often as he likes,
 *           and read it: then a kick of his own is lost
 */
#ifndef TRANSPORT_MACHINE_KICK_FD_H
#define TRANSPORT_MACHINE_KICK_FD_H

#include "ring/base.h"

/* Of one loop, each of which is something under way in its io_uring. */
#define KICK_FD_MOST 1024

struct kick_fd;

/* @fd, an eventfd, is its until destroyed.  -ENOMEM. */
int kick_fd_create(int fd, uint16_t queue, struct kick_fd **out);
/* Not bound.  Returns its descriptor, for the caller to close; of NULL -1. */
int kick_fd_destroy(struct kick_fd *k);

#endif
