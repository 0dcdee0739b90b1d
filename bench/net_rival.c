/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: each process is a fork of the measurement that starts an EAL of its own,
 * with ordinary pages, as our service and its guest have them.  A block is a
 * command in shared memory; the driver's process ends it and says what came
 * out.
 */
#include "bench/net_rival.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>

#define MBUFS	    4096
#define MEMORY_MB   "64"
#define QUEUE	    256
#define READY_MS    20000
#define PATIENCE_NS 5000000000ull
#define PATIENCE    (6 * 1000)
#define WARM_UP_NS  1000000u
#define ARGS	    16

struct net_rival_shared {
	/* The command; the caller writes. */
	enum net_way way;
	unsigned int size;
	uint64_t ns;
	/* The driver's process writes. */
	_Alignas(64) _Atomic uint32_t stop;
	double took; /* ns a frame */
	struct slices slices;
};

struct process {
	struct net_rival *rival;
	const char *name, *vdev;
	int wake;
	int cpu;
	struct rte_mempool *pool;
};

static int start_eal(const struct process *p)
{
	char lcores[24], vdev[160], prefix[48];
	char *argv[ARGS] = {
		(char *)p->name,
		"--no-huge",
		"-m",
		MEMORY_MB,
		"--no-pci",
		"--no-shconf",
		"--lcores",
		lcores,
		"--no-telemetry",
		"--log-level=3",
		"--file-prefix",
		prefix,
		"--vdev",
		vdev,
		NULL,
	};

	snprintf(lcores, sizeof(lcores), "0@%d", p->cpu);
	snprintf(vdev, sizeof(vdev), "%s", p->vdev);
	snprintf(prefix, sizeof(prefix), "pciring-bench-%d", (int)getpid());
	if (rte_eal_init(14, argv) < 0)
		return -rte_errno;
	/* With --no-shconf nothing is kept there, and a process that is ended
	 * by a signal does not tidy up. */
	(void)rmdir(rte_eal_get_runtime_dir());
	return 0;
}

static int start_port(struct process *p)
{
	const struct rte_eth_conf conf = { .rxmode = { .mtu = 1500 } };
	int err;

	p->pool = rte_pktmbuf_pool_create("frames", MBUFS, 256, 0,
					  RTE_MBUF_DEFAULT_BUF_SIZE,
					  SOCKET_ID_ANY);
	if (!p->pool)
		return -ENOMEM;
	if (!rte_eth_dev_is_valid_port(0))
		return -ENODEV;
	err = rte_eth_dev_configure(0, 1, 1, &conf);
	if (!err)
		err = rte_eth_rx_queue_setup(0, 0, QUEUE, SOCKET_ID_ANY, NULL,
					     p->pool);
	if (!err)
		err = rte_eth_tx_queue_setup(0, 0, QUEUE, SOCKET_ID_ANY, NULL);
	return err ? err : rte_eth_dev_start(0);
}

/* ---- Frames ------------------------------------------------------------ */

static unsigned int drop(void)
{
	struct rte_mbuf *m[NET_BURST];
	const unsigned int n = rte_eth_rx_burst(0, 0, m, NET_BURST);

	if (n)
		rte_pktmbuf_free_bulk(m, n);
	return n;
}

static unsigned int make(const struct process *p, unsigned int size)
{
	struct rte_mbuf *m[NET_BURST];
	unsigned int n;

	if (rte_pktmbuf_alloc_bulk(p->pool, m, NET_BURST))
		return 0;
	for (unsigned int i = 0; i < NET_BURST; i++)
		m[i]->pkt_len = m[i]->data_len = (uint16_t)size;
	n = rte_eth_tx_burst(0, 0, m, NET_BURST);
	if (n < NET_BURST)
		rte_pktmbuf_free_bulk(m + n, NET_BURST - n);
	return n;
}

static bool stopped(struct net_rival_shared *s)
{
	return atomic_load_explicit(&s->stop, memory_order_acquire);
}

static void drive(const struct process *p)
{
	struct net_rival_shared *s = p->rival->shared;
	const unsigned int size = s->size;
	const bool tx = s->way == NET_TX;
	uint64_t end = bench_now() + WARM_UP_NS;

	while (bench_now() < end)
		(void)(tx ? make(p, size) : drop());
	slices_begin(&s->slices, NET_SLICE);
	end = bench_now() + s->ns;
	for (unsigned int k = 1;
	     k % 256 || bench_now() < end ||
	     (s->slices.nr < NET_LEAST && bench_now() < end + PATIENCE_NS);
	     k++)
		slices_add(&s->slices, tx ? make(p, size) : drop());
	s->took = slices_median(&s->slices);
	atomic_store_explicit(&s->stop, 1, memory_order_release);
}

