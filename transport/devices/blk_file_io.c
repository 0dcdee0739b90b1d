/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a transfer goes through steps, each one operation of the kernel: what it
 * asks for, as often as the kernel does only a part of it; other ways to the
 * same end where the file system does not know the first; at last, if it has to
 * be durable, fdatasync.
 *
 *	read, write                -> (sync)
 *	discard   punch            -> (sync)
 *	zero      punch, zero range, write zeroes -> (sync)
 *	flush                         sync
 *
 * The gate counts writes of each kind.  A plain one that finds direct ones
 * under way asks that no more of them come, for a while: it will be submitted
 * again before that is over, or not at all.
 *
 * gate    acquire when entered, release when left: not for data, which the
 *         kernel orders, but so that "nobody is in there" is meant of the past
 */
#include <linux/falloc.h>

#include "ring/ticks.h"
#include "transport/devices/blk_file.h"

#define GATE_DIRECT 1ull
#define GATE_PLAIN  (1ull << 32)
#define PATIENCE_US 1000000

enum step {
	STEP_MOVE,
	STEP_PUNCH,
	STEP_ZERO_RANGE,
	STEP_ZERO_WRITE,
	STEP_SYNC
};

struct file_op {
	struct uring_op op;
	struct blk_file *file;
	uint64_t done; /* bytes of the transfer, by this step */
	uint8_t step;
	bool direct;
	bool inside; /* of the gate */
};
static_assert(sizeof(struct file_op) <= sizeof(((struct blk_io *)0)->own),
	      "is kept there");

static alignas(4096) const uint8_t zeroes[65536];

static struct file_op *op_of(struct blk_io *io)
{
	return (struct file_op *)io->own;
}

static struct blk_io *io_of(struct file_op *o)
{
	return container_of((uint64_t *)o, struct blk_io, own[0]);
}

/* ---- Direct or plain ------------------------------------------------------ */

static bool aligned(uint64_t n, uint32_t align)
{
	return !(n & (align - 1));
}

static bool fits(const struct blk_file *f, const struct blk_io *io)
{
	unsigned int i;

	if (f->direct < 0 || !aligned(io->offset | io->bytes, f->align) ||
	    __atomic_load_n(&f->refused, __ATOMIC_RELAXED))
		return false;
	for (i = 0; i < io->nr; i++)
		if (!aligned((uintptr_t)io->iov[i].iov_base, f->mem_align) ||
		    !aligned(io->iov[i].iov_len, f->align))
			return false;
	return true;
}

static bool must_yield(struct blk_file *f)
{
	const uint64_t until =
		__atomic_load_n(&f->plain_until, __ATOMIC_RELAXED);

	return until && ticks_now() < until;
}

