/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A backend that finishes when the test says, and what memory disks cost.
 */
#include "transport/devices/test_disk.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka wants the two above first */
#include <cmocka.h>

#define MOST 8

/* Transfers stay here until the test ends them. */
struct later {
	struct blk_backend backend;
	struct blk_io *io[MOST];
	unsigned int nr, drains;
	unsigned int busy; /* says "not now" so often */
	bool again;	   /* of the test: this one was put off */
	bool closed;
};

static struct later *to_later(struct blk_backend *b)
{
	return container_of(b, struct later, backend);
}

static int later_submit(struct blk_backend *b, struct blk_io *io)
{
	struct later *l = to_later(b);

	if (l->busy) {
		l->busy--;
		return -EAGAIN;
	}
	assert_true(l->nr < MOST);
	l->io[l->nr++] = io;
	return -EINPROGRESS;
}

/* End transfer @i: a read has all bytes 0x42. */
static void end_transfer(struct later *l, unsigned int i, int err)
{
	struct blk_io *io = l->io[i];
	uint64_t bytes = 0;

	for (unsigned int k = 0; k < io->nr; k++) {
		bytes += io->iov[k].iov_len;
		if (io->op == BLK_READ && !err)
			memset(io->iov[k].iov_base, 0x42, io->iov[k].iov_len);
	}
	assert_int_equal(bytes, io->bytes);
	l->io[i] = l->io[--l->nr];
	io->done(io, err);
}

static void later_drain(struct blk_backend *b, unsigned int queue)
{
	struct later *l = to_later(b);
	unsigned int i = 0;

	(void)queue;
	l->drains++;
	while (i < l->nr) {
		if (l->io[i]->queue == queue)
			end_transfer(l, i, 0);
		else
			i++;
	}
}

static void later_close(struct blk_backend *b)
{
	to_later(b)->closed = true;
}

static const struct blk_backend_ops later_ops = {
	.name = "later",
	.submit = later_submit,
	.drain = later_drain,
	.close = later_close,
};

static void later_open_with(struct disk *t, struct later *l, uint64_t features)
{
	const struct blk_params p = { .queues = 2 };
	struct virtio_device *dev;

	*l = (struct later){
		.backend = {
			.ops = &later_ops,
			.size = 16 << 20,
			.block = 512,
			.physical = 512,
		},
	};
	assert_int_equal(blk_create(&p, &l->backend, &dev), 0);
	disk_begin(t, dev, features);
}

static void later_open(struct disk *t, struct later *l)
{
	later_open_with(t, l, 0);
}

/* Request @i of queue @q is a read of one sector: its data and status by
 * number. */
static void offer_read_on(struct disk *t, unsigned int q, unsigned int i)
{
	struct rig_ring *ring = &t->ring[q];
	const uint64_t header = DISK_HEADER + 16 * i;
	const unsigned int d = ring->packed ? rig_place(ring) : 4 * i;

	store_le(rig_at(&t->rig, header), 4, BLK_T_IN);
	store_le(rig_at(&t->rig, header + 8), 8, i);
	ring->id = (uint16_t)i;
	rig_desc(ring, d, header, 16, RIG_NEXT, d + 1);
	rig_desc(ring, d + 1, DISK_DATA + 512 * i, 512, RIG_NEXT | RIG_WRITE,
		 d + 2);
	rig_desc(ring, d + 2, DISK_STATUS + i, 1, RIG_WRITE, 0);
	rig_offer(ring, d);
	virtio_kick(&t->v, q);
}

static void offer_read(struct disk *t, unsigned int i)
{
	offer_read_on(t, 0, i);
}

static uint8_t status_of(struct disk *t, unsigned int i)
{
	return *(uint8_t *)rig_at(&t->rig, DISK_STATUS + i);
}

