/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a pin has a message to send while it is high (level) or has an edge
 * kept, and can send it while it is unmasked and, as a level pin, waits for no
 * EOI.  Whatever may change one of the two - a rise, a write to the entry, an
 * EOI, a flush - ends in examine(), which sends at most one message; so there
 * is no other way for one to leave, and none is left behind.
 *
 * Remote IRR is set, and a kept edge taken, before the next stage is called:
 * it may come back with the EOI at once.  A refusal puts both back.  An edge
 * once kept is sent as soon as it can be, even if the pin became a level pin.
 *
 * What an entry sends is a function of the entry alone, so a route is stale
 * exactly when a write changed that function's value and nobody took it since.
 */
#include "irq/ioapic.h"

#include <stdio.h>

#define VERSION 0x20u /* has the EOI register */

/* Registers behind the window. */
#define REG_ID	   0x00
#define REG_VER	   0x01
#define REG_ARB	   0x02
#define REG_ENTRY  0x10 /* two of each pin: low half, high half */
#define REG_BEYOND (REG_ENTRY + 2 * IOAPIC_PINS)

#define ID_SHIFT 24
#define ID_MASK	 0xfu

/* Delivery status (bit 12) is never seen set, as a message is sent at once;
 * it and Remote IRR are read-only.  Bits 48 up are the destination: 55 to 48
 * carry more of it, or the index of a remapped interrupt. */
#define ENTRY_WRITABLE 0xffff00000001afffull

#define ENTRY_MODE(entry)   ((unsigned int)((entry) >> 8) & 7)
#define ENTRY_VECTOR(entry) ((uint8_t)(entry))

enum delivery_mode {
	MODE_FIXED = 0,
	MODE_LOWEST = 1,
	MODE_SMI = 2,
	MODE_NMI = 4,
	MODE_INIT = 5,
	MODE_EXTINT = 7,
};

#define FIRST_VECTOR 16 /* local APICs take no lower one */

#define MSI_ADDRESS	   0xfee00000ull
#define MSI_REDIRECTION	   BIT(3)
#define MSI_LOGICAL	   BIT(2)
#define MSI_LEVEL_ASSERTED (BIT(15) | BIT(14))

static bool has_vector(uint64_t entry)
{
	return ENTRY_MODE(entry) <= MODE_LOWEST;
}

/* 82093AA, 3.2.4: all others are edges, even if programmed as levels; nobody
 * would ever end them. */
static bool is_level(uint64_t entry)
{
	return (entry & IOAPIC_LEVEL) && has_vector(entry);
}

static bool is_sensible(uint64_t entry)
{
	switch ((enum delivery_mode)ENTRY_MODE(entry)) {
	case MODE_FIXED:
	case MODE_LOWEST:
		return ENTRY_VECTOR(entry) >= FIRST_VECTOR;
	case MODE_SMI:
	case MODE_NMI:
	case MODE_INIT:
	case MODE_EXTINT:
		return true;
	}
	return false;
}

struct msi_message ioapic_message(uint64_t entry)
{
	struct msi_message m = { .address = 0 };

	if (!is_sensible(entry))
		return m;
	m.address = MSI_ADDRESS | (entry >> 48) << 4;
	if (entry & BIT_ULL(11))
		m.address |= MSI_LOGICAL;
	if (ENTRY_MODE(entry) == MODE_LOWEST)
		m.address |= MSI_REDIRECTION;
	m.data = (uint32_t)(entry & 0x7ff);
	if (is_level(entry))
		m.data |= MSI_LEVEL_ASSERTED;
	return m;
}

static struct msi_message pin_message(const struct ioapic *io, uint32_t pin)
{
	struct msi_message m = ioapic_message(io->s.entry[pin]);

	m.requester_id = io->requester_id;
	m.vector = (uint16_t)pin;
	return m;
}

/* False: the pin's messages have to wait. */
static bool tell_route(struct ioapic *io, uint32_t pin)
{
	struct msi_message m;

	if (likely(!(io->stale & BIT(pin))))
		return true;
	assert(io->ops); /* nothing is stale without */
	m = pin_message(io, pin);
	if (!io->ops->route(io, pin, &m))
		return false;
	io->stale &= ~BIT(pin);
	return true;
}

static bool has_cause(const struct ioapic *io, uint32_t pin)
{
	uint32_t cause = io->s.pending;

	if (is_level(io->s.entry[pin]))
		cause |= io->s.high;
	return cause & BIT(pin);
}

