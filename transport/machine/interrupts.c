/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: GSI n leads to pin n for good, and what differs between the irqchips
 * is only what a pin's line leads to: nothing, the ring, an eventfd that is
 * bound or masked, the I/O APIC.  So attaching, binding, masking and detaching
 * are exchanges of that, which carry the level along, and no level is kept
 * here.
 *
 * One thing is: the ring may be full when a line leaves it.  The client then
 * believes what it was told last, until flushing tells it low.
 */
#include "transport/machine/interrupts.h"

#include <stdio.h>
#include <unistd.h>

#include "transport/machine/machine.h"

/* Device 0 of the last bus: where functions come last, if ever. */
#define IOAPIC_REQUESTER 0xff00

/* ---- The I/O APIC on the bus and on the ring ------------------------------ */

static uint64_t window_read(void *ctx, uint64_t offset, unsigned int size)
{
	struct interrupts *in = container_of(ctx, struct interrupts, window);

	return ioapic_read(&in->ioapic, offset, size);
}

static void window_write(void *ctx, uint64_t offset, unsigned int size,
			 uint64_t value)
{
	struct interrupts *in = container_of(ctx, struct interrupts, window);

	ioapic_write(&in->ioapic, offset, size, value);
}

static const struct bus_ops window_ops = {
	.read = window_read,
	.write = window_write,
};

static bool ioapic_route(struct ioapic *io, uint32_t pin,
			 const struct msi_message *m)
{
	struct interrupts *in = container_of(io, struct interrupts, ioapic);

	return sink_ring_route(&in->link->ring, pin, m);
}

static const struct ioapic_ops ioapic_route_ops = {
	.route = ioapic_route,
};

/* ---- The machine's -------------------------------------------------------- */

static void route_all(struct interrupts *in)
{
	struct gsi_route r = { .kind = GSI_TO_PINS, .nr_pins = 1 };
	int err;

	for (uint16_t n = 0; n < IOAPIC_PINS; n++) {
		r.pin[0].pin = n;
		err = gsi_route(&in->table, n, &r);
		assert(!err);
		(void)err;
	}
}

static void request_intx(struct interrupts *in)
{
	const struct irq_request r = {
		.owner = "INTx",
		.count = INTX_PINS,
		.min = MACHINE_INTX_GSI,
		.max = MACHINE_INTX_GSI + INTX_PINS - 1,
		.shared = true,
	};
	uint32_t got;
	int err = irq_pool_request(&in->pool, &r, &got, NULL, 0);

	assert(!err);
	(void)err;
}

int interrupts_init(struct interrupts *in)
{
	int err;

	memset(in, 0, sizeof(*in));
	for (unsigned int n = 0; n < IOAPIC_PINS; n++) {
		snprintf(in->name[n], sizeof(in->name[n]), "GSI %u", n);
		snprintf(in->pin_name[n], sizeof(in->pin_name[n]), "pin %u", n);
		irq_line_init(&in->pin[n], in->pin_name[n], NULL, n);
		err = sink_line_init(&in->eventfd[n], in->name[n]);
		if (err)
			return err;
	}
	ioapic_init(&in->ioapic, NULL, NULL, IOAPIC_REQUESTER);
	irq_pool_init(&in->pool, "GSI", 0, MACHINE_GSIS, in->slot);
	gsi_table_init(&in->table, in->gsi, MACHINE_GSIS, NULL);
	gsi_table_set_chip(&in->table, 0, in->pin, IOAPIC_PINS);
	route_all(in);
	request_intx(in);
	return 0;
}

void interrupts_fini(struct interrupts *in)
{
	assert(!in->link);
	gsi_table_fini(&in->table);
	for (unsigned int n = 0; n < IOAPIC_PINS; n++)
		sink_line_fini(&in->eventfd[n]);
}

/* ---- The link that has the controller -------------------------------------- */

/* What pin @n leads to while nothing is bound to its GSI. */
static struct irq_stage *unbound(struct interrupts *in)
{
	switch (in->irqchip) {
	case PCIRING_IRQCHIP_LINES:
		return &in->link->ring.stage;
	case PCIRING_IRQCHIP_SPLIT:
		return &in->ioapic.stage;
	default:
		return NULL;
	}
}

static int window_insert(struct interrupts *in, struct link *l)
{
	int err;

	in->window = (struct bus_range){
		.base = IOAPIC_BASE,
		.size = IOAPIC_SIZE,
		.ops = &window_ops,
	};
	err = bus_insert(&l->machine->mmio, &in->window, NULL);
	return err == -EEXIST ? -EBUSY : err;
}

