/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * caps.h - what a function's configuration bytes say about its capabilities
 *
 * Pure decoding of a snapshot: nothing here touches a device.
 *
 * Trust     the bytes may be anything; the list is followed for at most
 *           CAPS_MAX entries and never outside the snapshot
 * Memory    the caller provides everything
 */
#ifndef APPS_PROBE_CAPS_H
#define APPS_PROBE_CAPS_H

#include "ring/base.h"

/* Bytes 0x40 to 0xff hold no more than this many capabilities. */
#define CAPS_MAX 48

enum {
	CAP_ID_PM = 0x01,
	CAP_ID_MSI = 0x05,
	CAP_ID_VENDOR = 0x09,
	CAP_ID_EXPRESS = 0x10,
	CAP_ID_MSIX = 0x11,
	CAP_ID_AF = 0x13,
};

/* Types of virtio's vendor capability (virtio 1.2, 4.1.4). */
enum {
	VIRTIO_CAP_COMMON = 1,
	VIRTIO_CAP_NOTIFY,
	VIRTIO_CAP_ISR,
	VIRTIO_CAP_DEVICE,
	VIRTIO_CAP_PCI,
	VIRTIO_CAP_SHARED_MEMORY = 8,
	VIRTIO_CAP_VENDOR = 9,
};

enum cap_kind {
	CAP_PLAIN,
	CAP_MSIX,
	CAP_VIRTIO,
};

struct cap_msix {
	unsigned int vectors;
	bool enabled;
	bool masked;
	uint8_t table_bar;
	uint32_t table_offset;
	uint8_t pba_bar;
	uint32_t pba_offset;
};

struct cap_virtio {
	uint8_t type;
	uint8_t bar;
	uint8_t id;
	uint64_t offset;
	uint64_t length;
	uint32_t notify_multiplier; /* of VIRTIO_CAP_NOTIFY only */
};

struct cap {
	uint8_t position;
	uint8_t id;
	enum cap_kind kind;
	union {
		struct cap_msix msix;	  /* CAP_MSIX */
		struct cap_virtio virtio; /* CAP_VIRTIO */
	};
};

/* How the walk ended. */
enum caps_end {
	CAPS_COMPLETE,
	CAPS_UNREADABLE, /* the list goes on where @size ends */
	CAPS_BROKEN,	 /* it loops, or points into the header */
};

/*
 * Decode the list in the first @size bytes of configuration space.  Fills
 * @caps, says how many in @count.
 */
enum caps_end caps_decode(const uint8_t *cfg, size_t size,
			  struct cap caps[CAPS_MAX], unsigned int *count);

/* A word for a capability id, or NULL. */
const char *cap_name(uint8_t id);
/* A word for the type of a virtio capability, or NULL. */
const char *cap_virtio_name(uint8_t type);

#endif
