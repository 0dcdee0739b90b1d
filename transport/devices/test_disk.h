/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_disk.h - for unit tests: a disk and the plainest driver for it
 *
 * Guest memory holds a header, a status byte, a table for indirect chains and
 * 64 KiB of data; a request is described by hand or by disk_rw() and friends.
 */
#ifndef TRANSPORT_DEVICES_TEST_DISK_H
#define TRANSPORT_DEVICES_TEST_DISK_H

#include <stdio.h>

#include "transport/devices/blk.h"
#include "transport/devices/blk_request.h"
#include "transport/devices/uring.h"
#include "transport/virtio/test_rig.h"
#include "transport/virtio/virtio.h"

#define DISK_RING   256
#define DISK_QUEUES 2

#define DISK_HEADER (RIG_DATA)
#define DISK_STATUS (RIG_DATA + 0x100)
#define DISK_TABLE  (RIG_DATA + 0x1000)
#define DISK_DATA   (RIG_DATA + 0x8000)
#define DISK_BYTES  0x10000u

/* No status of the device. */
#define DISK_UNTOUCHED 0xee

struct disk {
	struct rig rig;
	struct rig_ring ring[DISK_QUEUES];
	struct virtio_device *dev;
	struct virtio v;
	unsigned int raised[DISK_QUEUES];
	unsigned int runs; /* of the last disk_settle() */
};

static inline void disk_raise(void *transport, unsigned int q)
{
	((struct disk *)transport)->raised[q]++;
}

static inline void disk_nothing(void *transport)
{
	(void)transport;
}

/* Never hot, as rig_options(), but with packed rings. */
static inline const struct virtio_options *disk_options(void)
{
	static struct virtio_options cold = { .offer = VIRTIO_OFFER_DEFAULT };

	virtio_set(&cold.offer, VIRTIO_F_RING_PACKED);
	return &cold;
}

/* @dev goes to DRIVER_OK with these features and its first queues, whose rings
 * are packed if the features say so. */
static inline void disk_begin(struct disk *t, struct virtio_device *dev,
			      uint64_t features)
{
	static const struct virtio_transport_ops ops = {
		.queue_raise = disk_raise,
		.config_raise = disk_nothing,
		.work = disk_nothing,
		.reset = disk_nothing,
	};
	unsigned int q;
	int err;

	memset(t, 0, sizeof(*t));
	rig_init(&t->rig);
	t->dev = dev;
	err = virtio_init(&t->v, t->dev, disk_options(), &ops, t);
	assert(!err);
	(void)err;
	virtio_set_memory(&t->v, &t->rig.map);
	virtio_set_master(&t->v, true);
	virtio_write_features(&t->v, 0,
			      (uint32_t)features | BIT(VIRTIO_F_INDIRECT_DESC));
	virtio_write_features(&t->v, 1,
			      (uint32_t)(features >> 32) |
				      BIT(VIRTIO_F_VERSION_1 - 32) |
				      BIT(VIRTIO_F_RING_RESET - 32));
	for (q = 0; q < DISK_QUEUES && q < dev->nr_queues; q++) {
		rig_ring(&t->rig, &t->ring[q], q, DISK_RING);
		if (features & BIT_ULL(VIRTIO_F_RING_PACKED))
			rig_pack(&t->ring[q]);
		rig_tell(&t->ring[q], virtio_queue(&t->v, q));
		virtio_queue_enable(&t->v, q);
	}
	virtio_write_status(&t->v, 0xf);
	while (rig_turn(&t->v, 64))
		;
	memset(rig_at(&t->rig, DISK_STATUS), DISK_UNTOUCHED, 0x100);
}

static inline void disk_end(struct disk *t)
{
	virtio_fini(&t->v);
	t->dev->ops->destroy(t->dev);
	rig_fini(&t->rig);
}

/* "key=value" words. */
static inline int disk_create(const char *words, struct virtio_device **out,
			      char *error, size_t room)
{
	struct device_option opt[8];
	unsigned int nr = 0;
	char copy[256], *save, *word;

	snprintf(copy, sizeof(copy), "%s", words);
	for (word = strtok_r(copy, " ", &save); word && nr < 8;
	     word = strtok_r(NULL, " ", &save)) {
		opt[nr].key = word;
		word = strchr(word, '=');
		*word = '\0';
		opt[nr++].value = word + 1;
	}
	return blk_type.create(opt, nr, out, error, room);
}

