/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * window.h - the table of writes that may be posted, in the segment's head
 *
 * A sequence lock: window_seq is odd while the table changes.  A reader that
 * meets a change tries again a few times and then answers no, which is always
 * right: the write is then forwarded and waited for.
 *
 * Field       written by   read by    edge
 * window_seq  service      client     R3 -> A3   "the table is whole"
 * window[]    service      client     R4 -> A4   "a change has begun"
 *
 * Threads   one writer, the loop that owns the machine; any readers
 * Trust     a lying service can only make the client post
 */
#ifndef RING_WINDOW_H
#define RING_WINDOW_H

#include "ring/msg.h"

/* Replace the table; at most SEG_WINDOWS.  Service only. */
void window_publish(struct seg_head *head, const struct seg_window *w,
		    unsigned int n);

/* Whether a write of @size bytes lies, aligned, in a window that takes that
 * size.  Client only. */
bool window_find(const struct seg_head *head, uint8_t space, uint16_t function,
		 uint64_t address, uint8_t size);

#endif
