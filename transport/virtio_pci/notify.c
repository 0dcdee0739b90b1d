/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a look reads a word for each queue, 16 to a cache line which stays ours
 * until the guest stores to it.  A word that is not quiet is exchanged for one
 * that is before its queue is kicked, so before anybody looks into that queue.
 * A store that comes before the exchange is read by it, one that comes behind
 * it is there at the next look; a load and then a store of ours could fall
 * around it, and the kick would be lost.
 */
#include "transport/virtio_pci/notify.h"

#include <stdatomic.h>

/* What else the page had would be seen by the guest as memory. */
static_assert(VIRTIO_PCI_NOTIFY % NOTIFY_PAGE_SIZE == 0 &&
		      VIRTIO_PCI_BAR_SIZE ==
			      VIRTIO_PCI_NOTIFY + NOTIFY_PAGE_SIZE,
	      "a page of its own");
static_assert(VIRTIO_PCI_NOTIFY_MULT == sizeof(_Atomic uint32_t) &&
		      VIRTIO_MAX_QUEUES * VIRTIO_PCI_NOTIFY_MULT <=
			      NOTIFY_PAGE_SIZE,
	      "a word for every queue");
/* Not even in the lower half of the word, which is all that is written. */
static_assert(VIRTIO_MAX_QUEUES <= (NOTIFY_PAGE_QUIET & 0xffff),
	      "no index is quiet");

/* The address says which queue; a value that says another is a confused
 * driver, which is counted and otherwise does no harm.  With NOTIFICATION_DATA
 * (virtio 1.2, 2.9) the upper half says how far the driver is: a hint, for
 * which the ring itself is the better source. */
static void kick(struct virtio_pci *vp, unsigned int q, uint64_t value)
{
	if ((value & 0xffff) != virtio_notif_data(&vp->virtio, q))
		vp->virtio.stats.bad_kicks++;
	virtio_kick(&vp->virtio, q);
}

/* ---- By way of the BAR ---------------------------------------------------- */

static uint64_t notify_read(void *ctx, uint64_t offset, unsigned int size)
{
	struct virtio_pci *vp = ctx;

	(void)offset;
	(void)size;
	vp->stats.notify++;
	return 0;
}

static void notify_write(void *ctx, uint64_t offset, unsigned int size,
			 uint64_t value)
{
	struct virtio_pci *vp = ctx;

	vp->stats.notify++;
	if (offset % VIRTIO_PCI_NOTIFY_MULT || size < 2) {
		vp->virtio.stats.bad_kicks++;
		return;
	}
	kick(vp, (unsigned int)(offset / VIRTIO_PCI_NOTIFY_MULT), value);
}

const struct bus_ops virtio_pci_notify_ops = {
	.read = notify_read,
	.write = notify_write,
};

/* ---- As plain memory ------------------------------------------------------ */

void notify_page_init(_Atomic uint32_t *page)
{
	/* Relaxed: nobody else has it yet. */
	for (unsigned int i = 0; i < NOTIFY_PAGE_SIZE / sizeof(*page); i++)
		atomic_store_explicit(&page[i], NOTIFY_PAGE_QUIET,
				      memory_order_relaxed);
}

void notify_page_look(struct virtio_pci *vp)
{
	_Atomic uint32_t *page = vp->notify_page;
	uint32_t value;

	for (unsigned int q = 0; q < vp->virtio.nr_queues; q++) {
		/* Relaxed: a hint; E1 is behind it. */
		if (likely(atomic_load_explicit(&page[q],
						memory_order_relaxed) ==
			   NOTIFY_PAGE_QUIET))
			continue;
		/* E1: pairs with the driver's D1, so what it made available
		 * before is complete. */
		value = atomic_exchange_explicit(&page[q], NOTIFY_PAGE_QUIET,
						 memory_order_acquire);
		vp->stats.page_kicks++;
		kick(vp, q, value);
	}
}
