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
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/blk_disk.h"

#define ROUNDS	     30u
#define QUICK_ROUNDS 3u
#define BLOCK_MS     12u
#define QUICK_MS     4u
#define WARM_UP	     500u
#define BLK_F_FLUSH  (1ull << 9) /* virtio 1.2, 5.2.3 */

const char *const blk_stage_name[NR_BLK_STAGES] = { "write", "show", "wait",
						    "take" };

static const struct blk_case cases[] = {
	{ "null", false, false, false, 512, 1, false, false },
	{ "null", false, false, false, 512, 32, false, false },
	{ "null", false, false, false, 4096, 1, false, false },
	{ "null", false, false, false, 4096, 32, false, false },
	{ "ram", false, false, false, 512, 1, false, false },
	{ "ram", false, false, false, 512, 32, false, false },
	{ "ram", false, false, false, 4096, 1, false, false },
	{ "ram", false, false, false, 4096, 32, false, false },
	{ "null", true, false, false, 512, 1, false, false },
	{ "null", true, false, false, 512, 32, false, false },
	{ "null", true, false, false, 4096, 1, false, false },
	{ "null", true, false, false, 4096, 32, false, false },
	{ "ram", true, false, false, 512, 1, false, false },
	{ "ram", true, false, false, 512, 32, false, false },
	{ "ram", true, false, false, 4096, 1, false, false },
	{ "ram", true, false, false, 4096, 32, false, false },
	/* What a driver's habits, and the bytes themselves, make of it. */
	{ "ram", false, true, false, 512, 1, false, false },
	{ "ram", false, true, false, 512, 32, false, false },
	{ "ram", true, true, false, 512, 1, false, false },
	{ "ram", true, true, false, 512, 32, false, false },
	{ "ram", false, false, false, 512, 1, true, false },
	{ "ram", false, false, false, 512, 32, true, false },
	{ "ram", true, false, false, 512, 1, true, false },
	{ "ram", true, false, false, 512, 32, true, false },
	{ "ram", false, false, false, 512, 1, false, true },
	{ "ram", false, false, false, 512, 32, false, true },
	{ "ram", true, false, false, 512, 1, false, true },
	{ "ram", true, false, false, 512, 32, false, true },
	{ "null", false, false, true, 512, 1, false, false },
	{ "null", false, false, true, 512, 32, false, false },
	{ "ram", false, false, true, 512, 1, false, false },
	{ "ram", false, false, true, 512, 32, false, false },
	{ "ram", false, false, false, 512, 4, false, false },
	{ "ram", true, false, false, 512, 4, false, false },
	{ "file", false, false, false, 512, 1, false, false },
	{ "file", false, false, false, 512, 4, false, false },
	{ "file", false, false, false, 512, 32, false, false },
	{ "file", false, false, false, 4096, 1, false, false },
	{ "file", false, false, false, 4096, 32, false, false },
	{ "file", true, false, false, 512, 1, false, false },
	{ "file", true, false, false, 512, 4, false, false },
	{ "file", true, false, false, 512, 32, false, false },
};

#define NR_CASES (sizeof(cases) / sizeof(cases[0]))
#define NR_DISKS 12

struct run {
	const struct bench_options *options;
	struct queue_rig rig;
	struct blk_disk disk[NR_DISKS];
	unsigned int nr_disks;
	struct blk_series series[NR_CASES];
	unsigned int nr_series, rounds, block_ms;
	const char *backend, *ring; /* only this one, or NULL */
	bool in_order;
	struct blk_flow flow;
};

/* ---- Rounds ------------------------------------------------------------ */

