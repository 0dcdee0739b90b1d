/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: chains are taken and walked some at a time, and the memory they point to
 * is asked for, before the first of them is looked at: what one request waits
 * for comes while another is served.
 *
 * Where a request is meanwhile: being served; in the hands of a backend that
 * has not finished; or in its queue's list of those that wait.  Whoever has
 * begun waits in front, so a request's transfers follow each other.
 *
 * Host pointers of those that wait are forgotten when memory is about to
 * change, and found again when the request goes on.
 */
#include "transport/devices/blk_queue.h"

#include <stdlib.h>

/* Never less in one transfer, or a request's end would come byte by byte. */
#define LEAST_BYTES 4096
/* Cache misses under way together; more than processors have room for is of
 * no use. */
#define BATCH	    8u
/* Requests that are kept for the next chains, and the most pieces of one. */
#define SPARES	    32u
#define SPARE_ROOM  128u
/* Bytes that are given back, and count as one that is moved. */
#define UNMAP_SHARE 16

void blk_queue_init(struct blk_queue *q, struct blk *blk, uint16_t index)
{
	*q = (struct blk_queue){
		.blk = blk,
		.index = index,
		.tail = &q->waiting,
	};
}

/* ---- Lists ---------------------------------------------------------------- */

static void wait_in_front(struct blk_queue *q, struct blk_request *r)
{
	if (!q->waiting)
		q->tail = &r->next;
	r->next = q->waiting;
	q->waiting = r;
}

static void wait_behind(struct blk_queue *q, struct blk_request *r)
{
	r->next = NULL;
	*q->tail = r;
	q->tail = &r->next;
}

static struct blk_request *stop_waiting(struct blk_queue *q)
{
	struct blk_request *r = q->waiting;

	q->waiting = r->next;
	if (!q->waiting)
		q->tail = &q->waiting;
	return r;
}

static struct blk_request *take_request(struct blk_queue *q)
{
	struct blk_request *r = q->spare;

	if (unlikely(!r))
		return blk_request_new(q);
	q->spare = r->next;
	q->nr_spare--;
	return r;
}

static void release(struct blk_queue *q, struct blk_request *r)
{
	if (unlikely(q->nr_spare >= SPARES || r->room > SPARE_ROOM)) {
		blk_request_free(r);
		return;
	}
	r->next = q->spare;
	q->spare = r;
	q->nr_spare++;
}

/* ---- Ends ----------------------------------------------------------------- */

static void count_bad(struct blk_queue *q)
{
	virtio_bad_request(q->blk->device.virtio, q->index);
}

static void finish(struct blk_request *r, uint8_t status)
{
	struct blk_queue *q = r->queue;

	if (unlikely(status != BLK_S_OK))
		count_bad(q);
	*r->status = status;
	vq_push(r->chain.vq, &r->chain, blk_request_written(r));
	release(q, r);
}

static bool advance(struct blk_request *r)
{
	if (r->nr_ranges)
		return blk_ranges_advance(r);
	blk_request_advance(r);
	return r->done == r->data;
}

/* The transfer is over; so is the request, or it waits for its next one. */
static void settle(struct blk_request *r, int err)
{
	if (err == -EAGAIN) {
		blk_request_uncut(r);
		wait_in_front(r->queue, r);
	} else if (err) {
		finish(r, BLK_S_IOERR);
	} else if (advance(r)) {
		finish(r, BLK_S_OK);
	} else {
		wait_in_front(r->queue, r);
	}
}

/* From the backend, some time after submit. */
static void transfer_done(struct blk_io *io, int err)
{
	struct blk_request *r = container_of(io, struct blk_request, io);
	struct blk_queue *q = r->queue;

	settle(r, err);
	/* The run that follows publishes, or goes on. */
	virtio_queue_activate(q->blk->device.virtio, q->index);
}

/* ---- Transfers ------------------------------------------------------------ */

static uint64_t cut_ranges(struct blk_request *r)
{
	const struct blk_backend *b = r->queue->blk->backend;

	blk_ranges_cut(r, b->ops->zero_most);
	if (r->io.op == BLK_ZERO && !r->io.unmap)
		return r->io.bytes;
	return r->io.bytes / UNMAP_SHARE;
}

static uint64_t cut_data(struct blk_request *r, int64_t left)
{
	blk_request_cut(r, left > LEAST_BYTES
				   ? (uint64_t)left & ~(BLK_SECTOR - 1ull)
				   : LEAST_BYTES);
	return r->io.bytes;
}

