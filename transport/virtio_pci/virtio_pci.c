/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the function is put together from tables - class codes by device type,
 * one BAR window and one capability per structure - and from then on only
 * passes things on: BAR accesses to the core's registers, the core's news to
 * ISR and MSI-X, COMMAND.MASTER and function resets to the core.
 *
 * An interrupt is always the last step: the core publishes used.idx before it
 * tells us, we set the ISR bit before we send the message or raise the pin
 * (rule 71).  ISR is the cause of the pin: show_cause() says so to PCI whenever
 * ISR changes or MSI-X goes on or off; INTX_DISABLE is PCI's own business.
 */
#include "transport/virtio_pci/virtio_pci.h"

#include <stdio.h>
#include <stdlib.h>

#include "transport/virtio_pci/access_cap.h"
#include "transport/virtio_pci/common.h"
#include "transport/virtio_pci/notify.h"

/* virtio 1.2, 4.1.4: cfg_type of each structure. */
#define CAP_COMMON 1
#define CAP_NOTIFY 2
#define CAP_ISR	   3
#define CAP_CONFIG 4

#define ISR_QUEUE  1u
#define ISR_CONFIG 2u

/* One byte is defined; the window is a dword so that a wider read of it is an
 * answer and not all-ones. */
#define ISR_LEN	    4
#define CONFIG_ROOM (VIRTIO_PCI_NOTIFY - VIRTIO_PCI_CONFIG)

/* ---- Class codes --------------------------------------------------------- */

#define CLASS_OTHER 0x00ff00

/* By virtio device ID; virtio 1.2, chapter 5. */
static const uint32_t classes[] = {
	[1] = 0x020000,	 /* net: Ethernet */
	[2] = 0x018000,	 /* blk: other mass storage */
	[3] = 0x078000,	 /* console: other communication */
	[8] = 0x010000,	 /* scsi: SCSI */
	[16] = 0x038000, /* gpu: other display */
	[18] = 0x098000, /* input: other input */
	[19] = 0x078000, /* vsock: other communication */
	[26] = 0x018000, /* fs: other mass storage */
};

static uint32_t class_of(unsigned int type)
{
	if (type < ARRAY_SIZE(classes) && classes[type])
		return classes[type];
	return CLASS_OTHER;
}

/* ---- Interrupts ---------------------------------------------------------- */

static void raise_vector(struct virtio_pci *vp, uint16_t vector)
{
	if (vector == MSIX_NO_VECTOR) {
		vp->stats.no_vector++;
		return;
	}
	vp->stats.interrupts++;
	msi_send(&vp->func.msix.bank, vector);
}

static void show_cause(struct virtio_pci *vp)
{
	pci_func_set_interrupt(&vp->func, vp->s.isr && !vp->func.msix.enabled);
}

static void set_isr(struct virtio_pci *vp, uint8_t bit)
{
	if (vp->s.isr)
		vp->stats.merged++;
	else
		vp->stats.rises++;
	vp->s.isr |= bit;
	show_cause(vp);
}

static void queue_raise(void *transport, unsigned int q)
{
	struct virtio_pci *vp = transport;

	if (vp->func.msix.enabled)
		raise_vector(vp, vp->queue_vector[q]);
	else
		set_isr(vp, ISR_QUEUE);
}

static void config_raise(void *transport)
{
	struct virtio_pci *vp = transport;

	if (!vp->func.msix.enabled) {
		set_isr(vp, ISR_CONFIG);
		return;
	}
	vp->s.isr |= ISR_CONFIG;
	raise_vector(vp, vp->s.config_vector);
}

static void work(void *transport)
{
	struct virtio_pci *vp = transport;

	if (vp->ops->work)
		vp->ops->work(vp);
}

static void recall(void *transport)
{
	struct virtio_pci *vp = transport;

	if (vp->ops->recall)
		vp->ops->recall(vp);
}

static void release(void *transport)
{
	struct virtio_pci *vp = transport;

	if (vp->ops->release)
		vp->ops->release(vp);
}

static void queue_work(void *transport, unsigned int q)
{
	struct virtio_pci *vp = transport;

	vp->ops->queue_work(vp, q);
}

static void event(void *transport)
{
	struct virtio_pci *vp = transport;

	if (vp->ops->event)
		vp->ops->event(vp);
}

/*
 * virtio 1.2, 2.4.1: no notification after a reset, so not even one that was
 * latched before; of MSI-X, only the pending bits are ours (rule 55).  What
 * plain MSI has latched goes with its cause.
 */
static void reset_words(void *transport)
{
	struct virtio_pci *vp = transport;
	unsigned int q;

	msi_bank_forget(&vp->func.msix.bank);
	vp->s = (struct virtio_pci_state){ .config_vector = MSIX_NO_VECTOR };
	show_cause(vp);
	for (q = 0; q < vp->virtio.nr_queues; q++)
		vp->queue_vector[q] = MSIX_NO_VECTOR;
}

