/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfio_stage.h - a service, a proxy and a live guest, as clients meet them
 *
 * The service has one machine with an rng at 00:01.0, and a declared socket.
 * The guest's RAM is cut as QEMU's memory listener cuts it: the driver's part
 * starts where firmware re-lays it, at PAM; rings come to lie in [PAM, HIGH),
 * buffers behind that.
 *
 * Errors   whatever goes wrong fails the running test
 * Threads  one
 */
#ifndef TESTS_FLOW_VFIO_STAGE_H
#define TESTS_FLOW_VFIO_STAGE_H

#include "tests/flow/procs.h"
#include "tests/flow/vfio_guest.h"

#define LOW_SIZE  0xc0000ull
#define PAM	  0xc0000ull
#define PAM_SIZE  0x40000ull
#define HIGH	  0x100000ull
#define HIGH_SIZE (VFIO_GUEST_SIZE - HIGH)

#define CHAINS	    16
#define CHAIN_BYTES 2048u
#define VECTORS	    2

struct stage {
	struct procs procs;
	char path[PROCS_PATH]; /* of the rng's socket */
};

extern struct stage stage;

/* For a whole group of tests. */
int stage_setup(void **state);
int stage_teardown(void **state);

struct traffic {
	struct guest_buf buf[CHAINS];
	int event[VECTORS];
	unsigned int done;	  /* chains that came back */
	unsigned int interrupted; /* how often memory went amid work */
};

void traffic_init(struct traffic *tr);
void traffic_fini(struct traffic *tr);

/* How often an eventfd was written since the last look. */
uint64_t stage_fired(int fd);

/* Connect and query as QEMU does when it realizes a device; RAM is lent.  The
 * rng's socket, or the one at @path. */
void stage_qemu(struct vfio_guest *t);
void stage_qemu_at(struct vfio_guest *t, const char *path);

/* MSI-X as QEMU turns it on, then the driver to DRIVER_OK. */
void stage_go_live(struct vfio_guest *t, struct traffic *tr);

/* Offer all chains and kick. */
void stage_ask(struct vfio_guest *t, struct traffic *tr);
/* All that was asked for comes, within seconds, without another kick. */
void stage_collect(struct vfio_guest *t, struct traffic *tr);

/* Sent, and counted as under way; the replies come in that order. */
void stage_map(struct vfio_guest *t, uint64_t gpa, uint64_t size, bool with_fd);
void stage_unmap(struct vfio_guest *t, uint64_t gpa, uint64_t size);
void stage_replies(struct vfio_guest *t);

/* One of the bursts of a SeaBIOS boot, and worse; all is mapped afterwards. */
#define STAGE_RELAYS 5
void stage_relay(struct vfio_guest *t, struct traffic *tr, unsigned int kind);

#endif
