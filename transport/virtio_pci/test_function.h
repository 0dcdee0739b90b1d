/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_function.h - for unit tests: a virtio-pci function around a test device
 *
 * Not plugged anywhere; accesses go straight in.  Messages are recorded, and
 * what the line of its own tells.
 */
#ifndef TRANSPORT_VIRTIO_PCI_TEST_FUNCTION_H
#define TRANSPORT_VIRTIO_PCI_TEST_FUNCTION_H

#include "irq/sink.h"
#include "transport/virtio/test_device.h"
#include "transport/virtio/test_rig.h"
#include "transport/virtio_pci/virtio_pci.h"

/* Offsets in the common configuration; virtio 1.2, 4.1.4.3. */
enum {
	DEVICE_FEATURE_SELECT = 0,
	DEVICE_FEATURE = 4,
	DRIVER_FEATURE_SELECT = 8,
	DRIVER_FEATURE = 12,
	CONFIG_VECTOR = 16,
	NUM_QUEUES = 18,
	STATUS = 20,
	GENERATION = 21,
	QUEUE_SELECT = 22,
	QUEUE_SIZE = 24,
	QUEUE_VECTOR = 26,
	QUEUE_ENABLE = 28,
	QUEUE_NOTIFY_OFF = 30,
	QUEUE_DESC = 32,
	QUEUE_DRIVER = 40,
	QUEUE_DEVICE = 48,
	QUEUE_NOTIF_CONFIG_DATA = 56,
	QUEUE_RESET = 58,
	ADMIN_QUEUE_INDEX = 60,
	ADMIN_QUEUE_NUM = 62,
};

#define FUNCTION_RING_SIZE 8
#define FUNCTION_UP	   0x0f
#define NO_VECTOR	   0xffff

struct function {
	struct rig rig;
	struct rig_ring ring[TEST_QUEUES];
	struct test_device dev;
	struct virtio_pci vp;
	struct sink_record sink;
	struct irq_line line; /* the function's pin, leading to the sink */
	unsigned int works;
};

static inline void function_work(struct virtio_pci *vp)
{
	container_of(vp, struct function, vp)->works++;
}

static inline uint32_t cfg(struct function *f, uint32_t off, unsigned int size)
{
	return pci_func_config_read(&f->vp.func, off, size);
}

static inline void set_cfg(struct function *f, uint32_t off, unsigned int size,
			   uint32_t value)
{
	pci_func_config_write(&f->vp.func, off, size, value);
}

static inline uint64_t bar4(struct function *f, uint64_t off, unsigned int size)
{
	return pci_func_bar_read(&f->vp.func, VIRTIO_PCI_BAR, off, size);
}

static inline void set_bar4(struct function *f, uint64_t off, unsigned int size,
			    uint64_t value)
{
	pci_func_bar_write(&f->vp.func, VIRTIO_PCI_BAR, off, size, value);
}

static inline uint8_t isr(struct function *f)
{
	return (uint8_t)bar4(f, VIRTIO_PCI_ISR, 1);
}

static inline void function_begin(struct function *f)
{
	static const struct virtio_pci_ops function_ops = {
		.work = function_work,
	};
	unsigned int q;
	int err;

	memset(f, 0, sizeof(*f));
	rig_init(&f->rig);
	for (q = 0; q < TEST_QUEUES; q++)
		rig_ring(&f->rig, &f->ring[q], q, FUNCTION_RING_SIZE);
	test_device_init(&f->dev);
	err = virtio_pci_init(&f->vp, &f->dev.device, rig_options(),
			      &function_ops);
	assert(!err);
	(void)err;
	sink_record_init(&f->sink);
	msi_bank_set_next(&f->vp.func.msix.bank, &f->sink.stage, false);
	irq_line_init(&f->line, "INTA", &f->sink.stage, 0);
	irq_source_connect(&f->vp.func.intx, &f->line);
	virtio_set_memory(&f->vp.virtio, &f->rig.map);
	set_cfg(f, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
}

static inline void function_end(struct function *f)
{
	virtio_pci_fini(&f->vp);
	rig_fini(&f->rig);
}

/* Plain MSI, which no device of ours has, with address and data set. */
static inline void add_msi(struct function *f, uint32_t address, uint16_t data)
{
	int err = pci_func_add_msi(&f->vp.func, 4);

	assert(!err);
	(void)err;
	msi_bank_set_next(&f->vp.func.msi.bank, &f->sink.stage, false);
	set_cfg(f, f->vp.func.msi.cap + PCI_MSI_ADDRESS, 4, address);
	set_cfg(f, f->vp.func.msi.cap + PCI_MSI_DATA, 2, data);
}

static inline void msi_enable(struct function *f, bool on)
{
	set_cfg(f, f->vp.func.msi.cap + PCI_MSI_CONTROL, 2, on);
}

static inline void msix_enable(struct function *f, bool on)
{
	set_cfg(f, f->vp.func.msix.cap + 2u, 2, on ? 0x8000 : 0);
}

/* Vector @v sends 0x40 + v to 0xfee00000 + 16 * v, unmasked. */
static inline void msix_entry(struct function *f, unsigned int v)
{
	const uint32_t word[4] = { 0xfee00000 + 16 * v, 0, 0x40 + v, 0 };
	unsigned int i;

	for (i = 0; i < 4; i++)
		pci_func_bar_write(&f->vp.func, VIRTIO_PCI_MSIX_BAR,
				   16 * v + 4 * i, 4, word[i]);
}

static inline void queue_up(struct function *f, unsigned int q, uint16_t vector)
{
	const struct rig_ring *r = &f->ring[q];

	set_bar4(f, QUEUE_SELECT, 2, q);
	set_bar4(f, QUEUE_SIZE, 2, r->size);
	set_bar4(f, QUEUE_VECTOR, 2, vector);
	set_bar4(f, QUEUE_DESC, 8, r->desc_gpa);
	set_bar4(f, QUEUE_DRIVER, 8, r->avail_gpa);
	set_bar4(f, QUEUE_DEVICE, 8, r->used_gpa);
	set_bar4(f, QUEUE_ENABLE, 2, 1);
}

/* DRIVER_OK with all queues; queue q has vector q + 1, configuration has 0,
 * which is how many there are. */
static inline void function_up(struct function *f, bool msix)
{
	unsigned int q;

	function_begin(f);
	for (q = 0; msix && q <= TEST_QUEUES; q++)
		msix_entry(f, q);
	if (msix)
		msix_enable(f, true);
	set_bar4(f, DRIVER_FEATURE_SELECT, 4, 1);
	set_bar4(f, DRIVER_FEATURE, 4, 1);
	set_bar4(f, CONFIG_VECTOR, 2, msix ? 0 : NO_VECTOR);
	for (q = 0; q < TEST_QUEUES; q++)
		queue_up(f, q, msix ? (uint16_t)(q + 1) : NO_VECTOR);
	set_bar4(f, STATUS, 1, FUNCTION_UP);
	rig_turn(&f->vp.virtio, 64);
	f->works = 0;
}

/* One buffer used on queue @q, from the offer to the interrupt. */
static inline void use_one(struct function *f, unsigned int q)
{
	rig_desc(&f->ring[q], 0, RIG_DATA, 16, RIG_WRITE, 0);
	rig_offer(&f->ring[q], 0);
	set_bar4(f, VIRTIO_PCI_NOTIFY + 4 * q, 2, q);
	rig_turn(&f->vp.virtio, 64);
}

#endif
