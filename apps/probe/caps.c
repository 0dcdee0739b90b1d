/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bit per byte of configuration space remembers where the walk has been, so
 * a list that loops ends at its second visit.  A capability that does not fit
 * in front of the end of the snapshot is listed by its id alone.
 */
#include "apps/probe/caps.h"

#define CFG_VENDOR	0x00
#define CFG_STATUS	0x06
#define CFG_STATUS_CAPS BIT(4)
#define CFG_CAP_POINTER 0x34
#define CFG_HEADER_END	0x40

#define VENDOR_VIRTIO 0x1af4

#define MSIX_SIZE	     12
#define MSIX_CONTROL	     2
#define MSIX_CONTROL_VECTORS 0x7ffu
#define MSIX_CONTROL_MASKED  BIT(14)
#define MSIX_CONTROL_ENABLED BIT(15)
#define MSIX_TABLE	     4
#define MSIX_PBA	     8
#define MSIX_BAR	     0x7u

#define VIRTIO_LEN	   2
#define VIRTIO_TYPE	   3
#define VIRTIO_BAR	   4
#define VIRTIO_ID	   5
#define VIRTIO_OFFSET	   8
#define VIRTIO_LENGTH	   12
#define VIRTIO_SIZE	   16
#define VIRTIO_MULTIPLIER  16
#define VIRTIO_SIZE_NOTIFY 20
#define VIRTIO_OFFSET_HIGH 16
#define VIRTIO_LENGTH_HIGH 20
#define VIRTIO_SIZE_64	   24

static void decode_msix(const uint8_t *p, struct cap *cap)
{
	uint16_t control = load_le(p + MSIX_CONTROL, 2);
	uint32_t table = load_le(p + MSIX_TABLE, 4);
	uint32_t pba = load_le(p + MSIX_PBA, 4);

	cap->kind = CAP_MSIX;
	cap->msix = (struct cap_msix){
		.vectors = (control & MSIX_CONTROL_VECTORS) + 1,
		.enabled = control & MSIX_CONTROL_ENABLED,
		.masked = control & MSIX_CONTROL_MASKED,
		.table_bar = table & MSIX_BAR,
		.table_offset = table & ~MSIX_BAR,
		.pba_bar = pba & MSIX_BAR,
		.pba_offset = pba & ~MSIX_BAR,
	};
}

static void decode_virtio(const uint8_t *p, size_t room, struct cap *cap)
{
	size_t len = p[VIRTIO_LEN];
	struct cap_virtio *v = &cap->virtio;

	if (len < VIRTIO_SIZE || len > room)
		return;
	cap->kind = CAP_VIRTIO;
	*v = (struct cap_virtio){
		.type = p[VIRTIO_TYPE],
		.bar = p[VIRTIO_BAR],
		.id = p[VIRTIO_ID],
		.offset = load_le(p + VIRTIO_OFFSET, 4),
		.length = load_le(p + VIRTIO_LENGTH, 4),
	};
	if (v->type == VIRTIO_CAP_NOTIFY && len >= VIRTIO_SIZE_NOTIFY)
		v->notify_multiplier = load_le(p + VIRTIO_MULTIPLIER, 4);
	if (v->type == VIRTIO_CAP_SHARED_MEMORY && len >= VIRTIO_SIZE_64) {
		v->offset |= load_le(p + VIRTIO_OFFSET_HIGH, 4) << 32;
		v->length |= load_le(p + VIRTIO_LENGTH_HIGH, 4) << 32;
	}
}

static void decode(const uint8_t *cfg, size_t size, struct cap *cap)
{
	const uint8_t *p = cfg + cap->position;
	size_t room = size - cap->position;

	if (cap->id == CAP_ID_MSIX && room >= MSIX_SIZE)
		decode_msix(p, cap);
	if (cap->id == CAP_ID_VENDOR && room >= VIRTIO_SIZE &&
	    load_le(cfg + CFG_VENDOR, 2) == VENDOR_VIRTIO)
		decode_virtio(p, room, cap);
}

enum caps_end caps_decode(const uint8_t *cfg, size_t size,
			  struct cap caps[CAPS_MAX], unsigned int *count)
{
	uint8_t been[256 / 8] = { 0 };
	uint8_t at;

	*count = 0;
	if (size < CFG_HEADER_END)
		return CAPS_UNREADABLE;
	if (!(load_le(cfg + CFG_STATUS, 2) & CFG_STATUS_CAPS))
		return CAPS_COMPLETE;
	/* PCI 3.0, 6.7: the two low bits of each pointer are reserved. */
	for (at = cfg[CFG_CAP_POINTER] & ~3u; at; at = cfg[at + 1] & ~3u) {
		if (at < CFG_HEADER_END || been[at / 8] & BIT(at % 8) ||
		    *count == CAPS_MAX)
			return CAPS_BROKEN;
		if (!range_inside(at, 4, size))
			return CAPS_UNREADABLE;
		been[at / 8] |= BIT(at % 8);
		caps[*count] = (struct cap){ .position = at, .id = cfg[at] };
		decode(cfg, size, &caps[(*count)++]);
	}
	return CAPS_COMPLETE;
}

const char *cap_name(uint8_t id)
{
	static const char *const names[] = {
		[CAP_ID_PM] = "power management",
		[CAP_ID_MSI] = "msi",
		[CAP_ID_VENDOR] = "vendor",
		[0x0d] = "bridge subsystem",
		[CAP_ID_EXPRESS] = "express",
		[CAP_ID_MSIX] = "msix",
		[0x12] = "sata",
		[CAP_ID_AF] = "advanced features",
	};

	return id < ARRAY_SIZE(names) ? names[id] : NULL;
}

const char *cap_virtio_name(uint8_t type)
{
	static const char *const names[] = {
		[VIRTIO_CAP_COMMON] = "common",
		[VIRTIO_CAP_NOTIFY] = "notify",
		[VIRTIO_CAP_ISR] = "isr",
		[VIRTIO_CAP_DEVICE] = "device",
		[VIRTIO_CAP_PCI] = "pci access",
		[VIRTIO_CAP_SHARED_MEMORY] = "shared memory",
		[VIRTIO_CAP_VENDOR] = "vendor",
	};

	return type < ARRAY_SIZE(names) ? names[type] : NULL;
}
