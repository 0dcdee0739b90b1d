/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver.h - the guest's half: what a virtio-pci driver does, in small steps
 *
 * Every step can be called alone, in any order and with any argument, so that
 * a test can misbehave in the middle of a story that otherwise goes well.
 * Accesses go out through an ops table: straight into a function, or over
 * rings to another process.  This is the other side: it shares no header with
 * the device, and its constants are its own, from the specifications.
 *
 *	guest_init(&g, &ops, ctx, &memory);
 *	guest_start(&g, GUEST_ALL_FEATURES, 0);
 *	guest_add(&g, 0, &buf, 1, false);
 *	guest_kick(&g, 0);
 *	while (!guest_poll(&g, 0, &used))
 *		...
 *
 * Errors   0 or a count if it went well, -1 if the device did something that
 *          no driver would accept; g->why says what
 * Threads  one caller; the device may run beside it
 * Memory   rings and buffers come from one piece of guest memory, handed out
 *          from its start and never taken back
 */
#ifndef TESTS_GUEST_DRIVER_H
#define TESTS_GUEST_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_QUEUES	 16   /* whose rings one driver can hold */
#define GUEST_QUEUE_SIZE 1024 /* the longest of them */

/* virtio 1.2, 2.1 and chapter 6 */
#define GUEST_ACKNOWLEDGE 1u
#define GUEST_DRIVER	  2u
#define GUEST_DRIVER_OK	  4u
#define GUEST_FEATURES_OK 8u
#define GUEST_NEEDS_RESET 64u
#define GUEST_FAILED	  128u

#define GUEST_F_INDIRECT	  (1ull << 28)
#define GUEST_F_EVENT_IDX	  (1ull << 29)
#define GUEST_F_VERSION_1	  (1ull << 32)
#define GUEST_F_PACKED		  (1ull << 34)
#define GUEST_F_IN_ORDER	  (1ull << 35)
#define GUEST_F_NOTIFICATION_DATA (1ull << 38)
#define GUEST_F_NOTIF_CONFIG_DATA (1ull << 39)
#define GUEST_F_RING_RESET	  (1ull << 40)
/* Whatever is offered of the first 64. */
#define GUEST_ALL_FEATURES	  UINT64_MAX

#define GUEST_NO_VECTOR 0xffff

/* virtio 1.2, 4.1.4.5 */
#define GUEST_ISR_QUEUE	 1u
#define GUEST_ISR_CONFIG 2u

/* virtio 1.2, 4.1.4.3: offsets in the common configuration */
#define GUEST_DEVICE_FEATURE_SELECT 0
#define GUEST_DEVICE_FEATURE	    4
#define GUEST_DRIVER_FEATURE_SELECT 8
#define GUEST_DRIVER_FEATURE	    12
#define GUEST_CONFIG_VECTOR	    16
#define GUEST_NUM_QUEUES	    18
#define GUEST_STATUS		    20
#define GUEST_GENERATION	    21
#define GUEST_QUEUE_SELECT	    22
#define GUEST_QUEUE_SIZE_REG	    24
#define GUEST_QUEUE_VECTOR	    26
#define GUEST_QUEUE_ENABLE	    28
#define GUEST_QUEUE_NOTIFY_OFF	    30
#define GUEST_QUEUE_DESC	    32
#define GUEST_QUEUE_DRIVER	    40
#define GUEST_QUEUE_DEVICE	    48
#define GUEST_QUEUE_NOTIFY_DATA	    56
#define GUEST_QUEUE_RESET	    58

/* virtio 1.2, 2.7.5 */
#define GUEST_DESC_NEXT	    1u
#define GUEST_DESC_WRITE    2u
#define GUEST_DESC_INDIRECT 4u
/* virtio 1.2, 2.8.1: packed rings only */
#define GUEST_DESC_AVAIL    (1u << 7)
#define GUEST_DESC_USED	    (1u << 15)

/* Capability types; virtio 1.2, 4.1.4. */
enum guest_structure {
	GUEST_CAP_COMMON = 1,
	GUEST_CAP_NOTIFY,
	GUEST_CAP_ISR,
	GUEST_CAP_CONFIG,
	GUEST_CAP_ACCESS,
	GUEST_CAPS
};

