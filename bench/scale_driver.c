/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a chain's descriptors are written once; offering it again takes its
 * index only.  The register that is read is the address of queue 0's
 * descriptors: another one in each function, so an answer from the wrong one is
 * found out.
 */
#include "bench/scale_ring.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#define SPIN_NS	   1000000
#define SPIN_SHARE 2000 /* when the service may need our CPU */
#define QUEUE_DESC 32
#define DESC_NEXT  1
#define DESC_WRITE 2
#define NO_NOTIFY  1

void scale_fail(struct scale_vm *vm, int err, const char *why)
{
	if (vm->err)
		return;
	vm->err = err;
	snprintf(vm->why, sizeof(vm->why), "%s", why);
}

void scale_relax(const struct scale_vm *vm)
{
	if (vm->yield)
		sched_yield();
	else
		_mm_pause();
}

/* ---- Requests ---------------------------------------------------------- */

void scale_write_chains(struct scale_vm *vm, struct scale_ring *r,
			uint32_t type)
{
	const unsigned int step = vm->blk ? 3 : 1;
	const uint16_t dir = type == BLK_OUT ? 0 : DESC_WRITE;

	for (unsigned int c = 0; c < SCALE_DEPTH; c++) {
		struct desc *d = &r->desc[c * step];

		r->head[c] = (struct blk_head){ .type = type };
		if (vm->blk) {
			const uint16_t at = (uint16_t)(c * step);

			*d++ = (struct desc){ scale_gpa(vm, &r->head[c]),
					      sizeof(r->head[c]), DESC_NEXT,
					      (uint16_t)(at + 1) };
			d[1] = (struct desc){ scale_gpa(vm, &r->status[c]), 1,
					      DESC_WRITE, 0 };
			*d = (struct desc){ scale_gpa(vm, r->data[c]), SECTOR,
					    (uint16_t)(dir | DESC_NEXT),
					    (uint16_t)(at + 2) };
		} else {
			*d = (struct desc){ scale_gpa(vm, r->data[c]), 16,
					    DESC_WRITE, 0 };
		}
	}
}

void scale_kick(struct scale_vm *vm, unsigned int lane,
		const struct scale_function *f)
{
	struct pciring_access a = { .space = PCIRING_SPACE_MMIO,
				    .address = f->doorbell,
				    .size = 2,
				    .write = 1 };
	int err = -EPERM;

	if (vm->err)
		return;
	if (f->postable)
		err = pciring_post(vm->link, lane, &a);
	if (!err) {
		vm->posted++;
		return;
	}
	if (err == -EPERM || err == -EAGAIN)
		err = pciring_access(vm->link, lane, &a);
	vm->waited++;
	if (err)
		scale_fail(vm, err, "a kick failed");
}

unsigned int scale_submit(struct scale_vm *vm, unsigned int lane,
			  struct scale_function *f, unsigned int depth)
{
	const unsigned int step = vm->blk ? 3 : 1;
	struct scale_ring *r = f->ring;
	unsigned int n = 0;

