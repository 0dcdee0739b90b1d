/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfio_guest.h - a guest's driver whose accesses go out as vfio-user messages
 *
 * BAR writes are sent as QEMU sends them, without waiting for a reply; all
 * other accesses wait.  Guest memory is a memfd called VFIO_GUEST_RAM, so that
 * a mapping of it is found in anybody's /proc/PID/maps.
 *
 * Threads   one per guest
 */
#ifndef TESTS_FLOW_VFIO_GUEST_H
#define TESTS_FLOW_VFIO_GUEST_H

#include "tests/flow/vfio_raw.h"
#include "tests/guest/driver.h"

#define VFIO_GUEST_RAM	"pciring-test-ram"
#define VFIO_GUEST_SIZE 0x400000u /* of all RAM, from guest physical 0 */

struct vfio_guest {
	struct vfio_raw v;
	struct guest g;
	int ram;		/* owned */
	uint8_t *at;		/* RAM as we see it */
	int failed;		/* the first -errno of an access */
	unsigned int in_flight; /* commands whose reply has not been taken */
};

/* RAM, of which [@gpa, @gpa + @size) is the driver's.  Not connected yet. */
int vfio_guest_init(struct vfio_guest *t, uint64_t gpa, uint64_t size);
void vfio_guest_fini(struct vfio_guest *t);

#endif