/* The vector is one of the queue's words (virtio 1.2, 4.1.4.3). */
static void queue_reset(void *transport, unsigned int q)
{
	struct virtio_pci *vp = transport;

	vp->queue_vector[q] = MSIX_NO_VECTOR;
}

static const struct virtio_transport_ops transport_ops = {
	.queue_raise = queue_raise,
	.config_raise = config_raise,
	.work = work,
	.reset = reset_words,
	.queue_reset = queue_reset,
	.recall = recall,
	.release = release,
	.queue_work = queue_work,
	.event = event,
};

/* ---- Structures in the BAR ----------------------------------------------- */

/* virtio 1.2, 4.1.4.5: reading the byte clears it and lowers the pin. */
static uint64_t isr_read(void *ctx, uint64_t offset, unsigned int size)
{
	struct virtio_pci *vp = ctx;
	uint8_t isr = vp->s.isr;

	(void)size;
	vp->stats.isr++;
	if (offset)
		return 0;
	vp->s.isr = 0;
	show_cause(vp);
	return isr;
}

static void isr_write(void *ctx, uint64_t offset, unsigned int size,
		      uint64_t value)
{
	struct virtio_pci *vp = ctx;

	(void)offset;
	(void)size;
	(void)value;
	vp->stats.isr++;
	vp->virtio.stats.bad_writes++;
}

static const struct bus_ops isr_ops = {
	.read = isr_read,
	.write = isr_write,
};

static uint64_t config_read(void *ctx, uint64_t offset, unsigned int size)
{
	struct virtio_pci *vp = ctx;

	vp->stats.config++;
	return virtio_config_read(&vp->virtio, (uint32_t)offset, size);
}

static void config_write(void *ctx, uint64_t offset, unsigned int size,
			 uint64_t value)
{
	struct virtio_pci *vp = ctx;

	vp->stats.config++;
	virtio_config_write(&vp->virtio, (uint32_t)offset, size, value);
}

static const struct bus_ops config_ops = {
	.read = config_read,
	.write = config_write,
};

/* ---- News from PCI ------------------------------------------------------- */

static void config_space_written(struct pci_func *f, uint32_t off,
				 unsigned int size)
{
	access_cap_written(container_of(f, struct virtio_pci, func), off, size);
}

static void config_space_read(struct pci_func *f, uint32_t off,
			      unsigned int size)
{
	access_cap_read(container_of(f, struct virtio_pci, func), off, size);
}

static void bus_master(struct pci_func *f, bool on)
{
	virtio_set_master(&container_of(f, struct virtio_pci, func)->virtio,
			  on);
}

/* Rule 70: the cause is ISR again, or ISR no more. */
static void msix_enabled(struct pci_func *f, bool on)
{
	(void)on;
	show_cause(container_of(f, struct virtio_pci, func));
}

static void function_reset(struct pci_func *f)
{
	struct virtio_pci *vp = container_of(f, struct virtio_pci, func);

	/* The access capability's bytes were reset with all of the config. */
	virtio_reset(&vp->virtio);
	virtio_set_master(&vp->virtio, pci_func_master(f));
}

static const struct pci_func_ops func_ops = {
	.config_written = config_space_written,
	.config_read = config_space_read,
	.bus_master = bus_master,
	.msix_enabled = msix_enabled,
	.reset = function_reset,
};

/* ---- Seen from outside ---------------------------------------------------- */

static bool stage_edge(const struct irq_stage *s, unsigned int i,
		       struct irq_edge *e)
{
	struct virtio_pci *vp = container_of(s, struct virtio_pci, stage);
	struct irq_stage *to[3];
	unsigned int n = 0;

	to[n++] = &vp->func.msix.bank.stage;
	if (vp->func.msi.nr)
		to[n++] = &vp->func.msi.bank.stage;
	if (vp->func.intx.line)
		to[n++] = &vp->func.intx.line->stage;
	if (i >= n)
		return false;
	*e = (struct irq_edge){ .to = to[i], .pin = IRQ_NO_PIN };
	return true;
}

static void stage_view(const struct irq_stage *s, struct irq_view *v)
{
	const struct virtio_pci *vp = container_of(s, struct virtio_pci, stage);

	snprintf(v->name, sizeof(v->name), BDF_FMT, BDF_ARG(vp->func.bdf));
	v->count.fired = vp->stats.interrupts + vp->stats.rises;
	v->count.coalesced = vp->stats.merged;
	v->count.dropped = vp->stats.no_vector;
	v->level = vp->s.isr && !vp->func.msix.enabled;
}

static const struct irq_stage_ops stage_ops = {
	.kind = "virtio-pci",
	.send = NULL,
	.set = NULL,
	.edge = stage_edge,
	.view = stage_view,
};

/* ---- Assembly ------------------------------------------------------------ */

/* struct virtio_pci_cap and what follows it in the notify capability; from
 * byte 2 on, as pci_cap_add() wants it. */