int interrupts_attach(struct interrupts *in, struct link *l, uint16_t irqchip)
{
	int err = 0;

	assert(!in->link);
	if (irqchip > PCIRING_IRQCHIP_SPLIT)
		return -EINVAL;
	if (irqchip == PCIRING_IRQCHIP_SPLIT)
		err = window_insert(in, l);
	if (err)
		return err;
	in->link = l;
	in->irqchip = irqchip;
	ioapic_init(&in->ioapic, &l->ring.stage, &ioapic_route_ops,
		    IOAPIC_REQUESTER);
	for (unsigned int n = 0; n < IOAPIC_PINS; n++)
		irq_line_set_next(&in->pin[n], unbound(in), n);
	gsi_table_set_msi(&in->table, &l->ring.stage);
	return 0;
}

/* Closing is quick: only eventfds are ever bound (irq/sink.h). */
static void eventfd_forget(struct sink_line *s)
{
	int fd = sink_line_bind(s, -1);

	sink_line_mask(s, false);
	if (fd >= 0)
		close(fd);
}

void interrupts_detach(struct interrupts *in)
{
	struct bus *mmio = &in->link->machine->mmio;

	gsi_table_set_msi(&in->table, NULL);
	for (unsigned int n = 0; n < IOAPIC_PINS; n++) {
		/* Nobody is left to believe in a level. */
		(void)irq_line_set_next(&in->pin[n], NULL, n);
		eventfd_forget(&in->eventfd[n]);
	}
	if (in->irqchip == PCIRING_IRQCHIP_SPLIT)
		bus_remove(mmio, &in->window);
	ioapic_init(&in->ioapic, NULL, NULL, IOAPIC_REQUESTER);
	in->owed = 0;
	in->irqchip = PCIRING_IRQCHIP_NONE;
	in->link = NULL;
}

/* ---- Eventfds of GSIs ------------------------------------------------------- */

static bool has_line(const struct interrupts *in, uint32_t gsi)
{
	return in->irqchip == PCIRING_IRQCHIP_LINES && gsi < IOAPIC_PINS;
}

/* The eventfd has what is bound, and what is masked: it keeps a level. */
static void lead(struct interrupts *in, uint32_t gsi)
{
	struct sink_line *s = &in->eventfd[gsi];
	struct irq_stage *next = &s->stage;

	if (s->fd < 0 && !s->masked)
		next = unbound(in);
	if (!irq_line_set_next(&in->pin[gsi], next, gsi))
		in->owed |= (uint32_t)BIT(gsi);
}

int eventfd_control(struct sink_line *s, unsigned int action)
{
	switch (action) {
	case PCIRING_IRQ_MASK:
		sink_line_mask(s, true);
		return 0;
	case PCIRING_IRQ_UNMASK:
		/* In this order, or the guest would hear of it twice. */
		sink_line_resample(s);
		sink_line_mask(s, false);
		return 0;
	case PCIRING_IRQ_TRIGGER:
		sink_line_trigger(s);
		return 0;
	default:
		return -EINVAL;
	}
}

int interrupts_bind(struct interrupts *in, uint32_t gsi, int fd, int *old)
{
	if (!has_line(in, gsi))
		return -ENOENT;
	*old = sink_line_bind(&in->eventfd[gsi], fd);
	lead(in, gsi);
	return 0;
}

int interrupts_control(struct interrupts *in, uint32_t gsi, unsigned int action)
{
	int err;

	if (!has_line(in, gsi))
		return -ENOENT;
	err = eventfd_control(&in->eventfd[gsi], action);
	lead(in, gsi);
	return err;
}

bool interrupts_eoi(struct interrupts *in, uint64_t what, uint64_t number)
{
	switch (what) {
	case PCIRING_EOI_VECTOR:
		if (in->irqchip != PCIRING_IRQCHIP_SPLIT || number > UINT8_MAX)
			return false;
		ioapic_eoi(&in->ioapic, (uint8_t)number);
		return true;
	case PCIRING_EOI_GSI:
		if (number >= MACHINE_GSIS || !has_line(in, (uint32_t)number))
			return false;
		sink_line_resample(&in->eventfd[number]);
		return true;
	default:
		return false;
	}
}

/* ---- The ring has room again -------------------------------------------------- */

/* The client believes that GSI @n is high, which left the ring meanwhile and
 * perhaps came back. */
static void tell_owed(struct interrupts *in, unsigned int n)
{
	struct irq_stage *ring = &in->link->ring.stage;
	const struct irq_line *pin = &in->pin[n];

	if (pin->next == ring && pin->told) /* it is high */
		in->owed &= ~(uint32_t)BIT(n);
	else if (irq_stage_set(ring, n, false) != IRQ_REFUSED)
		in->owed &= ~(uint32_t)BIT(n);
}

void interrupts_flush(struct interrupts *in)
{
	for (uint32_t owed = in->owed; owed; owed &= owed - 1)
		tell_owed(in, (unsigned int)__builtin_ctz(owed));
	for (unsigned int n = 0; n < IOAPIC_PINS; n++)
		irq_line_flush(&in->pin[n]);
	gsi_flush(&in->table);
	ioapic_flush(&in->ioapic);
}
