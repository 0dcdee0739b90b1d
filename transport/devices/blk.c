/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a request is taken apart (blk_request.c), judged, and carried out in
 * transfers.  Where it is meanwhile: being served; in the hands of a backend
 * that has not finished; or in its queue's list of those with bytes left, for
 * which the run's share was not enough.
 *
 * Host pointers of the last kind are forgotten when memory is about to change,
 * and the request begins anew: to read or write the same twice is harmless.
 */
#include "transport/devices/blk.h"

#include <stdlib.h>

#include "transport/devices/blk_request.h"
#include "transport/virtio/virtio.h"

#define BLK_DEVICE_ID  2
#define BLK_QUEUE_SIZE 256
/* Header and status take two descriptors of a full queue. */
#define BLK_SEG_MAX    (BLK_QUEUE_SIZE - 2)

/* Never less in one transfer, or a request's end would come byte by byte. */
#define LEAST_BYTES 4096
/* A request with more pieces than this is not kept for the next one. */
#define SPARE_ROOM  64

/* virtio 1.2, 5.2.4; the fields behind are those of features not offered. */
#define CONFIG_CAPACITY	  0
#define CONFIG_SEG_MAX	  12
#define CONFIG_BLK_SIZE	  20
#define CONFIG_NUM_QUEUES 34
#define CONFIG_BYTES	  36

struct blk {
	struct virtio_device device;
	struct blk_backend *backend; /* owned */
	struct blk_params p;
	struct blk_request *spare;	  /* owned, or NULL */
	struct blk_request *unfinished[]; /* owned: a list for each queue */
};

static struct blk *to_blk(struct virtio_device *d)
{
	return container_of(d, struct blk, device);
}

static void release(struct blk *b, struct blk_request *r)
{
	if (b->spare || r->room > SPARE_ROOM)
		blk_request_free(r);
	else
		b->spare = r;
}

static void finish(struct blk_request *r, uint8_t status)
{
	struct blk *b = r->blk;

	if (status != BLK_S_OK)
		virtio_bad_request(b->device.virtio, r->queue);
	*r->status = status;
	vq_push(r->chain.vq, &r->chain, blk_request_written(r));
	release(b, r);
}

/* ---- Transfers ------------------------------------------------------------ */

/* The transfer is over; so is the request, or it waits for its next one. */
static void settle(struct blk_request *r, int err)
{
	struct blk_request **list = &r->blk->unfinished[r->queue];

	if (err) {
		finish(r, BLK_S_IOERR);
		return;
	}
	blk_request_advance(r);
	if (r->done == r->data) {
		finish(r, BLK_S_OK);
		return;
	}
	r->next = *list;
	*list = r;
}

/* From the backend, some time after submit. */
static void transfer_done(struct blk_io *io, int err)
{
	struct blk_request *r = container_of(io, struct blk_request, io);
	struct virtio *v = r->blk->device.virtio;
	const unsigned int q = r->queue;

	settle(r, err);
	/* The run that follows publishes, or goes on. */
	virtio_queue_activate(v, q);
}

static void transfer(struct blk_request *r, int64_t *left)
{
	const uint64_t most = *left > LEAST_BYTES
				      ? (uint64_t)*left & ~(BLK_SECTOR - 1ull)
				      : LEAST_BYTES;
	struct blk_backend *backend = r->blk->backend;
	int err;

	blk_request_cut(r, most);
	*left -= (int64_t)r->io.bytes;
	err = backend->ops->submit(backend, &r->io);
	if (err != -EINPROGRESS)
		settle(r, err);
}

/* ---- Requests ------------------------------------------------------------- */

static bool in_range(const struct blk *b, const struct blk_request *r)
{
	const uint64_t sectors = b->p.size / BLK_SECTOR;

	return !(r->data % BLK_SECTOR) &&
	       range_inside(r->sector, r->data / BLK_SECTOR, sectors);
}

static void begin_rw(struct blk_request *r, int64_t *left)
{
	const struct blk *b = r->blk;
	const bool write = r->type == BLK_T_OUT;

	/* virtio 1.2, 5.2.6.2: a read-only disk fails every write. */
	if (!in_range(b, r) || (write && b->p.readonly)) {
		finish(r, BLK_S_IOERR);
	} else if (!r->data) {
		finish(r, BLK_S_OK);
	} else {
		r->io.op = write ? BLK_WRITE : BLK_READ;
		transfer(r, left);
	}
}

/* It has no data, and no sector, whatever the driver wrote there. */
static void begin_flush(struct blk_request *r, int64_t *left)
{
	r->io.op = BLK_FLUSH;
	r->sector = 0;
	r->data = 0;
	transfer(r, left);
}

static void begin(struct blk_request *r, int64_t *left)
{
	const struct blk *b = r->blk;

	if (r->short_header || r->no_memory) {
		finish(r, BLK_S_IOERR);
		return;
	}
	switch (r->type) {
	case BLK_T_IN:
	case BLK_T_OUT:
		begin_rw(r, left);
		break;
	case BLK_T_FLUSH:
		begin_flush(r, left);
		break;
	case BLK_T_GET_ID:
		blk_request_fill(r, b->p.serial, sizeof(b->p.serial));
		finish(r, BLK_S_OK);
		break;
	default:
		finish(r, BLK_S_UNSUPP);
	}
}

