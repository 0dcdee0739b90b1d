/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/irq_kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

int irq_kvm_open(struct irq_kvm *k)
{
	int err;

	k->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (k->kvm < 0)
		return -errno;
	k->vm = ioctl(k->kvm, KVM_CREATE_VM, 0);
	if (k->vm < 0)
		goto close_kvm;
	if (ioctl(k->vm, KVM_CREATE_IRQCHIP, 0))
		goto close_vm;
	k->vcpu = ioctl(k->vm, KVM_CREATE_VCPU, 0);
	if (k->vcpu < 0)
		goto close_vm;
	return 0;

close_vm:
	err = -errno;
	close(k->vm);
	close(k->kvm);
	return err;
close_kvm:
	err = -errno;
	close(k->kvm);
	return err;
}

void irq_kvm_close(struct irq_kvm *k)
{
	close(k->vcpu);
	close(k->vm);
	close(k->kvm);
}
