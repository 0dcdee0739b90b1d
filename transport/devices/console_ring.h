/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * console_ring.h - bytes from one thread to another, in order, bounded
 *
 * Field   written by   read by     edge
 * head    producer     consumer    C1 -> D1   "the bytes are there"
 * tail    consumer     producer    C2 -> D2   "their room is free again"
 * waits   both         both        E1 <-> E2  "one of the two sees the other"
 *
 * Threads   one producer, one consumer; they may be the same
 * Memory    embedded, its bytes too; nothing is allocated
 */
#ifndef TRANSPORT_DEVICES_CONSOLE_RING_H
#define TRANSPORT_DEVICES_CONSOLE_RING_H

#include <stdatomic.h>

#include "ring/base.h"

#define CONSOLE_RING_BYTES 16384u

struct console_ring {
	_Atomic uint32_t head, tail; /* count on; the place is modulo */
	_Atomic bool waits;	     /* the producer, for room */
	uint8_t byte[CONSOLE_RING_BYTES];
};

/* Nobody uses it. */
static inline void console_ring_reset(struct console_ring *r)
{
	atomic_store_explicit(&r->head, 0, memory_order_relaxed);
	atomic_store_explicit(&r->tail, 0, memory_order_relaxed);
	atomic_store_explicit(&r->waits, false, memory_order_relaxed);
}

/* ---- Producer ---------------------------------------------------------------- */

/* How many went in, ever. */
static inline uint32_t console_ring_head(const struct console_ring *r)
{
	/* Relaxed: its own. */
	return atomic_load_explicit(&r->head, memory_order_relaxed);
}

static inline uint32_t console_ring_room(const struct console_ring *r)
{
	/* Relaxed: its own.  D2: pairs with C2, so the room is not read any
	 * more when it is filled. */
	return CONSOLE_RING_BYTES -
	       (atomic_load_explicit(&r->head, memory_order_relaxed) -
		atomic_load_explicit(&r->tail, memory_order_acquire));
}

/* The room that is in one piece; its length in *@n. */
static inline uint8_t *console_ring_space(struct console_ring *r, uint32_t *n)
{
	const uint32_t at =
		atomic_load_explicit(&r->head, memory_order_relaxed) %
		CONSOLE_RING_BYTES;

	*n = console_ring_room(r);
	if (*n > CONSOLE_RING_BYTES - at)
		*n = CONSOLE_RING_BYTES - at;
	return r->byte + at;
}

/* @n bytes of that were filled. */
static inline void console_ring_filled(struct console_ring *r, uint32_t n)
{
	const uint32_t head =
		atomic_load_explicit(&r->head, memory_order_relaxed);

	/* C1: pairs with D1, so the bytes are seen whole. */
	atomic_store_explicit(&r->head, head + n, memory_order_release);
}

/* How many of @n bytes went in. */
static inline uint32_t console_ring_put(struct console_ring *r,
					const void *from, uint32_t n)
{
	uint32_t put = 0, piece;
	uint8_t *to;

	while (put < n) {
		to = console_ring_space(r, &piece);
		if (!piece)
			break;
		if (piece > n - put)
			piece = n - put;
		memcpy(to, (const uint8_t *)from + put, piece);
		console_ring_filled(r, piece);
		put += piece;
	}
	return put;
}

/* There is no room: wait for it.  True: there is some after all. */
static inline bool console_ring_wait(struct console_ring *r)
{
	atomic_store_explicit(&r->waits, true, memory_order_relaxed);
	/* E1: pairs with E2: we see the room, or the consumer that we wait. */
	atomic_thread_fence(memory_order_seq_cst);
	return console_ring_room(r);
}

/* ---- Consumer ---------------------------------------------------------------- */

static inline uint32_t console_ring_bytes(const struct console_ring *r)
{
	/* D1: pairs with C1.  Relaxed: its own. */
	return atomic_load_explicit(&r->head, memory_order_acquire) -
	       atomic_load_explicit(&r->tail, memory_order_relaxed);
}

/* The bytes that are in one piece; their number in *@n. */
static inline const uint8_t *console_ring_look(const struct console_ring *r,
					       uint32_t *n)
{
	const uint32_t at =
		atomic_load_explicit(&r->tail, memory_order_relaxed) %
		CONSOLE_RING_BYTES;

	*n = console_ring_bytes(r);
	if (*n > CONSOLE_RING_BYTES - at)
		*n = CONSOLE_RING_BYTES - at;
	return r->byte + at;
}

/* @n bytes are done with. */
static inline void console_ring_took(struct console_ring *r, uint32_t n)
{
	const uint32_t tail =
		atomic_load_explicit(&r->tail, memory_order_relaxed);

	/* C2: pairs with D2, so nobody fills what is still read. */
	atomic_store_explicit(&r->tail, tail + n, memory_order_release);
}

static inline uint32_t console_ring_get(struct console_ring *r, void *to,
					uint32_t n)
{
	uint32_t got = 0, piece;
	const uint8_t *from;

	while (got < n) {
		from = console_ring_look(r, &piece);
		if (!piece)
			break;
		if (piece > n - got)
			piece = n - got;
		memcpy((uint8_t *)to + got, from, piece);
		console_ring_took(r, piece);
		got += piece;
	}
	return got;
}

/* After some were taken: true if the producer waits for that; once. */
static inline bool console_ring_wake(struct console_ring *r)
{
	/* E2: pairs with E1. */
	atomic_thread_fence(memory_order_seq_cst);
	/* Relaxed: the fence is before it. */
	return atomic_load_explicit(&r->waits, memory_order_relaxed) &&
	       atomic_exchange_explicit(&r->waits, false, memory_order_relaxed);
}

#endif
