/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/blk_disk.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define SECTOR	    512u
#define BLK_IN	    0u
#define BLK_OUT	    1u
#define PIECES	    BLK_DISK_PIECES
#define STAGED	    1000u
#define SLICE	    256u
#define CHECK_EACH  64u
#define LOOKS	    65536u /* between two looks at the clock */
/* A write of a file may wait for all else that its file system writes. */
#define PATIENCE_NS 30000000000ull
#define UNTOUCHED   0xffu

/* ---- Requests ---------------------------------------------------------- */

static uint64_t any(struct blk_flow *f)
{
	f->seed ^= f->seed << 13;
	f->seed ^= f->seed >> 7;
	f->seed ^= f->seed << 17;
	return f->seed;
}

static uint64_t pattern(uint64_t sector)
{
	return 0xb10cb10c00000000ull ^ sector;
}

static int broken(const char *what)
{
	fprintf(stderr, "blk: %s\n", what);
	return -EBADMSG;
}

static void write_request(struct blk_disk *d, const struct blk_case *c,
			  unsigned int i, uint64_t sector)
{
	const uint64_t head = d->slot_gpa + i * sizeof(struct blk_slot);
	const struct vring_piece piece[PIECES] = {
		{ head, sizeof(d->slot->head), false },
		{ d->data_gpa + i * BLK_SIZE_MAX, c->size, !c->write },
		{ head + offsetof(struct blk_slot, status), 1, true },
	};
	uint8_t *data = d->data + i * BLK_SIZE_MAX;

	d->slot[i].head.type = c->write ? BLK_OUT : BLK_IN;
	d->slot[i].head.sector = sector;
	d->slot[i].status = UNTOUCHED;
	for (unsigned int k = 0; c->write && k < c->size / SECTOR; k++) {
		const uint64_t p = pattern(sector + k);

		memcpy(data + k * SECTOR, &p, sizeof(p));
	}
	vring_add(&d->queue, i, piece);
}

static void add(struct blk_flow *f, struct blk_disk *d,
		const struct blk_case *c, unsigned int i)
{
	const unsigned int per = c->size / SECTOR;
	const uint64_t block =
		c->same ? 0 : any(f) % (BLK_DISK_BYTES / c->size);

	write_request(d, c, i, block * per);
}

static int check_data(const struct blk_disk *d, const struct blk_case *c,
		      unsigned int i)
{
	const bool null = !strcmp(d->backend, "null");
	const uint64_t sector = d->slot[i].head.sector;
	uint64_t got;

	for (unsigned int k = 0; k < c->size / SECTOR; k++) {
		memcpy(&got, d->data + i * BLK_SIZE_MAX + k * SECTOR,
		       sizeof(got));
		if (got != (null ? 0 : pattern(sector + k)))
			return broken("a disk gave other bytes");
	}
	return 0;
}

/* One that is done: its slot; -EAGAIN. */
static int take(struct blk_flow *f, struct blk_disk *d,
		const struct blk_case *c)
{
	uint32_t len;
	int i = vring_reap(&d->queue, &len);

	if (i == -EAGAIN)
		return i;
	if (i < 0)
		return broken("a disk used what was not offered");
	if (d->slot[i].status || len != (c->write ? 1 : c->size + 1))
		return broken("a disk failed");
	if (!c->write && ++f->looks % CHECK_EACH == 0 &&
	    check_data(d, c, (unsigned int)i))
		return -EBADMSG;
	return i;
}

static int silent(const struct blk_disk *d, const char *what)
{
	fprintf(stderr, "blk: %s, %s%s: %s in %llu s\n", d->backend,
		d->packed ? "packed" : "split", d->indirect ? ", indirect" : "",
		what, PATIENCE_NS / 1000000000);
	return -EBADMSG;
}

static int wait_until(const struct blk_disk *d, uint64_t end)
{
	for (unsigned int k = 1; !vring_used(&d->queue); k++) {
		if (k % LOOKS)
			continue;
		if (child_signal)
			return -EINTR;
		if (bench_now() > end)
			return vring_used(&d->queue) ? 0 : -ETIME;
	}
	return 0;
}

