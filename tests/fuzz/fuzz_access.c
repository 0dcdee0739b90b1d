/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine under arbitrary accesses: any space, address, size and value, with
 * memory lent and taken back in between, and bytes of guest memory changed.
 *
 * After each step: what was not lent is untouched, identity does not change,
 * reads fit their width, and a turn comes to an end.
 */
#include <stdlib.h>

#include "tests/flow/rig.h"

struct input {
	const uint8_t *p, *end;
};

/* The next @n bytes as a number; 0 behind the end. */
static uint64_t in(struct input *i, unsigned int n)
{
	uint64_t v = 0;

	if ((size_t)(i->end - i->p) < n) {
		i->p = i->end;
		return 0;
	}
	memcpy(&v, i->p, n);
	i->p += n;
	return v;
}

static void must(bool ok)
{
	if (!ok)
		abort();
}

static uint64_t address_of(struct input *i, uint8_t space)
{
	/* Mostly near something: short addresses reach every register, and
	 * one bit goes for the whole 64. */
	uint64_t a = in(i, 2);

	if (space == PCIRING_SPACE_MMIO)
		return a & 1 ? in(i, 8) : MACHINE_ECAM_BASE + in(i, 3);
	if (a & 0x8000)
		return in(i, 8);
	return a & 0x7fff;
}

static void step_access(struct rig *rig, struct input *i)
{
	static const uint8_t sizes[] = { 1, 2, 4, 8 };
	uint8_t how = (uint8_t)in(i, 1);
	uint8_t space = (uint8_t)(how >> 4) % (PCIRING_SPACE_BAR5 + 1);
	uint8_t size = sizes[how & 3];
	uint8_t op = (how >> 2 & 3) % 3;
	uint64_t address = address_of(i, space);
	uint64_t value = op == MSG_READ ? 0 : in(i, size);
	uint64_t answer;

	answer = rig_access(rig, op, space, address, size, value);
	if (op == MSG_READ)
		must((answer & ~all_ones(size)) == 0);
}

static void step_memory(struct rig *rig, struct input *i)
{
	uint64_t off = in(i, 3) % RIG_LENT;
	uint64_t n = in(i, 1);

	for (; n && off < RIG_LENT && i->p < i->end; n--)
		rig->mem[off++] = (uint8_t)in(i, 1);
}

static void step(struct rig *rig, struct input *i)
{
	switch (in(i, 1) & 7) {
	case 0:
		step_memory(rig, i);
		break;
	case 1:
		if (rig_take_back(rig))
			must(rig_lend(rig) == 0);
		break;
	case 2:
		rig_run(rig, 64);
		break;
	case 3:
		link_reset(&rig->link, RIG_BDF);
		break;
	default:
		step_access(rig, i);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input i = { data, data + size };
	struct rig rig;

	must(rig_init(&rig,
		      size && data[0] & 1 ? PCIRING_SCOPE_MACHINE
					  : PCIRING_SCOPE_FUNCTION,
		      size && data[0] & 2) == 0);
	while (i.p < i.end)
		step(&rig, &i);
	rig_run(&rig, 64);
	must(rig_guards_hold(&rig));
	must(rig_access(&rig, MSG_READ, PCIRING_SPACE_CONFIG, 0, 4, 0) ==
	     0x10441af4);
	rig_fini(&rig);
	return 0;
}
