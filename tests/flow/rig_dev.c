/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: each place is an eighth of the lent memory and a megabyte of addresses.
 */
#include "tests/flow/rig_dev.h"

#define PLACE_BYTES  (RIG_LENT / 8)
#define PLACE_BAR(i) (0xc0000000ull + (i)*0x100000ull)
#define BUFFER_LEN   16

int rig_dev_start(struct rig_dev *d, struct rig *rig, struct function *f,
		  unsigned int i)
{
	struct guest *g = &d->guest;

	d->port = (struct rig_port){ rig, f };
	d->asked = false;
	rig_port_guest(&d->port, g, i * PLACE_BYTES, PLACE_BYTES);
	if (guest_find_caps(g) || guest_intx_pin(g) != 1 ||
	    guest_place_bars(g, PLACE_BAR(i)))
		return -1;
	guest_command(g, true, true);
	if (guest_start(g, GUEST_ALL_FEATURES, 8))
		return -1;
	d->buffer = guest_alloc(g, BUFFER_LEN, 16);
	return d->buffer ? 0 : -1;
}

void rig_dev_ask(struct rig_dev *d)
{
	const struct guest_buf buf = { d->buffer, BUFFER_LEN, true };

	if (guest_add(&d->guest, 0, &buf, 1, false) < 0)
		return;
	guest_kick(&d->guest, 0);
	d->asked = true;
}

bool rig_dev_handle(struct rig_dev *d)
{
	struct guest_used used;

	if (!(guest_isr(&d->guest) & GUEST_ISR_QUEUE))
		return false;
	while (guest_poll(&d->guest, 0, &used) > 0) {
		d->done++;
		d->asked = false;
	}
	return true;
}
