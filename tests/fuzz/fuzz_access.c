/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine under arbitrary accesses: any space, address, size and value, with
 * memory lent and taken back in between, and bytes of guest memory changed.
 * Now and then a driver starts in the middle of it.
 *
 * After each step: reads fit their width, a BAR is on the bus only where its
 * registers say, a message left only if the registers let it and as the table
 * has it, the pin is as the registers say and so it is told.  In the end identity has not changed, a driver that starts from
 * there is served, and what was not lent is untouched.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/fuzz/check.h"

#define TABLE_BAR  VIRTIO_PCI_MSIX_BAR
#define BARS_BASE  0xd0000000ull
#define BUFFER_GPA (RIG_GPA + RIG_LENT - 0x1000)
#define BUFFER_LEN 64
#define IRQ_LINE   17 /* GSI of the function's pin */

struct input {
	const uint8_t *p, *end;
};

struct world {
	struct rig rig;
	struct guest guest;
	struct check_seen seen;
	/* The register of which the last step wrote all ones, else 0. */
	uint32_t probed;
};

static struct world w;

/* The next @n bytes as a number; 0 behind the end. */
static uint64_t in(struct input *i, unsigned int n)
{
	uint64_t v = 0;

	if ((size_t)(i->end - i->p) < n) {
		i->p = i->end;
		return 0;
	}
	memcpy(&v, i->p, n);
	i->p += n;
	return v;
}

static const struct pci_bar *bar_of(unsigned int n)
{
	return &w.rig.function->vp.func.bar[n];
}

static uint32_t config(uint32_t off, uint8_t size)
{
	return (uint32_t)rig_access(&w.rig, MSG_READ, PCIRING_SPACE_CONFIG, off,
				    size, 0);
}

static void set_config(uint32_t off, uint8_t size, uint64_t value)
{
	rig_access(&w.rig, MSG_WRITE, PCIRING_SPACE_CONFIG, off, size, value);
}

/* ---- What must hold ------------------------------------------------------- */

static void check_bar(unsigned int n)
{
	const struct pci_bar *b = bar_of(n);
	const uint32_t reg = PCI_BAR0 + 4 * n;
	const uint64_t mask = -b->size;
	uint64_t base = config(reg, 4) & ~15u;

	if (!b->mapped)
		return;
	if (b->flags & PCI_BAR_64)
		base |= (uint64_t)config(reg + 4, 4) << 32;
	must(config(PCI_COMMAND, 2) & PCI_COMMAND_MEM);
	must(base && base != mask && base != (uint32_t)mask);
	must(bus_find(&w.rig.machine->mmio, base, 4) == &b->range);
	must(w.probed != reg);
	must(!(b->flags & PCI_BAR_64) || w.probed != reg + 4);
}

static void check(void)
{
	for (unsigned int n = 0; n < PCI_NR_BARS; n++)
		check_bar(n);
	check_messages(&w.rig, &w.seen);
	check_pin(&w.rig, &w.seen);
	w.probed = 0;
}

/* ---- Steps ---------------------------------------------------------------- */

/* Mostly near something: nobody meets a register among 2^64 addresses.  The
 * rest goes anywhere. */
static uint64_t address_of(struct input *i, uint8_t space)
{
	const uint64_t a = in(i, 2);

	if ((a & 0xe000) == 0xe000)
		return in(i, 8);
	switch (space) {
	case PCIRING_SPACE_PIO:
		return 0xcf8 + (a & 7);
	case PCIRING_SPACE_MMIO:
		if (a & 0x8000)
			return MACHINE_ECAM_BASE + (RIG_BDF << 12) +
			       (a & 0xfff);
		if ((a & 0x6000) == 0x2000)
			return IOAPIC_BASE + (a & 0x7f);
		if (a & 0x4000)
			return bar_of(TABLE_BAR)->range.base + (a & 0x1fff);
		return bar_of(VIRTIO_PCI_BAR)->range.base + (a & 0x303f);
	case PCIRING_SPACE_EOI:
		return a & 3;
	case PCIRING_SPACE_BAR0 + TABLE_BAR:
		return a & 0x101f;
	case PCIRING_SPACE_BAR0 + VIRTIO_PCI_BAR:
		return a & (a & 0x8000 ? 0x303f : 0x7fff);
	default:
		return a & (a & 0x8000 ? 0xff : 0x1fff);
	}
}

