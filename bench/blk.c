/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-blk over real rings: a driver on one core, the service on another.
 *
 * How: all cases are measured in each round, one block of requests after the
 * other, between two ping-pongs.  A block is cut into slices of 256 requests,
 * whose median is the block's: so one in which another program had a core does
 * not count.  ns are a slice's time through its requests; at depth 1 that is
 * how long one takes.  Where the host moved the
 * cores meanwhile, the two ping-pongs differ, and the block counts for nothing;
 * the others are told apart by how near the cores were.
 *
 * Requests are as a guest's driver makes them: header, data, status, written
 * anew each time, random sectors of the disk.  Status and length of each are
 * checked, and of every 64th what was read: looking at data takes cache lines
 * that a driver which only moves pages would not touch.
 */
#include "bench/blk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/queue_rig.h"

#define DISK_BYTES   (8u << 20)
#define DISK_TEXT    "8M"
#define SECTOR	     512u
#define BLK_IN	     0u
#define BLK_OUT	     1u
#define PIECES	     3
#define ROUNDS	     30u
#define QUICK_ROUNDS 3u
#define BLOCK_MS     12u
#define QUICK_MS     4u
#define STAGED	     1000u /* requests of a block, measured by stages */
#define WARM_UP	     500u
#define SLICE	     256u
#define SLICES	     2048u
#define CHECK_EACH   64u
#define PATIENCE_NS  5000000000ull
#define UNTOUCHED    0xffu

const char *const blk_stage_name[NR_BLK_STAGES] = { "write", "show", "wait",
						    "take" };

/* As Linux and SPDK have it: what the device reads and what it writes of a
 * request's frame share a line. */
struct slot {
	_Alignas(64) struct {
		uint32_t type, reserved;
		uint64_t sector;
	} head;
	uint8_t status;
};

struct disk {
	const char *backend;
	bool packed, indirect;
	bool created, there;
	struct queue_function function;
	struct vring queue;
	struct slot *slot;
	uint8_t *data; /* BLK_SIZE_MAX of each */
	uint64_t slot_gpa, data_gpa;
};

static const struct blk_case cases[] = {
	{ "null", false, false, false, 512, 1 },
	{ "null", false, false, false, 512, 32 },
	{ "null", false, false, false, 4096, 1 },
	{ "null", false, false, false, 4096, 32 },
	{ "ram", false, false, false, 512, 1 },
	{ "ram", false, false, false, 512, 32 },
	{ "ram", false, false, false, 4096, 1 },
	{ "ram", false, false, false, 4096, 32 },
	{ "null", true, false, false, 512, 1 },
	{ "null", true, false, false, 512, 32 },
	{ "null", true, false, false, 4096, 1 },
	{ "null", true, false, false, 4096, 32 },
	{ "ram", true, false, false, 512, 1 },
	{ "ram", true, false, false, 512, 32 },
	{ "ram", true, false, false, 4096, 1 },
	{ "ram", true, false, false, 4096, 32 },
	/* What a driver's habits, and the bytes themselves, make of it. */
	{ "ram", false, true, false, 512, 1 },
	{ "ram", false, true, false, 512, 32 },
	{ "ram", true, true, false, 512, 1 },
	{ "ram", true, true, false, 512, 32 },
	{ "null", false, false, true, 512, 1 },
	{ "null", false, false, true, 512, 32 },
	{ "ram", false, false, true, 512, 1 },
	{ "ram", false, false, true, 512, 32 },
	{ "ram", false, false, false, 512, 4 },
	{ "ram", true, false, false, 512, 4 },
	{ "file", false, false, false, 512, 1 },
	{ "file", false, false, false, 512, 32 },
	{ "file", false, false, false, 4096, 1 },
	{ "file", false, false, false, 4096, 32 },
};

#define NR_CASES (sizeof(cases) / sizeof(cases[0]))
#define NR_DISKS 12

struct run {
	const struct bench_options *options;
	struct queue_rig rig;
	struct disk disk[NR_DISKS];
	unsigned int nr_disks;
	struct blk_series series[NR_CASES];
	unsigned int nr_series, rounds, block_ms;
	const char *backend, *ring; /* only this one, or NULL */
	char file[CHILD_DIR_MAX + 16];
	uint64_t seed, requests;
	uint64_t slice[SLICES]; /* ticks */
	unsigned int slices;
};

/* ---- Requests ---------------------------------------------------------- */

