/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a pool stands between the guest and getrandom(): a run calls the kernel
 * at most once, however many buffers the guest has queued, and a buffer gets
 * what the pool has.  When it is empty the run ends and says that there is
 * more.  So neither huge buffers nor many of them can cost a turn of the poll
 * loop more than POOL_BYTES.
 *
 * All devices of a thread take from one pool, so that an idle one costs
 * nothing.  A byte that was given away is wiped: no guest ever sees it in
 * another's, and what is left nobody has seen.
 */
#include "transport/devices/rng.h"

#include <stdlib.h>
#include <sys/random.h>
#include <sys/types.h>

#include "transport/virtio/virtio.h"

#define RNG_DEVICE_ID  4
#define RNG_QUEUE_SIZE 256
#define POOL_BYTES     4096
/* Refill early rather than answer with a few bytes: Linux asks for 64. */
#define POOL_LOW       256

struct pool {
	uint8_t byte[POOL_BYTES];
	size_t left; /* the first bytes */
};

static _Thread_local struct pool pool;

/* Early in the host's boot there may be none: then the guest waits. */
static void refill(struct pool *p)
{
	ssize_t n = getrandom(p->byte + p->left, sizeof(p->byte) - p->left,
			      GRND_NONBLOCK);

	if (n > 0)
		p->left += (size_t)n;
}

static uint32_t take(struct pool *p, void *to, uint32_t len)
{
	const size_t n = len < p->left ? len : p->left;

	p->left -= n;
	memcpy(to, p->byte + p->left, n);
	explicit_bzero(p->byte + p->left, n);
	return (uint32_t)n;
}

/* The chain's writable bytes, as far as the pool goes; -1 if it broke. */
static int64_t fill(struct pool *p, struct vq_chain *chain)
{
	struct vq_span span;
	uint32_t written = 0;
	int n = 1;

	while (p->left && (n = vq_chain_next(chain, &span)) > 0)
		if (span.write)
			written += take(p, span.host, span.len);
	return n < 0 ? -1 : (int64_t)written;
}

static bool rng_queue_run(struct virtio_device *d, unsigned int q,
			  unsigned int budget)
{
	struct pool *p = &pool;
	struct vq *vq = virtio_queue(d->virtio, q);
	struct vq_chain chain;
	int64_t written;

	if (p->left < POOL_LOW)
		refill(p);
	for (; budget && p->left; budget--) {
		if (!vq_pop(vq, &chain))
			return false;
		written = fill(p, &chain);
		if (written < 0)
			return false;
		vq_push(vq, &chain, (uint32_t)written);
	}
	return true;
}

static void rng_destroy(struct virtio_device *d)
{
	free(d);
}

/* Nothing is held between runs, so there is nothing to stop or to quiesce. */
static const struct virtio_device_ops rng_ops = {
	.name = "rng",
	.type = RNG_DEVICE_ID,
	.start = NULL,
	.stop = NULL,
	.queue_quiesce = NULL,
	.queue_stop = NULL,
	.queue_run = rng_queue_run,
	.config_read = NULL,
	.config_write = NULL,
	.destroy = rng_destroy,
};

static int rng_create(const struct device_option *opt, unsigned int nr_opt,
		      struct virtio_device **out, char *error, size_t room)
{
	struct virtio_device *d;

	if (device_refuse_unknown(&rng_type, opt, nr_opt, error, room))
		return -EINVAL;
	if (!out)
		return 0;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	*d = (struct virtio_device){
		.ops = &rng_ops,
		.nr_queues = 1,
		.queue_max = RNG_QUEUE_SIZE,
	};
	*out = d;
	return 0;
}

static const char *const rng_options[] = { NULL };

const struct device_type rng_type = {
	.name = "rng",
	.help = "random bytes from the host's getrandom()",
	.options = rng_options,
	.create = rng_create,
};