static int wait_used(struct blk_disk *d)
{
	int err = wait_until(d, bench_now() + PATIENCE_NS);

	if (err != -ETIME)
		return err;
	err = vring_kick(&d->queue);
	if (!err)
		err = wait_until(d, bench_now() + PATIENCE_NS);
	if (err && err != -ETIME)
		return err;
	return silent(d, err ? "no answer, nor after another kick"
			     : "no answer, then one to another kick: one was "
			       "lost");
}

static int wait_one(struct blk_flow *f, struct blk_disk *d,
		    const struct blk_case *c)
{
	int i, err;

	for (unsigned int k = 0; k < LOOKS; k++) {
		i = take(f, d, c);
		if (i != -EAGAIN)
			return i;
	}
	err = wait_used(d);
	return err ? err : take(f, d, c);
}

int blk_disk_fill(struct blk_flow *f, struct blk_disk *d)
{
	const struct blk_case c = { .write = true, .size = BLK_SIZE_MAX };
	const unsigned int per = BLK_SIZE_MAX / SECTOR;
	int err = 0;

	if (!strcmp(d->backend, "null"))
		return 0;
	for (uint64_t s = 0; s < BLK_DISK_BYTES / SECTOR && err >= 0;
	     s += per) {
		write_request(d, &c, 0, s);
		err = vring_show(&d->queue);
		if (!err)
			err = wait_one(f, d, &c);
	}
	return err < 0 ? err : 0;
}

int64_t blk_disk_flow(struct blk_flow *f, struct blk_disk *d,
		      const struct blk_case *c, unsigned int ms, uint64_t most)
{
	const uint64_t end = __rdtsc() + (uint64_t)(ms * 1e6 / f->ns_per_tick);
	unsigned int under_way;
	uint64_t n;
	int err, i;

	slices_begin(&f->slices, SLICE);
	for (i = 0; i < (int)c->depth; i++)
		add(f, d, c, (unsigned int)i);
	err = vring_show(&d->queue);
	n = under_way = c->depth;
	while (!err && under_way) {
		const bool more = !f->slices.nr || f->slices.begin < end;
		unsigned int done = 0, added = 0;

		i = wait_one(f, d, c);
		for (; i >= 0; i = take(f, d, c), done++) {
			if (!more || n + added >= most)
				continue;
			add(f, d, c, (unsigned int)i);
			added++;
		}
		if (i != -EAGAIN)
			return i;
		n += added;
		under_way += added - done;
		if (!added)
			continue;
		err = vring_show(&d->queue);
		/* What is left at the end is no slice: fewer are under way. */
		slices_add(&f->slices, done);
	}
	return err ? err : (int64_t)n;
}

/* ---- By stages --------------------------------------------------------- */

int blk_disk_stages(struct blk_flow *f, struct blk_disk *d,
		    const struct blk_case *c, double stage[NR_BLK_STAGES])
{
	static uint64_t took[NR_BLK_STAGES][STAGED];
	uint64_t t[NR_BLK_STAGES + 1];
	int err = 0;

	for (unsigned int n = 0; n < STAGED && err >= 0; n++) {
		t[0] = __rdtsc();
		add(f, d, c, 0);
		t[1] = __rdtsc();
		err = vring_show(&d->queue);
		t[2] = __rdtsc();
		if (!err)
			err = wait_used(d);
		t[3] = __rdtsc();
		if (!err)
			err = take(f, d, c);
		t[4] = __rdtsc();
		for (unsigned int k = 0; k < NR_BLK_STAGES; k++)
			took[k][n] = t[k + 1] - t[k];
	}
	for (unsigned int k = 0; k < NR_BLK_STAGES; k++) {
		bench_sort(took[k], STAGED);
		stage[k] = (double)bench_part(took[k], STAGED, 50) *
			   f->ns_per_tick;
	}
	return err < 0 ? err : 0;
}
