/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * msg.h - the wire format: every byte that two processes exchange
 *
 * Three kinds of messages: those on rings in the segment (access, completion,
 * irq), the words of the segment itself, and control messages on the attach
 * socket, which carry descriptors.  Every offset is asserted here; a change
 * of any of them is a change of PCIRING_VERSION_*.
 *
 * Trust   whoever reads one of these copies it once, then checks the copy
 */
#ifndef RING_MSG_H
#define RING_MSG_H

#include "ring/base.h"
#include "ring/pciring.h"

/* ---- Rings ------------------------------------------------------------- */

enum msg_op {
	MSG_READ = 0,
	MSG_WRITE = 1,
	MSG_POSTED = 2, /* a write that no completion answers */
};

/* Client to service: one access.  @space is PCIRING_SPACE_*. */
struct msg_access {
	uint64_t address;
	uint64_t value;
	uint32_t seq; /* of this lane; the completion repeats it */
	uint16_t function;
	uint8_t space;
	uint8_t size;
	uint8_t op;
	uint8_t reserved[7];
};
static_assert(sizeof(struct msg_access) == 32, "wire");
static_assert(offsetof(struct msg_access, seq) == 16, "wire");
static_assert(offsetof(struct msg_access, function) == 20, "wire");
static_assert(offsetof(struct msg_access, op) == 24, "wire");

/* Service to client: the answer to a READ or WRITE. */
struct msg_completion {
	uint64_t value;
	uint32_t seq;
	uint32_t status; /* 0, or a positive errno */
};
static_assert(sizeof(struct msg_completion) == 16, "wire");
static_assert(offsetof(struct msg_completion, seq) == 8, "wire");

/*
 * Service to client: one interrupt.  @what is a PCIRING_IRQ_TYPE_* in its upper
 * four bits and a number below: the vector of an MSI, the GSI of a line (whose
 * level is @data), the I/O APIC pin of a route.
 */
struct msg_irq {
	uint64_t address;
	uint32_t data;
	uint16_t requester_id;
	uint16_t what;
};
static_assert(sizeof(struct msg_irq) == 16, "wire");
static_assert(offsetof(struct msg_irq, requester_id) == 12, "wire");
#define MSG_IRQ_WHAT(type, number) ((uint16_t)((type) << 12 | (number)))
#define MSG_IRQ_TYPE(what)	   ((what) >> 12)
#define MSG_IRQ_NUMBER(what)	   ((what)&0xfffu)

/* ---- The attach socket (SOCK_SEQPACKET: one message a packet) ----------- */

#define MSG_MAGIC   0x676e7270u /* "prng" */
#define MSG_MAX_FDS 16		/* in one packet */

enum msg_type {
	MSG_HELLO = 1,		/* c->s, first; reply carries MSG_FD_* */
	MSG_DMA_MAP = 2,	/* c->s, 0 or 1 descriptor */
	MSG_DMA_UNMAP = 3,	/* c->s */
	MSG_FUNCTION_INFO = 4,	/* c->s */
	MSG_FUNCTION_RESET = 5, /* c->s */
	MSG_IRQ_BIND = 6,	/* c->s, 0 to 16 descriptors */
	MSG_IRQ_CONTROL = 7,	/* c->s */
	MSG_SOCKET_ADD = 8,	/* s->c, to a watcher; not answered */
	MSG_SOCKET_DEL = 9,	/* s->c, to a watcher; not answered */
	MSG_SOCKET_STATE = 10,	/* c->s, from a watcher */
	MSG_LINE_BIND = 11,	/* c->s, 0 to 2 descriptors */
	MSG_LINE_CONTROL = 12,	/* c->s */
	MSG_NOTIFY_PAGE = 13,	/* c->s; the reply has 1 descriptor */
	MSG_KICK_BIND = 14,	/* c->s, 0 or 1 descriptor */
};

/* Every packet starts so.  A reply repeats type and id. */
struct msg_header {
	uint32_t magic;
	uint16_t type;
	uint16_t reply; /* 0 request, 1 reply */
	uint32_t id;
	int32_t error; /* replies: 0 or a negative errno */
};
static_assert(sizeof(struct msg_header) == 16, "wire");

/* msg_hello.scope; a watcher has no segment, it hears of sockets. */
#define MSG_SCOPE_WATCH 2