static void requests_end_in_the_order_of_their_backend(void **state)
{
	struct later l;
	struct disk t;
	unsigned int i;

	(void)state;
	later_open(&t, &l);
	for (i = 0; i < 3; i++)
		offer_read(&t, i);
	disk_settle(&t);
	/* All are under way, and nobody asks for more turns. */
	assert_int_equal(l.nr, 3);
	assert_int_equal(t.runs, 1);
	assert_int_equal(disk_used(&t), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(l.io[i]->offset, 512 * i);
	end_transfer(&l, 1, 0);
	disk_settle(&t);
	assert_int_equal(disk_used(&t), 1);
	assert_int_equal(t.raised[0], 1);
	assert_int_equal(t.ring[0].used->ring[0].id, 4);
	assert_int_equal(disk_len(&t), 513);
	assert_int_equal(status_of(&t, 1), BLK_S_OK);
	assert_int_equal(status_of(&t, 0), DISK_UNTOUCHED);
	end_transfer(&l, 1, 0);
	end_transfer(&l, 0, 0);
	disk_settle(&t);
	assert_int_equal(disk_used(&t), 3);
	assert_int_equal(t.raised[0], 2);
	assert_true(disk_all(&t, 0x42, 0, 3 * 512));
	disk_end(&t);
	assert_true(l.closed);
}

static void failure_of_the_backend_fails_one_request(void **state)
{
	struct later l;
	struct disk t;

	(void)state;
	later_open(&t, &l);
	offer_read(&t, 0);
	offer_read(&t, 1);
	disk_settle(&t);
	end_transfer(&l, 0, -EIO);
	end_transfer(&l, 0, 0);
	disk_settle(&t);
	assert_int_equal(disk_used(&t), 2);
	assert_int_equal(status_of(&t, 0), BLK_S_IOERR);
	assert_int_equal(t.ring[0].used->ring[0].len, 0);
	assert_int_equal(status_of(&t, 1), BLK_S_OK);
	assert_int_equal(t.v.queue[0].stats.bad_requests, 1);
	assert_int_equal(virtio_status(&t.v), 0xf);
	disk_end(&t);
}

static void describe_read(struct disk *t, unsigned int pieces)
{
	unsigned int i;

	disk_header(t, BLK_T_IN, 0);
	disk_desc(t, 0, DISK_HEADER, 16, RIG_NEXT);
	for (i = 1; i <= pieces; i++)
		disk_desc(t, i, DISK_DATA, DISK_BYTES, RIG_NEXT | RIG_WRITE);
	disk_desc(t, i, DISK_STATUS, 1, RIG_WRITE);
}

static void big_request_is_several_transfers_in_order(void **state)
{
	struct later l;
	struct disk t;
	uint64_t at = 0;

	(void)state;
	later_open(&t, &l);
	describe_read(&t, 50);
	disk_offer(&t);
	disk_settle(&t);
	while (l.nr) {
		assert_int_equal(l.nr, 1);
		assert_int_equal(disk_used(&t), 0);
		assert_int_equal(l.io[0]->offset, at);
		assert_in_range(l.io[0]->bytes, 512, BLK_RUN_BYTES);
		at += l.io[0]->bytes;
		end_transfer(&l, 0, 0);
		disk_settle(&t);
	}
	assert_int_equal(at, 50 * DISK_BYTES);
	assert_int_equal(disk_status(&t), BLK_S_OK);
	assert_int_equal(disk_len(&t), 50 * DISK_BYTES + 1);
	disk_end(&t);
}

/* rule 56 */
static void reset_waits_for_what_is_under_way(void **state)
{
	struct later l;
	struct disk t;

	(void)state;
	later_open(&t, &l);
	describe_read(&t, 50);
	disk_offer(&t);
	offer_read(&t, 60);
	disk_settle(&t);
	assert_int_equal(l.nr, 2);
	virtio_write_status(&t.v, 0);
	assert_int_equal(l.nr, 0);
	assert_int_equal(l.drains, 2); /* queues */
	disk_end(&t);
}

static void memory_changes_only_when_nothing_is_under_way(void **state)
{
	struct later l;
	struct disk t;
	uint64_t done;

	(void)state;
	later_open(&t, &l);
	describe_read(&t, 50);
	disk_offer(&t);
	disk_settle(&t);
	assert_int_equal(l.nr, 1);
	done = l.io[0]->bytes;
	virtio_quiesce(&t.v);
	assert_int_equal(l.nr, 0);
	disk_settle(&t);
	assert_int_equal(l.nr, 0);
	virtio_set_memory(&t.v, &t.rig.map);
	disk_settle(&t);
	/* With what is left of it. */
	assert_int_equal(l.nr, 1);
	assert_int_equal(l.io[0]->offset, done);
	while (l.nr) {
		end_transfer(&l, 0, 0);
		disk_settle(&t);
	}
	assert_int_equal(disk_status(&t), BLK_S_OK);
	assert_int_equal(disk_used(&t), 1);
	disk_end(&t);
}

/* All of it, and the ring with it; what was there is overwritten and freed. */
static void move_memory(struct disk *t)
{
	uint8_t *old = t->rig.mem, *new = aligned_alloc(4096, RIG_SIZE);

	virtio_quiesce(&t->v);
	rig_unmap(&t->rig, RIG_GPA, RIG_SIZE);
	memcpy(new, old, RIG_SIZE);
	memset(old, 0xdd, RIG_SIZE);
	free(old);
	t->rig.mem = new;
	rig_map(&t->rig, RIG_GPA, RIG_SIZE, new, GPA_READ | GPA_WRITE);
	t->ring[0].desc = rig_at(&t->rig, t->ring[0].desc_gpa);
	t->ring[0].avail = rig_at(&t->rig, t->ring[0].avail_gpa);
	t->ring[0].used = rig_at(&t->rig, t->ring[0].used_gpa);
	virtio_set_memory(&t->v, &t->rig.map);
}

/* What is at @gpa and behind it lies at @host now. */
static void move_behind(struct disk *t, uint64_t gpa, uint8_t *host)
{
	const uint64_t before = gpa - RIG_GPA;

	virtio_quiesce(&t->v);
	rig_unmap(&t->rig, RIG_GPA, RIG_SIZE);
	rig_map(&t->rig, RIG_GPA, before, t->rig.mem, GPA_READ | GPA_WRITE);
	rig_map(&t->rig, gpa, RIG_SIZE - before, host, GPA_READ | GPA_WRITE);
	virtio_set_memory(&t->v, &t->rig.map);
}

/* virtio 1.2, 2.8.6: the used descriptor of the second lies where those of the
 * first were. */
static void overtaken_request_goes_on_in_other_memory(void **state)
{
	const unsigned int first = 3, second = 5;
	struct rig_answer a = { .id = 0 };
	struct later l;
	struct disk t;

	(void)state;
	later_open_with(&t, &l, BIT_ULL(VIRTIO_F_RING_PACKED));
	offer_read(&t, first);
	offer_read(&t, second);
	disk_settle(&t);
	assert_int_equal(l.nr, 2);
	end_transfer(&l, 1, 0);
	disk_settle(&t);
	assert_true(rig_take(&t.ring[0], 3, &a));
	assert_int_equal(a.id, second);
	/* It waits for another try. */
	end_transfer(&l, 0, -EAGAIN);
	move_memory(&t);
	disk_settle(&t);
	assert_int_equal(l.nr, 1);
	assert_int_equal(l.io[0]->offset, 512 * first);
	end_transfer(&l, 0, 0);
	disk_settle(&t);
	assert_true(rig_take(&t.ring[0], 3, &a));
	assert_int_equal(a.id, first);
	assert_int_equal(a.len, 513);
	assert_int_equal(status_of(&t, first), BLK_S_OK);
	assert_true(disk_all(&t, 0x42, 512 * first, 512));
	disk_end(&t);
}

/* What was one piece is now in two. */
static void request_goes_on_in_more_pieces_of_memory(void **state)
{
	static uint8_t elsewhere[RIG_SIZE];
	const unsigned int here = 0x1234;
	struct later l;
	struct disk t;

	(void)state;
	memset(elsewhere, 0, sizeof(elsewhere));
	later_open(&t, &l);
	describe_read(&t, 1);
	disk_offer(&t);
	disk_settle(&t);
	assert_int_equal(l.io[0]->nr, 1);
	end_transfer(&l, 0, -EAGAIN);
	move_behind(&t, DISK_DATA + here, elsewhere);
	disk_settle(&t);
	assert_int_equal(l.nr, 1);
	assert_int_equal(l.io[0]->nr, 2);
	end_transfer(&l, 0, 0);
	disk_settle(&t);
	assert_int_equal(disk_status(&t), BLK_S_OK);
	assert_int_equal(disk_len(&t), DISK_BYTES + 1);
	assert_true(disk_all(&t, 0x42, 0, here));
	assert_true(disk_all(&t, 0, here, 64));
	assert_int_equal(elsewhere[0], 0x42);
	assert_int_equal(elsewhere[DISK_BYTES - here - 1], 0x42);
	assert_int_equal(elsewhere[DISK_BYTES - here], 0);
	disk_end(&t);
}

/* Nothing is written where memory was, and the queue says so. */
static void request_whose_memory_is_gone_breaks_the_queue(void **state)
{
	struct later l;
	struct disk t;

	(void)state;
	later_open(&t, &l);
	describe_read(&t, 1);
	disk_offer(&t);
	disk_settle(&t);
	end_transfer(&l, 0, -EAGAIN);
	virtio_quiesce(&t.v);
	rig_unmap(&t.rig, RIG_GPA, RIG_SIZE);
	rig_map(&t.rig, RIG_GPA, DISK_DATA - RIG_GPA, t.rig.mem,
		GPA_READ | GPA_WRITE);
	virtio_set_memory(&t.v, &t.rig.map);
	disk_settle(&t);
	assert_int_equal(l.nr, 0);
	assert_int_equal(disk_used(&t), 0);
	assert_int_equal(virtio_queue(&t.v, 0)->stats.broken, 1);
	disk_end(&t);
}

/* rule 48 */
static void reset_of_a_queue_waits_for_what_is_its_own(void **state)
{
	struct later l;
	struct disk t;

	(void)state;
	later_open(&t, &l);
	describe_read(&t, 50);
	disk_offer(&t);
	offer_read_on(&t, 1, 3);
	disk_settle(&t);
	assert_int_equal(l.nr, 2);
	virtio_queue_reset(&t.v, 0);
	/* The rest of the big one is forgotten. */
	assert_int_equal(l.nr, 1);
	assert_int_equal(l.io[0]->queue, 1);
	disk_settle(&t);
	assert_int_equal(l.nr, 1);
	assert_int_equal(disk_status(&t), DISK_UNTOUCHED);
	end_transfer(&l, 0, 0);
	disk_settle(&t);
	assert_int_equal(status_of(&t, 3), BLK_S_OK);
	assert_int_equal(t.ring[1].used->idx, 1);
	disk_end(&t);
}

/* -EAGAIN at once, and later: neither loses a byte nor the order. */
static void what_the_backend_puts_off_is_submitted_again(void **state)
{
	struct later l;
	struct disk t;
	uint64_t at = 0;

	(void)state;
	later_open(&t, &l);
	describe_read(&t, 50);
	disk_offer(&t);
	l.busy = 3;
	disk_settle(&t);
	assert_int_equal(l.busy, 0);
	while (l.nr) {
		assert_int_equal(l.io[0]->offset, at);
		if (!l.again) {
			l.again = true;
			end_transfer(&l, 0, -EAGAIN);
		} else {
			l.again = false;
			at += l.io[0]->bytes;
			end_transfer(&l, 0, 0);
		}
		disk_settle(&t);
	}
	assert_int_equal(at, 50 * DISK_BYTES);
	assert_int_equal(disk_len(&t), 50 * DISK_BYTES + 1);
	assert_int_equal(disk_status(&t), BLK_S_OK);
	disk_end(&t);
}

/* ---- What it costs -------------------------------------------------------- */

static size_t resident(void)
{
	size_t size = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%zu %zu", &size, &pages), 2);
	fclose(f);
	return pages * 4096;
}

static void ram_disk_costs_what_was_written(void **state)
{
	const size_t before = resident();
	struct disk t;
	uint64_t i;

	(void)state;
	disk_open(&t, "backend=ram size=1T");
	/* A sector in each 8 GiB. */
	disk_pattern(&t, 7);
	for (i = 0; i < 128; i++)
		assert_int_equal(disk_do(&t, BLK_T_OUT, i << 24, 512),
				 BLK_S_OK);
	/* The page and what leads to it, and room for a sanitizer's. */
	assert_true(resident() - before < 16 << 20);
	disk_wipe(&t, 0);
	assert_int_equal(disk_do(&t, BLK_T_IN, 127ull << 24, 512), BLK_S_OK);
	assert_true(disk_has_pattern(&t, 7, 0, 512));
	disk_end(&t);
}

/* Whatever the kernel makes of the wish. */
static void ram_disk_may_be_in_huge_pages(void **state)
{
	struct disk t;

	(void)state;
	disk_open(&t, "backend=ram size=5M hugepages=true");
	disk_pattern(&t, 9);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 0, DISK_BYTES), BLK_S_OK);
	assert_int_equal(disk_do(&t, BLK_T_OUT, 4095, DISK_BYTES), BLK_S_OK);
	assert_int_equal(disk_do(&t, BLK_T_OUT, (5 << 11) - 128, DISK_BYTES),
			 BLK_S_OK);
	disk_wipe(&t, 0);
	assert_int_equal(disk_do(&t, BLK_T_IN, 4095, DISK_BYTES), BLK_S_OK);
	assert_true(disk_has_pattern(&t, 9, 0, DISK_BYTES));
	assert_int_equal(disk_do(&t, BLK_T_IN, 2048, 512), BLK_S_OK);
	assert_true(disk_all(&t, 0, 0, 512));
	disk_end(&t);
}

static void idle_disk_is_small(void **state)
{
	struct virtio_device *dev;
	char error[100];

	(void)state;
	assert_int_equal(
		disk_create("backend=ram size=1G", &dev, error, sizeof(error)),
		0);
	assert_in_range(malloc_usable_size(dev), 64, 320);
	dev->ops->destroy(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_end_in_the_order_of_their_backend),
		cmocka_unit_test(failure_of_the_backend_fails_one_request),
		cmocka_unit_test(big_request_is_several_transfers_in_order),
		cmocka_unit_test(reset_waits_for_what_is_under_way),
		cmocka_unit_test(memory_changes_only_when_nothing_is_under_way),
		cmocka_unit_test(overtaken_request_goes_on_in_other_memory),
		cmocka_unit_test(request_goes_on_in_more_pieces_of_memory),
		cmocka_unit_test(request_whose_memory_is_gone_breaks_the_queue),
		cmocka_unit_test(reset_of_a_queue_waits_for_what_is_its_own),
		cmocka_unit_test(what_the_backend_puts_off_is_submitted_again),
		cmocka_unit_test(ram_disk_costs_what_was_written),
		cmocka_unit_test(ram_disk_may_be_in_huge_pages),
		cmocka_unit_test(idle_disk_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
