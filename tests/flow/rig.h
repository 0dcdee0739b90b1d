/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rig.h - a machine in this process, for flow tests and fuzzers
 *
 * One machine with an rng at 00:01.0, one link over a real channel whose two
 * ends are both here, and guest memory in a memfd of which only a part is
 * lent: [RIG_GPA, RIG_GPA + RIG_LENT) at offset RIG_GUARD of the file.  What
 * lies before and behind it must never change.
 *
 * More functions may be plugged, each with a driver of its own: a port is a
 * driver's way to one function.
 */
#ifndef TESTS_FLOW_RIG_H
#define TESTS_FLOW_RIG_H

#include "tests/guest/driver.h"
#include "transport/machine/machine.h"

#define RIG_BDF	  0x0008 /* 00:01.0 */
#define RIG_GPA	  0x100000ull
#define RIG_LENT  0x40000ull
#define RIG_GUARD 0x10000ull

struct rig_port {
	struct rig *rig;
	struct function *function;
};

struct rig {
	struct machine *machine;
	struct function *function;
	struct channel service; /* the service's half */
	struct channel client;	/* the client's half of the same segment */
	struct link link;
	struct gpa_files files;
	int mem_fd;
	uint8_t *file; /* the whole memfd */
	uint8_t *mem;  /* the lent part: guest physical RIG_GPA */
	uint32_t seq;
	struct rig_port port; /* of the rig's function */
};

/* 0 or -errno; @scope PCIRING_SCOPE_*, @remote PCIRING_IRQ_REMOTE; no irqchip. */
int rig_init(struct rig *rig, uint16_t scope, bool remote);
/* The same, with all that a link can be asked for; @opt->bdf is ours. */
int rig_init_link(struct rig *rig, const struct link_options *opt);
/* The same, with another device at 00:01.0. */
int rig_init_device(struct rig *rig, const struct link_options *opt,
		    const char *type, const struct device_option *option,
		    unsigned int nr_options);
void rig_fini(struct rig *rig);

/* Lend and take back the guest memory (rig_init() has lent it). */
int rig_lend(struct rig *rig);
int rig_take_back(struct rig *rig);

/* One access by the link, not through the rings; returns what was read. */
uint64_t rig_access(struct rig *rig, uint8_t op, uint8_t space,
		    uint64_t address, uint8_t size, uint64_t value);

/* The same, to any function. */
uint64_t rig_access_to(struct rig *rig, uint16_t bdf, uint8_t op, uint8_t space,
		       uint64_t address, uint8_t size, uint64_t value);

/* A driver for the rig's function whose memory is the lent part.  BAR accesses
 * go by guest physical address if the link is machine-wide, else by BAR. */
void rig_guest(struct rig *rig, struct guest *g);

/* An rng more, at @bdf; the machine owns it.  -errno. */
int rig_plug(struct rig *rig, uint16_t bdf, struct function **out);

/* A driver for @port's function; its memory are the lent bytes from
 * RIG_GPA + @offset on, @size of them. */
void rig_port_guest(struct rig_port *port, struct guest *g, uint64_t offset,
		    uint64_t size);

/* Turns until nothing is left to do, at most @turns; false if there still is. */
bool rig_run(struct rig *rig, unsigned int turns);

/* True while every byte that was not lent is as it was. */
bool rig_guards_hold(const struct rig *rig);

#endif