static struct blk_disk *disk_of(struct run *run, const struct blk_case *c)
{
	for (unsigned int i = 0; i < run->nr_disks; i++) {
		struct blk_disk *d = &run->disk[i];

		if (!strcmp(d->backend, c->backend) && d->packed == c->packed &&
		    d->indirect == c->indirect && d->huge == c->huge)
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
	const struct blk_case *c = &s->what;
	struct blk_round *r = &s->round[s->nr];
	struct blk_disk *d = disk_of(run, c);
	double before = queue_rig_probe(&run->rig);
	uint64_t cpu, kicks, begin;
	int64_t n;

	n = blk_disk_flow(&run->flow, d, c, run->block_ms, WARM_UP);
	if (n < 0)
		return (int)n;
	kicks = d->queue.kicks;
	begin = bench_now();
	cpu = queue_rig_cpu_ns(&run->rig);
	n = blk_disk_flow(&run->flow, d, c, run->block_ms, UINT64_MAX);
	if (n < 0)
		return (int)n;
	r->kicks = (double)(d->queue.kicks - kicks) / (double)n;
	r->ns = slices_median(&run->flow.slices) * run->rig.ns_per_tick;
	/* Its share of the time, of a request's. */
	r->cpu_ns = r->ns * (double)(queue_rig_cpu_ns(&run->rig) - cpu) /
		    (double)(bench_now() - begin);
	if (c->depth == 1 && blk_disk_stages(&run->flow, d, c, r->stage))
		return -EBADMSG;
	r->pingpong_ns = queue_rig_probe(&run->rig);
	r->place = place_of(before, r->pingpong_ns);
	r->pingpong_ns = (before + r->pingpong_ns) / 2;
	s->nr++;
	return 0;
}

/* ---- Disks ------------------------------------------------------------- */

static int start_disk(struct run *run, struct blk_disk *d)
{
	/* Without FLUSH each write would wait for the disk. */
	const uint64_t features = BLK_F_FLUSH |
				  (d->packed ? VRING_F_PACKED : 0) |
				  (d->indirect ? VRING_F_INDIRECT : 0) |
				  (run->in_order ? VRING_F_IN_ORDER : 0);
	int err;

	d->queue.packed = d->packed;
	d->queue.indirect = d->indirect;
	d->queue.pieces = BLK_DISK_PIECES;
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
	return blk_disk_fill(&run->flow, d);
}

static void file_name(const struct run *run, bool packed, char *name,
		      size_t room)
{
	snprintf(name, room, "%s/%s", run->rig.service.dir,
		 packed ? "packed" : "split");
}

static int create_disk(struct run *run, struct blk_disk *d)
{
	char options[280], file[CHILD_DIR_MAX + 16], path[sizeof(file) + 32];

	path[0] = '\0';
	if (!strcmp(d->backend, "file")) {
		file_name(run, d->packed, file, sizeof(file));
		snprintf(path, sizeof(path), ",\"path\":\"%s\",\"create\":true",
			 file);
	}
	snprintf(options, sizeof(options),
		 "{\"backend\":\"%s\",\"size\":\"" BLK_DISK_TEXT "\"%s%s%s%s}",
		 d->backend, path, d->packed ? ",\"packed\":true" : "",
		 run->in_order ? ",\"in_order\":true" : "",
		 d->huge ? ",\"hugepages\":true" : "");
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
		struct blk_disk *d = &run->disk[run->nr_disks];

		if (!wanted(run, c) || disk_of(run, c))
			continue;
		*d = (struct blk_disk){ .backend = c->backend,
					.packed = c->packed,
					.indirect = c->indirect,
					.huge = c->huge };
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
		BLK_DEPTH_MAX * (sizeof(struct blk_slot) + BLK_SIZE_MAX) +
		3 * 4096;
	int err = queue_rig_attach(&run->rig, run->nr_disks * each);

	for (unsigned int i = 0; i < run->nr_disks && !err; i++)
		if (run->disk[i].created)
			err = start_disk(run, &run->disk[i]);
	return err;
}

static void remove_files(const struct run *run)
{
	char file[CHILD_DIR_MAX + 16];

	for (int packed = 0; packed < 2 && run->rig.service.dir[0]; packed++) {
		file_name(run, packed, file, sizeof(file));
		unlink(file);
	}
}

/* ---- The measurement --------------------------------------------------- */

static void choose(struct run *run)
{
	for (size_t i = 0; i < NR_CASES; i++) {
		const struct blk_disk *d = disk_of(run, &cases[i]);

		if (!d || !d->there || !wanted(run, &cases[i]))
			continue;
		run->series[run->nr_series].what = cases[i];
		run->series[run->nr_series++].in_order = run->in_order;
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

	run->flow.ns_per_tick = run->rig.ns_per_tick;
	if (!err)
		err = create_disks(run);
	if (!err)
		err = start_disks(run);
	if (!err) {
		choose(run);
		err = run->nr_series ? measure_all(run) : -ENODEV;
	}
	remove_files(run);
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
	static const char *const orders[] = { "any", "in", NULL };
	char *end;

	for (; *args; args += 2) {
		if (!args[1])
			return false;
		if (!strcmp(args[0], "--backend") && one_of(args[1], backends))
			run->backend = args[1];
		else if (!strcmp(args[0], "--ring") && one_of(args[1], rings))
			run->ring = args[1];
		else if (!strcmp(args[0], "--order") && one_of(args[1], orders))
			run->in_order = args[1][0] == 'i';
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
		run->flow.seed = 88172645463325252ull;
		if (!parse(run, o->args)) {
			fprintf(stderr,
				"blk: has the options --backend null, ram or "
				"file, --ring split or packed, --order any or "
				"in, --rounds 1 to "
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
