/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sink_kvm.h - where the cascade ends when the VMM has KVM
 *
 * Three ways in.  The sink is a syscall of the VMM for each message and each
 * change of a level.  An irqfd is an eventfd that KVM listens to: sink_eventfd
 * or sink_line feed it, and no thread of the VMM runs.  Both end at a GSI's
 * route, which is in a table of the kernel's that kvm_routes keeps.
 *
 * Threads   one at a time for each struct; KVM itself takes calls from any
 * Memory    the VM's descriptor is borrowed everywhere and outlives all this;
 *           kvm_routes allocates in init only
 * Errors    -errno, and then nothing has changed, in the kernel or here
 * Limits    KVM ORs its sources by pin, not by GSI: two GSIs that lead to one
 *           pin must not be set through the sink at the same time (the fall of
 *           one is the fall of both): connect sources to one GSI instead.
 *           So a line that goes from one way to a pin to another one leaves the
 *           first before it takes the second: irq_line_set_next() to NULL,
 *           tell KVM what is on a ring, irq_line_set_next() to the new one.
 *           The level is in its sources meanwhile.  (An irqfd is a source of
 *           its own to KVM, and needs no such care.)
 */
#ifndef IRQ_SINK_KVM_H
#define IRQ_SINK_KVM_H

#include "irq/gsi.h"

/*
 * ---- Messages and levels, a syscall each ----------------------------------
 *
 * A message: IRQ_DELIVERED a local APIC took it; IRQ_DROPPED it is lost, as it
 * is on a board: that APIC is switched off, or nobody has that address.
 *
 * A rise of pin GSI: IRQ_DELIVERED; IRQ_COALESCED with a rise that the chip has
 * already; IRQ_LATCHED the pin is masked or waits for its EOI: the chip keeps
 * the level (while the rise of an edge pin is forgotten, as the hardware does).
 * KVM does not tell such a pin from a GSI without a route.  A fall is
 * IRQ_QUEUED, and so is a rise where KVM does not tell.  IRQ_DROPPED: the VM
 * has no chips.
 *
 * KVM takes all or nothing at once, so this sink refuses nothing.
 */
struct sink_kvm {
	struct irq_stage stage;
	int vm;		   /* borrowed */
	bool devid;	   /* messages carry their requester */
	bool status;	   /* KVM tells what became of a rise */
	uint64_t failures; /* KVM said no; among the dropped ones */
	int error;	   /* the last of them, an errno */
};
void sink_kvm_init(struct sink_kvm *s, int vm);

/*
 * ---- The kernel's routing table -------------------------------------------
 *
 * KVM exchanges its table as a whole, so routes are collected here and told by
 * one call, kvm_routes_commit().  From its return on every irqfd and every pin
 * of the sink uses them; what was under way has used the old ones.
 *
 * With a split irqchip the first 24 GSIs are the I/O APIC's pins: KVM reports
 * the end of a level-triggered message only if a route there has its vector at
 * that time.  So who gives a pin another vector between a message and its end
 * hears of no end, as on hardware.
 */
struct kvm_routes {
	int vm; /* borrowed */
	bool devid;
	bool known;		/* @have is the kernel's; not so at first */
	uint32_t nr;		/* GSIs */
	uint32_t room;		/* entries that the kernel takes */
	uint32_t nr_entries;	/* that @want needs */
	uint32_t nr_changed;	/* GSIs of which @want and @have differ */
	uint64_t commits;	/* that made a call */
	struct gsi_route *want; /* owned */
	struct gsi_route *have; /* owned */
	void *table;		/* owned: as the kernel wants it */
};

/* @nr (up to GSI_MAX) routes to nowhere; the kernel's table stays as it is
 * until the first commit.  -EINVAL, -ENOMEM, or the VM has no routes. */
int kvm_routes_init(struct kvm_routes *r, int vm, uint32_t nr);
/* The kernel keeps the last commit. */
void kvm_routes_fini(struct kvm_routes *r);

/*
 * @gsi leads to @route after the next commit.  Chips are 0 and 1 the two PICs,
 * 2 the I/O APIC.  -EINVAL: no such GSI, chip or pin, or one chip twice, which
 * KVM does not do; -ENOSPC: more entries than the kernel takes.
 */
int kvm_routes_set(struct kvm_routes *r, uint32_t gsi,
		   const struct gsi_route *route);

/* Tell the kernel, if anything differs: one call.  -errno: the old routes are
 * still used, and the new ones still wait. */
int kvm_routes_commit(struct kvm_routes *r);

/*
 * ---- irqfd ------------------------------------------------------------------
 *
 * A signal of @fd is an event on @gsi.  With @resample (an eventfd; -1: none)
 * it is a rise instead, and KVM itself lets the level fall at the guest's EOI,
 * then signals @resample: whoever reads it calls sink_line_resample().  That
 * needs the I/O APIC in the kernel (-EINVAL with a split one).
 *
 * An @fd that was signalled before is an event at once, so an eventfd may be
 * filled while it has no listener.  -EBUSY: @fd has one already.
 */
int kvm_irqfd_assign(int vm, uint32_t gsi, int fd, int resample);

/* Nothing comes of @fd any more after this returns.  @fd stays the caller's. */
int kvm_irqfd_deassign(int vm, uint32_t gsi, int fd);

#endif