static uint64_t any(struct run *run)
{
	run->seed ^= run->seed << 13;
	run->seed ^= run->seed >> 7;
	run->seed ^= run->seed << 17;
	return run->seed;
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

static void write_request(struct disk *d, const struct blk_case *c,
			  unsigned int i, uint64_t sector)
{
	const uint64_t head = d->slot_gpa + i * sizeof(struct slot);
	const struct vring_piece piece[PIECES] = {
		{ head, sizeof(d->slot->head), false },
		{ d->data_gpa + i * BLK_SIZE_MAX, c->size, !c->write },
		{ head + offsetof(struct slot, status), 1, true },
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

static void add(struct run *run, struct disk *d, const struct blk_case *c,
		unsigned int i)
{
	const unsigned int per = c->size / SECTOR;

	write_request(d, c, i, any(run) % (DISK_BYTES / c->size) * per);
}

static int check_data(const struct disk *d, const struct blk_case *c,
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
static int take(struct run *run, struct disk *d, const struct blk_case *c)
{
	uint32_t len;
	int i = vring_reap(&d->queue, &len);

	if (i == -EAGAIN)
		return i;
	if (i < 0)
		return broken("a disk used what was not offered");
	if (d->slot[i].status || len != (c->write ? 1 : c->size + 1))
		return broken("a disk failed");
	if (!c->write && ++run->requests % CHECK_EACH == 0 &&
	    check_data(d, c, (unsigned int)i))
		return -EBADMSG;
	return i;
}

static int wait_one(struct run *run, struct disk *d, const struct blk_case *c)
{
	uint64_t since = 0;
	int i;

	for (unsigned int k = 1; (i = take(run, d, c)) == -EAGAIN; k++) {
		if (k % 65536)
			continue;
		if (child_signal)
			return -EINTR;
		if (!since)
			since = bench_now();
		if (bench_now() - since > PATIENCE_NS)
			return broken("a disk does not answer");
	}
	return i;
}

/* @n are done in all, @begin ticks ago for the last slice. */
static uint64_t cut(struct run *run, uint64_t n, uint64_t begin)
{
	const uint64_t now = __rdtsc();

	if (run->slices < SLICES)
		run->slice[run->slices++] = (now - begin) * SLICE / n;
	return now;
}

/* Until @end (ticks) or @most requests keep @c->depth of them under way; how
 * many in all. */
static int64_t flow(struct run *run, struct disk *d, const struct blk_case *c,
		    uint64_t end, uint64_t most)
{
	uint64_t n, done = 0, begin;
	unsigned int under_way;
	int err, i;

	run->slices = 0;
	begin = __rdtsc();
	for (i = 0; i < (int)c->depth; i++)
		add(run, d, c, (unsigned int)i);
	err = vring_show(&d->queue);
	n = under_way = c->depth;
	while (!err && under_way) {
		unsigned int added = 0;

		i = wait_one(run, d, c);
		for (; i >= 0; i = take(run, d, c)) {
			under_way--;
			done++;
			if (n + added >= most || (begin >= end && run->slices))
				continue;
			add(run, d, c, (unsigned int)i);
			added++;
		}
		if (i != -EAGAIN)
			return i;
		n += added;
		under_way += added;
		/* What is left at the end is no slice: fewer are under way. */
		if (done >= SLICE && added) {
			begin = cut(run, done, begin);
			done = 0;
		}
		if (added)
			err = vring_show(&d->queue);
	}
	return err ? err : (int64_t)n;
}

/* ---- By stages --------------------------------------------------------- */

static int wait_used(const struct disk *d)
{
	const uint64_t begin = bench_now();

	for (unsigned int k = 1; !vring_used(&d->queue); k++)
		if (k % 65536 == 0 && bench_now() - begin > PATIENCE_NS)
			return broken("a disk does not answer");
	return 0;
}

/* So many one by one, with a look at the clock at each stage: medians. */
static int staged(struct run *run, struct disk *d, const struct blk_case *c,
		  struct blk_round *r)
{
	static uint64_t took[NR_BLK_STAGES][STAGED];
	uint64_t t[NR_BLK_STAGES + 1];
	int err = 0;

	for (unsigned int n = 0; n < STAGED && err >= 0; n++) {
		t[0] = __rdtsc();
		add(run, d, c, 0);
		t[1] = __rdtsc();
		err = vring_show(&d->queue);
		t[2] = __rdtsc();
		if (!err)
			err = wait_used(d);
		t[3] = __rdtsc();
		if (!err)
			err = take(run, d, c);
		t[4] = __rdtsc();
		for (unsigned int k = 0; k < NR_BLK_STAGES; k++)
			took[k][n] = t[k + 1] - t[k];
	}
	for (unsigned int k = 0; k < NR_BLK_STAGES; k++) {
		bench_sort(took[k], STAGED);
		r->stage[k] = (double)bench_part(took[k], STAGED, 50) *
			      run->rig.ns_per_tick;
	}
	return err < 0 ? err : 0;
}

/* ---- Rounds ------------------------------------------------------------ */

static struct disk *disk_of(struct run *run, const struct blk_case *c)
{
	for (unsigned int i = 0; i < run->nr_disks; i++) {
		struct disk *d = &run->disk[i];

		if (!strcmp(d->backend, c->backend) && d->packed == c->packed &&
		    d->indirect == c->indirect)
			return d;
	}
	return NULL;
}

static enum blk_place place_of(double before, double after)
{
	if ((before < BLK_CLOSE_NS) != (after < BLK_CLOSE_NS))
		return BLK_MIXED;
	return before < BLK_CLOSE_NS ? BLK_CLOSE : BLK_APART;
}

static int measure(struct run *run, struct blk_series *s)
{
	const uint64_t ticks =
		(uint64_t)((double)run->block_ms * 1e6 / run->rig.ns_per_tick);
	struct disk *d = disk_of(run, &s->what);
	struct blk_round *r = &s->round[s->nr];
	double before = queue_rig_probe(&run->rig);
	uint64_t cpu, kicks;
	int64_t n;

	n = flow(run, d, &s->what, UINT64_MAX, WARM_UP);
	if (n < 0)
		return (int)n;
	kicks = d->queue.kicks;
	cpu = queue_rig_cpu_ns(&run->rig);
	n = flow(run, d, &s->what, bench_ticks() + ticks, UINT64_MAX);
	if (n < 0)
		return (int)n;
	bench_sort(run->slice, run->slices);
	r->ns = (double)bench_part(run->slice, run->slices, 50) / SLICE *
		run->rig.ns_per_tick;
	r->cpu_ns = (double)(queue_rig_cpu_ns(&run->rig) - cpu);
	r->cpu_ns /= (double)n;
	r->kicks = (double)(d->queue.kicks - kicks) / (double)n;
	if (s->what.depth == 1 && staged(run, d, &s->what, r))
		return -EBADMSG;
	r->pingpong_ns = queue_rig_probe(&run->rig);
	r->place = place_of(before, r->pingpong_ns);
	r->pingpong_ns = (before + r->pingpong_ns) / 2;
	s->nr++;
	return 0;
}

/* ---- Disks ------------------------------------------------------------- */

/* Every sector gets its pattern. */
static int fill(struct run *run, struct disk *d)
{
	const struct blk_case c = { .write = true, .size = BLK_SIZE_MAX };
	const unsigned int per = BLK_SIZE_MAX / SECTOR;
	int err = 0;

	if (!strcmp(d->backend, "null"))
		return 0;
	for (uint64_t s = 0; s < DISK_BYTES / SECTOR && err >= 0; s += per) {
		write_request(d, &c, 0, s);
		err = vring_show(&d->queue);
		if (!err)
			err = wait_one(run, d, &c);
	}
	return err < 0 ? err : 0;
}

static int start_disk(struct run *run, struct disk *d)
{
	const uint64_t features = (d->packed ? VRING_F_PACKED : 0) |
				  (d->indirect ? VRING_F_INDIRECT : 0);
	int err;

	d->queue.packed = d->packed;
	d->queue.indirect = d->indirect;
	d->queue.pieces = PIECES;
	err = queue_rig_start(&run->rig, &d->function, features, &d->queue, 1);
	if (err == -ENOTSUP) {
		fprintf(stderr, "blk: %s rings%s: not offered, left out\n",
			d->packed ? "packed" : "split",
			d->indirect ? ", indirect" : "");
		return 0;
	}
	if (err)
		return err;
	d->slot = queue_rig_take(&run->rig, BLK_DEPTH_MAX * sizeof(*d->slot),
				 &d->slot_gpa);
	d->data = queue_rig_take(&run->rig, BLK_DEPTH_MAX * BLK_SIZE_MAX,
				 &d->data_gpa);
	d->there = true;
	return fill(run, d);
}

static int create_disk(struct run *run, struct disk *d)
{
	char options[200];

	if (!strcmp(d->backend, "file"))
		snprintf(options, sizeof(options),
			 "{\"backend\":\"file\",\"path\":\"%s\"%s}", run->file,
			 d->packed ? ",\"packed\":true" : "");
	else
		snprintf(options, sizeof(options),
			 "{\"backend\":\"%s\",\"size\":\"" DISK_TEXT "\"%s}",
			 d->backend, d->packed ? ",\"packed\":true" : "");
	return queue_rig_add(&run->rig, "blk", options, &d->function);
}

static bool wanted(const struct run *run, const struct blk_case *c)
{
	return (!run->backend || !strcmp(run->backend, c->backend)) &&
	       (!run->ring ||
		!strcmp(run->ring, c->packed ? "packed" : "split"));
}

/* What a service of another age does not know is left out, and said. */
static int create_disks(struct run *run)
{
	for (size_t i = 0; i < NR_CASES; i++) {
		const struct blk_case *c = &cases[i];
		struct disk *d = &run->disk[run->nr_disks];

		if (!wanted(run, c) || disk_of(run, c))
			continue;
		*d = (struct disk){ .backend = c->backend,
				    .packed = c->packed,
				    .indirect = c->indirect };
		d->created = !create_disk(run, d);
		if (!d->created)
			fprintf(stderr, "blk: %s, %s: left out\n", c->backend,
				c->packed ? "packed" : "split");
		run->nr_disks++;
	}
	return run->nr_disks ? 0 : -ENODEV;
}

static int start_disks(struct run *run)
{
	const size_t each =
		vring_memory_size() +
		BLK_DEPTH_MAX * (sizeof(struct slot) + BLK_SIZE_MAX) + 3 * 4096;
	int err = queue_rig_attach(&run->rig, run->nr_disks * each);

	for (unsigned int i = 0; i < run->nr_disks && !err; i++)
		if (run->disk[i].created)
			err = start_disk(run, &run->disk[i]);
	return err;
}

static int make_file(struct run *run)
{
	int fd, err;

	snprintf(run->file, sizeof(run->file), "%s/disk", run->rig.service.dir);
	fd = open(run->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = posix_fallocate(fd, 0, DISK_BYTES);
	close(fd);
	return -err;
}

/* ---- The measurement --------------------------------------------------- */

static void choose(struct run *run)
{
	for (size_t i = 0; i < NR_CASES; i++) {
		const struct disk *d = disk_of(run, &cases[i]);

		if (d && d->there && wanted(run, &cases[i]))
			run->series[run->nr_series++].what = cases[i];
	}
}

static int measure_all(struct run *run)
{
	int err = 0;

	for (unsigned int k = 0; k < run->rounds && !err; k++)
		for (unsigned int i = 0; i < run->nr_series && !err; i++)
			err = child_signal ? -EINTR
					   : measure(run, &run->series[i]);
	return err;
}

static int run_all(void *arg)
{
	struct run *run = arg;
	int err = queue_rig_open(&run->rig, "blk", NULL);

	if (!err)
		err = make_file(run);
	if (!err)
		err = create_disks(run);
	if (!err)
		err = start_disks(run);
	if (!err) {
		choose(run);
		err = run->nr_series ? measure_all(run) : -ENODEV;
	}
	if (run->file[0])
		unlink(run->file);
	queue_rig_close(&run->rig);
	return err;
}

static bool one_of(const char *text, const char *const *list)
{
	while (*list && strcmp(text, *list) != 0)
		list++;
	return *list;
}

static bool parse(struct run *run, char **args)
{
	static const char *const backends[] = { "null", "ram", "file", NULL };
	static const char *const rings[] = { "split", "packed", NULL };
	char *end;

	for (; *args; args += 2) {
		if (!args[1])
			return false;
		if (!strcmp(args[0], "--backend") && one_of(args[1], backends))
			run->backend = args[1];
		else if (!strcmp(args[0], "--ring") && one_of(args[1], rings))
			run->ring = args[1];
		else if (!strcmp(args[0], "--rounds")) {
			unsigned long n = strtoul(args[1], &end, 10);

			if (*end || !n || n > BLK_ROUNDS_MAX ||
			    args[1][0] == '-')
				return false;
			run->rounds = (unsigned int)n;
		} else {
			return false;
		}
	}
	return true;
}

static int tell(struct run *run)
{
	unsigned int missed = 0;
	char cpu[96];

	bench_cpu_name(cpu, sizeof(cpu));
	blk_report_begin(run->options, cpu);
	for (unsigned int i = 0; i < run->nr_series; i++)
		missed += blk_report(run->options, &run->series[i], cpu);
	blk_report_end(run->options, missed);
	return missed && !run->options->quick;
}

int bench_blk(const struct bench_options *o)
{
	struct run *run = calloc(1, sizeof(*run));
	int err = run ? 0 : -ENOMEM;

	if (!err) {
		run->options = o;
		run->rounds = o->quick ? QUICK_ROUNDS : ROUNDS;
		run->block_ms = o->quick ? QUICK_MS : BLOCK_MS;
		run->seed = 88172645463325252ull;
		if (!parse(run, o->args)) {
			fprintf(stderr,
				"blk: has the options --backend null, ram or "
				"file, --ring split or packed, --rounds 1 to "
				"%d\n",
				BLK_ROUNDS_MAX);
			free(run);
			return 2;
		}
		err = child_guard(run_all, run);
	}
	if (err)
		fprintf(stderr, "blk: %s\n", strerror(-err));
	else
		err = tell(run);
	free(run);
	return err < 0 ? 2 : err;
}
