/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How: the capability's bytes are ordinary writable configuration bytes; the
 * function tells us before it reads and after it merged, and then we go
 * through the same door as an access to the BAR itself.  A BAR access never
 * comes back to configuration space, so this does not recurse.
 */
#include "transport/virtio_pci/access_cap.h"

/* virtio 1.2, 4.1.4: offsets in the capability. */
#define CAP_BAR	   4
#define CAP_OFFSET 8
#define CAP_LENGTH 12
#define CAP_DATA   16
#define CAP_SIZE   20

#define CAP_TYPE_ACCESS 5

#define BODY(off) ((off)-2) /* pci_cap_add() counts from byte 2 */

int access_cap_add(struct virtio_pci *vp)
{
	static const uint8_t body[CAP_SIZE - 2] = {
		[BODY(2)] = CAP_SIZE,
		[BODY(3)] = CAP_TYPE_ACCESS,
	};
	uint8_t writable[CAP_SIZE - 2] = { [BODY(CAP_BAR)] = 0xff };
	int cap;

	memset(&writable[BODY(CAP_OFFSET)], 0xff, CAP_SIZE - CAP_OFFSET);
	cap = pci_cap_add(&vp->func.config, PCI_CAP_VENDOR, body, writable,
			  CAP_SIZE);
	if (cap < 0)
		return cap;
	vp->access_cap = (uint16_t)cap;
	return 0;
}

struct window {
	uint32_t bar, offset, length;
};

static bool find_window(const struct virtio_pci *vp, struct window *w)
{
	const struct pci_config *c = &vp->func.config;
	const unsigned int cap = vp->access_cap;

	w->bar = pci_config_get(c, cap + CAP_BAR, 1);
	w->offset = pci_config_get(c, cap + CAP_OFFSET, 4);
	w->length = pci_config_get(c, cap + CAP_LENGTH, 4);
	if (w->length != 1 && w->length != 2 && w->length != 4)
		return false;
	return w->bar < PCI_NR_BARS && !(w->offset % w->length) &&
	       range_inside(w->offset, w->length, vp->func.bar[w->bar].size);
}

static bool touches_data(const struct virtio_pci *vp, uint32_t off,
			 unsigned int size)
{
	const unsigned int data = vp->access_cap + CAP_DATA;

	return off < data + 4 && off + size > data;
}

void access_cap_written(struct virtio_pci *vp, uint32_t off, unsigned int size)
{
	struct window w;

	if (!touches_data(vp, off, size) || !find_window(vp, &w))
		return;
	pci_func_bar_write(&vp->func, w.bar, w.offset, w.length,
			   pci_config_get(&vp->func.config,
					  vp->access_cap + CAP_DATA, w.length));
}

void access_cap_read(struct virtio_pci *vp, uint32_t off, unsigned int size)
{
	struct window w;
	uint64_t value;

	if (!touches_data(vp, off, size) || !find_window(vp, &w))
		return;
	value = pci_func_bar_read(&vp->func, w.bar, w.offset, w.length);
	pci_config_set(&vp->func.config, vp->access_cap + CAP_DATA, w.length,
		       (uint32_t)value);
}