struct msg_hello {
	struct msg_header h;
	uint16_t major, minor;
	uint16_t scope;
	uint16_t function;
	uint16_t lanes;
	uint16_t interrupts; /* PCIRING_IRQ_* */
	uint16_t irqchip;    /* PCIRING_IRQCHIP_*; see MSG_IRQCHIP_MINOR */
	uint16_t reserved;
	uint64_t features;
	char machine[PCIRING_NAME_MAX];
	char name[PCIRING_NAME_MAX];
};
static_assert(sizeof(struct msg_hello) == 40 + 2 * PCIRING_NAME_MAX, "wire");
/* Bits of features, in the hello wanted, in the reply agreed on. */
#define MSG_FEATURE_MAILBOX 1ull /* see struct seg_lane */
#define MSG_FEATURE_POLLS   2ull /* the service never sleeps: no kicks */
/* The first minor with features; an older one's bits mean nothing to anybody. */
#define MSG_FEATURES_MINOR  3
/* The first minor with an irqchip; what an older one has there is reserved. */
#define MSG_IRQCHIP_MINOR   2

/* Where things are in the segment, in bytes from its start. */
struct msg_geometry {
	uint64_t segment_size;
	uint32_t lanes;
	uint32_t lane_offset;	 /* struct seg_lane[lanes] */
	uint32_t request_offset; /* of lane 0's request ring */
	uint32_t request_stride; /* from lane to lane, whole pages */
	uint32_t request_count;	 /* elements, power of two */
	uint32_t completion_offset;
	uint32_t completion_stride;
	uint32_t completion_count;
	uint32_t irq_offset;
	uint32_t irq_count;
};
static_assert(sizeof(struct msg_geometry) == 48, "wire");

/* The descriptors of a hello reply, in this order. */
enum msg_fd {
	MSG_FD_SEGMENT,
	MSG_FD_KICK, /* eventfd: the client wakes a sleeping loop */
	MSG_NR_FDS
};

struct msg_hello_reply {
	struct msg_header h;
	uint16_t major, minor;
	uint32_t epoch;
	uint64_t features;
	uint8_t uuid[16];
	struct msg_geometry geo;
};
static_assert(sizeof(struct msg_hello_reply) == 96, "wire");

struct msg_dma {
	struct msg_header h;
	uint64_t gpa;
	uint64_t size;
	uint64_t offset;
	uint32_t flags; /* PCIRING_DMA_*; unmap: MSG_DMA_ALL */
	uint32_t reserved;
};
#define MSG_DMA_ALL 0x80000000u
static_assert(sizeof(struct msg_dma) == 48, "wire");

/* FUNCTION_INFO, FUNCTION_RESET, NOTIFY_PAGE requests. */
struct msg_function {
	struct msg_header h;
	uint16_t function;
	uint16_t reserved[3];
};
static_assert(sizeof(struct msg_function) == 24, "wire");

struct msg_function_info {
	struct msg_header h;
	struct pciring_function_info info;
};
static_assert(sizeof(struct pciring_function_info) == 88, "wire");
static_assert(sizeof(struct msg_function_info) == 104, "wire");

/* Where the page in the descriptor belongs. */
struct msg_notify_page {
	struct msg_header h;
	uint64_t offset; /* in the BAR, of its first byte: whole SEG_PAGEs */
	uint64_t length; /* of the file, and of that piece of the BAR */
	uint16_t function;
	uint16_t bar;
	uint32_t reserved;
};
static_assert(sizeof(struct msg_notify_page) == 40, "wire");

/* The request says which; the reply where it is, too. */
struct msg_kick {
	struct msg_header h;
	uint64_t offset; /* in the BAR */
	uint16_t function;
	uint16_t queue;
	uint16_t bar;
	uint16_t length; /* bytes that are this doorbell's alone */
};
static_assert(sizeof(struct msg_kick) == 32, "wire");

/*
 * IRQ_BIND: bit i of @bound says that vector start + i gets the next
 * descriptor; a clear bit unbinds it.  At most MSG_MAX_FDS bits a message;
 * with @bound 0 any count.
 */
struct msg_irq_bind {
	struct msg_header h;
	uint16_t function;
	uint16_t action; /* IRQ_CONTROL: PCIRING_IRQ_* */
	uint32_t start;
	uint32_t count;
	uint32_t bound;
};
static_assert(sizeof(struct msg_irq_bind) == 32, "wire");

/* LINE_BIND, LINE_CONTROL: one level-triggered line. */
struct msg_line {
	struct msg_header h;
	uint16_t kind;	 /* PCIRING_LINE_* */
	uint16_t action; /* LINE_CONTROL: PCIRING_IRQ_* */
	uint32_t number; /* of the function or the GSI */
	uint32_t bound;	 /* LINE_BIND: MSG_LINE_*; in this order the fds */
	uint32_t reserved;
};
#define MSG_LINE_TRIGGER  1u /* the eventfd that a rise signals */
#define MSG_LINE_RESAMPLE 2u /* the eventfd that ends an interrupt */
static_assert(sizeof(struct msg_line) == 32, "wire");

#define MSG_PATH_MAX 108

enum msg_socket_state {
	MSG_SOCKET_CLOSED,
	MSG_SOCKET_LISTENS,
	MSG_SOCKET_BUSY
};