/* A chain that was just taken, or whose memory may have moved. */
static void parse(struct blk_request *r, int64_t *left)
{
	struct blk *b = r->blk;

	switch (blk_request_parse(r)) {
	case BLK_PARSED:
		*left -= (int64_t)r->spans * BLK_SPAN_BYTES;
		begin(r, left);
		break;
	case BLK_BAD:
		*left -= (int64_t)r->spans * BLK_SPAN_BYTES;
		virtio_bad_request(b->device.virtio, r->queue);
		vq_push(r->chain.vq, &r->chain, 0);
		release(b, r);
		break;
	case BLK_BROKE:
		release(b, r);
		break;
	}
}

/* ---- Queues --------------------------------------------------------------- */

static struct blk_request *take_spare(struct blk *b, unsigned int q)
{
	struct blk_request *r = b->spare;

	if (!r)
		return blk_request_new(b, (uint16_t)q);
	b->spare = NULL;
	r->queue = (uint16_t)q;
	return r;
}

/* One that waits, or a new chain; NULL with @more true: no memory for it. */
static struct blk_request *next_request(struct blk *b, unsigned int q,
					bool *more)
{
	struct blk_request *r = b->unfinished[q];

	*more = false;
	if (r) {
		b->unfinished[q] = r->next;
		return r;
	}
	r = take_spare(b, q);
	if (!r) {
		*more = true;
		return NULL;
	}
	if (!vq_pop(virtio_queue(b->device.virtio, q), &r->start)) {
		release(b, r);
		return NULL;
	}
	r->parsed = false;
	r->io.done = transfer_done;
	return r;
}

static bool blk_queue_run(struct virtio_device *d, unsigned int q,
			  unsigned int budget)
{
	const struct vq *vq = virtio_queue(d->virtio, q);
	int64_t left = BLK_RUN_BYTES;
	struct blk_request *r;
	bool more = true;

	for (; budget && left > 0; budget--) {
		r = next_request(to_blk(d), q, &more);
		if (!r)
			return more;
		if (r->parsed)
			transfer(r, &left);
		else
			parse(r, &left);
		if (!vq_live(vq))
			return false;
	}
	return true;
}

static void blk_quiesce(struct virtio_device *d, unsigned int q)
{
	struct blk *b = to_blk(d);
	struct blk_request *r;

	if (b->backend->ops->drain)
		b->backend->ops->drain(b->backend, q);
	for (r = b->unfinished[q]; r; r = r->next)
		r->parsed = false;
}

static void blk_queue_stop(struct virtio_device *d, unsigned int q)
{
	struct blk *b = to_blk(d);
	struct blk_request *r;

	while ((r = b->unfinished[q])) {
		b->unfinished[q] = r->next;
		blk_request_free(r);
	}
}

static void blk_stop(struct virtio_device *d)
{
	struct blk *b = to_blk(d);

	if (b->spare)
		blk_request_free(b->spare);
	b->spare = NULL;
}

/* ---- The device ----------------------------------------------------------- */

static uint64_t blk_config_read(struct virtio_device *d, uint32_t off,
				unsigned int size)
{
	const struct blk *b = to_blk(d);
	uint8_t config[CONFIG_BYTES] = { 0 };

	store_le(config + CONFIG_CAPACITY, 8, b->p.size / BLK_SECTOR);
	store_le(config + CONFIG_SEG_MAX, 4, BLK_SEG_MAX);
	store_le(config + CONFIG_BLK_SIZE, 4, BLK_SECTOR);
	store_le(config + CONFIG_NUM_QUEUES, 2, d->nr_queues);
	return load_le(config + off, size);
}

static void blk_destroy(struct virtio_device *d)
{
	struct blk *b = to_blk(d);

	b->backend->ops->close(b->backend);
	free(b);
}

static const struct virtio_device_ops blk_ops = {
	.name = "blk",
	.type = BLK_DEVICE_ID,
	.start = NULL,
	.stop = blk_stop,
	.queue_quiesce = blk_quiesce,
	.queue_stop = blk_queue_stop,
	.queue_run = blk_queue_run,
	.config_read = blk_config_read,
	.config_write = NULL,
	.destroy = blk_destroy,
};

int blk_create(const struct blk_params *p, struct blk_backend *backend,
	       struct virtio_device **out)
{
	struct blk *b;

	assert(p->size && !(p->size % BLK_SECTOR));
	assert(p->queues >= 1 && p->queues <= BLK_MAX_QUEUES);
	b = calloc(1, sizeof(*b) + p->queues * sizeof(void *));
	if (!b)
		return -ENOMEM;
	b->device = (struct virtio_device){
		.ops = &blk_ops,
		.nr_queues = p->queues,
		.queue_max = BLK_QUEUE_SIZE,
		.config_size = CONFIG_BYTES,
	};
	b->backend = backend;
	b->p = *p;
	virtio_set(&b->device.offer, BLK_F_SEG_MAX);
	virtio_set(&b->device.offer, BLK_F_BLK_SIZE);
	virtio_set(&b->device.offer, BLK_F_FLUSH);
	if (p->readonly)
		virtio_set(&b->device.offer, BLK_F_RO);
	if (p->queues > 1)
		virtio_set(&b->device.offer, BLK_F_MQ);
	*out = &b->device;
	return 0;
}
