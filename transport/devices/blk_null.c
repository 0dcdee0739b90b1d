/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The disk that is nowhere: it reads as zeroes, and forgets what is written.
 * What is left of a request's cost is ours, so experiments run on it.
 */
#include "transport/devices/blk_backend.h"

#include <stdlib.h>

static int null_open(const struct blk_wish *wish, struct blk_backend **out,
		     char *error, size_t room)
{
	struct blk_backend *b = calloc(1, sizeof(*b));

	(void)error;
	(void)room;
	if (!b)
		return -ENOMEM;
	*b = (struct blk_backend){
		.ops = &blk_null_ops,
		.size = wish->size,
		.block = 512,
		.physical = 512,
	};
	*out = b;
	return 0;
}

static int null_submit(struct blk_backend *b, struct blk_io *io)
{
	unsigned int i;

	(void)b;
	if (io->op == BLK_READ)
		for (i = 0; i < io->nr; i++)
			memset(io->iov[i].iov_base, 0, io->iov[i].iov_len);
	return 0;
}

static int null_resize(struct blk_backend *b, uint64_t size)
{
	if (!size)
		return -EINVAL;
	b->size = size;
	return 0;
}

static void null_close(struct blk_backend *b)
{
	free(b);
}

const struct blk_backend_ops blk_null_ops = {
	.name = "null",
	.zero_most = UINT64_MAX,
	.open = null_open,
	.submit = null_submit,
	.drain = NULL,
	.resize = null_resize,
	.close = null_close,
};
