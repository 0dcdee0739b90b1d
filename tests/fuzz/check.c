/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: registers are read as a guest reads them; of the inside only counters
 * and the status are looked at.
 */
#include "tests/fuzz/check.h"

#define ENABLE	 0x8000u
#define MASK_ALL 0x4000u

#define GSI 17 /* of 00:01.0 */

#define MESSAGE_LEVEL 0x8000u

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

static void check_vector(struct rig *rig, const struct msg_irq *m)
{
	const unsigned int v = MSG_IRQ_NUMBER(m->what);

	must(may_send(rig) && v < rig->function->vp.func.msix.nr);
	must(m->address == table(rig, 16u * v));
	/* Data, and a control word whose mask is clear. */
	must(m->data == table(rig, 16u * v + 8));
}

static struct interrupts *chip(struct rig *rig, uint16_t irqchip)
{
	struct interrupts *in = &rig->machine->interrupts;

	return in->irqchip == irqchip ? in : NULL;
}

/* One pin has a function, so the others never send. */
static void check_ioapic(struct rig *rig, const struct check_seen *seen,
			 const struct msg_irq *m)
{
	const struct msi_message *route = &seen->route[GSI];

	must(chip(rig, PCIRING_IRQCHIP_SPLIT));
	must(MSG_IRQ_NUMBER(m->what) == GSI);
	must(m->address && m->address == route->address);
	must(m->data == route->data);
}

static void take_route(struct rig *rig, struct check_seen *seen,
		       const struct msg_irq *m)
{
	const unsigned int pin = MSG_IRQ_NUMBER(m->what);

	must(chip(rig, PCIRING_IRQCHIP_SPLIT) && pin < IOAPIC_PINS);
	seen->route[pin].address = m->address;
	seen->route[pin].data = m->data;
}

static void take_line(struct rig *rig, struct check_seen *seen,
		      const struct msg_irq *m)
{
	const unsigned int gsi = MSG_IRQ_NUMBER(m->what);

	must(chip(rig, PCIRING_IRQCHIP_LINES) && gsi == GSI && m->data <= 1);
	/* Only changes are told. */
	must(m->data == !(seen->lines & BIT(gsi)));
	seen->lines ^= (uint32_t)BIT(gsi);
}

static void take(struct rig *rig, struct check_seen *seen,
		 const struct msg_irq *m)
{
	switch (MSG_IRQ_TYPE(m->what)) {
	case PCIRING_IRQ_TYPE_MSI:
		if (m->requester_id == RIG_BDF)
			check_vector(rig, m);
		else
			check_ioapic(rig, seen, m);
		break;
	case PCIRING_IRQ_TYPE_LINE:
		take_line(rig, seen, m);
		break;
	case PCIRING_IRQ_TYPE_ROUTE:
		take_route(rig, seen, m);
		break;
	default:
		must(false);
	}
}

void check_messages(struct rig *rig, struct check_seen *seen)
{
	const uint64_t writes = rig->function->eventfds.writes;
	struct msg_irq m;

	while (channel_get_irqs(&rig->client, &m, 1))
		take(rig, seen, &m);
	must(writes == seen->eventfd_writes || may_send(rig));
	seen->eventfd_writes = writes;
}

/* What the guest's registers make of the pin. */
static bool pin_is_high(struct rig *rig)
{
	const struct virtio_pci *vp = &rig->function->vp;
	const uint32_t control = config(rig, vp->func.msix.cap + 2u);
	const bool cause = vp->s.isr && !(control & ENABLE);

	must(!(config(rig, PCI_STATUS) & PCI_STATUS_INTERRUPT) == !cause);
	return cause && !(config(rig, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE);
}

static void check_line(const struct sink_line *s, bool high)
{
	must(s->high == high);
	/* One that can be told was told, unless its descriptor is bad. */
	must(!high || s->busy || s->masked || s->fd < 0 || s->failures);
}

/* A level pin that is high and open waits for its EOI. */
static void check_level_pin(const struct ioapic *io, bool high)
{
	const uint64_t entry = io->s.entry[GSI];

	must(!(io->s.high & BIT(GSI)) == !high);
	if (high && !(entry & IOAPIC_MASKED) &&
	    (ioapic_message(entry).data & MESSAGE_LEVEL))
		must(entry & IOAPIC_REMOTE_IRR);
}

void check_pin(struct rig *rig, const struct check_seen *seen)
{
	const struct function *f = rig->function;
	const struct interrupts *in = &rig->machine->interrupts;
	const bool high = pin_is_high(rig);

	must(f->vp.func.intx.high == high);
	if (f->vp.func.intx.line == &f->line) {
		check_line(&f->intx, high);
		return;
	}
	must(in->pin[GSI].high == high);
	if (in->irqchip == PCIRING_IRQCHIP_SPLIT)
		check_level_pin(&in->ioapic, high);
	if (in->irqchip != PCIRING_IRQCHIP_LINES)
		return;
	if (in->eventfd[GSI].fd >= 0)
		check_line(&in->eventfd[GSI], high);
	must(!(seen->lines & BIT(GSI)) == !(high && in->eventfd[GSI].fd < 0));
}
