/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_device.h - for unit tests: a device that does what the test says
 *
 * Three queues of 256; it uses every chain it finds with length 0, unless told
 * to leave them.  Twelve bytes of configuration, of which the first eight are
 * writable.
 */
#ifndef TRANSPORT_VIRTIO_TEST_DEVICE_H
#define TRANSPORT_VIRTIO_TEST_DEVICE_H

#include "transport/virtio/virtio.h"

#define TEST_QUEUES	  3
#define TEST_CONFIG_SIZE  12
#define TEST_TYPE	  2 /* shown as a blk */
#define TEST_FEATURE	  5
#define TEST_HIGH_FEATURE 70

struct test_device {
	struct virtio_device device;
	unsigned int starts, stops;
	unsigned int quiesces[TEST_QUEUES], queue_stops[TEST_QUEUES];
	unsigned int runs[TEST_QUEUES];
	unsigned int served[TEST_QUEUES];
	bool leave;   /* take no chain */
	bool busy;    /* always more to do */
	bool running; /* between start and stop */
	/* Called once, when a run found nothing more. */
	void (*at_end)(void *ctx);
	void (*at_quiesce)(void *ctx);
	void *ctx;
	uint8_t config[TEST_CONFIG_SIZE];
	unsigned int config_writes;
	uint32_t last_off;
	unsigned int last_size;
};

static inline struct test_device *test_device_of(struct virtio_device *d)
{
	return container_of(d, struct test_device, device);
}

static inline void test_device_start(struct virtio_device *d)
{
	test_device_of(d)->starts++;
	test_device_of(d)->running = true;
}

static inline void test_device_stop(struct virtio_device *d)
{
	struct test_device *t = test_device_of(d);

	t->stops++;
	t->running = false;
}

static inline void test_device_quiesce(struct virtio_device *d, unsigned int q)
{
	struct test_device *t = test_device_of(d);

	t->quiesces[q]++;
	if (!q && t->at_quiesce)
		t->at_quiesce(t->ctx);
}

static inline void test_device_queue_stop(struct virtio_device *d,
					  unsigned int q)
{
	test_device_of(d)->queue_stops[q]++;
}

static inline bool test_device_run(struct virtio_device *d, unsigned int q,
				   unsigned int budget)
{
	struct test_device *t = test_device_of(d);
	struct vq *vq = virtio_queue(d->virtio, q);
	struct vq_chain chain;
	struct vq_span span;
	int n;

	t->runs[q]++;
	if (t->leave)
		return t->busy;
	for (; budget; budget--) {
		if (!vq_pop(vq, &chain)) {
			if (t->at_end)
				t->at_end(t->ctx);
			t->at_end = NULL;
			return t->busy;
		}
		do
			n = vq_chain_next(&chain, &span);
		while (n > 0);
		if (n < 0)
			return false;
		vq_push(vq, &chain, 0);
		t->served[q]++;
	}
	return true;
}

static inline uint64_t test_device_read(struct virtio_device *d, uint32_t off,
					unsigned int size)
{
	struct test_device *t = test_device_of(d);

	assert(range_inside(off, size, TEST_CONFIG_SIZE));
	t->last_off = off;
	t->last_size = size;
	return load_le(&t->config[off], size);
}

static inline void test_device_write(struct virtio_device *d, uint32_t off,
				     unsigned int size, uint64_t value)
{
	struct test_device *t = test_device_of(d);
	unsigned int i;

	assert(range_inside(off, size, TEST_CONFIG_SIZE));
	t->config_writes++;
	t->last_off = off;
	t->last_size = size;
	for (i = 0; i < size && off + i < 8; i++)
		t->config[off + i] = (uint8_t)(value >> (8 * i));
}

static inline void test_device_init(struct test_device *t)
{
	static const struct virtio_device_ops ops = {
		.name = "test",
		.type = TEST_TYPE,
		.start = test_device_start,
		.stop = test_device_stop,
		.queue_quiesce = test_device_quiesce,
		.queue_stop = test_device_queue_stop,
		.queue_run = test_device_run,
		.config_read = test_device_read,
		.config_write = test_device_write,
		.destroy = NULL,
	};
	unsigned int i;

	*t = (struct test_device){
		.device = {
			.ops = &ops,
			.nr_queues = TEST_QUEUES,
			.queue_max = 256,
			.config_size = TEST_CONFIG_SIZE,
		},
	};
	virtio_set(&t->device.offer, TEST_FEATURE);
	virtio_set(&t->device.offer, TEST_HIGH_FEATURE);
	for (i = 0; i < TEST_CONFIG_SIZE; i++)
		t->config[i] = (uint8_t)(0x10 + i);
}

#endif
