/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: a config write merges first and looks afterwards.  What COMMAND, the
 * BARs and the control words of MSI-X and MSI say after the merge is compared
 * with what the parts did before, so the width and the order of the guest's
 * writes do not matter.
 *
 * The pin is not stored anywhere: drive_pin() computes its level, and is
 * called whenever something that it depends on may have changed.
 */
#include "transport/pci/func.h"
#include "transport/pci/root.h"

#define BARS_END (PCI_BAR0 + 4 * PCI_NR_BARS)

void pci_func_init(struct pci_func *f, const struct pci_func_ops *ops,
		   const struct pci_ids *ids)
{
	struct pci_config *c = &f->config;

	memset(f, 0, sizeof(*f));
	f->ops = ops;
	for (unsigned int n = 0; n < PCI_NR_BARS; n++)
		f->bar[n].func = f;
	pci_config_init(c);
	pci_config_set(c, PCI_VENDOR, 2, ids->vendor);
	pci_config_set(c, PCI_DEVICE, 2, ids->device);
	pci_config_set(c, PCI_REVISION, 1, ids->revision);
	pci_config_set(c, PCI_CLASS, 3, ids->class_code);
	pci_config_set(c, PCI_SUBSYSTEM_VENDOR, 2, ids->subsystem_vendor);
	pci_config_set(c, PCI_SUBSYSTEM_DEVICE, 2, ids->subsystem_device);
}

void pci_func_fini(struct pci_func *f)
{
	assert(!f->root);
	irq_source_connect(&f->intx, NULL);
	msix_fini(&f->msix);
	pci_msi_fini(&f->msi);
}

void pci_func_add_bar(struct pci_func *f, unsigned int n, uint64_t size,
		      unsigned int flags)
{
	assert(n < PCI_NR_BARS && !f->root);
	pci_bar_init(&f->bar[n], f, size, flags);
}

int pci_func_add_msix(struct pci_func *f, unsigned int bar, uint16_t nr)
{
	static const uint8_t writable[10] = {
		[1] = (MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASKALL) >> 8,
	};
	struct msix *x = &f->msix;
	uint8_t body[10];
	int err, cap;

	assert(nr >= 1 && nr <= MSI_MAX_VECTORS && !x->nr);
	err = msix_init(x, nr, (uint8_t)bar);
	if (err)
		return err;
	store_le(&body[0], 2, nr - 1u);
	store_le(&body[2], 4, x->table_offset | bar);
	store_le(&body[6], 4, x->pba_offset | bar);
	cap = pci_cap_add(&f->config, PCI_CAP_MSIX, body, writable, 12);
	if (cap < 0) {
		msix_fini(x);
		return cap;
	}
	x->cap = (uint16_t)cap;
	pci_func_add_bar(f, bar, msix_bar_size(x), 0);
	pci_bar_add_window(&f->bar[bar], x->table_offset,
			   nr * sizeof(struct msi_vector), &msix_table_ops, x);
	pci_bar_add_window(&f->bar[bar], x->pba_offset,
			   MSI_PENDING_WORDS(nr) * sizeof(uint64_t),
			   &msix_pba_ops, x);
	return 0;
}

int pci_func_add_msi(struct pci_func *f, uint16_t nr)
{
	uint8_t body[PCI_MSI_LENGTH - 2] = { 0 };
	uint8_t writable[PCI_MSI_LENGTH - 2] = { 0 };
	int cap;

	assert(nr >= 1 && nr <= PCI_MSI_MAX && is_power_of_2(nr) && !f->msi.nr);
	pci_msi_layout(nr, body, writable);
	cap = pci_cap_add(&f->config, PCI_CAP_MSI, body, writable,
			  PCI_MSI_LENGTH);
	if (cap < 0)
		return cap;
	return pci_msi_init(&f->msi, nr, (uint16_t)cap);
}

void pci_func_add_intx(struct pci_func *f, unsigned int pin)
{
	assert(pin < INTX_PINS && !f->root);
	pci_config_set(&f->config, PCI_INTERRUPT_PIN, 1, pin + 1);
}

/* ---- Interrupts other than MSI-X ----------------------------------------- */

static enum irq_result drive_pin(struct pci_func *f)
{
	const bool disabled = pci_config_get(&f->config, PCI_COMMAND, 2) &
			      PCI_COMMAND_INTX_DISABLE;

	return irq_source_set(&f->intx, f->interrupt && !disabled &&
						!f->msi.enabled &&
						!f->msix.enabled);
}

static void set_cause(struct pci_func *f, bool on)
{
	uint32_t status = pci_config_get(&f->config, PCI_STATUS, 2);

	f->interrupt = on;
	/* PCI 3.0, 6.2.3: whatever INTX_DISABLE says. */
	status &= ~(uint32_t)PCI_STATUS_INTERRUPT;
	pci_config_set(&f->config, PCI_STATUS, 2,
		       status | (on ? PCI_STATUS_INTERRUPT : 0));
}

enum irq_result pci_func_set_interrupt(struct pci_func *f, bool on)
{
	const bool rise = on && !f->interrupt;

	if (f->interrupt != on)
		set_cause(f, on);
	if (!on)
		pci_msi_satisfied(&f->msi);
	if (rise && f->msi.enabled)
		return pci_msi_send(&f->msi, 0);
	return drive_pin(f);
}

/* ---- Configuration ------------------------------------------------------- */