static enum irq_result pass_on(struct ioapic *io, uint32_t pin,
			       const struct msi_message *m)
{
	uint64_t *entry = &io->s.entry[pin];
	const uint32_t kept = io->s.pending & BIT(pin);
	enum irq_result result;

	if (!io->next || !tell_route(io, pin))
		return IRQ_REFUSED;
	io->s.pending &= ~kept;
	if (is_level(*entry)) {
		*entry |= IOAPIC_REMOTE_IRR;
		io->s.sent_vector[pin] = ENTRY_VECTOR(*entry);
	}
	result = irq_stage_send(io->next, m);
	if (likely(result != IRQ_REFUSED)) {
		io->stage.count.fired++;
		return result;
	}
	*entry &= ~IOAPIC_REMOTE_IRR;
	io->s.pending |= kept;
	return result;
}

/* Send the pin's message if there is cause and a way: IRQ_SILENT no cause,
 * IRQ_LATCHED no way yet, IRQ_DROPPED what it says is no message. */
static enum irq_result examine(struct ioapic *io, uint32_t pin)
{
	struct msi_message m;
	enum irq_result result;

	io->refused &= ~BIT(pin);
	if (!has_cause(io, pin))
		return IRQ_SILENT;
	if (io->s.entry[pin] & (IOAPIC_MASKED | IOAPIC_REMOTE_IRR))
		return IRQ_LATCHED;
	m = pin_message(io, pin);
	if (!m.address)
		return IRQ_DROPPED;
	result = pass_on(io, pin, &m);
	if (result == IRQ_REFUSED)
		io->refused |= BIT(pin);
	return result;
}

static enum irq_result rise_level(struct ioapic *io, uint32_t pin)
{
	struct irq_counts *count = &io->stage.count;
	enum irq_result result = examine(io, pin);

	if (result == IRQ_DROPPED) {
		count->dropped++;
	} else if (result == IRQ_LATCHED || result == IRQ_REFUSED) {
		if (io->s.entry[pin] & IOAPIC_MASKED)
			count->masked++;
		else
			count->latched++;
		result = IRQ_LATCHED;
	}
	return result;
}

static enum irq_result rise_edge(struct ioapic *io, uint32_t pin)
{
	struct irq_counts *count = &io->stage.count;
	const uint64_t entry = io->s.entry[pin];
	const bool kept = io->s.pending & BIT(pin);
	enum irq_result result;

	if ((entry & IOAPIC_MASKED) || !is_sensible(entry)) {
		count->dropped++;
		return IRQ_DROPPED;
	}
	io->s.pending |= BIT(pin);
	result = examine(io, pin);
	if (kept)
		count->coalesced++;
	else if (result == IRQ_REFUSED)
		count->latched++;
	if (result == IRQ_REFUSED)
		result = kept ? IRQ_MERGED : IRQ_LATCHED;
	return result;
}

static enum irq_result ioapic_set(struct irq_stage *stage, uint32_t pin,
				  bool high)
{
	struct ioapic *io = container_of(stage, struct ioapic, stage);

	assert(pin < IOAPIC_PINS);
	if (!(io->s.high & BIT(pin)) == !high)
		return IRQ_SILENT;
	io->s.high ^= BIT(pin);
	if (!high)
		return IRQ_SILENT;
	if (is_level(io->s.entry[pin]))
		return rise_level(io, pin);
	return rise_edge(io, pin);
}

static bool ioapic_edge(const struct irq_stage *stage, unsigned int i,
			struct irq_edge *e)
{
	const struct ioapic *io = container_of(stage, struct ioapic, stage);

	if (i || !io->next)
		return false;
	*e = (struct irq_edge){ .to = io->next, .pin = IRQ_NO_PIN };
	return true;
}

static void ioapic_view(const struct irq_stage *stage, struct irq_view *v)
{
	const struct ioapic *io = container_of(stage, struct ioapic, stage);

	snprintf(v->state, sizeof(v->state), "%d pins", IOAPIC_PINS);
	v->count = stage->count;
	for (uint32_t pin = 0; pin < IOAPIC_PINS; pin++)
		v->pending += has_cause(io, pin) &&
			      !(io->s.entry[pin] & IOAPIC_REMOTE_IRR);
}

static const struct irq_stage_ops ioapic_ops = {
	.kind = "ioapic",
	.set = ioapic_set,
	.edge = ioapic_edge,
	.view = ioapic_view,
};

void ioapic_init(struct ioapic *io, struct irq_stage *next,
		 const struct ioapic_ops *ops, uint16_t requester_id)
{
	assert(!next || next->ops->send);
	*io = (struct ioapic){
		.stage.ops = &ioapic_ops,
		.next = next,
		.ops = ops,
		.requester_id = requester_id,
	};
	for (uint32_t pin = 0; pin < IOAPIC_PINS; pin++)
		io->s.entry[pin] = IOAPIC_MASKED;
}

