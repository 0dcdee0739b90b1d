/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire.h - the vfio-user protocol, 0.1: every byte that a VMM and we exchange
 *
 * A message is a header and a payload; multi-byte fields are little-endian.
 * A reply repeats id and command.  An error reply is the header alone.
 *
 * Trust   all of it is a client's word: copied once, then checked
 */
#ifndef VFIO_USER_WIRE_H
#define VFIO_USER_WIRE_H

#include "ring/base.h"

#define VU_MAJOR 0
#define VU_MINOR 1

/* What we can receive, as we say in VERSION. */
#define VU_MAX_XFER    65536u
#define VU_SAID_FDS    16
/* What we do receive: clients send 16 whatever we said. */
#define VU_MAX_FDS     64u
/* A bulk write, or VERSION with 64 KiB of JSON, and what comes before it. */
#define VU_MAX_PAYLOAD (VU_MAX_XFER + 4096u)
#define VU_MAX_MAPS    65535u

enum vu_command {
	VU_VERSION = 1,
	VU_DMA_MAP = 2,
	VU_DMA_UNMAP = 3,
	VU_DEVICE_GET_INFO = 4,
	VU_GET_REGION_INFO = 5,
	VU_GET_REGION_IO_FDS = 6,
	VU_GET_IRQ_INFO = 7,
	VU_SET_IRQS = 8,
	VU_REGION_READ = 9,
	VU_REGION_WRITE = 10,
	VU_DEVICE_RESET = 13,
	VU_REGION_WRITE_MULTI = 15,
	VU_DEVICE_FEATURE = 16,
};

/* vu_header.flags */
#define VU_TYPE		0xfu
#define VU_TYPE_COMMAND 0u
#define VU_TYPE_REPLY	1u
#define VU_NO_REPLY	0x10u
#define VU_ERROR	0x20u

struct vu_header {
	uint16_t id;
	uint16_t command;
	uint32_t size; /* of the whole message */
	uint32_t flags;
	uint32_t error; /* replies with VU_ERROR: a positive errno */
};
static_assert(sizeof(struct vu_header) == 16, "wire");
static_assert(offsetof(struct vu_header, size) == 4, "wire");
static_assert(offsetof(struct vu_header, flags) == 8, "wire");
static_assert(offsetof(struct vu_header, error) == 12, "wire");

/* Followed by JSON and a NUL, or by nothing. */
struct vu_version {
	uint16_t major;
	uint16_t minor;
};
static_assert(sizeof(struct vu_version) == 4, "wire");

#define VU_DMA_READ  1u
#define VU_DMA_WRITE 2u

struct vu_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset;
	uint64_t address;
	uint64_t size;
};
static_assert(sizeof(struct vu_dma_map) == 32, "wire");
static_assert(offsetof(struct vu_dma_map, address) == 16, "wire");

#define VU_UNMAP_ALL 2u

struct vu_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t address;
	uint64_t size;
};
static_assert(sizeof(struct vu_dma_unmap) == 24, "wire");
static_assert(offsetof(struct vu_dma_unmap, address) == 8, "wire");

#define VU_DEVICE_RESETS 1u
#define VU_DEVICE_PCI	 2u

struct vu_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t num_regions;
	uint32_t num_irqs;
};
static_assert(sizeof(struct vu_device_info) == 16, "wire");

enum vu_region {
	VU_REGION_BAR0 = 0,
	VU_REGION_BAR5 = 5,
	VU_REGION_ROM = 6,
	VU_REGION_CONFIG = 7,
	VU_REGION_VGA = 8,
	VU_NR_REGIONS = 9,
};

#define VU_REGION_READABLE 1u
#define VU_REGION_WRITABLE 2u

struct vu_region_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t cap_offset;
	uint64_t size;
	uint64_t offset;
};
static_assert(sizeof(struct vu_region_info) == 32, "wire");
static_assert(offsetof(struct vu_region_info, size) == 16, "wire");

struct vu_io_fds {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};
static_assert(sizeof(struct vu_io_fds) == 16, "wire");

#define VU_IO_FD_IOEVENTFD 0u

/* Of these @count follow in the reply, and their descriptors come with it. */
struct vu_io_fd {
	uint64_t offset; /* in the region */
	uint64_t size;
	uint32_t fd_index;
	uint32_t type;
	uint32_t flags; /* 0: datamatch is not looked at */
	uint32_t reserved;
	uint64_t datamatch;
};
static_assert(sizeof(struct vu_io_fd) == 40, "wire");
static_assert(offsetof(struct vu_io_fd, fd_index) == 16, "wire");
static_assert(offsetof(struct vu_io_fd, datamatch) == 32, "wire");

enum vu_irq_index {
	VU_IRQ_INTX,
	VU_IRQ_MSI,
	VU_IRQ_MSIX,
	VU_IRQ_ERR,
	VU_IRQ_REQ,
	VU_NR_IRQS,
};

#define VU_IRQ_EVENTFD	  1u
#define VU_IRQ_MASKABLE	  2u
#define VU_IRQ_AUTOMASKED 4u /* by each signal, until UNMASK */

struct vu_irq_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};
static_assert(sizeof(struct vu_irq_info) == 16, "wire");

/* vu_set_irqs.flags: one of the data bits and one of the actions. */
#define VU_SET_NONE    0x01u
#define VU_SET_BOOL    0x02u
#define VU_SET_EVENTFD 0x04u
#define VU_SET_DATA    0x07u
#define VU_SET_MASK    0x08u
#define VU_SET_UNMASK  0x10u
#define VU_SET_TRIGGER 0x20u
#define VU_SET_ACTION  0x38u

/* With VU_SET_BOOL @count bytes follow. */
struct vu_set_irqs {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t start;
	uint32_t count;
};
static_assert(sizeof(struct vu_set_irqs) == 20, "wire");

/* REGION_READ, REGION_WRITE; the data follow in the reply, or the request. */
struct vu_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
};
static_assert(sizeof(struct vu_region_access) == 16, "wire");

/* REGION_WRITE_MULTI: a 64-bit number of these, and then these. */
struct vu_region_write {
	uint64_t offset;
	uint32_t region;
	uint32_t count; /* 1 to 8 */
	uint64_t data;
};
static_assert(sizeof(struct vu_region_write) == 24, "wire");

#endif
