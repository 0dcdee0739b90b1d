/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: KVM says what became of an interrupt by the value of its ioctl; this is
 * where those values get their names.
 *
 * The routing table is kept twice, as it should be and as the kernel has it,
 * so that a route that was changed and changed back costs no call, and a call
 * that failed has changed nothing.  Each commit writes the flat array anew: the
 * kernel copies and sorts all of it anyway, and waits for its readers, which
 * takes longer than all our loops.
 */
#include "irq/sink_kvm.h"

#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define PIC_PINS    8
#define IOAPIC_CHIP KVM_IRQCHIP_IOAPIC

static_assert(KVM_IRQCHIP_PIC_MASTER == 0 && KVM_IRQCHIP_PIC_SLAVE == 1 &&
		      KVM_IRQCHIP_IOAPIC == 2,
	      "gsi.h's chips are KVM's");

static bool has(int vm, int capability)
{
	return ioctl(vm, KVM_CHECK_EXTENSION, capability) > 0;
}

/* ---- Messages and levels ------------------------------------------------- */

static enum irq_result failed(struct sink_kvm *s)
{
	s->error = errno;
	s->failures++;
	s->stage.count.dropped++;
	return IRQ_DROPPED;
}

static enum irq_result sink_kvm_send(struct irq_stage *stage,
				     const struct msi_message *m)
{
	struct sink_kvm *s = container_of(stage, struct sink_kvm, stage);
	struct kvm_msi msi = {
		.address_lo = (uint32_t)m->address,
		.address_hi = (uint32_t)(m->address >> 32),
		.data = m->data,
		.flags = s->devid ? KVM_MSI_VALID_DEVID : 0,
		.devid = s->devid ? m->requester_id : 0,
	};
	int taken = ioctl(s->vm, KVM_SIGNAL_MSI, &msi);

	if (taken < 0)
		return failed(s);
	/* Nobody keeps a message that an APIC blocked. */
	if (!taken) {
		stage->count.dropped++;
		return IRQ_DROPPED;
	}
	stage->count.fired++;
	return IRQ_DELIVERED;
}

static enum irq_result fired(struct sink_kvm *s, enum irq_result result)
{
	s->stage.count.fired++;
	return result;
}

static enum irq_result sink_kvm_set(struct irq_stage *stage, uint32_t pin,
				    bool high)
{
	struct sink_kvm *s = container_of(stage, struct sink_kvm, stage);
	struct kvm_irq_level level = { .irq = pin, .level = high };

	if (ioctl(s->vm, s->status ? KVM_IRQ_LINE_STATUS : KVM_IRQ_LINE,
		  &level))
		return failed(s);
	if (!s->status || !high)
		return fired(s, IRQ_QUEUED);
	if (level.status > 0)
		return fired(s, IRQ_DELIVERED);
	if (level.status == 0) {
		stage->count.coalesced++;
		return IRQ_COALESCED;
	}
	stage->count.masked++;
	return IRQ_LATCHED;
}

static const struct irq_stage_ops sink_kvm_ops = {
	.kind = "kvm",
	.send = sink_kvm_send,
	.set = sink_kvm_set,
	.edge = NULL,
	.view = NULL,
};

void sink_kvm_init(struct sink_kvm *s, int vm)
{
	*s = (struct sink_kvm){
		.stage.ops = &sink_kvm_ops,
		.vm = vm,
		.devid = has(vm, KVM_CAP_MSI_DEVID),
		.status = has(vm, KVM_CAP_IRQ_INJECT_STATUS),
	};
}

/* ---- The routing table --------------------------------------------------- */

static uint32_t entries_of(const struct gsi_route *route)
{
	switch (route->kind) {
	case GSI_TO_PINS:
		return route->nr_pins;
	case GSI_TO_MSI:
		return 1;
	case GSI_NOWHERE:
		break;
	}
	return 0;
}

static bool same_pins(const struct gsi_route *a, const struct gsi_route *b)
{
	if (a->nr_pins != b->nr_pins)
		return false;
	for (unsigned int i = 0; i < a->nr_pins; i++)
		if (a->pin[i].chip != b->pin[i].chip ||
		    a->pin[i].pin != b->pin[i].pin)
			return false;
	return true;
}

static bool same_route(const struct kvm_routes *r, uint32_t gsi)
{
	const struct gsi_route *a = &r->want[gsi], *b = &r->have[gsi];

	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case GSI_TO_PINS:
		return same_pins(a, b);
	case GSI_TO_MSI:
		return a->msi.address == b->msi.address &&
		       a->msi.data == b->msi.data &&
		       (!r->devid ||
			a->msi.requester_id == b->msi.requester_id);
	case GSI_NOWHERE:
		break;
	}
	return true;
}