static inline void disk_open(struct disk *t, const char *words)
{
	struct virtio_device *dev = NULL;
	char error[200] = "";
	int err = disk_create(words, &dev, error, sizeof(error));

	assert(!err && dev);
	(void)err;
	disk_begin(t, dev, dev->offer.w[0]);
}

static inline void disk_header(struct disk *t, uint32_t type, uint64_t sector)
{
	uint8_t *h = rig_at(&t->rig, DISK_HEADER);

	store_le(h, 4, type);
	store_le(h + 4, 4, 0x12345678); /* nobody looks */
	store_le(h + 8, 8, sector);
}

static inline void disk_desc(struct disk *t, unsigned int i, uint64_t addr,
			     uint32_t len, unsigned int flags)
{
	rig_desc(&t->ring[0], i, addr, len, flags, i + 1);
}

/* Entry @i of the table that a chain of one descriptor refers to. */
static inline void disk_entry(struct disk *t, unsigned int i, uint64_t addr,
			      uint32_t len, unsigned int flags)
{
	struct rig_desc *table = rig_at(&t->rig, DISK_TABLE);

	table[i] = (struct rig_desc){ addr, len, (uint16_t)flags,
				      (uint16_t)(i + 1) };
}

static inline uint16_t disk_used(const struct disk *t)
{
	return t->ring[0].used->idx;
}

/* Of the last used chain. */
static inline uint32_t disk_len(const struct disk *t)
{
	return t->ring[0].used->ring[(disk_used(t) - 1) % DISK_RING].len;
}

static inline uint8_t disk_status(struct disk *t)
{
	return *(uint8_t *)rig_at(&t->rig, DISK_STATUS);
}

/* Until nothing moves any more, neither here nor in the kernel. */
static inline void disk_settle(struct disk *t)
{
	for (t->runs = 1; t->runs < 1000; t->runs++) {
		if (rig_turn(&t->v, 64))
			continue;
		if (!uring_under_way())
			return;
		uring_wait();
	}
}

/* Offer the chain at descriptor 0, without running it. */
static inline void disk_offer(struct disk *t)
{
	*(uint8_t *)rig_at(&t->rig, DISK_STATUS) = DISK_UNTOUCHED;
	rig_offer(&t->ring[0], 0);
	virtio_kick(&t->v, 0);
}

/* Offer it, run it, return its status. */
static inline uint8_t disk_go(struct disk *t)
{
	disk_offer(t);
	disk_settle(t);
	return disk_status(t);
}

/* Describe a request with @len bytes of data (0: none). */
static inline void disk_describe(struct disk *t, uint32_t type, uint64_t sector,
				 uint32_t len)
{
	const unsigned int write = type == BLK_T_OUT ? 0 : RIG_WRITE;
	unsigned int i = 0;

	disk_header(t, type, sector);
	disk_desc(t, i++, DISK_HEADER, 16, RIG_NEXT);
	if (len)
		disk_desc(t, i++, DISK_DATA, len, RIG_NEXT | write);
	disk_desc(t, i, DISK_STATUS, 1, RIG_WRITE);
}

static inline uint8_t disk_do(struct disk *t, uint32_t type, uint64_t sector,
			      uint32_t len)
{
	disk_describe(t, type, sector, len);
	return disk_go(t);
}

/* The data area, filled with a pattern that differs by @seed. */
static inline void disk_pattern(struct disk *t, uint8_t seed)
{
	uint8_t *p = rig_at(&t->rig, DISK_DATA);
	unsigned int i;

	for (i = 0; i < DISK_BYTES; i++)
		p[i] = (uint8_t)(seed + i * 7 + i / 512);
}

static inline bool disk_has_pattern(struct disk *t, uint8_t seed,
				    unsigned int from, unsigned int len)
{
	const uint8_t *p = rig_at(&t->rig, DISK_DATA);
	unsigned int i;

	for (i = 0; i < len; i++)
		if (p[i] != (uint8_t)(seed + (from + i) * 7 + (from + i) / 512))
			return false;
	return true;
}

static inline bool disk_all(struct disk *t, uint8_t byte, unsigned int from,
			    unsigned int len)
{
	const uint8_t *p = rig_at(&t->rig, DISK_DATA + from);

	while (len--)
		if (*p++ != byte)
			return false;
	return true;
}

static inline void disk_wipe(struct disk *t, uint8_t byte)
{
	memset(rig_at(&t->rig, DISK_DATA), byte, DISK_BYTES);
}

#endif
