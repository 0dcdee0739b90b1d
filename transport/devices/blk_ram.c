/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: one private mapping of the disk's size.  The kernel gives it a page when
 * a block of the page is written for the first time; until then it reads as
 * zeroes and costs address space only.  The mapping is not reserved, so disks
 * may together be larger than the host's memory: whoever fills them runs out.
 * What is discarded goes back to the kernel, page by page: the one system call
 * on a request's way, and bounded by RAM_ZERO_MOST.
 *
 * The mapping is GROWTH times as large as the disk, and what is behind the disk
 * may not be touched: so the disk can grow where it is, while queues use it.
 *
 * Small pages unless asked for: with huge ones, one block written costs 2 MiB,
 * but blocks all over the disk need few translations.
 */
#include "transport/devices/blk_backend.h"

#include <stdlib.h>
#include <sys/mman.h>

#define PAGE   4096ull
#define HUGE   (2ull << 20)
#define GROWTH 4u

/* The rest of what is long the processor fetches by itself. */
#define PREFETCH_BYTES 512u
#define CACHE_LINE     64u

/* 256 pages: some ten microseconds to give back, a hundred to clear. */
#define RAM_ZERO_MOST (1u << 20)
/* To clear less than this costs less than a page fault does. */
#define WORTH_A_CALL  (16 * PAGE)

struct blk_ram {
	struct blk_backend backend;
	uint8_t *base;
	uint64_t usable;   /* bytes: whole pages, the most it ever had */
	uint64_t reserved; /* bytes: whole pages */
};

static struct blk_ram *to_ram(struct blk_backend *b)
{
	return container_of(b, struct blk_ram, backend);
}

static uint64_t page_up(uint64_t bytes)
{
	return (bytes + PAGE - 1) & ~(PAGE - 1);
}

/* A huge page has to begin where one can: what is before that goes back. */
static void *reserve(uint64_t bytes)
{
	uint8_t *base =
		mmap(NULL, bytes + HUGE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t before;

	if (base == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)base & (HUGE - 1);
	if (before)
		munmap(base, before);
	munmap(base + before + bytes, HUGE - before);
	return base + before;
}

static int open_memory(struct blk_ram *ram, uint64_t size, bool hugepages)
{
	if (size > SIZE_MAX / GROWTH - HUGE)
		return -ENOMEM;
	ram->usable = page_up(size);
	ram->reserved = GROWTH * ram->usable;
	ram->base = reserve(ram->reserved);
	if (!ram->base) {
		ram->reserved = ram->usable;
		ram->base = reserve(ram->reserved);
	}
	if (!ram->base)
		return -ENOMEM;
	/* A wish: a kernel without huge pages refuses it. */
	(void)madvise(ram->base, ram->reserved,
		      hugepages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	if (!mprotect(ram->base, ram->usable, PROT_READ | PROT_WRITE))
		return 0;
	munmap(ram->base, ram->reserved);
	return -ENOMEM;
}

static int ram_open(const struct blk_wish *wish, struct blk_backend **out,
		    char *error, size_t room)
{
	struct blk_ram *ram = calloc(1, sizeof(*ram));
	int err;

	(void)error;
	(void)room;
	if (!ram)
		return -ENOMEM;
	err = open_memory(ram, wish->size, wish->hugepages);
	if (err) {
		free(ram);
		return err;
	}
	ram->backend = (struct blk_backend){
		.ops = &blk_ram_ops,
		.size = wish->size,
		.block = 512,
		.physical = PAGE,
	};
	*out = &ram->backend;
	return 0;
}

static void read_blocks(const struct blk_ram *ram, const struct blk_io *io)
{
	const uint8_t *block = ram->base + io->offset;
	unsigned int i;

	for (i = 0; i < io->nr; i++) {
		memcpy(io->iov[i].iov_base, block, io->iov[i].iov_len);
		block += io->iov[i].iov_len;
	}
}

static void write_blocks(const struct blk_ram *ram, const struct blk_io *io)
{
	uint8_t *block = ram->base + io->offset;
	unsigned int i;

	for (i = 0; i < io->nr; i++) {
		memcpy(block, io->iov[i].iov_base, io->iov[i].iov_len);
		block += io->iov[i].iov_len;
	}
}

/* Whole pages go back and read as zeroes from then on. */
static bool give_back(const struct blk_ram *ram, uint64_t from, uint64_t to)
{
	return to - from >= WORTH_A_CALL &&
	       !madvise(ram->base + from, to - from, MADV_DONTNEED);
}

static void clear(const struct blk_ram *ram, const struct blk_io *io)
{
	const uint64_t end = io->offset + io->bytes;
	const uint64_t from = page_up(io->offset);
	const uint64_t to = end & ~(PAGE - 1);

	if (from < to && (io->op == BLK_DISCARD || io->unmap) &&
	    give_back(ram, from, to)) {
		memset(ram->base + io->offset, 0, from - io->offset);
		memset(ram->base + to, 0, end - to);
	} else {
		memset(ram->base + io->offset, 0, io->bytes);
	}
}

/* The page's translation comes with the lines, and costs more than they do: the
 * blocks of a disk are spread over more pages than processors remember.  For
 * writing: else the compiler asks for lines that others may keep, too. */
static __attribute__((target("prfchw"))) void
ram_prefetch(struct blk_backend *b, bool write, uint64_t offset, uint64_t bytes)
{
	const uint8_t *block = to_ram(b)->base + offset;

	for (uint64_t i = 0; i < bytes && i < PREFETCH_BYTES; i += CACHE_LINE)
		if (write)
			__builtin_prefetch(block + i, 1);
		else
			__builtin_prefetch(block + i, 0);
}

static int ram_submit(struct blk_backend *b, struct blk_io *io)
{
	const struct blk_ram *ram = to_ram(b);

	assert(range_inside(io->offset, io->bytes, ram->reserved));
	switch (io->op) {
	case BLK_READ:
		read_blocks(ram, io);
		break;
	case BLK_WRITE:
		write_blocks(ram, io);
		break;
	case BLK_DISCARD:
	case BLK_ZERO:
		clear(ram, io);
		break;
	case BLK_FLUSH:
		break;
	}
	return 0;
}

/* What is cut off is forgotten; the memory stays, for transfers under way. */
static int ram_resize(struct blk_backend *b, uint64_t size)
{
	struct blk_ram *ram = to_ram(b);
	const uint64_t old = b->size;

	if (!size)
		return -EINVAL;
	if (size > ram->reserved)
		return -ENOMEM;
	if (size > ram->usable) {
		if (mprotect(ram->base, page_up(size), PROT_READ | PROT_WRITE))
			return -errno;
		ram->usable = page_up(size);
	}
	b->size = size;
	if (size < old) {
		memset(ram->base + size, 0, page_up(size) - size);
		(void)madvise(ram->base + page_up(size),
			      ram->usable - page_up(size), MADV_DONTNEED);
	}
	return 0;
}

static void ram_close(struct blk_backend *b)
{
	struct blk_ram *ram = to_ram(b);

	munmap(ram->base, ram->reserved);
	free(ram);
}

const struct blk_backend_ops blk_ram_ops = {
	.name = "ram",
	.zero_most = RAM_ZERO_MOST,
	.open = ram_open,
	.prefetch = ram_prefetch,
	.submit = ram_submit,
	.drain = NULL,
	.resize = ram_resize,
	.close = ram_close,
};