struct cap_body {
	uint8_t cap_len;
	uint8_t cfg_type;
	uint8_t bar;
	uint8_t id;
	uint8_t padding[2];
	uint32_t offset;
	uint32_t length;
	uint32_t multiplier;
} __attribute__((packed));

static int add_structure(struct virtio_pci *vp, uint8_t type, uint32_t offset,
			 uint32_t length, uint32_t window,
			 const struct bus_ops *ops)
{
	struct cap_body body = {
		.cap_len = type == CAP_NOTIFY ? 20 : 16,
		.cfg_type = type,
		.bar = VIRTIO_PCI_BAR,
		.offset = offset,
		.length = length,
		.multiplier = VIRTIO_PCI_NOTIFY_MULT,
	};
	int cap;

	pci_bar_add_window(&vp->func.bar[VIRTIO_PCI_BAR], offset, window, ops,
			   vp);
	cap = pci_cap_add(&vp->func.config, PCI_CAP_VENDOR, &body, NULL,
			  body.cap_len);
	return cap < 0 ? cap : 0;
}

static int add_structures(struct virtio_pci *vp)
{
	const uint32_t config = vp->virtio.device->config_size;
	/* One address even if there is no queue: length 0 is no capability. */
	const uint32_t notify = VIRTIO_PCI_NOTIFY_MULT *
				(vp->virtio.nr_queues + !vp->virtio.nr_queues);
	int err;

	err = add_structure(vp, CAP_COMMON, VIRTIO_PCI_COMMON,
			    VIRTIO_PCI_COMMON_LEN, VIRTIO_PCI_COMMON_LEN,
			    &virtio_pci_common_ops);
	if (!err)
		err = add_structure(vp, CAP_ISR, VIRTIO_PCI_ISR, ISR_LEN,
				    ISR_LEN, &isr_ops);
	/* The length is exact; behind it the page reads 0 (rule 52). */
	if (!err && config)
		err = add_structure(vp, CAP_CONFIG, VIRTIO_PCI_CONFIG, config,
				    CONFIG_ROOM, &config_ops);
	if (!err)
		err = add_structure(vp, CAP_NOTIFY, VIRTIO_PCI_NOTIFY, notify,
				    notify, &virtio_pci_notify_ops);
	return err ? err : access_cap_add(vp);
}

static int build_function(struct virtio_pci *vp)
{
	const uint16_t type = vp->virtio.device->ops->type;
	const struct pci_ids ids = {
		.vendor = VIRTIO_PCI_VENDOR,
		.device = (uint16_t)(VIRTIO_PCI_DEVICE + type),
		.subsystem_vendor = VIRTIO_PCI_VENDOR,
		/* Not transitional: 0x40 or more (virtio 1.2, 4.1.2.1). */
		.subsystem_device = (uint16_t)(VIRTIO_PCI_DEVICE + type),
		.revision = 1,
		.class_code = class_of(type),
	};
	int err;

	pci_func_init(&vp->func, &func_ops, &ids);
	pci_func_add_intx(&vp->func, 0);
	err = pci_func_add_msix(&vp->func, VIRTIO_PCI_MSIX_BAR,
				(uint16_t)(vp->virtio.nr_queues + 1));
	if (!err) {
		/* Not prefetchable: the ISR has a read side effect. */
		pci_func_add_bar(&vp->func, VIRTIO_PCI_BAR, VIRTIO_PCI_BAR_SIZE,
				 PCI_BAR_64);
		err = add_structures(vp);
	}
	if (err)
		pci_func_fini(&vp->func);
	return err;
}

/* Modern device IDs end at 0x107f (virtio 1.2, 4.1.2). */
static bool sane_device(const struct virtio_device *d)
{
	return d->ops->type >= 1 && d->ops->type < 0x40 &&
	       d->config_size <= CONFIG_ROOM;
}

int virtio_pci_init(struct virtio_pci *vp, struct virtio_device *device,
		    const struct virtio_options *o,
		    const struct virtio_pci_ops *ops)
{
	int err;

	if (!sane_device(device))
		return -EINVAL;
	memset(vp, 0, sizeof(*vp));
	vp->ops = ops;
	vp->stage.ops = &stage_ops;
	err = virtio_init(&vp->virtio, device, o, &transport_ops, vp);
	if (err)
		return err;
	vp->virtio.below = &vp->stage;
	vp->queue_vector =
		calloc(device->nr_queues + 1u, sizeof(*vp->queue_vector));
	if (!vp->queue_vector) {
		err = -ENOMEM;
		goto fini_virtio;
	}
	reset_words(vp);
	err = build_function(vp);
	if (err)
		goto free_vectors;
	return 0;

free_vectors:
	free(vp->queue_vector);
fini_virtio:
	virtio_fini(&vp->virtio);
	return err;
}

void virtio_pci_fini(struct virtio_pci *vp)
{
	virtio_fini(&vp->virtio);
	pci_func_fini(&vp->func);
	free(vp->queue_vector);
	vp->queue_vector = NULL;
}
