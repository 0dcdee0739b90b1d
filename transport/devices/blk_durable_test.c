/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is on stable storage when.  The kernel is played by this file: it
 * carries out operations when the test says, in any order, in part, or not at
 * all, and writes down what began and ended when.  So every uring_*() that a
 * disk uses is here instead of in uring.c.
 */
#include "transport/devices/test_file.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define MOST   64u
#define SLOTS  8u /* requests of one queue */
#define QUEUES 2u

struct kernel {
	struct io_uring_sqe sqe[MOST];
	struct uring_op *op[MOST];
	uint64_t begun[MOST];
	unsigned int nr;
	unsigned int refuse; /* so many times there is no entry */
	uint32_t most;	     /* bytes it moves at once; 0: any */
	int32_t fail[64];    /* by opcode: what it says next time */
	uint64_t clock;	     /* counts what happens */
	/* the last of each that ended well */
	uint64_t sync_begun, sync_ended;
	unsigned int syncs, direct, plain;
};

static struct kernel kernel;

int uring_open(void)
{
	return 0;
}

struct io_uring_sqe *uring_sqe(struct uring_op *op)
{
	struct kernel *k = &kernel;

	if (k->refuse) {
		k->refuse--;
		return NULL;
	}
	assert_true(k->nr < MOST);
	memset(&k->sqe[k->nr], 0, sizeof(k->sqe[0]));
	k->op[k->nr] = op;
	k->begun[k->nr] = ++k->clock;
	return &k->sqe[k->nr++];
}

static ssize_t move(const struct io_uring_sqe *s)
{
	const struct iovec one = { (void *)s->addr, s->len };
	const bool vector =
		s->opcode == IORING_OP_READV || s->opcode == IORING_OP_WRITEV;
	const bool read =
		s->opcode == IORING_OP_READV || s->opcode == IORING_OP_READ;
	struct iovec v = vector ? *(struct iovec *)s->addr : one;
	const off_t at = (off_t)s->off;

	if (kernel.most) {
		if (v.iov_len > kernel.most)
			v.iov_len = kernel.most;
		return read ? preadv(s->fd, &v, 1, at)
			    : pwritev(s->fd, &v, 1, at);
	}
	if (!vector)
		return read ? preadv(s->fd, &v, 1, at)
			    : pwritev(s->fd, &v, 1, at);
	return read ? preadv(s->fd, (void *)s->addr, (int)s->len, at)
		    : pwritev(s->fd, (void *)s->addr, (int)s->len, at);
}

static int32_t carry_out(const struct io_uring_sqe *s)
{
	ssize_t n;

	if (kernel.fail[s->opcode]) {
		n = kernel.fail[s->opcode];
		kernel.fail[s->opcode] = 0;
		return (int32_t)n;
	}
	if (s->opcode == IORING_OP_FSYNC) {
		assert_int_equal(s->fsync_flags, IORING_FSYNC_DATASYNC);
		n = fdatasync(s->fd);
	} else if (s->opcode == IORING_OP_FALLOCATE) {
		n = fallocate(s->fd, (int)s->len, (off_t)s->off,
			      (off_t)s->addr);
	} else {
		if (fcntl(s->fd, F_GETFL) & O_DIRECT)
			kernel.direct++;
		else
			kernel.plain++;
		n = move(s);
	}
	return n < 0 ? -errno : (int32_t)n;
}

/* End operation @i. */
static void complete(unsigned int i)
{
	struct kernel *k = &kernel;
	const struct io_uring_sqe s = k->sqe[i];
	struct uring_op *op = k->op[i];
	const uint64_t begun = k->begun[i];
	int32_t res = carry_out(&s);

	k->nr--;
	k->clock++;
	if (s.opcode == IORING_OP_FSYNC && !res) {
		k->sync_begun = begun;
		k->sync_ended = k->clock;
		k->syncs++;
	}
	k->sqe[i] = k->sqe[k->nr];
	k->op[i] = k->op[k->nr];
	k->begun[i] = k->begun[k->nr];
	op->done(op, res);
}

void uring_wait(void)
{
	if (kernel.nr)
		complete(0);
}

unsigned int uring_under_way(void)
{
	return kernel.nr;
}

