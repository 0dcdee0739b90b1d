/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * disk-load DISK poll|interrupt DEPTH SECONDS - random reads of 4 KiB, in a guest
 *
 * How: one io_uring, made and entered by bare system calls so that the program
 * needs no library in the initramfs.  With IORING_SETUP_IOPOLL the driver is
 * polled on one of its poll queues and asks for no interrupt.
 *
 * Says "requests=N errors=N p50_us=N p99_us=N".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BLOCK	  4096u
#define DEPTH_MAX 256u
/* Latencies up to 100 ms in steps of a microsecond; the last is all above. */
#define STEPS	  100000u

struct ring {
	int fd;
	unsigned int *sq_tail, *sq_mask, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
};

struct load {
	struct ring ring;
	int disk;
	uint64_t blocks;
	uint64_t random;
	char *buffer;
	uint64_t begin[DEPTH_MAX];
	uint64_t requests, errors;
	uint32_t latency[STEPS + 1];
};

static struct load load;

static int fail(const char *what)
{
	fprintf(stderr, "disk-load: %s: %s\n", what, strerror(errno));
	return 1;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int enter(struct ring *r, unsigned int submit, unsigned int wait)
{
	return (int)syscall(SYS_io_uring_enter, r->fd, submit, wait,
			    IORING_ENTER_GETEVENTS, NULL, 0);
}

static void *map(const struct ring *r, size_t size, uint64_t offset)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, r->fd, (off_t)offset);
}

static int ring_open(struct ring *r, unsigned int depth, unsigned int flags)
{
	struct io_uring_params p = { .flags = flags };
	unsigned int *array;
	char *sq, *cq;
	unsigned int i;

	r->fd = (int)syscall(SYS_io_uring_setup, depth, &p);
	if (r->fd < 0)
		return -1;
	sq = map(r, p.sq_off.array + p.sq_entries * sizeof(*array),
		 IORING_OFF_SQ_RING);
	cq = map(r, p.cq_off.cqes + p.cq_entries * sizeof(*r->cqe),
		 IORING_OFF_CQ_RING);
	r->sqe = map(r, p.sq_entries * sizeof(*r->sqe), IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || r->sqe == MAP_FAILED)
		return -1;
	r->sq_tail = (unsigned int *)(sq + p.sq_off.tail);
	r->sq_mask = (unsigned int *)(sq + p.sq_off.ring_mask);
	r->cq_head = (unsigned int *)(cq + p.cq_off.head);
	r->cq_tail = (unsigned int *)(cq + p.cq_off.tail);
	r->cq_mask = (unsigned int *)(cq + p.cq_off.ring_mask);
	r->cqe = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	array = (unsigned int *)(sq + p.sq_off.array);
	for (i = 0; i < p.sq_entries; i++)
		array[i] = i;
	return 0;
}

/* The generator of Marsaglia's xorshift family: where does not matter. */
static uint64_t any_block(struct load *l)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return l->random % l->blocks;
}

static void prepare(struct load *l, unsigned int slot)
{
	struct ring *r = &l->ring;
	const unsigned int tail = *r->sq_tail;
	struct io_uring_sqe *e = &r->sqe[tail & *r->sq_mask];

	memset(e, 0, sizeof(*e));
	e->opcode = IORING_OP_READ;
	e->fd = l->disk;
	e->addr = (uintptr_t)(l->buffer + (size_t)slot * BLOCK);
	e->len = BLOCK;
	e->off = any_block(l) * BLOCK;
	e->user_data = slot;
	l->begin[slot] = now_ns();
	/* Pairs with the kernel's acquire of the tail. */
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
}

static void finished(struct load *l, const struct io_uring_cqe *c)
{
	const uint64_t us = (now_ns() - l->begin[c->user_data]) / 1000;

	l->requests++;
	l->errors += c->res != (int)BLOCK;
	l->latency[us < STEPS ? us : STEPS]++;
}

/* Take what is done, begin as many anew; returns their number. */
static unsigned int turn(struct load *l)
{
	struct ring *r = &l->ring;
	unsigned int head = *r->cq_head, n = 0;
	/* Pairs with the kernel's release of the tail. */
	const unsigned int tail = __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE);

	for (; head != tail; head++, n++) {
		const struct io_uring_cqe *c = &r->cqe[head & *r->cq_mask];

		finished(l, c);
		prepare(l, (unsigned int)c->user_data);
	}
	__atomic_store_n(r->cq_head, head, __ATOMIC_RELEASE);
	return n;
}

static int run(struct load *l, unsigned int depth, unsigned int seconds)
{
	const uint64_t end = now_ns() + seconds * 1000000000ull;
	unsigned int slot, submit = depth;

	for (slot = 0; slot < depth; slot++)
		prepare(l, slot);
	while (now_ns() < end) {
		if (enter(&l->ring, submit, 1) < 0 && errno != EINTR)
			return -1;
		submit = turn(l);
	}
	return 0;
}

static unsigned int percentile(const struct load *l, unsigned int percent)
{
	uint64_t seen = 0;
	unsigned int us;

	for (us = 0; us < STEPS; us++) {
		seen += l->latency[us];
		if (seen * 100 >= l->requests * percent)
			break;
	}
	return us;
}

int main(int argc, char **argv)
{
	struct load *l = &load;
	unsigned int depth, seconds;
	uint64_t bytes;
	int poll;

	if (argc != 5)
		return 2;
	poll = !strcmp(argv[2], "poll");
	depth = (unsigned int)strtoul(argv[3], NULL, 10);
	seconds = (unsigned int)strtoul(argv[4], NULL, 10);
	if (!depth || depth > DEPTH_MAX)
		return 2;
	l->random = 0x9e3779b97f4a7c15u;
	l->disk = open(argv[1], O_RDONLY | O_DIRECT);
	if (l->disk < 0 || ioctl(l->disk, BLKGETSIZE64, &bytes))
		return fail(argv[1]);
	l->blocks = bytes / BLOCK;
	l->buffer = aligned_alloc(BLOCK, (size_t)depth * BLOCK);
	if (!l->buffer || !l->blocks)
		return fail("memory");
	if (ring_open(&l->ring, depth, poll ? IORING_SETUP_IOPOLL : 0))
		return fail("io_uring");
	if (run(l, depth, seconds))
		return fail("io_uring_enter");
	printf("requests=%llu errors=%llu p50_us=%u p99_us=%u\n",
	       (unsigned long long)l->requests, (unsigned long long)l->errors,
	       percentile(l, 50), percentile(l, 99));
	return 0;
}