static void step_access(struct input *i)
{
	static const uint8_t sizes[] = { 1, 2, 4, 8 };
	uint8_t how = (uint8_t)in(i, 1);
	uint8_t space = (uint8_t)(how >> 4) % (PCIRING_SPACE_EOI + 1);
	uint8_t size = sizes[how & 3];
	uint8_t op = (how >> 2 & 3) % 3;
	uint64_t address = address_of(i, space);
	uint64_t value = op == MSG_READ ? 0 : in(i, size);
	uint64_t answer;

	answer = rig_access(&w.rig, op, space, address, size, value);
	if (op == MSG_READ)
		must((answer & ~all_ones(size)) == 0);
	else if (space == PCIRING_SPACE_CONFIG && size == 4 &&
		 value == UINT32_MAX && address >= PCI_BAR0 &&
		 address < PCI_BAR0 + 4 * PCI_NR_BARS)
		w.probed = (uint32_t)address;
}

static void step_memory(struct input *i)
{
	uint64_t off = in(i, 3) % RIG_LENT;
	uint64_t n = in(i, 1);

	for (; n && off < RIG_LENT && i->p < i->end; n--)
		w.rig.mem[off++] = (uint8_t)in(i, 1);
}

/* A driver comes to DRIVER_OK from whatever state there is, and hears nothing
 * of what was before. */
static void start_driver(void)
{
	unsigned int v;

	must(guest_place_bars(&w.guest, BARS_BASE) == 0);
	guest_command(&w.guest, true, true);
	check_messages(&w.rig, &w.seen);
	must(guest_reset(&w.guest) == 0);
	guest_msix_control(&w.guest, true, false);
	for (v = 0; v < w.guest.msix.nr; v++)
		guest_msix_entry(&w.guest, v, 0xfee00000 + 0x1000 * v, v,
				 false);
	check_messages(&w.rig, &w.seen);
	w.guest.mem.used = 0;
	must(guest_start(&w.guest, GUEST_ALL_FEATURES, 16) == 0);
}

static void offer(void)
{
	const struct guest_buf buf = { BUFFER_GPA, BUFFER_LEN, true };

	if (w.guest.queue[0].size && guest_add(&w.guest, 0, &buf, 1, false) < 0)
		return;
	guest_kick(&w.guest, 0);
}

static void step_table(struct input *i)
{
	const uint8_t how = (uint8_t)in(i, 1);

	switch (how & 3) {
	case 0:
		guest_msix_control(&w.guest, how & 4, how & 8);
		break;
	case 1:
		guest_command(&w.guest, how & 4, how & 8);
		break;
	default:
		/* One dword of an entry, the mask among them. */
		rig_access(&w.rig, MSG_WRITE, PCIRING_SPACE_BAR0 + TABLE_BAR,
			   how >> 2 & 0x1c, 4, in(i, 1));
	}
}

/* Few places, so that BARs meet each other, ECAM, and the ends of 4 GiB. */
static void step_bar(struct input *i)
{
	const uint8_t how = (uint8_t)in(i, 1);
	const uint32_t low = BARS_BASE + (uint32_t)(how >> 4) * 0x1000;

	switch (how & 3) {
	case 0:
		guest_set_bar(&w.guest, TABLE_BAR, low);
		break;
	case 1:
		guest_set_bar(&w.guest, VIRTIO_PCI_BAR, low);
		break;
	case 2:
		guest_set_bar(&w.guest, VIRTIO_PCI_BAR,
			      low | (uint64_t)(how & 12) << 32);
		break;
	default:
		guest_set_bar(&w.guest, how & 4 ? TABLE_BAR : VIRTIO_PCI_BAR,
			      how & 8 ? 0xffffc000 : MACHINE_ECAM_BASE);
	}
}

static void step_eventfd(struct input *i)
{
	const uint8_t how = (uint8_t)in(i, 1);
	int fd = -1, old = -1;

	if (how & 2) {
		link_irq_control(&w.rig.link, RIG_BDF, how & 1, 1,
				 how & 4 ? PCIRING_IRQ_MASK
					 : PCIRING_IRQ_UNMASK);
		return;
	}
	if (how & 4)
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(link_bind(&w.rig.link, RIG_BDF, how & 1, fd, &old) == 0);
	if (old >= 0)
		close(old);
}

/* What a client does with a line: GSIs, functions' own, and none. */
static void step_line(struct input *i)
{
	const uint8_t how = (uint8_t)in(i, 1);
	const unsigned int kind = how & 1;
	const uint32_t number = how & 2 ? (uint32_t)in(i, 1)
				: kind	? IRQ_LINE
					: RIG_BDF;
	int fd = -1, old = -1;

	if (how & 4) {
		link_line_control(&w.rig.link, kind, number, how >> 3 & 3);
		return;
	}
	if (how & 8)
		fd = how & 16 ? dup(w.rig.mem_fd)
			      : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (link_line_bind(&w.rig.link, kind, number, fd, &old))
		old = fd;
	if (old >= 0)
		close(old);
}

