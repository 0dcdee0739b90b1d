/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/queue_rig.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

#define SPIN_NS 1000000

static int complain(const struct queue_rig *r, int err, const char *what)
{
	if (err && !child_signal)
		fprintf(stderr, "%s: %s: %s\n", r->name, what, strerror(-err));
	return child_signal ? -EINTR : err;
}

int queue_rig_open(struct queue_rig *r, const char *name,
		   const char *const *args)
{
	const struct scale_size one = { .machines = 1 };
	struct scale_cpus cpus;
	int err;

	*r = (struct queue_rig){
		.name = name,
		.service.rpc = -1,
		.probe.wake = -1,
		.fd = -1,
		.next = { PCI_LOW_BARS, PCI_HIGH_BARS },
		.ns_per_tick = bench_ns_per_tick(),
	};
	scale_cpus_find(&cpus);
	if (cpus.nr < 2)
		return complain(r, -ENODEV, "needs two CPUs");
	r->cpu[0] = cpus.cpu[0];
	r->cpu[1] = cpus.cpu[1];
	err = probe_open(&r->probe, cpus.cpu[1]);
	if (!err)
		err = scale_service_start_with(&r->service, &cpus, 1, args);
	if (!err)
		err = child_pin(cpus.cpu[0]);
	if (!err)
		err = -clock_getcpuclockid(r->service.pid, &r->clock);
	if (!err)
		err = scale_create_machines(&r->service, &one);
	return complain(r, err, "starting");
}

void queue_rig_close(struct queue_rig *r)
{
	pciring_detach(r->link);
	scale_service_stop(&r->service);
	probe_close(&r->probe);
	if (r->memory)
		munmap(r->memory, r->size);
	if (r->fd >= 0)
		close(r->fd);
	*r = (struct queue_rig){ .service.rpc = -1, .fd = -1 };
}

int queue_rig_add(struct queue_rig *r, const char *device, const char *options,
		  struct queue_function *f)
{
	char call[320];
	int n;

	assert(r->functions < QUEUE_RIG_FUNCTIONS);
	*f = (struct queue_function){
		.bdf = scale_address(QUEUE_RIG_FUNCTIONS, r->functions),
	};
	n = snprintf(call, sizeof(call),
		     "\"function.create\",\"params\":{\"machine\":\"m0\","
		     "\"address\":\"00:%02x.%u\",\"device\":\"%s\","
		     "\"options\":%s}",
		     f->bdf >> 3, f->bdf & 7u, device, options);
	assert(n > 0 && (size_t)n < sizeof(call));
	r->functions++;
	return scale_service_call(&r->service, call);
}

/* ---- Memory ------------------------------------------------------------ */

int queue_rig_attach(struct queue_rig *r, size_t size)
{
	const struct pciring_options opt = {
		.size = sizeof(opt),
		.machine = "m0",
		.name = "pciring-bench",
		.lanes = 1,
		.spin_ns = SPIN_NS,
	};
	char path[128];
	int err;

	r->size = (size + 4095) & ~4095ul;
	r->fd = memfd_create("pciring-bench", MFD_CLOEXEC);
	if (r->fd < 0 || ftruncate(r->fd, (off_t)r->size))
		return complain(r, -errno, "memory");
	r->memory = mmap(NULL, r->size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, r->fd, 0);
	if (r->memory == MAP_FAILED) {
		r->memory = NULL;
		return complain(r, -ENOMEM, "memory");
	}
	snprintf(path, sizeof(path), "%s/attach.sock", r->service.dir);
	err = pciring_attach(path, &opt, &r->link);
	if (!err)
		err = pciring_dma_map(r->link, QUEUE_RIG_GPA, r->size, r->fd, 0,
				      PCIRING_DMA_READ | PCIRING_DMA_WRITE);
	return complain(r, err, "attaching");
}

void *queue_rig_take(struct queue_rig *r, size_t size, uint64_t *gpa)
{
	const size_t align = size >= 4096 ? 4096 : 64;
	const size_t at = (r->taken + align - 1) & ~(align - 1);

	assert(at + size <= r->size);
	r->taken = at + size;
	*gpa = QUEUE_RIG_GPA + at;
	return r->memory + at;
}

/* ---- Functions --------------------------------------------------------- */

static void start_queue(struct queue_rig *r, struct pci_driver *d,
			const struct queue_function *f, struct vring *v)
{
	struct pci_queue q = { .size = 0 };

	v->link = r->link;
	if (!v->memory)
		v->memory = queue_rig_take(r, vring_memory_size(), &v->gpa);
	vring_init(v);
	vring_place(v, &q);
	pci_start_queue(d, f->common, f->notify, &f->layout, &q);
	v->doorbell = q.doorbell;
}

static void place(struct queue_rig *r, struct pci_driver *d,
		  struct queue_function *f)
{
	uint64_t bar[6] = { 0 };

	pci_find_layout(d, &f->layout, f->bdf);
	if (d->err)
		return;
	pci_place_bars(d, &f->layout, f->bdf, r->next, bar);
	f->common = bar[f->layout.common_bar] + f->layout.common;
	f->notify = bar[f->layout.notify_bar] + f->layout.notify;
}

int queue_rig_reset(struct queue_rig *r, const struct queue_function *f)
{
	struct pci_driver d = { .link = r->link };

	pci_set(&d, f->common + PCI_COMMON_STATUS, 1, 0);
	while (!d.err && pci_get(&d, f->common + PCI_COMMON_STATUS, 1))
		;
	return complain(r, d.err, d.why);
}

int queue_rig_start(struct queue_rig *r, struct queue_function *f,
		    uint64_t features, struct vring *queue, unsigned int n)
{
	struct pciring_access kick = { .size = 2, .write = 1 };
	struct pci_driver d = { .link = r->link };

	if (!f->common)
		place(r, &d, f);
	pci_begin_virtio(&d, f->common, features | VRING_F_VERSION);
	for (unsigned int i = 0; i < n && !d.err; i++)
		start_queue(r, &d, f, &queue[i]);
	pci_driver_ok(&d, f->common);
	if (d.err == -ENOTSUP)
		return d.err;
	if (d.err)
		return complain(r, d.err, d.why);
	for (unsigned int i = 0; i < n; i++) {
		kick.address = queue[i].doorbell;
		queue[i].postable = pciring_may_post(r->link, &kick);
	}
	return 0;
}

/* ---- Beside the requests ----------------------------------------------- */

double queue_rig_probe(struct queue_rig *r)
{
	uint64_t ticks;

	scale_service_hold(&r->service, true);
	/* It has stopped when this returns. */
	waitpid(r->service.pid, NULL, WUNTRACED);
	ticks = probe_ticks(&r->probe);
	scale_service_hold(&r->service, false);
	return (double)ticks * r->ns_per_tick;
}

uint64_t queue_rig_cpu_ns(const struct queue_rig *r)
{
	struct timespec t = { 0, 0 };

	clock_gettime(r->clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