static bool enter_gate(struct blk_file *f, struct file_op *o)
{
	const uint64_t one = o->direct ? GATE_DIRECT : GATE_PLAIN;
	const uint64_t others = o->direct ? ~(GATE_PLAIN - 1) : GATE_PLAIN - 1;
	uint64_t old = __atomic_load_n(&f->gate, __ATOMIC_RELAXED);

	if (f->direct < 0)
		return true;
	if (o->direct && must_yield(f))
		return false;
	do {
		if (old & others)
			return false;
	} while (!__atomic_compare_exchange_n(&f->gate, &old, old + one, true,
					      __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	o->inside = true;
	if (!o->direct)
		__atomic_store_n(&f->plain_until, 0, __ATOMIC_RELAXED);
	return true;
}

static void leave_gate(struct file_op *o)
{
	if (o->inside)
		__atomic_fetch_sub(&o->file->gate,
				   o->direct ? GATE_DIRECT : GATE_PLAIN,
				   __ATOMIC_RELEASE);
	o->inside = false;
}

static bool writes_blocks(const struct blk_io *io, const struct file_op *o)
{
	return o->step == STEP_ZERO_WRITE ||
	       (o->step == STEP_MOVE && io->op == BLK_WRITE);
}

/* May the step be taken now? */
static bool admit(struct file_op *o)
{
	struct blk_file *f = o->file;

	if (o->inside || !writes_blocks(io_of(o), o) || enter_gate(f, o))
		return true;
	if (!o->direct)
		__atomic_store_n(&f->plain_until,
				 ticks_now() + ticks_of_us(PATIENCE_US),
				 __ATOMIC_RELAXED);
	return false;
}

/* ---- Steps ---------------------------------------------------------------- */

static void prep_pieces(struct io_uring_sqe *sqe, const struct blk_io *io,
			int fd, const struct iovec *v, unsigned int nr,
			uint64_t offset)
{
	if (io->op == BLK_READ)
		io_uring_prep_readv(sqe, fd, v, nr, offset);
	else
		io_uring_prep_writev(sqe, fd, v, nr, offset);
}

static void prep_piece(struct io_uring_sqe *sqe, const struct blk_io *io,
		       int fd, void *p, size_t len, uint64_t offset)
{
	if (io->op == BLK_READ)
		io_uring_prep_read(sqe, fd, p, (unsigned int)len, offset);
	else
		io_uring_prep_write(sqe, fd, p, (unsigned int)len, offset);
}

/* What is left, or the rest of a piece of which only a part was moved: the
 * pieces themselves are not ours to change. */
static void prep_move(struct io_uring_sqe *sqe, const struct blk_io *io,
		      const struct file_op *o, int fd)
{
	const uint64_t offset = io->offset + o->done;
	const struct iovec *v = io->iov;
	uint64_t skip = o->done;

	while (skip >= v->iov_len)
		skip -= (v++)->iov_len;
	if (skip || v == &io->iov[io->nr - 1])
		prep_piece(sqe, io, fd, (uint8_t *)v->iov_base + skip,
			   v->iov_len - skip, offset);
	else
		prep_pieces(sqe, io, fd, v,
			    io->nr - (unsigned int)(v - io->iov), offset);
}

static void prep_zero_write(struct io_uring_sqe *sqe, const struct blk_io *io,
			    const struct file_op *o, int fd)
{
	const uint64_t left = io->bytes - o->done;

	io_uring_prep_write(sqe, fd, zeroes,
			    left < sizeof(zeroes) ? (unsigned int)left
						  : sizeof(zeroes),
			    io->offset + o->done);
}

static void prep_allocate(struct io_uring_sqe *sqe, const struct blk_io *io,
			  int fd, int mode)
{
	io_uring_prep_fallocate(sqe, fd, mode | FALLOC_FL_KEEP_SIZE,
				(off_t)io->offset, (off_t)io->bytes);
}

/* Hand the step to the kernel; false: not now. */
static bool take_step(struct file_op *o)
{
	const struct blk_io *io = io_of(o);
	const int fd = o->direct ? o->file->direct : o->file->plain;
	struct io_uring_sqe *sqe;

	if (!admit(o))
		return false;
	sqe = uring_sqe(&o->op);
	if (!sqe)
		return false;
	switch ((enum step)o->step) {
	case STEP_MOVE:
		prep_move(sqe, io, o, fd);
		break;
	case STEP_PUNCH:
		prep_allocate(sqe, io, fd, FALLOC_FL_PUNCH_HOLE);
		break;
	case STEP_ZERO_RANGE:
		prep_allocate(sqe, io, fd, FALLOC_FL_ZERO_RANGE);
		break;
	case STEP_ZERO_WRITE:
		prep_zero_write(sqe, io, o, fd);
		break;
	case STEP_SYNC:
		io_uring_prep_fsync(sqe, o->file->plain, IORING_FSYNC_DATASYNC);
		break;
	}
	return true;
}

/* ---- Ends ----------------------------------------------------------------- */

static void over(struct file_op *o, int err)
{
	struct blk_io *io = io_of(o);

	leave_gate(o);
	o->file->queue[io->queue].under_way--;
	io->done(io, err);
}

/* What was begun anew later is done once more: that is harmless. */
static void next_step(struct file_op *o, enum step step)
{
	if (o->step != step)
		o->done = 0;
	o->step = (uint8_t)step;
	if (!take_step(o))
		over(o, -EAGAIN);
}

/* What was asked for is in the file. */
static void finish(struct file_op *o)
{
	const struct blk_io *io = io_of(o);

	leave_gate(o);
	if (io->durable && io->op != BLK_READ)
		next_step(o, STEP_SYNC);
	else
		over(o, 0);
}

static void zero_rest(const struct blk_io *io, uint64_t skip)
{
	unsigned int i;

	for (i = 0; i < io->nr; i++) {
		const struct iovec *v = &io->iov[i];
		const size_t from = skip < v->iov_len ? skip : v->iov_len;

		memset((uint8_t *)v->iov_base + from, 0, v->iov_len - from);
		skip -= from;
	}
}

static void moved_nothing(struct file_op *o)
{
	struct blk_io *io = io_of(o);

	if (io->op == BLK_READ && !o->file->device) {
		zero_rest(io, o->done);
		finish(o);
		return;
	}
	over(o, -EIO);
}

static void moved(struct file_op *o, uint32_t bytes)
{
	const struct blk_io *io = io_of(o);

	o->done += bytes;
	if (o->done >= io->bytes) {
		finish(o);
		return;
	}
	/* The end of a file is rarely aligned, and the plain descriptor reads
	 * up to it.  A write that stopped there has no such excuse. */
	if (o->direct && !aligned(o->done, o->file->align)) {
		if (io->op != BLK_READ) {
			over(o, -EIO);
			return;
		}
		o->direct = false;
	}
	next_step(o, (enum step)o->step);
}

/* The kernel did not take what it said it would: plain ones from now on. */
static void refuse_direct(struct file_op *o)
{
	__atomic_store_n(&o->file->refused, true, __ATOMIC_RELAXED);
	over(o, -EAGAIN);
}

static void move_done(struct file_op *o, int32_t res)
{
	if (res > 0)
		moved(o, (uint32_t)res);
	else if (!res)
		moved_nothing(o);
	else if (res == -EINTR || res == -EAGAIN)
		over(o, -EAGAIN);
	else if (res == -EINVAL && o->direct)
		refuse_direct(o);
	else
		over(o, res);
}

static bool not_known(int32_t res)
{
	return res == -EOPNOTSUPP || res == -EINVAL || res == -ENOSYS ||
	       res == -ENODEV;
}

static void allocate_done(struct file_op *o, int32_t res)
{
	const struct blk_io *io = io_of(o);

	if (res == -EINTR || res == -EAGAIN)
		over(o, -EAGAIN);
	else if (!res)
		finish(o);
	else if (!not_known(res))
		over(o, res);
	else if (io->op == BLK_DISCARD) /* nothing was promised */
		over(o, 0);
	else
		next_step(o, o->step == STEP_PUNCH ? STEP_ZERO_RANGE
						   : STEP_ZERO_WRITE);
}

static void sync_done(struct file_op *o, int32_t res)
{
	if (res == -EINTR || res == -EAGAIN) {
		over(o, -EAGAIN);
		return;
	}
	if (res < 0)
		__atomic_store_n(&o->file->lost, true, __ATOMIC_RELAXED);
	over(o, res);
}

static void step_done(struct uring_op *op, int32_t res)
{
	struct file_op *o = container_of(op, struct file_op, op);

	switch ((enum step)o->step) {
	case STEP_MOVE:
	case STEP_ZERO_WRITE:
		move_done(o, res);
		break;
	case STEP_PUNCH:
	case STEP_ZERO_RANGE:
		allocate_done(o, res);
		break;
	case STEP_SYNC:
		sync_done(o, res);
		break;
	}
}

/* ---- The calls ------------------------------------------------------------ */

static enum step first_step(const struct blk_io *io)
{
	switch (io->op) {
	case BLK_FLUSH:
		return STEP_SYNC;
	case BLK_DISCARD:
		return STEP_PUNCH;
	case BLK_ZERO:
		return io->unmap ? STEP_PUNCH : STEP_ZERO_RANGE;
	default:
		return STEP_MOVE;
	}
}

int blk_file_submit(struct blk_backend *b, struct blk_io *io)
{
	struct blk_file *f = container_of(b, struct blk_file, backend);
	struct file_op *o = op_of(io);

	if (io->op == BLK_FLUSH && f->readonly)
		return 0;
	if ((io->op == BLK_FLUSH || io->durable) &&
	    __atomic_load_n(&f->lost, __ATOMIC_RELAXED))
		return -EIO;
	*o = (struct file_op){
		.op.done = step_done,
		.file = f,
		.step = (uint8_t)first_step(io),
		.direct = fits(f, io),
	};
	if (!take_step(o)) {
		leave_gate(o);
		return -EAGAIN;
	}
	f->queue[io->queue].under_way++;
	return -EINPROGRESS;
}

void blk_file_drain(struct blk_backend *b, unsigned int queue)
{
	struct blk_file *f = container_of(b, struct blk_file, backend);

	while (f->queue[queue].under_way)
		uring_wait();
	/* Who waits may be one of this queue, and about to be forgotten; if not
	 * it will say so again. */
	__atomic_store_n(&f->plain_until, 0, __ATOMIC_RELAXED);
}
