/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the queues do the work (blk_queue.c); here is what they share, and the
 * configuration, which is put together anew for each read.
 *
 * A new size goes two ways: the backend has the blocks at once, on the control
 * thread, and the driver is told by home, so that no driver sees half of it.
 */
#include "transport/devices/blk.h"

#include <stdio.h>
#include <stdlib.h>

#include "transport/devices/blk_queue.h"

#define BLK_DEVICE_ID  2
#define BLK_QUEUE_SIZE 256
/* Header and status take two descriptors of a full queue. */
#define BLK_SEG_MAX    (BLK_QUEUE_SIZE - 2)

/* virtio 1.2, 5.2.4. */
#define CONFIG_CAPACITY		 0
#define CONFIG_SIZE_MAX		 8
#define CONFIG_SEG_MAX		 12
#define CONFIG_BLK_SIZE		 20
#define CONFIG_PHYSICAL_EXP	 24
#define CONFIG_MIN_IO		 26
#define CONFIG_WRITEBACK	 32
#define CONFIG_NUM_QUEUES	 34
#define CONFIG_DISCARD_SECTORS	 36
#define CONFIG_DISCARD_SEG	 40
#define CONFIG_DISCARD_ALIGNMENT 44
#define CONFIG_ZEROES_SECTORS	 48
#define CONFIG_ZEROES_SEG	 52
#define CONFIG_ZEROES_UNMAP	 56
#define CONFIG_BYTES		 60

/* ---- Configuration -------------------------------------------------------- */

/* No longer than the ring has room for, for drivers without indirect chains. */
static uint32_t seg_max(const struct virtio_device *d)
{
	const struct vq *vq = d->virtio ? virtio_queue(d->virtio, 0) : NULL;

	if (!vq || vq->max >= BLK_QUEUE_SIZE)
		return BLK_SEG_MAX;
	return vq->max > 2 ? vq->max - 2u : 1;
}

static void put_topology(uint8_t *config, const struct blk_backend *b)
{
	const uint32_t blocks = b->physical / b->block;

	config[CONFIG_PHYSICAL_EXP] = (uint8_t)__builtin_ctz(blocks);
	store_le(config + CONFIG_MIN_IO, 2, blocks);
}

static void put_ranges(uint8_t *config, const struct blk_backend *b)
{
	store_le(config + CONFIG_DISCARD_SECTORS, 4, BLK_MAX_RANGE_SECTORS);
	store_le(config + CONFIG_DISCARD_SEG, 4, BLK_MAX_RANGES);
	store_le(config + CONFIG_DISCARD_ALIGNMENT, 4,
		 b->physical / BLK_SECTOR);
	store_le(config + CONFIG_ZEROES_SECTORS, 4, BLK_MAX_RANGE_SECTORS);
	store_le(config + CONFIG_ZEROES_SEG, 4, BLK_MAX_RANGES);
	config[CONFIG_ZEROES_UNMAP] = 1;
}

static uint64_t blk_config_read(struct virtio_device *d, uint32_t off,
				unsigned int size)
{
	const struct blk *b = to_blk(d);
	uint8_t config[CONFIG_BYTES] = { 0 };

	store_le(config + CONFIG_CAPACITY, 8, b->sectors);
	store_le(config + CONFIG_SIZE_MAX, 4, BLK_RUN_BYTES);
	store_le(config + CONFIG_SEG_MAX, 4, seg_max(d));
	store_le(config + CONFIG_BLK_SIZE, 4, b->backend->block);
	put_topology(config, b->backend);
	config[CONFIG_WRITEBACK] = b->writeback;
	store_le(config + CONFIG_NUM_QUEUES, 2, d->nr_queues);
	if (!b->p.readonly)
		put_ranges(config, b->backend);
	return load_le(config + off, size);
}

/* virtio 1.2, 5.2.5: `writeback' is all that a driver may write, and only if it
 * negotiated that. */
static void blk_config_write(struct virtio_device *d, uint32_t off,
			     unsigned int size, uint64_t value)
{
	struct blk *b = to_blk(d);

	if (off != CONFIG_WRITEBACK || size != 1 ||
	    !virtio_has(&d->virtio->s.driver, BLK_F_CONFIG_WCE)) {
		d->virtio->stats.bad_writes++;
		return;
	}
	/* Relaxed: a write that is under way may be of either kind. */
	__atomic_store_n(&b->writeback, value != 0, __ATOMIC_RELAXED);
}