/* What was transferred before is covered by the last one. */
static bool must_be_durable(const struct blk_request *r)
{
	return r->done + r->io.bytes == r->data &&
	       !__atomic_load_n(&r->queue->blk->writeback, __ATOMIC_RELAXED);
}

/* False: not now. */
static bool transfer(struct blk_request *r, int64_t *left)
{
	struct blk_backend *backend = r->queue->blk->backend;
	uint64_t cost;
	int err;

	cost = r->nr_ranges ? cut_ranges(r) : cut_data(r, *left);
	*left -= cost < BLK_RUN_BYTES ? (int64_t)cost : BLK_RUN_BYTES;
	r->io.durable = r->io.op != BLK_READ && must_be_durable(r);
	err = backend->ops->submit(backend, &r->io);
	if (err == -EINPROGRESS)
		return true;
	settle(r, err);
	return err != -EAGAIN;
}

/* ---- Requests ------------------------------------------------------------- */

static uint64_t sectors_of(const struct blk *b)
{
	/* Relaxed: the backend had the blocks before home was told of them, and
	 * a stale size is one that the disk had a moment ago. */
	return __atomic_load_n(&b->sectors, __ATOMIC_RELAXED);
}

static bool in_range(const struct blk *b, const struct blk_request *r)
{
	return !(r->data % BLK_SECTOR) &&
	       range_inside(r->sector, r->data / BLK_SECTOR, sectors_of(b));
}

static bool begin_rw(struct blk_request *r, int64_t *left)
{
	const struct blk *b = r->queue->blk;
	const bool write = r->type == BLK_T_OUT;

	/* virtio 1.2, 5.2.6.2: a read-only disk fails every write. */
	if (unlikely(!in_range(b, r) || (write && b->p.readonly))) {
		finish(r, BLK_S_IOERR);
		return true;
	}
	if (unlikely(!r->data)) {
		finish(r, BLK_S_OK);
		return true;
	}
	r->io.op = write ? BLK_WRITE : BLK_READ;
	return transfer(r, left);
}

/* It has no data, and no sector, whatever the driver wrote there. */
static bool begin_flush(struct blk_request *r, int64_t *left)
{
	r->io.op = BLK_FLUSH;
	r->sector = 0;
	r->data = 0;
	return transfer(r, left);
}

static bool begin_ranges(struct blk_request *r, unsigned int feature,
			 int64_t *left)
{
	const struct blk *b = r->queue->blk;
	uint8_t status = BLK_S_UNSUPP;

	if (virtio_has(&b->device.virtio->s.driver, feature))
		status = blk_ranges_take(r, sectors_of(b));
	if (status != BLK_S_OK || !r->data) {
		finish(r, status);
		return true;
	}
	r->io.op = r->type == BLK_T_DISCARD ? BLK_DISCARD : BLK_ZERO;
	return transfer(r, left);
}

static bool begin(struct blk_request *r, int64_t *left)
{
	const struct blk *b = r->queue->blk;

	if (r->stage == BLK_WALKED)
		blk_request_decode(r);
	r->stage = BLK_BEGUN;
	if (unlikely(r->bad)) {
		finish(r, BLK_S_IOERR);
		return true;
	}
	switch (r->type) {
	case BLK_T_IN:
	case BLK_T_OUT:
		return begin_rw(r, left);
	case BLK_T_FLUSH:
		return begin_flush(r, left);
	case BLK_T_DISCARD:
		return begin_ranges(r, BLK_F_DISCARD, left);
	case BLK_T_WRITE_ZEROES:
		return begin_ranges(r, BLK_F_WRITE_ZEROES, left);
	case BLK_T_GET_ID:
		blk_request_fill(r, b->p.serial, sizeof(b->p.serial));
		finish(r, BLK_S_OK);
		return true;
	default:
		finish(r, BLK_S_UNSUPP);
		return true;
	}
}

/* False: the request is gone. */
static bool walk(struct blk_request *r, int64_t *left)
{
	struct blk_queue *q = r->queue;
	const enum blk_walked walked = blk_request_walk(r);

	*left -= (int64_t)r->spans * BLK_SPAN_BYTES;
	if (likely(walked == BLK_WELL))
		return true;
	if (walked == BLK_BAD) {
		count_bad(q);
		vq_push(r->chain.vq, &r->chain, 0);
	}
	release(q, r);
	return false;
}

/* As walk(), after the memory map has changed. */
static bool find_again(struct blk_request *r, int64_t *left)
{
	const enum blk_walked found = blk_request_find(r);

	*left -= (int64_t)(r->nr - r->at) * BLK_SPAN_BYTES;
	if (found == BLK_WELL)
		return true;
	if (found == BLK_BAD)
		finish(r, BLK_S_IOERR);
	else
		release(r->queue, r);
	return false;
}

