/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-net over real rings, beside DPDK's own: a driver on one core, the
 * device on another.
 *
 * How: in each round every case is measured for one block, ours and then the
 * rival's on the same two cores, between two ping-pongs.  Who is not measured
 * sleeps or is stopped.  A block is cut into slices of frames, of which the
 * median counts.  A device of ours is started for its block and reset after it:
 * one that has frames without end looks for buffers all the time.
 *
 * The driver keeps all of a queue's 256 buffers with the device and looks at no
 * frame but each 64th; lengths are checked always.
 */
#include "bench/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/net_rival.h"
#include "bench/queue_rig.h"

#define HEADER	     12u /* virtio 1.2, 5.1.6, with VERSION_1 */
/* As far apart as the rival's mbufs of the same room.  2048 would have them
 * all in two sets of the L1 cache. */
#define ROOM	     2368u
#define BUFFERS	     VRING_SIZE
#define ROUNDS	     30u
#define QUICK_ROUNDS 2u
#define BLOCK_MS     12u
#define QUICK_MS     5u
#define WARM_UP_MS   1u
#define PATIENCE_NS  5000000000ull
#define TAIL	     64u
#define QUEUE_RX     0
#define QUEUE_TX     1

const char *const net_way_name[NR_NET_WAYS] = { "tx", "rx", "loop" };

static const struct net_case cases[] = {
	{ "null", false, NET_TX, 64 },
	{ "null", false, NET_TX, 1500 },
	{ "null", false, NET_RX, 64 },
	{ "null", false, NET_RX, 1500 },
	{ "null", true, NET_TX, 64 },
	{ "null", true, NET_TX, 1500 },
	{ "null", true, NET_RX, 64 },
	{ "null", true, NET_RX, 1500 },
	{ "net_ring", false, NET_LOOP, 64 },
	{ "net_ring", false, NET_LOOP, 1500 },
	{ "net_ring", true, NET_LOOP, 64 },
	{ "net_ring", true, NET_LOOP, 1500 },
};

#define NR_CASES (sizeof(cases) / sizeof(cases[0]))

/* A NIC of ours: its port decides what it can be measured for. */
struct nic {
	char port[32];
	bool packed, created, there;
	struct queue_function function;
	struct vring queue[2];
	uint8_t *data[2]; /* ROOM for each buffer */
	uint64_t gpa[2];
};

struct run {
	const struct bench_options *options;
	struct queue_rig rig;
	struct net_rival rival[2]; /* split, packed */
	bool has_rival[2];
	struct nic nic[NR_CASES];
	unsigned int nr_nics;
	struct net_series series[NR_CASES];
	unsigned int nr_series, rounds, block_ms;
	const char *backend, *ring; /* only this one, or NULL */
	struct slices slices;
	uint64_t looks;
};

/* ---- Frames ------------------------------------------------------------ */

static int broken(const char *what)
{
	fprintf(stderr, "net: %s\n", what);
	return -EBADMSG;
}

static void offer(struct nic *n, unsigned int q, unsigned int i,
		  unsigned int size)
{
	const struct vring_piece piece = {
		.gpa = n->gpa[q] + (uint64_t)i * ROOM,
		.len = q == QUEUE_TX ? HEADER + size : ROOM,
		.write = q == QUEUE_RX,
	};

	vring_add(&n->queue[q], i, &piece);
}

/* As much as a device that keeps a frame for itself could not have. */
static int check(struct run *run, const struct nic *n, unsigned int q,
		 unsigned int i, uint32_t len, unsigned int size)
{
	const uint8_t *frame = n->data[q] + (size_t)i * ROOM;

	if (len != (q == QUEUE_RX ? HEADER + size : 0))
		return broken("a frame has another length");
	if (q == QUEUE_TX || ++run->looks % TAIL)
		return 0;
	/* virtio 1.2, 5.1.6.4.1: num_buffers is 1 without MRG_RXBUF */
	return frame[10] == 1 && !frame[11] ? 0 : broken("a header is wrong");
}

/* Take up to a burst of used buffers and offer them anew; how many. */
static int burst(struct run *run, struct nic *n, unsigned int q,
		 unsigned int size)
{
	unsigned int done = 0;
	uint32_t len;
	int i, err;

	for (; done < NET_BURST; done++) {
		i = vring_reap(&n->queue[q], &len);
		if (i == -EAGAIN)
			break;
		if (i < 0)
			return broken("a device used what was not offered");
		if (check(run, n, q, (unsigned int)i, len, size))
			return -EBADMSG;
		offer(n, q, (unsigned int)i, size);
	}
	err = done ? vring_show(&n->queue[q]) : 0;
	return err ? err : (int)done;
}

static int offer_all(struct nic *n, unsigned int q, unsigned int size)
{
	for (unsigned int i = 0; i < BUFFERS; i++)
		offer(n, q, i, size);
	return vring_show(&n->queue[q]);
}