static bool sensible(const struct gsi_route *route)
{
	unsigned int chips = 0;

	if (route->kind != GSI_TO_PINS)
		return route->kind == GSI_NOWHERE || route->kind == GSI_TO_MSI;
	if (!route->nr_pins || route->nr_pins > GSI_PINS)
		return false;
	for (unsigned int i = 0; i < route->nr_pins; i++) {
		unsigned int chip = route->pin[i].chip;

		if (chip >= GSI_CHIPS || chips & BIT(chip))
			return false;
		if (route->pin[i].pin >=
		    (chip == IOAPIC_CHIP ? KVM_IOAPIC_NUM_PINS : PIC_PINS))
			return false;
		chips |= BIT(chip);
	}
	return true;
}

/* Write what the kernel calls @route at @e; returns how many entries. */
static uint32_t encode(const struct kvm_routes *r, uint32_t gsi,
		       struct kvm_irq_routing_entry *e)
{
	const struct gsi_route *route = &r->want[gsi];
	uint32_t n = entries_of(route);

	memset(e, 0, n * sizeof(*e));
	for (uint32_t i = 0; i < n; i++) {
		e[i].gsi = gsi;
		if (route->kind == GSI_TO_PINS) {
			e[i].type = KVM_IRQ_ROUTING_IRQCHIP;
			e[i].u.irqchip.irqchip = route->pin[i].chip;
			e[i].u.irqchip.pin = route->pin[i].pin;
			continue;
		}
		e[i].type = KVM_IRQ_ROUTING_MSI;
		e[i].u.msi.address_lo = (uint32_t)route->msi.address;
		e[i].u.msi.address_hi = (uint32_t)(route->msi.address >> 32);
		e[i].u.msi.data = route->msi.data;
		if (r->devid) {
			e[i].flags = KVM_MSI_VALID_DEVID;
			e[i].u.msi.devid = route->msi.requester_id;
		}
	}
	return n;
}

int kvm_routes_init(struct kvm_routes *r, int vm, uint32_t nr)
{
	int room = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING);
	struct kvm_routes new = { .vm = vm, .nr = nr };

	if (room < 0)
		return -errno;
	if (!room)
		return -ENOTSUP;
	if (!nr || nr > GSI_MAX)
		return -EINVAL;
	new.room =
		(uint32_t)room < nr *GSI_PINS ? (uint32_t)room : nr *GSI_PINS;
	new.devid = has(vm, KVM_CAP_MSI_DEVID);
	new.want = calloc(nr, sizeof(*new.want));
	new.have = calloc(nr, sizeof(*new.have));
	new.table = malloc(sizeof(struct kvm_irq_routing) +
			   new.room * sizeof(struct kvm_irq_routing_entry));
	if (!new.want || !new.have || !new.table) {
		kvm_routes_fini(&new);
		return -ENOMEM;
	}
	*r = new;
	return 0;
}

void kvm_routes_fini(struct kvm_routes *r)
{
	free(r->want);
	free(r->have);
	free(r->table);
	*r = (struct kvm_routes){ .vm = -1 };
}

int kvm_routes_set(struct kvm_routes *r, uint32_t gsi,
		   const struct gsi_route *route)
{
	uint32_t entries;

	if (gsi >= r->nr || !sensible(route))
		return -EINVAL;
	entries = r->nr_entries - entries_of(&r->want[gsi]) + entries_of(route);
	if (entries > r->room)
		return -ENOSPC;
	r->nr_entries = entries;
	r->nr_changed -= !same_route(r, gsi);
	r->want[gsi] = *route;
	r->nr_changed += !same_route(r, gsi);
	return 0;
}

int kvm_routes_commit(struct kvm_routes *r)
{
	struct kvm_irq_routing *table = r->table;

	if (r->known && !r->nr_changed)
		return 0;
	table->nr = 0;
	table->flags = 0;
	for (uint32_t gsi = 0; gsi < r->nr; gsi++)
		table->nr += encode(r, gsi, &table->entries[table->nr]);
	assert(table->nr == r->nr_entries);
	if (ioctl(r->vm, KVM_SET_GSI_ROUTING, table))
		return -errno;
	memcpy(r->have, r->want, r->nr * sizeof(*r->have));
	r->known = true;
	r->nr_changed = 0;
	r->commits++;
	return 0;
}

/* ---- irqfd --------------------------------------------------------------- */

int kvm_irqfd_assign(int vm, uint32_t gsi, int fd, int resample)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)fd,
		.gsi = gsi,
	};

	if (resample >= 0) {
		irqfd.flags = KVM_IRQFD_FLAG_RESAMPLE;
		irqfd.resamplefd = (uint32_t)resample;
	}
	return ioctl(vm, KVM_IRQFD, &irqfd) ? -errno : 0;
}

int kvm_irqfd_deassign(int vm, uint32_t gsi, int fd)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)fd,
		.gsi = gsi,
		.flags = KVM_IRQFD_FLAG_DEASSIGN,
	};

	return ioctl(vm, KVM_IRQFD, &irqfd) ? -errno : 0;
}
