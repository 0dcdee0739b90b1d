/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: registers are read as a guest reads them; of the inside only counters
 * and the status are looked at.
 */
#include "tests/fuzz/check.h"

#define ENABLE	 0x8000u
#define MASK_ALL 0x4000u

static uint32_t config(struct rig *rig, uint32_t off)
{
	return (uint32_t)rig_access(rig, MSG_READ, PCIRING_SPACE_CONFIG, off, 2,
				    0);
}

static bool may_send(struct rig *rig)
{
	const struct virtio_pci *vp = &rig->function->vp;
	const uint32_t control = config(rig, vp->func.msix.cap + 2u);

	return (control & (ENABLE | MASK_ALL)) == ENABLE &&
	       (config(rig, PCI_COMMAND) & PCI_COMMAND_MASTER) &&
	       (vp->virtio.s.status & GUEST_DRIVER_OK);
}

static uint64_t table(struct rig *rig, unsigned int off)
{
	return rig_access(rig, MSG_READ,
			  PCIRING_SPACE_BAR0 + VIRTIO_PCI_MSIX_BAR, off, 8, 0);
}

void check_messages(struct rig *rig, struct check_seen *seen)
{
	const uint64_t writes = rig->function->eventfds.writes;
	struct msg_irq m;

	while (channel_get_irqs(&rig->client, &m, 1)) {
		must(may_send(rig) &&
		     MSG_IRQ_NUMBER(m.what) < rig->function->vp.func.msix.nr);
		must(m.address == table(rig, 16u * MSG_IRQ_NUMBER(m.what)));
		/* Data, and a control word whose mask is clear. */
		must(m.data == table(rig, 16u * MSG_IRQ_NUMBER(m.what) + 8));
	}
	must(writes == seen->eventfd_writes || may_send(rig));
	seen->eventfd_writes = writes;
}