/* For @ms; at least one frame. */
static int flow(struct run *run, struct nic *n, const struct net_case *c,
		unsigned int ms, uint64_t *frames)
{
	const unsigned int counted = c->way == NET_TX ? QUEUE_TX : QUEUE_RX;
	const uint64_t begin = bench_now();
	uint64_t sum = 0, now = begin;
	int got;

	slices_begin(&run->slices, NET_SLICE);
	for (unsigned int k = 1;
	     now - begin < ms * 1000000ull || run->slices.nr < NET_LEAST; k++) {
		got = burst(run, n, counted, c->size);
		if (got < 0)
			return got;
		slices_add(&run->slices, (unsigned int)got);
		sum += (unsigned int)got;
		if (c->way == NET_LOOP)
			got = burst(run, n, QUEUE_TX, c->size);
		if (got < 0)
			return got;
		if (k % 64)
			continue;
		now = bench_now();
		if (child_signal)
			return -EINTR;
		if (now - begin > ms * 1000000ull + PATIENCE_NS)
			return broken("no frames come");
	}
	*frames = sum;
	return 0;
}

/* ---- Rounds ------------------------------------------------------------ */

static void port_of(const struct net_case *c, char *port, size_t room)
{
	/* One for each size: what is in a ring stays there over a reset. */
	if (!strcmp(c->backend, "net_ring"))
		snprintf(port, room, "ethdev:net_ring%d",
			 2 * c->packed + (c->size > 64));
	else if (c->way == NET_RX)
		snprintf(port, room, "null:%u", c->size);
	else
		snprintf(port, room, "null");
}

static struct nic *nic_of(struct run *run, const struct net_case *c)
{
	char port[32];

	port_of(c, port, sizeof(port));
	for (unsigned int i = 0; i < run->nr_nics; i++)
		if (run->nic[i].packed == c->packed &&
		    !strcmp(run->nic[i].port, port))
			return &run->nic[i];
	return NULL;
}

static int start_nic(struct run *run, struct nic *n)
{
	for (unsigned int q = 0; q < 2; q++) {
		n->queue[q].index = (uint16_t)q;
		n->queue[q].packed = n->packed;
		n->queue[q].pieces = 1;
	}
	return queue_rig_start(&run->rig, &n->function,
			       n->packed ? VRING_F_PACKED : 0, n->queue, 2);
}

static int measure_ours(struct run *run, struct nic *n,
			const struct net_case *c, struct net_round *r)
{
	uint64_t cpu, kicks, begin, frames = 0;
	int err = start_nic(run, n);

	if (!err && c->way != NET_TX)
		err = offer_all(n, QUEUE_RX, c->size);
	if (!err && c->way != NET_RX)
		err = offer_all(n, QUEUE_TX, c->size);
	if (!err)
		err = flow(run, n, c, WARM_UP_MS, &frames);
	begin = bench_now();
	cpu = queue_rig_cpu_ns(&run->rig);
	kicks = n->queue[0].kicks + n->queue[1].kicks;
	if (!err)
		err = flow(run, n, c, run->block_ms, &frames);
	if (err)
		return err;
	cpu = queue_rig_cpu_ns(&run->rig) - cpu;
	kicks = n->queue[0].kicks + n->queue[1].kicks - kicks;
	r->ns = slices_median(&run->slices) * run->rig.ns_per_tick;
	/* Its share of the time, of a frame's. */
	r->cpu_ns = r->ns * (double)cpu / (double)(bench_now() - begin);
	r->kicks = (double)kicks / (double)frames;
	return queue_rig_reset(&run->rig, &n->function);
}

/* The service has no time meanwhile. */
static int measure_rival(struct run *run, const struct net_case *c,
			 struct net_round *r)
{
	int err;

	if (c->way == NET_LOOP || !run->has_rival[c->packed])
		return 0;
	scale_service_hold(&run->rig.service, true);
	err = net_rival_block(&run->rival[c->packed], c->way, c->size,
			      run->block_ms, &r->rival_ns, &r->rival_cpu_ns);
	scale_service_hold(&run->rig.service, false);
	r->rival_ns *= run->rig.ns_per_tick;
	r->rival_cpu_ns *= run->rig.ns_per_tick;
	return err;
}