	for (unsigned int c = 0; c < depth; c++) {
		if (f->busy & 1u << c)
			continue;
		f->busy |= (uint8_t)(1u << c);
		r->status[c] = 0xff;
		if (r->head[c].type == BLK_IN)
			memset(r->data[c], 0xff, sizeof(uint64_t));
		r->avail.ring[f->avail++ % ENTRIES] = (uint16_t)(c * step);
		n++;
	}
	if (!n)
		return 0;
	vm->submitted += n;
	atomic_store_explicit(&r->avail.idx, f->avail, memory_order_release);
	/* virtio 1.2, 2.7.13: what the device says of notifications is read
	 * after it can see the new index. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!(atomic_load_explicit(&r->used.flags, memory_order_relaxed) &
	      NO_NOTIFY))
		scale_kick(vm, lane, f);
	return n;
}

static void check(struct scale_vm *vm, const struct scale_function *f,
		  unsigned int c, uint32_t len)
{
	const struct scale_ring *r = f->ring;
	const bool in = r->head[c].type == BLK_IN;
	uint64_t first;

	if (!vm->blk) {
		if (len < 1 || len > 16)
			scale_fail(vm, -EBADMSG, "a device gave no bytes");
		return;
	}
	memcpy(&first, r->data[c], sizeof(first));
	if (r->status[c] || len != (in ? SECTOR + 1 : 1))
		scale_fail(vm, -EBADMSG, "a disk failed");
	else if (in && first != (vm->verify ? scale_pattern(f) : 0))
		scale_fail(vm, -EBADMSG, "a disk gave other bytes");
}

unsigned int scale_reap(struct scale_vm *vm, struct scale_function *f)
{
	const unsigned int step = vm->blk ? 3 : 1;
	struct scale_ring *r = f->ring;
	uint16_t idx = atomic_load_explicit(&r->used.idx, memory_order_acquire);
	unsigned int n = 0;

	for (; f->used != idx && !vm->err; n++) {
		const uint32_t id = r->used.ring[f->used % ENTRIES].id;
		const unsigned int c = id / step;

		if (id % step || c >= SCALE_DEPTH || !(f->busy & 1u << c)) {
			scale_fail(vm, -EBADMSG,
				   "a device used what is not "
				   "offered");
			break;
		}
		check(vm, f, c, r->used.ring[f->used % ENTRIES].len);
		f->busy &= (uint8_t) ~(1u << c);
		f->used++;
	}
	vm->completed += n;
	return n;
}

void scale_want_interrupt(struct scale_function *f, bool on)
{
	f->ring->avail.flags = on ? 0 : NO_INTERRUPT;
}

void scale_want_interrupts(struct scale_vm *vm, bool on)
{
	for (unsigned int i = 0; i < vm->nr; i++)
		scale_want_interrupt(&vm->function[i], on);
}

struct scale_function *scale_interrupt(struct scale_vm *vm)
{
	struct scale_function *f;
	struct pciring_irq irq;

	if (vm->err || pciring_irq_poll(vm->link, &irq, 1) < 1)
		return NULL;
	f = &vm->function[vm->index[irq.requester_id]];
	if (irq.type == PCIRING_IRQ_TYPE_MSI && irq.address == MSI &&
	    irq.data == irq.requester_id && f->bdf == irq.data)
		return f;
	scale_fail(vm, -EBADMSG, "an interrupt is nobody's");
	return NULL;
}

/* ---- Registers --------------------------------------------------------- */

static struct pciring_access read_of(const struct scale_function *f)
{
	return (struct pciring_access){ .space = PCIRING_SPACE_MMIO,
					.address = f->common + QUEUE_DESC,
					.size = 4 };
}

void scale_begin_read(struct scale_vm *vm, unsigned int lane,
		      const struct scale_function *f)
{
	const struct pciring_access a = read_of(f);
	int err = vm->err ? 0 : pciring_access_begin(vm->link, lane, &a);

	if (err)
		scale_fail(vm, err, "an access failed");
}

void scale_end_read(struct scale_vm *vm, unsigned int lane,
		    const struct scale_function *f)
{
	struct pciring_access a = read_of(f);
	int err = -EINTR;

	while (err == -EINTR && !vm->err)
		err = pciring_access_collect(vm->link, lane, &a);
	if (err)
		scale_fail(vm, err, "an access failed");
	else if (a.value != f->expect)
		scale_fail(vm, -EBADMSG, "a register has another's value");
}

void scale_read(struct scale_vm *vm, unsigned int lane,
		const struct scale_function *f)
{
	scale_begin_read(vm, lane, f);
	scale_end_read(vm, lane, f);
}

/* ---- Opening ----------------------------------------------------------- */

static int lend_memory(struct scale_vm *vm)
{
	const uint32_t both = PCIRING_DMA_READ | PCIRING_DMA_WRITE;

	vm->size = (vm->nr * sizeof(struct scale_ring) + 4095) & ~4095ul;
	vm->fd = memfd_create("pciring-bench", MFD_CLOEXEC);
	if (vm->fd < 0 || ftruncate(vm->fd, (off_t)vm->size))
		return -errno;
	vm->memory = mmap(NULL, vm->size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, vm->fd, 0);
	if (vm->memory == MAP_FAILED) {
		vm->memory = NULL;
		return -errno;
	}
	return pciring_dma_map(vm->link, RAM_GPA, vm->size, vm->fd, 0, both);
}

int scale_vm_open(struct scale_vm *vm, struct scale_service *s,
		  const struct scale_size *z, unsigned int m,
		  unsigned int lanes)
{
	char path[128], name[16];
	const struct pciring_options opt = {
		.size = sizeof(opt),
		.machine = name,
		.name = "pciring-bench",
		.lanes = (uint16_t)lanes,
		.spin_ns = s->shared ? SPIN_SHARE : SPIN_NS,
	};
	int err;

	snprintf(path, sizeof(path), "%s/attach.sock", s->dir);
	snprintf(name, sizeof(name), "m%u", m);
	*vm = (struct scale_vm){ .fd = -1,
				 .lanes = lanes,
				 .nr = scale_share(z, m),
				 .yield = s->shared,
				 .blk = !strcmp(z->device, "blk"),
				 .verify = strstr(z->options, "\"ram\"") };
	vm->function = calloc(vm->nr, sizeof(*vm->function));
	vm->index = calloc(UINT16_MAX + 1, sizeof(*vm->index));
	if (!vm->function || !vm->index)
		return -ENOMEM;
	err = pciring_attach(path, &opt, &vm->link);
	return err ? err : lend_memory(vm);
}

void scale_vm_close(struct scale_vm *vm)
{
	pciring_detach(vm->link);
	if (vm->memory)
		munmap(vm->memory, vm->size);
	if (vm->size)
		close(vm->fd);
	free(vm->function);
	free(vm->index);
	*vm = (struct scale_vm){ .fd = -1 };
}