/* Other devices are linked too, and use these. */
void uring_close(void)
{
}

bool uring_turn(void)
{
	return false;
}

void uring_cancel(struct uring_op *op)
{
	(void)op;
}

int uring_fd(void)
{
	return -1;
}

uint64_t uring_enters(void)
{
	return 0;
}

/* ---- A disk on it --------------------------------------------------------- */

struct slot {
	bool busy;
	uint32_t type;
	uint64_t offered;
};

struct rec {
	struct disk t;
	struct file f;
	struct slot slot[QUEUES][SLOTS];
	uint64_t last_write; /* used */
	unsigned int flushes, writes;
};

static void begin(struct rec *r, const char *words, uint64_t without)
{
	struct virtio_device *dev;
	char error[200] = "";

	memset(r, 0, sizeof(*r));
	kernel = (struct kernel){ .clock = 1 };
	file_make(&r->f, 1 << 20);
	if (!file_disk(&r->f, words, &dev, error, sizeof(error))) {
		file_end(&r->f);
		skip();
	}
	disk_begin(&r->t, dev, dev->offer.w[0] & ~without);
}

static void end(struct rec *r)
{
	disk_end(&r->t);
	file_end(&r->f);
}

static uint8_t *status_at(struct rec *r, unsigned int q, unsigned int i)
{
	return rig_at(&r->t.rig, DISK_STATUS + q * SLOTS + i);
}

static void offer(struct rec *r, unsigned int q, unsigned int i, uint32_t type)
{
	struct rig_ring *ring = &r->t.ring[q];
	const unsigned int n = q * SLOTS + i;
	const uint64_t header = DISK_HEADER + 16 * n;

	store_le(rig_at(&r->t.rig, header), 4, type);
	store_le(rig_at(&r->t.rig, header + 8), 8, n);
	*status_at(r, q, i) = DISK_UNTOUCHED;
	rig_desc(ring, 4 * i, header, 16, RIG_NEXT,
		 4 * i + (type == BLK_T_FLUSH ? 2 : 1));
	rig_desc(ring, 4 * i + 1, DISK_DATA + 512 * n, 512,
		 RIG_NEXT | (type == BLK_T_IN ? RIG_WRITE : 0), 4 * i + 2);
	rig_desc(ring, 4 * i + 2, DISK_STATUS + n, 1, RIG_WRITE, 0);
	rig_offer(ring, 4 * i);
	virtio_kick(&r->t.v, q);
	r->slot[q][i] = (struct slot){ true, type, ++kernel.clock };
}

static void turn(struct rec *r)
{
	unsigned int i;

	for (i = 0; i < 20 && rig_turn(&r->t.v, 64); i++)
		;
}

/* What the driver may conclude from a request that was used now. */
static void conclude(struct rec *r, const struct slot *s, bool stable)
{
	if (s->type == BLK_T_FLUSH) {
		/* Begun after all that was used before the flush was offered,
		 * and finished: that is what covers it. */
		assert_true(kernel.sync_begun > s->offered);
		assert_true(kernel.sync_ended > kernel.sync_begun);
		r->flushes++;
	} else if (s->type == BLK_T_OUT) {
		if (stable)
			assert_true(kernel.sync_begun > s->offered);
		r->writes++;
		r->last_write = ++kernel.clock;
	}
}

static void look(struct rec *r, bool stable)
{
	unsigned int q, i;

	for (q = 0; q < QUEUES; q++) {
		for (i = 0; i < SLOTS; i++) {
			if (!r->slot[q][i].busy ||
			    *status_at(r, q, i) == DISK_UNTOUCHED)
				continue;
			assert_int_equal(*status_at(r, q, i), BLK_S_OK);
			conclude(r, &r->slot[q][i], stable);
			r->slot[q][i].busy = false;
		}
	}
}

static void offer_some(struct rec *r)
{
	static const uint32_t types[] = { BLK_T_OUT, BLK_T_OUT, BLK_T_IN,
					  BLK_T_FLUSH };
	const unsigned int q = (unsigned int)rand() % QUEUES;
	const unsigned int i = (unsigned int)rand() % SLOTS;

	if (!r->slot[q][i].busy)
		offer(r, q, i, types[rand() % 4]);
}

