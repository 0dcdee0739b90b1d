/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: one private mapping of the disk's size.  The kernel gives it a page when
 * a block of the page is written for the first time; until then it reads as
 * zeroes and costs address space only.  The mapping is not reserved, so disks
 * may together be larger than the host's memory: whoever fills them runs out.
 *
 * Small pages: with huge ones, one block written costs 2 MiB.
 */
#include "transport/devices/blk_backend.h"

#include <stdlib.h>
#include <sys/mman.h>

struct blk_ram {
	struct blk_backend backend;
	uint8_t *base;
	uint64_t size;
};

static struct blk_ram *to_ram(struct blk_backend *b)
{
	return container_of(b, struct blk_ram, backend);
}

static int ram_open(uint64_t size, struct blk_backend **out)
{
	struct blk_ram *ram;
	void *base;

	if (size > SIZE_MAX)
		return -ENOMEM;
	ram = calloc(1, sizeof(*ram));
	if (!ram)
		return -ENOMEM;
	base = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED) {
		free(ram);
		return -ENOMEM;
	}
	/* A wish: a kernel without huge pages refuses it. */
	(void)madvise(base, size, MADV_NOHUGEPAGE);
	*ram = (struct blk_ram){
		.backend.ops = &blk_ram_ops,
		.base = base,
		.size = size,
	};
	*out = &ram->backend;
	return 0;
}

static int ram_submit(struct blk_backend *b, struct blk_io *io)
{
	const struct blk_ram *ram = to_ram(b);
	uint8_t *block = ram->base + io->offset;
	unsigned int i;

	assert(range_inside(io->offset, io->bytes, ram->size));
	for (i = 0; i < io->nr; i++) {
		const struct iovec *v = &io->iov[i];

		if (io->op == BLK_READ)
			memcpy(v->iov_base, block, v->iov_len);
		else
			memcpy(block, v->iov_base, v->iov_len);
		block += v->iov_len;
	}
	return 0;
}

static void ram_close(struct blk_backend *b)
{
	struct blk_ram *ram = to_ram(b);

	munmap(ram->base, ram->size);
	free(ram);
}

const struct blk_backend_ops blk_ram_ops = {
	.name = "ram",
	.open = ram_open,
	.submit = ram_submit,
	.drain = NULL,
	.close = ram_close,
};
