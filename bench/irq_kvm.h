/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * irq_kvm.h - a KVM machine to tell interrupts to
 *
 * It has an interrupt controller and a vCPU that never runs: what it is told
 * stays with its local APIC.
 */
#ifndef BENCH_IRQ_KVM_H
#define BENCH_IRQ_KVM_H

struct irq_kvm {
	int kvm, vm, vcpu; /* owned */
};

/* -errno: no KVM here that we may use. */
int irq_kvm_open(struct irq_kvm *k);
void irq_kvm_close(struct irq_kvm *k);

#endif