bool pci_func_master(const struct pci_func *f)
{
	return pci_config_get(&f->config, PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
}

uint32_t pci_func_config_read(struct pci_func *f, uint32_t off,
			      unsigned int size)
{
	f->stats.config_reads++;
	if (!pci_config_legal(off, size)) {
		f->stats.bad++;
		return (uint32_t)all_ones(size);
	}
	if (f->msi.nr)
		pci_msi_show_pending(f);
	if (f->ops->config_read && off < PCI_CONFIG_STORED)
		f->ops->config_read(f, off, size);
	return pci_config_read(&f->config, off, size);
}

static bool touches(uint32_t off, unsigned int size, uint32_t reg,
		    unsigned int length)
{
	return off < reg + length && reg < off + size;
}

/* What a BAR that finds no place takes back. */
struct decoding {
	uint8_t command[2];
	uint8_t bar[4 * PCI_NR_BARS];
	uint32_t written[PCI_NR_BARS];
};

static void decoding_save(const struct pci_func *f, struct decoding *d)
{
	memcpy(d->command, &f->config.bytes[PCI_COMMAND], sizeof(d->command));
	memcpy(d->bar, &f->config.bytes[PCI_BAR0], sizeof(d->bar));
	memcpy(d->written, f->bar_written, sizeof(d->written));
}

static void decoding_restore(struct pci_func *f, const struct decoding *d)
{
	memcpy(&f->config.bytes[PCI_COMMAND], d->command, sizeof(d->command));
	memcpy(&f->config.bytes[PCI_BAR0], d->bar, sizeof(d->bar));
	memcpy(f->bar_written, d->written, sizeof(d->written));
}

static void write_decoding(struct pci_func *f, uint32_t off, unsigned int size,
			   uint32_t value)
{
	struct decoding old;

	decoding_save(f, &old);
	pci_config_write(&f->config, off, size, value);
	if (off >= PCI_BAR0 && off < BARS_END)
		store_le((uint8_t *)f->bar_written + (off - PCI_BAR0), size,
			 value);
	if (!pci_bars_update(f))
		return;
	f->stats.rolled_back++;
	decoding_restore(f, &old);
	/* What came into the places meanwhile may have the room that is needed
	 * for going back; the first try drives it out. */
	if (pci_bars_update(f))
		(void)pci_bars_update(f);
}

/* Bring vectors and pin in line with COMMAND and the control words; true if
 * MSI-X was enabled or disabled. */
static bool follow_control(struct pci_func *f)
{
	const bool master = pci_func_master(f);
	struct msix *x = &f->msix;
	bool changed = false;

	if (x->nr)
		changed = msix_update(
			x,
			(uint16_t)pci_config_get(&f->config,
						 x->cap + MSIX_CONTROL, 2),
			master);
	if (f->msi.nr)
		pci_msi_update(f, x->enabled, master);
	drive_pin(f);
	return changed;
}

static void tell_above(struct pci_func *f, bool was_master, bool msix_changed)
{
	const bool master = pci_func_master(f);

	if (master != was_master && f->ops->bus_master)
		f->ops->bus_master(f, master);
	if (msix_changed && f->ops->msix_enabled)
		f->ops->msix_enabled(f, f->msix.enabled);
}

void pci_func_config_write(struct pci_func *f, uint32_t off, unsigned int size,
			   uint32_t value)
{
	const bool was_master = pci_func_master(f);

	f->stats.config_writes++;
	if (!pci_config_legal(off, size)) {
		f->stats.bad++;
		return;
	}
	if (off >= PCI_CONFIG_STORED)
		return;
	if (touches(off, size, PCI_COMMAND, 2) ||
	    touches(off, size, PCI_BAR0, 4 * PCI_NR_BARS))
		write_decoding(f, off, size, value);
	else
		pci_config_write(&f->config, off, size, value);
	tell_above(f, was_master, follow_control(f));
	if (f->ops->config_written)
		f->ops->config_written(f, off, size);
}

uint64_t pci_func_bar_read(struct pci_func *f, unsigned int bar, uint64_t off,
			   unsigned int size)
{
	if (bar < PCI_NR_BARS)
		return pci_bar_read(&f->bar[bar], off, size);
	f->stats.bad++;
	return all_ones(size);
}

void pci_func_bar_write(struct pci_func *f, unsigned int bar, uint64_t off,
			unsigned int size, uint64_t value)
{
	if (bar < PCI_NR_BARS)
		pci_bar_write(&f->bar[bar], off, size, value);
	else
		f->stats.bad++;
}

void pci_func_reset(struct pci_func *f)
{
	const bool was_master = pci_func_master(f);
	bool msix_changed;

	/* First of all, so that what the registers say next drives nothing. */
	set_cause(f, false);
	pci_config_reset(&f->config);
	memset(f->bar_written, 0, sizeof(f->bar_written));
	/* Nothing of @f is put on the bus, so nothing of it can fail. */
	(void)pci_bars_update(f);
	msix_changed = follow_control(f);
	if (f->msix.nr)
		msix_reset(&f->msix);
	if (f->msi.nr)
		pci_msi_reset(&f->msi);
	if (f->ops->reset)
		f->ops->reset(f);
	/* News only now: before its reset, whoever is above would have a cause
	 * again as soon as MSI-X is off. */
	tell_above(f, was_master, msix_changed);
}