struct guest_ops {
	uint32_t (*config_read)(void *ctx, uint32_t off, unsigned int size);
	void (*config_write)(void *ctx, uint32_t off, unsigned int size,
			     uint32_t value);
	uint64_t (*bar_read)(void *ctx, unsigned int bar, uint64_t off,
			     unsigned int size);
	void (*bar_write)(void *ctx, unsigned int bar, uint64_t off,
			  unsigned int size, uint64_t value);
};

struct guest_memory {
	uint64_t gpa;  /* > 0 */
	uint8_t *host; /* borrowed: the same bytes, as we see them */
	uint64_t size;
	uint64_t used; /* handed out */
};

struct guest_cap {
	uint8_t at; /* in configuration space; 0: not there */
	uint8_t bar;
	uint8_t cap_len;
	uint32_t offset, length;
};

struct guest_bar {
	uint64_t address, size; /* size 0: not there */
	bool io, is_64, prefetch;
};

struct guest_desc {
	uint64_t addr;
	uint32_t len;
	union {
		struct {
			uint16_t flags, next;
		};
		struct { /* in a packed ring */
			uint16_t id, packed_flags;
		};
	};
};

struct guest_queue {
	uint16_t size; /* 0: no rings yet */
	bool packed;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	struct guest_desc *desc;
	/* Split: flags, idx, ring[size], used_event.  Packed: offset and wrap
	 * counter, flags. */
	uint16_t *avail;
	/* Split: flags, idx, then pairs of 32 bits, avail_event.  Packed: as
	 * above. */
	uint16_t *used;
	uint16_t notify_off, notify_data;
	uint16_t avail_idx; /* chains that we published */
	uint16_t last_used; /* chains that we have back */
	uint16_t kicked_at; /* when we last asked if to kick: the index */
	bool quiet;	    /* wants no interrupts */
	/* Packed: the slots that come next, and their wrap counters. */
	uint16_t avail_slot, used_slot;
	bool avail_wrap, used_wrap;
	uint16_t added; /* slots, since we last asked if to kick */
	/* private: what a hostile device cannot reach */
	uint16_t free_head, free_tail, nr_heads, nr_free;
	uint16_t next[GUEST_QUEUE_SIZE];
	uint16_t length[GUEST_QUEUE_SIZE]; /* descriptors, by head; 0: ours */
	uint32_t room[GUEST_QUEUE_SIZE];   /* writable bytes, by head */
	/* IN_ORDER: heads as they were offered, and the batch that the device
	 * told of with its last one. */
	uint16_t order[GUEST_QUEUE_SIZE];
	struct guest_used_batch {
		uint16_t left, id;
		uint32_t len;
	} batch;
};

struct guest {
	const struct guest_ops *ops;
	void *ctx;
	struct guest_memory mem;
	const char *why; /* of the last -1 */
	struct guest_cap cap[GUEST_CAPS];
	uint32_t notify_multiplier;
	struct guest_bar bar[6];
	struct {
		uint8_t at; /* 0: not there */
		uint8_t table_bar, pba_bar;
		uint16_t nr;
		uint32_t table, pba;
	} msix;
	uint64_t features; /* negotiated */
	struct guest_queue queue[GUEST_QUEUES];
};

struct guest_buf {
	uint64_t gpa;
	uint32_t len;
	bool write; /* by the device */
};

struct guest_used {
	uint32_t id;
	uint32_t len;
};

void guest_init(struct guest *g, const struct guest_ops *ops, void *ctx,
		const struct guest_memory *mem);

/* Guest memory, zeroed; 0 if there is no more. */
uint64_t guest_alloc(struct guest *g, uint64_t bytes, uint64_t align);
/* The byte at @gpa as we see it; NULL outside our memory. */
void *guest_at(const struct guest *g, uint64_t gpa);

/* ---- PCI ----------------------------------------------------------------- */

/* Walk the capability list; -1 if it loops, is misplaced, or lacks one of the
 * structures that a driver cannot do without. */
int guest_find_caps(struct guest *g);

/* Size one BAR the way Linux does, decoding off; its old address comes back.
 * Returns how many registers it takes: 1 or 2. */
int guest_size_bar(struct guest *g, unsigned int n);

/* Size all memory BARs and place them one after the other from @base. */
int guest_place_bars(struct guest *g, uint64_t base);
void guest_set_bar(struct guest *g, unsigned int n, uint64_t address);