/* Requests of two queues, completed by the kernel in any order. */
static void play(struct rec *r, bool stable)
{
	unsigned int n;

	srand(6);
	for (n = 0; n < 4000; n++) {
		if (rand() % 2)
			offer_some(r);
		if (!(rand() % 16))
			kernel.refuse = 2;
		turn(r);
		look(r, stable);
		if (kernel.nr && rand() % 2)
			complete((unsigned int)rand() % kernel.nr);
		turn(r);
		look(r, stable);
	}
	assert_true(r->writes > 300);
}

static void flush_follows_a_finished_fdatasync_that_covers_it(void **state)
{
	struct rec r;

	(void)state;
	begin(&r, "queues=2", 0);
	play(&r, false);
	assert_true(r.flushes > 100);
	/* A write costs none. */
	assert_int_equal(kernel.syncs, r.flushes);
	end(&r);
}

/* virtio 1.2, 5.2.6.2: neither FLUSH nor CONFIG_WCE */
static void writes_are_durable_for_a_driver_without_flush(void **state)
{
	struct rec r;

	(void)state;
	begin(&r, "queues=2", BIT(BLK_F_FLUSH) | BIT(BLK_F_CONFIG_WCE));
	assert_int_equal(virtio_config_read(&r.t.v, 32, 1), 0);
	play(&r, true);
	assert_true(kernel.syncs >= r.writes);
	end(&r);
}

/* virtio 1.2, 5.2.5.2: CONFIG_WCE without FLUSH begins as write-through. */
static void writeback_begins_as_0_without_flush(void **state)
{
	struct rec r;

	(void)state;
	begin(&r, "queues=2", BIT(BLK_F_FLUSH));
	assert_int_equal(virtio_config_read(&r.t.v, 32, 1), 0);
	play(&r, true);
	end(&r);
}

static void driver_may_switch_to_write_through_and_back(void **state)
{
	struct rec r;
	unsigned int syncs;

	(void)state;
	begin(&r, "queues=2", 0);
	assert_int_equal(virtio_config_read(&r.t.v, 32, 1), 1);
	virtio_config_write(&r.t.v, 32, 1, 0);
	play(&r, true);
	while (kernel.nr) {
		complete(0);
		turn(&r);
		look(&r, true);
	}
	virtio_config_write(&r.t.v, 32, 1, 1);
	syncs = kernel.syncs;
	assert_int_equal(disk_do(&r.t, BLK_T_OUT, 0, 4096), BLK_S_OK);
	assert_int_equal(kernel.syncs, syncs);
	/* A reset forgets what the driver wished. */
	virtio_config_write(&r.t.v, 32, 1, 0);
	virtio_write_status(&r.t.v, 0);
	virtio_write_features(&r.t.v, 0, BIT(BLK_F_FLUSH));
	virtio_write_features(&r.t.v, 1, 1);
	virtio_write_status(&r.t.v, 0xb);
	assert_int_equal(virtio_config_read(&r.t.v, 32, 1), 1);
	end(&r);
}

static void zeroes_are_durable_in_write_through(void **state)
{
	const struct blk_range range = { 0, 8, 0 };
	struct rec r;

	(void)state;
	begin(&r, "", 0);
	virtio_config_write(&r.t.v, 32, 1, 0);
	memcpy(rig_at(&r.t.rig, DISK_DATA), &range, sizeof(range));
	disk_describe(&r.t, BLK_T_WRITE_ZEROES, 0, 16);
	disk_desc(&r.t, 1, DISK_DATA, 16, RIG_NEXT);
	assert_int_equal(disk_go(&r.t), BLK_S_OK);
	assert_int_equal(kernel.syncs, 1);
	end(&r);
}

/* ---- What the kernel may do ----------------------------------------------- */

