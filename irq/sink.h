/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sink.h - where the cascade ends: interrupt ring, eventfds, a recording
 *
 * Each sink takes a message or says that it cannot now; none of them loses
 * one.  An eventfd sink belongs to one function; vectors without a descriptor
 * fall through to another sink (the ring) or, with none, stay pending.
 *
 * Threads   one poll thread owns a sink and the banks that send to it
 * Memory    the caller provides the structs
 */
#ifndef IRQ_SINK_H
#define IRQ_SINK_H

#include "irq/msi.h"

struct channel;

/* ---- The interrupt ring of an attachment -------------------------------- */

struct sink_ring {
	struct msi_sink sink;
	struct channel *channel; /* borrowed */
	bool backlog; /* the ring was full: flush the banks when it has room */
};
void sink_ring_init(struct sink_ring *s, struct channel *channel);

/*
 * ---- One eventfd per vector of one function -----------------------------
 *
 * Trust   a descriptor is the client's: it may be full, blocking, or no
 *         eventfd at all.  None of that can make a message sleep; a full
 *         counter counts as told, what is no eventfd keeps its events pending
 * Host    each thread that sends holds one aio context (64 of fs.aio-max-nr)
 *         and one descriptor, for as long as the process lives
 */

struct sink_eventfd {
	struct msi_sink sink;
	struct msi_sink *otherwise; /* borrowed: for unbound vectors, or NULL */
	int *fd;		    /* owned: nr descriptors, -1 unbound */
	bool *masked;		    /* owned: latch although bound */
	uint16_t nr;
	uint64_t writes;   /* eventfd writes that succeeded */
	uint64_t failures; /* descriptor refused the write (peer's fault) */
};
/*
 * Make what the calling thread needs to send, so that its first message makes
 * no syscall but the delivery.  A poll thread calls it once, before it serves
 * anybody; without it the first message does.  -EAGAIN or -ENOSYS: the system
 * gives no aio context.
 */
int sink_eventfd_prepare(void);

/* -ENOMEM; otherwise as sink_eventfd_prepare(), which it calls: the caller is
 * told at once where nothing could ever be sent. */
int sink_eventfd_init(struct sink_eventfd *s, uint16_t nr,
		      struct msi_sink *otherwise);
/* Closes all descriptors. */
void sink_eventfd_fini(struct sink_eventfd *s);

/* Own @fd (-1: unbind) for @v and return the one it replaces (-1: none), for
 * the caller to close: closing can block, the poll thread must not.  The
 * caller flushes the bank afterwards. */
int sink_eventfd_bind(struct sink_eventfd *s, unsigned int v, int fd);
void sink_eventfd_mask(struct sink_eventfd *s, unsigned int v, bool masked);

/* ---- What tests look at -------------------------------------------------- */

struct sink_record {
	struct msi_sink sink;
	bool refuse; /* take nothing, as a full ring does */
	unsigned int nr;
	struct msi_message message[256]; /* the first ones */
};
void sink_record_init(struct sink_record *s);

#endif