static void serve(const struct process *p)
{
	struct net_rival_shared *s = p->rival->shared;
	const unsigned int size = s->size;

	if (s->way == NET_TX)
		while (!stopped(s))
			drop();
	else
		while (!stopped(s))
			make(p, size);
}

static void say(const struct process *p, uint64_t what)
{
	if (write(p->rival->done, &what, sizeof(what)) != sizeof(what))
		_exit(1);
}

static void run(struct process *p, void (*block)(const struct process *p))
{
	uint64_t n;
	int err = start_eal(p);

	if (!err)
		err = start_port(p);
	/* 1: it is ready; more: it is not. */
	say(p, err ? 1u + (uint64_t)-err : 1);
	while (!err && read(p->wake, &n, sizeof(n)) == sizeof(n)) {
		block(p);
		say(p, 1);
	}
}

static void run_device(void *arg)
{
	run(arg, serve);
}

static void run_driver(void *arg)
{
	run(arg, drive);
}

/* ---- The caller -------------------------------------------------------- */

/* Until @n processes have said something. */
static int hear(struct net_rival *r, unsigned int n, int ms)
{
	struct pollfd p = { .fd = r->done, .events = POLLIN };
	uint64_t got, sum = 0;

	while (sum < n) {
		if (poll(&p, 1, ms) <= 0)
			return child_signal ? -EINTR : -ETIMEDOUT;
		if (read(r->done, &got, sizeof(got)) != sizeof(got))
			return -EIO;
		sum += got;
	}
	return sum == n ? 0 : -ENODEV;
}

static int start(struct net_rival *r, struct process *p, void (*fn)(void *arg),
		 pid_t *pid)
{
	*pid = child_fork(fn, p, p->cpu);
	return *pid < 0 ? (int)*pid : hear(r, 1, READY_MS);
}

int net_rival_open(struct net_rival *r, const char *dir, const int cpu[2],
		   bool packed)
{
	char device[128], driver[160];
	struct process p = { .rival = r };
	int err;

	*r = (struct net_rival){ .wake_device = eventfd(0, EFD_CLOEXEC),
				 .wake_driver = eventfd(0, EFD_CLOEXEC),
				 .done = eventfd(0, EFD_CLOEXEC) };
	r->shared = mmap(NULL, sizeof(*r->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->shared == MAP_FAILED || r->wake_device < 0 ||
	    r->wake_driver < 0 || r->done < 0) {
		r->shared = r->shared == MAP_FAILED ? NULL : r->shared;
		return -ENOMEM;
	}
	snprintf(device, sizeof(device), "net_vhost0,iface=%s/vhost%d", dir,
		 packed);
	snprintf(driver, sizeof(driver),
		 "net_virtio_user0,path=%s/vhost%d,queue_size=%d,packed_vq=%d",
		 dir, packed, QUEUE, packed);
	p.name = "vhost";
	p.vdev = device;
	p.wake = r->wake_device;
	p.cpu = cpu[1];
	err = start(r, &p, run_device, &r->device);
	p.name = "virtio-user";
	p.vdev = driver;
	p.wake = r->wake_driver;
	p.cpu = cpu[0];
	return err ? err : start(r, &p, run_driver, &r->driver);
}

void net_rival_close(struct net_rival *r)
{
	if (!r->shared)
		return;
	if (r->driver > 0)
		child_stop(r->driver);
	if (r->device > 0)
		child_stop(r->device);
	close(r->wake_device);
	close(r->wake_driver);
	close(r->done);
	munmap(r->shared, sizeof(*r->shared));
	*r = (struct net_rival){ .done = -1 };
}

static uint64_t cpu_time(pid_t pid)
{
	struct timespec t = { 0, 0 };
	clockid_t clock;

	if (!clock_getcpuclockid(pid, &clock))
		clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int net_rival_block(struct net_rival *r, enum net_way way, unsigned int size,
		    unsigned int ms, double *ns, double *cpu_ns)
{
	struct net_rival_shared *s = r->shared;
	const uint64_t one = 1, begin = bench_now();
	const uint64_t cpu = cpu_time(r->device);
	int err;

	s->way = way;
	s->size = size;
	s->ns = ms * 1000000ull;
	atomic_store_explicit(&s->stop, 0, memory_order_release);
	if (write(r->wake_device, &one, sizeof(one)) != sizeof(one) ||
	    write(r->wake_driver, &one, sizeof(one)) != sizeof(one))
		return -EIO;
	err = hear(r, 2, PATIENCE);
	if (err)
		return err;
	*ns = s->took;
	*cpu_ns = s->took * (double)(cpu_time(r->device) - cpu) /
		  (double)(bench_now() - begin);
	return *ns > 0 ? 0 : -ENODATA;
}