/* The guest's I/O APIC: one half of an entry, mostly the one that matters. */
static void step_ioapic(struct input *i)
{
	const uint8_t how = (uint8_t)in(i, 1);
	const uint32_t reg = how & 1 ? how >> 1 : 0x10 + 2 * IRQ_LINE;

	rig_access(&w.rig, MSG_WRITE, PCIRING_SPACE_MMIO, IOAPIC_BASE, 4, reg);
	check();
	rig_access(&w.rig, MSG_WRITE, PCIRING_SPACE_MMIO,
		   IOAPIC_BASE + IOAPIC_WINDOW, 4, in(i, 3));
}

static void step_end(struct input *i)
{
	const uint8_t vector = (uint8_t)in(i, 1);

	rig_access(&w.rig, MSG_WRITE, PCIRING_SPACE_EOI, PCIRING_EOI_VECTOR, 4,
		   vector);
	check();
	rig_access(&w.rig, MSG_WRITE, PCIRING_SPACE_EOI, PCIRING_EOI_GSI, 4,
		   IRQ_LINE);
}

/* BARs through configuration space, with windows that make no sense too. */
static void step_window(struct input *i)
{
	const uint8_t how = (uint8_t)in(i, 1);
	const uint32_t at = w.guest.cap[GUEST_CAP_ACCESS].at;
	const uint8_t size = (uint8_t)(1u << (how >> 1 & 3) % 3);
	const uint32_t bar = how & 1 ? VIRTIO_PCI_BAR : how >> 5;
	const uint64_t off = address_of(i, PCIRING_SPACE_BAR0 + VIRTIO_PCI_BAR);

	set_config(at + 4, 1, bar);
	set_config(at + 8, 4, off);
	set_config(at + 12, 4, how & 8 ? size : in(i, 1));
	if (how & 16)
		set_config(at + 16, size, in(i, size));
	else
		(void)config(at + 16, size);
}

static void step(struct input *i)
{
	switch (in(i, 1) % 20) {
	case 0:
		step_memory(i);
		break;
	case 1:
		if (rig_take_back(&w.rig))
			must(rig_lend(&w.rig) == 0);
		break;
	case 2:
		rig_run(&w.rig, 64);
		break;
	case 3:
		link_reset(&w.rig.link, RIG_BDF);
		break;
	case 4:
		start_driver();
		break;
	case 5:
	case 6:
		offer();
		break;
	case 7:
		step_table(i);
		break;
	case 8:
		step_bar(i);
		break;
	case 9:
		step_eventfd(i);
		break;
	case 10:
		step_window(i);
		break;
	case 11:
		if (w.guest.queue[0].size)
			guest_offer(&w.guest, 0, (uint16_t)in(i, 1));
		break;
	case 12:
		step_line(i);
		break;
	case 13:
		step_ioapic(i);
		break;
	case 14:
		step_end(i);
		break;
	case 15:
		guest_isr(&w.guest);
		break;
	case 16:
		set_config(PCI_COMMAND, 2, in(i, 2));
		break;
	default:
		step_access(i);
	}
}

/* ---- One input ------------------------------------------------------------ */

/* Events that came into the bank, whatever became of them. */
static uint64_t events(void)
{
	const struct irq_counts *c =
		&w.rig.function->vp.func.msix.bank.stage.count;

	return c->fired + c->latched + c->masked + c->coalesced;
}

/* Whatever came before, the next driver finds a device that works. */
static void check_service(void)
{
	struct guest_used used;
	uint64_t raised;

	if (!w.rig.link.map.nr)
		must(rig_lend(&w.rig) == 0);
	start_driver();
	check();
	raised = events();
	offer();
	must(rig_run(&w.rig, 64));
	must(guest_poll(&w.guest, 0, &used) == 1);
	must(used.len > 0 && used.len <= BUFFER_LEN);
	must(events() > raised);
	check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input i = { data, data + size };
	const uint64_t how = in(&i, 1);
	struct link_options opt = {
		.scope = how & 1 ? PCIRING_SCOPE_MACHINE
				 : PCIRING_SCOPE_FUNCTION,
		.remote = how & 2,
	};

	if ((how & 3) == 1)
		opt.irqchip = (how >> 3 & 3) % (PCIRING_IRQCHIP_SPLIT + 1);
	memset(&w, 0, sizeof(w));
	must(rig_init_link(&w.rig, &opt) == 0);
	rig_guest(&w.rig, &w.guest);
	must(guest_find_caps(&w.guest) == 0);
	if (how & 4)
		start_driver();
	while (i.p < i.end) {
		step(&i);
		check();
	}
	must(config(0, 4) == 0x10441af4);
	check_service();
	must(rig_guards_hold(&w.rig));
	rig_fini(&w.rig);
	return 0;
}