static void short_transfers_are_continued(void **state)
{
	static const char *const ways[] = { "direct=off", "direct=auto" };
	static const uint32_t most[] = { 4096, 512, 333 };
	struct rec r;
	unsigned int w, i, k;

	(void)state;
	for (w = 0; w < 2; w++) {
		begin(&r, ways[w], 0);
		/* A direct write may only stop where a block ends. */
		for (i = 0; i < 3 - w; i++) {
			kernel.most = most[i];
			disk_pattern(&r.t, (uint8_t)i);
			disk_header(&r.t, BLK_T_OUT, 16);
			disk_desc(&r.t, 0, DISK_HEADER, 16, RIG_NEXT);
			for (k = 0; k < 4; k++)
				disk_desc(&r.t, 1 + k, DISK_DATA + 1024 * k,
					  1024, RIG_NEXT);
			disk_desc(&r.t, 5, DISK_STATUS, 1, RIG_WRITE);
			assert_int_equal(disk_go(&r.t), BLK_S_OK);
			disk_wipe(&r.t, 0);
			assert_int_equal(disk_do(&r.t, BLK_T_IN, 16, 4096),
					 BLK_S_OK);
			assert_true(
				disk_has_pattern(&r.t, (uint8_t)i, 0, 4096));
			assert_true(file_all(&r.f, 24 * 512, 512, 0x11));
		}
		end(&r);
	}
}

static void errors_of_the_disk_are_errors_of_the_request(void **state)
{
	static const struct {
		uint8_t opcode;
		uint32_t type;
	} cases[] = {
		{ IORING_OP_READ, BLK_T_IN },
		{ IORING_OP_WRITE, BLK_T_OUT },
	};
	static const int32_t errs[] = { -EIO, -ENOSPC, -ECANCELED, -EREMOTEIO };
	struct rec r;
	unsigned int i, e;

	(void)state;
	begin(&r, "", 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (e = 0; e < ARRAY_SIZE(errs); e++) {
			kernel.fail[cases[i].opcode] = errs[e];
			assert_int_equal(disk_do(&r.t, cases[i].type, 0, 512),
					 BLK_S_IOERR);
			assert_int_equal(disk_do(&r.t, cases[i].type, 0, 512),
					 BLK_S_OK);
		}
		/* Not an error, only not now. */
		kernel.fail[cases[i].opcode] = -EAGAIN;
		assert_int_equal(disk_do(&r.t, cases[i].type, 0, 512),
				 BLK_S_OK);
	}
	assert_int_equal(r.t.v.queue[0].stats.bad_requests, 8);
	end(&r);
}

/* The kernel reports what it lost once, to whoever asks first. */
static void no_flush_succeeds_after_one_that_failed(void **state)
{
	struct rec r;

	(void)state;
	begin(&r, "", 0);
	kernel.fail[IORING_OP_FSYNC] = -EIO;
	assert_int_equal(disk_do(&r.t, BLK_T_FLUSH, 0, 0), BLK_S_IOERR);
	assert_int_equal(disk_do(&r.t, BLK_T_FLUSH, 0, 0), BLK_S_IOERR);
	assert_int_equal(disk_do(&r.t, BLK_T_OUT, 0, 512), BLK_S_OK);
	virtio_config_write(&r.t.v, 32, 1, 0);
	assert_int_equal(disk_do(&r.t, BLK_T_OUT, 0, 512), BLK_S_IOERR);
	assert_int_equal(disk_do(&r.t, BLK_T_IN, 0, 512), BLK_S_OK);
	end(&r);
}

static void file_system_without_holes_gets_zeroes_written(void **state)
{
	const struct blk_range range = { 3, 300, BLK_RANGE_UNMAP };
	struct rec r;
	unsigned int i;

	(void)state;
	begin(&r, "", 0);
	memcpy(rig_at(&r.t.rig, DISK_DATA), &range, sizeof(range));
	disk_describe(&r.t, BLK_T_WRITE_ZEROES, 0, 16);
	disk_desc(&r.t, 1, DISK_DATA, 16, RIG_NEXT);
	disk_offer(&r.t);
	turn(&r);
	for (i = 0; i < 2; i++) {
		kernel.fail[IORING_OP_FALLOCATE] = -EOPNOTSUPP;
		complete(0);
	}
	disk_settle(&r.t);
	assert_int_equal(disk_status(&r.t), BLK_S_OK);
	assert_true(file_all(&r.f, 0, 3 * 512, 0x11));
	assert_true(file_all(&r.f, 3 * 512, 300 * 512, 0));
	assert_true(file_all(&r.f, 303 * 512, 512, 0x11));
	end(&r);
}

