/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: an access that fails reads all-ones, as on the bus, and is remembered.
 */
#include "tests/flow/vfio_guest.h"

#include <sys/mman.h>
#include <unistd.h>

static uint64_t read_region(struct vfio_guest *t, uint32_t region, uint64_t off,
			    unsigned int size)
{
	uint64_t value = 0;
	int err = vfio_raw_read(&t->v, region, off, size, &value);

	if (!err)
		return value;
	if (!t->failed)
		t->failed = err;
	return all_ones(size);
}

static uint32_t config_read(void *ctx, uint32_t off, unsigned int size)
{
	return (uint32_t)read_region(ctx, VU_REGION_CONFIG, off, size);
}

static void config_write(void *ctx, uint32_t off, unsigned int size,
			 uint32_t value)
{
	struct vfio_guest *t = ctx;
	int err = vfio_raw_write(&t->v, VU_REGION_CONFIG, off, size, value);

	if (err && !t->failed)
		t->failed = err;
}

static uint64_t bar_read(void *ctx, unsigned int bar, uint64_t off,
			 unsigned int size)
{
	return read_region(ctx, bar, off, size);
}

static void bar_write(void *ctx, unsigned int bar, uint64_t off,
		      unsigned int size, uint64_t value)
{
	struct vfio_guest *t = ctx;
	struct {
		struct vu_region_access ra;
		uint64_t value;
	} w = { { off, bar, size }, value };
	int err = vfio_raw_command(&t->v, VU_REGION_WRITE, VU_NO_REPLY, &w,
				   sizeof(w.ra) + size, NULL, 0);

	if (err && !t->failed)
		t->failed = err;
}

static const struct guest_ops ops = {
	.config_read = config_read,
	.config_write = config_write,
	.bar_read = bar_read,
	.bar_write = bar_write,
};

int vfio_guest_init(struct vfio_guest *t, uint64_t gpa, uint64_t size)
{
	struct guest_memory mem = { .gpa = gpa, .size = size };
	int err;

	t->failed = 0;
	t->in_flight = 0;
	t->v.sock = -1;
	t->ram = memfd_create(VFIO_GUEST_RAM, MFD_CLOEXEC);
	if (t->ram < 0)
		return -errno;
	if (ftruncate(t->ram, VFIO_GUEST_SIZE)) {
		err = -errno;
		goto close_ram;
	}
	t->at = mmap(NULL, VFIO_GUEST_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		     t->ram, 0);
	if (t->at == MAP_FAILED) {
		err = -errno;
		goto close_ram;
	}
	mem.host = t->at + gpa;
	guest_init(&t->g, &ops, t, &mem);
	return 0;
close_ram:
	close(t->ram);
	return err;
}

void vfio_guest_fini(struct vfio_guest *t)
{
	if (t->v.sock >= 0)
		vfio_raw_close(&t->v);
	munmap(t->at, VFIO_GUEST_SIZE);
	close(t->ram);
}
