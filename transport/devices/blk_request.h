/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blk_request.h - one request of a disk's driver: a chain taken apart
 *
 * Header, data, status (virtio 1.2, 5.2.6), wherever descriptors begin and end
 * (2.7.4): the header may be in pieces, the status byte is the last of the
 * writable ones.  The chain is walked once; what it says is kept as host
 * memory, and has to be read anew when the guest's memory map changes.
 *
 * A request is carried out in one or more transfers, each cut to what the
 * device can afford now.
 *
 * Memory    from malloc(), only while a request is there
 */
#ifndef TRANSPORT_DEVICES_BLK_REQUEST_H
#define TRANSPORT_DEVICES_BLK_REQUEST_H

#include "transport/devices/blk_backend.h"
#include "transport/virtio/queue.h"

#define BLK_SECTOR 512u

/* Pieces of host memory in one request.  Drivers are told of fewer. */
#define BLK_MAX_SPANS 1024u

/* Request types; virtio 1.2, 5.2.6. */
#define BLK_T_IN     0u
#define BLK_T_OUT    1u
#define BLK_T_FLUSH  4u
#define BLK_T_GET_ID 8u

#define BLK_S_OK     0u
#define BLK_S_IOERR  1u
#define BLK_S_UNSUPP 2u

struct blk;

struct blk_request {
	struct blk_io io; /* the transfer under way */
	struct blk *blk;
	struct blk_request *next; /* in whatever list it is */
	struct vq_chain start;	  /* as it was taken */
	struct vq_chain chain;	  /* after the walk */
	uint16_t queue;
	bool parsed; /* what follows is there */
	bool short_header, no_memory;
	uint32_t type;
	uint64_t sector;
	uint64_t data;	   /* bytes in the data's direction */
	uint64_t done;	   /* of them, so far */
	uint64_t writable; /* bytes, the status byte too */
	uint8_t *status;
	struct iovec *iov; /* owned: the data */
	unsigned int nr, room;
	unsigned int at;    /* the first piece that is not done */
	struct iovec rest;  /* of the last piece of the transfer under way */
	unsigned int spans; /* what the walk cost */
};

enum blk_parsed {
	BLK_PARSED,
	BLK_BROKE, /* the queue broke: let go of the chain */
	BLK_BAD	   /* nowhere to put a status, or too many pieces */
};

/* A request that has nothing yet; NULL: no memory. */
struct blk_request *blk_request_new(struct blk *blk, uint16_t queue);
void blk_request_free(struct blk_request *r);

/* Walk the chain, from r->start on. */
enum blk_parsed blk_request_parse(struct blk_request *r);

/* Prepare r->io for the next transfer, of at most @most bytes (> 0). */
void blk_request_cut(struct blk_request *r, uint64_t most);
/* It went well. */
void blk_request_advance(struct blk_request *r);

/* Copy @len bytes to the data, as far as that goes. */
void blk_request_fill(struct blk_request *r, const void *from, size_t len);

/* Bytes written without a gap from the start of the writable part, if the
 * status byte is; what used.len may say (virtio 1.2, 2.7.8.2). */
uint32_t blk_request_written(const struct blk_request *r);

#endif
