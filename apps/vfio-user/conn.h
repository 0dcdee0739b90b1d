/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conn.h - one vfio-user client: its messages become calls of libpciring
 *
 * Messages are served strictly in the order they came, each to its end before
 * the next is read.  A client that breaks the protocol gets the errors which
 * the protocol has; one that breaks its framing loses the link.
 *
 * Threads   one thread per connection; connections share nothing
 * Memory    one allocation per connection, none per message
 * Trust     nothing a client sends is believed; every descriptor that it sent
 *           is closed before its message is answered, but for the two of INTx
 */
#ifndef VFIO_USER_CONN_H
#define VFIO_USER_CONN_H

#include "apps/vfio-user/dma.h"
#include "apps/vfio-user/intx.h"
#include "apps/vfio-user/kicks.h"
#include "apps/vfio-user/wire.h"
#include "ring/pciring.h"

#define VU_LANE 0 /* a connection is one ordered stream of accesses */

struct vu_message {
	struct vu_header h;
	size_t length;	       /* of the payload in vu_conn.in */
	size_t answer;	       /* of the reply's payload in vu_conn.out */
	const int *answer_fds; /* borrowed, to go with the reply */
	unsigned int nr_answer_fds;
	unsigned int nr_fds;
	/* Owned; a handler that keeps them says so by making nr_fds 0. */
	int fds[VU_MAX_FDS];
};

struct vu_conn {
	int sock;	   /* borrowed */
	struct pciring *p; /* borrowed */
	struct pciring_function_info info;
	struct vu_dma dma;
	struct vu_intx intx;
	struct vu_kicks kicks;
	unsigned int most_fds; /* that the client can receive */
	bool negotiated;
	uint64_t messages;
	uint64_t posted;  /* writes that went without waiting */
	uint64_t refused; /* commands answered, or met, by an error */
	struct vu_message m;
	struct {
		struct vu_header h;
		uint8_t payload[sizeof(struct vu_region_access) + VU_MAX_XFER];
	} out;
	uint8_t in[VU_MAX_PAYLOAD];
};

/*
 * Serve the client on the stream socket @sock with @function of @p until it
 * leaves: 0.  -EPROTO it broke the framing or the version handshake, -EPIPE
 * the service has gone, other -errno from the socket.  What the client lent
 * and bound stays; pciring_detach() is what ends it.
 */
int vu_conn_run(int sock, struct pciring *p, uint16_t function);

#endif