static int measure(struct run *run, struct net_series *s)
{
	struct nic *n = nic_of(run, &s->what);
	struct net_round *r = &s->round[s->nr];
	int err = 0;

	r->before = queue_rig_probe(&run->rig);
	if (n && n->there)
		err = measure_ours(run, n, &s->what, r);
	if (!err)
		err = measure_rival(run, &s->what, r);
	r->after = queue_rig_probe(&run->rig);
	s->nr++;
	return err;
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

/* ---- NICs -------------------------------------------------------------- */

static bool wanted(const struct run *run, const struct net_case *c)
{
	return (!run->backend || !strcmp(run->backend, c->backend)) &&
	       (!run->ring ||
		!strcmp(run->ring, c->packed ? "packed" : "split"));
}

/* What a service of another age does not know is left out, and said. */
static void create_nics(struct run *run)
{
	char options[128];

	for (size_t i = 0; i < NR_CASES; i++) {
		const struct net_case *c = &cases[i];
		struct nic *n = &run->nic[run->nr_nics];

		if (!wanted(run, c) || nic_of(run, c))
			continue;
		port_of(c, n->port, sizeof(n->port));
		n->packed = c->packed;
		snprintf(options, sizeof(options), "{\"port\":\"%s\"%s}",
			 n->port, n->packed ? ",\"packed\":true" : "");
		n->created =
			!queue_rig_add(&run->rig, "net", options, &n->function);
		if (!n->created)
			fprintf(stderr, "net: port %s, %s: left out\n", n->port,
				n->packed ? "packed" : "split");
		run->nr_nics++;
	}
}

/* Once, to see if it can be. */
static int try_nic(struct run *run, struct nic *n)
{
	int err = start_nic(run, n);

	if (err == -ENOTSUP) {
		fprintf(stderr, "net: %s rings: not offered, left out\n",
			n->packed ? "packed" : "split");
		return 0;
	}
	if (err)
		return err;
	for (unsigned int q = 0; q < 2; q++)
		n->data[q] =
			queue_rig_take(&run->rig, BUFFERS * ROOM, &n->gpa[q]);
	n->there = true;
	return queue_rig_reset(&run->rig, &n->function);
}

static int start_nics(struct run *run)
{
	const size_t each = 2 * (vring_memory_size() + BUFFERS * ROOM + 8192);
	int err = queue_rig_attach(&run->rig, (run->nr_nics + 1) * each);

	for (unsigned int i = 0; i < run->nr_nics && !err; i++)
		if (run->nic[i].created)
			err = try_nic(run, &run->nic[i]);
	return err;
}

static int start_rivals(struct run *run)
{
	int err = 0;

	for (int packed = 0; packed < 2 && !err; packed++) {
		if (run->ring && strcmp(run->ring, packed ? "packed" : "split"))
			continue;
		err = net_rival_open(&run->rival[packed], run->rig.service.dir,
				     run->rig.cpu, packed);
		run->has_rival[packed] = !err;
		if (err != -ENODEV)
			continue;
		fprintf(stderr, "net: DPDK's vhost or virtio-user is not "
				"there: no rival\n");
		err = 0;
	}
	return err;
}

static void choose(struct run *run)
{
	for (size_t i = 0; i < NR_CASES; i++) {
		const struct nic *n = nic_of(run, &cases[i]);

		if (!wanted(run, &cases[i]))
			continue;
		if ((n && n->there) || (cases[i].way != NET_LOOP &&
					run->has_rival[cases[i].packed]))
			run->series[run->nr_series++].what = cases[i];
	}
}

/* ---- The measurement --------------------------------------------------- */

static int run_all(void *arg)
{
	static const char *const ports[] = { "--",
					     "--vdev=net_ring0",
					     "--vdev=net_ring1",
					     "--vdev=net_ring2",
					     "--vdev=net_ring3",
					     NULL };
	struct run *run = arg;
	int err = queue_rig_open(&run->rig, "net", ports);

	if (!err)
		err = start_rivals(run);
	if (!err) {
		create_nics(run);
		err = start_nics(run);
	}
	if (!err) {
		choose(run);
		err = run->nr_series ? measure_all(run) : -ENODEV;
	}
	for (int packed = 0; packed < 2; packed++)
		net_rival_close(&run->rival[packed]);
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
	static const char *const backends[] = { "null", "net_ring", NULL };
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

			if (*end || !n || n > NET_ROUNDS_MAX ||
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
	net_report_begin(run->options, cpu);
	for (unsigned int i = 0; i < run->nr_series; i++)
		missed += net_report(run->options, &run->series[i], cpu);
	net_report_end(run->options, missed);
	return missed && !run->options->quick;
}

int bench_net(const struct bench_options *o)
{
	struct run *run = calloc(1, sizeof(*run));
	int err = run ? 0 : -ENOMEM;

	if (!err) {
		run->options = o;
		run->rounds = o->quick ? QUICK_ROUNDS : ROUNDS;
		run->block_ms = o->quick ? QUICK_MS : BLOCK_MS;
		if (!parse(run, o->args)) {
			fprintf(stderr,
				"net: has the options --backend null or "
				"net_ring, --ring split or packed, --rounds "
				"1 to %d\n",
				NET_ROUNDS_MAX);
			free(run);
			return 2;
		}
		err = child_guard(run_all, run);
	}
	if (err)
		fprintf(stderr, "net: %s\n", strerror(-err));
	else
		err = tell(run);
	free(run);
	return err < 0 ? 2 : err;
}