/* The driver may look at `writeback' from here on, before DRIVER_OK.
 * virtio 1.2, 5.2.5.2 and 5.2.6.2: without FLUSH it begins as 0, and whoever
 * knows neither has stable writes. */
static bool blk_features(struct virtio_device *d,
			 const struct virtio_features *driver)
{
	struct blk *b = to_blk(d);

	__atomic_store_n(&b->writeback, virtio_has(driver, BLK_F_FLUSH),
			 __ATOMIC_RELAXED);
	return true;
}

/* ---- Another size --------------------------------------------------------- */

static void blk_event(struct virtio_device *d)
{
	struct blk *b = to_blk(d);
	const uint64_t sectors = __atomic_load_n(&b->resized, __ATOMIC_ACQUIRE);

	if (sectors == b->sectors)
		return;
	__atomic_store_n(&b->sectors, sectors, __ATOMIC_RELAXED);
	virtio_config_changed(d->virtio);
}

/* ---- The device ----------------------------------------------------------- */

static void blk_destroy(struct virtio_device *d)
{
	struct blk *b = to_blk(d);

	b->backend->ops->close(b->backend);
	free(b);
}

static const struct virtio_device_ops blk_ops = {
	.name = "blk",
	.type = BLK_DEVICE_ID,
	.features = blk_features,
	.start = NULL,
	.queue_quiesce = blk_queue_quiesce,
	.queue_stop = blk_queue_stop,
	.stop = NULL,
	.queue_run = blk_queue_run,
	.queue_sleep = NULL,
	.event = blk_event,
	.config_read = blk_config_read,
	.config_write = blk_config_write,
	.destroy = blk_destroy,
};

static void offer(struct blk *b)
{
	static const uint8_t always[] = {
		BLK_F_SIZE_MAX, BLK_F_SEG_MAX,	BLK_F_BLK_SIZE,
		BLK_F_FLUSH,	BLK_F_TOPOLOGY, BLK_F_CONFIG_WCE,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(always); i++)
		virtio_set(&b->device.offer, always[i]);
	if (b->p.queues > 1)
		virtio_set(&b->device.offer, BLK_F_MQ);
	if (b->p.readonly) {
		virtio_set(&b->device.offer, BLK_F_RO);
		return;
	}
	virtio_set(&b->device.offer, BLK_F_DISCARD);
	virtio_set(&b->device.offer, BLK_F_WRITE_ZEROES);
}

int blk_create(const struct blk_params *p, struct blk_backend *backend,
	       struct virtio_device **out)
{
	struct blk *b;
	uint16_t q;

	assert(backend->size && !(backend->size % BLK_SECTOR));
	assert(p->queues >= 1 && p->queues <= BLK_MAX_QUEUES);
	b = aligned_alloc(alignof(struct blk),
			  sizeof(*b) + p->queues * sizeof(b->queue[0]));
	if (!b)
		return -ENOMEM;
	*b = (struct blk){
		.device = {
			.ops = &blk_ops,
			.nr_queues = p->queues,
			.queue_max = BLK_QUEUE_SIZE,
			.config_size = CONFIG_BYTES,
		},
		.backend = backend,
		.p = *p,
		.sectors = backend->size / BLK_SECTOR,
		.resized = backend->size / BLK_SECTOR,
		.writeback = 1,
	};
	for (q = 0; q < p->queues; q++)
		blk_queue_init(&b->queue[q], b, q);
	offer(b);
	*out = &b->device;
	return 0;
}

int blk_resize(struct virtio_device *d, uint64_t bytes, char *error,
	       size_t room)
{
	struct blk *b = to_blk(d);
	int err;

	if (d->ops != &blk_ops) {
		snprintf(error, room, "only a disk (blk) has a size");
		return -EOPNOTSUPP;
	}
	if (bytes % BLK_SECTOR) {
		snprintf(error, room,
			 "the size of a disk is whole sectors of 512 bytes");
		return -EINVAL;
	}
	err = b->backend->ops->resize
		      ? b->backend->ops->resize(b->backend, bytes)
		      : -EINVAL;
	if (err) {
		snprintf(error, room, "this %s disk cannot have that size: %s",
			 b->backend->ops->name, strerror(-err));
		return err;
	}
	/* Release: the blocks are there before anybody hears of them. */
	__atomic_store_n(&b->resized, b->backend->size / BLK_SECTOR,
			 __ATOMIC_RELEASE);
	if (d->virtio)
		virtio_event(d->virtio);
	else
		blk_event(d);
	return 0;
}