static void discard_that_the_host_cannot_is_no_error(void **state)
{
	const struct blk_range range = { 0, 8, 0 };
	struct rec r;

	(void)state;
	begin(&r, "", 0);
	kernel.fail[IORING_OP_FALLOCATE] = -EOPNOTSUPP;
	memcpy(rig_at(&r.t.rig, DISK_DATA), &range, sizeof(range));
	disk_describe(&r.t, BLK_T_DISCARD, 0, 16);
	disk_desc(&r.t, 1, DISK_DATA, 16, RIG_NEXT);
	assert_int_equal(disk_go(&r.t), BLK_S_OK);
	assert_true(file_all(&r.f, 0, 4096, 0x11));
	end(&r);
}

static void direct_that_is_refused_after_all_goes_the_other_way(void **state)
{
	struct rec r;

	(void)state;
	begin(&r, "direct=on", 0);
	disk_pattern(&r.t, 4);
	kernel.fail[IORING_OP_WRITE] = -EINVAL;
	assert_int_equal(disk_do(&r.t, BLK_T_OUT, 0, 4096), BLK_S_OK);
	assert_int_equal(kernel.direct, 0);
	assert_int_equal(kernel.plain, 1);
	assert_int_equal(file_byte(&r.f, 1), 4 + 7);
	end(&r);
}

/* An unaligned plain write puts back old bytes of its page: see blk_file.h. */
static void plain_and_direct_writes_keep_each_other_out(void **state)
{
	struct rec r;

	(void)state;
	begin(&r, "direct=on queues=2", 0);
	offer(&r, 0, 0, BLK_T_OUT);
	turn(&r);
	assert_int_equal(kernel.nr, 1);
	/* Its memory is not aligned to anything. */
	offer(&r, 1, 0, BLK_T_OUT);
	r.t.ring[1].desc[1].addr++;
	turn(&r);
	assert_int_equal(kernel.nr, 1);
	/* No more of the first kind pass it by, reads do. */
	offer(&r, 0, 1, BLK_T_OUT);
	turn(&r);
	assert_int_equal(kernel.nr, 1);
	complete(0);
	assert_int_equal(kernel.direct, 1);
	rig_turn(&r.t.v, 64);
	rig_turn(&r.t.v, 64);
	assert_int_equal(kernel.nr, 1);
	complete(0);
	assert_int_equal(kernel.plain, 1);
	turn(&r);
	complete(0);
	assert_int_equal(kernel.direct, 2);
	turn(&r);
	look(&r, false);
	assert_int_equal(r.writes, 3);
	end(&r);
}

/* rule 56 */
static void reset_waits_for_the_kernel(void **state)
{
	struct rec r;

	(void)state;
	begin(&r, "queues=2", 0);
	offer(&r, 0, 0, BLK_T_IN);
	offer(&r, 1, 0, BLK_T_IN);
	turn(&r);
	assert_int_equal(kernel.nr, 2);
	virtio_queue_reset(&r.t.v, 0);
	assert_true(kernel.nr <= 1);
	virtio_write_status(&r.t.v, 0);
	assert_int_equal(kernel.nr, 0);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			flush_follows_a_finished_fdatasync_that_covers_it),
		cmocka_unit_test(writes_are_durable_for_a_driver_without_flush),
		cmocka_unit_test(writeback_begins_as_0_without_flush),
		cmocka_unit_test(driver_may_switch_to_write_through_and_back),
		cmocka_unit_test(zeroes_are_durable_in_write_through),
		cmocka_unit_test(short_transfers_are_continued),
		cmocka_unit_test(errors_of_the_disk_are_errors_of_the_request),
		cmocka_unit_test(no_flush_succeeds_after_one_that_failed),
		cmocka_unit_test(file_system_without_holes_gets_zeroes_written),
		cmocka_unit_test(discard_that_the_host_cannot_is_no_error),
		cmocka_unit_test(
			direct_that_is_refused_after_all_goes_the_other_way),
		cmocka_unit_test(plain_and_direct_writes_keep_each_other_out),
		cmocka_unit_test(reset_waits_for_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
