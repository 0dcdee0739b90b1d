/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check.h - what must hold of a function, whatever a fuzzer did to it
 */
#ifndef TESTS_FUZZ_CHECK_H
#define TESTS_FUZZ_CHECK_H

#include "tests/flow/rig.h"
#include "tests/fuzz/must.h"

/* What check_messages() saw so far; zeroed with each new rig. */
struct check_seen {
	uint64_t eventfd_writes;
	/* What the client believes, by what it was told. */
	struct msi_message route[IOAPIC_PINS];
	uint32_t lines; /* that are high */
};

/*
 * To be called after each step.  Messages since the last call: each left
 * while MSI-X was enabled, the function bus master and the driver ready, came
 * from an unmasked vector, and says what that vector's entry says.  A step
 * changes one register, so what the registers say now they said then.  One of
 * the I/O APIC's says what the client was told of its pin before, and was
 * meant for a level or an edge of it.
 */
void check_messages(struct rig *rig, struct check_seen *seen);

/* The pin is what the registers say, each stage behind it knows, and so does
 * the client.  After check_messages(). */
void check_pin(struct rig *rig, const struct check_seen *seen);

#endif