/* ---- Runs ----------------------------------------------------------------- */

enum look {
	LOOK_MORE,  /* there may be more */
	LOOK_EMPTY, /* no chain is left */
	LOOK_LATER  /* no memory for the next */
};

/* Chains that were taken and walked, in @batch; BATCH at most. */
static unsigned int gather(struct blk_queue *q, unsigned int most,
			   struct blk_request **batch, int64_t *left,
			   enum look *look)
{
	struct vq *vq = virtio_queue(q->blk->device.virtio, q->index);
	struct blk_request *r;
	unsigned int n = 0;

	*look = LOOK_MORE;
	for (; most && *left > 0; most--) {
		r = take_request(q);
		if (unlikely(!r)) {
			*look = LOOK_LATER;
			break;
		}
		if (!vq_pop(vq, &r->chain)) {
			/* Thousands of disks that were never asked for
			 * anything keep nothing for the next time. */
			if (likely(q->warm))
				release(q, r);
			else
				blk_request_free(r);
			*look = LOOK_EMPTY;
			break;
		}
		q->warm = true;
		r->io.queue = q->index;
		r->io.done = transfer_done;
		if (!walk(r, left))
			continue;
		blk_request_prefetch(r);
		batch[n++] = r;
	}
	return n;
}

/* Serve those that were there first; false: not now. */
static bool run_waiting(struct blk_queue *q, unsigned int *budget,
			int64_t *left)
{
	struct blk_request *r;
	bool now = true;

	while (q->waiting && *budget && *left > 0 && now) {
		--*budget;
		r = stop_waiting(q);
		if (r->lost && !find_again(r, left))
			continue;
		now = r->stage == BLK_BEGUN ? transfer(r, left)
					    : begin(r, left);
	}
	return now;
}

/* Their blocks come together, too. */
static void prefetch_blocks(const struct blk_queue *q,
			    struct blk_request **batch, unsigned int n)
{
	struct blk_backend *backend = q->blk->backend;
	struct blk_request *r;

	if (!backend->ops->prefetch)
		return;
	for (unsigned int i = 0; i < n; i++) {
		r = batch[i];
		blk_request_decode(r);
		if (!r->bad && (r->type == BLK_T_IN || r->type == BLK_T_OUT) &&
		    in_range(q->blk, r))
			backend->ops->prefetch(backend, r->type == BLK_T_OUT,
					       r->sector * BLK_SECTOR, r->data);
	}
}

/* False: the rest of them waits. */
static bool run_batch(struct blk_queue *q, struct blk_request **batch,
		      unsigned int n, int64_t *left)
{
	bool now = true;
	unsigned int i;

	prefetch_blocks(q, batch, n);
	/* The first may be served though the walk cost more than there was. */
	for (i = 0; i < n && now && (!i || *left > 0); i++)
		now = begin(batch[i], left);
	if (likely(i == n))
		return now;
	for (; i < n; i++)
		wait_behind(q, batch[i]);
	return false;
}

bool blk_queue_run(struct virtio_device *d, unsigned int i, unsigned int budget)
{
	struct blk_queue *q = &to_blk(d)->queue[i];
	struct vq *vq = virtio_queue(d->virtio, i);
	struct blk_request *batch[BATCH];
	int64_t left = BLK_RUN_BYTES;
	enum look look = LOOK_MORE;
	unsigned int n;

	if (unlikely(q->waiting) && !run_waiting(q, &budget, &left))
		return vq_live(vq);
	while (budget && left > 0 && look == LOOK_MORE && vq_live(vq)) {
		n = budget < BATCH ? budget : BATCH;
		budget -= n;
		n = gather(q, n, batch, &left, &look);
		if (!run_batch(q, batch, n, &left))
			return vq_live(vq);
	}
	return vq_live(vq) && (look != LOOK_EMPTY || q->waiting);
}

void blk_queue_quiesce(struct virtio_device *d, unsigned int i)
{
	struct blk *b = to_blk(d);
	struct blk_request *r;

	if (b->backend->ops->drain)
		b->backend->ops->drain(b->backend, i);
	for (r = b->queue[i].waiting; r; r = r->next)
		r->lost = true;
}

void blk_queue_stop(struct virtio_device *d, unsigned int i)
{
	struct blk_queue *q = &to_blk(d)->queue[i];
	struct blk_request *r;

	while (q->waiting)
		blk_request_free(stop_waiting(q));
	while ((r = q->spare)) {
		q->spare = r->next;
		blk_request_free(r);
	}
	q->nr_spare = 0;
	q->warm = false;
}
