/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: one table, in order of offset, says for each register where it is, how
 * wide, and what reads and writes it; NULL means that it reads 0 or ignores
 * writes.  The per-queue registers go through selected(), which is NULL while
 * queue_select names no queue: then all of them read 0 and drop writes (rule
 * 42), but queue_select itself keeps any value.
 *
 * The queue's vector may be written while the queue is enabled, unlike its
 * other registers: 4.1.5.1.2 wants every event unmappable at any time.
 */
#include "transport/virtio_pci/common.h"

struct reg {
	uint8_t offset;
	uint8_t size;
	uint64_t (*read)(struct virtio_pci *vp);
	/* False: dropped. */
	bool (*write)(struct virtio_pci *vp, uint32_t value);
};

static struct vq *selected(struct virtio_pci *vp)
{
	return virtio_queue(&vp->virtio, vp->s.queue_select);
}

/* A queue whose registers may be written (rule 45). */
static struct vq *selected_writable(struct virtio_pci *vp)
{
	struct vq *vq = selected(vp);

	return vq && !vq->s.enabled ? vq : NULL;
}

/* ---- The whole device ---------------------------------------------------- */

static uint64_t read_device_feature_select(struct virtio_pci *vp)
{
	return vp->s.device_feature_select;
}

static bool write_device_feature_select(struct virtio_pci *vp, uint32_t value)
{
	vp->s.device_feature_select = value;
	return true;
}

static uint64_t read_device_feature(struct virtio_pci *vp)
{
	return virtio_device_features(&vp->virtio, vp->s.device_feature_select);
}

static uint64_t read_driver_feature_select(struct virtio_pci *vp)
{
	return vp->s.driver_feature_select;
}

static bool write_driver_feature_select(struct virtio_pci *vp, uint32_t value)
{
	vp->s.driver_feature_select = value;
	return true;
}

static uint64_t read_driver_feature(struct virtio_pci *vp)
{
	return virtio_driver_features(&vp->virtio, vp->s.driver_feature_select);
}

static bool write_driver_feature(struct virtio_pci *vp, uint32_t value)
{
	virtio_write_features(&vp->virtio, vp->s.driver_feature_select, value);
	return true;
}

/* virtio 1.2, 4.1.5.1.2.1: a vector that is not there reads back NO_VECTOR. */
static uint16_t valid_vector(const struct virtio_pci *vp, uint32_t value)
{
	return value < vp->func.msix.nr ? (uint16_t)value : MSIX_NO_VECTOR;
}

static uint64_t read_config_vector(struct virtio_pci *vp)
{
	return vp->s.config_vector;
}

static bool write_config_vector(struct virtio_pci *vp, uint32_t value)
{
	vp->s.config_vector = valid_vector(vp, value);
	return true;
}

static uint64_t read_num_queues(struct virtio_pci *vp)
{
	return vp->virtio.nr_queues;
}

static uint64_t read_status(struct virtio_pci *vp)
{
	return virtio_status(&vp->virtio);
}

static bool write_status(struct virtio_pci *vp, uint32_t value)
{
	virtio_write_status(&vp->virtio, (uint8_t)value);
	return true;
}

static uint64_t read_generation(struct virtio_pci *vp)
{
	return virtio_generation(&vp->virtio);
}

/* ---- The selected queue -------------------------------------------------- */

static uint64_t read_queue_select(struct virtio_pci *vp)
{
	return vp->s.queue_select;
}

static bool write_queue_select(struct virtio_pci *vp, uint32_t value)
{
	vp->s.queue_select = (uint16_t)value;
	return true;
}

static uint64_t read_queue_size(struct virtio_pci *vp)
{
	const struct vq *vq = selected(vp);

	return vq ? vq->s.size : 0;
}

static bool write_queue_size(struct virtio_pci *vp, uint32_t value)
{
	struct vq *vq = selected_writable(vp);

	if (!vq)
		return false;
	vq_set_size(vq, (uint16_t)value);
	return vq->s.size == (uint16_t)value;
}

static uint64_t read_queue_vector(struct virtio_pci *vp)
{
	return selected(vp) ? vp->queue_vector[vp->s.queue_select] : 0;
}

static bool write_queue_vector(struct virtio_pci *vp, uint32_t value)
{
	if (!selected(vp))
		return false;
	vp->queue_vector[vp->s.queue_select] = valid_vector(vp, value);
	return true;
}

static uint64_t read_queue_enable(struct virtio_pci *vp)
{
	const struct vq *vq = selected(vp);

	return vq ? vq->s.enabled : 0;
}

static bool write_queue_enable(struct virtio_pci *vp, uint32_t value)
{
	if (value != 1 || !selected_writable(vp))
		return false;
	virtio_queue_enable(&vp->virtio, vp->s.queue_select);
	return true;
}

static uint64_t read_queue_notify_off(struct virtio_pci *vp)
{
	return selected(vp) ? vp->s.queue_select : 0;
}

static uint64_t read_notif_config_data(struct virtio_pci *vp)
{
	if (!selected(vp) ||
	    !virtio_has(&vp->virtio.s.driver, VIRTIO_F_NOTIF_CONFIG_DATA))
		return 0;
	return virtio_notif_data(&vp->virtio, vp->s.queue_select);
}

