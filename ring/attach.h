/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attach.h - packets with descriptors over the attach socket
 *
 * SOCK_SEQPACKET keeps packet boundaries, so descriptors always belong to the
 * packet they came with.  A packet that is too long, was cut, or carries more
 * descriptors than fit is dropped whole with all its descriptors closed.
 *
 * Threads   any, one at a time per socket and direction
 * Memory    received descriptors are owned by the caller (close-on-exec)
 * Trust     descriptors that came are closed by ring/discard.h
 */
#ifndef RING_ATTACH_H
#define RING_ATTACH_H

#include "ring/msg.h"

struct attach_packet {
	union msg_packet m;
	size_t length;
	int fds[MSG_MAX_FDS];
	unsigned int nr_fds;
};

/* Listen on @path (mode 0600 unless @mode says else), replacing a dead
 * socket; -EADDRINUSE if somebody listens there.  fd or -errno. */
int attach_listen(const char *path, unsigned int mode);

/* Connect to @path; fd or -errno. */
int attach_connect(const char *path);

/* Send @length bytes of @msg with @n descriptors.  -EPIPE peer gone,
 * -EAGAIN the socket is full (only with O_NONBLOCK). */
int attach_send(int sock, const void *msg, size_t length, const int *fds,
		unsigned int n);

/* Receive one packet.  1 packet, 0 end of file, -EAGAIN, -EPROTO (dropped
 * packet: bad length or magic, cut data or descriptors), other -errno. */
int attach_recv(int sock, struct attach_packet *pkt);

/* Close what the packet still owns. */
void attach_packet_fini(struct attach_packet *pkt);

/* Take descriptor @i out of the packet: the caller owns it.  -1 if none. */
int attach_packet_take(struct attach_packet *pkt, unsigned int i);

#endif
