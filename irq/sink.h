/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sink.h - where the cascade ends: interrupt ring, eventfds, a function
 *
 * Each sink takes a message or a level, or says that it cannot now; none of
 * them loses one.  KVM's own is in irq/sink_kvm.h.
 *
 * Threads   one poll thread owns a sink and the stages that lead to it
 * Memory    the caller provides the structs
 */
#ifndef IRQ_SINK_H
#define IRQ_SINK_H

#include "irq/stage.h"

struct channel;

/*
 * ---- The interrupt ring of an attachment --------------------------------
 *
 * Messages, the level of a line (pin: its GSI), and routes of I/O APIC pins.
 * All share one ring, so they arrive in the order in which they were sent.
 * What finds it full is refused and kept by whoever sent it: a bank, a line,
 * an I/O APIC.  Lines and pins are few; of a message it is told whose it was.
 */

struct sink_ring {
	struct irq_stage stage;
	struct channel *channel; /* borrowed */
	bool backlog; /* the ring was full: flush all when it has room */
	/* A message of @requester_id is kept; or NULL. */
	void (*refused)(struct sink_ring *s, uint16_t requester_id);
};
void sink_ring_init(struct sink_ring *s, struct channel *channel);

/* Pin @pin of the I/O APIC sends @m from now on; false: no room. */
bool sink_ring_route(struct sink_ring *s, uint32_t pin,
		     const struct msi_message *m);

/*
 * ---- One eventfd per vector of one function -----------------------------
 *
 * Vectors without a descriptor fall through to another sink (the ring) or,
 * with none, are refused and so stay pending.
 *
 * Trust   a descriptor is the client's: it may be full, blocking, or no
 *         eventfd at all.  None of that can make a message sleep; a full
 *         counter counts as told, what is no eventfd keeps its events pending
 * Host    as irq/notify.h, by which it signals
 */

struct sink_eventfd {
	struct irq_stage stage;
	struct irq_stage
		*otherwise; /* borrowed: for unbound vectors, or NULL */
	int *fd;	    /* owned: nr descriptors, -1 unbound */
	bool *masked;	    /* owned: latch although bound */
	uint16_t nr;
	uint64_t writes;   /* eventfd writes that succeeded */
	uint64_t failures; /* descriptor refused the write (peer's fault) */
};
/* -ENOMEM; otherwise as notify_prepare(), which it calls: the caller is told
 * at once where nothing could ever be sent. */
int sink_eventfd_init(struct sink_eventfd *s, uint16_t nr,
		      struct irq_stage *otherwise);
/* Closes all descriptors. */
void sink_eventfd_fini(struct sink_eventfd *s);

/* Own @fd (-1: unbind) for @v and return the one it replaces (-1: none), for
 * the caller to close: closing can block, the poll thread must not.  The
 * caller flushes the bank afterwards. */
int sink_eventfd_bind(struct sink_eventfd *s, unsigned int v, int fd);
void sink_eventfd_mask(struct sink_eventfd *s, unsigned int v, bool masked);

/*
 * ---- One eventfd per line, with resample ----------------------------------
 *
 * What an irqfd with a resample eventfd is to KVM and INTx to vfio: a rise
 * signals the eventfd once and the line is busy; the other side deasserts it
 * when the guest ends the interrupt and says so (sink_line_resample()); if the
 * line is high then, it is signalled again.  Nothing is lost between reading
 * ISR and EOI, and a line that stays high costs one signal a resample.
 *
 * It takes one wire, whatever its pin is called, and refuses nothing: a level
 * is its own memory, so a rise that cannot be told is told when it can be, if
 * the line is still high then.  Its set() answers
 *
 *	IRQ_QUEUED    a rise, signalled
 *	IRQ_LATCHED   a rise, kept: busy, masked, unbound or a bad descriptor
 *	IRQ_SILENT    a fall, for which an eventfd has no word; the same level
 *
 * Busy      ends by a resample or a bind, not by a fall: the guest has yet to
 *           end what was signalled
 * Counters  fired: signals; latched, masked: rises that were kept (masked: by
 *           a mask or for want of a descriptor).  Falls are not counted
 * Trust     as above; what a bad descriptor refused leaves the line not busy
 */
struct sink_line {
	struct irq_stage stage;
	const char *name; /* borrowed; for people */
	int fd;		  /* owned; -1: kept until one is bound */
	bool high;	  /* what the line told us */
	bool busy;	  /* signalled, not yet resampled */
	bool masked;	  /* kept although bound */
	uint64_t resamples;
	uint64_t failures; /* descriptor refused the signal (peer's fault) */
};
/* Low, unbound, unmasked.  -errno of notify_prepare(). */
int sink_line_init(struct sink_line *s, const char *name);
/* Closes the descriptor. */
void sink_line_fini(struct sink_line *s);

/* Own @fd (-1: unbind), not busy; return the one it replaces, for the caller
 * to close.  A high line is signalled at once. */
int sink_line_bind(struct sink_line *s, int fd);

/* The guest has ended the interrupt: IRQ_QUEUED signalled again, IRQ_LATCHED
 * high but cannot be told, IRQ_SILENT low. */
enum irq_result sink_line_resample(struct sink_line *s);

/* Unmasking signals a high line that is not busy.  Who ends an interrupt and
 * unmasks in one word resamples first, or the guest hears of it twice. */
void sink_line_mask(struct sink_line *s, bool masked);

/* A signal without cause, as a loopback test, masked or not; it makes nothing
 * busy.  Not if unbound. */
void sink_line_trigger(struct sink_line *s);

/*
 * ---- A function of the caller's -------------------------------------------
 *
 * Either may be NULL: then that kind is dropped, and counted.  They run on the
 * poll thread and answer as a stage does; what they refuse is kept above.
 */
struct sink_callback {
	struct irq_stage stage;
	enum irq_result (*send)(void *ctx, const struct msi_message *m);
	enum irq_result (*set)(void *ctx, uint32_t pin, bool high);
	void *ctx;
};
void sink_callback_init(
	struct sink_callback *s,
	enum irq_result (*send)(void *ctx, const struct msi_message *m),
	enum irq_result (*set)(void *ctx, uint32_t pin, bool high), void *ctx);

/* ---- What tests look at -------------------------------------------------- */

struct sink_record {
	struct irq_stage stage;
	bool refuse; /* take nothing, as a full ring does */
	unsigned int nr;
	struct msi_message message[256]; /* the first ones */
	unsigned int nr_levels;
	struct {
		uint32_t pin;
		bool high;
	} level[256]; /* the first ones */
};
void sink_record_init(struct sink_record *s);

#endif