/* The entry of @pin is @entry from now on: routes before messages. */
static void set_entry(struct ioapic *io, uint32_t pin, uint64_t entry)
{
	const struct msi_message old = ioapic_message(io->s.entry[pin]);
	const struct msi_message new = ioapic_message(entry);

	/* Linux clears Remote IRR by an edge trigger mode and back. */
	if (!is_level(entry))
		entry &= ~IOAPIC_REMOTE_IRR;
	io->s.entry[pin] = entry;
	if (io->ops && (old.address != new.address || old.data != new.data))
		io->stale |= BIT(pin);
	tell_route(io, pin);
	examine(io, pin);
}

void ioapic_reset(struct ioapic *io)
{
	io->s.pending = 0;
	io->s.id = 0;
	io->s.select = 0;
	for (uint32_t pin = 0; pin < IOAPIC_PINS; pin++) {
		set_entry(io, pin, IOAPIC_MASKED);
		io->s.sent_vector[pin] = 0;
	}
}

static uint32_t read_window(const struct ioapic *io)
{
	const unsigned int reg = io->s.select;
	uint64_t entry;

	if (reg == REG_ID || reg == REG_ARB)
		return (uint32_t)io->s.id << ID_SHIFT;
	if (reg == REG_VER)
		return (IOAPIC_PINS - 1) << 16 | VERSION;
	if (reg < REG_ENTRY || reg >= REG_BEYOND)
		return 0;
	entry = io->s.entry[(reg - REG_ENTRY) / 2];
	return (uint32_t)(reg & 1 ? entry >> 32 : entry);
}

static void write_window(struct ioapic *io, uint32_t value)
{
	const unsigned int reg = io->s.select;
	const uint32_t pin = (reg - REG_ENTRY) / 2;
	const unsigned int shift = reg & 1 ? 32 : 0;
	uint64_t writable = ENTRY_WRITABLE & 0xffffffffull << shift;

	if (reg == REG_ID)
		io->s.id = (uint8_t)(value >> ID_SHIFT & ID_MASK);
	if (reg < REG_ENTRY || reg >= REG_BEYOND)
		return;
	set_entry(io, pin,
		  (io->s.entry[pin] & ~writable) |
			  ((uint64_t)value << shift & writable));
}

static bool is_register(uint64_t offset, unsigned int size)
{
	return size == 4 && offset % 4 == 0;
}

uint64_t ioapic_read(struct ioapic *io, uint64_t offset, unsigned int size)
{
	if (!is_register(offset, size))
		return all_ones(size);
	if (offset == IOAPIC_SELECT)
		return io->s.select;
	return offset == IOAPIC_WINDOW ? read_window(io) : 0;
}

void ioapic_write(struct ioapic *io, uint64_t offset, unsigned int size,
		  uint64_t value)
{
	if (!is_register(offset, size))
		return;
	if (offset == IOAPIC_SELECT)
		io->s.select = (uint8_t)value;
	else if (offset == IOAPIC_WINDOW)
		write_window(io, (uint32_t)value);
	else if (offset == IOAPIC_EOI)
		ioapic_eoi(io, (uint8_t)value);
}

void ioapic_eoi(struct ioapic *io, uint8_t vector)
{
	uint32_t ended = 0;

	for (uint32_t pin = 0; pin < IOAPIC_PINS; pin++) {
		const uint64_t entry = io->s.entry[pin];

		if ((entry & IOAPIC_REMOTE_IRR) &&
		    (ENTRY_VECTOR(entry) == vector ||
		     io->s.sent_vector[pin] == vector))
			ended |= BIT(pin);
	}
	if (!ended)
		return;
	io->eois++;
	/* All of them, before the first message may bring the next EOI. */
	for (uint32_t bits = ended; bits; bits &= bits - 1)
		io->s.entry[__builtin_ctz(bits)] &= ~IOAPIC_REMOTE_IRR;
	for (uint32_t bits = ended; bits; bits &= bits - 1)
		examine(io, (uint32_t)__builtin_ctz(bits));
}

void ioapic_flush(struct ioapic *io)
{
	for (uint32_t bits = io->stale; bits; bits &= bits - 1)
		tell_route(io, (uint32_t)__builtin_ctz(bits));
	for (uint32_t bits = io->refused; bits; bits &= bits - 1)
		examine(io, (uint32_t)__builtin_ctz(bits));
}
