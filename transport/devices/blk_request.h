/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blk_request.h - one request of a disk's driver: a chain taken apart
 *
 * Header, data, status (virtio 1.2, 5.2.6), wherever descriptors begin and end
 * (2.7.4): the header may be in pieces, the status byte is the last of the
 * writable ones.  The chain is walked once, which touches descriptors only;
 * the header is read later, when the processor has had time to fetch it.  What
 * the walk found is kept as host memory, which has to be found again after the
 * guest's memory map has changed, by where it is for the guest: the chain itself
 * may be gone, if another one overtook it (queue.h).
 *
 * A request is carried out in one or more transfers, each cut to what the
 * device can afford now.
 *
 * Memory    from malloc(), kept by the queue for the next request
 */
#ifndef TRANSPORT_DEVICES_BLK_REQUEST_H
#define TRANSPORT_DEVICES_BLK_REQUEST_H

#include "transport/devices/blk_backend.h"
#include "transport/virtio/queue.h"

#define BLK_SECTOR 512u

/* Pieces of host memory in one request.  Drivers are told of fewer. */
#define BLK_MAX_SPANS 1024u
/* So many need no memory of their own. */
#define BLK_FEW_SPANS 6u

/* Request types; virtio 1.2, 5.2.6. */
#define BLK_T_IN	   0u
#define BLK_T_OUT	   1u
#define BLK_T_FLUSH	   4u
#define BLK_T_GET_ID	   8u
#define BLK_T_DISCARD	   11u
#define BLK_T_SECURE_ERASE 14u
#define BLK_T_WRITE_ZEROES 13u

#define BLK_S_OK     0u
#define BLK_S_IOERR  1u
#define BLK_S_UNSUPP 2u

/* Bytes of one range, and its flag; virtio 1.2, 5.2.6. */
#define BLK_RANGE_BYTES 16u
#define BLK_RANGE_UNMAP 1u

struct blk_queue;

struct blk_range {
	uint64_t sector;
	uint32_t sectors;
	uint32_t flags;
};
static_assert(sizeof(struct blk_range) == BLK_RANGE_BYTES, "as the driver's");

enum blk_stage {
	BLK_WALKED,  /* the header has to be read */
	BLK_DECODED, /* the device has to do what it says */
	BLK_BEGUN    /* io is of use */
};

struct blk_request {
	struct blk_io io; /* the transfer under way */
	struct blk_queue *queue;
	struct blk_request *next; /* in whatever list it is */
	enum blk_stage stage;
	/* of the walk */
	bool bad;  /* there is no header */
	bool lost; /* host memory has to be found again */
	bool no_memory;
	unsigned int nr;	 /* pieces: */
	unsigned int readable;	 /* so many, and then the writable ones */
	uint64_t readable_bytes; /* of them, so far without the header */
	uint64_t writable_bytes; /* the status byte too */
	uint8_t *status;
	uint64_t status_gpa;
	unsigned int spans; /* what the walk cost */
	/* of the header */
	uint32_t type;
	uint64_t sector;
	uint64_t data;	   /* bytes in the data's direction */
	uint64_t done;	   /* of them, so far */
	unsigned int at;   /* the first piece that is not done */
	struct iovec rest; /* of the last piece of the transfer under way */
	struct blk_range *range; /* owned: BLK_MAX_RANGES, or NULL */
	unsigned int nr_ranges;
	unsigned int room;
	struct iovec *iov; /* owned, or few */
	/* Of each piece: from host memory to the guest's addresses. */
	uint64_t *shift; /* owned, or few_shift */
	struct iovec few[BLK_FEW_SPANS];
	uint64_t few_shift[BLK_FEW_SPANS];
	struct vq_chain chain;
};

enum blk_walked {
	BLK_WELL,
	BLK_BROKE, /* the queue broke: let go of the chain */
	BLK_BAD	   /* nowhere to put a status, or too many pieces */
};

/* A request that has nothing yet; NULL: no memory. */
struct blk_request *blk_request_new(struct blk_queue *queue);
void blk_request_free(struct blk_request *r);

/* Walk r->chain, which has just been taken. */
enum blk_walked blk_request_walk(struct blk_request *r);

/* Find the pieces that are not done again, and the status byte; r->lost no
 * more.  BLK_BAD: there are too many pieces now, the status byte is there. */
enum blk_walked blk_request_find(struct blk_request *r);

/* Ask the processor for header, status and first data. */
void blk_request_prefetch(const struct blk_request *r);

/* Read the header; from stage BLK_WALKED to BLK_DECODED. */
void blk_request_decode(struct blk_request *r);

/* Does a request of that type bring its data, rather than fetch it? */
static inline bool blk_type_brings(uint32_t type)
{
	return type == BLK_T_OUT || type == BLK_T_DISCARD ||
	       type == BLK_T_WRITE_ZEROES;
}

/* Prepare r->io for the next transfer, of at most @most bytes (> 0). */
void blk_request_cut(struct blk_request *r, uint64_t most);
/* It went well. */
void blk_request_advance(struct blk_request *r);
/* It is to be cut again. */
void blk_request_uncut(struct blk_request *r);

/* Copy @len bytes from or to the data, as far as that goes. */
void blk_request_fetch(struct blk_request *r, void *to, size_t len);
void blk_request_fill(struct blk_request *r, const void *from, size_t len);

/* Bytes written without a gap from the start of the writable part, if the
 * status byte is; what used.len may say (virtio 1.2, 2.7.8.2). */
uint32_t blk_request_written(const struct blk_request *r);

/* ---- blk_range.c: discard and write zeroes -------------------------------- */

/* Copy the ranges and judge them, for a disk of @sectors.  A status. */
uint8_t blk_ranges_take(struct blk_request *r, uint64_t sectors);
/* Prepare r->io for the next transfer, of at most @most bytes. */
void blk_ranges_cut(struct blk_request *r, uint64_t most);
/* It went well; true if nothing is left. */
bool blk_ranges_advance(struct blk_request *r);

#endif