/* It never takes so long that a driver could see the 1. */
static uint64_t read_queue_reset(struct virtio_pci *vp)
{
	(void)vp;
	return 0;
}

static bool write_queue_reset(struct virtio_pci *vp, uint32_t value)
{
	if (value != 1 || !selected(vp))
		return false;
	virtio_queue_reset(&vp->virtio, vp->s.queue_select);
	return true;
}

static void set_half(uint64_t *address, bool high, uint32_t value)
{
	store_le((uint8_t *)address + (high ? 4 : 0), 4, value);
}

static uint32_t half(uint64_t address, bool high)
{
	return (uint32_t)(high ? address >> 32 : address);
}

/* The six halves of three addresses, each a register of its own. */
#define QUEUE_ADDRESS(field, name, high)                                       \
	static uint64_t read_##name(struct virtio_pci *vp)                     \
	{                                                                      \
		const struct vq *vq = selected(vp);                            \
                                                                               \
		return vq ? half(vq->s.field, high) : 0;                       \
	}                                                                      \
                                                                               \
	static bool write_##name(struct virtio_pci *vp, uint32_t value)        \
	{                                                                      \
		struct vq *vq = selected_writable(vp);                         \
                                                                               \
		if (!vq)                                                       \
			return false;                                          \
		set_half(&vq->s.field, high, value);                           \
		return true;                                                   \
	}

QUEUE_ADDRESS(desc, desc_low, false)
QUEUE_ADDRESS(desc, desc_high, true)
QUEUE_ADDRESS(driver, driver_low, false)
QUEUE_ADDRESS(driver, driver_high, true)
QUEUE_ADDRESS(device, device_low, false)
QUEUE_ADDRESS(device, device_high, true)

/* ---- The table ----------------------------------------------------------- */

#define RW(off, width, name)                                                   \
	{                                                                      \
		.offset = (off), .size = (width), .read = read_##name,         \
		.write = write_##name                                          \
	}
#define RO(off, width, name)                                                   \
	{                                                                      \
		.offset = (off), .size = (width), .read = read_##name          \
	}
#define ZERO(off, width)                                                       \
	{                                                                      \
		.offset = (off), .size = (width)                               \
	}

static const struct reg regs[] = {
	RW(0, 4, device_feature_select),
	RO(4, 4, device_feature),
	RW(8, 4, driver_feature_select),
	RW(12, 4, driver_feature),
	RW(16, 2, config_vector),
	RO(18, 2, num_queues),
	RW(20, 1, status),
	RO(21, 1, generation),
	RW(22, 2, queue_select),
	RW(24, 2, queue_size),
	RW(26, 2, queue_vector),
	RW(28, 2, queue_enable),
	RO(30, 2, queue_notify_off),
	RW(32, 4, desc_low),
	RW(36, 4, desc_high),
	RW(40, 4, driver_low),
	RW(44, 4, driver_high),
	RW(48, 4, device_low),
	RW(52, 4, device_high),
	RO(56, 2, notif_config_data),
	RW(58, 2, queue_reset),
	ZERO(60, 2), /* admin_queue_index: not offered */
	ZERO(62, 2), /* admin_queue_num */
};

/* The first 8-byte register; they are 8-aligned and end with the table's. */
#define ADDRESSES     32
#define ADDRESSES_END 56

static const struct reg *reg_at(uint32_t off)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(regs); i++)
		if (regs[i].offset == off)
			return &regs[i];
	return NULL;
}

static uint64_t common_read(void *ctx, uint64_t offset, unsigned int size)
{
	struct virtio_pci *vp = ctx;
	const struct reg *r;
	uint64_t value = 0;
	uint64_t part;
	unsigned int i;

	vp->stats.common++;
	for (i = 0; i < ARRAY_SIZE(regs); i++) {
		r = &regs[i];
		if (!r->read || r->offset + r->size <= offset ||
		    r->offset >= offset + size)
			continue;
		part = r->read(vp);
		if (r->offset >= offset)
			value |= part << (8 * (r->offset - offset));
		else
			value |= part >> (8 * (offset - r->offset));
	}
	return value & all_ones(size);
}

static bool write_reg(struct virtio_pci *vp, uint32_t off, unsigned int size,
		      uint64_t value)
{
	const struct reg *r = reg_at(off);

	if (!r || !r->write || size < r->size)
		return false;
	return r->write(vp, (uint32_t)(value & all_ones(r->size)));
}

static void common_write(void *ctx, uint64_t offset, unsigned int size,
			 uint64_t value)
{
	struct virtio_pci *vp = ctx;
	uint32_t off = (uint32_t)offset;
	bool done;

	vp->stats.common++;
	done = write_reg(vp, off, size, value);
	if (size == 8 && !(off % 8) && off >= ADDRESSES && off < ADDRESSES_END)
		done &= write_reg(vp, off + 4, 4, value >> 32);
	if (!done)
		vp->virtio.stats.bad_writes++;
}

const struct bus_ops virtio_pci_common_ops = {
	.read = common_read,
	.write = common_write,
};
