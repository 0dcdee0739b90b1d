/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client.h - what the files of libpciring share among themselves
 *
 * Threads   @lock serialises control calls; a lane's line belongs to its
 *           thread; @broken is set once, by anybody, and never cleared
 */
#ifndef RING_CLIENT_H
#define RING_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "ring/attach.h"
#include "ring/channel.h"

/* No sleep is longer, so that a service that died is noticed. */
#define CLIENT_SLICE_NS 100000000

struct client_lane {
	_Alignas(64) uint32_t seq; /* of the last access; 0 before the first */
	uint8_t size;		   /* of the access under way; 0: none is */
	bool read;
	atomic_bool leave; /* called away; set by anybody */
	uint16_t patience; /* 1/16 pauses before the first look, see spin */
	uint8_t in_time;   /* first looks in a row that were, up to a limit */
};

struct pciring {
	int sock; /* owned */
	atomic_bool broken;
	pthread_mutex_t lock; /* the socket's requests and replies */
	uint32_t id;	      /* of the last control request */
	uint32_t call_limit_ms;
	uint32_t spin_ns;
	int64_t slice_ns; /* how long one sleep may be */
	uint64_t features;
	struct channel ch;
	struct client_lane lane[PCIRING_MAX_LANES];
};

/* Whether the service is there; marks the attachment broken if it has gone, or
 * was found lying. */
bool client_alive(struct pciring *p);

/* From now on every call answers -EPIPE. */
void client_break(struct pciring *p);

/*
 * Send a control request and wait for its reply, which the caller finishes
 * with attach_packet_fini() when this returns 0.  Fills in @h.  Returns the
 * reply's error; -ETIMEDOUT or -EPIPE break the attachment.
 */
int client_call(struct pciring *p, struct msg_header *h, uint16_t type,
		size_t length, const int *fds, unsigned int n,
		struct attach_packet *reply);

/* The same for replies that carry nothing but their error. */
int client_do(struct pciring *p, struct msg_header *h, uint16_t type,
	      size_t length, const int *fds, unsigned int n);

#endif