struct msg_socket {
	struct msg_header h;
	uint16_t function;
	uint16_t state; /* enum msg_socket_state, from the watcher */
	int32_t error;	/* why it is closed, negative errno */
	char path[MSG_PATH_MAX];
	uint32_t reserved;
};
static_assert(sizeof(struct msg_socket) == 136, "wire");

/* The largest packet. */
union msg_packet {
	struct msg_header h;
	struct msg_hello hello;
	struct msg_hello_reply hello_reply;
	struct msg_dma dma;
	struct msg_function function;
	struct msg_function_info function_info;
	struct msg_notify_page notify_page;
	struct msg_kick kick;
	struct msg_irq_bind irq;
	struct msg_line line;
	struct msg_socket socket;
};

/* ---- The segment ------------------------------------------------------- */

#define SEG_PAGE    4096u
#define SEG_MAGIC   0x31676573676e7270ull /* "prngseg1" */
#define SEG_WINDOWS 64

/*
 * Writes that may be posted: of a size in @sizes, aligned to it from start.  @more
 * windows like it follow, each @step behind the one before: in functions, or if
 * it is one of addresses, in SEG_PAGEs.  Who has not heard of those, or of whom
 * both are 0 for that, knows the first one.
 */
struct seg_window {
	uint64_t start; /* offset in the BAR, or an address */
	uint64_t length;
	uint16_t function;
	uint8_t space; /* PCIRING_SPACE_* */
	uint8_t sizes; /* bit n: 1 << n bytes */
	uint16_t more;
	uint16_t step;
};
static_assert(sizeof(struct seg_window) == 24, "wire");
static_assert(offsetof(struct seg_window, more) == 20, "wire");

/*
 * A waiter declares that it sleeps; whoever makes progress wakes it once.
 *
 * Field   written by        read by     edge
 * mode    waiter, waker     both        W1: waiter's store, then its re-check
 *                                       W2: waker's progress, then its load
 *                                       (both sequentially consistent)
 * seq     waker             waiter      the futex word; also written by who
 *                                       calls the waiter away (wait_rouse())
 */
struct seg_wait {
	_Atomic uint32_t mode; /* enum seg_wait_mode */
	_Atomic uint32_t seq;
};
enum seg_wait_mode {
	SEG_AWAKE = 0,
	SEG_FUTEX = 1,
	SEG_EVENTFD = 2
};

/*
 * Page 0, written by the service but for the waker's half of @service, read by
 * the client.  window_seq is odd while the table changes; R3, R4: ring/window.c.
 */
struct seg_head {
	uint64_t magic;
	uint32_t epoch;
	uint32_t reserved0;
	_Alignas(64) struct seg_wait service; /* the loop sleeps: MSG_FD_KICK */
	_Alignas(64) _Atomic uint32_t window_seq;
	uint32_t nr_windows;
	struct seg_window window[SEG_WINDOWS];
};
static_assert(offsetof(struct seg_head, service) == 64, "wire");
static_assert(offsetof(struct seg_head, window_seq) == 128, "wire");
static_assert(sizeof(struct seg_head) <= SEG_PAGE, "wire");

/*
 * One cache line per lane: its thread's wait words, and its mailbox - the one
 * access that waits for an answer, and that answer - if MSG_FEATURE_MAILBOX was
 * agreed on.  A question keeps its lane's order: what was posted before @ask
 * moved comes before it, and nothing is put after it until its answer is taken.
 * So each field has one writer at a time, and needs to be no atomic.
 *
 * Field                written by  read by   edge
 * address ... op       client      service   ordered by ask
 * ask                  client      service   M1 -> N1  "the question is
 *                                            complete, and all posted before"
 * result, status       service     client    ordered by answer
 * answer               service     client    M2 -> N2  "the answer is complete"
 */
struct seg_lane {
	_Alignas(64) struct seg_wait wait; /* of the lane's thread */
	_Atomic uint32_t ask;		   /* seq of the question, never 0 */
	_Atomic uint32_t answer;	   /* seq of what it answers */
	uint64_t address;
	uint64_t value;	 /* to write */
	uint64_t result; /* read, all-ones where nothing is */
	uint32_t status; /* 0, or a positive errno */
	uint16_t function;
	uint8_t space;
	uint8_t size;
	uint8_t op; /* MSG_READ or MSG_WRITE */
	uint8_t reserved[15];
};
static_assert(sizeof(struct seg_lane) == 64, "wire");
static_assert(offsetof(struct seg_lane, ask) == 8, "wire");
static_assert(offsetof(struct seg_lane, answer) == 12, "wire");
static_assert(offsetof(struct seg_lane, result) == 32, "wire");
static_assert(offsetof(struct seg_lane, op) == 48, "wire");

/* Page 1, written by the client but for the waker's halves. */
struct seg_client {
	_Alignas(
		64) struct seg_wait irq; /* the irq thread waits for the ring */
};

#endif