/* COMMAND: memory decoding and bus mastering. */
void guest_command(struct guest *g, bool memory, bool master);

/* A native MSI-X table: one entry, then the capability's two bits. */
void guest_msix_entry(struct guest *g, unsigned int v, uint64_t address,
		      uint32_t data, bool masked);
void guest_msix_control(struct guest *g, bool enable, bool mask_all);
bool guest_msix_pending(struct guest *g, unsigned int v);

/* The pin, for a driver that leaves MSI-X off: 1 is INTA, 0 there is none;
 * COMMAND's bit that silences it; whether STATUS says there is cause. */
unsigned int guest_intx_pin(struct guest *g);
void guest_intx_disable(struct guest *g, bool on);
bool guest_intx_status(struct guest *g);

/* ---- Registers ----------------------------------------------------------- */

uint64_t guest_read(struct guest *g, enum guest_structure s, uint32_t off,
		    unsigned int size);
void guest_write(struct guest *g, enum guest_structure s, uint32_t off,
		 unsigned int size, uint64_t value);

/* The same through the configuration access capability. */
uint32_t guest_window_read(struct guest *g, unsigned int bar, uint32_t off,
			   unsigned int size);
void guest_window_write(struct guest *g, unsigned int bar, uint32_t off,
			unsigned int size, uint32_t value);

uint8_t guest_status(struct guest *g);
/* Add bits to what the status reads now. */
void guest_add_status(struct guest *g, uint8_t bits);
/* What the interrupt was for, which ends its cause: GUEST_ISR_*. */
uint8_t guest_isr(struct guest *g);
/* Write 0 and wait for 0; -1 if it does not come. */
int guest_reset(struct guest *g);

uint64_t guest_offered(struct guest *g);
/* ACKNOWLEDGE, DRIVER, what is both offered and @wanted, FEATURES_OK;
 * -1 if it was refused. */
int guest_negotiate(struct guest *g, uint64_t wanted);

/* ---- Queues -------------------------------------------------------------- */

/* Rings of @size (0: the device's maximum) in guest memory, not yet told. */
int guest_queue_alloc(struct guest *g, unsigned int q, uint16_t size);
/* Tell the device: size, vector, addresses. */
int guest_queue_tell(struct guest *g, unsigned int q, uint16_t vector);
void guest_queue_enable(struct guest *g, unsigned int q);
/* Write 1 to queue_reset and wait until it is over; its rings are nobody's
 * then.  -1 if it does not end. */
int guest_queue_reset(struct guest *g, unsigned int q);

/* Everything from reset to DRIVER_OK: capabilities, bus mastering, features,
 * all queues (with vector q + 1 if MSI-X is enabled).  BARs are the caller's
 * business. */
int guest_start(struct guest *g, uint64_t wanted, uint16_t size);

/* Write one descriptor as it is, whatever it says. */
void guest_put_desc(struct guest *g, unsigned int q, uint16_t i,
		    const struct guest_desc *d);
/* Split: make descriptor @head available. */
void guest_offer(struct guest *g, unsigned int q, uint16_t head);
/* Split: publish any avail.idx. */
void guest_set_avail_idx(struct guest *g, unsigned int q, uint16_t idx);
/* Packed: the next @n slots are one list, available from now on.  They hold
 * what guest_put_desc() wrote, but for the bits that say so. */
void guest_offer_slots(struct guest *g, unsigned int q, uint16_t n);

/* Build a chain and offer it; its head (packed: buffer id), or -1 if descriptors or memory ran
 * out.  @indirect: by a table of its own. */
int guest_add(struct guest *g, unsigned int q, const struct guest_buf *buf,
	      unsigned int n, bool indirect);

/* Kick; kick if the device wants it (true: did). */
void guest_kick(struct guest *g, unsigned int q);
bool guest_kick_if_wanted(struct guest *g, unsigned int q);

/* Interrupts are wanted from the start: one for what is used after we saw all
 * there was.  Say if they are. */
void guest_want_interrupts(struct guest *g, unsigned int q, bool on);

/* The next used buffer: 1, 0 none yet, -1 one that we never offered. */
int guest_poll(struct guest *g, unsigned int q, struct guest_used *used);

/* Split: used.idx as the device published it. */
uint16_t guest_used_idx(struct guest *g, unsigned int q);

#endif
