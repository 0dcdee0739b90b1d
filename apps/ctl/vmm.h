/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vmm.h - how to start a VMM so that it uses a machine's functions
 *
 * What is printed can be pasted; its first line says how well that very form
 * is tested.
 */
#ifndef APPS_CTL_VMM_H
#define APPS_CTL_VMM_H

#include <jansson.h>

/* "qemu, cloud-hypervisor, libvirt" */
extern const char ctl_vmm_names[];

/* @machine is what machine.show says; @memory such as "2G".  0, or 1 after a
 * line that says why not. */
int ctl_vmm_print(const char *vmm, const json_t *machine, const char *memory);

#endif
